//! Password hashes.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bienvenue::auth::{PasswordError, hash_password};
use hmac::{Hmac, KeyInit as _, Mac as _};
use macro_rules_attribute::apply;
use sha2::Sha256;

use crate::support::once;

/// Whether a password is that of a hash in passlib's format, by the description of the format and the
/// bcrypt crate.
fn passlib_verify(password: &str, hash: &str) -> bool {
    let parts: Vec<_> = hash.split('$').collect();
    let ["", "bcrypt-sha256", parameters, salt, digest] = parts[..] else {
        panic!("not of the format: {hash}");
    };
    let cost = parameters
        .strip_prefix("v=2,t=2b,r=")
        .expect("version 2 of the format");
    let mut hmac = Hmac::<Sha256>::new_from_slice(salt.as_bytes()).expect("any length");
    hmac.update(password.as_bytes());
    let key = STANDARD.encode(hmac.finalize().into_bytes());
    let plain = format!(
        "$2b${:02}${salt}{digest}",
        cost.parse::<u32>().expect("a number")
    );
    bcrypt::verify(key, &plain).expect("a bcrypt hash")
}

#[apply(once)]
async fn what_cannot_be_hashed_whole_is_refused() {
    assert_eq!(hash_password("a\0a", 4), Err(PasswordError::Nul));
    assert_eq!(hash_password("\0", 4), Err(PasswordError::Nul));
    assert_eq!(
        hash_password(&"a".repeat(1025), 4),
        Err(PasswordError::TooLong)
    );
    // 1023 characters, 1025 bytes.
    let wide = format!("{}€", "a".repeat(1022));
    assert_eq!(hash_password(&wide, 4), Err(PasswordError::TooLong));
    for cost in [0, 3, 32, u32::MAX] {
        assert_eq!(hash_password("a", cost), Err(PasswordError::Cost(cost)));
    }
}

#[apply(once)]
async fn up_to_72_bytes_are_plain_bcrypt() {
    for password in [
        "",
        "a",
        "correct horse battery",
        "pässwörd 🔑",
        &"a".repeat(71),
        &"a".repeat(72),
    ] {
        let hash = hash_password(password, 4).expect("can be hashed");
        assert!(hash.as_str().starts_with("$2b$04$"), "{}", hash.as_str());
        assert_eq!(hash.as_bytes().len(), 60);
        assert!(bcrypt::verify(password, hash.as_str()).expect("a bcrypt hash"));
        assert!(!bcrypt::verify("another password", hash.as_str()).expect("a bcrypt hash"));
    }
}

#[apply(once)]
async fn all_of_72_bytes_count() {
    let hash = hash_password(&format!("{}x", "a".repeat(71)), 4).expect("can be hashed");
    let verify = |last| bcrypt::verify(format!("{}{last}", "a".repeat(71)), hash.as_str());
    assert!(verify('x').expect("a bcrypt hash"));
    assert!(!verify('y').expect("a bcrypt hash"));
}

#[apply(once)]
async fn longer_passwords_are_hashed_whole_in_passlibs_format() {
    for length in [73, 100, 1024] {
        let password = "a".repeat(length);
        let hash = hash_password(&password, 4).expect("can be hashed");
        assert!(
            hash.as_str().starts_with("$bcrypt-sha256$v=2,t=2b,r=4$"),
            "{}",
            hash.as_str()
        );
        assert!(passlib_verify(&password, hash.as_str()));
        let almost = format!("{}b", "a".repeat(length - 1));
        assert!(
            !passlib_verify(&almost, hash.as_str()),
            "the end of {length} bytes is cut"
        );
    }
}

#[apply(once)]
async fn the_longer_format_is_what_passlib_itself_makes() {
    // Printed by passlib 1.7.4: bcrypt_sha256.using(rounds=5).hash("a" * 100), and so on.
    for (password, hash) in [
        (
            "a".repeat(100),
            "$bcrypt-sha256$v=2,t=2b,r=5$dsuliO1b4XARSwqn.9CKwO$OS4jc.QAl67jyJY882OWCV/nCveNppC",
        ),
        (
            "correct horse battery".to_owned(),
            "$bcrypt-sha256$v=2,t=2b,r=5$1clDgRW7pSc1KoqEab2Bde$jMtfSyMdm3b.F9tLu64HlY.74rsumBe",
        ),
        (
            "pässwörd ".repeat(12),
            "$bcrypt-sha256$v=2,t=2b,r=5$LOIty3DjcOensi1UMMubiO$GquxBLW93Q81uH/vpkKArqJrZHVGE.O",
        ),
    ] {
        assert!(passlib_verify(&password, hash), "{hash}");
        assert!(!passlib_verify(&format!("{password}b"), hash), "{hash}");
    }
}

#[apply(once)]
async fn every_hash_has_its_own_salt_and_none_prints_itself() {
    let one = hash_password("correct horse battery", 4).expect("can be hashed");
    let other = hash_password("correct horse battery", 4).expect("can be hashed");
    assert_ne!(one, other);
    assert_eq!(format!("{one:?}"), "PasswordHash");
}
