//! The documentation that the service gives of itself: the OpenAPI document, and Swagger UI to read and
//! try it.

use std::{
    collections::{BTreeSet, HashMap},
    marker::PhantomData,
    sync::{Arc, LazyLock},
};

use poem::{
    Endpoint, Response, Route,
    endpoint::{BoxEndpoint, make_sync},
    get,
    http::{Method, header},
};
use poem_openapi::{
    LicenseObject, OpenApi, OpenApiService, ServerObject,
    registry::{MetaApi, Registry},
};
use serde_json::{Value, json};

/// What the whole document begins with.
const DESCRIPTION: &str = "\
Accounts for your application: people register, sign in on any number of devices, see where they are signed \
in, and change or close their account.

Who is signed in shows it with each request, in one of two ways. A browser sends the cookie that the sign-in \
set, and needs no code for that. Anybody else asks for the token at the sign-in, and sends it as `Authorization: \
Bearer`. To try it here, sign in below: from then on the cookie is sent; or press Authorize and paste a token.

Bodies are JSON objects in UTF-8. A field that is unknown or repeated is an error, so that a misspelt one is \
never silently ignored. Times are RFC 3339 in UTC.

Every failure is `application/problem+json` (RFC 9457). Tell failures apart by `type`, which is stable and \
which explains itself: `GET` it. Every answer has an `X-Request-Id`, yours if you sent one of at most 64 \
characters of `A-Z a-z 0-9 . _ -`; quote it when you ask for help.";

/// The page of Swagger UI. Its script and its style come from this service, as does the document: no
/// other host is asked.
const PAGE: &str = r#"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Bienvenue: the API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="docs/swagger-ui.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"#;

/// What starts Swagger UI on that page.
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

/// What the page may do: load from this service alone. Swagger UI's style has its pictures inside, and
/// its widgets place themselves by style attributes.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
     img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The OpenAPI document.
pub(super) struct Document(Value);

/// The operations of `T` without a service behind them: enough to document them.
struct Described<T>(PhantomData<T>);

