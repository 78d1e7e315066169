//! The OpenAPI document: what is generated, committed and served is one.

use macro_rules_attribute::apply;
use serde_json::{Value, json};

use crate::support::{Program, TestApp, on_both_databases, once};

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
            if !operation["security"].is_null() {
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
