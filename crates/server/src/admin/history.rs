//! What happened in each room in the last ten minutes.
//!
//! Owns the samples and their bounds. A sample is taken once a second of everybody; slots are kept as changes, as most of
//! them show the same thing for minutes. Leaves taking samples to `sampler`.

use std::collections::{BTreeMap, VecDeque};

use sfu::{ParticipantView, RoomView};
use signalling::SlotState;

use super::model::{ParticipantHistory, RoomHistory, SlotHistory, SlotMoment, millis};

/// Between two samples.
pub(super) const INTERVAL_MS: u64 = 1_000;
/// How far back it goes.
const SAMPLES: usize = 600;
/// Changes kept of one slot: one every two seconds, all the time.
const MOMENTS: usize = 300;
/// Participants of all rooms that are remembered. A busy one takes up to 100 kB; who comes on top has no history.
const PARTICIPANTS: usize = 2_000;

/// All rooms.
#[derive(Debug, Default)]
pub(super) struct History {
    rooms: BTreeMap<String, BTreeMap<u64, Track>>,
    /// Participants in them.
    tracks: usize,
}

/// One participant, under its number: ids are given out in ascending order.
#[derive(Debug, Default)]
struct Track {
    id: String,
    name: String,
    samples: VecDeque<Sample>,
    slots: Vec<SlotTrack>,
    missing: u64,
    switches: u64,
}

#[derive(Debug)]
struct Sample {
    at_ms: u64,
    estimate_bps: Option<u64>,
    budget_bps: Option<u64>,
    rtt_ms: Option<u64>,
    missing: u64,
    switches: u64,
    /// By position in `slots`. Shorter where slots came later.
    bitrates: Vec<u64>,
}

#[derive(Debug)]
struct SlotTrack {
    mid: String,
    moments: VecDeque<SlotMoment>,
}

impl History {
    /// Takes a sample of a room. Returns how many switches there were since the one before.
    pub(super) fn record(&mut self, room: &RoomView, at_ms: u64) -> u64 {
        let mut switches = 0;
        let tracks = self.rooms.entry(room.name.clone()).or_default();
        for who in &room.participants {
            let number = who.id.trim_start_matches('p').parse().unwrap_or(0);
            if !tracks.contains_key(&number) {
                if self.tracks >= PARTICIPANTS {
                    continue;
                }
                self.tracks += 1;
            }
            switches += tracks.entry(number).or_default().record(who, at_ms);
        }
        switches
    }

    /// Forgets what is too long ago.
    pub(super) fn prune(&mut self, now_ms: u64) {
        let oldest = now_ms.saturating_sub(SAMPLES as u64 * INTERVAL_MS);
        self.rooms.retain(|_, tracks| {
            tracks.retain(|_, track| track.samples.back().is_some_and(|last| last.at_ms > oldest));
            !tracks.is_empty()
        });
        self.tracks = self.rooms.values().map(BTreeMap::len).sum();
    }

    /// What is remembered of a room: of everybody or of one, from that moment on.
    pub(super) fn of(&self, room: &str, participant: Option<&str>, since_ms: u64) -> Option<RoomHistory> {
        let tracks = self.rooms.get(room)?.values();
        let wanted = tracks.filter(|track| participant.is_none_or(|id| track.id == id));
        Some(RoomHistory {
            name: room.to_owned(),
            interval_ms: INTERVAL_MS,
            participants: wanted.map(|track| track.since(since_ms)).collect(),
        })
    }
}

impl Track {
    fn record(&mut self, who: &ParticipantView, at_ms: u64) -> u64 {
        self.id.clone_from(&who.id);
        self.name.clone_from(&who.name);
        self.slots.retain(|track| who.slots.iter().any(|slot| slot.mid == track.mid));
        let mut bitrates = vec![0; who.slots.len()];
        for slot in &who.slots {
            let at = match self.slots.iter().position(|track| track.mid == slot.mid) {
                Some(at) => at,
                None => {
                    self.slots.push(SlotTrack { mid: slot.mid.clone(), moments: VecDeque::new() });
                    self.slots.len() - 1
                }
            };
            bitrates[at] = slot.bitrate_bps;
            self.slots[at].note(slot, at_ms);
        }
        let stats = &who.downlink;
        let switches = stats.switches.saturating_sub(self.switches);
        self.samples.push_back(Sample {
            at_ms,
            estimate_bps: stats.estimate.map(|estimate| estimate.target.as_bps()),
            budget_bps: who.budget.map(units::Bitrate::as_bps),
            rtt_ms: stats.rtt.map(millis),
            missing: stats.reported_missing.saturating_sub(self.missing),
            switches,
            bitrates,
        });
        (self.missing, self.switches) = (stats.reported_missing, stats.switches);
        if self.samples.len() > SAMPLES {
            self.samples.pop_front();
        }
        switches
    }

