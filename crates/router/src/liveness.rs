//! Whether an encoding is still being sent.
//!
//! Owns the rule: an encoding is silent when it missed about three of its own frame intervals *and* a sibling
//! went on. As long as all are silent together nothing is dead: the publisher paused, muted, shows a still
//! page, or its link stalls, and none of these is a reason to change layers. The first packet ends the
//! silence at once.

use std::time::Duration;

use units::Timestamp;

use crate::publication::MAX_ENCODINGS;

/// Frame intervals without a packet that mean silence.
const MISSED: u32 = 3;
/// Frames of one sibling meanwhile that prove the publisher is well.
const SIBLING_FRAMES: u32 = 3;
/// Bounds of the interval: the pacing of a burst is no frame rate, and one frame a second is slow enough.
const INTERVAL: (Duration, Duration) = (Duration::from_millis(15), Duration::from_secs(1));
/// Before it is known.
const UNKNOWN_INTERVAL: Duration = Duration::from_millis(300);
/// Encoders of screens skip frames of single encodings as they please.
const SCREEN_PATIENCE: Duration = Duration::from_secs(1);
/// Silence of the only encoding that is asked for, after which others are asked for as well.
const DOUBT: Duration = Duration::from_millis(500);
/// Encodings that fall silent and come back within this time are given more patience.
const FLICKER: Duration = Duration::from_secs(5);
const MAX_PATIENCE: u32 = 4;

/// What is known of an encoding's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Unseen,
    Live,
    Silent { since: Timestamp },
}

/// The life of one encoding.
#[derive(Debug)]
pub(crate) struct Liveness {
    state: State,
    last_packet: Timestamp,
    last_frame: Option<Timestamp>,
    /// Between frames, smoothed; `None` before the second one.
    interval: Option<Duration>,
    /// Frames of each sibling since the last packet of this one.
    unheard: [u32; MAX_ENCODINGS],
    /// Multiplies the intervals to wait; grows with every false alarm.
    patience: u32,
}

impl Default for Liveness {
    fn default() -> Self {
        Self {
            state: State::Unseen,
            last_packet: Timestamp::ZERO,
            last_frame: None,
            interval: None,
            unheard: [0; MAX_ENCODINGS],
            patience: 1,
        }
    }
}

impl Liveness {
    /// True once a packet came.
    pub(crate) fn is_seen(&self) -> bool {
        self.state != State::Unseen
    }

    /// True while packets come.
    pub(crate) fn is_live(&self) -> bool {
        self.state == State::Live
    }

    /// A packet came; `new_frame` for one of a later frame than before. Returns true when it ends a silence.
    pub(crate) fn heard(&mut self, now: Timestamp, new_frame: bool) -> bool {
        self.unheard = [0; MAX_ENCODINGS];
        self.last_packet = now;
        if new_frame {
            if let Some(last) = self.last_frame.filter(|_| self.is_live()) {
                let interval = (now - last).clamp(INTERVAL.0, INTERVAL.1);
                // An average over about eight frames.
                self.interval = Some(self.interval.map_or(interval, |mean| (mean * 7 + interval) / 8));
            }
            self.last_frame = Some(now);
        }
        let revived = !self.is_live();
        if let State::Silent { since } = self.state {
            self.patience = if now - since < FLICKER { (self.patience * 2).min(MAX_PATIENCE) } else { 1 };
        }
        self.state = State::Live;
        revived
    }

    /// A sibling's frame began. Returns true when that shows this encoding to have fallen silent.
    pub(crate) fn sibling_frame(&mut self, now: Timestamp, sibling: usize, screen: bool) -> bool {
        self.unheard[sibling] = self.unheard[sibling].saturating_add(1);
        let floor = if screen { SCREEN_PATIENCE } else { Duration::ZERO };
        let limit = (self.interval.unwrap_or(UNKNOWN_INTERVAL) * (MISSED * self.patience)).max(floor);
        let silent =
            self.is_live() && self.unheard[sibling] >= SIBLING_FRAMES && now - self.last_packet > limit;
        if silent {
            self.state = State::Silent { since: now };
        }
        silent
    }

    /// Whether nothing has come for so long that it is worth asking for a sibling, that would tell whether the publisher is well.
    /// Without any sibling there is nothing that silence could be compared with.
    pub(crate) fn is_doubtful(&self, now: Timestamp) -> bool {
        self.is_live() && now - self.last_packet > DOUBT
    }

    /// The publisher said that it stopped.
    pub(crate) fn stopped(&mut self, now: Timestamp) {
        if self.is_live() {
            self.state = State::Silent { since: now };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    /// An encoding at 30 fps up to `until`.
    fn running(until: u64) -> Liveness {
        let mut liveness = Liveness::default();
        (0..=until / 33).for_each(|n| {
            liveness.heard(at(n * 33), true);
        });
        liveness
    }

    #[test]
    fn one_that_has_nobody_beside_it_is_doubted_after_half_a_second() {
        let liveness = running(990);
        assert!(!liveness.is_doubtful(at(1_400)));
        assert!(liveness.is_doubtful(at(1_500)) && liveness.is_live(), "doubt is no verdict");
        assert!(!Liveness::default().is_doubtful(at(60_000)), "what was never seen is unknown anyway");
    }

    #[test]
    fn silence_is_noticed_by_three_frames_of_a_sibling_and_ends_with_a_packet() {
        let mut liveness = running(990);
        let noticed = (31..100).find(|n| liveness.sibling_frame(at(n * 33), 1, false)).unwrap();
        assert!((100..=140).contains(&(noticed * 33 - 990)), "after {} ms", noticed * 33 - 990);
        assert!(!liveness.is_live());
        assert!(liveness.heard(at(5_000), true), "the first packet ends it");
        assert!(liveness.is_live());
    }

    #[test]
    fn when_all_are_silent_nothing_is_dead() {
        let mut liveness = running(990);
        assert!(
            !liveness.sibling_frame(at(60_000), 1, false),
            "the first frame after a common pause proves nothing"
        );
        assert!(!liveness.sibling_frame(at(60_010), 1, false));
        assert!(liveness.is_live());
    }

    #[test]
    fn a_slow_encoding_is_not_measured_by_its_fast_sibling() {
        let mut liveness = Liveness::default();
        for n in 0..20u64 {
            liveness.heard(at(n * 200), true);
            for fast in 1..6 {
                assert!(!liveness.sibling_frame(at(n * 200 + fast * 33), 1, false));
            }
        }
    }

    #[test]
    fn screens_and_flickering_encodings_get_more_time() {
        let mut liveness = running(990);
        assert!(!(31..60).any(|n| liveness.sibling_frame(at(n * 33), 1, true)), "under a second on a screen");
        let mut liveness = running(990);
        let mut waits = Vec::new();
        let mut now = 990;
        for _ in 0..4 {
            let start = now;
            while !liveness.sibling_frame(at(now), 1, false) {
                now += 33;
            }
            waits.push(now - start);
            (0..60).for_each(|n| {
                liveness.heard(at(now + n * 33), true);
            });
            now += 59 * 33;
        }
        assert!(waits[1] > waits[0] && waits[2] > waits[1], "{waits:?}");
        assert!(waits[3] < 500, "and not without end: {waits:?}");
    }
}
