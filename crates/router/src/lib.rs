//! Rooms, publications, subscriptions and slots: plaintext RTP in, plaintext RTP out, sans-IO.
//!
//! A receiver sees one continuous stream per *slot*, whatever happens behind it: which publication is mapped onto the
//! slot, which of its encodings is sent, when a publisher restarts. The crate owns that illusion. It leaves the choice of
//! encodings to `selector`, the bandwidth to `estimator`, cryptography and SDP to `transport`, and wire messages to `sfu`.

mod assign;
mod audio;
mod capture;
mod config;
mod demand;
mod egress;
mod encoding;
mod history;
mod ids;
mod input;
mod keyframe;
mod liveness;
mod media;
mod meter;
mod output;
mod participant;
mod publication;
mod retransmit;
mod rewrite;
mod room;
mod select;
mod slot;
mod speaker;
mod switch;
mod timers;
mod window;

pub use config::Config;
pub use ids::{ParticipantId, PublicationId};
pub use input::{Incoming, SendingSection, SlotCodec, SlotSection, SlotView, Source, Want};
pub use output::{
    DownlinkStats, EncodingDemand, EncodingState, NextStep, OutgoingPacket, Output, PacketKind, Prefix,
    PublicationState, RoomEvent, RoomStats, SlotChoice, SlotState, Speaker,
};
pub use room::Room;
