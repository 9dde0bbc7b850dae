//! A client of a transport, made of the same libraries but from their other ends: it checks connectivity, is
//! the client of the handshake, and seals and opens media with the keys of its side.

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use rtc_crypto::{HashAlgorithm, RTCCryptoProvider};
use rtc_dtls::config::{ClientAuthType, ConfigBuilder, ExtendedMasterSecretType, HandshakeConfig};
use rtc_dtls::crypto::Certificate;
use rtc_dtls::endpoint::{Endpoint, EndpointEvent};
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc_shared::TransportProtocol;
use rtc_srtp::config::{Config as SrtpConfig, LABEL_EXTRACTOR_DTLS_SRTP};
use rtc_srtp::context::Context;
use rtc_srtp::protection_profile::ProtectionProfile;
use rtc_stun::attributes::{ATTR_ICE_CONTROLLED, ATTR_ICE_CONTROLLING, ATTR_USE_CANDIDATE, ATTR_USERNAME};
use rtc_stun::fingerprint::FINGERPRINT;
use rtc_stun::integrity::MessageIntegrity;
use rtc_stun::message::{BINDING_REQUEST, Message, Setter, TransactionId};
use rtc_stun::textattrs::TextAttribute;
use units::Timestamp;

#[expect(
    clippy::disallowed_methods,
    reason = "an arbitrary origin for the library; tests run in virtual time"
)]
static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The server as the client's endpoint knows it.
const SERVER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 4_433);

fn instant(now: Timestamp) -> Instant {
    *ORIGIN + Duration::from_micros(now.as_micros())
}

pub(crate) fn provider() -> Arc<dyn RTCCryptoProvider> {
    rtc_crypto::default_provider().expect("compiled in")
}

pub(crate) struct Client {
    pub(crate) fingerprint: String,
    /// Of the server, from the answer.
    pub(crate) ufrag: String,
    pub(crate) password: String,
    config: Arc<HandshakeConfig>,
    endpoint: Endpoint,
    next_transaction: u64,
    media: Option<Media>,
    pub(crate) profile: Option<&'static str>,
    pub(crate) closed_by_server: bool,
}

struct Media {
    outbound: Context,
    inbound: Context,
}

/// A flag attribute of a connectivity check.
pub(crate) enum Flag {
    UseCandidate,
    Controlled,
}

