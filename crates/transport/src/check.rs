//! Connectivity checks from the other side: what a client's full ICE agent sends and hears (RFC 8445 §7.2).
//!
//! Owns the bytes of a request and the look at a response. A participant in virtual time needs both to reach
//! a [`Transport`](crate::Transport), and this is the only crate that names a STUN library. When to check is
//! for the client.

use bytes::BytesMut;
use rtc_stun::attributes::{
    ATTR_ICE_CONTROLLING, ATTR_PRIORITY, ATTR_USE_CANDIDATE, ATTR_USERNAME, RawAttribute,
};
use rtc_stun::fingerprint::FINGERPRINT;
use rtc_stun::integrity::MessageIntegrity;
use rtc_stun::message::{BINDING_REQUEST, BINDING_SUCCESS, Message, Setter, TransactionId};
use rtc_stun::textattrs::TextAttribute;

/// RFC 8445 §5.1.2.1: of a peer reflexive candidate with full local preference, for component 1.
const PRIORITY: u32 = (110 << 24) | (0xffff << 8) | 255;

/// One check, as a controlling agent makes it.
#[derive(Clone, Copy, Debug)]
pub struct Check<'a> {
    /// `a=ice-ufrag` of the answer.
    pub ufrag: &'a str,
    /// `a=ice-pwd` of the answer.
    pub password: &'a str,
    /// The client's own `a=ice-ufrag`.
    pub own_ufrag: &'a str,
    /// Unique among the checks of this client.
    pub transaction: u64,
    /// The client's tie-breaker (RFC 8445 §7.1.2).
    pub tie_breaker: u64,
    /// Whether media shall take this way from now on (RFC 8445 §8.1.1).
    pub nominate: bool,
}

impl Check<'_> {
    /// The datagram to send.
    pub fn request(&self) -> BytesMut {
        let provider = rtc_crypto::default_provider().expect("the provider is compiled in");
        let mut transaction = [0; 12];
        transaction[4..].copy_from_slice(&self.transaction.to_be_bytes());
        let attribute = |typ, value: &[u8]| {
            Box::new(RawAttribute { typ, length: value.len() as u16, value: value.to_vec() })
        };
        let mut setters: Vec<Box<dyn Setter + '_>> = vec![
            Box::new(BINDING_REQUEST),
            Box::new(TransactionId(transaction)),
            Box::new(TextAttribute::new(ATTR_USERNAME, format!("{}:{}", self.ufrag, self.own_ufrag))),
            attribute(ATTR_ICE_CONTROLLING, &self.tie_breaker.to_be_bytes()),
            attribute(ATTR_PRIORITY, &PRIORITY.to_be_bytes()),
        ];
        if self.nominate {
            setters.push(attribute(ATTR_USE_CANDIDATE, &[]));
        }
        setters.push(Box::new(MessageIntegrity::new_short_term_integrity_with_provider(
            self.password.to_owned(),
            provider.crypto(),
        )));
        setters.push(Box::new(FINGERPRINT));
        let mut message = Message::new();
        message.build(&setters).expect("a check of this size can always be written");
        BytesMut::from(&message.raw[..])
    }
}

/// The [`Check::transaction`] that a datagram says went well; `None` for anything else. Integrity is not
/// looked at: nobody forges in virtual time.
pub fn succeeded(datagram: &[u8]) -> Option<u64> {
    let mut message = Message::new();
    message.unmarshal_binary(datagram).ok()?;
    let transaction = message.transaction_id.0.last_chunk::<8>().copied().map(u64::from_be_bytes);
    transaction.filter(|_| message.typ == BINDING_SUCCESS)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::event::{Event, Path};
    use crate::ice_lite::{Credentials, IceLite};
    use units::Timestamp;

    #[test]
    fn a_lite_agent_answers_it_and_follows_the_nomination() {
        let credentials =
            Credentials { ufrag: "server00".to_owned(), password: "0123456789abcdefghijklmn".to_owned() };
        let mut ice = IceLite::new(credentials, 16, Duration::from_secs(15));
        let provider = rtc_crypto::default_provider().expect("compiled in");
        let local = "192.0.2.1:3478".parse().expect("an address");
        let paths = [50_000, 50_001].map(|port| Path::udp(local, ([198, 51, 100, 7], port).into()));
        let check = Check {
            ufrag: "server00",
            password: "0123456789abcdefghijklmn",
            own_ufrag: "kVtP",
            transaction: 7,
            tie_breaker: 1,
            nominate: false,
        };
        for (transaction, path, nominate, expected, why) in [
            (1, 0, false, 0, "the first one is better than none"),
            (2, 1, false, 0, "another one alone changes nothing"),
            (3, 1, true, 1, "until it is nominated"),
            (4, 0, true, 0, "and back"),
        ] {
            let request = Check { transaction, nominate, ..check }.request();
            let mut events: Vec<Event> = Vec::new();
            let response = ice
                .handle_check(Timestamp::ZERO, paths[path], &request, provider.crypto(), &mut events)
                .expect("answered");
            assert_eq!(succeeded(&response), Some(transaction));
            assert_eq!(ice.selected(), Some(paths[expected]), "{why}");
        }
        let forged = Check { password: "not the password at all!", ..check }.request();
        assert!(
            ice.handle_check(Timestamp::ZERO, paths[0], &forged, provider.crypto(), &mut Vec::new()).is_err()
        );
        assert_eq!(succeeded(&forged), None, "a request is no response");
        assert_eq!(succeeded(b"neither is this"), None);
    }
}
