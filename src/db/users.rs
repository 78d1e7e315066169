//! The rows of `users`.

use chrono::{DateTime, Datelike as _, SubsecRound as _, Utc};
use entity::{known_client, session, user};
use sea_orm::{
    ActiveModelTrait as _, ColumnTrait, ColumnType, Condition, ConnectionTrait, EntityTrait,
    ExprTrait as _, IntoActiveModel, Iterable, QueryFilter, QueryOrder, QuerySelect as _,
    QueryTrait as _, Select, Set, Value,
    prelude::{ChronoDateTimeUtc, Expr, Uuid},
    sea_query::{LockBehavior, LockType},
};

use super::{
    database::{DB, SWEEP},
    error::DbError,
};

/// The role of a new user, which is also the default of the column.
pub(super) const USER: &str = "user";

impl<C: ConnectionTrait> DB<C> {
    /// Adds a user without a session or a reset token. Only the constraints of the schema are checked.
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
        // Not `ActiveModel::insert`: it stops reading after the first returned row, and so misses SQLite's error if the
        // commit fails.
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
            role: USER.to_owned(),
            disabled_at: None,
            is_provisioned: false,
            created_at: now,
            updated_at: now,
        })
    }

    /// Finds the user whose attributes all have the given values. Of several, returns the one with the lowest id.
    ///
    /// ```no_run
    /// # async fn example(db: bienvenue::db::DB) -> Result<(), bienvenue::db::DbError> {
    /// let bob = db.find_user_by([("email", "bob@me.com")]).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// The name of an attribute is that of its column. Null matches users without a value.
    ///
    /// # Errors
    /// [`DbError::NoResultFound`], and [`DbError::InvalidRequest`] for no attribute at all, for an unknown name, and
    /// for a value that the column cannot hold.
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

    /// Finds the users with these ids, and locks their rows until the transaction ends. Rows are locked in the order of
    /// their ids, so that transactions that lock several can't deadlock.
    pub(crate) async fn lock_users(
        &self,
        ids: impl IntoIterator<Item = i64>,
    ) -> Result<Vec<user::Model>, DbError> {
        // A transaction on SQLite locks the whole database, and sea-query leaves this clause out.
        let users = user::Entity::find()
            .filter(user::Column::Id.is_in(ids))
            .order_by_asc(user::Column::Id)
            .lock_exclusive();
        self.ask(users.all(&self.conn)).await
    }

    /// Finds the users with these ids and all users with this role, and locks their rows like [`DB::lock_users`].
    pub(crate) async fn lock_users_and_role(
        &self,
        ids: &[i64],
        role: &str,
    ) -> Result<Vec<user::Model>, DbError> {
        let ids = user::Column::Id.is_in(ids.iter().copied());
        let users = user::Entity::find()
            .filter(ids.or(user::Column::Role.eq(role)))
            .order_by_asc(user::Column::Id)
            .lock_exclusive();
        self.ask(users.all(&self.conn)).await
    }

    /// Like [`DB::lock_users`], for one user.
    pub(crate) async fn lock_user(&self, id: i64) -> Result<Option<user::Model>, DbError> {
        Ok(self.lock_users([id]).await?.pop())
    }

    /// Finds the user with this id.
    pub(crate) async fn find_user(&self, id: i64) -> Result<Option<user::Model>, DbError> {
        let user = user::Entity::find_by_id(id);
        self.ask(user.one(&self.conn)).await
    }

    /// Finds the user with this address.
    pub(crate) async fn find_user_by_email(
        &self,
        email: &str,
    ) -> Result<Option<user::Model>, DbError> {
        let user = user::Entity::find().filter(user::Column::Email.eq(email));
        self.ask(user.one(&self.conn)).await
    }

    /// Finds the user whose reset token has this digest, expired or not.
    pub(crate) async fn find_user_by_reset_token(
        &self,
        token_digest: &str,
    ) -> Result<Option<user::Model>, DbError> {
        let user = user::Entity::find().filter(user::Column::ResetToken.eq(token_digest));
        self.ask(user.one(&self.conn)).await
    }

    /// Sets the reset token of the user with this address, and replaces an earlier one. Returns whether there is such a
    /// user who is not disabled.
    pub(crate) async fn set_reset_token(
        &self,
        email: &str,
        token_digest: &str,
        expires_at: ChronoDateTimeUtc,
    ) -> Result<bool, DbError> {
        let change = user::Entity::update_many()
            .col_expr(user::Column::ResetToken, token_digest.into())
            .col_expr(user::Column::ResetTokenExpiresAt, expires_at.into())
            .col_expr(user::Column::UpdatedAt, self.clock.now().into())
            .filter(user::Column::Email.eq(email))
            .filter(user::Column::DisabledAt.is_null());
        Ok(self.write(change.exec(&self.conn)).await?.rows_affected > 0)
    }

    /// Deletes a batch of reset tokens that expired before a time. Returns whether there may be more.
    pub(crate) async fn delete_reset_tokens_expired_before(
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

    /// Finds users whose address was never verified and who have no session, at most `limit`. They were added before a
    /// time, and have neither signed in nor used a session since.
    pub(crate) async fn find_unused_users(
        &self,
        before: DateTime<Utc>,
        limit: u64,
    ) -> Result<Vec<user::Model>, DbError> {
        self.ask(unused(before, limit).all(&self.conn)).await
    }

    /// Like [`DB::find_unused_users`], and locks the rows until the transaction ends. Rows that another transaction has
    /// locked are skipped.
    pub(crate) async fn lock_unused_users(
        &self,
        before: DateTime<Utc>,
        limit: u64,
    ) -> Result<Vec<user::Model>, DbError> {
        // A transaction on SQLite locks the whole database, and sea-query leaves this clause out.
        let users =
            unused(before, limit).lock_with_behavior(LockType::Update, LockBehavior::SkipLocked);
        self.ask(users.all(&self.conn)).await
    }

    /// Deletes a user, and every row that refers to it.
    pub(crate) async fn delete_user(&self, id: i64) -> Result<(), DbError> {
        let deletion = user::Entity::delete_many().filter(user::Column::Id.eq(id));
        self.write(deletion.exec(&self.conn)).await?;
        Ok(())
    }

    /// Sets the password of a user. A reset token becomes invalid.
    pub(crate) async fn set_password(&self, user_id: i64, hash: &str) -> Result<(), DbError> {
        self.change_user(user_id, |row| {
            row.hashed_password = Set(hash.to_owned());
            row.reset_token = Set(None);
            row.reset_token_expires_at = Set(None);
        })
        .await
    }

    /// Replaces a user's hash with another hash of the same password.
    pub(crate) async fn set_password_hash(&self, user_id: i64, hash: &str) -> Result<(), DbError> {
        self.change_user(user_id, |row| row.hashed_password = Set(hash.to_owned()))
            .await
    }

    /// Sets the address of a user, as verified. A reset token becomes invalid.
    ///
    /// # Errors
    /// [`DbError::Conflict`] when the address belongs to another user.
    pub(crate) async fn set_email(&self, user_id: i64, email: &str) -> Result<(), DbError> {
        self.change_user(user_id, |row| {
            row.email = Set(email.to_owned());
            row.email_verified_at = Set(Some(self.clock.now()));
            row.reset_token = Set(None);
            row.reset_token_expires_at = Set(None);
        })
        .await
    }

    /// Records that the address of a user is verified.
    pub(crate) async fn set_email_verified(&self, user_id: i64) -> Result<(), DbError> {
        self.change_user(user_id, |row| {
            row.email_verified_at = Set(Some(self.clock.now()));
        })
        .await
    }

    /// Stores the profile of a user as it is given here: the name.
    pub(crate) async fn set_profile(&self, user: &user::Model) -> Result<(), DbError> {
        self.change_user(user.id, |row| row.name = Set(user.name.clone()))
            .await
    }

    /// Stores what administrators decide about a user, as it is given here: the name, the role, whether the address is
    /// verified, whether the account is disabled, and whether an administrator opened it.
    pub(crate) async fn set_managed(&self, user: &user::Model) -> Result<(), DbError> {
        self.change_user(user.id, |row| {
            row.name = Set(user.name.clone());
            row.role = Set(user.role.clone());
            row.email_verified_at = Set(user.email_verified_at);
            row.disabled_at = Set(user.disabled_at);
            row.is_provisioned = Set(user.is_provisioned);
        })
        .await
    }

    /// Removes the reset token of a user.
    pub(crate) async fn delete_reset_token(&self, user_id: i64) -> Result<(), DbError> {
        self.change_user(user_id, |row| {
            row.reset_token = Set(None);
            row.reset_token_expires_at = Set(None);
        })
        .await
    }

    /// Sets the id of a user's newest session, or removes it.
    pub(crate) async fn set_newest_session(
        &self,
        user_id: i64,
        session_id: Option<Uuid>,
    ) -> Result<(), DbError> {
        self.change_user(user_id, |row| {
            row.session_id = Set(session_id.map(|id| id.to_string()));
        })
        .await
    }

    /// Records that a user signs in now, with this session, which is the newest.
    pub(crate) async fn set_signed_in(
        &self,
        user_id: i64,
        session_id: Uuid,
    ) -> Result<(), DbError> {
        self.change_user(user_id, |row| {
            row.session_id = Set(Some(session_id.to_string()));
            row.last_signed_in_at = Set(Some(self.clock.now()));
        })
        .await
    }

    /// Removes the time of a user's last sign-in.
    pub(crate) async fn forget_last_sign_in(&self, user_id: i64) -> Result<(), DbError> {
        self.change_user(user_id, |row| row.last_signed_in_at = Set(None))
            .await
    }

    /// Updates the columns of a user's row that are set in `change`.
    async fn change_user(
        &self,
        user_id: i64,
        set: impl FnOnce(&mut user::ActiveModel),
    ) -> Result<(), DbError> {
        let mut change = user::ActiveModel {
            updated_at: Set(self.clock.now()),
            ..Default::default()
        };
        set(&mut change);
        // Not `ActiveModel::update`, for the same reason as in `add_user`.
        let update = user::Entity::update_many()
            .set(change)
            .filter(user::Column::Id.eq(user_id));
        self.write(update.exec(&self.conn)).await?;
        Ok(())
    }

    /// Sets attributes of a user, all of them or none.
    ///
    /// # Errors
    /// [`DbError::NoResultFound`] for an unknown id, [`DbError::UnknownAttribute`], [`DbError::InvalidRequest`] for the
    /// id and for a value that the column cannot hold, [`DbError::Conflict`] when the email belongs to another user.
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
        // Not `ActiveModel::update`, for the same reason as in `add_user`.
        let update = user::Entity::update_many()
            .set(user)
            .filter(user::Column::Id.eq(user_id));
        match self.write(update.exec(&self.conn)).await?.rows_affected {
            0 => Err(DbError::NoResultFound),
            _ => Ok(()),
        }
    }
}

