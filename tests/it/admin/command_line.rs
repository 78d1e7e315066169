//! `bienvenue user`, on a database that a service uses at the same time.

use macro_rules_attribute::apply;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{ADA, EVE, NEW, PASSWORD, ROOT};
use crate::support::{Program, TestApp, on_both_databases};

/// What a command did: its exit status, what it printed as JSON, a value for each line, and what it complained of.
struct Done {
    status: i32,
    values: Vec<Value>,
    complaints: String,
}

/// Runs `bienvenue user … --json` on the database of a service.
async fn run(app: &TestApp, arguments: &[&str], input: &str) -> Done {
    let arguments = [&["user"], arguments, &["--json"]].concat();
    let variables = [("DATABASE_URL", &*app.database.url)];
    let (status, printed, complaints) = Program::run_with(&arguments, &variables, input).await;
    let values = printed
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"));
    let values = values.collect();
    Done {
        status,
        values,
        complaints,
    }
}

#[apply(on_both_databases)]
async fn the_first_administrator_comes_from_the_command_line(app: TestApp) {
    let arguments = [
        "add",
        "Root@Example.com",
        "--admin",
        "--verified",
        "--name",
        "Root",
        "--group",
        "ops",
    ];
    let done = run(&app, &arguments, "correct horse battery\n").await;
    assert_eq!(done.status, 0, "{}", done.complaints);
    let token = app.token(ROOT, PASSWORD).await;
    let found = app.get_as(&token, "/admin/users?role=admin").await;
    assert_eq!(found.status, StatusCode::OK, "{found:?}");
    let mut shown = found.body["users"][0].clone();
    // It signed in since then.
    shown["last_seen_at"] = Value::Null;
    shown["sessions"] = 0.into();
    assert_eq!(done.values, [shown]);
}

#[apply(on_both_databases)]
async fn what_a_command_can_not_do_changes_nothing_and_says_why(app: TestApp) {
    app.add_admin(ROOT, PASSWORD).await;
    app.register(ADA, PASSWORD).await;
    let before = run(&app, &["list"], "").await.values;
    for (arguments, input, status, complaint) in [
        (
            &["add", ADA][..],
            PASSWORD,
            1,
            "User ada@example.com already exists",
        ),
        (
            &["add", EVE],
            "",
            1,
            "give the password as a line of standard input",
        ),
        (
            &["add", EVE],
            "\n",
            1,
            "give the password as a line of standard input",
        ),
        (&["add", EVE], "short\n", 1, "The password is too short"),
        (
            &["add", EVE, "--group", "Staff"],
            PASSWORD,
            1,
            "The name of a group has 1 to 64",
        ),
        (
            &["add", EVE, "--name", ""],
            PASSWORD,
            1,
            "A name has 1 to 100 characters",
        ),
        (&["add", "eve"], PASSWORD, 2, "invalid value 'eve'"),
        (
            &["add", EVE, "--password", NEW],
            "",
            2,
            "unexpected argument",
        ),
        (&["show", EVE], "", 1, "there is no user eve@example.com"),
        (&["show", "999999"], "", 1, "there is no user 999999"),
        (
            &["set", ROOT, "--role", "user"],
            "",
            1,
            "this is the last administrator",
        ),
        (
            &["set", ADA, "--role", "root"],
            "",
            2,
            "it is user or admin",
        ),
        (
            &["set", ADA, "--add-group", ""],
            "",
            1,
            "The name of a group",
        ),
        (&["disable", ROOT], "", 1, "this is the last administrator"),
        (
            &["delete", ROOT, "--yes"],
            "",
            1,
            "this is the last administrator",
        ),
        (
            &["delete", ADA],
            "",
            1,
            "run: bienvenue user delete ada@example.com --yes",
        ),
        (
            &["list", "--state", "gone"],
            "",
            2,
            "it is verified, unverified or disabled",
        ),
    ] {
        let done = run(&app, arguments, input).await;
        let complaints = done.complaints;
        assert_eq!(done.status, status, "{arguments:?}: {complaints}");
        assert!(
            complaints.contains(complaint),
            "{arguments:?}: {complaints}"
        );
        assert!(done.values.is_empty(), "{arguments:?}: {:?}", done.values);
    }
    assert_eq!(run(&app, &["list"], "").await.values, before);
}

#[apply(on_both_databases)]
async fn an_account_is_managed_while_the_service_runs(app: TestApp) {
    app.add_admin(ROOT, PASSWORD).await;
    let invited = run(&app, &["add", ADA, "--invite"], "").await;
    assert_eq!(invited.values[0]["has_password"], false);
    app.clock.advance_to_now();
    let mail = app.mail.newest_to(ADA, 1).await;
    let body = json!({"token": mail.token(), "new_password": NEW});
    let chosen = app.put("/password-reset", &body).await;
    assert_eq!(chosen.status, StatusCode::NO_CONTENT, "{chosen:?}");
    let token = app.token(ADA, NEW).await;
    let id = invited.values[0]["id"].to_string();
    let set = [
        "set",
        &id,
        "--name",
        "Ada",
        "--add-group",
        "a",
        "--add-group",
        "b",
        "--verified",
        "false",
    ];
    let changed = run(&app, &set, "").await;
    assert_eq!(
        changed.values[0]["groups"],
        json!(["a", "b"]),
        "{}",
        changed.complaints
    );
    let changed = run(&app, &["set", ADA, "--remove-group", "a", "--name", ""], "").await;
    assert_eq!(changed.values[0]["groups"], json!(["b"]));
    assert_eq!(changed.values[0]["name"], Value::Null);
    assert_eq!(changed.values[0]["email_verified"], false);
    assert_eq!(
        run(&app, &["list", "--group", "b"], "").await.values,
        changed.values
    );
    assert!(
        run(&app, &["list", "--group", "a"], "")
            .await
            .values
            .is_empty()
    );
    assert!(app.opens(&token).await);
    assert_eq!(run(&app, &["sign-out", ADA], "").await.status, 0);
    assert!(!app.opens(&token).await);
    let token = app.token(ADA, NEW).await;
    assert_eq!(
        run(&app, &["disable", ADA], "").await.values[0]["disabled"],
        true
    );
    assert!(!app.opens(&token).await);
    app.sign_in(ADA, NEW)
        .await
        .assert_problem(401, "invalid-credentials");
    let refused = run(&app, &["reset", ADA], "").await;
    assert_eq!(refused.status, 1);
    assert!(
        refused.complaints.contains("run bienvenue user enable"),
        "{}",
        refused.complaints
    );
    assert_eq!(
        run(&app, &["enable", ADA], "").await.values[0]["disabled"],
        false
    );
    assert_eq!(run(&app, &["reset", ADA], "").await.status, 0);
    let token = app.token(ADA, NEW).await;
    assert_eq!(run(&app, &["delete", ADA, "--yes"], "").await.status, 0);
    assert!(!app.opens(&token).await);
    assert_eq!(run(&app, &["show", ADA], "").await.status, 1);
}
