//! Reports and requests: retransmission, keyframes, clocks.

use std::time::Duration;

use packet::{Codec, ReportBlock, RtcpItem};
use router::{ParticipantId, Want};
use units::Timestamp;

use crate::receiver::ssrc;
use crate::source::{Answers, Camera, Microphone};
use crate::world::{Fate, World, generous};

const VIEWER: u32 = 50;

fn viewer_at(world: &mut World, height: u32) -> ParticipantId {
    let viewer = world.receiver(VIEWER, generous(), 1, 0);
    world.view(viewer, &[(Want::Auto, height)]);
    viewer
}

fn nack(lost: &[u16]) -> RtcpItem {
    RtcpItem::Nack { sender_ssrc: 1, media_ssrc: ssrc(0), lost: lost.iter().copied().collect() }
}

fn pli() -> RtcpItem {
    RtcpItem::Pli { sender_ssrc: 1, media_ssrc: ssrc(0) }
}

/// Checklist 13; the receiver compares every retransmission with the original where it has it.
#[test]
fn lost_packets_are_repeated_on_their_own_stream_across_a_switch() {
    for codec in [Codec::Vp8, Codec::H264] {
        let mut world = World::new();
        world.camera(Camera::new(1, codec));
        let viewer = viewer_at(&mut world, 180);
        let mut n = 0u32;
        world.downlink = Box::new(move |_, packet| {
            n += 1;
            // Every tenth packet, and half of the retransmissions.
            n.is_multiple_of(10) || packet.kind == router::PacketKind::Rtx && n.is_multiple_of(2)
        });
        world.receivers.get_mut(&viewer).unwrap().nack_after = Some(Duration::from_millis(100));
        world.run(2_000);
        world.view(viewer, &[(Want::Auto, 720)]);
        world.run(3_000);
        // What was lost just before the end has had no time.
        world.downlink = Box::new(|_, _| false);
        world.run(500);
        let stream = world.receivers[&viewer].slot(0);
        assert_eq!(stream.missing(), [], "{codec}");
        assert_eq!(stream.decoded().len(), stream.frames().len(), "{codec}: every frame is whole in the end");
        assert!(stream.packets.values().filter(|packet| packet.repaired).count() > 30, "{codec}");
        assert_eq!(stream.shown(), [(1, 0), (1, 2)], "{codec}");
    }
}

#[test]
fn what_was_sent_before_a_switch_can_still_be_asked_for() {
    let mut world = World::new();
    world.camera(Camera::new(1, Codec::Vp8));
    let viewer = viewer_at(&mut world, 720);
    world.run(3_000);
    let old = *world.receivers[&viewer].slot(0).packets.keys().last().unwrap();
    world.view(viewer, &[(Want::Auto, 180)]);
    world.run(300);
    world.tell(viewer, nack(&[old as u16]));
    let stream = world.receivers[&viewer].slot(0);
    assert_eq!(stream.retransmissions, [(world.now, old)]);
    assert_eq!(stream.packets[&old].truth.unwrap().encoding, 2, "compared with the original by the receiver");
}

#[test]
fn the_same_packet_is_repeated_once_per_round_trip_and_never_invented() {
    let mut world = World::new();
    world.camera(Camera::new(1, Codec::Vp8));
    let viewer = viewer_at(&mut world, 180);
    world.run(2_000);
    let seq = *world.receivers[&viewer].slot(0).packets.keys().last().unwrap() - 5;
    let wire = seq as u16;
    world.tell(viewer, nack(&[wire; 8]));
    world.run(50);
    world.tell(viewer, nack(&[wire]));
    assert_eq!(world.room.downlink(viewer).unwrap().retransmissions, 1, "nine requests within a round trip");
    assert_eq!(world.room.downlink(viewer).unwrap().retransmissions_held_back, 8);
    world.run(51);
    world.tell(viewer, nack(&[wire]));
    assert_eq!(world.room.downlink(viewer).unwrap().retransmissions, 2, "and one after it");

    let cases = [(wire.wrapping_add(1_000), "not sent yet"), (wire.wrapping_sub(5_000), "before the first")];
    for (wire, why) in cases {
        world.tell(viewer, nack(&[wire]));
        assert_eq!(world.room.downlink(viewer).unwrap().retransmissions, 2, "{why}");
    }
    let stranger = RtcpItem::Nack { sender_ssrc: 1, media_ssrc: 77, lost: smallvec::smallvec![wire] };
    world.tell(viewer, stranger);
    world.tell(ParticipantId(1), nack(&[wire]));
    world.tell(ParticipantId(999), nack(&[wire]));
    assert_eq!(world.room.downlink(viewer).unwrap().retransmissions, 2, "nobody speaks for another");
}

