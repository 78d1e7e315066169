//! How browsers and programs reach the service.

use clap::Args;
use url::Url;

use super::{
    error::SettingsError,
    values::{trimmed, web_address},
};
use crate::{http::TrustedProxies, loopback::is_loopback};

/// The public URL where none is set.
const DEFAULT_PUBLIC_URL: &str = "http://localhost:8000";

/// How browsers and programs reach the service.
#[derive(Args, Clone, Debug)]
pub struct HttpSettings {
    /// The address by which browsers reach the service. Plain http only on localhost
    #[arg(
        long,
        env = "BIENVENUE_PUBLIC_URL",
        default_value = DEFAULT_PUBLIC_URL,
        value_parser = web_address
    )]
    pub public_url: Url,
    /// The origins, comma separated, of other sites whose pages may call the service from a browser, signed in; of any scheme
    #[arg(
        long,
        env = "BIENVENUE_ALLOWED_ORIGINS",
        value_delimiter = ',',
        value_parser = trimmed
    )]
    pub allowed_origins: Vec<String>,
    /// The addresses and networks, comma separated, of the proxies whose X-Forwarded-For is believed
    #[arg(long, env = "BIENVENUE_TRUSTED_PROXIES")]
    pub trusted_proxies: Option<TrustedProxies>,
}

impl HttpSettings {
    pub(super) fn check(&self) -> Result<(), SettingsError> {
        self.check_public_url()
            .map_err(|reason| SettingsError::new("BIENVENUE_PUBLIC_URL", reason))?;
        for origin in self.allowed_origins() {
            check_origin(&origin).map_err(|mend| {
                let reason = format!("has {origin:?}, which is no origin: {mend}");
                SettingsError::new("BIENVENUE_ALLOWED_ORIGINS", reason)
            })?;
        }
        Ok(())
    }

    fn check_public_url(&self) -> Result<(), &'static str> {
        let url = &self.public_url;
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err("must be an http or https address, as https://auth.example.com is");
        }
        if url.path() != "/"
            || url.query().is_some()
            || url.fragment().is_some()
            || !url.username().is_empty()
            || url.password().is_some()
        {
            return Err("must be a scheme, a host and a port, and nothing else");
        }
        if url.scheme() == "http" && !is_loopback(url) {
            return Err(
                "must be https: passwords and sessions would travel readable by anyone on the way. \
                 Plain http is for localhost alone",
            );
        }
        Ok(())
    }

    /// Whether the public URL is another than the one where none is set.
    pub(super) fn is_public_url_set(&self) -> bool {
        self.public_url.as_str().trim_end_matches('/') != DEFAULT_PUBLIC_URL
    }

    /// The origins that are listed. A variable that is set to nothing is a list with an empty text in it.
    pub(super) fn allowed_origins(&self) -> Vec<String> {
        let listed = self.allowed_origins.iter();
        listed
            .filter(|origin| !origin.is_empty())
            .cloned()
            .collect()
    }
}

/// Checks that an origin is written as browsers write it: it is compared letter by letter.
///
/// # Errors
/// How to mend it.
fn check_origin(origin: &str) -> Result<(), String> {
    if origin.contains('*') {
        return Err("a wildcard lets in pages of strangers, so list each origin".to_owned());
    }
    if origin == "null" {
        return Err(
            "it stands for any local file and any sandboxed page, so serve the page from an address"
                .to_owned(),
        );
    }
    let url = Url::parse(origin).ok();
    let host = url.as_ref().and_then(Url::host_str);
    let (Some(url), Some(host)) = (&url, host.filter(|host| !host.is_empty())) else {
        return Err("write a scheme and a host, as https://app.example.com".to_owned());
    };
    // The default port of a scheme is left out by the parser, as it is by browsers.
    let port = url.port().map(|port| format!(":{port}"));
    let written = format!("{}://{host}{}", url.scheme(), port.unwrap_or_default());
    if written == origin {
        Ok(())
    } else {
        Err(format!("write {written}"))
    }
}
