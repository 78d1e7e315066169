//! The whole service: settings, database, [`Auth`] and the faces, joined.

use std::{error::Error, io, net::SocketAddr, time::Duration};

use futures_util::FutureExt as _;
use poem::{Endpoint as _, EndpointExt as _};
use tokio::{net::TcpListener, time::MissedTickBehavior};

use crate::{
    api,
    auth::{Auth, PasswordChecks, SealingKeyError},
    config::{Settings, SettingsError},
    db::{self, DB, DbError},
    http::{self, Edge},
    mail::{self, Mailer},
    pages,
};

/// The interval between clean-ups of expired data.
const SWEEP_INTERVAL: Duration = Duration::from_secs(30);

/// The interval between checkpoints of the audit log.
const SEAL_INTERVAL: Duration = Duration::from_secs(10);

/// How long the service, when it stops, tries to put the last events into a checkpoint.
const LAST_SEAL_LIMIT: Duration = Duration::from_secs(2);

/// The longest interval between clean-ups of accounts that were never verified. Their query costs the database more
/// than others.
const LONGEST_UNVERIFIED_INTERVAL: Duration = Duration::from_hours(1);

/// A service with its port and its database, ready to answer.
pub struct App {
    listener: TcpListener,
    db: DB,
    auth: Auth,
    mailer: Mailer,
    settings: Settings,
}

/// The reason why the service did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting is invalid.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The database can't be opened or migrated.
    #[error("the database can't be used")]
    Db(#[from] DbError),
    /// The key can't be used. Says which setting, and why.
    #[error("{variable} {source}")]
    Key {
        /// The environment variable of the setting.
        variable: &'static str,
        /// The cause.
        source: SealingKeyError,
    },
    /// The port can't be opened.
    #[error(
        "can't listen on {0}: set BIENVENUE_LISTEN to an address of this machine and a port that no other program uses"
    )]
    Listen(SocketAddr, #[source] io::Error),
}

impl App {
    /// Opens and migrates the database, and opens the port.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(settings: &Settings) -> Result<Self, StartError> {
        settings.check()?;
        let db = DB::open(&settings.database).await?;
        Self::start_on(db, settings).await
    }

    /// Like [`App::start`], with an open database and checked settings.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start_on(db: DB, settings: &Settings) -> Result<Self, StartError> {
        let mailer = Mailer::open(&settings.mail_options(), db.clock());
        let mailer = mailer.map_err(SettingsError::from)?;
        let address = settings.listen.listen;
        let listener = TcpListener::bind(address)
            .await
            .map_err(|err| StartError::Listen(address, err))?;
        Ok(Self {
            listener,
            auth: open_auth(db.clone(), settings).await?,
            db,
            mailer,
            settings: settings.clone(),
        })
    }

    /// The operations that its faces offer.
    #[must_use]
    pub fn auth(&self) -> &Auth {
        &self.auth
    }

    /// The address that it listens on.
    ///
    /// # Errors
    /// The error of the system, if it does not know the address.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers requests until `stop` is ready. Then it accepts no more, lets running requests end, for 10 s at most,
    /// and returns.
    ///
    /// Meanwhile it sends emails that are due, puts events of the audit log into checkpoints, and deletes expired data.
    pub async fn serve(self, stop: impl Future<Output = ()>) {
        let options = self.settings.http_options();
        let edge = Edge::new(&self.auth, &options);
        let json = (api::FACE, api::routes(&self.auth));
        // Failures of the pages are answered as the API does: the script of the pages calls the API and knows its
        // problems.
        let pages = (
            pages::face(api::FACE.refuse),
            pages::routes(&self.settings.application()),
        );
        let endpoint = http::faces(&edge, json, vec![pages])
            .around(async |endpoint, request| db::limited(endpoint.call(request)).await);
        let stop = stop.shared();
        let serve = http::serve(self.listener, endpoint, options, stop.clone());
        let deliver = mail::deliver(self.auth.outbox(), self.mailer, stop);
        let unverified_lifetime = self.settings.policy().unverified_lifetime;
        tokio::select! {
            _ = async { tokio::join!(serve, deliver) } => {}
            () = sweep(&self.auth, &self.db) => {}
            () = sweep_unverified(&self.auth, unverified_lifetime) => {}
            () = seal(&self.auth) => {}
        }
        let sealed = seal_all(&self.auth);
        if tokio::time::timeout(LAST_SEAL_LIMIT, sealed).await.is_err() {
            tracing::warn!(
                "the last audit events are in no checkpoint yet: the next start makes one"
            );
        }
    }
}

/// Joins a database and settings to the operations of the service, without the faces.
///
/// # Errors
/// [`StartError`].
pub(crate) async fn open_auth(db: DB, settings: &Settings) -> Result<Auth, StartError> {
    let auth = Auth::new(db, settings.policy());
    let auth = match auth.with_keys(&settings.key.source()).await {
        Ok(auth) => auth,
        Err(SealingKeyError::Db(err)) => return Err(err.into()),
        Err(source) => {
            let variable = settings.key.variable();
            return Err(StartError::Key { variable, source });
        }
    };
    let breached_passwords_url = settings.password.breached_passwords_url.as_ref();
    let checks = PasswordChecks::new(&settings.http.public_url, breached_passwords_url);
    Ok(auth.with_password_checks(checks))
}

/// Deletes expired data in a loop.
async fn sweep(auth: &Auth, db: &DB) {
    let mut interval = tokio::time::interval(SWEEP_INTERVAL);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        sweep_all(|| Box::pin(auth.sweep())).await;
        if let Err(err) = db.empty_log().await {
            let error = &err as &dyn Error;
            tracing::warn!(error, "the write-ahead log of SQLite could not be emptied");
        }
    }
}

/// Deletes accounts that were never verified nor used, in a loop. The first time is after a pause. So an operator who
/// has changed the setting, or the version, by mistake has some time to change it back.
async fn sweep_unverified(auth: &Auth, lifetime: Option<Duration>) {
    let Some(lifetime) = lifetime else {
        return std::future::pending().await;
    };
    let pause = (lifetime / 60).clamp(SWEEP_INTERVAL, LONGEST_UNVERIFIED_INTERVAL);
    loop {
        tokio::time::sleep(pause).await;
        sweep_all(|| auth.sweep_unverified_users()).await;
    }
}

/// Puts events of the audit log into checkpoints, in a loop.
async fn seal(auth: &Auth) {
    let mut interval = tokio::time::interval(SEAL_INTERVAL);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        seal_all(auth).await;
    }
}

/// Puts all events of the audit log into checkpoints.
async fn seal_all(auth: &Auth) {
    if let Err(err) = repeated(|| Box::pin(auth.seal_audit_events())).await {
        let error = &err as &dyn Error;
        tracing::warn!(error, "audit events could not be put into a checkpoint");
    }
}

/// Cleans up until nothing is left.
async fn sweep_all<F>(sweep_some: impl Fn() -> F)
where
    F: Future<Output = Result<bool, DbError>>,
{
    if let Err(err) = repeated(sweep_some).await {
        let error = &err as &dyn Error;
        tracing::warn!(error, "expired data could not be deleted");
    }
}

/// Does batches of some work until nothing is left.
async fn repeated<F>(do_some: impl Fn() -> F) -> Result<(), DbError>
where
    F: Future<Output = Result<bool, DbError>>,
{
    while do_some().await? {}
    Ok(())
}
