//! Published test vectors, all of them computed at once.

use std::collections::HashMap;

use bcrypt_lanes::{Lanes, MAX_WIDTH};

/// Source: D. Miller, jBCrypt, `TestBCrypt.java`.
const JBCRYPT: &[(&str, &[u8])] = &[
    (
        "$2a$06$DCq7YPn5Rq63x1Lad4cll.TV4S6ytwfsfvkgY8jIucDrjc8deX1s.",
        b"",
    ),
    (
        "$2a$08$HqWuK6/Ng6sg9gQzbLrgb.Tl.ZHfXLhvt/SgVyWhQqgqcZ7ZuUtye",
        b"",
    ),
    (
        "$2a$10$k1wbIrmNyFAPwPVPSVa/zecw2BCEnBwVS2GbrmgzxFUOqW9dk4TCW",
        b"",
    ),
    (
        "$2a$12$k42ZFHFWqBp3vWli.nIn8uYyIkbvYRvodzbfbK18SSsY.CsIQPlxO",
        b"",
    ),
    (
        "$2a$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe",
        b"a",
    ),
    (
        "$2a$08$cfcvVd2aQ8CMvoMpP2EBfeodLEkkFJ9umNEfPD18.hUF62qqlC/V.",
        b"a",
    ),
    (
        "$2a$10$k87L/MF28Q673VKh8/cPi.SUl7MU/rWuSiIDDFayrKk/1tBsSQu4u",
        b"a",
    ),
    (
        "$2a$12$8NJH3LsPrANStV6XtBakCez0cKHXVxmvxIlcz785vxAIZrihHZpeS",
        b"a",
    ),
    (
        "$2a$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i",
        b"abc",
    ),
    (
        "$2a$08$Ro0CUfOqk6cXEKf3dyaM7OhSCvnwM9s4wIX9JeLapehKK5YdLxKcm",
        b"abc",
    ),
    (
        "$2a$10$WvvTPHKwdBJ3uk0Z37EMR.hLA2W6N9AEBhEgrAOljy2Ae5MtaSIUi",
        b"abc",
    ),
    (
        "$2a$12$EXRkfkdmXn2gzds2SSitu.MW9.gAVqa9eLS1//RYtYCmB1eLHg.9q",
        b"abc",
    ),
    (
        "$2a$06$.rCVZVOThsIa97pEDOxvGuRRgzG64bvtJ0938xuqzv18d3ZpQhstC",
        b"abcdefghijklmnopqrstuvwxyz",
    ),
    (
        "$2a$10$fVH8e28OQRj9tqiDXs1e1uxpsjN0c7II7YPKXua2NAKYvM6iQk7dq",
        b"abcdefghijklmnopqrstuvwxyz",
    ),
    (
        "$2a$06$fPIsBO8qRqkjj273rfaOI.HtSV9jLDpTbZn782DC6/t7qT67P6FfO",
        b"~!@#$%^&*()      ~!@#$%^&*()PNBFRD",
    ),
    (
        "$2a$10$LgfYWkbzEvQ4JakH7rOvHe0y8pHKF9OaFgwUZ2q7W2FFZmZzJYlfS",
        b"~!@#$%^&*()      ~!@#$%^&*()PNBFRD",
    ),
];

/// The vectors of plain bcrypt, without `$2x$`, and without those that `$2a$` changes in that library.
///
/// Source: Solar Designer, `crypt_blowfish`, `wrapper.c`.
const OPENWALL: &[(&str, &[u8])] = &[
    ("$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", b"U*U"),
    ("$2a$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK", b"U*U*"),
    ("$2a$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a", b"U*U*U"),
    ("$2a$05$CCCCCCCCCCCCCCCCCCCCC.7uG0VCzI2bS7j6ymqJi9CdcdxiRTWNy", b""),
    ("$2a$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui", b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789chars after 72 are ignored"),
    ("$2b$05$/OK.fbVrR/bpIqNJ5ianF.CE5elHaaO4EbggVDjb8P19RukzXSM3e", b"\xff\xff\xa3"),
    ("$2b$05$/OK.fbVrR/bpIqNJ5ianF.Sa7shbm4.OzKpvFnX1pQLmQW96oUlCq", b"\xa3"),
    ("$2y$05$/OK.fbVrR/bpIqNJ5ianF.o./n25XVfn6oAPaUvHe.Csk4zRfsYPi", b"\xff\xa334\xff\xff\xff\xa3345"),
    ("$2y$05$/OK.fbVrR/bpIqNJ5ianF.nRht2l/HRhr6zmCp9vYUvvsqynflf9e", b"\xff\xa3345"),
    ("$2y$05$/OK.fbVrR/bpIqNJ5ianF.6IflQkJytoRVc1yuaNtHfiuq.FRlSIS", b"\xa3ab"),
    ("$2a$05$/OK.fbVrR/bpIqNJ5ianF.swQOIzjOiJ9GHEPuhEkvqrUyvWhEMx6", &[0xaa; 72]),
    ("$2a$05$/OK.fbVrR/bpIqNJ5ianF.swQOIzjOiJ9GHEPuhEkvqrUyvWhEMx6", &[0xaa; 80]),
    ("$2a$05$/OK.fbVrR/bpIqNJ5ianF.R9xrDjiycxMbQE2bp.vgqlYpW5wx2yy", [[0xaa, 0x55]; 36].as_flattened()),
    ("$2a$05$/OK.fbVrR/bpIqNJ5ianF.9tQZzcJfm3uj2NvJ/n5xkhpqLrMpWCe", [[0x55, 0xaa, 0xff]; 24].as_flattened()),
];

const ALPHABET: &str = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// Decodes bcrypt's base64.
fn decode<const N: usize>(text: &str) -> [u8; N] {
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0, 0);
    for letter in text.chars() {
        bits = bits << 6 | ALPHABET.find(letter).expect("a letter of the alphabet");
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from(bits >> held & 0xff).expect("a byte"));
        }
    }
    bytes.try_into().expect("as many bytes as that")
}

#[test]
fn published_hashes_come_out() {
    let mut lanes = Lanes::new(MAX_WIDTH);
    let mut vectors = JBCRYPT.iter().chain(OPENWALL);
    let mut expected = HashMap::new();
    let mut seen = 0;
    loop {
        while lanes.has_free()
            && let Some((text, password)) = vectors.next()
        {
            // `$2a$06$`, 22 characters of salt, 31 of hash
            let cost = text[4..6].parse().expect("a cost");
            let id = lanes
                .start(cost, decode(&text[7..29]), password)
                .expect("a free lane");
            expected.insert(id, (text, decode(&text[29..])));
        }
        if lanes.busy() == 0 {
            break;
        }
        lanes.advance();
        while let Some((id, hash)) = lanes.take_done() {
            let (text, published) = expected.remove(&id).expect("a hash under way");
            assert_eq!(hash, published, "{text}");
            seen += 1;
        }
    }
    assert_eq!(seen, JBCRYPT.len() + OPENWALL.len());
}
