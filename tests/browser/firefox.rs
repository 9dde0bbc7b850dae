//! Firefox with Chromium in one call, each way.
//!
//! Firefox is driven over its own WebSocket (WebDriver BiDi), which needs no driver beside it: one session, one page, and
//! expressions of the page that are looked at until they are true.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::call::{Call, ROOM, Visitor};
use super::driver::Screen;

const BINARIES: [&str; 2] = ["/usr/bin/firefox-esr", "/usr/bin/firefox"];
const MISSING: &str =
    "this test needs Firefox: apt-get install firefox-esr (cargo xtask test does that as root)";
/// As in the tests with Chromium: machines that test are busy.
const DEADLINE: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// A camera and a microphone that nobody has to allow, and a call over loopback. Without a permission for good Firefox tells no address but
/// that of the default route, which is paired with no loopback.
const PREFERENCES: &str = r#"user_pref("media.navigator.streams.fake", true);
user_pref("media.navigator.permission.disabled", true);
user_pref("permissions.default.camera", 1);
user_pref("permissions.default.microphone", 1);
user_pref("media.peerconnection.ice.loopback", true);
user_pref("media.peerconnection.ice.obfuscate_host_addresses", false);
user_pref("media.autoplay.default", 0);
user_pref("app.update.enabled", false);
user_pref("browser.tabs.crashReporting.sendReport", false);
user_pref("browser.tabs.remote.autostart", true);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
"#;

/// A running Firefox with one page.
struct Firefox {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    page: String,
    sent: u64,
    _profile: tempfile::TempDir,
    _process: Child,
}

