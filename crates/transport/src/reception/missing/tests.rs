//! Stories of one stream: what is missing, when it is asked for, and what makes that stop.

use proptest::prelude::*;

use super::*;

const SSRC: u32 = 7;

fn ms(ms: u64) -> Timestamp {
    Timestamp::from_millis(ms)
}

fn missing() -> Missing {
    let mut missing = Missing::new(10, Duration::from_millis(1_500));
    missing.bind(SSRC);
    missing
}

/// Follows deadlines until `end`; what was asked for, and when in ms.
fn run(missing: &mut Missing, end: u64) -> Vec<(u64, Vec<u16>)> {
    let mut asked = Vec::new();
    while let Some(due) = missing.poll_timeout().filter(|due| *due <= ms(end)) {
        for request in missing.requests(due) {
            assert_eq!(request.ssrc, SSRC);
            asked.push((due.as_micros() / 1_000, request.lost.to_vec()));
        }
    }
    asked
}

#[test]
fn what_is_late_is_not_asked_for() {
    let mut missing = missing();
    for (at, sequence) in [(0, 1), (1, 3), (5, 2)] {
        missing.arrived(ms(at), SSRC, sequence);
    }
    assert_eq!(run(&mut missing, 5_000), []);
}

#[test]
fn requests_start_soon_get_rarer_and_end() {
    let mut missing = missing();
    missing.arrived(ms(0), SSRC, 65_534);
    missing.arrived(ms(0), SSRC, 1);
    let asked = run(&mut missing, 10_000);
    assert!(asked.iter().all(|(_, lost)| *lost == [65_535, 0]), "around the wrap: {asked:?}");
    let times: Vec<u64> = asked.iter().map(|(at, _)| *at).collect();
    assert_eq!(
        times,
        [8, 108, 208, 308, 433, 589, 784, 1_028, 1_333],
        "as long as a picture may wait for it"
    );
}

#[test]
fn requests_follow_the_time_that_answers_take() {
    for (answer, expected) in [(10, [20, 20]), (100, [117, 117]), (300, [342, 342])] {
        let mut missing = missing();
        let mut now = 0;
        missing.arrived(ms(0), SSRC, 0);
        // Forty losses, one after the other, each answered that long after the first request, whatever was asked since.
        for lost in (1..80).step_by(2) {
            missing.arrived(ms(now), SSRC, lost + 1);
            let asked = run(&mut missing, now + 8 + answer - 1);
            assert_eq!(asked[0].0, now + 8);
            now += 8 + answer;
            missing.repaired(ms(now), SSRC, lost);
            now += 1_000;
        }
        missing.arrived(ms(now), SSRC, 82);
        let times: Vec<u64> = run(&mut missing, now + 2_000).iter().map(|(at, _)| *at).collect();
        let pauses = [times[1] - times[0], times[2] - times[1]];
        let near = |at: usize| pauses[at].abs_diff(expected[at]) <= expected[at] / 10;
        assert!(near(0) && near(1), "answers in {answer} ms: {pauses:?}, expected about {expected:?}");
    }
}

/// Where an answer had to be asked for twice, requests are said twice, until sixteen in a row came at once.
#[test]
fn requests_are_said_twice_where_they_get_lost() {
    let mut missing = missing();
    let lose = |missing: &mut Missing, at: u64, sequence: u16, answer: u64| {
        missing.arrived(ms(at), SSRC, sequence);
        missing.arrived(ms(at), SSRC, sequence + 2);
        let asked = run(missing, at + answer - 1).iter().map(|(when, _)| when - at).collect::<Vec<_>>();
        missing.repaired(ms(at + answer), SSRC, sequence + 1);
        asked
    };
    assert_eq!(lose(&mut missing, 0, 0, 60), [8], "once");
    assert_eq!(lose(&mut missing, 1_000, 3, 130), [8, 71], "the first request or its answer was lost");
    assert_eq!(lose(&mut missing, 2_000, 6, 60), [8, 20], "so each is said twice");
    for (at, sequence) in (3..18).zip((9..).step_by(3)) {
        lose(&mut missing, at * 1_000, sequence, 60);
    }
    assert_eq!(lose(&mut missing, 20_000, 100, 60), [8], "until none was lost for a while");
}

#[test]
fn an_answer_ends_the_requests_and_an_end_does_too() {
    let mut missing = missing();
    missing.arrived(ms(0), SSRC, 10);
    missing.arrived(ms(0), SSRC, 13);
    assert_eq!(run(&mut missing, 10), [(8, vec![11, 12])]);
    missing.repaired(ms(50), SSRC, 11);
    assert_eq!(run(&mut missing, 150), [(108, vec![12])]);
    missing.unbind(SSRC);
    assert_eq!(run(&mut missing, 5_000), []);
    missing.arrived(ms(5_000), SSRC, 20);
    assert_eq!(missing.poll_timeout(), None, "nobody can repair what is not bound");
}

#[test]
fn a_jump_beyond_reason_is_a_new_start() {
    let mut missing = missing();
    missing.arrived(ms(0), SSRC, 0);
    missing.arrived(ms(0), SSRC, 2);
    missing.arrived(ms(1), SSRC, 2_000);
    assert_eq!(run(&mut missing, 5_000), [], "only a keyframe helps");
    missing.arrived(ms(5_000), SSRC, 2_002);
    assert_eq!(run(&mut missing, 5_010), [(5_008, vec![2_001])]);
}

proptest! {
    /// Whatever is sent, memory and the number of requests for one packet stay within their bounds.
    #[test]
    fn nothing_arrived_breaks_the_bounds(
        packets in prop::collection::vec((0u32..64, any::<u16>(), 0u64..40, any::<bool>()), 0..400),
    ) {
        let mut missing = Missing::new(10, Duration::from_millis(1_500));
        (0..60).for_each(|ssrc| missing.bind(ssrc));
        let mut now = Timestamp::ZERO;
        let mut asked: BTreeMap<(u32, u16), u32> = BTreeMap::new();
        for (ssrc, sequence, wait, repair) in packets {
            now += Duration::from_millis(wait);
            if repair {
                missing.repaired(now, ssrc, sequence);
            } else {
                // Gaps of all sizes, wrapped.
                missing.arrived(now, ssrc, sequence % 2_000);
            }
            for request in missing.requests(now) {
                for lost in request.lost {
                    *asked.entry((request.ssrc, lost)).or_default() += 1;
                }
            }
            let held: usize = missing.streams.values().map(|stream| stream.missing.len()).sum();
            prop_assert!(held <= MAX_MISSING);
        }
        // A number may be missing again after its stream started anew.
        prop_assert!(asked.values().all(|times| *times <= 10 * 20));
    }
}
