//! Bounds that cannot be seen from outside, and agreement with the contexts of `rtc-srtp`.

use proptest::prelude::*;
use rtc_srtp::context::Context;

use super::*;

fn keys(profile: ProtectionProfile, byte: u8) -> Keys {
    Keys {
        key: SecretVec::new(vec![byte; profile.key_len()]),
        salt: SecretVec::new(vec![byte; profile.salt_len()]),
    }
}

fn pair(profile: ProtectionProfile) -> (Srtp, Srtp) {
    let provider = rtc_crypto::default_provider().unwrap();
    let (a, b) = (keys(profile, 1), keys(profile, 2));
    let make = |local, remote| Srtp::new(profile, local, remote, provider.crypto()).unwrap();
    (make(&a, &b), make(&b, &a))
}

/// The library's context with the keys that the first of a [`pair`] seals with.
fn reference(profile: ProtectionProfile) -> Context {
    let provider = rtc_crypto::default_provider().unwrap();
    let keys = keys(profile, 1);
    Context::new(keys.key.as_ref(), keys.salt.as_ref(), profile, None, None, provider.crypto()).unwrap()
}

fn packet(ssrc: u32, sequence: u16) -> Vec<u8> {
    let mut packet = vec![0x80, 96];
    packet.extend(sequence.to_be_bytes());
    packet.extend([0; 4]);
    packet.extend(ssrc.to_be_bytes());
    packet.extend(b"payload");
    packet
}

fn seal(srtp: &mut Srtp, plain: &[u8]) -> Result<BytesMut, NotSealed> {
    let mut packet = BytesMut::from(plain);
    srtp.seal_rtp(&mut packet, 0).map(|()| packet)
}

fn seal_rtcp(srtp: &mut Srtp, plain: &[u8]) -> Result<BytesMut, NotSealed> {
    let mut packet = BytesMut::from(plain);
    srtp.seal_rtcp(&mut packet).map(|()| packet)
}

fn open(srtp: &mut Srtp, sealed: &[u8]) -> Result<BytesMut, Refused> {
    let mut packet = BytesMut::from(sealed);
    srtp.open_rtp(&mut packet).map(|()| packet)
}

fn open_rtcp(srtp: &mut Srtp, sealed: &[u8]) -> Result<BytesMut, Refused> {
    let mut packet = BytesMut::from(sealed);
    srtp.open_rtcp(&mut packet).map(|()| packet)
}

const PROFILES: [ProtectionProfile; 2] =
    [ProtectionProfile::AeadAes128Gcm, ProtectionProfile::Aes128CmHmacSha1_80];
const REPORT: [u8; 12] = [0x81, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2];

#[test]
fn opens_what_the_other_side_seals_once() {
    for profile in PROFILES {
        let (mut a, mut b) = pair(profile);
        let plain = packet(7, 1);
        let sealed = seal(&mut a, &plain).unwrap();
        assert_eq!(open(&mut b, &sealed).unwrap(), plain);
        assert_eq!(open(&mut b, &sealed), Err(Refused::Replayed));
        let sealed = seal_rtcp(&mut a, &REPORT).unwrap();
        assert_eq!(open_rtcp(&mut b, &sealed).unwrap(), REPORT[..]);
        assert_eq!(open_rtcp(&mut b, &sealed), Err(Refused::Replayed));
        for cut in 0..sealed.len() {
            assert!(open_rtcp(&mut b, &sealed[..cut]).is_err(), "{cut}");
        }
    }
}

#[test]
fn no_number_leaves_twice() {
    for profile in PROFILES {
        let (mut a, _) = pair(profile);
        for (sequence, expected, why) in [
            (5, Ok(()), "the first"),
            (5, Err(NotSealed), "again"),
            (7, Ok(()), "one left out"),
            (6, Ok(()), "which comes late"),
            (6, Err(NotSealed), "once"),
            (4, Ok(()), "older than all, and not used"),
            (65_535, Err(NotSealed), "before the beginning there is no rollover"),
            (2_000, Ok(()), "far ahead"),
            (900, Err(NotSealed), "too old to tell"),
        ] {
            assert_eq!(seal(&mut a, &packet(7, sequence)).map(|_| ()), expected, "{why}");
        }
        assert_eq!(seal(&mut a, &packet(8, 5)).map(|_| ()), Ok(()), "another stream has numbers of its own");
        assert_eq!(seal(&mut a, &[0x80, 96]), Err(NotSealed), "not a packet");
        assert_eq!(seal_rtcp(&mut a, &REPORT[..4]), Err(NotSealed), "not a packet either");
        a.outbound.rtcp_index = ENCRYPTED - 1;
        assert!(seal_rtcp(&mut a, &REPORT).is_ok(), "the last one");
        assert_eq!(seal_rtcp(&mut a, &REPORT), Err(NotSealed), "the keys are used up");
    }
}

