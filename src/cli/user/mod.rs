//! `bienvenue user`: manages accounts, as administrators do by the API.

mod add;
mod output;

use std::error::Error;

use clap::{Args, Subcommand};

use self::output::Output;
use super::confirm::Confirmation;
use crate::{
    app,
    auth::{
        Administrator, Auth, ChangeUserError, Client, DeleteUserError, Email, EmailPrefix,
        EndSessionsError, FindUserError, Group, ManagedUser, ResetUserError, Role, UserChange,
        UserSearch, UserState,
    },
    config::Settings,
    db::{DB, MigrationState},
};

/// How many accounts are read at once.
const PAGE: u64 = 200;

#[derive(Args)]
pub(super) struct UserCommand {
    #[command(flatten)]
    settings: Box<Settings>,
    #[command(flatten)]
    output: Output,
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Adds a user. The password is one line of standard input; on a terminal it is asked for
    Add(add::Add),
    /// Lists users
    List(List),
    /// Shows a user
    Show(Who),
    /// Changes a user
    Set(Set),
    /// Disables a user: ends all sessions, and refuses sign-ins
    Disable(Who),
    /// Enables a user again
    Enable(Who),
    /// Ends all sessions of a user
    SignOut(Who),
    /// Sends a user an email with a link to choose a new password
    Reset(Who),
    /// Deletes a user and all that is kept about the user. Asks first
    Delete(Delete),
}

/// Which user.
#[derive(Args)]
struct Who {
    /// The email address or the id of the user
    #[arg(value_name = "EMAIL|ID", value_parser = Handle::parse)]
    user: Handle,
}

#[derive(Args)]
struct Delete {
    #[command(flatten)]
    who: Who,
    #[command(flatten)]
    confirmation: Confirmation,
}

#[derive(Args)]
struct List {
    /// Only users whose email address begins like this
    #[arg(long, value_name = "PREFIX", value_parser = prefix)]
    email_prefix: Option<EmailPrefix>,
    /// Only users in this state: verified, unverified or disabled
    #[arg(long, value_parser = state)]
    state: Option<UserState>,
    /// Only users with this role: user or admin
    #[arg(long, value_parser = role)]
    role: Option<Role>,
    /// Only users in this group
    #[arg(long, value_parser = Group::parse)]
    group: Option<Group>,
}

#[derive(Args)]
struct Set {
    #[command(flatten)]
    who: Who,
    /// The display name; an empty one removes it
    #[arg(long)]
    name: Option<String>,
    /// What the user may do: user or admin
    #[arg(long, value_parser = role)]
    role: Option<Role>,
    /// A group to add; can be given more than once
    #[arg(long, value_name = "GROUP")]
    add_group: Vec<String>,
    /// A group to remove; can be given more than once
    #[arg(long, value_name = "GROUP")]
    remove_group: Vec<String>,
    /// Whether the email address counts as verified
    #[arg(long, value_name = "true|false")]
    verified: Option<bool>,
}

/// A user as the command line names one.
#[derive(Clone)]
enum Handle {
    Email(Email),
    Id(i64),
}

impl Handle {
    fn parse(text: &str) -> Result<Self, String> {
        if let Ok(id) = text.parse() {
            return Ok(Self::Id(id));
        }
        let email = Email::parse(text).map_err(|err| err.to_string())?;
        Ok(Self::Email(email))
    }

    /// # Errors
    /// There is no such user, or the database failed.
    async fn find(&self, auth: &Auth) -> Result<ManagedUser, Box<dyn Error>> {
        match self {
            Self::Id(id) => match auth.find_user(*id).await {
                Err(FindUserError::NoSuchUser) => Err(format!("there is no user {id}").into()),
                found => Ok(found?),
            },
            Self::Email(email) => {
                let search = UserSearch {
                    email: Some(email.clone()),
                    ..UserSearch::default()
                };
                let found = auth.search_users(&search, None, 1).await?;
                let missing = || format!("there is no user {}", email.as_str());
                Ok(found.users.into_iter().next().ok_or_else(missing)?)
            }
        }
    }
}

fn prefix(text: &str) -> Result<EmailPrefix, &'static str> {
    EmailPrefix::parse(text).ok_or("no email address begins like this")
}

fn state(text: &str) -> Result<UserState, &'static str> {
    UserState::parse(text).ok_or("it is verified, unverified or disabled")
}

fn role(text: &str) -> Result<Role, &'static str> {
    Role::parse(text).ok_or("it is user or admin")
}

/// What an administrator can't do to the last of them.
const LAST: &str = "this is the last administrator: make somebody else an administrator first, with `bienvenue user set EMAIL --role admin`";

/// The operator, as the audit log names the program.
fn operator() -> Administrator {
    Administrator::Operator(Client {
        user_agent: Some(
            concat!("bienvenue/", env!("CARGO_PKG_VERSION"), " (command line)").to_owned(),
        ),
        ..Client::default()
    })
}

