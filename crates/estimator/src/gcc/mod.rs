//! The in-tree reference: Google congestion control as it is practised (draft-ietf-rmcat-gcc-02 and what grew from it).
//!
//! Owns the same calls as [`Estimator`](crate::Estimator), so that the two can be compared on the same links and a
//! deployment can choose. A reconstruction from published descriptions: grouping and slope, additive increase and
//! multiplicative decrease, a loss-based channel model, probing. No window, pacing at 2.5 times the target.

mod aimd;
mod loss;
mod probing;

use std::time::Duration;

use units::{Bitrate, DataSize, Timestamp};

use crate::acked::SteadyRate;
use crate::feedback::history::{Acked, History, Verdict};
use crate::rtt::Rtt;
use crate::slope::{Slope, Usage};
use crate::{Config, DemandRates, Estimate, Feedback, PacketKind, Probe, Reason, SentPacket, State};

use aimd::Aimd;
use loss::LossBound;
use probing::{Budget, Probing};

/// Pacing over the target.
const PACING: f64 = 2.5;
/// Unheard packets leave the count in flight after this.
const FORGET: Duration = Duration::from_secs(2);

/// Same methods as [`Estimator`](crate::Estimator).
#[derive(Clone, Debug)]
pub struct Gcc {
    config: Config,
    history: History,
    rtt: Rtt,
    slope: Slope,
    acked: SteadyRate,
    aimd: Aimd,
    loss: LossBound,
    probing: Probing,
    budget: Budget,
    batch: Vec<Acked>,
    target: f64,
    reason: Reason,
    limited: bool,
    loss_limited: bool,
    now: Timestamp,
}

impl Gcc {
    /// An estimator that knows nothing yet.
    pub fn new(now: Timestamp, config: Config) -> Self {
        Self {
            history: History::default(),
            rtt: Rtt::new(),
            slope: Slope::default(),
            acked: SteadyRate::default(),
            aimd: Aimd::new(config.start.as_f64()),
            loss: LossBound::new(),
            probing: Probing::new(now),
            budget: Budget::default(),
            batch: Vec::new(),
            target: config.start.as_f64(),
            reason: Reason::Start,
            limited: false,
            loss_limited: false,
            now,
            config,
        }
    }

    /// The socket took a packet.
    pub fn on_packet_sent(&mut self, now: Timestamp, packet: SentPacket) {
        self.now = now;
        self.history.on_sent(now, &packet, 0);
        self.probing.on_sent(now, &packet);
        if matches!(packet.kind, PacketKind::Media | PacketKind::Rtx) {
            self.budget.on_sent(now, packet.size, self.target);
        }
    }

    /// A report came in. Reports of packets that were not sent are ignored.
    pub fn on_feedback(&mut self, now: Timestamp, feedback: &Feedback<'_>) {
        self.now = now;
        if !self.history.were_sent(feedback.results) {
            return;
        }
        self.limited = self.budget.is_limited(now, self.target);
        self.digest(now, feedback);
        self.history.expire(now, FORGET + self.rtt.max());
        while let Some(rate) = self.probing.answer(now) {
            // A short burst through a jittery path may say less than what arrives anyway.
            self.aimd.on_probe(rate.max(self.acked.get().unwrap_or(0.0)));
            self.reason = Reason::ProbeArrived;
        }
        let usage = self.slope.usage();
        let before = self.target;
        if self.aimd.step(now, usage, self.acked.get(), self.rtt.smoothed(), self.limited) {
            self.reason = Reason::Overuse;
        } else if usage == Usage::Normal {
            self.reason = Reason::Climb;
        }
        let (bound, by_loss) = self.loss.step(now, self.aimd.target(), self.acked.get(), self.limited);
        self.loss_limited = by_loss;
        if by_loss {
            self.reason = Reason::LossOfRate;
        }
        self.target = bound.clamp(self.config.min.as_f64(), self.config.max.as_f64());
        self.probing.on_change(now, before, self.target);
    }

    /// A round-trip time measured elsewhere.
    pub fn on_rtt(&mut self, now: Timestamp, rtt: Duration) {
        self.rtt.on_sample(now, rtt);
    }

    /// The transport moved to another network path.
    pub fn on_route_change(&mut self, now: Timestamp) {
        let start = self.target.min(self.config.start.as_f64());
        self.now = now;
        self.rtt = Rtt::new();
        self.slope.reset();
        self.acked = SteadyRate::default();
        self.aimd.reset(start);
        self.loss = LossBound::new();
        self.probing = Probing::new(now);
        (self.target, self.reason) = (start, Reason::RouteChanged);
    }

    /// What the allocator could use.
    pub fn set_demand(&mut self, now: Timestamp, demand: DemandRates) {
        self.now = now;
        self.probing.set_max_useful(self.target, demand.max_useful.as_f64());
    }

    /// Time passed.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        self.now = now;
        self.limited = self.budget.is_limited(now, self.target);
        self.history.expire(now, FORGET + self.rtt.max());
    }

    /// When to call [`Gcc::handle_timeout`].
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        self.probing.deadline().map(|at| at.max(self.now + Duration::from_millis(20)))
    }

    /// A probe to send, if there is one.
    pub fn poll_probe(&mut self, now: Timestamp) -> Option<Probe> {
        self.probing.poll(now, self.config.start.as_f64(), self.target, self.limited, self.loss_limited)
    }

    /// What the caller may do now.
    pub fn estimate(&self) -> Estimate {
        let target = Bitrate::from_f64(self.target);
        Estimate {
            target,
            pacing: target.scaled(PACING),
            window: DataSize::from_bytes(u64::MAX),
            padding: Bitrate::ZERO,
            state: if self.slope.usage() == Usage::Normal { State::Increase } else { State::Hold },
            reason: self.reason,
            capacity: None,
        }
    }

    /// Bytes sent and not yet heard of.
    pub fn in_flight(&self) -> DataSize {
        self.history.in_flight()
    }

    fn digest(&mut self, now: Timestamp, feedback: &Feedback<'_>) {
        let mut batch = std::mem::take(&mut self.batch);
        for result in feedback.results {
            match self.history.on_result(now, result).0 {
                Verdict::Nothing => {}
                Verdict::Received(acked) | Verdict::Recovered(acked) => batch.push(acked),
                Verdict::Lost { size, probe, .. } => {
                    self.loss.on_packet(size, true);
                    self.probing.on_lost(probe);
                }
            }
        }
        batch.sort_by_key(|acked| (acked.arrival, acked.sent, acked.seq));
        for acked in &batch {
            self.slope.on_packet(now, acked.sent, acked.arrival);
            self.acked.on_packet(acked.arrival, acked.size, self.limited);
            self.loss.on_packet(acked.size, false);
            self.probing.on_acked(acked);
        }
        if let Some(newest) = batch.last() {
            self.rtt.on_sample(now, now - newest.sent);
        }
        batch.clear();
        // One report may hold the whole history; what that took is not kept.
        batch.shrink_to(256);
        self.batch = batch;
    }
}
