//! Bandwidth estimation for one transport, sans-IO.
mod acked;
mod competing;
mod config;
mod ecn;
mod estimator;
mod feedback;
pub mod gcc;
mod loss;
mod pacer;
mod probe;
mod queue;
mod rate;
mod rtt;
mod slope;
mod types;
mod window;

pub use config::Config;
pub use estimator::Estimator;
pub use feedback::{ccfb, twcc};
pub use pacer::Pacer;
pub use types::{
    Capacity, ClusterId, DemandRates, Ecn, Estimate, Feedback, Insight, PacketKind, PacketResult, Probe,
    Reason, RemoteTime, SentPacket, State,
};