impl<T: OpenApi> OpenApi for Described<T> {
    fn meta() -> Vec<MetaApi> {
        T::meta()
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn add_routes(self, _: &mut HashMap<String, HashMap<Method, BoxEndpoint<'static>>>) {}
}

impl Document {
    /// The paths of the pages that show it, which are no operations.
    pub(super) const PAGES: [&str; 6] = [
        "/openapi.json",
        "/openapi.yaml",
        "/docs",
        "/docs/start.js",
        "/docs/swagger-ui.js",
        "/docs/swagger-ui.css",
    ];

    /// Documents the operations of `T`.
    pub(super) fn of<T: OpenApi>() -> Self {
        let described = OpenApiService::new(
            Described::<T>(PhantomData),
            "bienvenue",
            env!("CARGO_PKG_VERSION"),
        )
        .description(DESCRIPTION)
        .license(LicenseObject::new(env!("CARGO_PKG_LICENSE")))
        // Relative, so that it is right under whatever name the document was fetched.
        .server(ServerObject::new("/"));
        let mut document: Value =
            serde_json::from_str(&described.spec()).expect("poem-openapi writes JSON");
        close_bodies(&mut document);
        bare_references(&mut document);
        Self(document)
    }

    /// The document as JSON, indented.
    pub(super) fn to_json(&self) -> String {
        format!("{:#}\n", self.0)
    }

    /// The document as YAML.
    fn to_yaml(&self) -> String {
        serde_yaml::to_string(&self.0).expect("all JSON can be written as YAML")
    }

    /// The paths, each with its methods in upper case.
    pub(super) fn methods(&self) -> impl Iterator<Item = (&str, Vec<String>)> {
        let paths = self.0.get("paths").and_then(Value::as_object);
        paths.into_iter().flatten().map(|(path, operations)| {
            let methods = operations.as_object().into_iter().flatten();
            let methods = methods.map(|(method, _)| method.to_ascii_uppercase());
            (path.as_str(), methods.collect())
        })
    }

    /// Adds the pages that show it.
    pub(super) fn add_to(&self, route: Route) -> Route {
        let (json, yaml) = (self.to_json(), self.to_yaml());
        route
            .at("/openapi.json", get(text("application/json", json)))
            .at("/openapi.yaml", get(text("application/yaml", yaml)))
            .at("/docs", get(make_sync(|_| page())))
            .at("/docs/start.js", get(text("text/javascript", START)))
            .at(
                "/docs/swagger-ui.js",
                get(make_sync(|_| asset("text/javascript", &SWAGGER_UI.script))),
            )
            .at(
                "/docs/swagger-ui.css",
                get(make_sync(|_| asset("text/css", &SWAGGER_UI.style))),
            )
    }
}

/// Says of the bodies of requests that they take no other fields, which poem-openapi leaves out.
fn close_bodies(document: &mut Value) {
    let mut bodies = BTreeSet::new();
    let operations = document
        .get("paths")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .flat_map(|(_, path)| path.as_object().into_iter().flatten());
    for (_, operation) in operations {
        let schema = operation.pointer("/requestBody/content/application~1json/schema/$ref");
        bodies.extend(schema.and_then(Value::as_str).map(ToOwned::to_owned));
    }
    for body in bodies {
        let schema = document.pointer_mut(body.trim_start_matches('#'));
        if let Some(schema) = schema.and_then(Value::as_object_mut) {
            schema.insert("additionalProperties".to_owned(), json!(false));
        }
    }
}

/// Leaves references alone in their `allOf`. poem-openapi repeats beside them what stands outside already, and generators of clients
/// take the two for a class that inherits from an enum.
fn bare_references(document: &mut Value) {
    match document {
        Value::Object(fields) => {
            if let Some(Value::Array(parts)) = fields.get_mut("allOf")
                && parts.iter().any(|part| part.get("$ref").is_some())
            {
                parts.retain(|part| part.get("$ref").is_some());
            }
            fields.values_mut().for_each(bare_references);
        }
        Value::Array(values) => values.iter_mut().for_each(bare_references),
        _ => {}
    }
}

/// The parts of Swagger UI.
struct SwaggerUi {
    script: String,
    style: String,
}

/// Swagger UI as poem-openapi brings it: one page with everything in it. It is taken apart, so that the
/// Content-Security-Policy can do without inline scripts; when somebody first asks for it, so that it costs
/// nobody else the time and the memory.
static SWAGGER_UI: LazyLock<SwaggerUi> = LazyLock::new(|| {
    let page = OpenApiService::new((), "", "").swagger_ui_html();
    SwaggerUi {
        script: between(&page, "<script charset=\"UTF-8\">", "</script>"),
        style: between(&page, "<style charset=\"UTF-8\">", "</style>"),
    }
});

/// What stands between the first `begin` and the next `end`; nothing where they are not there.
fn between(text: &str, begin: &str, end: &str) -> String {
    let inside = text
        .split_once(begin)
        .and_then(|(_, rest)| rest.split_once(end));
    inside.map_or_else(String::new, |(inside, _)| inside.to_owned())
}

fn page() -> Response {
    Response::builder()
        .content_type("text/html; charset=utf-8")
        .header(header::CONTENT_SECURITY_POLICY, PAGE_POLICY)
        .body(PAGE)
}

fn asset(content_type: &str, content: &'static str) -> Response {
    Response::builder()
        .content_type(format!("{content_type}; charset=utf-8"))
        // The same until a new version is deployed.
        .header(header::CACHE_CONTROL, "public, max-age=3600")
        .body(content)
}

fn text(content_type: &'static str, content: impl Into<Arc<str>>) -> impl Endpoint {
    let content = content.into();
    make_sync(move |_| {
        Response::builder()
            .content_type(content_type)
            .body(content.to_string())
    })
}
