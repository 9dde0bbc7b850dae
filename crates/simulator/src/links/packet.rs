//! What travels over the virtual links: sizes, marks and just enough content for the endpoints.

use std::rc::Rc;

use estimator::{ClusterId, Ecn, PacketKind, PacketResult, RemoteTime};

use super::event::Micros;

/// Which of the two routes of its flow a packet is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the flow's sender to its receiver.
    Forward,
    /// Acknowledgements and feedback.
    Backward,
}

/// A feedback report under way.
#[derive(Clone, Debug)]
pub struct FeedbackPacket {
    /// Sequence number of the report: tells a duplicate from a new one in tests and traces.
    pub count: u64,
    /// What the receiver says.
    pub results: Vec<PacketResult>,
    /// The receiver's clock when it wrote this. Transport-wide feedback does not carry it; RFC 8888 does.
    pub sent: Option<RemoteTime>,
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
    Feedback(Rc<FeedbackPacket>),
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
