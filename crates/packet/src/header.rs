//! The RTP header of a packet that leaves (RFC 3550 §5.1, RFC 8285).
//!
//! Owns its bytes. A header is written fresh for every packet and every receiver: extension ids are those of that
//! receiver, RID and repaired RID never leave, and nothing of the header that arrived survives by accident (a parsed
//! `rtp::Header` remembers the padding of its extension block and would write it again). Writing is append-only and does
//! not allocate beyond what the output has to grow.

use bytes::BufMut;

use crate::extension::{
    AudioLevel, ExtensionIds, ExtensionUri, ONE_BYTE_MAX, ONE_BYTE_PROFILE, TWO_BYTE_PROFILE,
};
use crate::ids::Mid;
use crate::rtp_packet::FIXED_HEADER;

/// What stands in front of an outgoing payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutgoingHeader {
    /// The receiver's stream: a slot, or its retransmissions.
    pub ssrc: u32,
    /// By the numbers of the receiver's media section. Only the low 7 bits are written.
    pub payload_type: u8,
    /// Wrapped to 16 bits.
    pub sequence: u16,
    /// Wrapped to 32 bits.
    pub timestamp: u32,
    /// For video: the last packet of a frame.
    pub marker: bool,
    /// Who is heard or seen in this packet, so that a receiver can tell frame-accurately.
    pub csrc: Option<u32>,
    /// The receiver's media section, for receivers that do not know the SSRC.
    pub mid: Option<Mid>,
    /// The number by which the receiver acknowledges this packet, wrapped to 16 bits.
    pub transport_wide: Option<u16>,
    /// Loudness, handed through from the publisher.
    pub audio_level: Option<AudioLevel>,
    /// What the frame depends on, written for this receiver: at most 255 bytes, a longer one is left out.
    pub dependency: Option<Box<[u8]>>,
}

/// The short extensions an outgoing header can carry.
const WRITTEN: [ExtensionUri; 3] = [ExtensionUri::Mid, ExtensionUri::TransportWide, ExtensionUri::AudioLevel];
/// Of those, the value of the longest, in bytes.
const LONGEST_VALUE: usize = crate::ids::MAX_LENGTH;
/// RFC 8285 §4.2: the longest value that the one-byte form can carry, in bytes.
const ONE_BYTE_LENGTH: usize = 16;

/// One extension ready to be written.
#[derive(Clone, Copy)]
struct Element {
    id: u8,
    length: u8,
    value: [u8; LONGEST_VALUE],
}

impl OutgoingHeader {
    /// A header with the given fixed fields and nothing optional.
    pub const fn new(ssrc: u32, payload_type: u8, sequence: u16, timestamp: u32, marker: bool) -> Self {
        Self {
            ssrc,
            payload_type,
            sequence,
            timestamp,
            marker,
            csrc: None,
            mid: None,
            transport_wide: None,
            audio_level: None,
            dependency: None,
        }
    }

    /// Appends the header to `out` and returns its length in bytes. `padded` announces padding behind the payload, which
    /// [`put_padding`] writes. An extension whose id the receiver did not negotiate is left out.
    pub fn write(&self, ids: &ExtensionIds, padded: bool, out: &mut impl BufMut) -> usize {
        let elements = self.elements(ids);
        let dependency = self
            .dependency
            .as_deref()
            .filter(|value| (1..=usize::from(u8::MAX)).contains(&value.len()))
            .and_then(|value| Some((ids.get(ExtensionUri::DependencyDescriptor)?, value)));
        // RFC 8285 §4.1.2: packets of both forms may follow each other where both sides allow it, and whoever offers the
        // only long extension does.
        let is_long = dependency.is_some_and(|(_, value)| value.len() > ONE_BYTE_LENGTH);
        let element_head = if is_long || needs_two_bytes(ids) { 2 } else { 1 };
        let block: usize = elements
            .iter()
            .flatten()
            .map(|element| usize::from(element.length))
            .chain(dependency.map(|(_, value)| value.len()))
            .map(|length| element_head + length)
            .sum();
        let words = block.div_ceil(4);

        let flags = 0x80 | u8::from(padded) << 5 | u8::from(block > 0) << 4 | u8::from(self.csrc.is_some());
        out.put_u8(flags);
        out.put_u8(u8::from(self.marker) << 7 | self.payload_type & 0x7f);
        out.put_u16(self.sequence);
        out.put_u32(self.timestamp);
        out.put_u32(self.ssrc);
        let mut written = FIXED_HEADER;
        if let Some(csrc) = self.csrc {
            out.put_u32(csrc);
            written += 4;
        }
        if block > 0 {
            out.put_u16(if element_head == 1 { ONE_BYTE_PROFILE } else { TWO_BYTE_PROFILE });
            out.put_u16(words as u16);
            for element in elements.iter().flatten() {
                element.write(element_head, out);
            }
            if let Some((id, value)) = dependency {
                write_element(element_head, id, value, out);
            }
            out.put_bytes(0, words * 4 - block);
            written += 4 + words * 4;
        }
        written
    }

    fn elements(&self, ids: &ExtensionIds) -> [Option<Element>; WRITTEN.len()] {
        let element = |uri, value: &[u8]| ids.get(uri).map(|id| Element::new(id, value));
        [
            self.mid.as_ref().and_then(|mid| element(ExtensionUri::Mid, mid.as_bytes())),
            self.transport_wide.and_then(|n| element(ExtensionUri::TransportWide, &n.to_be_bytes())),
            self.audio_level.and_then(|level| element(ExtensionUri::AudioLevel, &[level.to_byte()])),
        ]
    }
}

impl Element {
    fn new(id: u8, bytes: &[u8]) -> Self {
        let mut value = [0; LONGEST_VALUE];
        value[..bytes.len()].copy_from_slice(bytes);
        Self { id, length: bytes.len() as u8, value }
    }

    fn write(&self, head: usize, out: &mut impl BufMut) {
        write_element(head, self.id, &self.value[..usize::from(self.length)], out);
    }
}

fn write_element(head: usize, id: u8, value: &[u8], out: &mut impl BufMut) {
    let length = value.len() as u8;
    match head {
        // RFC 8285 §4.2: the length is written less one.
        1 => out.put_u8(id << 4 | (length - 1)),
        _ => {
            out.put_u8(id);
            out.put_u8(length);
        }
    }
    out.put_slice(value);
}

/// The two-byte form is needed as soon as one id that may be written does not fit the other, whether or not this packet
/// has it: RFC 8285 §4.1.2 does not let a stream mix forms unless that was negotiated.
fn needs_two_bytes(ids: &ExtensionIds) -> bool {
    WRITTEN
        .iter()
        .chain(&[ExtensionUri::DependencyDescriptor])
        .any(|uri| ids.get(*uri).is_some_and(|id| id > ONE_BYTE_MAX))
}

/// Appends `count` bytes of padding (RFC 3550 §5.1): zeros, the last byte being the count. Nothing for zero.
pub fn put_padding(count: u8, out: &mut impl BufMut) {
    if count > 0 {
        out.put_bytes(0, usize::from(count) - 1);
        out.put_u8(count);
    }
}
