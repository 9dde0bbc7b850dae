//! From an RTCP datagram to its items.
//!
//! Owns the walk and its bounds. What a single packet may claim is bounded where it is read.

use bytes::Buf;
use rtc_shared::marshal::Unmarshal;
use rtcp::payload_feedbacks::full_intra_request::FullIntraRequest;
use rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtcp::receiver_report::ReceiverReport;
use rtcp::reception_report::ReceptionReport;
use rtcp::sender_report::SenderReport;
use rtcp::transport_feedbacks::transport_layer_nack::TransportLayerNack;
use smallvec::SmallVec;

use super::{CcFeedback, HEADER, ReportBlock, RtcpItem, TransportFeedback, format, kind, remb};

/// Packets of one datagram that are looked at. The largest compound seen from browsers has under 10.
const MAX_PACKETS: usize = 64;
/// Sequence numbers that one NACK may ask for; the rest is ignored. A cache of sent packets holds about as many, and a
/// receiver that misses more needs a keyframe.
const MAX_LOST: usize = 1024;

/// What a datagram said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RtcpBatch {
    /// In the order of the datagram.
    pub items: Vec<RtcpItem>,
    /// Packets that could not be read, for counting.
    pub malformed: u32,
}

/// Everything that `datagram` says, compound or of reduced size (RFC 5506), in bounded time and memory.
///
/// RFC 3550 §6.1 would have a compound start with a report; RFC 5506 lifts that and every browser makes use of it.
pub fn parse_rtcp(datagram: &[u8]) -> RtcpBatch {
    let mut batch = RtcpBatch::default();
    let mut rest = datagram;
    let mut budget = Budget::default();
    for _ in 0..MAX_PACKETS {
        if rest.is_empty() {
            return batch;
        }
        let Some((packet, behind)) = split_packet(rest) else { break };
        rest = behind;
        if parse_packet(packet, &mut budget, &mut batch.items).is_none() {
            batch.malformed += 1;
        }
    }
    // Garbage, a length past the end, or more packets than anybody sends.
    batch.malformed += u32::from(!rest.is_empty());
    batch
}

/// How many packet statuses a datagram may still claim. A feedback of 20 bytes can claim 65,535 lost packets, and 60 of
/// them fit a datagram.
pub(super) struct Budget {
    statuses: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { statuses: TransportFeedback::MAX_STATUSES }
    }
}

impl Budget {
    /// Takes `count` statuses, or nothing when there are not that many left.
    pub(super) fn take(&mut self, count: usize) -> Option<()> {
        self.statuses = self.statuses.checked_sub(count)?;
        Some(())
    }
}

/// One packet with its header, and what is behind it. RFC 3550 §6.4.1: the length counts words, less one.
fn split_packet(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let header = bytes.first_chunk::<HEADER>()?;
    if header[0] >> 6 != 2 {
        return None;
    }
    bytes.split_at_checked(4 * (usize::from(u16::from_be_bytes([header[2], header[3]])) + 1))
}

