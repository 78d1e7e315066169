//! Declares in the document which operations need a session.

use poem::{Request, RequestBody};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions,
    registry::{MetaSecurityScheme, Registry},
};

use super::problem::{Problem, problems};
use crate::{
    auth::{Administrator, DbError, SessionError},
    http::{Caller, Context, SessionCookie},
};

/// The names of the two authentication schemes in the document. Either is sufficient.
const COOKIE_SCHEME: &str = "session_cookie";
const HEADER_SCHEME: &str = "session_token";

problems! {
    SessionError:
        NotSignedIn => NOT_SIGNED_IN;
        Db(DbError)
}

impl<'a> ApiExtractor<'a> for Caller {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        let scheme = MetaSecurityScheme {
            ty: "apiKey",
            description: Some(
                "The cookie that a sign-in sets, unless it asks for a token. Browsers send it automatically. Its name is \
                 `bienvenue-session` when the service runs on localhost.",
            ),
            name: Some(SessionCookie::NAME),
            key_in: Some("cookie"),
            scheme: None,
            bearer_format: None,
            flows: None,
            openid_connect_url: None,
        };
        registry.create_security_scheme(COOKIE_SCHEME, scheme);
        let scheme = MetaSecurityScheme {
            ty: "http",
            description: Some(
                "The `token` in the response to a sign-in with `\"delivery\": \"token\"`. With this header the cookie is \
                 ignored.",
            ),
            name: None,
            key_in: None,
            scheme: Some("bearer"),
            bearer_format: None,
            flows: None,
            openid_connect_url: None,
        };
        registry.create_security_scheme(HEADER_SCHEME, scheme);
    }

    fn security_schemes() -> Vec<&'static str> {
        vec![COOKIE_SCHEME, HEADER_SCHEME]
    }

    async fn from_request(
        request: &'a Request,
        _: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        Ok(Self::of(request).await.map_err(Problem::from)?)
    }
}

/// A caller that is an administrator.
pub(super) struct Admin(pub(super) Administrator);

/// A caller that is an administrator and gave the password in the last 10 minutes, for an operation that changes
/// something.
pub(super) struct FreshAdmin(pub(super) Administrator);

impl Admin {
    async fn of(request: &Request) -> Result<Self, Problem> {
        let caller = Caller::of(request).await?;
        let auth = &Context::of(request).auth;
        Ok(Self(auth.administrator(caller.current)?))
    }
}

impl FreshAdmin {
    async fn of(request: &Request) -> Result<Self, Problem> {
        let Admin(by) = Admin::of(request).await?;
        Context::of(request).auth.check_fresh_administrator(&by)?;
        Ok(Self(by))
    }
}

/// Extractors that need a session, as [`Caller`] does, and more.
macro_rules! extractors {
    ($($name:ident),*) => {$(
        impl<'a> ApiExtractor<'a> for $name {
            const TYPES: &'static [ApiExtractorType] = Caller::TYPES;

            type ParamType = ();
            type ParamRawType = ();

            fn register(registry: &mut Registry) {
                Caller::register(registry);
            }

            fn security_schemes() -> Vec<&'static str> {
                Caller::security_schemes()
            }

            async fn from_request(
                request: &'a Request,
                _: &mut RequestBody,
                _: ExtractParamOptions<()>,
            ) -> poem::Result<Self> {
                Ok(Self::of(request).await?)
            }
        }
    )*};
}

extractors!(Admin, FreshAdmin);

/// A caller that may be signed in, for an operation with another way to authenticate.
pub(super) struct MaybeCaller(pub(super) Option<Caller>);

impl<'a> ApiExtractor<'a> for MaybeCaller {
    const TYPES: &'static [ApiExtractorType] = Caller::TYPES;

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        Caller::register(registry);
    }

    fn security_schemes() -> Vec<&'static str> {
        Caller::security_schemes()
    }

    fn has_security_fallback() -> bool {
        true
    }

    async fn from_request(
        request: &'a Request,
        _: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        match Caller::of(request).await {
            Ok(caller) => Ok(Self(Some(caller))),
            Err(SessionError::NotSignedIn) => Ok(Self(None)),
            Err(err) => Err(Problem::from(err).into()),
        }
    }
}
