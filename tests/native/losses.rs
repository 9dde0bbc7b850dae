//! What a bad path costs: nothing that a retransmission can bring back.

use client::link::LinkConfig;

use super::*;

fn lossy(loss: f64, delay_ms: u64) -> LinkConfig {
    LinkConfig { loss, delay: Duration::from_millis(delay_ms), ..LinkConfig::default() }
}

#[tokio::test]
async fn losses_on_the_way_down_are_repaired() {
    let server = server().await;
    let _camera = join(&server, camera(&server, "camera", 1)).await;
    let link = Some((lossy(0.0, 10), lossy(0.03, 10)));
    let watcher = join(&server, Options { link, ..desktop(options(&server, "watcher")) }).await;
    let report = wait_for(&watcher, "300 frames", |r| r.frames > 300).await;
    assert_flawless(&report);
}

#[tokio::test]
async fn losses_on_the_way_up_are_repaired() {
    let server = server().await;
    let link = Some((lossy(0.03, 10), lossy(0.0, 10)));
    let _camera = join(&server, Options { link, ..camera(&server, "camera", 1) }).await;
    let watcher = join(&server, desktop(options(&server, "watcher"))).await;
    let report = wait_for(&watcher, "300 frames", |r| r.frames > 300).await;
    assert_flawless(&report);
}
