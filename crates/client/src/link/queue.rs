//! One direction of a path: a server of constant rate behind a queue that drops at its tail, then a delay that may vary, and
//! random loss and overtaking.
//!
//! Owns the arithmetic; time and seed are arguments.

use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use units::{Bitrate, DataSize, Timestamp};

/// What one direction of a path is like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LinkConfig {
    /// What it carries, IP and UDP headers included. `None` for no limit.
    pub rate: Option<Bitrate>,
    /// The longest wait in the queue; what would wait longer is dropped.
    pub queue: Duration,
    /// On top of the wait.
    pub delay: Duration,
    /// Share of datagrams lost at random, 0 to 1.
    pub loss: f64,
    /// How many are lost in a row, on average: 1 for losses that know nothing of each other, more for bursts (the model
    /// that Gilbert described).
    pub burst: f64,
    /// The most that the delay grows by at random; nothing overtakes by that.
    pub jitter: Duration,
    /// Share of datagrams that are held up by 12 ms, so that others overtake them, 0 to 1.
    pub reordered: f64,
}

/// How much later a datagram comes that others overtake: a frame's worth of packets on most paths.
const HELD_UP: Duration = Duration::from_millis(12);

impl Default for LinkConfig {
    /// A path that does nothing.
    fn default() -> Self {
        Self {
            rate: None,
            queue: Duration::from_millis(300),
            delay: Duration::ZERO,
            loss: 0.0,
            burst: 1.0,
            jitter: Duration::ZERO,
            reordered: 0.0,
        }
    }
}

impl LinkConfig {
    /// A path of that rate with a queue of 300 ms.
    pub fn limited(rate: Bitrate) -> Self {
        Self { rate: Some(rate), ..Self::default() }
    }
}

/// Bytes of IPv4 and UDP header, which a link carries and a socket does not show.
const OVERHEAD: u64 = 28;

/// What becomes of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It arrives then.
    Arrives(Timestamp),
    /// The queue was full.
    Dropped,
    /// It was lost at random.
    Lost,
}

/// See the module.
#[derive(Debug)]
pub struct Queue {
    config: LinkConfig,
    /// When the last datagram in the queue will have left it.
    free_at: Timestamp,
    /// The last datagram was lost in a burst.
    in_burst: bool,
    /// When the last datagram arrives that was not held up.
    last: Timestamp,
    rng: ChaCha8Rng,
}

impl Queue {
    /// An empty queue.
    pub fn new(config: LinkConfig, seed: u64) -> Self {
        Self {
            config,
            free_at: Timestamp::ZERO,
            in_burst: false,
            last: Timestamp::ZERO,
            rng: ChaCha8Rng::seed_from_u64(seed),
        }
    }

    /// The path changes. What is in the queue leaves as it was going to.
    pub fn set_config(&mut self, config: LinkConfig) {
        self.config = config;
    }

    /// What becomes of a datagram of `size` bytes that is sent `now`. Arrivals are in the order of the calls while the
    /// configuration stays the same and nothing is held up.
    pub fn send(&mut self, now: Timestamp, size: usize) -> Fate {
        if self.config.loss > 0.0 && self.is_lost() {
            return Fate::Lost;
        }
        let Some(rate) = self.config.rate else {
            return self.arrive(now);
        };
        let start = self.free_at.max(now);
        if start.since(now) > self.config.queue {
            return Fate::Dropped;
        }
        self.free_at = start + DataSize::from_bytes(size as u64 + OVERHEAD) / rate;
        self.arrive(self.free_at)
    }

    /// A datagram has left the queue.
    fn arrive(&mut self, at: Timestamp) -> Fate {
        let LinkConfig { delay, jitter, reordered, .. } = self.config;
        let mut arrival = at + delay;
        if !jitter.is_zero() {
            arrival = (arrival + jitter.mul_f64(self.rng.random())).max(self.last);
        }
        if reordered > 0.0 && self.rng.random_bool(reordered.min(1.0)) {
            return Fate::Arrives(arrival + HELD_UP);
        }
        self.last = arrival;
        Fate::Arrives(arrival)
    }
}

