//! Checks that a SQLite file can be opened, and explains what to do if not. SQLite itself reports every such problem
//! as "unable to open database file".

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

/// The first bytes of a SQLite file. Source: <https://www.sqlite.org/fileformat.html>, 1.3.
const MAGIC: &[u8] = b"SQLite format 3\0";

/// Opens a file as SQLite will. If `is_made`, a missing file is created, readable only by its owner.
///
/// # Errors
/// A sentence that names the file, the problem, and what to do about it.
pub(super) fn prepare(file: &Path, is_made: bool) -> Result<(), String> {
    let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    let shown = file.display();
    if file.is_dir() {
        return Err(format!(
            "{shown} is a folder: name a file in it, such as sqlite://{shown}/bienvenue.db?mode=rwc"
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
            "{shown} is not a SQLite database: name another file, or move this one away"
        ));
    }
    // The files that SQLite keeps beside it.
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
        let more = "SQLite creates further files there";
        format!("{}. {more}", complaint(folder, false, &err.into()))
    })
}

fn beside(file: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(file);
    name.push(suffix);
    name.into()
}

/// Explains a problem with a file or a folder, and what to do about it.
fn complaint(path: &Path, is_made: bool, err: &io::Error) -> String {
    let shown = path.display();
    let folder = path.parent().unwrap_or(path);
    match err.kind() {
        ErrorKind::NotFound if folder.is_dir() && !is_made => {
            format!(
                "the SQLite file {shown} does not exist: add ?mode=rwc to DATABASE_URL to create it"
            )
        }
        ErrorKind::NotFound => format!(
            "the SQLite file {shown} can't be created: the folder {} does not exist. Create it, or name a file elsewhere",
            folder.display()
        ),
        ErrorKind::NotADirectory => {
            format!(
                "the SQLite file {shown} can't be opened: a part of its path is a file, not a folder"
            )
        }
        ErrorKind::ReadOnlyFilesystem => format!(
            "{shown} can't be written: its file system is read-only. Mount it for writing, or name a file elsewhere"
        ),
        ErrorKind::PermissionDenied => denied(path),
        _ => format!("the SQLite file {shown} can't be opened: {err}"),
    }
}

/// Explains a missing permission. Names the owner of the path, or of the nearest folder above it that is visible.
fn denied(path: &Path) -> String {
    let user = geteuid().as_raw();
    let seen = path
        .ancestors()
        .find_map(|above| Some((above, fs::metadata(above).ok()?)));
    let (whose, owner) = seen.map_or((path, String::new()), |(above, metadata)| {
        (above, format!(", which belongs to user {}", metadata.uid()))
    });
    format!(
        "{} can't be written: the service runs as user {user}, which has no permission for {}{owner}. Give it to user {user} \
         (chown {user}), or run as another user",
        path.display(),
        whose.display()
    )
}
