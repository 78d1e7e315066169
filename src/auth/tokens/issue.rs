//! One-time tokens: how they are made, found and spent.

use std::time::Duration;

use chrono::{DateTime, TimeDelta};
use entity::one_time_token;
use uuid::Uuid;

use super::{
    one_time::Purpose,
    token::{Token, TokenDigest, TokenKind},
};
use crate::{
    auth::{
        mail::{DueMail, MailKind},
        policy::{Policy, time_delta},
    },
    db::{DB, DbError, Transaction},
};

/// One-time tokens. Cheap to clone.
#[derive(Clone, Debug)]
pub(in crate::auth) struct Tokens {
    db: DB,
    reset_lifetime: Duration,
    verification_lifetime: Duration,
}

/// The token for an email, and the kind of the email, which may differ from the requested kind.
pub(in crate::auth) struct Issued {
    pub(in crate::auth) kind: MailKind,
    pub(in crate::auth) token: Option<(Token, Duration)>,
}

impl Tokens {
    pub(in crate::auth) fn new(db: DB, policy: &Policy) -> Self {
        Self {
            db,
            reset_lifetime: policy.reset_token_lifetime,
            verification_lifetime: policy.verification_lifetime,
        }
    }

    /// Records, in a transaction, that a token is to be made. The record expires even if the token is never made.
    pub(in crate::auth) async fn request(
        &self,
        tx: &Transaction,
        purpose: Purpose,
        user_id: i64,
        data: &str,
    ) -> Result<Uuid, DbError> {
        let (id, now) = (Uuid::new_v4(), tx.clock().now());
        tx.add_one_time_token(one_time_token::Model {
            id,
            purpose: purpose.as_str().to_owned(),
            token_digest: None,
            user_id: Some(user_id),
            data: data.to_owned(),
            tries: 0,
            created_at: now,
            expires_at: Some(now + purpose.lifetime()),
        })
        .await?;
        Ok(id)
    }

    /// Like [`Tokens::request`]. The tokens before it become invalid.
    pub(in crate::auth) async fn replace(
        &self,
        tx: &Transaction,
        purpose: Purpose,
        user_id: i64,
        data: &str,
    ) -> Result<Uuid, DbError> {
        Self::withdraw(tx, purpose, user_id).await?;
        self.request(tx, purpose, user_id, data).await
    }

    /// Makes, in a transaction, all tokens of a user for a purpose invalid.
    pub(in crate::auth) async fn withdraw(
        tx: &Transaction,
        purpose: Purpose,
        user_id: i64,
    ) -> Result<(), DbError> {
        let since = DateTime::UNIX_EPOCH;
        tx.delete_one_time_tokens(user_id, purpose.as_str(), since)
            .await
    }

    /// Finds the row of a token, if the token is valid for this purpose.
    pub(in crate::auth) async fn find(
        &self,
        purpose: Purpose,
        token: &str,
    ) -> Result<Option<(one_time_token::Model, TokenDigest)>, DbError> {
        let Some(token) = Token::parse(purpose.kind(), token) else {
            return Ok(None);
        };
        let digest = token.digest();
        let found = self
            .db
            .find_one_time_token(purpose.as_str(), digest.as_str())
            .await?;
        Ok(found.map(|found| (found, digest)))
    }

    /// Makes the token for an email. It replaces the one before. Returns `None` if the email has no recipient, or is no
    /// longer needed. For a reset, the lease of the worker is extended by `lease`.
    pub(in crate::auth) async fn issue(
        &self,
        due: &DueMail,
        lease: TimeDelta,
    ) -> Result<Option<Issued>, DbError> {
        if due.kind != MailKind::AccountDisabled && self.is_disabled(due).await? {
            return Ok(None);
        }
        let token = match due.kind {
            MailKind::PasswordReset => self.reset(due, lease).await?,
            MailKind::EmailVerification | MailKind::EmailChange | MailKind::Registration => {
                self.verification(due).await?
            }
            MailKind::EmailChanged => {
                self.one_time(Purpose::UndoEmailChange, due.row.subject_id)
                    .await?
            }
            MailKind::Invitation => {
                self.one_time(Purpose::Invitation, due.row.subject_id)
                    .await?
            }
            MailKind::PasswordChanged
            | MailKind::EmailChangeRequested
            | MailKind::AddressTaken
            | MailKind::AccountDisabled
            | MailKind::NewSignIn => {
                let (kind, token) = (due.kind, None);
                return Ok(Some(Issued { kind, token }));
            }
        };
        match token {
            Some(token) => self.unless_taken(due, token).await,
            None => Ok(None),
        }
    }

