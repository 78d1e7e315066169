//! Addresses, in the one form in which they are kept, compared and written to.

use std::fmt;

use idna::{
    AsciiDenyList,
    uts46::{DnsLength, Hyphens, Uts46},
};

/// The longest address that mail can be sent to. Source: RFC 5321, 4.5.3.1.3, less the two brackets.
const LONGEST: usize = 254;

/// The longest part before the `@`. Source: RFC 5321, 4.5.3.1.1.
const LONGEST_LOCAL_PART: usize = 64;

/// The longest label of a domain that is converted, in bytes: 63 characters, each of four bytes. The ASCII form of a label
/// has 63 bytes at most, and to convert a long one takes time that grows with the square of its length.
const LONGEST_LABEL: usize = 4 * 63;

/// An email address in canonical form: lower case, the domain in its ASCII form.
///
/// Two texts that mean the same address are one `Email`; parsing what it prints gives it again.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Email(String);

/// Why a text is no address that an account can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EmailError {
    /// No `@`, or nothing on one side of it.
    #[error("An email address has the form name@example.com.")]
    Form,
    /// Something in the part before the `@` that is not supported.
    #[error(
        "The part of the address before the @ may have the letters a to z, digits, single dots \
         inside, and any of !#$%&'*+/=?^_`{{|}}~- only, and must not begin with a hyphen."
    )]
    LocalPart,
    /// The part after the `@` is no name in the domain name system.
    #[error("The part of the address after the @ must be a domain name such as example.com.")]
    Domain,
    /// Over 254 characters, or over 64 before the `@`.
    #[error(
        "An email address has at most {LONGEST} characters, {LONGEST_LOCAL_PART} of them before the @."
    )]
    TooLong,
}

impl Email {
    /// Reads an address, with or without white space around it.
    ///
    /// # Errors
    /// [`EmailError`] says what is wrong, in a sentence for the person who typed it.
    pub fn parse(text: &str) -> Result<Self, EmailError> {
        let text = text.trim();
        // IDNA takes time that grows with the text, and may shorten it, but not for any honest writer so
        // much.
        if text.len() > 4 * LONGEST {
            return Err(EmailError::TooLong);
        }
        let (local_part, domain) = text.rsplit_once('@').ok_or(EmailError::Form)?;
        if local_part.is_empty() || domain.is_empty() {
            return Err(EmailError::Form);
        }
        // Judged before it is put into lower case: no other letter may become an ASCII one. Programs that are
        // given an address as an argument take one with a hyphen at its beginning for an option.
        if !is_dot_atom(local_part) || local_part.starts_with('-') {
            return Err(EmailError::LocalPart);
        }
        let domain = canonical_domain(domain).ok_or(EmailError::Domain)?;
        let email = format!("{}@{domain}", local_part.to_ascii_lowercase());
        if local_part.len() > LONGEST_LOCAL_PART || email.len() > LONGEST {
            return Err(EmailError::TooLong);
        }
        Ok(Self(email))
    }

    /// The address as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether the text is an unquoted local part. Source: RFC 5322, 3.2.3, `dot-atom-text`.
fn is_dot_atom(text: &str) -> bool {
    text.split('.').all(|atom| {
        !atom.is_empty()
            && atom
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+/=?^_`{|}~-".contains(&byte))
    })
}

/// The ASCII form of a domain of at least two labels. Source: UTS #46, non-transitional, with the
/// letters, digits and hyphens of host names alone.
fn canonical_domain(domain: &str) -> Option<String> {
    if domain.split('.').any(|label| label.len() > LONGEST_LABEL) {
        return None;
    }
    let ascii = Uts46::new()
        .to_ascii(
            domain.as_bytes(),
            AsciiDenyList::STD3,
            Hyphens::CheckFirstLast,
            DnsLength::Verify,
        )
        .ok()?;
    let (_, top_level) = ascii.rsplit_once('.')?;
    (!is_number(top_level)).then(|| ascii.into_owned())
}

/// Whether a label, in lower case, makes a domain that ends in it an IPv4 address. Source: WHATWG URL, "ends in a number checker".
fn is_number(label: &str) -> bool {
    let hexadecimal = label.strip_prefix("0x");
    label.bytes().all(|byte| byte.is_ascii_digit())
        || hexadecimal.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}
