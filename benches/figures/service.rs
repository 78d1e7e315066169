//! Processes that answer HTTP, and the load on them.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{Result, bare};

const PROGRAM: &str = env!("CARGO_BIN_EXE_bienvenue");

/// A process that answers HTTP. It is killed when this is dropped.
pub struct Service {
    pub address: SocketAddr,
    pub started_in: Duration,
    process: Child,
}

impl Service {
    /// Starts bienvenue with additional settings.
    pub fn start(folder: &Path, settings: &[(&str, &str)]) -> Result<Self> {
        Self::start_program(Path::new(PROGRAM), folder, settings)
    }

    /// Starts another build of it.
    pub fn start_program(program: &Path, folder: &Path, settings: &[(&str, &str)]) -> Result<Self> {
        let address = free_address()?;
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("BIENVENUE_LISTEN", address.to_string())
            .env("BIENVENUE_THROTTLE", "off")
            // All services on one database need the same key.
            .env("BIENVENUE_KEYS", "00".repeat(32))
            .envs(settings.iter().copied());
        Self::started(address, command.current_dir(folder))
    }

    /// Starts poem without anything else.
    pub fn start_bare(database: &str) -> Result<Self> {
        let address = free_address()?;
        let mut command = Command::new(std::env::current_exe()?);
        Self::started(
            address,
            command.args([bare::SERVE, &address.to_string(), database]),
        )
    }

    /// Starts a program, and waits for its first answer.
    fn started(address: SocketAddr, command: &mut Command) -> Result<Self> {
        let begun = Instant::now();
        let mut service = Self {
            address,
            process: command.stderr(Stdio::null()).spawn()?,
            started_in: Duration::ZERO,
        };
        while service.ask("/").is_err() {
            if begun.elapsed() > Duration::from_secs(10) {
                return Err(format!("{command:?} does not answer").into());
            }
            thread::sleep(Duration::from_micros(200));
        }
        service.started_in = begun.elapsed();
        Ok(service)
    }

    /// Sends one request and waits for the end of its answer.
    pub fn ask(&self, path: &str) -> Result<()> {
        let mut stream = TcpStream::connect(self.address)?;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        )?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        if answer.starts_with(b"HTTP/1.1 ") {
            Ok(())
        } else {
            Err("no answer".into())
        }
    }

    /// The id of its process.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Its resident memory, in MiB.
    pub fn resident(&self) -> Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let kibibytes = line.and_then(|line| line.split_whitespace().nth(1));
        Ok(kibibytes.ok_or("VmRSS in /proc")?.parse::<f64>()? / 1024.0)
    }

    /// The number of its open files and connections.
    pub fn descriptors(&self) -> Result<usize> {
        Ok(fs::read_dir(format!("/proc/{}/fd", self.process.id()))?.count())
    }

    /// Measures the requests a second that wrk sends over this number of connections, for this number of seconds. The
    /// script may have arguments.
    pub fn under_wrk(&self, connections: u32, seconds: u32, script: &[&str]) -> Result<f64> {
        let mut command = Command::new("wrk");
        // A registration waits in the queue for its hash.
        command.args(["-t1", "--timeout", "10s"]);
        command.args([&format!("-c{connections}"), &format!("-d{seconds}s")]);
        if let [script, ..] = script {
            command.args(["-s", script]);
        }
        command.arg(format!("http://{}/", self.address));
        if let [_, arguments @ ..] = script {
            command.arg("--").args(arguments);
        }
        let output = command.output()?;
        let text = String::from_utf8(output.stdout)?;
        let rate = text
            .lines()
            .find_map(|line| line.strip_prefix("Requests/sec:"));
        let failed = text.contains("Non-2xx") || text.contains("Socket errors");
        match rate {
            Some(rate) if !failed => Ok(rate.trim().parse()?),
            _ => Err(format!(
                "wrk failed: {text}{}",
                String::from_utf8_lossy(&output.stderr)
            )
            .into()),
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// An answer: its status, its `Retry-After`, and its body.
pub struct Answer {
    pub status: u16,
    pub retry_after: Option<Duration>,
    pub body: Vec<u8>,
}

/// The connection of one client, which sends one request after another.
pub struct Connection(BufReader<TcpStream>);

impl Connection {
    pub fn open(service: &Service) -> Result<Self> {
        let stream = TcpStream::connect(service.address)?;
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::new(stream)))
    }

    /// Sends a request, and waits for the end of its answer.
    pub fn send(&mut self, head: &str, body: &str) -> Result<Answer> {
        let length = body.len();
        let request =
            format!("{head}\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{body}");
        self.0.get_mut().write_all(request.as_bytes())?;
        let (mut status, mut length, mut retry_after) = (None, 0, None);
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line)? == 0 {
                return Err("the connection was closed".into());
            }
            let line = line.trim_end();
            if line.is_empty() {
                break;
            }
            if let Some(rest) = line.strip_prefix("HTTP/1.1 ") {
                status = rest.get(..3).and_then(|code| code.parse().ok());
            } else if let Some(number) = line.strip_prefix("content-length: ") {
                length = number.parse()?;
            } else if let Some(seconds) = line.strip_prefix("retry-after: ") {
                retry_after = Some(Duration::from_secs(seconds.parse()?));
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body)?;
        Ok(Answer {
            status: status.ok_or("no status")?,
            retry_after,
            body,
        })
    }
}
