//! Stories of packets and what a receiver would make of them. A story starts from the packets of a synthetic camera; a
//! forwarder's work and a network's are done to them by hand.

use std::sync::LazyLock;

use bytes::Bytes;
use packet::codec::vp8::Descriptor;
use proptest::prelude::*;

use super::*;
use crate::synthetic::{Camera, CameraConfig};

/// Frames of the encodings of a camera as packets: `frames[tick][encoding]`, numbered from zero per encoding.
struct Footage {
    frames: Vec<Vec<Vec<ReceivedPacket>>>,
}

const TICK: Duration = Duration::from_millis(33);

fn footage(ticks: u64, temporal_layers: u8) -> Footage {
    let config = CameraConfig { temporal_layers, ..CameraConfig::default() };
    let mut camera = Camera::new(config, 3);
    let mut frames = Vec::new();
    for tick in 0..ticks {
        // A keyframe each second, so that there is something to switch at.
        if tick % 30 == 0 {
            camera.request_keyframe();
        }
        let made = camera.capture(Timestamp::ZERO + TICK * tick as u32, 0);
        frames.push(made.iter().map(|frame| packets(frame.timestamp, &frame.payloads)).collect());
    }
    Footage { frames }
}

fn packets(timestamp: u32, payloads: &[Bytes]) -> Vec<ReceivedPacket> {
    let last = payloads.len() - 1;
    let packet = |(at, payload): (usize, &Bytes)| ReceivedPacket {
        codec: packet::Codec::Vp8,
        sequence: 0,
        timestamp,
        marker: at == last,
        csrc: Some(1),
        payload: payload.clone(),
    };
    payloads.iter().enumerate().map(packet).collect()
}

/// What a forwarder writes: one stream out of chosen frames, renumbered throughout.
struct Forwarder {
    sequence: u16,
    picture_id: u16,
    tl0: u8,
    timestamp: u32,
    out: Vec<(Timestamp, ReceivedPacket)>,
}

impl Forwarder {
    fn new() -> Self {
        // Close to every wrap.
        Self { sequence: 65_500, picture_id: 0x7ff0, tl0: 250, timestamp: u32::MAX - 50_000, out: Vec::new() }
    }

    fn forward(&mut self, tick: usize, frame: &[ReceivedPacket]) -> &mut Self {
        self.timestamp = self.timestamp.wrapping_add(3_000);
        self.picture_id = (self.picture_id + 1) & 0x7fff;
        let (first, _) = Descriptor::parse(&frame[0].payload).unwrap();
        if first.temporal.is_none_or(|temporal| temporal.layer == 0) {
            self.tl0 = self.tl0.wrapping_add(1);
        }
        for packet in frame {
            let (mut descriptor, length) = Descriptor::parse(&packet.payload).unwrap();
            descriptor.picture_id = Some(self.picture_id);
            descriptor.tl0_picture_index = descriptor.tl0_picture_index.map(|_| self.tl0);
            let mut payload = Vec::new();
            descriptor.write(&mut payload);
            payload.extend_from_slice(&packet.payload[length..]);
            let (sequence, timestamp) = (self.sequence, self.timestamp);
            let packet = ReceivedPacket { sequence, timestamp, payload: payload.into(), ..packet.clone() };
            self.sequence = self.sequence.wrapping_add(1);
            self.out.push((Timestamp::ZERO + TICK * tick as u32, packet));
        }
        self
    }
}

fn play(packets: &[(Timestamp, ReceivedPacket)]) -> StreamCheck {
    let mut check = StreamCheck::new();
    let mut verdicts = Vec::new();
    for (at, packet) in packets {
        check.handle_packet(*at, packet.clone(), &mut verdicts);
    }
    let end = packets.last().map_or(Timestamp::ZERO, |(at, _)| *at);
    check.handle_timeout(end + Duration::from_secs(2), &mut verdicts);
    let good = verdicts.iter().filter(|v| matches!(v, Verdict::Good { .. })).count() as u64;
    let stats = check.stats();
    let rejected = stats.bad_frames() + stats.spoiled;
    assert_eq!((good, verdicts.len() as u64 - good), (stats.frames, rejected));
    check
}

