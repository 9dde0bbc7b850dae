//! What people do in a call besides looking at each other: writing, sharing a screen, pinning, looking inside.

use super::call::{Call, ROOM, Visitor};
use super::driver::Screen;

#[tokio::test(flavor = "multi_thread")]
async fn what_one_writes_the_others_read() {
    let call = Call::start().await;
    let ana = call.join(Visitor::desktop("Ana")).await;
    let ben = call.join(Visitor::phone("Ben")).await;
    ana.until("Ben is here", |seen| seen.names().contains(&"Ben").then_some(())).await;

    ana.click("button[title=Chat]").await;
    ana.write(".chat input", "Hello <b>Ben</b> & all").await;
    ben.until_js("one unread", "document.querySelector('.unread').textContent === '1'").await;
    ben.click("button[title=Chat]").await;
    assert_eq!(ben.text(".chat .log li p:last-child").await, "Hello <b>Ben</b> & all");
    ben.until_js("none is left", "document.querySelector('.unread').hidden").await;

    ben.write(".chat input", "Hello Ana").await;
    let both = "document.querySelectorAll('.chat .log li').length === 2";
    ana.until_js("the answer", both).await;
    assert_eq!(ana.text(".chat .log li:last-child").await.lines().last(), Some("Hello Ana"));
    assert_eq!(ana.look().await.problems, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_weak_uplink_is_shown_to_the_others() {
    let call = Call::start().await;
    let ana = call.join(Visitor::desktop("Ana")).await;
    let (fingerprint, _) = call.server.summary.certificate.as_ref().unwrap();
    let ben = client::Options {
        trust: client::Trust::Fingerprint(*fingerprint.as_bytes()),
        ..client::Options::new(ROOM, "Ben")
    };
    let ben = client::Participant::join(&call.server.summary.url, ben).await.unwrap();
    ana.until("Ben is here", |seen| seen.names().contains(&"Ben").then_some(())).await;
    for weak in [true, false] {
        let data = serde_json::json!({ "weak": weak });
        ben.send_message(signalling::OutgoingMessage { to: None, data });
        let shown = "!!document.querySelector('.tile:not(.own)[aria-label=\"Ben: weak connection, microphone off, camera off\"]')";
        ana.until_js("the word on the tile", &format!("{shown} === {weak}")).await;
        if weak {
            ana.picture("weak-uplink").await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shared_screen_is_a_picture_of_its_own() {
    let call = Call::start().await;
    let ana = call.join(Visitor::new("Ana", Screen::SMALL, "&video=320x180&audio=off")).await;
    let ben = call.join(Visitor::desktop("Ben")).await;
    ben.until_more_frames("Ana", 10).await;

    ana.press("button[title='Share screen']").await;
    ana.until_js("sharing is said", "!document.querySelector('.sharing').hidden").await;
    let large = "document.querySelector('.tile.screen.on-stage video')?.videoWidth > 0";
    ben.until_js("the screen is large", large).await;
    ana.picture("sharing").await;
    ben.picture("shared-screen").await;
    let sources = "JSON.stringify(terrace.participants[0].publications.filter(p => p.kind === 'video' && !p.muted)\
                   .map(p => p.source).sort()) === '[\"camera\",\"screen\"]'";
    ben.until_js("camera and screen are two publications", sources).await;
    ben.until_js(
        "both are decoded",
        "terrace.slots.filter(s => s.decoded?.framesDecoded > 10 && s.publication).length === 2",
    )
    .await;

    ana.click(".sharing button").await;
    ben.until_js("the screen is gone", "!document.querySelector('.tile.screen')").await;
    ben.until_more_frames("Ana", 10).await;
    assert_eq!(ana.look().await.problems, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_is_felt_and_seen_and_lifted() {
    let call = Call::start().await;
    let _camera = call.join(Visitor::camera("camera")).await;
    let desktop = call.join(Visitor::desktop("desktop")).await;
    desktop.until_size("camera", 1280, 720).await;

    desktop.click("button[title='Look inside']").await;
    desktop.click(".chip[data-bps='350000']").await;
    desktop.until_size("camera", 320, 180).await;
    let badge = "document.querySelector('[data-mid] .badge').dataset.reason === 'bandwidth'";
    desktop.until_js("the true reason", badge).await;
    // What is drawn is also said.
    let readout = desktop.text(".readout").await;
    assert!(readout.contains("camera") && readout.contains("180p"), "{readout}");
    desktop
        .until_js(
            "the plot has the fall",
            "terrace.history.some(s => s.slots.some(x => x.height === 720)) && \
        terrace.history.at(-1).slots[0].height === 180",
        )
        .await;

    desktop.click(".chip[data-bps='']").await;
    desktop.until_size("camera", 1280, 720).await;
    assert_eq!(desktop.look().await.problems, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_can_be_used_by_keys_and_every_control_has_a_name() {
    let call = Call::start().await;
    let _camera = call.join(Visitor::new("camera", Screen::SMALL, "&video=320x180&audio=off")).await;
    let page = call.join(Visitor::desktop("page")).await;
    page.until_more_frames("camera", 10).await;

    for (key, what, expected) in [
        ("g", "the grid", "!document.querySelector('.on-stage')"),
        ("g", "the stage", "!!document.querySelector('.on-stage')"),
        (
            "c",
            "the chat, with the focus in its field",
            "document.activeElement === document.querySelector('.chat input')",
        ),
        ("\u{e00c}", "Escape closes it", "document.querySelector('.side').hidden"),
        ("l", "the look inside", "!!document.querySelector('.side:not([hidden]) .plot')"),
        ("l", "which closes again", "document.querySelector('.side').hidden"),
        ("?", "the list of keys", "document.querySelector('dialog').open"),
        ("\u{e00c}", "Escape closes it", "!document.querySelector('dialog').open"),
    ] {
        page.key(key).await;
        page.until_js(what, expected).await;
    }
    // Names as assistive technology computes them would need its own tree; these are what it reads first.
    const NAMELESS: &str = "[...document.querySelectorAll('button, input, select, canvas, aside, nav, section')]\
        .filter(e => !(e.getAttribute('aria-label') || e.getAttribute('aria-labelledby') || e.labels?.length || e.textContent.trim()))\
        .map(e => e.outerHTML).join('\\n')";
    let nameless = page.client.execute(&format!("return {NAMELESS}"), Vec::new()).await.unwrap();
    assert_eq!(nameless, "", "controls without a name");
}
