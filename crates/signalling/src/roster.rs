//! Who is in a room and what they send: the nouns that messages of both directions share.
//!
//! Owns participant, publication and encoding as a client sees them, and their ids as opaque strings. Leaves
//! the numbers behind those ids to `router`.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::limits;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(
            #[schemars(length(min = 1, max = limits::ID_BYTES), regex(pattern = limits::VISIBLE))] pub String,
        );

        impl $name {
            /// The id as it is written on the wire.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id!(
    /// Names a participant for as long as it is in the room. Opaque: compare it, never parse it.
    ParticipantId
);
id!(
    /// Names a publication (a track that somebody sends) for as long as it exists. Opaque, and never used
    /// again in the life of a room.
    PublicationId
);

/// Somebody in the room.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Participant {
    /// Names this participant in every other message.
    pub id: ParticipantId,
    /// What the participant calls itself. Text to show, not to trust: any characters but control characters.
    pub name: String,
    /// Who vouches for it: the subject of its token. Absent where nobody needs one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// How its media path is doing.
    #[serde(default)]
    pub connection: Connection,
    /// What it sends, in the order of its offer.
    #[serde(default)]
    pub publications: Vec<Publication>,
}

/// How the media path between a participant and the server is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Connection {
    /// Joined, with no media path yet.
    Connecting,
    /// Media flows.
    #[default]
    Connected,
    /// The media path or the signalling connection was lost; the participant is kept for a while.
    Reconnecting,
}

/// A track that a participant sends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Publication {
    /// Names this publication in `view`, `slots` and `demand`.
    pub id: PublicationId,
    /// Sound or picture.
    pub kind: MediaKind,
    /// Where it comes from.
    pub source: Source,
    /// True while the sender sends silence or black, or nothing at all, on purpose.
    pub muted: bool,
    /// What of it arrives at the server, smallest picture first. Empty for audio, and until the first
    /// picture.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub encodings: Vec<Encoding>,
}

/// Sound or picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MediaKind {
    /// Sound.
    Audio,
    /// Picture.
    Video,
}

/// Where a publication comes from. The sound of a shared screen or tab is `screen` with the kind `audio`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A camera.
    Camera,
    /// A shared screen, window or tab.
    Screen,
    /// A microphone.
    Microphone,
}

/// One simulcast encoding of a publication, as it arrives at the server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Encoding {
    /// Its RID (RFC 8851). Absent when the publication is not simulcast.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rid: Option<String>,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Frames per second, rounded.
    pub fps: u32,
    /// False while nothing of it arrives.
    pub active: bool,
}
