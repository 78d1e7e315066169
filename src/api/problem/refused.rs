//! The problems of an operation, derived from its error type.

use std::{convert::Infallible, marker::PhantomData};

use poem_openapi::{
    ApiResponse,
    registry::{MetaMediaType, MetaResponse, MetaResponses, Registry},
    types::Type as _,
};

use super::{
    answer::{CONTENT_TYPE, Problem, ProblemBody},
    types::{DATABASE_UNAVAILABLE, INTERNAL_ERROR, OVERLOADED, ProblemType, TOO_MANY_REQUESTS},
};
use crate::auth::{DbError, Unavailable};

/// An error of an operation.
pub(in crate::api) trait Refusal: Into<Problem> {
    /// Returns the problems that the error can become.
    fn problems() -> Vec<&'static ProblemType>;
}

/// Maps each variant of an error to a problem. A missing variant is a compile error.
///
/// Simple variants come first. Their detail is the text given here, or that of the problem type, or the text of the
/// error. Then come the variants with an inner error, whose problems they take over. If the inner error is about a
/// field of the body, the name of the field follows.
macro_rules! problems {
    ($error:ident: $($variant:ident => $problem:ident $($detail:literal)?),*; $($nested:ident($inner:ty) $(in $field:literal)?),* $(,)?) => {
        impl From<$error> for $crate::api::problem::Problem {
            fn from(err: $error) -> Self {
                match err {
                    $($error::$variant { .. } => {
                        let of = &$crate::api::problem::types::$problem;
                        let detail = [$($detail)?].first().copied().or(of.detail);
                        match detail {
                            Some(detail) => Self::new(of, detail),
                            None => Self::new(of, err.to_string()),
                        }
                    })*
                    $($error::$nested(err) => Self::from(err)$(.in_field($field))?,)*
                }
            }
        }

        impl $crate::api::problem::Refusal for $error {
            fn problems() -> Vec<&'static $crate::api::problem::types::ProblemType> {
                #[allow(unused_mut, reason = "not every error holds others")]
                let mut problems = vec![$(&$crate::api::problem::types::$problem),*];
                $(problems.extend(<$inner as $crate::api::problem::Refusal>::problems());)*
                problems
            }
        }
    };
}

pub(in crate::api) use problems;

impl Refusal for Infallible {
    fn problems() -> Vec<&'static ProblemType> {
        Vec::new()
    }
}

impl Refusal for DbError {
    fn problems() -> Vec<&'static ProblemType> {
        vec![&DATABASE_UNAVAILABLE, &INTERNAL_ERROR]
    }
}

impl Refusal for Unavailable {
    fn problems() -> Vec<&'static ProblemType> {
        let mut problems = DbError::problems();
        problems.extend([&TOO_MANY_REQUESTS, &OVERLOADED]);
        problems
    }
}

/// The problem of an operation with the error type `E`.
pub(in crate::api) struct Refused<E> {
    problem: Problem,
    error: PhantomData<fn() -> E>,
}

impl<E: Refusal> From<E> for Refused<E> {
    fn from(err: E) -> Self {
        Self {
            problem: err.into(),
            error: PhantomData,
        }
    }
}

impl<E> From<Refused<E>> for poem::Error {
    fn from(refused: Refused<E>) -> Self {
        refused.problem.into()
    }
}

/// Describes each status by the names of its problems. The document replaces this with the full description.
impl<E: Refusal> ApiResponse for Refused<E> {
    fn meta() -> MetaResponses {
        let mut problems = E::problems();
        problems.sort_by_key(|problem| problem.status.as_u16());
        let of_status = |problems: &[&ProblemType]| {
            let names: Vec<_> = problems.iter().map(|problem| problem.name).collect();
            Some(MetaResponse {
                // The leak is small: the document is created a few times at the start. The registry accepts only static
                // text.
                description: names.join(" ").leak(),
                status: Some(problems.first()?.status.as_u16()),
                status_range: None,
                content: vec![MetaMediaType {
                    content_type: CONTENT_TYPE,
                    schema: ProblemBody::schema_ref(),
                }],
                headers: Vec::new(),
            })
        };
        let by_status = problems.chunk_by(|one, next| one.status == next.status);
        MetaResponses {
            responses: by_status.filter_map(of_status).collect(),
        }
    }

    fn register(registry: &mut Registry) {
        ProblemBody::register(registry);
    }
}
