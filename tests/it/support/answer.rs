//! What came back.

use poem::http::HeaderMap;
use reqwest::{RequestBuilder, StatusCode};
use serde_json::{Value, json};

use super::contract::Question;

/// An answer, whole.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// The body as JSON, or null where it is none.
    pub body: Value,
}

impl Answer {
    /// Sends a request, and checks that it is answered as the OpenAPI document says.
    pub async fn to(request: RequestBuilder) -> Self {
        let answer = Self::try_to(request).await;
        answer.expect("the service answers")
    }

    /// The same where the service may be gone before it has answered.
    ///
    /// # Errors
    /// It is gone.
    pub async fn try_to(request: RequestBuilder) -> reqwest::Result<Self> {
        let (client, request) = request.build_split();
        let request = request?;
        let question = Question::of(&request);
        let response = client.execute(request).await?;
        let status = response.status();
        let headers = response.headers().clone();
        let body = response.bytes().await?;
        let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
        let answer = Self {
            status,
            headers,
            body,
        };
        question.check(&answer);
        Ok(answer)
    }

    /// The text of a header, empty where it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().expect("headers are text"))
    }

    /// The cookie that it sets, as a browser would send it back.
    pub fn cookie(&self) -> String {
        let cookie = self.header("set-cookie").split(';').next();
        cookie.unwrap_or_default().to_owned()
    }

    /// The same without what differs from answer to answer in any case.
    pub fn without_ids(mut self) -> Self {
        for name in ["x-request-id", "date"] {
            self.headers.remove(name);
        }
        self
    }

    /// Checks that this is the problem of that name, and all that every problem has.
    #[track_caller]
    pub fn assert_problem(&self, status: u16, name: &str) {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        assert_eq!(
            self.header("content-type"),
            "application/problem+json",
            "{self:?}"
        );
        assert_eq!(self.body["type"], format!("/problems/{name}"), "{self:?}");
        assert_eq!(self.body["status"], status, "{self:?}");
        for text in ["title", "detail"] {
            assert!(
                self.body[text]
                    .as_str()
                    .is_some_and(|text| !text.is_empty()),
                "{self:?}"
            );
        }
        self.assert_conventions();
    }

    /// Checks that this is the problem of that name, and that it blames this field of the body.
    #[track_caller]
    pub fn assert_field_problem(&self, name: &str, field: &str) {
        self.assert_problem(422, name);
        let blamed = json!([{"field": field, "message": self.body["detail"]}]);
        assert_eq!(self.body["errors"], blamed, "{self:?}");
    }

    /// Checks the headers that every answer has.
    #[track_caller]
    pub fn assert_conventions(&self) {
        assert!(!self.header("x-request-id").is_empty(), "{self:?}");
        assert_eq!(self.header("x-content-type-options"), "nosniff");
        assert_eq!(self.header("referrer-policy"), "no-referrer");
        assert!(
            self.header("content-security-policy")
                .starts_with("default-src 'none';")
        );
        if self.status == StatusCode::UNAUTHORIZED {
            assert_eq!(self.header("www-authenticate"), "Bearer", "{self:?}");
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            let seconds: u64 = self.header("retry-after").parse().expect("503 says when");
            assert!((1..=60).contains(&seconds), "{self:?}");
        }
    }
}
