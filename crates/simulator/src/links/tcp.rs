//! TCP senders as cross traffic: Reno (RFC 5681, RFC 6582) or CUBIC (RFC 9438), with selective acknowledgement per
//! segment, so that several losses of one round cost one reduction and one round of repair (RFC 6675).
//!
//! Owns congestion control and repair of one connection; a connection either lasts or sends short objects with
//! pauses between them. Leaves the packets' way to the world.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::event::{MILLI, Micros, SECOND};
use super::rng::Rng;

/// Bytes of a full segment on the wire.
pub const SEGMENT_BYTES: u64 = 1_500;
/// Bytes of an acknowledgement on the wire.
pub const ACK_BYTES: u64 = 60;
/// RFC 6928: ten segments.
const INITIAL_WINDOW: f64 = 10.0;
/// RFC 6675: a segment is lost when three later transmissions were acknowledged.
const REORDERING: u64 = 3;
/// The least retransmission timeout.
const MIN_RTO: Micros = 500 * MILLI;
/// RFC 9438 §4.1, §4.6: C in segments per second cubed, and the multiplicative decrease factor.
const CUBIC_C: f64 = 0.4;
const CUBIC_BETA: f64 = 0.7;

/// Which congestion control.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TcpVariant {
    /// RFC 5681.
    Reno,
    /// RFC 9438.
    Cubic,
}

/// What a connection has to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TcpLoad {
    /// Always something.
    Long,
    /// Objects of 30 to 50 kB with exponential pauses of 10 s on average (RFC 8867 §4.2.4).
    Short {
        /// Whether it begins with an object instead of a pause.
        starts_on: bool,
    },
}

/// A segment to put on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmission {
    /// Index of the segment.
    pub segment: u64,
    /// Number of the transmission.
    pub number: u64,
}

/// One connection's sender.
#[derive(Debug)]
pub struct TcpSender {
    variant: TcpVariant,
    load: TcpLoad,
    rng: Rng,
    window: f64,
    threshold: f64,
    /// Segments that the object on hand still has, beyond `next_segment`.
    left: u64,
    next_segment: u64,
    next_number: u64,
    flight: BTreeMap<u64, (u64, Micros)>,
    delivered: BTreeSet<u64>,
    repair: VecDeque<u64>,
    /// Losses of transmissions below this number belong to a reduction that has been made.
    reduced_before: u64,
    smoothed_rtt: Option<Micros>,
    backoff: u32,
    resume_at: Option<Micros>,
    cubic: Cubic,
}

#[derive(Clone, Copy, Debug, Default)]
struct Cubic {
    epoch: Option<Micros>,
    w_max: f64,
    k: f64,
    friendly: f64,
}

impl TcpSender {
    /// A connection that starts at `now`.
    pub fn new(now: Micros, variant: TcpVariant, load: TcpLoad, mut rng: Rng) -> Self {
        let (left, resume_at) = match load {
            TcpLoad::Long => (u64::MAX, None),
            TcpLoad::Short { starts_on: true } => (object(&mut rng), None),
            TcpLoad::Short { starts_on: false } => (0, Some(now + pause(&mut rng))),
        };
        Self {
            variant,
            load,
            rng,
            window: INITIAL_WINDOW,
            threshold: f64::INFINITY,
            left,
            next_segment: 0,
            next_number: 0,
            flight: BTreeMap::new(),
            delivered: BTreeSet::new(),
            repair: VecDeque::new(),
            reduced_before: 0,
            smoothed_rtt: None,
            backoff: 0,
            resume_at,
            cubic: Cubic::default(),
        }
    }

    /// The congestion window in segments.
    pub fn window(&self) -> f64 {
        self.window
    }

    /// The next segment to send, repairs first, if the window has room.
    pub fn poll_transmit(&mut self, now: Micros) -> Option<Transmission> {
        if self.flight.len() as f64 + 1.0 > self.window {
            return None;
        }
        let segment = loop {
            match self.repair.pop_front() {
                Some(segment) if self.delivered.contains(&segment) => {}
                Some(segment) => break segment,
                None if self.left == 0 => return None,
                None => {
                    self.left = self.left.saturating_sub(1);
                    self.next_segment += 1;
                    break self.next_segment - 1;
                }
            }
        };
        let number = self.next_number;
        self.next_number += 1;
        self.flight.insert(number, (segment, now));
        Some(Transmission { segment, number })
    }

    /// One transmission of one segment arrived. Answers whether the segment is new.
    pub fn on_ack(&mut self, now: Micros, acked: Transmission, marked: bool) -> bool {
        let Some((_, sent)) = self.flight.remove(&acked.number) else { return false };
        let sample = now - sent;
        self.smoothed_rtt = Some(self.smoothed_rtt.map_or(sample, |rtt| (7 * rtt + sample) / 8));
        self.backoff = 0;
        let fresh = self.delivered.insert(acked.segment);
        if marked && acked.number >= self.reduced_before {
            self.reduce(now);
        }
        self.detect_losses(now, acked.number);
        if acked.number >= self.reduced_before {
            self.grow(now);
        }
        self.finish_object(now);
        fresh
    }

