//! Feedback as tables, as round trips, and as noise.

use proptest::prelude::*;
use rtc_shared::marshal::Unmarshal;
use rtcp::transport_feedbacks::cc_feedback_report::CcFeedbackReport;
use rtcp::transport_feedbacks::transport_layer_cc::{SymbolTypeTcc, TransportLayerCc};
use smallvec::smallvec;
use units::Bitrate;

use super::cc_feedback::{CcAge, CcFeedback, CcReport, CcStream};
use super::{ReportBlock, RtcpBatch, RtcpItem, TransportFeedback, parse_rtcp, write_rtcp};

/// One RTCP packet: header over `body`, which must be whole words.
fn packet(format: u8, kind: u8, body: &[u8]) -> Vec<u8> {
    assert!(body.len().is_multiple_of(4), "a test packet is whole words");
    let mut bytes = vec![0x80 | format, kind];
    bytes.extend(((body.len() / 4) as u16).to_be_bytes());
    bytes.extend(body);
    bytes
}

/// Transport-wide feedback of `count` packets from 10 on, reference time 5, with the given chunks and deltas.
fn feedback(count: u16, chunks: &[u16], deltas: &[u8]) -> Vec<u8> {
    let mut body = vec![0, 0, 0, 1, 0, 0, 0, 2, 0, 10];
    body.extend(count.to_be_bytes());
    body.extend([0, 0, 5, 7]);
    body.extend(chunks.iter().flat_map(|chunk| chunk.to_be_bytes()));
    body.extend(deltas);
    body.resize(body.len().next_multiple_of(4), 0);
    packet(15, 205, &body)
}

fn statuses(bytes: &[u8]) -> Option<Vec<Option<i16>>> {
    let batch = parse_rtcp(bytes);
    match (batch.items.as_slice(), batch.malformed) {
        ([RtcpItem::TransportFeedback(f)], 0) => Some(f.statuses.clone()),
        ([], 1) => None,
        other => panic!("neither one feedback nor one malformed packet: {other:?}"),
    }
}

#[test]
fn reads_transport_feedback_and_its_traps() {
    let lost = None;
    type Statuses = Option<Vec<Option<i16>>>;
    let cases: [(Vec<u8>, Statuses, &str); 17] = [
        (feedback(2, &[0x2002], &[4, 8]), Some(vec![Some(4), Some(8)]), "a run of small deltas"),
        (
            feedback(2, &[0x4002], &[0xff, 0xff, 0, 1]),
            Some(vec![Some(-1), Some(1)]),
            "large deltas are signed",
        ),
        (feedback(1, &[0x2001], &[255]), Some(vec![Some(255)]), "small ones are not"),
        (feedback(3, &[0x0003], &[]), Some(vec![lost; 3]), "a run of lost packets"),
        (
            feedback(3, &[0xa800], &[1, 2]),
            Some(vec![Some(1), lost, Some(2)]),
            "a vector of one bit per packet",
        ),
        (
            feedback(3, &[0b1101_1000_0000_0000], &[1, 0x80, 0]),
            Some(vec![Some(1), Some(-32768), lost]),
            "a vector of two bits per packet",
        ),
        (
            feedback(2, &[0x3fff], &[1, 2]),
            Some(vec![Some(1), Some(2)]),
            "a run longer than the count: surplus ignored",
        ),
        (
            feedback(1, &[0b1101_1111_1111_1111], &[3]),
            Some(vec![Some(3)]),
            "surplus symbols are not judged, reserved or not",
        ),
        (feedback(1, &[0x2000], &[1]), None, "run of length 0"),
        (feedback(0, &[], &[]), None, "about nothing"),
        (feedback(1, &[0x6001], &[1]), None, "run of the reserved symbol"),
        (feedback(2, &[0b1101_1100_0000_0000], &[1]), None, "reserved symbol in a vector"),
        (feedback(5, &[], &[]), None, "chunks missing"),
        (feedback(9, &[0x2009], &[1]), None, "deltas missing"),
        (feedback(u16::MAX, &[0x1fff; 9], &[]), None, "20 bytes that claim 65,535 packets"),
        (feedback(8192, &[0x1fff, 1], &[]), Some(vec![lost; 8192]), "as many as are believed"),
        (packet(15, 205, &[0; 12]), None, "cut off in front of the chunks"),
    ];
    for (bytes, expected, why) in cases {
        assert_eq!(statuses(&bytes), expected, "{why}");
    }
}

