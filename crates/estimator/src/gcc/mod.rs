//! The in-tree reference: Google congestion control (draft-ietf-rmcat-gcc-02). A first slice that shares the
//! estimator's bookkeeping.

use std::time::Duration;

use units::{DataSize, Timestamp};

use crate::{Config, DemandRates, Estimate, Estimator, Feedback, Probe, SentPacket};

/// Same methods as [`Estimator`].
#[derive(Debug)]
pub struct Gcc(Estimator);

impl Gcc {
    /// An estimator that knows nothing yet.
    pub fn new(now: Timestamp, config: Config) -> Self {
        Self(Estimator::new(now, config))
    }

    /// A packet left.
    pub fn on_packet_sent(&mut self, now: Timestamp, packet: SentPacket) {
        self.0.on_packet_sent(now, packet);
    }

    /// A report came in.
    pub fn on_feedback(&mut self, now: Timestamp, feedback: &Feedback<'_>) {
        self.0.on_feedback(now, feedback);
    }

    /// A round-trip time measured elsewhere.
    pub fn on_rtt(&mut self, now: Timestamp, rtt: Duration) {
        self.0.on_rtt(now, rtt);
    }

    /// The transport moved to another network path.
    pub fn on_route_change(&mut self, now: Timestamp) {
        self.0.on_route_change(now);
    }

    /// What the allocator could use.
    pub fn set_demand(&mut self, now: Timestamp, demand: DemandRates) {
        self.0.set_demand(now, demand);
    }

    /// Time passed.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        self.0.handle_timeout(now);
    }

    /// When to call [`Gcc::handle_timeout`].
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        self.0.poll_timeout()
    }

    /// A probe to send, if there is one.
    pub fn poll_probe(&mut self, now: Timestamp) -> Option<Probe> {
        self.0.poll_probe(now)
    }

    /// What the caller may do now.
    pub fn estimate(&self) -> Estimate {
        self.0.estimate()
    }

    /// Bytes sent and not yet heard of.
    pub fn in_flight(&self) -> DataSize {
        self.0.in_flight()
    }
}
