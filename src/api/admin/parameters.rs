//! The parameters of searches.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use poem_openapi::registry::MetaSchema;
use serde_json::json;

use crate::{
    api::parameters::parameters,
    auth::{Email, EmailPrefix, EventKind, Group, Role, UserState},
};

parameters! {
    /// The address of an account.
    Address(Email): MetaSchema::new("string"), |text| Email::parse(text).ok(),
        "an email address";
    /// The beginning of an address.
    AddressPrefix(EmailPrefix): MetaSchema::new("string"), EmailPrefix::parse,
        "the beginning of an email address";
    /// The state of an account.
    State(UserState): one_of(&["verified", "unverified", "disabled"]), UserState::parse,
        "verified, unverified or disabled";
    /// A role.
    RoleName(Role): one_of(&Role::ALL.map(Role::as_str)), Role::parse,
        "user or admin";
    /// A group.
    GroupName(Group): MetaSchema::new("string"), |text| Group::parse(text).ok(),
        "the name of a group: 1 to 64 characters of a-z, 0-9, \".\", \"_\" and \"-\"";
    /// The `next` of an earlier answer with accounts.
    UserCursor(i64): MetaSchema::new("string"), |text| text.parse().ok().filter(|id| *id > 0),
        "the `next` of an earlier answer";
    /// The id of an account.
    UserId(i64): MetaSchema::new_with_format("integer", "int64"), |text| text.parse().ok(),
        "the id of an account";
    /// A kind of event.
    Kind(EventKind): MetaSchema::new("string"), EventKind::parse,
        "a kind of event, as session.opened";
    /// The address of a client.
    Ip(IpAddr): MetaSchema::new("string"), |text| text.parse().ok(),
        "an IP address";
    /// A time.
    Moment(DateTime<Utc>): MetaSchema::new_with_format("string", "date-time"),
        |text| Some(DateTime::parse_from_rfc3339(text).ok()?.to_utc()),
        "a time, as 2026-11-26T08:00:00Z";
}

fn one_of(texts: &[&str]) -> MetaSchema {
    MetaSchema {
        enum_items: texts.iter().map(|text| json!(text)).collect(),
        ..MetaSchema::new("string")
    }
}