#[test]
fn reads_the_fields_of_transport_feedback() {
    let mut bytes = feedback(1, &[0x2001], &[1]);
    bytes[16..19].copy_from_slice(&[0xff, 0xff, 0xfe]);
    let batch = parse_rtcp(&bytes);
    let RtcpItem::TransportFeedback(feedback) = &batch.items[0] else {
        panic!("feedback expected: {batch:?}")
    };
    assert_eq!((feedback.sender_ssrc, feedback.media_ssrc, feedback.base, feedback.count), (1, 2, 10, 7));
    assert_eq!(
        feedback.reference_time, 0xff_fffe,
        "modulo 2^24: unwrapping is for those who know the one before"
    );
}

#[test]
fn a_datagram_may_not_claim_more_than_one_feedback_may() {
    let bytes = [feedback(8000, &[0x1fff], &[]), feedback(8000, &[0x1fff], &[])].concat();
    let batch = parse_rtcp(&bytes);
    assert_eq!((batch.items.len(), batch.malformed), (1, 1));
}

#[test]
fn padding_is_no_delta() {
    // The second delta would be found in the padding, whole words or not.
    for (deltas, padding, expected) in
        [(&[1, 0][..], 1, None), (&[1, 2], 0, Some(vec![Some(1), Some(2)])), (&[1, 0, 0, 0, 0, 0], 5, None)]
    {
        let mut bytes = feedback(2, &[0x2002], deltas);
        if padding > 0 {
            bytes[0] |= 0x20;
            *bytes.last_mut().unwrap() = padding;
        }
        assert_eq!(statuses(&bytes), expected, "{padding} bytes of padding");
    }
}

#[test]
fn reads_congestion_control_feedback() {
    // Stream 7 from 100: lost, arrived with CE 1024/1024 s ago, too old, unknown; stream 8: one packet and its padding.
    let mut body = vec![0, 0, 0, 1];
    body.extend([0, 0, 0, 7, 0, 100, 0, 4, 0x7f, 0xff, 0xe4, 0x00, 0x9f, 0xfe, 0x9f, 0xff]);
    body.extend([0, 0, 0, 8, 0, 1, 0, 1, 0x80, 0x01, 0xff, 0xff]);
    body.extend([1, 2, 3, 4]);
    let report = |ecn, age| Some(CcReport { ecn, age });
    let expected = CcFeedback {
        sender_ssrc: 1,
        streams: vec![
            CcStream {
                ssrc: 7,
                begin_sequence: 100,
                reports: vec![
                    None,
                    report(3, CcAge::Ticks(1024)),
                    report(0, CcAge::TooOld),
                    report(0, CcAge::Unknown),
                ],
            },
            CcStream { ssrc: 8, begin_sequence: 1, reports: vec![report(0, CcAge::Ticks(1))] },
        ],
        report_timestamp: 0x0102_0304,
    };
    let bytes = packet(11, 205, &body);
    assert_eq!(parse_rtcp(&bytes).items, [RtcpItem::CcFeedback(expected)]);

    for (cut, why) in [(4, "a report missing"), (8, "half a head"), (20, "no reports")] {
        let batch = parse_rtcp(&packet(11, 205, &body[..body.len() - cut]));
        // What is now last reads as the timestamp, and leaves a block that is cut off.
        assert_eq!((batch.items.len(), batch.malformed), (0, 1), "{why}");
    }
    let mut many = body[..4].to_vec();
    many.extend([0, 0, 0, 7, 0, 0, 0x40, 0x01, 0, 0, 0, 0]);
    assert_eq!(parse_rtcp(&packet(11, 205, &many)).malformed, 1, "more reports than may be");
}

