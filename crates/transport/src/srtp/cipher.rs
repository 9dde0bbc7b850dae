//! The two ciphers of SRTP: AES-128 in Galois/Counter Mode (RFC 7714), and AES-128 in Counter Mode with HMAC-SHA1 of 80 bits
//! (RFC 3711 §4).
//!
//! Owns the keys of one direction and of one kind of packet, derived from the master key (RFC 3711 §4.3), and works in the memory
//! that the packet is in. Leaves which number a packet has, and whether it may be used again, to its owner.

use rtc_crypto::{
    AeadAlgorithm, AeadCipher, BlockCipherAlgorithm, CryptoError, HmacAlgorithm, Mac, RTCCrypto, SecretVec,
    StreamCipher, StreamCipherAlgorithm, constant_time_eq,
};
use rtc_srtp::protection_profile::ProtectionProfile;

use super::{Keys, Refused};

/// Of both ciphers.
const KEY: usize = 16;
/// RFC 7714 §8.1.
const GCM_SALT: usize = 12;
/// RFC 3711 §4.1.1.
const CM_SALT: usize = 14;
/// RFC 7714 §13.1.
const GCM_TAG: usize = 16;
/// RFC 3711 §5.2: 80 bits of what SHA-1 gives.
const SHA1_TAG: usize = 10;
const SHA1: usize = 20;

/// What a key protects (RFC 3711 §4.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Rtp,
    Rtcp,
}

/// What a session key is for (RFC 3711 §4.3.1, the labels of RTP; those of RTCP are three higher).
#[derive(Clone, Copy)]
enum Label {
    Encryption = 0,
    Authentication = 1,
    Salt = 2,
}

/// What a packet is sealed with: as many bytes as its cipher has.
pub(super) struct Tag {
    bytes: [u8; SHA1],
    length: usize,
}

impl std::ops::Deref for Tag {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// The number of a packet in its stream, and what goes with it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) ssrc: u32,
    /// 48 bits for RTP: rollover counter and sequence number. 31 bits for RTCP.
    pub(super) index: u64,
}

/// A cipher with the keys of one direction.
pub(super) struct Cipher {
    kind: Kind,
    algorithm: Algorithm,
}

enum Algorithm {
    Gcm { aead: Box<dyn AeadCipher>, salt: [u8; GCM_SALT] },
    CmSha1 { stream: Box<dyn StreamCipher>, mac: Box<dyn Mac>, salt: [u8; CM_SALT] },
}

impl Cipher {
    /// # Errors
    /// A profile that is neither of the two, keys of another length than it wants, or a provider that lacks the cipher.
    pub(super) fn new(
        profile: ProtectionProfile,
        kind: Kind,
        keys: &Keys,
        crypto: &dyn RTCCrypto,
    ) -> Result<Self, CryptoError> {
        let derive = |label, output: &mut [u8]| derive(crypto, keys, kind, label, output);
        let mut key = SecretVec::new(vec![0; KEY]);
        derive(Label::Encryption, key.as_mut())?;
        match profile {
            ProtectionProfile::AeadAes128Gcm => {
                let mut salt = [0; GCM_SALT];
                derive(Label::Salt, &mut salt)?;
                Self::gcm(kind, key.as_ref(), salt, crypto)
            }
            _ => {
                let (mut salt, mut authentication) = ([0; CM_SALT], SecretVec::new(vec![0; SHA1]));
                derive(Label::Salt, &mut salt)?;
                derive(Label::Authentication, authentication.as_mut())?;
                let stream = crypto.new_stream_cipher(StreamCipherAlgorithm::Aes128Ctr, key.as_ref())?;
                let mac = crypto.new_hmac(HmacAlgorithm::Sha1, authentication.as_ref())?;
                Ok(Self { kind, algorithm: Algorithm::CmSha1 { stream, mac, salt } })
            }
        }
    }

    /// AES-GCM with a session key and its salt.
    fn gcm(
        kind: Kind,
        key: &[u8],
        salt: [u8; GCM_SALT],
        crypto: &dyn RTCCrypto,
    ) -> Result<Self, CryptoError> {
        let aead = crypto.new_aead(AeadAlgorithm::Aes128Gcm, key)?;
        Ok(Self { kind, algorithm: Algorithm::Gcm { aead, salt } })
    }

