//! An offer as far as it concerns us. Owns the values between reading (`offer`) and answering (`answer`);
//! knows no SDP text.

use packet::{Codec, ExtensionUri, MediaKind, Mid, Rid};

/// A whole offer, checked for everything that does not depend on earlier ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Offer {
    /// The client's ICE user name fragment; a different one than before restarts ICE (RFC 8839 §4.4.1.1.1).
    pub(crate) ice_ufrag: String,
    /// SHA-256 fingerprints of the client's certificate, upper-case.
    pub(crate) fingerprints: Vec<String>,
    /// RFC 8285 §6: one-byte and two-byte header extensions may mix.
    pub(crate) extmap_allow_mixed: bool,
    /// True if the client groups its sections (RFC 9143).
    pub(crate) bundled: bool,
    /// In order.
    pub(crate) sections: Vec<OfferedSection>,
}

/// One media section of an offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OfferedSection {
    pub(crate) mid: Mid,
    /// The first word of the `m=` line, for the answer's.
    pub(crate) media: String,
    /// The protocol of the `m=` line, for the answer's.
    pub(crate) protocol: String,
    /// The first format of the `m=` line, for a rejection's.
    pub(crate) first_format: String,
    /// What it offers; none for a section that the client stopped, or of a kind we do not speak.
    pub(crate) content: Option<OfferedMedia>,
    /// For data channels, the longest message that the client takes, in bytes.
    pub(crate) data: Option<usize>,
}

impl OfferedSection {
    /// Whether anything may flow in it.
    pub(crate) fn is_live(&self) -> bool {
        self.content.is_some() || self.data.is_some()
    }
}

/// What a live audio or video section offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OfferedMedia {
    pub(crate) kind: MediaKind,
    pub(crate) direction: Direction,
    /// The codecs we know, in the order of the `m=` line.
    pub(crate) codecs: Vec<OfferedCodec>,
    /// The header extensions we know, in the order of the offer.
    pub(crate) extensions: Vec<OfferedExtension>,
    /// Simulcast encodings in order of preference (RFC 8853 §5.1).
    pub(crate) rids: Vec<Rid>,
    /// `a=ssrc` lines.
    pub(crate) ssrcs: Vec<u32>,
    /// `a=ssrc-group:FID` lines: a stream and its retransmissions (RFC 5576 §4.2, RFC 4588 §8.8).
    pub(crate) repairs: Vec<Repair>,
    /// `a=rtcp-rsize` (RFC 5506).
    pub(crate) reduced_size: bool,
    /// Feedback per stream is offered, for any payload type (RFC 8888 §6).
    pub(crate) stream_feedback: bool,
    /// True if the section describes something to send, active or not.
    pub(crate) has_source: bool,
}

/// A stream and the stream that repairs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Repair {
    pub(crate) media: u32,
    pub(crate) rtx: u32,
}

/// Which way media flows, from the offerer's side (RFC 8866 §6.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    SendReceive,
    Send,
    Receive,
    Inactive,
}

/// A codec we know, as offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OfferedCodec {
    pub(crate) codec: Codec,
    pub(crate) payload_type: u8,
    /// The part of `a=rtpmap` after the payload type: `VP8/90000`.
    pub(crate) encoding: String,
    /// The part of `a=fmtp` after the payload type; empty without one.
    pub(crate) fmtp: String,
    /// The parts of `a=rtcp-fb` after the payload type, those we act on.
    pub(crate) feedback: Vec<String>,
    /// Payload type of its retransmissions.
    pub(crate) rtx: Option<u8>,
    /// Redundancy over it (RFC 2198).
    pub(crate) red: Option<OfferedRed>,
}

/// A format of redundant sound, as offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OfferedRed {
    pub(crate) payload_type: u8,
    /// The part of `a=rtpmap` after the payload type: `red/48000/2`.
    pub(crate) encoding: String,
    pub(crate) fmtp: String,
    /// Listed in front of the codec itself: it is what the client would rather send.
    pub(crate) preferred: bool,
}

/// A header extension we know, as offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OfferedExtension {
    pub(crate) uri: ExtensionUri,
    pub(crate) id: u8,
    /// A direction of its own (RFC 8285 §5).
    pub(crate) direction: Option<Direction>,
}