    fn since(&self, since_ms: u64) -> ParticipantHistory {
        let samples: Vec<&Sample> = self.samples.iter().filter(|sample| sample.at_ms >= since_ms).collect();
        let slot = |(at, track): (usize, &SlotTrack)| SlotHistory {
            mid: track.mid.clone(),
            bitrate_bps: samples.iter().map(|s| s.bitrates.get(at).copied().unwrap_or(0)).collect(),
            states: track.since(since_ms),
        };
        ParticipantHistory {
            id: self.id.clone(),
            name: self.name.clone(),
            at_ms: samples.iter().map(|s| s.at_ms).collect(),
            estimate_bps: samples.iter().map(|s| s.estimate_bps).collect(),
            budget_bps: samples.iter().map(|s| s.budget_bps).collect(),
            rtt_ms: samples.iter().map(|s| s.rtt_ms).collect(),
            missing: samples.iter().map(|s| s.missing).collect(),
            switches: samples.iter().map(|s| s.switches).collect(),
            slots: self.slots.iter().enumerate().map(slot).collect(),
        }
    }
}

impl SlotTrack {
    /// Notes what a slot shows if it is not what it showed before.
    fn note(&mut self, slot: &SlotState, at_ms: u64) {
        if self.moments.back().is_some_and(|last| same(&last.state, slot)) {
            return;
        }
        self.moments.push_back(SlotMoment { from_ms: at_ms, state: slot.clone() });
        if self.moments.len() > MOMENTS {
            self.moments.pop_front();
        }
    }

    /// The moments from then on, and the one that lasted until then.
    fn since(&self, since_ms: u64) -> Vec<SlotMoment> {
        let before = self.moments.iter().rposition(|moment| moment.from_ms <= since_ms).unwrap_or(0);
        self.moments.iter().skip(before).cloned().collect()
    }
}

/// Whether two states differ in no more than rates, which change all the time.
fn same(a: &SlotState, b: &SlotState) -> bool {
    let next = |state: &SlotState| state.next.as_ref().map(|next| (next.rid.clone(), next.height));
    (&a.publication, &a.rid, a.width, a.height, a.reason, next(a))
        == (&b.publication, &b.rid, b.width, b.height, b.reason, next(b))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A room with one receiver of one slot that shows so many lines at such a rate.
    fn room(height: u32, bitrate: u64, switches: u64) -> RoomView {
        let slot = json!({"mid": "3", "publication": "t1", "participant": "p1", "width": height * 16 / 9,
            "height": height, "rid": "h", "bitrate_bps": bitrate, "reason": "bandwidth"});
        let mut who = ParticipantView {
            id: "p2".to_owned(),
            name: "Ada".to_owned(),
            slots: vec![serde_json::from_value(slot).unwrap()],
            ..ParticipantView::default()
        };
        who.downlink.switches = switches;
        RoomView { name: "r".to_owned(), participants: vec![who], ..RoomView::default() }
    }

    #[test]
    fn a_slot_is_a_list_of_changes_and_rates_are_a_list_of_samples() {
        let mut history = History::default();
        for (second, height, bitrate, switches) in
            [(1, 180, 100, 1), (2, 180, 150, 1), (3, 360, 400, 2), (4, 360, 410, 2), (5, 180, 90, 3)]
        {
            history.record(&room(height, bitrate, switches), second * 1_000);
        }
        let ada = &history.of("r", Some("p2"), 0).unwrap().participants[0];
        assert_eq!(ada.at_ms, [1_000, 2_000, 3_000, 4_000, 5_000]);
        assert_eq!(ada.switches, [1, 0, 1, 0, 1]);
        assert_eq!(ada.slots[0].bitrate_bps, [100, 150, 400, 410, 90]);
        let changes: Vec<_> = ada.slots[0].states.iter().map(|m| (m.from_ms, m.state.height)).collect();
        assert_eq!(changes, [(1_000, Some(180)), (3_000, Some(360)), (5_000, Some(180))]);

        let late = &history.of("r", None, 4_000).unwrap().participants[0];
        assert_eq!(late.at_ms, [4_000, 5_000]);
        let changes: Vec<_> = late.slots[0].states.iter().map(|m| m.from_ms).collect();
        assert_eq!(changes, [3_000, 5_000], "with the state that lasted until then");
        assert!(history.of("r", Some("p9"), 0).unwrap().participants.is_empty());
        assert_eq!(history.of("s", None, 0), None);
    }

    #[test]
    fn it_is_bounded_in_time_and_forgets_who_left() {
        let mut history = History::default();
        for second in 0..2_000u64 {
            // A change every second: the worst case.
            history.record(&room(180 + (second % 2) as u32, 100, second), second * 1_000);
        }
        let ada = &history.of("r", None, 0).unwrap().participants[0];
        assert_eq!((ada.at_ms.len(), ada.slots[0].states.len()), (SAMPLES, MOMENTS));
        history.prune(2_000_000);
        assert!(history.of("r", None, 0).is_some(), "it was there a second ago");
        history.prune(2_600_000);
        assert_eq!((history.of("r", None, 0), history.tracks), (None, 0));
    }

    #[test]
    fn a_crowd_does_not_fill_the_memory() {
        let mut history = History::default();
        let one = room(180, 1, 0);
        for number in 0..PARTICIPANTS as u64 + 10 {
            let mut next = one.clone();
            next.participants[0].id = format!("p{number}");
            history.record(&next, 1_000);
        }
        assert_eq!(history.of("r", None, 0).unwrap().participants.len(), PARTICIPANTS);
    }
}
