//! The pictures of the README and the book: a call as a desktop and a phone show it.
//!
//! `cargo xtask screenshots` runs this with `TERRACE_PICTURES` naming the folder to write to; without it the pictures are
//! taken and thrown away, so that a state that cannot be reached fails the tests.

use std::path::{Path, PathBuf};

use super::call::{Call, Visitor};
use super::driver::Screen;
use super::page::{Page, Terrace};
use super::scenery::{self, Scene};

const LANDSCAPES: [(&str, Scene); 4] = [
    ("Björn", Scene { hue: 212.0, shape: 2.4 }),
    ("Chidi", Scene { hue: 22.0, shape: 4.1 }),
    ("Ana", Scene { hue: 152.0, shape: 1.0 }),
    ("Robin", Scene { hue: 262.0, shape: 5.6 }),
];

/// Where pictures go that are kept.
fn kept() -> Option<PathBuf> {
    std::env::var_os("TERRACE_PICTURES").map(PathBuf::from)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_on_a_desktop_and_on_a_phone() {
    let call = Call::start().await;
    let folder = kept().unwrap_or_else(|| call.driver.folder());
    std::fs::create_dir_all(&folder).unwrap();
    let film = |index: usize, size| {
        let (name, scene) = LANDSCAPES[index];
        scenery::camera_flag(&call.driver.folder(), name, scene, size)
    };
    let query = |(width, height): (usize, usize), more: &str| {
        format!("&video={width}x{height}&fps={}{more}", scenery::FPS)
    };

    // What is kept shows what the product does, on a machine with nothing else to do. Otherwise it is enough that every
    // state is reached: four cameras and six pages are more than two busy cores encode and draw in time.
    let (large, small) = if kept().is_some() { ((1280, 720), (640, 360)) } else { ((640, 360), (320, 180)) };
    let mut guests = Vec::new();
    for (index, (name, _)) in LANDSCAPES.iter().enumerate().take(3) {
        // The last to come is the only one who speaks.
        let speaks = *name == "Ana";
        let (size, sound) = if speaks { (large, "") } else { (small, "&audio=off") };
        let guest = Visitor::new(name, Screen::SMALL, &query(size, sound)).with_flag(film(index, size));
        let guest = if speaks { guest.with_flag(scenery::voice_flag(&call.driver.folder())) } else { guest };
        guests.push(call.join(guest).await);
    }
    let screen = Screen { width: 1200, height: 720, ..Screen::DESKTOP };
    let robin =
        Visitor::new("Robin", screen, &query(small, "&audio=off&view=stage")).with_flag(film(3, small));
    let desktop = call.join(robin).await;
    let phone = call.join(Visitor::phone("Kim").in_the_dark()).await;

    for page in [&desktop, &phone] {
        for (name, _) in &LANDSCAPES[..3] {
            page.until_more_frames(name, 30).await;
        }
        let speaks = "document.querySelector('.tile.on-stage.speaking .name')?.textContent === 'Ana'";
        page.until_js("the speaker is on the stage, with a ring", speaks).await;
    }
    if kept().is_some() {
        phone.until_size("Ana", 640, 360).await;
        // Pictures become sharp as the sender's rate rises.
        desktop.until_more_frames("Ana", 400).await;
        desktop.until_size("Ana", 1280, 720).await;
        let smooth = |seen: &Terrace| seen.decoded_of("Ana").filter(|decoded| decoded.fps > 13.5).map(drop);
        desktop.until("Ana moves smoothly", smooth).await;
    }
    take(&desktop, &folder, "desktop.png").await;
    take(&phone, &folder, "phone.png").await;
    phone.click(".on-stage .badge").await;
    take(&phone, &folder, "phone-why.png").await;
    desktop.click(".controls button[title='Show grid']").await;
    desktop.until_js("a grid", "!document.querySelector('.on-stage')").await;
    desktop.until_more_frames("Ana", 60).await;
    take(&desktop, &call.driver.folder(), "grid.png").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_join_screen_with_a_camera_and_without_one() {
    let call = Call::start().await;
    let folder = kept().unwrap_or_else(|| call.driver.folder());
    std::fs::create_dir_all(&folder).unwrap();
    let (_, scene) = LANDSCAPES[3];
    let film = scenery::camera_flag(&call.driver.folder(), "film", scene, (640, 360));
    let screen = Screen { width: 1200, height: 720, ..Screen::DESKTOP };
    let visitor = Visitor::new("Robin", screen, "&video=640x360").with_flag(film);
    let ready = call.visit(&call.origin(), visitor).await;
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
