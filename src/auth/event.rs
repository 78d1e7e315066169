//! What happens that matters for security, as the log tells it: a line each at `info`, with ids and the network, never an
//! address, a password or a token. The line belongs to the request, whose id it carries.

use tracing::field::display;
use uuid::Uuid;

/// Something that happened. Its names in the log are listed in `docs/operating.md`.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event {
    /// Somebody registered. A private registration has no account yet.
    Registered { user_id: Option<i64> },
    /// An account was deleted by its owner, or by somebody who reads the mail of its address.
    UserDeleted { user_id: i64, reason: &'static str },
    /// The owner of an account took everything that is kept about it.
    UserExported { user_id: i64 },
    /// A sign-in succeeded.
    SessionOpened { user_id: i64, session_id: Uuid },
    /// A sign-in was refused.
    SignInRefused {
        user_id: Option<i64>,
        reason: &'static str,
    },
    /// A session ended, or all of an account (without an id).
    SessionEnded {
        user_id: i64,
        session_id: Option<Uuid>,
    },
    /// A password that was to confirm something was wrong.
    PasswordRefused { user_id: Option<i64> },
    /// The owner changed the password.
    PasswordChanged { user_id: i64, session_id: Uuid },
    /// Somebody asked for a reset; whether there is an account is not known here.
    ResetRequested,
    /// A password was reset by an email.
    PasswordReset { user_id: i64 },
    /// An address was verified.
    EmailVerified { user_id: i64 },
    /// The owner asked for another address.
    EmailChangeRequested { user_id: i64, session_id: Uuid },
    /// An account has another address.
    EmailChanged { user_id: i64 },
    /// A change of the address was taken back, by an email to the former one.
    EmailChangeUndone { user_id: i64 },
    /// Something was tried too often, and refused.
    Throttled { reason: &'static str },
}

impl Event {
    /// Writes it to the log. `network` is where the request came from.
    pub(super) fn log(self, network: &str) {
        let (event, user_id, session_id, reason) = self.fields();
        let session_id = session_id.map(display);
        tracing::info!(event, user_id, session_id, reason, network);
    }

    fn fields(
        self,
    ) -> (
        &'static str,
        Option<i64>,
        Option<Uuid>,
        Option<&'static str>,
    ) {
        match self {
            Self::Registered { user_id } => ("user.registered", user_id, None, None),
            Self::UserDeleted { user_id, reason } => {
                ("user.deleted", Some(user_id), None, Some(reason))
            }
            Self::UserExported { user_id } => ("user.exported", Some(user_id), None, None),
            Self::SessionOpened {
                user_id,
                session_id,
            } => ("session.opened", Some(user_id), Some(session_id), None),
            Self::SignInRefused { user_id, reason } => {
                ("session.refused", user_id, None, Some(reason))
            }
            Self::SessionEnded {
                user_id,
                session_id,
            } => ("session.ended", Some(user_id), session_id, None),
            Self::PasswordRefused { user_id } => ("password.refused", user_id, None, None),
            Self::PasswordChanged {
                user_id,
                session_id,
            } => ("password.changed", Some(user_id), Some(session_id), None),
            Self::ResetRequested => ("password.reset_requested", None, None, None),
            Self::PasswordReset { user_id } => ("password.reset", Some(user_id), None, None),
            Self::EmailVerified { user_id } => ("email.verified", Some(user_id), None, None),
            Self::EmailChangeRequested {
                user_id,
                session_id,
            } => (
                "email.change_requested",
                Some(user_id),
                Some(session_id),
                None,
            ),
            Self::EmailChanged { user_id } => ("email.changed", Some(user_id), None, None),
            Self::EmailChangeUndone { user_id } => {
                ("email.change_undone", Some(user_id), None, None)
            }
            Self::Throttled { reason } => ("account.throttled", None, None, Some(reason)),
        }
    }
}
