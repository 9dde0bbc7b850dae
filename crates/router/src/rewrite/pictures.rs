//! A codec's own counters across switches: VP8's and VP9's picture id, TL0PICIDX and KEYIDX (RFC 7741 §4.2, RFC 9628
//! §4.2), and the frame numbers and template ids of dependency descriptors (AV1 RTP payload format, appendix A).
//!
//! Owns that all of them go on by one where a switch happens and follow the source in between, so that a decoder sees
//! one stream. They wrap on the wire at 2^15, 2^8, 2^5, 2^16 and 2^6.

use packet::codec::vp8::{self, PICTURE_ID_MASK};
use packet::codec::vp9;

use crate::media::{Dependency, Descriptor, Head, Media};

/// What is added to the counters of one source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PictureShift {
    picture: u64,
    tl0: u8,
    key: u8,
    frame: u16,
    template: u8,
}

/// The numbers of a dependency descriptor for one receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameNumbers {
    pub(crate) frame: u16,
    pub(crate) template_shift: u8,
}

impl PictureShift {
    /// The descriptor that a receiver gets.
    pub(crate) fn apply(self, head: &Head) -> Descriptor {
        let picture = (head.picture.wrapping_add(self.picture)) as u16 & PICTURE_ID_MASK;
        match head.descriptor {
            Descriptor::Vp8(descriptor) => Descriptor::Vp8(vp8::Descriptor {
                picture_id: descriptor.picture_id.map(|_| picture),
                tl0_picture_index: descriptor.tl0_picture_index.map(|index| index.wrapping_add(self.tl0)),
                key_index: descriptor.key_index.map(|index| index.wrapping_add(self.key) & KEY_INDEX_MASK),
                ..descriptor
            }),
            Descriptor::Vp9(descriptor) => Descriptor::Vp9(vp9::Descriptor {
                picture_id: descriptor.picture_id.map(|_| picture),
                tl0_picture_index: descriptor.tl0_picture_index.map(|index| index.wrapping_add(self.tl0)),
                ..descriptor
            }),
        }
    }

    /// The numbers of a dependency descriptor that a receiver gets.
    pub(crate) fn number(self, dependency: &Dependency) -> FrameNumbers {
        let frame = dependency.fields.frame_number.wrapping_add(self.frame);
        FrameNumbers { frame, template_shift: self.template }
    }

    /// The shift for what follows a picture that is left out. VP8 counts pictures one by one, and a number left out is a
    /// lost picture to its receivers; the others say how far back what they refer to lies, which must stay true.
    pub(crate) fn without(self, media: &Media) -> Self {
        let is_counted = media.head.is_some_and(|head| matches!(head.descriptor, Descriptor::Vp8(_)));
        Self { picture: if is_counted { self.picture.wrapping_sub(1) } else { self.picture }, ..self }
    }
}

const KEY_INDEX_MASK: u8 = 0x1f;
const TEMPLATE_MASK: u8 = 0x3f;

/// The newest counters that were sent. A counter that a source lacks stays where it is until a source has it
/// again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pictures {
    picture: u64,
    tl0: u8,
    key: u8,
    frame: u16,
    /// The first template id behind those of the newest structure.
    template: u8,
}

impl Pictures {
    /// Counters whose first picture is `first`, wrapped to 15 bits.
    pub(crate) fn new(first: u16) -> Self {
        // Room below, so that nothing that is subtracted goes below zero in the sum.
        let picture = (1 << 20) + u64::from(first & PICTURE_ID_MASK);
        Self { picture, tl0: 0, key: 0, frame: first, template: 0 }
    }

    /// The shift by which `media`, the first packet of another source, follows on what was sent.
    pub(crate) fn switch(&self, media: &Media) -> PictureShift {
        let head = media.head.as_ref();
        let descriptor = head.map(|head| head.descriptor);
        let tl0 = descriptor.and_then(|d| d.tl0_picture_index()).unwrap_or(0);
        let key = descriptor.and_then(|d| d.key_index()).unwrap_or(0);
        let dependency = media.dependency.as_deref();
        let frame = dependency.map_or(0, |dependency| dependency.fields.frame_number);
        // Consecutive structures share no template ids, so that a receiver that lost one does not take the other's
        // frames for its own (§A.8.1).
        let read = dependency.and_then(|dependency| dependency.read.as_ref());
        let offset = read.map_or(0, |read| read.structure.offset());
        PictureShift {
            picture: (self.picture + 1).wrapping_sub(head.map_or(0, |head| head.picture)),
            tl0: self.tl0.wrapping_add(1).wrapping_sub(tl0),
            key: self.key.wrapping_add(1).wrapping_sub(key),
            frame: self.frame.wrapping_add(1).wrapping_sub(frame),
            template: self.template.wrapping_sub(offset) & TEMPLATE_MASK,
        }
    }

