//! Switches between encodings and publications, as one receiver sees them.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use packet::{Codec, ExtensionIds, ExtensionUri, RtcpItem, RtpPacket};
use router::{ParticipantId, PublicationId, Want};

use crate::receiver::{Frame, Stream, ssrc};
use crate::source::{Camera, Truth};
use crate::world::{Fate, World, generous};

const VIEWER: u32 = 50;

/// A world with one camera, and a viewer with one slot that shows it at that height.
fn viewer_of(camera: Camera, height: u32) -> (World, ParticipantId, PublicationId) {
    let mut world = World::new();
    let publication = world.camera(camera);
    let viewer = world.receiver(VIEWER, generous(), 1, 0);
    world.view(viewer, &[(Want::Auto, height)]);
    (world, viewer, publication)
}

/// Runs to and fro between heights, a second and a half each.
fn wander(world: &mut World, viewer: ParticipantId, heights: &[u32]) {
    for height in heights {
        world.view(viewer, &[(Want::Auto, *height)]);
        world.run(1_500);
    }
}

fn stream(world: &World, viewer: ParticipantId) -> &Stream {
    world.receivers[&viewer].slot(0)
}

#[test]
fn switches_between_all_layers_are_seamless_in_every_codec() {
    for codec in [Codec::Vp8, Codec::H264, Codec::Vp9, Codec::Av1] {
        let (mut world, viewer, _) = viewer_of(Camera::new(1, codec), 180);
        world.run(2_000);
        wander(&mut world, viewer, &[720, 180, 360, 720, 360, 180]);
        let stream = stream(&world, viewer);
        assert_eq!(stream.missing(), [], "{codec}: numbers have no holes");
        assert_eq!(stream.shown(), [(1, 0), (1, 2), (1, 0), (1, 1), (1, 2), (1, 1), (1, 0)], "{codec}");
        let undecoded = stream.frames().iter().filter(|frame| !frame.decoded).count();
        assert_eq!(undecoded, 0, "{codec}: every frame that was begun is whole");
        assert!(stream.longest_pause() <= Duration::from_millis(67), "{codec}: {:?}", stream.longest_pause());
        assert_eq!(world.room.downlink(viewer).unwrap().switches, 7);
    }
}

#[test]
fn a_slot_moves_between_publishers_and_codecs_like_between_layers() {
    let mut world = World::new();
    let vp8 = world.camera(Camera::new(1, Codec::Vp8));
    let h264 = world.camera(Camera::new(2, Codec::H264));
    let viewer = world.receiver(VIEWER, generous(), 1, 0);
    for want in [vp8, h264, vp8, h264] {
        world.view(viewer, &[(Want::Publication(want), 360)]);
        world.run(2_000);
    }
    let stream = stream(&world, viewer);
    assert_eq!(stream.missing(), []);
    let publishers: Vec<u32> = {
        let mut shown: Vec<u32> = stream.shown().iter().map(|(publisher, _)| *publisher).collect();
        shown.dedup();
        shown
    };
    assert_eq!(publishers, [1, 2, 1, 2]);
    assert!(stream.longest_pause() <= Duration::from_millis(70), "{:?}", stream.longest_pause());
}

/// Checklist 3 and 5: what was unfinished stays unfinished.
#[test]
fn a_frame_cut_off_by_a_switch_never_seems_to_go_on() {
    let (mut world, viewer, _) = viewer_of(Camera::new(1, Codec::Vp8), 720);
    world.run(3_000);
    // The last packet of each large frame comes 12 ms late, when the keyframe of the small encoding is
    // already there.
    world.uplink = Box::new(|truth| match truth.encoding == 2 && truth.index + 1 == truth.count {
        true => Fate::Late(12),
        false => Fate::Arrives,
    });
    world.cameras[0].layers[0].delay = 10;
    let before = stream(&world, viewer).packets.len();
    world.view(viewer, &[(Want::Auto, 180)]);
    world.run(300);
    let stream = stream(&world, viewer);
    let gap = stream.missing();
    assert_eq!(gap.len(), 1, "one number is left out, and stays out: {gap:?}");
    assert!(stream.packets.len() > before);
    let cut: Vec<Frame> = stream.frames().into_iter().filter(|frame| frame.last + 1 == gap[0]).collect();
    assert!(cut[0].truth.encoding == 2 && !cut[0].decoded, "the cut frame: {:?}", cut[0]);
    assert!(stream.packets[&(gap[0] + 1)].truth.unwrap().keyframe, "then the keyframe");

    let missed = world.room.downlink(viewer).unwrap().retransmissions_missed;
    world.tell(
        viewer,
        RtcpItem::Nack { sender_ssrc: 1, media_ssrc: ssrc(0), lost: smallvec::smallvec![gap[0] as u16] },
    );
    let after = world.room.downlink(viewer).unwrap();
    assert_eq!(after.retransmissions, 0, "asked for or not");
    assert_eq!(after.retransmissions_missed, missed + 1);
}

