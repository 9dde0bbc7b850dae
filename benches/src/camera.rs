//! A publisher of one VP8 encoding, packet by packet, in the form in which browsers send it.
//!
//! Owns the bytes: the descriptor with a picture id of 15 bits and temporal layers (RFC 7741 §4.2), the frame header
//! (RFC 6386 §9.1), a body of zeros. Nothing that is measured looks at the body.

use bytes::{BufMut, Bytes, BytesMut};
use packet::codec::vp8::{Descriptor, FrameHeader, Temporal};
use packet::{ExtensionIds, ExtensionUri, Extensions, Mid, RtpPacket};
use units::Timestamp;

/// Packets of every frame, unless told otherwise.
pub const PACKETS_PER_FRAME: u64 = 5;
/// Frames per second.
pub const FPS: u64 = 30;
/// Bytes of a payload: browsers cut a frame, its header included, into equal parts. With the frame's packets and rate: 1.3 Mbit/s.
const PAYLOAD: usize = 1_108;

/// See the module's documentation.
#[derive(Debug)]
pub struct Camera {
    packets: u64,
    sequence: u16,
    picture: u16,
    tl0: u8,
    key: u8,
}

impl Default for Camera {
    fn default() -> Self {
        Self::with_packets(PACKETS_PER_FRAME)
    }
}

impl Camera {
    /// A camera whose frames have so many packets.
    pub fn with_packets(packets: u64) -> Self {
        Self { packets, sequence: 0, picture: 0, tl0: 0, key: 0 }
    }

    /// The packets of the frame captured at `now`, as they come out of a parse. Temporal layers take turns: two.
    pub fn frame(&mut self, now: Timestamp, keyframe: bool) -> Vec<RtpPacket> {
        self.picture = self.picture.wrapping_add(1);
        let layer = u8::from(!keyframe && self.picture % 2 == 1);
        self.tl0 = self.tl0.wrapping_add(u8::from(layer == 0));
        self.key = (self.key + u8::from(keyframe)) & 0x1f;
        (0..self.packets)
            .map(|index| {
                self.sequence = self.sequence.wrapping_add(1);
                let payload = self.payload(index, layer, keyframe);
                RtpPacket {
                    ssrc: SSRC,
                    payload_type: PAYLOAD_TYPE,
                    sequence: self.sequence,
                    timestamp: (now.as_micros() * 9 / 100) as u32,
                    marker: index + 1 == self.packets,
                    extensions: Extensions { transport_wide: Some(self.sequence), ..Extensions::default() },
                    wire_size: payload.len() + 20,
                    payload,
                    padding: 0,
                }
            })
            .collect()
    }

    fn payload(&self, index: u64, layer: u8, keyframe: bool) -> Bytes {
        let mut out = BytesMut::with_capacity(PAYLOAD);
        Descriptor {
            partition_start: index == 0,
            picture_id: Some(self.picture & 0x7fff),
            tl0_picture_index: Some(self.tl0),
            temporal: Some(Temporal { layer, sync: layer > 0 }),
            key_index: Some(self.key),
            ..Descriptor::default()
        }
        .write(&mut out);
        if index == 0 {
            let size = keyframe.then_some((1280, 720));
            FrameHeader { keyframe, shown: true, first_partition: 100, size }.write(&mut out);
        }
        out.put_bytes(0, PAYLOAD - out.len());
        out.freeze()
    }
}

/// The stream.
const SSRC: u32 = 0x1234_5678;
/// Its codec, by the numbers of its section.
const PAYLOAD_TYPE: u8 = 96;

/// What a browser and a server agree upon, in the order in which a browser writes it.
pub fn extension_ids() -> ExtensionIds {
    [(ExtensionUri::Mid, 1), (ExtensionUri::Rid, 2), (ExtensionUri::TransportWide, 3)].into_iter().collect()
}

/// The first packet of a simulcast keyframe as it arrives: MID, RID, transport-wide number and one extension that was not
/// agreed upon, in the one-byte form (RFC 8285 §4.2).
pub fn datagram() -> Bytes {
    let packet = Camera::default().frame(Timestamp::from_secs(1), true).swap_remove(0);
    let mut out = BytesMut::new();
    out.put_slice(&[0x90, PAYLOAD_TYPE]);
    out.put_u16(packet.sequence);
    out.put_u32(packet.timestamp);
    out.put_u32(packet.ssrc);
    // Eleven bytes of elements and one of padding are three words.
    out.put_slice(&[0xbe, 0xde, 0, 3]);
    out.put_slice(&[0x10, b'0', 0x20, b'h', 0x31, 0, 7, 0x42, 1, 2, 3, 0]);
    out.put_slice(&packet.payload);
    out.freeze()
}

/// The section that [`datagram`] names.
pub fn mid() -> Mid {
    Mid::parse("0").expect("one letter is a MID")
}

#[cfg(test)]
mod tests {
    use super::*;
    use packet::{Codec, Rid, codec};

    #[test]
    fn the_datagram_is_what_it_says() {
        let packet = RtpPacket::parse(datagram(), &extension_ids()).unwrap();
        let read = &packet.extensions;
        assert_eq!((read.mid, read.rid, read.transport_wide), (Some(mid()), Rid::parse("h"), Some(7)));
        let info = codec::peek(Codec::Vp8, &packet.payload, packet.marker).unwrap();
        assert!(info.frame_start && info.picture_id == Some(1), "{info:?}");
    }
}
