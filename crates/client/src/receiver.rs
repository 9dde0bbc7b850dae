//! What arrives in the slots of one participant, and what is known about them.
//!
//! Owns the checks of every slot and their report. Fed by the media connection with packets and by signalling with what
//! the server says it sends; asks for keyframes as a browser would.

use std::collections::BTreeMap;

use packet::MediaKind;
use rtc::rtp;
use signalling::SlotState;
use units::Timestamp;

use crate::check::{ReceivedPacket, StreamCheck, Verdict};
use crate::clock::time_of_day;
use crate::peer::codec_of;
use crate::report::{LogEntry, VideoReport};

/// Changes that are remembered per slot; further ones are counted and not listed.
const MAX_LOG: usize = 1_000;
/// Delays that are remembered per slot, the oldest making room.
const MAX_DELAYS: usize = 20_000;

/// How far back the recent gaps of a report reach.
pub(crate) const RECENT_SECONDS: u64 = 20;

/// Everything about the receiving half of a participant.
#[derive(Debug, Default)]
pub(crate) struct Receiver {
    slots: BTreeMap<String, Slot>,
    /// MID by SSRC, from the last answer.
    sections: BTreeMap<u32, String>,
    /// In bit/s, by the server's last word.
    estimate: Option<u64>,
}

#[derive(Debug)]
struct Slot {
    kind: MediaKind,
    check: StreamCheck,
    state: Option<SlotState>,
    log: Vec<LogEntry>,
    rid_changes: u64,
    /// In microseconds.
    delays: Vec<u32>,
    delays_seen: usize,
    audio_packets: u64,
    /// Frames and freezes at the last report to the server.
    reported: (u64, u64),
}

impl Slot {
    fn new(kind: MediaKind) -> Self {
        Self {
            kind,
            check: StreamCheck::new(),
            state: None,
            log: Vec::new(),
            rid_changes: 0,
            delays: Vec::new(),
            delays_seen: 0,
            audio_packets: 0,
            reported: (0, 0),
        }
    }

    fn record_delay(&mut self, made_at: u64) {
        let delay = u32::try_from(time_of_day().saturating_sub(made_at)).unwrap_or(u32::MAX);
        match self.delays.get_mut(self.delays_seen % MAX_DELAYS) {
            Some(oldest) => *oldest = delay,
            None => self.delays.push(delay),
        }
        self.delays_seen += 1;
    }
}

impl Receiver {
    /// An answer was applied: these are the slots, and the SSRC of each.
    pub(crate) fn set_slots(&mut self, slots: Vec<(String, MediaKind)>, sections: BTreeMap<u32, String>) {
        for (mid, kind) in slots {
            self.slots.entry(mid).or_insert_with(|| Slot::new(kind));
        }
        self.sections = sections;
    }

    /// MID and kind of every slot, in the order of MIDs.
    pub(crate) fn slots(&self) -> Vec<(String, MediaKind)> {
        self.slots.iter().map(|(mid, slot)| (mid.clone(), slot.kind)).collect()
    }

    /// The section in which an SSRC was announced.
    pub(crate) fn section(&self, ssrc: u32) -> Option<&String> {
        self.sections.get(&ssrc)
    }

    /// A packet arrived, retransmissions restored. `true` when a keyframe should be asked for.
    pub(crate) fn handle_rtp(&mut self, now: Timestamp, packet: rtp::Packet) -> bool {
        let Some(mid) = self.sections.get(&packet.header.ssrc) else { return false };
        let Some(slot) = self.slots.get_mut(mid) else { return false };
        if slot.kind == MediaKind::Audio {
            slot.audio_packets += 1;
            return false;
        }
        let Some(codec) = codec_of(packet.header.payload_type) else { return false };
        let packet = ReceivedPacket {
            codec,
            sequence: packet.header.sequence_number,
            timestamp: packet.header.timestamp,
            marker: packet.header.marker,
            csrc: packet.header.csrc.first().copied(),
            payload: packet.payload,
        };
        let mut verdicts = Vec::new();
        slot.check.handle_packet(now, packet, &mut verdicts);
        settle(mid, slot, verdicts);
        slot.check.take_keyframe_request(now)
    }

    /// Time passed. Returns the slots for which a keyframe should be asked for.
    pub(crate) fn handle_timeout(&mut self, now: Timestamp) -> Vec<String> {
        let mut starving = Vec::new();
        for (mid, slot) in self.slots.iter_mut().filter(|(_, slot)| slot.kind == MediaKind::Video) {
            let mut verdicts = Vec::new();
            slot.check.handle_timeout(now, &mut verdicts);
            settle(mid, slot, verdicts);
            if slot.check.take_keyframe_request(now) {
                starving.push(mid.clone());
            }
        }
        starving
    }

    /// The server says what it takes the link to carry, in bit/s; silence leaves its last word standing.
    pub(crate) fn handle_estimate(&mut self, bps: Option<u64>) {
        self.estimate = bps.or(self.estimate);
    }

    /// What the server takes the link to carry, in bit/s.
    pub(crate) fn estimate(&self) -> Option<u64> {
        self.estimate
    }

    /// The server says what is in a slot.
    pub(crate) fn handle_state(&mut self, now: Timestamp, state: SlotState) {
        let Some(slot) = self.slots.get_mut(&state.mid) else { return };
        if slot.kind == MediaKind::Audio {
            return;
        }
        let before = slot.state.as_ref().map(|state| (state.rid.clone(), state.reason));
        let after = (state.rid.clone(), state.reason);
        if let Some((before, _)) = &before
            && before.is_some()
            && after.0.is_some()
            && *before != after.0
        {
            slot.rid_changes += 1;
        }
        if before != Some(after.clone()) && slot.log.len() < MAX_LOG {
            slot.log.push(LogEntry { at_ms: now.as_millis(), rid: after.0, reason: after.1 });
        }
        if state.publication.is_none() || !is_sent(&state) {
            slot.check.pause(now);
        }
        slot.state = Some(state);
    }

