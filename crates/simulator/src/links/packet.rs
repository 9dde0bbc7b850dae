//! What travels over the virtual links: sizes, marks and just enough content for the endpoints.

use std::rc::Rc;

use bytes::Bytes;
use estimator::twcc::Status;
use estimator::{ClusterId, Ecn, PacketKind, ccfb::Metric};

use super::event::Micros;

/// Which of the two routes of its flow a packet is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the flow's sender to its receiver.
    Forward,
    /// Acknowledgements and feedback.
    Backward,
}

/// A feedback report under way, as the values on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1.
    TransportWide {
        /// Base sequence number.
        base: u16,
        /// 24 bits of 64 ms.
        reference: i32,
        /// One per packet from the base on.
        statuses: Vec<Status>,
    },
    /// RFC 8888 §3.1.
    Ccfb {
        /// The middle 32 bits of an NTP time.
        timestamp: u32,
        /// One per packet.
        metrics: Vec<Metric>,
    },
}

impl Report {
    /// Bytes on the wire, headers included.
    pub fn size(&self) -> u64 {
        let n = match self {
            Self::TransportWide { statuses, .. } => statuses.len(),
            Self::Ccfb { metrics, .. } => metrics.len(),
        };
        60 + 2 * n as u64
    }
}

/// What a packet carries.
#[derive(Clone, Debug)]
pub enum Payload {
    /// One packet of a real-time flow.
    Media {
        /// Transport-wide sequence number.
        seq: u64,
        /// Video, audio or padding.
        kind: PacketKind,
        /// The probe that it is part of.
        probe: Option<ClusterId>,
        /// How long it waited in the sender's pacer.
        waited: Micros,
        /// When it left the sender.
        sent: Micros,
    },
    /// A report about a real-time flow.
    Feedback(Rc<Report>),
    /// A TCP segment: its index, and the number of this transmission.
    TcpData {
        /// Index of the segment, from zero.
        segment: u64,
        /// Number of this transmission, retransmissions counted.
        transmission: u64,
    },
    /// Says that one transmission of one segment arrived.
    TcpAck {
        /// The segment that arrived.
        segment: u64,
        /// The transmission that arrived.
        transmission: u64,
        /// Whether the segment came with a congestion mark (RFC 3168 §6.1).
        marked: bool,
    },
    /// Traffic nobody looks at.
    Cross,
    /// A whole datagram of endpoints that read their own bytes.
    Datagram(Bytes),
}

/// A packet under way.
#[derive(Clone, Debug)]
pub struct Packet {
    /// The flow that it belongs to.
    pub flow: usize,
    /// Which way it goes.
    pub direction: Direction,
    /// The link of its route that it is on or heads for.
    pub hop: usize,
    /// Bytes, headers included.
    pub size: u64,
    /// Its ECN bits (RFC 3168 §5).
    pub ecn: Ecn,
    /// When it joined the queue of the current link.
    pub queued_at: Micros,
    /// Time spent in queues so far, transmission included, propagation and jitter not.
    pub queued_for: Micros,
    /// Its content.
    pub payload: Payload,
}
