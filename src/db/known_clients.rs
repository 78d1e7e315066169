//! The rows of `known_clients`.

use chrono::{DateTime, Utc};
use entity::{known_client, user};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, ExprTrait as _, IntoActiveModel as _,
    QueryFilter as _, QueryOrder as _, QuerySelect as _, QueryTrait as _,
    prelude::Expr,
    sea_query::{OnConflict, SimpleExpr},
};

use super::{
    database::{DB, subquery},
    error::DbError,
};

impl<C: ConnectionTrait> DB<C> {
    /// Whether the user with this address, if there is one, used this network after a time.
    pub(crate) async fn knows_network(
        &self,
        email: &str,
        network: &str,
        since: DateTime<Utc>,
    ) -> Result<bool, DbError> {
        let user = user::Entity::find()
            .select_only()
            .column(user::Column::Id)
            .filter(user::Column::Email.eq(email));
        let known = known_client::Entity::find()
            .filter(known_client::Column::UserId.in_subquery(user.into_query()))
            .filter(known_client::Column::Network.eq(network))
            .filter(used_after(since));
        Ok(self.ask(known.one(&self.conn)).await?.is_some())
    }

    /// Whether a user signed in from this network after a time.
    pub(crate) async fn has_signed_in_from(
        &self,
        user_id: i64,
        network: &str,
        since: DateTime<Utc>,
    ) -> Result<bool, DbError> {
        let known = known_client::Entity::find()
            .filter(known_client::Column::UserId.eq(user_id))
            .filter(known_client::Column::Network.eq(network))
            .filter(known_client::Column::LastSignedInAt.gt(since));
        Ok(self.ask(known.one(&self.conn)).await?.is_some())
    }

    /// The networks that these users used after a time.
    pub(crate) async fn find_networks(
        &self,
        users: impl IntoIterator<Item = i64>,
        since: DateTime<Utc>,
    ) -> Result<Vec<known_client::Model>, DbError> {
        let clients = known_client::Entity::find()
            .filter(known_client::Column::UserId.is_in(users))
            .filter(used_after(since));
        self.ask(clients.all(&self.conn)).await
    }

    /// Records that a user signs in from a network.
    pub(crate) async fn note_sign_in_from(
        &self,
        user_id: i64,
        network: String,
    ) -> Result<(), DbError> {
        let client = known_client::Model {
            user_id,
            network,
            user_agent: String::new(),
            last_signed_in_at: self.clock.now(),
            last_used_at: None,
        };
        self.note_client(client, known_client::Column::LastSignedInAt)
            .await
    }

    /// Records that a user uses a session from a network.
    pub(crate) async fn note_use_from(&self, user_id: i64, network: String) -> Result<(), DbError> {
        let client = known_client::Model {
            user_id,
            network,
            user_agent: String::new(),
            last_signed_in_at: DateTime::UNIX_EPOCH,
            last_used_at: Some(self.clock.now()),
        };
        self.note_client(client, known_client::Column::LastUsedAt)
            .await
    }

    /// Upserts a row. In an existing row it sets only one of the times.
    async fn note_client(
        &self,
        client: known_client::Model,
        time: known_client::Column,
    ) -> Result<(), DbError> {
        let conflict = OnConflict::columns([
            known_client::Column::UserId,
            known_client::Column::Network,
            known_client::Column::UserAgent,
        ])
        .update_column(time)
        .to_owned();
        let insert = known_client::Entity::insert(client.into_active_model()).on_conflict(conflict);
        self.write(insert.exec_without_returning(&self.conn))
            .await?;
        Ok(())
    }

    /// Deletes the oldest networks of a user. Keeps this number of those with the latest sign-ins.
    pub(crate) async fn forget_oldest_clients(
        &self,
        user_id: i64,
        kept: u64,
    ) -> Result<(), DbError> {
        let of_user = known_client::Column::UserId.eq(user_id);
        // With fewer rows than that this is null, and no time is less than null.
        let oldest_kept = known_client::Entity::find()
            .select_only()
            .column(known_client::Column::LastSignedInAt)
            .filter(of_user.clone())
            .order_by_desc(known_client::Column::LastSignedInAt)
            .offset(kept - 1)
            .limit(1);
        let older = Expr::col(known_client::Column::LastSignedInAt).lt(subquery(oldest_kept));
        let forget = known_client::Entity::delete_many()
            .filter(of_user)
            .filter(older);
        self.write(forget.exec(&self.conn)).await?;
        Ok(())
    }

    /// All known networks of a user, the latest sign-in first.
    pub(crate) async fn find_known_clients(
        &self,
        user_id: i64,
    ) -> Result<Vec<known_client::Model>, DbError> {
        let clients = known_client::Entity::find()
            .filter(known_client::Column::UserId.eq(user_id))
            .order_by_desc(known_client::Column::LastSignedInAt);
        self.ask(clients.all(&self.conn)).await
    }

    /// Deletes all known networks of a user.
    pub(crate) async fn delete_known_clients(&self, user_id: i64) -> Result<(), DbError> {
        let deletion =
            known_client::Entity::delete_many().filter(known_client::Column::UserId.eq(user_id));
        self.write(deletion.exec(&self.conn)).await?;
        Ok(())
    }

    /// Deletes a batch of the networks that were last used before a time. Returns whether there may be more.
    pub(crate) async fn delete_clients_unused_since(
        &self,
        time: DateTime<Utc>,
    ) -> Result<bool, DbError> {
        let used = known_client::Column::LastUsedAt;
        let unused = known_client::Column::LastSignedInAt
            .lte(time)
            .and(used.is_null().or(used.lte(time)));
        self.sweep::<known_client::Entity>(known_client::Column::UserId, unused)
            .await
    }
}

/// Matches networks that were used after a time, by a sign-in or by a session.
pub(super) fn used_after(time: DateTime<Utc>) -> SimpleExpr {
    known_client::Column::LastSignedInAt
        .gt(time)
        .or(known_client::Column::LastUsedAt.gt(time))
}
