//! The product's promise: of the same camera a phone decodes the small picture and a desktop the large one, and both
//! get what their users ask for.

use super::call::{Call, Visitor};

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_gets_360_lines_and_a_desktop_720() {
    let call = Call::start().await;
    let camera = call.join(Visitor::camera("camera")).await;
    let phone = call.join(Visitor::phone("phone")).await;
    let desktop = call.join(Visitor::desktop("desktop")).await;

    desktop.until_size("camera", 1280, 720).await;
    phone.until_size("camera", 640, 360).await;
    // Not only at one moment: 150 frames are five seconds of a camera.
    assert_eq!(phone.until_more_frames("camera", 150).await, (640, 360));
    assert_eq!(desktop.until_more_frames("camera", 150).await, (1280, 720));

    // Both are told why.
    let slot = phone.look().await.video_of("camera").cloned().unwrap();
    assert_eq!((slot.rid.as_deref(), slot.reason.as_deref()), (Some("h"), Some("device_height")));
    let sent = camera.until("three encodings leave", |seen| {
        let active: Vec<_> =
            seen.sent.iter().filter(|encoding| encoding.active && encoding.kbps > 0.0).collect();
        (active.last()?.height == 720)
            .then(|| active.iter().map(|encoding| encoding.rid.clone()).collect::<Vec<_>>())
    });
    let sent = sent.await;
    for page in [&camera, &phone, &desktop] {
        assert_eq!(page.look().await.problems, [""; 0], "{}", page.name);
    }
    assert!(sent.contains(&"h".to_owned()) && sent.contains(&"f".to_owned()), "{sent:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wish_changes_what_is_decoded() {
    let call = Call::start().await;
    let _camera = call.join(Visitor::camera("camera")).await;
    let desktop = call.join(Visitor::desktop("desktop")).await;
    desktop.until_size("camera", 1280, 720).await;

    for (wish, width, height) in [("low", 320, 180), ("medium", 640, 360), ("auto", 1280, 720)] {
        desktop.wish("camera", wish).await;
        desktop.until_size("camera", width, height).await;
        desktop.until_more_frames("camera", 30).await;
        let expected = (wish != "auto").then_some("user_request");
        desktop
            .until(&format!("the reason for {wish}"), |seen| {
                let reason = seen.video_of("camera")?.reason.as_deref()?;
                expected.is_none_or(|expected| reason == expected).then_some(())
            })
            .await;
    }
    let badge = desktop.text("[data-mid] .badge").await;
    assert!(badge.starts_with("720p"), "the badge says what is decoded: {badge}");
}
