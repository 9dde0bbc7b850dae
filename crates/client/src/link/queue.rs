//! One direction of a path: a server of constant rate behind a queue that drops at its tail, then a constant delay, and
//! random loss.
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
}

impl Default for LinkConfig {
    /// A path that does nothing.
    fn default() -> Self {
        Self { rate: None, queue: Duration::from_millis(300), delay: Duration::ZERO, loss: 0.0 }
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
    rng: ChaCha8Rng,
}

impl Queue {
    /// An empty queue.
    pub fn new(config: LinkConfig, seed: u64) -> Self {
        Self { config, free_at: Timestamp::ZERO, rng: ChaCha8Rng::seed_from_u64(seed) }
    }

    /// The path changes. What is in the queue leaves as it was going to.
    pub fn set_config(&mut self, config: LinkConfig) {
        self.config = config;
    }

    /// What becomes of a datagram of `size` bytes that is sent `now`. Arrivals are in the order of the calls while the
    /// delay stays the same.
    pub fn send(&mut self, now: Timestamp, size: usize) -> Fate {
        if self.config.loss > 0.0 && self.rng.random_bool(self.config.loss.clamp(0.0, 1.0)) {
            return Fate::Lost;
        }
        let Some(rate) = self.config.rate else {
            return Fate::Arrives(now + self.config.delay);
        };
        let start = self.free_at.max(now);
        if start.since(now) > self.config.queue {
            return Fate::Dropped;
        }
        self.free_at = start + DataSize::from_bytes(size as u64 + OVERHEAD) / rate;
        Fate::Arrives(self.free_at + self.config.delay)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Timestamp {
        Timestamp::from_millis(ms)
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
    fn loses_its_share() {
        let mut queue = Queue::new(LinkConfig { loss: 0.1, ..LinkConfig::default() }, 1);
        let lost = (0..10_000).filter(|now| queue.send(ms(*now), 100) == Fate::Lost).count();
        assert!((900..1_100).contains(&lost), "{lost} of 10,000");
    }

    #[test]
    fn a_change_applies_to_what_comes_after() {
        let mut queue = Queue::new(LinkConfig::limited(Bitrate::from_kbps(80)), 1);
        assert_eq!(queue.send(ms(0), 972), Fate::Arrives(ms(100)));
        queue.set_config(LinkConfig::limited(Bitrate::from_kbps(800)));
        assert_eq!(queue.send(ms(0), 972), Fate::Arrives(ms(110)));
    }
}
