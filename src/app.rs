//! The service as a whole: settings, database, [`Auth`] and the HTTP API, joined.

use std::{error::Error, io, net::SocketAddr, time::Duration};

use futures_util::FutureExt as _;
use poem::{Endpoint as _, EndpointExt as _};
use tokio::{net::TcpListener, time::MissedTickBehavior};

use crate::{
    api,
    auth::{Auth, SealingKeyError},
    config::{OrOff, Settings, SettingsError},
    db::{self, DB, DbError},
    mail::{self, Mailer},
    server,
};

/// How often what is over is swept.
const SWEEP_INTERVAL: Duration = Duration::from_secs(30);

/// How often accounts are looked for that were never verified, at the least: it asks more of the database than other sweeps.
const LONGEST_UNVERIFIED_INTERVAL: Duration = Duration::from_hours(1);

/// A service that has its port and its database, and is ready to answer.
pub struct App {
    listener: TcpListener,
    db: DB,
    auth: Auth,
    mailer: Mailer,
    settings: Settings,
}

/// Why the service did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting makes no sense.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The database can't be opened or migrated.
    #[error("the database can't be used")]
    Db(#[from] DbError),
    /// The key can't be used: says which setting, and why.
    #[error("{variable} {source}")]
    Key {
        /// The setting.
        variable: &'static str,
        /// What is the matter.
        source: SealingKeyError,
    },
    /// The port can't be had.
    #[error("can't listen on {0}")]
    Listen(SocketAddr, #[source] io::Error),
}

impl App {
    /// Opens and migrates the database, and takes the port.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(settings: &Settings) -> Result<Self, StartError> {
        settings.check()?;
        let db = DB::open(&settings.database).await?;
        Self::start_on(db, settings).await
    }

    /// The same on a database that is open already, with settings that have been checked.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start_on(db: DB, settings: &Settings) -> Result<Self, StartError> {
        let mailer = Mailer::open(settings, db.clock())?;
        let address = settings.listen.address;
        let listener = TcpListener::bind(address)
            .await
            .map_err(|err| StartError::Listen(address, err))?;
        let auth = Auth::new(db.clone(), settings.into());
        let auth = match auth.with_keys(&settings.key.source()).await {
            Ok(auth) => auth,
            Err(SealingKeyError::Db(err)) => return Err(err.into()),
            Err(source) => {
                let variable = settings.key.variable();
                return Err(StartError::Key { variable, source });
            }
        };
        Ok(Self {
            listener,
            auth: auth.with_password_checks(settings),
            db,
            mailer,
            settings: settings.clone(),
        })
    }

    /// What the HTTP API is a door to.
    #[must_use]
    pub fn auth(&self) -> &Auth {
        &self.auth
    }

    /// The address that it listens on.
    ///
    /// # Errors
    /// What the system says, should it not know.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers requests until `stop` is ready; then takes no more, lets those that are under way end, for
    /// 10 s at most, and returns.
    ///
    /// Meanwhile it sends letters that are due, and sweeps what is over.
    pub async fn serve(self, stop: impl Future<Output = ()>) {
        let endpoint = api::endpoint(&self.auth, &self.settings)
            .around(async |endpoint, request| db::limited(endpoint.call(request)).await);
        let stop = stop.shared();
        let serve = server::serve(self.listener, endpoint, &self.settings, stop.clone());
        let deliver = mail::deliver(&self.auth, self.mailer, stop);
        tokio::select! {
            _ = async { tokio::join!(serve, deliver) } => {}
            () = sweep(&self.auth, &self.db) => {}
            () = sweep_unverified(&self.auth, self.settings.unverified_lifetime) => {}
        }
    }
}

/// Deletes, for ever, sessions that are over, letters that were sent long ago, and what else has had its time.
async fn sweep(auth: &Auth, db: &DB) {
    let mut interval = tokio::time::interval(SWEEP_INTERVAL);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        sweep_all(|| auth.sweep_sessions()).await;
        sweep_all(|| auth.sweep_letters()).await;
        sweep_all(|| auth.sweep_clients()).await;
        sweep_all(|| auth.sweep_throttles()).await;
        if let Err(err) = db.empty_log().await {
            let error = &err as &dyn Error;
            tracing::warn!(error, "the log of SQLite is not emptied");
        }
    }
}

/// Removes accounts that were never verified nor used. Not at once: whoever has just changed the setting, or the version, has
/// some time to change it back.
async fn sweep_unverified(auth: &Auth, lifetime: OrOff) {
    let Some(lifetime) = lifetime.0 else {
        return std::future::pending().await;
    };
    let pause = (lifetime / 60).clamp(SWEEP_INTERVAL, LONGEST_UNVERIFIED_INTERVAL);
    loop {
        tokio::time::sleep(pause).await;
        sweep_all(|| auth.sweep_unverified_users()).await;
    }
}

/// Sweeps until nothing is left.
async fn sweep_all<F>(sweep_some: impl Fn() -> F)
where
    F: Future<Output = Result<bool, DbError>>,
{
    loop {
        match sweep_some().await {
            Ok(true) => {}
            Ok(false) => return,
            Err(err) => {
                let error = &err as &dyn Error;
                return tracing::warn!(error, "what is over is not swept");
            }
        }
    }
}
