//! `bienvenue serve`: serves the HTTP API until a signal stops it.

use std::error::Error;

use tokio::signal::unix::{SignalKind, signal};

use crate::{app::App, config::Settings};

pub(super) fn run(settings: &Settings) -> Result<(), Box<dyn Error>> {
    super::log::start(&settings.log)?;
    for complaint in super::unknown_variables() {
        tracing::warn!("{complaint}");
    }
    for advice in settings.advice() {
        tracing::warn!("{advice}");
    }
    super::runtime()?.block_on(async {
        // From here on signals are handled, even while the service waits for the database.
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let stop = async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        tokio::pin!(stop);
        let app = tokio::select! {
            app = App::start(settings) => app?,
            () = &mut stop => return Ok(()),
        };
        let address = app.address()?;
        let public_url = settings.http.public_url.as_str().trim_end_matches('/');
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            database = settings.database.database_url.place(),
            email = settings.mail.place(),
            registration = ?settings.registration.registration,
            trusted_proxies = %settings.http.trusted_proxies.clone().unwrap_or_default(),
            "serving on http://{address}, for browsers at {public_url}, Swagger UI at {public_url}/docs"
        );
        app.serve(stop).await;
        tracing::info!("stopped");
        Ok(())
    })
}
