//! The numbers of a slot against a model that remembers every packet.

use std::collections::BTreeMap;

use bytes::Bytes;
use packet::codec::vp8;
use proptest::prelude::*;
use units::Timestamp;

use super::*;
use crate::media::{Head, Standing};

const FIRST: Origin = Origin { publication: PublicationId(1), encoding: 0 };
const SECOND: Origin = Origin { publication: PublicationId(1), encoding: 1 };

/// A packet that says nothing.
pub(crate) fn blank() -> Media {
    Media {
        publisher: crate::ParticipantId(1),
        seq: 0,
        timestamp: 0,
        capture: Timestamp::ZERO,
        arrival: Timestamp::ZERO,
        codec: Codec::Vp8,
        frame_start: false,
        keyframe_start: false,
        marker: false,
        audio_level: None,
        standing: Standing::default(),
        head: None,
        dependency: None,
        redundant: None,
        body: Bytes::from_static(b"picture"),
    }
}

/// A VP8 packet's head with nothing but a picture id.
pub(crate) fn head(picture: u64) -> Head {
    let descriptor =
        vp8::Descriptor { picture_id: Some(picture as u16 & 0x7fff), ..vp8::Descriptor::default() };
    Head { descriptor: Descriptor::Vp8(descriptor), picture }
}

/// A packet of a frame of `per_frame` packets; frames are 3,000 ticks apart.
fn media(seq: u64, per_frame: u64, padding: bool) -> Media {
    let frame = seq / per_frame;
    Media {
        seq,
        timestamp: frame * 3_000,
        capture: Timestamp::from_micros(1_000_000 + frame * 100_000 / 3),
        frame_start: seq.is_multiple_of(per_frame),
        marker: seq % per_frame == per_frame - 1,
        head: (!padding).then(|| head(frame)),
        body: if padding { Bytes::new() } else { Bytes::from_static(b"picture") },
        ..blank()
    }
}

fn rewriter() -> Rewriter {
    Rewriter::new(90_000, 100, 5, 7)
}

#[test]
fn numbers_that_never_left_are_given_out_again() {
    let mut rewriter = rewriter();
    let first = rewriter.switch(FIRST, &media(1_000, 4, false)).sequence;
    let mut last = first;
    for seq in 1_001..1_016 {
        // The number that is closed up makes another stretch among those that are taken back.
        let packet = media(seq, 4, seq == 1_012);
        last = rewriter.forward(&packet).map_or(last, |rewritten| rewritten.sequence);
    }
    assert_eq!(last, first + 14);
    // The frames from 1_008 on never left.
    rewriter.retreat((first + 8) as u16);
    let switched = rewriter.switch(SECOND, &media(40, 4, false));
    assert_eq!(switched.sequence, first + 8, "no hole, and none left out for an unfinished frame");
    let found = |wire: u64| rewriter.find(wire as u16).map(|(_, sent)| (sent.origin, sent.incoming));
    assert_eq!(found(first + 7), Some((FIRST, 1_007)));
    assert_eq!(found(first + 8), Some((SECOND, 40)));
}

#[test]
fn a_source_of_which_nothing_left_does_not_move_the_end_of_the_one_before() {
    let mut rewriter = rewriter();
    let first = rewriter.switch(FIRST, &media(1_000, 4, false)).sequence;
    rewriter.forward(&media(1_001, 4, false));
    let started = rewriter.switch(SECOND, &media(4_000, 4, false)).sequence;
    assert_eq!(started, first + 3, "one left out for the unfinished frame");
    rewriter.retreat(started as u16);
    assert_eq!(rewriter.switch(SECOND, &media(4_004, 4, false)).sequence, started);
    let found = |wire: u64| rewriter.find(wire as u16).map(|(_, sent)| (sent.origin, sent.incoming));
    assert_eq!(found(first + 1), Some((FIRST, 1_001)));
    assert_eq!(found(first + 2), None, "the rest of that frame was never sent, though it may have come");
    assert_eq!(found(started), Some((SECOND, 4_004)));
}

