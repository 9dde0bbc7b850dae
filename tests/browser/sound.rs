//! What is heard: repeated sound for those who take it, and sound and picture at the same time.

use super::call::{Call, Visitor};
use super::driver::Screen;
use super::page::Page;

/// Keeps the page's peer connections and looks at their statistics, of which `stats` has the last.
const WATCHING: &str = "globalThis.stats = [];
    const Native = RTCPeerConnection;
    const connections = [];
    globalThis.RTCPeerConnection = class extends Native {
      constructor(...of) { super(...of); connections.push(this); }
    };
    setInterval(async () => {
      const reports = await Promise.all(connections.map((one) => one.getStats()));
      globalThis.stats = reports.flatMap((report) => [...report.values()]);
    }, 100);
    const sound = () => globalThis.stats.find((s) => s.type === 'inbound-rtp' && s.kind === 'audio'
      && s.packetsReceived > 100 && s.totalAudioEnergy > 0);
    globalThis.size = () => sound() ? sound().bytesReceived / sound().packetsReceived : 0;";

/// A browser that knows no redundant sound.
const WITHOUT_RED: &str = "for (const one of [RTCRtpReceiver, RTCRtpSender]) {
      const all = one.getCapabilities.bind(one);
      one.getCapabilities = (kind) => {
        const found = all(kind);
        return { ...found, codecs: found.codecs.filter((codec) => codec.mimeType !== 'audio/red') };
      };
    }";

#[tokio::test(flavor = "multi_thread")]
async fn repeated_sound_is_heard_by_those_who_take_it_and_by_those_who_do_not() {
    let call = Call::start().await;
    let speaker = Visitor::new("speaker", Screen::SMALL, "&video=off&audio=red");
    let speaker = call.join(speaker.prepared_by(WATCHING.to_owned())).await;
    let listener = |name| Visitor::new(name, Screen::SMALL, "&video=off&audio=off");
    let new = call.join(listener("new").prepared_by(WATCHING.to_owned())).await;
    let old = call.join(listener("old").prepared_by(format!("{WATCHING}\n{WITHOUT_RED}"))).await;
    // The browser does not say in which form sound comes, but how much of it: the same packets with and without what they repeat.
    let mut sizes = Vec::new();
    for page in [&new, &old] {
        page.until_js("heard", "size() > 0").await;
        sizes.push(page.client.execute("return size()", Vec::new()).await.unwrap().as_f64().unwrap());
    }
    assert!(sizes[0] > 1.4 * sizes[1], "bytes of a packet: {sizes:?}");
    for page in [&speaker, &new, &old] {
        assert_eq!(page.look().await.problems, [""; 0], "{}", page.name);
    }
}

/// For how long sound waits in the browser until it is played and a picture until it is decoded, in seconds and pieces so far.
const WAITING: &str = "const of = (kind) => globalThis.stats.find((s) => s.type === 'inbound-rtp' && s.kind === kind && s.packetsReceived > 50);
    const [sound, picture] = [of('audio'), of('video')];
    return sound && picture ? [sound.timestamp, sound.jitterBufferDelay, sound.jitterBufferEmittedCount,
      picture.totalProcessingDelay, picture.framesDecoded] : null;";

/// By how much sound is ahead of the picture, in ms, over spans of half a second and more.
async fn skews(page: &Page, count: usize) -> Vec<f64> {
    let (mut found, mut before): (Vec<f64>, Option<[f64; 5]>) = (Vec::new(), None);
    for _ in 0..count * 4 {
        let value = page.client.execute(WAITING, Vec::new()).await.unwrap();
        let seen: Option<[f64; 5]> = serde_json::from_value(value).unwrap();
        if let (Some(was), Some(is)) = (before, seen) {
            let grown = |at: usize| is[at] - was[at];
            if grown(0) >= 500.0 && grown(2) > 0.0 && grown(4) > 0.0 {
                found.push(1_000.0 * (grown(3) / grown(4) - grown(1) / grown(2)));
                before = seen;
            }
        } else {
            before = before.or(seen);
        }
        if found.len() == count {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(250)).await;
    }
    found
}

/// ITU-R BT.1359: people notice sound that is more than 45 ms early or 125 ms late. The browser is not asked to keep the two
/// together, as slots change their publishers one by one, so that both have to be on time by themselves. What left the publisher
/// together arrives together; here is what the browser adds to each.
#[tokio::test(flavor = "multi_thread")]
async fn sound_and_picture_of_a_publisher_are_played_together() {
    let call = Call::start().await;
    let _speaker = call.join(Visitor::new("speaker", Screen::SMALL, "&video=640x360&fps=15")).await;
    let viewer = call.join(Visitor::desktop("viewer").prepared_by(WATCHING.to_owned())).await;
    viewer.until_more_frames("speaker", 60).await;
    let mut skews = skews(&viewer, 40).await;
    assert_eq!(skews.len(), 40, "both are played");
    skews.sort_by(f64::total_cmp);
    let at = |percent: usize| skews[percent * (skews.len() - 1) / 100];
    println!("sound ahead of picture by {} ms (p5), {} ms (p50), {} ms (p95)", at(5), at(50), at(95));
    // A machine that tests shows single pictures late; the rest has to be together.
    assert!(at(50) >= -125.0 && at(50) <= 45.0, "{skews:?}");
    assert!(at(15) >= -125.0 && at(85) <= 45.0, "{skews:?}");
}
