//! The OpenAPI document: the description that poem-openapi generates, completed with the problems of each operation.

use std::{
    collections::{BTreeMap, HashMap},
    marker::PhantomData,
};

use poem::{endpoint::BoxEndpoint, http::Method};
use poem_openapi::{
    ContactObject, LicenseObject, OpenApi, OpenApiService, ServerObject,
    registry::{MetaApi, Registry},
};
use serde_json::{Map, Value, json};

use crate::api::problem::types::{
    ALL, BODY_TOO_LARGE, CROSS_SITE_REQUEST, DATABASE_UNAVAILABLE, FORBIDDEN, INTERNAL_ERROR,
    MALFORMED_REQUEST, NOT_SIGNED_IN, OVERLOADED, ProblemType, REQUEST_TIMEOUT, SIGN_IN_AGAIN,
    UNSUPPORTED_MEDIA_TYPE,
};

/// The introduction of the document.
const DESCRIPTION: &str = "\
Accounts for your application: people register, sign in on any number of devices, list their sessions, and \
change or close their account.

A signed-in client authenticates each request in one of two ways. A browser sends the cookie that the sign-in \
set; the page needs no code for it. Any other client requests the token at sign-in and sends it as `Authorization: \
Bearer`. To try it here, sign in below: from then on the browser sends the cookie. Or press Authorize and paste a token.

Bodies are JSON objects in UTF-8. A field that is unknown or repeated is an error, so a misspelt one is never \
silently ignored. Times are RFC 3339 in UTC.

Every failure is `application/problem+json` (RFC 9457). Distinguish failures by `type`, which is stable: \
`GET` it for an explanation. Every answer has an `X-Request-Id`, yours if you sent one of at most 64 \
characters of `A-Z a-z 0-9 . _ -`; quote it when you ask for help.";

/// The tags, in the order of the document.
const TAGS: [&str; 5] = ["Accounts", "Sessions", "Email", ADMINISTRATION, "Service"];

/// The tag of the operations that only administrators can use.
const ADMINISTRATION: &str = "Administration";

/// Names of headers that poem-openapi writes in upper case, with their usual spelling.
const HEADERS: [(&str, &str); 2] = [("LINK", "Link"), ("SET-COOKIE", "Set-Cookie")];

/// The site that explains licences by their identifiers.
const LICENSE_URL: &str = "https://spdx.org/licenses/";

/// The OpenAPI document.
pub(in crate::api) struct Document(Value);

/// The operations of `T` without a service. This is sufficient to document them.
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
    /// Documents the operations of `T`.
    pub(in crate::api) fn of<T: OpenApi>() -> Self {
        let described = OpenApiService::new(
            Described::<T>(PhantomData),
            "bienvenue",
            env!("CARGO_PKG_VERSION"),
        )
        .description(DESCRIPTION)
        .contact(ContactObject::new().name("The operator of this service"))
        .license(LicenseObject::new(env!("CARGO_PKG_LICENSE")).url(LICENSE_URL))
        // A relative URL is correct under any host name.
        .server(ServerObject::new("/"));
        let mut document: Value =
            serde_json::from_str(&described.spec()).expect("poem-openapi writes JSON");
        document_problems(&mut document);
        document_openness(&mut document);
        close_bodies(&mut document);
        correct(&mut document);
        order_tags(&mut document);
        Self(document)
    }

    /// Returns the document as indented JSON.
    pub(in crate::api) fn to_json(&self) -> String {
        format!("{:#}\n", self.0)
    }

    /// Returns the document as YAML.
    pub(super) fn to_yaml(&self) -> String {
        serde_yaml::to_string(&self.0).expect("all JSON can be written as YAML")
    }

    /// Returns the paths, each with its methods in upper case.
    pub(in crate::api) fn paths(&self) -> impl Iterator<Item = (String, Vec<String>)> {
        let paths = self.0.get("paths").and_then(Value::as_object);
        paths.into_iter().flatten().map(|(path, operations)| {
            let methods = operations.as_object().into_iter().flatten();
            let methods = methods.map(|(method, _)| method.to_ascii_uppercase());
            (path.clone(), methods.collect())
        })
    }
}

/// Returns every operation of the document, with its method.
fn operations(document: &mut Value) -> impl Iterator<Item = (&String, &mut Map<String, Value>)> {
    let paths = document.get_mut("paths").and_then(Value::as_object_mut);
    let operations = paths
        .into_iter()
        .flatten()
        .filter_map(|(_, path)| path.as_object_mut())
        .flatten();
    operations.filter_map(|(method, operation)| Some((method, operation.as_object_mut()?)))
}

