//! Payloads by packet type, and parameter sets made by hand after ITU-T H.264 §7.3.2.1.1.

use super::{CodecError, peek, sps};

/// Without its header byte: baseline, level 3.1, 80 by 45 macroblocks, not cropped.
const SPS_720P: [u8; 8] = [0x42, 0xc0, 0x1f, 0xf4, 2, 0x80, 0x2d, 0xc8];

#[test]
fn reads_sizes() {
    type Size = Option<(u16, u16)>;
    let cases: [(&[u8], Size, &str); 9] = [
        (&SPS_720P, Some((1280, 720)), "baseline"),
        (
            &[0x42, 0xc0, 0x1f, 0xda, 2, 0x80, 0xbf, 0xe5, 0x40],
            Some((640, 360)),
            "368 lines less 4 cropping units of 2; picture order type 2",
        ),
        (&[0x64, 0, 0x28, 0xac, 0xe8, 7, 0x80, 0x22, 0x7e, 0x54], Some((1920, 1080)), "high profile, 4:2:0"),
        (
            &[0x4d, 0, 0x28, 0xd1, 0x91, 0xa6, 0x80, 0x78, 4, 0x47, 0xda],
            Some((1920, 1080)),
            "fields: map units and cropping count twice; picture order type 1",
        ),
        (
            &[
                0xf4, 0, 0x28, 0x91, 0xb4, 0x92, 0x49, 0x24, 0x92, 0x49, 0x20, 0x21, 0x10, 0xe8, 0x14, 0x19,
                0xf8, 0xd4,
            ],
            Some((320, 180)),
            "4:4:4 with scaling lists; cropping in single pixels",
        ),
        (
            &[0x42, 0, 0, 3, 0, 0x80, 0x5a, 5, 6, 0x64],
            Some((320, 192)),
            "emulation prevention in front of the size",
        ),
        (&SPS_720P[..6], None, "cut off in the width"),
        (&[0x42, 0xc0, 0x1f, 0xf4, 0, 0, 0, 0, 0, 0, 0], None, "a number of more than 31 leading zeros"),
        (&[], None, "nothing"),
    ];
    for (body, expected, why) in cases {
        assert_eq!(sps::size(body), expected, "{why}");
    }
}

#[test]
fn refuses_impossible_sizes() {
    // 1,056 macroblocks wide: 0xffff_ffff would overflow the product with 16, so the bound comes first.
    let mut wide = vec![0x42, 0xc0, 0x1f, 0b1111_0100];
    wide.extend([0b0000_0000, 0b0010_0001, 0b0000_0010, 0x80]);
    assert_eq!(sps::size(&wide), None);
}

fn stap(units: &[&[u8]]) -> Vec<u8> {
    let mut payload = vec![0x78];
    for unit in units {
        payload.extend((unit.len() as u16).to_be_bytes());
        payload.extend(*unit);
    }
    payload
}

fn sps_unit() -> Vec<u8> {
    [&[0x67], &SPS_720P[..]].concat()
}

#[test]
fn finds_frames_and_keyframes() {
    let parameter_sets = stap(&[&sps_unit(), &[0x68, 0xce]]);
    let delimiter_first = stap(&[&[0x09, 0x10], &sps_unit(), &[0x65, 0x88]]);
    let hd = Some((1280, 720));
    // (frame start, keyframe start, droppable, size)
    type Seen = Result<(bool, bool, bool, Option<(u16, u16)>), CodecError>;
    let cases: [(&[u8], Seen, &str); 20] = [
        (&sps_unit(), Ok((true, true, false, hd)), "a parameter set of its own"),
        (&parameter_sets, Ok((true, true, false, hd)), "what Chromium sends in front of an IDR picture"),
        (&delimiter_first, Ok((true, true, false, hd)), "parameter set second in the aggregate"),
        (
            &[0x67, 0x42],
            Ok((true, true, false, None)),
            "a parameter set that cannot be read is one all the same",
        ),
        (&[0x68, 0xce], Ok((true, false, false, None)), "picture parameter set alone starts no decoder"),
        (&[0x65, 0x88], Ok((true, false, false, None)), "IDR slice: the sets in front of it were the start"),
        (&[0x65, 0x40], Ok((false, false, false, None)), "a later slice of an IDR picture"),
        (&[0x61, 0x9a], Ok((true, false, false, None)), "first slice of a picture"),
        (&[0x61, 0x40], Ok((false, false, false, None)), "a later slice"),
        (&[0x01, 0x9a], Ok((true, false, true, None)), "nal_ref_idc 0"),
        (&[0x7c, 0x85, 0x88], Ok((true, false, false, None)), "first fragment of an IDR slice"),
        (
            &[0x7c, 0x05, 0x88],
            Ok((false, false, false, None)),
            "a middle fragment: its bytes are no slice header",
        ),
        (&[0x7c, 0x45, 0x88], Ok((false, false, false, None)), "the last fragment"),
        (&[], Err(CodecError::TooShort), "empty"),
        (&[0x78], Err(CodecError::TooShort), "aggregate of nothing"),
        (&[0x78, 0, 5, 0x67], Err(CodecError::TooShort), "unit past the end"),
        (&[0x78, 0, 0], Err(CodecError::Malformed), "unit of no length"),
        (&[0x7c], Err(CodecError::TooShort), "fragment without header"),
        (
            &[0x7c, 0xc5, 1],
            Err(CodecError::Malformed),
            "RFC 6184 §5.8: start and end must not meet in one fragment",
        ),
        (&[0x79, 0], Err(CodecError::Malformed), "STAP-B is never negotiated"),
    ];
    for (payload, expected, why) in cases {
        let seen = peek(payload).map(|i| (i.frame_start, i.keyframe_start, i.droppable, i.size()));
        assert_eq!(seen, expected, "{why}");
    }
}

#[test]
fn looks_at_a_bounded_number_of_units() {
    let units = vec![&[0x06_u8][..]; 100];
    assert!(peek(&stap(&units)).is_ok(), "a hundred units are legal, and most stay unread");
}
