//! The rows of `users`.

use chrono::{DateTime, Datelike as _, SubsecRound as _, Utc};
use entity::{known_client, session, user};
use sea_orm::{
    ActiveModelTrait as _, ColumnTrait, ColumnType, Condition, ConnectionTrait, EntityTrait,
    ExprTrait as _, IntoActiveModel, Iterable, QueryFilter, QueryOrder, QuerySelect as _,
    QueryTrait as _, Select, Set, Value,
    prelude::{ChronoDateTimeUtc, Expr},
    sea_query::{LockBehavior, LockType},
};

use super::{DB, DbError, SWEEP};

impl<C: ConnectionTrait> DB<C> {
    /// Adds a user, who has no session and no reset token. Checks nothing but what the schema checks.
    ///
    /// # Errors
    /// [`DbError::Conflict`] when the email is taken.
    pub async fn add_user(
        &self,
        email: &str,
        hashed_password: &str,
    ) -> Result<user::Model, DbError> {
        let now = self.clock.now();
        let user = user::ActiveModel {
            email: Set(email.to_owned()),
            hashed_password: Set(hashed_password.to_owned()),
            created_at: Set(now),
            updated_at: Set(now),
            ..Default::default()
        };
        // Not `ActiveModel::insert`: it reads the first row that comes back and no further, and then
        // SQLite does not say that the commit failed.
        let inserted = self
            .write(user::Entity::insert(user).exec(&self.conn))
            .await?;
        Ok(user::Model {
            id: inserted.last_insert_id,
            email: email.to_owned(),
            hashed_password: hashed_password.to_owned(),
            session_id: None,
            reset_token: None,
            reset_token_expires_at: None,
            email_verified_at: None,
            last_signed_in_at: None,
            name: None,
            created_at: now,
            updated_at: now,
        })
    }

    /// Finds the user whose attributes are all as given; of several the one with the lowest id.
    ///
    /// ```no_run
    /// # async fn example(db: bienvenue::db::DB) -> Result<(), bienvenue::db::DbError> {
    /// let bob = db.find_user_by([("email", "bob@me.com")]).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// An attribute is named as its column is; null asks for those who have none.
    ///
    /// # Errors
    /// [`DbError::NoResultFound`], and [`DbError::InvalidRequest`] for no attribute at all, for a name
    /// that is none, and for a value that the column cannot hold.
    pub async fn find_user_by<K, V>(
        &self,
        attributes: impl IntoIterator<Item = (K, V)>,
    ) -> Result<user::Model, DbError>
    where
        K: AsRef<str>,
        V: Into<Value>,
    {
        let mut all = Condition::all();
        for (name, value) in attributes {
            let name = name.as_ref();
            let column = column(name).ok_or_else(|| no_such(name))?;
            let value = value.into();
            all = all.add(if is_null(&value) {
                column.is_null()
            } else {
                column.eq(fitting(column, value).ok_or_else(|| misfit(name))?)
            });
        }
        if all.is_empty() {
            return Err(DbError::InvalidRequest(
                "give at least one attribute of the user to find".to_owned(),
            ));
        }
        let users = user::Entity::find()
            .filter(all)
            .order_by_asc(user::Column::Id);
        self.ask(users.one(&self.conn))
            .await?
            .ok_or(DbError::NoResultFound)
    }

