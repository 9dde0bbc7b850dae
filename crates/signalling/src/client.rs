//! What a client sends.
//!
//! Owns the messages and their JSON form. Leaves bounds on their contents to `limits` and what follows from
//! them to `sfu`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Capabilities, ParticipantId, PublicationId, Source, limits};

/// A message from a client. The first one is `join`; everything else before it is answered with `not_joined`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ClientMessage {
    /// Enters a room, or returns to it. Answered by `joined` or by an error.
    Join(Join),
    /// An SDP offer: sending sections, and receive-only sections that become slots. Answered by `answer`, or
    /// by the error `offer_rejected`, after which the former agreement still stands.
    Offer(Offer),
    /// Replaces all that was said about the device.
    Capabilities(Capabilities),
    /// Replaces all that was said about what is shown where.
    View(View),
    /// How decoding went since the last report.
    Report(Report),
    /// Describes one sending section. May be sent before the offer that adds the section.
    Publish(Publish),
    /// Data for one participant or for all others.
    Message(OutgoingMessage),
    /// A word for the other of two who exchange media directly (`pair`).
    Direct(DirectMessage),
    /// Leaves the room. The server closes the connection.
    Leave,
}

/// Enters a room, or returns to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Join {
    /// The room's name: 1 to 64 of the letters `a-z`, `A-Z`, digits, `.`, `_`, `~` and `-`. It comes into
    /// being with its first participant and ends with its last.
    #[schemars(length(min = 1, max = limits::ROOM_CHARS), regex(pattern = r"^[A-Za-z0-9._~-]*$"))]
    pub room: String,
    /// What to call this participant: 1 to 64 characters, none of them control characters.
    #[schemars(length(min = 1, max = limits::NAME_CHARS), regex(pattern = limits::PLAIN))]
    pub name: String,
    /// A join token, where the server asks for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::TOKEN_BYTES), regex(pattern = limits::VISIBLE))]
    pub token: Option<String>,
    /// What the device can do.
    #[serde(default)]
    pub capabilities: Capabilities,
    /// The `resume` of an earlier `joined`: takes over that participant, with its publications, slots and
    /// media path. Where that participant is gone, the join is an ordinary one and `joined` says `resumed:
    /// false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::RESUME_BYTES), regex(pattern = limits::VISIBLE))]
    pub resume: Option<String>,
}

/// An SDP offer (RFC 8829).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Offer {
    /// The session description, whole.
    pub sdp: String,
}

/// What this client shows in which slot. It replaces the former view: a video slot that is not listed shows
/// nothing. Until the first view every video slot is `auto` with no size, so that the device's limits alone
/// decide. Audio slots need not be listed; one that is not listed is `auto`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct View {
    /// One entry per slot.
    #[schemars(length(max = limits::SLOTS))]
    pub slots: Vec<SlotView>,
}

/// What one slot shall show, and how large it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SlotView {
    /// The slot: the MID of one of this client's receive-only sections.
    #[schemars(length(min = 1, max = limits::MID_BYTES), regex(pattern = limits::VISIBLE))]
    pub mid: String,
    /// What to show in it.
    #[serde(default)]
    pub want: Want,
    /// Width in *physical* pixels, after letterboxing. 0 for hidden, absent for unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = limits::SIDE_MAX))]
    pub width: Option<u32>,
    /// Height in *physical* pixels, after letterboxing. 0 for hidden, absent for unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = limits::SIDE_MAX))]
    pub height: Option<u32>,
    /// The most frames per second that are of use here. Absent for no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fps: Option<u32>,
    /// What to prefer when not everything fits: 0 thumbnail, 1 ordinary tile, 2 large tile (stage), 3 pinned
    /// by the user. The server lifts screen shares and speakers by itself.
    #[serde(default = "ordinary")]
    #[schemars(range(max = limits::PRIORITY_MAX))]
    pub priority: u8,
    /// The user's own ceiling (a menu of auto, low, medium, high): the largest picture by its shorter side in
    /// pixels, at 16:9. Absent for auto. The smallest encoding is sent even where it lies above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_height: Option<u32>,
}

impl SlotView {
    /// A slot of unknown size and ordinary priority.
    pub fn new(mid: &str, want: Want) -> Self {
        Self {
            mid: mid.to_owned(),
            want,
            width: None,
            height: None,
            fps: None,
            priority: ordinary(),
            max_height: None,
        }
    }
}

fn ordinary() -> u8 {
    1
}

/// What a slot shall show: `"auto"`, `"none"` or `{"publication": "<id>"}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Want {
    /// The server chooses: screen shares, then who speaks or spoke last, then who joined first.
    #[default]
    Auto,
    /// Nothing.
    #[serde(rename = "none")]
    Nothing,
    /// This publication and no other. While it does not exist the slot is empty.
    Publication(PublicationId),
}

/// How decoding went since the last report. Send one every 1 to 5 s: it shrinks and regrows what the server
/// thinks the device can decode.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// The time that the figures below cover, in milliseconds.
    pub interval_ms: u32,
    /// One entry per slot that showed something.
    #[schemars(length(max = limits::SLOTS))]
    pub slots: Vec<SlotReport>,
}

/// How decoding went in one slot, over the report's interval.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SlotReport {
    /// The slot.
    #[schemars(length(min = 1, max = limits::MID_BYTES), regex(pattern = limits::VISIBLE))]
    pub mid: String,
    /// Frames decoded.
    #[serde(default)]
    pub frames_decoded: u32,
    /// Frames dropped after they had arrived whole, because decoding or display did not keep up.
    #[serde(default)]
    pub frames_dropped: u32,
    /// Time spent on decoding those frames, summed, in milliseconds.
    #[serde(default)]
    pub decode_time_ms: u32,
    /// Times the picture stood still for more than 200 ms although it should have moved.
    #[serde(default)]
    pub freezes: u32,
}

/// Describes one sending section. Whoever says nothing sends unmuted `camera` or `microphone`, by the
/// section's kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Publish {
    /// The MID of one of this client's sending sections.
    #[schemars(length(min = 1, max = limits::MID_BYTES), regex(pattern = limits::VISIBLE))]
    pub mid: String,
    /// True while silence, black or nothing is sent on purpose.
    #[serde(default)]
    pub muted: bool,
    /// Where the track comes from.
    pub source: Source,
}

/// Data from this client to others. The server does not look inside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OutgoingMessage {
    /// Whom it is for. Absent for everybody else in the room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<ParticipantId>,
    /// Any JSON value, within the limit that `joined` names.
    pub data: Value,
}

/// What one of two says to the other to have media go straight between them, the same in both directions. The server does
/// not look inside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DirectMessage {
    /// The `round` of the last `pair`; what belongs to another one is refused.
    pub round: u32,
    /// Any JSON value, within the limit of a `message`.
    pub data: Value,
}
