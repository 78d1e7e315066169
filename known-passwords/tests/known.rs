//! Passwords that the filter finds, and passwords that it does not find.

use known_passwords::{is_known, key};

/// A password of 64 random bits, which nobody uses.
fn random(number: u64) -> String {
    format!("{:016x}", key(&format!("number {number}")))
}

#[test]
fn passwords_of_the_lists_are_known() {
    for password in [
        "correcthorsebatterystaple",
        "liverpoolfc1892",
        "fenerbahc",
        "galaktika",
        "rashley198",
        "badiman28200",
        "plextsofttm",
        "141312190296q",
        "robertrichardson1212",
        "steelersgeorgethompson",
        "iloveyouforever123",
        "hanamontanajustinbieber",
    ] {
        assert!(is_known(password), "{password}");
        assert!(is_known(&password.to_uppercase()), "{password}");
    }
}

#[test]
fn random_passwords_are_not() {
    let found = (0..10_000).filter(|&number| is_known(&random(number)));
    assert_eq!(found.count(), 0);
}

#[test]
fn one_in_65536_is_taken_for_known() {
    let found = (0..655_360).filter(|&number| is_known(&random(number)));
    let found = found.count();
    assert!((1..30).contains(&found), "{found} of about 10");
}

#[test]
fn any_text_can_be_looked_up() {
    for text in ["", "\0", "\u{130}", "ß", &"a".repeat(100_000)] {
        assert!(!is_known(text), "{text:?}");
    }
}
