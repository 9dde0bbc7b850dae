//! How much somebody speaks, over three spans of time.
//!
//! Owns the speech activity scores of one publication after I. Volfin and I. Cohen, "Dominant speaker identification for
//! multipoint videoconferencing", Computer Speech and Language 27 (2013), §3: *immediate* by the loudness of one packet,
//! *medium* by a tenth of a second, *long* by a second. The constants are those that Jitsi found for levels of RFC 6464
//! instead of spectra, whose noise floor is followed. Leaves comparing voices to `speaker`.

use packet::AudioLevel;
use units::Timestamp;

/// One packet's worth of sound, in ticks of 48 kHz and in microseconds.
const STEP_TICKS: u64 = 960;
const STEP_MICROS: u64 = 20_000;
/// Steps in a block, which is what *medium* looks at, and blocks in what *long* looks at.
const BLOCK: usize = 5;
const BLOCKS: usize = 10;
const STEPS: usize = BLOCK * BLOCKS;
/// Loudness is told apart in bands of so many dB.
const BAND: u8 = 10;
/// A step counts as voice above this band: louder than -48 dBov.
const VOICE_BAND: u8 = 7;
/// A block counts as voice with more steps of it than this.
const VOICE_STEPS: u8 = 4;
/// Taken for a packet of sound without a level: just voice.
const UNKNOWN_BAND: u8 = VOICE_BAND + 1;
/// No usable microphone has a noise louder than this, in dB above silence (-60 dBov). What never falls below is a voice.
const LOUDEST_NOISE: u8 = 67;
/// A noise floor is the quietest step of one to two windows of so many.
const NOISE_WINDOW: u32 = 750;
/// Packets may be late by this many steps before their absence counts as silence.
const LATENESS: u64 = 4;

/// Scores of the paper, eq. 5 and 6, in logarithms: `ln C(n, v) - n ln 2 - ln λ + λ v` for `v` active parts of `n`, and
/// nearly nothing where that is not positive. Written down, since logarithms differ between machines.
///
/// Parts are bands of one step; λ is 0.78.
const IMMEDIATE: [f64; 14] =
    [NONE, NONE, NONE, NONE, 0.9298, 2.2976, 3.3653, 4.1453, 4.6376, 4.8298, 4.6935, 4.1743, 3.1625, 1.3775];
/// Parts are steps of one block; λ is 24.
const MEDIUM: [f64; BLOCK + 1] = [NONE, 18.9656, 43.6588, 67.6588, 90.9656, 113.3562];
/// Parts are blocks; λ is 47.
const LONG: [f64; BLOCKS + 1] =
    [NONE, 38.521, 87.025, 135.0059, 182.5655, 229.7478, 276.5655, 323.0059, 369.025, 414.521, 459.2184];
const NONE: f64 = 1e-10;

/// How much somebody speaks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Scores {
    pub(crate) immediate: f64,
    pub(crate) medium: f64,
    pub(crate) long: f64,
}

impl Scores {
    /// Nobody speaks.
    pub(crate) const SILENCE: Self = Self { immediate: NONE, medium: NONE, long: NONE };
}

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Voice {
    /// The bands of the latest steps, newest at `head`.
    bands: [u8; STEPS],
    head: usize,
    /// Timestamp and arrival of the newest step.
    newest: Option<(u64, Timestamp)>,
    /// Quietest step of the last window and of this one, and how many this one has.
    noise: (u8, u8),
    counted: u32,
}

impl Default for Voice {
    fn default() -> Self {
        Self { bands: [0; STEPS], head: 0, newest: None, noise: (0, u8::MAX), counted: 0 }
    }
}

impl Voice {
    /// A packet with this timestamp arrived; `silent` for one of discontinuous transmission. A late one is too late.
    pub(crate) fn hear(&mut self, now: Timestamp, timestamp: u64, level: Option<AudioLevel>, silent: bool) {
        let steps = self.newest.map_or(1, |(newest, _)| timestamp.saturating_sub(newest) / STEP_TICKS);
        if steps == 0 {
            return;
        }
        (1..steps.min(STEPS as u64)).for_each(|_| self.push(0));
        self.newest = Some((timestamp, now));
        let band = match level {
            Some(level) => self.band(127 - level.dbov.min(127)),
            None if silent => 0,
            None => UNKNOWN_BAND,
        };
        self.push(band);
    }

    /// How much is spoken now.
    pub(crate) fn scores(&self, now: Timestamp) -> Scores {
        let Some((_, heard)) = self.newest else { return Scores::SILENCE };
        let absent = ((now - heard).as_micros() as u64 / STEP_MICROS).saturating_sub(LATENESS);
        let band = |back: usize| match back.checked_sub(absent.min(STEPS as u64) as usize) {
            Some(back) => self.bands[(self.head + STEPS - back) % STEPS],
            None => 0,
        };
        let active = |block: usize| (0..BLOCK).filter(|step| band(block * BLOCK + step) > VOICE_BAND).count();
        let blocks = (0..BLOCKS).filter(|block| active(*block) > usize::from(VOICE_STEPS)).count();
        Scores {
            immediate: IMMEDIATE[usize::from(band(0)).min(IMMEDIATE.len() - 1)],
            medium: MEDIUM[active(0)],
            long: LONG[blocks],
        }
    }

