//! The timestamps of one slot: one line from the node's clock to the slot's RTP clock, for as long as the
//! slot lives.
//!
//! Owns where on that line a frame goes. A publisher's own spacing between frames is kept; what a switch has
//! to add, so that time never goes back, is taken out again over the next frames. Since every slot of a
//! receiver is on such a line, sender reports made from it (`report`) keep sound and picture together whoever
//! is in the slot.

use std::time::Duration;

use units::Timestamp;

/// A switch that would land further in the past than this waits for a later keyframe: placed at the next tick
/// instead, its frames would be shown that much too late (50 ms is about where lip-sync begins to be
/// noticed).
const TOLERATED_PAST: Duration = Duration::from_millis(50);
/// Below this nothing is corrected: the instants themselves are not better known.
const DEAD_BAND: Duration = Duration::from_millis(10);
/// Beyond this a frame is put where it belongs at once: the publisher's clock jumped or stood still.
const TOLERATED_ERROR: Duration = Duration::from_secs(1);
/// A frame's distance to the last is changed by at most one part in this many.
const CORRECTION_SHARE: i64 = 8;

/// The outgoing clock of a slot.
#[derive(Debug)]
pub(crate) struct Timeline {
    rate: u32,
    /// One point of the line: an instant of the node's clock and the outgoing timestamp that belongs to it.
    origin: Option<(Timestamp, u64)>,
    first: u64,
    last: Option<Last>,
}

/// The newest frame that was placed.
#[derive(Clone, Copy, Debug)]
struct Last {
    incoming: u64,
    outgoing: u64,
    /// How far the output runs ahead of the line, in ticks; negative when behind.
    excess: i64,
}

/// Where a switch would land.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Landing {
    /// On the line, or close enough.
    Good,
    /// So far in the past that waiting is better, while there is time.
    Past,
}

impl Timeline {
    /// A clock of `rate` ticks per second whose first frame gets the timestamp `first`.
    pub(crate) fn new(rate: u32, first: u32) -> Self {
        // One cycle up, so that nothing that is subtracted goes below zero.
        Self { rate, origin: None, first: (1 << 32) + u64::from(first), last: None }
    }

    /// Where a frame captured at `capture` would land if it came after all that was sent.
    pub(crate) fn landing(&self, capture: Timestamp) -> Landing {
        match (self.line(capture), self.last) {
            (Some(line), Some(last)) if line + self.ticks(TOLERATED_PAST) < last.outgoing => Landing::Past,
            _ => Landing::Good,
        }
    }

    /// The first frame of another source, with its own timestamp and its instant. Returns its outgoing
    /// timestamp.
    pub(crate) fn switch(&mut self, incoming: u64, capture: Timestamp) -> u64 {
        self.origin.get_or_insert((capture, self.first));
        let line = self.line(capture).unwrap_or(self.first);
        self.place(incoming, line, line)
    }

    /// The next frame of the same source, with its first packet or with a later one. Returns its outgoing
    /// timestamp, or `None` where its own timestamp cannot be: far ahead of everything, and no frame start to
    /// put right.
    ///
    /// Only a frame start may change the distance to the last frame: a packet of the same frame that comes
    /// late is mapped as its predecessors were.
    pub(crate) fn advance(&mut self, incoming: u64, capture: Timestamp, frame_start: bool) -> Option<u64> {
        let (Some(last), Some(line)) = (self.last, self.line(capture)) else {
            return Some(self.switch(incoming, capture));
        };
        let step = incoming.wrapping_sub(last.incoming).cast_signed();
        let natural = last.outgoing.wrapping_add_signed(step);
        let excess = natural.wrapping_sub(line).cast_signed();
        let wrong = excess.unsigned_abs() > self.ticks(TOLERATED_ERROR);
        match (wrong, frame_start) {
            (true, true) => Some(self.place(incoming, line, line)),
            (true, false) if excess > 0 => None,
            (_, false) => Some(self.place(incoming, natural, line)),
            (false, true) => {
                let beyond = excess.signum() * (excess.abs() - self.ticks(DEAD_BAND).cast_signed()).max(0);
                let most = step.max(0) / CORRECTION_SHARE;
                let corrected = natural.wrapping_add_signed(-beyond.clamp(-most, most));
                Some(self.place(incoming, corrected, line))
            }
        }
    }

    /// The timestamp that belongs to an instant, by the line as it is being followed now.
    pub(crate) fn at(&self, now: Timestamp) -> Option<u64> {
        let excess = self.last.map_or(0, |last| last.excess);
        self.line(now).map(|line| line.wrapping_add_signed(excess))
    }

    fn place(&mut self, incoming: u64, wish: u64, line: u64) -> u64 {
        // Never backwards, and two frames never share a timestamp: receivers would take them for one.
        let outgoing = self.last.map_or(wish, |last| wish.max(last.outgoing + 1));
        let excess = outgoing.wrapping_sub(line).cast_signed();
        self.last = Some(Last { incoming, outgoing, excess });
        outgoing
    }

