//! The body of a request: one JSON object, with the fields that the operation knows, each once.

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

use super::problem::{FieldError, MALFORMED_REQUEST, Problem, UNSUPPORTED_MEDIA_TYPE};

/// A body that was read as a `T`.
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

/// Whether the body is said to be JSON, in UTF-8 as all JSON is.
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

/// A JSON object, and which of its fields it had more than once: as many of them as are told of.
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
                    // The list is short, so looking into it costs the same for every name.
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

/// Reads a body. What is wrong with it is said without a word of what was in it: it may be a password.
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

/// How many wrong fields are told of, and how much of a name: an answer is not to be longer than what
/// it answers.
const MOST_ERRORS: usize = 16;
const LONGEST_NAME: usize = 64;

/// Compares the fields with the documentation of `T`.
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
        (!is_of(property, value)).then(|| wrong(name, format!("must be {}", wanted(property))))
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

/// What the documentation says of a field, in its own place or in the one that it refers to.
fn resolve<'a>(registry: &'a Registry, field: &'a MetaSchemaRef) -> Option<&'a MetaSchema> {
    match field {
        MetaSchemaRef::Reference(name) => registry.schemas.get(name),
        // A reference with something to add, as a default: the first of the two.
        MetaSchemaRef::Inline(schema) => match schema.all_of.first() {
            Some(referred) => resolve(registry, referred),
            None => Some(schema),
        },
    }
}

/// Whether a value has the JSON type that the documentation gives, and is one of those that it lists.
fn is_of(schema: &MetaSchema, value: &Value) -> bool {
    let has_type = match value {
        Value::Null => schema.nullable,
        Value::Bool(_) => schema.ty == "boolean",
        Value::Number(number) => {
            schema.ty == "number" || schema.ty == "integer" && !number.is_f64()
        }
        Value::String(_) => schema.ty == "string",
        Value::Array(_) => schema.ty == "array",
        Value::Object(_) => schema.ty == "object",
    };
    has_type && (schema.enum_items.is_empty() || schema.enum_items.contains(value))
}

/// What a field is to be, in words.
fn wanted(schema: &MetaSchema) -> String {
    if schema.enum_items.is_empty() {
        return format!("a {}", schema.ty);
    }
    let items: Vec<_> = schema.enum_items.iter().map(Value::to_string).collect();
    items.join(" or ")
}
