//! The parameters of a query: each known, at most once, and of the right form. What is not is named in the answer.

use std::{borrow::Cow, collections::HashMap, sync::Arc};

use poem::{
    Endpoint as _, EndpointExt as _, Request, RequestBody, endpoint::BoxEndpoint, http::Method,
};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions, OpenApi,
    registry::{MetaApi, MetaParamIn, MetaSchema, MetaSchemaRef, Registry},
    types::Type,
};
use url::form_urlencoded;
use uuid::Uuid;

use super::problem::{FieldError, Problem, types::MALFORMED_REQUEST};

/// How many wrong parameters an answer names, and how much of each name.
const MOST_ERRORS: usize = 16;
const LONGEST_NAME: usize = 64;

/// A value that a parameter can have.
pub(super) trait Parameter: Type + Sized {
    /// What it must be, in words.
    const WANTED: &'static str;

    fn parse(text: &str) -> Option<Self>;
}

/// Declares types of values: for each the schema, the function that parses it, and what it must be, in words.
macro_rules! parameters {
    ($($(#[$doc:meta])* $name:ident($value:ty): $schema:expr, $parse:expr, $wanted:literal;)*) => {$(
        $(#[$doc])*
        pub(in crate::api) struct $name(pub(in crate::api) $value);

        impl poem_openapi::types::Type for $name {
            const IS_REQUIRED: bool = true;

            type RawValueType = Self;
            type RawElementValueType = Self;

            fn name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn schema_ref() -> poem_openapi::registry::MetaSchemaRef {
                poem_openapi::registry::MetaSchemaRef::Inline(Box::new($schema))
            }

            fn as_raw_value(&self) -> Option<&Self> {
                Some(self)
            }

            fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
                Box::new(std::iter::once(self))
            }
        }

        impl $crate::api::parameters::Parameter for $name {
            const WANTED: &'static str = $wanted;

            fn parse(text: &str) -> Option<Self> {
                let parse: fn(&str) -> Option<$value> = $parse;
                parse(text).map(Self)
            }
        }
    )*};
}

pub(super) use parameters;

/// A parameter that may be left out.
pub(super) struct Param<T>(pub(super) Option<T>);

/// The names of the parameters that an operation knows.
#[derive(Clone)]
struct Known(Arc<Vec<String>>);

impl<'a, T: Parameter> ApiExtractor<'a> for Param<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::Parameter];

    type ParamType = T;
    type ParamRawType = T::RawValueType;

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn param_in() -> Option<MetaParamIn> {
        Some(MetaParamIn::Query)
    }

    fn param_schema_ref() -> Option<MetaSchemaRef> {
        Some(T::schema_ref())
    }

    fn param_raw_type(&self) -> Option<&Self::ParamRawType> {
        self.0.as_ref().and_then(T::as_raw_value)
    }

    async fn from_request(
        request: &'a Request,
        _: &mut RequestBody,
        options: ExtractParamOptions<T>,
    ) -> poem::Result<Self> {
        check_names(request)?;
        let found = pairs(request).find(|(name, _)| name == options.name);
        let Some((name, text)) = found else {
            return Ok(Self(None));
        };
        match T::parse(&text) {
            Some(value) => Ok(Self(Some(value))),
            None => Err(wrong(vec![error(&name, &format!("must be {}", T::WANTED))]).into()),
        }
    }
}

fn pairs(request: &Request) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    let query = request.uri().query().unwrap_or_default();
    form_urlencoded::parse(query.as_bytes())
}

/// Refuses a request with a parameter that is unknown or repeated.
fn check_names(request: &Request) -> Result<(), Problem> {
    let known = request.data::<Known>();
    let is_known =
        |name: &str| known.is_some_and(|known| known.0.iter().any(|known| known == name));
    let mut seen: Vec<String> = Vec::new();
    let mut errors = Vec::new();
    for (name, _) in pairs(request) {
        if errors.len() >= MOST_ERRORS {
            break;
        }
        if !is_known(&name) {
            errors.push(error(&name, "is not known here"));
        } else if seen.iter().any(|seen| *seen == name) {
            errors.push(error(&name, "is given more than once"));
        } else {
            seen.push(name.into_owned());
        }
    }
    if errors.is_empty() {
        Ok(())
    } else {
        Err(wrong(errors))
    }
}

fn error(name: &str, message: &str) -> FieldError {
    FieldError {
        field: name.chars().take(LONGEST_NAME).collect(),
        message: message.to_owned(),
    }
}

fn wrong(errors: Vec<FieldError>) -> Problem {
    let detail = "The parameters of the URL are not what this operation takes.";
    Problem::new(&MALFORMED_REQUEST, detail).with_errors(errors)
}

/// Tells each operation which parameters it documents, so that [`Param`] refuses others.
pub(super) struct WithParameters<T>(pub(super) T);

impl<T: OpenApi> OpenApi for WithParameters<T> {
    fn meta() -> Vec<MetaApi> {
        T::meta()
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn add_routes(self, routes: &mut HashMap<String, HashMap<Method, BoxEndpoint<'static>>>) {
        let mut own = HashMap::new();
        self.0.add_routes(&mut own);
        for (path, methods) in own {
            let methods = methods.into_iter().map(|(method, endpoint)| {
                let known = Known(Arc::new(documented::<T>(&path, &method)));
                if known.0.is_empty() {
                    return (method, endpoint);
                }
                let endpoint = endpoint.around(move |endpoint, mut request: Request| {
                    request.set_data(known.clone());
                    async move { endpoint.call(request).await }
                });
                (method, endpoint.map_to_response().boxed())
            });
            let methods: Vec<_> = methods.collect();
            routes.entry(path).or_default().extend(methods);
        }
    }
}

/// The names of the parameters that an operation documents.
fn documented<T: OpenApi>(path: &str, method: &Method) -> Vec<String> {
    let paths = T::meta().into_iter().flat_map(|api| api.paths);
    let operations = paths
        .filter(|found| found.path == path)
        .flat_map(|path| path.operations);
    let parameters = operations
        .filter(|operation| operation.method == *method)
        .flat_map(|operation| operation.params);
    let parameters = parameters.filter(|parameter| parameter.in_type == MetaParamIn::Query);
    parameters.map(|parameter| parameter.name).collect()
}

/// The longest list in an answer, and the usual one.
const LONGEST_LIST: u64 = 200;
const USUAL_LIST: u64 = 50;

parameters! {
    /// How many elements of a list an answer has at most.
    Limit(u64): MetaSchema {
            minimum: Some(1.0),
            maximum: Some(200.0),
            default: Some(USUAL_LIST.into()),
            ..MetaSchema::new_with_format("integer", "int32")
        },
        |text| text.parse().ok().filter(|limit| (1..=LONGEST_LIST).contains(limit)),
        "a number from 1 to 200";
    /// The `next` of an earlier answer with events.
    EventCursor(Uuid): MetaSchema::new_with_format("string", "uuid"), |text| text.parse().ok(),
        "the `next` of an earlier answer";
}

impl Limit {
    /// The given limit, or the default.
    pub(super) fn or_default(limit: Param<Self>) -> u64 {
        limit.0.map_or(USUAL_LIST, |limit| limit.0)
    }
}
