//! Tokens, which open a session or prove that an email arrived.

mod issue;
mod one_time;
mod token;

pub use token::{Token, TokenKind};

pub(super) use issue::{Issued, Tokens};
pub(super) use one_time::Purpose;
pub(super) use token::TokenDigest;
