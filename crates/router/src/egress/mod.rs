//! The way out to one participant.
//!
//! Owns what is common to everything that one receiver gets: transport-wide numbers, stamped at the moment of sending on
//! media, retransmissions and padding alike; the pace; the budget of retransmissions; the round-trip time; the counts. Video
//! waits here for its time; sound and what a receiver asked for never wait. Feedback about the path arrives here. Leaves the
//! streams, and what a probe is made of, to `slot`.

mod departures;
mod path;
mod probing;
pub(crate) mod queue;
mod standing;

use std::time::Duration;

use estimator::{ClusterId, SentPacket};
use packet::{CcFeedback, ReportBlock, TransportFeedback};
use selector::{Budget, BudgetHistory, Decision, InUse, Reserves};
use units::{Bitrate, DataSize, Timestamp, TwccSeq};

pub(crate) use departures::Departure;
use path::Path;
use probing::{Padding, Running};
use queue::{Abandoned, Queue};

use crate::output::Output;
use crate::{Config, DownlinkStats, OutgoingPacket, PacketKind, ParticipantId};

/// Until a report says otherwise.
const DEFAULT_RTT: Duration = Duration::from_millis(100);
/// Longer is a report of a suspended machine, not of a path.
const MAX_RTT: Duration = Duration::from_secs(5);
/// Retransmissions that may be sent in a burst, in bytes: a lost keyframe of 720p and some.
const REPAIR_BURST: u64 = 64_000;

/// What a packet has on the wire besides its body: fixed header 12, CSRC 4, extensions 8, AES-GCM tag 16, UDP 8, IPv4 20.
pub(crate) const OVERHEAD: usize = 68;
/// A packet of a probe may leave this much before its time: timers of real hosts fire late as often.
const EARLY: Duration = Duration::from_micros(500);
/// Other packets may leave this much before theirs. What a receiver gets at once leaves in one system call, and one packet per
/// wake would be most of what a server does. Browsers let 40 ms of their own pace leave at once; with less than half of that
/// an ordinary frame of the top layer leaves whole, and the estimator knows its own bursts.
const AHEAD: Duration = Duration::from_millis(15);
/// How long the word of a receiver about its bandwidth holds.
const REMB_LIFETIME: Duration = Duration::from_secs(5);

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Egress {
    to: ParticipantId,
    next: TwccSeq,
    rtt: Option<Duration>,
    /// Bytes of retransmission that may still be sent.
    repair: u64,
    repair_percent: u64,
    estimation: estimator::Config,
    /// The receiver acknowledges what it gets, so that its path can be known.
    acknowledges: bool,
    /// Made with the first picture, so that a participant that gets none costs nothing.
    path: Option<Box<Path>>,
    /// What a receiver without acknowledgements says of its bandwidth, and the budgets made of it.
    remb: Option<(Bitrate, Timestamp, BudgetHistory)>,
    /// The most that may be sent in all, in the long run, whatever the path carries.
    limit: Option<Bitrate>,
    queue: Queue,
    /// Of each SSRC of video: the newest number that left, and its timestamp.
    newest: Vec<(u32, u16, u32)>,
    probe: Option<Running>,
    padding: Padding,
    shed: bool,
    /// Something may be due earlier than the owner was told.
    rearm: bool,
    /// What the last feedback showed to be lost.
    lost: Vec<Departure>,
    stats: DownlinkStats,
}

impl Egress {
    /// An unused way to that participant.
    pub(crate) fn new(to: ParticipantId, config: &Config) -> Self {
        Self {
            to,
            next: TwccSeq::new(0),
            rtt: None,
            repair: REPAIR_BURST,
            repair_percent: u64::from(config.retransmission_percent),
            estimation: config.estimator,
            acknowledges: false,
            path: None,
            remb: None,
            limit: None,
            queue: Queue::default(),
            newest: Vec::new(),
            probe: None,
            padding: Padding::default(),
            shed: false,
            rearm: false,
            lost: Vec::new(),
            stats: DownlinkStats::default(),
        }
    }

