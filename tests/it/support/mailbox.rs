//! Letters that arrived, in files or at a mail server.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::LazyLock,
    time::{Duration, Instant},
};

use mail_parser::MessageParser;
use tempfile::TempDir;

use super::Fixture;

/// A letter.
#[derive(Clone, Debug)]
pub struct Mail {
    pub message_id: String,
    pub from: String,
    /// Everybody that it went to.
    pub to: Vec<String>,
    pub subject: String,
    pub text: String,
    pub html: String,
}

impl Mail {
    fn read(path: &Path) -> Self {
        let bytes = fs::read(path).expect("it can be read");
        let mail = MessageParser::default().parse(&bytes).expect("a letter");
        let all = [mail.to(), mail.cc(), mail.bcc()];
        let to = all.into_iter().flatten().flat_map(|list| list.iter());
        let address =
            |address: &mail_parser::Addr<'_>| address.address().unwrap_or_default().to_owned();
        Self {
            message_id: mail.message_id().expect("it has an id").to_owned(),
            from: mail
                .from()
                .and_then(|from| from.first())
                .map(address)
                .unwrap_or_default(),
            to: to.map(address).collect(),
            subject: mail.subject().unwrap_or_default().to_owned(),
            text: mail.body_text(0).unwrap_or_default().into_owned(),
            html: mail.body_html(0).unwrap_or_default().into_owned(),
        }
    }

    /// The link in it.
    #[track_caller]
    pub fn link(&self) -> &str {
        let mut lines = self.text.lines().map(str::trim);
        lines.find(|line| line.starts_with("http")).expect("a link")
    }

    /// The token in its link.
    #[track_caller]
    pub fn token(&self) -> &str {
        self.link().split_once("#token=").expect("a token").1
    }
}

/// A folder that letters are written to.
pub struct Mailbox(TempDir);

impl Mailbox {
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("there is room for a folder"))
    }

    pub fn path(&self) -> &str {
        self.0.path().to_str().expect("text")
    }

    /// The letters so far, the oldest first.
    pub fn mails(&self) -> Vec<Mail> {
        // Their names have the time of the test's clock, which stands still.
        read(self.0.path(), |path| {
            path.extension().is_some_and(|extension| extension == "eml")
        })
    }

    /// Throws all letters away.
    pub fn empty(&self) {
        for file in fs::read_dir(self.0.path()).into_iter().flatten() {
            fs::remove_file(file.expect("a file").path()).expect("it was there");
        }
    }

    /// Waits for the letter of this number, and returns it.
    pub async fn mail(&self, number: usize) -> Mail {
        let mails = wait_for(number, || self.mails()).await;
        mails[number - 1].clone()
    }

    /// Waits for so many letters to one address, and returns the newest.
    pub async fn newest_to(&self, address: &str, number: usize) -> Mail {
        let mails = wait_for(number, || {
            let mails = self.mails().into_iter();
            mails.filter(|mail| mail.to == [address]).collect()
        })
        .await;
        mails[number - 1].clone()
    }
}

fn read(folder: &Path, is_mail: impl Fn(&Path) -> bool) -> Vec<Mail> {
    let files = fs::read_dir(folder).into_iter().flatten();
    let mut files: Vec<PathBuf> = files.map(|file| file.expect("a file").path()).collect();
    files.retain(|path| is_mail(path));
    files.sort_by_key(|path| path.metadata().and_then(|file| file.modified()).ok());
    files.iter().map(|path| Mail::read(path)).collect()
}

