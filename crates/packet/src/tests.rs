//! Headers in and out, held against the `rtp` crate and against each other.

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use rtc_shared::marshal::{Marshal, Unmarshal};

use crate::extension::{AudioLevel, ExtensionIds, ExtensionUri, Extensions};
use crate::header::{OutgoingHeader, put_padding};
use crate::ids::{Mid, Rid};
use crate::rtp_packet::{RtpError, RtpPacket};

fn browser_ids() -> ExtensionIds {
    ExtensionIds::from_iter([
        (ExtensionUri::AudioLevel, 1),
        (ExtensionUri::TransportWide, 3),
        (ExtensionUri::Mid, 4),
        (ExtensionUri::Rid, 10),
        (ExtensionUri::RepairedRid, 11),
        (ExtensionUri::LayersAllocation, 13),
    ])
}

/// Version 2, payload type 96, sequence 0x1234, timestamp 1, SSRC 2.
fn fixed(flags: u8) -> Vec<u8> {
    vec![flags, 96, 0x12, 0x34, 0, 0, 0, 1, 0, 0, 0, 2]
}

#[test]
fn takes_a_packet_apart() {
    let mut bytes = fixed(0xb1);
    bytes[1] |= 0x80;
    bytes.extend([9, 9, 9, 9]); // one CSRC
    bytes.extend([0xbe, 0xde, 0, 4]);
    bytes.extend([0x10, 0x85, 0x31, 0xab, 0xcd, 0x40, b'0', 0xa0]);
    bytes.extend([b'q', 0xb0, b'h', 0xd2, 1, 2, 3, 0]);
    bytes.extend([7, 7, 7]);
    bytes.extend([0, 0, 3]);
    let size = bytes.len();
    let packet = RtpPacket::parse(bytes.into(), &browser_ids()).unwrap();
    let expected = RtpPacket {
        ssrc: 2,
        payload_type: 96,
        sequence: 0x1234,
        timestamp: 1,
        marker: true,
        extensions: Extensions {
            mid: Mid::parse("0"),
            rid: Rid::parse("q"),
            repaired_rid: Rid::parse("h"),
            transport_wide: Some(0xabcd),
            audio_level: Some(AudioLevel { voice: true, dbov: 5 }),
            layers_allocation: Some(Bytes::from_static(&[1, 2, 3])),
            dependency_descriptor: None,
        },
        payload: Bytes::from_static(&[7, 7, 7]),
        padding: 3,
        wire_size: size,
    };
    assert_eq!(packet, expected);
}

#[test]
fn refuses_what_is_no_packet() {
    let with = |flags: u8, tail: &[u8]| [fixed(flags), tail.to_vec()].concat();
    type Seen = Result<(usize, u8), RtpError>; // bytes of payload and of padding
    let cases: [(Vec<u8>, Seen, &str); 15] = [
        (vec![], Err(RtpError::TooShort), "nothing"),
        (fixed(0x80)[..11].to_vec(), Err(RtpError::TooShort), "half a fixed header"),
        (fixed(0x40), Err(RtpError::Version), "version 1"),
        (fixed(0x80), Ok((0, 0)), "no payload is legal"),
        (fixed(0x81), Err(RtpError::TooShort), "no room for the CSRC"),
        (with(0x8f, &[0; 60]), Ok((0, 0)), "fifteen CSRCs"),
        (with(0x90, &[0xbe, 0xde, 0]), Err(RtpError::TooShort), "half an extension header"),
        (with(0x90, &[0xbe, 0xde, 0, 1, 0, 0, 0]), Err(RtpError::TooShort), "half an extension block"),
        (with(0x90, &[0xbe, 0xde, 0, 0, 5]), Ok((1, 0)), "an empty block"),
        (
            with(0x90, &[0xbe, 0xde, 0, 1, 0x3f, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]),
            Err(RtpError::Extension),
            "an element may not reach into the payload",
        ),
        (with(0xa0, &[]), Err(RtpError::Padding), "padding without a byte to count it"),
        (with(0xa0, &[5, 0]), Err(RtpError::Padding), "padding of no bytes"),
        (with(0xa0, &[5, 3]), Err(RtpError::Padding), "padding into the header"),
        (with(0xa0, &[0, 0, 3]), Ok((0, 3)), "nothing but padding"),
        (with(0xa0, &[5, 1]), Ok((1, 1)), "a single byte of padding"),
    ];
    for (bytes, expected, why) in cases {
        let got = RtpPacket::parse(bytes.into(), &browser_ids()).map(|p| (p.payload.len(), p.padding));
        assert_eq!(got, expected, "{why}");
    }
}

