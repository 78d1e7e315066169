//! The purposes of one-time tokens.

use chrono::TimeDelta;

use super::token::TokenKind;

/// The purpose of a row of `one_time_tokens`. New kinds of one-time tokens are added here. Older kinds have their own
/// rows: a password reset in `users`, a verification in `email_verifications`, a registration in `registrations`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::auth) enum Purpose {
    /// Gives an account its former address back. The data of the row is that address.
    UndoEmailChange,
    /// Sets the first password of an account. The data of the row is the address of the account.
    Invitation,
}

impl Purpose {
    /// Its name in the database.
    pub(in crate::auth) fn as_str(self) -> &'static str {
        match self {
            Self::UndoEmailChange => "undo-email-change",
            Self::Invitation => "invitation",
        }
    }

    /// The kind of token for this purpose.
    pub(in crate::auth) fn kind(self) -> TokenKind {
        match self {
            Self::UndoEmailChange => TokenKind::EmailChangeUndo,
            Self::Invitation => TokenKind::Invitation,
        }
    }

    /// How long the token is valid.
    pub(in crate::auth) fn lifetime(self) -> TimeDelta {
        match self {
            Self::UndoEmailChange | Self::Invitation => TimeDelta::days(7),
        }
    }
}
