//! What a client receives.
//!
//! Owns the messages and their JSON form. Leaves when they are sent to `sfu`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{DirectMessage, Participant, ParticipantId, PublicationId};

/// A message to a client. Clients ignore a `type` that they do not know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerMessage {
    /// The answer to `join`.
    Joined(Joined),
    /// The answer to `offer`.
    Answer(Answer),
    /// Who came, went or changed.
    Room(RoomChange),
    /// What is in which slot, and why.
    Slots(Slots),
    /// What is wanted of one of this client's publications.
    Demand(Demand),
    /// Who speaks.
    Speakers(Speakers),
    /// Data from another participant.
    Message(IncomingMessage),
    /// There are two who may exchange media directly, or no longer.
    Pair(Pair),
    /// A word of the other one.
    Direct(DirectMessage),
    /// Something was refused or went wrong.
    Error(Error),
    /// Go on elsewhere: connect to that address, join there with the same `resume`.
    Moved(Moved),
}

/// The answer to `join`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Joined {
    /// This client's own participant.
    #[serde(rename = "self")]
    pub own: ParticipantId,
    /// Everybody else in the room, in the order of their arrival.
    pub participants: Vec<Participant>,
    /// What to pass to `RTCPeerConnection`. Empty where the server is reached directly.
    pub ice_servers: Vec<IceServer>,
    /// What the server accepts.
    pub limits: AdvertisedLimits,
    /// A secret for `join.resume`. Each `joined` brings a fresh one and voids the former.
    pub resume: String,
    /// True when an earlier participant was taken over: its publications, view and media path still stand, so
    /// that no offer is needed.
    #[serde(default)]
    pub resumed: bool,
    /// What this client may do here. An offer that sends without the right to is refused with `forbidden`.
    #[serde(default)]
    pub rights: Rights,
}

/// What a participant may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Rights {
    /// Send audio and video.
    pub publish: bool,
    /// Receive audio and video.
    pub subscribe: bool,
    /// Remove and mute others by the operator's interface.
    pub administrate: bool,
}

impl Default for Rights {
    /// Those of a participant where nobody needs a token.
    fn default() -> Self {
        Self { publish: true, subscribe: true, administrate: false }
    }
}

/// A STUN or TURN server, in the form that `RTCPeerConnection` takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IceServer {
    /// Its addresses (RFC 7064, RFC 7065).
    pub urls: Vec<String>,
    /// User name, for TURN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Password, for TURN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
}

/// What the server accepts from one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AdvertisedLimits {
    /// Bytes of one message other than an offer.
    pub message_bytes: u32,
    /// Bytes of one `offer` message.
    pub offer_bytes: u32,
    /// Bytes of the `data` of a `message` or a `direct`, as JSON.
    pub data_bytes: u32,
    /// Messages per second in the long run.
    pub messages_per_second: u32,
    /// Messages at once, after a pause.
    pub message_burst: u32,
    /// Slots for video.
    pub video_slots: u32,
    /// Slots for audio.
    pub audio_slots: u32,
    /// Participants in the room.
    pub participants: u32,
    /// How long a participant whose connection was lost is kept for `resume`, in seconds.
    pub resume_seconds: u32,
}

/// The answer to an offer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Answer {
    /// The session description, whole. The server's addresses are in it; nothing is trickled.
    pub sdp: String,
}

/// Who came, went or changed since the last `joined` or `room`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RoomChange {
    /// Participants who came.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub joined: Vec<Participant>,
    /// Participants who went.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<ParticipantId>,
    /// Participants of whom anything changed, whole.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<Participant>,
}

/// What is in which slot. Each entry replaces all that was known of its slot; slots that are not listed are
/// unchanged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Slots {
    /// The slots that changed.
    pub slots: Vec<SlotState>,
    /// What the link to this client is believed to carry in all, in bit/s. Absent while nothing is known of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimate_bps: Option<u64>,
    /// How much of that may be spent on pictures, in bit/s: less what sound and repair need, and no more than the
    /// client's own limit (`network.max_downlink_bps`). Absent while nothing limits it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget_bps: Option<u64>,
}

/// What is in one slot, and why not more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SlotState {
    /// The slot: the MID of one of this client's receive-only sections.
    pub mid: String,
    /// Whose publication it is. Absent for an empty slot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub participant: Option<ParticipantId>,
    /// Which publication it is. Absent for an empty slot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publication: Option<PublicationId>,
    /// The RID of the encoding that is being sent. Absent when none is, or when the publication is not
    /// simulcast.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rid: Option<String>,
    /// Width in pixels of what is being sent. Absent for audio and when nothing is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    /// Height in pixels of what is being sent. Absent for audio and when nothing is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
    /// Frames per second of what is being sent, rounded. Absent for audio and when nothing is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fps: Option<u32>,
    /// What is being sent, in bit/s. 0 when nothing is.
    pub bitrate_bps: u64,
    /// What keeps it from being more: the constraint that binds.
    pub reason: Reason,
    /// The next better step and what it lacks. Absent when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<NextStep>,
}

