//! The service itself.

use bienvenue::db::{DB, Direction};
use macro_rules_attribute::apply;
use reqwest::StatusCode;
use serde_json::json;

use crate::support::{TestApp, on_both_databases};

#[apply(on_both_databases)]
async fn the_root_says_bienvenue(app: TestApp) {
    let answer = app.get("/").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.body, json!({"message": "Bienvenue"}));
    assert_eq!(
        answer.header("content-type"),
        "application/json; charset=utf-8"
    );
}

#[apply(on_both_databases)]
async fn it_is_not_ready_before_the_database_is_migrated(app: TestApp) {
    let db = DB::connect(&app.database.url).await.expect("opens");
    db.migrate(Direction::Down).await.expect("goes down");
    app.get("/health/ready")
        .await
        .assert_problem(503, "database-unavailable");
    assert_eq!(app.get("/health/live").await.status, StatusCode::OK);
    db.migrate(Direction::Up).await.expect("goes up");
    let answer = app.get("/health/ready").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.body, json!({"status": "ok"}));
}

#[apply(on_both_databases)]
async fn every_problem_type_explains_itself(app: TestApp) {
    app.get("/problems/nonsense")
        .await
        .assert_problem(404, "not-found");
    let taken = app.get("/problems/email-taken").await;
    assert_eq!(taken.status, StatusCode::OK);
    assert_eq!(taken.body["type"], "/problems/email-taken");
    assert_eq!(taken.body["status"], 409);
    for text in ["title", "explanation", "remedy"] {
        assert!(
            taken.body[text]
                .as_str()
                .is_some_and(|text| text.len() > 10),
            "{taken:?}"
        );
    }
    // A problem's type is the path of its explanation.
    let refusal = app.get("/nothing").await;
    let path = refusal.body["type"].as_str().expect("a path");
    let explained = app.get(path).await;
    assert_eq!(explained.body["type"], refusal.body["type"]);
    assert_eq!(explained.body["title"], refusal.body["title"]);
}

#[apply(on_both_databases)]
async fn swagger_ui_comes_whole_from_the_service(app: TestApp) {
    let page = app
        .client
        .get(format!("{}/docs", app.url))
        .send()
        .await
        .expect("answers");
    assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
    let policy = page.headers()["content-security-policy"]
        .to_str()
        .expect("text")
        .to_owned();
    assert!(policy.contains("script-src 'self';"), "{policy}");
    let page = page.text().await.expect("text");
    assert!(
        !page.contains("http://") && !page.contains("https://"),
        "{page}"
    );
    for (path, content_type, shortest) in [
        (
            "docs/swagger-ui.js",
            "text/javascript; charset=utf-8",
            500_000,
        ),
        ("docs/swagger-ui.css", "text/css; charset=utf-8", 50_000),
        ("docs/start.js", "text/javascript", 50),
    ] {
        assert!(page.contains(&format!("\"{path}\"")), "{path}");
        let part = app
            .client
            .get(format!("{}/{path}", app.url))
            .send()
            .await
            .expect("answers");
        assert_eq!(part.status(), StatusCode::OK);
        assert_eq!(part.headers()["content-type"], content_type);
        assert!(
            part.bytes().await.expect("bytes").len() > shortest,
            "{path}"
        );
    }
}
