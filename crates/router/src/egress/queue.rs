//! Video packets that wait for their time.
//!
//! Owns their order and the bound on them. Leaves when they go to the pacer.

use std::collections::VecDeque;

use units::DataSize;

use crate::OutgoingPacket;

/// More waiting packets than this are a path that has stopped, not one that is slow: a second of 8 Mbit/s.
const MAX_PACKETS: usize = 1_024;

/// The queue did not take a packet: what waited was dropped with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shed;

/// See the module's documentation.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    packets: VecDeque<(OutgoingPacket, DataSize)>,
    size: DataSize,
}

impl Queue {
    /// Appends a packet of this size on the wire. When too many wait, all of them are dropped: what a receiver would get
    /// of them comes too late, and the next keyframe is of more use than any of it.
    pub(crate) fn push(&mut self, packet: OutgoingPacket, size: DataSize) -> Result<(), Shed> {
        if self.packets.len() == MAX_PACKETS {
            self.clear();
            return Err(Shed);
        }
        self.packets.push_back((packet, size));
        self.size += size;
        Ok(())
    }

    /// Takes the oldest packet.
    pub(crate) fn pop(&mut self) -> Option<(OutgoingPacket, DataSize)> {
        let (packet, size) = self.packets.pop_front()?;
        self.size -= size;
        Some((packet, size))
    }

    /// The size of the oldest packet.
    pub(crate) fn front(&self) -> Option<DataSize> {
        self.packets.front().map(|(_, size)| *size)
    }

    /// All that waits.
    pub(crate) fn size(&self) -> DataSize {
        self.size
    }

    /// Drops everything.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}
