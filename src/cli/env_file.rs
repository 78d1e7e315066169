//! Settings from a file named `.env` in the working directory.

use std::{fs, io::ErrorKind};

const FILE: &str = ".env";

/// Takes settings from the file, where there is one; what the environment says already stands, unless that is nothing.
///
/// # Errors
/// A sentence that says what is wrong in which line, and repeats nothing of it but the name.
pub(super) fn read() -> Result<(), String> {
    let text = match fs::read_to_string(FILE) {
        Ok(text) => text,
        Err(err) if err.kind() == ErrorKind::NotFound => return Ok(()),
        Err(err) => return Err(format!("the file {FILE} can't be read: {err}")),
    };
    let text = text.trim_start_matches('\u{feff}');
    if text.contains('\0') {
        return Err(format!("the file {FILE} has a NUL in it, and is no text"));
    }
    let Ok(settings) = parse(text) else {
        return Err(complaint(text));
    };
    let is_open = |name: &str| std::env::var_os(name).is_none_or(|value| value.is_empty());
    // The last one of a name stands where what is there is replaced, and the first one is to.
    let open = settings.into_iter().rev().filter(|(name, _)| is_open(name));
    let lines: String = open.map(|(name, value)| quoted(&name, &value)).collect();
    dotenvy::from_read_override(lines.as_bytes())
        .map_err(|err| format!("the file {FILE} can't be used: {err}"))
}

fn parse(text: &str) -> dotenvy::Result<Vec<(String, String)>> {
    dotenvy::from_read_iter(text.as_bytes()).collect()
}

/// A line that dotenvy reads as this value.
fn quoted(name: &str, value: &str) -> String {
    let value = value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('$', "\\$");
    format!("{name}=\"{value}\"\n")
}

/// What is wrong with a text that can't be parsed: dotenvy counts characters, and repeats the value.
fn complaint(text: &str) -> String {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    // What begins with the bad line is bad, and all before it is good.
    let good = (0..lines.len()).rev().find(|count| {
        let before = lines.iter().take(*count).copied().collect::<String>();
        parse(&before).is_ok()
    });
    let good = good.unwrap_or(0);
    let number = good + 1;
    let line = lines.get(good).copied().unwrap_or_default().trim();
    let line = line.strip_prefix("export ").unwrap_or(line);
    let name = line.split_once('=').map(|(name, _)| name.trim());
    let is_name = |name: &&str| {
        !name.is_empty()
            && name
                .chars()
                .all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
    };
    match name.filter(is_name) {
        Some(name) => format!(
            "line {number} of the file {FILE}: the value of {name} must be quoted, as it has spaces, quotes or signs in it. \
             Write {name}='…', or {name}=\"…\" if there is a ' in it"
        ),
        None => format!(
            "line {number} of the file {FILE} is no NAME=value: mend it, or begin it with #"
        ),
    }
}
