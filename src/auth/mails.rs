//! Letters: which are to be sent, to whom, and what is in them.
//!
//! What makes a letter necessary writes a row, in its own transaction. A worker (see [`crate::mail`]) takes the rows that
//! are due, has the letter made here, sends it, and says how it went. A token is made with the letter, so that it is
//! nowhere but in it.

use std::{net::IpAddr, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use entity::{outgoing_mail, user};
use uuid::Uuid;

use super::{
    Auth, Client, DbError, Token, TokenKind,
    throttle::{Allowance, LONGEST_PROLONGATION},
};
use crate::db::Transaction;

/// How long a worker has a letter for itself. Longer than sending one may take.
const LEASE: TimeDelta = TimeDelta::minutes(1);

/// The longest pause between two tries: when the mail server is back, nobody waits longer.
const LONGEST_PAUSE: TimeDelta = TimeDelta::minutes(1);

/// How long sending a letter is tried.
const PATIENCE: TimeDelta = TimeDelta::days(3);

/// The pauses after each time that the server refuses a letter for good; after the last refusal it is given up. They are longer
/// together than it takes to find and mend a relay that is set up wrongly.
const PAUSES_AFTER_REFUSALS: [TimeDelta; 4] = [
    TimeDelta::minutes(1),
    TimeDelta::minutes(10),
    TimeDelta::hours(1),
    TimeDelta::hours(3),
];

/// How much is kept of what went wrong, in characters.
const LONGEST_ERROR: usize = 500;

/// How long it is kept what was sent.
const KEPT: TimeDelta = TimeDelta::days(2);

/// A kind of letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LetterKind {
    /// With a link by which a new address is shown to be its owner's.
    EmailVerification,
    /// With a link by which a forgotten password is replaced.
    PasswordReset,
    /// Tells the owner that the password is another now.
    PasswordChanged,
    /// With a link by which a registration becomes an account.
    Registration,
    /// With a link by which an account gets the address that the letter goes to.
    EmailChange,
    /// Tells the owner that the account is to get another address.
    EmailChangeRequested,
    /// Tells the former address that the account has another one now, with a link by which that is taken back.
    EmailChanged,
    /// Tells the owner that somebody wanted an account with this address, in the place of a letter with a link.
    AddressTaken,
    /// Tells the owner of a sign-in from where and with what there was none lately.
    NewSignIn,
}

impl LetterKind {
    /// Every kind there is.
    pub const ALL: [Self; 9] = [
        Self::EmailVerification,
        Self::PasswordReset,
        Self::PasswordChanged,
        Self::Registration,
        Self::EmailChange,
        Self::EmailChangeRequested,
        Self::EmailChanged,
        Self::AddressTaken,
        Self::NewSignIn,
    ];

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EmailVerification => "email-verification",
            Self::PasswordReset => "password-reset",
            Self::PasswordChanged => "password-changed",
            Self::Registration => "registration",
            Self::EmailChange => "email-change",
            Self::EmailChangeRequested => "email-change-requested",
            Self::EmailChanged => "email-changed",
            Self::AddressTaken => "address-taken",
            Self::NewSignIn => "new-sign-in",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// A language that letters are written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// English.
    #[default]
    English,
    /// French.
    French,
}

impl Language {
    /// Every language there is.
    pub const ALL: [Self; 2] = [Self::English, Self::French];

    /// Its code. Source: ISO 639-1.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::French => "fr",
        }
    }

    /// The language of this code.
    #[must_use]
    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|language| language.as_str() == code)
    }
}

/// A letter that is necessary.
pub(super) struct NewLetter<'a> {
    pub(super) kind: LetterKind,
    pub(super) recipient: &'a str,
    pub(super) language: Language,
    /// Whom it is about, where that is known already.
    pub(super) user_id: Option<i64>,
    /// The verification, the registration or the one-time token that its token is for.
    pub(super) subject_id: Option<Uuid>,
    /// The address of the client that it tells of.
    pub(super) ip: Option<IpAddr>,
}

impl<'a> NewLetter<'a> {
    /// A letter to an address, whoever may have it.
    pub(super) fn to(recipient: &'a str, kind: LetterKind, language: Language) -> Self {
        Self {
            kind,
            recipient,
            language,
            user_id: None,
            subject_id: None,
            ip: None,
        }
    }

    /// A letter to the owner of an account.
    pub(super) fn about(user: &'a user::Model, kind: LetterKind, language: Language) -> Self {
        Self {
            user_id: Some(user.id),
            ..Self::to(&user.email, kind, language)
        }
    }
}

/// A letter, ready to be written out and sent.
#[derive(Debug)]
pub struct Letter {
    /// What its `Message-ID` is made of: the same when the same letter is sent again.
    pub message_id: String,
    /// What kind it is.
    pub kind: LetterKind,
    /// In which language.
    pub language: Language,
    /// The one address that it goes to.
    pub recipient: String,
    /// When it became necessary.
    pub created_at: DateTime<Utc>,
    /// The address of the client that it tells of, where it tells of one.
    pub ip: Option<String>,
    /// The token in its link, and how long that is good, where it has a link.
    pub token: Option<(Token, Duration)>,
}

