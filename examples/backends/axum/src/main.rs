//! A backend that asks the service who calls.

use std::{env, io, net::SocketAddr, time::Duration};

use axum::{
    Json, Router,
    extract::{ConnectInfo, FromRequestParts},
    http::{HeaderName, StatusCode, header, request::Parts},
    routing::get,
};
use serde::Deserialize;
use serde_json::{Value, json};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

#[derive(Clone)]
struct Service {
    http: reqwest::Client,
    url: String,
}

#[derive(Deserialize)]
struct Current {
    user: User,
}

/// Who is signed in: a handler that takes it refuses everybody else.
#[derive(Deserialize)]
struct User {
    email: String,
}

impl FromRequestParts<Service> for User {
    type Rejection = (StatusCode, &'static str);

    async fn from_request_parts(
        parts: &mut Parts,
        service: &Service,
    ) -> Result<Self, Self::Rejection> {
        let unavailable = |_| (StatusCode::SERVICE_UNAVAILABLE, "Try again in a moment.");
        let mut asked = service
            .http
            .get(format!("{}/sessions/current", service.url));
        for name in [header::COOKIE, header::AUTHORIZATION, X_FORWARDED_FOR] {
            for value in parts.headers.get_all(&name) {
                asked = asked.header(&name, value);
            }
        }
        // As a proxy does it: where the request came from stands behind what others noted.
        if let Some(ConnectInfo(peer)) = parts.extensions.get::<ConnectInfo<SocketAddr>>() {
            asked = asked.header(X_FORWARDED_FOR, peer.ip().to_string());
        }
        let answer = asked.send().await.map_err(unavailable)?;
        if answer.status() == StatusCode::UNAUTHORIZED {
            return Err((StatusCode::UNAUTHORIZED, "Sign in first."));
        }
        let answer = answer.error_for_status().map_err(unavailable)?;
        let current: Current = answer.json().await.map_err(unavailable)?;
        Ok(current.user)
    }
}

async fn me(user: User) -> Json<Value> {
    Json(json!({ "email": user.email }))
}

#[tokio::main]
async fn main() -> io::Result<()> {
    let url = env::var("BIENVENUE_URL").unwrap_or_else(|_| "http://localhost:8000".to_owned());
    let http = reqwest::Client::builder()
        .timeout(Duration::from_secs(10))
        .build()
        .map_err(io::Error::other)?;
    let app = Router::new()
        .route("/api/me", get(me))
        .with_state(Service { http, url });
    let port = env::var("PORT").unwrap_or_else(|_| "3000".to_owned());
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, app).await
}
