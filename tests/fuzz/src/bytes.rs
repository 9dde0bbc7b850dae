//! Targets that read datagrams and payloads.

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use estimator::{ccfb, twcc};
use packet::codec::vp8::Descriptor;
use packet::rtcp::cc_feedback::CcAge;
use packet::{
    Codec, ExtensionIds, ExtensionUri, OutgoingHeader, RtcpItem, RtpPacket, TransportFeedback, codec,
    parse_rtcp, rtx, write_rtcp,
};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use simulator::rooms::sdp::{Answer, Offer, Sending};
use transport::check::Check;
use transport::demux::{self, Class};
use transport::{Config, Event, Identity, Security, Transport};
use units::Timestamp;

use crate::input::Input;

/// A packet, and the ids that were negotiated for its extensions.
pub(crate) fn rtp(data: &[u8]) {
    let mut input = Input::new(data);
    let mut ids = ExtensionIds::new();
    let first = input.byte();
    for (at, uri) in ExtensionUri::ALL.iter().enumerate() {
        // Either form of the extension block, by whether some id needs the long one.
        ids.set(*uri, (first & 0x0f).wrapping_add(at as u8).wrapping_mul(if first > 0xe0 { 17 } else { 1 }));
    }
    let datagram = Bytes::copy_from_slice(input.rest());
    let Ok(packet) = RtpPacket::parse(datagram.clone(), &ids) else { return };
    assert_eq!(packet.wire_size, datagram.len());
    assert!(packet.payload.len() + usize::from(packet.padding) + 12 <= datagram.len());
    if let Some(restored) = rtx::restore(&packet, 1, 2) {
        assert_eq!(restored.payload.len() + 2, packet.payload.len());
    }

    let header = OutgoingHeader {
        csrc: Some(7),
        mid: packet.extensions.mid,
        transport_wide: packet.extensions.transport_wide,
        audio_level: packet.extensions.audio_level,
        ..OutgoingHeader::new(
            packet.ssrc,
            packet.payload_type,
            packet.sequence,
            packet.timestamp,
            packet.marker,
        )
    };
    let mut written = Vec::new();
    let length = header.write(&ids, packet.padding > 0, &mut written);
    assert_eq!(length, written.len());
    written.extend_from_slice(&packet.payload);
    packet::header::put_padding(packet.padding, &mut written);
    let again = RtpPacket::parse(written.into(), &ids).expect("what we write can be parsed");
    assert_eq!(again.payload, packet.payload);
    let fixed = |p: &RtpPacket| (p.ssrc, p.payload_type, p.sequence, p.timestamp, p.marker, p.padding);
    assert_eq!(fixed(&again), fixed(&packet));
    assert_eq!(again.extensions.mid, packet.extensions.mid);
    assert_eq!(again.extensions.transport_wide, packet.extensions.transport_wide);
    assert_eq!(again.extensions.audio_level, packet.extensions.audio_level);
}

/// Half of the packets that are read of one datagram.
const MOST_ITEMS: usize = 32;

/// A compound datagram.
pub(crate) fn rtcp(data: &[u8]) {
    let once = parse_rtcp(data).items;
    let statuses: usize = once
        .iter()
        .map(|item| match item {
            RtcpItem::TransportFeedback(feedback) => feedback.statuses.len(),
            RtcpItem::CcFeedback(feedback) => feedback.streams.iter().map(|s| s.reports.len()).sum(),
            RtcpItem::Nack { lost, .. } => lost.len(),
            _ => 1,
        })
        .sum();
    assert!(statuses <= 4 * TransportFeedback::MAX_STATUSES, "{statuses} of {} bytes", data.len());
    // What was read is written in a form of ours; from then on nothing changes any more.
    let rewritten = |items: &[RtcpItem]| {
        let mut bytes = Vec::new();
        write_rtcp(items, &mut bytes);
        bytes
    };
    // Several in one packet become a packet each, of which a datagram has no more than so many.
    let once = &once[..once.len().min(MOST_ITEMS)];
    let bytes = rewritten(once);
    let twice = parse_rtcp(&bytes);
    assert_eq!(twice.malformed, 0, "what we write can be parsed: {once:?}");
    if twice.items.len() < 64 {
        assert_eq!(rewritten(&twice.items), bytes, "{once:?} and {:?}", twice.items);
    }
}

/// Reports of arrivals in both forms, from their bytes to results in the order of sending.
pub(crate) fn feedback(data: &[u8]) {
    let mut input = Input::new(data);
    let mut unwrapper = twcc::Unwrapper::new();
    let mut mapper = ccfb::Mapper::new();
    let mut newest = u64::from(input.short());
    while !input.is_empty() {
        let format = if input.byte() & 1 == 0 { 15 } else { 11 };
        for _ in 0..input.byte() {
            newest += 1;
            mapper.on_sent(newest, 0x0101_0101 * (newest % 2) as u32, newest as u16);
        }
        let length = input.below(64) * 4;
        let mut datagram = vec![0x80 | format, 205, 0, 0];
        datagram.extend_from_slice(input.take(length));
        datagram.resize(datagram.len().next_multiple_of(4), 0);
        let words = (datagram.len() / 4 - 1) as u16;
        datagram[2..4].copy_from_slice(&words.to_be_bytes());
        for item in parse_rtcp(&datagram).items {
            match item {
                RtcpItem::TransportFeedback(feedback) => unwrap(&mut unwrapper, newest, &feedback),
                RtcpItem::CcFeedback(feedback) => map(&mut mapper, newest, &feedback),
                other => panic!("neither form is {other:?}"),
            }
        }
    }
}

