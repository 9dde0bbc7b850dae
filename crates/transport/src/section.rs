//! What an offer and its answer agreed on, one media section at a time. Owns the description the router is
//! configured with; the SDP it comes from stays in `sdp`.

use packet::{Codec, MediaKind, Mid, Rid};

/// One media section after an answer, in the order of the offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Section {
    /// The client sends: a publication.
    Sending(SendingSection),
    /// The client receives: a slot that publications are mapped to.
    Slot(SlotSection),
    /// Data channels ([`crate::channel`]).
    Data(DataSection),
    /// Nothing flows: the client stopped it, or we share no codec with it.
    Rejected {
        /// Its identification.
        mid: Mid,
    },
}

impl Section {
    /// The section's identification.
    pub fn mid(&self) -> Mid {
        match self {
            Self::Sending(section) => section.mid,
            Self::Slot(section) => section.mid,
            Self::Data(section) => section.mid,
            Self::Rejected { mid } => *mid,
        }
    }
}

/// A section in which the client sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendingSection {
    /// Its identification.
    pub mid: Mid,
    /// Audio or video.
    pub kind: MediaKind,
    /// False while the client has paused it (`a=inactive`).
    pub active: bool,
    /// The one codec we asked for.
    pub codec: NegotiatedCodec,
    /// The simulcast encodings in the order of the offer; empty for a single encoding without RID.
    pub rids: Vec<Rid>,
}

/// A section in which the client receives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotSection {
    /// Its identification.
    pub mid: Mid,
    /// Audio or video.
    pub kind: MediaKind,
    /// False while the client has paused it (`a=inactive`).
    pub active: bool,
    /// What may be forwarded here, by the payload types of this section; the preferred one first.
    pub codecs: Vec<NegotiatedCodec>,
    /// The SSRC of everything sent here, for the slot's life.
    pub ssrc: u32,
    /// The SSRC of its retransmissions, for the slot's life; none for audio and for clients without RTX.
    pub rtx_ssrc: Option<u32>,
}

/// A section of data channels (RFC 8841).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataSection {
    /// Its identification.
    pub mid: Mid,
    /// The longest message that the client takes, in bytes.
    pub longest_sent: usize,
}

/// How a client tells what it got of everything that is sent to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Acknowledgement {
    /// By transport-wide numbers (draft-holmer-rmcat-transport-wide-cc-extensions-01). Preferred where both are
    /// offered: its times are four times finer, and a lost report costs no packet its record.
    TransportWide,
    /// By the numbers of each stream (RFC 8888).
    PerStream,
    /// Not at all. Such a client may still say what it thinks it can receive
    /// (draft-alvestrand-rmcat-remb-03), and is asked to.
    #[default]
    None,
}

/// A codec under the payload types of one section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NegotiatedCodec {
    /// Which codec.
    pub codec: Codec,
    /// Its payload type here, 0 to 127.
    pub payload_type: u8,
    /// The payload type of its retransmissions (RFC 4588 §8.1), if negotiated.
    pub rtx_payload_type: Option<u8>,
    /// The payload type of packets that repeat earlier sound (RFC 2198), if negotiated.
    pub red_payload_type: Option<u8>,
    /// Format parameters as offered, without the payload type; empty if there are none.
    pub fmtp: String,
}
