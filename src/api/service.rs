//! The service itself.

#![expect(clippy::unused_async, reason = "poem-openapi awaits every operation")]

use std::convert::Infallible;

use poem_openapi::{ApiResponse, Object, OpenApi, param::Path, payload::Json};

use super::{
    problem::{Problem, Refusal, Refused, problems, types},
    tag::Tag,
};
use crate::auth::{Auth, DbError};

/// The links to the documentation of the API. Source: RFC 8631, 4.
const LINKS: &str = r#"</docs>; rel="service-doc", </openapi.json>; rel="service-desc""#;

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
    /// The service answers requests.
    #[oai(status = 200)]
    Ok(
        Json<Welcome>,
        /// Links to the documentation of the API: Swagger UI and the OpenAPI document.
        #[oai(header = "Link")]
        String,
    ),
}

/// The health of the service.
#[derive(Object)]
struct Health {
    /// Always `ok`. Anything else is answered as a problem.
    status: String,
}

#[derive(ApiResponse)]
enum Healthy {
    /// The service is healthy.
    #[oai(status = 200)]
    Ok(Json<Health>),
}

/// The explanation of a problem type.
#[derive(Object)]
struct ProblemDescription {
    /// The `type` of such a problem.
    r#type: String,
    /// A short summary.
    title: String,
    /// The HTTP status of such a problem.
    status: u16,
    /// What the problem means.
    explanation: String,
    /// How to solve the problem.
    remedy: String,
}

#[derive(ApiResponse)]
enum Explained {
    /// What the problem means and how to solve it.
    #[oai(status = 200)]
    Ok(Json<ProblemDescription>),
}

/// No problem type has this name.
#[derive(Debug, thiserror::Error)]
enum ExplainError {
    #[error("There is no such problem type.")]
    NoSuchType,
}

problems! { ExplainError: NoSuchType => NOT_FOUND; }

/// The reason why the service is not ready.
#[derive(Debug, thiserror::Error)]
enum ReadinessError {
    #[error("the database is not migrated yet")]
    NotMigrated,
    #[error(transparent)]
    Db(#[from] DbError),
}

impl From<ReadinessError> for Problem {
    fn from(err: ReadinessError) -> Self {
        match err {
            ReadinessError::NotMigrated => Self::unavailable("The database is not migrated yet."),
            ReadinessError::Db(err) => err.into(),
        }
    }
}

impl Refusal for ReadinessError {
    fn problems() -> Vec<&'static types::ProblemType> {
        DbError::problems()
    }
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
    /// Shows that the service runs and answers requests.
    #[oai(
        path = "/",
        method = "get",
        operation_id = "greet",
        tag = "Tag::Service"
    )]
    async fn greet(&self) -> Result<Welcomed, Refused<Infallible>> {
        let message = "Bienvenue".to_owned();
        Ok(Welcomed::Ok(Json(Welcome { message }), LINKS.to_owned()))
    }

    /// Is it alive?
    ///
    /// Answers 200 while the process runs, whatever the state of the database. If it does not answer, restart the
    /// process.
    #[oai(
        path = "/health/live",
        method = "get",
        operation_id = "check_liveness",
        tag = "Tag::Service"
    )]
    async fn check_liveness(&self) -> Result<Healthy, Refused<Infallible>> {
        Ok(healthy())
    }

    /// Is it ready?
    ///
    /// Answers 200 when the database responds and has every migration of this version. Send no requests to the service
    /// until then. It takes at most 3 seconds.
    #[oai(
        path = "/health/ready",
        method = "get",
        operation_id = "check_readiness",
        tag = "Tag::Service"
    )]
    async fn check_readiness(&self) -> Result<Healthy, Refused<ReadinessError>> {
        if self.auth.is_ready().await.map_err(ReadinessError::Db)? {
            return Ok(healthy());
        }
        Err(ReadinessError::NotMigrated)?
    }

    /// Explain a problem
    ///
    /// Explains a problem type and how to solve it. The `type` of a problem is the path of this operation.
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
    ) -> Result<Explained, Refused<ExplainError>> {
        let problem = types::ALL.iter().find(|problem| problem.name == *name);
        let problem = problem.ok_or(ExplainError::NoSuchType)?;
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