async fn wait_for(number: usize, mails: impl Fn() -> Vec<Mail>) -> Vec<Mail> {
    let begun = Instant::now();
    loop {
        let mails = mails();
        if mails.len() >= number {
            return mails;
        }
        assert!(
            begun.elapsed() < Duration::from_mins(1),
            "{} letters of {number} came: {mails:?}",
            mails.len()
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A mail server, made of Debian's `python3-aiosmtpd`, and what it took.
pub struct SmtpServer {
    pub port: u16,
    folder: TempDir,
    /// `smtps` or `starttls`.
    tls: Option<&'static str>,
    server: Option<Child>,
}

impl Fixture for SmtpServer {
    fn missing() -> Option<&'static str> {
        static IS_INSTALLED: LazyLock<bool> = LazyLock::new(|| {
            let mut python = Command::new("/usr/bin/python3");
            python.args(["-c", "import aiosmtpd"]).stderr(Stdio::null());
            python.status().is_ok_and(|status| status.success())
        });
        let missing = "mail server (python3-aiosmtpd): letters go to files alone";
        (!*IS_INSTALLED).then_some(missing)
    }

    /// It is not started yet.
    async fn set_up() -> Self {
        Self::new()
    }
}

impl SmtpServer {
    /// A server that is not started yet.
    pub fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        Self {
            port: listener.expect("a free port").port(),
            folder: tempfile::tempdir().expect("there is room for a folder"),
            tls: None,
            server: None,
        }
    }

    /// The same with TLS, by `smtps` or by `starttls`, with a certificate for localhost of an authority of its own.
    pub fn with_tls(mut self, kind: &'static str) -> Self {
        self.tls = Some(kind);
        let make = |name: &str, arguments: &[&str]| {
            let made = Command::new("openssl")
                .current_dir(self.folder.path())
                .args(["req", "-x509", "-newkey", "ec", "-nodes", "-days", "2"])
                .args(["-pkeyopt", "ec_paramgen_curve:prime256v1"])
                .args(["-subj", &format!("/CN={name}")])
                .args(["-keyout", &format!("{name}.key")])
                .args(["-out", &format!("{name}.pem")])
                .args(arguments)
                .stderr(Stdio::null())
                .status();
            assert!(made.expect("openssl is installed").success(), "{name}");
        };
        make("authority", &[]);
        let issued = ["-CA", "authority.pem", "-CAkey", "authority.key"];
        let is_server = [
            "-addext",
            "subjectAltName=DNS:localhost",
            "-addext",
            "basicConstraints=critical,CA:FALSE",
        ];
        make("server", &[issued, is_server].concat());
        self
    }

    /// The certificate of its authority.
    pub fn authority(&self) -> String {
        let file = self.folder.path().join("authority.pem");
        file.to_str().expect("it is text").to_owned()
    }

    pub fn start(&mut self) {
        let address = format!("127.0.0.1:{}", self.port);
        let certificate = ["server.pem", "server.key"];
        let tls = self.tls.map(|kind| [&[kind][..], &certificate].concat());
        let server = Command::new("/usr/bin/python3")
            .current_dir(self.folder.path())
            .args(["-c", include_str!("smtp_server.py")])
            .arg(self.port.to_string())
            .arg(self.folder.path().join("maildir"))
            .args(tls.unwrap_or_default())
            .stderr(Stdio::null())
            .spawn()
            .expect("it is installed");
        self.server = Some(server);
        let begun = Instant::now();
        while TcpStream::connect(&address).is_err() {
            assert!(
                begun.elapsed() < Duration::from_secs(20),
                "it does not come up"
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub fn stop(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.kill().expect("it was ours");
            server.wait().expect("it was ours");
        }
    }

    /// What it took so far, in no order.
    pub fn mails(&self) -> Vec<Mail> {
        read(&self.folder.path().join("maildir/new"), |_| true)
    }

    /// How many it took so far.
    pub fn count(&self) -> usize {
        let files = fs::read_dir(self.folder.path().join("maildir/new"));
        files.into_iter().flatten().count()
    }

    /// Waits until it has taken so many.
    pub async fn wait_for(&self, number: usize) -> Vec<Mail> {
        wait_for(number, || self.mails()).await
    }
}

impl Drop for SmtpServer {
    fn drop(&mut self) {
        self.stop();
    }
}
