//! The service's own secret: where it comes from, and what a start with another one says.

use std::{fs, os::unix::fs::MetadataExt as _};

use macro_rules_attribute::apply;

use crate::support::{Program, TEST_KEY, TestApp, TestDatabase, command, on_both_databases, once};

/// Another key, in hexadecimal.
const OTHER_KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// Starts the program and waits for its refusal.
#[track_caller]
fn refused(url: &str, variables: &[(&str, &str)]) -> String {
    let mut all = vec![("DATABASE_URL", url), ("BIENVENUE_LISTEN", "127.0.0.1:0")];
    all.extend(variables);
    let (succeeded, _, complaint) = Program::run(&["serve"], &all);
    assert!(!succeeded, "{complaint}");
    complaint
}

#[apply(on_both_databases)]
async fn a_key_that_is_none_is_refused_and_not_repeated(database: TestDatabase) {
    for key in ["x", "c2hvcnQ=", "correct horse battery", &OTHER_KEY[1..]] {
        let complaint = refused(&database.url, &[("BIENVENUE_KEYS", key)]);
        assert!(complaint.contains("BIENVENUE_KEYS"), "{complaint}");
        assert!(complaint.contains("openssl rand -base64 32"), "{complaint}");
        assert!(!complaint.contains(key) || key == "x", "{complaint}");
    }
}

#[apply(on_both_databases)]
async fn a_database_that_is_used_with_a_key_takes_no_other(database: TestDatabase) {
    let url = [("DATABASE_URL", &*database.url)];
    let first = Program::start(&url);
    first.signal("TERM");
    first.ended();
    let fingerprint = database.sql("SELECT fingerprint FROM sealing_keys").await;
    let fingerprint = fingerprint.expect("the database remembers it");
    let complaint = refused(&database.url, &[("BIENVENUE_KEYS", OTHER_KEY)]);
    assert!(complaint.contains(&fingerprint), "{complaint}");
    assert!(!complaint.contains(OTHER_KEY), "{complaint}");
    // Nor one that it would make, and then it makes none.
    let folder = tempfile::tempdir().expect("a folder");
    let mut serve = command(&["serve"], &folder);
    let output = serve.env("DATABASE_URL", &database.url).output();
    let output = output.expect("the program is there");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(complaint.contains("BIENVENUE_KEY_FILE"), "{complaint}");
    assert!(complaint.contains(&fingerprint), "{complaint}");
    assert!(!folder.path().join("bienvenue.key").exists());
    // A new key comes before the old one, and is the database's from then on.
    let both = format!("{OTHER_KEY},{TEST_KEY}");
    let rotated = Program::start(&[url[0], ("BIENVENUE_KEYS", &both)]);
    rotated.signal("TERM");
    rotated.ended();
    let complaint = refused(&database.url, &[("BIENVENUE_KEYS", TEST_KEY)]);
    assert!(complaint.contains(&fingerprint), "{complaint}");
    Program::start(&[url[0], ("BIENVENUE_KEYS", OTHER_KEY)]);
}

#[apply(on_both_databases)]
async fn the_first_start_makes_a_key_for_its_owners_eyes_alone(database: TestDatabase) {
    let empty = [("DATABASE_URL", &*database.url), ("BIENVENUE_KEYS", "")];
    let program = Program::start(&empty);
    let path = program.folder().join("bienvenue.key");
    let key = fs::read_to_string(&path).expect("it was made");
    assert_eq!(fs::metadata(&path).expect("a file").mode() & 0o777, 0o600);
    assert_eq!(key.trim().len(), 44, "32 bytes in base64");
    let files = fs::read_dir(program.folder()).expect("a folder");
    let names = files.map(|file| file.expect("a file").file_name());
    let unfinished = |name: &std::ffi::OsString| name.to_string_lossy().starts_with('.');
    assert_eq!(names.filter(unfinished).count(), 0);
    program.kill();
    Program::start(&[empty[0], ("BIENVENUE_KEYS", &key)]);
}

#[apply(once)]
async fn a_key_file_that_can_t_be_made_says_how_to_mend_it() {
    let missing = [("BIENVENUE_KEY_FILE", "nowhere/bienvenue.key")];
    let (succeeded, _, complaint) = Program::run(&["serve"], &missing);
    assert!(!succeeded);
    for part in [
        "BIENVENUE_KEY_FILE",
        "nowhere/bienvenue.key",
        "BIENVENUE_KEYS",
    ] {
        assert!(complaint.contains(part), "{complaint}");
    }
}

#[apply(on_both_databases)]
async fn the_counts_name_nobody_without_the_key(database: TestDatabase) {
    let mut keys = Vec::new();
    for key in [TEST_KEY, OTHER_KEY] {
        let there = TestDatabase::at(database.url.clone());
        let both = format!("{key},{TEST_KEY},{OTHER_KEY}");
        let app = TestApp::with(there, &["--keys", &both]).await;
        app.sign_in("ada@example.com", "correct horse battery")
            .await;
        let names = "SELECT key FROM throttles WHERE account IS NOT NULL ORDER BY key";
        keys.push(database.sql(names).await.expect("it was counted"));
        database.sql("DELETE FROM throttles").await;
        app.stop().await;
    }
    assert_ne!(keys[0], keys[1]);
}
