//! RTP and RTCP as values: what is on the wire, without any state in time.
//!
//! Owns the bytes of RTP headers, of their extensions, of RTCP feedback and of the few codec bytes that a forwarder has
//! to look at. Everything here is a pure function of its arguments: what a gap means, which encoding a stream belongs to
//! and what to send next are questions for `router`, `transport` and `estimator`.
//!
//! | module | what | after |
//! |---|---|---|
//! | [`ids`] | [`Mid`] and [`Rid`], inline and `Copy` | RFC 9143, RFC 8851 |
//! | [`extension`] | which extension has which id, and their values | RFC 8285 and one document each |
//! | [`rtp_packet`] | [`RtpPacket::parse`]: an arrived packet | RFC 3550 §5.1 |
//! | [`header`] | [`OutgoingHeader::write`]: a fresh header for every packet that leaves | RFC 3550 §5.1 |
//! | [`rtx`] | restoring a retransmission | RFC 4588 §4 |
//! | [`rtcp`] | [`parse_rtcp`] and [`write_rtcp`]: feedback as a list of values | RFC 3550 §6, RFC 4585, .. |
//! | [`codec`] | [`codec::peek`]: where frames and keyframes start, and layers | RFC 7741, RFC 9628, RFC 6184, AV1 |
//!
//! Everything that reads reads hostile input: it never panics, its work and its memory are bounded by the size of the
//! datagram or by a named constant, and a malformed packet is an error value for the caller to count.

mod bits;
pub mod codec;
pub mod extension;
pub mod header;
pub mod ids;
pub mod rtcp;
pub mod rtp_packet;
pub mod rtx;

pub use codec::{Codec, CodecError, FrameInfo, MediaKind};
pub use extension::{AudioLevel, ExtensionIds, ExtensionUri, Extensions};
pub use header::OutgoingHeader;
pub use ids::{Mid, Rid};
pub use rtcp::{
    CcAge, CcFeedback, CcReport, CcStream, ReportBlock, RtcpBatch, RtcpItem, TransportFeedback, parse_rtcp,
    write_rtcp,
};
pub use rtp_packet::{RtpError, RtpPacket};

#[cfg(test)]
mod tests;
