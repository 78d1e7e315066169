//! Roles: what users may do beside managing their own account.

/// The role of a user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// Manages the own account only.
    #[default]
    User,
    /// Manages all accounts.
    Admin,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 2] = [Self::User, Self::Admin];

    /// Its name in the database and in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Admin => "admin",
        }
    }

    /// The role with this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == name)
    }

    /// The role in a row. One of a newer version gives no rights here.
    pub(super) fn of(user: &entity::user::Model) -> Self {
        Self::parse(&user.role).unwrap_or_default()
    }
}