/// Checklist 4: packets that were overtaken by their keyframe.
#[test]
fn packets_of_the_new_encoding_from_before_its_keyframe_are_dropped() {
    let (mut world, viewer, _) = viewer_of(Camera::new(1, Codec::Vp8), 180);
    world.run(2_000);
    // Delta frames of the large encoding take 20 ms longer than its keyframes.
    world.uplink = Box::new(|truth| match truth.encoding == 2 && !truth.keyframe {
        true => Fate::Late(20),
        false => Fate::Arrives,
    });
    world.view(viewer, &[(Want::Auto, 720)]);
    world.run(1_000);
    let stream = stream(&world, viewer);
    assert_eq!(stream.shown(), [(1, 0), (1, 2)]);
    assert_eq!(stream.missing(), []);
    let first = stream.frames().into_iter().find(|frame| frame.truth.encoding == 2).unwrap();
    assert!(first.truth.keyframe && first.decoded);
}

/// Checklist 2: the rest of a keyframe may overtake its first packet.
#[test]
fn a_keyframe_whose_start_comes_last_is_whole_all_the_same() {
    for codec in [Codec::Vp8, Codec::H264] {
        let (mut world, viewer, _) = viewer_of(Camera::new(1, codec), 180);
        world.run(2_000);
        world.uplink = Box::new(|truth| match truth.keyframe && truth.index == 0 && truth.encoding == 2 {
            true => Fate::Late(25),
            false => Fate::Arrives,
        });
        world.view(viewer, &[(Want::Auto, 720)]);
        world.run(1_000);
        let stream = stream(&world, viewer);
        assert_eq!(stream.shown(), [(1, 0), (1, 2)], "{codec}");
        assert_eq!(stream.missing(), [], "{codec}: what came before the start follows it at once");
        assert_eq!(world.room.downlink(viewer).unwrap().retransmissions, 0);
    }
}

/// Checklist 8: seven bits in, fifteen out, all counters going on across layers and publishers.
#[test]
fn short_picture_ids_become_long_ones_and_wrap_unnoticed() {
    let mut short = Camera::new(1, Codec::Vp8);
    short.layers.iter_mut().for_each(|layer| layer.long_pictures = false);
    let mut long = Camera::new(2, Codec::Vp8);
    long.layers.iter_mut().for_each(|layer| layer.picture = 0x7ff0);
    let mut world = World::new();
    let (short, long) = (world.camera(short), world.camera(long));
    let viewer = world.receiver(VIEWER, generous(), 1, 0);
    for want in [short, long, short] {
        world.view(viewer, &[(Want::Publication(want), 180)]);
        world.run(6_000);
    }
    let stream = stream(&world, viewer);
    // The receiver checks that picture ids and TL0PICIDX go on; 6 s are 180 frames, more than seven bits.
    assert!(stream.decoded().len() > 530, "{}", stream.decoded().len());
    assert_eq!(stream.frames().len(), stream.decoded().len());
    let keys: Vec<u8> = stream.packets.values().filter_map(|packet| packet.descriptor?.key_index).collect();
    assert!(keys.windows(2).all(|k| (k[1].wrapping_sub(k[0]) & 0x1f) <= 1), "KEYIDX goes on");
}

/// Checklist 11, with reports: a frame keeps its place in time across a switch to a slower encoding.
#[test]
fn sender_reports_align_encodings_exactly() {
    for (wall, tolerance, why) in [(Some(7_777_000), 1, "by report"), (None, 45 * 90, "by arrival")] {
        let mut camera = Camera::new(1, Codec::Vp8);
        camera.wall = wall;
        // The large encoding is 40 ms behind the small one.
        camera.layers[2].delay = 45;
        let (mut world, viewer, _) = viewer_of(camera, 180);
        world.reports_every = Some(Duration::from_secs(1));
        world.run(3_000);
        wander(&mut world, viewer, &[720, 180, 720]);
        let stream = stream(&world, viewer);
        // Capture time is frame number times frame interval, for all encodings alike.
        let frames = stream.decoded();
        let origin = &frames[0];
        let worst = frames
            .iter()
            .map(|frame| {
                let elapsed = i64::from(frame.timestamp.wrapping_sub(origin.timestamp));
                let captured = i64::from(frame.truth.frame - origin.truth.frame) * 34 * 90;
                (elapsed - captured).abs()
            })
            .max()
            .unwrap();
        // What a switch backwards in time adds is up to 50 ms and is taken out again.
        assert!(worst <= tolerance.max(50 * 90), "{why}: off by {worst} ticks");
        let last = frames.last().unwrap();
        let elapsed = i64::from(last.timestamp.wrapping_sub(origin.timestamp));
        let captured = i64::from(last.truth.frame - origin.truth.frame) * 34 * 90;
        assert!((elapsed - captured).abs() <= tolerance + 10 * 90, "{why}: {}", elapsed - captured);
    }
}

