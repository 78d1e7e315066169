//! `bienvenue user add`

use std::{
    error::Error,
    io::{IsTerminal as _, stdin},
};

use clap::Args;
use zeroize::Zeroizing;

use crate::auth::{Administrator, Auth, CreateUserError, Email, ManagedUser, NewUser, Role};

#[derive(Args)]
pub(super) struct Add {
    /// The email address of the user
    #[arg(value_parser = Email::parse)]
    email: Email,
    /// Makes the user an administrator
    #[arg(long)]
    admin: bool,
    /// The display name
    #[arg(long)]
    name: Option<String>,
    /// A group that the user is in; can be given more than once
    #[arg(long)]
    group: Vec<String>,
    /// Marks the email address as verified
    #[arg(long)]
    verified: bool,
    /// Asks for no password, and sends the user an email with a link to choose one
    #[arg(long)]
    invite: bool,
}

impl Add {
    pub(super) async fn run(
        &self,
        auth: &Auth,
        by: &Administrator,
    ) -> Result<ManagedUser, Box<dyn Error>> {
        let password = if self.invite {
            None
        } else {
            Some(read_password()?)
        };
        let new = NewUser {
            email: self.email.as_str(),
            password: password.as_ref().map(|password| &***password),
            name: self.name.as_deref(),
            role: if self.admin { Role::Admin } else { Role::User },
            groups: &self.group,
            is_email_verified: self.verified,
        };
        match auth.create_user(by, new).await {
            Err(CreateUserError::AlreadyExists(email)) => Err(format!(
                "User {0} already exists. To change it, run: bienvenue user set {0}",
                email.as_str()
            )
            .into()),
            created => Ok(created?),
        }
    }
}

/// Asks for a password twice on a terminal, and reads a line of standard input elsewhere.
fn read_password() -> Result<Zeroizing<String>, Box<dyn Error>> {
    if stdin().is_terminal() {
        let password = Zeroizing::new(rpassword::prompt_password("Password: ")?);
        let again = Zeroizing::new(rpassword::prompt_password("The same again: ")?);
        return if password == again {
            Ok(password)
        } else {
            Err("the two passwords are different: nothing was changed".into())
        };
    }
    let mut line = Zeroizing::new(String::new());
    stdin().read_line(&mut line)?;
    let password = line.strip_suffix('\n').unwrap_or(&line);
    let password = password.strip_suffix('\r').unwrap_or(password);
    if password.is_empty() {
        return Err(
            "give the password as a line of standard input, or --invite to let the user choose one by email".into(),
        );
    }
    Ok(Zeroizing::new(password.to_owned()))
}
