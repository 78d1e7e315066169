//! The JSON face: decode, call one method of [`crate::auth::Auth`], encode.
//!
//! Only this module knows statuses and JSON. The rules for every request, whatever its face, are in [`crate::http`].

mod account;
mod admin;
mod audit;
mod body;
mod docs;
mod email_verification;
mod export;
mod face;
mod parameters;
mod password_reset;
mod problem;
mod security;
mod service;
mod sessions;
mod tag;
mod users;
mod values;

pub use face::openapi_document;

pub(crate) use admin::user_as_json;
pub(crate) use face::{FACE, routes};
