//! Connectivity checks: who belongs to a transport, and where media goes.

use std::time::Duration;

use bytes::BytesMut;
use packet::{OutgoingHeader, RtcpItem};
use rtc_stun::attributes::ATTR_USE_CANDIDATE;
use rtc_stun::integrity::MessageIntegrity;
use rtc_stun::message::{BINDING_SUCCESS, Getter, Message};
use rtc_stun::xoraddr::XorMappedAddress;
use transport::{CloseReason, Event, Path, Security};

use crate::call::{Call, GCM, Rtp, address};
use crate::client::{Flag, provider};
use crate::offers::Offer;

fn new_call() -> Call {
    let mut call = Call::new(Security::Plaintext, &[GCM]);
    call.offer(&Offer::participant(1, 1));
    call
}

/// Sends one packet to the participant and says where it went.
fn destination(call: &mut Call) -> String {
    call.received.clear();
    let header = OutgoingHeader::new(call.slot("2").ssrc, 96, 1, 1, true);
    call.transport.send_rtp(&header, &[b"x"], 0).expect("connected");
    call.pump();
    call.received.pop().expect("sent").destination.to_string()
}

#[test]
fn a_check_is_answered_with_its_source_under_our_password() {
    let mut call = new_call();
    let check = call.client.check(&[]);
    call.deliver(check.clone());
    let response = call.received.pop().expect("a response");
    assert_eq!((response.local, response.destination), (call.local, call.source));
    let mut message = Message::new();
    message.unmarshal_binary(&response.datagrams).expect("STUN");
    assert_eq!(message.typ, BINDING_SUCCESS);
    assert_eq!(message.transaction_id.0, check[8..20]);
    let password = call.client.password.clone();
    MessageIntegrity::check(&mut message, password.as_bytes(), provider().crypto()).expect("integrity");
    let mut mapped = XorMappedAddress::default();
    mapped.get_from(&message).expect("an address");
    assert_eq!((mapped.ip, mapped.port), (call.source.ip(), call.source.port()));
}

#[test]
fn media_follows_the_last_nomination_and_the_old_source_works_until_its_consent_ends() {
    let mut call = Call::plain(&Offer::participant(1, 1));
    let (wifi, mobile) = (call.source, address("203.0.113.9:40000"));
    call.take_events();
    assert_eq!(destination(&mut call), wifi.to_string());

    let check = call.client.check(&[]);
    call.deliver_from(mobile, check);
    assert_eq!(call.take_events(), [Event::SourceValidated(Path::udp(call.local, mobile))]);
    assert_eq!(destination(&mut call), wifi.to_string(), "known, not nominated");

    let check = call.client.check(&[Flag::UseCandidate]);
    call.deliver_from(mobile, check);
    assert_eq!(call.take_events(), [Event::PathChanged(Path::udp(call.local, mobile))]);
    assert_eq!(destination(&mut call), mobile.to_string());

    call.send(&Rtp::new(1_000, 111, 1).bytes());
    assert_eq!(call.take_media().len(), 1, "what is still on its way from the old address arrives");

    // And back, as a phone does that steps out of the door and in again.
    let check = call.client.check(&[Flag::UseCandidate]);
    call.deliver(check);
    assert_eq!(destination(&mut call), wifi.to_string());
    let check = call.client.check(&[Flag::UseCandidate]);
    call.deliver_from(mobile, check);
    call.take_events();

    for _ in 0..8 {
        call.pass(Duration::from_secs(2), false);
        let check = call.client.check(&[Flag::UseCandidate]);
        call.deliver_from(mobile, check);
    }
    assert!(call.take_events().contains(&Event::SourceExpired(Path::udp(call.local, wifi))));
    call.send(&Rtp::new(1_000, 111, 2).bytes());
    assert_eq!(call.take_media(), [], "15 s without a check from there");
    assert_eq!(call.transport.stats().unknown_source, 1);
    assert_eq!(destination(&mut call), mobile.to_string());
}

#[test]
fn a_source_that_falls_silent_hands_over_to_one_that_is_alive() {
    let mut call = Call::plain(&Offer::participant(1, 1));
    let other = address("203.0.113.9:40000");
    for _ in 0..8 {
        let check = call.client.check(&[]);
        call.deliver_from(other, check);
        call.pass(Duration::from_secs(2), false);
    }
    assert!(call.take_events().contains(&Event::PathChanged(Path::udp(call.local, other))));
    assert_eq!(destination(&mut call), other.to_string());
}

#[test]
fn silence_ends_the_call_at_the_consent_timeout() {
    let mut call = Call::plain(&Offer::participant(1, 1));
    call.pass(Duration::from_secs(60), true);
    assert_eq!(call.close_reason(), None, "checks keep it");
    let check = call.client.check(&[]);
    call.deliver(check);
    call.pass(Duration::from_millis(14_999), false);
    assert_eq!(call.close_reason(), None);
    call.pass(Duration::from_millis(1), false);
    assert_eq!(call.close_reason(), Some(CloseReason::ConsentExpired));
    assert_eq!(call.transport.sources().count(), 0);
}

/// GStreamer checks no more once it is connected.
#[test]
fn reports_keep_a_call_that_has_no_more_checks() {
    let mut call = Call::secure(&Offer::participant(1, 1), &[GCM]);
    for _ in 0..20 {
        call.pass(Duration::from_secs(5), false);
        call.send_rtcp(&[RtcpItem::Pli { sender_ssrc: 1, media_ssrc: 2 }]);
    }
    call.pass(Duration::from_millis(14_999), false);
    assert_eq!(call.close_reason(), None);
    call.pass(Duration::from_millis(1), false);
    assert_eq!(call.close_reason(), Some(CloseReason::ConsentExpired));
}

