//! Administration: what administrators, and the operator at the command line, do with all accounts.

mod administrator;
mod change;
mod create;
mod end;
mod search;

pub(super) use administrator::is_last_administrator;
pub use administrator::{Administrator, AdministratorError};
pub use change::{ChangeUserError, UserChange};
pub use create::{CreateUserError, NewUser};
pub use end::{DeleteUserError, EndSessionsError, ResetUserError};

pub use search::{EmailPrefix, FindUserError, ManagedUser, UserSearch, Users};
