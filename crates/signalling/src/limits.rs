//! The limits within which a message from a client is accepted.
//!
//! Owns the bounds on sizes, lengths, lists and characters, and says which field broke which. Leaves how
//! often a client may send to `rate_limit`, and limits that need to know the room (slots, participants) to
//! `sfu`.

use crate::client::{ClientMessage, Join, OutgoingMessage, Publish, Report, View};
use crate::{Capabilities, ParticipantId, Want};

/// The longest room name, in characters. The characters are those that a path needs not escape (RFC 3986
/// §2.3).
pub const ROOM_CHARS: usize = 64;
/// The longest participant name, in characters.
pub const NAME_CHARS: usize = 64;
/// The longest join token, in bytes: room for a signed token with several claims.
pub const TOKEN_BYTES: usize = 4_096;
/// The longest resume secret, in bytes.
pub const RESUME_BYTES: usize = 128;
/// The longest id of a participant or publication, in bytes.
pub const ID_BYTES: usize = 64;
/// The longest MID, in bytes: what a one-byte header extension carries (RFC 8285 §4.2).
pub const MID_BYTES: usize = 16;
/// The longest device model, in characters.
pub const MODEL_CHARS: usize = 128;
/// The longest list of codecs.
pub const CODECS: usize = 16;
/// The longest name of a codec, in bytes.
pub const CODEC_BYTES: usize = 16;
/// The most entries of a list of slots.
pub const SLOTS: usize = 128;
/// The highest priority of a slot.
pub const PRIORITY_MAX: u8 = 3;
/// The largest side of a viewport, display or picture, in pixels.
pub const SIDE_MAX: u32 = 65_535;

/// For the schema: text for people has no control characters.
pub(crate) const PLAIN: &str = r"^[^\u0000-\u001f\u007f-\u009f]*$";
/// For the schema: text for machines is visible ASCII.
pub(crate) const VISIBLE: &str = r"^[!-~]*$";

/// The limits that an operator may change. The rest are constants of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one message other than an offer.
    pub message_bytes: usize,
    /// Bytes of one `offer` message. An offer of 25 slots has 41 to 127 KB.
    pub offer_bytes: usize,
    /// Bytes of the `data` of a `message`, as JSON.
    pub data_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { message_bytes: 64 * 1024, offer_bytes: 288 * 1024, data_bytes: 16 * 1024 }
    }
}

impl Limits {
    /// The largest message of any kind: what a WebSocket should be told to accept.
    pub fn largest(&self) -> usize {
        self.message_bytes.max(self.offer_bytes)
    }
}

/// A field that broke a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Breach {
    /// The field, with dots for nesting: `slots.mid`.
    pub field: &'static str,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// It needs at least one character.
    #[error("must not be empty")]
    Empty,
    /// It is longer than this.
    #[error("is longer than {0}")]
    TooLong(usize),
    /// It has more entries than this.
    #[error("has more than {0} entries")]
    TooMany(usize),
    /// It has characters that it may not have.
    #[error("has characters that are not allowed")]
    Characters,
    /// It is a number outside of these bounds.
    #[error("must be from {0} to {1}")]
    Range(u32, u32),
}

/// Checks everything about a message but its size as text.
pub(crate) fn check(message: &ClientMessage, limits: &Limits) -> Result<(), Breach> {
    match message {
        ClientMessage::Join(join) => check_join(join),
        ClientMessage::Capabilities(capabilities) => check_capabilities(capabilities),
        ClientMessage::View(view) => check_view(view),
        ClientMessage::Report(report) => check_report(report),
        ClientMessage::Publish(Publish { mid, .. }) => token("mid", mid, MID_BYTES),
        ClientMessage::Message(message) => check_message(message, limits),
        ClientMessage::Direct(message) => check_data(&message.data, limits),
        // The size of an offer is that of its text; its contents are for the transport to judge.
        ClientMessage::Offer(_) | ClientMessage::Leave => Ok(()),
    }
}

