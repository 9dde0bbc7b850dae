//! RTCP through the room: reports and requests to the part that answers them.
//!
//! Owns the dispatch by SSRC. A participant can only speak about its own streams and its own slots.

use packet::{ReportBlock, RtcpItem};
use units::Timestamp;

use super::Room;
use super::due::kept;
use crate::egress::Departure;
use crate::retransmit::Cause;
use crate::{Output, ParticipantId};

impl Room {
    pub(super) fn route_feedback(
        &mut self,
        now: Timestamp,
        from: ParticipantId,
        item: &RtcpItem,
        out: &mut Vec<Output>,
    ) {
        let Some(at) = self.position(from) else { return };
        self.hear_from(now, at);
        match item {
            RtcpItem::Nack { media_ssrc, lost, .. } => self.repair(now, at, *media_ssrc, lost, out),
            RtcpItem::Pli { media_ssrc, .. } | RtcpItem::Fir { media_ssrc, .. } => {
                self.keyframe_wanted(now, at, *media_ssrc, out);
            }
            RtcpItem::TransportFeedback(_) | RtcpItem::CcFeedback(_) => {
                let Some(receiver) = self.participants[at].as_mut() else { return };
                let is_news = match item {
                    RtcpItem::TransportFeedback(feedback) => receiver.egress.handle_feedback(now, feedback),
                    RtcpItem::CcFeedback(feedback) => receiver.egress.handle_stream_feedback(now, feedback),
                    _ => false,
                };
                if is_news {
                    let moved = receiver.egress.has_moved();
                    let lost = receiver.egress.take_lost();
                    self.replace(now, at, &lost, out);
                    self.run_egress(now, at, out);
                    if moved {
                        self.reselect.insert(at);
                        self.settle(now, out);
                    }
                }
            }
            RtcpItem::SenderReport { ssrc, ntp, rtp_time, reports, .. } => {
                self.sender_report(now, at, *ssrc, *ntp, *rtp_time);
                self.reception_reports(now, at, reports);
            }
            RtcpItem::ReceiverReport { reports, .. } => self.reception_reports(now, at, reports),
            RtcpItem::Remb { bitrate, .. } => {
                if let Some(receiver) = self.participants[at].as_mut() {
                    receiver.egress.handle_remb(now, *bitrate);
                    self.reselect.insert(at);
                    self.settle(now, out);
                }
            }
            // Streams end by signalling.
            RtcpItem::Bye { .. } => {}
        }
    }

    /// The node's clock as its sender reports show it: 32.32 fixed point seconds (RFC 3550 §4).
    pub(super) fn ntp(&self, now: Timestamp) -> u64 {
        let micros = now.as_micros();
        let fraction = ((micros % 1_000_000) << 32) / 1_000_000;
        self.config.ntp_at_start.wrapping_add((micros / 1_000_000) << 32).wrapping_add(fraction)
    }

    fn repair(&mut self, now: Timestamp, at: usize, ssrc: u32, lost: &[u16], out: &mut Vec<Output>) {
        let Some(receiver) = self.participants[at].as_mut().filter(|receiver| receiver.connected) else {
            return;
        };
        let Some(slot) = receiver.slots.iter_mut().find(|slot| slot.ssrc == ssrc) else { return };
        for wire in lost {
            let keep = kept(&self.publications);
            slot.repair(now, *wire, Cause::Asked, keep, &mut receiver.egress, out);
        }
    }

    /// Repeats what the receiver's acknowledgements show to be lost, asked or not.
    fn replace(&mut self, now: Timestamp, at: usize, lost: &[Departure], out: &mut Vec<Output>) {
        let Some(receiver) = self.participants[at].as_mut().filter(|receiver| receiver.connected) else {
            return;
        };
        for copy in lost {
            let Some(slot) = receiver.slots.iter_mut().find(|slot| slot.mid == copy.slot) else { continue };
            let keep = kept(&self.publications);
            slot.repair(now, copy.sequence, Cause::Lost(copy.at), keep, &mut receiver.egress, out);
        }
    }

    fn keyframe_wanted(&mut self, now: Timestamp, at: usize, ssrc: u32, out: &mut Vec<Output>) {
        let Some(receiver) = self.participants[at].as_mut() else { return };
        let Some(slot) = receiver.slots.iter_mut().find(|slot| slot.ssrc == ssrc) else { return };
        let Some(origin) = slot.heed_request(now) else { return };
        if let Some(publication) = self.publications.get_mut(&origin.publication) {
            publication.keyframes.ask(origin.encoding);
            self.pursue.insert(origin.publication);
        }
        self.follow_up(now, out);
    }

    /// A publisher tells how the clock of a stream relates to its wall clock.
    fn sender_report(&mut self, now: Timestamp, at: usize, ssrc: u32, ntp: u64, rtp_time: u32) {
        let Some(sender) = self.participants[at].as_mut() else { return };
        for (_, id) in &sender.publications {
            let Some(publication) = self.publications.get_mut(id) else { continue };
            let encoding = publication.encodings.iter_mut().find(|encoding| encoding.ssrc() == Some(ssrc));
            if let Some(encoding) = encoding {
                sender.wall.observe(now, ntp);
                encoding.observe_report(ntp, rtp_time);
                return;
            }
        }
    }

    fn reception_reports(&mut self, now: Timestamp, at: usize, reports: &[ReportBlock]) {
        let ntp = self.ntp(now);
        let Some(receiver) = self.participants[at].as_mut() else { return };
        for report in reports {
            if receiver.slots.iter().any(|slot| slot.ssrc == report.ssrc) {
                receiver.egress.handle_report(ntp, report);
            }
        }
    }
}