    /// Whether the receiver acknowledges what it gets. Without, nothing is paced, and the budget is the receiver's own word.
    pub(crate) fn set_acknowledges(&mut self, acknowledges: bool) {
        self.acknowledges = acknowledges;
        self.rearm = true;
        if !acknowledges {
            self.path = None;
            self.probe = None;
        }
    }

    /// The receiver cannot be reached (any more): what waits for it is dropped. What is known of its path stays.
    pub(crate) fn interrupt(&mut self) {
        self.rearm = true;
        self.queue.clear();
        self.probe = None;
    }

    /// The receiver is reached by another way.
    pub(crate) fn on_route_change(&mut self, now: Timestamp) {
        self.rearm = true;
        if let Some(path) = &mut self.path {
            path.on_route_change(now);
        }
        self.rtt = None;
    }

    /// The smoothed round-trip time, or a guess.
    pub(crate) fn rtt(&self) -> Duration {
        self.rtt.unwrap_or(DEFAULT_RTT)
    }

    /// Counts so far.
    pub(crate) fn stats(&self) -> DownlinkStats {
        let estimate = self.path.as_ref().map(|path| path.estimate());
        DownlinkStats { rtt: self.rtt, estimate, queued: self.queue.size(), ..self.stats }
    }

    /// For what is counted elsewhere.
    pub(crate) fn stats_mut(&mut self) -> &mut DownlinkStats {
        &mut self.stats
    }

    /// Sends a packet, at once or in its turn.
    pub(crate) fn send(&mut self, now: Timestamp, packet: OutgoingPacket, out: &mut Vec<Output>) {
        let size = DataSize::from_bytes((packet.body_size() + OVERHEAD) as u64);
        // Sound alone teaches nothing, and there is nothing else to probe with.
        if self.path.is_none() && self.acknowledges && packet.kind == PacketKind::Media {
            self.path = Some(Box::new(Path::new(now, &self.estimation, self.limit)));
            self.rearm = true;
        }
        // Of a slot's own stream the order is kept, so its padding waits like its media.
        let waits = matches!(packet.kind, PacketKind::Media | PacketKind::Padding);
        if waits && !self.may_go(now, size) {
            // Behind others it changes nothing: the first one decides.
            self.rearm |= self.queue.front().is_none();
            if self.queue.push(packet, size).is_err() {
                self.stats.shed += 1;
                self.shed = true;
            }
            return;
        }
        self.dispatch(now, packet, size, None, out);
    }

    /// Whether a video packet may overtake nothing and leave now.
    fn may_go(&self, now: Timestamp, size: DataSize) -> bool {
        let Some(path) = &self.path else { return true };
        self.queue.front().is_none() && self.probe.is_none() && path.next_send(now, size) <= now + AHEAD
    }

    /// Something else starts on the stream of a slot: what waits of the former picture is of no use. What was dropped, if anything.
    pub(crate) fn abandon(&mut self, ssrc: u32) -> Option<Abandoned> {
        self.queue.front()?;
        let sent =
            self.newest.iter().find(|(known, ..)| *known == ssrc).map(|(_, number, time)| (*number, *time));
        let abandoned = self.queue.abandon(ssrc, sent)?;
        self.stats.abandoned += u64::from(abandoned.packets);
        Some(abandoned)
    }

    /// This number of a slot's stream is known to the receiver, or will be.
    pub(crate) fn note_left(&mut self, ssrc: u32, number: u16, time: u32) {
        match self.newest.iter_mut().find(|(known, ..)| *known == ssrc) {
            // Late ones are no news.
            Some((_, newest, _)) if number.wrapping_sub(*newest).cast_signed() <= 0 => {}
            Some(entry) => (entry.1, entry.2) = (number, time),
            None => self.newest.push((ssrc, number, time)),
        }
    }