    /// Bytes of a tag.
    pub(super) fn tag_length(&self) -> usize {
        match self.algorithm {
            Algorithm::Gcm { .. } => GCM_TAG,
            Algorithm::CmSha1 { .. } => SHA1_TAG,
        }
    }

    /// Whether the word of an SRTCP packet (its flag and index) stands behind the tag (RFC 7714 §9.2) and not in front of it
    /// (RFC 3711 §3.4).
    pub(super) fn word_is_last(&self) -> bool {
        matches!(self.algorithm, Algorithm::Gcm { .. })
    }

    /// Encrypts `body` in place; `head` stays in the clear. `word` is the word of an SRTCP packet, nothing for RTP.
    pub(super) fn seal(
        &mut self,
        place: Place,
        head: &[u8],
        body: &mut [u8],
        word: [u8; 4],
    ) -> Result<Tag, CryptoError> {
        let mut bytes = [0; SHA1];
        match &mut self.algorithm {
            Algorithm::Gcm { aead, salt } => {
                let nonce = nonce(salt, place, 2);
                let tag = &mut bytes[..GCM_TAG];
                match self.kind {
                    Kind::Rtp => aead.seal_in_place(&nonce, head, body, tag)?,
                    Kind::Rtcp => aead.seal_in_place(&nonce, &authenticated(head, word), body, tag)?,
                }
            }
            Algorithm::CmSha1 { stream, mac, salt } => {
                stream.apply_keystream(&counter(salt, place), body)?;
                mac.sign(&[head, body, &trailer(self.kind, place, word)], &mut bytes)?;
            }
        }
        Ok(Tag { bytes, length: self.tag_length() })
    }

    /// Checks the tag and decrypts `body` in place. What is refused may be anything afterwards.
    pub(super) fn open(
        &mut self,
        place: Place,
        head: &[u8],
        body: &mut [u8],
        word: [u8; 4],
        tag: &[u8],
    ) -> Result<(), Refused> {
        let refused = |_| Refused::Unauthenticated;
        match &mut self.algorithm {
            Algorithm::Gcm { aead, salt } => {
                let nonce = nonce(salt, place, 2);
                match self.kind {
                    Kind::Rtp => aead.open_in_place(&nonce, head, body, tag),
                    Kind::Rtcp => aead.open_in_place(&nonce, &authenticated(head, word), body, tag),
                }
                .map_err(refused)
            }
            Algorithm::CmSha1 { stream, mac, salt } => {
                let mut expected = [0; SHA1];
                mac.sign(&[head, body, &trailer(self.kind, place, word)], &mut expected).map_err(refused)?;
                if !constant_time_eq(&expected[..SHA1_TAG], tag) {
                    return Err(Refused::Unauthenticated);
                }
                stream.apply_keystream(&counter(salt, place), body).map_err(refused)
            }
        }
    }
}

/// RFC 3711 §4.3.3 with a key derivation rate of zero (RFC 5764 §4.1.2): AES in counter mode, started with the master salt and
/// the label. A shorter salt is one with zeros behind it (RFC 7714 §11).
fn derive(
    crypto: &dyn RTCCrypto,
    keys: &Keys,
    kind: Kind,
    label: Label,
    output: &mut [u8],
) -> Result<(), CryptoError> {
    let salt = keys.salt.as_ref();
    let mut start = [0; 16];
    let expected = CM_SALT;
    let room = start.get_mut(..salt.len()).filter(|room| room.len() <= expected);
    let wrong = CryptoError::InvalidNonceLength { expected, actual: salt.len() };
    room.ok_or(wrong)?.copy_from_slice(salt);
    start[7] ^= label as u8 + if kind == Kind::Rtcp { 3 } else { 0 };
    for (number, part) in (0u16..).zip(output.chunks_mut(16)) {
        start[14..].copy_from_slice(&number.to_be_bytes());
        let mut block = start;
        crypto.block_encrypt(BlockCipherAlgorithm::Aes128, keys.key.as_ref(), &mut block)?;
        part.copy_from_slice(&block[..part.len()]);
    }
    Ok(())
}

