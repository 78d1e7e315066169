//! The service itself.

#![expect(clippy::unused_async, reason = "poem-openapi awaits every operation")]

use poem_openapi::{ApiResponse, Object, OpenApi, param::Path, payload::Json};

use super::{
    Tag,
    problem::{ALL, DATABASE_UNAVAILABLE, NOT_FOUND, Operation, Problem, ProblemType, Refused},
};
use crate::auth::Auth;

pub(super) struct ServiceApi {
    auth: Auth,
}

/// A greeting.
#[derive(Object)]
struct Welcome {
    /// Always `Bienvenue`.
    message: String,
}

#[derive(ApiResponse)]
enum Welcomed {
    /// The service answers.
    #[oai(status = 200)]
    Ok(Json<Welcome>),
}

/// What the service says of its health.
#[derive(Object)]
struct Health {
    /// Always `ok`: anything else is a problem.
    status: String,
}

#[derive(ApiResponse)]
enum Healthy {
    /// All is well.
    #[oai(status = 200)]
    Ok(Json<Health>),
}

/// A kind of problem, explained.
#[derive(Object)]
struct ProblemDescription {
    /// What the `type` of such a problem is.
    r#type: String,
    /// The kind in a few words.
    title: String,
    /// The HTTP status of such an answer.
    status: u16,
    /// What it means.
    explanation: String,
    /// What to do about it.
    remedy: String,
}

#[derive(ApiResponse)]
enum Explained {
    /// What the problem means and what to do about it.
    #[oai(status = 200)]
    Ok(Json<ProblemDescription>),
}

struct Greet;
impl Operation for Greet {
    const PROBLEMS: &'static [&'static ProblemType] = &[];
}

struct CheckReadiness;
impl Operation for CheckReadiness {
    const PROBLEMS: &'static [&'static ProblemType] = &[&DATABASE_UNAVAILABLE];
}

struct Explain;
impl Operation for Explain {
    const PROBLEMS: &'static [&'static ProblemType] = &[&NOT_FOUND];
}

impl ServiceApi {
    pub(super) fn new(auth: Auth) -> Self {
        Self { auth }
    }
}

#[OpenApi]
impl ServiceApi {
    /// Greet
    ///
    /// Shows that this is the service, and that it answers.
    #[oai(
        path = "/",
        method = "get",
        operation_id = "greet",
        tag = "Tag::Service"
    )]
    async fn greet(&self) -> Result<Welcomed, Refused<Greet>> {
        let message = "Bienvenue".to_owned();
        Ok(Welcomed::Ok(Json(Welcome { message })))
    }

    /// Is it alive?
    ///
    /// Answers while the process runs, whatever its database does: restart the process when it doesn't.
    #[oai(
        path = "/health/live",
        method = "get",
        operation_id = "check_liveness",
        tag = "Tag::Service"
    )]
    async fn check_liveness(&self) -> Result<Healthy, Refused<Greet>> {
        Ok(healthy())
    }

    /// Is it ready?
    ///
    /// Answers 200 when the database answers and has every migration that this version knows: send no
    /// requests while it doesn't. Takes 3 seconds at most.
    #[oai(
        path = "/health/ready",
        method = "get",
        operation_id = "check_readiness",
        tag = "Tag::Service"
    )]
    async fn check_readiness(&self) -> Result<Healthy, Refused<CheckReadiness>> {
        if self.auth.is_ready().await? {
            return Ok(healthy());
        }
        Err(Problem::unavailable("The database is not migrated yet."))?
    }

    /// Explain a problem
    ///
    /// What a `type` of problem means, and what to do about it. A problem's `type` is the path of this
    /// operation.
    #[oai(
        path = "/problems/:name",
        method = "get",
        operation_id = "explain_problem",
        tag = "Tag::Service"
    )]
    async fn explain_problem(
        &self,
        /// The name of the problem type, such as `email-taken`.
        name: Path<String>,
    ) -> Result<Explained, Refused<Explain>> {
        let Some(problem) = ALL.iter().find(|problem| problem.name == *name) else {
            return Err(Problem::new(&NOT_FOUND, "There is no such problem type."))?;
        };
        Ok(Explained::Ok(Json(ProblemDescription {
            r#type: problem.uri(),
            title: problem.title.to_owned(),
            status: problem.status.as_u16(),
            explanation: problem.explanation.to_owned(),
            remedy: problem.remedy.to_owned(),
        })))
    }
}

fn healthy() -> Healthy {
    let status = "ok".to_owned();
    Healthy::Ok(Json(Health { status }))
}
