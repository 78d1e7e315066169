//! The kinds of events.

/// Declares the kinds: the name of each, and the keys of its detail.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident $name:literal [$($key:literal),*];)*) => {
        /// A kind of event. It decides which keys the detail of an event has.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum EventKind {
            $($(#[$doc])* $kind,)*
        }

        impl EventKind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$kind),*];

            /// Its name in the database, in the log and in answers.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)*
                }
            }

            /// The keys of the detail.
            #[must_use]
            pub fn keys(self) -> &'static [&'static str] {
                match self {
                    $(Self::$kind => &[$($key),*],)*
                }
            }
        }
    };
}

// docs/operating.md lists them.
kinds! {
    /// An account was opened, or a registration waits for its link to be used.
    UserRegistered "user.registered" [];
    /// An administrator opened an account.
    UserCreated "user.created" ["invited"];
    /// The account was changed. `fields` names what was changed; the others say more of some of it.
    UserUpdated "user.updated" ["fields", "role", "groups_added", "groups_removed"];
    /// An administrator disabled the account.
    UserDisabled "user.disabled" [];
    /// An administrator enabled the account.
    UserEnabled "user.enabled" [];
    /// The account was deleted.
    UserDeleted "user.deleted" ["reason"];
    /// The data of the account was exported.
    UserExported "user.exported" [];
    /// A session was opened.
    SessionOpened "session.opened" ["methods", "new_network"];
    /// A sign-in or a confirmation was refused.
    SessionRefused "session.refused" ["reason"];
    /// A session was ended.
    SessionEnded "session.ended" ["reason"];
    /// The password was changed.
    PasswordChanged "password.changed" [];
    /// An email that resets the password was requested.
    PasswordResetRequested "password.reset_requested" [];
    /// The password was reset.
    PasswordReset "password.reset" [];
    /// The address was verified.
    EmailVerified "email.verified" [];
    /// Another address was requested.
    // Not which: the address is not yet that of the account, and may be that of another person.
    EmailChangeRequested "email.change_requested" [];
    /// The account has another address.
    EmailChanged "email.changed" ["from", "to", "reason"];
    /// A rate limit was reached.
    AccountThrottled "account.throttled" ["reason"];
}

impl EventKind {
    /// The kind with this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let mut kinds = Self::ALL.iter().copied();
        kinds.find(|kind| kind.as_str() == name)
    }

    /// The detail of an event of this kind, with one value for each key.
    pub(in crate::auth) fn detail(self, values: Vec<serde_json::Value>) -> serde_json::Value {
        debug_assert_eq!(values.len(), self.keys().len(), "{self:?}");
        let keys = self.keys().iter().map(|key| (*key).to_owned());
        keys.zip(values).collect()
    }
}