impl Queue {
    fn is_lost(&mut self) -> bool {
        let loss = self.config.loss.clamp(0.0, 1.0);
        let burst = self.config.burst.max(1.0);
        // Of independent losses the next one is as likely after a loss as after an arrival. In the long run a burst of
        // mean length b must begin after a share of l / (1 - l) / b of the arrivals.
        let chance = match self.in_burst {
            _ if burst <= 1.0 => loss,
            true => 1.0 - 1.0 / burst,
            false => (loss / ((1.0 - loss).max(f64::EPSILON) * burst)).min(1.0),
        };
        self.in_burst = self.rng.random_bool(chance);
        self.in_burst
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    #[test]
    fn jitter_keeps_the_order_and_what_is_held_up_is_overtaken() {
        let jittery = LinkConfig { jitter: Duration::from_millis(30), ..LinkConfig::default() };
        let mut queue = Queue::new(jittery, 1);
        let arrivals = |queue: &mut Queue| -> Vec<Timestamp> {
            let fate = |at| match queue.send(ms(at), 100) {
                Fate::Arrives(at) => at,
                other => panic!("{other:?}"),
            };
            (0..1_000).map(fate).collect()
        };
        let all = arrivals(&mut queue);
        assert!(all.is_sorted(), "nothing overtakes by jitter");
        assert!(all.iter().enumerate().any(|(at, arrival)| arrival.since(ms(at as u64)).as_millis() > 25));
        let mut queue = Queue::new(LinkConfig { reordered: 0.1, ..LinkConfig::default() }, 1);
        let all = arrivals(&mut queue);
        let held_up = all.iter().enumerate().filter(|(at, arrival)| arrival.since(ms(*at as u64)) == HELD_UP);
        assert!((60..=140).contains(&held_up.count()), "a tenth");
    }

    #[test]
    fn serves_in_order_and_drops_at_the_tail() {
        // 80 kbit/s: 10 bytes a millisecond; datagrams of 972 and 28 bytes of header take 100 ms each.
        let config = LinkConfig {
            queue: Duration::from_millis(250),
            delay: Duration::from_millis(20),
            ..LinkConfig::limited(Bitrate::from_kbps(80))
        };
        let mut queue = Queue::new(config, 1);
        let cases = [
            (0, Fate::Arrives(ms(120)), "at once"),
            (0, Fate::Arrives(ms(220)), "behind the first"),
            (0, Fate::Arrives(ms(320)), "waits 200 ms"),
            (0, Fate::Dropped, "would wait 300 ms"),
            (60, Fate::Arrives(ms(420)), "there is room once 60 ms have passed"),
            (1_000, Fate::Arrives(ms(1_120)), "an idle link owes nothing"),
        ];
        for (now, expected, why) in cases {
            assert_eq!(queue.send(ms(now), 972), expected, "{why}");
        }
    }

    #[test]
    fn a_path_that_does_nothing_does_nothing() {
        let mut queue = Queue::new(LinkConfig::default(), 1);
        assert_eq!(queue.send(ms(5), 1_200), Fate::Arrives(ms(5)));
    }

    #[test]
    fn loses_its_share_alone_or_in_bursts() {
        for (burst, expected) in [(1.0, 1.1), (4.0, 4.0), (10.0, 10.0)] {
            let mut queue = Queue::new(LinkConfig { loss: 0.1, burst, ..LinkConfig::default() }, 1);
            let fates: Vec<bool> = (0..100_000).map(|now| queue.send(ms(now), 100) == Fate::Lost).collect();
            let lost = fates.iter().filter(|lost| **lost).count();
            assert!((9_000..11_000).contains(&lost), "{lost} of 100,000 in bursts of {burst}");
            let bursts = fates.chunk_by(|a, b| a == b).filter(|run| run[0]).count();
            let mean = lost as f64 / bursts as f64;
            assert!((mean / expected - 1.0).abs() < 0.1, "{mean} in a row, {burst} were asked for");
        }
    }

    #[test]
    fn a_change_applies_to_what_comes_after() {
        let mut queue = Queue::new(LinkConfig::limited(Bitrate::from_kbps(80)), 1);
        assert_eq!(queue.send(ms(0), 972), Fate::Arrives(ms(100)));
        queue.set_config(LinkConfig::limited(Bitrate::from_kbps(800)));
        assert_eq!(queue.send(ms(0), 972), Fate::Arrives(ms(110)));
    }
}