#[test]
fn numbers_follow_the_source_and_go_on_at_a_switch() {
    // What is done, the number it gets (less the first), and why.
    enum Do {
        Switch(Origin, u64),
        Forward(u64),
        Padding(u64),
    }
    use Do::{Forward, Padding, Switch};
    let steps = [
        (Switch(FIRST, 1_000), Some(0), "the first"),
        (Forward(1_001), Some(1), "the next"),
        (Forward(999), None, "before the switch"),
        (Forward(1_003), Some(3), "a hole for what is missing"),
        (Forward(1_002), Some(2), "which comes late"),
        (Padding(1_004), None, "nothing in it"),
        (Forward(1_005), Some(4), "closed up"),
        (Padding(1_008), None, "nothing in it, and two missing in front"),
        (Forward(1_009), Some(7), "their places are kept"),
        (Forward(1_006), Some(5), "and found"),
        (Padding(1_007), Some(6), "a place that was kept for nothing has to be filled with nothing"),
        (Forward(1_010), Some(8), "inside a frame"),
        (Switch(SECOND, 40), Some(10), "a switch in mid frame leaves one out"),
        (Forward(1_011), Some(981), "numbers of another source: the switch must keep them out"),
        (Forward(41), Some(11), ""),
    ];
    let mut rewriter = rewriter();
    let mut first = None;
    for (step, expected, why) in steps {
        let got = match step {
            // Forwarding of foreign numbers is not this part's business, and skipped here.
            Forward(1_011) => continue,
            Switch(origin, seq) => Some(rewriter.switch(origin, &media(seq, 4, false))),
            Forward(seq) => rewriter.forward(&media(seq, 4, false)),
            Padding(seq) => rewriter.forward(&media(seq, 4, true)),
        };
        let first = *first.get_or_insert_with(|| got.unwrap().sequence);
        assert_eq!(got.map(|got| got.sequence - first), expected, "{why}");
    }
}

#[test]
fn a_switch_after_a_whole_frame_leaves_nothing_out() {
    let mut rewriter = rewriter();
    let last = (1_000..1_004).map(|seq| match seq {
        1_000 => rewriter.switch(FIRST, &media(seq, 4, false)),
        _ => rewriter.forward(&media(seq, 4, false)).unwrap(),
    });
    let last = last.last().unwrap().sequence;
    assert_eq!(rewriter.switch(SECOND, &media(80, 4, false)).sequence, last + 1);
}

#[test]
fn a_switch_goes_on_behind_what_was_sent_late() {
    let mut rewriter = rewriter();
    let (first, second) = (media(1_000, 1, false), media(1_001, 1, false));
    rewriter.switch(FIRST, &first);
    rewriter.leave_out(&media(1_002, 1, false), true);
    let late = rewriter.forward(&second).unwrap();
    // Captured before the late one, but not so long that it would wait for a better keyframe.
    let other = Media { capture: first.capture, head: Some(head(77)), ..media(80, 1, false) };
    let next = rewriter.switch(SECOND, &other);
    let picture = |rewritten: &Rewritten| rewritten.descriptor.unwrap().picture_id().unwrap();
    assert_eq!(next.sequence, late.sequence + 1);
    assert_eq!(picture(&next), picture(&late) + 1, "the next picture id, not the same");
    assert_eq!(next.timestamp, late.timestamp + 1, "time does not go back");
}

#[test]
fn what_was_awaited_when_a_switch_came_is_not_sent_behind_it() {
    let mut rewriter = rewriter();
    let start = rewriter.switch(FIRST, &media(1_000, 1, false)).sequence;
    // The second is missing when the third is left out.
    rewriter.leave_out(&media(1_002, 1, false), true);
    let found = |rewriter: &Rewriter, ahead: u64| {
        rewriter.find((start + ahead) as u16).map(|(_, sent)| sent.incoming)
    };
    assert_eq!(found(&rewriter, 1), Some(1_001), "a place is kept for it");
    rewriter.switch(SECOND, &media(80, 1, false));
    for (ahead, expected, why) in
        [(0, Some(1_000), "was sent"), (1, None, "never"), (2, Some(80), "the switch")]
    {
        assert_eq!(found(&rewriter, ahead), expected, "{why}");
    }
}

