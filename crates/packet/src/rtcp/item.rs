//! What one RTCP packet says, as far as a forwarder cares.
//!
//! Owns the values. Source descriptions, extended reports and application packets are read over: nothing here depends on
//! what they say.

use smallvec::SmallVec;
use units::Bitrate;

use super::{CcFeedback, TransportFeedback};

/// One statement of an RTCP datagram.
#[derive(Clone, Debug, PartialEq)]
pub enum RtcpItem {
    /// Packets of one stream are missing (RFC 4585 §6.2.1).
    Nack {
        /// Who misses them.
        sender_ssrc: u32,
        /// The stream.
        media_ssrc: u32,
        /// Sequence numbers, wrapped to 16 bits, in the order of the request.
        lost: SmallVec<[u16; 8]>,
    },
    /// A receiver has lost the picture and asks for a keyframe (RFC 4585 §6.3.1).
    Pli {
        /// Who asks.
        sender_ssrc: u32,
        /// The stream.
        media_ssrc: u32,
    },
    /// A receiver needs a keyframe (RFC 5104 §4.3.1).
    Fir {
        /// Who asks.
        sender_ssrc: u32,
        /// The stream.
        media_ssrc: u32,
        /// The same number again is the same request again.
        sequence: u8,
    },
    /// When the packets of a transport arrived.
    TransportFeedback(TransportFeedback),
    /// When the packets of each stream arrived, and their ECN marks (RFC 8888).
    CcFeedback(CcFeedback),
    /// What a receiver thinks it can receive (draft-alvestrand-rmcat-remb-03).
    Remb {
        /// Who thinks so.
        sender_ssrc: u32,
        /// In total, over all `ssrcs`.
        bitrate: Bitrate,
        /// The streams.
        ssrcs: SmallVec<[u32; 4]>,
    },
    /// A sender's clocks and counts (RFC 3550 §6.4.1).
    SenderReport {
        /// The stream.
        ssrc: u32,
        /// Its wall clock, in 1/2^32 s.
        ntp: u64,
        /// Its media clock at the same instant, wrapped to 32 bits.
        rtp_time: u32,
        /// Packets sent, wrapped.
        packets: u32,
        /// Bytes of payload sent, wrapped.
        octets: u32,
        /// What it received, at most 31.
        reports: SmallVec<[ReportBlock; 1]>,
    },
    /// What a receiver got (RFC 3550 §6.4.2).
    ReceiverReport {
        /// The receiver.
        ssrc: u32,
        /// Streams, at most 31.
        reports: SmallVec<[ReportBlock; 1]>,
    },
    /// Streams have ended (RFC 3550 §6.6).
    Bye {
        /// Which, at most 31.
        ssrcs: SmallVec<[u32; 4]>,
    },
}

/// How one stream was received (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReportBlock {
    /// The stream.
    pub ssrc: u32,
    /// Share of packets lost since the last report, in 1/256.
    pub fraction_lost: u8,
    /// Packets lost since the start, less duplicates: may be negative; 24 bits on the wire.
    pub cumulative_lost: i32,
    /// Highest sequence number received, with the count of wraps in the upper 16 bits.
    pub highest_sequence: u32,
    /// Interarrival jitter in ticks of the stream's clock.
    pub jitter: u32,
    /// Middle 32 bits of the NTP time of the last sender report; 0 for none.
    pub last_sender_report: u32,
    /// Time since that report arrived, in 1/65536 s.
    pub delay_since_sender_report: u32,
}