#[test]
fn an_illegal_value_says_nothing() {
    let mut bytes = fixed(0x90);
    // A MID of a space, a transport-wide number of one byte, an unknown id 7.
    bytes.extend([0xbe, 0xde, 0, 2, 0x40, b' ', 0x30, 1, 0x70, 1, 0, 0, 5]);
    let packet = RtpPacket::parse(bytes.into(), &browser_ids()).unwrap();
    assert_eq!(packet.extensions, Extensions::default());
    assert!(!packet.is_padding_only());
}

#[test]
fn writes_only_what_was_negotiated() {
    let mut header = OutgoingHeader::new(2, 96, 0x1234, 1, false);
    header.mid = Mid::parse("v0");
    header.transport_wide = Some(0xabcd);
    header.audio_level = Some(AudioLevel { voice: false, dbov: 127 });
    header.csrc = Some(5);
    let twcc = ExtensionIds::from_iter([(ExtensionUri::TransportWide, 4)]);
    let high = ExtensionIds::from_iter([(ExtensionUri::TransportWide, 16), (ExtensionUri::AudioLevel, 1)]);
    let mut bare = header.clone();
    bare.csrc = None;
    let mut silent = bare.clone();
    silent.transport_wide = None;
    silent.audio_level = None;
    let frame = |length: u8| OutgoingHeader { dependency: Some((0..length).collect()), ..bare.clone() };
    let layers =
        ExtensionIds::from_iter([(ExtensionUri::DependencyDescriptor, 7), (ExtensionUri::AudioLevel, 1)]);
    let cases: [(OutgoingHeader, ExtensionIds, u8, &[u8], &str); 8] = [
        (
            frame(3),
            layers,
            0x90,
            &[0xbe, 0xde, 0, 2, 0x10, 127, 0x72, 0, 1, 2, 0, 0],
            "a short dependency descriptor",
        ),
        (
            frame(17),
            layers,
            0x90,
            &[
                0x10, 0, 0, 6, 1, 1, 127, 7, 17, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 0,
                0,
            ],
            "a long one takes two bytes for all",
        ),
        (frame(3), twcc, 0x90, &[0xbe, 0xde, 0, 1, 0x41, 0xab, 0xcd, 0], "nor what was not negotiated"),
        (frame(0), layers, 0x90, &[0xbe, 0xde, 0, 1, 0x10, 127, 0, 0], "nor nothing"),
        (bare.clone(), ExtensionIds::new(), 0x80, &[], "nothing negotiated, no block"),
        (
            header,
            twcc,
            0x91,
            &[0, 0, 0, 5, 0xbe, 0xde, 0, 1, 0x41, 0xab, 0xcd, 0],
            "CSRC, and a block padded to a word",
        ),
        (
            bare,
            high,
            0x90,
            &[0x10, 0, 0, 2, 16, 2, 0xab, 0xcd, 1, 1, 127, 0],
            "an id over 14 takes two bytes for all",
        ),
        (silent, high, 0x80, &[], "no value, no block"),
    ];
    for (header, ids, flags, tail, why) in cases {
        let mut out = Vec::new();
        assert_eq!(header.write(&ids, false, &mut out), out.len(), "{why}");
        assert_eq!(out, [fixed(flags), tail.to_vec()].concat(), "{why}");
    }
}

#[test]
fn padding_counts_itself() {
    for count in [0_u8, 1, 2, 255] {
        let mut out = vec![9];
        put_padding(count, &mut out);
        assert_eq!(out.len(), 1 + usize::from(count));
        assert!(count == 0 || out.last() == Some(&count));
    }
}