/// A correction of time begins with a frame and never splits one.
#[test]
fn packets_of_one_frame_get_one_timestamp_whatever_their_order() {
    // In H.264 a parameter set and the picture behind it both look like the start of the frame.
    for (codec, starts) in [(Codec::Vp8, 1), (Codec::H264, 2)] {
        let mut rewriter = rewriter();
        rewriter.switch(FIRST, &media(0, 4, false));
        // A source whose keyframe lies 40 ms in the past at the switch is corrected over many frames.
        let late = |seq: u64| {
            let media = media(seq, 4, false);
            let capture = media.capture.saturating_sub(std::time::Duration::from_micros(3_373_333));
            Media { codec, capture, frame_start: seq % 4 < starts, ..media }
        };
        rewriter.switch(SECOND, &late(400));
        let mut stamps: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
        for block in 0..40u64 {
            // In order; the end of a frame behind the start of the next; the start of a frame behind its
            // middle.
            let order =
                [[402, 403, 404, 405], [404, 405, 402, 403], [402, 403, 405, 404]][block as usize % 3];
            for seq in order.map(|seq| seq + block * 4) {
                let timestamp = rewriter.forward(&late(seq)).unwrap().timestamp;
                stamps.entry(seq / 4).or_default().push(timestamp);
            }
        }
        let frames: Vec<u32> = stamps.values().map(|frame| frame[0]).collect();
        let whole = stamps.values().all(|frame| frame.iter().all(|stamp| *stamp == frame[0]));
        assert!(whole, "{codec}: {stamps:?}");
        assert!(frames.windows(2).all(|pair| pair[1] > pair[0]));
        assert!(
            frames.windows(2).any(|pair| pair[1] - pair[0] < 3_000),
            "{codec}: there was something to correct"
        );
    }
}

/// A source whose clock jumps ahead by an hour: what cannot be placed leaves a hole, and the next frame start goes on.
#[test]
fn a_clock_jump_leaves_a_hole_and_never_gets_stuck() {
    const JUMP: u64 = 3_600 * 90_000;
    // Which packets are lost, the numbers that 4 to 8 get, that of 12, and why.
    type Case<'a> = (Codec, &'a [u64], [Option<u64>; 5], u64, &'a str);
    let cases: [Case<'_>; 4] = [
        (Codec::Vp8, &[], [Some(4), Some(5), Some(6), Some(7), Some(8)], 12, "nothing lost"),
        (
            Codec::Vp8,
            &[4],
            [None, None, None, None, Some(5)],
            9,
            "its start is: the next one goes on behind a hole",
        ),
        (Codec::H264, &[4], [None, None, None, None, Some(5)], 9, "in H.264, too"),
        (Codec::Vp8, &[4, 8], [None; 5], 5, "nothing to go on with before the next"),
    ];
    for (codec, lost, expected, after, why) in cases {
        let mut rewriter = rewriter();
        let first = rewriter.switch(FIRST, &Media { codec, ..media(0, 4, false) }).sequence;
        (1..4).for_each(|seq| assert!(rewriter.forward(&Media { codec, ..media(seq, 4, false) }).is_some()));
        let jumped = |seq: u64| {
            let media = media(seq, 4, false);
            Media { codec, timestamp: media.timestamp + JUMP, ..media }
        };
        let mut got = Vec::new();
        for seq in 4..9 {
            let rewritten = (!lost.contains(&seq)).then(|| rewriter.forward(&jumped(seq))).flatten();
            got.push(rewritten.map(|rewritten| rewritten.sequence - first));
        }
        assert_eq!(got, expected, "{codec}: {why}");
        for seq in lost {
            assert_eq!(rewriter.find((first + seq) as u16).map(|(found, _)| found), None, "{codec}: {why}");
        }
        let settled = rewriter.forward(&jumped(12)).unwrap();
        assert_eq!(settled.sequence - first, after, "{codec}: {why}");
    }
}

/// The start of a frame that jumps comes last: it gives its place to all of them.
#[test]
fn what_was_refused_is_found_again_behind_its_frame_start() {
    let mut rewriter = rewriter();
    let first = rewriter.switch(FIRST, &media(0, 2, false));
    rewriter.forward(&media(1, 2, false)).unwrap();
    let jumped = |seq| Media { timestamp: (1 << 40) + seq / 4 * 3_000, ..media(seq, 2, false) };
    assert_eq!(rewriter.forward(&jumped(3)), None);
    let start = rewriter.forward(&jumped(2)).unwrap();
    assert_eq!((start.sequence - first.sequence, start.timestamp.wrapping_sub(first.timestamp)), (2, 2_999));
    rewriter.forward(&jumped(4)).unwrap();
    let (sequence, sent) = rewriter.find(first.sequence as u16 + 3).expect("a request for it is answered");
    let rewritten = sent.rewrite(&jumped(3));
    assert_eq!((rewritten.sequence, rewritten.timestamp), (sequence, start.timestamp));
}

