//! bienvenue, a user authentication service: one binary, an HTTP API, SQLite or PostgreSQL.
//!
//! A request goes through the house in one direction, and each layer turns the error of the one below
//! into its own:
//!
//! | layer | what it knows |
//! | --- | --- |
//! | [`app`] | how the parts are joined; what `main` serves and the tests start |
//! | `api` | HTTP: decode, call one method of [`auth`], encode |
//! | [`auth`] | the decisions: who may, for how long, and why not |
//! | `mail` | letters: what is in them, and who takes them |
//! | [`db`] | the questions to the database, one a method |
//! | `entity` | what a row is |
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
pub mod auth;
pub mod cli;
pub mod clock;
pub mod config;
pub mod db;
mod mail;
mod server;
mod shares;

pub use api::openapi_document;

/// What the fuzz targets look at, and no other program can.
#[cfg(fuzzing)]
pub mod fuzzing {
    pub use crate::{api::client_address, auth::read_stored_hash};
}
