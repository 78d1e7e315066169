//! Stored hashes, of this service and of others: a parsed hash is formatted as it was, and every hash that the bcrypt
//! crate parses is parsed.

#![no_main]

use std::str::FromStr as _;

use bcrypt::HashParts;
use bienvenue::fuzzing::read_stored_hash;
use libfuzzer_sys::fuzz_target;

/// The service does not verify hashes above this cost.
const HIGHEST_COST: u32 = 15;

fuzz_target!(|text: &str| {
    let ours = read_stored_hash(text);
    if let Some((cost, written)) = &ours {
        assert!((4..=HIGHEST_COST).contains(cost));
        assert!(text.is_ascii());
        assert_eq!(
            read_stored_hash(written).as_ref(),
            Some(&(*cost, written.clone()))
        );
    }
    // The crate would also parse "+4" as a cost, and costs that bcrypt does not have.
    let is_ours = |cost: &str| {
        cost.parse()
            .is_ok_and(|cost| (4..=HIGHEST_COST).contains(&cost))
    };
    if let Ok(theirs) = HashParts::from_str(text)
        && ["$2a$", "$2b$", "$2y$"]
            .iter()
            .any(|version| text.starts_with(version))
        && text
            .get(4..6)
            .is_some_and(|cost| !cost.starts_with('+') && is_ours(cost))
    {
        let (cost, _) = ours.as_ref().expect("who signs in there signs in here");
        assert_eq!(*cost, theirs.get_cost());
    }
});
