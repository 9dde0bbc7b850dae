//! SRTP and SRTCP of one transport (RFC 3711, RFC 7714).
//!
//! Owns which stream a packet is of, which index it has, and that none is used twice in either direction; the ciphers are in
//! `cipher`, over the primitives of `rtc-crypto`. Ours and not the contexts of `rtc-srtp`, since sealing is what a server does most
//! per packet: those allocate and copy each time, look the stream up twice in a hash map, and remember every SSRC that they are
//! shown before they know whether the packet is genuine. Here a packet is sealed where it was written, streams are a sorted list, and
//! only a packet that was opened makes its stream known. All tables are bounded. The tests hold both against each other.

mod cipher;
mod used;

use bytes::BytesMut;
use rtc_crypto::{CryptoError, RTCCrypto, SecretVec};
use rtc_srtp::protection_profile::ProtectionProfile;

use cipher::{Cipher, Kind, Place};
use used::Used;

/// Words of 64 packets of an SSRC that may be overtaken without being taken for repeated: 1.7 s of the 600 packets per second
/// that a hard 720p scene has.
const RTP_WINDOW: usize = 16;
/// The same for RTCP, of which a stream has a few per second.
const RTCP_WINDOW: usize = 1;
/// Arriving SSRCs that are remembered: twice what the most sections with the most encodings and their retransmissions use.
const MAX_STREAMS: usize = 256;
/// RFC 3711 §3.4: the encryption flag and the index.
const RTCP_WORD: usize = 4;
/// The first eight bytes of RTCP stay in the clear.
const RTCP_HEAD: usize = 8;
const ENCRYPTED: u32 = 1 << 31;
/// Bytes that sealing adds at most: the longest tag, and the word of RTCP.
pub(crate) const MAX_OVERHEAD: usize = 16 + RTCP_WORD;

/// Why a packet was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Too short, or its header does not fit.
    Malformed,
    /// Wrong tag.
    Unauthenticated,
    /// Received before, or older than the replay window.
    Replayed,
}

/// A packet was not sealed: it is none, its number was used, or all of them were (RFC 3711 §9.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotSealed;

/// Master keys for one direction.
pub(crate) struct Keys {
    pub(crate) key: SecretVec,
    pub(crate) salt: SecretVec,
}

/// Opens what arrives and seals what leaves.
pub(crate) struct Srtp {
    inbound: Inbound,
    outbound: Outbound,
}

struct Inbound {
    rtp: Cipher,
    rtcp: Cipher,
    rtp_streams: Streams<RTP_WINDOW>,
    rtcp_streams: Streams<RTCP_WINDOW>,
}

struct Outbound {
    rtp: Cipher,
    rtcp: Cipher,
    rtp_streams: Streams<RTP_WINDOW>,
    /// Of the next SRTCP packet, whichever SSRC it has: every nonce has the index in it.
    rtcp_index: u32,
}

impl Srtp {
    pub(crate) fn new(
        profile: ProtectionProfile,
        local: &Keys,
        remote: &Keys,
        crypto: &dyn RTCCrypto,
    ) -> Result<Self, CryptoError> {
        let cipher = |kind, keys| Cipher::new(profile, kind, keys, crypto);
        let inbound = Inbound {
            rtp: cipher(Kind::Rtp, remote)?,
            rtcp: cipher(Kind::Rtcp, remote)?,
            rtp_streams: Streams::default(),
            rtcp_streams: Streams::default(),
        };
        let outbound = Outbound {
            rtp: cipher(Kind::Rtp, local)?,
            rtcp: cipher(Kind::Rtcp, local)?,
            rtp_streams: Streams::default(),
            rtcp_index: 1,
        };
        Ok(Self { inbound, outbound })
    }

    /// Opens an RTP packet where it is. What is refused may be anything afterwards.
    pub(crate) fn open_rtp(&mut self, datagram: &mut BytesMut) -> Result<(), Refused> {
        let Inbound { rtp: cipher, rtp_streams: streams, .. } = &mut self.inbound;
        let header = Header::of(datagram).ok_or(Refused::Malformed)?;
        let end = datagram.len().checked_sub(cipher.tag_length()).filter(|end| *end >= header.length);
        let end = end.ok_or(Refused::Malformed)?;
        let known = streams.find(header.ssrc);
        let index = match known {
            Some(used) => used.index_of(header.sequence).ok_or(Refused::Unauthenticated)?,
            None => header.sequence.into(),
        };
        if known.is_some_and(|used| !used.is_free(index)) {
            return Err(Refused::Replayed);
        }
        let (plain, tag) = datagram.split_at_mut(end);
        let (head, body) = plain.split_at_mut(header.length);
        cipher.open(Place { ssrc: header.ssrc, index }, head, body, [0; 4], tag)?;
        streams.take(header.ssrc, index, MAX_STREAMS);
        datagram.truncate(end);
        Ok(())
    }