/// The salt with SSRC and index laid over it from `at` on (RFC 7714 §8.1 and §9.1, RFC 3711 §4.1.1).
fn nonce<const N: usize>(salt: &[u8; N], place: Place, at: usize) -> [u8; N] {
    let mut nonce = *salt;
    let index = place.index.to_be_bytes();
    let laid = place.ssrc.to_be_bytes().into_iter().chain(index[2..].iter().copied());
    nonce[at..].iter_mut().zip(laid).for_each(|(byte, over)| *byte ^= over);
    nonce
}

/// The counter of the first block (RFC 3711 §4.1.1).
fn counter(salt: &[u8; CM_SALT], place: Place) -> [u8; 16] {
    let mut counter = [0; 16];
    counter[..CM_SALT].copy_from_slice(&nonce(salt, place, 4));
    counter
}

/// What of an SRTCP packet is authenticated and not encrypted: its first eight bytes and its word (RFC 7714 §9.2).
fn authenticated(head: &[u8], word: [u8; 4]) -> [u8; 12] {
    let mut bytes = [0; 12];
    bytes[..8].copy_from_slice(&head[..8]);
    bytes[8..].copy_from_slice(&word);
    bytes
}

/// What HMAC takes in besides the packet: the rollover counter or the word (RFC 3711 §4.2).
fn trailer(kind: Kind, place: Place, word: [u8; 4]) -> [u8; 4] {
    match kind {
        Kind::Rtp => ((place.index >> 16) as u32).to_be_bytes(),
        Kind::Rtcp => word,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    }

    /// RFC 3711 appendix B.3.
    #[test]
    fn session_keys_are_those_of_the_standard() {
        let provider = rtc_crypto::default_provider().unwrap();
        let keys = Keys {
            key: SecretVec::new(bytes("e1f97a0d3e018be0d64fa32c06de4139")),
            salt: SecretVec::new(bytes("0ec675ad498afeebb6960b3aabe6")),
        };
        for (label, expected) in [
            (Label::Encryption, "c61e7a93744f39ee10734afe3ff7a087"),
            (Label::Salt, "30cbbc08863d8c85d49db34a9ae1"),
            (Label::Authentication, "cebe321f6ff7716b6fd4ab49af256a156d38baa4"),
        ] {
            let mut derived = vec![0; expected.len() / 2];
            derive(provider.crypto(), &keys, Kind::Rtp, label, &mut derived).unwrap();
            assert_eq!(derived, bytes(expected));
        }
        let long = Keys { key: keys.key, salt: SecretVec::new(vec![0; 17]) };
        assert!(derive(provider.crypto(), &long, Kind::Rtp, Label::Salt, &mut [0]).is_err());
    }

    /// RFC 7714 §16.1.1.
    #[test]
    fn gcm_gives_the_packet_of_the_standard() {
        let provider = rtc_crypto::default_provider().unwrap();
        let key = bytes("000102030405060708090a0b0c0d0e0f");
        let mut cipher = Cipher::gcm(Kind::Rtp, &key, *b"Quid pro quo", provider.crypto()).unwrap();
        let head = bytes("8040f17b8041f8d35501a0b2");
        let mut body = b"Gallia est omnis divisa in partes tres".to_vec();
        let place = Place { ssrc: 0x5501_a0b2, index: 0xf17b };
        let tag = cipher.seal(place, &head, &mut body, [0; 4]).unwrap();
        let sealed = "f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833";
        assert_eq!(body, bytes(sealed));
        assert_eq!(tag[..], bytes("899d7f27beb16a9152cf765ee4390cce"));
    }

    /// RFC 3711 appendix B.2.
    #[test]
    fn counters_begin_as_in_the_standard() {
        let salt: [u8; 14] = bytes("f0f1f2f3f4f5f6f7f8f9fafbfcfd").try_into().unwrap();
        let start = counter(&salt, Place { ssrc: 0, index: 0 });
        assert_eq!(start[..], bytes("f0f1f2f3f4f5f6f7f8f9fafbfcfd0000"));
        let start = counter(&salt, Place { ssrc: 0x0102_0304, index: 0x0506_0708_090a });
        assert_eq!(start[4..8], [0xf4 ^ 1, 0xf5 ^ 2, 0xf6 ^ 3, 0xf7 ^ 4]);
        assert_eq!(start[8..14], [0xf8 ^ 5, 0xf9 ^ 6, 0xfa ^ 7, 0xfb ^ 8, 0xfc ^ 9, 0xfd ^ 10]);
    }
}
