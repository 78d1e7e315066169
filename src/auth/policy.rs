//! The policy: what the service requires of accounts.

use std::time::Duration;

use chrono::TimeDelta;

use super::throttle::RateLimits;

/// The longest duration in a policy: ten years, without leap days. A longer one is most likely a mistake, and would
/// overflow a date.
pub(crate) const LONGEST_DURATION: Duration = Duration::from_hours(3650 * 24);

/// Who may register.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RegistrationMode {
    /// Everybody. The answer says whether an address already has an account.
    #[default]
    Open,
    /// Everybody, by a link that is mailed to the address. No answer says whether the address has an account.
    Private,
    /// Nobody: accounts are opened on the command line.
    Closed,
}

/// What the service requires of accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Who may register.
    pub registration: RegistrationMode,
    /// The cost of a password hash: bcrypt runs 2 to the power of it rounds.
    pub bcrypt_cost: u32,
    /// How many hashes a core computes interleaved, 1 to 7. A larger number counts as 7. One more lane is reserved for
    /// networks that were quiet.
    pub hashing_lanes: usize,
    /// The shortest password, in characters.
    pub password_min_length: usize,
    /// How hard a password must be to guess: zxcvbn's score, from 0 (no requirement) to 4.
    pub password_min_score: u8,
    /// How long a session lasts without use. The maximum is ten years, and a longer time counts as that.
    pub session_idle: Duration,
    /// How long a session lasts at most. The maximum is ten years, and a longer time counts as that.
    pub session_lifetime: Duration,
    /// How long the link of a password reset is valid.
    pub reset_token_lifetime: Duration,
    /// How long the link that verifies an address is valid.
    pub verification_lifetime: Duration,
    /// How long an account is kept if its address is never verified and no sign-in happens. `None` keeps it for ever.
    pub unverified_lifetime: Option<Duration>,
    /// How long the events of the audit log are kept.
    pub audit_retention: Duration,
    /// The rate limits. `None` disables them.
    pub rate_limits: Option<RateLimits>,
}

impl Policy {
    pub(super) fn idle(self) -> TimeDelta {
        time_delta(self.session_idle)
    }

    pub(super) fn lifetime(self) -> TimeDelta {
        time_delta(self.session_lifetime)
    }
}

/// Converts a duration, and cuts it to ten years.
pub(super) fn time_delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration.min(LONGEST_DURATION)).expect("ten years are no overflow")
}

impl Default for Policy {
    /// Cost 12, 8 characters, score 3: the minimum that NIST SP 800-63B and OWASP ask for. Sessions last 7 days without
    /// use, and 30 days at most.
    fn default() -> Self {
        Self {
            registration: RegistrationMode::Open,
            bcrypt_cost: 12,
            hashing_lanes: 5,
            password_min_length: 8,
            password_min_score: 3,
            session_idle: Duration::from_hours(7 * 24),
            session_lifetime: Duration::from_hours(30 * 24),
            reset_token_lifetime: Duration::from_mins(30),
            verification_lifetime: Duration::from_hours(24),
            unverified_lifetime: Some(Duration::from_hours(30 * 24)),
            audit_retention: Duration::from_hours(400 * 24),
            rate_limits: Some(RateLimits::default()),
        }
    }
}
