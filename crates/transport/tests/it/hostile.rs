//! Whatever arrives, the transport stays up, counts it and goes on: random datagrams, real ones bent,
//! replays, floods, and offers with lines lost and bytes changed.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::BytesMut;
use packet::RtcpItem;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use transport::{Event, Identity, Security};

use crate::call::{Call, GCM, Rtp, SHA1, address};
use crate::client::Flag;
use crate::offers::{Browser, Offer};

/// One for all cases: making a key pair for each would be most of the run.
static IDENTITY: LazyLock<Arc<Identity>> = LazyLock::new(|| Identity::generate().expect("an identity"));

fn call_before_handshake() -> Call {
    let mut call = Call::new(Security::DtlsSrtp(IDENTITY.clone()), &[GCM]);
    call.offer(&Offer::participant(2, 1));
    call.check(&[Flag::UseCandidate]);
    call
}

fn connected_call() -> Call {
    let mut call = call_before_handshake();
    call.client.start_handshake(call.now);
    call.pump();
    assert!(call.transport.is_connected());
    call
}

/// The transport takes it without a word and still knows its client.
fn shrugs_off(call: &mut Call, datagrams: &[Vec<u8>]) {
    for datagram in datagrams {
        call.deliver(BytesMut::from(&datagram[..]));
        call.deliver_from(address("203.0.113.66:666"), BytesMut::from(&datagram[..]));
        call.now += Duration::from_millis(1);
        call.transport.handle_timeout(call.now);
    }
    call.pump();
    assert_eq!(call.close_reason(), None);
    call.received.clear();
    call.check(&[Flag::UseCandidate]);
    assert_eq!(call.received.len(), 1, "still answers its client");
}

/// A datagram whose first bytes lead it somewhere.
fn datagram() -> impl Strategy<Value = Vec<u8>> {
    let starts = prop_oneof![
        Just(vec![]),
        Just(vec![0, 1, 0, 8, 0x21, 0x12, 0xa4, 0x42]),
        Just(vec![22, 254, 253, 0, 0]),
        Just(vec![22, 254, 253, 0, 1]),
        Just(vec![21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2]),
        Just(vec![20, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 0, 1]),
        Just(vec![0x80, 96]),
        Just(vec![0xbf, 96]),
        Just(vec![0x81, 200]),
        Just(vec![0x8f, 205]),
    ];
    (starts, prop::collection::vec(any::<u8>(), 0..200)).prop_map(|(mut start, rest)| {
        start.extend(rest);
        start
    })
}

/// Where and how a real datagram is bent.
fn bends() -> impl Strategy<Value = Vec<(prop::sample::Index, u8, bool)>> {
    prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), prop::bool::weighted(0.1)), 1..4)
}

fn bend(mut datagram: Vec<u8>, bends: &[(prop::sample::Index, u8, bool)]) -> Vec<u8> {
    for (at, value, truncate) in bends {
        if datagram.is_empty() {
            break;
        }
        let at = at.index(datagram.len());
        if *truncate {
            datagram.truncate(at);
        } else {
            datagram[at] = *value;
        }
    }
    datagram
}