/// Frames 0..90 of encoding 1, forwarded whole.
fn plain() -> Vec<(Timestamp, ReceivedPacket)> {
    // Made once: properties start from it hundreds of times.
    static PLAIN: LazyLock<Vec<(Timestamp, ReceivedPacket)>> = LazyLock::new(|| {
        let footage = footage(90, 1);
        let mut forwarder = Forwarder::new();
        for (tick, frame) in footage.frames.iter().enumerate() {
            forwarder.forward(tick, &frame[1]);
        }
        forwarder.out
    });
    PLAIN.clone()
}

/// Index of the first packet of the frame that `tick` brought.
fn first_of(packets: &[(Timestamp, ReceivedPacket)], tick: u32) -> usize {
    packets.iter().position(|(at, _)| *at == Timestamp::ZERO + TICK * tick).unwrap()
}

fn bad(check: &StreamCheck) -> Vec<(BadFrame, u64)> {
    check.stats().bad.iter().map(|(why, count)| (*why, *count)).collect()
}

#[test]
fn an_undisturbed_stream_is_good_across_every_wrap() {
    let packets = plain();
    let check = play(&packets);
    let stats = check.stats();
    assert_eq!((stats.frames, stats.keyframes, stats.lost, stats.duplicates), (90, 3, 0, 0));
    assert_eq!(bad(&check), []);
    assert_eq!((stats.size, stats.encoding), (Some((640, 360)), Some(1)));
    let end = packets.last().unwrap().0;
    let (kbps, freezes) = (check.rate(end).as_kbps(), check.playback(end).freezes());
    assert!((400..650).contains(&kbps), "{kbps} kbit/s");
    assert_eq!(freezes, 0);
}

#[test]
fn a_switch_at_a_keyframe_is_good() {
    let footage = footage(90, 1);
    let mut forwarder = Forwarder::new();
    for (tick, frame) in footage.frames.iter().enumerate() {
        forwarder.forward(
            tick,
            &frame[if tick < 30 {
                0
            } else if tick < 60 {
                2
            } else {
                1
            }],
        );
    }
    let check = play(&forwarder.out);
    assert_eq!((check.stats().frames, check.stats().switches), (90, 2));
    assert_eq!(bad(&check), []);
    assert_eq!(check.stats().size, Some((640, 360)), "the size follows");
}

