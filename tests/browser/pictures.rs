//! The pictures of the README and the book: a call as a desktop and a phone show it.
//!
//! `cargo xtask screenshots` runs this and keeps them in docs/images. Every other state that the pages have is photographed
//! by the test that reaches it ([`Page::picture`](super::page::Page::picture)); `cargo xtask screenshots all` keeps those as well.

use super::call::{Call, Visitor};
use super::crowd::{Crowd, Guest};
use super::driver::Screen;
use super::operator;
use super::page::{Terrace, kept};
use super::scenery::{self, Scene};

const ROBIN: Scene = Scene { hue: 262.0, shape: 5.6 };

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
    desktop.picture("desktop").await;
    phone.picture("phone").await;
    phone.click(".on-stage .badge").await;
    phone.picture("phone-why").await;
    phone.click("dialog header button").await;
    phone.click("button[title=More]").await;
    phone.picture("phone-more").await;
    phone.click("dialog header button").await;
    phone.click(".controls button[title='Show grid']").await;
    phone.until_js("a grid", "!document.querySelector('.on-stage')").await;
    phone.picture("phone-grid").await;
    phone.click(".tile:not(.own) .badge").await;
    phone.click("dialog .row button").await;
    phone.until_js("a picture is pinned", "!!document.querySelector('.tile.on-stage.pinned')").await;
    phone.picture("phone-pinned").await;
    phone.click(".tile.pinned .badge").await;
    phone.click("dialog .row button").await;
    phone.until_js("a grid again", "!document.querySelector('.on-stage')").await;
    phone.click(".controls button[title='Show stage']").await;
    phone.turn().await;
    phone
        .until_js("the stage lies", "innerWidth > innerHeight && !!document.querySelector('.on-stage')")
        .await;
    phone.picture("phone-lying").await;
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
    desktop.picture("inside").await;
    let watching = operator::open(&call).await;
    operator::choose(&watching, "Robin").await;
    watching
        .until_js(
            "there is something to see",
            "document.querySelector('.readout').textContent.includes('Ana')",
        )
        .await;
    watching.picture("operator").await;
    watching.close().await;
    desktop.click(".controls button[title='Show grid']").await;
    desktop.until_js("a grid", "!document.querySelector('.on-stage')").await;
    desktop.click("button[title=Chat]").await;
    desktop.write(".chat input", "Shall we look at the terraces first?").await;
    desktop.until_js("it is written", "!!document.querySelector('.chat .own')").await;
    desktop.picture("chat").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_join_screen_with_a_camera_and_without_one() {
    let call = Call::start().await;
    let ready = call.visit(&call.origin(), robin(&call, "grid")).await;
    ready.until_js("the preview plays", "document.querySelector('.preview video').videoWidth === 640").await;
    ready.picture("join").await;
    ready.close().await;

    let denied = Visitor::new("Robin", Screen::PHONE, "").denied();
    let denied = call.visit(&call.origin(), denied).await;
    let advice = denied.text("[data-problem=denied]").await;
    assert!(advice.contains("Camera and microphone are blocked for this page"), "{advice}");
    denied.picture("join-denied").await;
    // Joining without camera works.
    denied.click("button[type=submit]").await;
    denied.until("connected", |seen| (seen.state == "connected").then_some(())).await;
    denied.until_js("nobody else is here", "!document.querySelector('.alone').hidden").await;
    denied.picture("alone").await;
    denied.click(".controls .leave").await;
    denied
        .until_js("it is over", "document.querySelector('.ending')?.textContent.includes('You left')")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_join_screen_without_any_device_and_where_none_may_be_used() {
    let call = Call::start_plain().await;
    let flag = "--use-fake-device-for-media-stream=device-count=0".to_owned();
    let missing = call.visit(&call.origin(), Visitor::new("Robin", Screen::PHONE, "").with_flag(flag)).await;
    let advice = missing.text("[data-problem=missing]").await;
    assert!(advice.contains("found") && advice.contains("join without"), "{advice}");
    missing.picture("join-no-devices").await;
    missing.close().await;

    // A name that is not this machine's own, without TLS: browsers keep devices away from such pages.
    let mapped = "--host-resolver-rules=MAP terrace.example 127.0.0.1".to_owned();
    let origin =
        call.origin().replace("127.0.0.1", "terrace.example").replace("localhost", "terrace.example");
    let insecure = call.visit(&origin, Visitor::new("Robin", Screen::PHONE, "").with_flag(mapped)).await;
    let advice = insecure.text("[data-problem=insecure]").await;
    assert!(advice.contains("https"), "{advice}");
    insecure.picture("join-insecure").await;
}