fn unwrap(unwrapper: &mut twcc::Unwrapper, newest: u64, feedback: &TransportFeedback) {
    let statuses = feedback.statuses.iter().map(|status| match status {
        Some(delta) => twcc::Status::Received(*delta),
        None => twcc::Status::NotReceived,
    });
    let Ok(results) = unwrapper.unwrap(newest, feedback.base, feedback.reference_time as i32, statuses)
    else {
        return;
    };
    assert_eq!(results.len(), feedback.statuses.len());
    assert!(results.is_sorted_by(|a, b| a.seq + 1 == b.seq));
    assert!(results.last().is_some_and(|last| last.seq <= newest), "nothing that was not sent");
    assert_eq!(results[0].seq as u16, feedback.base);
}

fn map(mapper: &mut ccfb::Mapper, newest: u64, feedback: &packet::rtcp::CcFeedback) {
    let metrics = feedback.streams.iter().flat_map(|stream| {
        (0u16..).zip(&stream.reports).map(|(at, report)| ccfb::Metric {
            ssrc: stream.ssrc,
            seq: stream.begin_sequence.wrapping_add(at),
            received: report.is_some(),
            ecn: match report.map_or(0, |report| report.ecn) {
                1 => estimator::Ecn::Ect1,
                2 => estimator::Ecn::Ect0,
                3 => estimator::Ecn::Ce,
                _ => estimator::Ecn::NotEct,
            },
            offset: match report.map(|report| report.age) {
                Some(CcAge::Ticks(ticks)) => ticks,
                Some(CcAge::TooOld) => 0x1ffe,
                Some(CcAge::Unknown) | None => 0x1fff,
            },
        })
    });
    let (results, _) = mapper.map(feedback.report_timestamp, metrics);
    assert!(results.is_sorted_by_key(|result| result.seq));
    assert!(results.iter().all(|result| result.seq <= newest), "nothing that was not sent");
}

/// A payload of each codec.
pub(crate) fn codec(data: &[u8]) {
    let mut input = Input::new(data);
    let marker = input.byte() & 1 == 1;
    let payload = input.rest();
    for kind in Codec::ALL {
        if let Ok(info) = codec::peek(*kind, payload, marker) {
            assert!(!info.keyframe_start || info.frame_start, "{kind}: a keyframe starts where a frame does");
            assert!(info.size().is_none() || kind.is_video());
        }
    }
    if let Ok((descriptor, length)) = Descriptor::parse(payload) {
        let mut written = Vec::new();
        let size = descriptor.write(&mut written);
        assert_eq!(size, written.len());
        written.extend_from_slice(&payload[length..]);
        assert_eq!(Descriptor::parse(&written), Ok((descriptor, size)));
    }
}

static IDENTITY: LazyLock<Arc<Identity>> =
    LazyLock::new(|| Identity::generate().expect("a key pair can be made"));

/// Datagrams to a transport, some of them from where it was checked, in the clear or before there are keys.
pub(crate) fn datagram(data: &[u8]) {
    let mut input = Input::new(data);
    let plain = input.byte() & 3 != 0;
    let security = if plain { Security::Plaintext } else { Security::DtlsSrtp(IDENTITY.clone()) };
    let config = Config { max_queued_transmits: 64, ..Config::new(security) };
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut now = Timestamp::from_secs(1);
    let mut transport = Transport::new(now, Arc::new(config), &mut rng);
    let rids = ["q", "h", "f"].map(str::to_owned).to_vec();
    let offer = Offer {
        ufrag: "kVtP".to_owned(),
        fingerprint: 7,
        sending: vec![
            Sending { mid: "mic".to_owned(), rids: Vec::new(), video: false },
            Sending { mid: "cam".to_owned(), rids, video: true },
        ],
        video_slots: 1,
        audio_slots: 1,
    };
    let answer = transport.handle_offer(now, &offer.sdp(), &mut rng).expect("a good offer");
    let answer = Answer::parse(&answer.sdp).expect("a whole answer");
    let local: SocketAddr = ([192, 0, 2, 1], 3_478).into();
    let [checked, stranger]: [SocketAddr; 2] = [([198, 51, 100, 7], 1).into(), ([203, 0, 113, 9], 2).into()];
    let check = Check {
        ufrag: &answer.ufrag,
        password: &answer.password,
        own_ufrag: "kVtP",
        transaction: 1,
        tie_breaker: 2,
        nominate: true,
    };
    transport.handle_datagram(now, local, checked, check.request());
    let mut events = drain(&mut transport);
    assert_eq!(events.contains(&Event::Connected), plain);

    while !input.is_empty() {
        let how = input.byte();
        let length = usize::from(input.byte()) * if how & 0x40 == 0 { 1 } else { 6 };
        let datagram = input.take(length);
        let source = if how & 0x80 == 0 { checked } else { stranger };
        now += Duration::from_millis(u64::from(how & 0x3f));
        let stun = demux::classify(datagram) == Class::Stun;
        assert!(stun || demux::stun_local_ufrag(datagram).is_none());
        transport.handle_datagram(now, local, source, BytesMut::from(datagram));
        events = drain(&mut transport);
        let heard = events.iter().any(|event| matches!(event, Event::Rtp(_) | Event::Rtcp(_)));
        assert!(!heard || (plain && source == checked), "media of a stranger: {events:?}");
        if transport.poll_timeout().is_some_and(|at| at <= now) {
            transport.handle_timeout(now);
            drain(&mut transport);
            assert!(transport.poll_timeout().is_none_or(|at| at > now), "what was due has been done");
        }
    }
}

/// Takes everything out; returns the events.
fn drain(transport: &mut Transport) -> Vec<Event> {
    assert!(std::iter::from_fn(|| transport.poll_transmit()).count() <= 64, "a bounded queue");
    std::iter::from_fn(|| transport.poll_event()).collect()
}