/// Users whose address was never verified, and who have neither signed in nor used a session since a time. Never those
/// that an administrator opened or disabled, and never administrators.
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
        .filter(user::Column::IsProvisioned.eq(false))
        .filter(user::Column::DisabledAt.is_null())
        .filter(user::Column::Role.eq(USER))
        .filter(user::Column::CreatedAt.lte(before))
        .filter(last.is_null().or(last.lte(before)))
        .filter(Expr::exists(sessions).not())
        .filter(Expr::exists(networks).not())
        .order_by_asc(user::Column::CreatedAt)
        .limit(limit)
}

/// The column with exactly this name. `Column::from_str` accepts other spellings too.
fn column(name: &str) -> Option<user::Column> {
    user::Column::iter().find(|column| sea_orm::IdenStatic::as_str(column) == name)
}

fn no_such(name: &str) -> DbError {
    DbError::InvalidRequest(format!("a user has no attribute {name:?}"))
}

fn misfit(name: &str) -> DbError {
    DbError::InvalidRequest(format!("{name} cannot hold this value"))
}

/// Whether the value is null, of any type.
fn is_null(value: &Value) -> bool {
    *value == value.as_null()
}

/// Converts the value to the type of its column, if it fits. SQLite would compare or store any type.
fn fitting(column: user::Column, value: Value) -> Option<Value> {
    let definition = column.def();
    let is_null = is_null(&value);
    match definition.get_column_type() {
        _ if is_null && !definition.is_null() => None,
        ColumnType::String(_) if is_null => Some(Value::String(None)),
        ColumnType::String(_) => match value {
            // Text in PostgreSQL can't contain NUL.
            Value::String(Some(text)) if !text.contains('\0') => Some(Value::String(Some(text))),
            _ => None,
        },
        ColumnType::Boolean => match value {
            Value::Bool(Some(flag)) => Some(flag.into()),
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

/// A time that both databases can store: in whole microseconds, of a year with four digits. Such times also sort
/// correctly as text.
fn storable(time: ChronoDateTimeUtc) -> Option<Value> {
    (1..=9999)
        .contains(&time.year())
        .then(|| time.trunc_subsecs(6).into())
}

/// An integer of any width, if it fits in 64 bits.
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