    /// A packet is sent with this shift, the newest or one behind it. What was sent stays behind all that follows, whatever a
    /// source says: packets that come late, counters of a sender that lies, or starts anew in mid stream.
    pub(crate) fn sent(&mut self, media: &Media, shift: PictureShift) {
        let before = *self;
        self.take(media, shift);
        let is_ahead = |new: u16, old: u16, bits: u32| {
            let ahead = new.wrapping_sub(old) & (u16::MAX >> (u16::BITS - bits));
            ahead < 1 << (bits - 1)
        };
        self.picture = self.picture.max(before.picture);
        if !is_ahead(self.tl0.into(), before.tl0.into(), u8::BITS) {
            self.tl0 = before.tl0;
        }
        if !is_ahead(self.key.into(), before.key.into(), KEY_INDEX_MASK.count_ones()) {
            self.key = before.key;
        }
        if !is_ahead(self.frame, before.frame, u16::BITS) {
            (self.frame, self.template) = (before.frame, before.template);
        }
    }

    fn take(&mut self, media: &Media, shift: PictureShift) {
        if let Some(head) = &media.head {
            let descriptor = shift.apply(head);
            if descriptor.picture_id().is_some() {
                self.picture = head.picture.wrapping_add(shift.picture);
            }
            self.tl0 = descriptor.tl0_picture_index().unwrap_or(self.tl0);
            self.key = descriptor.key_index().unwrap_or(self.key);
        }
        if let Some(dependency) = media.dependency.as_deref() {
            self.frame = shift.number(dependency).frame;
            if let Some(read) = &dependency.read {
                let (offset, count) = (read.structure.offset(), read.structure.templates());
                self.template = offset.wrapping_add(count).wrapping_add(shift.template) & TEMPLATE_MASK;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::Parser;
    use bytes::Bytes;
    use packet::{Codec, RtpPacket};

    /// A packet with these descriptor fields, and how many bits the picture id has.
    fn arrive(parser: &mut Parser, id: u16, long: bool, tl0: u8, key: u8) -> Media {
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
        media(parser.parse(Codec::Vp8, 1, &packet).unwrap().head)
    }

    fn media(head: Option<Head>) -> Media {
        Media { head, ..crate::rewrite::tests::blank() }
    }

    fn counters(media: &Media, shift: PictureShift) -> (u16, u8, u8) {
        let out = shift.apply(&media.head.unwrap());
        (out.picture_id().unwrap(), out.tl0_picture_index().unwrap(), out.key_index().unwrap())
    }

    #[test]
    fn all_three_wrap_where_the_wire_does_and_go_on_by_one() {
        let (mut pictures, mut parser) = (Pictures::new(0x7ffd), Parser::default());
        let mut sent = Vec::new();
        let mut send = |pictures: &mut Pictures, media: Media, shift: PictureShift| {
            pictures.sent(&media, shift);
            sent.push(counters(&media, shift));
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
        let left_out = arrive(&mut parser, 0, false, 0, 8);
        send(&mut pictures, arrive(&mut parser, 1, false, 1, 8), shift.without(&left_out));
        assert_eq!(
            sent,
            [(0x7ffe, 1, 1), (0x7fff, 2, 1), (0, 3, 2), (1, 4, 3), (2, 5, 3), (3, 7, 4)],
            "picture id, TL0PICIDX, KEYIDX"
        );
    }

    #[test]
    fn a_source_whose_counters_go_back_does_not_take_those_behind_it_along() {
        let (mut pictures, mut parser) = (Pictures::new(99), Parser::default());
        let first = arrive(&mut parser, 500, true, 40, 10);
        let shift = pictures.switch(&first);
        pictures.sent(&first, shift);
        pictures.sent(&arrive(&mut parser, 370, true, 5, 3), shift);
        let next = arrive(&mut Parser::default(), 7, true, 1, 1);
        let shift = pictures.switch(&next);
        assert_eq!(counters(&next, shift), (101, 2, 2));
    }

    #[test]
    fn a_late_packet_keeps_its_place() {
        let (mut pictures, mut parser) = (Pictures::new(99), Parser::default());
        let first = arrive(&mut parser, 500, true, 3, 1);
        let shift = pictures.switch(&first);
        pictures.sent(&first, shift);
        pictures.sent(&arrive(&mut parser, 503, true, 6, 1), shift);
        assert_eq!(counters(&arrive(&mut parser, 501, true, 4, 1), shift).0, 101);
    }

    #[test]
    fn fields_that_a_source_lacks_are_not_made_up() {
        let mut pictures = Pictures::new(7);
        let descriptor =
            Descriptor::Vp8(vp8::Descriptor { partition_start: true, ..vp8::Descriptor::default() });
        let bare = media(Some(Head { descriptor, picture: 0 }));
        let shift = pictures.switch(&bare);
        pictures.sent(&bare, shift);
        assert_eq!(shift.apply(&bare.head.unwrap()), descriptor);
        let full = arrive(&mut Parser::default(), 3, true, 0, 0);
        let shift = pictures.switch(&full);
        assert_eq!(counters(&full, shift).0, 8, "goes on where it was left");
    }
}
