//! Problems: the responses to failed requests, as RFC 9457 defines them.

mod answer;
mod refused;
pub(super) mod types;

pub(super) use answer::{FieldError, Problem, refuse};
pub(super) use refused::{Refusal, Refused, problems};
