//! The controller on made-up signals: what each situation does to the target.

use proptest::prelude::*;

use super::*;

fn calm(at_ms: u64) -> Signals {
    Signals {
        now: Timestamp::from_millis(at_ms),
        dt: 0.05,
        queue: 2.0,
        threshold: 15.0,
        gate: 12.0,
        usage: Usage::Normal,
        acked: [Some(1e6); 4],
        sent: 1e6,
        sent_reported: 1e6,
        inherent: 0.0,
        excess_loss: 0.0,
        rtt: Duration::from_millis(50),
        feedback: Duration::from_millis(50),
        newest_sent: Timestamp::from_millis(at_ms.saturating_sub(50)),
        limited: false,
        excused: false,
        testing: false,
        policed: false,
        after_gap: false,
        marked: false,
        room: false,
        wanted: 2e6,
    }
}

fn rate(kbps: u64) -> Rate {
    Rate::new(Bitrate::from_kbps(kbps), Bitrate::from_kbps(50), Bitrate::from_kbps(10_000))
}

/// One second of reports, 20 of them, from `from_ms`.
fn second(rate: &mut Rate, from_ms: u64, change: impl Fn(&mut Signals)) -> f64 {
    let mut queue = Queue::default();
    for n in 0..20 {
        let mut signals = calm(from_ms + n * 50);
        change(&mut signals);
        rate.step(&signals, &mut queue);
    }
    rate.target() / 1e6
}

#[test]
fn what_each_situation_does_in_a_second() {
    type Change = fn(&mut Signals);
    let cases: [(Change, std::ops::Range<f64>, Reason, &str); 10] = [
        (|_| {}, 1.5..1.53, Reason::AckedLimit, "free, and bounded by what arrives"),
        (|s| s.acked = [Some(4e6); 4], 2.2..2.4, Reason::Climb, "free: 85 % a second, compounded"),
        (|s| s.limited = true, 1.0..1.001, Reason::ApplicationLimited, "unused: nothing is learnt"),
        (
            |s| (s.limited, s.room) = (true, true),
            1.27..1.3,
            Reason::Climb,
            "unused, but frames show that there is room",
        ),
        (
            |s| (s.limited, s.room, s.wanted) = (true, true, 1.1e6),
            1.1..1.101,
            Reason::ApplicationLimited,
            "no more than somebody wants",
        ),
        (
            |s| (s.limited, s.room, s.policed) = (true, true, true),
            1.0..1.001,
            Reason::ApplicationLimited,
            "a policer has room until it has none",
        ),
        (|s| s.queue = 13.0, 1.0..1.001, Reason::Start, "a queue at the gate"),
        (|s| s.testing = true, 1.0..1.001, Reason::Start, "a loss test runs"),
        (|s| s.queue = 40.0, 0.85..0.95, Reason::Queue, "over the threshold: a cut by the queue's length"),
        (|s| (s.queue, s.excused) = (40.0, true), 1.0..1.001, Reason::Start, "a probe's own queue"),
    ];
    for (change, expected, reason, why) in cases {
        let mut rate = rate(1_000);
        let target = second(&mut rate, 10_000, change);
        assert!(expected.contains(&target), "{why}: {target}");
        assert_eq!(rate.reason(), reason, "{why}");
    }
}

#[test]
fn a_drain_ends_at_the_capacity_that_it_showed() {
    let mut rate = rate(1_000);
    second(&mut rate, 10_000, |s| (s.queue, s.acked) = (60.0, [Some(7e5); 4]));
    assert_eq!(rate.state(), State::Drain);
    let mut queue = Queue::default();
    let mut empty = calm(11_000);
    (empty.queue, empty.acked) = (3.0, [Some(7e5); 4]);
    rate.step(&empty, &mut queue);
    assert!((0.6e6..0.7e6).contains(&rate.target()), "{}", rate.target());
    assert_eq!((rate.state(), rate.reason()), (State::Hold, Reason::Drained));
}

#[test]
fn a_queue_below_the_threshold_is_not_left_standing() {
    let mut rate = rate(1_000);
    for at in 0..3 {
        second(&mut rate, 10_000 + at * 1_000, |s| (s.queue, s.threshold) = (40.0, 60.0));
    }
    assert!(rate.target() < 0.95e6, "two seconds over the gate are enough: {}", rate.target());
}

#[test]
fn a_ceiling_slows_the_climb_until_the_queue_stays_empty() {
    let mut rate = rate(1_000);
    rate.set_ceiling(Timestamp::from_secs(1), 1.1e6);
    let first = second(&mut rate, 10_000, |s| s.acked = [Some(4e6); 4]) - 1.0;
    assert!((0.05..0.12).contains(&first), "additive near the ceiling: {first}");
    let mut queue = Queue::default();
    for n in 0..100 {
        // Held where it is, so that only the time with an empty queue grows.
        rate.set(1e6, Reason::Climb);
        rate.step(&Signals { acked: [Some(4e6); 4], ..calm(11_000 + n * 50) }, &mut queue);
    }
    rate.set(1e6, Reason::Climb);
    let later = second(&mut rate, 16_000, |s| s.acked = [Some(4e6); 4]) - 1.0;
    assert!(later > 2.0 * first, "five seconds without a queue: {later} against {first}");
}

proptest! {
    /// Whatever the signals, the target stays within its bounds and is a number.
    #[test]
    fn the_target_stays_within_its_bounds(reports in proptest::collection::vec((0.0f64..3_000.0, 0.0f64..2e7, 0.0f64..1.0, any::<bool>(), any::<bool>(), any::<bool>(), 0u8..3), 1..200)) {
        let (mut rate, mut queue) = (rate(300), Queue::default());
        for (n, (seen, acked, loss, limited, excused, after_gap, usage)) in reports.into_iter().enumerate() {
            let usage = [Usage::Normal, Usage::Over, Usage::Under][usize::from(usage)];
            let acked = [Some(acked).filter(|a| *a > 100.0); 4];
            let signals = Signals { queue: seen, acked, excess_loss: loss, inherent: loss / 2.0, limited, excused, after_gap, usage, ..calm(n as u64 * 50) };
            rate.step(&signals, &mut queue);
            prop_assert!((50_000.0..=1e7).contains(&rate.target()), "{}", rate.target());
        }
    }
}
