//! The reasons why any operation can fail.

use std::time::Duration;

use crate::db::DbError;

/// The reason why an operation could not be carried out, whatever the request was. Nothing was changed. The exception
/// is a temporary [`DbError`]: after it, the operation may have been carried out completely.
#[derive(Debug, thiserror::Error)]
pub enum Unavailable {
    /// A rate limit is reached. Says when the next attempt is allowed.
    #[error("too many attempts, try again in {0:?}")]
    RateLimited(Duration),
    /// The queue of passwords to hash is full. Says how long this one would wait.
    #[error("too many passwords are waiting to be hashed: about {0:?}")]
    Overloaded(Duration),
    /// The hash function panicked. This is a bug.
    #[error("the hash function failed")]
    HashingFailed,
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Lets `?` convert a database error to an operation's own error, through [`Unavailable`].
macro_rules! db_error_is_unavailable {
    ($($error:ident),*) => {$(
        impl From<crate::db::DbError> for $error {
            fn from(err: crate::db::DbError) -> Self {
                Self::Unavailable(err.into())
            }
        }
    )*};
}

pub(super) use db_error_is_unavailable;
