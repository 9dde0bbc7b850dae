//! The signalling contract of Terrace (subprotocol `terrace.v1`) as types.
//!
//! Owns the messages in both directions, their JSON form, the limits within which a message is accepted and
//! the rate at which a client may send. Leaves sessions, rooms and the meaning of ids to `sfu`, and the
//! WebSocket to `server`. The same contract in prose, with schema and golden examples, is in `proto/`.
//!
//! Every message is one JSON object with a `type`. [`ClientMessage`] is what a client sends,
//! [`ServerMessage`] what it receives. Fields that a reader does not know are ignored, so both sides may
//! grow.
//!
//! ```
//! use signalling::{ClientMessage, SlotView, View, Want};
//!
//! let text = r#"{"type":"view","slots":[{"mid":"3","want":"auto","width":640,"height":360}]}"#;
//! let message: ClientMessage = serde_json::from_str(text).unwrap();
//! let slot = SlotView { width: Some(640), height: Some(360), ..SlotView::new("3", Want::Auto) };
//! assert_eq!(message, ClientMessage::View(View { slots: vec![slot] }));
//! ```

mod capabilities;
mod client;
mod codec;
pub mod limits;
mod rate_limit;
mod roster;
mod server;

pub use capabilities::{
    Capabilities, CodecSupport, Decode, Device, DeviceClass, Display, Network, NetworkKind, Power, PowerState,
};
pub use client::{
    ClientMessage, DirectMessage, Join, Offer, OutgoingMessage, Publish, Report, SlotReport, SlotView, View,
    Want,
};
pub use codec::{DecodeError, decode, decode_server};
pub use limits::Limits;
pub use rate_limit::{MessageRate, Pace, RateLimit};
pub use roster::{
    Connection, Encoding, MediaKind, Participant, ParticipantId, Publication, PublicationId, Source,
};
pub use server::{
    AdvertisedLimits, Answer, Demand, EncodingDemand, Error, ErrorCode, IceServer, IncomingMessage, Joined,
    Moved, NextStep, Pair, Reason, Rights, RoomChange, ServerMessage, SlotState, Slots, Speaker, Speakers,
};

/// The WebSocket subprotocol that this crate speaks (`Sec-WebSocket-Protocol`, RFC 6455 §1.9).
pub const SUBPROTOCOL: &str = "terrace.v1";

/// The path of the WebSocket below the server's origin.
pub const PATH: &str = "/v1/signal";
