//! Video packets that wait for their time.
//!
//! Owns their order, the bound on them, and what of them is worth nothing any more. Leaves when they go to the pacer.

use std::collections::VecDeque;

use units::DataSize;

use crate::OutgoingPacket;

/// More waiting packets than this are a path that has stopped, not one that is slow: a second of 8 Mbit/s.
const MAX_PACKETS: usize = 1_024;

/// The queue did not take a packet: what waited was dropped with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shed;

/// What a slot had waiting and lost because something else starts in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Abandoned {
    /// The lowest number that was dropped. It and all after it were never sent, and may be used again.
    pub(crate) first: u16,
    /// How many packets, and their payload.
    pub(crate) packets: u32,
    pub(crate) octets: u32,
}

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

    /// Drops what waits of a slot's stream, all but the rest of the frame that is being sent: another stream starts in the slot, and
    /// nobody would decode these. `sent` is the newest number and the timestamp that left. Only numbers after all that left or
    /// stays are dropped, so that the slot can use them again and the receiver sees no hole.
    pub(crate) fn abandon(&mut self, ssrc: u32, sent: Option<(u16, u32)>) -> Option<Abandoned> {
        let mine = |packet: &OutgoingPacket| packet.header.ssrc == ssrc;
        let useless = |packet: &OutgoingPacket| {
            sent.is_none_or(|(newest, frame)| {
                is_after(packet.header.sequence, newest) && packet.header.timestamp != frame
            })
        };
        let numbers = || self.packets.iter().filter(|(packet, _)| mine(packet));
        let first = numbers()
            .filter(|(packet, _)| useless(packet))
            .map(|(packet, _)| packet.header.sequence)
            .reduce(|first, next| if is_after(first, next) { next } else { first })?;
        if numbers().any(|(packet, _)| !useless(packet) && is_after(packet.header.sequence, first)) {
            // Something that stays lies behind something that could go.
            return None;
        }
        let mut abandoned = Abandoned { first, packets: 0, octets: 0 };
        let size = &mut self.size;
        self.packets.retain(|(packet, bytes)| {
            let drop = mine(packet) && useless(packet);
            if drop {
                *size -= *bytes;
                abandoned.packets += 1;
                abandoned.octets += packet.body_size() as u32;
            }
            !drop
        });
        Some(abandoned)
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

/// Whether `a` comes after `b`, of numbers that wrap.
fn is_after(a: u16, b: u16) -> bool {
    a.wrapping_sub(b).cast_signed() > 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PacketKind;
    use packet::{Mid, OutgoingHeader};

    fn queue(packets: &[(u32, u16, u32)]) -> Queue {
        let mut queue = Queue::default();
        for (ssrc, sequence, timestamp) in packets {
            let packet = OutgoingPacket {
                slot: Mid::parse("v0").unwrap(),
                header: OutgoingHeader::new(*ssrc, 96, *sequence, *timestamp, false),
                prefix: Default::default(),
                payload: bytes::Bytes::from_static(&[0; 100]),
                padding: 0,
                kind: PacketKind::Media,
            };
            queue.push(packet, DataSize::from_bytes(150)).unwrap();
        }
        queue
    }

    #[test]
    fn what_waits_of_an_abandoned_stream_goes_and_a_frame_that_was_begun_is_finished() {
        let waiting =
            [(10, 65_534, 30), (11, 7, 30), (10, 65_535, 33), (10, 0, 33), (10, 1, 36), (11, 8, 33)];
        let late = [(10, 5, 33), (10, 3, 30), (10, 6, 33)];
        type Row<'a> = (&'a [(u32, u16, u32)], Option<(u16, u32)>, Option<(u16, u32)>, &'a [u16], &'a str);
        let rows: [Row<'_>; 5] = [
            (&waiting, Some((65_533, 30)), Some((65_535, 3)), &[65_534, 7, 8], "the frame at 30 was begun"),
            (&waiting, Some((65_533, 27)), Some((65_534, 4)), &[7, 8], "a whole frame was the last to leave"),
            (&waiting, None, Some((65_534, 4)), &[7, 8], "nothing ever left"),
            (&late, Some((4, 30)), Some((5, 2)), &[3], "a late packet of an older frame stays"),
            (&late, Some((6, 36)), None, &[5, 3, 6], "all of it is late: newer ones left already"),
        ];
        for (packets, sent, expected, left, why) in rows {
            let mut queue = queue(packets);
            let abandoned = queue.abandon(10, sent);
            assert_eq!(abandoned.map(|a| (a.first, a.packets)), expected, "{why}");
            assert_eq!(queue.size(), DataSize::from_bytes(150 * left.len() as u64), "{why}");
            let rest: Vec<_> = std::iter::from_fn(|| queue.pop()).map(|(p, _)| p.header.sequence).collect();
            assert_eq!(rest, left, "{why}");
        }
    }
}
