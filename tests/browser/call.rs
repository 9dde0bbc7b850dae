//! A room of a test: a server of its own, and pages that join it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use serde_json::json;
use server::config::Config;
use server::{Handle, Server};
use url::Url;

use super::driver::{DENY_DEVICES, Driver, Screen};
use super::page::Page;
use super::wire::DevTools;

/// Where everybody meets.
pub(super) const ROOM: &str = "terrace-garden";

/// A server with one room, and the browsers to fill it.
pub(super) struct Call {
    pub(super) server: Handle,
    pub(super) driver: Driver,
}

/// Who joins, and on what.
pub(super) struct Visitor {
    name: &'static str,
    screen: Screen,
    query: String,
    flags: Vec<String>,
    dark: bool,
    binary: Option<PathBuf>,
    before: Option<String>,
}

impl Call {
    /// A server as an operator starts it, with a certificate of its own.
    pub(super) async fn start() -> Call {
        let driver = Driver::start().await;
        Call { server: Server::start_ephemeral(config()).await.unwrap(), driver }
    }

    /// The same on another address of this machine.
    pub(super) async fn start_on(listen: SocketAddr) -> Call {
        let driver = Driver::start().await;
        let mut config = Config { listen, ..config() };
        config.access.open = true;
        Call { server: Server::start_ephemeral(config).await.unwrap(), driver }
    }

    /// A server without TLS, whose sockets a test can open without the ceremony of a certificate.
    pub(super) async fn start_plain() -> Call {
        Call::start_plain_with(|_| {}).await
    }

    /// The same with something else configured.
    pub(super) async fn start_plain_with(configure: impl FnOnce(&mut Config)) -> Call {
        let driver = Driver::start().await;
        let mut config = config();
        config.tls.plain_http = true;
        configure(&mut config);
        Call { server: Server::start(config).await.unwrap(), driver }
    }

    /// Where the server is for browsers.
    pub(super) fn origin(&self) -> String {
        self.server.summary.url.trim_end_matches('/').to_owned()
    }

    /// Opens a browser and joins.
    pub(super) async fn join(&self, visitor: Visitor) -> Page {
        self.join_at(&self.origin(), visitor).await
    }

    /// The same by another way to the server.
    pub(super) async fn join_at(&self, origin: &str, mut visitor: Visitor) -> Page {
        visitor.query.push_str("&auto=1");
        let page = self.visit(origin, visitor).await;
        page.until("connected", |seen| (seen.state == "connected").then_some(())).await;
        page
    }

    /// Opens a browser and stays on the screen before the call.
    pub(super) async fn visit(&self, origin: &str, visitor: Visitor) -> Page {
        let Visitor { name, screen, query, flags, dark, binary, before } = visitor;
        let client = self.driver.browser(name, screen, &flags, binary.as_deref()).await;
        // Without this a window's size is that of its frame, which the page never sees.
        if !screen.mobile {
            let parameters = json!({ "width": screen.width, "height": screen.height,
                "deviceScaleFactor": screen.pixel_ratio, "mobile": false });
            let command = DevTools { command: "Emulation.setDeviceMetricsOverride", parameters };
            client.issue_cmd(command).await.unwrap();
        }
        let scheme = json!({ "name": "prefers-color-scheme", "value": if dark { "dark" } else { "light" } });
        let parameters = json!({ "features": [scheme] });
        client.issue_cmd(DevTools { command: "Emulation.setEmulatedMedia", parameters }).await.unwrap();
        // A machine that runs tests is under pressure, which a page would answer with fewer frames.
        let source = format!("delete globalThis.PressureObserver;\n{}", before.unwrap_or_default());
        let command = "Page.addScriptToEvaluateOnNewDocument";
        client.issue_cmd(DevTools { command, parameters: json!({ "source": source }) }).await.unwrap();
        let mut address =
            Url::parse(&format!("{origin}/r/{ROOM}?{}", query.trim_start_matches('&'))).unwrap();
        address.query_pairs_mut().append_pair("name", name);
        client.goto(address.as_str()).await.unwrap();
        Page { name: name.to_owned(), client }
    }
}

impl Visitor {
    /// Sends 1280x720 in three encodings. One of these per test: it takes half a core.
    pub(super) fn camera(name: &'static str) -> Visitor {
        Visitor::new(name, Screen::SMALL, "&video=1280x720")
    }

    /// Watches on a phone.
    pub(super) fn phone(name: &'static str) -> Visitor {
        Visitor::new(name, Screen::PHONE, "&video=off&audio=off")
    }

    /// Watches on a desktop, large enough for 720 lines.
    pub(super) fn desktop(name: &'static str) -> Visitor {
        Visitor::new(name, Screen::DESKTOP, "&video=off&audio=off&view=stage")
    }

    pub(super) fn new(name: &'static str, screen: Screen, query: &str) -> Visitor {
        let query = query.to_owned();
        Visitor { name, screen, query, flags: Vec::new(), dark: false, binary: None, before: None }
    }

    /// With this program in the place of the browser.
    pub(super) fn started_by(mut self, binary: PathBuf) -> Visitor {
        self.binary = Some(binary);
        self
    }

    /// With a script that runs before any of the page.
    pub(super) fn prepared_by(mut self, script: String) -> Visitor {
        self.before = Some(script);
        self
    }

    pub(super) fn with_flag(mut self, flag: String) -> Visitor {
        self.flags.push(flag);
        self
    }

    /// Without permission for camera and microphone.
    pub(super) fn denied(self) -> Visitor {
        self.with_flag(DENY_DEVICES.to_owned())
    }

    pub(super) fn in_the_dark(mut self) -> Visitor {
        self.dark = true;
        self
    }
}

fn config() -> Config {
    Config { listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), ..Config::default() }
}