/// A letter that a worker has taken, and that nobody else will for a minute.
#[derive(Debug)]
pub struct DueLetter {
    mail: outgoing_mail::Model,
    kind: LetterKind,
}

impl DueLetter {
    /// Which letter it is.
    #[must_use]
    pub fn id(&self) -> Uuid {
        self.mail.id
    }
}

impl Auth {
    /// Writes down, in a transaction, that a letter is to be sent.
    pub(super) async fn post(tx: &Transaction, letter: NewLetter<'_>) -> Result<(), DbError> {
        let now = tx.clock().now();
        tx.add_mail(outgoing_mail::Model {
            id: Uuid::new_v4(),
            kind: letter.kind.as_str().to_owned(),
            recipient: letter.recipient.to_owned(),
            language: letter.language.as_str().to_owned(),
            user_id: letter.user_id,
            subject_id: letter.subject_id,
            ip: letter.ip.map(|ip| ip.to_string()),
            created_at: now,
            due_at: now,
            attempts: 0,
            refusals: 0,
            last_error: None,
            finished_at: None,
        })
        .await
    }

    /// Has something told to the owner of an account. To an address that was never verified no more goes than anybody can have
    /// sent there: the account may be a stranger's, who could else fill another person's mailbox.
    pub(super) async fn tell(
        &self,
        tx: &Transaction,
        user: &user::Model,
        letter: NewLetter<'_>,
        client: &Client,
    ) -> Result<(), DbError> {
        let is_owners = user.email_verified_at.is_some();
        if is_owners
            || self
                .throttle
                .allows_letter(tx, &user.email, Allowance::Strangers, client)
                .await?
        {
            Self::post(tx, letter).await?;
        }
        Ok(())
    }

    /// Waits until a letter was written down in this process.
    pub async fn letter_posted(&self) {
        self.posted.notified().await;
    }

