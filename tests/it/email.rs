//! Addresses.

use bienvenue::auth::{Email, EmailError};
use macro_rules_attribute::apply;

use crate::support::once;

#[apply(once)]
async fn texts_that_are_no_address_say_why() {
    let cases = [
        ("", EmailError::Form),
        ("ada", EmailError::Form),
        ("@", EmailError::Form),
        ("ada@", EmailError::Form),
        ("@example.com", EmailError::Form),
        ("ada@eve@example.com", EmailError::LocalPart),
        ("a da@example.com", EmailError::LocalPart),
        ("\"ada\"@example.com", EmailError::LocalPart),
        ("ada(home)@example.com", EmailError::LocalPart),
        (".ada@example.com", EmailError::LocalPart),
        ("ada.@example.com", EmailError::LocalPart),
        ("a..da@example.com", EmailError::LocalPart),
        ("ada\0@example.com", EmailError::LocalPart),
        ("ada\n@example.com", EmailError::LocalPart),
        ("ada,eve@example.com", EmailError::LocalPart),
        ("-ada@example.com", EmailError::LocalPart),
        ("-@example.com", EmailError::LocalPart),
        ("<ada@example.com", EmailError::LocalPart),
        ("adá@example.com", EmailError::LocalPart),
        // The Kelvin sign, and a dotless i: lower case makes ASCII letters of their like.
        ("\u{212a}im@example.com", EmailError::LocalPart),
        ("\u{131}da@example.com", EmailError::LocalPart),
        ("ada@localhost", EmailError::Domain),
        ("ada@example.com.", EmailError::Domain),
        ("ada@.example.com", EmailError::Domain),
        ("ada@example..com", EmailError::Domain),
        ("ada@-example.com", EmailError::Domain),
        ("ada@exa_mple.com", EmailError::Domain),
        ("ada@exa mple.com", EmailError::Domain),
        ("ada@example.com\0", EmailError::Domain),
        ("ada@example.com>", EmailError::Domain),
        ("ada@[127.0.0.1]", EmailError::Domain),
        ("ada@[IPv6:::1]", EmailError::Domain),
        ("ada@127.0.0.1", EmailError::Domain),
        ("ada@127.1", EmailError::Domain),
        ("ada@0x7f.1", EmailError::Domain),
        ("ada@127.0x1", EmailError::Domain),
        ("ada@127.0X1", EmailError::Domain),
        ("ada@127.0x", EmailError::Domain),
        ("ada@example.０ｘｆ", EmailError::Domain),
        ("ada@example.0017", EmailError::Domain),
        ("ada@xn--a.example", EmailError::Domain),
    ];
    for (text, expected) in cases {
        assert_eq!(Email::parse(text), Err(expected), "{text:?}");
    }
}

#[apply(once)]
async fn an_address_is_kept_in_one_form() {
    let cases = [
        ("ada@example.com", "ada@example.com"),
        (" \tAda@Example.COM\r\n", "ada@example.com"),
        (
            "Ada.Lovelace+news@example.co.uk",
            "ada.lovelace+news@example.co.uk",
        ),
        (
            "!#$%&'*+/=?^_`{|}~-@example.com",
            "!#$%&'*+/=?^_`{|}~-@example.com",
        ),
        ("a@BÜCHER.example", "a@xn--bcher-kva.example"),
        ("a@bu\u{308}cher.example", "a@xn--bcher-kva.example"),
        ("a@XN--BCHER-KVA.example", "a@xn--bcher-kva.example"),
        ("a@straße.example", "a@xn--strae-oqa.example"),
        // The Kelvin sign and full-width letters and dots are the plain ones in a domain.
        ("a@\u{212a}elvin.example", "a@kelvin.example"),
        ("a@ｅｘａｍｐｌｅ。com", "a@example.com"),
        ("a@1.2.3.example", "a@1.2.3.example"),
        ("a-@0x.example", "a-@0x.example"),
        ("a@example.0xg", "a@example.0xg"),
        ("+a@example.1f", "+a@example.1f"),
    ];
    for (text, expected) in cases {
        let email = Email::parse(text).unwrap_or_else(|err| panic!("{text:?}: {err}"));
        assert_eq!(email.as_str(), expected);
        assert_eq!(Email::parse(email.as_str()), Ok(email));
    }
}

#[apply(once)]
async fn an_address_has_at_most_254_characters_and_64_before_the_at() {
    let local_part = |length: usize| format!("{}@example.com", "a".repeat(length));
    assert!(Email::parse(&local_part(64)).is_ok());
    assert_eq!(Email::parse(&local_part(65)), Err(EmailError::TooLong));
    let label = "b".repeat(61);
    let whole = |last: usize| format!("a@{label}.{label}.{label}.{}.com", "c".repeat(last));
    let longest = 254 - whole(0).len();
    assert!(Email::parse(&whole(longest)).is_ok());
    assert_eq!(Email::parse(&whole(longest + 1)), Err(EmailError::TooLong));
    let label = |length: usize| format!("a@{}.example", "é".repeat(length));
    assert!(Email::parse(&label(57)).is_ok());
    for length in [58, 126, 127] {
        assert_eq!(Email::parse(&label(length)), Err(EmailError::Domain));
    }
    assert_eq!(
        Email::parse(&"a".repeat(1_000_000)),
        Err(EmailError::TooLong)
    );
}
