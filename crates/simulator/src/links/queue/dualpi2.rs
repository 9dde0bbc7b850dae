//! DualPI2 (RFC 9332, appendix A): a low-latency queue for ECT(1) beside a classic one, one controller coupled to both.

use estimator::Ecn;

use super::super::event::{MILLI, Micros};
use super::super::packet::Packet;
use super::super::rng::Rng;
use super::codel::mark;
use super::{Fifo, Room};

/// RFC 9332 appendix A.1: delay that the classic queue is held to, and time between two updates.
const TARGET: Micros = 15 * MILLI;
const UPDATE: Micros = 16 * MILLI;
/// Gains per second of delay, from a longest usual round trip of 100 ms; the integral one holds for each update.
const ALPHA: f64 = 0.16;
const BETA: f64 = 3.2;
/// Coupling: a mark in the low-latency queue weighs half of what a scalable sender expects of a classic drop.
const COUPLING: f64 = 2.0;
/// The low-latency queue marks everything above this sojourn.
const STEP: Micros = MILLI;
/// The low-latency queue goes first unless the classic head has waited this much longer (time-shifted FIFO).
const SHIFT: Micros = 50 * MILLI;

/// Two queues, one controller.
#[derive(Debug, Default)]
pub struct DualPi2 {
    low: Fifo,
    classic: Fifo,
    base: f64,
    last_delay: Micros,
    next_update: Micros,
}

impl DualPi2 {
    /// Offers a packet; gives it back if there is no room.
    pub fn offer(&mut self, now: Micros, packet: Packet, room: Room) -> Option<Packet> {
        self.update(now);
        let (queue, other) = match packet.ecn {
            Ecn::Ect1 | Ecn::Ce => (&mut self.low, self.classic.bytes()),
            Ecn::NotEct | Ecn::Ect0 => (&mut self.classic, self.low.bytes()),
        };
        queue.offer(packet, Room { in_service: room.in_service + other, ..room })
    }

    /// Takes the next packet.
    pub fn take(&mut self, now: Micros, rng: &mut Rng, dropped: &mut Vec<Packet>) -> Option<Packet> {
        self.update(now);
        while let Some(low) = self.low_next(now) {
            if low {
                let mut packet = self.low.pop()?;
                let late = now - packet.queued_at > STEP;
                if late || rng.chance((COUPLING * self.base).min(1.0)) {
                    mark(&mut packet);
                }
                return Some(packet);
            }
            let mut packet = self.classic.pop()?;
            // Squaring turns the linear controller into the square-root law of classic senders (RFC 9332 §2.1).
            if rng.chance(self.base * self.base) && !mark(&mut packet) {
                dropped.push(packet);
                continue;
            }
            return Some(packet);
        }
        None
    }

    /// When the packet that has waited longest joined.
    pub fn oldest(&self) -> Option<Micros> {
        [self.low.front(), self.classic.front()].into_iter().flatten().map(|packet| packet.queued_at).min()
    }

    /// Which queue is next; `None` when both are empty.
    fn low_next(&self, now: Micros) -> Option<bool> {
        let waited = |fifo: &Fifo| fifo.front().map(|packet| now - packet.queued_at);
        match (waited(&self.low), waited(&self.classic)) {
            (None, None) => None,
            (Some(low), Some(classic)) => Some(low + SHIFT >= classic),
            (low, _) => Some(low.is_some()),
        }
    }

    fn update(&mut self, now: Micros) {
        while self.next_update <= now {
            let delay = self.classic.front().map_or(0, |packet| now - packet.queued_at);
            let low = self.low.front().map_or(0, |packet| now - packet.queued_at);
            let delay = delay.max(low);
            let seconds = |time: Micros| time as f64 / 1e6;
            let step = ALPHA * (seconds(delay) - seconds(TARGET))
                + BETA * (seconds(delay) - seconds(self.last_delay));
            self.base = (self.base + step).clamp(0.0, 1.0);
            self.last_delay = delay;
            self.next_update = (self.next_update + UPDATE).max(now.saturating_sub(20 * UPDATE));
        }
    }
}
