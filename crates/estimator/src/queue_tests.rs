//! Situations of a path and what the queue estimate makes of them.

use std::time::Duration;

use super::*;

/// Feeds 250 packets a second for `seconds`, reporting each 50 ms; `delay_us(t_us)` is the path.
fn run(queue: &mut Queue, from_s: u64, seconds: u64, delay_us: impl Fn(i64) -> i64) -> f64 {
    let mut last = 0.0;
    for n in 0..seconds * 250 {
        let sent = Timestamp::from_secs(from_s) + Duration::from_micros(n * 4_000);
        let t = sent.as_micros() as i64;
        queue.on_packet(sent, t + delay_us(t));
        if n % 12 == 11 {
            last = queue.update(sent, 0.048).unwrap();
        }
    }
    last
}

#[test]
fn sees_a_standing_queue_and_not_its_jitter() {
    let jitter = |t: i64| (t / 4_000 * 7_919) % 15_000;
    type Path<'a> = &'a dyn Fn(i64) -> i64;
    let cases: [(Path<'_>, std::ops::Range<f64>, &str); 5] = [
        (&|_| 50_000, 0.0..0.1, "nothing moves"),
        (&|t| 50_000 + jitter(t), 0.0..2.0, "15 ms of jitter"),
        (
            &|t| 50_000 + jitter(t) + if t > 20_000_000 { 40_000 } else { 0 },
            39.0..43.0,
            "40 ms stand under it",
        ),
        (&|t| -7_000_000_000 + jitter(t), 0.0..2.0, "clocks hours apart"),
        (&|t| 50_000 + t / 4_000 % 9 * 3_000, 0.0..0.1, "the packets of a frame stand behind each other"),
    ];
    for (delay, expected, why) in cases {
        let mut queue = Queue::default();
        let got = run(&mut queue, 10, 20, delay);
        assert!(expected.contains(&got), "{why}: {got} ms");
    }
}

#[test]
fn a_drifting_clock_is_learnt() {
    for ppm in [-100i64, 60, 100] {
        let mut queue = Queue::default();
        let got = run(&mut queue, 10, 300, |t| 50_000 + t * ppm / 1_000_000);
        assert!(got < 1.5, "{ppm} ppm: {got} ms");
    }
}

#[test]
fn a_rebase_takes_the_distance_out_of_the_queue() {
    let mut queue = Queue::default();
    let before = run(&mut queue, 10, 10, |_| 50_000);
    let longer = run(&mut queue, 20, 5, |_| 95_000);
    queue.rebase(longer);
    let after = run(&mut queue, 25, 5, |_| 95_000);
    assert!(before < 0.1 && (44.0..46.0).contains(&longer) && after < 0.1, "{before} {longer} {after}");
}

#[test]
fn the_threshold_follows_noise_within_bounds() {
    let mut queue = Queue::default();
    assert_eq!(queue.threshold(), 15.0);
    // The least delay over 60 ms swings between 0 and 50: some radio's scheduler, not congestion.
    run(&mut queue, 10, 25, |t| 50_000 + if t / 500_000 % 2 == 0 { 50_000 } else { 0 });
    let noisy = queue.threshold();
    assert!(noisy > 20.0 && noisy <= 70.0, "{noisy}");
}

#[test]
fn memory_is_bounded() {
    let mut queue = Queue::default();
    assert_eq!(queue.heap_bytes(), 0);
    run(&mut queue, 0, 100, |t| t % 1_000);
    assert!(queue.heap_bytes() <= 4_096, "{}", queue.heap_bytes());
}

#[test]
fn an_own_burst_explains_its_own_queue() {
    let cases = [
        (0, 1e6, true, 0.0, "nothing was sent"),
        (1_500, 1e6, true, 0.0, "an ordinary frame: the threshold covers it"),
        (8_000, 1e6, true, (64.0 - 12.0) * 0.9, "a key frame"),
        (8_000, 1e6, false, 20.0, "a sender at its limit has fewer excuses"),
        (400_000, 1e6, true, 120.0, "nothing excuses half a second"),
    ];
    for (bytes, target, limited, expected, why) in cases {
        assert_eq!(OwnBurst::explains(bytes, target, limited), expected, "{why}");
    }
}
