//! poem without anything else: the program that bienvenue is compared with.

use poem::{
    EndpointExt as _, Request, Route, Server, get, handler,
    http::{StatusCode, header},
    listener::TcpListener,
    web::{Data, Json},
};
use sea_orm::sqlx::{
    self, Row as _,
    postgres::{PgPool, PgPoolOptions, PgRow},
    sqlite::{SqlitePool, SqlitePoolOptions, SqliteRow},
    types::{
        Uuid,
        chrono::{DateTime, Utc},
    },
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::Result;

/// With this argument, this program serves the root, and the check of a session by bare sqlx.
pub const SERVE: &str = "--serve-bare-poem";

/// The query of bienvenue, as its ORM writes it.
const CHECK: &str = "SELECT s.id, s.user_id, s.token_digest, s.created_at, s.authenticated_at, \
     s.last_seen_at, s.expires_at, s.ip, s.user_agent, u.id, u.email, u.hashed_password, u.session_id, \
     u.reset_token, u.email_verified_at, u.created_at, u.updated_at \
     FROM sessions s INNER JOIN users u ON s.user_id = u.id WHERE s.token_digest = $1 LIMIT 1";

#[handler]
fn greet() -> Json<Value> {
    Json(json!({"message": "Bienvenue"}))
}

/// The digest of a request's token, which the query needs.
fn digest(request: &Request) -> Option<String> {
    let token = request.headers().get(header::AUTHORIZATION)?;
    let token = token.to_str().ok()?.strip_prefix("Bearer ")?;
    Some(hex::encode(Sha256::digest(token.as_bytes())))
}

/// The check for one database. The types of the two drivers have nothing in common, hence a macro.
macro_rules! check {
    ($name:ident, $pool:ty, $row:ty) => {
        #[handler]
        async fn $name(request: &Request, pool: Data<&$pool>) -> poem::Result<Json<Value>> {
            let digest = digest(request).ok_or(StatusCode::UNAUTHORIZED)?;
            let row: $row = sqlx::query(CHECK)
                .bind(digest)
                .fetch_optional(*pool)
                .await
                .map_err(poem::error::InternalServerError)?
                .ok_or(StatusCode::UNAUTHORIZED)?;
            let time = |column: usize| row.get::<DateTime<Utc>, _>(column).to_rfc3339();
            if row.get::<DateTime<Utc>, _>(6) < Utc::now() {
                return Err(StatusCode::UNAUTHORIZED.into());
            }
            Ok(Json(json!({
                "session": {
                    "id": row.get::<Uuid, _>(0).to_string(),
                    "created_at": time(3),
                    "last_seen_at": time(5),
                    "expires_at": time(6),
                    "ip": row.get::<Option<String>, _>(7),
                    "user_agent": row.get::<Option<String>, _>(8),
                    "current": true,
                },
                "user": {
                    "id": row.get::<i64, _>(9),
                    "email": row.get::<String, _>(10),
                    "email_verified": row.get::<Option<DateTime<Utc>>, _>(14).is_some(),
                    "created_at": time(15),
                },
            })))
        }
    };
}

check!(check_on_sqlite, SqlitePool, SqliteRow);
check!(check_on_postgres, PgPool, PgRow);

/// Serves until the process is killed.
pub fn serve(address: &str, database: &str) -> Result<()> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(async {
            let server = Server::new(TcpListener::bind(address));
            let root = Route::new().at("/", get(greet));
            // As many connections as bienvenue uses.
            if database.starts_with("sqlite:") {
                let pool = SqlitePoolOptions::new().max_connections(10);
                let pool = pool.connect(database).await?;
                let check = get(check_on_sqlite).data(pool);
                server.run(root.at("/sessions/current", check)).await?;
            } else {
                let pool = PgPoolOptions::new().max_connections(10);
                let pool = pool.connect(database).await?;
                let check = get(check_on_postgres).data(pool);
                server.run(root.at("/sessions/current", check)).await?;
            }
            Ok(())
        })
}
