//! Media in: what each stream is, and what its sender is told. Media out: what the participant gets to see.

use std::time::Duration;

use packet::{Mid, OutgoingHeader, RtcpItem, RtpPacket, rtx};
use transport::IncomingRtp;

use crate::call::{Call, GCM, Rtp, SHA1, mid, rid};
use crate::offers::{Browser, Offer, Section, VP8_ONLY};

/// Extension ids of the offers: MID, RID, repaired RID, transport-wide number.
const MID: u8 = 4;
const RID: u8 = 10;
const REPAIRED: u8 = 11;
const WIDE: u8 = 3;

fn encoding(ssrc: u32, name: &str, sequence: u16) -> Rtp {
    Rtp::new(ssrc, 96, sequence).extension(MID, b"1").extension(RID, name.as_bytes())
}

/// What was handed up, as (section, encoding, number, repaired).
fn summary(media: &[IncomingRtp]) -> Vec<(Mid, Option<packet::Rid>, u16, bool)> {
    media.iter().map(|m| (m.mid, m.rid, m.packet.sequence, m.repaired)).collect()
}

#[test]
fn an_encoding_is_remembered_after_its_first_packet() {
    let mut call = Call::plain(&Offer::participant(1, 1));
    call.send(&encoding(11, "q", 1).bytes());
    call.send(&encoding(13, "f", 1).bytes());
    call.take_events();
    for (ssrc, name) in [(11, "q"), (13, "f")] {
        call.send(&Rtp::new(ssrc, 96, 2).bytes());
        let media = call.take_media();
        assert_eq!(summary(&media), [(mid("1"), rid(name), 2, false)], "neither MID nor RID on the packet");
    }
}

#[test]
fn streams_are_identified_by_whatever_a_client_gives() {
    let single = |mid: &str| Section::new(mid, "video", "sendonly").codecs(VP8_ONLY);
    let audio = || Section::new("0", "audio", "sendonly");
    let simulcast = || single("1").rids(&["q", "h"]);
    let offer = |sections| Offer::new(Browser::Chromium, sections);
    let two_cameras =
        || offer(vec![single("1").ssrcs(&[(21, Some(22))]), single("2").ssrcs(&[(31, Some(32))])]);
    type Expected = Option<(&'static str, Option<&'static str>)>;
    let cases: Vec<(Offer, Rtp, Expected, &str)> = vec![
        (offer(vec![simulcast()]), encoding(11, "h", 1), Some(("1", Some("h"))), "MID and RID"),
        (
            offer(vec![simulcast()]),
            Rtp::new(11, 96, 1).extension(RID, b"h"),
            Some(("1", Some("h"))),
            "RID that one section has",
        ),
        (
            offer(vec![simulcast(), single("2").rids(&["q", "h"])]),
            Rtp::new(11, 96, 1).extension(RID, b"h"),
            None,
            "RID that two sections have",
        ),
        (offer(vec![simulcast()]), encoding(11, "x", 1), None, "RID nobody announced"),
        (
            offer(vec![simulcast()]),
            Rtp::new(11, 96, 1).extension(MID, b"1"),
            None,
            "MID alone, but several encodings",
        ),
        (offer(vec![simulcast()]), Rtp::new(11, 96, 1), None, "nothing, and several encodings"),
        (
            two_cameras(),
            Rtp::new(99, 96, 1).extension(MID, b"2"),
            Some(("2", None)),
            "MID alone, one encoding",
        ),
        (two_cameras(), Rtp::new(31, 96, 1), Some(("2", None)), "an a=ssrc line"),
        (two_cameras(), Rtp::new(99, 96, 1), None, "a payload type that two sections have"),
        (
            offer(vec![single("1"), audio()]),
            Rtp::new(99, 96, 1),
            Some(("1", None)),
            "a payload type that one section has",
        ),
        (offer(vec![single("1"), audio()]), Rtp::new(99, 111, 1), Some(("0", None)), "the same for sound"),
        (
            offer(vec![single("1")]),
            Rtp::new(99, 45, 1).extension(MID, b"1"),
            None,
            "a codec we did not ask for",
        ),
        (
            offer(vec![single("1")]),
            Rtp::new(99, 96, 1).extension(MID, b"7"),
            Some(("1", None)),
            "an unknown MID says nothing",
        ),
    ];
    for (offer, packet, expected, why) in cases {
        let mut call = Call::plain(&offer);
        call.take_events();
        call.send(&packet.bytes());
        let media = call.take_media();
        let found = media.first().map(|m| (m.mid, m.rid));
        assert_eq!(
            found,
            expected.map(|(m, r)| (mid(m), r.and_then(rid))),
            "{why}: {:?}",
            call.transport.stats()
        );
    }
}

