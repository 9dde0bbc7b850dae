//! What it costs to read and write the bytes of one packet: RTP, the VP8 descriptor, a fresh header, transport-wide feedback.

use std::hint::black_box;
use std::time::Duration;

use benches::camera::{datagram, extension_ids, mid};
use criterion::Criterion;
use packet::codec::vp8::Descriptor;
use packet::{Codec, OutgoingHeader, RtcpItem, RtpPacket, TransportFeedback, codec, parse_rtcp, write_rtcp};

/// Packets that a report speaks of: 50 ms at 5 Mbit/s, and at 20 Mbit/s.
const REPORTED: [usize; 2] = [26, 104];

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3))
        .without_plots()
        .configure_from_args();
    rtp(&mut criterion);
    vp8(&mut criterion);
    header(&mut criterion);
    for packets in REPORTED {
        feedback(&mut criterion, packets);
    }
    criterion.final_summary();
}

/// With the reference that the value takes to the datagram.
fn rtp(criterion: &mut Criterion) {
    let (datagram, ids) = (datagram(), extension_ids());
    RtpPacket::parse(datagram.clone(), &ids).expect("what is measured is the way of a good packet");
    criterion.bench_function("parse/rtp", |bencher| {
        bencher.iter(|| RtpPacket::parse(black_box(&datagram).clone(), black_box(&ids)));
    });
}

fn vp8(criterion: &mut Criterion) {
    let packet = RtpPacket::parse(datagram(), &extension_ids()).expect("a good packet");
    let payload = packet.payload;
    criterion.bench_function("parse/vp8_peek", |bencher| {
        bencher.iter(|| codec::peek(Codec::Vp8, black_box(&payload), false));
    });
    criterion.bench_function("parse/vp8_descriptor", |bencher| {
        bencher.iter(|| Descriptor::parse(black_box(&payload)));
    });
    let (descriptor, _) = Descriptor::parse(&payload).expect("a good descriptor");
    let mut out = Vec::with_capacity(64);
    criterion.bench_function("write/vp8_descriptor", |bencher| {
        bencher.iter(|| {
            out.clear();
            black_box(&descriptor).write(black_box(&mut out))
        });
    });
}

/// Into memory that is there already.
fn header(criterion: &mut Criterion) {
    let ids = extension_ids();
    let header = OutgoingHeader {
        mid: Some(mid()),
        transport_wide: Some(7),
        ..OutgoingHeader::new(0x1234_5678, 96, 1, 2, true)
    };
    let mut out = Vec::with_capacity(64);
    criterion.bench_function("write/header", |bencher| {
        bencher.iter(|| {
            out.clear();
            black_box(&header).write(black_box(&ids), false, black_box(&mut out))
        });
    });
}

/// One packet in sixteen is lost and one delta in eight is long, so that no chunk is a mere run.
fn feedback(criterion: &mut Criterion, packets: usize) {
    let status = |at: usize| match at % 16 {
        7 => None,
        3 | 11 => Some(300),
        _ => Some(4),
    };
    let statuses = (0..packets).map(status).collect();
    let feedback = TransportFeedback {
        sender_ssrc: 1,
        media_ssrc: 2,
        base: 65_530,
        reference_time: 9,
        count: 1,
        statuses,
    };
    let mut datagram = Vec::new();
    let item = RtcpItem::TransportFeedback(feedback);
    write_rtcp(std::slice::from_ref(&item), &mut datagram);
    assert_eq!(parse_rtcp(&datagram).items, [item], "what is measured is the way of a good report");
    criterion.bench_function(&format!("parse/transport_feedback/{packets}"), |bencher| {
        bencher.iter(|| parse_rtcp(black_box(&datagram)));
    });
}
