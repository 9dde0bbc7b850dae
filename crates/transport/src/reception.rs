//! What a publisher is told about the reception of its packets: what is missing (RFC 4585 §6.2.1), when
//! everything arrived (draft-holmer-rmcat-transport-wide-cc-extensions-01), and receiver reports (RFC 3550
//! §6.4.2).
//!
//! Owns three generators of the `interceptor` crate and how they are fed, which is where a stock chain goes
//! wrong for a forwarder: the generator of NACKs has to hear of packets that came as retransmissions, or it
//! asks for them for ever; the other two must not, as for them the original stayed lost. So the three are
//! driven one by one instead of as a chain. Everything leaves under one SSRC drawn by us, in an order that
//! depends on the input alone.

use std::time::Instant;

use bytes::Bytes;
use interceptor::{
    AttributedPacket, Interceptor, NackGeneratorBuilder, NackGeneratorInterceptor, Packet, RTCPFeedback,
    RTPHeaderExtension, ReceiverReportBuilder, ReceiverReportInterceptor, StreamInfo, TaggedPacket,
    TwccReceiverBuilder, TwccReceiverInterceptor,
};
use packet::{ExtensionUri, RtpPacket};
use rtc_shared::TransportContext;
use rtcp::receiver_report::ReceiverReport;
use rtcp::sender_report::SenderReport;
use rtcp::transport_feedbacks::transport_layer_cc::TransportLayerCc;
use rtcp::transport_feedbacks::transport_layer_nack::TransportLayerNack;
use units::Timestamp;

use crate::clock;
use crate::config::Config;

/// Packets back to which a missing one is asked for: 0.8 s of the 600 packets per second that a hard 720p
/// scene has. A power of two.
const NACK_WINDOW: u16 = 512;
/// The id under which the transport-wide number is handed on internally, whatever was negotiated.
const TRANSPORT_WIDE_ID: u8 = 1;
/// RFC 3550 §6.4.2: the count of blocks has five bits.
const MAX_REPORT_BLOCKS: usize = 31;

/// One report, ready to be sealed and sent.
pub(crate) struct Report {
    /// Plain RTCP bytes.
    pub(crate) bytes: Vec<u8>,
    pub(crate) kind: ReportKind,
}

/// What a report says, for the counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReportKind {
    /// Missing packets asked for.
    Nack(u64),
    TransportFeedback,
    /// Blocks.
    ReceiverReport(u64),
}

/// What the generators have to know of a packet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrived {
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    transport_wide: Option<u16>,
}

impl From<&RtpPacket> for Arrived {
    fn from(packet: &RtpPacket) -> Self {
        Self {
            ssrc: packet.ssrc,
            sequence: packet.sequence,
            timestamp: packet.timestamp,
            transport_wide: packet.extensions.transport_wide,
        }
    }
}

pub(crate) struct Reception {
    sender_ssrc: u32,
    nack: NackGeneratorInterceptor,
    feedback: TwccReceiverInterceptor,
    reports: ReceiverReportInterceptor,
    due: Option<Timestamp>,
}

impl Reception {
    pub(crate) fn new(config: &Config, sender_ssrc: u32) -> Self {
        let mut feedback = TwccReceiverBuilder::new().with_interval(config.feedback_interval).build();
        // One binding is enough: its id then counts for every stream.
        feedback.bind_remote_stream(&StreamInfo {
            rtp_header_extensions: vec![RTPHeaderExtension {
                uri: ExtensionUri::TransportWide.as_uri().to_owned(),
                id: u16::from(TRANSPORT_WIDE_ID),
            }],
            ..StreamInfo::default()
        });
        Self {
            sender_ssrc,
            nack: NackGeneratorBuilder::new()
                .with_size(NACK_WINDOW)
                .with_interval(config.nack_interval)
                .with_max_nacks_per_packet(config.nack_attempts)
                .build(),
            feedback,
            reports: ReceiverReportBuilder::new().with_interval(config.report_interval).build(),
            due: None,
        }
    }

    /// A stream has been identified. `repairable` if the publisher can send its packets again.
    pub(crate) fn bind(&mut self, ssrc: u32, clock_rate: u32, repairable: bool) {
        let info = stream(ssrc, clock_rate, repairable);
        self.nack.bind_remote_stream(&info);
        self.reports.bind_remote_stream(&info);
    }

    /// A stream has ended.
    pub(crate) fn unbind(&mut self, ssrc: u32) {
        let info = stream(ssrc, 1, true);
        self.nack.unbind_remote_stream(&info);
        self.reports.unbind_remote_stream(&info);
    }

    /// A packet arrived, with or without payload, retransmission or not, identified or not.
    pub(crate) fn arrived(&mut self, now: Timestamp, packet: Arrived) {
        let now = clock::instant(now);
        if let Some(number) = packet.transport_wide {
            let mut header = header(packet.ssrc, packet.sequence, packet.timestamp);
            header.extension = true;
            header.extension_profile = rtp::header::EXTENSION_PROFILE_ONE_BYTE;
            header.extensions.push(rtp::header::Extension {
                id: TRANSPORT_WIDE_ID,
                payload: Bytes::copy_from_slice(&number.to_be_bytes()),
            });
            feed(&mut self.feedback, now, header);
        }
        feed(&mut self.nack, now, header(packet.ssrc, packet.sequence, packet.timestamp));
        feed(&mut self.reports, now, header(packet.ssrc, packet.sequence, packet.timestamp));
        self.reschedule();
    }

