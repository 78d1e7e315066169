//! For any text: an address has one plain form, and keeps it when it is parsed again.

#![no_main]

use bienvenue::auth::Email;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(email) = Email::parse(text) else {
        return;
    };
    let canonical = email.as_str();
    assert!(canonical.len() <= 254);
    assert!(canonical.bytes().all(|byte| byte.is_ascii_graphic()));
    assert!(!canonical.bytes().any(|byte| byte.is_ascii_uppercase()));
    // One mailbox: nothing that a mail server could read as a second one, or as a display name.
    let (local_part, domain) = canonical.split_once('@').expect("it has two parts");
    assert!(
        !domain.contains('@') && !canonical.contains([',', ';', ':', '<', '>', '"', '(', '\\'])
    );
    assert!(
        !local_part.starts_with('.') && !local_part.ends_with('.') && !local_part.contains("..")
    );
    assert!(!local_part.starts_with('-'));
    assert!(domain.contains('.') && domain.split('.').all(|label| !label.is_empty()));
    for same in [
        canonical.to_owned(),
        canonical.to_ascii_uppercase(),
        format!(" {text}\t"),
    ] {
        assert_eq!(Email::parse(&same).as_ref(), Ok(&email), "{same:?}");
    }
});
