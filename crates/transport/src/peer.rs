//! The other side of a transport: the client of its handshake, and its half of the keys.
//!
//! Owns what a light native participant needs besides [`crate::check`]: a certificate, the client's end of DTLS (RFC 5764), and
//! SRTP with the keys of that end. It exists for load generation, where a whole peer connection per participant
//! would cost more than the server under test; it is the same libraries from their other ends, so it proves nothing about other
//! implementations. Leaves SDP, media and feedback to whoever drives it.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use rtc_crypto::{RTCCryptoProvider, SecretVec};
use rtc_dtls::config::{ClientAuthType, ConfigBuilder, ExtendedMasterSecretType, HandshakeConfig};
use rtc_dtls::crypto::Certificate;
use rtc_dtls::endpoint::{Endpoint, EndpointEvent};
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc_shared::TransportProtocol;
use rtc_srtp::protection_profile::ProtectionProfile;
use units::Timestamp;

use crate::clock;
use crate::dtls::{PEER, Side, media_keys};
use crate::event::CloseReason;
use crate::identity::{IdentityError, fingerprint};
use crate::srtp::{Keys, MAX_OVERHEAD, Srtp};

/// As short as a browser's, so that it repeats its flight before the server repeats its own.
const FLIGHT_INTERVAL: Duration = Duration::from_millis(50);

/// A certificate with its key. Any number of peers may show the same one.
pub struct PeerIdentity {
    provider: Arc<dyn RTCCryptoProvider>,
    fingerprint: String,
    config: Arc<HandshakeConfig>,
}

impl PeerIdentity {
    /// A new key pair and its certificate, from the cryptography provider's own randomness.
    ///
    /// # Errors
    /// [`IdentityError`] when the provider has no randomness or no suitable algorithm.
    pub fn generate() -> Result<Arc<Self>, IdentityError> {
        let provider = rtc_crypto::default_provider().map_err(IdentityError::new)?;
        let names = vec!["terrace-peer".to_owned()];
        let certificate =
            Certificate::generate_self_signed(names, provider.crypto()).map_err(IdentityError::new)?;
        let der = certificate.certificate.first().ok_or_else(|| IdentityError::new("empty chain"))?;
        let fingerprint = fingerprint(provider.crypto(), der.as_ref()).map_err(IdentityError::new)?;
        let config = ConfigBuilder::default()
            .with_crypto_provider(provider.clone())
            .with_certificates(vec![certificate])
            .with_srtp_protection_profiles(vec![SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm])
            .with_client_auth(ClientAuthType::RequireAnyClientCert)
            // Identity is the fingerprint in the answer, which is compared below.
            .with_insecure_skip_verify(true)
            .with_extended_master_secret(ExtendedMasterSecretType::Require)
            .with_flight_interval(FLIGHT_INTERVAL)
            .build(true, Some(PEER))
            .map_err(IdentityError::new)?;
        Ok(Arc::new(Self { provider, fingerprint, config: Arc::new(config) }))
    }

    /// What the offer says in `a=fingerprint:sha-256` (RFC 8122 §5).
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }
}

/// One connection's end. Drain [`Peer::poll_transmit`] after every call that takes `&mut self`.
pub struct Peer {
    identity: Arc<PeerIdentity>,
    endpoint: Endpoint,
    /// Of the server, from its answer.
    expected: String,
    srtp: Option<Srtp>,
}

impl Peer {
    /// Starts a handshake with the server whose answer names this fingerprint.
    ///
    /// # Errors
    /// [`CloseReason::KeyExport`] when the library refuses to start.
    pub fn connect(now: Timestamp, identity: Arc<PeerIdentity>, expected: &str) -> Result<Self, CloseReason> {
        let mut endpoint = Endpoint::new(PEER, TransportProtocol::UDP, None);
        endpoint
            .connect(clock::instant(now), PEER, identity.config.clone(), None)
            .map_err(|_| CloseReason::KeyExport)?;
        Ok(Self { identity, endpoint, expected: expected.to_owned(), srtp: None })
    }

