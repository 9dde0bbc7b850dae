//! The way out to one participant.
//!
//! Owns what is common to everything that one receiver gets: transport-wide numbers, stamped at the moment of sending on
//! media, retransmissions and padding alike; the budget of retransmissions; the round-trip time; the counts. Feedback about
//! the path arrives here. Leaves the streams to `slot`.

use std::time::Duration;

use packet::{OutgoingHeader, ReportBlock, TransportFeedback};
use units::{Timestamp, TwccSeq};

use crate::output::Output;
use crate::{DownlinkStats, OutgoingPacket, PacketKind, ParticipantId};

/// Until a report says otherwise.
const DEFAULT_RTT: Duration = Duration::from_millis(100);
/// Longer is a report of a suspended machine, not of a path.
const MAX_RTT: Duration = Duration::from_secs(5);
/// Retransmissions that may be sent in a burst, in bytes: a lost keyframe of 720p and some.
const REPAIR_BURST: u64 = 64_000;

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Egress {
    to: ParticipantId,
    next: TwccSeq,
    rtt: Option<Duration>,
    /// Bytes of retransmission that may still be sent.
    repair: u64,
    repair_percent: u64,
    stats: DownlinkStats,
}

impl Egress {
    /// An unused way to that participant, whose retransmissions may take this share of its media.
    pub(crate) fn new(to: ParticipantId, repair_percent: u32) -> Self {
        Self {
            to,
            next: TwccSeq::new(0),
            rtt: None,
            repair: REPAIR_BURST,
            repair_percent: u64::from(repair_percent),
            stats: DownlinkStats::default(),
        }
    }

    /// The smoothed round-trip time, or a guess.
    pub(crate) fn rtt(&self) -> Duration {
        self.rtt.unwrap_or(DEFAULT_RTT)
    }

    /// Counts so far.
    pub(crate) fn stats(&self) -> DownlinkStats {
        DownlinkStats { rtt: self.rtt, ..self.stats }
    }

    /// For what is counted elsewhere.
    pub(crate) fn stats_mut(&mut self) -> &mut DownlinkStats {
        &mut self.stats
    }

    /// Sends a packet: the last thing that happens to it here is its transport-wide number.
    pub(crate) fn send(&mut self, mut packet: OutgoingPacket, out: &mut Vec<Output>) {
        packet.header = OutgoingHeader { transport_wide: Some(self.next.wire()), ..packet.header };
        self.next = self.next.plus(1);
        match packet.kind {
            PacketKind::Rtx => self.stats.retransmissions += 1,
            PacketKind::Media | PacketKind::Audio => {
                self.stats.packets += 1;
                let earned = packet.body_size() as u64 * self.repair_percent / 100;
                self.repair = (self.repair + earned).min(REPAIR_BURST);
            }
            PacketKind::Padding => {}
        }
        out.push(Output::Rtp { to: self.to, packet });
    }

    /// Whether so many bytes may be repeated; if so they are spent.
    pub(crate) fn spend_repair(&mut self, bytes: usize) -> bool {
        match self.repair.checked_sub(bytes as u64) {
            Some(rest) => {
                self.repair = rest;
                true
            }
            None => {
                self.stats.retransmissions_held_back += 1;
                false
            }
        }
    }

    /// A report about one of this receiver's slots; `ntp` is the present by the clock of our sender reports.
    pub(crate) fn handle_report(&mut self, ntp: u64, report: &ReportBlock) {
        if report.last_sender_report == 0 {
            return;
        }
        // RFC 3550 §6.4.1: arrival less last report less delay, in 1/65536 s.
        let present = (ntp >> 16) as u32;
        let rtt =
            present.wrapping_sub(report.last_sender_report).wrapping_sub(report.delay_since_sender_report);
        let rtt = Duration::from_micros(u64::from(rtt) * 1_000_000 / 65_536);
        if rtt > MAX_RTT {
            // Wrapped below zero, or nonsense.
            return;
        }
        self.rtt = Some(self.rtt.map_or(rtt, |smoothed| (smoothed * 7 + rtt) / 8));
    }

    /// What the receiver says about the packets it got.
    pub(crate) fn handle_feedback(&mut self, _now: Timestamp, feedback: &TransportFeedback) {
        let arrived = feedback.statuses.iter().filter(|status| status.is_some()).count() as u64;
        self.stats.acknowledged += arrived;
        self.stats.reported_missing += feedback.statuses.len() as u64 - arrived;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use packet::Mid;

    fn packet(kind: PacketKind, bytes: usize) -> OutgoingPacket {
        OutgoingPacket {
            slot: Mid::parse("v0").unwrap(),
            header: OutgoingHeader::new(1, 96, 1, 1, false),
            prefix: Default::default(),
            payload: Bytes::from(vec![0; bytes]),
            padding: 0,
            kind,
        }
    }

    #[test]
    fn everything_that_leaves_is_numbered_in_order() {
        let mut egress = Egress::new(ParticipantId(1), 25);
        let mut out = Vec::new();
        for kind in [PacketKind::Media, PacketKind::Rtx, PacketKind::Padding, PacketKind::Audio] {
            egress.send(packet(kind, 10), &mut out);
        }
        let numbers: Vec<_> = out
            .iter()
            .map(|output| match output {
                Output::Rtp { packet, .. } => packet.header.transport_wide.unwrap(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(numbers, [0, 1, 2, 3]);
    }

    #[test]
    fn retransmissions_are_capped_at_a_share_of_media() {
        let mut egress = Egress::new(ParticipantId(1), 25);
        let mut out = Vec::new();
        let burst = (0..1_000).take_while(|_| egress.spend_repair(1_000)).count();
        assert_eq!(burst, 64, "the burst");
        let mut repaired = 0;
        for _ in 0..1_000 {
            egress.send(packet(PacketKind::Media, 1_000), &mut out);
            repaired += usize::from(egress.spend_repair(1_000));
        }
        assert_eq!(repaired, 250, "a quarter of what is sent");
    }

    #[test]
    fn round_trip_from_reports() {
        let mut egress = Egress::new(ParticipantId(1), 25);
        assert_eq!(egress.rtt(), DEFAULT_RTT);
        let sent: u64 = 5 << 32;
        let report = |delay| ReportBlock {
            last_sender_report: (sent >> 16) as u32,
            delay_since_sender_report: delay,
            ..ReportBlock::default()
        };
        egress.handle_report(sent + (1 << 31), &report(65_536 / 4));
        assert_eq!(egress.rtt(), Duration::from_millis(250), "half a second less a quarter");
        egress.handle_report(sent + (1 << 31), &report(65_536));
        egress.handle_report(sent, &ReportBlock::default());
        assert_eq!(egress.rtt(), Duration::from_millis(250), "a negative one and an empty one say nothing");
    }
}
