//! The body of a request: one JSON object with only known fields, each at most once.

use std::fmt;

use poem::{Request, RequestBody, http::header};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions,
    registry::{MetaMediaType, MetaRequest, MetaSchema, MetaSchemaRef, Registry},
    types::{ParseFromJSON, Type},
};
use serde::{
    Deserialize,
    de::{Deserializer, MapAccess, Visitor},
};
use serde_json::{Map, Value};

use super::problem::{
    FieldError, Problem,
    types::{MALFORMED_REQUEST, UNSUPPORTED_MEDIA_TYPE},
};

/// A body that was parsed as a `T`.
pub(super) struct Body<T>(pub(super) T);

impl<'a, T: ParseFromJSON> ApiExtractor<'a> for Body<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        Some(MetaRequest {
            description: None,
            content: vec![MetaMediaType {
                content_type: "application/json",
                schema: T::schema_ref(),
            }],
            required: true,
        })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        if !is_json(request) {
            return Err(Problem::new(
                &UNSUPPORTED_MEDIA_TYPE,
                "Send the body as JSON, with the header Content-Type: application/json.",
            )
            .into());
        }
        let bytes = body.take()?.into_bytes().await?;
        Ok(Self(parse(&bytes)?))
    }
}

/// Whether the `Content-Type` header says JSON, in UTF-8 like all JSON.
fn is_json(request: &Request) -> bool {
    let mut content_types = request.headers().get_all(header::CONTENT_TYPE).iter();
    let (Some(content_type), None) = (content_types.next(), content_types.next()) else {
        return false;
    };
    let Ok(content_type) = content_type.to_str() else {
        return false;
    };
    let mut parts = content_type.split(';').map(str::trim);
    parts
        .next()
        .is_some_and(|media_type| media_type.eq_ignore_ascii_case("application/json"))
        && parts.all(|parameter| {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            !name.trim().eq_ignore_ascii_case("charset")
                || value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
        })
}

/// A JSON object, and the names that it repeats: at most as many as the answer lists.
struct Fields {
    values: Map<String, Value>,
    repeated: Vec<String>,
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldsVisitor;

        impl<'de> Visitor<'de> for FieldsVisitor {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Fields {
                    values: Map::new(),
                    repeated: Vec::new(),
                };
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    let is_repeated = fields.values.insert(name.clone(), value).is_some();
                    // The list is short, so each search in it is cheap.
                    if is_repeated
                        && fields.repeated.len() < MOST_ERRORS
                        && !fields.repeated.contains(&name)
                    {
                        fields.repeated.push(name);
                    }
                }
                Ok(fields)
            }
        }

        deserializer.deserialize_map(FieldsVisitor)
    }
}

/// Parses a body. The error messages quote no content of the body, because it may contain a password.
fn parse<T: ParseFromJSON>(bytes: &[u8]) -> Result<T, Problem> {
    let fields: Fields = serde_json::from_slice(bytes).map_err(|err| {
        let detail = if err.is_data() {
            "The body must be a JSON object.".to_owned()
        } else {
            format!(
                "The body is not JSON: see line {}, column {}.",
                err.line(),
                err.column()
            )
        };
        Problem::new(&MALFORMED_REQUEST, detail)
    })?;
    let errors = check::<T>(&fields);
    if errors.is_empty()
        && let Ok(body) = T::parse_from_json(Some(Value::Object(fields.values)))
    {
        return Ok(body);
    }
    Err(Problem::new(
        &MALFORMED_REQUEST,
        "The body is not what this operation takes.",
    )
    .with_errors(errors))
}

/// The maximum number of wrong fields in an answer, and the maximum length of a name there. The answer must not be
/// longer than the request.
const MOST_ERRORS: usize = 16;
const LONGEST_NAME: usize = 64;

/// Compares the fields with the schema of `T`.
fn check<T: Type>(fields: &Fields) -> Vec<FieldError> {
    let mut registry = Registry::new();
    T::register(&mut registry);
    let name = T::name();
    let Some(schema) = registry.schemas.get(&*name) else {
        return Vec::new();
    };
    let wrong = |field: &str, message: String| FieldError {
        field: field.chars().take(LONGEST_NAME).collect(),
        message,
    };
    let repeated = fields.repeated.iter();
    let repeated = repeated.map(|name| wrong(name, "is given more than once".to_owned()));
    let judged = fields.values.iter().filter_map(|(name, value)| {
        let known = schema.properties.iter().find(|(known, _)| known == name);
        let Some((_, property)) = known else {
            return Some(wrong(name, "is not known here".to_owned()));
        };
        let property = resolve(&registry, property)?;
        (!is_of(&registry, property, value))
            .then(|| wrong(name, format!("must be {}", wanted(property))))
    });
    let missing = schema.required.iter();
    let missing = missing
        .filter(|name| !fields.values.contains_key(**name))
        .map(|name| wrong(name, "is missing".to_owned()));
    repeated
        .chain(judged)
        .chain(missing)
        .take(MOST_ERRORS)
        .collect()
}

/// Returns the schema of a field, directly or through a reference.
fn resolve<'a>(registry: &'a Registry, field: &'a MetaSchemaRef) -> Option<&'a MetaSchema> {
    match field {
        MetaSchemaRef::Reference(name) => registry.schemas.get(name),
        // A reference with an addition, for example a default: the reference comes first.
        MetaSchemaRef::Inline(schema) => match schema.all_of.first() {
            Some(referred) => resolve(registry, referred),
            None => Some(schema),
        },
    }
}

/// Whether a value has the JSON type of the schema and is one of its enum values, if there are any. The same holds for
/// each item of an array.
fn is_of(registry: &Registry, schema: &MetaSchema, value: &Value) -> bool {
    let has_type = match value {
        Value::Null => schema.nullable,
        Value::Bool(_) => schema.ty == "boolean",
        Value::Number(number) => {
            schema.ty == "number" || schema.ty == "integer" && !number.is_f64()
        }
        Value::String(_) => schema.ty == "string",
        Value::Array(items) => {
            let of_items = schema.items.as_deref();
            let of_items = of_items.and_then(|items| resolve(registry, items));
            let is_item = |item| of_items.is_none_or(|schema| is_of(registry, schema, item));
            schema.ty == "array" && items.iter().all(is_item)
        }
        Value::Object(_) => schema.ty == "object",
    };
    has_type && (schema.enum_items.is_empty() || schema.enum_items.contains(value))
}

/// Describes the expected value of a field in words.
fn wanted(schema: &MetaSchema) -> String {
    if schema.ty == "array" {
        return "an array, each item of the right type".to_owned();
    }
    if schema.enum_items.is_empty() {
        return format!("a {}", schema.ty);
    }
    let items: Vec<_> = schema.enum_items.iter().map(Value::to_string).collect();
    items.join(" or ")
}