#[test]
fn a_new_stream_takes_the_place_of_the_old_one() {
    let mut call = Call::plain(&Offer::participant(1, 1));
    call.send(&encoding(11, "q", 1).bytes());
    call.send(&encoding(12, "q", 1).bytes());
    call.take_events();
    call.send(&Rtp::new(11, 96, 2).bytes());
    call.send(&Rtp::new(12, 96, 2).bytes());
    assert_eq!(summary(&call.take_media()), [(mid("1"), rid("q"), 2, false)]);
    assert_eq!(call.transport.stats().unidentified, 1, "the old stream has nothing left to say who it is");
}

#[test]
fn retransmissions_are_restored_however_they_are_labelled() {
    let single = |ssrcs: &[(u32, Option<u32>)]| {
        let section = Section::new("1", "video", "sendonly").codecs(VP8_ONLY).ssrcs(ssrcs);
        Offer::new(Browser::Chromium, vec![section])
    };
    let native =
        Section::new("1", "video", "sendonly").rids(&["q", "f"]).ssrcs(&[(11, Some(21)), (13, Some(23))]);
    let native = Offer::new(Browser::Chromium, vec![native]);
    let lost = Rtp::new(13, 96, 7);
    let rtx = || Rtp::rtx(&lost, 23, 97, 900);
    let plain_media = Rtp::new(13, 96, 6);
    let cases = [
        (
            Offer::participant(1, 0),
            encoding(13, "f", 6),
            rtx().extension(MID, b"1").extension(REPAIRED, b"f"),
            rid("f"),
            "repaired RID, as browsers do",
        ),
        (native, encoding(13, "f", 6), rtx(), rid("f"), "an ssrc-group alone, as native clients do"),
        (
            single(&[]),
            plain_media.clone().extension(MID, b"1"),
            rtx().extension(MID, b"1"),
            None,
            "MID and payload type",
        ),
        (single(&[]), plain_media.clone(), rtx(), None, "payload type alone"),
        (single(&[(13, Some(23))]), plain_media.clone(), rtx(), None, "SSRC lines"),
        (
            Offer::participant(1, 0),
            encoding(13, "f", 6),
            rtx().extension(MID, b"1").extension(RID, b"f"),
            rid("f"),
            "RID in place of repaired RID",
        ),
    ];
    for (offer, media, rtx, expected, why) in cases {
        let mut call = Call::plain(&offer);
        call.send(&media.bytes());
        call.take_events();
        call.send(&rtx.bytes());
        let media = call.take_media();
        assert_eq!(summary(&media), [(mid("1"), expected, 7, true)], "{why}: {:?}", call.transport.stats());
        let packet = &media[0].packet;
        assert_eq!((packet.ssrc, packet.payload_type, packet.timestamp), (13, 96, lost.timestamp), "{why}");
        assert_eq!(packet.payload, lost.payload, "{why}");

        call.send(&Rtp::new(13, 96, 7).bytes());
        assert_eq!(call.take_media(), [], "the original, late, is a duplicate: {why}");
        assert_eq!(call.transport.stats().rtx_duplicates, 1, "{why}");
    }
}

