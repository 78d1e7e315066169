//! Emails: their kinds, and the data of one before and after it is written.

use std::time::Duration;

use chrono::{DateTime, Utc};
use entity::{outgoing_mail, user};
use uuid::Uuid;

use super::{client::Client, language::Language, tokens::Token};

/// A kind of email.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailKind {
    /// Has a link that proves who owns a new address.
    EmailVerification,
    /// Has a link that replaces a forgotten password.
    PasswordReset,
    /// Notifies the owner that the password was changed.
    PasswordChanged,
    /// Has a link that completes a registration.
    Registration,
    /// Has a link that gives an account the address that the email goes to.
    EmailChange,
    /// Notifies the owner that another address was requested for the account.
    EmailChangeRequested,
    /// Notifies the former address that the account has another one now, with a link that takes the change back.
    EmailChanged,
    /// Notifies the owner that an account was requested with this address. Sent instead of an email with a link.
    AddressTaken,
    /// Has a link by which the owner of an account chooses its first password.
    Invitation,
    /// Notifies the owner that an administrator disabled the account.
    AccountDisabled,
    /// Notifies the owner of a sign-in from a network that was not used lately.
    NewSignIn,
}

impl MailKind {
    /// Every kind.
    pub const ALL: [Self; 11] = [
        Self::EmailVerification,
        Self::PasswordReset,
        Self::PasswordChanged,
        Self::Registration,
        Self::EmailChange,
        Self::EmailChangeRequested,
        Self::EmailChanged,
        Self::AddressTaken,
        Self::Invitation,
        Self::AccountDisabled,
        Self::NewSignIn,
    ];

    /// Its name in the database and the log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EmailVerification => "email-verification",
            Self::PasswordReset => "password-reset",
            Self::PasswordChanged => "password-changed",
            Self::Registration => "registration",
            Self::EmailChange => "email-change",
            Self::EmailChangeRequested => "email-change-requested",
            Self::EmailChanged => "email-changed",
            Self::AddressTaken => "address-taken",
            Self::Invitation => "invitation",
            Self::AccountDisabled => "account-disabled",
            Self::NewSignIn => "new-sign-in",
        }
    }

    /// Whether its link has a token, which nobody can replace who does not get the link.
    #[must_use]
    pub fn has_token(self) -> bool {
        match self {
            Self::EmailVerification
            | Self::PasswordReset
            | Self::Registration
            | Self::EmailChange
            | Self::EmailChanged
            | Self::Invitation => true,
            Self::PasswordChanged
            | Self::EmailChangeRequested
            | Self::AddressTaken
            | Self::AccountDisabled
            | Self::NewSignIn => false,
        }
    }

    pub(super) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// An email that is to be sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct NewMail<'a> {
    pub(super) kind: MailKind,
    pub(super) recipient: &'a str,
    /// The account that it is about, if that is already known.
    pub(super) user_id: Option<i64>,
    /// The verification, the registration or the one-time token that its link is for.
    pub(super) subject_id: Option<Uuid>,
    /// The client that the email tells about.
    pub(super) client: Option<&'a Client>,
    /// The account, if the email is only a notification of its owner.
    pub(super) notified: Option<&'a user::Model>,
}

impl<'a> NewMail<'a> {
    /// An email to an address, whether or not it has an account.
    pub(super) fn to(recipient: &'a str, kind: MailKind) -> Self {
        Self {
            kind,
            recipient,
            user_id: None,
            subject_id: None,
            client: None,
            notified: None,
        }
    }

    /// An email to the owner of an account.
    pub(super) fn about(user: &'a user::Model, kind: MailKind) -> Self {
        Self {
            user_id: Some(user.id),
            ..Self::to(&user.email, kind)
        }
    }

    /// A notification of the owner of an account.
    pub(super) fn notice(user: &'a user::Model, kind: MailKind) -> Self {
        Self {
            notified: Some(user),
            ..Self::about(user, kind)
        }
    }

    /// Sets what the token in the link is for.
    pub(super) fn of(self, subject_id: Uuid) -> Self {
        Self {
            subject_id: Some(subject_id),
            ..self
        }
    }
}

/// An email, ready to be written out and sent.
#[derive(Debug)]
pub(crate) struct Mail {
    /// The local part of its `Message-ID`. It is the same when the same email is sent again.
    pub(crate) message_id: String,
    /// Its kind.
    pub(crate) kind: MailKind,
    /// Its language.
    pub(crate) language: Language,
    /// The one address that it goes to.
    pub(crate) recipient: String,
    /// When it was requested.
    pub(crate) created_at: DateTime<Utc>,
    /// The address of the client that it tells about, if it tells about one.
    pub(crate) ip: Option<String>,
    /// The family of the browser that the email tells about, if it tells about one.
    pub(crate) client: Option<String>,
    /// The token in its link and the lifetime of the token, if it has a link.
    pub(crate) token: Option<(Token, Duration)>,
}

/// An email that a worker has leased for a minute. No other worker takes it in that time.
#[derive(Debug)]
pub(crate) struct DueMail {
    pub(super) row: outgoing_mail::Model,
    pub(super) kind: MailKind,
}

impl DueMail {
    /// The id of the email.
    pub(crate) fn id(&self) -> Uuid {
        self.row.id
    }
}
