//! Who gets what: devices, sizes, joining late, more slots, coming back.

use signalling::{SlotView, View, Want};

use super::*;

/// Shows the first video slot at that size, and nothing in the others.
fn view(participant: &Participant, size: (u32, u32)) -> View {
    let first = participant.slots().into_iter().find(|(_, kind)| *kind == packet::MediaKind::Video).unwrap();
    let slot = SlotView { width: Some(size.0), height: Some(size.1), ..SlotView::new(&first.0, Want::Auto) };
    View { slots: vec![slot] }
}

#[tokio::test]
async fn a_phone_and_a_desktop_get_what_fits_them() {
    let server = server().await;
    let camera = join(&server, camera(&server, "camera", 1)).await;
    let phone = join(&server, phone(options(&server, "phone"))).await;
    let desktop = join(&server, desktop(options(&server, "desktop"))).await;

    let large = wait_for(&desktop, "the desktop sees 720p", |r| r.height == Some(720) && r.frames > 60).await;
    let small = wait_for(&phone, "the phone sees 360p", |r| r.height == Some(360) && r.frames > 60).await;
    assert_flawless(&large);
    assert_flawless(&small);
    assert_eq!((large.rid.as_deref(), small.rid.as_deref()), (Some("f"), Some("h")));
    assert_eq!(small.reason, Some(signalling::Reason::DeviceHeight));
    assert!(phone.receiver_report().audio_packets > 0, "and hears");

    // Nobody wants the smallest any more, so it is not even sent.
    let off = || !camera.publisher_report().encodings[0].active;
    let switched_off = async {
        while !off() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, switched_off).await.expect("what nobody watches is switched off");

    camera.leave().await;
    phone.leave().await;
    desktop.leave().await;
    server.shut_down().await.unwrap();
}

#[tokio::test]
async fn a_picture_follows_the_size_it_is_shown_at() {
    let server = server().await;
    let _camera = join(&server, camera(&server, "camera", 1)).await;
    let watcher = join(&server, desktop(options(&server, "watcher"))).await;
    for (size, height) in [((1280, 720), 720), ((320, 180), 180), ((640, 360), 360), ((1280, 720), 720)] {
        watcher.set_view(view(&watcher, size));
        wait_for(&watcher, &format!("{height} lines for {size:?}"), |r| r.height == Some(height)).await;
    }
    let report = watcher.receiver_report().video;
    assert_flawless(&report);
    assert!(report.switches >= 3, "{report:#?}");
}

#[tokio::test]
async fn more_slots_come_by_a_new_offer_and_disturb_nothing() {
    let server = server().await;
    let _first = join(&server, camera(&server, "first", 1)).await;
    let _second = join(&server, camera(&server, "second", 2)).await;
    let watcher = join(&server, Options { video_slots: 1, ..desktop(options(&server, "watcher")) }).await;
    wait_for(&watcher, "one of two cameras", |r| r.frames > 30).await;
    assert_eq!(watcher.video_reports().len(), 1);

    watcher.add_video_slots(1).await;
    let both = async {
        while watcher.video_reports().iter().filter(|report| report.frames > 30).count() < 2 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, both).await.unwrap_or_else(|_| panic!("{:#?}", watcher.video_reports()));
    let reports = watcher.video_reports();
    assert_flawless(&reports[0]);
    // The server may fill the new slot before the answer has been applied here. What is missed then is the beginning, and
    // one request brings a keyframe.
    let (new, headless) =
        (&reports[1], reports[1].bad.get(&BadFrame::MissingReference).copied().unwrap_or(0));
    assert_eq!((new.bad_frames, new.lost_packets), (headless, 0), "{new:#?}");
    assert_eq!(headless > 0, new.keyframe_requests > 0, "{new:#?}");
}

#[tokio::test]
async fn who_leaves_makes_room_for_who_stays() {
    let server = server().await;
    let first = join(&server, camera(&server, "first", 1)).await;
    let watcher = join(&server, Options { video_slots: 1, ..desktop(options(&server, "watcher")) }).await;
    wait_for(&watcher, "the first camera", |r| r.frames > 30).await;
    let _second = join(&server, camera(&server, "second", 2)).await;
    first.leave().await;
    let before = watcher.receiver_report().video;
    let after = wait_for(&watcher, "the second camera in the same slot", |r| {
        r.switches > before.switches && r.frames > before.frames + 60
    })
    .await;
    assert_eq!(after.bad_frames, 0, "{after:#?}");
}