#[test]
fn a_publishers_probes_are_reported_and_handed_up_only_where_they_use_a_number() {
    let mut call = Call::plain(&Offer::participant(1, 0));
    call.send(&encoding(13, "f", 6).extension(WIDE, &[0, 1]).bytes());
    call.take_events();
    let old = Rtp::rtx(&Rtp::new(13, 96, 6), 23, 97, 1).extension(MID, b"1").extension(REPAIRED, b"f");
    let mut padding = Rtp::new(13, 96, 7).extension(WIDE, &[0, 3]).payload(&[]);
    padding.padding = 200;
    let mut empty = Rtp::new(23, 97, 2).extension(WIDE, &[0, 4]).payload(&[]);
    empty.padding = 100;
    let cases = [
        (old.extension(WIDE, &[0, 2]), 0, "an old packet again"),
        (padding, 1, "only padding, whose number has to be closed up for receivers"),
        (empty, 0, "only padding, as a retransmission"),
    ];
    for (packet, handed_up, why) in cases {
        call.send(&packet.bytes());
        assert_eq!(call.take_media().len(), handed_up, "{why}");
    }
    let stats = *call.transport.stats();
    assert_eq!((stats.rtx_duplicates, stats.padding_only), (1, 1));
    call.pass(Duration::from_millis(60), true);
    let feedback = call.take_rtcp().into_iter().find_map(|item| match item {
        RtcpItem::TransportFeedback(feedback) => Some(feedback),
        _ => None,
    });
    let feedback = feedback.expect("feedback after 50 ms");
    assert_eq!(feedback.base, 1);
    assert_eq!(
        feedback.statuses.iter().filter(|status| status.is_some()).count(),
        4,
        "all four are acknowledged"
    );
}

#[test]
fn a_retransmission_for_a_stream_not_seen_is_dropped() {
    let mut call = Call::plain(&Offer::participant(1, 0));
    call.take_events();
    let early = Rtp::rtx(&Rtp::new(13, 96, 6), 23, 97, 1).extension(MID, b"1").extension(REPAIRED, b"f");
    call.send(&early.bytes());
    assert_eq!(call.take_media(), []);
    assert_eq!(call.transport.stats().rtx_unmatched, 1);
}

/// The numbers asked for in NACKs of `media`.
fn asked(items: &[RtcpItem], media: u32) -> Vec<u16> {
    let lost = |item: &RtcpItem| match item {
        RtcpItem::Nack { media_ssrc, lost, .. } if *media_ssrc == media => lost.to_vec(),
        _ => Vec::new(),
    };
    items.iter().flat_map(lost).collect()
}

#[test]
fn a_missing_packet_is_asked_for_as_long_as_somebody_waits_for_it() {
    let mut call = Call::plain(&Offer::participant(1, 0));
    call.send(&encoding(13, "f", 100).bytes());
    call.send(&encoding(13, "f", 103).bytes());
    let mut rounds = Vec::new();
    for _ in 0..150 {
        call.pass(Duration::from_millis(20), false);
        rounds.push(asked(&call.take_rtcp(), 13));
    }
    let times: Vec<usize> =
        rounds.iter().enumerate().filter(|(_, round)| !round.is_empty()).map(|(at, _)| at).collect();
    assert!(rounds.iter().all(|round| round.is_empty() || *round == [101, 102]), "together: {rounds:?}");
    assert_eq!(
        times,
        [0, 5, 10, 15, 21, 29, 39, 51, 66],
        "in steps of 20 ms: evenly at first, then ever rarer, and not for ever"
    );
    assert_eq!(call.transport.stats().nacks_sent, 18);
}

#[test]
fn a_forged_transport_wide_number_makes_no_feedback_of_thousands() {
    let mut call = Call::plain(&Offer::participant(1, 0));
    let mut spoken_of = 0;
    for number in 0..400_u16 {
        let wide = if number == 100 { 16_384 } else { number };
        call.send(&encoding(13, "f", number).extension(WIDE, &wide.to_be_bytes()).bytes());
        call.pass(Duration::from_millis(5), number % 50 == 0);
        for item in call.take_rtcp() {
            if let RtcpItem::TransportFeedback(feedback) = item {
                spoken_of += feedback.statuses.len();
            }
        }
    }
    assert!((360..=401).contains(&spoken_of), "{spoken_of} statuses about 400 packets");
}

