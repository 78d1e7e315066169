//! What a password must be, and how it is hashed.

use clap::{Args, builder::RangedU64ValueParser};
use url::Url;

use super::{error::SettingsError, values::is_safe};

/// The lowest bcrypt cost for accounts that can be reached from other machines. Source: OWASP, Password
/// Storage Cheat Sheet.
const LOWEST_PUBLIC_COST: u32 = 10;

/// What a password must be, and how it is hashed.
#[derive(Args, Clone, Debug)]
pub struct PasswordSettings {
    /// The work of a password hash: each step up doubles it. Below 10 only for a public URL on localhost
    #[arg(
        long,
        env = "BIENVENUE_BCRYPT_COST",
        default_value_t = 12,
        value_parser = RangedU64ValueParser::<u32>::new().range(4..=15)
    )]
    pub bcrypt_cost: u32,
    /// How many password hashes a core runs interleaved, besides one for networks that were quiet; this does a multiple of one after the
    /// other. 1 is one at a time, 8 counts as 7
    #[arg(
        long,
        env = "BIENVENUE_HASHING_LANES",
        default_value_t = 5,
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=8)
    )]
    pub hashing_lanes: usize,
    /// The fewest characters of a password
    #[arg(
        long,
        env = "BIENVENUE_PASSWORD_MIN_LENGTH",
        default_value_t = 8,
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=72)
    )]
    pub password_min_length: usize,
    /// How hard a password must be to guess, on the scale of zxcvbn from 0 to 4; 0 asks for nothing
    #[arg(
        long,
        env = "BIENVENUE_PASSWORD_MIN_SCORE",
        default_value_t = 3,
        value_parser = RangedU64ValueParser::<u8>::new().range(0..=4)
    )]
    pub password_min_score: u8,
    /// A service that knows passwords from breaches, by the range protocol of Have I Been Pwned; none: the list in the program alone
    #[arg(long, env = "BIENVENUE_BREACHED_PASSWORDS_URL")]
    pub breached_passwords_url: Option<Url>,
}

impl PasswordSettings {
    pub(super) fn check(&self, is_local: bool) -> Result<(), SettingsError> {
        if self.bcrypt_cost < LOWEST_PUBLIC_COST && !is_local {
            let reason = format!(
                "must be at least {LOWEST_PUBLIC_COST} where BIENVENUE_PUBLIC_URL is not http on localhost"
            );
            return Err(SettingsError::new("BIENVENUE_BCRYPT_COST", reason));
        }
        let is_service = |url: &Url| {
            is_safe(url)
                && (url.username().is_empty() && url.password().is_none())
                && (url.query().is_none() && url.fragment().is_none())
        };
        if !self.breached_passwords_url.as_ref().is_none_or(is_service) {
            return Err(SettingsError::new(
                "BIENVENUE_BREACHED_PASSWORDS_URL",
                "must be an https address to which five digits can be appended, as \
                 https://api.pwnedpasswords.com/range/ is; plain http is for localhost alone",
            ));
        }
        Ok(())
    }
}
