//! The figures of docs/performance.md, measured on this machine: `cargo bench --bench figures`
//!
//! A figure that is compared is measured in turn with what it is compared to, several times, and the
//! medians are shown: what the machine does meanwhile then hits both. The load comes from wrk, which must
//! be installed.

#![expect(
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    reason = "figures for people, of a program for this machine"
)]

use std::{
    env,
    error::Error,
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use poem::{Route, Server, get, handler, listener::TcpListener as Listener, web::Json};
use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_bienvenue");

/// How often whatever is compared is measured.
const ROUNDS: usize = 5;

/// Told so, this program is poem with nothing but the root.
const BARE_POEM: &str = "--serve-bare-poem";

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let arguments: Vec<_> = env::args().collect();
    if let [_, flag, address] = &arguments[..]
        && flag == BARE_POEM
    {
        return serve_bare_poem(address);
    }
    if Command::new("wrk")
        .arg("-v")
        .stdout(Stdio::null())
        .spawn()
        .is_err()
    {
        return Err("the load comes from wrk: apt-get install wrk".into());
    }
    size()?;
    cold_start()?;
    root()?;
    memory()?;
    registrations()
}

/// The binary, in bytes.
fn size() -> Result<()> {
    let megabytes = fs::metadata(PROGRAM)?.len() as f64 / 1e6;
    println!("binary: {megabytes:.1} MB");
    Ok(())
}

/// From the start of the process to its first answer.
fn cold_start() -> Result<()> {
    let mut empty = Vec::new();
    let mut existing = Vec::new();
    for _ in 0..4 * ROUNDS {
        let folder = tempfile::tempdir()?;
        for times in [&mut empty, &mut existing] {
            let service = Service::start(PROGRAM, &[], folder.path())?;
            times.push(service.started_in.as_secs_f64() * 1e3);
        }
    }
    println!(
        "cold start on SQLite: {:.1} ms on an empty file, {:.1} ms on an existing one",
        median(&mut empty),
        median(&mut existing)
    );
    Ok(())
}

/// `GET /` against poem with nothing else.
fn root() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let ours = Service::start(PROGRAM, &[], folder.path())?;
    let itself = env::current_exe()?;
    let address = free_address()?;
    let itself = itself.to_str().ok_or("a path that is text")?;
    let bare = Service::at(
        address,
        itself,
        &[BARE_POEM, &address.to_string()],
        folder.path(),
    )?;
    let (mut our_rates, mut bare_rates, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let our_rate = wrk(&ours, 32, 4, None)?;
        let bare_rate = wrk(&bare, 32, 4, None)?;
        our_rates.push(our_rate);
        bare_rates.push(bare_rate);
        ratios.push(our_rate / bare_rate);
    }
    println!(
        "GET /: {:.0} requests/s, bare poem {:.0}: {:.2} of it",
        median(&mut our_rates),
        median(&mut bare_rates),
        median(&mut ratios)
    );
    Ok(())
}

/// Resident memory, idle and after requests.
fn memory() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let service = Service::start(PROGRAM, &[], folder.path())?;
    let idle = service.resident()?;
    for number in 0..10_000 {
        let path = ["/", "/health/ready", "/problems/email-taken", "/nothing"][number % 4];
        ask(service.address, path)?;
    }
    let after = service.resident()?;
    ask(service.address, "/docs/swagger-ui.js")?;
    println!(
        "resident memory: {idle:.1} MiB idle, {after:.1} MiB after 10,000 requests, {:.1} MiB once Swagger UI was shown",
        service.resident()?
    );
    Ok(())
}

/// Registrations at cost 12 against what the cores do of bcrypt when they do nothing else.
fn registrations() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let service = Service::start(PROGRAM, &[], folder.path())?;
    let (mut ours, mut alone, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let our_rate = wrk(&service, 8, 10, Some(Path::new(REGISTER)))?;
        // What was begun when the load ended is to end too.
        thread::sleep(Duration::from_secs(1));
        let alone_rate = bcrypt_alone(Duration::from_secs(10));
        ours.push(our_rate);
        alone.push(alone_rate);
        ratios.push(our_rate / alone_rate);
    }
    println!(
        "registrations at cost 12: {:.1}/s, bcrypt alone {:.1}/s: {:.2} of it",
        median(&mut ours),
        median(&mut alone),
        median(&mut ratios)
    );
    Ok(())
}

/// Registers a new address with each request; an answer other than 201 ends the run.
const REGISTER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/register.lua");

/// bcrypt hashes a second, of as many threads as there are cores.
fn bcrypt_alone(time: Duration) -> f64 {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let begun = Instant::now();
    let hashes: u32 = thread::scope(|scope| {
        let threads: Vec<_> = (0..cores)
            .map(|_| {
                scope.spawn(|| {
                    let mut done = 0;
                    while begun.elapsed() < time {
                        bcrypt::hash_with_salt("correct horse battery", 12, [7; 16])
                            .expect("cost 12");
                        done += 1;
                    }
                    done
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("no panic"))
            .sum()
    });
    f64::from(hashes) / begun.elapsed().as_secs_f64()
}

/// A process that answers HTTP, killed when it is dropped.
struct Service {
    address: SocketAddr,
    process: Child,
    started_in: Duration,
}

impl Service {
    fn start(program: &str, arguments: &[&str], folder: &Path) -> Result<Self> {
        Self::at(free_address()?, program, arguments, folder)
    }

    /// Starts a program, and waits for its first answer.
    fn at(address: SocketAddr, program: &str, arguments: &[&str], folder: &Path) -> Result<Self> {
        let begun = Instant::now();
        let process = Command::new(program)
            .args(arguments)
            .current_dir(folder)
            .env_clear()
            .env("BIENVENUE_LISTEN", address.to_string())
            .stderr(Stdio::null())
            .spawn()?;
        let mut service = Self {
            address,
            process,
            started_in: Duration::ZERO,
        };
        while ask(address, "/").is_err() {
            if begun.elapsed() > Duration::from_secs(10) {
                return Err(format!("{program} does not answer").into());
            }
            thread::sleep(Duration::from_micros(200));
        }
        service.started_in = begun.elapsed();
        Ok(service)
    }

    /// Its resident memory, in MiB.
    fn resident(&self) -> Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let kibibytes = line.and_then(|line| line.split_whitespace().nth(1));
        Ok(kibibytes.ok_or("Linux tells")?.parse::<f64>()? / 1024.0)
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

/// Sends one request and waits for the end of its answer.
fn ask(address: SocketAddr, path: &str) -> Result<()> {
    let mut stream = TcpStream::connect(address)?;
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

/// Requests a second, from so many connections for so many seconds.
fn wrk(service: &Service, connections: u32, seconds: u32, script: Option<&Path>) -> Result<f64> {
    let mut command = Command::new("wrk");
    // A registration waits for its turn to be hashed.
    command.args(["-t1", "--timeout", "10s"]);
    command.args([&format!("-c{connections}"), &format!("-d{seconds}s")]);
    if let Some(script) = script {
        command.arg("-s").arg(script);
    }
    let output = command
        .arg(format!("http://{}/", service.address))
        .output()?;
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

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// poem alone, with the same answer.
fn serve_bare_poem(address: &str) -> Result<()> {
    #[handler]
    fn greet() -> Json<Value> {
        Json(json!({"message": "Bienvenue"}))
    }

    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(Server::new(Listener::bind(address)).run(Route::new().at("/", get(greet))))?;
    Ok(())
}