proptest! {
    #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(7), failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn random_datagrams_in_the_clear(datagrams in prop::collection::vec(datagram(), 1..30)) {
        let mut call = Call::plain(&Offer::participant(2, 1));
        shrugs_off(&mut call, &datagrams);
    }

    #[test]
    fn random_datagrams_during_and_after_the_handshake(datagrams in prop::collection::vec(datagram(), 1..30)) {
        shrugs_off(&mut call_before_handshake(), &datagrams);
        shrugs_off(&mut connected_call(), &datagrams);
    }

    #[test]
    fn real_handshake_flights_bent(flight in 0_usize..3, bends in bends()) {
        let mut call = call_before_handshake();
        call.client.start_handshake(call.now);
        // Plays the handshake up to the given flight of the client, bends that one and repeats it as it was.
        for round in 0..6 {
            let sent: Vec<BytesMut> = std::iter::from_fn(|| call.client.poll_dtls()).collect();
            for datagram in sent {
                if round == flight {
                    let bent = bend(datagram.to_vec(), &bends);
                    call.transport.handle_datagram(call.now, call.local, call.source, BytesMut::from(&bent[..]));
                }
                call.transport.handle_datagram(call.now, call.local, call.source, datagram);
            }
            while let Some(transmit) = call.transport.poll_transmit() {
                if (20..=63).contains(&transmit.datagrams[0]) {
                    call.client.handle_dtls(call.now, &transmit.datagrams);
                }
            }
            call.now += Duration::from_millis(60);
            call.transport.handle_timeout(call.now);
        }
        while let Some(event) = call.transport.poll_event() {
            prop_assert!(!matches!(event, Event::Closed(_)), "one bent datagram does not end a call: {event:?}");
        }
    }

    #[test]
    fn real_media_bent(sequence in any::<u16>(), bends in bends()) {
        for profile in [None, Some(GCM), Some(SHA1)] {
            let offer = Offer::participant(1, 1);
            let mut call = match profile {
                None => Call::plain(&offer),
                Some(profile) => {
                    let mut call = Call::new(Security::DtlsSrtp(IDENTITY.clone()), &[profile]);
                    call.offer(&offer);
                    call.check(&[Flag::UseCandidate]);
                    call.client.start_handshake(call.now);
                    call.pump();
                    call
                }
            };
            let packet = Rtp::new(11, 96, sequence).extension(4, b"1").extension(10, b"q").extension(3, &[0, 1]).bytes();
            let mut report = Vec::new();
            let items = [
                RtcpItem::Nack { sender_ssrc: 1, media_ssrc: 2, lost: (0..40).map(|n| n * 3).collect() },
                RtcpItem::Pli { sender_ssrc: 1, media_ssrc: 2 },
            ];
            packet::write_rtcp(&items, &mut report);
            let (media, feedback) = match profile {
                None => (packet, report),
                Some(_) => (call.client.seal_rtp(&packet).to_vec(), call.client.seal_rtcp(&report).to_vec()),
            };
            let bent = [bend(media.clone(), &bends), bend(feedback.clone(), &bends)];
            shrugs_off(&mut call, &bent);
            if profile.is_some() {
                let untouched = usize::from(bent[0] == media) + usize::from(bent[1] == feedback);
                let handed_up = call.events.iter().filter(|e| matches!(e, Event::Rtp(_) | Event::Rtcp(_))).count();
                prop_assert!(handed_up <= untouched, "nothing bent passes the cipher");
            }
        }
    }

    #[test]
    fn offers_with_lines_lost_doubled_and_bytes_changed(
        firefox in any::<bool>(),
        lost in prop::collection::vec(any::<prop::sample::Index>(), 0..3),
        doubled in prop::collection::vec(any::<prop::sample::Index>(), 0..3),
        bends in bends(),
    ) {
        let browser = if firefox { Browser::Firefox } else { Browser::Chromium };
        let sdp = Offer { browser, ..Offer::participant(2, 1) }.sdp();
        let mut lines: Vec<&str> = sdp.split_inclusive("\r\n").collect();
        for at in lost {
            lines.remove(at.index(lines.len()));
        }
        for at in doubled {
            let at = at.index(lines.len());
            lines.insert(at, lines[at]);
        }
        let bent = String::from_utf8_lossy(&bend(lines.concat().into_bytes(), &bends)).into_owned();
        let mut call = Call::new(Security::DtlsSrtp(IDENTITY.clone()), &[GCM]);
        let first = call.transport.handle_offer(call.now, &bent, &mut call.rng);
        let sections = call.transport.sections().len();
        prop_assert_eq!(first.is_ok(), sections > 0);
        // And as a later offer.
        let mut call = Call::plain(&Offer::participant(2, 1));
        let _ = call.transport.handle_offer(call.now, &bent, &mut call.rng);
    }

    #[test]
    fn random_text_is_no_offer(text in ".{0,300}", lines in prop::collection::vec("[a-z]=[ -~]{0,40}", 0..30)) {
        let mut call = Call::new(Security::Plaintext, &[GCM]);
        prop_assert!(call.transport.handle_offer(call.now, &text, &mut call.rng).is_err());
        let _ = call.transport.handle_offer(call.now, &lines.join("\r\n"), &mut call.rng);
    }
}

#[test]
fn what_does_not_come_from_a_validated_source_is_counted_by_kind() {
    let mut call = connected_call();
    let stranger = address("203.0.113.66:666");
    let media = call.client.seal_rtp(&Rtp::new(1_000, 111, 1).bytes());
    let before = *call.transport.stats();
    for datagram in
        [&media[..], &[22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0], &[0x80, 200, 0, 1, 0, 0, 0, 1]]
    {
        call.deliver_from(stranger, BytesMut::from(datagram));
    }
    call.deliver_from(stranger, BytesMut::from(&[64, 1, 2, 3][..]));
    call.deliver_from(stranger, BytesMut::new());
    call.deliver_from(stranger, BytesMut::from(&[0, 1, 2, 3][..]));
    let stats = *call.transport.stats();
    assert_eq!(stats.unknown_source - before.unknown_source, 3);
    assert_eq!(stats.malformed - before.malformed, 2);
    assert_eq!(stats.stun_malformed - before.stun_malformed, 1);
    call.deliver(media);
    assert_eq!(call.take_media().len(), 1, "the packet itself was good");
}

