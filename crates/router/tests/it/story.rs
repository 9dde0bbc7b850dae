//! One subscription's story, as a log that a reviewer can read.

use std::fmt::Write;

use packet::{Codec, RtcpItem};
use router::{Config, Output, ParticipantId, RoomEvent, Want};
use selector::DeviceClass;

use crate::source::{Camera, Microphone, Truth};
use crate::world::{World, device, mid};

/// What happened to slot 0 of a viewer: frames by encoding, requests, decisions.
fn tell(world: &World, viewer: ParticipantId) -> String {
    let mut lines: Vec<(u64, u8, String)> = Vec::new();
    let start = 100_000;
    for (at, to, item) in &world.feedback {
        let what = match item {
            RtcpItem::Pli { media_ssrc, .. } => format!("asks {to} for a keyframe of {media_ssrc}"),
            RtcpItem::Fir { media_ssrc, .. } => format!("insists on a keyframe of {media_ssrc} from {to}"),
            _ => continue,
        };
        lines.push((at.as_millis(), 1, what));
    }
    for (at, event) in &world.events {
        let what = match event {
            RoomEvent::Decision { participant, choices, .. } if *participant == viewer => {
                let choice = |c: &router::SlotChoice| {
                    let rid = c.rid.map_or("-".to_owned(), |rid| rid.to_string());
                    format!("{} of {} ({})", rid, c.publication, c.reason)
                };
                format!("decides: {}", choices.iter().map(choice).collect::<Vec<_>>().join(", "))
            }
            RoomEvent::Demand { publication, encodings, .. } => {
                let on: Vec<String> =
                    encodings.iter().filter(|e| e.active).map(|e| e.rid.unwrap().to_string()).collect();
                format!(
                    "demands {} of {publication}",
                    if on.is_empty() { "nothing".to_owned() } else { on.join(" ") }
                )
            }
            _ => continue,
        };
        lines.push((at.as_millis(), 0, what));
    }
    let frames = world.receivers[&viewer].slot(0).frames();
    for run in frames.chunk_by(|a, b| key(&a.truth) == key(&b.truth)) {
        let whole = run.iter().filter(|frame| frame.decoded).count();
        let (publisher, encoding) = key(&run[0].truth);
        let size = if whole == run.len() {
            format!("{whole} frames")
        } else {
            format!("{whole} of {} frames", run.len())
        };
        let what = format!("receives {size} of p{publisher}, encoding {encoding}");
        lines.push((run[0].shown.as_millis(), 2, what));
    }
    lines.sort_by_key(|(at, kind, _)| (*at, *kind));
    lines.iter().fold(String::new(), |mut text, (at, _, what)| {
        writeln!(text, "{:>6} ms  {what}", at - start).unwrap();
        text
    })
}

fn key(truth: &Truth) -> (u32, u8) {
    (truth.publisher, truth.encoding)
}

#[test]
fn a_desktop_watches_two_cameras() {
    let mut world = World::new();
    let first = world.camera(Camera::new(1, Codec::Vp8));
    let second = world.camera(Camera::new(2, Codec::H264));
    world.run(500);
    let viewer = world.receiver(50, device(DeviceClass::Desktop), 1, 0);
    world.view(viewer, &[(Want::Publication(first), 720)]);
    world.run(3_000);
    world.cameras[0].layers[2].active = false;
    world.run(1_000);
    world.cameras[0].layers[2].active = true;
    world.run(1_000);
    world.view(viewer, &[(Want::Publication(second), 180)]);
    world.run(1_000);
    world.view(viewer, &[(Want::Publication(second), 0)]);
    world.run(4_500);
    insta::assert_snapshot!(tell(&world, viewer));
}

/// Same seed, same inputs, same outputs.
#[test]
fn the_same_inputs_give_the_same_outputs() {
    let run = |seed| {
        let mut world = World::with(Config::default(), seed);
        for id in 1..=3 {
            world.camera(Camera::new(id, Codec::Vp8));
            world.microphone(Microphone::new(id + 10, 30 + id as u8), 2);
        }
        let viewer = world.receiver(50, device(DeviceClass::Desktop), 2, 2);
        world.run(2_000);
        let mut log = String::new();
        let mut out: Vec<Output> = Vec::new();
        let mut camera = Camera::new(1, Codec::Vp8);
        camera.mid = mid("cam");
        for (_, packet) in camera.capture(world.now) {
            world.room.handle_rtp(world.now, ParticipantId(1), packet, &mut out);
        }
        write!(log, "{:?} {:?} {out:?}", world.receivers[&viewer].streams, world.feedback).unwrap();
        log
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8), "the seed decides the first numbers");
}
