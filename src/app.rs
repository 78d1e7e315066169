//! The service as a whole: settings, database, [`Auth`] and the HTTP API, joined.

use std::{error::Error, io, net::SocketAddr, time::Duration};

use futures_util::FutureExt as _;
use poem::{Endpoint as _, EndpointExt as _};
use tokio::{net::TcpListener, time::MissedTickBehavior};

use crate::{
    api,
    auth::Auth,
    config::{Settings, SettingsError},
    db::{self, DB, DbError},
    mail::{self, Mailer},
    server,
};

/// How often what is over is swept.
const SWEEP_INTERVAL: Duration = Duration::from_secs(30);

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
        Ok(Self {
            listener,
            auth: Auth::new(db.clone(), settings.into()),
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
        let serve = server::serve(self.listener, endpoint, stop.clone());
        let deliver = mail::deliver(&self.auth, &self.mailer, stop);
        tokio::select! {
            _ = async { tokio::join!(serve, deliver) } => {}
            () = sweep(&self.auth, &self.db) => {}
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
