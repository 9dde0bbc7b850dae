//! Rooms, publications, subscriptions and slots: plaintext RTP in, plaintext RTP out, sans-IO.
//!
//! A receiver sees one continuous stream per *slot*, whatever happens behind it: which publication is mapped
//! onto the slot, which of its encodings is sent, when a publisher restarts. The crate owns that illusion. It
//! leaves the choice of encodings to `selector`, the bandwidth to `estimator`, cryptography and SDP to
//! `transport`, and wire messages to `sfu`.
//!
//! [`Room`] is the whole interface. Every call takes the present and appends what is to be done to a vector;
//! afterwards [`Room::poll_timeout`] says when to call [`Room::handle_timeout`] if nothing else happens.
//!
//! ```
//! use packet::{Codec, MediaKind, Mid, Rid};
//! use router::{Config, Output, ParticipantId, Room, RoomEvent, SendingSection};
//! use selector::{DeviceClass, Presets, Reported};
//! use units::Timestamp;
//!
//! let (now, mut out) = (Timestamp::ZERO, Vec::new());
//! let mut room = Room::new(Config::default(), 42);
//! let alice = ParticipantId(1);
//! room.add_participant(now, alice, Presets::builtin().profile(DeviceClass::Desktop, &Reported::default()));
//! let camera = SendingSection {
//!     mid: Mid::parse("0").unwrap(),
//!     kind: MediaKind::Video,
//!     active: true,
//!     codec: Codec::Vp8,
//!     rids: ["q", "h", "f"].iter().filter_map(|rid| Rid::parse(rid)).collect(),
//! };
//! room.set_sections(now, alice, &[camera], &[], &mut out);
//! room.set_connected(now, alice, true, &mut out);
//! assert!(matches!(out[0], Output::Event(RoomEvent::PublicationAdded(_))));
//! ```
//!
//! The way of a packet (`room::media`): publication by section, encoding by RID (`encoding`: numbers, clock,
//! size, rate, life, the latest packets), then every slot that shows it. A slot judges it (`switch`, then
//! `thinning` for its layer), renumbers it (`rewrite`) and sends it through its participant's `egress`. What changes on the way
//! (`room::settle`) goes through `assign` (which publication in which slot), `select` (which encoding),
//! `keyframe` and `demand` (what publishers are asked for).

mod assign;
mod audio;
mod capture;
mod census;
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
mod relay;
mod retransmit;
mod rewrite;
mod room;
mod select;
mod slot;
mod speaker;
mod switch;
mod thinning;
mod timers;
mod voice;
mod window;

pub use config::{Config, Policy};
pub use ids::{NodeIndex, Numbering, ParticipantId, PublicationId};
pub use input::{Incoming, SendingSection, SlotCodec, SlotSection, SlotView, Source, Want};
pub use output::{
    DownlinkStats, EncodingDemand, EncodingState, NextStep, OutgoingPacket, Output, PacketKind, Prefix,
    PublicationState, RoomEvent, RoomStats, SlotChoice, SlotState, Speaker,
};
pub use relay::{Announced, Announcement, Measured, Relayed, Weight};
pub use room::Room;
