//! Who may know of whom. The compiler holds this between crates; here it is held between modules.

use std::{fs, path::Path};

use macro_rules_attribute::apply;

use crate::support::once;

/// A folder, and what no file in it may name.
const RULES: [(&str, &[&str]); 6] = [
    ("src/api", &["crate::db", "sea_orm", "migration::"]),
    ("src/auth", &["crate::api", "sea_orm", "poem"]),
    ("src/db", &["crate::api", "crate::auth", "poem"]),
    ("src/mail", &["crate::api", "crate::db", "sea_orm"]),
    ("entity", &["serde", "poem", "migration"]),
    ("migration", &["entity::"]),
];

#[apply(once)]
async fn no_layer_names_one_that_it_may_not_know() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut seen = 0;
    for (folder, forbidden) in RULES {
        for (path, text) in sources(&root.join(folder)) {
            seen += 1;
            for name in forbidden {
                assert!(!names(&text, name), "{path}: names {name}");
            }
        }
    }
    assert!(seen > 15, "only {seen} files were read");
}

#[apply(once)]
async fn every_way_to_name_a_module_is_seen() {
    for text in [
        "use crate::db::DB;",
        "let db = crate::db::DB::connect(url);",
        "use crate::{auth::Auth, db::DB};",
        "use crate::{\n    auth::{Auth, Email},\n    db::{DB, DbError},\n};",
        "use crate::{db};",
    ] {
        assert!(names(text, "crate::db"), "{text}");
    }
    for text in [
        "// crate::db",
        "use crate::auth::db;",
        "use crate::{auth::{db}, dbx};",
        "use crate::{auth};",
    ] {
        assert!(!names(text, "crate::db"), "{text}");
    }
}

/// Whether Rust code names something, written out or within the braces of a `use crate::{…}`.
fn names(text: &str, name: &str) -> bool {
    // Comments may speak of anything.
    let lines = text
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default());
    let code: String = lines.collect::<Vec<_>>().join(" ");
    if code.contains(name) {
        return true;
    }
    let Some(module) = name.strip_prefix("crate::") else {
        return false;
    };
    code.split("crate::{").skip(1).any(|group| {
        let mut depth = 0;
        let mut first_level = String::new();
        for letter in group.chars() {
            match letter {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                _ if depth == 0 => first_level.push(letter),
                _ => {}
            }
        }
        let mut paths = first_level.split(',').map(str::trim);
        paths.any(|path| path.split("::").next() == Some(module))
    })
}

#[apply(once)]
async fn only_the_clock_reads_the_time() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (path, text) in sources(&root.join("src")) {
        let reads = text.contains("Utc::now") || text.contains("SystemTime::now");
        assert_eq!(reads, path.ends_with("src/clock.rs"), "{path}");
    }
}

/// The Rust files and manifests below a folder, with their text.
fn sources(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("it can be read").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path
            .extension()
            .is_some_and(|extension| extension == "rs" || extension == "toml")
        {
            let text = fs::read_to_string(&path).expect("it can be read");
            found.push((path.display().to_string(), text));
        }
    }
    found
}
