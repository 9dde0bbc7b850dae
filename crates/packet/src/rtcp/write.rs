//! From items to an RTCP datagram.
//!
//! Owns the splitting of what does not fit one packet's counters. Items stand one behind the other, of reduced size
//! (RFC 5506): the caller decides what belongs into one datagram and keeps below its size.

use rtc_shared::marshal::Marshal;
use rtcp::goodbye::Goodbye;
use rtcp::payload_feedbacks::full_intra_request::{FirEntry, FullIntraRequest};
use rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtcp::payload_feedbacks::receiver_estimated_maximum_bitrate::ReceiverEstimatedMaximumBitrate;
use rtcp::receiver_report::ReceiverReport;
use rtcp::reception_report::ReceptionReport;
use rtcp::sender_report::SenderReport;
use rtcp::transport_feedbacks::transport_layer_nack::{TransportLayerNack, nack_pairs_from_sequence_numbers};

use super::{ReportBlock, RtcpItem};

/// Reports and sources one packet can count (RFC 3550 §6.4.1: 5 bits).
const MAX_COUNT: usize = 31;
/// Pairs in one NACK: what the `rtcp` crate writes.
const MAX_PAIRS: usize = 250;
/// Streams of one receiver estimate: its counter has 8 bits.
const MAX_REMB_SSRCS: usize = 255;

/// Appends `items` to `out`. Entries beyond what a packet can count are left out (31 reports or sources, 255 streams of
/// an estimate); a NACK is split instead. An empty NACK is nothing.
pub fn write_rtcp(items: &[RtcpItem], out: &mut Vec<u8>) {
    for item in items {
        write(item, out);
    }
}

fn write(item: &RtcpItem, out: &mut Vec<u8>) {
    match item {
        RtcpItem::Nack { sender_ssrc, media_ssrc, lost } => {
            for pairs in nack_pairs_from_sequence_numbers(lost).chunks(MAX_PAIRS) {
                let nack = TransportLayerNack {
                    sender_ssrc: *sender_ssrc,
                    media_ssrc: *media_ssrc,
                    nacks: pairs.to_vec(),
                };
                append(&nack, out);
            }
        }
        RtcpItem::Pli { sender_ssrc, media_ssrc } => {
            append(&PictureLossIndication { sender_ssrc: *sender_ssrc, media_ssrc: *media_ssrc }, out);
        }
        RtcpItem::Fir { sender_ssrc, media_ssrc, sequence } => {
            let entry = FirEntry { ssrc: *media_ssrc, sequence_number: *sequence };
            // RFC 5104 §4.3.1.2: the media source field is not used and set to zero.
            append(&FullIntraRequest { sender_ssrc: *sender_ssrc, media_ssrc: 0, fir: vec![entry] }, out);
        }
        RtcpItem::TransportFeedback(feedback) => feedback.write(out),
        RtcpItem::CcFeedback(feedback) => feedback.write(out),
        RtcpItem::Remb { sender_ssrc, bitrate, ssrcs } => append(
            &ReceiverEstimatedMaximumBitrate {
                sender_ssrc: *sender_ssrc,
                bitrate: bitrate.as_bps() as f32,
                ssrcs: ssrcs.iter().copied().take(MAX_REMB_SSRCS).collect(),
            },
            out,
        ),
        RtcpItem::SenderReport { ssrc, ntp, rtp_time, packets, octets, reports } => append(
            &SenderReport {
                ssrc: *ssrc,
                ntp_time: *ntp,
                rtp_time: *rtp_time,
                packet_count: *packets,
                octet_count: *octets,
                reports: receptions(reports),
                ..SenderReport::default()
            },
            out,
        ),
        RtcpItem::ReceiverReport { ssrc, reports } => {
            append(
                &ReceiverReport { ssrc: *ssrc, reports: receptions(reports), ..ReceiverReport::default() },
                out,
            );
        }
        RtcpItem::Bye { ssrcs } => {
            append(
                &Goodbye { sources: ssrcs.iter().copied().take(MAX_COUNT).collect(), ..Goodbye::default() },
                out,
            );
        }
    }
}

fn append(packet: &impl Marshal, out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + packet.marshal_size(), 0);
    packet
        .marshal_to(&mut out[start..])
        .expect("the buffer has the packet's size and every counter was bounded");
}

fn receptions(reports: &[ReportBlock]) -> Vec<ReceptionReport> {
    reports
        .iter()
        .take(MAX_COUNT)
        .map(|report| ReceptionReport {
            ssrc: report.ssrc,
            fraction_lost: report.fraction_lost,
            total_lost: report.cumulative_lost.clamp(-0x80_0000, 0x7f_ffff) as u32 & 0xff_ffff,
            last_sequence_number: report.highest_sequence,
            jitter: report.jitter,
            last_sender_report: report.last_sender_report,
            delay: report.delay_since_sender_report,
        })
        .collect()
}
