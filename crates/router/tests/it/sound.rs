//! Who is heard, and who is said to speak.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use packet::codec::red::Redundant;
use packet::{AudioLevel, Codec, Extensions, MediaKind, RtpPacket};
use router::{Config, Incoming, Output, ParticipantId, Room, RoomEvent, SendingSection};
use units::Timestamp;

use crate::source::Microphone;
use crate::world::{World, generous, mid, slots};

/// Who was heard on any slot between now and `ms` later.
fn heard(world: &mut World, id: u32, ms: u64) -> BTreeSet<u32> {
    let start = world.now;
    world.run(ms);
    let receiver = &world.receivers[&ParticipantId(id)];
    let packets = receiver.streams.values().flat_map(|stream| stream.packets.values());
    packets.filter(|packet| packet.arrived > start).map(|packet| packet.csrc).collect()
}

fn room_of(levels: &[u8]) -> World {
    let mut world = World::new();
    for (at, dbov) in levels.iter().enumerate() {
        world.microphone(Microphone::new(at as u32 + 1, *dbov), 3);
    }
    world
}

#[test]
fn the_three_loudest_are_heard_and_nobody_hears_himself() {
    let mut world = room_of(&[90, 80, 30, 40, 50, 95]);
    world.run(1_000);
    assert_eq!(heard(&mut world, 1, 200), BTreeSet::from([3, 4, 5]));
    assert_eq!(heard(&mut world, 3, 200), BTreeSet::from([2, 4, 5]), "one of the loudest hears the next");
    // The loudest stops, and another begins.
    world.microphones[2].dbov = Some(110);
    world.microphones[0].dbov = Some(20);
    world.run(2_000);
    assert_eq!(heard(&mut world, 2, 200), BTreeSet::from([1, 4, 5]));
}

#[test]
fn a_new_voice_is_heard_within_a_syllable() {
    let mut world = room_of(&[40, 45, 50, 100]);
    // Four talk, so everybody is heard by somebody; the listener is a fifth.
    world.microphone(Microphone::new(5, 110), 3);
    world.run(2_000);
    world.microphones[3].dbov = Some(25);
    let start = world.now;
    while !heard(&mut world, 5, 10).contains(&4) {
        assert!(world.now - start < Duration::from_millis(250), "not heard after 250 ms");
    }
}

#[test]
fn levels_that_waver_move_no_slot() {
    let mut world = room_of(&[40, 41, 42, 43, 44, 45]);
    world.run(1_000);
    let before = heard(&mut world, 6, 100);
    for round in 0..200u32 {
        for microphone in &mut world.microphones {
            microphone.dbov = Some(40 + ((microphone.id * 7 + round * 5) % 5) as u8);
        }
        assert_eq!(heard(&mut world, 6, 20), before);
    }
}

#[test]
fn a_slot_that_changes_speakers_is_one_stream() {
    let mut world = World::new();
    for id in 1..=3 {
        world.microphone(Microphone::new(id, 100), 0);
    }
    world.microphone(Microphone::new(9, 120), 1);
    for round in 0..6 {
        for microphone in &mut world.microphones[..3] {
            microphone.dbov = Some(if microphone.id == round % 3 + 1 { 30 } else { 100 });
        }
        world.run(1_500);
    }
    let stream = world.receivers[&ParticipantId(9)].slot(0);
    assert_eq!(stream.missing(), []);
    let mut speakers: Vec<u32> = stream.packets.values().map(|packet| packet.csrc).collect();
    speakers.dedup();
    assert_eq!(speakers, [1, 2, 3, 1, 2, 3]);
    let packets: Vec<_> = stream.packets.values().collect();
    for pair in packets.windows(2) {
        let step = pair[1].timestamp.wrapping_sub(pair[0].timestamp);
        assert!((1..=2_000).contains(&step), "time goes on, by {step}");
        if pair[0].csrc != pair[1].csrc {
            assert!(pair[1].marker, "a new voice begins with the marker");
        }
    }
}

#[test]
fn silence_is_neither_a_dead_stream_nor_a_gap() {
    let mut world = room_of(&[30, 100]);
    world.run(1_000);
    world.microphones[0].active = false;
    world.run(10_000);
    world.microphones[0].active = true;
    let start = world.now;
    world.run(300);
    let stream = world.receivers[&ParticipantId(2)].slot(0);
    let back: Vec<_> = stream.packets.values().filter(|packet| packet.arrived > start).collect();
    assert!(back.len() >= 14, "heard from the first packet on");
    assert_eq!(stream.missing(), []);
    let last = stream.packets.values().rfind(|packet| packet.arrived < start).unwrap();
    let elapsed = back[0].timestamp.wrapping_sub(last.timestamp);
    assert!(elapsed.abs_diff(10_000 * 48) <= 48 * 40, "{elapsed} ticks for 10 s");
}

