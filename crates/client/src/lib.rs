//! A native Terrace participant: it joins a room like a browser does, sends made-up media, and checks what it gets.
//!
//! Owns the client's half of the contract on top of the `webrtc` crate and `tokio-tungstenite`. Knows nothing of the
//! server's insides, so that what it finds is what any client would find.
//!
//! - [`Participant::join`] enters a room with [`Options`]: which device to pose as, what to publish, how many slots.
//!   From then on a task serves it; [`Participant::next_event`] tells what happens.
//! - What arrives is judged by [`check`], packet by packet, as a decoder would: [`Participant::video_reports`].
//! - What is sent is made by [`synthetic`]: VP8, VP9 or H.264 in three encodings, and Opus. `demand` of the server is obeyed.
//! - [`link`] squeezes, delays and loses one participant's datagrams without privileges.
//! - [`Demo`] puts a camera, a phone and a desktop into a room.
//!
//! It runs on tokio, with one task per participant, one per track, and one per socket. A current-thread runtime drives 40
//! to 60 receivers.

pub mod check;
mod clock;
mod demo;
mod error;
pub mod link;
mod options;
mod participant;
mod peer;
mod receiver;
mod report;
mod sdp;
pub mod signal;
pub mod synthetic;
mod tls;

pub use demo::Demo;
pub use error::{ConnectError, JoinError};
pub use options::Options;
pub use participant::{Event, Participant};
pub use report::{DemoReport, EncodingReport, LogEntry, PublisherReport, ReceiverReport, VideoReport};
pub use tls::{NotAFingerprint, Trust};
