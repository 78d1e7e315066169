//! Events: what happens to accounts.
//!
//! A capability records an event once. The rest follows from it: a row of the audit log and emails, which are stored in
//! the same transaction, and after the commit a line of the log.
//!
//! A new variant also gets an [`EventKind`], or shares one. The compiler then asks for its ids, its reason and its
//! detail.

use entity::user;
use serde_json::Value;
use uuid::Uuid;

use super::{
    audit::{Entry, EventKind},
    client::Client,
    mail::{MailKind, NewMail},
};

/// Something that happened. Its names in the log are listed in `docs/operating.md`.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event<'a> {
    /// An account was opened. `verification` is set if an email to verify the address is to be sent.
    Registered {
        user: &'a user::Model,
        verification: Option<Uuid>,
    },
    /// A registration waits for its link to be used. Without an id, no email is sent.
    RegistrationRequested {
        email: &'a str,
        registration: Option<Uuid>,
    },
    /// A pending registration became an account.
    RegistrationCompleted { user_id: i64 },
    /// An administrator opened an account. `invitation` is set if the owner is to choose a password, and
    /// `verification` if an email to verify the address is to be sent.
    UserCreated {
        user: &'a user::Model,
        invitation: Option<Uuid>,
        verification: Option<Uuid>,
    },
    /// The owner changed the profile, or an administrator changed the account.
    UserUpdated { user_id: i64, update: Update<'a> },
    /// An administrator disabled an account.
    UserDisabled { user: &'a user::Model },
    /// An administrator enabled an account.
    UserEnabled { user_id: i64 },
    /// An account was deleted by its owner, by the owner of its unverified address, or by an administrator.
    UserDeleted { user_id: i64, reason: &'static str },
    /// The owner of an account exported the data that is kept about it.
    UserExported { user_id: i64 },
    /// A sign-in succeeded, possibly from a network that the owner has not used lately.
    SessionOpened {
        user: &'a user::Model,
        session_id: Uuid,
        /// The names of the methods, separated by commas.
        methods: &'a str,
        is_new_network: bool,
        client: &'a Client,
    },
    /// A sign-in, or the confirmation of an operation by a password, was refused.
    SessionRefused {
        user_id: Option<i64>,
        reason: &'static str,
    },
    /// A session ended before it expired.
    SessionEnded {
        user_id: i64,
        session_id: Uuid,
        reason: &'static str,
    },
    /// The owner changed the password.
    PasswordChanged { user: &'a user::Model },
    /// A reset was requested, for an address with or without an account.
    ResetRequested {
        email: &'a str,
        user_id: Option<i64>,
        is_mailed: bool,
    },
    /// An administrator sent the owner a link to choose a password. `invitation` is set if there was none before.
    ResetOffered {
        user: &'a user::Model,
        invitation: Option<Uuid>,
    },
    /// A password was reset by a link in an email.
    PasswordReset { user: &'a user::Model },
    /// The owner requested another email to verify the address.
    VerificationRequested {
        user: &'a user::Model,
        verification: Uuid,
    },
    /// An address was verified.
    EmailVerified { user_id: i64 },
    /// The owner requested another address. `change` is `None` if it is the address that the account already has.
    EmailChangeRequested {
        user: &'a user::Model,
        change: Option<(&'a str, Uuid)>,
    },
    /// An account has a new address, `email`. `user` is the row from before. `undo` is the token by which the former address can
    /// take the change back.
    EmailChanged {
        user: &'a user::Model,
        email: &'a str,
        undo: Option<Uuid>,
    },
    /// A change of the address was taken back, by a link in an email to the former one, `email`. `user` is the row from
    /// before.
    EmailChangeUndone {
        user: &'a user::Model,
        email: &'a str,
    },
    /// A request was refused by a rate limit: that of an account, or that of a network.
    Throttled {
        user_id: Option<i64>,
        reason: &'static str,
    },
}

/// What was changed of an account.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Update<'a> {
    /// The names of the fields.
    pub(super) fields: &'a [&'static str],
    /// The new role, if it was changed.
    pub(super) role: Option<&'a str>,
    /// The groups that the user is in now and was not before.
    pub(super) groups_added: &'a [String],
    /// The groups that the user was in before and is not now.
    pub(super) groups_removed: &'a [String],
}

impl Update<'_> {
    fn detail(self) -> Vec<Value> {
        let groups = |groups: &[String]| match groups {
            [] => Value::Null,
            groups => groups.into(),
        };
        vec![
            self.fields.into(),
            self.role.into(),
            groups(self.groups_added),
            groups(self.groups_removed),
        ]
    }
}

/// Why a session was refused: a wrong password, given to confirm an operation.
pub(super) const NOT_CONFIRMED: &str = "wrong password to confirm a change";

/// Why an address was changed, if it is a former one.
const UNDONE: &str = "undone";

impl<'a> Event<'a> {
    /// The event as the audit log and the log have it. `None` for an event that they don't have.
    pub(super) fn entry(self) -> Option<Entry> {
        let (user_id, session_id, reason) = self.ids_and_reason();
        let (kind, detail) = self.kind_and_detail()?;
        Some(Entry {
            kind,
            user_id,
            session_id,
            detail,
            reason,
        })
    }

    /// The account that it is about, the session that was opened or has ended, and the reason.
    fn ids_and_reason(self) -> (Option<i64>, Option<Uuid>, Option<&'static str>) {
        match self {
            Self::Registered { user, .. }
            | Self::UserCreated { user, .. }
            | Self::UserDisabled { user }
            | Self::ResetOffered { user, .. }
            | Self::PasswordChanged { user }
            | Self::PasswordReset { user }
            | Self::VerificationRequested { user, .. }
            | Self::EmailChangeRequested { user, .. }
            | Self::EmailChanged { user, .. } => (Some(user.id), None, None),
            Self::RegistrationRequested { .. } => (None, None, None),
            Self::RegistrationCompleted { user_id }
            | Self::UserUpdated { user_id, .. }
            | Self::UserEnabled { user_id }
            | Self::UserExported { user_id }
            | Self::EmailVerified { user_id } => (Some(user_id), None, None),
            Self::UserDeleted { user_id, reason } => (Some(user_id), None, Some(reason)),
            Self::SessionOpened {
                user, session_id, ..
            } => (Some(user.id), Some(session_id), None),
            Self::SessionRefused { user_id, reason } | Self::Throttled { user_id, reason } => {
                (user_id, None, Some(reason))
            }
            Self::SessionEnded {
                user_id,
                session_id,
                reason,
            } => (Some(user_id), Some(session_id), Some(reason)),
            Self::ResetRequested { user_id, .. } => (user_id, None, None),
            Self::EmailChangeUndone { user, .. } => (Some(user.id), None, Some(UNDONE)),
        }
    }

    /// The kind, and the values of its detail: one for each of [`EventKind::keys`].
    fn kind_and_detail(self) -> Option<(EventKind, Vec<Value>)> {
        Some(match self {
            Self::Registered { .. }
            | Self::RegistrationRequested { .. }
            | Self::RegistrationCompleted { .. } => (EventKind::UserRegistered, vec![]),
            Self::UserCreated { invitation, .. } => {
                (EventKind::UserCreated, vec![invitation.is_some().into()])
            }
            Self::UserUpdated { update, .. } => (EventKind::UserUpdated, update.detail()),
            Self::UserDisabled { .. } => (EventKind::UserDisabled, vec![]),
            Self::UserEnabled { .. } => (EventKind::UserEnabled, vec![]),
            Self::UserDeleted { reason, .. } => (EventKind::UserDeleted, vec![reason.into()]),
            Self::UserExported { .. } => (EventKind::UserExported, vec![]),
            Self::SessionOpened {
                methods,
                is_new_network,
                ..
            } => (
                EventKind::SessionOpened,
                vec![methods.split(',').collect(), is_new_network.into()],
            ),
            Self::SessionRefused { reason, .. } => (EventKind::SessionRefused, vec![reason.into()]),
            Self::SessionEnded { reason, .. } => (EventKind::SessionEnded, vec![reason.into()]),
            Self::PasswordChanged { .. } => (EventKind::PasswordChanged, vec![]),
            Self::ResetRequested { .. } | Self::ResetOffered { .. } => {
                (EventKind::PasswordResetRequested, vec![])
            }
            Self::PasswordReset { .. } => (EventKind::PasswordReset, vec![]),
            Self::VerificationRequested { .. } => return None,
            Self::EmailVerified { .. } => (EventKind::EmailVerified, vec![]),
            Self::EmailChangeRequested { .. } => (EventKind::EmailChangeRequested, vec![]),
            Self::EmailChanged { user, email, .. } => (
                EventKind::EmailChanged,
                vec![(&*user.email).into(), email.into(), Value::Null],
            ),
            Self::EmailChangeUndone { user, email } => (
                EventKind::EmailChanged,
                vec![(&*user.email).into(), email.into(), UNDONE.into()],
            ),
            Self::Throttled { reason, .. } => (EventKind::AccountThrottled, vec![reason.into()]),
        })
    }

    /// The emails that the event causes.
    pub(super) fn mails(self) -> Vec<NewMail<'a>> {
        match self {
            Self::UserCreated {
                user,
                invitation: Some(id),
                ..
            }
            | Self::ResetOffered {
                user,
                invitation: Some(id),
            } => vec![NewMail::about(user, MailKind::Invitation).of(id)],
            Self::Registered {
                user,
                verification: Some(id),
            }
            | Self::UserCreated {
                user,
                verification: Some(id),
                ..
            }
            | Self::VerificationRequested {
                user,
                verification: id,
            } => vec![NewMail::about(user, MailKind::EmailVerification).of(id)],
            Self::RegistrationRequested {
                email,
                registration: Some(id),
            } => vec![NewMail::to(email, MailKind::Registration).of(id)],
            Self::SessionOpened {
                user,
                is_new_network: true,
                client,
                ..
            } => vec![NewMail {
                client: Some(client),
                ..NewMail::notice(user, MailKind::NewSignIn)
            }],
            Self::PasswordChanged { user, .. } => {
                vec![NewMail::notice(user, MailKind::PasswordChanged)]
            }
            Self::ResetRequested {
                email,
                is_mailed: true,
                ..
            } => vec![NewMail::to(email, MailKind::PasswordReset)],
            Self::ResetOffered { user, .. } => vec![NewMail::about(user, MailKind::PasswordReset)],
            Self::UserDisabled { user } => vec![NewMail::notice(user, MailKind::AccountDisabled)],
            // The reset proved that the owner reads this address.
            Self::PasswordReset { user } => vec![NewMail::about(user, MailKind::PasswordChanged)],
            Self::EmailChangeRequested {
                user,
                change: Some((email, id)),
                ..
            } => vec![
                NewMail {
                    recipient: email,
                    ..NewMail::about(user, MailKind::EmailChange).of(id)
                },
                NewMail::notice(user, MailKind::EmailChangeRequested),
            ],
            Self::EmailChanged {
                user,
                undo: Some(id),
                ..
            } => vec![NewMail::about(user, MailKind::EmailChanged).of(id)],
            _ => Vec::new(),
        }
    }
}