#[test]
fn a_check_overheard_and_repeated_from_elsewhere_moves_nothing() {
    let mut call = Call::plain(&Offer::participant(1, 1));
    call.take_events();
    let check = call.client.check(&[Flag::UseCandidate]);
    call.deliver(check.clone());
    call.deliver_from(address("203.0.113.66:666"), check.clone());
    assert_eq!(call.take_events(), []);
    assert_eq!(call.transport.stats().stun_replayed, 1);
    call.received.clear();
    call.deliver(check);
    assert_eq!(call.received.len(), 1, "a retransmission from where it came is answered again");
}

/// RFC 8489 §14.5: what stands behind the integrity is not covered by it.
#[test]
fn a_nomination_written_behind_the_integrity_is_ignored() {
    let mut call = Call::plain(&Offer::participant(1, 1));
    let other = address("203.0.113.9:40000");
    let mut check = call.client.check(&[]);
    // In place of FINGERPRINT, the last 8 bytes: USE-CANDIDATE, empty, and padding that is an empty
    // comprehension-optional attribute.
    let at = check.len() - 8;
    check[at..].copy_from_slice(&[0, ATTR_USE_CANDIDATE.value() as u8, 0, 0, 0xc0, 0, 0, 0]);
    call.deliver_from(other, check);
    assert_eq!(destination(&mut call), call.source.to_string());
}

#[test]
fn checks_that_prove_nothing_change_nothing() {
    let mut call = new_call();
    let (ufrag, password) = (call.client.ufrag.clone(), call.client.password.clone());
    let good = call.client.check(&[Flag::UseCandidate]);
    let mut flipped = good.clone();
    let at = flipped.len() - 40;
    flipped[at] ^= 1;
    let mut response = good.clone();
    response[..2].copy_from_slice(&[0x01, 0x01]);
    let cases: [(BytesMut, &str); 7] = [
        (call.client.check_as(&ufrag, "wrong password of 24 ch", &[Flag::UseCandidate]), "wrong password"),
        (call.client.check_as("nobody", &password, &[Flag::UseCandidate]), "another user"),
        (flipped, "a bit flipped"),
        (response, "a response"),
        (BytesMut::from(&good[..good.len() - 32 - 4]), "cut off"),
        (BytesMut::from(&good[..19]), "shorter than a header"),
        (BytesMut::from(&[&good[..], &[0; 1_400]].concat()[..]), "longer than a check"),
    ];
    for (check, why) in cases {
        call.deliver(check);
        assert_eq!(call.take_events(), [], "{why}");
        assert_eq!(call.received, [], "{why}");
    }
    let stats = *call.transport.stats();
    assert_eq!((stats.stun_unauthenticated, stats.stun_malformed, stats.checks_answered), (3, 4, 0));
    call.deliver(good);
    assert_eq!(call.transport.stats().checks_answered, 1);
}

#[test]
fn a_client_that_would_be_controlled_is_told_to_control() {
    let mut call = new_call();
    call.check(&[Flag::Controlled]);
    let response = call.received.pop().expect("an error response");
    assert_eq!(response.datagrams[..2], [0x01, 0x11]);
    let code = response.datagrams.windows(4).any(|bytes| bytes == [0, 0, 4, 87]);
    assert!(code, "487 (RFC 8445 §7.3.1.1)");
    assert_eq!(call.take_events(), []);
}

#[test]
fn the_number_of_sources_is_bounded_and_the_path_in_use_is_kept() {
    let mut call = Call::plain(&Offer::participant(1, 1));
    for port in 1..200 {
        call.now += Duration::from_millis(1);
        let check = call.client.check(&[]);
        call.deliver_from(address(&format!("203.0.113.9:{port}")), check);
    }
    assert_eq!(call.transport.sources().count(), 16);
    let source = call.source;
    assert!(call.transport.sources().any(|path| path.source == source));
    let events = call.take_events();
    let validated = events.iter().filter(|e| matches!(e, Event::SourceValidated(_))).count();
    let expired = events.iter().filter(|e| matches!(e, Event::SourceExpired(_))).count();
    assert_eq!(validated - expired, 16, "the owner's table stays in step");
}

#[test]
fn an_ice_restart_keeps_the_old_path_until_the_new_one_is_nominated() {
    let mut call = Call::plain(&Offer::participant(1, 1));
    let (old_ufrag, old_password) = (call.client.ufrag.clone(), call.client.password.clone());
    let mut offer = Offer::participant(1, 1);
    offer.ufrag = "nEwU".to_owned();
    let answer = call.offer(&offer);
    assert!(answer.ice_restarted);
    assert_ne!(call.client.ufrag, old_ufrag);
    assert_ne!(call.client.password, old_password);
    assert_eq!(call.transport.ufrag(), call.client.ufrag);
    assert_eq!(destination(&mut call), call.source.to_string(), "media goes on");

    let check = call.client.check_as(&old_ufrag, &old_password, &[Flag::UseCandidate]);
    call.received.clear();
    call.deliver(check);
    assert_eq!(call.received.len(), 1, "the old credentials are good meanwhile");

    let mobile = address("203.0.113.9:40000");
    let check = call.client.check(&[Flag::UseCandidate]);
    call.deliver_from(mobile, check);
    assert_eq!(destination(&mut call), mobile.to_string());
    let before = call.transport.stats().stun_unauthenticated;
    let check = call.client.check_as(&old_ufrag, &old_password, &[Flag::UseCandidate]);
    call.deliver(check);
    assert_eq!(call.transport.stats().stun_unauthenticated, before + 1, "and no longer");

    let answer = call.offer(&offer);
    assert!(!answer.ice_restarted, "the same fragment again is no restart");
}
