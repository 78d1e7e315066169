//! Settings from files: from a file named `.env` in the working directory, and secrets from separate files.

use std::{fs, io::ErrorKind};

const FILE: &str = ".env";

/// Settings with secrets, which can be read from files. The variable with this suffix names the file. Containers often
/// get secrets this way.
const SECRETS: [&str; 2] = ["DATABASE_URL", "BIENVENUE_SMTP_URL"];
const SUFFIX: &str = "_FILE";

/// Whether a variable is such a name with the suffix.
pub(super) fn is_secret_file(variable: &str) -> bool {
    SECRETS
        .iter()
        .any(|secret| variable.strip_suffix(SUFFIX) == Some(secret))
}

/// Reads secrets from their files.
///
/// # Errors
/// A sentence that names the file at fault, without its content.
pub(super) fn read_secrets() -> Result<(), String> {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    for secret in SECRETS {
        let variable = format!("{secret}{SUFFIX}");
        if !is_set(&variable) {
            continue;
        }
        if is_set(secret) {
            return Err(format!("{secret} and {variable} are both set: remove one"));
        }
        let file =
            std::env::var(&variable).map_err(|_| format!("{variable} is not valid UTF-8"))?;
        let text = fs::read_to_string(&file)
            .map_err(|err| format!("{variable} names {file}, which can't be read: {err}"))?;
        let value = text.trim();
        if value.is_empty() || value.contains(['\n', '\0']) {
            return Err(format!(
                "{variable} names {file}, which must hold the value of {secret} on one line"
            ));
        }
        dotenvy::from_read_override(quoted(secret, value).as_bytes())
            .map_err(|_| format!("{variable} names {file}, whose content can't be used"))?;
    }
    Ok(())
}

/// Reads settings from the file, if it exists. A variable that is already set and not empty is kept.
///
/// # Errors
/// A sentence that says what is wrong and in which line. Of the content it repeats only the name.
pub(super) fn read() -> Result<(), String> {
    let text = match fs::read_to_string(FILE) {
        Ok(text) => text,
        Err(err) if err.kind() == ErrorKind::NotFound => return Ok(()),
        Err(err) => return Err(format!("the file {FILE} can't be read: {err}")),
    };
    let text = text.trim_start_matches('\u{feff}');
    if text.contains('\0') {
        return Err(format!("the file {FILE} contains a NUL and is not text"));
    }
    let Ok(settings) = parse(text) else {
        return Err(complaint(text));
    };
    let is_open = |name: &str| std::env::var_os(name).is_none_or(|value| value.is_empty());
    // The first value of a name counts. `from_read_override` keeps the last one, so the order is reversed.
    let open = settings.into_iter().rev().filter(|(name, _)| is_open(name));
    let lines: String = open.map(|(name, value)| quoted(&name, &value)).collect();
    dotenvy::from_read_override(lines.as_bytes())
        .map_err(|err| format!("the file {FILE} can't be used: {err}"))
}

fn parse(text: &str) -> dotenvy::Result<Vec<(String, String)>> {
    dotenvy::from_read_iter(text.as_bytes()).collect()
}

/// Formats a line that dotenvy reads as this value.
fn quoted(name: &str, value: &str) -> String {
    let value = value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('$', "\\$");
    format!("{name}=\"{value}\"\n")
}

/// Describes an error in a text that can't be parsed. dotenvy's own message counts characters and repeats the value.
fn complaint(text: &str) -> String {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    // Finds the longest prefix of whole lines that parses. The next line contains the error.
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
            "line {number} of the file {FILE}: the value of {name} must be quoted, because it contains spaces, quotes or special characters. \
             Write {name}='…', or {name}=\"…\" if there is a ' in it"
        ),
        None => format!(
            "line {number} of the file {FILE} is not NAME=value: correct it, or begin it with #"
        ),
    }
}
