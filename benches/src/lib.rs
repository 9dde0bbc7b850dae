//! What the benches of cost have in common: inputs as real calls make them.
//!
//! Owns the virtual publisher and receiver. Fixtures are made outside of the measured span, so that a figure is the cost of
//! the crate it names. Leaves sampling and statistics to
//! criterion, the figures themselves to `docs/benchmarks.md`, and the quality of decisions to the simulator.
//!
//! | module | what | for |
//! |---|---|---|
//! | [`camera`] | a VP8 stream of one encoding, as values and as bytes | `parse` |
//! | [`gallery`] | a receiver with many subscriptions | `select` |
//!
//! Everything is fixed input: each run does the same work.

pub mod camera;
pub mod gallery;
