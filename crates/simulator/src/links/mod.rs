//! Estimators over simulated links: virtual time, links, senders, receivers, cases and scores.
//!
//! One case with one estimator and one seed is one pure function, [`run_case`]: the caller may spread cases over
//! threads as it likes. Nothing here reads a file, a clock or the environment.

pub mod capacity;
pub mod case;
pub mod controller;
pub mod event;
pub mod link;
pub mod loss;
pub mod metrics;
pub mod packet;
pub mod queue;
pub mod receiver;
pub mod record;
pub mod rival;
pub mod rng;
pub mod sender;
pub mod source;
pub mod suite;
pub mod tcp;
pub mod trace;
pub mod world;

pub use case::{Case, Group};
pub use controller::{Controller, ControllerKind};
pub use metrics::Metrics;

/// Runs `case` with `controller` and one seed.
pub fn run_case(case: &Case, controller: ControllerKind, seed: u64) -> Metrics {
    metrics::judge(case, &world::simulate(case, controller, seed))
}