    /// The last thing that happens to a packet here is its transport-wide number.
    fn dispatch(
        &mut self,
        now: Timestamp,
        mut packet: OutgoingPacket,
        size: DataSize,
        probe: Option<ClusterId>,
        out: &mut Vec<Output>,
    ) {
        packet.header.transport_wide = Some(self.next.wire());
        if let Some(path) = &mut self.path {
            let rtp = (packet.header.ssrc, packet.header.sequence);
            // From silence on there is an answer to wait for. What is sent besides only moves deadlines further away.
            self.rearm |= !path.is_awaited();
            let number = self.next.get();
            path.sent(now, SentPacket { seq: number, size, kind: packet.kind, probe }, rtp);
            if let Some(sequence) = repeatable(&packet) {
                let (slot, is_copy) = (packet.slot, packet.kind == PacketKind::Rtx);
                path.departed(Departure { number, slot, sequence, at: now, is_copy });
            }
        }
        self.next = self.next.plus(1);
        if matches!(packet.kind, PacketKind::Media | PacketKind::Padding) {
            self.note_left(packet.header.ssrc, packet.header.sequence, packet.header.timestamp);
        }
        match packet.kind {
            PacketKind::Rtx => self.stats.retransmissions += 1,
            PacketKind::Media | PacketKind::Audio => {
                self.stats.packets += 1;
                let earned = packet.body_size() as u64 * self.repair_percent / 100;
                self.repair = (self.repair + earned).min(REPAIR_BURST);
            }
            PacketKind::Padding => self.stats.padding_bytes += size.as_bytes(),
        }
        out.push(Output::Rtp { to: self.to, packet });
    }

    /// Sends what is due. Returns true when a packet is due that the slots have to make: pass it to
    /// [`Egress::send_filler`], or say [`Egress::skip_filler`], and call again.
    pub(crate) fn poll(&mut self, now: Timestamp, out: &mut Vec<Output>) -> bool {
        let Some(path) = &mut self.path else { return false };
        if path.deadline().is_some_and(|at| at <= now) {
            path.handle_timeout(now);
        }
        self.padding.set_rate(now, path.padding());
        if self.probe.is_none() {
            self.probe = path.poll_probe(now).map(|probe| Running::new(now, probe));
        }
        while let Some(at) = self.next_packet(now).filter(|at| *at <= now + self.ahead()) {
            if self.probe.is_some_and(|probe| probe.is_over(at.max(now))) {
                self.probe = None;
                continue;
            }
            let probe = self.probe.map(|probe| probe.id());
            let Some((packet, size)) = self.queue.pop() else { return true };
            self.dispatch(now, packet, size, probe, out);
            if let Some(probe) = &mut self.probe {
                probe.sent(size);
            }
        }
        false
    }

    /// How much before its time a packet may leave. Spacing is what a probe measures with.
    fn ahead(&self) -> Duration {
        if self.probe.is_some() || self.queue.front().is_none() { EARLY } else { AHEAD }
    }

    /// A packet that is sent only to learn.
    pub(crate) fn send_filler(&mut self, now: Timestamp, packet: OutgoingPacket, out: &mut Vec<Output>) {
        let size = DataSize::from_bytes((packet.body_size() + OVERHEAD) as u64);
        self.dispatch(now, packet, size, self.probe.map(|probe| probe.id()), out);
        match &mut self.probe {
            Some(probe) => probe.sent(size),
            None => self.padding.sent(now, size),
        }
    }

    /// There is nothing to learn with.
    pub(crate) fn skip_filler(&mut self, now: Timestamp) {
        self.probe = None;
        self.padding.sent(now, DataSize::from_bytes(1_000));
    }

    /// When the next packet that is not sent at once goes.
    fn next_packet(&self, now: Timestamp) -> Option<Timestamp> {
        if let Some(probe) = &self.probe {
            return Some(probe.next());
        }
        let path = self.path.as_ref()?;
        match self.queue.front() {
            Some(size) => Some(path.next_send(now, size)),
            None => self.padding.next(),
        }
    }

    /// Whether [`Egress::deadline`] may have come closer since the last look. It is asked for each packet and is cheap; the
    /// deadline is not. One that has moved away shows when the old one comes.
    pub(crate) fn take_rearm(&mut self) -> bool {
        std::mem::take(&mut self.rearm)
    }

    /// When to call [`Egress::poll`] if nothing happens before.
    pub(crate) fn deadline(&self, now: Timestamp) -> Option<Timestamp> {
        let estimator = self.path.as_ref().and_then(|path| path.deadline());
        self.next_packet(now).into_iter().chain(estimator).min()
    }