#[test]
fn reads_receiver_estimates_that_the_crate_gets_wrong() {
    let remb = |count: u8, exponent: u8, mantissa: u32, ssrcs: &[u32]| {
        let mut body = vec![0, 0, 0, 1, 0, 0, 0, 0];
        body.extend(b"REMB");
        body.extend([count, exponent << 2 | (mantissa >> 16) as u8, (mantissa >> 8) as u8, mantissa as u8]);
        body.extend(ssrcs.iter().flat_map(|ssrc| ssrc.to_be_bytes()));
        parse_rtcp(&packet(15, 206, &body))
    };
    let cases: [(RtcpBatch, Option<Bitrate>, &str); 5] = [
        (remb(1, 0, 0, &[7]), Some(Bitrate::ZERO), "zero is zero"),
        (remb(1, 4, 62_500, &[7]), Some(Bitrate::from_kbps(1000)), "an ordinary one"),
        (remb(0, 63, 0x3_ffff, &[]), Some(Bitrate::MAX), "beyond 64 bits"),
        (remb(2, 0, 1, &[7]), None, "a stream missing"),
        (remb(0, 46, 0x3_ffff, &[]), Some(Bitrate::from_bps(0x3_ffff << 46)), "the last that fits"),
    ];
    for (batch, expected, why) in cases {
        let got = batch.items.first().map(|item| match item {
            RtcpItem::Remb { bitrate, .. } => *bitrate,
            other => panic!("{other:?}"),
        });
        assert_eq!(got, expected, "{why}");
        assert_eq!(batch.malformed, u32::from(expected.is_none()), "{why}");
    }
    let mut other = vec![0; 16];
    other[8..12].copy_from_slice(b"XXXX");
    assert_eq!(parse_rtcp(&packet(15, 206, &other)).malformed, 1, "another application's feedback");
}

#[test]
fn walks_compounds_and_survives_their_bad_parts() {
    let pli = packet(1, 206, &[0, 0, 0, 1, 0, 0, 0, 2]);
    let empty_report = packet(0, 201, &[0, 0, 0, 1]);
    let description = packet(1, 202, &[0, 0, 0, 1, 1, 1, b'a', 0]);
    let short_nack = packet(1, 205, &[0, 0, 0, 1, 0, 0, 0, 2]);
    let mut past_end = pli.clone();
    past_end[3] = 3;
    let mut version_1 = pli.clone();
    version_1[0] = 0x41;
    let mut no_padding = pli.clone();
    no_padding[0] |= 0x20;
    no_padding[11] = 0;
    // Reports promised and not there.
    let report_missing = packet(1, 201, &[0, 0, 0, 1]);
    let fir = packet(4, 206, &[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 5, 9, 0, 0, 0, 0, 0, 0, 6, 10, 0, 0, 0]);
    let cases: [(Vec<Vec<u8>>, usize, u32, &str); 12] = [
        (vec![], 0, 0, "nothing"),
        (vec![pli.clone()], 1, 0, "reduced size"),
        (vec![empty_report.clone(), pli.clone()], 2, 0, "RR and PLI, as browsers send it"),
        (vec![empty_report.clone(), description, pli.clone()], 2, 0, "a source description is read over"),
        (vec![short_nack, pli.clone()], 1, 1, "a NACK for nothing does not cost its neighbour"),
        (vec![report_missing, pli.clone()], 1, 1, "nor does a cut off report"),
        (vec![pli.clone(), past_end], 1, 1, "a length past the end ends the walk"),
        (vec![version_1, pli.clone()], 0, 1, "so does another version: its length means nothing"),
        (vec![no_padding, pli.clone()], 1, 1, "padding of no bytes"),
        (vec![pli.clone(), vec![0x80]], 1, 1, "a stray byte"),
        (vec![fir], 2, 0, "two requests in one FIR"),
        (vec![pli.clone(); 70], 64, 1, "more packets than anybody sends"),
    ];
    for (packets, items, malformed, why) in cases {
        let batch = parse_rtcp(&packets.concat());
        assert_eq!((batch.items.len(), batch.malformed), (items, malformed), "{why}: {batch:?}");
    }
}

#[test]
fn a_nack_asks_for_a_bounded_number() {
    let mut body = vec![0, 0, 0, 1, 0, 0, 0, 2];
    for n in 0..200_u16 {
        body.extend((17 * n).to_be_bytes());
        body.extend([0xff, 0xff]);
    }
    let batch = parse_rtcp(&packet(1, 205, &body));
    let RtcpItem::Nack { lost, .. } = &batch.items[0] else { panic!("{batch:?}") };
    assert_eq!(lost.len(), 1024);
    assert!(lost.iter().copied().eq(0..1024), "in order");
}

