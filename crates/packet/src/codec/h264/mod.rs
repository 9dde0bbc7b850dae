//! H.264 payloads (RFC 6184 §5): single NAL units, STAP-A and FU-A, which are what browsers send in packetization modes
//! 0 and 1.
//!
//! Owns finding the start of a frame, of a keyframe, and its size in the sequence parameter set. Interleaved mode (STAP-B,
//! MTAP, FU-B) is never answered and is malformed here.

pub mod sps;

use super::{CodecError, FrameInfo};

/// NAL unit types (ITU-T H.264, table 7-1) and packet types (RFC 6184, table 1).
mod nal {
    pub(super) const SLICE: u8 = 1;
    pub(super) const IDR: u8 = 5;
    pub(super) const SEI: u8 = 6;
    pub(super) const SPS: u8 = 7;
    pub(super) const PPS: u8 = 8;
    pub(super) const DELIMITER: u8 = 9;
    pub(super) const LAST_SINGLE: u8 = 23;
    pub(super) const STAP_A: u8 = 24;
    pub(super) const FU_A: u8 = 28;
}

/// More NAL units than this in one STAP-A are not looked at: parameter sets come first.
const MAX_AGGREGATED: usize = 16;

/// What a payload tells.
///
/// A keyframe starts at the packet that carries the sequence parameter set, not at the IDR slice: a receiver that has
/// just been switched has no parameter sets, and RFC 7742 §6.2 has browsers send them in band. When that packet is lost
/// the keyframe cannot be used, and another one has to be asked for.
///
/// # Errors
/// [`CodecError`] when the payload ends inside a header, or is of a packet type that is never negotiated.
pub fn peek(payload: &[u8]) -> Result<FrameInfo, CodecError> {
    let first = *payload.first().ok_or(CodecError::TooShort)?;
    // ITU-T H.264 §7.4.1: nal_ref_idc 0 is a unit no other picture refers to. RFC 6184 §5.7, §5.8: the outer header of an
    // aggregate or fragment carries the greatest of its units.
    let mut info = FrameInfo { droppable: first & 0x60 == 0, ..FrameInfo::default() };
    match first & 0x1f {
        1..=nal::LAST_SINGLE => inspect(payload, &mut info),
        nal::STAP_A => inspect_aggregate(&payload[1..], &mut info)?,
        nal::FU_A => inspect_fragment(payload, &mut info)?,
        _ => return Err(CodecError::Malformed),
    }
    Ok(info)
}

/// RFC 6184 §5.7.1: units, each behind two bytes of length.
fn inspect_aggregate(mut rest: &[u8], info: &mut FrameInfo) -> Result<(), CodecError> {
    if rest.is_empty() {
        return Err(CodecError::TooShort);
    }
    for _ in 0..MAX_AGGREGATED {
        if rest.is_empty() {
            break;
        }
        let (length, units) = rest.split_first_chunk::<2>().ok_or(CodecError::TooShort)?;
        let length = usize::from(u16::from_be_bytes(*length));
        if length == 0 {
            return Err(CodecError::Malformed);
        }
        let (unit, behind) = units.split_at_checked(length).ok_or(CodecError::TooShort)?;
        inspect(unit, info);
        rest = behind;
    }
    Ok(())
}

/// RFC 6184 §5.8: a fragment has the unit's type in its second byte, and only the first one its beginning.
fn inspect_fragment(payload: &[u8], info: &mut FrameInfo) -> Result<(), CodecError> {
    let [_, header, rest @ ..] = payload else { return Err(CodecError::TooShort) };
    let (start, end) = (header & 0x80 != 0, header & 0x40 != 0);
    if rest.is_empty() || (start && end) {
        return Err(CodecError::Malformed);
    }
    if start {
        inspect_unit(header & 0x1f, rest, info);
    }
    Ok(())
}

fn inspect(unit: &[u8], info: &mut FrameInfo) {
    if let Some((header, body)) = unit.split_first() {
        inspect_unit(header & 0x1f, body, info);
    }
}

/// `body` is what stands behind the unit's header byte, possibly cut off by fragmentation.
fn inspect_unit(kind: u8, body: &[u8], info: &mut FrameInfo) {
    match kind {
        nal::SPS => {
            info.frame_start = true;
            info.keyframe_start = true;
            // A set that cannot be read costs the size and nothing else: a decoder may know profiles that we do not.
            info.sizes[0] = sps::size(body);
        }
        nal::PPS | nal::SEI | nal::DELIMITER => info.frame_start = true,
        // ITU-T H.264 §7.3.3: a slice begins with first_mb_in_slice as ue(v), and a leading bit of one is zero, the first
        // macroblock of the picture.
        nal::SLICE..=nal::IDR if body.first().is_some_and(|b| b & 0x80 != 0) => info.frame_start = true,
        _ => {}
    }
}

#[cfg(test)]
mod tests;
