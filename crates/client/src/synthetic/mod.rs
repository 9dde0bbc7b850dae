//! Media made up on the spot: simulcast and Opus that look to a forwarder like a camera and a microphone.
//!
//! Owns a model of a simulcast encoder without a picture in it. What leaves has the descriptors, frame headers, sizes and
//! packet boundaries of a browser's encoder, and a [`Stamp`] at the end of every frame by which a receiver can tell
//! exactly what it got, and how old it is. Pure: time and seed are arguments, sockets are elsewhere.

mod camera;
mod microphone;
pub(crate) mod payload;
mod stamp;
mod vp8;

pub use camera::{Camera, CameraConfig, EncodedFrame, EncodingConfig, EncodingStats, Wanted};
pub use microphone::{AudioFrame, Microphone};
pub use stamp::{STAMP, Stamp};
pub use vp8::packetize;