impl Firefox {
    async fn open(binary: &Path, address: &str) -> Self {
        let profile = tempfile::tempdir().unwrap();
        std::fs::write(profile.path().join("user.js"), PREFERENCES).unwrap();
        let mut process = Command::new(binary)
            .args(["--headless", "--no-remote", "--remote-debugging-port=0", "--profile"])
            .arg(profile.path())
            // As with Chromium: the sandbox cannot be set up as root in a container.
            .env("MOZ_DISABLE_CONTENT_SANDBOX", "1")
            .env("MOZ_DISABLE_SOCKET_PROCESS_SANDBOX", "1")
            .env("MOZ_CRASHREPORTER_DISABLE", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let listening = async {
            loop {
                let line = lines.next_line().await.unwrap().expect("Firefox says where it listens");
                if let Some((_, url)) = line.split_once("WebDriver BiDi listening on ") {
                    break url.trim().to_owned();
                }
            }
        };
        let url = tokio::time::timeout(DEADLINE, listening).await.expect("Firefox starts");
        // A pipe that nobody reads blocks its writer.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let (socket, _) = connect_async(format!("{url}/session")).await.unwrap();
        let mut firefox = Self { socket, page: String::new(), sent: 0, _profile: profile, _process: process };
        let wanted = json!({ "capabilities": { "alwaysMatch": { "acceptInsecureCerts": true } } });
        firefox.command("session.new", wanted).await;
        let page = firefox.command("browsingContext.create", json!({ "type": "tab" })).await;
        page["context"].as_str().unwrap().clone_into(&mut firefox.page);
        let to = json!({ "context": firefox.page, "url": address, "wait": "complete" });
        firefox.command("browsingContext.navigate", to).await;
        firefox
    }

    async fn command(&mut self, method: &str, params: Value) -> Value {
        self.sent += 1;
        let command = json!({ "id": self.sent, "method": method, "params": params });
        self.socket.send(Message::text(command.to_string())).await.unwrap();
        loop {
            let message = self.socket.next().await.expect("Firefox runs").unwrap();
            let Ok(answer) = serde_json::from_str::<Value>(message.to_text().unwrap_or_default()) else {
                continue;
            };
            if answer["id"] == self.sent {
                assert_eq!(answer["type"], "success", "{method}: {answer}");
                return answer["result"].clone();
            }
        }
    }

    /// What an expression of the page gives: a boolean, a number or a text.
    async fn evaluate(&mut self, expression: &str) -> Value {
        let params =
            json!({ "expression": expression, "awaitPromise": true, "target": { "context": self.page } });
        self.command("script.evaluate", params).await["result"]["value"].clone()
    }

    /// Chooses what to show at most of a participant, by the controls that a user has for it.
    async fn wish(&mut self, name: &str, wish: &str) {
        let id = format!("terrace.participants.find(p => p.name === '{name}').id");
        let clicks = [
            format!("`[data-participant='${{{id}}}'] .badge`"),
            format!("'dialog input[name=wish][value={wish}]'"),
            "'dialog header button'".to_owned(),
        ];
        for css in clicks {
            self.until(&css, &format!("document.querySelector({css}) !== null")).await;
            self.evaluate(&format!("document.querySelector({css}).click()")).await;
        }
    }

    async fn until(&mut self, what: &str, expression: &str) {
        let started = Instant::now();
        while self.evaluate(expression).await != true {
            if started.elapsed() > DEADLINE {
                const SEEN: &str = "JSON.stringify({ state: terrace.state, slots: terrace.slots, sent: terrace.sent, \
                                    problems: terrace.problems })";
                panic!("not within {DEADLINE:?}: {what}: {}", self.evaluate(SEEN).await);
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}

fn binary() -> &'static Path {
    BINARIES.iter().map(Path::new).find(|path| path.exists()).unwrap_or_else(|| panic!("{MISSING}"))
}

/// Firefox publishes three encodings, of which a phone and a desktop get theirs, and stops the one that nobody wants any more.
/// It is shown and played what a Chromium sends.
#[tokio::test(flavor = "multi_thread")]
async fn firefox_and_chromium_see_and_hear_each_other() {
    let call = Call::start_plain().await;
    let query = "auto=1&name=Fox&video=1280x720&fps=15&view=stage";
    let mut fox = Firefox::open(binary(), &format!("{}/r/{ROOM}?{query}", call.origin())).await;
    fox.until("connected", "window.terrace?.state === 'connected'").await;
    let desktop = call.join(Visitor::desktop("desktop")).await;
    let phone = call.join(Visitor::phone("phone")).await;

    desktop.until_size("Fox", 1280, 720).await;
    phone.until_size("Fox", 640, 360).await;
    assert_eq!(desktop.until_more_frames("Fox", 60).await, (1280, 720));
    assert_eq!(phone.until_more_frames("Fox", 30).await, (640, 360));
    let heard = "terrace.slots.some(s => s.kind === 'audio' && s.participant && s.decoded?.kbps > 0)";
    desktop.until_js("its sound is heard", heard).await;
    desktop.wish("Fox", "low").await;
    desktop.until_size("Fox", 320, 180).await;
    let largest = "terrace.sent.find(encoding => encoding.rid === 'f')";
    fox.until("what nobody wants is not encoded", &format!("{largest}.kbps === 0")).await;
    desktop.wish("Fox", "auto").await;
    desktop.until_size("Fox", 1280, 720).await;
    for page in [phone, desktop] {
        assert_eq!(page.look().await.problems, [""; 0], "{}", page.name);
        page.close().await;
    }

    let small = Visitor::new("Chrome", Screen::SMALL, "&video=640x360&fps=15&view=stage");
    let chrome = call.join(small).await;
    let decoded =
        "terrace.slots.some(s => s.kind === 'video' && s.participant && s.decoded?.framesDecoded > 60)";
    fox.until("Chromium's camera", decoded).await;
    fox.until("and its microphone", heard).await;
    fox.wish("Chrome", "low").await;
    let reason =
        "terrace.slots.some(s => s.kind === 'video' && s.participant && s.reason === 'user_request')";
    fox.until("a smaller picture, since its user says so", reason).await;
    assert_eq!(fox.evaluate("terrace.problems.join()").await, "", "Firefox does not complain");
    assert_eq!(chrome.look().await.problems, [""; 0]);
}
