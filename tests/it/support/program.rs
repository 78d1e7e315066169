//! The program itself, as its operator starts it.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
    thread,
};

use tempfile::TempDir;

use super::{
    LIMITS, TEST_KEY, WIDE,
    postgres::{is_root, signal},
};

/// A `bienvenue serve` that runs, killed when it is dropped.
pub struct Program {
    pub url: String,
    child: Child,
    log: mpsc::Receiver<String>,
    /// What was read of its log so far.
    said: Vec<String>,
    folder: TempDir,
}

/// The program with these arguments, in an empty folder and an environment without settings.
pub fn command(arguments: &[&str], folder: &TempDir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bienvenue"));
    command
        .env_clear()
        .args(arguments)
        .current_dir(folder.path())
        .stdin(Stdio::null());
    command
}

/// The program in an environment without settings, without the rights that root has over files of others.
fn unprivileged() -> Command {
    let program = env!("CARGO_BIN_EXE_bienvenue");
    let mut command = if is_root() {
        let mut command = Command::new("setpriv");
        command.args(["--bounding-set=-all", "--inh-caps=-all", program]);
        command
    } else {
        Command::new(program)
    };
    command.env_clear();
    command
}

impl Program {
    /// Runs a command to its end, and returns whether it succeeded, what it printed, and what it
    /// complained of.
    pub fn run(arguments: &[&str], variables: &[(&str, &str)]) -> (bool, String, String) {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let output = command(arguments, &folder)
            .envs(variables.iter().copied())
            .output()
            .expect("the program is there");
        (
            output.status.success(),
            String::from_utf8(output.stdout).expect("it prints text"),
            String::from_utf8(output.stderr).expect("it prints text"),
        )
    }

    /// Runs a command with a text as its standard input, and returns its exit status, what it printed, and what it
    /// complained of. A service in this process goes on meanwhile.
    pub async fn run_with(
        arguments: &[&str],
        variables: &[(&str, &str)],
        input: &str,
    ) -> (i32, String, String) {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let mut command = command(arguments, &folder);
        command
            .env("BIENVENUE_BCRYPT_COST", "4")
            .env("BIENVENUE_KEYS", TEST_KEY)
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let input = input.to_owned();
        let done = tokio::task::spawn_blocking(move || {
            let mut child = command.spawn().expect("the program is there");
            let mut stdin = child.stdin.take().expect("it is piped");
            // It may end before it has read all.
            let _ = stdin.write_all(input.as_bytes());
            drop(stdin);
            child.wait_with_output().expect("it ends")
        });
        let output = done.await.expect("no panic");
        (
            output.status.code().expect("no signal ended it"),
            String::from_utf8(output.stdout).expect("it prints text"),
            String::from_utf8(output.stderr).expect("it prints text"),
        )
    }

    /// The same without the rights that root has over files of others.
    pub fn run_unprivileged(arguments: &[&str], variables: &[(&str, &str)]) -> (bool, String) {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let output = unprivileged()
            .args(arguments)
            .current_dir(folder.path())
            .envs(variables.iter().copied())
            .output()
            .expect("the program is there");
        let complaints = String::from_utf8(output.stderr).expect("it prints text");
        (output.status.success(), complaints)
    }

    /// As [`Program::spawn`], with arguments.
    pub fn spawn_with(arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        Self::spawn_command(command(arguments, &folder), folder, variables)
    }

    /// Starts to serve. It may not listen yet: see [`Program::wait`].
    pub fn spawn(variables: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        Self::spawn_command(command(&[], &folder), folder, variables)
    }

    fn spawn_command(mut command: Command, folder: TempDir, variables: &[(&str, &str)]) -> Self {
        let mut child = command
            .env("BIENVENUE_LISTEN", "127.0.0.1:0")
            .env("BIENVENUE_BCRYPT_COST", "4")
            .envs(LIMITS.map(|(_, variable)| (variable, WIDE)))
            .env("BIENVENUE_KEYS", TEST_KEY)
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program is there");
        let stderr = BufReader::new(child.stderr.take().expect("it is piped"));
        let (lines, log) = mpsc::channel();
        // Read all the time: a program whose log nobody reads comes to a stop.
        thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let _ = lines.send(line);
            }
        });
        Self {
            url: String::new(),
            child,
            log,
            said: Vec::new(),
            folder,
        }
    }

    /// What it logged until it was waited for.
    pub fn said(&self) -> String {
        self.said.join("\n")
    }

    /// Waits until it listens.
    #[track_caller]
    pub fn wait(self) -> Self {
        self.wait_for("serving on ")
    }

    /// Waits until it logs a text.
    #[track_caller]
    pub fn wait_for(mut self, text: &str) -> Self {
        while let Ok(line) = self.log.recv() {
            if let Some((_, rest)) = line.split_once("serving on ") {
                let (url, _) = rest.split_once(',').unwrap_or((rest, ""));
                url.clone_into(&mut self.url);
            }
            let is_it = line.contains(text);
            self.said.push(line);
            if is_it {
                return self;
            }
        }
        panic!("it ended: {}", self.said.join("\n"));
    }

    /// Where it runs.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts it where no file can grow over a number of KiB, as on a full disk, until
    /// [`Program::give_room`].
    pub fn start_without_room(kibibytes: u32, variables: &[(&str, &str)]) -> Self {
        // The soft limit alone, so that it can be lifted. Writing is to fail, not to kill.
        let limit = format!("trap '' XFSZ; ulimit -S -f {}", 2 * kibibytes);
        Self::start_limited(&limit, variables)
    }

    /// Starts it where it can have so many files and connections open.
    pub fn start_with_descriptors(descriptors: u32, variables: &[(&str, &str)]) -> Self {
        Self::start_limited(&format!("ulimit -n {descriptors}"), variables)
    }

    /// Starts it under a limit that a shell sets.
    fn start_limited(limit: &str, variables: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let script = format!("{limit}; exec \"$0\"");
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", &script, env!("CARGO_BIN_EXE_bienvenue")])
            .env_clear()
            .current_dir(folder.path());
        Self::spawn_command(command, folder, variables).wait()
    }

    /// Lets files grow again.
    pub fn give_room(&self) {
        let status = Command::new("prlimit")
            .args([
                "--pid",
                &self.child.id().to_string(),
                "--fsize=unlimited:unlimited",
            ])
            .status();
        assert!(status.expect("prlimit is there").success());
    }

    pub fn start(variables: &[(&str, &str)]) -> Self {
        Self::spawn(variables).wait()
    }

    pub fn signal(&self, name: &str) {
        signal(name, self.child.id());
    }

    /// Waits for its end, and returns how it ended and the rest of its log.
    pub fn ended(mut self) -> (ExitStatus, String) {
        let log = self.log.iter().collect::<Vec<_>>().join("\n");
        (self.child.wait().expect("it was ours"), log)
    }

    /// Kills it at once, as `kill -9` does.
    pub fn kill(mut self) {
        self.child.kill().expect("it was ours");
        self.child.wait().expect("it was ours");
    }

    /// What it was started with, as everybody on the machine can read it.
    pub fn command_line(&self) -> String {
        let bytes = std::fs::read(format!("/proc/{}/cmdline", self.child.id()));
        String::from_utf8_lossy(&bytes.expect("it runs")).into_owned()
    }

    /// The most memory that it has had in use so far, in bytes.
    pub fn most_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.expect("it runs");
        let line = status.lines().find(|line| line.starts_with("VmHWM:"));
        let kibibytes = line.and_then(|line| line.split_whitespace().nth(1));
        1024 * kibibytes
            .expect("Linux tells")
            .parse::<u64>()
            .expect("a number")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
