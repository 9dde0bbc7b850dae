//! What receivers need reaches the sender and back: a smaller tile gets a smaller picture, an encoding that nobody shows
//! is not encoded, and one that is wanted again is there at once. A phone in a full room shows as many as it decodes.

use super::call::{Call, Visitor};
use super::crowd::{Crowd, Guest};
use super::page::{Page, Sent, Slot, Terrace, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn a_small_window_gets_a_small_picture_and_a_large_one_a_large_picture() {
    let call = Call::start().await;
    let camera = call.join(Visitor::camera("camera")).await;
    let desktop = call.join(Visitor::desktop("desktop")).await;
    desktop.until_size("camera", 1280, 720).await;

    // The window shrinks; nobody asked for less, the tile is smaller.
    desktop.resize(200, 180).await;
    desktop.until_size("camera", 320, 180).await;
    badge_tells_the_truth(&desktop, "viewport").await;

    // What nobody shows is not even encoded any more.
    let idle = camera.until("only the small encoding leaves", |seen| {
        let (q, h, f) = (sent(seen, "q")?, sent(seen, "h")?, sent(seen, "f")?);
        (q.active && q.kbps > 0.0 && !h.active && !f.active && f.kbps == 0.0).then_some((h.bytes, f.bytes))
    });
    let idle = idle.await;
    desktop.until_more_frames("camera", 60).await;
    let still = camera.look().await;
    assert_eq!(idle, (sent(&still, "h").unwrap().bytes, sent(&still, "f").unwrap().bytes), "not a byte more");

    // And back. The encoder has to be woken for it.
    desktop.resize(1280, 900).await;
    desktop.until_size("camera", 1280, 720).await;
    let woken = camera.until("the large encoding leaves", |seen| {
        sent(seen, "f").filter(|f| f.active && f.fps > 0.0 && f.height == 720).map(|f| f.bytes)
    });
    assert!(woken.await > idle.1);
    assert_eq!(desktop.look().await.problems, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hidden_tile_gets_nothing_and_comes_back() {
    let call = Call::start().await;
    let camera = call.join(Visitor::camera("camera")).await;
    let desktop = call.join(Visitor::desktop("desktop")).await;
    desktop.until_size("camera", 1280, 720).await;
    desktop.run("document.querySelector('.area').style.display = 'none'").await;
    let hidden = desktop.until("nothing is sent", |seen| {
        let slot = seen.video_of("camera")?;
        (slot.rid.is_none()).then(|| slot.reason.clone())
    });
    assert_eq!(hidden.await.as_deref(), Some("hidden"));
    let quiet = |seen: &Terrace| seen.sent.iter().all(|encoding| !encoding.active).then_some(());
    camera.until("the camera encodes nothing", quiet).await;
    desktop.run("document.querySelector('.area').style.display = ''").await;
    desktop.until_more_frames("camera", 30).await;
    desktop.until_size("camera", 1280, 720).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_among_eight_cameras_gets_four_pictures() {
    let call = Call::start_plain().await;
    const NAMES: [&str; 8] = ["Ana", "Björn", "Chidi", "Dana", "Emre", "Fatou", "Goro", "Hana"];
    let guests: Vec<Guest> = (0..).zip(NAMES).map(|(at, name)| Guest::new(name, at * 45)).collect();
    let crowd = Crowd::join(&call, &guests).await;
    let phone = call.join(Visitor::phone("phone")).await;

    let decoding = |seen: &Terrace| {
        let decodes = |slot: &&Slot| slot.decoded.is_some_and(|decoded| decoded.frames_decoded > 0);
        seen.slots.iter().filter(|slot| slot.kind == "video").filter(decodes).count()
    };
    let listed =
        phone.until("four pictures", |seen| (decoding(seen) == 4).then_some(seen.participants.len()));
    assert_eq!(listed.await, 8, "everybody is listed");
    let videos = phone.look().await.slots.iter().filter(|slot| slot.kind == "video").count();
    assert_eq!(videos, 4, "a phone offers four slots");

    // Whoever is not shown encodes for nobody: their encodings stop, and no byte follows.
    eventually("four of eight cameras stop".to_owned(), async || match crowd.idle().await {
        4 => Ok(()),
        idle => Err(format!("{idle} are idle")),
    })
    .await;
    until_all_go_on(&phone).await;
}

/// Every picture moves on, or stands because the page said that this machine decodes no more: a busy one does.
async fn until_all_go_on(phone: &Page) {
    let frames = |slot: &Slot| slot.decoded.map_or(0, |decoded| decoded.frames_decoded);
    let before: Vec<u64> = phone.look().await.slots.iter().map(frames).collect();
    phone
        .until("the four go on", |seen| {
            let mut videos = seen.slots.iter().zip(&before).filter(|(slot, _)| slot.kind == "video");
            let fine = |(slot, before): (&Slot, &u64)| {
                frames(slot) >= before + 5
                    || frames(slot) < *before // a slot that moved to another section counts anew
                    || slot.reason.as_deref() == Some("device_decode_budget")
            };
            videos.all(fine).then_some(())
        })
        .await;
}

fn sent<'a>(seen: &'a Terrace, rid: &str) -> Option<&'a Sent> {
    seen.sent.iter().find(|encoding| encoding.rid == rid)
}

/// What the badge shows is what the server said, and the dialog has the sentence for it.
async fn badge_tells_the_truth(page: &Page, reason: &str) {
    page.until("the server's reason", |seen| {
        (seen.video_of("camera")?.reason.as_deref() == Some(reason)).then_some(())
    })
    .await;
    let on_badge = format!("document.querySelector('[data-mid] .badge').dataset.reason === '{reason}'");
    page.until_js("the same on the badge", &on_badge).await;
    page.click("[data-mid] .badge").await;
    let sentence = page.text("dialog .because").await;
    assert!(sentence.contains("because this tile shows no more"), "{sentence}");
    page.click("dialog header button").await;
}
