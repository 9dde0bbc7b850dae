//! Retransmissions (RFC 4588 §4): a stream of its own whose payload starts with the original sequence number.
//!
//! Owns the restoring of an arrived one and the two bytes in front of one that leaves. Which stream repairs which is
//! known to `transport`, by repaired RID, `ssrc-group` or payload type.

use crate::rtp_packet::RtpPacket;

/// Bytes of the original sequence number in front of the payload.
pub const OSN_LENGTH: usize = 2;

/// The packet that the retransmission `rtx` repeats, in the stream `ssrc` with payload type `payload_type`.
///
/// `None` when there is nothing to restore: padding sent as retransmission has no payload, or only a number. Timestamp and
/// marker are those of the original already (RFC 4588 §4). `wire_size` and the extensions stay those of `rtx`, since they
/// describe what was on the wire.
pub fn restore(rtx: &RtpPacket, ssrc: u32, payload_type: u8) -> Option<RtpPacket> {
    let osn = rtx.payload.first_chunk::<OSN_LENGTH>()?;
    if rtx.payload.len() == OSN_LENGTH {
        return None;
    }
    let mut packet = rtx.clone();
    packet.ssrc = ssrc;
    packet.payload_type = payload_type;
    packet.sequence = u16::from_be_bytes(*osn);
    packet.payload = rtx.payload.slice(OSN_LENGTH..);
    Some(packet)
}

/// What goes between the header of a retransmission and the original payload.
pub const fn osn(original_sequence: u16) -> [u8; OSN_LENGTH] {
    original_sequence.to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extension::Extensions;
    use bytes::Bytes;

    fn rtx(payload: &'static [u8]) -> RtpPacket {
        RtpPacket {
            ssrc: 2,
            payload_type: 97,
            sequence: 7,
            timestamp: 90_000,
            marker: true,
            extensions: Extensions::default(),
            payload: Bytes::from_static(payload),
            padding: 0,
            wire_size: 100,
        }
    }

    #[test]
    fn restores_number_stream_and_payload() {
        let original = restore(&rtx(&[0x12, 0x34, 0xaa, 0xbb]), 1, 96).unwrap();
        assert_eq!((original.ssrc, original.payload_type, original.sequence), (1, 96, 0x1234));
        assert_eq!((original.timestamp, original.marker), (90_000, true));
        assert_eq!(original.payload, &[0xaa, 0xbb][..]);
        assert_eq!(osn(0x1234), [0x12, 0x34]);
    }

    #[test]
    fn padding_restores_to_nothing() {
        for payload in [&[][..], &[1], &[1, 2]] {
            assert_eq!(restore(&rtx(payload), 1, 96), None, "{payload:?}");
        }
    }
}
