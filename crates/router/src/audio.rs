//! Who is heard: loudness of every audio publication and the order in which they take audio slots.
//!
//! Owns levels and order, both with enough inertia that neither a cough nor a pause for breath moves a slot.
//! Leaves slots to `assign` and the active speaker to `speaker`.

use std::time::Duration;

use packet::AudioLevel;
use units::Timestamp;

use crate::PublicationId;

/// Loudness in thousandths of a dB above silence (RFC 6464 §3 counts the other way round): 0 to [`FULL`].
pub(crate) type Loudness = u32;
const FULL: Loudness = 127_000;
/// Rise per second. A click of one packet (20 ms) gains 8 dB, a voice is at its level after about 100 ms.
const RISE_PER_SECOND: u64 = 400_000;
/// Fall per second: a pause of half a second costs 20 dB.
const FALL_PER_SECOND: u64 = 40_000;
/// One packet proves no more than this much time of sound.
const PACKET_TIME: Duration = Duration::from_millis(60);
/// Taken for a packet without the extension: quieter than voices that have it, louder than their silence.
const UNKNOWN_LEVEL: Loudness = 60_000;
/// How much of the order counts: three audio slots, and one more because nobody hears himself.
pub(crate) const TOP: usize = 4;
/// Whoever takes another's place must be louder by this much.
const MARGIN: Loudness = 6_000;

/// The level of one publication: a peak meter with bounded rise and steady fall.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LevelMeter {
    level: Loudness,
    at: Timestamp,
}

impl LevelMeter {
    /// A packet arrived; `silent` for one of discontinuous transmission.
    pub(crate) fn hear(&mut self, now: Timestamp, level: Option<AudioLevel>, silent: bool) {
        let loudness = match level {
            Some(level) => Loudness::from(127 - level.dbov.min(127)) * 1_000,
            None if silent => 0,
            None => UNKNOWN_LEVEL,
        };
        let elapsed = (now - self.at).min(PACKET_TIME);
        let rise = change(RISE_PER_SECOND, elapsed);
        self.level = self.read(now).max(loudness.min(self.read(now) + rise)).min(FULL);
        self.at = now;
    }

    /// The level now.
    pub(crate) fn read(&self, now: Timestamp) -> Loudness {
        self.level.saturating_sub(change(FALL_PER_SECOND, now - self.at))
    }
}

fn change(per_second: u64, time: Duration) -> Loudness {
    let thousandths = per_second * time.min(Duration::from_secs(10)).as_millis() as u64 / 1_000;
    thousandths.min(u64::from(FULL)) as Loudness
}

/// Loudness as RFC 6464 writes it: dB below overload, 127 for silence.
pub(crate) fn to_dbov(level: Loudness) -> u8 {
    127 - (level / 1_000).min(127) as u8
}

/// Audio publications, the most deserving first. Only somebody clearly louder passes another.
#[derive(Debug, Default)]
pub(crate) struct Ranking {
    order: Vec<PublicationId>,
}

impl Ranking {
    /// The order.
    pub(crate) fn order(&self) -> &[PublicationId] {
        &self.order
    }

    /// A publication came: last in the order.
    pub(crate) fn add(&mut self, id: PublicationId) {
        self.order.push(id);
    }

    /// A publication went.
    pub(crate) fn remove(&mut self, id: PublicationId) {
        self.order.retain(|other| *other != id);
    }

    /// A publication was heard. It takes the place of the quietest of the first `n` in front of it, for the
    /// smallest `n` that has one quieter by the margin, up to [`TOP`]: receivers have different numbers of
    /// slots, and each of them takes its slots' worth from the front. Returns whether anything among the
    /// first [`TOP`] changed.
    pub(crate) fn heard(&mut self, id: PublicationId, level: impl Fn(PublicationId) -> Loudness) -> bool {
        let Some(at) = self.order.iter().position(|other| *other == id) else { return false };
        let own = level(id);
        for boundary in 1..=at.min(TOP) {
            let front = &self.order[..boundary];
            let quietest = (0..boundary).min_by_key(|n| level(front[*n])).expect("a boundary is at least 1");
            if level(front[quietest]) + MARGIN < own {
                self.order.swap(at, quietest);
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn speak(meter: &mut LevelMeter, from_ms: u64, ms: u64, dbov: u8) -> Timestamp {
        let mut now = Timestamp::from_millis(from_ms);
        for at in (from_ms..from_ms + ms).step_by(20) {
            now = Timestamp::from_millis(at);
            meter.hear(now, Some(AudioLevel { voice: true, dbov }), false);
        }
        now
    }

    #[test]
    fn rises_fast_but_not_with_a_click_and_falls_slowly() {
        let mut meter = LevelMeter::default();
        let now = speak(&mut meter, 1_000, 20, 10);
        assert!(to_dbov(meter.read(now)) > 100, "one packet is a click");
        let now = speak(&mut meter, 1_020, 400, 30);
        assert_eq!(to_dbov(meter.read(now)), 30, "a voice is at its level after less than half a second");
        assert_eq!(to_dbov(meter.read(now + Duration::from_millis(500))), 50, "a pause for breath");
        assert_eq!(meter.read(now + Duration::from_secs(60)), 0);
    }

    #[test]
    fn packets_without_the_extension_count_as_quiet_voices_and_their_silence_as_silence() {
        let mut meter = LevelMeter::default();
        for ms in (0..2_000).step_by(20) {
            meter.hear(Timestamp::from_millis(ms), None, false);
        }
        assert_eq!(to_dbov(meter.read(Timestamp::from_millis(1_980))), 67);
        for ms in (2_000..6_000).step_by(20) {
            meter.hear(Timestamp::from_millis(ms), None, true);
        }
        assert_eq!(meter.read(Timestamp::from_secs(6)), 0);
    }

    #[test]
    fn only_the_clearly_louder_pass_and_only_the_quietest_is_passed() {
        type Case = ([u32; 6], usize, bool, [u32; 6], &'static str);
        let cases: [Case; 6] = [
            ([50, 40, 30, 20, 10, 14], 5, false, [0, 1, 2, 3, 4, 5], "louder than nobody who counts"),
            ([50, 40, 30, 20, 10, 26], 5, false, [0, 1, 2, 3, 4, 5], "louder, but not by the margin"),
            ([50, 40, 30, 20, 10, 27], 5, true, [0, 1, 2, 5, 4, 3], "takes the last place that counts"),
            ([50, 40, 20, 30, 10, 27], 5, true, [0, 1, 5, 3, 4, 2], "the quietest goes, wherever it is"),
            ([50, 40, 30, 20, 10, 90], 5, true, [5, 1, 2, 3, 4, 0], "much louder: to the front"),
            ([50, 40, 20, 30, 10, 0], 3, true, [0, 1, 3, 2, 4, 5], "the order in front counts too"),
        ];
        for (levels, heard, changed, order, why) in cases {
            let mut ranking = Ranking::default();
            (0..6).for_each(|n| ranking.add(PublicationId(n)));
            let level = |id: PublicationId| levels[id.0 as usize] * 1_000;
            assert_eq!(ranking.heard(PublicationId(heard as u32), level), changed, "{why}");
            assert_eq!(ranking.order(), order.map(PublicationId), "{why}");
            assert!(!ranking.heard(PublicationId(heard as u32), level), "and then it is settled: {why}");
        }
    }
}
