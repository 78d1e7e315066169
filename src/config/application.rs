//! The application that people sign in to.

use clap::Args;
use url::Url;

use super::{
    error::SettingsError,
    values::{is_safe, web_address},
};
use crate::loopback::is_loopback;

/// The name where the public URL is on localhost and none is set.
const LOCAL_NAME: &str = "Bienvenue";

/// The longest name of an application, in characters: it is part of subjects.
const LONGEST_NAME: usize = 60;

/// The application that people sign in to.
#[derive(Args, Clone, Debug)]
pub struct ApplicationSettings {
    /// The name of your application, as emails and pages have it; none: the host of the public URL, or Bienvenue on localhost
    #[arg(long, env = "BIENVENUE_APP_NAME", value_parser = app_name)]
    pub app_name: Option<String>,
    /// The address of your application, where people sign in: emails and pages link to it; none: the public URL
    #[arg(long, env = "BIENVENUE_APP_URL", value_parser = web_address)]
    pub app_url: Option<Url>,
}

impl ApplicationSettings {
    pub(super) fn check(&self) -> Result<(), SettingsError> {
        if !self.app_url.as_ref().is_none_or(is_safe) {
            return Err(SettingsError::new(
                "BIENVENUE_APP_URL",
                "must be an https address, as https://app.example.com is; plain http is for localhost alone",
            ));
        }
        Ok(())
    }

    /// Its name.
    pub(super) fn name(&self, public_url: &Url) -> String {
        let by_host = || match public_url.host_str() {
            Some(host) if !is_loopback(public_url) => host.to_owned(),
            _ => LOCAL_NAME.to_owned(),
        };
        let set = self.app_name.clone().filter(|name| !name.is_empty());
        set.unwrap_or_else(by_host)
    }

    /// Its address.
    pub(super) fn url(&self, public_url: &Url) -> Url {
        self.app_url.as_ref().unwrap_or(public_url).clone()
    }
}

/// Reads the name of an application. Nothing is no name.
fn app_name(text: &str) -> Result<String, String> {
    let name = text.trim();
    if name.chars().any(char::is_control) {
        return Err("write it in one line".to_owned());
    }
    if name.chars().count() > LONGEST_NAME {
        return Err(format!("it can be {LONGEST_NAME} characters long at most"));
    }
    Ok(name.to_owned())
}
