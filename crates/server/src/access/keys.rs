//! The operator's keys: reading them from the configuration and its files.
//!
//! Owns the two kinds of key and what makes one unusable. Several keys at once are how keys are rotated: a new one is
//! added, tokens are signed with it, and the old one is taken out when the last token of it has expired.

use std::path::{Path, PathBuf};

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer};

use crate::config::TokenKey;

/// RFC 7518 §3.2: a key of the size of the hash output or larger.
pub(crate) const SECRET_BYTES: usize = 32;
/// What stands before the 32 bytes of an Ed25519 public key (RFC 8410 §4).
const ED25519_SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// A key by which tokens are verified, and signed where its private half is known.
#[derive(Clone)]
pub(crate) struct Key {
    pub(super) id: String,
    pub(super) algorithm: Algorithm,
    pub(super) verify: DecodingKey,
    pub(super) sign: Option<EncodingKey>,
}

/// A key that cannot be used. The message says what to change.
#[derive(Debug, thiserror::Error)]
#[error("access.keys: the key {id:?} cannot be used: {problem}")]
pub struct KeyError {
    id: String,
    problem: String,
}

impl Key {
    /// A shared secret (HS256).
    pub(crate) fn secret(id: &str, secret: &[u8]) -> Self {
        Self {
            id: id.to_owned(),
            algorithm: Algorithm::HS256,
            verify: DecodingKey::from_secret(secret),
            sign: Some(EncodingKey::from_secret(secret)),
        }
    }

    /// As the configuration says, with the contents of its files.
    pub(crate) fn read(said: &TokenKey) -> Result<Self, KeyError> {
        let failed = |problem: String| KeyError { id: said.id.clone(), problem };
        let file = |path: &PathBuf| {
            std::fs::read(path).map_err(|error| failed(format!("cannot read {}: {error}", path.display())))
        };
        let shared = match (&said.secret, &said.secret_file) {
            (Some(secret), None) => Some(secret.reveal().as_bytes().to_vec()),
            (None, Some(path)) => Some(file(path)?.trim_ascii().to_vec()),
            _ => None,
        };
        if let Some(shared) = shared {
            return match shared.len() {
                SECRET_BYTES.. => Ok(Self::secret(&said.id, &shared)),
                short => Err(failed(format!(
                    "its secret has {short} bytes; give at least {SECRET_BYTES}, as `terrace token --new-key` does"
                ))),
            };
        }
        let Some(path) = &said.public_key_file else {
            return Err(failed("give one of `secret`, `secret_file` and `public_key_file`".to_owned()));
        };
        let verify = public_key(path, &file(path)?).map_err(failed)?;
        let sign = match &said.private_key_file {
            None => None,
            Some(path) => Some(private_key(path, &file(path)?).map_err(failed)?),
        };
        Ok(Self { id: said.id.clone(), algorithm: Algorithm::EdDSA, verify, sign })
    }
}

fn public_key(path: &Path, pem: &[u8]) -> Result<DecodingKey, String> {
    let advice = || {
        format!("{} is no Ed25519 public key in PEM form (openssl pkey -pubout makes one)", path.display())
    };
    let spki = SubjectPublicKeyInfoDer::from_pem_slice(pem).map_err(|_| advice())?;
    let key = spki.strip_prefix(&ED25519_SPKI[..]).filter(|key| key.len() == 32).ok_or_else(advice)?;
    Ok(DecodingKey::from_ed_der(key))
}

fn private_key(path: &Path, pem: &[u8]) -> Result<EncodingKey, String> {
    let advice = || {
        format!(
            "{} is no Ed25519 private key in PEM form (openssl genpkey -algorithm ed25519 makes one)",
            path.display()
        )
    };
    let der = PrivatePkcs8KeyDer::from_pem_slice(pem).map_err(|_| advice())?;
    let der = der.secret_pkcs8_der();
    ring::signature::Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).map_err(|_| advice())?;
    Ok(EncodingKey::from_ed_der(der))
}
