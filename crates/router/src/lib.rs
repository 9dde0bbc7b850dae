//! Rooms, publications, subscriptions and slots: plaintext RTP in, plaintext RTP out, sans-IO.
//!
//! A receiver sees one continuous stream per *slot*, whatever happens behind it: which publication is mapped onto the
//! slot, which of its encodings is sent, when a publisher restarts. The crate owns that illusion. It leaves the choice of
//! encodings to `selector`, the bandwidth to `estimator`, cryptography and SDP to `transport`, and wire messages to `sfu`.

mod config;
mod ids;
mod input;
mod output;
mod room;

pub use config::Config;
pub use ids::{ParticipantId, PublicationId};
pub use input::{Incoming, SendingSection, SlotCodec, SlotSection, SlotView, Source, Want};
pub use output::{
    DownlinkStats, EncodingDemand, EncodingState, NextStep, OutgoingPacket, Output, PacketKind, Prefix,
    PublicationState, RoomEvent, SlotChoice, SlotState, Speaker,
};
pub use room::Room;