#[test]
fn a_negative_count_of_lost_packets_survives() {
    let block = ReportBlock { cumulative_lost: -3, ..ReportBlock::default() };
    let mut out = Vec::new();
    write_rtcp(&[RtcpItem::ReceiverReport { ssrc: 1, reports: smallvec![block] }], &mut out);
    assert_eq!(parse_rtcp(&out).items, [RtcpItem::ReceiverReport { ssrc: 1, reports: smallvec![block] }]);
}

#[test]
fn a_long_nack_is_split() {
    let lost: Vec<u16> = (0..600).map(|n| n * 20).collect();
    let mut out = Vec::new();
    write_rtcp(&[RtcpItem::Nack { sender_ssrc: 1, media_ssrc: 2, lost: lost.clone().into() }], &mut out);
    let batch = parse_rtcp(&out);
    assert_eq!((batch.items.len(), batch.malformed), (3, 0));
    let again: Vec<u16> = batch
        .items
        .iter()
        .flat_map(|item| match item {
            RtcpItem::Nack { lost, .. } => lost.to_vec(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(again, lost);
}

prop_compose! {
    fn report_blocks()(
        ssrc: u32, fraction_lost: u8, cumulative_lost in -0x80_0000..0x80_0000_i32, highest_sequence: u32, jitter: u32,
        last_sender_report: u32, delay_since_sender_report: u32,
    ) -> ReportBlock {
        ReportBlock { ssrc, fraction_lost, cumulative_lost, highest_sequence, jitter, last_sender_report, delay_since_sender_report }
    }
}

prop_compose! {
    fn transport_feedbacks()(
        sender_ssrc: u32, media_ssrc: u32, base: u16, reference_time in 0u32..0x100_0000, count: u8,
        runs in proptest::collection::vec((proptest::option::of(prop_oneof![0i16..256, any::<i16>()]), 1usize..40), 1..20),
    ) -> TransportFeedback {
        let statuses = runs.into_iter().flat_map(|(status, length)| std::iter::repeat_n(status, length)).collect();
        TransportFeedback { sender_ssrc, media_ssrc, base, reference_time, count, statuses }
    }
}

fn cc_reports() -> impl Strategy<Value = Option<CcReport>> {
    let age = prop_oneof![(0u16..=8189).prop_map(CcAge::Ticks), Just(CcAge::TooOld), Just(CcAge::Unknown)];
    proptest::option::of((0u8..4, age).prop_map(|(ecn, age)| CcReport { ecn, age }))
}

prop_compose! {
    fn cc_feedbacks()(
        sender_ssrc: u32, report_timestamp: u32,
        streams in proptest::collection::vec((any::<u32>(), any::<u16>(), proptest::collection::vec(cc_reports(), 0..20)), 0..5),
    ) -> CcFeedback {
        let streams = streams.into_iter().map(|(ssrc, begin_sequence, reports)| CcStream { ssrc, begin_sequence, reports }).collect();
        CcFeedback { sender_ssrc, streams, report_timestamp }
    }
}

fn items() -> impl Strategy<Value = RtcpItem> {
    let ssrcs = || proptest::collection::vec(any::<u32>(), 0..9);
    let reports = || proptest::collection::vec(report_blocks(), 0..32);
    prop_oneof![
        (any::<u32>(), any::<u32>(), proptest::collection::btree_set(any::<u16>(), 1..40)).prop_map(
            |(sender_ssrc, media_ssrc, lost)| RtcpItem::Nack {
                sender_ssrc,
                media_ssrc,
                lost: lost.into_iter().collect()
            }
        ),
        any::<(u32, u32)>().prop_map(|(sender_ssrc, media_ssrc)| RtcpItem::Pli { sender_ssrc, media_ssrc }),
        any::<(u32, u32, u8)>().prop_map(|(sender_ssrc, media_ssrc, sequence)| RtcpItem::Fir {
            sender_ssrc,
            media_ssrc,
            sequence
        }),
        transport_feedbacks().prop_map(RtcpItem::TransportFeedback),
        cc_feedbacks().prop_map(RtcpItem::CcFeedback),
        // 18 bits of mantissa: what the format keeps of a rate.
        (any::<u32>(), 0u64..0x4_0000, 0u32..40, ssrcs()).prop_map(
            |(sender_ssrc, mantissa, exponent, ssrcs)| {
                RtcpItem::Remb {
                    sender_ssrc,
                    bitrate: Bitrate::from_bps(mantissa << exponent),
                    ssrcs: ssrcs.into(),
                }
            }
        ),
        (any::<(u32, u64, u32, u32, u32)>(), reports()).prop_map(
            |((ssrc, ntp, rtp_time, packets, octets), reports)| {
                RtcpItem::SenderReport { ssrc, ntp, rtp_time, packets, octets, reports: reports.into() }
            }
        ),
        (any::<u32>(), reports())
            .prop_map(|(ssrc, reports)| RtcpItem::ReceiverReport { ssrc, reports: reports.into() }),
        ssrcs().prop_map(|ssrcs| RtcpItem::Bye { ssrcs: ssrcs.into() }),
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_parsed(items in proptest::collection::vec(items(), 0..8)) {
        let mut out = Vec::new();
        write_rtcp(&items, &mut out);
        prop_assert!(out.len().is_multiple_of(4));
        prop_assert_eq!(parse_rtcp(&out), RtcpBatch { items, malformed: 0 });
    }

    /// Our chunks mean to the `rtcp` crate what they mean to us.
    #[test]
    fn the_rtcp_crate_reads_our_transport_feedback(feedback in transport_feedbacks()) {
        let mut out = Vec::new();
        feedback.write(&mut out);
        let theirs = TransportLayerCc::unmarshal(&mut &out[..]).unwrap();
        prop_assert_eq!(theirs.base_sequence_number, feedback.base);
        prop_assert_eq!(theirs.reference_time, feedback.reference_time);
        prop_assert_eq!(usize::from(theirs.packet_status_count), feedback.statuses.len());
        let deltas: Vec<i16> = theirs.recv_deltas.iter().map(|d| (d.delta / 250) as i16).collect();
        prop_assert_eq!(deltas, feedback.statuses.iter().flatten().copied().collect::<Vec<_>>());
        let small = theirs.recv_deltas.iter().filter(|d| d.type_tcc_packet == SymbolTypeTcc::PacketReceivedSmallDelta).count();
        prop_assert_eq!(small, feedback.statuses.iter().flatten().filter(|d| (0..256).contains(*d)).count());
    }

    #[test]
    fn the_rtcp_crate_reads_our_congestion_control_feedback(feedback in cc_feedbacks()) {
        let mut out = Vec::new();
        feedback.write(&mut out);
        let theirs = CcFeedbackReport::unmarshal(&mut &out[..]).unwrap();
        prop_assert_eq!(theirs.report_timestamp, feedback.report_timestamp);
        for (theirs, ours) in theirs.report_blocks.iter().zip(&feedback.streams) {
            let received: Vec<bool> = theirs.metric_blocks.iter().map(|m| m.received).collect();
            prop_assert_eq!(received, ours.reports.iter().map(Option::is_some).collect::<Vec<_>>());
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse_rtcp(&bytes);
    }

    /// Any body under every header that is read: the walk always reaches the second packet.
    #[test]
    fn plausible_packets_never_panic(
        flags in 0u8..0x40, kind in 200u8..208, words in proptest::collection::vec(any::<[u8; 4]>(), 0..40),
    ) {
        let mut bytes = packet(0, kind, words.as_flattened());
        bytes[0] |= flags;
        bytes.extend(packet(1, 206, &[0, 0, 0, 1, 0, 0, 0, 2]));
        let batch = parse_rtcp(&bytes);
        prop_assert_eq!(batch.items.last(), Some(&RtcpItem::Pli { sender_ssrc: 1, media_ssrc: 2 }));
        prop_assert!(batch.malformed <= 1);
    }

    #[test]
    fn damaged_datagrams_never_panic(items in proptest::collection::vec(items(), 1..4), at: proptest::sample::Index, byte: u8) {
        let mut out = Vec::new();
        write_rtcp(&items, &mut out);
        if !out.is_empty() {
            let at = at.index(out.len());
            out[at] = byte;
            let _ = parse_rtcp(&out);
        }
    }
}
