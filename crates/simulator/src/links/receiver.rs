//! The far end of a real-time flow: remembers arrivals and reports them on a timer.
//!
//! Owns what transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01) says, and, for one case,
//! a receiver that does not tell the truth.

use std::collections::BTreeMap;
use std::rc::Rc;

use estimator::{Ecn, PacketResult, RemoteTime};

use super::controller::{ReceiverClock, quantised};
use super::event::Micros;
use super::packet::FeedbackPacket;

/// Arrival times are cut down to this: the unit of a transport-wide delta.
const RESOLUTION: i64 = 250;

/// The most statuses in one report.
const MAX_RESULTS: u64 = 4_096;

/// How a receiver reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiverSpec {
    /// Time between two reports.
    pub interval: Micros,
    /// Its clock.
    pub clock: ReceiverClock,
    /// Whether it says that everything arrived, and at once.
    pub lies: bool,
}

/// A [`ReceiverSpec`] with its state.
#[derive(Debug)]
pub struct Receiver {
    spec: ReceiverSpec,
    /// Arrivals not older than the last report began, by sequence number.
    arrivals: BTreeMap<u64, (RemoteTime, Ecn)>,
    /// The first number that no report has covered.
    next: u64,
    /// The lowest number that arrived since the last report.
    fresh: Option<u64>,
    fastest: Option<Micros>,
    count: u64,
}

impl Receiver {
    /// A receiver that has seen nothing.
    pub fn new(spec: ReceiverSpec) -> Self {
        Self { spec, arrivals: BTreeMap::new(), next: 0, fresh: None, fastest: None, count: 0 }
    }

    /// A packet that left at `sent` arrives.
    pub fn on_packet(&mut self, now: Micros, seq: u64, sent: Micros, ecn: Ecn) {
        let mut at = now;
        if self.spec.lies {
            // As if no packet had ever queued: the sender's time plus the shortest delay there was.
            let fastest = self.fastest.map_or(now - sent, |f| f.min(now - sent));
            self.fastest = Some(fastest);
            at = sent + fastest;
        }
        // A duplicate does not move the arrival.
        if let std::collections::btree_map::Entry::Vacant(entry) = self.arrivals.entry(seq) {
            entry.insert((self.spec.clock.read(at), ecn));
            self.fresh = Some(self.fresh.map_or(seq, |fresh| fresh.min(seq)));
        }
    }

    /// The report due at `now`, if there is news.
    pub fn report(&mut self, now: Micros) -> Option<Rc<FeedbackPacket>> {
        let fresh = self.fresh.take()?;
        let newest = *self.arrivals.last_key_value()?.0;
        // A packet that was reported lost and came after all is covered again.
        let first = fresh.min(self.next).max(newest.saturating_sub(MAX_RESULTS - 1));
        let mut last = self.spec.clock.read(now);
        let results = (first..=newest)
            .map(|seq| {
                let known = self.arrivals.get(&seq).copied();
                if let Some((arrival, _)) = known {
                    last = arrival;
                }
                let lie = self.spec.lies.then_some((last, Ecn::NotEct));
                let (arrival, ecn) = known.or(lie).map_or((None, Ecn::NotEct), |(at, ecn)| (Some(at), ecn));
                quantised(PacketResult { seq, arrival, ecn }, RESOLUTION)
            })
            .collect();
        self.next = newest + 1;
        // Enough for what may still come late.
        while self.arrivals.first_key_value().is_some_and(|(seq, _)| seq + 1_000 < newest) {
            self.arrivals.pop_first();
        }
        self.count += 1;
        Some(Rc::new(FeedbackPacket { count: self.count, results, sent: None }))
    }
}

/// Bytes of a report about `n` packets, headers included.
pub fn report_size(n: usize) -> u64 {
    60 + 2 * n as u64
}
