//! SRTP and SRTCP of one transport (RFC 3711, RFC 7714), over the contexts of `rtc-srtp`.
//!
//! Owns the keys and one receiving context per SSRC. A context of the library keeps state for every SSRC it
//! is shown, before it knows whether the packet is genuine, and never forgets one. So an SSRC first meets a
//! context on probation, which keeps no replay window and is thrown away before it grows; only a packet that
//! it opens earns the SSRC a context of its own. Both tables are bounded, and a stream that ends takes its
//! context with it.

use std::collections::BTreeMap;

use bytes::BytesMut;
use rtc_crypto::{RTCCrypto, SecretVec};
use rtc_shared::error::Error;
use rtc_srtp::context::Context;
use rtc_srtp::option::{srtcp_replay_protection, srtp_replay_protection};
use rtc_srtp::protection_profile::ProtectionProfile;

/// Packets of an SSRC that may be overtaken without being taken for repeated: 1.7 s of the 600 packets per
/// second that a hard 720p scene has.
const SRTP_WINDOW: usize = 1_024;
/// The same for RTCP, of which a stream has a few per second.
const SRTCP_WINDOW: usize = 64;
/// SSRCs with a context of their own: twice what the most sections with the most encodings and their
/// retransmissions use.
const MAX_CONTEXTS: usize = 256;
/// Packets that the context on probation is tried on before it is replaced, which bounds the SSRCs it
/// remembers.
const MAX_PROBATION: usize = 64;
/// RFC 3711 §3.4: the encryption flag and the index.
const SRTCP_INDEX: usize = 4;

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

/// Master keys for one direction.
pub(crate) struct Keys {
    pub(crate) key: SecretVec,
    pub(crate) salt: SecretVec,
}

/// Opens what arrives and seals what leaves.
pub(crate) struct Srtp {
    inbound: Inbound,
    outbound: Context,
}

impl Srtp {
    pub(crate) fn new(
        profile: ProtectionProfile,
        local: &Keys,
        remote: Keys,
        crypto: &dyn RTCCrypto,
    ) -> Result<Self, Error> {
        let outbound = Context::new(local.key.as_ref(), local.salt.as_ref(), profile, None, None, crypto)?;
        let probation = context(profile, &remote, crypto, false)?;
        let inbound = Inbound {
            profile,
            keys: remote,
            rtp: Contexts::default(),
            rtcp: Contexts::default(),
            probation,
            on_probation: 0,
        };
        Ok(Self { inbound, outbound })
    }

    /// Opens an RTP packet.
    pub(crate) fn open_rtp(&mut self, datagram: &[u8], crypto: &dyn RTCCrypto) -> Result<BytesMut, Refused> {
        let header = header_of(datagram).ok_or(Refused::Malformed)?;
        self.inbound.open(Kind::Rtp, header.ssrc, crypto, |context| {
            context.decrypt_rtp_with_header(datagram, &header)
        })
    }

    /// Opens an RTCP datagram.
    pub(crate) fn open_rtcp(&mut self, datagram: &[u8], crypto: &dyn RTCCrypto) -> Result<BytesMut, Refused> {
        let ssrc = datagram.get(4..8).and_then(|b| b.try_into().ok()).map(u32::from_be_bytes);
        let ssrc = ssrc.ok_or(Refused::Malformed)?;
        if !is_encrypted(datagram, self.inbound.profile) {
            return Err(Refused::Unauthenticated);
        }
        self.inbound.open(Kind::Rtcp, ssrc, crypto, |context| context.decrypt_rtcp(datagram))
    }

    /// Forgets a stream that has ended.
    pub(crate) fn forget(&mut self, ssrc: u32) {
        self.inbound.rtp.0.remove(&ssrc);
    }

    /// Seals an RTP packet whose plain bytes are `packet`.
    pub(crate) fn seal_rtp(&mut self, packet: &[u8]) -> Result<BytesMut, Error> {
        let header = header_of(packet).ok_or(Error::ErrTooShortRtp)?;
        self.outbound.encrypt_rtp_with_header(packet, &header)
    }

    /// Seals an RTCP datagram.
    pub(crate) fn seal_rtcp(&mut self, packet: &[u8]) -> Result<BytesMut, Error> {
        self.outbound.encrypt_rtcp(packet)
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Rtp,
    Rtcp,
}

struct Inbound {
    profile: ProtectionProfile,
    keys: Keys,
    rtp: Contexts,
    rtcp: Contexts,
    probation: Context,
    on_probation: usize,
}

/// Contexts by SSRC, with a count of uses that orders them.
#[derive(Default)]
struct Contexts(BTreeMap<u32, (Context, u64)>, u64);

impl Contexts {
    fn get(&mut self, ssrc: u32) -> Option<&mut Context> {
        self.1 += 1;
        let uses = self.1;
        self.0.get_mut(&ssrc).map(|(context, used)| {
            *used = uses;
            context
        })
    }

