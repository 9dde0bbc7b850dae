//! Opus (RFC 6716, RFC 7587): every packet is a frame that a decoder can start at.
//!
//! Owns telling silence from sound by size. Leaves loudness to the audio level extension.

use super::{CodecError, FrameInfo};

/// A payload this short in bytes holds no sound: a table of contents byte and at most one more (RFC 6716 §2.1.9 lets an
/// encoder in discontinuous transmission send such packets, or nothing).
const SILENCE: usize = 2;

/// What a payload tells.
///
/// # Errors
/// [`CodecError::TooShort`] for an empty payload: RFC 6716 §3.1 wants the table of contents byte.
pub fn peek(payload: &[u8]) -> Result<FrameInfo, CodecError> {
    if payload.is_empty() {
        return Err(CodecError::TooShort);
    }
    Ok(FrameInfo { frame_start: true, frame_end: true, keyframe_start: true, ..FrameInfo::default() })
}

/// True for a packet of discontinuous transmission: nothing is said, and the sender may stop sending.
pub fn is_silence(payload: &[u8]) -> bool {
    payload.len() <= SILENCE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_short() {
        assert_eq!(peek(&[]), Err(CodecError::TooShort));
        assert!(peek(&[0xf8]).unwrap().keyframe_start);
        for (payload, silent, why) in [
            (&[0xf8][..], true, "table of contents alone"),
            (&[0xf8, 0xff], true, "one byte more"),
            (&[0xf8, 0xff, 0xfe], false, "the shortest frame libopus makes of digital silence without DTX"),
        ] {
            assert_eq!(is_silence(payload), silent, "{why}");
        }
    }
}