    /// Opens an RTCP datagram where it is. What is refused may be anything afterwards. One that is not encrypted is not genuine:
    /// WebRTC never sends RTCP in the clear (RFC 8827 §6.5).
    pub(crate) fn open_rtcp(&mut self, datagram: &mut BytesMut) -> Result<(), Refused> {
        let Inbound { rtcp: cipher, rtcp_streams: streams, .. } = &mut self.inbound;
        let tag_length = cipher.tag_length();
        let end = datagram.len().checked_sub(tag_length + RTCP_WORD).filter(|end| *end >= RTCP_HEAD);
        let end = end.ok_or(Refused::Malformed)?;
        let (plain, trailer) = datagram.split_at_mut(end);
        let (tag, word) = match cipher.word_is_last() {
            true => trailer.split_at(tag_length),
            false => {
                let (word, tag) = trailer.split_at(RTCP_WORD);
                (tag, word)
            }
        };
        let (head, body) = plain.split_at_mut(RTCP_HEAD);
        let word: [u8; RTCP_WORD] = word.try_into().expect("split at its length");
        let said = u32::from_be_bytes(word);
        if said & ENCRYPTED == 0 {
            return Err(Refused::Unauthenticated);
        }
        let ssrc = u32::from_be_bytes(head[4..].try_into().expect("eight bytes"));
        let index = u64::from(said & !ENCRYPTED);
        if streams.find(ssrc).is_some_and(|used| !used.is_free(index)) {
            return Err(Refused::Replayed);
        }
        cipher.open(Place { ssrc, index }, head, body, word, tag)?;
        streams.take(ssrc, index, MAX_STREAMS);
        datagram.truncate(end);
        Ok(())
    }

    /// Forgets a stream that has ended.
    pub(crate) fn forget(&mut self, ssrc: u32) {
        self.inbound.rtp_streams.remove(ssrc);
    }

    /// Seals the RTP packet whose plain bytes are those of `packet` from `start` on, where it is. On an error these may be
    /// anything.
    pub(crate) fn seal_rtp(&mut self, packet: &mut BytesMut, start: usize) -> Result<(), NotSealed> {
        let Outbound { rtp: cipher, rtp_streams: streams, .. } = &mut self.outbound;
        let header = Header::of(&packet[start..]).ok_or(NotSealed)?;
        let index = match streams.find(header.ssrc) {
            Some(used) => {
                used.index_of(header.sequence).filter(|index| used.is_free(*index)).ok_or(NotSealed)?
            }
            None => header.sequence.into(),
        };
        let (head, body) = packet[start..].split_at_mut(header.length);
        let place = Place { ssrc: header.ssrc, index };
        let tag = cipher.seal(place, head, body, [0; 4]).map_err(|_| NotSealed)?;
        packet.extend_from_slice(&tag);
        // An SSRC of our own that was forgotten would begin anew, with nonces that were used.
        streams.take(header.ssrc, index, usize::MAX);
        Ok(())
    }

    /// Seals the RTCP packets in `packet` where they are.
    pub(crate) fn seal_rtcp(&mut self, packet: &mut BytesMut) -> Result<(), NotSealed> {
        let Outbound { rtcp: cipher, rtcp_index: index, .. } = &mut self.outbound;
        if packet.len() < RTCP_HEAD || *index >= ENCRYPTED {
            return Err(NotSealed);
        }
        let word = (*index | ENCRYPTED).to_be_bytes();
        let (head, body) = packet.split_at_mut(RTCP_HEAD);
        let ssrc = u32::from_be_bytes(head[4..].try_into().expect("eight bytes"));
        let place = Place { ssrc, index: u64::from(*index) };
        let tag = cipher.seal(place, head, body, word).map_err(|_| NotSealed)?;
        *index += 1;
        let (first, last): (&[u8], &[u8]) = if cipher.word_is_last() { (&tag, &word) } else { (&word, &tag) };
        packet.extend_from_slice(first);
        packet.extend_from_slice(last);
        Ok(())
    }
}

/// The numbers used of each stream, by SSRC, with a count of uses that orders them.
#[derive(Default)]
struct Streams<const WORDS: usize> {
    ssrcs: Vec<u32>,
    states: Vec<(Used<WORDS>, u64)>,
    uses: u64,
}

impl<const WORDS: usize> Streams<WORDS> {
    fn find(&self, ssrc: u32) -> Option<&Used<WORDS>> {
        self.ssrcs.binary_search(&ssrc).ok().map(|at| &self.states[at].0)
    }

    /// Uses a number of a stream. One that is new takes the place of the one that has been idle longest, if there are `most`.
    fn take(&mut self, ssrc: u32, index: u64, most: usize) {
        self.uses += 1;
        let at = self.ssrcs.binary_search(&ssrc).unwrap_or_else(|_| {
            if self.ssrcs.len() >= most {
                let idle = (0..self.states.len()).min_by_key(|at| self.states[*at].1);
                idle.map(|at| (self.ssrcs.remove(at), self.states.remove(at)));
            }
            let at = self.ssrcs.partition_point(|known| *known < ssrc);
            self.ssrcs.insert(at, ssrc);
            self.states.insert(at, Default::default());
            at
        });
        let (used, last) = &mut self.states[at];
        used.take(index);
        *last = self.uses;
    }

    fn remove(&mut self, ssrc: u32) {
        if let Ok(at) = self.ssrcs.binary_search(&ssrc) {
            self.ssrcs.remove(at);
            self.states.remove(at);
        }
    }
}

/// What a cipher wants to know of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Header {
    ssrc: u32,
    sequence: u16,
    /// Bytes in front that stay in the clear: fixed part, CSRCs, extension block.
    length: usize,
}

impl Header {
    fn of(packet: &[u8]) -> Option<Self> {
        let fixed = packet.first_chunk::<12>()?;
        let mut length = 12 + 4 * usize::from(fixed[0] & 0x0f);
        if fixed[0] & 0x10 != 0 {
            let words = packet.get(length + 2..length + 4)?;
            length += 4 + 4 * usize::from(u16::from_be_bytes([words[0], words[1]]));
        }
        let fits = fixed[0] >> 6 == 2 && packet.len() >= length;
        fits.then_some(Self {
            ssrc: u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]),
            sequence: u16::from_be_bytes([fixed[2], fixed[3]]),
            length,
        })
    }
}

#[cfg(test)]
mod tests;
