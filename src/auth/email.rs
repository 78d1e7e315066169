//! Email addresses, in the canonical form in which they are stored, compared and used.

use std::fmt;

use idna::{
    AsciiDenyList,
    uts46::{DnsLength, Hyphens, Uts46},
};

/// The longest address that can receive email, in bytes. Source: RFC 5321, 4.5.3.1.3, less the two brackets.
const LONGEST: usize = 254;

/// The longest part before the `@`, in bytes. Source: RFC 5321, 4.5.3.1.1.
const LONGEST_LOCAL_PART: usize = 64;

/// The longest label of a domain that is converted, in bytes: 63 characters of four bytes each. The ASCII form of a
/// label has 63 bytes at most, and the time to convert a label grows with the square of its length.
const LONGEST_LABEL: usize = 4 * 63;

/// An email address in canonical form: lower case, with the domain in its ASCII form.
///
/// Two texts that mean the same address become the same `Email`. Parsing the printed form gives the same value again.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Email(String);

/// The reason why a text can't be the address of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EmailError {
    /// There is no `@`, or nothing on one side of it.
    #[error("An email address has the form name@example.com.")]
    Form,
    /// The part before the `@` contains something that is not supported.
    #[error(
        "The part of the address before the @ may have the letters a to z, digits, single dots \
         inside, and any of !#$%&'*+/=?^_`{{|}}~- only, and must not begin with a hyphen."
    )]
    LocalPart,
    /// The part after the `@` is not a valid name in the domain name system.
    #[error("The part of the address after the @ must be a domain name such as example.com.")]
    Domain,
    /// The address has over 254 characters, or over 64 before the `@`.
    #[error(
        "An email address has at most {LONGEST} characters, {LONGEST_LOCAL_PART} of them before the @."
    )]
    TooLong,
}

impl Email {
    /// Parses an address. White space around it is ignored.
    ///
    /// # Errors
    /// [`EmailError`] says what is wrong, in a sentence for the person who typed the address.
    pub fn parse(text: &str) -> Result<Self, EmailError> {
        let text = text.trim();
        // The time for IDNA grows with the length of the text. IDNA may shorten an address, but no real address by a
        // factor of four.
        if text.len() > 4 * LONGEST {
            return Err(EmailError::TooLong);
        }
        let (local_part, domain) = text.rsplit_once('@').ok_or(EmailError::Form)?;
        if local_part.is_empty() || domain.is_empty() {
            return Err(EmailError::Form);
        }
        // Checked before lower case is applied: no other character may become an ASCII letter. A leading hyphen is
        // refused because programs that get an address as an argument would read it as an option.
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

/// The ASCII form of a domain with at least two labels. Only the letters, digits and hyphens of host names are allowed.
/// Source: UTS #46, non-transitional.
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

/// Whether a domain that ends with this label, in lower case, is an IPv4 address. Source: WHATWG URL, "ends in a number
/// checker".
fn is_number(label: &str) -> bool {
    let hexadecimal = label.strip_prefix("0x");
    label.bytes().all(|byte| byte.is_ascii_digit())
        || hexadecimal.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}
