//! VP8's own counters (RFC 7741 §4.2) across switches: picture id, TL0PICIDX and KEYIDX of one slot.
//!
//! Owns that all three go on by one where a switch happens and follow the source in between, so that a
//! decoder sees one stream. They wrap on the wire at 2^15, 2^8 and 2^5.

use packet::codec::vp8::{Descriptor, PICTURE_ID_MASK};

use crate::media::Vp8;

/// What is added to the counters of one source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PictureShift {
    picture: u64,
    tl0: u8,
    key: u8,
}

impl PictureShift {
    /// The descriptor that a receiver gets.
    pub(crate) fn apply(self, vp8: &Vp8) -> Descriptor {
        let picture = (vp8.picture.wrapping_add(self.picture)) as u16 & PICTURE_ID_MASK;
        Descriptor {
            picture_id: vp8.descriptor.picture_id.map(|_| picture),
            tl0_picture_index: vp8.descriptor.tl0_picture_index.map(|index| index.wrapping_add(self.tl0)),
            key_index: vp8.descriptor.key_index.map(|index| index.wrapping_add(self.key) & KEY_INDEX_MASK),
            ..vp8.descriptor
        }
    }
}

const KEY_INDEX_MASK: u8 = 0x1f;

/// The newest counters that were sent. A counter that a source lacks stays where it is until a source has it
/// again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pictures {
    picture: u64,
    tl0: u8,
    key: u8,
}

impl Pictures {
    /// Counters whose first picture is `first`, wrapped to 15 bits.
    pub(crate) fn new(first: u16) -> Self {
        // Room below, so that nothing that is subtracted goes below zero in the sum.
        Self { picture: (1 << 20) + u64::from(first & PICTURE_ID_MASK), tl0: 0, key: 0 }
    }

    /// The shift by which `vp8`, the first packet of another source, follows on what was sent.
    pub(crate) fn switch(&self, vp8: &Vp8) -> PictureShift {
        PictureShift {
            picture: (self.picture + 1).wrapping_sub(vp8.picture),
            tl0: self.tl0.wrapping_add(1).wrapping_sub(vp8.descriptor.tl0_picture_index.unwrap_or(0)),
            key: self.key.wrapping_add(1).wrapping_sub(vp8.descriptor.key_index.unwrap_or(0)),
        }
    }

    /// The newest packet so far is sent with this shift.
    pub(crate) fn sent(&mut self, vp8: &Vp8, shift: PictureShift) {
        let descriptor = shift.apply(vp8);
        if descriptor.picture_id.is_some() {
            self.picture = vp8.picture.wrapping_add(shift.picture);
        }
        self.tl0 = descriptor.tl0_picture_index.unwrap_or(self.tl0);
        self.key = descriptor.key_index.unwrap_or(self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::Parser;
    use bytes::Bytes;
    use packet::{Codec, RtpPacket};

    /// Descriptor fields as they arrive, and how many bits the picture id has.
    fn arrive(parser: &mut Parser, id: u16, long: bool, tl0: u8, key: u8) -> Vp8 {
        let mut payload = vec![0x90, 0xf0];
        match long {
            true => payload.extend((id | 0x8000).to_be_bytes()),
            false => payload.push(id as u8 & 0x7f),
        }
        payload.extend([tl0, 0x20 | key, 0x01, 0, 0]);
        let packet = RtpPacket {
            ssrc: 1,
            payload_type: 96,
            sequence: 1,
            timestamp: 0,
            marker: true,
            extensions: Default::default(),
            wire_size: payload.len() + 12,
            payload: Bytes::from(payload),
            padding: 0,
        };
        parser.parse(Codec::Vp8, &packet).unwrap().vp8.unwrap()
    }

    #[test]
    fn all_three_wrap_where_the_wire_does_and_go_on_by_one() {
        let (mut pictures, mut parser) = (Pictures::new(0x7ffd), Parser::default());
        let mut sent = Vec::new();
        let mut send = |pictures: &mut Pictures, vp8: Vp8, shift: PictureShift| {
            let out = shift.apply(&vp8);
            pictures.sent(&vp8, shift);
            sent.push((out.picture_id.unwrap(), out.tl0_picture_index.unwrap(), out.key_index.unwrap()));
        };
        // A source with 15 bits that wraps itself, then one with 7 bits that does.
        let first = arrive(&mut parser, 0x7fff, true, 255, 31);
        let shift = pictures.switch(&first);
        send(&mut pictures, first, shift);
        send(&mut pictures, arrive(&mut parser, 0, true, 0, 31), shift);
        send(&mut pictures, arrive(&mut parser, 1, true, 1, 0), shift);
        let mut parser = Parser::default();
        let second = arrive(&mut parser, 126, false, 254, 7);
        let shift = pictures.switch(&second);
        send(&mut pictures, second, shift);
        send(&mut pictures, arrive(&mut parser, 127, false, 255, 7), shift);
        send(&mut pictures, arrive(&mut parser, 0, false, 0, 8), shift);
        assert_eq!(
            sent,
            [(0x7ffe, 1, 1), (0x7fff, 2, 1), (0, 3, 2), (1, 4, 3), (2, 5, 3), (3, 6, 4)],
            "picture id, TL0PICIDX, KEYIDX"
        );
    }

    #[test]
    fn a_late_packet_keeps_its_place() {
        let (mut pictures, mut parser) = (Pictures::new(99), Parser::default());
        let first = arrive(&mut parser, 500, true, 3, 1);
        let shift = pictures.switch(&first);
        pictures.sent(&first, shift);
        pictures.sent(&arrive(&mut parser, 503, true, 6, 1), shift);
        assert_eq!(shift.apply(&arrive(&mut parser, 501, true, 4, 1)).picture_id, Some(101));
    }

    #[test]
    fn fields_that_a_source_lacks_are_not_made_up() {
        let mut pictures = Pictures::new(7);
        let bare =
            Vp8 { descriptor: Descriptor { partition_start: true, ..Descriptor::default() }, picture: 0 };
        let shift = pictures.switch(&bare);
        pictures.sent(&bare, shift);
        assert_eq!(shift.apply(&bare), bare.descriptor);
        let full = arrive(&mut Parser::default(), 3, true, 0, 0);
        let shift = pictures.switch(&full);
        assert_eq!(shift.apply(&full).picture_id, Some(8), "goes on where it was left");
    }
}