    /// When to call [`TcpSender::on_timer`].
    pub fn next_timer(&self) -> Option<Micros> {
        let oldest = self.flight.first_key_value().map(|(_, (_, sent))| sent + self.timeout());
        [oldest, self.resume_at].into_iter().flatten().min()
    }

    /// The instant that [`TcpSender::next_timer`] named has come.
    pub fn on_timer(&mut self, now: Micros) {
        if self.resume_at.is_some_and(|at| at <= now) {
            self.resume_at = None;
            self.left = object(&mut self.rng);
            (self.window, self.threshold) = (INITIAL_WINDOW, f64::INFINITY);
        }
        let oldest = self.flight.first_key_value().map(|(_, (_, sent))| sent + self.timeout());
        if oldest.is_some_and(|at| at <= now) {
            // RFC 5681 §3.1: everything in flight is presumed lost and slow start begins anew.
            let flight = std::mem::take(&mut self.flight);
            self.threshold = (self.window / 2.0).max(2.0);
            self.window = 1.0;
            self.cubic = Cubic::default();
            self.reduced_before = self.next_number;
            self.repair.extend(flight.into_values().map(|(segment, _)| segment));
            self.backoff = (self.backoff + 1).min(6);
        }
    }

    fn timeout(&self) -> Micros {
        let rtt = self.smoothed_rtt.unwrap_or(SECOND / 2);
        (2 * rtt).max(MIN_RTO) << self.backoff
    }

    fn detect_losses(&mut self, now: Micros, acked: u64) {
        let mut newest_lost = None;
        while let Some(entry) = self.flight.first_entry() {
            if *entry.key() + REORDERING > acked {
                break;
            }
            newest_lost = Some(*entry.key());
            self.repair.push_back(entry.remove().0);
        }
        if newest_lost.is_some_and(|number| number >= self.reduced_before) {
            self.reduce(now);
        }
    }

    /// One reduction per round: later losses of what is in flight now are part of it.
    fn reduce(&mut self, now: Micros) {
        let factor = match self.variant {
            TcpVariant::Reno => 0.5,
            TcpVariant::Cubic => CUBIC_BETA,
        };
        // RFC 9438 §4.7, fast convergence: a window that stopped short of the last one leaves room for newcomers.
        let w_max =
            if self.window < self.cubic.w_max { self.window * (1.0 + CUBIC_BETA) / 2.0 } else { self.window };
        self.threshold = (self.window * factor).max(2.0);
        self.window = self.threshold;
        let k = ((w_max - self.window).max(0.0) / CUBIC_C).cbrt();
        self.cubic = Cubic { epoch: Some(now), w_max, k, friendly: self.window };
        self.reduced_before = self.next_number;
    }

    fn grow(&mut self, now: Micros) {
        if self.window < self.threshold {
            self.window += 1.0;
            return;
        }
        match self.variant {
            TcpVariant::Reno => self.window += 1.0 / self.window,
            TcpVariant::Cubic => self.grow_cubic(now),
        }
    }

    fn grow_cubic(&mut self, now: Micros) {
        let rtt = self.smoothed_rtt.unwrap_or(SECOND / 10);
        let epoch = *self.cubic.epoch.get_or_insert(now);
        let t = (now - epoch + rtt) as f64 / 1e6;
        let wanted = CUBIC_C * (t - self.cubic.k).powi(3) + self.cubic.w_max;
        // RFC 9438 §4.3: never slower than Reno with the same decrease factor would be.
        self.cubic.friendly += 3.0 * (1.0 - CUBIC_BETA) / (1.0 + CUBIC_BETA) / self.window;
        let target = wanted.max(self.cubic.friendly).min(1.5 * self.window);
        self.window += ((target - self.window) / self.window).max(0.01 / self.window);
    }

    /// Starts the pause after an object that has arrived whole; drops the record of what is behind us.
    fn finish_object(&mut self, now: Micros) {
        let done = self.left == 0 && self.flight.is_empty() && self.repair.is_empty();
        if done && self.resume_at.is_none() && self.load != TcpLoad::Long {
            self.resume_at = Some(now + pause(&mut self.rng));
        }
        while self.delivered.len() > 4_096 {
            self.delivered.pop_first();
        }
    }
}

/// Segments of an object of 30 to 50 kB.
fn object(rng: &mut Rng) -> u64 {
    (rng.between(30_000.0, 50_000.0) / SEGMENT_BYTES as f64).ceil() as u64
}

fn pause(rng: &mut Rng) -> Micros {
    (rng.exponential(10.0) * 1e6) as Micros
}