    /// Finds the users with these ids, and holds on to them until the transaction ends: nobody else changes them meanwhile.
    /// Always in the order of their ids, so that two who hold on to several don't wait for each other.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn lock_users(
        &self,
        ids: impl IntoIterator<Item = i64>,
    ) -> Result<Vec<user::Model>, DbError> {
        // On SQLite a transaction has the whole database to itself, and sea-query leaves the lock out.
        let users = user::Entity::find()
            .filter(user::Column::Id.is_in(ids))
            .order_by_asc(user::Column::Id)
            .lock_exclusive();
        self.ask(users.all(&self.conn)).await
    }

    /// The same for one user.
    ///
    /// # Errors
    /// [`DbError::NoResultFound`].
    pub async fn lock_user(&self, id: i64) -> Result<user::Model, DbError> {
        let mut users = self.lock_users([id]).await?;
        users.pop().ok_or(DbError::NoResultFound)
    }

    /// Gives the user with this address a reset token, in the place of the one that there may be.
    ///
    /// # Errors
    /// [`DbError::NoResultFound`] when nobody has this address.
    pub async fn set_reset_token(
        &self,
        email: &str,
        token_digest: &str,
        expires_at: ChronoDateTimeUtc,
    ) -> Result<(), DbError> {
        let change = user::Entity::update_many()
            .col_expr(user::Column::ResetToken, token_digest.into())
            .col_expr(user::Column::ResetTokenExpiresAt, expires_at.into())
            .col_expr(user::Column::UpdatedAt, self.clock.now().into())
            .filter(user::Column::Email.eq(email));
        match self.write(change.exec(&self.conn)).await?.rows_affected {
            0 => Err(DbError::NoResultFound),
            _ => Ok(()),
        }
    }

    /// Forgets some of the reset tokens that expired before a time, and says whether there may be more.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn delete_reset_tokens_expired_before(
        &self,
        time: DateTime<Utc>,
    ) -> Result<bool, DbError> {
        let over = user::Column::ResetTokenExpiresAt.lte(time);
        let some = user::Entity::find()
            .select_only()
            .column(user::Column::Id)
            .filter(over.clone())
            .limit(SWEEP);
        let sweep = user::Entity::update_many()
            .col_expr(user::Column::ResetToken, Expr::value(None::<String>))
            .col_expr(
                user::Column::ResetTokenExpiresAt,
                Expr::value(None::<ChronoDateTimeUtc>),
            )
            .filter(user::Column::Id.in_subquery(some.into_query()))
            .filter(over);
        let swept = self.write(sweep.exec(&self.conn)).await?.rows_affected;
        Ok(swept >= SWEEP)
    }

    /// Finds users whose address was never verified, who were added before a time, have neither signed in nor used a
    /// session since, and have no session; at most `limit`.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn find_unused_users(
        &self,
        before: DateTime<Utc>,
        limit: u64,
    ) -> Result<Vec<user::Model>, DbError> {
        self.ask(unused(before, limit).all(&self.conn)).await
    }

    /// The same, and holds on to them until the transaction ends. Those that somebody else is changing are left out.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn lock_unused_users(
        &self,
        before: DateTime<Utc>,
        limit: u64,
    ) -> Result<Vec<user::Model>, DbError> {
        // On SQLite a transaction has the whole database to itself, and sea-query leaves the lock out.
        let users =
            unused(before, limit).lock_with_behavior(LockType::Update, LockBehavior::SkipLocked);
        self.ask(users.all(&self.conn)).await
    }

    /// Deletes a user, with all that hangs on the account.
    ///
    /// # Errors
    /// [`DbError::NoResultFound`].
    pub async fn delete_user(&self, id: i64) -> Result<(), DbError> {
        let deletion = user::Entity::delete_many().filter(user::Column::Id.eq(id));
        match self.write(deletion.exec(&self.conn)).await?.rows_affected {
            0 => Err(DbError::NoResultFound),
            _ => Ok(()),
        }
    }

    /// Sets attributes of a user, all or none of them.
    ///
    /// # Errors
    /// [`DbError::NoResultFound`] for an unknown id, [`DbError::UnknownAttribute`],
    /// [`DbError::InvalidRequest`] for the id and for a value that the column cannot hold,
    /// [`DbError::Conflict`] when the email is another user's.
    pub async fn update_user<K, V>(
        &self,
        user_id: i64,
        attributes: impl IntoIterator<Item = (K, V)>,
    ) -> Result<(), DbError>
    where
        K: AsRef<str>,
        V: Into<Value>,
    {
        let mut user = self
            .find_user_by([("id", user_id)])
            .await?
            .into_active_model();
        user.updated_at = Set(self.clock.now());
        for (name, value) in attributes {
            let name = name.as_ref();
            let column = column(name).ok_or_else(|| DbError::UnknownAttribute(name.to_owned()))?;
            if matches!(column, user::Column::Id) {
                return Err(DbError::InvalidRequest("id cannot be changed".to_owned()));
            }
            let value = fitting(column, value.into()).ok_or_else(|| misfit(name))?;
            user.try_set(column, value)?;
        }
        // Not `ActiveModel::update`, for the reason that `add_user` gives.
        let update = user::Entity::update_many()
            .set(user)
            .filter(user::Column::Id.eq(user_id));
        match self.write(update.exec(&self.conn)).await?.rows_affected {
            0 => Err(DbError::NoResultFound),
            _ => Ok(()),
        }
    }
}

