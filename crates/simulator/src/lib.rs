//! Virtual networks that score estimators, and whole rooms in virtual time that score the node.
//!
//! Table of one estimator: `cargo run --release -p terrace -- sim links --estimator terrace`.
//! Table of rooms: `cargo run --release -p terrace -- sim rooms`.

pub mod links;
pub mod rooms;
