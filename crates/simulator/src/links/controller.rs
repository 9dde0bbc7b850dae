//! The seam between a simulated sender and the estimator under test: the methods of [`estimator::Estimator`] as a
//! trait, and the names under which the table knows its implementations.

use std::fmt;

use estimator::{Config, DemandRates, Estimate, Estimator, Feedback, Probe, SentPacket, gcc::Gcc};
use units::{Bitrate, DataSize, Timestamp};

use super::rival::{Fixed, RtcGcc};

/// A congestion controller as the simulated sender sees it. See [`Estimator`] for the meaning of each method.
pub trait Controller {
    /// A packet left.
    fn on_packet_sent(&mut self, now: Timestamp, packet: SentPacket);
    /// A report came in.
    fn on_feedback(&mut self, now: Timestamp, feedback: &Feedback<'_>);
    /// What the application could use.
    fn set_demand(&mut self, now: Timestamp, demand: DemandRates);
    /// The transport moved to another network path, and knows.
    fn on_route_change(&mut self, now: Timestamp);
    /// Time passed.
    fn handle_timeout(&mut self, now: Timestamp);
    /// When to call [`Controller::handle_timeout`].
    fn poll_timeout(&self) -> Option<Timestamp>;
    /// A probe to send, if there is one.
    fn poll_probe(&mut self, now: Timestamp) -> Option<Probe>;
    /// What the sender may do now.
    fn estimate(&self) -> Estimate;
    /// Bytes sent and not yet heard of.
    fn in_flight(&self) -> DataSize;
}

macro_rules! delegate {
    ($name:ty) => {
        impl Controller for $name {
            fn on_packet_sent(&mut self, now: Timestamp, packet: SentPacket) {
                <$name>::on_packet_sent(self, now, packet);
            }
            fn on_feedback(&mut self, now: Timestamp, feedback: &Feedback<'_>) {
                <$name>::on_feedback(self, now, feedback);
            }
            fn set_demand(&mut self, now: Timestamp, demand: DemandRates) {
                <$name>::set_demand(self, now, demand);
            }
            fn on_route_change(&mut self, now: Timestamp) {
                <$name>::on_route_change(self, now);
            }
            fn handle_timeout(&mut self, now: Timestamp) {
                <$name>::handle_timeout(self, now);
            }
            fn poll_timeout(&self) -> Option<Timestamp> {
                <$name>::poll_timeout(self)
            }
            fn poll_probe(&mut self, now: Timestamp) -> Option<Probe> {
                <$name>::poll_probe(self, now)
            }
            fn estimate(&self) -> Estimate {
                <$name>::estimate(self)
            }
            fn in_flight(&self) -> DataSize {
                <$name>::in_flight(self)
            }
        }
    };
}

delegate!(Estimator);
delegate!(Gcc);

/// A controller that the table can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ControllerKind {
    /// The estimator of this project.
    Terrace,
    /// The in-tree reference: the published behaviour of Google Congestion Control.
    Gcc,
    /// The `Gcc` of the `rtc-interceptor` crate, paced at its own target.
    RtcGcc,
    /// A constant rate in bits per second: checks the simulator, not an estimator.
    Fixed(u64),
}

impl ControllerKind {
    /// By the name that commands use.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "terrace" => Some(Self::Terrace),
            "gcc" => Some(Self::Gcc),
            "rtc-gcc" => Some(Self::RtcGcc),
            _ => {
                let kbps: u64 = name.strip_prefix("fixed-")?.parse().ok()?;
                Some(Self::Fixed(kbps.checked_mul(1_000)?))
            }
        }
    }

    /// A new controller of this kind with a ceiling of `max`.
    pub fn build(self, now: Timestamp, max: Bitrate) -> Box<dyn Controller> {
        let config = Config { max, ..Config::default() };
        match self {
            Self::Terrace => Box::new(Estimator::new(now, config)),
            Self::Gcc => Box::new(Gcc::new(now, config)),
            Self::RtcGcc => Box::new(RtcGcc::new(config)),
            Self::Fixed(bps) => Box::new(Fixed::new(Bitrate::from_bps(bps))),
        }
    }
}

impl fmt::Display for ControllerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Terrace => f.write_str("terrace"),
            Self::Gcc => f.write_str("gcc"),
            Self::RtcGcc => f.write_str("rtc-gcc"),
            Self::Fixed(bps) => write!(f, "fixed-{}", bps / 1_000),
        }
    }
}
