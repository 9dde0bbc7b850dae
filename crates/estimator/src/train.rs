//! Does the path carry more than is sent? What the packets of one frame say about it, without a probe.
//!
//! Owns the comparison of the delays that our own bursts would have on a path of just the target's rate with those that
//! they have. A frame leaves faster than the target, so on a full path its last packets wait behind its first; on a path
//! with room they do not. The idea is that of packet trains (Jain and Dovrolis, "End-to-End Available Bandwidth", 2002),
//! with the frames of the media as trains and a regression in place of single trains, since jitter is larger than what is
//! looked for. Leaves what follows from it to the rate controller.

use units::Timestamp;

/// What is older than so much counts for less, s: of a stream of many packets, and of one that has few to compare.
const MEMORY: f64 = 0.5;
const MEMORY_OF_FEW: f64 = 2.0;
const FEW: f64 = 45.0;
/// Packets compared with each other: about a frame. What moves more slowly than that is not ours to explain.
const TRAIN: f64 = 10.0;
/// Packets, and spread of the modelled delays, ms, from which on there is an answer.
const PACKETS: f64 = 10.0;
const SPREAD: f64 = 0.3;
/// The path has room when this part of the modelled delay is out of the question, by so many standard errors.
const ROOM: f64 = 0.4;
const SURE: f64 = 2.0;

/// Sums of a regression of the delays seen, ms, on the modelled ones, ms.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    packets: f64,
    model: f64,
    delay: f64,
    model_model: f64,
    model_delay: f64,
    delay_delay: f64,
}

/// See the module.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Trains {
    /// The modelled queue, bytes, as of the last packet's departure.
    queue: f64,
    last_sent: Timestamp,
    /// Delays are counted from this one: the clocks' offset is of no interest, and would cost precision.
    origin: i64,
    train: Sums,
    /// Of the trains before: degrees of freedom, and sums about each train's own means.
    freedom: f64,
    model: f64,
    common: f64,
    delay: f64,
}

impl Trains {
    /// A packet arrived; in order of arrival. `target` in bit/s.
    pub(crate) fn on_packet(&mut self, sent: Timestamp, arrival: i64, size: u32, target: f64) {
        if sent < self.last_sent {
            return;
        }
        // In milliseconds at the target's rate; signed integers become floating point in one instruction.
        let per_milli = target / 8e3;
        let passed = (sent.as_micros() - self.last_sent.as_micros()).cast_signed() as f64 / 1_000.0;
        self.queue = (self.queue - passed * per_milli).max(0.0) + f64::from(size);
        self.last_sent = sent;
        let delay = arrival - i64::try_from(sent.as_micros()).unwrap_or(i64::MAX);
        let train = &mut self.train;
        if train.packets == 0.0 {
            self.origin = delay;
        }
        let model = self.queue / per_milli;
        let delay = (delay - self.origin) as f64 / 1_000.0;
        train.packets += 1.0;
        train.model += model;
        train.delay += delay;
        train.model_model += model * model;
        train.model_delay += model * delay;
        train.delay_delay += delay * delay;
        if train.packets >= TRAIN {
            let Sums { packets, model, delay, model_model, model_delay, delay_delay } = std::mem::take(train);
            self.freedom += packets - 1.0;
            self.model += model_model - model * model / packets;
            self.common += model_delay - model * delay / packets;
            self.delay += delay_delay - delay * delay / packets;
        }
    }

    /// After a report, `dt` seconds after the last.
    pub(crate) fn forget(&mut self, dt: f64) {
        let memory = if self.freedom < FEW { MEMORY_OF_FEW } else { MEMORY };
        let keep = (1.0 - dt / memory).max(0.0);
        for sum in [&mut self.freedom, &mut self.model, &mut self.common, &mut self.delay] {
            *sum *= keep;
        }
    }

    /// How much of the modelled delay is seen, and the standard error of that.
    pub(crate) fn seen(&self) -> Option<(f64, f64)> {
        if self.freedom < PACKETS || self.model < SPREAD * SPREAD * self.freedom {
            return None;
        }
        let part = self.common / self.model;
        let rest = (self.delay - part * self.common).max(0.0) / self.freedom;
        Some((part, (rest / self.model).sqrt()))
    }

    /// The path carries more than the target.
    pub(crate) fn has_room(&self) -> bool {
        self.seen().is_some_and(|(part, error)| part + SURE * error < ROOM)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames of ten packets of 1 000 bytes each 33 ms (2.4 Mbit/s), sent at 1.25 times that, over a path of `mbps` that
    /// adds up to `jitter` ms to each packet.
    fn after_a_second(mbps: f64, jitter: f64) -> Trains {
        let mut trains = Trains::default();
        let (mut free_at, mut noise) = (0.0, 1u32);
        for n in 0..300u32 {
            let sent = f64::from(n / 10) * 33.3 + f64::from(n % 10) * 2.67;
            free_at = sent.max(free_at) + 8.0 / mbps;
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let arrival = free_at + 20.0 + jitter * f64::from(noise >> 16) / 65_536.0;
            let sent = Timestamp::from_micros((sent * 1_000.0) as u64);
            trains.on_packet(sent, (arrival * 1_000.0) as i64, 1_000, 2.4e6);
            if n % 15 == 14 {
                trains.forget(0.05);
            }
        }
        trains
    }

    #[test]
    fn frames_wait_on_a_full_path_and_not_on_an_empty_one() {
        let cases = [
            (2.45, 0.0, false, "full"),
            (2.45, 8.0, false, "full, with jitter"),
            (2.3, 8.0, false, "overfull"),
            (6.0, 0.0, true, "empty"),
            (6.0, 8.0, true, "empty, with jitter"),
            (6.0, 200.0, false, "so much jitter that nothing can be told"),
        ];
        for (mbps, jitter, room, why) in cases {
            let trains = after_a_second(mbps, jitter);
            assert_eq!(trains.has_room(), room, "{why}: {:?}", trains.seen());
        }
    }

    #[test]
    fn single_packets_tell_nothing() {
        let mut trains = Trains::default();
        for n in 0..100 {
            trains.on_packet(Timestamp::from_millis(n * 100), n as i64 * 100_000, 1_000, 1e6);
        }
        assert_eq!(trains.seen(), None);
    }
}
