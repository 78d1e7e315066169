//! Rate limits on attempts, by network and by account.
//!
//! Counts are rows of the database, so they are exact across replicas and survive restarts. An attempt is counted
//! before the work that it costs, so that concurrent attempts can't bypass the limit. The key of a count is a keyed
//! digest, so the table does not reveal addresses.

mod actions;
mod attempts;
mod counts;
mod limits;
mod mails;

pub use limits::RateLimits;

pub(super) use actions::Action;
pub(super) use attempts::Attempt;
pub(super) use counts::Throttle;
pub(super) use mails::{Allowance, LONGEST_PROLONGATION};
