//! A pooler in front of a PostgreSQL server: Debian's `PgBouncer`.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use super::{
    Fixture,
    postgres::{Postgres, as_somebody, give_to_somebody},
};

/// A pooler, gone when it is dropped.
pub struct PgBouncer {
    pub url: String,
    port: u16,
    folder: TempDir,
    process: Option<Child>,
}

impl Fixture for PgBouncer {
    fn missing() -> Option<&'static str> {
        let missing = "PgBouncer (pgbouncer): poolers are not covered";
        binary().is_none().then_some(missing)
    }

    /// It is not started yet.
    async fn set_up() -> Self {
        let port = TcpListener::bind(("127.0.0.1", 0))
            .and_then(|listener| listener.local_addr())
            .expect("there is a free port")
            .port();
        Self {
            url: format!("postgres://postgres@127.0.0.1:{port}/postgres"),
            port,
            folder: tempfile::tempdir().expect("there is room for a folder"),
            process: None,
        }
    }
}

impl PgBouncer {
    /// Starts it (again) in a mode: `session`, `transaction` or `statement`.
    pub fn start(&mut self, server: &Postgres, mode: &str) {
        self.stop();
        let (port, folder) = (self.port, self.folder.path());
        let settings = folder.join("pgbouncer.ini");
        let text = format!(
            "[databases]\n\
             postgres = host=127.0.0.1 port={} dbname=postgres user=postgres\n\
             [pgbouncer]\n\
             listen_addr = 127.0.0.1\n\
             listen_port = {port}\n\
             unix_socket_dir =\n\
             auth_type = any\n\
             pool_mode = {mode}\n\
             default_pool_size = 30\n",
            server.port()
        );
        fs::write(&settings, text).expect("writes");
        give_to_somebody(folder);
        let process = as_somebody(&binary().expect("PgBouncer is installed"))
            .arg(&settings)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("PgBouncer starts");
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(
                begun.elapsed() < Duration::from_secs(30),
                "PgBouncer does not come up"
            );
            sleep(Duration::from_millis(20));
        }
        self.process = Some(process);
    }

    fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        self.stop();
    }
}

/// On the path, or where Debian puts it, which is not on everybody's.
fn binary() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([Path::new("/usr/sbin").to_owned()])
        .map(|folder| folder.join("pgbouncer"))
        .find(|binary| binary.is_file())
}
