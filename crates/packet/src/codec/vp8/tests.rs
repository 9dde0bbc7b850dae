//! Descriptors and frame headers as tables, as round trips, and held against the `rtp` crate.

use super::*;
use proptest::prelude::*;

fn full() -> Descriptor {
    Descriptor {
        partition_start: true,
        picture_id: Some(0x1234),
        tl0_picture_index: Some(5),
        temporal: Some(Temporal { layer: 2, sync: true }),
        key_index: Some(17),
        ..Descriptor::default()
    }
}

#[test]
fn parses_every_shape_of_descriptor() {
    type Parsed = Result<(Descriptor, usize), CodecError>;
    let cases: [(&[u8], Parsed, &str); 12] = [
        (&[], Err(CodecError::TooShort), "nothing"),
        (&[0x10], Err(CodecError::TooShort), "nothing behind the descriptor"),
        (&[0x10, 1], Ok((Descriptor { partition_start: true, ..Descriptor::default() }, 1)), "the shortest"),
        (
            &[0x27, 1],
            Ok((Descriptor { non_reference: true, partition: 7, ..Descriptor::default() }, 1)),
            "reserved bits are not the partition",
        ),
        (&[0x80], Err(CodecError::TooShort), "no flags"),
        (&[0x80, 0x80], Err(CodecError::TooShort), "no picture id"),
        (&[0x80, 0x80, 0x80], Err(CodecError::TooShort), "half a picture id"),
        (
            &[0x80, 0x80, 0x7f, 1],
            Ok((Descriptor { picture_id: Some(127), ..Descriptor::default() }, 3)),
            "7 bits",
        ),
        (
            &[0x80, 0x80, 0x80, 0x7f, 1],
            Ok((Descriptor { picture_id: Some(127), ..Descriptor::default() }, 4)),
            "the same in 15 bits",
        ),
        (&[0x90, 0xf0, 0x92, 0x34, 5, 0xb1, 1], Ok((full(), 6)), "everything"),
        (
            &[0x80, 0x10, 0xf1, 1],
            Ok((Descriptor { key_index: Some(17), ..Descriptor::default() }, 3)),
            "without T, TID and Y do not count",
        ),
        (
            &[0x80, 0x20, 0x9f, 1],
            Ok((
                Descriptor { temporal: Some(Temporal { layer: 2, sync: false }), ..Descriptor::default() },
                3,
            )),
            "without K, KEYIDX does not count",
        ),
    ];
    for (payload, expected, why) in cases {
        assert_eq!(Descriptor::parse(payload), expected, "{why}");
    }
}

#[test]
fn finds_keyframes() {
    let key = [0x10, 0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x00, 0x45, 0xd0, 0x02];
    let with = |at: usize, byte: u8| {
        let mut payload = key.to_vec();
        payload[at] = byte;
        payload
    };
    type Seen = Result<(bool, bool, Option<(u16, u16)>), CodecError>;
    let cases: [(&[u8], Seen, &str); 8] = [
        (&key, Ok((true, true, Some((1280, 720)))), "S=1, PID=0, P=0; bits of scaling are no pixels"),
        (&with(1, 0x11), Ok((true, false, None)), "P=1"),
        (&with(0, 0x00), Ok((false, false, None)), "S=0: inside a frame"),
        (&with(0, 0x11), Ok((false, false, None)), "PID=1: another partition"),
        (&with(4, 0x9c), Err(CodecError::Malformed), "wrong start code"),
        (&with(8, 0), Err(CodecError::Malformed), "no width"),
        (&key[..9], Ok((true, true, None)), "cut before its size"),
        (&[0x10, 0x10], Ok((true, true, None)), "cut after one byte"),
    ];
    for (payload, expected, why) in cases {
        let seen = peek(payload).map(|i| (i.frame_start, i.keyframe_start, i.size()));
        assert_eq!(seen, expected, "{why}");
    }
}

fn descriptors() -> impl Strategy<Value = Descriptor> {
    (
        any::<bool>(),
        any::<bool>(),
        0u8..8,
        proptest::option::of(0u16..0x8000),
        any::<Option<u8>>(),
        proptest::option::of((0u8..4, any::<bool>())),
        proptest::option::of(0u8..32),
    )
        .prop_map(|(non_reference, partition_start, partition, picture_id, tl0, temporal, key_index)| {
            Descriptor {
                non_reference,
                partition_start,
                partition,
                picture_id,
                tl0_picture_index: tl0,
                temporal: temporal.map(|(layer, sync)| Temporal { layer, sync }),
                key_index,
            }
        })
}

proptest! {
    #[test]
    fn what_is_written_is_parsed(descriptor in descriptors(), tail in proptest::collection::vec(any::<u8>(), 1..5)) {
        let mut bytes = Vec::new();
        let written = descriptor.write(&mut bytes);
        prop_assert_eq!(written, bytes.len());
        prop_assert!(written <= MAX_DESCRIPTOR);
        bytes.extend(tail);
        prop_assert_eq!(Descriptor::parse(&bytes), Ok((descriptor, written)));
    }

    #[test]
    fn what_is_parsed_is_written_with_15_bits(bytes in proptest::collection::vec(any::<u8>(), 0..12)) {
        if let Ok((descriptor, length)) = Descriptor::parse(&bytes) {
            let mut again = Vec::new();
            let written = descriptor.write(&mut again);
            // Longer by the second byte of a short picture id, shorter by an extension byte that announced nothing.
            prop_assert!(written <= length + 1);
            again.push(0);
            prop_assert_eq!(Descriptor::parse(&again), Ok((descriptor, written)));
        }
    }

    #[test]
    fn frame_headers_round_trip(keyframe: bool, shown: bool, first_partition in 0u32..0x8_0000, width in 1u16..0x4000, height in 1u16..0x4000) {
        let header = FrameHeader { keyframe, shown, first_partition, size: keyframe.then_some((width, height)) };
        let mut bytes = Vec::new();
        prop_assert_eq!(header.write(&mut bytes), bytes.len());
        prop_assert_eq!(FrameHeader::parse(&bytes), Ok(header));
    }

    #[test]
    fn agrees_with_the_rtp_crate(bytes in proptest::collection::vec(any::<u8>(), 7..20)) {
        use rtp::packetizer::Depacketizer;
        let mut theirs = rtp::codec::vp8::Vp8Packet::default();
        let rest = theirs.depacketize(&bytes::Bytes::from(bytes.clone()));
        if let (Ok((ours, length)), Ok(rest)) = (Descriptor::parse(&bytes), rest) {
            prop_assert_eq!(bytes.len() - rest.len(), length);
            prop_assert_eq!(u8::from(ours.partition_start), theirs.s);
            prop_assert_eq!(ours.partition, theirs.pid);
            prop_assert_eq!(ours.picture_id.unwrap_or(0), theirs.picture_id);
            prop_assert_eq!(ours.tl0_picture_index.unwrap_or(0), theirs.tl0_pic_idx);
        }
    }
}