/// Describes the problems of each operation: those of its error type, which the description already names, and those
/// that follow from the kind of request.
fn document_problems(document: &mut Value) {
    for (method, operation) in operations(document) {
        let mut problems = vec![&INTERNAL_ERROR, &OVERLOADED, &BODY_TOO_LARGE];
        if operation.contains_key("security") {
            problems.extend([&NOT_SIGNED_IN, &DATABASE_UNAVAILABLE]);
        }
        if is_for_administrators(operation) {
            problems.push(&FORBIDDEN);
            if method != "get" {
                problems.push(&SIGN_IN_AGAIN);
            }
        }
        if has_query(operation) {
            problems.push(&MALFORMED_REQUEST);
        }
        if operation.contains_key("requestBody") {
            problems.extend([
                &MALFORMED_REQUEST,
                &REQUEST_TIMEOUT,
                &UNSUPPORTED_MEDIA_TYPE,
            ]);
        }
        if method != "get" {
            problems.push(&CROSS_SITE_REQUEST);
        }
        let Some(Value::Object(responses)) = operation.get_mut("responses") else {
            continue;
        };
        let named = responses.values().filter_map(|response| {
            response.pointer("/content/application~1problem+json")?;
            response.get("description")?.as_str()
        });
        let named = named.flat_map(|names| names.split(' '));
        problems.extend(ALL.iter().filter(|problem| {
            let mut each = named.clone();
            each.any(|name| name == problem.name)
        }));
        let mut by_status = BTreeMap::<u16, Vec<&ProblemType>>::new();
        // In the order of the list of all problem types.
        for problem in ALL.iter().filter(|problem| problems.contains(problem)) {
            let of_status = by_status.entry(problem.status.as_u16()).or_default();
            of_status.push(problem);
        }
        for (status, problems) in by_status {
            responses.insert(status.to_string(), response(status, &problems));
        }
        responses.sort_keys();
    }
}

fn is_for_administrators(operation: &Map<String, Value>) -> bool {
    let tags = operation.get("tags").and_then(Value::as_array);
    tags.is_some_and(|tags| tags.iter().any(|tag| tag == ADMINISTRATION))
}

fn has_query(operation: &Map<String, Value>) -> bool {
    let parameters = operation.get("parameters").and_then(Value::as_array);
    let is_in_query = |parameter: &Value| parameter.get("in").is_some_and(|place| place == "query");
    parameters.is_some_and(|parameters| parameters.iter().any(is_in_query))
}

/// Declares that public operations need no session, which poem-openapi omits.
fn document_openness(document: &mut Value) {
    for (_, operation) in operations(document) {
        let security = operation.entry("security");
        security.or_insert_with(|| json!([]));
    }
}

fn order_tags(document: &mut Value) {
    if let Some(Value::Array(tags)) = document.get_mut("tags") {
        tags.sort_by_key(|tag| {
            let name = tag.get("name").and_then(Value::as_str);
            TAGS.iter().position(|known| Some(*known) == name)
        });
    }
}

/// Describes a response with one of these problems.
fn response(status: u16, problems: &[&ProblemType]) -> Value {
    let description = problems
        .iter()
        .map(|problem| format!("`{}`: {}", problem.name, problem.title));
    let description = description.collect::<Vec<_>>().join(" · ");
    let examples = problems.iter().map(|problem| {
        let example = json!({"summary": problem.title, "value": problem.example()});
        (problem.name.to_owned(), example)
    });
    let examples: Map<_, _> = examples.collect();
    let mut response = json!({
        "description": description,
        "content": {"application/problem+json": {
            "schema": {"$ref": "#/components/schemas/Problem"},
            "examples": examples,
        }},
    });
    let header = match status {
        401 => Some(("WWW-Authenticate", "Always `Bearer`.", "string")),
        429 | 503 => Some((
            "Retry-After",
            "Try again after this number of seconds.",
            "integer",
        )),
        _ => None,
    };
    if let (Some((name, description, of)), Some(response)) = (header, response.as_object_mut()) {
        let header = json!({"description": description, "schema": {"type": of}});
        response.insert("headers".to_owned(), json!({name: header}));
    }
    response
}

/// Declares that request bodies accept no other fields, which poem-openapi omits.
fn close_bodies(document: &mut Value) {
    let bodies = operations(document).filter_map(|(_, operation)| {
        let body = operation.get("requestBody")?;
        let schema = body.pointer("/content/application~1json/schema/$ref")?;
        Some(schema.as_str()?.to_owned())
    });
    let bodies: Vec<_> = bodies.collect();
    for body in bodies {
        let schema = document.pointer_mut(body.trim_start_matches('#'));
        if let Some(schema) = schema.and_then(Value::as_object_mut) {
            schema.insert("additionalProperties".to_owned(), json!(false));
        }
    }
}

/// Corrects output of poem-openapi that client generators can't handle. It repeats fields beside a reference in
/// `allOf`, which generators interpret as class inheritance. It writes names of headers in upper case. And it uses a
/// number format that OpenAPI does not define.
fn correct(document: &mut Value) {
    match document {
        Value::Object(fields) => {
            if let Some(Value::Array(parts)) = fields.get_mut("allOf")
                && parts.iter().any(|part| part.get("$ref").is_some())
            {
                parts.retain(|part| part.get("$ref").is_some());
            }
            if let Some(Value::Object(headers)) = fields.get_mut("headers") {
                for (upper, usual) in HEADERS {
                    if let Some(header) = headers.remove(upper) {
                        headers.insert(usual.to_owned(), header);
                    }
                }
            }
            if fields
                .get("format")
                .is_some_and(|format| format == "uint16")
            {
                fields.insert("format".to_owned(), json!("int32"));
            }
            fields.values_mut().for_each(correct);
        }
        Value::Array(values) => values.iter_mut().for_each(correct),
        _ => {}
    }
}
