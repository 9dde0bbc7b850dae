//! The DTLS handshake with a client that is really one.

use std::time::Duration;

use bytes::BytesMut;
use packet::OutgoingHeader;
use transport::{CloseReason, Event, Identity, Security};

use crate::call::{Call, GCM, Rtp, SHA1, mid, rid};
use crate::client::Flag;
use crate::offers::Offer;

fn identity() -> Security {
    Security::DtlsSrtp(Identity::generate().expect("an identity"))
}

/// Media both ways over a connected call: what the client sends is handed up, what we send the client can
/// read.
fn media_flows(call: &mut Call) {
    call.take_events();
    let packet = Rtp::new(5_001, 96, 100).extension(4, b"1").extension(10, b"f").extension(3, &[0, 1]);
    call.send(&packet.bytes());
    let media = call.take_media();
    assert_eq!(media.len(), 1, "stats: {:?}", call.transport.stats());
    assert_eq!((media[0].mid, media[0].rid), (mid("1"), rid("f")));
    assert_eq!(media[0].packet.payload, packet.payload);

    let slot = call.slot("2");
    let mut header = OutgoingHeader::new(slot.ssrc, 96, 17, 90_000, true);
    header.transport_wide = Some(3);
    let size = call.transport.send_rtp(&header, &[b"descriptor", b"payload"], 0).expect("connected");
    call.pump();
    assert_eq!(call.received.last().expect("sent").datagrams.len(), size);
    let sent = call.take_rtp();
    assert!(sent[0].ends_with(b"descriptorpayload"));
    assert_eq!(sent[0][8..12], slot.ssrc.to_be_bytes());
}

#[test]
fn a_client_with_gcm_gets_gcm_whatever_its_order() {
    for profiles in [&[GCM][..], &[GCM, SHA1], &[SHA1, GCM]] {
        let mut call = Call::secure(&Offer::participant(1, 1), profiles);
        assert_eq!(call.client.profile, Some("GCM"), "the client offered {profiles:?}");
        assert!(call.events.contains(&Event::Connected));
        media_flows(&mut call);
    }
}

#[test]
fn a_client_without_gcm_is_answered_by_a_second_try_it_does_not_notice() {
    let mut call = Call::secure(&Offer::participant(1, 1), &[SHA1]);
    assert_eq!(call.client.profile, Some("SHA1_80"));
    assert_eq!(call.events.iter().filter(|event| **event == Event::Connected).count(), 1);
    media_flows(&mut call);
}

#[test]
fn a_client_without_any_common_profile_is_told_why_at_the_deadline() {
    use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
    let mut call = Call::new(identity(), &[SrtpProtectionProfile::Srtp_Aead_Aes_256_Gcm]);
    call.offer(&Offer::participant(1, 1));
    call.check(&[Flag::UseCandidate]);
    call.client.start_handshake(call.now);
    call.pump();
    assert_eq!(call.transport.stats().dtls_failed, 1);
    assert_eq!(
        call.close_reason(),
        None,
        "anybody could have written that hello: the next may be the client's"
    );
    call.pass(Duration::from_secs(15), true);
    assert_eq!(call.close_reason(), Some(CloseReason::NoCommonSrtpProfile));
}

#[test]
fn a_certificate_that_the_offer_did_not_announce_ends_the_call() {
    let mut call = Call::new(identity(), &[GCM]);
    let sdp = Offer::participant(1, 1).sdp();
    let answer = call.transport.handle_offer(call.now, &sdp, &mut call.rng).expect("a good offer");
    call.client.read_answer(&answer.sdp);
    call.check(&[Flag::UseCandidate]);
    call.client.start_handshake(call.now);
    call.pump();
    assert_eq!(call.close_reason(), Some(CloseReason::FingerprintMismatch));
    assert!(!call.transport.is_connected());
    assert!(!call.events.contains(&Event::Connected), "no media for somebody in between");
}

#[test]
fn lost_flights_are_sent_again() {
    for lost in 0..4 {
        let mut call = Call::new(identity(), &[GCM]);
        call.offer(&Offer::participant(1, 1));
        call.check(&[Flag::UseCandidate]);
        call.client.start_handshake(call.now);
        let mut flights = 0;
        // One flight in each direction per round; the given one of the server's is lost once.
        for _ in 0..20 {
            while let Some(datagram) = call.client.poll_dtls() {
                call.transport.handle_datagram(call.now, call.local, call.source, datagram);
            }
            let flight: Vec<_> = std::iter::from_fn(|| call.transport.poll_transmit()).collect();
            if !flight.is_empty() {
                flights += 1;
            }
            for transmit in flight {
                if flights != lost + 1 && (20..=63).contains(&transmit.datagrams[0]) {
                    call.client.handle_dtls(call.now, &transmit.datagrams);
                }
            }
            if call.transport.is_connected() && call.client.profile.is_some() {
                break;
            }
            call.now += Duration::from_millis(60);
            call.transport.handle_timeout(call.now);
            call.client.handle_timeout(call.now);
        }
        assert!(call.transport.is_connected(), "flight {lost} was lost once");
        assert!(call.client.profile.is_some(), "and the client is there too: flight {lost}");
    }
}

#[test]
fn goodbyes_in_both_directions() {
    let mut call = Call::secure(&Offer::participant(1, 1), &[GCM]);
    call.client.close(call.now);
    call.pump();
    assert_eq!(call.close_reason(), Some(CloseReason::PeerClosed));
    assert_eq!(call.transport.poll_timeout(), None, "a closed transport wants nothing");

    let mut call = Call::secure(&Offer::participant(1, 1), &[GCM]);
    call.transport.close(call.now);
    call.pump();
    assert!(call.client.closed_by_server);
    assert_eq!(call.close_reason(), Some(CloseReason::Local));
    assert_eq!(call.events.last(), Some(&Event::Closed(CloseReason::Local)), "the last word");
}

#[test]
fn a_handshake_that_never_comes_ends_at_its_deadline() {
    let mut call = Call::new(identity(), &[GCM]);
    call.offer(&Offer::participant(1, 1));
    call.pass(Duration::from_millis(14_999), false);
    assert_eq!(call.close_reason(), None);
    call.pass(Duration::from_millis(1), false);
    assert_eq!(call.close_reason(), Some(CloseReason::HandshakeTimeout));
}

#[test]
fn media_before_the_keys_is_counted_and_dropped() {
    let mut call = Call::new(identity(), &[GCM]);
    call.offer(&Offer::participant(1, 1));
    call.check(&[Flag::UseCandidate]);
    call.deliver(BytesMut::from(&Rtp::new(1, 96, 1).bytes()[..]));
    assert_eq!(call.transport.stats().too_early, 1);
    let header = OutgoingHeader::new(1, 96, 1, 1, false);
    assert_eq!(call.transport.send_rtp(&header, &[], 0), Err(transport::SendError::NotConnected));
}