fn check_join(join: &Join) -> Result<(), Breach> {
    chars("room", &join.room, ROOM_CHARS, |c| {
        c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '~' | '-')
    })?;
    chars("name", &join.name, NAME_CHARS, |c| !c.is_control())?;
    if let Some(text) = &join.token {
        token("token", text, TOKEN_BYTES)?;
    }
    if let Some(text) = &join.resume {
        token("resume", text, RESUME_BYTES)?;
    }
    check_capabilities(&join.capabilities)
}

fn check_capabilities(capabilities: &Capabilities) -> Result<(), Breach> {
    if let Some(model) = capabilities.device.as_ref().and_then(|device| device.model.as_ref()) {
        chars("device.model", model, MODEL_CHARS, |c| !c.is_control())?;
    }
    if let Some(display) = &capabilities.display {
        range("display.width", display.width, 0, SIDE_MAX)?;
        range("display.height", display.height, 0, SIDE_MAX)?;
        if !(display.pixel_ratio > 0.0 && display.pixel_ratio <= 16.0) {
            return Err(Breach { field: "display.pixel_ratio", problem: Problem::Range(0, 16) });
        }
    }
    let codecs = capabilities.decode.as_ref().and_then(|decode| decode.codecs.as_ref());
    if let Some(codecs) = codecs {
        few("decode.codecs", codecs, CODECS)?;
        codecs.iter().try_for_each(|codec| token("decode.codecs.name", &codec.name, CODEC_BYTES))?;
    }
    Ok(())
}

fn check_view(view: &View) -> Result<(), Breach> {
    few("slots", &view.slots, SLOTS)?;
    for slot in &view.slots {
        token("slots.mid", &slot.mid, MID_BYTES)?;
        if let Want::Publication(id) = &slot.want {
            token("slots.want.publication", id.as_str(), ID_BYTES)?;
        }
        range("slots.width", slot.width.unwrap_or(0), 0, SIDE_MAX)?;
        range("slots.height", slot.height.unwrap_or(0), 0, SIDE_MAX)?;
        range("slots.priority", slot.priority.into(), 0, PRIORITY_MAX.into())?;
    }
    Ok(())
}

fn check_report(report: &Report) -> Result<(), Breach> {
    few("slots", &report.slots, SLOTS)?;
    report.slots.iter().try_for_each(|slot| token("slots.mid", &slot.mid, MID_BYTES))
}

fn check_message(message: &OutgoingMessage, limits: &Limits) -> Result<(), Breach> {
    if let Some(ParticipantId(to)) = &message.to {
        token("to", to, ID_BYTES)?;
    }
    check_data(&message.data, limits)
}

fn check_data(data: &serde_json::Value, limits: &Limits) -> Result<(), Breach> {
    let mut counter = Counter(0);
    serde_json::to_writer(&mut counter, data).expect("a JSON value can be written, and counting cannot fail");
    if counter.0 > limits.data_bytes {
        return Err(Breach { field: "data", problem: Problem::TooLong(limits.data_bytes) });
    }
    Ok(())
}

/// Text of 1 to `most` characters, each of them allowed.
fn chars(field: &'static str, text: &str, most: usize, allowed: impl Fn(char) -> bool) -> Result<(), Breach> {
    let problem = if text.is_empty() {
        Problem::Empty
    } else if text.chars().nth(most).is_some() {
        Problem::TooLong(most)
    } else if !text.chars().all(allowed) {
        Problem::Characters
    } else {
        return Ok(());
    };
    Err(Breach { field, problem })
}

/// Visible ASCII, for what machines made.
fn token(field: &'static str, text: &str, most: usize) -> Result<(), Breach> {
    chars(field, text, most, |c| c.is_ascii_graphic())
}

fn few<T>(field: &'static str, list: &[T], most: usize) -> Result<(), Breach> {
    if list.len() > most { Err(Breach { field, problem: Problem::TooMany(most) }) } else { Ok(()) }
}

fn range(field: &'static str, value: u32, least: u32, most: u32) -> Result<(), Breach> {
    let inside = (least..=most).contains(&value);
    if inside { Ok(()) } else { Err(Breach { field, problem: Problem::Range(least, most) }) }
}

/// Counts what is written to it.
struct Counter(usize);

impl std::io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