/// Users who never verified their address, and have neither signed in nor used a session since a time.
fn unused(before: DateTime<Utc>, limit: u64) -> Select<user::Entity> {
    let last = user::Column::LastSignedInAt;
    let sessions = session::Entity::find()
        .filter(
            Expr::col((session::Entity, session::Column::UserId))
                .equals((user::Entity, user::Column::Id)),
        )
        .into_query();
    let networks = known_client::Entity::find()
        .filter(
            Expr::col((known_client::Entity, known_client::Column::UserId))
                .equals((user::Entity, user::Column::Id)),
        )
        .filter(super::known_clients::used_after(before))
        .into_query();
    user::Entity::find()
        .filter(user::Column::EmailVerifiedAt.is_null())
        .filter(user::Column::CreatedAt.lte(before))
        .filter(last.is_null().or(last.lte(before)))
        .filter(Expr::exists(sessions).not())
        .filter(Expr::exists(networks).not())
        .order_by_asc(user::Column::CreatedAt)
        .limit(limit)
}

/// The column of this very name. (`Column::from_str` takes other spellings too.)
fn column(name: &str) -> Option<user::Column> {
    user::Column::iter().find(|column| sea_orm::IdenStatic::as_str(column) == name)
}

fn no_such(name: &str) -> DbError {
    DbError::InvalidRequest(format!("a user has no attribute {name:?}"))
}

fn misfit(name: &str) -> DbError {
    DbError::InvalidRequest(format!("{name} cannot hold this value"))
}

/// Whether the value is null, of whatever type.
fn is_null(value: &Value) -> bool {
    *value == value.as_null()
}

/// The value as its column takes it, if it does: SQLite would compare or store anything.
fn fitting(column: user::Column, value: Value) -> Option<Value> {
    let definition = column.def();
    let is_null = is_null(&value);
    match definition.get_column_type() {
        _ if is_null && !definition.is_null() => None,
        ColumnType::String(_) if is_null => Some(Value::String(None)),
        ColumnType::String(_) => match value {
            // PostgreSQL's text has no NUL.
            Value::String(Some(text)) if !text.contains('\0') => Some(Value::String(Some(text))),
            _ => None,
        },
        ColumnType::BigInteger => whole_number(&value).map(|number| Value::BigInt(Some(number))),
        ColumnType::TimestampWithTimeZone if is_null => Some(Value::ChronoDateTimeUtc(None)),
        ColumnType::TimestampWithTimeZone => match value {
            Value::ChronoDateTimeUtc(Some(time)) => storable(time),
            Value::ChronoDateTimeWithTimeZone(Some(time)) => storable(time.into()),
            _ => None,
        },
        _ => None,
    }
}

/// A time as both databases keep it: in whole microseconds, of the years that have four digits, which
/// are also those that sort rightly as text.
fn storable(time: ChronoDateTimeUtc) -> Option<Value> {
    (1..=9999)
        .contains(&time.year())
        .then(|| time.trunc_subsecs(6).into())
}

/// An integer of whatever width, if it is one of 64 bits.
fn whole_number(value: &Value) -> Option<i64> {
    match *value {
        Value::TinyInt(Some(number)) => Some(number.into()),
        Value::SmallInt(Some(number)) => Some(number.into()),
        Value::Int(Some(number)) => Some(number.into()),
        Value::BigInt(Some(number)) => Some(number),
        Value::TinyUnsigned(Some(number)) => Some(number.into()),
        Value::SmallUnsigned(Some(number)) => Some(number.into()),
        Value::Unsigned(Some(number)) => Some(number.into()),
        Value::BigUnsigned(Some(number)) => number.try_into().ok(),
        _ => None,
    }
}
