//! Receiver estimated maximum bitrate (draft-alvestrand-rmcat-remb-03 §2.2), read from bytes.
//!
//! Owns the format. It is read here because an estimate of zero, which is legal, comes out of the `rtcp` crate as 8.4
//! Mbit/s (it takes the mantissa for a normalised one).

use smallvec::SmallVec;
use units::Bitrate;

use super::RtcpItem;

/// Bytes in front of the list of streams: two SSRCs, the identifier, count, exponent and mantissa.
const FIXED: usize = 16;

/// `body` is what stands behind the RTCP header. `None` when it is cut off or of another application.
pub(super) fn parse(body: &[u8]) -> Option<RtcpItem> {
    let (fixed, rest) = body.split_first_chunk::<FIXED>()?;
    if fixed[8..12] != *b"REMB" {
        return None;
    }
    let count = usize::from(fixed[12]);
    let exponent = u32::from(fixed[13] >> 2);
    let mantissa = u64::from(u32::from_be_bytes([0, fixed[13] & 0x03, fixed[14], fixed[15]]));
    let bitrate = match mantissa.checked_mul(1_u64.checked_shl(exponent).unwrap_or(u64::MAX)) {
        Some(bps) => Bitrate::from_bps(bps),
        None => Bitrate::MAX,
    };
    let ssrcs = rest.get(..4 * count)?;
    let ssrcs: SmallVec<[u32; 4]> = ssrcs.as_chunks::<4>().0.iter().map(|b| u32::from_be_bytes(*b)).collect();
    let sender_ssrc = u32::from_be_bytes([fixed[0], fixed[1], fixed[2], fixed[3]]);
    Some(RtcpItem::Remb { sender_ssrc, bitrate, ssrcs })
}
