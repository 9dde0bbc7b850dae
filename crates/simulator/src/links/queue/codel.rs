//! CoDel (RFC 8289): drops from the head once the sojourn has stayed over a target for an interval, then ever more
//! often until it has not.

use estimator::Ecn;

use super::super::event::{MILLI, Micros};
use super::super::packet::Packet;
use super::Fifo;

/// RFC 8289 §4.3: acceptable standing queue.
const TARGET: Micros = 5 * MILLI;
/// RFC 8289 §4.2: about the longest usual round trip.
const INTERVAL: Micros = 100 * MILLI;
/// Below one packet the link is not the problem.
const LEAST_BYTES: u64 = 1_500;

/// The control law of one queue. The queue itself is lent at each call, so that FQ-CoDel can keep one per flow.
#[derive(Debug, Default)]
pub struct Codel {
    first_above: Option<Micros>,
    drop_next: Micros,
    count: u32,
    last_count: u32,
    dropping: bool,
}

impl Codel {
    /// The next packet to serve. Drops on the way go into `dropped`; packets that allow it are marked instead.
    pub fn take(&mut self, fifo: &mut Fifo, now: Micros, dropped: &mut Vec<Packet>) -> Option<Packet> {
        let mut packet = self.pop(fifo, now);
        if self.dropping {
            if !self.may_drop(now) {
                self.dropping = false;
            }
            while self.dropping && now >= self.drop_next {
                self.count += 1;
                if let Some(marked) = packet.take_if(mark) {
                    self.drop_next = control_law(self.drop_next, self.count);
                    return Some(marked);
                }
                dropped.extend(packet.take());
                packet = self.pop(fifo, now);
                if self.may_drop(now) {
                    self.drop_next = control_law(self.drop_next, self.count);
                } else {
                    self.dropping = false;
                }
            }
        } else if self.may_drop(now) && packet.is_some() {
            self.enter(now);
            if let Some(marked) = packet.take_if(mark) {
                return Some(marked);
            }
            dropped.extend(packet.take());
            packet = self.pop(fifo, now);
        }
        packet
    }

    /// RFC 8289 §5.6: starts dropping, near the rate of the last spell if that was a short while ago.
    fn enter(&mut self, now: Micros) {
        self.dropping = true;
        let delta = self.count - self.last_count;
        let recent = now.saturating_sub(self.drop_next) < 16 * INTERVAL;
        self.count = if delta > 1 && recent { delta } else { 1 };
        self.last_count = self.count;
        self.drop_next = control_law(now, self.count);
    }

    fn pop(&mut self, fifo: &mut Fifo, now: Micros) -> Option<Packet> {
        let packet = fifo.pop();
        let bad = packet.as_ref().is_some_and(|packet| now - packet.queued_at >= TARGET);
        if !bad || fifo.bytes() <= LEAST_BYTES {
            self.first_above = None;
        } else if self.first_above.is_none() {
            self.first_above = Some(now + INTERVAL);
        }
        packet
    }

    fn may_drop(&self, now: Micros) -> bool {
        self.first_above.is_some_and(|at| now >= at)
    }
}

fn control_law(at: Micros, count: u32) -> Micros {
    at + (INTERVAL as f64 / f64::from(count).sqrt()) as Micros
}

/// Marks `packet` if its sender allows it (RFC 3168 §5).
pub(super) fn mark(packet: &mut Packet) -> bool {
    let capable = packet.ecn != Ecn::NotEct;
    if capable {
        packet.ecn = Ecn::Ce;
    }
    capable
}