/// Appends what `packet` says; `None` when it is malformed.
fn parse_packet(packet: &[u8], budget: &mut Budget, items: &mut Vec<RtcpItem>) -> Option<()> {
    let (header, body) = packet.split_first_chunk::<HEADER>()?;
    let body = without_padding(header[0], body)?;
    match (header[1], header[0] & 0x1f) {
        (kind::SENDER_REPORT, _) => items.push(sender_report(read(header, body)?)),
        (kind::RECEIVER_REPORT, _) => {
            let report: ReceiverReport = read(header, body)?;
            items.push(RtcpItem::ReceiverReport { ssrc: report.ssrc, reports: blocks(&report.reports) });
        }
        (kind::BYE, _) => {
            // RFC 3550 §6.6: the streams, and perhaps a reason in words, which nobody reads.
            let ssrcs = body.get(..4 * usize::from(header[0] & 0x1f))?.as_chunks::<4>().0;
            items.push(RtcpItem::Bye { ssrcs: ssrcs.iter().map(|ssrc| u32::from_be_bytes(*ssrc)).collect() });
        }
        (kind::TRANSPORT_FEEDBACK, format::NACK) => items.push(nack(&read(header, body)?)),
        (kind::TRANSPORT_FEEDBACK, format::TRANSPORT_WIDE) => {
            items.push(RtcpItem::TransportFeedback(TransportFeedback::parse(body, budget)?));
        }
        (kind::TRANSPORT_FEEDBACK, format::CC_FEEDBACK) => {
            items.push(RtcpItem::CcFeedback(CcFeedback::parse(body, budget)?));
        }
        (kind::PAYLOAD_FEEDBACK, format::PLI) => {
            let pli: PictureLossIndication = read(header, body)?;
            items.push(RtcpItem::Pli { sender_ssrc: pli.sender_ssrc, media_ssrc: pli.media_ssrc });
        }
        (kind::PAYLOAD_FEEDBACK, format::FIR) => {
            let fir: FullIntraRequest = read(header, body)?;
            // RFC 5104 §4.3.1.2: the stream is named in the entry; the media source field is unused.
            items.extend(fir.fir.iter().map(|entry| RtcpItem::Fir {
                sender_ssrc: fir.sender_ssrc,
                media_ssrc: entry.ssrc,
                sequence: entry.sequence_number,
            }));
        }
        (kind::PAYLOAD_FEEDBACK, format::APPLICATION) => items.push(remb::parse(body)?),
        // RFC 3550 §6.1: packets of types that one does not know are ignored.
        _ => {}
    }
    Some(())
}

/// Takes the padding off; its last byte counts it. RFC 3550 §6.4.1 has it in whole words, but what is missing to a word
/// is padded likewise: by browsers in transport-wide feedback, by the `rtcp` crate in a BYE.
fn without_padding(flags: u8, body: &[u8]) -> Option<&[u8]> {
    if flags & 0x20 == 0 {
        return Some(body);
    }
    let count = usize::from(*body.last()?);
    if count == 0 || count > body.len() {
        return None;
    }
    Some(&body[..body.len() - count])
}

/// Reads a packet by the `rtcp` crate: under a header that announces what is left after the padding.
fn read<P: Unmarshal>(header: &[u8; HEADER], body: &[u8]) -> Option<P> {
    let words = u16::try_from(body.len() / 4).ok()?.to_be_bytes();
    let header = [header[0] & !0x20, header[1], words[0], words[1]];
    P::unmarshal(&mut header.as_slice().chain(body)).ok()
}

fn nack(nack: &TransportLayerNack) -> RtcpItem {
    let lost = nack.nacks.iter().flat_map(|pair| pair.into_iter()).take(MAX_LOST).collect();
    RtcpItem::Nack { sender_ssrc: nack.sender_ssrc, media_ssrc: nack.media_ssrc, lost }
}

fn sender_report(report: SenderReport) -> RtcpItem {
    RtcpItem::SenderReport {
        ssrc: report.ssrc,
        ntp: report.ntp_time,
        rtp_time: report.rtp_time,
        packets: report.packet_count,
        octets: report.octet_count,
        reports: blocks(&report.reports),
    }
}

fn blocks(reports: &[ReceptionReport]) -> SmallVec<[ReportBlock; 1]> {
    reports
        .iter()
        .map(|report| ReportBlock {
            ssrc: report.ssrc,
            fraction_lost: report.fraction_lost,
            // RFC 3550 §6.4.1: signed, 24 bits.
            cumulative_lost: (report.total_lost << 8) as i32 >> 8,
            highest_sequence: report.last_sequence_number,
            jitter: report.jitter,
            last_sender_report: report.last_sender_report,
            delay_since_sender_report: report.delay,
        })
        .collect()
}