    /// Takes the letter that is due the longest, if one is, but for those that the caller has still under way.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn due_letter(&self, under_way: &[Uuid]) -> Result<Option<DueLetter>, DbError> {
        // One of a kind that is not known is a newer version's, which will take it.
        let kinds = LetterKind::ALL.map(LetterKind::as_str);
        let mail = match self.db.take_due_mail(&kinds, under_way, LEASE).await {
            Ok(mail) => mail,
            Err(DbError::NoResultFound) => return Ok(None),
            Err(err) => return Err(err),
        };
        let kind = LetterKind::parse(&mail.kind);
        Ok(kind.map(|kind| DueLetter { mail, kind }))
    }

    /// Makes a letter that is due, with a new token where it has one: the one before is dead then. Nothing, when nobody is to
    /// have it (any more).
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn write_letter(&self, due: &DueLetter) -> Result<Option<Letter>, DbError> {
        let mail = &due.mail;
        let (kind, token) = match due.kind {
            LetterKind::PasswordReset => match self.reset_token_for(mail).await? {
                Some(token) => (due.kind, Some(token)),
                None => return Ok(None),
            },
            LetterKind::EmailVerification | LetterKind::EmailChange | LetterKind::Registration => {
                match self.verification_token_for(due).await? {
                    Some(token) => self.unless_taken(due, token).await?,
                    None => return Ok(None),
                }
            }
            LetterKind::EmailChanged => match self.undo_token_for(due.mail.subject_id).await? {
                Some(token) => (due.kind, Some(token)),
                None => return Ok(None),
            },
            LetterKind::PasswordChanged
            | LetterKind::EmailChangeRequested
            | LetterKind::AddressTaken
            | LetterKind::NewSignIn => (due.kind, None),
        };
        let message_id = match &token {
            Some(_) => format!("{}.{}", mail.id, mail.attempts),
            None => mail.id.to_string(),
        };
        Ok(Some(Letter {
            message_id,
            kind,
            language: Language::parse(&mail.language).unwrap_or_default(),
            recipient: mail.recipient.clone(),
            created_at: mail.created_at,
            ip: mail.ip.clone(),
            token,
        }))
    }

    /// A letter with this token; or, where its address is to become an account's and is one's already, a letter that tells the
    /// owner so. Whoever asked for it finds everything as if it had been sent.
    async fn unless_taken(
        &self,
        due: &DueLetter,
        token: (Token, Duration),
    ) -> Result<(LetterKind, Option<(Token, Duration)>), DbError> {
        if due.kind != LetterKind::EmailVerification {
            let address = &*due.mail.recipient;
            match self.db.find_user_by([("email", address)]).await {
                Ok(_) => return Ok((LetterKind::AddressTaken, None)),
                Err(DbError::NoResultFound) => {}
                Err(err) => return Err(err),
            }
        }
        Ok((due.kind, Some(token)))
    }

    /// A new reset token for the account with the address that a letter goes to, if there is one. The same questions are asked
    /// and a row is written in either case, so that nothing else waits longer in one of them.
    async fn reset_token_for(
        &self,
        mail: &outgoing_mail::Model,
    ) -> Result<Option<(Token, Duration)>, DbError> {
        let token = Token::generate(TokenKind::PasswordReset);
        let digest = token.digest();
        let lifetime = self.policy.reset_token_lifetime;
        let now = self.db.clock().now();
        let tx = self.db.begin().await?;
        let set = tx.set_reset_token(
            &mail.recipient,
            digest.as_str(),
            now + super::time_delta(lifetime),
        );
        let has_account = match set.await {
            Ok(()) => true,
            Err(DbError::NoResultFound) => false,
            Err(err) => return Err(err),
        };
        match tx.keep_mail(mail, now + LEASE).await {
            Ok(()) => tx.commit().await?,
            // Somebody else has the letter by now, and makes the token.
            Err(DbError::NoResultFound) => return Ok(None),
            Err(err) => return Err(err),
        }
        Ok(has_account.then_some((token, lifetime)))
    }

    /// A new token for the verification or the registration that a letter is about, if that is waited for still.
    async fn verification_token_for(
        &self,
        due: &DueLetter,
    ) -> Result<Option<(Token, Duration)>, DbError> {
        let Some(id) = due.mail.subject_id else {
            return Ok(None);
        };
        let lifetime = self.policy.verification_lifetime;
        let expires_at = self.db.clock().now() + super::time_delta(lifetime);
        let (token, stored) = if due.kind == LetterKind::Registration {
            let token = Token::generate(TokenKind::Registration);
            let digest = token.digest();
            let stored = self
                .db
                .set_registration_token(id, digest.as_str(), expires_at);
            (token, stored.await)
        } else {
            let token = Token::generate(TokenKind::EmailVerification);
            let digest = token.digest();
            let stored = self
                .db
                .set_email_verification_token(id, digest.as_str(), expires_at);
            (token, stored.await)
        };
        match stored {
            Ok(()) => Ok(Some((token, lifetime))),
            Err(DbError::NoResultFound) => Ok(None),
            Err(err) => Err(err),
        }
    }

    /// Notes that nothing is left to do for a letter.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn letter_done(&self, due: &DueLetter) -> Result<(), DbError> {
        self.db.finish_mail(&due.mail, None).await
    }

    /// Notes that a letter could not be sent. It is tried again after 1 s, 2 s, 4 s and so on, a minute at most, for three
    /// days. A letter that the server refuses for good is tried five times in a little over four hours: it may be that the
    /// server is not in order, and it may be that there is no such mailbox.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn letter_failed(
        &self,
        due: &DueLetter,
        error: &str,
        is_refusal: bool,
    ) -> Result<(), DbError> {
        let (mail, now) = (&due.mail, self.db.clock().now());
        // A server can say anything, and PostgreSQL's text has no NUL.
        let letters = error.chars().filter(|letter| *letter != '\0');
        let error = &*letters.take(LONGEST_ERROR).collect::<String>();
        let refusals = mail.refusals + i32::from(is_refusal);
        let pause = if mail.created_at + PATIENCE < now {
            None
        } else if is_refusal {
            let refused_before = usize::try_from(mail.refusals).unwrap_or(0);
            PAUSES_AFTER_REFUSALS.get(refused_before).copied()
        } else {
            let doublings = u32::try_from(mail.attempts - 1).unwrap_or(0).min(6);
            Some((TimeDelta::seconds(1) * (1 << doublings)).min(LONGEST_PAUSE))
        };
        let Some(pause) = pause else {
            let (id, kind) = (mail.id, &*mail.kind);
            tracing::error!(%id, kind, error = without_addresses(error), "a letter is given up");
            return self.db.finish_mail(mail, Some(error)).await;
        };
        let (id, kind) = (mail.id, &*mail.kind);
        tracing::warn!(%id, kind, error = without_addresses(error), "a letter was not sent");
        self.db
            .postpone_mail(mail, now + pause, refusals, error)
            .await
    }

    /// Deletes some of the letters that were sent or given up two days ago, and of what waits for an answer to one that nobody
    /// can give any more. Says whether there may be more.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn sweep_letters(&self) -> Result<bool, DbError> {
        let now = self.db.clock().now();
        // The letter was given up, a token was never made.
        let before = now - PATIENCE - LEASE - LONGEST_PAUSE;
        let more = [
            self.db.delete_mails_finished_before(now - KEPT).await?,
            self.db.delete_expired_email_verifications(before).await?,
            self.db.delete_expired_registrations(before).await?,
            self.db
                .delete_reset_tokens_expired_before(now - LONGEST_PROLONGATION)
                .await?,
            self.db.delete_expired_one_time_tokens().await?,
        ];
        Ok(more.contains(&true))
    }
}

/// What a mail server said, without the addresses in it: those stay out of the log.
fn without_addresses(error: &str) -> String {
    let words = error.split(' ').map(|word| {
        if word.contains('@') {
            "<address>"
        } else {
            word
        }
    });
    words.collect::<Vec<_>>().join(" ")
}