    /// Takes a DTLS datagram. Returns whether media may flow from here on.
    ///
    /// # Errors
    /// [`CloseReason`] when the connection is over. Datagrams that make no sense are dropped.
    pub fn handle_dtls(&mut self, now: Timestamp, datagram: BytesMut) -> Result<bool, CloseReason> {
        let Ok(events) = self.endpoint.read(clock::instant(now), PEER, None, datagram) else {
            return Ok(false);
        };
        for event in events {
            match event {
                EndpointEvent::HandshakeComplete => {
                    self.srtp = Some(self.keys()?);
                    return Ok(true);
                }
                EndpointEvent::PeerClosed => return Err(CloseReason::PeerClosed),
                _ => {}
            }
        }
        Ok(false)
    }

    fn keys(&self) -> Result<Srtp, CloseReason> {
        let crypto = self.identity.provider.crypto();
        let state = self.endpoint.get_connection_state(PEER).ok_or(CloseReason::KeyExport)?;
        let certificate = state.peer_certificates.first().ok_or(CloseReason::FingerprintMismatch)?;
        let shown = fingerprint(crypto, certificate).map_err(|_| CloseReason::KeyExport)?;
        if !shown.eq_ignore_ascii_case(&self.expected) {
            return Err(CloseReason::FingerprintMismatch);
        }
        media_keys(state, crypto, Side::Client)
    }

    /// Sends lost flights again.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        // Without a flight in progress there is nothing to repeat.
        let _ = self.endpoint.handle_timeout(PEER, clock::instant(now));
    }

    /// When to call [`Peer::handle_timeout`].
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        self.endpoint.poll_timeout(&PEER).map(clock::timestamp)
    }

    /// The next datagram of the handshake.
    pub fn poll_transmit(&mut self) -> Option<Bytes> {
        self.endpoint.poll_transmit().map(|transmit| transmit.message.freeze())
    }

    /// Says goodbye (RFC 5246 §7.2.1).
    pub fn close(&mut self, now: Timestamp) {
        // What cannot be said is not said: the server notices the silence.
        let _ = self.endpoint.close(clock::instant(now));
    }

    /// Whether media may flow.
    pub fn is_connected(&self) -> bool {
        self.srtp.is_some()
    }

    /// Opens an RTP packet; `None` for one that is not from the server, or before there are keys.
    pub fn open_rtp(&mut self, datagram: &[u8]) -> Option<BytesMut> {
        let mut packet = BytesMut::from(datagram);
        self.srtp.as_mut()?.open_rtp(&mut packet).ok().map(|()| packet)
    }

    /// The same for RTCP.
    pub fn open_rtcp(&mut self, datagram: &[u8]) -> Option<BytesMut> {
        let mut packet = BytesMut::from(datagram);
        self.srtp.as_mut()?.open_rtcp(&mut packet).ok().map(|()| packet)
    }

    /// Seals an RTP packet; `None` before there are keys.
    pub fn seal_rtp(&mut self, packet: &[u8]) -> Option<BytesMut> {
        let mut sealed = copied(packet);
        self.srtp.as_mut()?.seal_rtp(&mut sealed, 0).ok().map(|()| sealed)
    }

    /// The same for RTCP.
    pub fn seal_rtcp(&mut self, packet: &[u8]) -> Option<BytesMut> {
        let mut sealed = copied(packet);
        self.srtp.as_mut()?.seal_rtcp(&mut sealed).ok().map(|()| sealed)
    }
}

/// A packet with room for what sealing adds.
fn copied(packet: &[u8]) -> BytesMut {
    let mut copy = BytesMut::with_capacity(packet.len() + MAX_OVERHEAD);
    copy.extend_from_slice(packet);
    copy
}

/// Sealing alone, with keys that nobody agreed upon: the floor that a bench compares with.
pub struct SrtpSender(Srtp);

impl SrtpSender {
    /// AES-128-GCM (RFC 7714) with keys of zeros.
    ///
    /// # Panics
    /// When the cryptography provider lacks the cipher.
    pub fn with_made_up_keys() -> Self {
        let provider = rtc_crypto::default_provider().expect("the provider is compiled in");
        let profile = ProtectionProfile::AeadAes128Gcm;
        let keys = || Keys {
            key: SecretVec::new(vec![0; profile.key_len()]),
            salt: SecretVec::new(vec![0; profile.salt_len()]),
        };
        Self(Srtp::new(profile, &keys(), &keys(), provider.crypto()).expect("keys of the right length"))
    }

    /// Seals the RTP packet that `packet` holds from `start` on, where it is; `None` when its number was used.
    pub fn seal_rtp(&mut self, packet: &mut BytesMut, start: usize) -> Option<()> {
        self.0.seal_rtp(packet, start).ok()
    }
}