#[test]
fn memory_is_bounded() {
    let mut rewriter = rewriter();
    rewriter.switch(FIRST, &media(0, 1, false));
    for seq in 1..10_000 {
        rewriter.forward(&media(seq, 1, seq % 2 == 0));
    }
    assert_eq!(rewriter.stretches.len(), MAX_STRETCHES);
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Next { skip: u64, padding: bool },
    Late(u64),
    Switch(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (0u64..3, proptest::bool::weighted(0.05)).prop_map(|(skip, padding)| Step::Next { skip, padding }),
        3 => (1u64..20).prop_map(Step::Late),
        1 => (0u64..5_000).prop_map(Step::Switch),
    ];
    proptest::collection::vec(step, 1..300)
}

proptest! {
    /// Every number is used once, and a request for it finds the packet that had it, and no other.
    #[test]
    fn agrees_with_a_model_that_remembers_everything(steps in steps()) {
        let mut rewriter = rewriter();
        let mut sent: BTreeMap<u64, (Origin, Media, Rewritten)> = BTreeMap::new();
        let mut origin = FIRST;
        let mut start = 1_000;
        let mut newest = start;
        let mut seen = std::collections::BTreeSet::from([start]);
        let note = |sent: &mut BTreeMap<u64, _>, origin, media: Media, rewritten: Rewritten| {
            assert!(sent.insert(rewritten.sequence, (origin, media, rewritten)).is_none(), "used twice");
        };
        let first = media(start, 3, false);
        let rewritten = rewriter.switch(origin, &first);
        note(&mut sent, origin, first, rewritten);
        for step in steps {
            match step {
                Step::Next { skip, padding } => {
                    newest += 1 + skip;
                    seen.insert(newest);
                    let media = media(newest, 3, padding);
                    let rewritten = rewriter.forward(&media);
                    prop_assert_eq!(rewritten.is_none(), padding);
                    if let Some(rewritten) = rewritten {
                        note(&mut sent, origin, media, rewritten);
                    }
                }
                Step::Late(back) => {
                    let seq = newest.saturating_sub(back);
                    // Duplicates were dropped before.
                    if !seen.insert(seq) {
                        continue;
                    }
                    let media = media(seq, 3, false);
                    let rewritten = rewriter.forward(&media);
                    prop_assert!(seq > start || rewritten.is_none(), "before the switch");
                    if let Some(rewritten) = rewritten {
                        note(&mut sent, origin, media, rewritten);
                    }
                }
                Step::Switch(at) => {
                    origin = if origin == FIRST { SECOND } else { FIRST };
                    // Numbers of an encoding only grow.
                    start = newest.max(10_000) + at * 3;
                    newest = start;
                    seen = std::collections::BTreeSet::from([start]);
                    let media = media(start, 3, false);
                    let rewritten = rewriter.switch(origin, &media);
                    note(&mut sent, origin, media, rewritten);
                }
            }
        }
        let order: Vec<_> = sent.values().map(|(_, _, rewritten)| rewritten.timestamp).collect();
        prop_assert!(order.windows(2).all(|pair| pair[1].wrapping_sub(pair[0]) < 1 << 31), "time went back");
        for (sequence, (origin, media, rewritten)) in &sent {
            let Some((found, from)) = rewriter.find(*sequence as u16) else {
                // Forgotten, which only the oldest may be.
                prop_assert!(*sequence < rewriter.stretches[0].first_outgoing());
                continue;
            };
            prop_assert_eq!((found, from.origin, from.incoming), (*sequence, *origin, media.seq));
            prop_assert_eq!(from.rewrite(media), *rewritten, "the same header and descriptor again");
        }
        let next = rewriter.newest.unwrap().outgoing + 1;
        prop_assert!(rewriter.find(next as u16).is_none_or(|(found, _)| found < next), "from the future");
    }
}
