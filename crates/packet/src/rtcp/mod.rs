//! RTCP as a list of values (RFC 3550 §6, RFC 4585, RFC 5104, RFC 5506).
//!
//! Owns the walk over a compound or reduced-size datagram, within bounds, and writing one. The packets themselves are read
//! and written by the `rtcp` crate, with three exceptions that are read from bytes here: transport-wide feedback
//! ([`transport_feedback`]), congestion control feedback ([`cc_feedback`]), and receiver estimates (REMB), because of
//! what their formats allow a hostile or careless sender to say. Padding is taken off before a packet is read, as most
//! parsers would take it for entries.
//!
//! One bad packet costs itself, not its neighbours: its length field still leads to the next one.

pub mod cc_feedback;
mod item;
mod parse;
mod remb;
pub mod transport_feedback;
mod write;

pub use cc_feedback::{CcAge, CcFeedback, CcReport, CcStream};
pub use item::{ReportBlock, RtcpItem};
pub use parse::{RtcpBatch, parse_rtcp};
pub use transport_feedback::TransportFeedback;
pub use write::write_rtcp;

/// Packet types (RFC 3550 §12.1, RFC 4585 §6.1).
mod kind {
    pub(super) const SENDER_REPORT: u8 = 200;
    pub(super) const RECEIVER_REPORT: u8 = 201;
    pub(super) const BYE: u8 = 203;
    pub(super) const TRANSPORT_FEEDBACK: u8 = 205;
    pub(super) const PAYLOAD_FEEDBACK: u8 = 206;
}

/// Formats of feedback: of transport (RFC 4585 §6.2, RFC 8888 §3.1, the transport-wide draft §3.1) and of payload
/// (RFC 4585 §6.3, RFC 5104 §4.3).
mod format {
    pub(super) const NACK: u8 = 1;
    pub(super) const CC_FEEDBACK: u8 = 11;
    pub(super) const TRANSPORT_WIDE: u8 = 15;
    pub(super) const PLI: u8 = 1;
    pub(super) const FIR: u8 = 4;
    pub(super) const APPLICATION: u8 = 15;
}

/// Bytes of the header that every RTCP packet has.
const HEADER: usize = 4;

#[cfg(test)]
mod tests;
