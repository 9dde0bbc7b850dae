//! A link to a browser that carries less than the best picture, and then more again: the picture fits, moves on, and comes
//! back to its best.
//!
//! Shaped by the kernel where the machine lets us: the browser runs in a network namespace of its own, behind a token
//! bucket (tc-tbf(8)). Elsewhere by a userspace path (`detour.rs`). What was used is printed; what is asserted is the same.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use client::link::LinkConfig;
use units::Bitrate;

use super::call::{Call, Visitor};
use super::detour::Detour;
use super::driver;
use super::page::Terrace;

/// What the best encoding, at a megabit and more, does not fit into.
const NARROW: Bitrate = Bitrate::from_kbps(500);

#[tokio::test(flavor = "multi_thread")]
async fn a_narrow_link_gets_a_picture_that_fits_and_a_wide_one_the_best() {
    let link = Shaper::new().await;
    let call = Call::start_on(link.server_address()).await;
    let _camera = call.join(Visitor::camera("camera")).await;
    let visitor = link.lead(&call, Visitor::desktop("desktop")).await;
    let desktop = call.join(visitor).await;
    // The best that the camera sends: a busy machine encodes no 720 lines, which is not the link's fault.
    let best = desktop.until("the best there is", |seen| {
        let slot = seen.video_of("camera")?;
        let told = ["optimal", "publisher_off", "viewport"].contains(&slot.reason.as_deref()?);
        slot.decoded.filter(|decoded| told && decoded.height >= 360).map(|decoded| decoded.height)
    });
    let best = best.await;

    link.narrow();
    let limited = desktop.until("the link is found to be narrow", |seen| {
        let slot = seen.video_of("camera")?;
        let link = ["bandwidth", "dwell", "startup"].contains(&slot.reason.as_deref()?);
        slot.decoded.filter(|decoded| link && decoded.height < best && decoded.height > 0)
    });
    let limited = limited.await;
    // It keeps playing: pictures come, ten seconds' worth and more, and what comes fits.
    desktop.until_more_frames("camera", 300).await;
    let fits = |seen: &Terrace| {
        let decoded = seen.decoded_of("camera")?;
        (decoded.frames_decoded > limited.frames_decoded && decoded.kbps <= NARROW.as_kbps() as f64)
            .then_some(())
    };
    desktop.until("what is received fits the link", fits).await;

    link.widen();
    desktop
        .until("the best again", |seen| seen.decoded_of("camera").filter(|now| now.height >= best).map(drop))
        .await;
    desktop.until_more_frames("camera", 90).await;
    assert_eq!(desktop.look().await.problems, [""; 0]);
}

/// How a link is made narrow.
enum Shaper {
    Kernel(Namespace),
    Userspace(OnceLock<Detour>),
}

impl Shaper {
    async fn new() -> Shaper {
        match Namespace::new() {
            Ok(namespace) => {
                eprintln!("shaped by the kernel, in {}", namespace.name);
                Shaper::Kernel(namespace)
            }
            Err(why) => {
                eprintln!("shaped in userspace: {why}");
                Shaper::Userspace(OnceLock::new())
            }
        }
    }

    fn server_address(&self) -> SocketAddr {
        match self {
            Shaper::Kernel(namespace) => SocketAddr::from((namespace.outside, 0)),
            Shaper::Userspace(_) => SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        }
    }

    /// Puts a visitor behind the link.
    async fn lead(&self, call: &Call, visitor: Visitor) -> Visitor {
        match self {
            Shaper::Kernel(namespace) => visitor.started_by(namespace.launcher(&call.driver.folder())),
            Shaper::Userspace(path) => {
                let detour = Detour::around(call).await;
                let visitor = visitor.prepared_by(detour.script());
                assert!(path.set(detour).is_ok(), "one visitor is led here");
                visitor
            }
        }
    }