#[test]
fn a_flood_of_requests_gets_a_share_of_the_media_and_no_more() {
    let mut world = World::new();
    world.camera(Camera::new(1, Codec::Vp8));
    let viewer = viewer_at(&mut world, 720);
    world.run(2_000);
    let (media, start) = (world.room.downlink(viewer).unwrap().packets, world.now);
    while world.now - start < Duration::from_secs(10) {
        world.run(10);
        let newest = *world.receivers[&viewer].slot(0).packets.keys().last().unwrap() as u16;
        let all: Vec<u16> = (0..400).map(|back| newest.wrapping_sub(back)).collect();
        world.tell(viewer, nack(&all));
    }
    let stats = world.room.downlink(viewer).unwrap();
    let (media, repeated) = (stats.packets - media, stats.retransmissions);
    // A quarter, and the burst of 64 kB at the start: about 105 packets.
    assert!(repeated <= media / 4 + 110, "{repeated} for {media}");
    assert!(repeated >= media / 5, "{repeated} for {media}");
}

/// Restored packets that had arrived are dropped here: browsers repeat old packets as probes.
#[test]
fn a_packet_that_comes_twice_is_forwarded_once() {
    let mut world = World::new();
    world.camera(Camera::new(1, Codec::Vp8));
    let viewer = viewer_at(&mut world, 360);
    world.uplink = Box::new(|_| Fate::Twice(60));
    world.run(2_000);
    // The receiver fails on a number that is used twice.
    let stream = world.receivers[&viewer].slot(0);
    assert_eq!(stream.missing(), []);
    let stats = world.room.stats();
    assert!(stats.duplicate > 300 && stats.duplicate <= stats.packets, "{stats:?}");
}

/// Checklist 21.
#[test]
fn keyframe_requests_of_many_receivers_are_one() {
    let mut world = World::new();
    world.camera(Camera::new(1, Codec::Vp8));
    world.run(3_000);
    let joined = world.now;
    for id in 0..30 {
        let viewer = world.receiver(VIEWER + id, generous(), 1, 0);
        world.view(viewer, &[(Want::Auto, [180, 360, 720][id as usize % 3])]);
    }
    world.run(150);
    assert_eq!(world.requests(1, joined).len(), 1, "one for all receivers and all encodings");
    world.run(3_000);
    assert!(world.requests(1, joined).len() <= 3, "{:?}", world.requests(1, joined));
    for id in 0..30 {
        assert!(world.receivers[&ParticipantId(VIEWER + id)].slot(0).decoded().len() > 60);
    }
}

#[test]
fn requests_are_repeated_until_the_keyframe_came() {
    let cases = [
        (Answers::Never, 5, "never answered"),
        (Answers::FirOnly, 4, "answered to the fourth, which is a full intra request"),
        (Answers::Asked, 1, "answered on the encoding that was asked"),
    ];
    for (answers, most, why) in cases {
        let mut world = World::new();
        let mut camera = Camera::new(1, Codec::Vp8);
        camera.answers = answers;
        world.camera(camera);
        // Too long ago to start at.
        world.run(3_000);
        let asked = world.now;
        let viewer = viewer_at(&mut world, 180);
        world.run(950);
        let requests = world.requests(1, asked);
        assert_eq!(requests.len(), most, "{why}: {requests:?}");
        assert!(requests.windows(2).all(|pair| pair[1].0 - pair[0].0 >= 200), "{why}: {requests:?}");
        let shown = !world.receivers[&viewer].streams.is_empty();
        assert_eq!(shown, answers != Answers::Never, "{why}");
    }
}

#[test]
fn a_receivers_requests_are_heeded_with_measure() {
    let mut world = World::new();
    world.camera(Camera::new(1, Codec::Vp8));
    let viewer = viewer_at(&mut world, 180);
    world.run(3_000);
    let before = world.now;
    for _ in 0..2_000 {
        world.run(1);
        world.tell(viewer, pli());
    }
    let requests = world.requests(1, before);
    assert!((3..=5).contains(&requests.len()), "two a second at most: {requests:?}");
    let keyframes = world.receivers[&viewer].slot(0).decoded();
    let keyframes = keyframes.iter().filter(|f| f.truth.keyframe && f.shown > before).count();
    assert!(keyframes >= 3, "and they are answered: {keyframes}");

    world.view(viewer, &[(Want::Nothing, 180)]);
    let before = world.now;
    world.run(3_000);
    world.tell(viewer, pli());
    world.run(500);
    assert_eq!(world.requests(1, before + Duration::from_millis(1)), [], "an empty slot asks for nothing");
}

