//! The page of the TypeScript example, served from an origin of its own.

use std::path::{Path, PathBuf};

use poem::{
    Endpoint, EndpointExt as _, Response, Server, endpoint::make_sync, http::StatusCode,
    listener::TcpAcceptor,
};
use tokio::{net::TcpListener, task::JoinHandle};

use super::Fixture;

/// The page, served until it is dropped.
pub struct Page {
    /// Its origin, as browsers write it.
    pub origin: String,
    served: JoinHandle<()>,
}

impl Fixture for Page {
    /// Where `npm ci` and `npm run build` have not been run.
    fn missing() -> Option<&'static str> {
        let is_built = ["dist/example/app.js", "node_modules/openapi-fetch"]
            .iter()
            .all(|path| folder().join(path).exists());
        let missing = "TypeScript example that is built: a frontend is not covered";
        (!is_built).then_some(missing)
    }

    async fn set_up() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("it listens").port();
        let acceptor = TcpAcceptor::from_tokio(listener).expect("it listens");
        let served = tokio::spawn(async move {
            let server = Server::new_with_acceptor(acceptor);
            server.run(files()).await.expect("it serves");
        });
        Self {
            origin: format!("http://localhost:{port}"),
            served,
        }
    }
}

impl Page {
    /// The address of the page, which is to call a service.
    pub fn calling(&self, service: &str) -> String {
        format!("{}/example/?service={service}", self.origin)
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        self.served.abort();
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/typescript")
}

/// What any server of static files does.
fn files() -> impl Endpoint<Output = Response> {
    make_sync(|request| {
        let mut path = folder().join(request.uri().path().trim_start_matches('/'));
        if path.is_dir() {
            path.push("index.html");
        }
        let kind = match path.extension().and_then(|extension| extension.to_str()) {
            Some("html") => "text/html",
            Some("css") => "text/css",
            _ => "text/javascript",
        };
        match std::fs::read(&path) {
            Ok(content) => Response::builder().content_type(kind).body(content),
            Err(_) => Response::builder().status(StatusCode::NOT_FOUND).finish(),
        }
    })
    .map_to_response()
}
