//! A throwaway PostgreSQL server, from the binaries that the machine has.

use std::{
    net::{TcpListener, TcpStream},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU16, Ordering},
    thread::sleep,
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// A server and its data, both gone when it is dropped. It ends with the thread that started it, too.
pub struct Postgres {
    folder: TempDir,
    port: u16,
    server: Option<Child>,
}

impl Postgres {
    /// Makes a new cluster and starts it; nothing where PostgreSQL is not installed.
    pub fn start() -> Option<Self> {
        binaries()?;
        let folder = tempfile::tempdir().expect("there is room for a folder");
        give_to_somebody(folder.path());
        let data = folder.path().join("data");
        check(
            unprivileged("initdb")
                .args([
                    "--no-sync",
                    "--auth=trust",
                    "--username=postgres",
                    "--locale=C.UTF-8",
                ])
                .arg("-D")
                .arg(data)
                .stdout(Stdio::null()),
        );
        let port = lasting_port();
        let mut postgres = Self {
            folder,
            port,
            server: None,
        };
        postgres.resume();
        Some(postgres)
    }

    pub fn is_installed() -> bool {
        binaries().is_some()
    }

    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Starts it (again), with the data that it has. It refuses while a process of the server before it still ends, and is
    /// then started again, as a supervisor does.
    pub fn resume(&mut self) {
        let begun = Instant::now();
        while !self.is_up() {
            let has_ended = |server: &mut Child| server.try_wait().is_ok_and(|end| end.is_some());
            if self.server.as_mut().is_none_or(has_ended) {
                self.server = Some(self.spawn());
            }
            assert!(
                begun.elapsed() < Duration::from_secs(30),
                "PostgreSQL does not come up"
            );
            sleep(Duration::from_millis(20));
        }
    }

    fn spawn(&self) -> Child {
        unprivileged("postgres")
            .arg("-D")
            .arg(self.folder.path().join("data"))
            .args(["-p", &self.port.to_string()])
            // Nothing here outlives the run, and many small databases are made.
            .args(["-c", "fsync=off", "-c", "max_connections=400"])
            .args([
                "-c",
                "listen_addresses=127.0.0.1",
                "-c",
                "unix_socket_directories=",
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("postgres starts")
    }

    /// Whether it takes connections: a whole conversation, for it listens before it is ready.
    fn is_up(&self) -> bool {
        TcpStream::connect(("127.0.0.1", self.port)).is_ok()
            && unprivileged("pg_isready")
                .args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()])
                .status()
                .is_ok_and(|status| status.success())
    }

    /// Kills it, as an outage does.
    pub fn stop(&mut self) {
        if let Some(mut server) = self.server.take() {
            signal("QUIT", server.id());
            server.wait().expect("it was ours");
        }
    }

    /// Kills it and all of its processes as they are, as `kill -9` does.
    pub fn kill(&mut self) {
        // It is not to have another child meanwhile.
        signal("STOP", self.server.as_ref().expect("it runs").id());
        self.signal_all("KILL");
        let mut server = self.server.take().expect("it runs");
        server.wait().expect("it was ours");
    }

    /// Stops it from doing anything, with its connections open: a hanging disk, a machine that is gone.
    pub fn freeze(&self) {
        // It is not to have another child meanwhile.
        signal("STOP", self.server.as_ref().expect("it runs").id());
        self.signal_all("STOP");
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal_all("CONT");
    }

    fn signal_all(&self, name: &str) {
        let server = self.server.as_ref().expect("it runs").id();
        let children = format!("/proc/{server}/task/{server}/children");
        let children = std::fs::read_to_string(children).expect("it runs");
        for id in children
            .split_whitespace()
            .chain([server.to_string().as_str()])
        {
            // A child may have ended since the list was made.
            let _ = Command::new("kill")
                .args(["-s", name, id])
                .stderr(Stdio::null())
                .status();
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if self.server.is_some() {
            self.thaw();
        }
        self.stop();
    }
}

/// Sends a signal to a process.
pub fn signal(name: &str, process: u32) {
    check(Command::new("kill").args(["-s", name, &process.to_string()]));
}

fn check(command: &mut Command) {
    let status = command.status().expect("the command is there");
    assert!(status.success(), "{command:?} failed");
}

/// Lets [`as_somebody`] write in a folder.
pub fn give_to_somebody(folder: &Path) {
    if is_root() {
        let owner = format!("{}:", unprivileged_user());
        check(Command::new("chown").arg("-R").arg(owner).arg(folder));
    }
}

pub fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// PostgreSQL refuses to run as root.
fn unprivileged_user() -> &'static str {
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    if users.lines().any(|line| line.starts_with("postgres:")) {
        "postgres"
    } else {
        "nobody"
    }
}

/// A command of PostgreSQL's, as somebody who is not root, that ends when this process does.
fn unprivileged(name: &str) -> Command {
    as_somebody(&binaries().expect("PostgreSQL is installed").join(name))
}

/// A command that runs as somebody who is not root, and ends when this process does.
pub fn as_somebody(binary: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.arg("--pdeathsig=KILL");
    if is_root() {
        let user = unprivileged_user();
        command.args([
            &format!("--reuid={user}"),
            &format!("--regid={}", group_of(user)),
            "--init-groups",
        ]);
    }
    command.arg(binary).current_dir("/");
    command
}

/// The first group of a user.
fn group_of(user: &str) -> String {
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let line = users
        .lines()
        .find(|line| line.split(':').next() == Some(user));
    let group = line.and_then(|line| line.split(':').nth(3));
    group.unwrap_or(user).to_owned()
}

/// A free port that stays free while the server on it is down: outside the range from which connections get theirs, or one of
/// another test could take it meanwhile. Source: Linux, `ip_local_port_range`, from 32768.
fn lasting_port() -> u16 {
    // Servers that start at the same moment get different ones.
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    let begin = 20_000 + (std::process::id() % 10_000) as u16;
    (begin..32_768)
        .map(|_| begin + TAKEN.fetch_add(1, Ordering::SeqCst))
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("there is a free port")
}

/// A program of PostgreSQL, such as `pg_dump`.
pub fn postgres_program(name: &str) -> PathBuf {
    binaries().expect("PostgreSQL is installed").join(name)
}

/// Where PostgreSQL's server is: on the path, or where Debian puts it, the newest first.
fn binaries() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut debian: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|version| version.path().join("bin"))
        .collect();
    debian.sort();
    std::env::split_paths(&path)
        .chain(debian.into_iter().rev())
        .find(|folder| has_server(folder))
}

fn has_server(folder: &Path) -> bool {
    ["postgres", "initdb", "pg_isready"]
        .iter()
        .all(|name| folder.join(name).is_file())
}
