//! The documentation that the service provides: the OpenAPI document, and Swagger UI to read and try it.

mod document;
mod swagger_ui;

pub(super) use document::Document;
pub(super) use swagger_ui::add_to;
