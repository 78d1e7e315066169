//! The search for accounts among a million, and its pages.

use std::time::{Duration, Instant};

use bienvenue::{
    auth::{Auth, Email, EmailPrefix, Group, Policy, Role, UserSearch, UserState},
    db::DB,
};
use sea_orm::{ConnectionTrait as _, Database};

use crate::{
    Result, median,
    sessions::{Databases, fill, runtime},
};

const USERS: usize = 1_000_000;

/// How often each search is repeated.
const REPETITIONS: usize = 21;

/// A page as an administrator sees it.
const PAGE: u64 = 50;

/// Measures each search, and the 1,000th page against the first, in milliseconds. The time is that of the operation,
/// with all of its queries.
pub fn search() -> Result<()> {
    let databases = Databases::start()?;
    for (kind, url) in databases.urls("search")? {
        fill(&url, USERS, 4)?;
        runtime()?.block_on(async {
            let conn = Database::connect(&url).await?;
            for sql in [
                // Few are administrators, disabled, or in a small group. Half are verified, and a tenth is in a large group.
                "UPDATE users SET role = 'admin' WHERE id % 100000 = 0",
                "UPDATE users SET disabled_at = created_at WHERE id % 1000 = 0",
                "UPDATE users SET email_verified_at = created_at WHERE id % 2 = 0",
                "INSERT INTO user_groups (user_id, name) SELECT id, 'large' FROM users WHERE id % 10 = 0",
                "INSERT INTO user_groups (user_id, name) SELECT id, 'small' FROM users WHERE id % 100000 = 1",
                "ANALYZE",
            ] {
                conn.execute_unprepared(sql).await?;
            }
            conn.close().await?;
            let auth = Auth::new(DB::connect(&url).await?, Policy::default());
            for (name, search) in searches() {
                let mut times = Vec::new();
                for _ in 0..REPETITIONS {
                    times.push(milliseconds(&auth, &search, None).await?);
                }
                println!("{kind}: {name}: {:.1} ms", median(&mut times));
            }
            let first = UserSearch::default();
            let (mut early, mut late) = (Vec::new(), Vec::new());
            for _ in 0..REPETITIONS {
                early.push(milliseconds(&auth, &first, None).await?);
                late.push(milliseconds(&auth, &first, Some(50_000)).await?);
            }
            println!(
                "{kind}: page 1,000 takes {:.2} times as long as page 1",
                median(&mut late) / median(&mut early)
            );
            Result::Ok(())
        })?;
    }
    Ok(())
}

/// The searches that administrators make, with their names.
fn searches() -> Vec<(&'static str, UserSearch)> {
    let none = UserSearch::default;
    let with_prefix = |text| UserSearch {
        email_prefix: EmailPrefix::parse(text),
        ..none()
    };
    let with_state = |state| UserSearch {
        state: Some(state),
        ..none()
    };
    let in_group = |name| UserSearch {
        group: Group::parse(name).ok(),
        ..none()
    };
    let administrators = UserSearch {
        role: Some(Role::Admin),
        ..none()
    };
    let address = UserSearch {
        email: Email::parse("user777777@example.com").ok(),
        ..none()
    };
    vec![
        ("all", none()),
        ("an address", address),
        ("a prefix of 1", with_prefix("user777777@")),
        ("a prefix of 1,111", with_prefix("user777")),
        ("a prefix of 11,111", with_prefix("user77")),
        ("a prefix of 111,111", with_prefix("user9")),
        ("a prefix of all", with_prefix("user")),
        ("a prefix of none", with_prefix("nobody")),
        ("verified", with_state(UserState::Verified)),
        ("unverified", with_state(UserState::Unverified)),
        ("disabled", with_state(UserState::Disabled)),
        ("administrators", administrators),
        ("a small group", in_group("small")),
        ("a large group", in_group("large")),
        ("no group", in_group("none")),
        (
            "disabled administrators",
            UserSearch {
                role: Some(Role::Admin),
                ..with_state(UserState::Disabled)
            },
        ),
        (
            "disabled, of role user",
            UserSearch {
                role: Some(Role::User),
                ..with_state(UserState::Disabled)
            },
        ),
        (
            "administrators with a prefix of 111,111",
            UserSearch {
                role: Some(Role::Admin),
                ..with_prefix("user9")
            },
        ),
        (
            "disabled with a prefix of 11,111",
            UserSearch {
                state: Some(UserState::Disabled),
                ..with_prefix("user77")
            },
        ),
        (
            "disabled in the large group",
            UserSearch {
                state: Some(UserState::Disabled),
                ..in_group("large")
            },
        ),
        (
            "in the small group with a prefix of all",
            UserSearch {
                group: Group::parse("small").ok(),
                ..with_prefix("user")
            },
        ),
    ]
}

async fn milliseconds(auth: &Auth, search: &UserSearch, after: Option<i64>) -> Result<f64> {
    let begun = Instant::now();
    auth.search_users(search, after, PAGE).await?;
    Ok(begun.elapsed().div_duration_f64(Duration::from_millis(1)))
}
