//! Names and passwords for TURN servers that share a secret with us (draft-uberti-behave-turn-rest-00, which coturn calls
//! `use-auth-secret`).
//!
//! Owns how they are made. Leaves to whom they are given, and until when, to the node.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rtc_crypto::HmacAlgorithm;

/// What a client needs to use a TURN server for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// When it ends, in seconds since 1970, and for whom it was made.
    pub username: String,
    /// The proof that we made it.
    pub password: String,
}

/// Credentials for `user`, which must not be empty, good until `expiry` in seconds since 1970.
pub fn credentials(secret: &str, user: &str, expiry: u64) -> Credentials {
    let provider = rtc_crypto::default_provider().expect("the provider is compiled in");
    let username = format!("{expiry}:{user}");
    // The draft's §2.2: the password is the hash of the name, in base64. SHA-1 is what every TURN server knows.
    let mac = provider.crypto().new_hmac(HmacAlgorithm::Sha1, secret.as_bytes());
    let mut mac = mac.expect("every provider has HMAC-SHA1: STUN needs it");
    let mut hash = vec![0; mac.output_len()];
    mac.sign(&[username.as_bytes()], &mut hash).expect("the output has the length that was asked for");
    Credentials { username, password: STANDARD.encode(hash) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected values: `printf '%s' NAME | openssl dgst -sha1 -hmac SECRET -binary | base64`.
    #[test]
    fn a_password_is_what_other_tools_make_of_the_same() {
        for (secret, user, expiry, password) in [
            ("north", "p1", 1_780_000_000, "mkEbWZfrmg9ya7m4wB0mIXyHeoQ="),
            ("a longer secret with spaces", "p4294967295", 1, "iRUzO9mCDadjZkEr6ILrcEp1VJc="),
        ] {
            let made = credentials(secret, user, expiry);
            assert_eq!(made.username, format!("{expiry}:{user}"));
            assert_eq!(made.password, password);
        }
    }
}
