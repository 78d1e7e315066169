//! `bienvenue serve`: the HTTP API, until it is told to stop.

use std::error::Error;

use tokio::signal::unix::{SignalKind, signal};

use crate::{app::App, config::Settings};

pub(super) fn run(settings: &Settings) -> Result<(), Box<dyn Error>> {
    super::log::start(&settings.log)?;
    for name in super::unknown_variables() {
        tracing::warn!("there is no setting {name}: it is ignored");
    }
    super::runtime()?.block_on(async {
        // From here on a signal is heard, also while the database is waited for.
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
        tracing::info!("serving on http://{address}, Swagger UI is at http://{address}/docs");
        app.serve(stop).await;
        tracing::info!("stopped");
        Ok(())
    })
}
