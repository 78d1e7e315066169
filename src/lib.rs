//! bienvenue, a user authentication service: one binary, an HTTP API, SQLite or PostgreSQL.
//!
//! A request passes through the layers in one direction. Each layer converts the errors of the one below to its own:
//!
//! | layer | what it knows |
//! | --- | --- |
//! | [`app`] | how the parts are joined; `main` serves it and the tests start it |
//! | `http` | what all faces share: connections, limits, the client and the caller of a request |
//! | `api`, `pages` | the faces: decode, call one method of [`auth`], encode |
//! | [`auth`] | the decisions: what is allowed, for how long, and the reason for each refusal |
//! | `mail` | emails: their content, and how they are sent |
//! | [`db`] | the queries, one for each method |
//! | `entity` | the types of rows |
//!
//! A program can embed it without HTTP:
//!
//! ```
//! use bienvenue::{auth::{Auth, Policy}, db::DB};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let auth = Auth::new(DB::connect("sqlite::memory:").await?, Policy::default());
//! let ada = auth.register_user(" Ada@example.com ", "correct horse battery").await?;
//! assert_eq!(ada.email, "ada@example.com");
//! let again = auth.register_user("ada@example.com", "correct horse battery").await;
//! assert_eq!(again.unwrap_err().to_string(), "User ada@example.com already exists");
//! # Ok(()) }
//! ```

mod api;
pub mod app;
mod application;
pub mod auth;
pub mod cli;
pub mod clock;
pub mod config;
pub mod db;
mod error;
mod http;
mod loopback;
mod mail;
mod pages;

pub use api::openapi_document;

/// Functions for the fuzz targets. Other programs can't call them.
#[cfg(fuzzing)]
pub mod fuzzing {
    pub use crate::{
        auth::read_stored_hash,
        http::{TrustedProxies, client_address},
    };
}
