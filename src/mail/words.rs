//! Times and clients as people say them, in each language.

use std::time::Duration;

use chrono::{DateTime, Datelike as _, Timelike as _, Utc};

use crate::auth::Language;

/// The names of the months. Source: CLDR, `months-format-wide`.
const ENGLISH_MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const FRENCH_MONTHS: [&str; 12] = [
    "janvier",
    "février",
    "mars",
    "avril",
    "mai",
    "juin",
    "juillet",
    "août",
    "septembre",
    "octobre",
    "novembre",
    "décembre",
];

/// A moment, as "25 November 2026 at 18:03 UTC" and "25 novembre 2026 à 18 h 03 UTC", in which no line breaks around the "h".
pub(super) fn moment(time: DateTime<Utc>, language: Language) -> String {
    let month = |names: [&'static str; 12]| {
        let name = names.into_iter().nth(time.month0() as usize);
        name.unwrap_or_default()
    };
    let (day, year) = (time.day(), time.year());
    let (hour, minute) = (time.hour(), time.minute());
    match language {
        Language::English => {
            let month = month(ENGLISH_MONTHS);
            format!("{day} {month} {year} at {hour:02}:{minute:02} UTC")
        }
        Language::French => {
            let month = month(FRENCH_MONTHS);
            let first = if day == 1 { "er" } else { "" };
            format!("{day}{first} {month} {year} à {hour}\u{a0}h\u{a0}{minute:02} UTC")
        }
    }
}

/// A length of time, as "30 minutes" and "2 jours".
pub(super) fn length(time: Duration, language: Language) -> String {
    let minutes = time.as_secs().div_ceil(60).max(1);
    let (number, english, french) = match minutes {
        _ if minutes > 24 * 60 && minutes.is_multiple_of(24 * 60) => {
            (minutes / (24 * 60), "day", "jour")
        }
        _ if minutes.is_multiple_of(60) => (minutes / 60, "hour", "heure"),
        _ => (minutes, "minute", "minute"),
    };
    let unit = match language {
        Language::English => english,
        Language::French => french,
    };
    let plural = if number > 1 { "s" } else { "" };
    format!("{number} {unit}{plural}")
}

/// A browser, which is named as "Firefox on Linux" or not at all, as people say it.
pub(super) fn client(name: Option<&str>, language: Language) -> String {
    match (name, language) {
        (Some(name), Language::English) => name.to_owned(),
        (Some(name), Language::French) => name.replacen(" on ", " sur ", 1),
        (None, Language::English) => "a program".to_owned(),
        (None, Language::French) => "un programme".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_as_people_write_them() {
        for (time, english, french) in [
            (
                "2026-11-25T18:03:59Z",
                "25 November 2026 at 18:03 UTC",
                "25 novembre 2026 à 18\u{a0}h\u{a0}03 UTC",
            ),
            (
                "2027-02-01T00:30:00Z",
                "1 February 2027 at 00:30 UTC",
                "1er février 2027 à 0\u{a0}h\u{a0}30 UTC",
            ),
        ] {
            let time = time.parse().expect("a time");
            assert_eq!(moment(time, Language::English), english);
            assert_eq!(moment(time, Language::French), french);
        }
    }
}