/// What keeps a slot from showing more. A reason that the reader does not know is read as `other`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Nothing: it is the best that the publication has.
    Optimal,
    /// The link to this client carries no more.
    Bandwidth,
    /// The slot is not larger than this.
    Viewport,
    /// The device shows or decodes no larger picture, or no more frames per second.
    DeviceHeight,
    /// The device decodes no more pixels per second in all.
    DeviceDecodeBudget,
    /// The device decodes no more videos at the same time.
    DeviceStreamCount,
    /// The device saves energy, or the user saves data.
    Power,
    /// The user asked for no more (`max_height` or `fps` of the view).
    UserRequest,
    /// The sender sends nothing better now, or nothing at all.
    PublisherOff,
    /// The sender sends in a codec that this device does not decode.
    Codec,
    /// Something more important took what there was.
    Priority,
    /// There would be room, but not for long enough yet: better steps wait a while after a worse one.
    Dwell,
    /// The step is decided and waits for the sender's next keyframe.
    WaitingForKeyframe,
    /// The link is not known well enough yet.
    Startup,
    /// The slot is hidden, or wants nothing.
    Hidden,
    /// The server has more to do than it can, and shows everybody less for a while.
    ServerBusy,
    /// A reason of a newer server.
    #[serde(other)]
    Other,
}

/// The next better step for a slot, and what it lacks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NextStep {
    /// The RID of its encoding. Absent when the publication is not simulcast.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rid: Option<String>,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Frames per second, rounded.
    pub fps: u32,
    /// How much more the link would have to carry, in bit/s. Absent when the link is not what it lacks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing_bps: Option<u64>,
    /// How many more pixels per second the device would have to decode. Absent when that is not what it
    /// lacks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing_pixels_per_second: Option<u64>,
}

/// What is wanted of one of this client's publications, so that it need not send what nobody sees. Sent on
/// every change; it stands until the next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Demand {
    /// The publication.
    pub publication: PublicationId,
    /// The MID of its section.
    pub mid: String,
    /// One entry per encoding that was offered.
    pub encodings: Vec<EncodingDemand>,
    /// The codecs that serve those who watch best, by their names in SDP: all of them decode these, where there is such a codec.
    /// Absent for any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub codecs: Option<Vec<String>>,
}

/// What is wanted of one encoding. Maps onto `RTCRtpSender.setParameters()`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EncodingDemand {
    /// Its RID. Absent when the publication is not simulcast.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rid: Option<String>,
    /// False when nobody sees it.
    pub active: bool,
    /// The most that is of use, in bit/s. Absent for the client's own choice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_bitrate_bps: Option<u64>,
    /// The most frames per second that are of use. Absent for the client's own choice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_fps: Option<u32>,
}

/// Who speaks, loudest first. It stands until the next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Speakers {
    /// Empty when nobody does.
    pub speakers: Vec<Speaker>,
}

/// Somebody who speaks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Speaker {
    /// Who it is.
    pub participant: ParticipantId,
    /// How loud, in dB below the loudest possible: 0 is loudest, 127 silence (RFC 6464 §3).
    pub level: u8,
}

/// Data from another participant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IncomingMessage {
    /// Who sent it.
    pub from: ParticipantId,
    /// True when it was for this client alone.
    #[serde(default)]
    pub private: bool,
    /// What was sent.
    pub data: Value,
}

/// Exactly two are in the room, and both asked for media straight between them (`capabilities.direct`); or that is over.
/// Everything goes by the server as ever until they have set up a connection of their own, and again afterwards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Pair {
    /// Which time it is; what the two say to each other names it.
    pub round: u32,
    /// The other one. Absent when this round is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with: Option<ParticipantId>,
    /// True for the one of the two that makes the first offer.
    #[serde(default)]
    pub offers: bool,
}

/// Something was refused or went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Error {
    /// What it was, for programs.
    pub code: ErrorCode,
    /// What it was and what to do, for people, in English.
    pub message: String,
    /// True when the server closes the connection after it.
    pub fatal: bool,
    /// The `type` of the message that caused it. Absent when none did, or when it had none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
}

/// What was refused or went wrong. A code that the reader does not know is read as `other`; `fatal` says the
/// rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The text is not JSON, or not an object with a `type`.
    BadJson,
    /// The message lacks a field, or a field has the wrong form.
    BadMessage,
    /// No message has this `type`.
    UnknownType,
    /// The message, or a part of it, is larger than the limits say.
    TooLarge,
    /// More messages than the limits say.
    TooFast,
    /// The first message must be `join`.
    NotJoined,
    /// There was a `join` before.
    AlreadyJoined,
    /// The token is missing, wrong, expired, or for another room.
    Unauthorized,
    /// The token does not allow this.
    Forbidden,
    /// The room has as many participants as it may.
    RoomFull,
    /// The server has as many rooms or participants as it may.
    ServerFull,
    /// The offer cannot be answered. The former agreement stands.
    OfferRejected,
    /// There is no such participant in the room.
    UnknownParticipant,
    /// There is no such section in the last offer that was answered.
    UnknownMid,
    /// The media path was lost and did not come back.
    TransportFailed,
    /// No message came for too long, or no `join` in time.
    Timeout,
    /// Another connection took this participant over.
    Replaced,
    /// An operator removed this participant or closed the room.
    Removed,
    /// The server is going down.
    ShuttingDown,
    /// The server failed.
    Internal,
    /// A code of a newer server.
    #[serde(other)]
    Other,
}

/// Go on elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Moved {
    /// The WebSocket address to connect to.
    pub url: String,
}
