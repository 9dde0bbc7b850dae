//! A camera of each codec that native participants make, in three encodings.

use packet::Codec;

use super::*;

async fn a_camera_in(codec: Codec) {
    let server = server().await;
    let config = CameraConfig { codec, ..CameraConfig::default() };
    let _camera = join(&server, Options { camera: Some(config), ..camera(&server, "camera", 1) }).await;
    let phone = join(&server, phone(options(&server, "phone"))).await;
    let desktop = join(&server, desktop(options(&server, "desktop"))).await;
    for (watcher, height) in [(&phone, 360), (&desktop, 720)] {
        let report = wait_for(watcher, &format!("{codec} of {height} lines"), |r| {
            r.height == Some(height) && r.frames > 60
        })
        .await;
        assert_flawless(&report);
    }
}

#[tokio::test]
async fn vp9_reaches_a_phone_and_a_desktop() {
    a_camera_in(Codec::Vp9).await;
}

#[tokio::test]
async fn h264_reaches_a_phone_and_a_desktop() {
    a_camera_in(Codec::H264).await;
}