#[test]
fn every_mistake_of_a_forwarder_is_found() {
    type Mistake = fn(&Footage) -> Vec<(Timestamp, ReceivedPacket)>;
    type Found = &'static [(BadFrame, u64)];
    let cases: [(Mistake, Found, &str); 7] = [
        (
            |footage| {
                let mut forwarder = Forwarder::new();
                for (tick, frame) in footage.frames.iter().enumerate() {
                    forwarder.forward(tick, &frame[usize::from(tick >= 40)]);
                }
                forwarder.out
            },
            &[(BadFrame::MissingReference, 19), (BadFrame::NoKeyframe, 1)],
            "a switch between keyframes, until the next one at 60",
        ),
        (
            |footage| {
                let mut forwarder = Forwarder::new();
                for (tick, frame) in footage.frames.iter().enumerate().filter(|(tick, _)| *tick != 40) {
                    forwarder.forward(tick, &frame[1]);
                }
                forwarder.out
            },
            &[(BadFrame::MissingReference, 19)],
            "a frame left out and the numbers closed up",
        ),
        (
            |footage| {
                let mut forwarder = Forwarder::new();
                for (tick, frame) in footage.frames.iter().enumerate() {
                    forwarder.picture_id = if tick == 30 { 0x7000 } else { forwarder.picture_id };
                    forwarder.forward(tick, &frame[1]);
                }
                forwarder.out
            },
            &[(BadFrame::NotMonotone, 60)],
            "picture ids that jump back, if at a keyframe: every frame looks old",
        ),
        (
            |footage| {
                let mut forwarder = Forwarder::new();
                for (tick, frame) in footage.frames.iter().enumerate() {
                    forwarder.timestamp = if tick == 60 {
                        forwarder.timestamp.wrapping_sub(90_000)
                    } else {
                        forwarder.timestamp
                    };
                    forwarder.forward(tick, &frame[1]);
                }
                forwarder.out
            },
            &[(BadFrame::NotMonotone, 30)],
            "time that goes back",
        ),
        (
            |footage| {
                let mut forwarder = Forwarder::new();
                for (tick, frame) in footage.frames.iter().enumerate() {
                    let mixed = [&frame[2][..1], &footage.frames[tick.saturating_sub(1)][2][1..]].concat();
                    forwarder.forward(tick, if tick == 40 { &mixed } else { &frame[2] });
                }
                forwarder.out
            },
            &[(BadFrame::MixedUp, 1), (BadFrame::MissingReference, 19)],
            "packets of two frames under one picture id",
        ),
        (
            |footage| {
                let mut forwarder = Forwarder::new();
                for (tick, frame) in footage.frames.iter().enumerate() {
                    let mut frame = frame[1].clone();
                    frame.last_mut().unwrap().marker = tick != 40;
                    forwarder.forward(tick, &frame);
                }
                forwarder.out
            },
            &[(BadFrame::MissingMarker, 1), (BadFrame::MissingReference, 19)],
            "a marker lost in rewriting",
        ),
        (
            |footage| {
                let mut forwarder = Forwarder::new();
                for (tick, frame) in footage.frames.iter().enumerate().skip(5) {
                    forwarder.forward(tick, &frame[1]);
                }
                forwarder.out
            },
            &[(BadFrame::MissingReference, 25)],
            "a stream that does not start with a keyframe",
        ),
    ];
    let footage = footage(90, 1);
    for (mistake, expected, why) in cases {
        let check = play(&mistake(&footage));
        let mut expected = expected.to_vec();
        expected.sort();
        assert_eq!(bad(&check), expected, "{why}");
        assert_eq!(check.stats().lost, 0, "{why}");
    }
}

#[test]
fn a_retransmission_in_time_leaves_no_trace() {
    let mut packets = plain();
    let at = first_of(&packets, 40);
    let (sent, packet) = packets.remove(at);
    let back = sent + Duration::from_millis(150);
    let at = packets.iter().position(|(time, _)| *time > back).unwrap();
    packets.insert(at, (back, packet));
    let check = play(&packets);
    assert_eq!((check.stats().frames, check.stats().lost), (90, 0));
    assert_eq!(bad(&check), []);
}

#[test]
fn a_loss_costs_everything_up_to_the_next_keyframe_and_asks_for_one() {
    let mut packets = plain();
    let at = first_of(&packets, 40);
    packets.remove(at);
    let mut check = StreamCheck::new();
    let mut asked = Vec::new();
    for (now, packet) in &packets {
        check.handle_packet(*now, packet.clone(), &mut Vec::new());
        if check.take_keyframe_request(*now) {
            asked.push(now.as_millis());
        }
    }
    let stats = check.stats();
    assert_eq!((stats.lost, stats.late, stats.frames), (1, 0, 70), "40 frames in front and 30 behind");
    assert_eq!((bad(&check), stats.spoiled), (vec![], 20), "nobody made them wrong");
    // The hole shows at 1,320 ms and is given up after half a second; the keyframe comes at 1,980.
    assert_eq!(asked, [1_848], "asked when it is given up, and not again within half a second");
}

