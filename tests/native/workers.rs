//! One room over two workers, as those in it see it: layers, sound, messages, mutes and the end are those of one room.

use std::num::{NonZeroU16, NonZeroUsize};

use serde_json::{Value, json};
use signalling::{OutgoingMessage, Reason};

use super::channel::hear;
use super::operator::Operator;
use super::*;

#[tokio::test]
async fn a_room_over_two_workers_is_one_room() {
    let mut config = Config {
        listen: (std::net::Ipv4Addr::LOCALHOST, 0).into(),
        workers: NonZeroU16::new(2),
        tls: server::config::Tls { plain_http: true, ..Default::default() },
        ..Config::default()
    };
    // Whoever comes to a worker that has one of them goes to the one with the fewest.
    config.placement.room_participants = NonZeroUsize::MIN;
    let server = Server::start(config).await.unwrap();
    let token = server.token("room", true, Duration::from_secs(600)).unwrap();
    let operator = Operator { address: server.address, token };
    let options = |name| Options::new("room", name);
    let camera = Options {
        camera: Some(CameraConfig::default()),
        microphone: true,
        video_slots: 0,
        ..options("camera")
    };
    let mut camera = join(&server, camera).await;
    let phone = join(&server, phone(options("phone"))).await;
    let near = join(&server, desktop(options("near"))).await;
    let mut far = join(&server, desktop(options("far"))).await;
    let ids = [&camera, &phone, &near, &far].map(|who| who.id().to_string());
    assert_eq!(ids, ["p1", "p2", "p3", "p4"], "odd ones by the first worker, even ones by the second");

    let shown = |r: &VideoReport, height| r.height == Some(height) && r.frames > 60;
    let large = wait_for(&far, "720p on the other worker", |r| shown(r, 720)).await;
    let beside = wait_for(&near, "720p on the camera's worker", |r| shown(r, 720)).await;
    let small = wait_for(&phone, "360p on the other worker", |r| shown(r, 360)).await;
    for report in [&large, &beside, &small] {
        assert_flawless(report);
    }
    assert_eq!((large.rid.as_deref(), small.rid.as_deref()), (Some("f"), Some("h")));
    assert_eq!(small.reason, Some(Reason::DeviceHeight));
    assert!(far.receiver_report().audio_packets > 0, "and sound");

    far.send_message(OutgoingMessage { to: None, data: json!("to all") });
    assert_eq!(hear(&mut camera).await.data, json!("to all"));
    camera.send_message(OutgoingMessage { to: Some(far.id()), data: json!("to one") });
    let heard = hear(&mut far).await;
    assert_eq!((heard.from, heard.private, heard.data), (camera.id(), true, json!("to one")));

    let room = operator.ask("GET", "", Value::Null).await;
    let people = room["participants"].as_array().unwrap();
    let names: Vec<_> = people.iter().map(|who| who["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["camera", "phone", "near", "far"], "the operator sees one room");
    let pin = |height: Value| {
        let slots = people[3]["slots"].as_array().unwrap();
        let mid = &slots.iter().find(|slot| slot["height"] == 720).unwrap()["mid"];
        json!({"pin": {"mid": mid, "max_height": height}})
    };
    operator.ask("PATCH", "/participants/p4", pin(json!(180))).await;
    wait_for(&far, "180p, as it was pinned", |r| r.height == Some(180)).await;
    operator.ask("PATCH", "/participants/p4", pin(Value::Null)).await;
    let back = wait_for(&far, "720p, as the pin is gone", |r| r.height == Some(720)).await;
    assert_flawless(&back);
    operator.ask("PATCH", "/participants/p1", json!({"muted": true})).await;
    wait_for(&far, "the reason", |r| r.reason == Some(Reason::PublisherOff)).await;
    operator.ask("PATCH", "/participants/p1", json!({"muted": false})).await;
    let silent = far.receiver_report().video.frames;
    wait_for(&far, "the picture again", |r| r.frames > silent + 60).await;

    operator.ask("DELETE", "", Value::Null).await;
    for participant in [&mut camera, &mut far] {
        let over = async { while !matches!(participant.next_event().await, Some(Event::Closed) | None) {} };
        tokio::time::timeout(PATIENCE, over).await.expect("the end reaches everybody");
    }
    server.shut_down().await.unwrap();
}