    fn line(&self, instant: Timestamp) -> Option<u64> {
        let (start, timestamp) = self.origin?;
        let back = self.ticks(start - instant);
        Some((timestamp + self.ticks(instant - start)).saturating_sub(back))
    }

    fn ticks(&self, time: Duration) -> u64 {
        let rate = u64::from(self.rate);
        time.as_secs() * rate + u64::from(time.subsec_micros()) * rate / 1_000_000
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    #[test]
    fn keeps_the_spacing_of_a_source() {
        let mut line = Timeline::new(90_000, 0);
        let first = line.switch(5, at(1_000));
        for (n, jitter) in [(1, 4), (2, 0), (3, 9), (4, 0)] {
            let out = line.advance(5 + n * 3_000, at(1_000 + n * 100 / 3 + jitter), true).unwrap();
            assert_eq!(out - first, n * 3_000, "jitter within the dead band changes nothing");
        }
    }

    #[test]
    fn a_switch_lands_where_its_capture_belongs() {
        let cases = [
            (1_100, 9_000, Landing::Good, "later: on the line"),
            (1_033, 2_970, Landing::Good, "the next frame"),
            (1_000, 1, Landing::Good, "same picture in another encoding: one tick on"),
            (960, 1, Landing::Good, "40 ms in the past is tolerated"),
            (940, 1, Landing::Past, "60 ms in the past waits"),
        ];
        for (capture, elapsed, landing, why) in cases {
            let mut line = Timeline::new(90_000, 0);
            let first = line.switch(0, at(1_000));
            assert_eq!(line.landing(at(capture)), landing, "{why}");
            assert_eq!(line.switch(777_777, at(capture)) - first, elapsed, "{why}");
        }
    }

    #[test]
    fn what_a_switch_added_is_taken_out_again() {
        let mut line = Timeline::new(90_000, 0);
        let first = line.switch(0, at(1_000));
        let mut last = line.switch(0, at(955));
        let mut frames = 0;
        for n in 1..100u64 {
            let out = line.advance(n * 3_000, at(955 + n * 100 / 3), true).unwrap();
            let step = out - last;
            assert!((2_625..=3_000).contains(&step), "step {step}");
            frames += u64::from(step < 3_000);
            last = out;
        }
        let truth = first + (955 + 3_300 - 1_000) * 90;
        assert!(last.abs_diff(truth) <= 900, "ends within the dead band, off by {}", last.abs_diff(truth));
        assert!((8..=11).contains(&frames), "35 ms by 4.2 ms a frame, took {frames}");
    }

    #[test]
    fn after_a_pause_the_clock_moves_on_by_wall_time() {
        for (incoming, why) in [(3_000, "its clock stood still"), (2_703_000, "its clock went on")] {
            let mut line = Timeline::new(90_000, 0);
            let first = line.switch(0, at(0));
            let out = line.advance(incoming, at(30_033), true).unwrap();
            assert!((out - first).abs_diff(30_033 * 90) <= 900, "{why}: {}", out - first);
        }
    }

    #[test]
    fn a_timestamp_from_the_future_is_refused_or_put_right() {
        let mut line = Timeline::new(90_000, 0);
        let first = line.switch(0, at(1_000));
        assert_eq!(
            line.advance(1 << 31, at(1_033), false),
            None,
            "inside a frame there is nothing to put right"
        );
        let out = line.advance(1 << 31, at(1_033), true).unwrap();
        assert_eq!(out - first, 33 * 90, "at its start there is");
    }

    #[test]
    fn reports_follow_the_output() {
        let mut line = Timeline::new(48_000, 7);
        assert_eq!(line.at(at(5)), None, "nothing was sent");
        let first = line.switch(0, at(1_000));
        assert_eq!(line.at(at(1_500)), Some(first + 24_000));
        assert_eq!(line.at(at(900)), Some(first - 4_800), "before the start");
        line.switch(0, at(980));
        assert_eq!(line.at(at(1_500)), Some(first + 24_000 + 961), "includes what the switch added");
    }

    proptest! {
        /// Whatever instants and timestamps come in, outgoing time grows and stays near the line.
        #[test]
        fn never_goes_back(steps in proptest::collection::vec((0u64..5_000, any::<u32>(), any::<bool>(), any::<bool>()), 1..200)) {
            let mut line = Timeline::new(90_000, 1);
            let mut now = 10_000;
            let mut last = line.switch(0, at(now));
            for (ms, incoming, switch, start) in steps {
                now += ms;
                let capture = at(now.saturating_sub(u64::from(incoming % 200)));
                let out = match switch {
                    true => Some(line.switch(u64::from(incoming), capture)),
                    false => line.advance(u64::from(incoming), capture, start),
                };
                let Some(out) = out else { continue };
                prop_assert!(out > last);
                let truth = line.line(at(now)).unwrap();
                prop_assert!(out <= truth + 90_000 + 300, "ahead by {}", out - truth);
                last = out;
            }
        }
    }
}
