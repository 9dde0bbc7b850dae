//! Stories and properties of the send record.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::RemoteTime;

const SIZE: u64 = 1_000;

fn sent(seq: u64) -> SentPacket {
    SentPacket { seq, size: DataSize::from_bytes(SIZE), kind: PacketKind::Media, probe: None }
}

fn result(seq: u64, arrival_ms: Option<i64>) -> PacketResult {
    PacketResult { seq, arrival: arrival_ms.map(|ms| RemoteTime::from_micros(ms * 1_000)), ecn: Ecn::NotEct }
}

fn at(seq: u64) -> Timestamp {
    Timestamp::from_millis(seq * 10)
}

fn with_sent(numbers: impl IntoIterator<Item = u64>) -> History {
    let mut history = History::default();
    for seq in numbers {
        history.on_sent(at(seq), &sent(seq), 0);
    }
    history
}

/// What became of a packet, in one letter, for tables.
fn letter(verdict: Verdict) -> char {
    match verdict {
        Verdict::Nothing => '-',
        Verdict::Received(_) => 'r',
        Verdict::Recovered(_) => 'u',
        Verdict::Lost { .. } => 'l',
    }
}

#[test]
fn each_packet_is_counted_once() {
    type Report = (u64, Option<i64>);
    let cases: [(&[Report], &str, u64, &str); 7] = [
        (&[(1, Some(1)), (1, Some(1))], "r-", 4, "a duplicate says nothing"),
        (&[(1, None), (1, None)], "l-", 4, "lost once"),
        (&[(1, None), (1, Some(9))], "lu", 4, "lost, then received: undone"),
        (&[(1, Some(1)), (1, None)], "r-", 4, "received stays received"),
        (
            &[(3, Some(3)), (1, Some(1))],
            "rr",
            2,
            "passed over, then reported: 2 is unknown and not in flight",
        ),
        (&[(3, Some(3)), (2, None)], "rl", 2, "passed over, then reported lost"),
        (&[(7, Some(3))], "-", 0, "not in the record: everything below is passed over"),
    ];
    for (reports, expected, in_flight, why) in cases {
        let mut history = with_sent(1..=5);
        let got: String = reports
            .iter()
            .map(|(seq, arrival)| letter(history.on_result(at(9), &result(*seq, *arrival)).0))
            .collect();
        assert_eq!(got, expected, "{why}");
        assert_eq!(history.in_flight().as_bytes(), in_flight * SIZE, "{why}");
    }
}

#[test]
fn a_gap_between_two_arrivals_is_credited_once() {
    let mut history = with_sent(1..=6);
    assert_eq!(history.on_result(at(9), &result(1, Some(10))).1, None);
    let (_, gap) = history.on_result(at(9), &result(4, Some(40)));
    assert_eq!(gap, Some(Gap { bytes: 2_000, after: 10_000, before: 40_000 }));
    let (late, again) = history.on_result(at(9), &result(2, Some(20)));
    assert!(
        matches!(late, Verdict::Received(acked) if acked.credited),
        "it did arrive, its bytes are counted"
    );
    assert_eq!(again, None);
}

#[test]
fn a_gap_beside_a_lost_packet_is_not_credited() {
    let mut history = with_sent(1..=6);
    for (seq, arrival) in [(1, Some(10)), (4, None), (5, Some(50))] {
        assert_eq!(history.on_result(at(9), &result(seq, arrival)).1, None, "packet {seq}");
    }
}

#[test]
fn silence_frees_what_nobody_will_report() {
    let mut history = with_sent(1..=5);
    assert_eq!(history.oldest_in_flight(at(5)), Some(at(1)));
    history.expire(at(5), Duration::from_millis(25));
    assert_eq!(history.in_flight().as_bytes(), 3 * SIZE, "1 and 2 are older than 25 ms");
    assert_eq!(history.oldest_in_flight(at(5)), Some(at(3)));
}

#[test]
fn memory_is_bounded_by_count_and_by_age() {
    let mut history = History::default();
    assert_eq!(history.heap_bytes(), 0, "idle estimators hold nothing");
    for seq in 0..20_000 {
        history.on_sent(Timestamp::from_micros(seq * 100), &sent(seq), 0);
    }
    assert_eq!(history.heap_bytes(), CAPACITY * 12);
    assert_eq!(history.in_flight().as_bytes(), CAPACITY as u64 * SIZE);
    history.on_sent(Timestamp::from_secs(60), &sent(20_000), 0);
    assert_eq!(history.in_flight().as_bytes(), SIZE, "everything else is older than ten seconds");
}

#[test]
fn the_send_time_survives_the_wrap_of_its_low_bits() {
    let mut history = History::default();
    let before_wrap = Timestamp::from_micros((1 << 32) - 5_000);
    history.on_sent(before_wrap, &sent(1), 0);
    let (verdict, _) = history.on_result(before_wrap + Duration::from_millis(60), &result(1, Some(1)));
    assert!(matches!(verdict, Verdict::Received(acked) if acked.sent == before_wrap));
}

#[derive(Clone, Debug)]
enum Step {
    Send(u64),
    Report(u64, Option<i64>),
    Expire(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1u64..4).prop_map(Step::Send),
        1 => (1u64..20_000).prop_map(Step::Send),
        6 => (0u64..60, proptest::option::of(0i64..1_000)).prop_map(|(back, arrival)| Step::Report(back, arrival)),
        1 => (0u64..300).prop_map(Step::Expire),
    ];
    proptest::collection::vec(step, 1..300)
}

proptest! {
    /// Arbitrary sending and reporting: nothing panics, bytes in flight stay between zero and what was sent, and per
    /// packet the verdicts are a prefix of: lost, then recovered; or received.
    #[test]
    fn arbitrary_reports_keep_the_books(steps in steps()) {
        let mut history = History::default();
        let (mut seq, mut total) = (0u64, 0u64);
        let mut told: BTreeMap<u64, String> = BTreeMap::new();
        for (tick, step) in steps.into_iter().enumerate() {
            let now = Timestamp::from_millis(tick as u64 * 7);
            match step {
                Step::Send(ahead) => {
                    seq += ahead;
                    total += SIZE;
                    history.on_sent(now, &sent(seq), tick as u64);
                }
                Step::Report(back, arrival) => {
                    let report = result(seq.saturating_sub(back), arrival);
                    let (verdict, gap) = history.on_result(now, &report);
                    if verdict != Verdict::Nothing {
                        told.entry(report.seq).or_default().push(letter(verdict));
                    }
                    prop_assert!(gap.is_none_or(|gap| gap.before >= gap.after && u64::from(gap.bytes) <= total));
                }
                Step::Expire(ms) => history.expire(now, Duration::from_millis(ms)),
            }
            prop_assert!(history.in_flight().as_bytes() <= total);
        }
        for (seq, story) in told {
            prop_assert!(["r", "l", "lu"].contains(&story.as_str()), "packet {} went {}", seq, story);
        }
    }
}
