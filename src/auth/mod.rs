//! The decisions of the service: what is allowed, for how long, and the reason for each refusal.
//!
//! The command line, the HTTP API and programs that embed this library all call [`Auth`]. This layer calls
//! [`crate::db`] and knows neither HTTP nor SQL.
//!
//! Its kernel holds what the capabilities share:
//!
//! - `passwords`, `throttle`, `tokens` and `outbox`, which depend on each other as little as possible;
//! - `event` and `unit_of_work`, by which a capability records what happened;
//! - `account`, `client`, `language`, `email` and `policy`.

mod account;
mod admin;
mod attempts;
mod audit;
mod browser;
mod client;
mod email;
mod email_change;
mod email_verification;
mod event;
mod export;
mod group;
mod kernel;
mod known_clients;
mod language;
mod last_seen;
mod mail;
mod name;
mod outbox;
mod password_reset;
mod passwords;
mod policy;
mod registrations;
mod role;
mod sealing_keys;
mod sessions;
mod sweeps;
mod throttle;
mod tokens;
mod unavailable;
mod unit_of_work;
mod users;

pub use crate::db::{DbError, UserState};
pub use account::Account;
pub use admin::{
    Administrator, AdministratorError, ChangeUserError, CreateUserError, DeleteUserError,
    EmailPrefix, EndSessionsError, FindUserError, ManagedUser, NewUser, ResetUserError, UserChange,
    UserSearch, Users,
};
pub use audit::{
    AuditCheckpoint, AuditEvent, AuditFilter, AuditLog, AuditPage, EventKind, Verified,
    VerifyAuditError,
};
pub use client::Client;
pub use email::{Email, EmailError};
pub use email_change::{ChangeEmailError, UndoEmailChangeError};
pub use email_verification::{RefuseError, RequestVerificationError, VerifyEmailError};
pub use export::{
    Export, ExportedClient, ExportedMail, ExportedSession, ExportedToken, ExportedUser,
    ExportedVerification,
};
pub use group::{Group, GroupError};
pub use kernel::Auth;
pub use language::Language;
pub use mail::MailKind;
pub use name::NameError;
pub use password_reset::{RequestResetError, ResetPasswordError};
#[cfg(fuzzing)]
pub use passwords::read_stored_hash;
pub use passwords::{
    HashingCounters, PasswordChecks, PasswordError, PasswordHash, WeakPassword, hash_password,
};
pub use policy::{Policy, RegistrationMode};
pub use registrations::{RegisterError, Registered};
pub use role::Role;
pub use sealing_keys::{KeySource, SealingKeyError, SealingKeys};
pub use sessions::{
    CurrentSession, EndSessionError, FreshSessionError, Session, SessionError, SignInError,
    SignedIn,
};
pub use throttle::RateLimits;
pub use tokens::{Token, TokenKind};
pub use unavailable::Unavailable;
pub use users::{ChangePasswordError, CloseAccountError, ProfileChange, UpdateProfileError};

pub(crate) use mail::{DueMail, Mail};
pub(crate) use outbox::Outbox;
pub(crate) use policy::LONGEST_DURATION;
