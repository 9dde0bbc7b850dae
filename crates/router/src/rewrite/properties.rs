//! What holds for the numbers of a slot however packets arrive: sources one after the other, each with frames of any
//! length and distance, losses, reordering, a drifting clock, and one that jumps.

use std::collections::BTreeMap;

use proptest::prelude::*;
use units::Timestamp;

use super::tests::{blank, head};
use super::*;
use crate::egress::queue::Queue;
use crate::{OutgoingPacket, PacketKind};

/// Frames on either side of a jump of the clock that may suffer from it when something is missing there: as far as
/// packets can be late.
const DISTURBED: usize = 48;

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Arrives behind so many later packets.
    Arrives(u64),
    Lost,
}

#[derive(Clone, Debug)]
struct Frame {
    packets: Vec<Fate>,
    /// Frame intervals since the frame before.
    interval: u64,
}

#[derive(Clone, Debug)]
struct Source {
    codec: Codec,
    frames: Vec<Frame>,
    /// The first frame was captured this much before or after what was sent last, in milliseconds.
    landing: i64,
    /// Parts per thousand by which the clock is fast.
    drift: i64,
    /// At which frame the clock jumps, and by how many ticks.
    jump: Option<(usize, i64)>,
}

fn source() -> impl Strategy<Value = Source> {
    let fate = prop_oneof![
        20 => Just(Fate::Arrives(0)),
        3 => (1u64..8).prop_map(Fate::Arrives),
        1 => (8u64..40).prop_map(Fate::Arrives),
        1 => Just(Fate::Lost),
    ];
    let frame = (proptest::collection::vec(fate, 1..6), prop_oneof![6 => Just(1u64), 1 => 2u64..20])
        .prop_map(|(packets, interval)| Frame { packets, interval });
    let jump = prop_oneof![
        3 => Just(None),
        1 => (1usize..40, prop_oneof![-900_000i64..900_000, Just(1 << 40)]).prop_map(Some),
    ];
    let codec = prop_oneof![Just(Codec::Vp8), Just(Codec::H264)];
    (codec, proptest::collection::vec(frame, 1..60), -49i64..2_000, -20i64..20, jump)
        .prop_map(|(codec, frames, landing, drift, jump)| Source { codec, frames, landing, drift, jump })
}

/// The packets of a source in the order of their arrival, each with the number of its frame. `base` is the first
/// number, `start` the instant of the first frame in microseconds.
fn arrivals(source: &Source, base: u64, start: i64) -> Vec<(usize, Media)> {
    let (mut seq, mut micros, mut ticks) = (base, start, 10_000_000_000i64);
    let mut arriving = BTreeMap::new();
    for (number, frame) in source.frames.iter().enumerate() {
        if number > 0 {
            micros += frame.interval as i64 * 100_000 / 3;
            ticks += frame.interval as i64 * 3_000 * (1_000 + source.drift) / 1_000;
        }
        ticks += source.jump.filter(|(at, _)| *at == number).map_or(0, |(_, by)| by);
        let count = frame.packets.len();
        for (index, fate) in frame.packets.iter().enumerate() {
            let media = Media {
                seq,
                timestamp: ticks as u64,
                capture: Timestamp::from_micros(micros as u64),
                codec: source.codec,
                frame_start: index == 0,
                marker: index + 1 == count,
                head: (source.codec == Codec::Vp8).then(|| head(number as u64)),
                ..blank()
            };
            let fate = if seq == base { Fate::Arrives(0) } else { *fate };
            if let Fate::Arrives(behind) = fate {
                arriving.insert((seq + behind, seq), (number, media));
            }
            seq += 1;
        }
    }
    arriving.into_values().collect()
}

/// The first number of the source at that place.
fn first_of(place: usize) -> u64 {
    70_000 * (place as u64 + 1)
}