/// Checklist 11: a switch that would land far in the past waits, but not for ever.
#[test]
fn a_switch_far_into_the_past_is_put_off_and_then_forced() {
    let mut camera = Camera::new(1, Codec::Vp8);
    camera.wall = Some(1_000);
    camera.layers[2].delay = 205;
    let (mut world, viewer, _) = viewer_of(camera, 180);
    world.reports_every = Some(Duration::from_secs(1));
    world.run(3_000);
    let asked = world.now;
    world.view(viewer, &[(Want::Auto, 720)]);
    world.run(2_000);
    let stream = stream(&world, viewer);
    let first = stream.decoded().into_iter().find(|frame| frame.truth.encoding == 2).unwrap();
    let waited = first.shown - asked;
    assert!((500..1_200).contains(&waited.as_millis()), "waited {waited:?}");
    assert!(world.requests(1, asked).len() >= 3, "each refused keyframe asks for another");
    assert_eq!(stream.missing(), []);
}

/// Checklist 15: numbers that carry nothing are closed up, wherever they come.
#[test]
fn padding_leaves_no_hole() {
    for codec in [Codec::Vp8, Codec::H264] {
        let (mut world, viewer, _) = viewer_of(Camera::new(1, codec), 180);
        for round in 0..40 {
            world.run(34);
            let layer = &mut world.cameras[0].layers[0];
            let count = round % 3;
            let padding: Vec<RtpPacket> = (0..count)
                .map(|_| {
                    layer.sequence = layer.sequence.wrapping_add(1);
                    RtpPacket {
                        ssrc: layer.ssrc,
                        payload_type: 96,
                        sequence: layer.sequence,
                        timestamp: layer
                            .timestamp_base
                            .wrapping_add((world.now.as_micros() * 9 / 100) as u32),
                        marker: false,
                        extensions: Default::default(),
                        payload: Default::default(),
                        padding: 200,
                        wire_size: 212,
                    }
                })
                .collect();
            for packet in padding {
                let incoming = router::Incoming {
                    mid: world.cameras[0].mid,
                    rid: packet::Rid::parse("q"),
                    codec,
                    packet,
                    redundant: None,
                };
                world.inject(ParticipantId(1), incoming);
            }
        }
        let stream = stream(&world, viewer);
        assert_eq!(stream.missing(), [], "{codec}");
        assert_eq!(stream.decoded().len(), stream.frames().len(), "{codec}");
        assert!(stream.decoded().len() >= 35, "{codec}");
        assert!(
            stream.packets.values().all(|packet| packet.truth.is_some()),
            "{codec}: nothing empty was sent"
        );
    }
}

/// Checklist 16: what leaves carries the receiver's own extensions and none of the publisher's. Its
/// descriptors of layers and dependencies would make a receiver wait for frames of another encoding after a
/// switch.
#[test]
fn headers_are_written_anew() {
    let mut world = World::new();
    world.camera(Camera::new(1, Codec::Vp8));
    let viewer = world.receiver(VIEWER, generous(), 1, 0);
    let seen = Rc::new(RefCell::new(Vec::new()));
    let log = Rc::clone(&seen);
    world.downlink = Box::new(move |_, packet| {
        // A receiver's ids differ from the publisher's; everything negotiable is negotiated.
        let ids: ExtensionIds =
            ExtensionUri::ALL.iter().enumerate().map(|(at, uri)| (*uri, at as u8 + 3)).collect();
        let mut bytes = Vec::new();
        packet.header.write(&ids, packet.padding > 0, &mut bytes);
        bytes.extend_from_slice(&packet.prefix);
        bytes.extend_from_slice(&packet.payload);
        log.borrow_mut().push(RtpPacket::parse(bytes.into(), &ids).unwrap());
        false
    });
    world.view(viewer, &[(Want::Auto, 180)]);
    world.run(5_000);
    assert_eq!(
        seen.borrow()[0].extensions.mid,
        Some(crate::world::slot_mid(0)),
        "the section is named at first"
    );
    let last = |seen: &[RtpPacket]| seen.last().unwrap().extensions.mid;
    assert_eq!(last(&seen.borrow()), None, "and not for ever");
    world.view(viewer, &[(Want::Auto, 720)]);
    world.run(1_000);
    for connected in [false, true] {
        world.act(|room, now, out| room.set_connected(now, viewer, connected, out));
    }
    world.run(100);
    assert_eq!(last(&seen.borrow()), Some(crate::world::slot_mid(0)), "but again on a new path");
    for packet in seen.borrow().iter() {
        assert_eq!((packet.ssrc, packet.payload_type), (ssrc(0), crate::receiver::VP8));
        let extensions = &packet.extensions;
        assert!(extensions.transport_wide.is_some());
        assert_eq!((extensions.rid, extensions.repaired_rid), (None, None));
        assert!(extensions.layers_allocation.is_none() && extensions.dependency_descriptor.is_none());
    }
}

