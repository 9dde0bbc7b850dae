//! How a viewer would have seen the frames: when the first came, and where the picture stood still.
//!
//! Owns times. A freeze is counted when it ends, or when the figures are asked for while it lasts.

use std::time::Duration;

use units::Timestamp;

/// A picture that stands still for longer than this is frozen.
pub const FREEZE: Duration = Duration::from_millis(200);

/// And one that everybody notices.
pub const LONG_FREEZE: Duration = Duration::from_millis(300);

/// Seconds of which the longest gap is remembered.
const RECENT: usize = 30;

/// Times of the frames of one stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Playback {
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    freezes: u64,
    long_freezes: u64,
    frozen: Duration,
    longest_gap: Duration,
    /// The longest gap that ended in each of the last seconds, and which second that was.
    recent: [(u64, Duration); RECENT],
    frames: u64,
}

impl Playback {
    /// A frame could be shown.
    pub fn handle_frame(&mut self, now: Timestamp) {
        self.count_gap(now);
        self.first.get_or_insert(now);
        self.last = Some(now);
        self.frames += 1;
    }

    /// Nothing is expected from here on, so that what follows is no freeze.
    pub fn pause(&mut self, now: Timestamp) {
        self.count_gap(now);
        self.last = None;
    }

    /// The figures as of `now`, a lasting freeze included.
    pub fn finished(mut self, now: Timestamp) -> Self {
        self.pause(now);
        self
    }

    fn count_gap(&mut self, now: Timestamp) {
        let Some(last) = self.last else { return };
        let gap = now.since(last);
        self.longest_gap = self.longest_gap.max(gap);
        let second = now.as_millis() / 1_000;
        let place = &mut self.recent[second as usize % RECENT];
        let before = if place.0 == second { place.1 } else { Duration::ZERO };
        *place = (second, before.max(gap));
        if gap > FREEZE {
            self.freezes += 1;
            self.long_freezes += u64::from(gap > LONG_FREEZE);
            self.frozen += gap;
        }
    }

    /// When the first frame came.
    pub fn first_frame(&self) -> Option<Timestamp> {
        self.first
    }

    /// Frames that could be shown.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Gaps longer than [`FREEZE`].
    pub fn freezes(&self) -> u64 {
        self.freezes
    }

    /// Those of them longer than [`LONG_FREEZE`].
    pub fn long_freezes(&self) -> u64 {
        self.long_freezes
    }

    /// Time spent in them.
    pub fn frozen(&self) -> Duration {
        self.frozen
    }

    /// The longest time between two frames.
    pub fn longest_gap(&self) -> Duration {
        self.longest_gap
    }

    /// The same of the last so many seconds, of at most 30.
    pub fn recent_gap(&self, now: Timestamp, seconds: u64) -> Duration {
        let since = (now.as_millis() / 1_000).saturating_sub(seconds);
        let recent = self.recent.iter().filter(|(second, _)| *second >= since);
        recent.map(|(_, gap)| *gap).max().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_a_viewer_would_notice() {
        let cases: [(&[u64], u64, u64, &str); 4] = [
            (&[0, 33, 66, 100], 0, 34, "steady"),
            (&[0, 200, 400], 0, 200, "just short of a freeze"),
            (&[0, 201, 234], 1, 201, "a freeze"),
            (&[0, 33], 1, 967, "the picture still stands when the figures are asked for at 1,000 ms"),
        ];
        for (times, freezes, longest, why) in cases {
            let mut playback = Playback::default();
            for time in times {
                playback.handle_frame(Timestamp::from_millis(*time));
            }
            let end = if times.last() == Some(&33) { 1_000 } else { times[times.len() - 1] };
            let done = playback.finished(Timestamp::from_millis(end));
            assert_eq!((done.freezes(), done.longest_gap().as_millis() as u64), (freezes, longest), "{why}");
            assert_eq!(done.frames(), times.len() as u64);
        }
    }

    #[test]
    fn the_longest_gap_is_also_known_of_the_last_seconds() {
        let mut playback = Playback::default();
        for ms in [0, 900, 1_000, 5_000, 5_300, 5_400] {
            playback.handle_frame(Timestamp::from_millis(ms));
        }
        let now = Timestamp::from_millis(6_000);
        let gap = |seconds| playback.recent_gap(now, seconds).as_millis();
        assert_eq!((gap(1), gap(3), gap(30)), (4_000, 4_000, 4_000));
        for tenth in 55..400 {
            playback.handle_frame(Timestamp::from_millis(tenth * 100));
        }
        let now = Timestamp::from_millis(40_000);
        assert_eq!(
            (playback.recent_gap(now, 30).as_millis(), playback.longest_gap().as_millis()),
            (100, 4_000)
        );
    }

    #[test]
    fn a_pause_is_no_freeze() {
        let mut playback = Playback::default();
        playback.handle_frame(Timestamp::from_millis(0));
        playback.pause(Timestamp::from_millis(100));
        playback.handle_frame(Timestamp::from_millis(5_000));
        assert_eq!((playback.freezes(), playback.longest_gap()), (0, Duration::from_millis(100)));
    }
}
