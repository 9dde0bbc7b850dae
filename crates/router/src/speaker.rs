//! Who speaks, for signalling, and who spoke last, for `auto` slots.
//!
//! Owns the election of the dominant speaker after I. Volfin and I. Cohen, "Dominant speaker identification for multipoint
//! videoconferencing" (2013), §4, with the thresholds that Jitsi uses: somebody takes over who speaks far more than the
//! present one at this moment, far more over the last tenth of a second, and more over the last second. Whoever pauses for
//! breath is not passed by a cough, and nobody is passed while speaking. Leaves scores to `voice` and levels to `audio`.

use std::time::Duration;

use units::Timestamp;

use crate::audio::{Loudness, to_dbov};
use crate::voice::Scores;
use crate::{ParticipantId, Speaker};

/// Whoever is quieter does not speak: -55 dBov, below a soft voice and above a room's noise.
const THRESHOLD: Loudness = 72_000;
/// At most one change of the list in this time.
const INTERVAL: Duration = Duration::from_secs(1);
/// Everybody's voice is looked at this often, not with every packet.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// At most this many are listed.
const MOST: usize = 5;
/// By which factor a challenger's scores have to exceed those of the present speaker: the paper compares logarithms, and
/// these are e^3, e^2 and e^0.
const IMMEDIATE_FACTOR: f64 = 20.085_536_923;
const MEDIUM_FACTOR: f64 = 7.389_056_099;
const LONG_FACTOR: f64 = 1.0;

/// What is known of somebody's voice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sounding {
    pub(crate) participant: ParticipantId,
    pub(crate) level: Loudness,
    pub(crate) scores: Scores,
}

/// The state of one room.
#[derive(Debug, Default)]
pub(crate) struct Speakers {
    /// Who was dominant, most recent first.
    recent: Vec<ParticipantId>,
    announced: Vec<ParticipantId>,
    changed: Option<Timestamp>,
    looked: Option<Timestamp>,
    /// Somebody became dominant since the last change of the list.
    elected: bool,
}

impl Speakers {
    /// How recently somebody was dominant: 0 for whoever is. `None` for never.
    pub(crate) fn recency(&self, id: ParticipantId) -> Option<usize> {
        self.recent.iter().position(|other| *other == id)
    }

    /// Who was dominant, most recent first.
    pub(crate) fn recent(&self) -> &[ParticipantId] {
        &self.recent
    }

    /// Takes over who was dominant from whoever decides it.
    pub(crate) fn follow(&mut self, recent: &[ParticipantId]) {
        self.recent = recent.to_vec();
    }

    /// Forgets a participant.
    pub(crate) fn remove(&mut self, id: ParticipantId) {
        self.recent.retain(|other| *other != id);
    }

    /// When to look again; `None` when nothing can change by itself.
    pub(crate) fn deadline(&self, now: Timestamp) -> Option<Timestamp> {
        // Voices fade without packets: somebody must look.
        let due = self.changed.map_or(now, |at| at + INTERVAL);
        (!self.announced.is_empty()).then(|| due.max(now + LOOK_INTERVAL))
    }

    /// Looks at everybody's voice. Returns the new list where it has changed and may.
    pub(crate) fn update(
        &mut self,
        now: Timestamp,
        voices: impl Iterator<Item = Sounding>,
    ) -> Option<Vec<Speaker>> {
        let too_soon = |at: Option<Timestamp>, interval| at.is_some_and(|at| now - at < interval);
        if too_soon(self.looked, LOOK_INTERVAL) {
            return None;
        }
        self.looked = Some(now);
        let mut voices: Vec<Sounding> = voices.collect();
        self.elected |= self.elect(&voices);
        if too_soon(self.changed, INTERVAL) {
            return None;
        }
        let dominant = self.recent.first().copied();
        voices.retain(|voice| voice.level >= THRESHOLD);
        // The dominant one first, then the loudest; ids settle ties, so that the order is the same in every run.
        voices.sort_by_key(|v| (Some(v.participant) != dominant, std::cmp::Reverse(v.level), v.participant));
        voices.dedup_by_key(|voice| voice.participant);
        voices.truncate(MOST);
        // Only the first place is news by itself; below it, who speaks counts and not who is louder.
        let elected = self.elected && voices.first().map(|voice| voice.participant) == dominant;
        let same = !elected
            && self.announced.len() == voices.len()
            && voices.iter().all(|voice| self.announced.contains(&voice.participant));
        if same {
            return None;
        }
        self.announced = voices.iter().map(|voice| voice.participant).collect();
        self.changed = Some(now);
        self.elected = false;
        let speaker =
            |voice: &Sounding| Speaker { participant: voice.participant, level: to_dbov(voice.level) };
        Some(voices.iter().map(speaker).collect())
    }