    /// A retransmission has restored packet `sequence` of `ssrc`.
    pub(crate) fn repaired(&mut self, now: Timestamp, ssrc: u32, sequence: u16) {
        feed(&mut self.nack, clock::instant(now), header(ssrc, sequence, 0));
        self.reschedule();
    }

    /// A sender report arrived, whose time the receiver reports repeat (RFC 3550 §6.4.1, LSR).
    pub(crate) fn sender_report(&mut self, now: Timestamp, ssrc: u32, ntp: u64) {
        let report = SenderReport { ssrc, ntp_time: ntp, ..SenderReport::default() };
        hand_in(&mut self.reports, clock::instant(now), Packet::Rtcp(vec![Box::new(report)]));
    }

    /// When the next report is due.
    pub(crate) fn poll_timeout(&self) -> Option<Timestamp> {
        self.due
    }

    fn reschedule(&mut self) {
        let due = [deadline(&mut self.nack), deadline(&mut self.feedback), deadline(&mut self.reports)];
        self.due = due.into_iter().flatten().min().map(clock::timestamp);
    }

    /// The reports that are due, each a datagram of its own as browsers send them.
    pub(crate) fn handle_timeout(&mut self, now: Timestamp) -> Vec<Report> {
        let now = clock::instant(now);
        let sender_ssrc = self.sender_ssrc;
        let mut reports = Vec::new();

        let mut nacks: Vec<TransportLayerNack> = due(&mut self.nack, now);
        nacks.sort_by_key(|nack| nack.media_ssrc);
        for mut nack in nacks {
            nack.sender_ssrc = sender_ssrc;
            let asked = nack.nacks.iter().map(|pair| u64::from(pair.lost_packets.count_ones()) + 1).sum();
            push(&mut reports, &nack, ReportKind::Nack(asked));
        }
        for mut feedback in due::<TransportLayerCc>(&mut self.feedback, now) {
            feedback.sender_ssrc = sender_ssrc;
            push(&mut reports, &feedback, ReportKind::TransportFeedback);
        }
        let mut blocks: Vec<_> = due::<ReceiverReport>(&mut self.reports, now)
            .into_iter()
            .flat_map(|report| report.reports)
            .collect();
        blocks.sort_by_key(|block| block.ssrc);
        for blocks in blocks.chunks(MAX_REPORT_BLOCKS) {
            let report =
                ReceiverReport { ssrc: sender_ssrc, reports: blocks.to_vec(), ..ReceiverReport::default() };
            push(&mut reports, &report, ReportKind::ReceiverReport(blocks.len() as u64));
        }
        self.reschedule();
        reports
    }
}

fn deadline(generator: &mut impl Interceptor) -> Option<Instant> {
    generator.poll_timeout()
}

fn push(reports: &mut Vec<Report>, packet: &dyn rtcp::Packet, kind: ReportKind) {
    match packet.marshal() {
        Ok(bytes) => reports.push(Report { bytes: bytes.to_vec(), kind }),
        // Our own report: only one that does not fit its length field fails, and none comes near.
        Err(error) => tracing::warn!(%error, ?kind, "a report cannot be written"),
    }
}

fn stream(ssrc: u32, clock_rate: u32, repairable: bool) -> StreamInfo {
    let nack = RTCPFeedback { typ: "nack".to_owned(), parameter: String::new() };
    StreamInfo {
        ssrc,
        clock_rate,
        rtcp_feedback: if repairable { vec![nack] } else { Vec::new() },
        ..StreamInfo::default()
    }
}

fn header(ssrc: u32, sequence_number: u16, timestamp: u32) -> rtp::Header {
    rtp::Header { version: 2, ssrc, sequence_number, timestamp, ..rtp::Header::default() }
}

fn feed(generator: &mut impl Interceptor, now: Instant, header: rtp::Header) {
    hand_in(generator, now, Packet::Rtp(rtp::Packet { header, payload: Bytes::new() }));
}

/// Shows a packet to a generator and takes it back: what is not fetched piles up inside.
fn hand_in(generator: &mut impl Interceptor, now: Instant, packet: Packet) {
    let tagged =
        TaggedPacket { now, transport: TransportContext::default(), message: AttributedPacket::new(packet) };
    if let Err(error) = generator.handle_read(tagged) {
        tracing::debug!(%error, "a reception generator refused a packet");
    }
    while generator.poll_read().is_some() {}
}

/// What a generator has to say at `now`, as packets of its kind.
fn due<P: rtcp::Packet + Clone + 'static>(generator: &mut impl Interceptor, now: Instant) -> Vec<P> {
    if let Err(error) = generator.handle_timeout(now) {
        tracing::debug!(%error, "a reception generator failed");
    }
    let mut packets = Vec::new();
    while let Some(tagged) = generator.poll_write() {
        if let Packet::Rtcp(compound) = tagged.message.packet {
            packets.extend(compound.iter().filter_map(|packet| packet.as_any().downcast_ref::<P>().cloned()));
        }
    }
    packets
}
