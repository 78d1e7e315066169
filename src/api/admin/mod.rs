//! Administration.

mod audit_events;
mod groups;
mod parameters;
mod user;
mod users;

pub(super) use audit_events::AuditEventsApi;
pub(super) use groups::GroupsApi;
pub(crate) use user::user_as_json;
pub(super) use users::AdminUsersApi;
