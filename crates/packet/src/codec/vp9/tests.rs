//! Descriptors written by hand after RFC 9628 §4.2, and their round trip.

use super::*;
use proptest::prelude::*;

fn info(payload: &[u8]) -> FrameInfo {
    peek(payload).unwrap()
}

/// A keyframe's uncompressed header, profile 0, 640x360.
const KEYFRAME: [u8; 10] = [0x82, 0x49, 0x83, 0x42, 0x20, 0x27, 0xf0, 0x16, 0x70, 0];

#[test]
fn tells_pictures_layers_and_keyframes() {
    let sized = |spatial: usize, size| {
        let mut sizes = [None; MAX_SPATIAL];
        sizes[spatial] = Some(size);
        sizes
    };
    let cases: [(Vec<u8>, FrameInfo, &str); 6] = [
        (
            [&[0x08][..], &KEYFRAME].concat(),
            FrameInfo {
                frame_start: true,
                keyframe_start: true,
                spatial_sync: true,
                sizes: sized(0, (640, 360)),
                ..FrameInfo::default()
            },
            "a keyframe without anything optional: its size is in the frame",
        ),
        (
            vec![0x44, 1],
            FrameInfo { layer_end: true, ..FrameInfo::default() },
            "the end of a frame that refers to others",
        ),
        (
            vec![0xe8, 0x85, 0x01, 0x30, 7, 1],
            FrameInfo {
                frame_start: true,
                temporal: Some(1),
                temporal_sync: true,
                picture_id: Some(0x501),
                tl0_picture_index: Some(7),
                ..FrameInfo::default()
            },
            "15 bits of picture id, a switching up point",
        ),
        (
            vec![0xac, 0x05, 0x03, 9, 1],
            FrameInfo {
                layer_end: true,
                spatial: 1,
                spatial_sync: true,
                temporal: Some(0),
                picture_id: Some(5),
                tl0_picture_index: Some(9),
                ..FrameInfo::default()
            },
            "an upper layer predicted from below only starts no picture, but can be taken up",
        ),
        (
            vec![0xf8, 0x05, 0x02, 0x03, 0x04, 1],
            FrameInfo { spatial: 1, temporal: Some(0), picture_id: Some(5), ..FrameInfo::default() },
            "flexible mode has differences instead of TL0PICIDX",
        ),
        (
            vec![0x0a, 0x38, 1, 64, 0, 180, 2, 128, 1, 104, 1, 0x04, 3, 1],
            FrameInfo {
                frame_start: true,
                keyframe_start: true,
                spatial_sync: true,
                sizes: [Some((320, 180)), Some((640, 360)), None, None],
                ..FrameInfo::default()
            },
            "a scalability structure with sizes and a group of one picture",
        ),
    ];
    for (payload, expected, why) in cases {
        assert_eq!(info(&payload), expected, "{why}");
    }
}

#[test]
fn what_contradicts_itself_is_malformed() {
    let cases: [(&[u8], CodecError, &str); 7] = [
        (&[], CodecError::TooShort, "nothing"),
        (&[0x80, 0x81], CodecError::TooShort, "half a picture id"),
        (&[0x20, 0x00, 1], CodecError::TooShort, "nothing behind TL0PICIDX"),
        (&[0x50, 3, 3, 3, 2, 1], CodecError::Malformed, "four differences"),
        (&[0x02, 0x10, 1, 64, 0], CodecError::TooShort, "a size that is cut off"),
        (&[0x02, 0x10, 0, 0, 0, 180, 1], CodecError::Malformed, "a picture without width"),
        (&[0x02, 0x08, 200, 0], CodecError::TooShort, "groups that are not there"),
    ];
    for (payload, expected, why) in cases {
        assert_eq!(peek(payload), Err(expected), "{why}");
    }
}

#[test]
fn sizes_of_keyframes_in_other_profiles() {
    let size = |bits: &str| {
        let bytes: Vec<u8> = bits
            .replace(' ', "")
            .as_bytes()
            .chunks(8)
            .map(|b| u8::from_str_radix(&format!("{:0<8}", std::str::from_utf8(b).unwrap()), 2).unwrap())
            .collect();
        keyframe_size(&bytes)
    };
    const SYNC: &str = "0100 1001 1000 0011 0100 0010";
    const SIZE: &str = "0000 0010 0111 1111 0000 0001 0110 0111";
    let cases = [
        (format!("10 00 00 10 {SYNC} 001 0 {SIZE}"), Some((640, 360)), "profile 0"),
        (format!("10 10 00 10 {SYNC} 001 0110 {SIZE}"), Some((640, 360)), "profile 1"),
        (format!("10 10 00 10 {SYNC} 111 0 {SIZE}"), Some((640, 360)), "profile 1, RGB"),
        (format!("10 01 00 10 {SYNC} 1 001 0 {SIZE}"), Some((640, 360)), "profile 2, more bits a sample"),
        (format!("10 00 01 10 {SYNC} 001 0 {SIZE}"), None, "no keyframe"),
        (format!("10 00 1 0000000 {SYNC} 001 0 {SIZE}"), None, "a frame shown again"),
        (format!("10 00 00 10 {SYNC} 001 0 0000"), None, "cut off"),
        (format!("11 00 00 10 {SYNC} 001 0 {SIZE}"), None, "no VP9"),
    ];
    for (bits, expected, why) in cases {
        assert_eq!(size(&bits), expected, "{why}");
    }
}

fn descriptor() -> impl Strategy<Value = Descriptor> {
    let layers = (0u8..8, any::<bool>(), 0u8..8, any::<bool>()).prop_map(
        |(temporal, switching_up, spatial, depends)| LayerIndices {
            temporal,
            switching_up,
            spatial,
            depends,
        },
    );
    (any::<[bool; 6]>(), proptest::option::of(0u16..0x8000), proptest::option::of(layers), any::<u8>())
        .prop_map(|([inter_predicted, flexible, start, end, structure, above], picture_id, layers, tl0)| {
            Descriptor {
                inter_predicted,
                flexible,
                start,
                end,
                structure,
                not_referenced_above: above,
                picture_id,
                layers,
                tl0_picture_index: (layers.is_some() && !flexible).then_some(tl0),
            }
        })
}

proptest! {
    #[test]
    fn heads_round_trip(descriptor in descriptor()) {
        let mut bytes = Vec::new();
        let written = descriptor.write(&mut bytes);
        prop_assert_eq!(written, bytes.len());
        prop_assert!(written <= MAX_HEAD);
        bytes.push(1);
        prop_assert_eq!(Descriptor::parse(&bytes), Ok((descriptor, written)));
    }

    #[test]
    fn arbitrary_payloads_never_panic(payload in proptest::collection::vec(any::<u8>(), 0..80)) {
        let _ = peek(&payload);
        let _ = keyframe_size(&payload);
    }
}