    /// Returns the email with its token. If the address was to become an account's but already has one, returns an
    /// email that notifies the owner instead. The client that made the request can't tell the difference.
    async fn unless_taken(
        &self,
        due: &DueMail,
        token: (Token, Duration),
    ) -> Result<Option<Issued>, DbError> {
        let needs_address = matches!(due.kind, MailKind::EmailChange | MailKind::Registration);
        let owner = if needs_address {
            self.db.find_user_by_email(&due.row.recipient).await?
        } else {
            None
        };
        Ok(match owner {
            // The owner of a disabled account gets no email.
            Some(owner) if owner.disabled_at.is_some() => None,
            Some(_) => Some(Issued {
                kind: MailKind::AddressTaken,
                token: None,
            }),
            None => Some(Issued {
                kind: due.kind,
                token: Some(token),
            }),
        })
    }

    /// Whether the account that an email is about is disabled.
    async fn is_disabled(&self, due: &DueMail) -> Result<bool, DbError> {
        let Some(user_id) = due.row.user_id else {
            return Ok(false);
        };
        let user = self.db.find_user(user_id).await?;
        Ok(user.is_some_and(|user| user.disabled_at.is_some()))
    }

    /// Makes a reset token for the account with the recipient's address, if there is one. Runs the same queries and
    /// writes a row in either case, so that the time of other work reveals nothing.
    async fn reset(
        &self,
        due: &DueMail,
        lease: TimeDelta,
    ) -> Result<Option<(Token, Duration)>, DbError> {
        let token = Token::generate(TokenKind::PasswordReset);
        let digest = token.digest();
        let now = self.db.clock().now();
        let expires_at = now + time_delta(self.reset_lifetime);
        let tx = self.db.begin().await?;
        let has_account = tx
            .set_reset_token(&due.row.recipient, digest.as_str(), expires_at)
            .await?;
        // If another worker has leased the email meanwhile, that worker makes the token.
        if !tx.keep_mail(&due.row, now + lease).await? {
            return Ok(None);
        }
        tx.commit().await?;
        Ok(has_account.then_some((token, self.reset_lifetime)))
    }

    /// Makes a token for the verification or registration that an email is about, if that is still pending.
    async fn verification(&self, due: &DueMail) -> Result<Option<(Token, Duration)>, DbError> {
        let Some(id) = due.row.subject_id else {
            return Ok(None);
        };
        let lifetime = self.verification_lifetime;
        let expires_at = self.db.clock().now() + time_delta(lifetime);
        let kind = match due.kind {
            MailKind::Registration => TokenKind::Registration,
            _ => TokenKind::EmailVerification,
        };
        let token = Token::generate(kind);
        let digest = token.digest();
        let digest = digest.as_str();
        let is_waiting = if kind == TokenKind::Registration {
            self.db.set_registration_token(id, digest, expires_at).await
        } else {
            self.db
                .set_email_verification_token(id, digest, expires_at)
                .await
        };
        Ok(is_waiting?.then_some((token, lifetime)))
    }

    /// Makes the token of a row of `one_time_tokens`. `None` if the row is gone or has expired.
    async fn one_time(
        &self,
        purpose: Purpose,
        id: Option<Uuid>,
    ) -> Result<Option<(Token, Duration)>, DbError> {
        let Some(id) = id else {
            return Ok(None);
        };
        let token = Token::generate(purpose.kind());
        let is_valid = self
            .db
            .set_one_time_token(id, token.digest().as_str())
            .await?;
        let lifetime = purpose.lifetime().to_std().unwrap_or_default();
        Ok(is_valid.then_some((token, lifetime)))
    }
}
