//! Whether a SQLite file can be opened, and what to do where it can't: SQLite says "unable to open database file" to all of it.

use std::{
    ffi::OsString,
    fs::{self, OpenOptions},
    io::{self, ErrorKind, Read as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{Access, access},
    process::geteuid,
};

/// What a SQLite file begins with. Source: <https://www.sqlite.org/fileformat.html>, 1.3.
const MAGIC: &[u8] = b"SQLite format 3\0";

/// Tries to open a file as SQLite will, and makes it if it is to be made, for the eyes of its owner alone.
///
/// # Errors
/// A sentence that says which file, what is the matter with it, and how to mend it.
pub(super) fn prepare(file: &Path, is_made: bool) -> Result<(), String> {
    let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    let shown = file.display();
    if file.is_dir() {
        return Err(format!(
            "{shown} is a folder: name a file in it, as sqlite://{shown}/bienvenue.db?mode=rwc does"
        ));
    }
    let opened = OpenOptions::new()
        .read(true)
        .append(true)
        .create(is_made)
        .mode(0o600)
        .open(&file);
    let mut opened = opened.map_err(|err| complaint(&file, is_made, &err))?;
    let mut beginning = Vec::new();
    let length = MAGIC.len().try_into().unwrap_or(u64::MAX);
    let read = opened.by_ref().take(length).read_to_end(&mut beginning);
    read.map_err(|err| format!("the SQLite file {shown} can't be read: {err}"))?;
    if !beginning.is_empty() && beginning != MAGIC {
        return Err(format!(
            "{shown} is no SQLite database: name another file, or move this one away"
        ));
    }
    // What SQLite keeps beside it.
    for suffix in ["-wal", "-shm"] {
        let beside = beside(&file, suffix);
        if let Err(err) = OpenOptions::new().read(true).append(true).open(&beside)
            && err.kind() != ErrorKind::NotFound
        {
            return Err(complaint(&beside, false, &err));
        }
    }
    let folder = file.parent().unwrap_or(&file);
    access(folder, Access::WRITE_OK | Access::EXEC_OK).map_err(|err| {
        let more = "SQLite makes files beside its own";
        format!("{}. {more}", complaint(folder, false, &err.into()))
    })
}

fn beside(file: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(file);
    name.push(suffix);
    name.into()
}

/// What is the matter with a file or a folder, and the mend.
fn complaint(path: &Path, is_made: bool, err: &io::Error) -> String {
    let shown = path.display();
    let folder = path.parent().unwrap_or(path);
    match err.kind() {
        ErrorKind::NotFound if folder.is_dir() && !is_made => {
            format!(
                "the SQLite file {shown} is not there: add ?mode=rwc to DATABASE_URL for it to be made"
            )
        }
        ErrorKind::NotFound => format!(
            "the SQLite file {shown} can't be made: there is no folder {}. Make it, or name a file elsewhere",
            folder.display()
        ),
        ErrorKind::NotADirectory => {
            format!(
                "the SQLite file {shown} can't be opened: a part of its path is a file and no folder"
            )
        }
        ErrorKind::ReadOnlyFilesystem => format!(
            "{shown} can't be written: its file system is read-only. Mount it for writing, or name a file elsewhere"
        ),
        ErrorKind::PermissionDenied => denied(path),
        _ => format!("the SQLite file {shown} can't be opened: {err}"),
    }
}

/// Whose the path is, or the nearest folder above it that can be seen.
fn denied(path: &Path) -> String {
    let user = geteuid().as_raw();
    let seen = path
        .ancestors()
        .find_map(|above| Some((above, fs::metadata(above).ok()?)));
    let (whose, owner) = seen.map_or((path, String::new()), |(above, metadata)| {
        (above, format!(", which is user {}'s", metadata.uid()))
    });
    format!(
        "{} can't be written: user {user}, as whom this runs, has no right to {}{owner}. Give it to user {user} \
         (chown {user}), or run as another user",
        path.display(),
        whose.display()
    )
}
