//! What a publisher is told about the reception of its packets: what is missing (RFC 4585 §6.2.1), when
//! everything arrived (draft-holmer-rmcat-transport-wide-cc-extensions-01), and receiver reports (RFC 3550
//! §6.4.2).
//!
//! Owns which packet each of the three hears of, and when reports leave. What is missing has to hear of packets that
//! came as retransmissions, or it asks for them for ever; the other two must not, as for them the original stayed
//! lost. Receiver reports are made by the `interceptor` crate. Its requests have a fixed pace and its transport-wide
//! feedback believes every number, so these two are ours (`missing`, `arrivals`). Everything leaves under one SSRC
//! drawn by us, in an order that depends on the input alone.

mod arrivals;
mod missing;

use bytes::Bytes;
use interceptor::{
    AttributedPacket, Interceptor, Packet, ReceiverReportBuilder, ReceiverReportInterceptor, StreamInfo,
    TaggedPacket,
};
use packet::{RtcpItem, RtpPacket, write_rtcp};
use rtc_shared::TransportContext;
use rtc_shared::marshal::Marshal;
use rtcp::receiver_report::ReceiverReport;
use rtcp::reception_report::ReceptionReport;
use rtcp::sender_report::SenderReport;
use units::Timestamp;

use crate::clock;
use crate::config::Config;
use arrivals::Arrivals;
use missing::{Missing, Request};

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

/// What is to be known of a packet.
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
    missing: Missing,
    arrivals: Arrivals,
    reports: ReceiverReportInterceptor,
    /// When the receiver reports are due.
    reports_due: Option<Timestamp>,
}

impl Reception {
    pub(crate) fn new(config: &Config, sender_ssrc: u32) -> Self {
        Self {
            sender_ssrc,
            missing: Missing::new(config.nack_attempts, config.nack_lifetime),
            arrivals: Arrivals::new(config.feedback_interval, sender_ssrc),
            reports: ReceiverReportBuilder::new().with_interval(config.report_interval).build(),
            reports_due: None,
        }
    }

    /// A stream has been identified. `repairable` if the publisher can send its packets again.
    pub(crate) fn bind(&mut self, ssrc: u32, clock_rate: u32, repairable: bool) {
        if repairable {
            self.missing.bind(ssrc);
        }
        self.reports.bind_remote_stream(&StreamInfo { ssrc, clock_rate, ..StreamInfo::default() });
    }

    /// A stream has ended.
    pub(crate) fn unbind(&mut self, ssrc: u32) {
        self.missing.unbind(ssrc);
        self.reports.unbind_remote_stream(&StreamInfo { ssrc, ..StreamInfo::default() });
    }

    /// A packet arrived, with or without payload, retransmission or not, identified or not.
    pub(crate) fn arrived(&mut self, now: Timestamp, packet: Arrived) {
        if let Some(number) = packet.transport_wide {
            self.arrivals.arrived(now, packet.ssrc, number);
        }
        self.missing.arrived(now, packet.ssrc, packet.sequence);
        let header = rtp::Header {
            version: 2,
            ssrc: packet.ssrc,
            sequence_number: packet.sequence,
            timestamp: packet.timestamp,
            ..rtp::Header::default()
        };
        hand_in(&mut self.reports, now, Packet::Rtp(rtp::Packet { header, payload: Bytes::new() }));
        self.reports_due = deadline(&mut self.reports);
    }

    /// A retransmission has restored packet `sequence` of `ssrc`.
    pub(crate) fn repaired(&mut self, now: Timestamp, ssrc: u32, sequence: u16) {
        self.missing.repaired(now, ssrc, sequence);
    }

    /// A sender report arrived, whose time the receiver reports repeat (RFC 3550 §6.4.1, LSR).
    pub(crate) fn sender_report(&mut self, now: Timestamp, ssrc: u32, ntp: u64) {
        let report = SenderReport { ssrc, ntp_time: ntp, ..SenderReport::default() };
        hand_in(&mut self.reports, now, Packet::Rtcp(vec![Box::new(report)]));
    }

    /// When the next report is due.
    pub(crate) fn poll_timeout(&self) -> Option<Timestamp> {
        [self.missing.poll_timeout(), self.arrivals.poll_timeout(), self.reports_due]
            .into_iter()
            .flatten()
            .min()
    }

    /// The reports that are due, each a datagram of its own as browsers send them.
    pub(crate) fn handle_timeout(&mut self, now: Timestamp) -> Vec<Report> {
        let mut reports = Vec::new();
        for Request { ssrc, lost } in self.missing.requests(now) {
            let asked = lost.len() as u64;
            let nack = RtcpItem::Nack { sender_ssrc: self.sender_ssrc, media_ssrc: ssrc, lost };
            reports.push(report(nack, ReportKind::Nack(asked)));
        }
        for feedback in self.arrivals.feedback(now) {
            reports.push(report(RtcpItem::TransportFeedback(feedback), ReportKind::TransportFeedback));
        }
        if self.reports_due.is_some_and(|due| now >= due) {
            let mut blocks = due_blocks(&mut self.reports, now);
            blocks.sort_by_key(|block| block.ssrc);
            for blocks in blocks.chunks(MAX_REPORT_BLOCKS) {
                let kind = ReportKind::ReceiverReport(blocks.len() as u64);
                let report = ReceiverReport {
                    ssrc: self.sender_ssrc,
                    reports: blocks.to_vec(),
                    ..ReceiverReport::default()
                };
                match report.marshal() {
                    Ok(bytes) => reports.push(Report { bytes: bytes.to_vec(), kind }),
                    // Only one that does not fit its length field fails, and none comes near.
                    Err(error) => tracing::warn!(%error, ?kind, "a report cannot be written"),
                }
            }
            self.reports_due = deadline(&mut self.reports);
        }
        reports
    }
}

fn report(item: RtcpItem, kind: ReportKind) -> Report {
    let mut bytes = Vec::new();
    write_rtcp(&[item], &mut bytes);
    Report { bytes, kind }
}

// The methods of a generator come with the trait that it implements, hence these.

fn deadline(generator: &mut impl Interceptor) -> Option<Timestamp> {
    generator.poll_timeout().map(clock::timestamp)
}

/// Shows a packet to a generator and takes it back: what is not fetched piles up inside.
fn hand_in(generator: &mut impl Interceptor, now: Timestamp, packet: Packet) {
    let (now, transport) = (clock::instant(now), TransportContext::default());
    let tagged = TaggedPacket { now, transport, message: AttributedPacket::new(packet) };
    if let Err(error) = generator.handle_read(tagged) {
        tracing::debug!(%error, "the maker of receiver reports refused a packet");
    }
    while generator.poll_read().is_some() {}
}

/// The blocks of the receiver reports that are due.
fn due_blocks(generator: &mut impl Interceptor, now: Timestamp) -> Vec<ReceptionReport> {
    if let Err(error) = generator.handle_timeout(clock::instant(now)) {
        tracing::debug!(%error, "the maker of receiver reports failed");
    }
    let mut blocks = Vec::new();
    while let Some(tagged) = generator.poll_write() {
        let Packet::Rtcp(compound) = tagged.message.packet else { continue };
        let reports = compound.iter().filter_map(|packet| packet.as_any().downcast_ref::<ReceiverReport>());
        blocks.extend(reports.flat_map(|report| report.reports.iter().cloned()));
    }
    blocks
}