    /// Whether somebody else becomes dominant.
    fn elect(&mut self, voices: &[Sounding]) -> bool {
        let present = self.recent.first().copied();
        let own = voices.iter().filter(|voice| Some(voice.participant) == present).map(|voice| voice.scores);
        let reign = own.max_by(|a, b| a.medium.total_cmp(&b.medium)).unwrap_or(Scores::SILENCE);
        let challenges = |scores: &Scores| {
            scores.immediate > reign.immediate * IMMEDIATE_FACTOR
                && scores.medium > reign.medium * MEDIUM_FACTOR
                && scores.long > reign.long * LONG_FACTOR
        };
        let challengers = voices.iter().filter(|v| Some(v.participant) != present && challenges(&v.scores));
        // Of several the one who has spoken most; the lower id of equals.
        let winner = challengers.max_by(|a, b| {
            let by = |f: fn(&Scores) -> f64| f(&a.scores).total_cmp(&f(&b.scores));
            by(|s| s.medium).then(by(|s| s.long)).then(b.participant.cmp(&a.participant))
        });
        let Some(winner) = winner.map(|voice| voice.participant) else { return false };
        self.remove(winner);
        self.recent.insert(0, winner);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::LevelMeter;
    use crate::voice::Voice;
    use packet::AudioLevel;

    const ALICE: ParticipantId = ParticipantId(1);
    const BOB: ParticipantId = ParticipantId(2);

    /// Voices whose levels are given in dBov for every 20 ms; quiet where nothing is given.
    struct Table {
        speakers: Speakers,
        voices: Vec<(ParticipantId, Voice, LevelMeter)>,
        now: u64,
        told: Vec<(u64, Vec<ParticipantId>)>,
    }

    impl Table {
        fn new() -> Self {
            let voices =
                (1..=3).map(|id| (ParticipantId(id), Voice::default(), LevelMeter::default())).collect();
            Self { speakers: Speakers::default(), voices, now: 1_000, told: Vec::new() }
        }

        /// Lets time pass while these speak. Returns who is dominant then.
        fn run(&mut self, ms: u64, speaking: &[(ParticipantId, u8)]) -> Option<ParticipantId> {
            for _ in 0..ms / 20 {
                self.now += 20;
                let now = Timestamp::from_millis(self.now);
                for (id, voice, meter) in &mut self.voices {
                    let dbov = speaking.iter().find(|(who, _)| who == id).map_or(100, |(_, dbov)| *dbov);
                    let level = Some(AudioLevel { voice: true, dbov });
                    voice.hear(now, self.now * 48, level, false);
                    meter.hear(now, level, false);
                }
                let sounding = self.voices.iter().map(|(participant, voice, meter)| Sounding {
                    participant: *participant,
                    level: meter.read(now),
                    scores: voice.scores(now),
                });
                if let Some(list) = self.speakers.update(now, sounding) {
                    self.told.push((self.now, list.iter().map(|speaker| speaker.participant).collect()));
                }
            }
            self.speakers.recent.first().copied()
        }
    }

    #[test]
    fn whoever_holds_the_floor_keeps_it() {
        let mut table = Table::new();
        type Step<'a> = (u64, &'a [(ParticipantId, u8)], Option<ParticipantId>, &'a str);
        let steps: [Step<'_>; 9] = [
            (2_000, &[], None, "nobody speaks"),
            (600, &[(ALICE, 35)], Some(ALICE), "a voice takes a silent floor"),
            (
                3_000,
                &[(ALICE, 35), (BOB, 25)],
                Some(ALICE),
                "nobody is passed while speaking, not even by a louder one",
            ),
            (300, &[], Some(ALICE), "a pause for breath"),
            (60, &[(BOB, 20)], Some(ALICE), "a cough in it"),
            (2_000, &[(ALICE, 35)], Some(ALICE), "and on she speaks"),
            (1_500, &[(BOB, 40)], Some(BOB), "she is done, and he speaks a sentence"),
            (5_000, &[], Some(BOB), "silence elects nobody"),
            (5_000, &[(ALICE, 60)], Some(BOB), "a murmur does not, either"),
        ];
        for (ms, speaking, expected, why) in steps {
            assert_eq!(table.run(ms, speaking), expected, "{why}");
        }
        assert_eq!((table.speakers.recency(BOB), table.speakers.recency(ALICE)), (Some(0), Some(1)));
        table.speakers.remove(BOB);
        assert_eq!(table.speakers.recency(ALICE), Some(0));
    }

    #[test]
    fn the_list_names_the_dominant_one_first_and_changes_at_most_once_a_second() {
        let mut table = Table::new();
        table.run(1_000, &[(ALICE, 35)]);
        table.run(2_000, &[(ALICE, 35), (BOB, 25)]);
        table.run(3_000, &[(BOB, 25)]);
        table.run(3_000, &[]);
        let told: Vec<&[ParticipantId]> = table.told.iter().map(|(_, list)| &list[..]).collect();
        assert_eq!(told, [&[ALICE][..], &[ALICE, BOB], &[BOB, ALICE], &[BOB], &[]], "{:?}", table.told);
        assert!(table.told.windows(2).all(|pair| pair[1].0 - pair[0].0 >= 1_000), "{:?}", table.told);
        assert_eq!(table.speakers.deadline(Timestamp::ZERO), None, "silence ends by a packet only");
    }

    /// Two who interrupt each other all the time do not make the stage flicker.
    #[test]
    fn a_quarrel_is_followed_without_flicker() {
        let mut table = Table::new();
        let mut dominant = Vec::new();
        for turn in 0..60 {
            let (speaks, other) = if turn % 2 == 0 { (ALICE, BOB) } else { (BOB, ALICE) };
            dominant.push(table.run(400, &[(speaks, 30)]));
            dominant.push(table.run(200, &[(speaks, 30), (other, 28)]));
        }
        dominant.dedup();
        assert!(dominant.len() <= 20, "{} changes in 36 s", dominant.len());
    }
}
