//! The `Gcc` of the `rtc-interceptor` crate behind this simulator's seam, paced at its own target as that crate's
//! pacer does.
//!
//! Owns the history that its congestion control interceptor keeps around it: each packet is handed over once, in
//! send order, up to the highest that arrived. Unlike that history, a packet that no report ever covered (the report
//! was lost) is left out instead of being called lost: the table judges the algorithm, and with a fifth of the
//! reports gone the other reading pins it to its floor.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use estimator::{
    Config, DemandRates, Ecn, Estimate, Feedback, PacketResult, Probe, Reason, SentPacket, State,
};
use interceptor::{BandwidthEstimator, Gcc, PacketReport};
use rtcp::transport_feedbacks::cc_feedback_report::Ecn as RtcpEcn;
use units::{Bitrate, DataSize, Timestamp};

use crate::links::controller::Controller;

/// A send history longer than any feedback loop that these links have.
const HISTORY: usize = 16_384;

struct Record {
    packet: SentPacket,
    sent: Timestamp,
    reported: bool,
    arrival: Option<Duration>,
    ecn: Ecn,
}

/// See the module.
pub struct RtcGcc {
    gcc: Gcc,
    zero: Instant,
    history: VecDeque<Record>,
    highest_arrived: Option<u64>,
    in_flight: DataSize,
}

impl RtcGcc {
    /// With the start, floor and ceiling of `config`.
    #[expect(
        clippy::disallowed_methods,
        reason = "the crate takes std instants and there is no other way to make one; only differences count"
    )]
    pub fn new(config: Config) -> Self {
        Self {
            gcc: Gcc::new(config.start.as_f64(), config.min.as_f64(), config.max.as_f64()),
            zero: Instant::now(),
            history: VecDeque::new(),
            highest_arrived: None,
            in_flight: DataSize::ZERO,
        }
    }

    fn instant(&self, at: Timestamp) -> Instant {
        self.zero + Duration::from_micros(at.as_micros())
    }

    fn record(&mut self, result: &PacketResult) {
        let Some(first) = self.history.front().map(|record| record.packet.seq) else { return };
        let index = result.seq.checked_sub(first).and_then(|n| usize::try_from(n).ok());
        let Some(record) = index.and_then(|n| self.history.get_mut(n)) else { return };
        record.reported = true;
        let Some(arrival) = result.arrival else { return };
        // The crate wants a non-negative time; the simulated clocks start late enough for that.
        record.arrival = Some(Duration::from_micros(u64::try_from(arrival.as_micros()).unwrap_or(0)));
        record.ecn = result.ecn;
        self.highest_arrived = self.highest_arrived.max(Some(result.seq));
    }

    fn take_reports(&mut self) -> Vec<PacketReport> {
        let mut reports = Vec::new();
        while self.history.front().is_some_and(|record| Some(record.packet.seq) <= self.highest_arrived) {
            let Some(record) = self.history.pop_front() else { break };
            self.in_flight -= record.packet.size;
            if !record.reported {
                continue;
            }
            reports.push(PacketReport {
                ssrc: 1,
                id: record.packet.seq,
                // Wire counters: the low bits.
                rtp_sequence_number: record.packet.seq as u16,
                is_twcc: true,
                twcc_sequence_number: record.packet.seq as u16,
                size: usize::try_from(record.packet.size.as_bytes()).unwrap_or(usize::MAX),
                arrived: record.arrival.is_some(),
                departure: self.instant(record.sent),
                arrival: record.arrival,
                ecn: match record.ecn {
                    Ecn::NotEct => RtcpEcn::NotEct,
                    Ecn::Ect0 => RtcpEcn::Ect0,
                    Ecn::Ect1 => RtcpEcn::Ect1,
                    Ecn::Ce => RtcpEcn::Ce,
                },
            });
        }
        reports
    }
}

impl Controller for RtcGcc {
    fn on_packet_sent(&mut self, now: Timestamp, packet: SentPacket) {
        if self.history.len() == HISTORY
            && let Some(old) = self.history.pop_front()
        {
            self.in_flight -= old.packet.size;
        }
        self.history.push_back(Record {
            packet,
            sent: now,
            reported: false,
            arrival: None,
            ecn: Ecn::NotEct,
        });
        self.in_flight += packet.size;
    }

    fn on_feedback(&mut self, now: Timestamp, feedback: &Feedback<'_>) {
        for result in feedback.results {
            self.record(result);
        }
        let reports = self.take_reports();
        self.gcc.on_reports(self.instant(now), &reports);
    }

    fn set_demand(&mut self, _now: Timestamp, _demand: DemandRates) {}

    fn on_route_change(&mut self, _now: Timestamp) {}

    fn handle_timeout(&mut self, now: Timestamp) {
        let now = self.instant(now);
        self.gcc.handle_timeout(now);
    }

    fn poll_timeout(&self) -> Option<Timestamp> {
        let at = self.gcc.poll_timeout()?;
        let micros = at.saturating_duration_since(self.zero).as_micros();
        Some(Timestamp::from_micros(u64::try_from(micros).unwrap_or(u64::MAX)))
    }

    fn poll_probe(&mut self, _now: Timestamp) -> Option<Probe> {
        None
    }

    fn estimate(&self) -> Estimate {
        let target = Bitrate::from_f64(self.gcc.target_bitrate());
        Estimate {
            target,
            pacing: target,
            window: DataSize::from_bytes(u64::MAX),
            padding: Bitrate::ZERO,
            state: State::Increase,
            reason: Reason::Start,
            capacity: None,
        }
    }

    fn in_flight(&self) -> DataSize {
        self.in_flight
    }
}
