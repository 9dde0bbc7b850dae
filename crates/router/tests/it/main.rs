//! The room as its receivers see it: virtual publishers in, virtual receivers out, no clock and no network.
//!
//! `world` drives time, `source` makes simulcast that looks like a browser's, `receiver` is a decoder's view
//! that knows the truth about every packet and fails on any picture that would have been decoded wrongly.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod assigning;
mod encodings;
mod feedback;
mod layers;
mod random;
mod receiver;
mod sound;
mod source;
mod story;
mod switching;
mod world;
