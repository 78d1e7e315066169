//! Swagger UI: a page to read the document and to try the operations.

use std::sync::Arc;

use poem::{Endpoint, Response, endpoint::make_sync, http::header};
use swagger_ui_redist::{SwaggerUi, SwaggerUiStaticFile};

use super::document::Document;
use crate::http::Routes;

/// The page of Swagger UI. Its script, its style and the document come from this service. It requests nothing from
/// other hosts.
const PAGE: &str = r#"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Bienvenue: the API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="docs/swagger-ui.css">
<style>
/* The document has no links between operations, and the column for them is wider than a telephone. */
.swagger-ui .response-col_links { display: none; }
</style>
</head>
<body>
<div id="swagger-ui"></div>
<script src="docs/swagger-ui.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"#;

/// The script that starts Swagger UI on the page.
const START: &str = "\
SwaggerUIBundle({
  dom_id: '#swagger-ui',
  url: 'openapi.json',
  deepLinking: true,
  displayRequestDuration: true,
  tryItOutEnabled: true,
  validatorUrl: null,
});
";

/// The policy of the page: it may load content only from this service. Swagger UI embeds images in its style, and its
/// widgets use style attributes.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
     img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Adds the pages that show the document.
pub(in crate::api) fn add_to(routes: Routes, document: &Document) -> Routes {
    routes
        .get(
            "/openapi.json",
            text("application/json", document.to_json()),
        )
        .get(
            "/openapi.yaml",
            text("application/yaml", document.to_yaml()),
        )
        .get("/docs", make_sync(|_| page()))
        .get("/docs/start.js", text("text/javascript", START))
        .get(
            "/docs/swagger-ui.js",
            make_sync(|_| asset("text/javascript", is_script)),
        )
        .get(
            "/docs/swagger-ui.css",
            make_sync(|_| asset("text/css", is_style)),
        )
}

fn is_script(file: SwaggerUiStaticFile) -> bool {
    matches!(file, SwaggerUiStaticFile::Js)
}

fn is_style(file: SwaggerUiStaticFile) -> bool {
    matches!(file, SwaggerUiStaticFile::Css)
}

fn page() -> Response {
    Response::builder()
        .content_type("text/html; charset=utf-8")
        .header(header::CONTENT_SECURITY_POLICY, PAGE_POLICY)
        .body(PAGE)
}

/// Returns an asset of Swagger UI.
fn asset(content_type: &str, is_it: fn(SwaggerUiStaticFile) -> bool) -> Response {
    let files = SwaggerUi::static_files().iter();
    let content = files
        .filter(|(file, _)| is_it(*file))
        .map(|(_, content)| *content);
    Response::builder()
        .content_type(format!("{content_type}; charset=utf-8"))
        // The asset does not change until a new version is deployed.
        .header(header::CACHE_CONTROL, "public, max-age=3600")
        .body(content.flatten().copied().collect::<Vec<_>>())
}

fn text(content_type: &'static str, content: impl Into<Arc<str>>) -> impl Endpoint {
    let content = content.into();
    make_sync(move |_| {
        Response::builder()
            .content_type(content_type)
            .body(content.to_string())
    })
}
