//! The pictures of the README and the book: a call as a desktop and a phone show it.
//!
//! `cargo xtask screenshots` runs this with `TERRACE_PICTURES` naming the folder to write to; without it the pictures are
//! taken and thrown away, so that a state that cannot be reached fails the tests.

use std::path::{Path, PathBuf};

use super::call::{Call, Visitor};
use super::crowd::{Crowd, Guest};
use super::driver::Screen;
use super::operator;
use super::page::{Page, Terrace};
use super::scenery::{self, Scene};

const ROBIN: Scene = Scene { hue: 262.0, shape: 5.6 };

/// Where pictures go that are kept.
fn kept() -> Option<PathBuf> {
    std::env::var_os("TERRACE_PICTURES").map(PathBuf::from)
}

fn folder(call: &Call) -> PathBuf {
    let folder = kept().unwrap_or_else(|| call.driver.folder());
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// The last to come is the only one who speaks. What is kept shows what the product does, on a machine with nothing else
/// to do; otherwise it is enough that every state is reached.
fn guests() -> [Guest; 3] {
    let (large, small) = if kept().is_some() { ((1280, 720), (640, 360)) } else { ((640, 360), (320, 180)) };
    let ana = Guest { size: large, fps: 12, speaks: true, ..Guest::new("Ana", 152) };
    let other = |name, hue| Guest { size: small, ..Guest::new(name, hue) };
    [other("Björn", 212), other("Chidi", 22), ana]
}

fn robin(call: &Call, view: &str) -> Visitor {
    let film = scenery::camera_flag(&call.driver.folder(), "film", ROBIN, (640, 360));
    let screen = Screen { width: 1200, height: 720, ..Screen::DESKTOP };
    let query = format!("&video=640x360&fps={}&audio=off&view={view}", scenery::FPS);
    Visitor::new("Robin", screen, &query).with_flag(film)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_on_a_desktop_and_on_a_phone() {
    let call = Call::start_plain().await;
    let folder = folder(&call);
    let _crowd = Crowd::join(&call, &guests()).await;
    let desktop = call.join(robin(&call, "stage")).await;
    let phone = call.join(Visitor::phone("Kim").in_the_dark()).await;

    for page in [&desktop, &phone] {
        for guest in guests() {
            page.until_more_frames(guest.name, 10).await;
        }
        let speaks = "document.querySelector('.tile.on-stage.speaking .name')?.textContent === 'Ana'";
        page.until_js("the speaker is on the stage, with a ring", speaks).await;
    }
    if kept().is_some() {
        phone.until_size("Ana", 640, 360).await;
        // Pictures become sharp as the sender's rate rises.
        desktop.until_more_frames("Ana", 200).await;
        desktop.until_size("Ana", 1280, 720).await;
    }
    take(&desktop, &folder, "desktop.png").await;
    take(&phone, &folder, "phone.png").await;
    phone.click(".on-stage .badge").await;
    take(&phone, &folder, "phone-why.png").await;
    phone.click("dialog header button").await;
    phone.close().await;

    // A link that becomes narrow and wide again, as it is drawn.
    desktop.click("button[title='Look inside']").await;
    // A machine of few cores may not get to the largest encodings of so many cameras.
    let (_, before) = desktop.until_more_frames("Ana", 30).await;
    desktop.click(".chip[data-bps='350000']").await;
    desktop
        .until("what fits", |seen: &Terrace| seen.decoded_of("Ana").filter(|ana| ana.height <= 180).map(drop))
        .await;
    desktop.until_more_frames("Ana", 100).await;
    desktop.click(".chip[data-bps='']").await;
    desktop
        .until("better again", |seen: &Terrace| {
            seen.decoded_of("Ana").filter(|ana| ana.height >= before).map(drop)
        })
        .await;
    desktop.until_more_frames("Ana", 100).await;
    take(&desktop, &folder, "inside.png").await;
    let watching = operator::open(&call).await;
    operator::choose(&watching, "Robin").await;
    watching
        .until_js(
            "there is something to see",
            "document.querySelector('.readout').textContent.includes('Ana')",
        )
        .await;
    take(&watching, &folder, "operator.png").await;
    watching.close().await;
    desktop.click(".controls button[title='Show grid']").await;
    desktop.until_js("a grid", "!document.querySelector('.on-stage')").await;
    desktop.click("button[title=Chat]").await;
    desktop.write(".chat input", "Shall we look at the terraces first?").await;
    desktop.until_js("it is written", "!!document.querySelector('.chat .own')").await;
    take(&desktop, &folder, "chat.png").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_join_screen_with_a_camera_and_without_one() {
    let call = Call::start().await;
    let folder = folder(&call);
    let ready = call.visit(&call.origin(), robin(&call, "grid")).await;
    ready.until_js("the preview plays", "document.querySelector('.preview video').videoWidth === 640").await;
    take(&ready, &folder, "join.png").await;
    ready.close().await;

    let denied = Visitor::new("Robin", Screen::PHONE, "").denied();
    let denied = call.visit(&call.origin(), denied).await;
    let advice = denied.text("[data-problem=denied]").await;
    assert!(advice.contains("Camera and microphone are blocked for this page"), "{advice}");
    // Joining without camera works.
    denied.click("button[type=submit]").await;
    denied.until("connected", |seen| (seen.state == "connected").then_some(())).await;
}

async fn take(page: &Page, folder: &Path, name: &str) {
    let picture = page.client.screenshot().await.unwrap();
    assert!(picture.starts_with(b"\x89PNG") && picture.len() > 10_000, "{name} shows something");
    std::fs::write(folder.join(name), picture).unwrap();
}