    /// Adds a context, making room by the one that has been idle longest.
    fn insert(&mut self, ssrc: u32, context: Context) {
        if self.0.len() >= MAX_CONTEXTS
            && let Some(idle) = self.0.iter().min_by_key(|(_, (_, used))| *used).map(|(ssrc, _)| *ssrc)
        {
            self.0.remove(&idle);
        }
        self.0.insert(ssrc, (context, self.1));
    }
}

impl Inbound {
    fn open(
        &mut self,
        kind: Kind,
        ssrc: u32,
        crypto: &dyn RTCCrypto,
        open: impl Fn(&mut Context) -> Result<BytesMut, Error>,
    ) -> Result<BytesMut, Refused> {
        let contexts = match kind {
            Kind::Rtp => &mut self.rtp,
            Kind::Rtcp => &mut self.rtcp,
        };
        if let Some(context) = contexts.get(ssrc) {
            return open(context).map_err(refused);
        }
        let genuine = open(&mut self.probation).is_ok();
        self.on_probation += 1;
        if self.on_probation >= MAX_PROBATION {
            self.probation = self.fresh(crypto, false)?;
            self.on_probation = 0;
        }
        if !genuine {
            return Err(Refused::Unauthenticated);
        }
        let mut context = self.fresh(crypto, true)?;
        let opened = open(&mut context).map_err(refused)?;
        let contexts = match kind {
            Kind::Rtp => &mut self.rtp,
            Kind::Rtcp => &mut self.rtcp,
        };
        contexts.insert(ssrc, context);
        Ok(opened)
    }

    fn fresh(&self, crypto: &dyn RTCCrypto, remembers: bool) -> Result<Context, Refused> {
        context(self.profile, &self.keys, crypto, remembers).map_err(refused)
    }
}

fn context(
    profile: ProtectionProfile,
    keys: &Keys,
    crypto: &dyn RTCCrypto,
    remembers: bool,
) -> Result<Context, Error> {
    let rtp = remembers.then(|| srtp_replay_protection(SRTP_WINDOW));
    let rtcp = remembers.then(|| srtcp_replay_protection(SRTCP_WINDOW));
    Context::new(keys.key.as_ref(), keys.salt.as_ref(), profile, rtp, rtcp, crypto)
}

fn refused(error: Error) -> Refused {
    match error {
        Error::SrtpSsrcDuplicated(..) | Error::SrtcpSsrcDuplicated(..) => Refused::Replayed,
        Error::ErrTooShortRtp | Error::ErrTooShortRtcp => Refused::Malformed,
        _ => Refused::Unauthenticated,
    }
}

/// What the cipher wants to know of a header: number, SSRC, and how many bytes in front stay in the clear.
/// The header of the library is filled so that it measures what the packet's own has, CSRCs and extension
/// block included, without reading the extensions: reading them would allocate, and would measure wrongly
/// where an extension block ends early (RFC 8285 §4.2, id 15). CSRCs would allocate as well; where there is an
/// extension block they are measured as part of it.
fn header_of(packet: &[u8]) -> Option<rtp::Header> {
    let fixed = packet.first_chunk::<12>()?;
    let csrcs = usize::from(fixed[0] & 0x0f);
    let extension = fixed[0] & 0x10 != 0;
    let mut length = 12 + 4 * csrcs;
    let mut block = 0;
    if extension {
        let words = packet.get(length + 2..length + 4)?;
        let words = usize::from(u16::from_be_bytes([words[0], words[1]]));
        block = 4 * (csrcs + words);
        length += 4 + 4 * words;
    }
    if fixed[0] >> 6 != 2 || packet.len() < length {
        return None;
    }
    Some(rtp::Header {
        version: 2,
        extension,
        extensions_padding: block,
        csrc: vec![0; if extension { 0 } else { csrcs }],
        sequence_number: u16::from_be_bytes([fixed[2], fixed[3]]),
        ssrc: u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]),
        ..rtp::Header::default()
    })
}

/// The encryption flag of an SRTCP packet. WebRTC never sends RTCP in the clear (RFC 8827 §6.5), and the
/// library returns such a packet under AES-CM without checking its tag: anybody who can send from the
/// participant's address could forge feedback.
fn is_encrypted(datagram: &[u8], profile: ProtectionProfile) -> bool {
    let at = datagram.len().checked_sub(SRTCP_INDEX + profile.rtcp_auth_tag_len());
    at.and_then(|at| datagram.get(at)).is_some_and(|byte| byte & 0x80 != 0)
}

#[cfg(test)]
mod tests;
