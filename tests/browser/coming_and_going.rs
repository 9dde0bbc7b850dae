//! People come, reload, lose their connection and leave; the others' pictures go on.

use std::sync::Arc;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::call::{Call, Visitor};
use super::detour::Detour;
use super::driver::Screen;

#[tokio::test(flavor = "multi_thread")]
async fn others_come_and_go_without_harm() {
    let call = Call::start().await;
    let camera = call.join(Visitor::camera("camera")).await;
    let desktop = call.join(Visitor::desktop("desktop")).await;
    desktop.until_size("camera", 1280, 720).await;

    let guest = call.join(Visitor::new("guest", Screen::SMALL, "&video=off&audio=off")).await;
    guest.until_more_frames("camera", 30).await;
    desktop.until_more_frames("camera", 60).await;
    for page in [&camera, &desktop] {
        page.until("the guest is listed", |seen| seen.names().contains(&"guest").then_some(())).await;
    }
    // Whoever goes elsewhere leaves at once, not after a timeout.
    guest.client.goto("about:blank").await.unwrap();
    for page in [&camera, &desktop] {
        page.until("the guest is gone", |seen| (!seen.names().contains(&"guest")).then_some(())).await;
    }
    assert_eq!(desktop.until_more_frames("camera", 60).await, (1280, 720));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_comes_back() {
    let call = Call::start().await;
    let camera = call.join(Visitor::camera("camera")).await;
    let desktop = call.join(Visitor::desktop("desktop")).await;
    desktop.until_size("camera", 1280, 720).await;

    // Who watches reloads.
    let before = desktop.look().await.own;
    desktop.client.refresh().await.unwrap();
    let after =
        desktop.until("back in the call", |seen| (seen.state == "connected").then(|| seen.own.clone())).await;
    assert_ne!(before, after, "a reload leaves and joins");
    desktop.until_size("camera", 1280, 720).await;
    camera.until("one desktop, not two", |seen| (seen.names() == ["desktop"]).then_some(())).await;

    // Who sends reloads.
    camera.client.refresh().await.unwrap();
    camera.until("back in the call", |seen| (seen.state == "connected").then_some(())).await;
    desktop.until_size("camera", 1280, 720).await;
    desktop.until("one camera, not two", |seen| (seen.names() == ["camera"]).then_some(())).await;
    desktop.until_more_frames("camera", 60).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn media_outlives_a_lost_socket() {
    let call = Call::start().await;
    let _camera = call.join(Visitor::camera("camera")).await;
    let bridge = Bridge::to(call.server.address.port()).await;
    let origin = format!("https://127.0.0.1:{}", bridge.port);
    let desktop = call.join_at(&origin, Visitor::desktop("desktop")).await;
    desktop.until_size("camera", 1280, 720).await;

    let before = desktop.look().await.own;
    bridge.cut();
    desktop.until("the loss is noticed", |seen| (seen.state == "reconnecting").then_some(())).await;
    let words = desktop.text(".bar").await;
    assert!(words.contains("the call goes on"), "{words}");
    desktop.picture("socket-lost").await;
    desktop.until_more_frames("camera", 60).await;
    bridge.mend();
    desktop.until("the socket is back", |seen| (seen.state == "connected").then_some(())).await;
    assert_eq!(desktop.look().await.own, before, "the participant was resumed, not replaced");
    desktop.until_more_frames("camera", 60).await;
    // The connection works in both directions: a wish arrives and has its effect.
    desktop.wish("camera", "low").await;
    desktop.until_size("camera", 320, 180).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_path_for_media_is_told_and_comes_back() {
    let call = Call::start().await;
    let _camera = call.join(Visitor::new("camera", Screen::SMALL, "&video=640x360")).await;
    let detour = Detour::around(&call).await;
    let desktop = call.join(Visitor::desktop("desktop").prepared_by(detour.script())).await;
    desktop.until_more_frames("camera", 30).await;

    let before = desktop.look().await.own;
    detour.cut();
    desktop.until("the loss is noticed", |seen| (seen.state == "reconnecting").then_some(())).await;
    desktop.until_js("and told", &bar("are interrupted")).await;
    desktop.picture("media-lost").await;
    detour.mend();
    desktop.until("media is back", |seen| (seen.state == "connected").then_some(())).await;
    assert_eq!(desktop.look().await.own, before, "the participant stayed");
    desktop.until_more_frames("camera", 60).await;
}

/// Whether the bar over a call says this.
fn bar(words: &str) -> String {
    format!("document.querySelector('.bar:not([hidden])')?.textContent.includes('{words}')")
}

#[tokio::test(flavor = "multi_thread")]
async fn media_that_never_comes_through_is_explained() {
    let call = Call::start().await;
    let detour = Detour::around(&call).await;
    detour.cut();
    let visitor = Visitor::new("Robin", Screen::PHONE, "&video=off&audio=off").prepared_by(detour.script());
    let page = call.visit(&call.origin(), visitor).await;
    page.click("button[type=submit]").await;
    page.until_js("told what is in the way", &bar("A firewall or VPN may block it")).await;
    page.picture("media-blocked").await;
    detour.mend();
    page.until("nothing needs a reload", |seen| (seen.state == "connected").then_some(())).await;
}

/// Sockets go where nobody answers, as when their certificate is not accepted; everything else passes.
const WITHOUT_SOCKETS: &str = "const Plain = WebSocket;
    globalThis.WebSocket = class extends Plain { constructor() { super('wss://127.0.0.1:9/', 'terrace.v1'); } };";

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_that_is_refused_where_the_page_loads_is_explained() {
    let call = Call::start().await;
    let visitor = Visitor::new("Robin", Screen::PHONE, "&video=off&audio=off");
    let page = call.visit(&call.origin(), visitor.prepared_by(WITHOUT_SOCKETS.to_owned())).await;
    page.click("button[type=submit]").await;
    page.until_js("told what to do", &bar("Accept the certificate")).await;
    page.picture("socket-refused").await;
}

/// Keeps the data channels that the page makes, for a test to look at and to close.
const KEEPING_CHANNELS: &str = "globalThis.channels = [];
    const create = RTCPeerConnection.prototype.createDataChannel;
    RTCPeerConnection.prototype.createDataChannel = function (...of) {
      const channel = create.apply(this, of);
      globalThis.channels.push(channel);
      return channel;
    };";

#[tokio::test(flavor = "multi_thread")]
async fn messages_outlive_a_lost_socket_and_a_lost_data_channel() {
    let call = Call::start().await;
    let bridge = Bridge::to(call.server.address.port()).await;
    let origin = format!("https://127.0.0.1:{}", bridge.port);
    let camera =
        Visitor::new("Ben", Screen::SMALL, "&video=320x180").prepared_by(KEEPING_CHANNELS.to_owned());
    let ben = call.join(camera).await;
    let ana = call.join_at(&origin, Visitor::desktop("Ana").prepared_by(KEEPING_CHANNELS.to_owned())).await;
    ana.until_more_frames("Ben", 10).await;
    let open = "globalThis.channels.length === 1 && globalThis.channels[0].readyState === 'open'";
    for page in [&ana, &ben] {
        page.until_js("messages have a data channel", open).await;
        page.click("button[title=Chat]").await;
    }

    bridge.cut();
    ana.until("the loss is noticed", |seen| (seen.state == "reconnecting").then_some(())).await;
    ana.write(".chat input", "can you hear me?").await;
    let log = |count: usize| format!("document.querySelectorAll('.chat .log li').length === {count}");
    ben.until_js("it went over the data channel", &log(1)).await;
    ben.write(".chat input", "yes").await;
    ana.until_js("and the answer as well", &log(2)).await;
    assert_eq!(ana.look().await.state, "reconnecting", "all that without the socket");
    ana.until_more_frames("Ben", 10).await;

    // The socket is back and the channel is gone: the call goes on, and so does the talk.
    bridge.mend();
    ana.until("the socket is back", |seen| (seen.state == "connected").then_some(())).await;
    ana.client.execute("globalThis.channels[0].close()", Vec::new()).await.unwrap();
    ana.until_js("closed", "globalThis.channels[0].readyState === 'closed'").await;
    ana.write(".chat input", "and now?").await;
    ben.until_js("over the socket", &log(3)).await;
    ben.write(".chat input", "still").await;
    ana.until_js("both ways", &log(4)).await;
    ana.until_more_frames("Ben", 30).await;
    assert_eq!(ana.look().await.problems, [""; 0]);
}

/// A way to the server for TCP that can be cut; media by UDP does not pass here.
struct Bridge {
    port: u16,
    whole: watch::Sender<bool>,
    connections: Arc<std::sync::atomic::AtomicUsize>,
}

impl Bridge {
    async fn to(port: u16) -> Bridge {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own_port = listener.local_addr().unwrap().port();
        let (whole, watching) = watch::channel(true);
        let connections = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let counter = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let mut watching = watching.clone();
                if !*watching.borrow() {
                    continue;
                }
                counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                tokio::spawn(async move {
                    // At the end of a test the server is gone before the page is.
                    let Ok(mut far) = TcpStream::connect(("127.0.0.1", port)).await else { return };
                    tokio::select! {
                        _ = copy_bidirectional(&mut near, &mut far) => {}
                        _ = watching.wait_for(|whole| !whole) => {}
                    }
                });
            }
        });
        Bridge { port: own_port, whole, connections }
    }

    fn cut(&self) {
        assert!(
            self.connections.load(std::sync::atomic::Ordering::Relaxed) > 0,
            "the page came over the bridge"
        );
        self.whole.send_replace(false);
    }

    fn mend(&self) {
        self.whole.send_replace(true);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_without_camera_is_heard_of_and_starts_one_later() {
    let call = Call::start().await;
    let desktop = call.join(Visitor::desktop("desktop")).await;
    let late = call.join(Visitor::new("late", Screen::SMALL, "&video=off&audio=off")).await;
    let listed = desktop.until("listed without a picture", |seen| {
        (seen.names() == ["late"] && seen.decoded_of("late").is_none()).then_some(())
    });
    listed.await;
    late.click(".controls button[title='Start camera']").await;
    desktop.until_more_frames("late", 30).await;
    // Pausing needs no new agreement: the others are told, and the picture goes on where it was.
    const MUTED: &str =
        "terrace.participants[0].publications.some(({ kind, muted }) => kind === 'video' && muted)";
    late.click(".controls button[title='Stop camera']").await;
    desktop.until_js("the camera is off", MUTED).await;
    late.click(".controls button[title='Start camera']").await;
    desktop.until_js("the camera is on", &format!("!({MUTED})")).await;
    desktop.until_more_frames("late", 30).await;
    late.click(".controls .leave").await;
    late.until_js("the end is said", "document.querySelector('.ending')?.textContent.includes('You left')")
        .await;
    late.picture("left").await;
}
