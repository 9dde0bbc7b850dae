//! The estimator of one transport: takes packets and feedback, gives a target. A first slice: multiplicative climb
//! while the one-way delay stays near its minimum, a cut to the acknowledged rate when it does not.

use std::collections::VecDeque;
use std::time::Duration;

use units::{Bitrate, DataSize, Timestamp};

use crate::{Config, DemandRates, Estimate, Feedback, Probe, Reason, SentPacket, State};

#[derive(Clone, Copy, Debug)]
struct InFlight {
    packet: SentPacket,
    sent: Timestamp,
}

/// See the crate's documentation.
#[derive(Debug)]
pub struct Estimator {
    config: Config,
    target: Bitrate,
    reason: Reason,
    state: State,
    flight: VecDeque<InFlight>,
    in_flight: DataSize,
    base: Option<i64>,
    last_feedback: Timestamp,
    rtt: Duration,
}

impl Estimator {
    /// An estimator that knows nothing yet.
    pub fn new(now: Timestamp, config: Config) -> Self {
        Self {
            config,
            target: config.start,
            reason: Reason::Start,
            state: State::Startup,
            flight: VecDeque::new(),
            in_flight: DataSize::ZERO,
            base: None,
            last_feedback: now,
            rtt: Duration::from_millis(100),
        }
    }

    /// A packet left.
    pub fn on_packet_sent(&mut self, now: Timestamp, packet: SentPacket) {
        if self.flight.len() == 8_192
            && let Some(old) = self.flight.pop_front()
        {
            self.in_flight -= old.packet.size;
        }
        self.flight.push_back(InFlight { packet, sent: now });
        self.in_flight += packet.size;
    }

    /// A report came in.
    pub fn on_feedback(&mut self, now: Timestamp, feedback: &Feedback<'_>) {
        let dt = (now - self.last_feedback).as_secs_f64().min(0.3);
        self.last_feedback = now;
        let (mut bytes, mut first, mut last, mut delay) = (0, i64::MAX, i64::MIN, i64::MAX);
        for result in feedback.results {
            while let Some(front) = self.flight.front().copied() {
                if front.packet.seq > result.seq {
                    break;
                }
                self.flight.pop_front();
                self.in_flight -= front.packet.size;
                if let (true, Some(arrival)) = (front.packet.seq == result.seq, result.arrival) {
                    let sent = i64::try_from(front.sent.as_micros()).unwrap_or(i64::MAX);
                    let owd = arrival.as_micros().saturating_sub(sent);
                    self.base = Some(self.base.map_or(owd, |b| b.min(owd)));
                    delay = delay.min(owd);
                    (first, last) = (first.min(arrival.as_micros()), last.max(arrival.as_micros()));
                    bytes += front.packet.size.as_bytes();
                    self.rtt = now - front.sent;
                }
            }
        }
        let Some(base) = self.base.filter(|_| bytes > 0) else { return };
        if delay.saturating_sub(base) > 25_000 {
            let span = u64::try_from(last - first).unwrap_or(0).max(20_000);
            let acked = DataSize::from_bytes(bytes) / Duration::from_micros(span);
            self.target = self.target.min(acked.scaled(0.85)).max(self.config.min);
            (self.state, self.reason) = (State::Drain, Reason::Queue);
        } else {
            self.target = self.target.scaled(1.0 + 0.1 * dt).min(self.config.max);
            (self.state, self.reason) = (State::Increase, Reason::Climb);
        }
    }

    /// A round-trip time measured elsewhere.
    pub fn on_rtt(&mut self, _now: Timestamp, rtt: Duration) {
        self.rtt = rtt;
    }

    /// The transport moved to another network path.
    pub fn on_route_change(&mut self, _now: Timestamp) {
        self.base = None;
        self.target = self.target.min(self.config.start);
        self.reason = Reason::RouteChanged;
    }

    /// What the allocator could use.
    pub fn set_demand(&mut self, _now: Timestamp, _demand: DemandRates) {}

    /// Time passed.
    pub fn handle_timeout(&mut self, _now: Timestamp) {}

    /// When to call [`Estimator::handle_timeout`].
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        None
    }

    /// A probe to send, if there is one.
    pub fn poll_probe(&mut self, _now: Timestamp) -> Option<Probe> {
        None
    }

    /// What the caller may do now.
    pub fn estimate(&self) -> Estimate {
        Estimate {
            target: self.target,
            pacing: self.target.scaled(1.4),
            window: (self.target * (self.rtt + Duration::from_millis(200))).max(DataSize::from_bytes(2_600)),
            padding: Bitrate::ZERO,
            state: self.state,
            reason: self.reason,
            capacity: None,
        }
    }

    /// Bytes sent and not yet heard of.
    pub fn in_flight(&self) -> DataSize {
        self.in_flight
    }
}
