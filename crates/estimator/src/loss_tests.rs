//! Kinds of loss, and whether the test tells them apart.

use proptest::prelude::*;

use super::*;

/// A small deterministic generator: these tests are about kinds of loss, not about randomness.
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// What a path does to a packet: `true` is lost. Arguments: sending rate in bit/s, the generator.
trait Path: FnMut(f64, &mut Rng) -> bool {}
impl<F: FnMut(f64, &mut Rng) -> bool> Path for F {}

fn independent(p: f64) -> impl Path {
    move |_, rng| rng.next() < p
}

/// Gilbert: mean loss `p` in bursts of mean length `length`.
fn bursty(p: f64, length: f64) -> impl Path {
    let mut bad = false;
    move |_, rng| {
        let flip = if bad { 1.0 / length } else { p / (1.0 - p) / length };
        bad ^= rng.next() < flip;
        bad
    }
}

/// A token bucket of that many packets, full at first, without a queue: passes `rate`.
fn policer(rate: f64, depth: f64) -> impl Path {
    let mut credit = depth;
    move |sent, _| {
        credit = f64::min(credit + rate / sent, depth);
        let lost = credit < 1.0;
        credit -= if lost { 0.0 } else { 1.0 };
        lost
    }
}

/// Sends 1 000 byte packets at the test's target, which climbs by 5 % a second otherwise. Mean target of the second half.
fn run(seconds: u64, start: f64, seed: u64, mut path: impl Path) -> (f64, LossTest) {
    let (mut meter, mut test, mut rng) = (LossMeter::default(), LossTest::default(), Rng(seed));
    let (mut target, mut after_loss, mut sum) = (start, false, 0.0);
    let mut delivered = start;
    let mut carry = 0.0;
    for tick in 0..seconds * 20 {
        let now = Timestamp::from_millis(1_000 + tick * 50);
        carry += target / 8_000.0 * 0.05;
        let packets = carry as u64;
        carry -= packets as f64;
        let mut arrived = 0;
        for n in 0..packets {
            let sent = now + std::time::Duration::from_micros(n * 50_000 / packets.max(1));
            let lost = path(target, &mut rng);
            if lost {
                meter.on_lost(sent, after_loss);
            } else {
                meter.on_received(sent);
                arrived += 1;
            }
            after_loss = lost;
        }
        delivered += 0.2 * (f64::from(arrived) * 8_000.0 / 0.05 - delivered);
        let input = LossInput {
            now,
            dt: 0.05,
            target,
            delivered: Some(delivered),
            sent: target,
            queued: false,
            empty: true,
            limited: false,
        };
        match test.step(&meter, &input) {
            LossAction::None if !test.is_watching() => target = (target * 1.0025).min(3.0 * start),
            LossAction::None => {}
            LossAction::Set(to, _) | LossAction::Limit { target: to, .. } => target = to,
        }
        if tick >= seconds * 10 {
            sum += target;
        }
    }
    (sum / (seconds * 10) as f64, test)
}

#[test]
fn tells_a_policer_from_a_lossy_path() {
    for seed in 1..=5 {
        let (target, test) = run(60, 2e6, seed, policer(1e6, 25.0));
        assert!((0.85e6..1.12e6).contains(&target), "a policer at half the rate: {target}, seed {seed}");
        assert!(test.inherent() < 0.1, "its loss is not the path's own: {}, seed {seed}", test.inherent());

        let (target, _) = run(60, 2e6, seed, independent(0.10));
        assert!(target > 3e6, "ten per cent belong to the path: {target}, seed {seed}");

        let (target, _) = run(60, 2e6, seed, bursty(0.05, 5.0));
        assert!(target > 2.6e6, "five per cent in bursts of five: {target}, seed {seed}");
    }
}

#[test]
fn more_loss_after_a_cut_is_no_loss_of_the_path() {
    // A bucket that emptied in the middle of the first look: a fifth is lost of it, and of what leaves after the cut a half.
    let (mut meter, mut test, mut first) = (LossMeter::default(), LossTest::default(), None);
    let mut asked = 0;
    for tick in 0..60u64 {
        let now = Timestamp::from_millis(1_000 + tick * 50);
        let before = asked == 0;
        for n in 0..if before { 10 } else { 7 } {
            let sent = now + std::time::Duration::from_millis(5 * n);
            match (before, n) {
                (true, 0..2) => meter.on_lost(sent, n > 0),
                (false, 1 | 3 | 5) => meter.on_lost(sent, false),
                _ => meter.on_received(sent),
            }
        }
        let sent = if before { 2.6e6 } else { 1.8e6 };
        let input = LossInput {
            now,
            dt: 0.05,
            target: sent,
            delivered: Some(if before { 1.6e6 } else { 1e6 }),
            sent,
            queued: false,
            empty: true,
            limited: false,
        };
        match test.step(&meter, &input) {
            LossAction::None => {}
            LossAction::Set(target, Reason::LossTest) => {
                asked += 1;
                first.get_or_insert(target);
                if asked == 2 {
                    assert!(target < 0.97e6, "the second look goes below what arrives now: {target}");
                    return;
                }
            }
            other => panic!("a verdict from a look at another time: {other:?}"),
        }
    }
    panic!("asked {asked} times, first for {first:?}");
}

#[test]
fn a_few_packets_lost_by_chance_are_no_limit() {
    // 30 packets a second: two lost of fifteen happen each few seconds. Of the starts that a test slows, few may be left.
    let starts: Vec<f64> = (1..=40).map(|seed| run(8, 240_000.0, seed, independent(0.03)).0).collect();
    let fell = starts.iter().filter(|target| **target < 240_000.0).count();
    assert!(fell <= 6, "{fell} of {} starts fell: {starts:.0?}", starts.len());
}

#[test]
fn inherent_loss_is_forgotten_when_it_ends() {
    let mut lossy = independent(0.15);
    let mut n = 0u32;
    let (_, test) = run(60, 2e6, 3, move |rate, rng: &mut Rng| {
        n += 1;
        n < 5_000 && lossy(rate, rng)
    });
    assert!(test.inherent() < 0.01, "{}", test.inherent());
}

#[test]
fn a_packet_that_comes_late_is_taken_back() {
    let mut meter = LossMeter::default();
    for n in 0..20u64 {
        meter.on_lost(Timestamp::from_millis(1_000 + n), n > 0);
    }
    for n in 0..5u64 {
        meter.on_recovered(Timestamp::from_millis(1_000 + n));
    }
    assert_eq!(meter.recent(SHORT), LossWindow { packets: 20, lost: 15, bursts: 1 });
    assert_eq!(meter.recent(SHORT).ratio(), Some(0.75));
}

proptest! {
    #[test]
    fn ratios_stay_ratios(packets in proptest::collection::vec((0u64..10_000_000, 0u8..3), 0..300)) {
        let mut meter = LossMeter::default();
        for (at, kind) in packets {
            let sent = Timestamp::from_micros(at);
            match kind {
                0 => meter.on_received(sent),
                1 => meter.on_lost(sent, false),
                _ => meter.on_recovered(sent),
            }
        }
        for window in [SHORT, LONG] {
            let seen = meter.recent(window);
            prop_assert!(seen.lost <= seen.packets && seen.bursts <= seen.lost);
        }
    }
}
