//! Bounds that cannot be seen from outside: how many contexts there are.

use super::*;

fn pair(profile: ProtectionProfile) -> (Srtp, Srtp) {
    let provider = rtc_crypto::default_provider().unwrap();
    let keys = |byte| Keys {
        key: SecretVec::new(vec![byte; profile.key_len()]),
        salt: SecretVec::new(vec![byte; profile.salt_len()]),
    };
    let crypto = provider.crypto();
    (
        Srtp::new(profile, &keys(1), keys(2), crypto).unwrap(),
        Srtp::new(profile, &keys(2), keys(1), crypto).unwrap(),
    )
}

fn packet(ssrc: u32, sequence: u16) -> Vec<u8> {
    let mut packet = vec![0x80, 96];
    packet.extend(sequence.to_be_bytes());
    packet.extend([0; 4]);
    packet.extend(ssrc.to_be_bytes());
    packet.extend(b"payload");
    packet
}

const PROFILES: [ProtectionProfile; 2] =
    [ProtectionProfile::AeadAes128Gcm, ProtectionProfile::Aes128CmHmacSha1_80];

#[test]
fn opens_what_the_other_side_seals_once() {
    let provider = rtc_crypto::default_provider().unwrap();
    for profile in PROFILES {
        let (mut a, mut b) = pair(profile);
        let plain = packet(7, 1);
        let sealed = a.seal_rtp(&plain).unwrap();
        assert_eq!(b.open_rtp(&sealed, provider.crypto()).unwrap(), plain);
        assert_eq!(b.open_rtp(&sealed, provider.crypto()), Err(Refused::Replayed));
        let report = [0x81, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2];
        let sealed = a.seal_rtcp(&report).unwrap();
        assert_eq!(b.open_rtcp(&sealed, provider.crypto()).unwrap(), report[..]);
        assert_eq!(b.open_rtcp(&sealed, provider.crypto()), Err(Refused::Replayed));
        for cut in 0..sealed.len() {
            assert!(b.open_rtcp(&sealed[..cut], provider.crypto()).is_err(), "{cut}");
        }
    }
}

#[test]
fn only_genuine_streams_get_a_context_and_only_so_many() {
    let provider = rtc_crypto::default_provider().unwrap();
    for profile in PROFILES {
        let (mut a, mut b) = pair(profile);
        for ssrc in 0..1_000 {
            assert_eq!(
                b.open_rtp(&packet(ssrc, 1).repeat(2), provider.crypto()),
                Err(Refused::Unauthenticated)
            );
        }
        assert_eq!(b.inbound.rtp.0.len(), 0);
        assert!(b.inbound.on_probation < MAX_PROBATION, "the context on probation was replaced");
        for ssrc in 0..MAX_CONTEXTS as u32 + 20 {
            let sealed = a.seal_rtp(&packet(ssrc, 1)).unwrap();
            b.open_rtp(&sealed, provider.crypto()).unwrap();
            // The first is in use all the time.
            let sealed = a.seal_rtp(&packet(0, 2 + ssrc as u16)).unwrap();
            b.open_rtp(&sealed, provider.crypto()).unwrap();
        }
        assert_eq!(b.inbound.rtp.0.len(), MAX_CONTEXTS);
        assert!(b.inbound.rtp.0.contains_key(&0), "the idle ones made room");
        b.forget(0);
        assert!(!b.inbound.rtp.0.contains_key(&0));
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
        use rtc_shared::marshal::MarshalSize;
        let header = header_of(&bytes);
        assert_eq!(header.as_ref().map(MarshalSize::marshal_size), expected, "{why}");
    }
}
