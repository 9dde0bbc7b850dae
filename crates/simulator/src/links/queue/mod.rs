//! Queue disciplines of a bottleneck. All share one shape: a packet is offered with the room there is, a packet is
//! taken when the link can serve; either may drop.
//!
//! Owns the enum that joins them and plain drop tail; each active discipline has its own file.

use std::collections::VecDeque;

use super::event::Micros;
use super::packet::Packet;
use super::rng::Rng;

/// What a discipline may look at when a packet is offered.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Bytes that may wait, this packet included.
    pub limit: u64,
    /// Bytes of the packet in transmission, which count against the limit.
    pub in_service: u64,
}

/// Which discipline a link has.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum QueueKind {
    /// First in, first out; what does not fit is dropped.
    #[default]
    DropTail,
}

/// A queue discipline with its state.
#[derive(Debug)]
pub enum Queue {
    /// See [`QueueKind::DropTail`].
    DropTail(Fifo),
}

impl Queue {
    /// An empty queue.
    pub fn new(kind: &QueueKind) -> Self {
        match kind {
            QueueKind::DropTail => Self::DropTail(Fifo::default()),
        }
    }

    /// Offers a packet; gives it back if it is dropped.
    pub fn offer(&mut self, _now: Micros, packet: Packet, room: Room, _rng: &mut Rng) -> Option<Packet> {
        match self {
            Self::DropTail(fifo) => fifo.offer(packet, room),
        }
    }

    /// Takes the next packet to serve. What is dropped on the way goes into `dropped`.
    pub fn take(&mut self, _now: Micros, _dropped: &mut Vec<Packet>) -> Option<Packet> {
        match self {
            Self::DropTail(fifo) => fifo.pop(),
        }
    }

    /// When the packet that has waited longest joined.
    pub fn oldest(&self) -> Option<Micros> {
        match self {
            Self::DropTail(fifo) => fifo.front().map(|packet| packet.queued_at),
        }
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.oldest().is_none()
    }
}

/// A byte-counting FIFO, the building block of all of them.
#[derive(Debug, Default)]
pub struct Fifo {
    packets: VecDeque<Packet>,
    bytes: u64,
}

impl Fifo {
    /// Appends `packet`, or gives it back if it does not fit.
    pub fn offer(&mut self, packet: Packet, room: Room) -> Option<Packet> {
        if self.bytes + room.in_service + packet.size > room.limit {
            return Some(packet);
        }
        self.push(packet);
        None
    }

    /// Appends `packet`.
    pub fn push(&mut self, packet: Packet) {
        self.bytes += packet.size;
        self.packets.push_back(packet);
    }

    /// Takes the first packet.
    pub fn pop(&mut self) -> Option<Packet> {
        let packet = self.packets.pop_front()?;
        self.bytes -= packet.size;
        Some(packet)
    }

    /// The first packet.
    pub fn front(&self) -> Option<&Packet> {
        self.packets.front()
    }

    /// Bytes that wait.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}
