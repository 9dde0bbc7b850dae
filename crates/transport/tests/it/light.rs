//! The light other side of a transport, which load generation is made of: its handshake, its keys, and whom it believes.

use std::sync::Arc;

use bytes::BytesMut;
use packet::OutgoingHeader;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use transport::check::{Check, succeeded};
use transport::demux::{self, Class};
use transport::peer::{Peer, PeerIdentity};
use transport::{CloseReason, Event, Identity, Section, Security, Transport};
use units::Timestamp;

use crate::call::{address, config};
use crate::offers::Offer;

const NOW: Timestamp = Timestamp::from_secs(1);

/// A transport that was offered a participant with the peer's fingerprint and has answered its check, and its answer.
fn answered(identity: &PeerIdentity) -> (Transport, transport::Answer) {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let security = Security::DtlsSrtp(Identity::generate().expect("an identity"));
    let mut transport = Transport::new(NOW, Arc::new(config(security)), &mut rng);
    let offer = Offer { fingerprint: identity.fingerprint().to_owned(), ..Offer::participant(1, 1) };
    let answer = transport.handle_offer(NOW, &offer.sdp(), &mut rng).expect("a good offer");
    let line = |key: &str| answer.sdp.lines().find_map(|line| line.strip_prefix(key)).expect(key);
    let check = Check {
        ufrag: line("a=ice-ufrag:"),
        password: line("a=ice-pwd:"),
        own_ufrag: "kVtP",
        transaction: 1,
        tie_breaker: 2,
        nominate: true,
    };
    let replies = deliver(&mut transport, &check.request());
    assert_eq!(succeeded(&replies[0]), Some(1));
    (transport, answer)
}

fn deliver(transport: &mut Transport, datagram: &[u8]) -> Vec<BytesMut> {
    transport.handle_datagram(
        NOW,
        address("192.0.2.1:3478"),
        address("198.51.100.7:50000"),
        BytesMut::from(datagram),
    );
    std::iter::from_fn(|| transport.poll_transmit()).map(|sent| BytesMut::from(&sent.datagrams[..])).collect()
}

fn shake_hands(transport: &mut Transport, peer: &mut Peer) -> Result<bool, CloseReason> {
    let mut connected = false;
    while let Some(flight) = peer.poll_transmit() {
        for datagram in deliver(transport, &flight) {
            assert_eq!(demux::classify(&datagram), Class::Dtls);
            connected |= peer.handle_dtls(NOW, datagram)?;
        }
    }
    Ok(connected)
}

#[test]
fn media_flows_both_ways_once_there_are_keys() {
    let identity = PeerIdentity::generate().expect("an identity");
    let (mut transport, answer) = answered(&identity);
    let expected =
        answer.sdp.lines().find_map(|line| line.strip_prefix("a=fingerprint:sha-256 ")).expect("one");
    let mut peer = Peer::connect(NOW, identity, expected).expect("a handshake starts");
    assert!(!peer.is_connected() && peer.seal_rtp(&[0x80; 20]).is_none());
    assert_eq!(shake_hands(&mut transport, &mut peer), Ok(true));
    assert!(std::iter::from_fn(|| transport.poll_event()).any(|event| event == Event::Connected));

    let slot = answer.sections.iter().find_map(|section| match section {
        Section::Slot(slot) => Some(slot),
        _ => None,
    });
    let header = OutgoingHeader::new(slot.expect("a slot").ssrc, 96, 17, 90_000, true);
    transport.send_rtp(&header, &[b"down"], 0).expect("connected");
    let sent = transport.poll_transmit().expect("queued");
    let opened = peer.open_rtp(&sent.datagrams).expect("sealed for this peer");
    assert!(opened.ends_with(b"down"));
    assert!(peer.open_rtp(&sent.datagrams).is_none(), "a repeated one is refused");

    let report = [0x80, 201, 0, 1, 0, 0, 0, 1];
    let sealed = peer.seal_rtcp(&report).expect("there are keys");
    deliver(&mut transport, &sealed);
    assert!(matches!(transport.poll_event(), Some(Event::Rtcp(_))), "{:?}", transport.stats());
}

#[test]
fn a_server_with_another_certificate_than_its_answer_says_is_not_believed() {
    let identity = PeerIdentity::generate().expect("an identity");
    let (mut transport, _) = answered(&identity);
    let mut peer = Peer::connect(NOW, identity, &["00"; 32].join(":")).expect("a handshake starts");
    assert_eq!(shake_hands(&mut transport, &mut peer), Err(CloseReason::FingerprintMismatch));
    assert!(!peer.is_connected());
}
