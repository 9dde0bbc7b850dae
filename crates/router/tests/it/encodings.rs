//! Encodings that come, go, stay silent, are measured and are wanted.

use std::time::Duration;

use packet::Codec;
use router::{ParticipantId, RoomEvent, Source, Want};
use selector::{DeviceClass, Reason};

use crate::source::{Camera, Layer};
use crate::world::{World, device, generous, mid, section};

const VIEWER: u32 = 50;

fn viewer_at(world: &mut World, height: u32) -> ParticipantId {
    let viewer = world.receiver(VIEWER, generous(), 1, 0);
    world.view(viewer, &[(Want::Auto, height)]);
    viewer
}

/// Checklist 18: size decides, not name or order.
#[test]
fn encodings_are_ordered_by_measured_pixels() {
    type Ladder<'a> = &'a [(&'static str, (u16, u16))];
    let cases: [(Ladder<'_>, u32, &str, &str); 6] = [
        (&[("f", (320, 180)), ("h", (640, 360)), ("q", (1280, 720))], 180, "f", "names mean nothing"),
        (&[("f", (1280, 720)), ("h", (640, 360)), ("q", (320, 180))], 180, "q", "order means nothing"),
        (&[("h", (640, 360)), ("f", (1280, 720))], 180, "h", "no lowest rung: the lowest there is"),
        (&[("q", (320, 180)), ("f", (1280, 720))], 360, "f", "a hole: round up"),
        (&[("a", (640, 360)), ("b", (640, 360))], 360, "a", "equal sizes"),
        (&[("q", (180, 320)), ("f", (720, 1280))], 180, "q", "a phone held upright fits by its height"),
    ];
    for (ladder, height, rid, why) in cases {
        let mut camera = Camera::new(1, Codec::Vp8);
        camera.layers = ladder
            .iter()
            .enumerate()
            .map(|(at, (rid, size))| Layer::new(rid, *size, 1, 10 + at as u32))
            .collect();
        let mut world = World::new();
        world.camera(camera);
        let viewer = viewer_at(&mut world, height);
        world.run(3_000);
        assert_eq!(world.on_slot(viewer, 0).0, rid, "{why}");
    }
}

/// Checklist 19: three frame intervals to notice, one keyframe to leave, the first packet to return.
#[test]
fn a_layer_that_stops_is_left_fast_and_its_return_is_noticed_as_fast() {
    let mut world = World::new();
    world.camera(Camera::new(1, Codec::Vp8));
    let viewer = viewer_at(&mut world, 720);
    world.run(3_000);
    assert_eq!(world.on_slot(viewer, 0).0, "f");
    world.cameras[0].layers[2].active = false;
    let stopped = world.now;
    world.run(2_000);
    assert_eq!(world.on_slot(viewer, 0), ("h".to_owned(), Reason::PublisherOff));
    let frames = world.receivers[&viewer].slot(0).decoded();
    let fallen = frames.iter().find(|frame| frame.shown > stopped && frame.truth.encoding == 1).unwrap();
    let took = fallen.shown - stopped;
    assert!(took <= Duration::from_millis(250), "on the next layer after {took:?}");

    world.cameras[0].layers[2].active = true;
    let back = world.now;
    world.run(2_000);
    assert_eq!(world.on_slot(viewer, 0).0, "f");
    let frames = world.receivers[&viewer].slot(0).decoded();
    let returned = frames.iter().find(|frame| frame.shown > back && frame.truth.encoding == 2).unwrap();
    let took = returned.shown - back;
    assert!(took <= Duration::from_millis(60), "its own first keyframe is used: {took:?}");
    assert_eq!(world.receivers[&viewer].slot(0).missing(), []);
}

/// Checklist 20 and 25: what hits all encodings alike is no reason to change layers.
#[test]
fn silence_of_everything_changes_nothing_and_the_clock_goes_on() {
    let mut world = World::new();
    world.camera(Camera::new(1, Codec::Vp8));
    let viewer = viewer_at(&mut world, 720);
    world.run(3_000);
    let last = world.receivers[&viewer].slot(0).decoded().last().unwrap().clone();
    world.cameras[0].layers.iter_mut().for_each(|layer| layer.active = false);
    world.run(20_000);
    assert_eq!(world.on_slot(viewer, 0).0, "f", "still mapped, still the same layer");
    world.cameras[0].layers.iter_mut().for_each(|layer| layer.active = true);
    world.run(1_000);
    let stream = world.receivers[&viewer].slot(0);
    let next = stream.decoded().into_iter().find(|frame| frame.shown > last.shown).unwrap();
    assert_eq!(next.truth.encoding, 2, "goes on where it was");
    let elapsed = next.timestamp.wrapping_sub(last.timestamp);
    let wall = (next.shown - last.shown).as_millis() as u32 * 90;
    assert!(elapsed.abs_diff(wall) <= 45 * 90, "{elapsed} ticks for {wall} of wall time");
    assert_eq!(stream.missing(), []);
}

#[test]
fn devices_and_viewports_decide_where_the_link_does_not() {
    let cases = [
        (device(DeviceClass::Mobile), 2_000, "h", Reason::DeviceHeight),
        (device(DeviceClass::Desktop), 2_000, "f", Reason::Optimal),
        (device(DeviceClass::Desktop), 300, "h", Reason::Viewport),
        (device(DeviceClass::Desktop), 100, "q", Reason::Viewport),
    ];
    for (profile, height, rid, reason) in cases {
        let mut world = World::new();
        world.camera(Camera::new(1, Codec::Vp8));
        let viewer = world.receiver(VIEWER, profile, 1, 0);
        world.view(viewer, &[(Want::Auto, height)]);
        world.run(3_000);
        assert_eq!(world.on_slot(viewer, 0), (rid.to_owned(), reason), "{:?} at {height}", profile.class);
    }
}

#[test]
fn a_hidden_slot_is_not_sent_and_comes_back_with_a_keyframe() {
    let mut world = World::new();
    world.camera(Camera::new(1, Codec::Vp8));
    let viewer = viewer_at(&mut world, 360);
    world.run(2_000);
    world.view(viewer, &[(Want::Auto, 0)]);
    let sent = world.receivers[&viewer].sent;
    world.run(1_000);
    assert_eq!(world.receivers[&viewer].sent, sent, "stops at once");
    assert_eq!(world.on_slot(viewer, 0), ("-".to_owned(), Reason::Hidden));
    world.view(viewer, &[(Want::Auto, 360)]);
    let shown = world.now;
    world.run(500);
    let stream = world.receivers[&viewer].slot(0);
    let first = stream.decoded().into_iter().find(|frame| frame.shown > shown).unwrap();
    assert!(first.truth.keyframe);
    assert_eq!(stream.missing(), []);
}

/// What was last demanded of the publisher: its RIDs that are on.
fn demanded(world: &World) -> Option<Vec<String>> {
    world.events.iter().rev().find_map(|(_, event)| match event {
        RoomEvent::Demand { encodings, .. } => {
            Some(encodings.iter().filter(|e| e.active).map(|e| e.rid.unwrap().to_string()).collect())
        }
        _ => None,
    })
}

/// Lets the camera obey what is demanded.
fn obey(world: &mut World) {
    if let Some(on) = demanded(world) {
        for layer in &mut world.cameras[0].layers {
            layer.active = on.iter().any(|rid| Some(rid.as_str()) == layer.rid);
        }
    }
}

#[test]
fn encodings_that_nobody_wants_are_switched_off_and_on_again_in_time() {
    let mut world = World::new();
    world.camera(Camera::new(1, Codec::Vp8));
    world.run(2_900);
    assert_eq!(demanded(&world), None, "not yet");
    world.run(500);
    assert_eq!(demanded(&world), Some(vec![]), "nobody is here");
    obey(&mut world);
    world.run(2_000);

    let viewer = viewer_at(&mut world, 360);
    let came = world.now;
    assert_eq!(demanded(&world).unwrap().len(), 1, "whoever comes wakes what it needs at once");
    for _ in 0..50 {
        obey(&mut world);
        world.run(100);
    }
    assert_eq!(world.on_slot(viewer, 0).0, "h");
    assert_eq!(demanded(&world), Some(vec!["h".to_owned()]));
    let first = world.receivers[&viewer].slot(0).decoded()[0].shown - came;
    assert!(first <= Duration::from_millis(100), "first picture after {first:?}");

    world.view(viewer, &[(Want::Auto, 720)]);
    assert_eq!(demanded(&world), Some(vec!["h".to_owned(), "f".to_owned()]), "off is not gone");
    for _ in 0..50 {
        obey(&mut world);
        world.run(100);
    }
    assert_eq!(world.on_slot(viewer, 0), ("f".to_owned(), Reason::Optimal));
    assert_eq!(demanded(&world), Some(vec!["f".to_owned()]));
    let stream = world.receivers[&viewer].slot(0);
    assert!(stream.longest_pause() <= Duration::from_millis(110), "{:?}", stream.longest_pause());
}

#[test]
fn an_encoding_that_cannot_be_woken_is_given_up() {
    let mut world = World::new();
    world.camera(Camera::new(1, Codec::Vp8));
    let viewer = viewer_at(&mut world, 180);
    world.run(5_000);
    obey(&mut world);
    world.run(1_000);
    world.view(viewer, &[(Want::Auto, 720)]);
    world.run(100);
    assert_eq!(world.on_slot(viewer, 0).1, Reason::WaitingForKeyframe, "it is only being started");
    world.run(4_000);
    assert_eq!(world.on_slot(viewer, 0), ("q".to_owned(), Reason::PublisherOff), "but it never came");
    let stream = world.receivers[&viewer].slot(0);
    assert!(stream.longest_pause() <= Duration::from_millis(70), "and meanwhile the old one went on");
}

/// Checklist 23: a receiver that lost its path goes on with the same streams.
#[test]
fn a_reconnect_keeps_the_numbers_and_starts_with_a_keyframe() {
    let mut world = World::new();
    world.camera(Camera::new(1, Codec::Vp8));
    let viewer = viewer_at(&mut world, 360);
    world.run(2_000);
    world.act(|room, now, out| room.set_connected(now, viewer, false, out));
    let sent = world.receivers[&viewer].sent;
    let lost = world.now;
    world.run(3_000);
    assert_eq!(world.receivers[&viewer].sent, sent, "nothing is sent into the void");
    assert_eq!(
        world.requests(1, lost + Duration::from_millis(50)),
        [],
        "and nothing is asked for in its name"
    );
    world.act(|room, now, out| room.set_connected(now, viewer, true, out));
    let back = world.now;
    world.run(1_000);
    let stream = world.receivers[&viewer].slot(0);
    assert_eq!(stream.missing(), []);
    let first = stream.decoded().into_iter().find(|frame| frame.shown > back).unwrap();
    assert!(first.truth.keyframe);
    assert!(first.shown - back <= Duration::from_millis(100));
}

/// Checklist 23: a publisher that comes back sends the same RIDs on other streams with other numbers.
#[test]
fn a_publisher_that_starts_anew_is_followed() {
    let mut world = World::new();
    world.camera(Camera::new(1, Codec::Vp8));
    let viewer = viewer_at(&mut world, 360);
    world.run(2_000);
    let old = world.cameras.pop().unwrap();
    let mut again = Camera::new(1, Codec::Vp8);
    for (at, layer) in again.layers.iter_mut().enumerate() {
        *layer = Layer {
            rid: old.layers[at].rid,
            size: old.layers[at].size,
            packets: old.layers[at].packets,
            // Lower numbers than before, of all kinds.
            sequence: old.layers[at].sequence.wrapping_sub(300),
            picture: old.layers[at].picture.wrapping_sub(100),
            timestamp_base: old.layers[at].timestamp_base.wrapping_sub(1 << 30),
            ..Layer::new("x", (0, 0), 0, 900 + at as u32)
        };
    }
    world.cameras.push(again);
    world.run(2_000);
    let stream = world.receivers[&viewer].slot(0);
    assert_eq!(stream.missing(), []);
    assert!(stream.decoded().len() >= 110, "{}", stream.decoded().len());
    assert!(stream.longest_pause() <= Duration::from_millis(120), "{:?}", stream.longest_pause());
}

#[test]
fn a_section_that_pauses_and_goes_on_is_one_publication() {
    let mut world = World::new();
    let publication = world.camera(Camera::new(1, Codec::Vp8));
    let viewer = viewer_at(&mut world, 360);
    world.run(2_000);
    let agreed = section(&world.cameras[0]);
    let paused = router::SendingSection { active: false, ..agreed.clone() };
    world.act(|room, now, out| room.set_sections(now, ParticipantId(1), &[paused], &[], out));
    assert!(world.room.publication(publication).unwrap().muted);
    assert_eq!(world.on_slot(viewer, 0), ("-".to_owned(), Reason::PublisherOff));
    world.act(|room, now, out| room.set_sections(now, ParticipantId(1), &[agreed], &[], out));
    world.run(500);
    assert_eq!(world.on_slot(viewer, 0).0, "h");
    world.act(|room, now, out| {
        room.set_publication(now, ParticipantId(1), mid("cam"), true, Source::Camera, out);
    });
    assert_eq!(
        world.on_slot(viewer, 0),
        ("h".to_owned(), Reason::PublisherOff),
        "muted pictures are black, not gone"
    );
}

/// Frames that nobody shows are not made: the room's joint limit reaches the publisher.
#[test]
fn the_most_frames_that_anybody_wants_are_asked_for() {
    let limits = |world: &World| {
        let demand = world.events.iter().rev().find_map(|(_, event)| match event {
            RoomEvent::Demand { encodings, .. } => Some(encodings.clone()),
            _ => None,
        });
        demand.map(|encodings| {
            encodings
                .iter()
                .filter(|e| e.active)
                .map(|e| (e.rid.unwrap().to_string(), e.max_fps))
                .collect::<Vec<_>>()
        })
    };
    let mut world = World::new();
    world.camera(Camera::new(1, Codec::Vp8));
    let first = viewer_at(&mut world, 720);
    let second = world.receiver(VIEWER + 1, generous(), 1, 0);
    world.view(second, &[(Want::Auto, 720)]);
    world.run(6_000);
    assert_eq!(limits(&world), Some(vec![("f".to_owned(), None)]), "both want all there is");
    world.view_at(first, &[(Want::Auto, 720)], Some(15));
    world.run(5_000);
    assert_eq!(limits(&world), Some(vec![("f".to_owned(), None)]), "one still does");
    world.view_at(second, &[(Want::Auto, 720)], Some(8));
    world.run(5_000);
    assert_eq!(limits(&world), Some(vec![("f".to_owned(), Some(15))]), "the most that anybody wants");
    world.view_at(second, &[(Want::Auto, 720)], None);
    world.run(1);
    assert_eq!(limits(&world), Some(vec![("f".to_owned(), None)]), "more at once");
}
