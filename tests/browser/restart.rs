//! A server is killed in the middle of a call and started again: everybody is back, as who they were, with what they wanted.

use std::time::{Duration, Instant};

use server::config::Config;

use super::call::{Call, Visitor};
use super::driver::Driver;
use super::page::Page;
use crate::killable::Killable;

fn config(port: u16) -> Config {
    let mut config = Config { listen: ([127, 0, 0, 1], port).into(), ..Config::default() };
    config.tls.plain_http = true;
    config
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_has_its_participants_back() {
    let driver = Driver::start().await;
    let (killable, server) = Killable::start(&config(0)).await;
    let port = server.address.port();
    let call = Call { server, driver };
    let camera = call.join(Visitor::camera("camera")).await;
    let desktop = call.join(Visitor::desktop("desktop")).await;
    desktop.until_more_frames("camera", 10).await;
    camera.click(".controls button[title=Mute]").await;
    desktop.until_js("the microphone is off", MUTED).await;
    desktop.wish("camera", "low").await;
    desktop.until_size("camera", 320, 180).await;
    watch_for_return(&desktop).await;

    let Call { server, driver: _driver } = call;
    killable.kill(server);
    desktop.until_js("the loss is said", "!document.querySelector('.bar').hidden").await;
    desktop.picture("server-gone").await;
    let (_killable, _server) = Killable::start(&config(port)).await;
    let started = Instant::now();
    for page in [&camera, &desktop] {
        page.until("back in the call", |seen| (seen.state == "connected").then_some(())).await;
    }
    desktop.until_js("the picture is back", "window.returned === true").await;
    let took = started.elapsed();
    eprintln!("the picture is back {} ms after the restart", took.as_millis());
    assert!(
        took < Duration::from_secs(20),
        "five seconds is the promise, and a busy machine has its moods: {took:?}"
    );

    assert_eq!(desktop.look().await.names(), ["camera"]);
    assert_eq!(camera.look().await.names(), ["desktop"]);
    desktop.until_js("the microphone is still off", MUTED).await;
    desktop.until_more_frames("camera", 60).await;
    // What was asked for in the tile's menu still is.
    let low =
        "terrace.slots.find(({ kind, participant }) => kind === 'video' && participant)?.height === 180";
    desktop.until_js("as small as was asked for", low).await;
}

const MUTED: &str =
    "terrace.participants[0]?.publications.some(({ source, muted }) => source === 'microphone' && muted)";

/// Has the page itself notice the first frame of a new stream: asking it from outside takes longer than it may take.
async fn watch_for_return(page: &Page) {
    page.run(
        "const former = new Set([...document.querySelectorAll('.tile:not(.own) video')].map(video => video.srcObject));
         window.returned = false;
         const look = setInterval(() => {
           const back = [...document.querySelectorAll('.tile:not(.own) video')]
             .some(video => video.srcObject && !former.has(video.srcObject) && video.getVideoPlaybackQuality().totalVideoFrames > 0);
           if (back) { window.returned = true; clearInterval(look); }
         }, 20);",
    )
    .await;
}
