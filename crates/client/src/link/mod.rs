//! A network path in user space: a relay of UDP datagrams with a rate, a queue, delay and loss in either direction.
//!
//! Owns the sockets and the waiting; what happens to a datagram is decided by [`Queue`], which is pure. It stands between
//! one participant and the server, on the participant's own machine, so that a test or a demonstration can squeeze one
//! receiver without privileges.
//!
//! ```text
//!  participant <-> near socket | up:   queue -> wait | far socket <-> server
//!                              | down: queue -> wait |
//! ```

mod queue;
mod relay;

pub use queue::{Fate, LinkConfig, Queue};
pub use relay::{Link, LinkCounters};