impl Client {
    pub(crate) fn new(profiles: &[SrtpProtectionProfile]) -> Self {
        let provider = provider();
        let certificate = Certificate::generate_self_signed(vec!["client".to_owned()], provider.crypto())
            .expect("a key pair");
        let hash = provider
            .crypto()
            .hash(HashAlgorithm::Sha256, certificate.certificate[0].as_ref())
            .expect("SHA-256");
        let fingerprint = hash.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":");
        let config = ConfigBuilder::default()
            .with_crypto_provider(provider)
            .with_certificates(vec![certificate])
            .with_srtp_protection_profiles(profiles.to_vec())
            .with_client_auth(ClientAuthType::RequireAnyClientCert)
            .with_insecure_skip_verify(true)
            .with_extended_master_secret(ExtendedMasterSecretType::Require)
            // As short as a browser's, so that it repeats its flight before the server repeats its own.
            .with_flight_interval(Duration::from_millis(50))
            .build(true, Some(SERVER))
            .expect("a client configuration");
        Self {
            fingerprint,
            ufrag: String::new(),
            password: String::new(),
            config: Arc::new(config),
            endpoint: Endpoint::new(SERVER, TransportProtocol::UDP, None),
            next_transaction: 0,
            media: None,
            profile: None,
            closed_by_server: false,
        }
    }

    /// Takes the server's credentials from its answer.
    pub(crate) fn read_answer(&mut self, sdp: &str) {
        let value = |key: &str| sdp.lines().find_map(|line| line.strip_prefix(key)).expect(key).to_owned();
        self.ufrag = value("a=ice-ufrag:");
        self.password = value("a=ice-pwd:");
    }

    /// A connectivity check, as (what RFC 8445 §7.2.2 asks for) plus flags.
    pub(crate) fn check(&mut self, flags: &[Flag]) -> BytesMut {
        let (ufrag, password) = (self.ufrag.clone(), self.password.clone());
        self.check_as(&ufrag, &password, flags)
    }

    pub(crate) fn check_as(&mut self, ufrag: &str, password: &str, flags: &[Flag]) -> BytesMut {
        self.next_transaction += 1;
        let mut transaction = [0; 12];
        transaction[4..].copy_from_slice(&self.next_transaction.to_be_bytes());
        let provider = provider();
        let mut setters: Vec<Box<dyn Setter + '_>> = vec![
            Box::new(BINDING_REQUEST),
            Box::new(TransactionId(transaction)),
            Box::new(TextAttribute::new(ATTR_USERNAME, format!("{ufrag}:kVtP"))),
        ];
        for flag in flags {
            setters.push(Box::new(Raw(match flag {
                Flag::UseCandidate => (ATTR_USE_CANDIDATE.value(), vec![]),
                Flag::Controlled => (ATTR_ICE_CONTROLLED.value(), vec![0; 8]),
            })));
        }
        if !flags.iter().any(|flag| matches!(flag, Flag::Controlled)) {
            setters.push(Box::new(Raw((ATTR_ICE_CONTROLLING.value(), vec![7; 8]))));
        }
        setters.push(Box::new(MessageIntegrity::new_short_term_integrity_with_provider(
            password.to_owned(),
            provider.crypto(),
        )));
        setters.push(Box::new(FINGERPRINT));
        let mut message = Message::new();
        message.build(&setters).expect("a check fits");
        BytesMut::from(&message.raw[..])
    }

    /// The first flight.
    pub(crate) fn start_handshake(&mut self, now: Timestamp) {
        self.endpoint.connect(instant(now), SERVER, self.config.clone(), None).expect("a handshake starts");
    }

    pub(crate) fn handle_dtls(&mut self, now: Timestamp, datagram: &[u8]) {
        // After a goodbye the endpoint has forgotten the server, whose own goodbye may still come.
        let Ok(events) = self.endpoint.read(instant(now), SERVER, None, BytesMut::from(datagram)) else {
            return;
        };
        for event in events {
            match event {
                EndpointEvent::HandshakeComplete => self.take_keys(),
                EndpointEvent::PeerClosed => self.closed_by_server = true,
                _ => {}
            }
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Timestamp) {
        let _ = self.endpoint.handle_timeout(SERVER, instant(now));
    }

    pub(crate) fn poll_dtls(&mut self) -> Option<BytesMut> {
        self.endpoint.poll_transmit().map(|transmit| transmit.message)
    }

    pub(crate) fn close(&mut self, now: Timestamp) {
        self.endpoint.close(instant(now)).expect("a goodbye can always be said");
    }

    fn take_keys(&mut self) {
        let state = self.endpoint.get_connection_state(SERVER).expect("complete");
        let (profile, name) = match state.srtp_protection_profile() {
            SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm => (ProtectionProfile::AeadAes128Gcm, "GCM"),
            SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80 => {
                (ProtectionProfile::Aes128CmHmacSha1_80, "SHA1_80")
            }
            other => panic!("not asked for: {other:?}"),
        };
        let mut config = SrtpConfig { profile, ..SrtpConfig::default() };
        let length = config.keying_material_len();
        let material = state.export_keying_material(LABEL_EXTRACTOR_DTLS_SRTP, &[], length).expect("keys");
        config
            .set_session_keys_from_keying_material(material.as_ref(), true)
            .expect("keys of the right length");
        let keys = &config.keys;
        let provider = provider();
        let context = |key: &[u8], salt: &[u8]| {
            Context::new(key, salt, profile, None, None, provider.crypto()).expect("a context")
        };
        self.media = Some(Media {
            outbound: context(&keys.local_master_key, &keys.local_master_salt),
            inbound: context(&keys.remote_master_key, &keys.remote_master_salt),
        });
        self.profile = Some(name);
    }

    fn media(&mut self) -> &mut Media {
        self.media.as_mut().expect("the handshake is complete")
    }

    pub(crate) fn seal_rtp(&mut self, packet: &[u8]) -> BytesMut {
        self.media().outbound.encrypt_rtp(packet).expect("sealed")
    }

    /// Seals a packet whose header the library would measure wrongly.
    pub(crate) fn seal_measured(&mut self, packet: &[u8], header: &rtp::Header) -> BytesMut {
        self.media().outbound.encrypt_rtp_with_header(packet, header).expect("sealed")
    }

    pub(crate) fn seal_rtcp(&mut self, packet: &[u8]) -> BytesMut {
        self.media().outbound.encrypt_rtcp(packet).expect("sealed")
    }

    pub(crate) fn open_rtp(&mut self, datagram: &[u8]) -> BytesMut {
        self.media().inbound.decrypt_rtp(datagram).expect("opened")
    }

    pub(crate) fn open_rtcp(&mut self, datagram: &[u8]) -> BytesMut {
        self.media().inbound.decrypt_rtcp(datagram).expect("opened")
    }
}

/// An attribute by its number.
struct Raw((u16, Vec<u8>));

impl Setter for Raw {
    fn add_to(&self, message: &mut Message) -> Result<(), rtc_shared::error::Error> {
        message.add(rtc_stun::attributes::AttrType(self.0.0), &self.0.1);
        Ok(())
    }
}
