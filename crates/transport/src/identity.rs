//! The certificate a process shows in every DTLS handshake. Owns the key, its fingerprint for SDP, and the cryptography provider all
//! transports share.

use std::fmt::{self, Write};
use std::sync::Arc;

use rtc_crypto::{HashAlgorithm, RTCCrypto, RTCCryptoProvider};
use rtc_dtls::crypto::Certificate;

/// No certificate could be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot make a DTLS certificate: {0}")]
pub struct IdentityError(String);

/// A self-signed certificate with its key, and its fingerprint. One per process: making it costs a key pair, and clients know it by the
/// fingerprint in the answer alone (RFC 8122 §5).
pub struct Identity {
    provider: Arc<dyn RTCCryptoProvider>,
    certificate: Certificate,
    fingerprint: String,
}

impl Identity {
    /// A new key pair and its certificate, from the cryptography provider's own randomness.
    ///
    /// # Errors
    /// [`IdentityError`] when the provider has no randomness or no suitable algorithm.
    pub fn generate() -> Result<Arc<Self>, IdentityError> {
        let failed = |error: &dyn fmt::Display| IdentityError(error.to_string());
        let provider = rtc_crypto::default_provider().map_err(|error| failed(&error))?;
        let certificate = Certificate::generate_self_signed(vec!["terrace".to_owned()], provider.crypto())
            .map_err(|error| failed(&error))?;
        let der = certificate.certificate.first().ok_or_else(|| failed(&"empty chain"))?;
        let fingerprint = fingerprint(provider.crypto(), der.as_ref()).map_err(|error| failed(&error))?;
        Ok(Arc::new(Self { provider, certificate, fingerprint }))
    }

    /// The SHA-256 of the certificate as SDP writes it: 32 pairs of upper-case digits with colons between (RFC 8122 §5).
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    pub(crate) fn crypto(&self) -> &dyn RTCCrypto {
        self.provider.crypto()
    }

    pub(crate) fn provider(&self) -> &Arc<dyn RTCCryptoProvider> {
        &self.provider
    }

    pub(crate) fn certificate(&self) -> &Certificate {
        &self.certificate
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