/// Checklist 12: reports are made from what leaves.
#[test]
fn sender_reports_match_the_outgoing_stream() {
    let mut world = World::new();
    world.camera(Camera::new(1, Codec::Vp8));
    let viewer = viewer_at(&mut world, 180);
    world.run(5_000);
    world.view(viewer, &[(Want::Auto, 720)]);
    world.run(5_000);
    let reports: Vec<(Timestamp, u64, u32, u32)> = world
        .feedback
        .iter()
        .filter_map(|(at, to, item)| match item {
            RtcpItem::SenderReport { ssrc: reported, ntp, rtp_time, packets, .. } if *to == viewer => {
                assert_eq!(*reported, ssrc(0));
                Some((*at, *ntp, *rtp_time, *packets))
            }
            _ => None,
        })
        .collect();
    assert!((9..=12).contains(&reports.len()), "{} in 10 s", reports.len());
    let stream = world.receivers[&viewer].slot(0);
    let (first, _) = stream.packets.first_key_value().unwrap();
    assert!(
        reports[0].0 - stream.packets[first].arrived <= Duration::from_millis(1),
        "the first comes at once"
    );
    for (at, ntp, rtp_time, packets) in &reports {
        let before: Vec<_> = stream.packets.values().filter(|packet| packet.arrived <= *at).collect();
        let sent_now = before.iter().filter(|packet| packet.arrived == *at).count();
        assert!((before.len() - sent_now..=before.len()).contains(&(*packets as usize)), "counts what left");
        // A frame arrives 5 ms after its capture, which is what its timestamp says within the dead band.
        let last = before.last().unwrap();
        let age = (*at - last.arrived).as_millis() as i64;
        let ticks = i64::from(rtp_time.wrapping_sub(last.timestamp).cast_signed());
        assert!((ticks - age * 90).abs() <= 12 * 90, "{ticks} ticks for {age} ms");
        let elapsed = (u128::from(ntp - reports[0].1) * 1_000_000) >> 32;
        assert!(elapsed.abs_diff((*at - reports[0].0).as_micros()) <= 1, "NTP is the node's clock");
    }
}

#[test]
fn round_trips_are_measured_by_reports_on_slots() {
    let mut world = World::new();
    world.camera(Camera::new(1, Codec::Vp8));
    let viewer = viewer_at(&mut world, 180);
    world.run(2_000);
    let sent = world.feedback.iter().rev().find_map(|(at, to, item)| match item {
        RtcpItem::SenderReport { ntp, .. } if *to == viewer => Some((*at, *ntp)),
        _ => None,
    });
    let (at, ntp) = sent.unwrap();
    world.run(300 - (world.now - at).as_millis().min(200) as u64);
    let held = (world.now - at) - Duration::from_millis(80);
    let report = ReportBlock {
        ssrc: ssrc(0),
        last_sender_report: (ntp >> 16) as u32,
        delay_since_sender_report: (held.as_micros() * 65_536 / 1_000_000) as u32,
        ..ReportBlock::default()
    };
    world.tell(viewer, RtcpItem::ReceiverReport { ssrc: 1, reports: smallvec::smallvec![report] });
    let rtt = world.room.downlink(viewer).unwrap().rtt.unwrap();
    assert!(rtt.abs_diff(Duration::from_millis(80)) <= Duration::from_millis(1), "{rtt:?}");
}

/// Sound and picture of one publisher stay together: our reports carry its timeline, however long either travels.
#[test]
fn sound_and_picture_of_a_publisher_agree_about_time() {
    for (delay, wall, expected, why) in [
        (5, Some(50_000), 0, "both travel about as long"),
        (150, Some(50_000), 0, "the picture travels long: its publisher's reports say so"),
        (150, None, 150, "without reports only arrivals are known"),
    ] {
        let mut world = World::new();
        let mut camera = Camera { wall, ..Camera::new(1, Codec::Vp8) };
        camera.layers.iter_mut().for_each(|layer| layer.delay = delay);
        let picture = crate::world::section(&camera);
        world.camera(camera);
        let sound = router::SendingSection {
            mid: crate::world::mid("mic"),
            kind: packet::MediaKind::Audio,
            codec: Codec::Opus,
            rids: Vec::new(),
            ..picture.clone()
        };
        world.act(|room, now, out| room.set_sections(now, ParticipantId(1), &[picture, sound], &[], out));
        let mut microphone = Microphone::new(1, 40);
        microphone.wall = wall;
        world.microphones.push(microphone);
        let viewer = world.receiver(VIEWER, generous(), 1, 1);
        world.view(viewer, &[(Want::Auto, 180)]);
        world.reports_every = Some(Duration::from_secs(1));
        world.run(6_000);
        // What a receiver concludes from the last report of each: when was the newest packet captured?
        let captured = |slot: usize, rate: i64| {
            let mut reports = world.feedback.iter().rev().filter(|(_, to, _)| *to == viewer);
            let (ntp, rtp_time) = reports
                .find_map(|(_, _, item)| match item {
                    RtcpItem::SenderReport { ssrc: own, ntp, rtp_time, .. } if *own == ssrc(slot) => {
                        Some((*ntp, *rtp_time))
                    }
                    _ => None,
                })
                .unwrap();
            let last = world.receivers[&viewer].slot(slot).packets.values().last().unwrap().clone();
            let behind = i64::from(last.timestamp.wrapping_sub(rtp_time).cast_signed()) * 1_000_000 / rate;
            let report_micros = ((u128::from(ntp) * 1_000_000) >> 32) as i64;
            (report_micros + behind, last.arrived)
        };
        let (picture, picture_arrived) = captured(0, 90_000);
        let (sound, sound_arrived) = captured(1, 48_000);
        let truth =
            picture_arrived.as_micros() as i64 - delay as i64 * 1_000 - sound_arrived.as_micros() as i64;
        let skew = picture - sound - truth;
        // ITU-R BT.1359 allows far more; this is the dead band of our clock.
        assert!((skew - expected * 1_000).abs() <= 15_000, "{why}: {skew} us");
    }
}
