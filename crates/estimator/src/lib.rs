//! Bandwidth estimation for one transport, sans-IO.
mod config;
mod controller;
pub mod gcc;
mod pacer;
mod types;

pub use config::Config;
pub use controller::Estimator;
pub use pacer::Pacer;
pub use types::{
    Capacity, ClusterId, DemandRates, Ecn, Estimate, Feedback, PacketKind, PacketResult, Probe, Reason,
    RemoteTime, SentPacket, State,
};
