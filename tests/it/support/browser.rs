//! A real browser: Debian's Chromium, headless, through its driver.

use std::{
    io::{BufRead as _, BufReader},
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};
use tempfile::TempDir;
use thirtyfour::{
    ChromiumLikeCapabilities as _, DesiredCapabilities, LoggingPrefsLogLevel, WebDriver,
};

use super::Fixture;

/// A browser with an empty profile and no way to the internet, closed when it is dropped.
pub struct Browser {
    pub page: WebDriver,
    driver: Child,
    _profile: TempDir,
}

impl Fixture for Browser {
    fn missing() -> Option<&'static str> {
        let is_installed = ["chromium", "chromedriver"].iter().all(|name| {
            let path = std::env::var_os("PATH").unwrap_or_default();
            std::env::split_paths(&path).any(|folder| folder.join(name).is_file())
        });
        let missing = "Chromium and its driver (chromium-driver): pages are not covered";
        (!is_installed).then_some(missing)
    }

    async fn set_up() -> Self {
        // It takes a port that is free on IPv4, and ends where that is not free on IPv6: then the next is tried.
        let (driver, port) = (0..10)
            .find_map(|_| start_driver())
            .expect("the driver says on which port it listens");
        let profile = tempfile::tempdir().expect("there is room for a folder");
        let mut chrome = DesiredCapabilities::chrome();
        for argument in [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-first-run",
            "--window-size=1280,1500",
            // Every other name is unknown, as it is where there is no internet.
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
            &format!("--user-data-dir={}", profile.path().display()),
        ] {
            chrome.add_arg(argument).expect("an argument");
        }
        chrome
            .set_browser_log_level(LoggingPrefsLogLevel::All)
            .expect("a level");
        let page = WebDriver::new(format!("http://127.0.0.1:{port}"), chrome)
            .await
            .expect("Chromium starts");
        Self {
            page,
            driver,
            _profile: profile,
        }
    }
}

impl Browser {
    /// Checks that the console has nothing to say, but for requests that were answered with these
    /// statuses: Chromium reports every failed one.
    pub async fn assert_quiet(&self, statuses: &[u16]) {
        for entry in self
            .page
            .browser_log()
            .await
            .expect("the console can be read")
        {
            let expected = statuses.iter().any(|status| {
                entry
                    .message
                    .contains(&format!("responded with a status of {status} "))
            });
            assert!(expected, "{} {}", entry.level, entry.message);
        }
    }

    /// Checks that the page as it is shown can be read on a small telephone, light and dark: that nothing is cut off or has to be
    /// moved into view, and that texts stand out. Source: WCAG 2.2, 1.4.3 and 1.4.10.
    pub async fn assert_readable(&self) {
        for scheme in ["dark", "light"] {
            self.be_small(scheme).await;
            let found = self.page.execute(include_str!("readable.js"), Vec::new());
            let found = found.await.expect("the page can be looked at");
            assert_eq!(*found.json(), json!([]), "{scheme}");
        }
    }

    /// Is a small telephone from now on, whose owner prefers a light or a dark scheme.
    pub async fn be_small(&self, scheme: &str) {
        let command = async |name: &str, parameters: Value| {
            let sent = self.page.cdp().send_raw(name, parameters).await;
            sent.expect("the browser does so");
        };
        let size = json!({"width": 360, "height": 800, "deviceScaleFactor": 1, "mobile": true});
        command("Emulation.setDeviceMetricsOverride", size).await;
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        command("Emulation.setEmulatedMedia", json!({"features": features})).await;
    }

    /// Takes a picture of the page.
    pub async fn picture(&self, path: &Path) {
        self.page.screenshot(path).await.expect("a picture");
    }

    pub async fn close(self) {
        self.page.clone().quit().await.expect("it closes");
    }
}

/// Starts the driver, and says on which port it listens, if it does.
fn start_driver() -> Option<(Child, u16)> {
    let mut driver = Command::new("chromedriver")
        .arg("--port=0")
        // A group of its own, which its browser belongs to.
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the driver is installed");
    let output = driver.stdout.take().expect("it is piped");
    let port = BufReader::new(output)
        .lines()
        .map_while(Result::ok)
        .find_map(|line| {
            let (_, port) = line.split_once("started successfully on port ")?;
            port.trim_end_matches('.').parse::<u16>().ok()
        });
    if port.is_none() {
        driver.wait().expect("it was ours");
    }
    Some((driver, port?))
}

impl Drop for Browser {
    fn drop(&mut self) {
        let group = format!("-{}", self.driver.id());
        let _ = Command::new("kill")
            .args(["-s", "KILL", "--", &group])
            .status();
        let _ = self.driver.wait();
    }
}
