//! A controller that always says the same rate: what the simulator does to it has a closed form.

use estimator::{DemandRates, Estimate, Feedback, Probe, Reason, SentPacket, State};
use units::{Bitrate, DataSize, Timestamp};

use crate::links::controller::Controller;

/// A constant rate.
#[derive(Clone, Copy, Debug)]
pub struct Fixed(Bitrate);

impl Fixed {
    /// Always `rate`.
    pub fn new(rate: Bitrate) -> Self {
        Self(rate)
    }
}

impl Controller for Fixed {
    fn on_packet_sent(&mut self, _now: Timestamp, _packet: SentPacket) {}
    fn on_feedback(&mut self, _now: Timestamp, _feedback: &Feedback<'_>) {}
    fn set_demand(&mut self, _now: Timestamp, _demand: DemandRates) {}
    fn on_route_change(&mut self, _now: Timestamp) {}
    fn handle_timeout(&mut self, _now: Timestamp) {}

    fn poll_timeout(&self) -> Option<Timestamp> {
        None
    }

    fn poll_probe(&mut self, _now: Timestamp) -> Option<Probe> {
        None
    }

    fn estimate(&self) -> Estimate {
        Estimate {
            target: self.0,
            pacing: self.0,
            window: DataSize::from_bytes(u64::MAX),
            padding: Bitrate::ZERO,
            state: State::Hold,
            reason: Reason::Start,
            capacity: None,
        }
    }

    fn in_flight(&self) -> DataSize {
        DataSize::ZERO
    }
}
