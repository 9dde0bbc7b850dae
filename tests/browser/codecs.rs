//! Every video codec that the browser encodes: simulcast, and one stream of spatial layers where the codec has them.
//!
//! A second browser decodes what the first one sends, while it asks for less and for more again. Its own statistics say in which
//! codec the pictures came, how large they were and whether they froze.

use super::call::{Call, Visitor};
use super::driver::Screen;
use super::page::Page;

/// Rounds of less and more. A busy machine freezes pictures by itself, so one round without a freeze is enough: a switch that
/// freezes them does so every time.
const ROUNDS: usize = 5;

async fn number(page: &Page, field: &str) -> u64 {
    let script =
        format!("return terrace.slots.find(s => s.kind === 'video' && s.decoded)?.decoded.{field} ?? 0");
    page.client.execute(&script, Vec::new()).await.unwrap().as_u64().unwrap()
}

/// A call in that codec. `encodings`: how many streams leave the camera.
async fn a_call_in(codec: &str, layers: &str, encodings: usize) {
    let call = Call::start().await;
    // Of smaller pictures the browser leaves encodings out; nobody asks for the largest of these.
    let query = format!("&video=1280x720&fps=15&audio=off&codec={codec}&layers={layers}");
    let camera = call.join(Visitor::new("camera", Screen::SMALL, &query)).await;
    let viewer = call.join(Visitor::desktop("viewer")).await;
    viewer.until("the camera is shown", |seen| seen.decoded_of("camera")).await;
    viewer.wish("camera", "medium").await;
    viewer.until_size("camera", 640, 360).await;

    // A browser may be built without an encoder: the server's order decides then.
    let encodes =
        format!("RTCRtpSender.getCapabilities('video').codecs.some(c => /{codec}$/i.test(c.mimeType))");
    let encodes = camera.client.execute(&format!("return {encodes}"), Vec::new()).await.unwrap();
    let expected = if encodes == true { codec.to_uppercase() } else { "VP8".to_owned() };
    let came =
        format!("terrace.slots.find(s => s.kind === 'video' && s.decoded).decoded.codec === '{expected}'");
    viewer.until_js(&format!("pictures in {expected}"), &came).await;
    assert_eq!(camera.look().await.sent.len(), encodings, "streams of {expected}");

    let mut freezes = Vec::new();
    for _ in 0..ROUNDS {
        let before = number(&viewer, "freezes").await;
        viewer.wish("camera", "low").await;
        viewer.until_size("camera", 320, 180).await;
        viewer.until_more_frames("camera", 20).await;
        viewer.wish("camera", "medium").await;
        viewer.until_size("camera", 640, 360).await;
        viewer.until_more_frames("camera", 40).await;
        freezes.push(number(&viewer, "freezes").await - before);
        if freezes.last() == Some(&0) {
            break;
        }
    }
    assert_eq!(freezes.last(), Some(&0), "a switch without a freeze: {freezes:?}");
    for page in [&camera, &viewer] {
        assert_eq!(page.look().await.problems, [""; 0], "{}", page.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn h264_in_several_encodings() {
    a_call_in("h264", "simulcast", 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn vp9_in_several_encodings() {
    a_call_in("vp9", "simulcast", 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn vp9_in_spatial_layers() {
    a_call_in("vp9", "svc", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn av1_in_several_encodings() {
    a_call_in("av1", "simulcast", 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn av1_in_spatial_layers() {
    a_call_in("av1", "svc", 1).await;
}

/// Makes a browser that lacks the codecs whose names match `which`. `end`: `RTCRtpSender` or `RTCRtpReceiver`.
fn lacks(end: &str, which: &str) -> String {
    format!(
        "{{ const all = {end}.getCapabilities.bind({end});\
        {end}.getCapabilities = kind => {{ const found = all(kind);\
        return {{ ...found, codecs: found.codecs.filter(c => !/{which}/i.test(c.mimeType)) }}; }}; }}"
    )
}

/// A device that does not decode what somebody sends shows why, instead of a black picture, where the sender has nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn who_cannot_decode_a_codec_is_told_so() {
    let call = Call::start().await;
    let camera = Visitor::new("camera", Screen::SMALL, "&video=320x180&audio=off&codec=vp9");
    let _camera = call.join(camera.prepared_by(lacks("RTCRtpSender", "VP8|H264|AV1"))).await;
    let viewer = call.join(Visitor::desktop("viewer").prepared_by(lacks("RTCRtpReceiver", "VP9"))).await;
    let reason = viewer.until("a reason", |seen| seen.video_of("camera")?.reason.clone());
    assert_eq!(reason.await, "codec");
    let said = "[...document.querySelectorAll('.badge')].some(badge => badge.dataset.reason === 'codec')";
    viewer.until_js("the tile says it", said).await;
    assert!(viewer.look().await.decoded_of("camera").is_none());
}

/// A call in VP9 becomes one in VP8 while somebody is there who does not decode VP9, and one in VP9 again afterwards.
#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_changes_to_a_codec_that_everybody_decodes() {
    for layers in ["simulcast", "svc"] {
        let call = Call::start().await;
        let query = format!("&video=640x360&fps=15&audio=off&codec=vp9&layers={layers}");
        let _camera = call.join(Visitor::new("camera", Screen::SMALL, &query)).await;
        let desktop = call.join(Visitor::desktop("desktop")).await;
        let comes_in = |codec: &str| {
            format!(
                "terrace.slots.some(s => s.kind === 'video' && s.decoded?.codec === '{codec}' && s.decoded.fps > 5)"
            )
        };
        desktop.until_js("what the camera wishes", &comes_in("VP9")).await;

        let modest = Visitor::desktop("modest").prepared_by(lacks("RTCRtpReceiver", "VP9|AV1"));
        let modest = call.join(modest).await;
        modest.until_js("a picture that it decodes", &comes_in("VP8")).await;
        desktop.until_js("the same for everybody", &comes_in("VP8")).await;

        modest.close().await;
        desktop.until_js("its own wish again", &comes_in("VP9")).await;
    }
}
