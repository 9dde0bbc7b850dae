//! An RTP packet that arrived (RFC 3550 §5.1), seen as a value.
//!
//! Owns the parse from decrypted bytes. It reads the header in place instead of through `rtp::Packet`: that type puts
//! every extension into a vector of its own (one allocation and up to five reference counts per packet at our busiest
//! spot), reads elements past the end of their block, and does not know the application bits of the two-byte form. A
//! property test holds the two parses against each other. CSRCs of arrived packets are skipped: a publisher is its own
//! source.

use bytes::Bytes;

use crate::extension::{ExtensionIds, Extensions, elements};

/// Bytes of the fixed header.
pub(crate) const FIXED_HEADER: usize = 12;

/// Why bytes are no RTP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RtpError {
    /// Shorter than its own header says.
    #[error("shorter than its header")]
    TooShort,
    /// Not version 2.
    #[error("not RTP version 2")]
    Version,
    /// An element reaches past the end of the extension block.
    #[error("a header extension is cut off")]
    Extension,
    /// More padding than payload, or padding of length zero.
    #[error("padding does not fit the packet")]
    Padding,
}

/// A packet as it arrived, decrypted. The payload shares the datagram's memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RtpPacket {
    /// The stream this belongs to.
    pub ssrc: u32,
    /// The codec, by the numbers of its media section.
    pub payload_type: u8,
    /// Wrapped to 16 bits.
    pub sequence: u16,
    /// In ticks of the codec's clock, wrapped to 32 bits.
    pub timestamp: u32,
    /// For video: the last packet of a frame. For audio: the first one after silence.
    pub marker: bool,
    /// What the header extensions said.
    pub extensions: Extensions,
    /// Payload without padding. Empty in a packet that is only padding.
    pub payload: Bytes,
    /// Bytes of padding that stood behind the payload, their count included.
    pub padding: u8,
    /// Length of the datagram this was parsed from, in bytes, without IP, UDP and SRTP.
    pub wire_size: usize,
}

impl RtpPacket {
    /// The packet in `datagram`, with extensions read by the negotiated `ids`.
    ///
    /// # Errors
    /// [`RtpError`] names the first thing that is wrong; nothing of the packet is usable then.
    pub fn parse(datagram: Bytes, ids: &ExtensionIds) -> Result<Self, RtpError> {
        let bytes: &[u8] = &datagram;
        let fixed = bytes.first_chunk::<FIXED_HEADER>().ok_or(RtpError::TooShort)?;
        if fixed[0] >> 6 != 2 {
            return Err(RtpError::Version);
        }
        let has_padding = fixed[0] & 0x20 != 0;
        let has_extensions = fixed[0] & 0x10 != 0;
        let mut at = FIXED_HEADER + 4 * usize::from(fixed[0] & 0x0f);

        let mut extensions = Extensions::default();
        if has_extensions {
            let head = bytes.get(at..).and_then(<[u8]>::first_chunk::<4>).ok_or(RtpError::TooShort)?;
            let profile = u16::from_be_bytes([head[0], head[1]]);
            let start = at + 4;
            let end = start + 4 * usize::from(u16::from_be_bytes([head[2], head[3]]));
            let block = bytes.get(start..end).ok_or(RtpError::TooShort)?;
            for element in elements(profile, block) {
                let (id, range) = element.map_err(|_| RtpError::Extension)?;
                extensions.read(ids, id, &datagram, start + range.start..start + range.end);
            }
            at = end;
        }

        let body = bytes.get(at..).ok_or(RtpError::TooShort)?;
        let padding = if has_padding { padding_of(body)? } else { 0 };
        let end = bytes.len() - usize::from(padding);
        Ok(Self {
            ssrc: u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]),
            payload_type: fixed[1] & 0x7f,
            sequence: u16::from_be_bytes([fixed[2], fixed[3]]),
            timestamp: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
            marker: fixed[1] & 0x80 != 0,
            extensions,
            payload: datagram.slice(at..end),
            padding,
            wire_size: datagram.len(),
        })
    }

    /// True for a packet without media: congestion probes and keep-alives, which are acknowledged and never forwarded.
    pub fn is_padding_only(&self) -> bool {
        self.payload.is_empty()
    }
}

/// RFC 3550 §5.1: the last byte counts the padding, itself included.
fn padding_of(body: &[u8]) -> Result<u8, RtpError> {
    match body.last() {
        Some(count) if *count > 0 && usize::from(*count) <= body.len() => Ok(*count),
        _ => Err(RtpError::Padding),
    }
}