    /// What may be spent on video now; `None` while nothing is known of the path.
    pub(crate) fn budget(&mut self, now: Timestamp) -> Option<Budget> {
        if let Some(path) = &mut self.path {
            return path.budget(now);
        }
        let fresh = self.remb.as_mut().filter(|(_, said, _)| now - *said <= REMB_LIFETIME);
        let Some((rate, _, history)) = fresh else {
            // Nothing is known of the path, but this much of it may be used.
            return self.limit.map(|limit| {
                BudgetHistory::default().budget(now, limit, InUse::default(), &Reserves::default())
            });
        };
        let rate = self.limit.map_or(*rate, |limit| limit.min(*rate));
        Some(history.budget(now, rate, InUse::default(), &Reserves::default()))
    }

    /// The most that may be sent in all, in the long run; `None` for no limit but the path's.
    pub(crate) fn set_limit(&mut self, limit: Option<Bitrate>) {
        self.limit = limit;
        if let Some(path) = &mut self.path {
            path.set_limit(limit);
        }
    }

    /// What the selector could use.
    pub(crate) fn set_demand(&mut self, now: Timestamp, decision: &Decision) {
        if let Some(path) = &mut self.path {
            path.set_demand(now, decision);
        }
    }

    /// A receiver without acknowledgements says how much it can take (draft-alvestrand-rmcat-remb-03). One that
    /// acknowledges is not asked.
    pub(crate) fn handle_remb(&mut self, now: Timestamp, rate: Bitrate) {
        if !self.acknowledges {
            let history = self.remb.map(|(.., history)| history).unwrap_or_default();
            self.remb = Some((rate, now, history));
        }
    }

    /// Whether what may be spent differs from what was last asked for by more than noise.
    pub(crate) fn has_moved(&self) -> bool {
        self.path.as_ref().is_some_and(|path| path.has_moved())
    }