fn names() -> impl Strategy<Value = Mid> {
    "[a-zA-Z0-9]{1,16}".prop_map(|text| Mid::parse(&text).unwrap())
}

fn ids() -> impl Strategy<Value = ExtensionIds> {
    proptest::collection::vec((proptest::sample::select(ExtensionUri::ALL), 1_u8..40), 0..8)
        .prop_map(ExtensionIds::from_iter)
}

prop_compose! {
    fn headers()(
        fixed in any::<(u32, u16, u32, bool)>(),
        payload_type in 0u8..128,
        csrc: Option<u32>,
        mid in proptest::option::of(names()),
        transport_wide: Option<u16>,
        audio_level in proptest::option::of((any::<bool>(), 0u8..128)),
        dependency in proptest::option::of(proptest::collection::vec(any::<u8>(), 1..100)),
    ) -> OutgoingHeader {
        let (ssrc, sequence, timestamp, marker) = fixed;
        let audio_level = audio_level.map(|(voice, dbov)| AudioLevel { voice, dbov });
        let dependency = dependency.map(Vec::into_boxed_slice);
        OutgoingHeader { csrc, mid, transport_wide, audio_level, dependency, ..OutgoingHeader::new(ssrc, payload_type, sequence, timestamp, marker) }
    }
}

/// An `rtp` packet with extensions of one form, as any sender might make it.
fn their_packets() -> impl Strategy<Value = rtp::packet::Packet> {
    let elements = proptest::collection::vec((1u8..15, proptest::collection::vec(any::<u8>(), 1..17)), 0..6);
    (headers(), elements, any::<bool>(), proptest::collection::vec(any::<u8>(), 0..50)).prop_map(
        |(header, elements, two_bytes, payload)| {
            let mut theirs = rtp::header::Header {
                version: 2,
                marker: header.marker,
                payload_type: header.payload_type,
                sequence_number: header.sequence,
                timestamp: header.timestamp,
                ssrc: header.ssrc,
                csrc: header.csrc.into_iter().collect(),
                extension: !elements.is_empty(),
                extension_profile: if two_bytes { 0x1000 } else { 0xbede },
                ..rtp::header::Header::default()
            };
            for (id, value) in elements {
                theirs.set_extension(id, value.into()).unwrap();
            }
            rtp::packet::Packet { header: theirs, payload: payload.into() }
        },
    )
}

