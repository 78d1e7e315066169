//! Who may know of whom. The compiler holds this between crates; here it is held between modules.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use macro_rules_attribute::apply;

use crate::support::once;

/// A folder, and what no file in it may name.
const RULES: [(&str, &[&str]); 9] = [
    (
        "src/api",
        &[
            "crate::config",
            "crate::db",
            "crate::pages",
            "entity::",
            "sea_orm",
        ],
    ),
    (
        "src/pages",
        &[
            "crate::api",
            "crate::config",
            "crate::db",
            "entity::",
            "sea_orm",
        ],
    ),
    (
        "src/http",
        &[
            "crate::api",
            "crate::config",
            "crate::db",
            "crate::pages",
            "clap",
            "entity::",
            "sea_orm",
        ],
    ),
    (
        "src/auth",
        &[
            "crate::api",
            "crate::config",
            "crate::http",
            "crate::mail",
            "crate::pages",
            "clap",
            "poem",
            "sea_orm",
        ],
    ),
    (
        "src/db",
        &[
            "crate::api",
            "crate::auth",
            "crate::config",
            "crate::http",
            "crate::mail",
            "crate::pages",
            "clap",
            "poem",
        ],
    ),
    (
        "src/mail",
        &[
            "crate::api",
            "crate::config",
            "crate::db",
            "crate::http",
            "crate::pages",
            "clap",
            "sea_orm",
        ],
    ),
    ("src/config", &["poem", "sea_orm"]),
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

/// A file may import one that imports it only by way of others: two that do so directly are one.
#[apply(once)]
async fn no_two_files_import_each_other() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let house = House::of(&root);
    let imports: BTreeSet<(&str, String)> = house
        .files
        .keys()
        .flat_map(|file| house.imports(file).into_iter().map(move |to| (&**file, to)))
        .collect();
    assert!(
        imports.len() > 200,
        "only {} imports were found",
        imports.len()
    );
    for (from, to) in &imports {
        assert!(
            from == to || !imports.contains(&(to.as_str(), (*from).to_owned())),
            "{from} and {to} import each other"
        );
    }
}

/// The modules of the crate: the text of each, by its path (`auth::tokens`), without comments and tests.
struct House {
    files: BTreeMap<String, String>,
}

impl House {
    fn of(root: &Path) -> Self {
        let mut files = BTreeMap::new();
        for (path, text) in sources(root) {
            let relative = Path::new(&path).strip_prefix(root).expect("it is below");
            let module = relative.with_extension("");
            let module = module.to_str().expect("names are text").replace('/', "::");
            let module = match module.strip_suffix("::mod") {
                Some(folder) => folder.to_owned(),
                None if module == "lib" => String::new(),
                None => module,
            };
            let text = text.split("#[cfg(test)]").next().unwrap_or_default();
            let lines = text
                .lines()
                .map(|line| line.split("//").next().unwrap_or_default());
            files.insert(module, lines.collect::<Vec<_>>().join(" "));
        }
        Self { files }
    }

    /// The modules in which what a module imports is defined.
    fn imports(&self, module: &str) -> BTreeSet<String> {
        let paths = uses(&self.files[module]);
        paths
            .iter()
            .filter_map(|path| self.home(module, path))
            .collect()
    }

    /// The module in which a path that a module names is defined; none for another crate's.
    fn home(&self, module: &str, path: &str) -> Option<String> {
        let mut base: Vec<&str> = module.split("::").filter(|name| !name.is_empty()).collect();
        let mut names = path.split("::").peekable();
        match names.peek().copied() {
            Some("crate") => {
                names.next();
                base.clear();
            }
            Some("super") => {
                while names.next_if_eq(&"super").is_some() {
                    base.pop();
                }
            }
            Some(child) if self.has(&base, child) => {}
            _ => return None,
        }
        for name in names {
            if self.has(&base, name) {
                base.push(name);
                continue;
            }
            // Something that the module has, or shows of another.
            let module = base.join("::");
            let shown = uses(&self.files[&module]);
            let shown = shown
                .iter()
                .find(|shown| shown.rsplit("::").next() == Some(name));
            return match shown {
                Some(shown) => Some(self.home(&module, shown).unwrap_or(module)),
                None => Some(module),
            };
        }
        Some(base.join("::"))
    }

    fn has(&self, base: &[&str], child: &str) -> bool {
        let path = base.iter().copied().chain([child]).collect::<Vec<_>>();
        self.files.contains_key(&path.join("::"))
    }
}

/// The paths that the `use` statements of a text name, each written out.
fn uses(text: &str) -> Vec<String> {
    let statements = text.split("use ").skip(1);
    let statements = statements.filter_map(|rest| rest.split_once(';'));
    let mut paths = Vec::new();
    for (statement, _) in statements {
        spell_out("", statement, &mut paths);
    }
    paths
}

fn spell_out(before: &str, tree: &str, paths: &mut Vec<String>) {
    let tree = tree.trim();
    let Some((head, group)) = tree.split_once('{') else {
        let path = tree.split(" as ").next().unwrap_or_default();
        let path = path.trim_end_matches("::self").trim();
        paths.push(format!("{before}{path}"));
        return;
    };
    let group = group.strip_suffix('}').unwrap_or(group);
    let (mut depth, mut begin) = (0, 0);
    let before = format!("{before}{}", head.trim());
    for (place, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                spell_out(&before, &group[begin..place], paths);
                begin = place + 1;
            }
            _ => {}
        }
    }
    let last = &group[begin..];
    if !last.trim().is_empty() {
        spell_out(&before, last, paths);
    }
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