    /// Whether waiting video was dropped since the last look: its slots must start anew.
    pub(crate) fn take_shed(&mut self) -> bool {
        std::mem::take(&mut self.shed)
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

    /// Whether what is late already is to be sent twice.
    pub(crate) fn doubles(&self) -> bool {
        self.path.as_ref().is_some_and(|path| path.doubles())
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

    /// What the receiver says about the packets it got. Returns whether the estimate may have changed.
    pub(crate) fn handle_feedback(&mut self, now: Timestamp, feedback: &TransportFeedback) -> bool {
        let arrived = feedback.statuses.iter().filter(|status| status.is_some()).count() as u64;
        self.stats.acknowledged += arrived;
        self.stats.reported_missing += feedback.statuses.len() as u64 - arrived;
        let Some(path) = &mut self.path else { return false };
        path.handle_feedback(now, feedback, self.queue.size(), &mut self.lost)
    }

    /// The same from a receiver that speaks of each stream (RFC 8888).
    pub(crate) fn handle_stream_feedback(&mut self, now: Timestamp, feedback: &CcFeedback) -> bool {
        let reports = feedback.streams.iter().flat_map(|stream| &stream.reports);
        let arrived = reports.clone().filter(|report| report.is_some()).count() as u64;
        self.stats.acknowledged += arrived;
        self.stats.reported_missing += reports.count() as u64 - arrived;
        let Some(path) = &mut self.path else { return false };
        path.handle_stream_feedback(now, feedback, self.queue.size(), &mut self.lost)
    }

    /// What the feedback since the last call showed to be lost.
    pub(crate) fn take_lost(&mut self) -> Vec<Departure> {
        std::mem::take(&mut self.lost)
    }
}

/// The number on its slot's stream of a packet that can be repeated; of a repetition that of what it repeats.
fn repeatable(packet: &OutgoingPacket) -> Option<u16> {
    match packet.kind {
        PacketKind::Media => Some(packet.header.sequence),
        PacketKind::Rtx => packet.prefix.first_chunk().map(|number| u16::from_be_bytes(*number)),
        PacketKind::Audio | PacketKind::Padding => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use packet::{Mid, OutgoingHeader};

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
        let mut egress = Egress::new(ParticipantId(1), &Config::default());
        let mut out = Vec::new();
        for kind in [PacketKind::Media, PacketKind::Rtx, PacketKind::Padding, PacketKind::Audio] {
            egress.send(Timestamp::ZERO, packet(kind, 10), &mut out);
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
        let mut egress = Egress::new(ParticipantId(1), &Config::default());
        let mut out = Vec::new();
        let burst = (0..1_000).take_while(|_| egress.spend_repair(1_000)).count();
        assert_eq!(burst, 64, "the burst");
        let mut repaired = 0;
        for _ in 0..1_000 {
            egress.send(Timestamp::ZERO, packet(PacketKind::Media, 1_000), &mut out);
            repaired += usize::from(egress.spend_repair(1_000));
        }
        assert_eq!(repaired, 250, "a quarter of what is sent");
    }

    #[test]
    fn round_trip_from_reports() {
        let mut egress = Egress::new(ParticipantId(1), &Config::default());
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

    fn acknowledging() -> Egress {
        let mut egress = Egress::new(ParticipantId(1), &Config::default());
        egress.set_acknowledges(true);
        egress
    }

    /// Lets time pass; returns when each packet left and what it was.
    fn run(egress: &mut Egress, from: Timestamp, until: Timestamp) -> Vec<(Timestamp, PacketKind)> {
        let (mut now, mut left) = (from, Vec::new());
        while now <= until {
            let mut out = Vec::new();
            while egress.poll(now, &mut out) {
                egress.send_filler(now, packet(PacketKind::Padding, 500), &mut out);
            }
            left.extend(out.iter().map(|output| match output {
                Output::Rtp { packet, .. } => (now, packet.kind),
                other => panic!("{other:?}"),
            }));
            now = egress.deadline(now).unwrap_or(until).max(now + Duration::from_micros(100));
        }
        left
    }

    #[test]
    fn video_keeps_the_pace_and_sound_never_waits() {
        let mut egress = acknowledging();
        let mut out = Vec::new();
        for _ in 0..50 {
            egress.send(Timestamp::ZERO, packet(PacketKind::Media, 1_000), &mut out);
        }
        let at_once = out.len();
        assert!(at_once < 5, "{at_once} packets left at once at the start rate");
        egress.send(Timestamp::ZERO, packet(PacketKind::Audio, 100), &mut out);
        egress.send(Timestamp::ZERO, packet(PacketKind::Rtx, 100), &mut out);
        assert_eq!(out.len(), at_once + 2, "sound and repair overtake");
        let left = run(&mut egress, Timestamp::ZERO, Timestamp::from_millis(200));
        let media = left.iter().filter(|(_, kind)| *kind == PacketKind::Media).count();
        assert!(media > 0 && media + at_once < 50, "{media} of 50 kB in 200 ms");
        assert!(
            left.iter().all(|(_, kind)| *kind != PacketKind::Padding),
            "media is what probes are made of first"
        );
    }

    #[test]
    fn a_receiver_that_acknowledges_nothing_is_not_paced_and_says_its_budget_itself() {
        let mut egress = Egress::new(ParticipantId(1), &Config::default());
        let mut out = Vec::new();
        for _ in 0..50 {
            egress.send(Timestamp::ZERO, packet(PacketKind::Media, 1_000), &mut out);
        }
        assert_eq!((out.len(), egress.deadline(Timestamp::ZERO)), (50, None));
        assert_eq!(egress.budget(Timestamp::ZERO), None);
        egress.handle_remb(Timestamp::ZERO, Bitrate::from_kbps(900));
        assert_eq!(egress.budget(Timestamp::ZERO).map(|budget| budget.keep.as_kbps()), Some(900));
        assert_eq!(egress.budget(Timestamp::from_secs(6)), None, "what was said long ago holds no more");
    }

    #[test]
    fn a_path_that_stands_still_sheds_video_and_bounds_what_waits() {
        let mut egress = acknowledging();
        let mut out = Vec::new();
        let mut shed = 0;
        for ms in 0..3_000 {
            egress.send(Timestamp::from_millis(ms), packet(PacketKind::Media, 1_000), &mut out);
            shed += usize::from(egress.take_shed());
        }
        assert!(shed > 0, "8 Mbit/s into a start rate");
        assert!(egress.stats().queued <= DataSize::from_bytes(1_100_000), "{:?}", egress.stats());
    }

    #[test]
    fn what_the_receiver_acknowledges_becomes_a_budget() {
        let mut egress = acknowledging();
        let mut out = Vec::new();
        egress.send(Timestamp::ZERO, packet(PacketKind::Media, 1_000), &mut out);
        let start = egress.budget(Timestamp::ZERO).expect("a start rate").keep;
        assert!(start > Bitrate::ZERO);
        let nonsense =
            TransportFeedback { base: 500, statuses: vec![Some(4)], ..TransportFeedback::default() };
        assert!(!egress.handle_feedback(Timestamp::from_millis(50), &nonsense), "never sent");
        let report = TransportFeedback { base: 0, statuses: vec![Some(4)], ..TransportFeedback::default() };
        assert!(egress.handle_feedback(Timestamp::from_millis(60), &report));
    }

    #[test]
    fn a_fast_path_is_found_within_two_seconds() {
        let mut egress = acknowledging();
        let mut now = Timestamp::ZERO;
        let mut arrivals: Vec<(u16, Timestamp)> = Vec::new();
        let (mut base, mut report_at, mut frame_at) = (0u16, Timestamp::from_millis(50), Timestamp::ZERO);
        let mut trail = Vec::new();
        let wants = |spent: u64, probe: Option<u64>, wanted: u64| Decision {
            choices: Vec::new(),
            spent: Bitrate::from_kbps(spent),
            pixel_rate: 0,
            wanted: Bitrate::from_kbps(wanted),
            probe: probe.map(Bitrate::from_kbps),
            again: None,
        };
        while now < Timestamp::from_secs(2) {
            let mut out = Vec::new();
            if now >= frame_at {
                egress.send(now, packet(PacketKind::Media, 600), &mut out);
                frame_at += Duration::from_millis(33);
            }
            let demand = match now.as_millis() {
                0..400 => wants(150, None, 150),
                _ => wants(150, Some(500), 1_500),
            };
            egress.set_demand(now, &demand);
            while egress.poll(now, &mut out) {
                egress.send_filler(now, packet(PacketKind::Padding, 600), &mut out);
            }
            for output in out {
                let Output::Rtp { packet, .. } = output else { panic!() };
                arrivals.push((packet.header.transport_wide.unwrap(), now + Duration::from_millis(20)));
            }
            if now >= report_at {
                report_at += Duration::from_millis(62);
                let arrived: Vec<_> = arrivals.iter().filter(|(_, at)| *at <= now).copied().collect();
                arrivals.retain(|(_, at)| *at > now);
                if let Some((_, first)) = arrived.first() {
                    let reference = first.as_micros() / 64_000;
                    let mut ticks = reference * 256;
                    let statuses = arrived
                        .iter()
                        .map(|(_, at)| {
                            let tick = at.as_micros() / 250;
                            let delta = tick - ticks;
                            ticks = tick;
                            Some(delta as i16)
                        })
                        .collect();
                    let report = TransportFeedback {
                        base,
                        reference_time: reference as u32,
                        statuses,
                        ..TransportFeedback::default()
                    };
                    base = base.wrapping_add(arrived.len() as u16);
                    assert!(egress.handle_feedback(now, &report));
                }
            }
            let estimate = egress.stats().estimate.unwrap();
            if trail.last() != Some(&(estimate.target, estimate.reason)) {
                println!(
                    "{now} {} {} {:?} pad {}",
                    estimate.target,
                    estimate.reason,
                    estimate.state,
                    egress.stats().padding_bytes
                );
                trail.push((estimate.target, estimate.reason));
            }
            let next = egress.deadline(now).into_iter().chain([report_at, frame_at]).min().unwrap();
            now = next.max(now + Duration::from_micros(100));
        }
        let found = egress.stats().estimate.unwrap().target;
        assert!(found > Bitrate::from_kbps(1_200), "{found} after {trail:?}");
    }
}
