//! Whose queue: paths and neighbours, and what the watch makes of them.

use super::*;

/// Drains for `seconds` at 0.8 of a capacity of 1 Mbit/s, a report each 50 ms; `queue(t)` is what is seen, t in s.
/// The first verdict and when it came.
fn verdict(seconds: u64, after_gap: bool, queue: impl Fn(f64) -> f64) -> Option<(Owner, f64)> {
    let mut past = Queue::default();
    let mut watch = DrainWatch::new(Timestamp::ZERO, queue(0.0), after_gap);
    for tick in 0..seconds * 20 {
        let now = Timestamp::from_millis(tick * 50);
        let t = now.as_secs_f64();
        // The estimate's own window wants packets: five with this delay, over a base that was seen before.
        if tick == 0 {
            past.on_packet(now, 0);
        }
        for n in 0..6 {
            let sent = now + Duration::from_millis(n * 8);
            past.on_packet(sent, sent.as_micros() as i64 + (queue(t) * 1_000.0) as i64);
        }
        past.update(now, 0.05);
        let input = DrainInput {
            now,
            dt: 0.05,
            queue: queue(t),
            sent: 800_000.0,
            acked: 800_000.0,
            acked_long: 800_000.0,
            capacity: 1_000_000.0,
            after_gap: false,
        };
        if let Some(owner) = watch.step(&input, &past) {
            return Some((owner, t));
        }
    }
    None
}

#[test]
fn a_flat_delay_is_distance() {
    let (owner, at) = verdict(10, false, |_| 45.0).expect("a verdict");
    assert!(matches!(owner, Owner::Path(ms) if (44.0..46.0).contains(&ms)) && at < 2.0, "{owner:?} at {at}");
    let (_, soon) = verdict(10, true, |_| 45.0).expect("a verdict");
    assert!(soon < 1.0, "after a pause of feedback a new path is likely: {soon}");
}

#[test]
fn a_queue_that_answers_is_ours() {
    assert_eq!(
        verdict(4, false, |t| 400.0 - 100.0 * t),
        None,
        "it falls by half of what it should, all the time"
    );
}

#[test]
fn a_saw_that_never_empties_is_somebody_elses() {
    // A loss-driven flow on 300 ms of buffer: up by 40 ms a second, halved at the top.
    let saw = |t: f64| 140.0 + (t * 40.0) % 150.0;
    let (owner, at) = verdict(20, false, saw).expect("a verdict");
    assert_eq!(owner, Owner::Other);
    assert!(at > 3.0, "flows like ours give way within one look: {at}");
}

#[test]
fn sharing_ends_when_the_queue_is_gone_or_ours() {
    let ms = Timestamp::from_millis;
    let rtt = Duration::from_millis(100);
    let mut sharing = Sharing::new(ms(0), 100.0);
    assert_eq!(sharing.step(ms(100), 100.0, 0.0, rtt), Share::Grow);
    assert_eq!(sharing.step(ms(1_000), 100.0, 0.05, rtt), Share::GiveWay);
    assert_eq!(sharing.step(ms(1_100), 100.0, 0.05, rtt), Share::Grow, "once in 1.5 round trips");
    assert_eq!(sharing.step(ms(2_000), 10.0, 0.0, rtt), Share::Grow);
    assert_eq!(sharing.step(ms(4_600), 10.0, 0.0, rtt), Share::Gone);
    assert_eq!(sharing.step(ms(5_000), 501.0, 0.0, rtt), Share::Ours, "2.5 times what counts as its level");
}