#[test]
fn a_packet_recorded_and_sent_again_is_counted_and_dropped() {
    for profile in [GCM, SHA1] {
        let mut call = Call::secure(&Offer::participant(1, 1), &[profile]);
        let media: Vec<_> = (0..3).map(|n| call.client.seal_rtp(&Rtp::new(1_000, 111, n).bytes())).collect();
        let mut bytes = Vec::new();
        packet::write_rtcp(&[RtcpItem::Pli { sender_ssrc: 1, media_ssrc: 5 }], &mut bytes);
        let feedback = call.client.seal_rtcp(&bytes);
        call.take_events();
        for datagram in media.iter().chain([&feedback]).cycle().take(12) {
            call.deliver(datagram.clone());
        }
        assert_eq!(call.take_events().len(), 4, "each once: {profile:?}");
        assert_eq!(call.transport.stats().srtp_replayed, 8, "{profile:?}");
        let mut tampered = call.client.seal_rtp(&Rtp::new(1_000, 111, 9).bytes());
        let last = tampered.len() - 1;
        tampered[last] ^= 1;
        call.deliver(tampered);
        assert_eq!(call.transport.stats().srtp_unauthenticated, 1, "{profile:?}");
    }
}

#[test]
fn a_flood_of_made_up_streams_does_not_disturb_the_real_one() {
    for profile in [GCM, SHA1] {
        let mut call = Call::secure(&Offer::participant(1, 1), &[profile]);
        call.send(&Rtp::new(11, 96, 60_000).extension(4, b"1").extension(10, b"q").bytes());
        // Far enough to wrap, so that losing the stream's state would be noticed.
        for sequence in (60_001..=65_535).chain(0..10).step_by(100) {
            call.send(&Rtp::new(11, 96, sequence).bytes());
        }
        call.take_events();
        for ssrc in 0..5_000_u32 {
            let forged = Rtp::new(1_000_000 + ssrc, 96, 1).payload(&[7; 30]).bytes();
            call.deliver(BytesMut::from(&forged[..]));
        }
        call.send(&Rtp::new(11, 96, 20).bytes());
        assert_eq!(call.take_media().len(), 1, "{profile:?}: {:?}", call.transport.stats());
        assert_eq!(call.transport.stats().srtp_unauthenticated, 5_000);
    }
}

#[test]
fn an_owner_that_does_not_drain_costs_a_bounded_queue() {
    let mut call = Call::plain(&Offer::participant(1, 1));
    for sequence in 0..10_000 {
        let packet = Rtp::new(1_000, 111, sequence).bytes();
        call.transport.handle_datagram(call.now, call.local, call.source, BytesMut::from(&packet[..]));
        let check = call.client.check(&[]);
        call.transport.handle_datagram(call.now, call.local, call.source, check);
    }
    let stats = *call.transport.stats();
    assert!(stats.event_overflow > 0 && stats.transmit_overflow > 0);
    let header = packet::OutgoingHeader::new(1, 96, 1, 1, true);
    assert_eq!(call.transport.send_rtp(&header, &[], 0), Err(transport::SendError::QueueFull));
    assert_eq!(std::iter::from_fn(|| call.transport.poll_transmit()).count(), 4_096);
    assert_eq!(std::iter::from_fn(|| call.transport.poll_event()).count(), 4_096);
}

/// The library joins fragments by recursion and keeps them without end; thousands of one-byte fragments would
/// take the stack with them.
#[test]
fn a_handshake_in_a_hundred_thousand_pieces_is_refused() {
    let mut call = call_before_handshake();
    for piece in 0..100_000_u32 {
        let mut datagram = vec![22, 254, 253, 0, 0, 0, 0];
        datagram.extend(piece.to_be_bytes());
        datagram.extend([0, 13, 1, 0, 0x3f, 0xff, 0, 0]);
        datagram.extend(&(piece % 16_383).to_be_bytes()[1..]);
        datagram.extend([0, 0, 1, 0xaa]);
        call.transport.handle_datagram(call.now, call.local, call.source, BytesMut::from(&datagram[..]));
    }
    assert!(call.transport.stats().dtls_malformed >= 99_700);
    call.pass(Duration::from_secs(13), true);
    assert_eq!(call.close_reason(), None, "and the deadline ends it in its time");
}