#[test]
fn what_a_loss_explains_ends_with_the_next_keyframe() {
    let footage = footage(90, 1);
    let mut forwarder = Forwarder::new();
    for (tick, frame) in footage.frames.iter().enumerate() {
        forwarder.forward(tick, &frame[usize::from(tick < 70)]);
    }
    let at = first_of(&forwarder.out, 40);
    forwarder.out.remove(at);
    let check = play(&forwarder.out);
    assert_eq!(check.stats().spoiled, 20, "up to the keyframe at 60");
    assert_eq!(
        bad(&check),
        [(BadFrame::MissingReference, 19), (BadFrame::NoKeyframe, 1)],
        "another encoding at 70 without one is nobody's loss"
    );
}

#[test]
fn a_keyframe_behind_a_hole_ends_the_wait() {
    let mut packets = plain();
    let at = first_of(&packets, 58);
    packets.remove(at);
    let check = play(&packets);
    assert_eq!(check.stats().lost, 1);
    assert_eq!(check.stats().frames, 88, "two frames in front of the keyframe at 60 are gone");
    assert!(check.playback(packets.last().unwrap().0).longest_gap() < Duration::from_millis(150));
}

#[test]
fn a_gap_of_one_behind_an_unfinished_frame_is_a_switch_and_no_loss() {
    let footage = footage(60, 1);
    let mut forwarder = Forwarder::new();
    for (tick, frame) in footage.frames.iter().enumerate().take(30) {
        let whole = &frame[2];
        forwarder.forward(tick, if tick == 29 { &whole[..1] } else { whole });
    }
    forwarder.sequence = forwarder.sequence.wrapping_add(1);
    for (tick, frame) in footage.frames.iter().enumerate().skip(30) {
        forwarder.forward(tick, &frame[0]);
    }
    let check = play(&forwarder.out);
    assert_eq!((check.stats().lost, check.stats().abandoned, check.stats().frames), (0, 1, 59));
    assert_eq!(bad(&check), []);
}

#[test]
fn a_camera_that_stalls_is_told_from_a_path_that_does() {
    let mut camera = Camera::new(CameraConfig::default(), 3);
    let mut forwarder = Forwarder::new();
    for tick in [0_u32, 1, 2, 12, 13] {
        let at = Timestamp::ZERO + TICK * tick;
        let frames = camera.capture(at, at.as_micros());
        forwarder.forward(tick as usize, &packets(frames[0].timestamp, &frames[0].payloads));
    }
    let check = play(&forwarder.out);
    let freezes = check.playback(forwarder.out.last().unwrap().0).freezes();
    assert_eq!(
        (freezes, check.stats().source_stalls),
        (1, 1),
        "330 ms without a frame, and without one made"
    );

    let late = Timestamp::ZERO + TICK * 40;
    forwarder
        .out
        .iter_mut()
        .filter(|(at, _)| *at > Timestamp::ZERO + TICK * 12)
        .for_each(|(at, _)| *at = late);
    let check = play(&forwarder.out);
    assert_eq!(
        (check.playback(late).freezes(), check.stats().source_stalls),
        (2, 1),
        "the second is the path's"
    );

    // Twelve frames that a path loses were made all the same.
    let mut packets = plain();
    let (from, to) = (first_of(&packets, 31), first_of(&packets, 60));
    packets.drain(from..to);
    let check = play(&packets);
    assert_eq!(
        (check.playback(late).freezes(), check.stats().source_stalls),
        (1, 0),
        "nobody's machine stood still"
    );
}