    fn push(&mut self, band: u8) {
        self.head = (self.head + 1) % STEPS;
        self.bands[self.head] = band;
    }

    /// The band of a loudness in dB above silence. What is no louder than noise is silence.
    fn band(&mut self, loudness: u8) -> u8 {
        if loudness > 0 {
            self.noise.1 = self.noise.1.min(loudness);
            self.counted += 1;
            if self.counted == NOISE_WINDOW {
                self.noise = (self.noise.1, u8::MAX);
                self.counted = 0;
            }
        }
        let floor = self.noise.0.min(self.noise.1).min(LOUDEST_NOISE);
        if loudness < floor + BAND { 0 } else { loudness / BAND }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Speaks at a level for so many steps from a time on. Returns the time after.
    fn speak(voice: &mut Voice, from: u64, steps: u64, dbov: u8) -> u64 {
        for step in from..from + steps {
            let level = Some(AudioLevel { voice: true, dbov });
            voice.hear(Timestamp::from_millis(step * 20), step * STEP_TICKS, level, false);
        }
        from + steps
    }

    fn scores(voice: &Voice, step: u64) -> (f64, f64, f64) {
        let scores = voice.scores(Timestamp::from_millis(step * 20));
        (scores.immediate, scores.medium, scores.long)
    }

    #[test]
    fn the_tables_are_the_formula() {
        let score = |active: usize, parts: usize, lambda: f64| {
            let ways: f64 = (0..active).map(|k| (parts - k) as f64 / (k + 1) as f64).product();
            let score = ways.ln() - parts as f64 * 2f64.ln() - lambda.ln() + lambda * active as f64;
            score.max(NONE)
        };
        for (table, lambda) in [(&IMMEDIATE[..], 0.78), (&MEDIUM, 24.0), (&LONG, 47.0)] {
            for (active, value) in table.iter().enumerate() {
                let exact = score(active, table.len() - 1, lambda);
                assert!((value - exact).abs() < 1e-4, "{active} of {}: {value}, {exact}", table.len() - 1);
            }
        }
    }

    #[test]
    fn a_click_is_immediate_a_word_is_medium_a_sentence_is_long() {
        let mut voice = Voice::default();
        let now = speak(&mut voice, 100, 50, 100);
        assert_eq!(scores(&voice, now), (NONE, NONE, NONE), "quiet");
        let now = speak(&mut voice, now, 1, 30);
        assert_eq!(scores(&voice, now), (IMMEDIATE[9], MEDIUM[1], NONE), "a click");
        let now = speak(&mut voice, now, 4, 30);
        assert_eq!(scores(&voice, now), (IMMEDIATE[9], MEDIUM[5], LONG[1]), "a syllable");
        let now = speak(&mut voice, now, 45, 30);
        assert_eq!(scores(&voice, now), (IMMEDIATE[9], MEDIUM[5], LONG[10]), "a sentence");
        let now = speak(&mut voice, now, 10, 100);
        assert_eq!(scores(&voice, now), (NONE, NONE, LONG[8]), "a pause for breath");
        assert_eq!(scores(&voice, now + 3), (NONE, NONE, LONG[8]), "packets may be late");
        assert_eq!(scores(&voice, now + 100), (NONE, NONE, NONE), "who sends nothing says nothing");
    }

    #[test]
    fn noise_is_learnt_and_a_gap_of_packets_is_silence() {
        let mut voice = Voice::default();
        let now = speak(&mut voice, 0, 800, 62);
        assert_eq!(scores(&voice, now).0, NONE, "a fan");
        let now = speak(&mut voice, now, 2, 40);
        assert_eq!(scores(&voice, now).0, IMMEDIATE[8], "a voice above it");
        let mut tone = Voice::default();
        let now = speak(&mut tone, 0, 2_000, 30);
        assert_eq!(scores(&tone, now), (IMMEDIATE[9], MEDIUM[5], LONG[10]), "what is loud is no noise");
        let now = speak(&mut tone, now + 20, 5, 30);
        assert_eq!(
            scores(&tone, now),
            (IMMEDIATE[9], MEDIUM[5], LONG[6]),
            "20 steps that never came were silence"
        );
        let level = Some(AudioLevel { voice: true, dbov: 0 });
        tone.hear(Timestamp::from_millis(now * 20), 0, level, false);
        assert_eq!(scores(&tone, now).0, IMMEDIATE[9], "what comes late changes nothing");
    }

    #[test]
    fn without_levels_sound_is_voice_and_silence_is_not() {
        let mut voice = Voice::default();
        (0..10)
            .for_each(|step| voice.hear(Timestamp::from_millis(step * 20), step * STEP_TICKS, None, false));
        assert_eq!(scores(&voice, 10).1, MEDIUM[5]);
        (10..20)
            .for_each(|step| voice.hear(Timestamp::from_millis(step * 20), step * STEP_TICKS, None, true));
        assert_eq!(scores(&voice, 20).1, NONE);
    }
}
