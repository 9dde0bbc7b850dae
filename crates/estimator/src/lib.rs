//! Bandwidth estimation for one transport: how much may be sent, how fast, and why.
//!
//! Owns everything between "these packets left" and "this is the target": what became of each packet, the queue on the
//! path, the rates, loss, probes, the window. Leaves layers and streams to `selector`, bytes to `packet`, and sending to
//! the caller. Sans-IO: time is an argument, nothing is random, the same calls give the same answers.
//!
//! # Calls
//!
//! ```
//! use estimator::{Config, Ecn, Estimator, Feedback, PacketKind, PacketResult, Pacer, RemoteTime, SentPacket};
//! use units::{DataSize, Timestamp};
//!
//! let now = Timestamp::ZERO;
//! let mut estimator = Estimator::new(now, Config::default());
//! let mut pacer = Pacer::new(now, &estimator.estimate());
//!
//! // Before a packet: may it go? After the socket took it: say so, to both.
//! let size = DataSize::from_bytes(1_200);
//! assert_eq!(pacer.next_send(now, size, estimator.in_flight()), now);
//! estimator.on_packet_sent(now, SentPacket { seq: 1, size, kind: PacketKind::Media, probe: None });
//! pacer.on_sent(now, size, PacketKind::Media);
//!
//! // A report: unwrapped by `twcc` or `ccfb`, then this; afterwards everything may have moved.
//! let later = Timestamp::from_millis(60);
//! let results = [PacketResult { seq: 1, arrival: Some(RemoteTime::from_micros(5)), ecn: Ecn::NotEct }];
//! estimator.on_feedback(later, &Feedback { results: &results, sent: None });
//! pacer.set_estimate(later, &estimator.estimate());
//! ```
//!
//! Call [`Estimator::handle_timeout`] at [`Estimator::poll_timeout`], [`Estimator::poll_probe`] whenever padding could be
//! sent, and [`Estimator::set_demand`] when the allocator's wishes change: probes aim at what somebody wants.
//!
//! # Signals
//!
//! ```text
//! sent ----> history ----> queue (absolute, the primary signal) --\
//! reports -->   |  \-----> slope (early onset)                     \
//!               |   \----> acked, sent, media (rates)  ------------> rate --> window, silence, backlog --> Estimate
//!               |    \---> loss (reduce and watch)               /    |
//!               |     \--> probe (asked, answered) -------------/     +--> competing: whose queue is it?
//!               \-------> marks (ECN, L4S)  -------------------/
//! ```
//!
//! A full queue has no slope: an estimator that looks at the slope alone sits on it. The queue here is the one-way delay
//! over a tracked base, and each way in which that can deceive has an answer of its own: jitter (a least value over a
//! window), clock skew (fitted), own bursts (modelled), a longer path and other people's queues (`competing`), a stall
//! that is over (bytes in flight), the time of one packet on a slow link (the gate).
//!
//! [`gcc::Gcc`] is the reference to compare with. Sources: RFC 8698 (the form of the climb), RFC 8298 (window beside the
//! rate), RFC 8888 and draft-holmer-rmcat-transport-wide-cc-extensions-01 (feedback), draft-ietf-rmcat-gcc-02 (slope and
//! reference), RFC 3168, 9330 and 9331 (marks), RFC 8867 to 8869 (what to test).

mod acked;
mod backlog;
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
mod train;
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
