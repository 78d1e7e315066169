//! What administrators do with all accounts.

mod access;
mod audit_events;
mod command_line;
mod search;
mod users;

use reqwest::Method;
use serde_json::Value;

use crate::support::{Answer, TestApp};

const ROOT: &str = "root@example.com";
const ADA: &str = "ada@example.com";
const EVE: &str = "eve@example.com";
const PASSWORD: &str = "correct horse battery";
const NEW: &str = "incorrect donkey charger";

/// Signs in an administrator, who is added first.
async fn admin(app: &TestApp, email: &str) -> String {
    app.add_admin(email, PASSWORD).await;
    app.token(email, PASSWORD).await
}

/// Registers somebody, and returns the id.
async fn add(app: &TestApp, email: &str) -> i64 {
    let user = app.register(email, PASSWORD).await;
    user.body["id"].as_i64().expect("registered")
}

async fn send(app: &TestApp, method: Method, path: &str, token: &str, body: &Value) -> Answer {
    let request = app.request(method, path, token);
    let request = if body.is_null() {
        request
    } else {
        request.json(body)
    };
    app.send(request).await
}

async fn change(app: &TestApp, token: &str, id: i64, body: &Value) -> Answer {
    let path = format!("/admin/users/{id}");
    send(app, Method::PATCH, &path, token, body).await
}

async fn show(app: &TestApp, token: &str, id: i64) -> Value {
    app.get_as(token, &format!("/admin/users/{id}")).await.body
}
