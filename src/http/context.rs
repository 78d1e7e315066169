//! The context of a request: what is needed to find its caller and its client.

use std::sync::Arc;

use poem::Request;

use super::{
    cookie::SessionCookie, options::HttpOptions, origins::Origins, proxies::TrustedProxies,
};
use crate::auth::Auth;

/// What is needed to find the caller and the client of a request. The edge adds it to every request.
pub(crate) struct Context {
    pub(crate) auth: Auth,
    pub(crate) cookie: SessionCookie,
    pub(crate) origins: Origins,
    pub(super) proxies: TrustedProxies,
}

impl Context {
    pub(super) fn new(auth: &Auth, options: &HttpOptions) -> Self {
        Self {
            auth: auth.clone(),
            cookie: SessionCookie::new(options.is_local, options.session_lifetime),
            origins: Origins::new(&options.public_url, &options.allowed_origins),
            proxies: options.trusted_proxies.clone(),
        }
    }

    /// The context of a request.
    ///
    /// # Panics
    /// For a request that did not come through the edge.
    pub(crate) fn of(request: &Request) -> &Self {
        let context = request.data::<Arc<Self>>();
        context.expect("the edge gives it to every request")
    }
}
