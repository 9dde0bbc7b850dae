//! Two who both ask for it exchange media straight between their browsers; a third one brings them back to the server without
//! a gap, and whoever cannot reach the other directly never notices.

use super::call::{Call, Visitor};
use super::crowd::{Crowd, Guest};
use super::driver::Screen;
use super::page::{Page, Terrace, eventually};

fn small(name: &'static str, query: &str) -> Visitor {
    let screen = Screen { width: 700, ..Screen::SMALL };
    Visitor::new(name, screen, &format!("&video=640x360&fps=15{query}")).prepared_by(KEEPING.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_talk_directly_and_go_back_to_the_server_for_a_third() {
    let call = Call::start_plain().await;
    let crowd = Crowd::open(&call).await;
    let ana = call.join(small("Ana", "&direct=1")).await;
    let ben = call.join(small("Ben", "&direct=1")).await;
    let pair = [(&ben, "Ana"), (&ana, "Ben")];
    for (page, other) in pair {
        page.until(&format!("{other} comes directly"), |seen| goes_directly(seen, other).then_some(())).await;
        page.until_more_frames(other, 30).await;
        let sound =
            |seen: &Terrace| seen.slots.iter().any(|slot| slot.kind == "audio" && slot.direct).then_some(());
        page.until("and its sound", sound).await;
        let said = "document.querySelector('.tile:not(.own) .badge').dataset.reason === 'direct'";
        page.until_js("the badge says so", said).await;
        page.picture("direct").await;
    }
    // What comes later goes the same way, after another agreement between the two, and back where it came from.
    ana.press("button[title='Share screen']").await;
    let screen = "document.querySelector('.tile.screen .badge')?.dataset.reason === 'direct' \
                  && document.querySelector('.tile.screen video').videoWidth > 0";
    ben.until_js("the screen comes directly", screen).await;
    ana.click(".sharing button").await;
    ben.until_js("the screen is gone", "!document.querySelector('.tile.screen')").await;
    ben.until_more_frames("Ana", 10).await;
    // By the server goes nothing any more: what it would send is hidden, so nothing is encoded for it.
    for (page, other) in pair {
        let idle = |seen: &Terrace| {
            let slot = seen.video_of(other)?;
            let quiet = seen.sent.iter().all(|encoding| encoding.kbps == 0.0);
            (slot.rid.is_none() && slot.reason.as_deref() == Some("hidden") && quiet).then_some(())
        };
        page.until("the server is not needed", idle).await;
        page.until_more_frames(other, 15).await;
        watch_for_gaps(page).await;
    }

    crowd.enter(&[Guest { slots: 2, ..Guest::new("Eve", 30) }]).await;
    for (page, other) in pair {
        page.until(&format!("{other} by the server"), |seen| {
            (!goes_directly(seen, other) && seen.video_of(other)?.rid.is_some()).then_some(())
        })
        .await;
        page.until_more_frames(other, 30).await;
        page.until_more_frames("Eve", 5).await;
        let longest = gap(page).await;
        eprintln!("{}: no frame for {longest} ms at most on the way back to the server", page.name);
        // At 15 frames per second one takes 67 ms. A browser whose encodings were off may send one frame of a larger one and
        // then none, which the server waits two seconds for before it goes back to a smaller one.
        assert!(longest < 3_000, "{}: {longest} ms without a frame", page.name);
    }
    eventually("Eve sees both".to_owned(), async || match crowd.decoding().await[..] {
        [2] => Ok(()),
        ref seen => Err(format!("{seen:?}")),
    })
    .await;

    // And over again, once there are two.
    crowd.leave().await;
    for (page, other) in pair {
        page.until(&format!("{other} comes directly again"), |seen| goes_directly(seen, other).then_some(()))
            .await;
        page.until_more_frames(other, 15).await;
    }
    // The other's device is gone without a word: the server still has whom it has.
    ana.run("window.connections.at(-1).close()").await;
    for (page, other) in pair {
        page.until(&format!("{other} by the server"), |seen| {
            (!goes_directly(seen, other) && seen.video_of(other)?.rid.is_some()).then_some(())
        })
        .await;
        page.until_more_frames(other, 15).await;
        assert_eq!(page.look().await.problems, [""; 0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_who_did_not_ask_shows_nobody_an_address() {
    let call = Call::start_plain().await;
    let ana = call.join(small("Ana", "&direct=1")).await;
    let ben = call.join(small("Ben", "")).await;
    ana.until_more_frames("Ben", 30).await;
    ben.until_more_frames("Ana", 30).await;
    assert!(!goes_directly(&ana.look().await, "Ben"));
    ben.until_js("one connection, to the server", "window.connections.length === 1").await;
}

fn goes_directly(seen: &Terrace, name: &str) -> bool {
    seen.video_of(name)
        .is_some_and(|slot| slot.direct && slot.decoded.is_some_and(|decoded| decoded.frames_decoded > 0))
}

/// Keeps the page's connections where a test finds them.
const KEEPING: &str = "window.connections = [];
    window.RTCPeerConnection = class extends RTCPeerConnection {
      constructor(...given) { super(...given); window.connections.push(this); }
    };";

/// Has the page note for how long the other's tile showed the same frame.
async fn watch_for_gaps(page: &Page) {
    page.run(
        "const video = document.querySelector('.tile:not(.own) video');
         window.shown = { gap: 0, last: performance.now() };
         const next = (now) => {
           window.shown.gap = Math.max(window.shown.gap, now - window.shown.last);
           window.shown.last = now;
           video.requestVideoFrameCallback(next);
         };
         video.requestVideoFrameCallback(next);",
    )
    .await;
}

/// The longest time without a frame since, in milliseconds.
async fn gap(page: &Page) -> u64 {
    const LONGEST: &str =
        "return Math.round(Math.max(window.shown.gap, performance.now() - window.shown.last))";
    page.client.execute(LONGEST, Vec::new()).await.unwrap().as_u64().unwrap()
}
