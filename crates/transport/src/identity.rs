//! The certificate a process shows in every DTLS handshake. Owns the key, its fingerprint for SDP, and the
//! cryptography provider all transports share.

use std::fmt::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use rtc_crypto::{HashAlgorithm, RTCCrypto, RTCCryptoProvider};
use rtc_dtls::config::{ClientAuthType, ConfigBuilder, ExtendedMasterSecretType, HandshakeConfig};
use rtc_dtls::crypto::Certificate;
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;

/// Time until a lost flight of the handshake is sent again. A participant waits for its picture meanwhile:
/// RFC 6347 §4.2.4.1 says 1 s, and lets real-time applications choose less.
pub(crate) const FLIGHT_INTERVAL: Duration = Duration::from_millis(150);

/// No certificate could be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot make a DTLS certificate: {0}")]
pub struct IdentityError(String);

impl IdentityError {
    pub(crate) fn new(error: impl fmt::Display) -> Self {
        Self(error.to_string())
    }
}

/// A self-signed certificate with its key, and its fingerprint. One per process: making it costs a key pair,
/// and clients know it by the fingerprint in the answer alone (RFC 8122 §5).
pub struct Identity {
    provider: Arc<dyn RTCCryptoProvider>,
    fingerprint: String,
    gcm: Arc<HandshakeConfig>,
    sha1: Arc<HandshakeConfig>,
}

impl Identity {
    /// A new key pair and its certificate, from the cryptography provider's own randomness.
    ///
    /// # Errors
    /// [`IdentityError`] when the provider has no randomness or no suitable algorithm.
    pub fn generate() -> Result<Arc<Self>, IdentityError> {
        let provider = rtc_crypto::default_provider().map_err(IdentityError::new)?;
        let certificate = Certificate::generate_self_signed(vec!["terrace".to_owned()], provider.crypto())
            .map_err(IdentityError::new)?;
        let der = certificate.certificate.first().ok_or_else(|| IdentityError::new("empty chain"))?;
        let fingerprint = fingerprint(provider.crypto(), der.as_ref()).map_err(IdentityError::new)?;
        let handshake = |profile| -> Result<_, IdentityError> {
            let config = ConfigBuilder::default()
                .with_crypto_provider(provider.clone())
                .with_certificates(vec![certificate.clone()])
                .with_srtp_protection_profiles(vec![profile])
                // RFC 8827 §6.5: both sides show a certificate, and the fingerprints in SDP vouch for them.
                .with_client_auth(ClientAuthType::RequireAnyClientCert)
                .with_insecure_skip_verify(true)
                .with_extended_master_secret(ExtendedMasterSecretType::Require)
                .with_flight_interval(FLIGHT_INTERVAL)
                .build(false, None);
            config.map(Arc::new).map_err(IdentityError::new)
        };
        let gcm = handshake(SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm)?;
        let sha1 = handshake(SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80)?;
        Ok(Arc::new(Self { provider, fingerprint, gcm, sha1 }))
    }

    /// The SHA-256 of the certificate as SDP writes it: 32 pairs of upper-case digits with colons between
    /// (RFC 8122 §5).
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    pub(crate) fn crypto(&self) -> &dyn RTCCrypto {
        self.provider.crypto()
    }

    pub(crate) fn provider(&self) -> &Arc<dyn RTCCryptoProvider> {
        &self.provider
    }

    /// The handshake that accepts AEAD_AES_128_GCM (RFC 7714) and nothing else.
    pub(crate) fn gcm(&self) -> &Arc<HandshakeConfig> {
        &self.gcm
    }

    /// The handshake that accepts AES128_CM_HMAC_SHA1_80 (RFC 5764 §4.1.2) and nothing else.
    pub(crate) fn sha1(&self) -> &Arc<HandshakeConfig> {
        &self.sha1
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("fingerprint", &self.fingerprint).finish_non_exhaustive()
    }
}

/// The SHA-256 of a certificate, written as in SDP.
pub(crate) fn fingerprint(crypto: &dyn RTCCrypto, der: &[u8]) -> Result<String, rtc_crypto::CryptoError> {
    let hash = crypto.hash(HashAlgorithm::Sha256, der)?;
    let mut text = String::with_capacity(3 * hash.len());
    for (at, byte) in hash.iter().enumerate() {
        let separator = if at == 0 { "" } else { ":" };
        write!(text, "{separator}{byte:02X}").expect("writing to a string cannot fail");
    }
    Ok(text)
}
