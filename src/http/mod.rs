//! What all faces of the service share: connections and their limits, the client and the caller of a request, and the
//! headers for browsers.
//!
//! A face is one interface of the service: the JSON API, or the pages. It defines its routes and its policy ([`Face`]).
//! The edge puts both behind the limits that hold for every request.

mod caller;
mod client;
mod context;
mod cookie;
mod edge;
mod face;
mod options;
mod origins;
mod proxies;
mod public_url;
mod routes;
mod server;
mod shares;

#[cfg(fuzzing)]
pub use client::client_address;
pub use proxies::TrustedProxies;

pub(crate) use caller::{Caller, FormerSession};
pub(crate) use client::{Client, language};
pub(crate) use context::Context;
pub(crate) use cookie::SessionCookie;
pub(crate) use edge::{Edge, faces};
pub(crate) use face::{Face, Failure};
pub(crate) use options::HttpOptions;
pub(crate) use routes::Routes;
pub(crate) use server::serve;
