//! PIE (RFC 8033): drops at the tail with a probability that a proportional-integral controller steers by the queueing
//! delay, which is read from the timestamp of the head (§5.2, the timestamp variant).

use super::super::event::{MILLI, Micros};
use super::super::packet::Packet;
use super::super::rng::Rng;
use super::codel::mark;
use super::{Fifo, Room};

/// RFC 8033 §4.2: the delay to hold, and the time between two updates.
const TARGET: Micros = 15 * MILLI;
const UPDATE: Micros = 15 * MILLI;
/// RFC 8033 §4.2: gains, per second of delay.
const ALPHA: f64 = 0.125;
const BETA: f64 = 1.25;
/// RFC 8033 §4.4: a burst of this length passes untouched.
const BURST: Micros = 150 * MILLI;
/// RFC 8033 §5.1: above this probability packets are dropped whatever they allow.
const MARK_LIMIT: f64 = 0.1;

/// A FIFO under PIE.
#[derive(Debug, Default)]
pub struct Pie {
    fifo: Fifo,
    probability: f64,
    last_delay: Micros,
    next_update: Micros,
    burst_left: Micros,
}

impl Pie {
    /// Offers a packet; gives it back if it is dropped.
    pub fn offer(&mut self, now: Micros, mut packet: Packet, room: Room, rng: &mut Rng) -> Option<Packet> {
        self.update(now);
        if self.drops(rng) && !(self.probability <= MARK_LIMIT && mark(&mut packet)) {
            return Some(packet);
        }
        self.fifo.offer(packet, room)
    }

    /// Takes the next packet.
    pub fn take(&mut self, now: Micros) -> Option<Packet> {
        self.update(now);
        self.fifo.pop()
    }

    /// The packet that waits first.
    pub fn front(&self) -> Option<&Packet> {
        self.fifo.front()
    }

    fn drops(&self, rng: &mut Rng) -> bool {
        // RFC 8033 §4.1: never while the delay is low and the probability small, nor for a few packets.
        let calm = self.last_delay < TARGET / 2 && self.probability < 0.2;
        self.burst_left == 0 && !calm && self.fifo.bytes() > 2 * 1_500 && rng.chance(self.probability)
    }

    fn delay(&self, now: Micros) -> Micros {
        self.fifo.front().map_or(0, |packet| now - packet.queued_at)
    }

    /// Updates are timed; between packets nothing looks at them, so they are caught up with when one comes.
    fn update(&mut self, now: Micros) {
        while self.next_update <= now {
            let delay = self.delay(now);
            self.probability = next_probability(self.probability, delay, self.last_delay);
            if delay < TARGET / 2 && self.last_delay < TARGET / 2 && self.probability == 0.0 {
                self.burst_left = BURST;
            } else {
                self.burst_left = self.burst_left.saturating_sub(UPDATE);
            }
            self.last_delay = delay;
            self.next_update = (self.next_update + UPDATE).max(now.saturating_sub(20 * UPDATE));
        }
    }
}

/// RFC 8033 §4.2, with the scaling that keeps small probabilities stable and the limit on one step.
fn next_probability(probability: f64, delay: Micros, last: Micros) -> f64 {
    let seconds = |time: Micros| time as f64 / 1e6;
    let mut step = ALPHA * (seconds(delay) - seconds(TARGET)) + BETA * (seconds(delay) - seconds(last));
    step *= match probability {
        p if p < 0.000_001 => 1.0 / 2_048.0,
        p if p < 0.000_01 => 1.0 / 512.0,
        p if p < 0.000_1 => 1.0 / 128.0,
        p if p < 0.001 => 1.0 / 32.0,
        p if p < 0.01 => 1.0 / 8.0,
        p if p < 0.1 => 1.0 / 2.0,
        _ => 1.0,
    };
    if probability >= 0.1 {
        step = step.min(0.02);
    }
    // A very long queue outruns the controller.
    if delay > 250 * MILLI {
        step = step.max(0.02);
    }
    let next = (probability + step).clamp(0.0, 1.0);
    if delay == 0 && last == 0 { next * 0.98 } else { next }
}