/// A packet of the source at that place, in the order of arrival: its first one is switched to.
fn handle(rewriter: &mut Rewriter, place: usize, media: &Media) -> Option<Rewritten> {
    let origin = if place.is_multiple_of(2) { SOURCES.0 } else { SOURCES.1 };
    match media.seq == first_of(place) {
        true => Some(rewriter.switch(origin, media)),
        false => rewriter.forward(media),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// No two packets share a number, time never goes back, two frames never share a timestamp, and what was whole
    /// on the way in is whole on the way out.
    #[test]
    fn a_stream_stays_one_stream(sources in proptest::collection::vec(source(), 1..5)) {
        let mut rewriter = Rewriter::new(90_000, 0x7ff0, 0xffff_0000, 0x7ff0);
        // By outgoing number: source, frame, timestamp.
        let mut sent: BTreeMap<u64, (usize, usize, u32)> = BTreeMap::new();
        let mut end = 5_000_000i64;
        for (place, source) in sources.iter().enumerate() {
            let base = first_of(place);
            let start = end + source.landing * 1_000;
            let arrivals = arrivals(source, base, start);
            let mut frames: BTreeMap<usize, Vec<(u64, Rewritten)>> = BTreeMap::new();
            for (number, media) in &arrivals {
                end = end.max(media.capture.as_micros() as i64);
                let Some(rewritten) = handle(&mut rewriter, place, media) else { continue };
                let before = sent.insert(rewritten.sequence, (place, *number, rewritten.timestamp));
                prop_assert_eq!(before, None, "a number was used twice");
                frames.entry(*number).or_default().push((media.seq, rewritten));
            }
            for (number, frame) in source.frames.iter().enumerate() {
                let disturbed = source.jump.is_some_and(|(at, _)| at.abs_diff(number) <= DISTURBED);
                let arrived = arrivals.iter().filter(|(of, _)| *of == number).count();
                if arrived < frame.packets.len() || disturbed {
                    continue;
                }
                let mut out = frames.get(&number).cloned().unwrap_or_default();
                out.sort_by_key(|(seq, _)| *seq);
                prop_assert_eq!(out.len(), frame.packets.len(), "frame {} of source {} was cut", number, place);
                let stays = |pair: &[(u64, Rewritten)]| {
                    pair[1].1.sequence == pair[0].1.sequence + 1 && pair[1].1.timestamp == pair[0].1.timestamp
                };
                prop_assert!(out.windows(2).all(stays), "frame {} of source {} was torn: {:?}", number, place, out);
            }
        }
        let order: Vec<_> = sent.values().collect();
        for pair in order.windows(2) {
            let elapsed = pair[1].2.wrapping_sub(pair[0].2);
            match (pair[0].0, pair[0].1) == (pair[1].0, pair[1].1) {
                true => prop_assert_eq!(elapsed, 0, "one frame, two times: {:?}", pair),
                false => prop_assert!((1..1 << 31).contains(&elapsed), "time stood or went back: {:?}", pair),
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Whatever still waits when the next source starts is dropped, and whatever was lost on a publisher's path may come in
    /// the end and be asked for: numbers that follow each other still are of one frame, or of the end of one and the start
    /// of another.
    #[test]
    fn numbers_given_out_again_join_no_frames(
        sources in proptest::collection::vec((source(), 0usize..24), 2..5),
    ) {
        let mut rewriter = Rewriter::new(90_000, 0x7ff0, 0xffff_0000, 0x7ff0);
        // What the receiver has in the end, by outgoing number.
        let mut wire: BTreeMap<u64, (usize, usize, Media)> = BTreeMap::new();
        let mut end = 5_000_000i64;
        for (place, (source, waiting)) in sources.iter().enumerate() {
            let base = first_of(place);
            let arrivals = arrivals(source, base, end + source.landing * 1_000);
            let mut given: Vec<(u64, u32)> = Vec::new();
            for (number, media) in &arrivals {
                end = end.max(media.capture.as_micros() as i64);
                if let Some(rewritten) = handle(&mut rewriter, place, media) {
                    given.push((rewritten.sequence, rewritten.timestamp));
                    wire.insert(rewritten.sequence, (place, *number, media.clone()));
                }
            }
            if place + 1 < sources.len() {
                let left = given.len() - (*waiting).min(given.len());
                if let Some(first) = abandoned(&given[..left], &given[left..]) {
                    wire.retain(|sequence, _| *sequence as u16 != first && (*sequence as u16).wrapping_sub(first) > 1 << 15);
                    rewriter.retreat(first);
                }
            }
        }
        let (first, last) = (*wire.keys().next().unwrap(), *wire.keys().next_back().unwrap());
        for sequence in first..last {
            let Some((_, sent)) = rewriter.find(sequence as u16).filter(|_| !wire.contains_key(&sequence)) else { continue };
            let place = (sent.incoming / 70_000) as usize - 1;
            wire.extend(packet(&sources[place].0, sent.incoming).map(|(frame, media)| (sequence, (place, frame, media))));
        }
        for ((one, before), (two, after)) in wire.iter().zip(wire.iter().skip(1)) {
            let joins = *two == *one + 1 && (before.0, before.1) != (after.0, after.1);
            prop_assert!(!joins || (before.2.marker && after.2.frame_start), "{one} is {before:?}, and then comes {after:?}");
        }
    }
}

/// The first number that may be used again, where numbers and times of a stream left in one order and others still wait.
fn abandoned(left: &[(u64, u32)], waiting: &[(u64, u32)]) -> Option<u16> {
    let mut queue = Queue::default();
    for (sequence, timestamp) in waiting {
        let packet = OutgoingPacket {
            slot: packet::Mid::parse("v0").unwrap(),
            header: packet::OutgoingHeader::new(1, 96, *sequence as u16, *timestamp, false),
            prefix: Default::default(),
            payload: bytes::Bytes::from_static(b"picture"),
            padding: 0,
            kind: PacketKind::Media,
        };
        queue.push(packet, units::DataSize::from_bytes(100)).unwrap();
    }
    let newest = left.iter().max().map(|(sequence, timestamp)| (*sequence as u16, *timestamp));
    queue.abandon(1, newest).map(|abandoned| abandoned.first)
}

/// A packet of a source by its number, whether it arrived or not, with the number of its frame.
fn packet(source: &Source, incoming: u64) -> Option<(usize, Media)> {
    let mut seq = incoming / 70_000 * 70_000;
    for (number, frame) in source.frames.iter().enumerate() {
        let count = frame.packets.len() as u64;
        if incoming < seq + count {
            let media = Media {
                seq: incoming,
                frame_start: incoming == seq,
                marker: incoming + 1 == seq + count,
                ..blank()
            };
            return Some((number, media));
        }
        seq += count;
    }
    None
}

const SOURCES: (Origin, Origin) = (
    Origin { publication: PublicationId(1), encoding: 0 },
    Origin { publication: PublicationId(1), encoding: 1 },
);
