//! Between messages and JSON text, in both directions.
//!
//! Owns reading with its errors, each of which can be answered, and writing. A message is read in two steps:
//! its `type`, then the fields of that type. So an error in a field has a line and a column, and an unknown
//! type is not an error of form. Nesting is bounded by `serde_json` (128 levels), size by [`Limits`].

use std::borrow::Cow;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::limits::{Breach, Problem, check};
use crate::{ClientMessage, Error, ErrorCode, Limits, ServerMessage};

/// How much of somebody else's text goes into an error, in characters.
const QUOTED_CHARS: usize = 160;

/// Why a text is not a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// It is larger than a message of its type may be.
    #[error("message of {bytes} bytes, {limit} are allowed")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// What would have been allowed.
        limit: usize,
        /// Its type, where it was read that far.
        about: Option<&'static str>,
    },
    /// It is not JSON, or not an object with a `type`.
    #[error("not a message: {0}")]
    Json(String),
    /// No message has this type. What is quoted of it is cut short.
    #[error("no message has the type {0:?}")]
    UnknownType(String),
    /// A field is missing or has the wrong form.
    #[error("{about}: {message}")]
    Fields {
        /// The type of the message.
        about: &'static str,
        /// What is wrong, with line and column.
        message: String,
    },
    /// A field is outside of its limits.
    #[error("{about}: {} {}", .breach.field, .breach.problem)]
    Limit {
        /// The type of the message.
        about: &'static str,
        /// What is wrong.
        breach: Breach,
    },
}

impl DecodeError {
    /// The code to answer with.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::TooLarge { .. } => ErrorCode::TooLarge,
            Self::Json(_) => ErrorCode::BadJson,
            Self::UnknownType(_) => ErrorCode::UnknownType,
            Self::Fields { .. } => ErrorCode::BadMessage,
            Self::Limit { breach, .. } => match breach.problem {
                Problem::TooLong(_) | Problem::TooMany(_) => ErrorCode::TooLarge,
                Problem::Empty | Problem::Characters | Problem::Range(..) => ErrorCode::BadMessage,
            },
        }
    }

    /// The answer. None of these errors is fatal: the message is dropped and the session goes on.
    pub fn reply(&self) -> ServerMessage {
        let about = match self {
            Self::TooLarge { about, .. } => about.map(str::to_owned),
            Self::Json(_) => None,
            Self::UnknownType(name) => Some(name.clone()),
            Self::Fields { about, .. } | Self::Limit { about, .. } => Some((*about).to_owned()),
        };
        ServerMessage::Error(Error { code: self.code(), message: self.to_string(), fatal: false, about })
    }
}

/// Reads a message from a client. Unknown fields are ignored.
pub fn decode(text: &str, limits: &Limits) -> Result<ClientMessage, DecodeError> {
    let fits = |limit: usize, about: Option<&'static str>| match text.len() {
        bytes if bytes > limit => Err(DecodeError::TooLarge { bytes, limit, about }),
        _ => Ok(()),
    };
    fits(limits.largest(), None)?;
    let kind = kind_of(text)?;
    let Some(about) = ClientMessage::KINDS.into_iter().find(|known| *known == kind) else {
        return Err(DecodeError::UnknownType(quoted(&kind)));
    };
    fits(if about == "offer" { limits.offer_bytes } else { limits.message_bytes }, Some(about))?;
    let message = match about {
        "join" => fields(about, text).map(ClientMessage::Join),
        "offer" => fields(about, text).map(ClientMessage::Offer),
        "capabilities" => fields(about, text).map(ClientMessage::Capabilities),
        "view" => fields(about, text).map(ClientMessage::View),
        "report" => fields(about, text).map(ClientMessage::Report),
        "publish" => fields(about, text).map(ClientMessage::Publish),
        "message" => fields(about, text).map(ClientMessage::Message),
        "direct" => fields(about, text).map(ClientMessage::Direct),
        "leave" => Ok(ClientMessage::Leave),
        other => unreachable!("{other} is in the list of kinds"),
    }?;
    check(&message, limits).map_err(|breach| DecodeError::Limit { about, breach })?;
    Ok(message)
}