#[test]
fn speakers_are_told_at_most_once_a_second() {
    let mut world = room_of(&[100, 100, 100]);
    for round in 0..50 {
        for microphone in &mut world.microphones {
            microphone.dbov = Some(if microphone.id == round % 3 + 1 { 30 } else { 100 });
        }
        world.run(250);
    }
    world.microphones.iter_mut().for_each(|microphone| microphone.active = false);
    world.run(5_000);
    let told: Vec<_> = world
        .events
        .iter()
        .filter_map(|(at, event)| match event {
            RoomEvent::Speakers(list) => Some((*at, list.len())),
            _ => None,
        })
        .collect();
    assert!(told.len() >= 5, "{told:?}");
    assert!(told.windows(2).all(|pair| pair[1].0 - pair[0].0 >= Duration::from_secs(1)), "{told:?}");
    assert_eq!(told.last().unwrap().1, 0, "and silence is told, too");
}

/// A packet of a microphone with the frame before it, as RFC 2198 has it.
fn repeating(number: u16, now: &[u8]) -> Incoming {
    let whole = [&[0x80 | 111, 0x0f, 0x00, 4, 111][..], b"then", now].concat();
    let packet = RtpPacket {
        ssrc: 5,
        payload_type: 111,
        sequence: number,
        timestamp: u32::from(number) * 960,
        marker: false,
        extensions: Extensions {
            audio_level: Some(AudioLevel { voice: true, dbov: 30 }),
            ..Extensions::default()
        },
        wire_size: whole.len() + 12,
        payload: Bytes::copy_from_slice(now),
        padding: 0,
    };
    let redundant = (!number.is_multiple_of(3))
        .then(|| std::sync::Arc::new(Redundant { whole: whole.into(), payload_type: 111 }));
    Incoming { mid: mid("mic"), rid: None, codec: Codec::Opus, packet, redundant }
}

#[test]
fn who_takes_no_repeated_sound_gets_the_sound_of_the_moment() {
    let mut room = Room::new(Config::default(), 1);
    let start = Timestamp::from_secs(100);
    let mut out = Vec::new();
    for id in 0..4 {
        room.add_participant(start, ParticipantId(id), generous());
        room.set_connected(start, ParticipantId(id), true, &mut out);
    }
    let microphone = SendingSection {
        mid: mid("mic"),
        kind: MediaKind::Audio,
        active: true,
        codec: Codec::Opus,
        rids: Vec::new(),
    };
    room.set_sections(start, ParticipantId(0), &[microphone], &[], &mut out);
    // Takes it, does not, and counts its codecs otherwise.
    for (id, payload_type, red_payload_type) in [(1, 111, Some(63)), (2, 111, None), (3, 109, Some(63))] {
        let mut slots = slots(0, 1);
        slots[0].codecs[0].payload_type = payload_type;
        slots[0].codecs[0].red_payload_type = red_payload_type;
        room.set_sections(start, ParticipantId(id), &[], &slots, &mut out);
    }
    let mut got: BTreeMap<u32, Vec<(u8, u16, usize)>> = BTreeMap::new();
    for number in 0..60u16 {
        let now = start + Duration::from_millis(20 * u64::from(number));
        // Silence of two bytes, as discontinuous transmission has it, from the fortieth on.
        let frame: &[u8] = if number < 40 { b"a frame of sound" } else { b"\xf8\xff" };
        room.handle_rtp(now, ParticipantId(0), repeating(number, frame), &mut out);
        room.handle_timeout(now, &mut out);
        for output in out.drain(..) {
            if let Output::Rtp { to, packet } = output {
                let (header, length) = (&packet.header, packet.payload.len());
                got.entry(to.0).or_default().push((header.payload_type, header.sequence, length));
                assert_eq!(
                    header.audio_level.map(|level| level.dbov),
                    Some(30),
                    "levels are those of the moment"
                );
            }
        }
    }
    for (id, plain, repeated) in [(1, 111, Some(63)), (2, 111, None), (3, 109, None)] {
        let packets = &got[&id];
        assert_eq!(packets.len(), 60, "{id}");
        assert!(packets.windows(2).all(|two| two[1].1 == two[0].1.wrapping_add(1)), "{id}: one stream");
        for (number, (payload_type, _, length)) in packets.iter().enumerate() {
            let frame = if number < 40 { 16 } else { 2 };
            let expected = match repeated.filter(|_| !number.is_multiple_of(3)) {
                Some(repeated) => (repeated, frame + 9),
                None => (plain, frame),
            };
            assert_eq!((*payload_type, *length), expected, "{id}: packet {number}");
        }
    }
}
