//! What a bad path costs: nothing that a retransmission can bring back. The start is another question: what is lost before
//! anything came is missed by nobody, and a keyframe is asked for.

use client::link::LinkConfig;

use super::*;

fn lossy(loss: f64, delay_ms: u64) -> LinkConfig {
    LinkConfig { loss, delay: Duration::from_millis(delay_ms), ..LinkConfig::default() }
}

/// Of ten seconds behind the first one, every frame is whole and can be decoded.
async fn all_is_repaired(watcher: &Participant) {
    let before = wait_for(watcher, "a picture", |r| r.frames > 30).await;
    let after = wait_for(watcher, "300 frames", |r| r.frames > before.frames + 300).await;
    assert_eq!(after.bad, before.bad, "{after:#?}");
    assert!(after.lost_packets - before.lost_packets <= after.switches - before.switches, "{after:#?}");
}

#[tokio::test]
async fn losses_on_the_way_down_are_repaired() {
    let server = server().await;
    let _camera = join(&server, camera(&server, "camera", 1)).await;
    let link = Some((lossy(0.0, 10), lossy(0.03, 10)));
    let watcher = join(&server, Options { link, ..desktop(options(&server, "watcher")) }).await;
    all_is_repaired(&watcher).await;
}

#[tokio::test]
async fn losses_on_the_way_up_are_repaired() {
    let server = server().await;
    let link = Some((lossy(0.03, 10), lossy(0.0, 10)));
    let _camera = join(&server, Options { link, ..camera(&server, "camera", 1) }).await;
    let watcher = join(&server, desktop(options(&server, "watcher"))).await;
    all_is_repaired(&watcher).await;
}
