//! Virtual networks that score estimators.
//!
//! Table of one estimator: `cargo run --release -p terrace-simulator --example links -- --suite all --estimator terrace`.

pub mod links;
