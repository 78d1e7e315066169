//! The OpenAPI document: what is generated, committed and served is one.

use macro_rules_attribute::apply;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Answer, Program, Question, TestApp, on_both_databases, once};

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

#[apply(once)]
async fn the_committed_document_is_what_the_program_prints() {
    let (succeeded, printed, _) = Program::run(&["openapi"], &[]);
    assert!(succeeded);
    let committed = include_str!("../../docs/openapi.json");
    assert!(
        printed == committed,
        "docs/openapi.json is old: cargo run -- openapi > docs/openapi.json"
    );
}

#[apply(on_both_databases)]
async fn the_served_documents_are_what_the_program_prints(app: TestApp) {
    let printed: Value = serde_json::from_str(&bienvenue::openapi_document()).expect("JSON");
    let json = app.get("/openapi.json").await;
    assert_eq!(json.header("content-type"), "application/json");
    assert_eq!(json.body, printed);
    let yaml = app
        .client
        .get(format!("{}/openapi.yaml", app.url))
        .send()
        .await
        .expect("answers");
    assert_eq!(yaml.headers()["content-type"], "application/yaml");
    let yaml: Value = serde_yaml::from_str(&yaml.text().await.expect("text")).expect("YAML");
    assert_eq!(yaml, printed);
}

/// Every test relies on it: see [`Question`].
#[apply(on_both_databases)]
async fn an_answer_that_is_not_documented_is_found(app: TestApp) {
    let right = app
        .register("ada@example.com", "correct horse battery")
        .await;
    let taken = app
        .register("ada@example.com", "correct horse battery")
        .await;
    let request = |method: Method, path: &str| {
        let request = app.client.request(method, format!("{}{path}", app.url));
        Question::of(&request.build().expect("it is right"))
    };
    let register = request(Method::POST, "/users");
    assert_eq!(register.judge(&right), Ok(()));
    assert_eq!(register.judge(&taken), Ok(()));
    let change = |answer: &Answer, change: fn(&mut Answer)| {
        let mut answer = answer.clone();
        change(&mut answer);
        answer
    };
    for (wrong, deviation) in [
        (
            change(&right, |answer| answer.status = StatusCode::OK),
            "200 is not documented",
        ),
        (
            change(&right, |answer| drop(answer.headers.remove("content-type"))),
            "\"\" is not documented",
        ),
        (
            change(&right, |answer| answer.body["id"] = json!("1")),
            "/id: \"1\" is not of type \"integer\"",
        ),
        (
            change(&right, |answer| answer.body["email"] = Value::Null),
            "/email: null is not of type \"string\"",
        ),
        (
            change(&right, |answer| answer.body["created_at"] = json!("today")),
            "/created_at: \"today\" is not a \"date-time\"",
        ),
        (
            change(&right, |answer| answer.body["admin"] = json!(true)),
            "Additional properties are not allowed ('admin' was unexpected)",
        ),
        (
            change(&taken, |answer| {
                answer.body["type"] = json!("/problems/not-found");
            }),
            "not-found is not among [\"email-taken\"]",
        ),
    ] {
        let found = register.judge(&wrong).expect_err(deviation);
        assert!(found.contains(deviation), "{found}");
    }
    let nothing = request(Method::GET, "/nothing");
    let found = nothing.judge(&right).expect_err("there is no such path");
    assert!(found.contains("no problem of this status"), "{found}");
    let found = nothing.judge(&taken).expect_err("there is no such path");
    assert!(found.contains("email-taken is for operations"), "{found}");
}

#[apply(once)]
async fn every_operation_is_documented_whole() {
    let document: Value = serde_json::from_str(&bienvenue::openapi_document()).expect("JSON");
    assert_eq!(document["servers"], json!([{"url": "/"}]));
    let mut ids = std::collections::HashSet::new();
    let paths = document["paths"].as_object().expect("paths");
    for (path, operations) in paths {
        for (method, operation) in operations.as_object().expect("operations") {
            let place = format!("{method} {path}");
            assert!(METHODS.contains(&method.as_str()), "{place}");
            let id = operation["operationId"].as_str().expect("an id");
            assert!(ids.insert(id), "{id} twice");
            assert!(
                operation["summary"]
                    .as_str()
                    .is_some_and(|text| !text.is_empty()),
                "{place}"
            );
            assert_eq!(
                operation["tags"].as_array().map(Vec::len),
                Some(1),
                "{place}"
            );
            let responses = operation["responses"].as_object().expect("responses");
            let mut expected = vec!["500", "503"];
            if !operation["requestBody"].is_null() {
                expected.extend(["400", "408", "413", "415"]);
            }
            if method != "get" {
                expected.push("403");
            }
            // An operation for everybody says so.
            if operation["security"] != json!([]) {
                expected.push("401");
                let either = json!([{"session_cookie": []}, {"session_token": []}]);
                let or_neither = json!([{"session_cookie": []}, {"session_token": []}, {}]);
                let security = &operation["security"];
                assert!([either, or_neither].contains(security), "{place}");
            }
            for status in expected {
                assert!(
                    responses.contains_key(status),
                    "{place} leaves out {status}"
                );
            }
            for (status, response) in responses {
                let described = response["description"]
                    .as_str()
                    .is_some_and(|text| !text.is_empty());
                assert!(described, "{place}: {status} is not described");
                let is_problem = response["content"]
                    .get("application/problem+json")
                    .is_some();
                assert_eq!(
                    is_problem,
                    status.starts_with(['4', '5']),
                    "{place}: {status}"
                );
            }
        }
    }
    let delivery = &document["components"]["schemas"]["Credentials"]["properties"]["delivery"];
    let alone = json!([{"$ref": "#/components/schemas/Delivery"}]);
    assert_eq!(delivery["allOf"], alone);
    assert_eq!(delivery["default"], "cookie");
    let registration = &document["components"]["schemas"]["Registration"];
    assert_eq!(registration["additionalProperties"], false);
}