/// Reads a message from a server. `None` for a type that this client does not know, which it shall ignore.
pub fn decode_server(text: &str) -> Result<Option<ServerMessage>, DecodeError> {
    let kind = kind_of(text)?;
    let Some(about) = ServerMessage::KINDS.into_iter().find(|known| *known == kind) else {
        return Ok(None);
    };
    match about {
        "joined" => fields(about, text).map(ServerMessage::Joined),
        "answer" => fields(about, text).map(ServerMessage::Answer),
        "room" => fields(about, text).map(ServerMessage::Room),
        "slots" => fields(about, text).map(ServerMessage::Slots),
        "demand" => fields(about, text).map(ServerMessage::Demand),
        "speakers" => fields(about, text).map(ServerMessage::Speakers),
        "message" => fields(about, text).map(ServerMessage::Message),
        "pair" => fields(about, text).map(ServerMessage::Pair),
        "direct" => fields(about, text).map(ServerMessage::Direct),
        "error" => fields(about, text).map(ServerMessage::Error),
        "moved" => fields(about, text).map(ServerMessage::Moved),
        other => unreachable!("{other} is in the list of kinds"),
    }
    .map(Some)
}

impl ClientMessage {
    /// Every `type`.
    pub const KINDS: [&'static str; 9] =
        ["join", "offer", "capabilities", "view", "report", "publish", "message", "direct", "leave"];

    /// Its `type`, for logs, metrics and the `about` of errors.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Join(_) => "join",
            Self::Offer(_) => "offer",
            Self::Capabilities(_) => "capabilities",
            Self::View(_) => "view",
            Self::Report(_) => "report",
            Self::Publish(_) => "publish",
            Self::Message(_) => "message",
            Self::Direct(_) => "direct",
            Self::Leave => "leave",
        }
    }

    /// Its text.
    pub fn encode(&self) -> String {
        encode(self)
    }
}

impl ServerMessage {
    /// Every `type`.
    pub const KINDS: [&'static str; 11] = [
        "joined", "answer", "room", "slots", "demand", "speakers", "message", "pair", "direct", "error",
        "moved",
    ];

    /// Its `type`, for logs and metrics.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Joined(_) => "joined",
            Self::Answer(_) => "answer",
            Self::Room(_) => "room",
            Self::Slots(_) => "slots",
            Self::Demand(_) => "demand",
            Self::Speakers(_) => "speakers",
            Self::Message(_) => "message",
            Self::Pair(_) => "pair",
            Self::Direct(_) => "direct",
            Self::Error(_) => "error",
            Self::Moved(_) => "moved",
        }
    }

    /// Its text.
    pub fn encode(&self) -> String {
        encode(self)
    }
}

fn encode(message: &impl Serialize) -> String {
    serde_json::to_string(message).expect("messages have string keys only and serialise without fail")
}

/// The `type` of a message.
fn kind_of(text: &str) -> Result<Cow<'_, str>, DecodeError> {
    #[derive(Deserialize)]
    #[serde(rename = "object")]
    struct Envelope<'a> {
        #[serde(rename = "type", borrow)]
        kind: Cow<'a, str>,
    }
    // Serde would take the fields of a struct from an array as well.
    if !text.trim_start().starts_with('{') {
        return Err(DecodeError::Json("expected an object at line 1 column 1".to_owned()));
    }
    let envelope: Envelope<'_> =
        serde_json::from_str(text).map_err(|error| DecodeError::Json(quoted(&error.to_string())))?;
    Ok(envelope.kind)
}

/// The fields of a message of a known type.
fn fields<T: DeserializeOwned>(about: &'static str, text: &str) -> Result<T, DecodeError> {
    serde_json::from_str(text)
        .map_err(|error| DecodeError::Fields { about, message: quoted(&error.to_string()) })
}

/// Text that quotes somebody else's: bounded, on one line. The end is kept, as it holds line and column.
fn quoted(text: &str) -> String {
    let plain = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    let count = text.chars().count();
    if count <= QUOTED_CHARS {
        return text.chars().map(plain).collect();
    }
    let head = text.chars().take(QUOTED_CHARS / 2);
    let tail = text.chars().skip(count - QUOTED_CHARS / 2);
    head.chain(['…']).chain(tail).map(plain).collect()
}

#[cfg(test)]
mod tests;