#[test]
fn a_repaired_packet_is_not_asked_for_again() {
    let mut call = Call::plain(&Offer::participant(1, 0));
    call.send(&encoding(13, "f", 100).bytes());
    call.send(&encoding(13, "f", 102).bytes());
    call.pass(Duration::from_millis(20), false);
    assert_eq!(asked(&call.take_rtcp(), 13), [101]);
    let repair = Rtp::rtx(&Rtp::new(13, 96, 101), 23, 97, 1).extension(MID, b"1").extension(REPAIRED, b"f");
    call.send(&repair.bytes());
    call.pass(Duration::from_millis(200), false);
    assert_eq!(asked(&call.take_rtcp(), 13), [0_u16; 0]);
}

#[test]
fn sound_without_retransmissions_is_not_asked_for() {
    let mut call = Call::plain(&Offer::participant(0, 0));
    for sequence in [1, 5] {
        call.send(&Rtp::new(1_000, 111, sequence).extension(MID, b"0").bytes());
    }
    call.pass(Duration::from_millis(200), false);
    assert!(!call.take_rtcp().iter().any(|item| matches!(item, RtcpItem::Nack { .. })));
}

#[test]
fn feedback_covers_every_number_at_its_cadence() {
    let mut call = Call::plain(&Offer::participant(1, 0));
    let mut acknowledged = Vec::new();
    let mut datagrams = 0;
    for number in 0..200_u16 {
        if number % 10 != 3 {
            let packet = encoding(13, "f", number).extension(WIDE, &number.to_be_bytes());
            call.send(&packet.bytes());
        }
        call.pass(Duration::from_millis(5), number % 50 == 0);
        for item in call.take_rtcp() {
            if let RtcpItem::TransportFeedback(feedback) = item {
                datagrams += 1;
                let numbers = (0..).map(|at| feedback.base.wrapping_add(at));
                acknowledged
                    .extend(numbers.zip(&feedback.statuses).filter(|(_, s)| s.is_some()).map(|(n, _)| n));
            }
        }
    }
    let expected: Vec<u16> = (0..200).filter(|n| n % 10 != 3).collect();
    assert_eq!(acknowledged, expected[..acknowledged.len()]);
    assert!(acknowledged.len() >= 170, "all but the last interval: {}", acknowledged.len());
    assert!((18..=20).contains(&datagrams), "one every 50 ms of 1 s: {datagrams}");
}

#[test]
fn receiver_reports_carry_loss_and_the_senders_clock() {
    let mut call = Call::plain(&Offer::participant(1, 0));
    for sequence in (0..100).filter(|n| n % 4 != 1) {
        call.send(&encoding(13, "f", sequence).bytes());
    }
    let report = RtcpItem::SenderReport {
        ssrc: 13,
        ntp: 0x1111_2222_3333_4444,
        rtp_time: 0,
        packets: 100,
        octets: 10_000,
        reports: Default::default(),
    };
    call.take_events();
    call.send_rtcp(std::slice::from_ref(&report));
    assert_eq!(call.take_events(), [transport::Event::Rtcp(vec![report])], "handed up too");
    call.pass(Duration::from_millis(1_000), true);
    let blocks = call.take_rtcp().into_iter().find_map(|item| match item {
        RtcpItem::ReceiverReport { reports, .. } => Some(reports),
        _ => None,
    });
    let block = blocks.expect("one per second")[0];
    assert_eq!((block.ssrc, block.highest_sequence, block.cumulative_lost), (13, 99, 25));
    assert_eq!(block.fraction_lost, 64, "a quarter");
    assert_eq!(block.last_sender_report, 0x2222_3333, "the middle 32 bits (RFC 3550 §6.4.1)");
    assert_eq!(block.delay_since_sender_report, 65_536, "one second");
}

