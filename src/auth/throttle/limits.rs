//! The limits of the rate limits.

/// How many attempts of each kind are allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimits {
    /// How many wrong passwords in a row one account may have without a wait. After these, the next attempt has to
    /// wait: 1 s, 2 s, 4 s, up to 15 min.
    pub account_free_failures: i32,
    /// How many wrong passwords in a row stop further attempts at one account: from the same known network, or from all
    /// unknown networks together. A password reset by email ends this.
    pub account_failures: i32,
    /// How many wrong passwords and tokens are allowed from one client address in 10 min.
    pub address_failures: i32,
    /// How many registrations are allowed from one client address in an hour.
    pub address_registrations: i32,
    /// How many requests for emails are allowed from one client address in an hour.
    pub address_emails: i32,
    /// How many emails of a kind are sent to one address in an hour.
    pub recipient_emails_hourly: i32,
    /// How many emails of a kind are sent to one address in a day.
    pub recipient_emails_daily: i32,
}

impl Default for RateLimits {
    fn default() -> Self {
        Self {
            account_free_failures: 5,
            account_failures: 100,
            address_failures: 30,
            address_registrations: 20,
            address_emails: 20,
            recipient_emails_hourly: 3,
            recipient_emails_daily: 10,
        }
    }
}