/// Checklist 22: who comes right after a keyframe does not wait for another.
#[test]
fn a_joiner_starts_at_a_recent_keyframe() {
    let mut camera = Camera::new(1, Codec::Vp8);
    camera.answers = crate::source::Answers::Never;
    let mut world = World::new();
    world.camera(camera);
    world.run(500);
    let viewer = world.receiver(VIEWER, generous(), 1, 0);
    world.run(200);
    let stream = stream(&world, viewer);
    assert_eq!(stream.frames()[0].truth.frame, 1, "from the very keyframe on");
    assert!(stream.decoded().len() >= 20, "{}", stream.decoded().len());
    assert_eq!(world.requests(1, world.now.saturating_sub(Duration::from_secs(9))), []);
}

/// Checklist 24: under simulcast the RID names the layer, whatever temporal or spatial id is inside.
#[test]
fn a_packet_of_an_encoding_that_was_not_agreed_is_counted_and_dropped() {
    let (mut world, viewer, _) = viewer_of(Camera::new(1, Codec::Vp8), 180);
    world.run(500);
    let (sent, unknown) = (world.receivers[&viewer].sent, world.room.stats().unknown);
    let mut stray = Camera::new(1, Codec::Vp8);
    for (_, mut incoming) in stray.capture(world.now) {
        incoming.rid = packet::Rid::parse("zz");
        world.inject(ParticipantId(1), incoming);
    }
    assert_eq!(world.receivers[&viewer].sent, sent);
    assert_eq!(world.room.stats().unknown, unknown + 21);
}

/// A switch under loss both ways: nothing is decoded wrongly, and the picture returns.
#[test]
fn switching_survives_loss_reordering_and_duplication() {
    let (mut world, viewer, _) = viewer_of(Camera::new(1, Codec::Vp8), 180);
    let mut n = 0u32;
    world.uplink = Box::new(move |_: &Truth| {
        n = n.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        match n >> 24 {
            0..=12 => Fate::Late(70),
            13..=20 => Fate::Late(3),
            21..=25 => Fate::Twice(40),
            26..=27 => Fate::Lost,
            _ => Fate::Arrives,
        }
    });
    let mut m = 7u32;
    world.downlink = Box::new(move |_, _| {
        m = m.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        m >> 24 < 8
    });
    world.receivers.get_mut(&viewer).unwrap().nack_after = Some(Duration::from_millis(100));
    world.run(2_000);
    wander(&mut world, viewer, &[720, 180, 360, 720, 360, 180]);
    let stream = stream(&world, viewer);
    let layers: Vec<u8> = stream.shown().iter().map(|(_, layer)| *layer).collect();
    assert_eq!(layers, [0, 2, 0, 1, 2, 1, 0]);
    let last = stream.decoded().last().unwrap().shown;
    // Real receivers ask for a keyframe when a picture is lost for good; this one only shows how far repair
    // goes.
    assert!(stream.decoded().len() > 60, "{} of {}", stream.decoded().len(), stream.frames().len());
    assert!(world.now - last < Duration::from_secs(9));
    assert!(world.room.stats().duplicate > 0);
}

#[test]
fn a_limit_counts_whatever_the_path_carries_and_lifting_it_is_felt() {
    let (mut world, viewer, _) = viewer_of(Camera::new(1, Codec::Vp8), 720);
    world.run(2_000);
    let best = world.on_slot(viewer, 0).0;
    // The receiver of this test acknowledges nothing, so that nothing else limits it.
    assert_eq!((best.as_str(), world.room.downlink(viewer).unwrap().budget), ("f", None));

    let limit = units::Bitrate::from_kbps(300);
    world.act(|room, now, out| room.set_downlink_limit(now, viewer, Some(limit), out));
    world.run(2_000);
    let (rid, reason) = world.on_slot(viewer, 0);
    assert_ne!(rid, best);
    assert_eq!(reason, selector::Reason::Bandwidth);
    let (downlink, slots) = (world.room.downlink(viewer).unwrap(), world.room.slots(viewer));
    assert_eq!(downlink.budget, Some(limit));
    assert!(slots[0].bitrate <= limit, "{slots:?}");

    world.act(|room, now, out| room.set_downlink_limit(now, viewer, None, out));
    world.run(4_000);
    assert_eq!(world.on_slot(viewer, 0).0, best);
    assert_eq!(stream(&world, viewer).missing(), [], "the stream goes on without holes");
}