#[test]
fn a_repaired_packet_stays_lost_in_receiver_reports() {
    let mut call = Call::plain(&Offer::participant(1, 0));
    call.send(&encoding(13, "f", 1).bytes());
    call.send(&encoding(13, "f", 3).bytes());
    let repair = Rtp::rtx(&Rtp::new(13, 96, 2), 23, 97, 1).extension(MID, b"1").extension(REPAIRED, b"f");
    call.send(&repair.bytes());
    call.pass(Duration::from_millis(1_000), true);
    let lost = call.take_rtcp().into_iter().find_map(|item| match item {
        RtcpItem::ReceiverReport { reports, .. } => {
            reports.iter().find(|r| r.ssrc == 13).map(|r| r.cumulative_lost)
        }
        _ => None,
    });
    assert_eq!(lost, Some(1), "the publisher's loss control has to see the path, not the repair");
}

#[test]
fn everything_works_under_encryption_with_either_profile() {
    for profile in [GCM, SHA1] {
        let mut call = Call::secure(&Offer::participant(1, 1), &[profile]);
        call.take_events();
        call.send(&encoding(13, "f", 100).extension(WIDE, &[0, 1]).bytes());
        call.send(&encoding(13, "f", 102).extension(WIDE, &[0, 2]).bytes());
        call.pass(Duration::from_millis(60), true);
        let reports = call.take_rtcp();
        assert_eq!(asked(&reports, 13)[..1], [101], "{profile:?}");
        assert!(reports.iter().any(|item| matches!(item, RtcpItem::TransportFeedback(_))), "{profile:?}");
        let repair =
            Rtp::rtx(&Rtp::new(13, 96, 101), 23, 97, 1).extension(MID, b"1").extension(REPAIRED, b"f");
        call.send(&repair.bytes());
        let numbers: Vec<u16> = call.take_media().iter().map(|m| m.packet.sequence).collect();
        assert_eq!(numbers, [100, 102, 101], "{profile:?}");

        // And the other way: a packet on a slot, its retransmission, feedback and a keyframe request.
        let slot = call.slot("2");
        let header = OutgoingHeader::new(slot.ssrc, 96, 500, 1_000, true);
        let again = OutgoingHeader::new(slot.rtx_ssrc.expect("video"), 97, 1, 1_000, true);
        call.transport.send_rtp(&header, &[b"payload"], 0).expect("connected");
        call.transport.send_rtp(&again, &[&rtx::osn(500), b"payload"], 0).expect("connected");
        let pli = RtcpItem::Pli { sender_ssrc: 1, media_ssrc: 13 };
        call.transport.send_rtcp(call.now, std::slice::from_ref(&pli)).expect("connected");
        call.pump();
        let ids = *call.transport.extensions();
        let sent: Vec<_> = call
            .take_rtp()
            .into_iter()
            .map(|bytes| RtpPacket::parse(bytes.freeze(), &ids).expect("RTP"))
            .collect();
        assert_eq!(rtx::restore(&sent[1], slot.ssrc, 96).expect("a retransmission").payload, sent[0].payload);
        assert_eq!(call.take_rtcp(), [pli]);

        let request = RtcpItem::Pli { sender_ssrc: 1, media_ssrc: slot.ssrc };
        call.take_events();
        call.send_rtcp(std::slice::from_ref(&request));
        assert_eq!(call.take_events(), [transport::Event::Rtcp(vec![request])]);
    }
}

#[test]
fn the_same_inputs_give_the_same_bytes() {
    let run = || {
        let mut call = Call::plain(&Offer::participant(4, 3));
        for sequence in (0..400_u16).filter(|n| n % 7 != 0) {
            for (ssrc, name) in [(11, "q"), (12, "h"), (13, "f")] {
                let wide = (3 * sequence + ssrc as u16 - 11).to_be_bytes();
                call.send(&encoding(ssrc, name, sequence).extension(WIDE, &wide).bytes());
            }
            call.pass(Duration::from_millis(7), sequence % 100 == 0);
        }
        call.received.iter().map(|transmit| transmit.datagrams.clone()).collect::<Vec<_>>()
    };
    let first = run();
    assert!(first.len() > 100, "something was said: {}", first.len());
    assert_eq!(first, run());
}