proptest! {
    /// What we write, the `rtp` crate reads, field by field.
    #[test]
    fn the_rtp_crate_reads_what_is_written(
        header in headers(), ids in ids(), payload in proptest::collection::vec(any::<u8>(), 0..50), padding in 0u8..20,
    ) {
        let mut out = BytesMut::new();
        let length = header.write(&ids, padding > 0, &mut out);
        prop_assert_eq!(length, out.len());
        out.extend_from_slice(&payload);
        put_padding(padding, &mut out);

        let theirs = rtp::packet::Packet::unmarshal(&mut out.clone().freeze()).unwrap();
        prop_assert_eq!(&theirs.payload[..], &payload[..]);
        prop_assert_eq!(theirs.header.ssrc, header.ssrc);
        prop_assert_eq!(theirs.header.payload_type, header.payload_type);
        prop_assert_eq!(theirs.header.sequence_number, header.sequence);
        prop_assert_eq!(theirs.header.timestamp, header.timestamp);
        prop_assert_eq!(theirs.header.marker, header.marker);
        prop_assert_eq!(theirs.header.csrc.first().copied(), header.csrc);
        let value = |uri| ids.get(uri).and_then(|id| theirs.header.get_extension(id));
        let negotiated = |uri, bytes: Option<Vec<u8>>| bytes.filter(|_| ids.get(uri).is_some());
        for (uri, bytes) in [
            (ExtensionUri::Mid, header.mid.map(|m| m.as_bytes().to_vec())),
            (ExtensionUri::TransportWide, header.transport_wide.map(|n| n.to_be_bytes().to_vec())),
            (ExtensionUri::AudioLevel, header.audio_level.map(|l| vec![l.to_byte()])),
            (ExtensionUri::DependencyDescriptor, header.dependency.as_deref().map(<[u8]>::to_vec)),
            (ExtensionUri::Rid, None),
        ] {
            prop_assert_eq!(value(uri).map(|v| v.to_vec()), negotiated(uri, bytes));
        }
    }

    /// And so do we.
    #[test]
    fn what_is_written_is_parsed(
        header in headers(), ids in ids(), payload in proptest::collection::vec(any::<u8>(), 0..50), padding in 0u8..20,
    ) {
        let mut out = Vec::new();
        header.write(&ids, padding > 0, &mut out);
        out.extend_from_slice(&payload);
        put_padding(padding, &mut out);
        let size = out.len();
        let packet = RtpPacket::parse(out.into(), &ids).unwrap();
        prop_assert_eq!(&packet.payload[..], &payload[..]);
        prop_assert_eq!((packet.padding, packet.wire_size), (padding, size));
        prop_assert_eq!(packet.extensions.mid, header.mid.filter(|_| ids.get(ExtensionUri::Mid).is_some()));
        prop_assert_eq!(packet.extensions.transport_wide, header.transport_wide.filter(|_| ids.get(ExtensionUri::TransportWide).is_some()));
        prop_assert_eq!(packet.extensions.audio_level, header.audio_level.filter(|_| ids.get(ExtensionUri::AudioLevel).is_some()));
    }

    /// The two parses agree on everything the `rtp` crate can write.
    #[test]
    fn agrees_with_the_rtp_crate(theirs in their_packets()) {
        let bytes = theirs.marshal().unwrap().freeze();
        let ids = browser_ids();
        let ours = RtpPacket::parse(bytes.clone(), &ids).unwrap();
        let again = rtp::packet::Packet::unmarshal(&mut bytes.clone()).unwrap();
        prop_assert_eq!(&ours.payload, &again.payload);
        prop_assert_eq!(
            (ours.ssrc, ours.payload_type, ours.sequence, ours.timestamp, ours.marker),
            (again.header.ssrc, again.header.payload_type, again.header.sequence_number, again.header.timestamp, again.header.marker)
        );
        let value = |uri| ids.get(uri).and_then(|id| again.header.get_extension(id));
        prop_assert_eq!(ours.extensions.mid, value(ExtensionUri::Mid).and_then(|v| Mid::from_bytes(&v)));
        prop_assert_eq!(ours.extensions.rid, value(ExtensionUri::Rid).and_then(|v| Rid::from_bytes(&v)));
        prop_assert_eq!(ours.extensions.layers_allocation, value(ExtensionUri::LayersAllocation));
        prop_assert_eq!(
            ours.extensions.transport_wide,
            value(ExtensionUri::TransportWide).filter(|v| v.len() > 1).map(|v| u16::from_be_bytes([v[0], v[1]]))
        );
        prop_assert_eq!(
            ours.extensions.audio_level,
            value(ExtensionUri::AudioLevel).map(|v| AudioLevel::from_byte(v[0]))
        );
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100), ids in ids()) {
        let _ = RtpPacket::parse(bytes.into(), &ids);
    }

    /// Bytes that get past the fixed header: every flag, any block, any tail. What is accepted adds up.
    #[test]
    fn plausible_bytes_never_panic(flags in 0x80u8..0xc0, profile in proptest::sample::select(vec![0xbede_u16, 0x1000, 0x100f, 0x1234]), words in 0u16..5, tail in proptest::collection::vec(any::<u8>(), 0..100)) {
        let mut bytes = fixed(flags);
        bytes.extend(vec![0; 4 * usize::from(flags & 0x0f)]);
        bytes.extend(profile.to_be_bytes());
        bytes.extend(words.to_be_bytes());
        bytes.extend(tail);
        let size = bytes.len();
        if let Ok(packet) = RtpPacket::parse(bytes.into(), &browser_ids()) {
            prop_assert!(packet.payload.len() + usize::from(packet.padding) + 12 <= size);
        }
    }
}
