//! The process that starts browsers. Ends with the test, whatever happens to it, and takes its browsers along.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Map, Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::{Mutex, MutexGuard};

/// Where Debian and Google install the browser.
const BROWSERS: [&str; 4] = [
    "/usr/bin/chromium",
    "/usr/bin/chromium-browser",
    "/usr/bin/google-chrome",
    "/usr/lib/chromium/chromium",
];

const MISSING: &str = "the browser tests need Chromium and its driver: apt-get install chromium chromium-driver \
                       (cargo xtask test does that as root)";

/// Two calls at once are more than two cores encode. Between processes nextest's test group does the same.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// A running chromedriver.
pub(super) struct Driver {
    address: SocketAddr,
    // The browsers' profiles.
    folder: tempfile::TempDir,
    _process: Child,
    _turn: MutexGuard<'static, ()>,
}

impl Driver {
    /// Starts chromedriver on a free port.
    pub(super) async fn start() -> Driver {
        let turn = ONE_AT_A_TIME.lock().await;
        let mut process = Command::new("chromedriver")
            .args(["--port=0", "--log-level=WARNING"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{MISSING}: {error}"));
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let port = loop {
            let line = lines.next_line().await.unwrap().expect("chromedriver says on which port it listens");
            let words = line.rsplit_once("on port ").map(|(_, port)| port.trim_end_matches('.').to_owned());
            if let Some(port) =
                words.and_then(|port| port.parse::<u16>().ok()).filter(|_| line.contains("success"))
            {
                break port;
            }
        };
        // A pipe that nobody reads blocks its writer.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Driver {
            address: SocketAddr::from(([127, 0, 0, 1], port)),
            folder: tempfile::tempdir().unwrap(),
            _process: process,
            _turn: turn,
        }
    }

    /// A folder that lives as long as the driver.
    pub(super) fn folder(&self) -> PathBuf {
        self.folder.path().to_path_buf()
    }

    /// A browser of its own, with a profile of its own; `binary` starts it instead of the browser itself.
    pub(super) async fn browser(
        &self,
        name: &str,
        screen: Screen,
        extra: &[String],
        binary: Option<&Path>,
    ) -> Client {
        let binary = binary.unwrap_or_else(|| Path::new(browser_binary()));
        let profile = self.folder.path().join(name);
        let refused = extra.iter().any(|flag| flag == DENY_DEVICES);
        let flags = FLAGS.iter().filter(|flag| !(refused && **flag == GRANT_DEVICES));
        let mut arguments: Vec<String> = flags.map(|flag| (*flag).to_owned()).collect();
        arguments.push(format!("--user-data-dir={}", profile.display()));
        arguments.push(format!("--window-size={},{}", screen.width, screen.height));
        arguments.extend(extra.iter().cloned());
        let mut options = json!({ "binary": binary, "args": arguments });
        if screen.mobile {
            let metrics = json!({ "width": screen.width, "height": screen.height, "pixelRatio": screen.pixel_ratio,
                "touch": true, "mobile": true });
            options["mobileEmulation"] = json!({ "deviceMetrics": metrics, "userAgent": PHONE });
        }
        let capabilities: Map<String, Value> = [
            ("browserName".to_owned(), json!("chrome")),
            // The server's certificate is its own.
            ("acceptInsecureCerts".to_owned(), json!(true)),
            ("goog:chromeOptions".to_owned(), options),
            ("goog:loggingPrefs".to_owned(), json!({ "browser": "ALL" })),
        ]
        .into_iter()
        .collect();
        ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&format!("http://{}", self.address))
            .await
            .unwrap_or_else(|error| panic!("no browser for {name}: {error}"))
    }
}

/// Where the browser is on this machine.
pub(super) fn browser_binary() -> &'static str {
    BROWSERS.iter().find(|path| Path::new(path).exists()).unwrap_or_else(|| panic!("{MISSING}"))
}

/// What a page is shown on.
#[derive(Clone, Copy)]
pub(super) struct Screen {
    /// In CSS pixels.
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) pixel_ratio: f64,
    /// Touch, and a browser that calls itself a phone's.
    pub(super) mobile: bool,
}

impl Screen {
    pub(super) const DESKTOP: Screen = Screen { width: 1280, height: 900, pixel_ratio: 1.0, mobile: false };
    pub(super) const PHONE: Screen = Screen { width: 390, height: 800, pixel_ratio: 2.0, mobile: true };
    /// As small as a desktop window gets: for pages that nobody looks at.
    pub(super) const SMALL: Screen = Screen { width: 500, height: 500, pixel_ratio: 1.0, mobile: false };
}

/// Answers the question for camera and microphone with yes.
const GRANT_DEVICES: &str = "--use-fake-ui-for-media-stream";
/// Answers it with no.
pub(super) const DENY_DEVICES: &str = "--deny-permission-prompts";

const PHONE: &str = "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 \
                     Mobile Safari/537.36";

const FLAGS: [&str; 17] = [
    "--headless=new",
    // The tests may run as root in a container, where the sandbox cannot be set up.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    // Ends the browser when the driver dies, even when it is killed.
    "--remote-debugging-pipe",
    GRANT_DEVICES,
    "--use-fake-device-for-media-stream=fps=30",
    "--autoplay-policy=no-user-gesture-required",
    "--mute-audio",
    "--hide-scrollbars",
    "--no-first-run",
    "--force-prefers-reduced-motion",
    "--disable-background-networking",
    "--disable-component-update",
    // No window is in front of the others: all must be shown and timed as if they were.
    "--disable-renderer-backgrounding",
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
];