#[test]
fn temporal_layers_may_be_dropped_but_base_frames_may_not() {
    let footage = footage(60, 2);
    let layer =
        |frame: &[ReceivedPacket]| Descriptor::parse(&frame[0].payload).unwrap().0.temporal.unwrap().layer;
    for (dropped, faults, why) in [
        (Some(1), 0, "half the frame rate"),
        (None, 0, "all of it"),
        (Some(0), 28, "the base layer, but for keyframes"),
    ] {
        let mut forwarder = Forwarder::new();
        for (tick, frame) in footage.frames.iter().enumerate() {
            let (layer, keyframe) = (layer(&frame[0]), tick % 30 == 0);
            if dropped != Some(layer) || keyframe {
                forwarder.forward(tick, &frame[0]);
            } else if layer == 0 {
                // The count of base frames goes on, as it does when one is lost.
                forwarder.tl0 = forwarder.tl0.wrapping_add(1);
            }
        }
        // Of 30 frames 15 are of the upper layer, and the first of those has its reference in the keyframe.
        assert_eq!(play(&forwarder.out).stats().bad_frames(), faults, "{why}");
    }
}

#[test]
fn padding_fills_a_number_and_is_no_frame() {
    let mut packets = plain();
    let at = first_of(&packets, 40);
    let shift = |packet: &mut ReceivedPacket| packet.sequence = packet.sequence.wrapping_add(1);
    let mut padding = packets[at].clone();
    padding.1 = ReceivedPacket { payload: Bytes::new(), marker: false, ..padding.1 };
    packets[at..].iter_mut().for_each(|(_, packet)| shift(packet));
    packets.insert(at, padding);
    let check = play(&packets);
    assert_eq!((check.stats().frames, check.stats().padding, check.stats().lost), (90, 1, 0));
    assert_eq!(bad(&check), []);
}

#[test]
fn frames_of_others_are_judged_by_their_descriptors() {
    let strip = |packets: &mut Vec<(Timestamp, ReceivedPacket)>| {
        for (_, packet) in packets.iter_mut().filter(|(_, packet)| packet.marker) {
            let end = packet.payload.len() - 1;
            packet.payload = [&packet.payload[..end - 39], &[0; 40]].concat().into();
        }
    };
    let mut packets = plain();
    strip(&mut packets);
    let check = play(&packets);
    assert_eq!((check.stats().frames, check.stats().bad_frames(), check.stats().encoding), (90, 0, None));

    let mut packets = plain();
    strip(&mut packets);
    let (from, to) = (first_of(&packets, 40), first_of(&packets, 41));
    let count = (to - from) as u16;
    packets.drain(from..to);
    packets[from..].iter_mut().for_each(|(_, p)| p.sequence = p.sequence.wrapping_sub(count));
    assert_eq!(bad(&play(&packets)), [(BadFrame::MissingReference, 19)], "a hole in the picture ids tells");
}

proptest! {
    /// Whatever order packets come in within the time a jitter buffer waits, nothing is lost or bad.
    #[test]
    fn reordering_is_harmless(shuffle in proptest::collection::vec(0usize..3, 300)) {
        let packets = plain();
        let mut order: Vec<usize> = (0..packets.len()).collect();
        // The first packet defines where the stream starts.
        order[1..].sort_by_key(|at| at + shuffle[*at]);
        let shuffled: Vec<_> = order.iter().zip(&packets).map(|(from, (at, _))| (*at, packets[*from].1.clone())).collect();
        let check = play(&shuffled);
        prop_assert_eq!((check.stats().frames, check.stats().lost), (90, 0), "{:?}", check.stats());
        prop_assert_eq!(check.stats().bad_frames(), 0);
    }

    #[test]
    fn arbitrary_packets_never_panic(packets in proptest::collection::vec(
        (any::<u16>(), any::<u32>(), any::<bool>(), proptest::collection::vec(any::<u8>(), 0..60), 0u64..700_000), 0..60,
    )) {
        let mut check = StreamCheck::new();
        let mut now = Timestamp::ZERO;
        for (sequence, timestamp, marker, payload, later) in packets {
            now += Duration::from_micros(later);
            let packet = ReceivedPacket { codec: packet::Codec::Vp8, sequence, timestamp, marker, csrc: None, payload: payload.into() };
            check.handle_packet(now, packet, &mut Vec::new());
        }
    }
}