#[test]
fn only_genuine_streams_are_remembered_and_only_so_many() {
    for profile in PROFILES {
        let (mut a, mut b) = pair(profile);
        for ssrc in 0..1_000 {
            assert_eq!(open(&mut b, &packet(ssrc, 1).repeat(2)), Err(Refused::Unauthenticated));
        }
        assert_eq!(b.inbound.rtp_streams.ssrcs.len(), 0);
        for ssrc in 0..MAX_STREAMS as u32 + 20 {
            let sealed = seal(&mut a, &packet(ssrc, 1)).unwrap();
            open(&mut b, &sealed).unwrap();
            // The first is in use all the time.
            let sealed = seal(&mut a, &packet(0, 2 + ssrc as u16)).unwrap();
            open(&mut b, &sealed).unwrap();
        }
        let streams = &b.inbound.rtp_streams;
        assert_eq!((streams.ssrcs.len(), streams.states.len()), (MAX_STREAMS, MAX_STREAMS));
        assert!(streams.find(0).is_some(), "the idle ones made room");
        b.forget(0);
        assert!(b.inbound.rtp_streams.find(0).is_none());
    }
}

#[test]
fn measures_headers_as_they_are() {
    let extension = [&packet(7, 1)[..12], &[0xbe, 0xde, 0, 2, 0xf0, 0, 0, 0, 1, 2, 3, 4], b"x"].concat();
    let cases: [(u8, Vec<u8>, Option<usize>, &str); 7] = [
        (0x80, packet(7, 1), Some(12), "plain"),
        (0x82, packet(7, 1), None, "CSRCs past the end"),
        (0x81, packet(7, 1), Some(16), "a CSRC"),
        (0x90, extension.clone(), Some(24), "an extension block that ends early"),
        (0x90, extension[..23].to_vec(), None, "an extension block cut off"),
        (0x90, extension[..15].to_vec(), None, "its length cut off"),
        (0x40, packet(7, 1), None, "version 1"),
    ];
    for (flags, mut bytes, expected, why) in cases {
        bytes[0] = flags;
        assert_eq!(Header::of(&bytes).map(|header| header.length), expected, "{why}");
    }
}

#[test]
fn rtcp_in_the_clear_is_not_genuine() {
    for profile in PROFILES {
        let (mut a, mut b) = pair(profile);
        let mut sealed = seal_rtcp(&mut a, &REPORT).unwrap();
        let tag = if matches!(profile, ProtectionProfile::AeadAes128Gcm) { 0 } else { 10 };
        let flag = sealed.len() - tag - RTCP_WORD;
        assert_eq!(sealed[flag] & 0x80, 0x80);
        sealed[flag] &= 0x7f;
        assert_eq!(open_rtcp(&mut b, &sealed), Err(Refused::Unauthenticated));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn agrees_with_the_library(
        start in 0u16..30_000,
        steps in proptest::collection::vec((1u16..9_000, 0usize..40, any::<u32>()), 1..40),
        is_gcm: bool,
    ) {
        let profile = PROFILES[usize::from(!is_gcm)];
        let (mut ours, mut other) = pair(profile);
        let (mut theirs, mut sequences) = (reference(profile), [start; 3]);
        for (step, length, word) in steps {
            let ssrc = word % 3;
            let sequence = &mut sequences[ssrc as usize];
            *sequence = sequence.wrapping_add(step);
            let mut plain = packet(ssrc, *sequence);
            plain.extend(std::iter::repeat_n(word as u8, length));
            let expected = theirs.encrypt_rtp(&plain);
            let sealed = seal(&mut ours, &plain);
            prop_assert_eq!(sealed.as_ref().ok(), expected.as_ref().ok());
            if let Ok(sealed) = sealed {
                let opened = open(&mut other, &sealed);
                prop_assert_eq!(opened.as_deref(), Ok(&plain[..]));
            }
            let report = [&REPORT[..4], &7u32.to_be_bytes(), &word.to_be_bytes()].concat();
            prop_assert_eq!(seal_rtcp(&mut ours, &report).ok(), theirs.encrypt_rtcp(&report).ok());
        }
    }

    #[test]
    fn whatever_comes_is_refused(bytes in proptest::collection::vec(any::<u8>(), 0..80), is_gcm: bool) {
        let (_, mut b) = pair(PROFILES[usize::from(!is_gcm)]);
        prop_assert!(open(&mut b, &bytes).is_err());
        prop_assert!(open_rtcp(&mut b, &bytes).is_err());
    }
}
