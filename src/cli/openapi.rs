//! `bienvenue openapi`: prints the OpenAPI document to standard output.

use std::{
    error::Error,
    io::{Write as _, stdout},
};

pub(super) fn run() -> Result<(), Box<dyn Error>> {
    stdout().write_all(crate::openapi_document().as_bytes())?;
    Ok(())
}