pub(super) fn run(command: &UserCommand) -> Result<(), Box<dyn Error>> {
    super::log::start_quiet(&command.settings.log)?;
    super::runtime()?.block_on(async {
        let settings = &command.settings;
        settings.check()?;
        let db = if matches!(command.action, Action::Add(_)) {
            DB::open(&settings.database).await?
        } else {
            // Looking at users, or changing one, migrates no database that an older version still uses.
            let db = DB::open_existing(&settings.database).await?;
            let is_applied = |state: &_| matches!(state, MigrationState::Applied(_));
            if !db.migration_states().await?.iter().all(is_applied) {
                return Err("the tables of the database are not those of this version: run bienvenue migrate status".into());
            }
            db
        };
        let auth = app::open_auth(db, settings).await?;
        command.run(&auth).await
    })
}

impl UserCommand {
    async fn run(&self, auth: &Auth) -> Result<(), Box<dyn Error>> {
        let (by, output) = (operator(), &self.output);
        match &self.action {
            Action::Add(add) => output.show(add.run(auth, &by).await?),
            Action::List(list) => list.run(auth, output).await,
            Action::Show(who) => output.show(who.user.find(auth).await?),
            Action::Set(set) => output.show(set.run(auth, &by).await?),
            Action::Disable(who) => output.show(set_disabled(auth, &by, who, true).await?),
            Action::Enable(who) => output.show(set_disabled(auth, &by, who, false).await?),
            Action::SignOut(who) => {
                let user = who.user.find(auth).await?;
                match auth.end_sessions_of(&by, user.account.id).await {
                    Err(EndSessionsError::NoSuchUser) => Err("the user is gone".into()),
                    ended => {
                        ended?;
                        let user = auth.find_user(user.account.id).await?;
                        let sentence = format!("{} is signed out everywhere", user.account.email);
                        output.done(user, &sentence)
                    }
                }
            }
            Action::Reset(who) => {
                let user = who.user.find(auth).await?;
                let email = &user.account.email;
                match auth.request_reset_of(&by, user.account.id).await {
                    Err(ResetUserError::NoSuchUser) => Err("the user is gone".into()),
                    Err(ResetUserError::Disabled) => Err(format!(
                        "{email} is disabled: run bienvenue user enable {email} first"
                    )
                    .into()),
                    sent => {
                        sent?;
                        let sentence =
                            format!("the service sends {email} a link to choose a password");
                        output.done(user, &sentence)
                    }
                }
            }
            Action::Delete(delete) => delete.run(auth, &by, output).await,
        }
    }
}

impl List {
    async fn run(&self, auth: &Auth, output: &Output) -> Result<(), Box<dyn Error>> {
        let search = UserSearch {
            email: None,
            email_prefix: self.email_prefix.clone(),
            state: self.state,
            role: self.role,
            group: self.group.clone(),
        };
        let mut after = None;
        loop {
            let page = auth.search_users(&search, after, PAGE).await?;
            output.list(page.users)?;
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(()),
            }
        }
    }
}

impl Set {
    async fn run(&self, auth: &Auth, by: &Administrator) -> Result<ManagedUser, Box<dyn Error>> {
        let name = self.name.as_deref();
        let change = UserChange {
            name: name.map(|name| Some(name).filter(|name| !name.is_empty())),
            role: self.role,
            add_groups: &self.add_group,
            remove_groups: &self.remove_group,
            is_email_verified: self.verified,
            ..UserChange::default()
        };
        apply(auth, by, &self.who, change).await
    }
}

impl Delete {
    async fn run(
        &self,
        auth: &Auth,
        by: &Administrator,
        output: &Output,
    ) -> Result<(), Box<dyn Error>> {
        let user = self.who.user.find(auth).await?;
        let email = &user.account.email;
        let consequence = format!("deleting {email} deletes all that is kept about this user");
        let command = format!("user delete {email}");
        self.confirmation.ask(&consequence, &command)?;
        match auth.delete_user_of(by, user.account.id).await {
            Err(DeleteUserError::NoSuchUser) => Err("the user is gone already".into()),
            Err(DeleteUserError::LastAdministrator) => Err(LAST.into()),
            deleted => {
                deleted?;
                let sentence = format!("{email} is deleted");
                output.done(user, &sentence)
            }
        }
    }
}

async fn set_disabled(
    auth: &Auth,
    by: &Administrator,
    who: &Who,
    is_disabled: bool,
) -> Result<ManagedUser, Box<dyn Error>> {
    let change = UserChange {
        is_disabled: Some(is_disabled),
        ..UserChange::default()
    };
    apply(auth, by, who, change).await
}

async fn apply(
    auth: &Auth,
    by: &Administrator,
    who: &Who,
    change: UserChange<'_>,
) -> Result<ManagedUser, Box<dyn Error>> {
    let user = who.user.find(auth).await?;
    match auth.change_user(by, user.account.id, change).await {
        Err(ChangeUserError::NoSuchUser) => Err("the user is gone".into()),
        Err(ChangeUserError::LastAdministrator) => Err(LAST.into()),
        changed => Ok(changed?),
    }
}
