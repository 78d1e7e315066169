//! The service as a whole: settings, database, [`Auth`] and the HTTP API, joined.

use std::{io, net::SocketAddr};

use tokio::net::TcpListener;

use crate::{
    api::{self, Origins},
    auth::Auth,
    config::{Settings, SettingsError},
    db::{DB, DbError},
    server,
};

/// A service that has its port and its database, and is ready to answer.
pub struct App {
    listener: TcpListener,
    auth: Auth,
    origins: Origins,
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
        let address = settings.listen.address;
        let listener = TcpListener::bind(address)
            .await
            .map_err(|err| StartError::Listen(address, err))?;
        Ok(Self {
            listener,
            auth: Auth::new(db, (&settings.password).into()),
            origins: Origins::new(&settings.public_url, &settings.allowed_origins),
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
    pub async fn serve(self, stop: impl Future<Output = ()>) {
        server::serve(self.listener, api::endpoint(&self.auth, self.origins), stop).await;
    }
}