    fn narrow(&self) {
        match self {
            Shaper::Kernel(namespace) => namespace.narrow(),
            Shaper::Userspace(path) => set(path, LinkConfig::limited(NARROW)),
        }
    }

    fn widen(&self) {
        match self {
            Shaper::Kernel(namespace) => namespace.widen(),
            Shaper::Userspace(path) => set(path, LinkConfig::default()),
        }
    }
}

fn set(path: &OnceLock<Detour>, config: LinkConfig) {
    path.get().expect("a visitor was led here").set_down(config);
}

/// A network namespace with one link to the outside. Both end with the test, however that ends; what a killed run left
/// behind, the next one removes.
struct Namespace {
    name: String,
    device: String,
    outside: Ipv4Addr,
}

impl Namespace {
    const PREFIX: &str = "terrace-test-";

    fn new() -> Result<Namespace, String> {
        Self::remove_leftovers();
        let process = std::process::id();
        // A network of two addresses, another one for each process that tests at the same time.
        let [_, _, high, low] = process.to_be_bytes();
        let (outside, inside) =
            (Ipv4Addr::new(10, 201, high, low & !3 | 1), Ipv4Addr::new(10, 201, high, low & !3 | 2));
        let namespace =
            Namespace { name: format!("{}{process}", Self::PREFIX), device: format!("tt{process}"), outside };
        let (name, device) = (&namespace.name, &namespace.device);
        ip(&["netns", "add", name])?;
        ip(&["link", "add", device, "type", "veth", "peer", "name", "eth0", "netns", name])?;
        ip(&["address", "add", &format!("{outside}/30"), "dev", device])?;
        ip(&["link", "set", device, "up"])?;
        ip(&["-n", name, "address", "add", &format!("{inside}/30"), "dev", "eth0"])?;
        ip(&["-n", name, "link", "set", "eth0", "up"])?;
        ip(&["-n", name, "link", "set", "lo", "up"])?;
        // Whether it can be shaped is known only by doing it.
        namespace.shape(&["add"])?;
        namespace.widen();
        Ok(namespace)
    }

    fn narrow(&self) {
        self.shape(&["add"]).unwrap();
    }

    fn widen(&self) {
        run("tc", &["qdisc", "del", "dev", &self.device, "root"]).unwrap();
    }

    fn shape(&self, how: &[&str]) -> Result<(), String> {
        let rate = format!("{}kbit", NARROW.as_kbps());
        let tail = ["dev", &self.device, "root", "tbf", "rate", &rate, "burst", "5kb", "latency", "300ms"];
        run("tc", &[&["qdisc"], how, &tail].concat())
    }

    /// A program that is the browser within the namespace; the driver talks to it by pipes, which know no networks.
    fn launcher(&self, folder: &Path) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = folder.join("browser-behind-the-link");
        let browser = driver::browser_binary();
        let script = format!("#!/bin/sh\nexec ip netns exec {} {browser} \"$@\"\n", self.name);
        std::fs::write(&path, script).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
        path
    }

    fn remove_leftovers() {
        let Ok(entries) = std::fs::read_dir("/run/netns") else { return };
        for name in entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()) {
            let process = name.strip_prefix(Self::PREFIX);
            if process.is_some_and(|process| !Path::new("/proc").join(process).exists()) {
                // Another process may be doing the same.
                let _ = ip(&["netns", "delete", &name]);
            }
        }
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // The browser may still be ending; without its link and its name the namespace ends with it.
        let _ = ip(&["link", "delete", &self.device]);
        let _ = ip(&["netns", "delete", &self.name]);
    }
}

fn ip(arguments: &[&str]) -> Result<(), String> {
    run("ip", arguments)
}

fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let said = |error: &[u8]| String::from_utf8_lossy(error).trim().to_owned();
    match Command::new(program).args(arguments).output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!("{program} {}: {}", arguments.join(" "), said(&output.stderr))),
        Err(error) => Err(format!("{program}: {error}")),
    }
}
