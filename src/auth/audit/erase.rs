//! What becomes of the events of an account that is deleted: their personal fields are erased, and the rest stays.

use entity::user;
use serde_json::Value;

use super::kind::EventKind;
use crate::db::{DbError, Transaction};

/// How many events of an account are erased in the transaction of its deletion. Those of an account with more are erased
/// within seconds, by the sealer.
pub(super) const MOST_ERASED: u64 = 5000;

/// The addresses that an account had before, except those that another account has now.
pub(in crate::auth) async fn former_addresses(
    tx: &Transaction,
    user: &user::Model,
) -> Result<Vec<String>, DbError> {
    let kind = EventKind::EmailChanged.as_str();
    let mut addresses = Vec::new();
    for detail in tx.find_audit_details(user.id, kind).await? {
        let detail: Value = serde_json::from_str(&detail).unwrap_or_default();
        let address = detail.get("from").and_then(Value::as_str);
        addresses.extend(address.map(str::to_owned));
    }
    addresses.sort();
    addresses.dedup();
    let mut former = Vec::new();
    for address in addresses {
        if tx.find_user_by_email(&address).await?.is_none() {
            former.push(address);
        }
    }
    Ok(former)
}

/// Erases the personal fields of the events that an account had a part in.
pub(in crate::auth) async fn erase_events(tx: &Transaction, user_id: i64) -> Result<(), DbError> {
    let deletion = EventKind::UserDeleted.as_str();
    tx.erase_audit_events(user_id, deletion, MOST_ERASED)
        .await?;
    Ok(())
}