    /// How decoding went since the last call, for the server.
    pub(crate) fn take_reports(&mut self, now: Timestamp) -> Vec<signalling::SlotReport> {
        let slots = self.slots.iter_mut().filter(|(_, slot)| slot.check.stats().frames > 0);
        slots
            .map(|(mid, slot)| {
                let total = (slot.check.stats().frames, slot.check.playback(now).freezes());
                let before = std::mem::replace(&mut slot.reported, total);
                signalling::SlotReport {
                    mid: mid.clone(),
                    frames_decoded: u32::try_from(total.0 - before.0).unwrap_or(u32::MAX),
                    freezes: u32::try_from(total.1.saturating_sub(before.1)).unwrap_or(u32::MAX),
                    ..signalling::SlotReport::default()
                }
            })
            .collect()
    }

    /// Packets of audio over all slots.
    pub(crate) fn audio_packets(&self) -> u64 {
        self.slots.values().map(|slot| slot.audio_packets).sum()
    }

    /// One report per video slot in which anything ever arrived.
    pub(crate) fn reports(&self, now: Timestamp) -> Vec<VideoReport> {
        let used = self.slots.iter().filter(|(_, slot)| slot.check.stats().packets > 0);
        used.map(|(mid, slot)| slot.report(mid, now)).collect()
    }
}

fn is_sent(state: &SlotState) -> bool {
    state.rid.is_some() || state.width.is_some() || state.bitrate_bps > 0
}

fn settle(mid: &str, slot: &mut Slot, verdicts: Vec<Verdict>) {
    for verdict in verdicts {
        match verdict {
            Verdict::Good { stamp: Some(stamp), .. } => slot.record_delay(stamp.made_at),
            Verdict::Good { stamp: None, .. } => {}
            Verdict::Spoiled => tracing::debug!(mid, "a frame that a loss spoiled"),
            Verdict::Bad(fault) => tracing::debug!(mid, ?fault, "a frame that would not decode"),
        }
    }
}

impl Slot {
    fn report(&self, mid: &str, now: Timestamp) -> VideoReport {
        let stats = self.check.stats();
        let playback = self.check.playback(now);
        let state = self.state.as_ref();
        let mut delays = self.delays.clone();
        delays.sort_unstable();
        let percentile = |percent: usize| {
            let at = delays.len().checked_sub(1)? * percent / 100;
            Some((f64::from(delays[at]) / 100.0).round() / 10.0)
        };
        VideoReport {
            mid: mid.to_owned(),
            first_frame_ms: playback.first_frame().map(Timestamp::as_millis),
            frames: stats.frames,
            keyframes: stats.keyframes,
            rid: state.and_then(|state| state.rid.clone()),
            width: stats.size.map(|(width, _)| width),
            height: stats.size.map(|(_, height)| height),
            kbps: self.check.rate(now).as_kbps(),
            // Frames that say which encoding they are of are the better witnesses.
            switches: if stats.encoding.is_some() { stats.switches } else { self.rid_changes },
            freezes: playback.freezes(),
            long_freezes: playback.long_freezes(),
            source_stalls: stats.source_stalls,
            longest_gap_ms: playback.longest_gap().as_millis() as u64,
            recent_gap_ms: playback.recent_gap(now, RECENT_SECONDS).as_millis() as u64,
            lost_packets: stats.lost,
            spoiled_frames: stats.spoiled,
            bad_frames: stats.bad_frames(),
            bad: stats.bad.clone(),
            keyframe_requests: stats.keyframe_requests,
            delay_ms_p50: percentile(50),
            delay_ms_p95: percentile(95),
            reason: state.map(|state| state.reason),
            log: self.log.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use signalling::Reason;

    use super::*;

    fn state(rid: Option<&str>, reason: Reason) -> SlotState {
        let rid = rid.map(str::to_owned);
        let text = serde_json::json!({
            "mid": "1", "participant": "p", "publication": "v", "rid": rid, "bitrate_bps": 1, "reason": reason,
        });
        serde_json::from_value(text).unwrap()
    }

    #[test]
    fn logs_changes_and_counts_switches() {
        let mut receiver = Receiver::default();
        receiver.set_slots(vec![("1".to_owned(), MediaKind::Video)], BTreeMap::from([(9, "1".to_owned())]));
        let story = [
            (0, None, Reason::Startup),
            (10, Some("q"), Reason::Startup),
            (20, Some("q"), Reason::Startup),
            (30, Some("q"), Reason::WaitingForKeyframe),
            (40, Some("h"), Reason::Optimal),
        ];
        for (at, rid, reason) in story {
            receiver.handle_state(Timestamp::from_millis(at), state(rid, reason));
        }
        let slot = &receiver.slots["1"];
        let log: Vec<(u64, Option<&str>, Reason)> =
            slot.log.iter().map(|entry| (entry.at_ms, entry.rid.as_deref(), entry.reason)).collect();
        assert_eq!(log, [story[0], story[1], story[3], story[4]]);
        assert_eq!(slot.rid_changes, 1, "the first encoding is no switch");
    }

    #[test]
    fn packets_of_unknown_streams_are_nobodys() {
        let mut receiver = Receiver::default();
        assert!(!receiver.handle_rtp(Timestamp::ZERO, rtp::Packet::default()));
        assert_eq!(receiver.reports(Timestamp::ZERO), []);
    }
}
