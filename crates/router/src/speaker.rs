//! Who speaks, for signalling, and who spoke last, for `auto` slots.
//!
//! Owns a first and simple rule: the loudest voice is the active speaker, with a margin against flicker and
//! at most one change a second. Leaves levels to `audio`.

use std::time::Duration;

use units::Timestamp;

use crate::audio::{Loudness, to_dbov};
use crate::{ParticipantId, Speaker};

/// Whoever is quieter does not speak: -55 dBov, below a soft voice and above a room's noise.
const THRESHOLD: Loudness = 72_000;
/// Whoever takes over as active speaker is louder by this much.
const MARGIN: Loudness = 6_000;
/// At most one change of the list in this time.
const INTERVAL: Duration = Duration::from_secs(1);
/// Everybody's level is looked at this often, not with every packet.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// At most this many are listed.
const MOST: usize = 5;

/// The state of one room.
#[derive(Debug, Default)]
pub(crate) struct Speakers {
    /// Who was active speaker, most recent first.
    recent: Vec<ParticipantId>,
    announced: Vec<ParticipantId>,
    changed: Option<Timestamp>,
    looked: Option<Timestamp>,
}

impl Speakers {
    /// How recently somebody was active speaker: 0 for the latest. `None` for never.
    pub(crate) fn recency(&self, id: ParticipantId) -> Option<usize> {
        self.recent.iter().position(|other| *other == id)
    }

    /// Forgets a participant.
    pub(crate) fn remove(&mut self, id: ParticipantId) {
        self.recent.retain(|other| *other != id);
    }

    /// When a change that is held back may be told; `None` when nothing can change by itself.
    pub(crate) fn deadline(&self, now: Timestamp) -> Option<Timestamp> {
        // Voices fade without packets: somebody must look.
        let due = self.changed.map_or(now, |at| at + INTERVAL);
        (!self.announced.is_empty()).then(|| due.max(now + LOOK_INTERVAL))
    }

    /// Looks at everybody's level. Returns the new list where it has changed and may.
    pub(crate) fn update(
        &mut self,
        now: Timestamp,
        levels: impl Iterator<Item = (ParticipantId, Loudness)>,
    ) -> Option<Vec<Speaker>> {
        let too_soon = |at: Option<Timestamp>, interval| at.is_some_and(|at| now - at < interval);
        if too_soon(self.changed, INTERVAL) || too_soon(self.looked, LOOK_INTERVAL) {
            return None;
        }
        self.looked = Some(now);
        let active = self.recent.first().copied();
        let mut speaking: Vec<(Loudness, ParticipantId, Loudness)> = levels
            .filter(|(_, level)| *level >= THRESHOLD)
            .map(|(id, level)| (level + if Some(id) == active { MARGIN } else { 0 }, id, level))
            .collect();
        // Loudest first; ids settle ties, so that the order is the same in every run.
        speaking.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
        speaking.truncate(MOST);
        let ids = speaking.iter().map(|(_, id, _)| *id);
        // Only the first place is news by itself; below it, who speaks counts and not who is louder.
        let same = self.announced.first().copied() == speaking.first().map(|(_, id, _)| *id)
            && self.announced.len() == speaking.len()
            && ids.clone().all(|id| self.announced.contains(&id));
        if same {
            return None;
        }
        if let Some(first) = ids.clone().next() {
            self.remove(first);
            self.recent.insert(0, first);
        }
        self.announced = ids.collect();
        self.changed = Some(now);
        let speaker = |(_, participant, level)| Speaker { participant, level: to_dbov(level) };
        Some(speaking.into_iter().map(speaker).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: ParticipantId = ParticipantId(1);
    const BOB: ParticipantId = ParticipantId(2);

    #[test]
    fn the_list_changes_at_most_once_a_second_and_names_the_loudest_first() {
        let mut speakers = Speakers::default();
        type Step = (u64, u32, u32, Option<&'static [ParticipantId]>, &'static str);
        let steps: [Step; 9] = [
            (0, 10_000, 20_000, None, "noise"),
            (100, 90_000, 20_000, Some(&[ALICE]), "a voice"),
            (200, 90_000, 99_000, None, "too soon"),
            (1_100, 90_000, 95_000, Some(&[ALICE, BOB]), "louder, but not by the margin"),
            (2_100, 85_000, 95_000, Some(&[BOB, ALICE]), "takes over"),
            (3_100, 90_000, 95_000, None, "no news"),
            (4_100, 90_000, 20_000, Some(&[ALICE]), "one stopped"),
            (5_100, 20_000, 20_000, Some(&[]), "silence"),
            (6_100, 20_000, 20_000, None, "still"),
        ];
        for (ms, alice, bob, expected, why) in steps {
            let told = speakers.update(Timestamp::from_millis(ms), [(ALICE, alice), (BOB, bob)].into_iter());
            let ids = told.map(|list| list.iter().map(|s| s.participant).collect::<Vec<_>>());
            assert_eq!(ids.as_deref(), expected, "{why}");
        }
        assert_eq!((speakers.recency(ALICE), speakers.recency(BOB)), (Some(0), Some(1)));
        speakers.remove(ALICE);
        assert_eq!(speakers.recency(BOB), Some(0));
        assert_eq!(speakers.deadline(Timestamp::ZERO), None, "silence ends by a packet only");
    }
}
