//! Queue disciplines of a bottleneck. All share one shape: a packet is offered with the room there is, a packet is
//! taken when the link can serve; either may drop.
//!
//! Owns the enum that joins them and plain drop tail; each active discipline has its own file.

mod codel;
mod dualpi2;
mod fq_codel;
mod pie;

use std::collections::VecDeque;

use super::event::Micros;
use super::packet::Packet;
use super::rng::Rng;

use codel::Codel;
use dualpi2::DualPi2;
use fq_codel::FqCodel;
use pie::Pie;

/// What a discipline may look at when a packet is offered.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Bytes that may wait, this packet included.
    pub limit: u64,
    /// Bytes of the packet in transmission, which count against the limit.
    pub in_service: u64,
}

/// Which discipline a link has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum QueueKind {
    /// First in, first out; what does not fit is dropped.
    #[default]
    DropTail,
    /// RFC 8289.
    Codel,
    /// RFC 8033.
    Pie,
    /// RFC 8290.
    FqCodel,
    /// RFC 9332.
    DualPi2,
}

/// A queue discipline with its state.
#[derive(Debug)]
pub enum Queue {
    /// See [`QueueKind::DropTail`].
    DropTail(Fifo),
    /// See [`QueueKind::Codel`].
    Codel(Fifo, Codel),
    /// See [`QueueKind::Pie`].
    Pie(Pie),
    /// See [`QueueKind::FqCodel`].
    FqCodel(FqCodel),
    /// See [`QueueKind::DualPi2`].
    DualPi2(DualPi2),
}

impl Queue {
    /// An empty queue.
    pub fn new(kind: QueueKind) -> Self {
        match kind {
            QueueKind::DropTail => Self::DropTail(Fifo::default()),
            QueueKind::Codel => Self::Codel(Fifo::default(), Codel::default()),
            QueueKind::Pie => Self::Pie(Pie::default()),
            QueueKind::FqCodel => Self::FqCodel(FqCodel::default()),
            QueueKind::DualPi2 => Self::DualPi2(DualPi2::default()),
        }
    }

    /// Offers a packet; gives one back if one is dropped for it.
    pub fn offer(&mut self, now: Micros, packet: Packet, room: Room, rng: &mut Rng) -> Option<Packet> {
        match self {
            Self::DropTail(fifo) | Self::Codel(fifo, _) => fifo.offer(packet, room),
            Self::Pie(pie) => pie.offer(now, packet, room, rng),
            Self::FqCodel(fq) => fq.offer(packet, room),
            Self::DualPi2(dual) => dual.offer(now, packet, room),
        }
    }

    /// Takes the next packet to serve. What is dropped on the way goes into `dropped`.
    pub fn take(&mut self, now: Micros, rng: &mut Rng, dropped: &mut Vec<Packet>) -> Option<Packet> {
        match self {
            Self::DropTail(fifo) => fifo.pop(),
            Self::Codel(fifo, codel) => codel.take(fifo, now, dropped),
            Self::Pie(pie) => pie.take(now),
            Self::FqCodel(fq) => fq.take(now, dropped),
            Self::DualPi2(dual) => dual.take(now, rng, dropped),
        }
    }

    /// When the packet that has waited longest joined.
    pub fn oldest(&self) -> Option<Micros> {
        match self {
            Self::DropTail(fifo) | Self::Codel(fifo, _) => fifo.front().map(|packet| packet.queued_at),
            Self::Pie(pie) => pie.front().map(|packet| packet.queued_at),
            Self::FqCodel(fq) => fq.oldest(),
            Self::DualPi2(dual) => dual.oldest(),
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
