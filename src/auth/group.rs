//! The names of groups.

use std::collections::BTreeSet;

/// The longest name, in characters.
const LONGEST: usize = 64;

/// How many groups a user can be in.
const MOST: usize = 100;

/// The name of a group. A group exists while somebody is in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Group(String);

/// The reason why texts can't be the groups of a user.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GroupError {
    /// The text can't be the name of a group.
    #[error(
        "The name of a group has 1 to {LONGEST} characters of a-z, 0-9, \".\", \"_\" and \"-\"."
    )]
    Name,
    /// There are too many groups.
    #[error("A user can be in {MOST} groups at most.")]
    TooMany,
}

impl Group {
    /// Parses the name of a group.
    ///
    /// # Errors
    /// [`GroupError::Name`].
    pub fn parse(text: &str) -> Result<Self, GroupError> {
        let is_good = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-');
        if (1..=LONGEST).contains(&text.len()) && text.bytes().all(is_good) {
            Ok(Self(text.to_owned()))
        } else {
            Err(GroupError::Name)
        }
    }

    /// Parses the groups of a user. A repeated name counts once.
    ///
    /// # Errors
    /// [`GroupError`].
    pub(super) fn parse_all(texts: &[String]) -> Result<BTreeSet<String>, GroupError> {
        let groups = texts.iter().map(|text| Ok(Self::parse(text)?.0));
        let groups = groups.collect::<Result<BTreeSet<_>, GroupError>>()?;
        Self::check_number(&groups)?;
        Ok(groups)
    }

    /// Checks that a user can be in this number of groups.
    pub(super) fn check_number(groups: &BTreeSet<String>) -> Result<(), GroupError> {
        if groups.len() > MOST {
            return Err(GroupError::TooMany);
        }
        Ok(())
    }

    pub(super) fn into_string(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_has_a_short_plain_name() {
        let longest = "a".repeat(64);
        for name in ["a", "admins", "team-1", "a.b_c", "0", &*longest] {
            assert_eq!(
                Group::parse(name).map(Group::into_string),
                Ok(name.to_owned())
            );
        }
        let longer = "a".repeat(65);
        for name in ["", "A", "a b", " a", "é", "a,b", "a/b", "a\0", &*longer] {
            assert_eq!(Group::parse(name), Err(GroupError::Name), "{name:?}");
        }
    }

    #[test]
    fn a_user_is_in_a_hundred_different_groups_at_most() {
        let mut names: Vec<_> = (0..100).map(|number| format!("group-{number}")).collect();
        names.push("group-1".to_owned());
        assert_eq!(Group::parse_all(&names).map(|groups| groups.len()), Ok(100));
        names.push("another".to_owned());
        assert_eq!(Group::parse_all(&names), Err(GroupError::TooMany));
    }
}
