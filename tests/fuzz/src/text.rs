//! Targets that read text: session descriptions and messages.

use std::sync::{Arc, LazyLock};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use signalling::{Limits, ServerMessage, decode, decode_server};
use transport::{Config, Security, Transport};
use units::Timestamp;

static CONFIG: LazyLock<Arc<Config>> = LazyLock::new(|| Arc::new(Config::new(Security::Plaintext)));

/// An offer, and the same offer again.
pub(crate) fn sdp(data: &[u8]) {
    let Ok(offer) = std::str::from_utf8(data) else { return };
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut transport = Transport::new(Timestamp::ZERO, CONFIG.clone(), &mut rng);
    let Ok(first) = transport.handle_offer(Timestamp::ZERO, offer, &mut rng) else { return };
    assert!(first.sections.len() <= CONFIG.max_sections);
    assert!(first.sdp.starts_with("v=0\r\n") && first.sdp.ends_with("\r\n"));
    assert_eq!(first.sdp.matches("\r\nm=").count(), first.sections.len(), "as many sections as were offered");
    let again = transport.handle_offer(Timestamp::ZERO, offer, &mut rng).expect("it was good before");
    assert_eq!(again.sections, first.sections, "slots keep their streams");
    assert!(!again.ice_restarted);
}

/// A message, tried as one of either side.
pub(crate) fn signalling(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let limits = Limits::default();
    match decode(text, &limits) {
        Ok(message) => {
            let written = message.encode();
            assert_eq!(decode(&written, &limits).as_ref(), Ok(&message), "{written}");
        }
        Err(error) => {
            let ServerMessage::Error(reply) = error.reply() else { panic!("errors are answered as such") };
            assert!(!reply.fatal && reply.message.chars().count() < 1_000, "{}", reply.message);
        }
    }
    if let Ok(Some(message)) = decode_server(text) {
        let written = message.encode();
        assert_eq!(decode_server(&written).as_ref(), Ok(&Some(message)), "{written}");
    }
}
