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
    /// The furthest timestamp that was sent: a late frame may lie between the newest one and the next.
    furthest: u64,
    /// How far the output runs ahead of the line, in ticks; negative when behind.
    excess: i64,
}

/// What is known about the first packet of a frame that was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Edge {
    /// It lies inside the frame.
    Inside,
    /// It starts the frame, but numbers in front of it are missing, and some of them may be of this frame, too.
    Start,
    /// It is the first of the frame, and numbers in front of it are missing.
    First,
    /// It is the first of the frame, and nothing is missing in front of it.
    Next,
}

/// Where a frame goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Advance {
    /// To this timestamp.
    To(u64),
    /// To this timestamp, which lies behind what is missing in front: that may never be sent.
    Anew(u64),
    /// Nowhere: its own timestamp is far from everything, and it is no frame start to put right.
    Refused,
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

    /// The next frame of the same source, by the packet of it that is known first.
    ///
    /// Only a frame's first packet may change the distance to the frame before, as what arrives later of the same
    /// frame is mapped as its predecessors were. Numbers that are missing in front may come later with frames in
    /// between, mapped as before the change: time may be moved on in front of them but not back, or they would lie
    /// behind what follows them.
    pub(crate) fn advance(&mut self, incoming: u64, capture: Timestamp, edge: Edge) -> Advance {
        let (Some(last), Some(line)) = (self.last, self.line(capture)) else {
            return Advance::To(self.switch(incoming, capture));
        };
        let step = incoming.wrapping_sub(last.incoming).cast_signed();
        let natural = last.outgoing.wrapping_add_signed(step);
        let excess = natural.wrapping_sub(line).cast_signed();
        let wrong = step <= 0 || excess.unsigned_abs() > self.ticks(TOLERATED_ERROR);
        match (edge, wrong) {
            (Edge::Inside, true) => Advance::Refused,
            (Edge::Next, true) => Advance::To(self.place(incoming, line, line)),
            (Edge::First | Edge::Start, true) => Advance::Anew(self.place(incoming, line, line)),
            (Edge::Next, false) => Advance::To(self.correct(incoming, natural, line)),
            (Edge::First, false) if excess < 0 => Advance::To(self.correct(incoming, natural, line)),
            (Edge::First | Edge::Start | Edge::Inside, false) => {
                Advance::To(self.place(incoming, natural, line))
            }
        }
    }

    /// A frame was sent behind the newest that was placed.
    pub(crate) fn sent_late(&mut self, outgoing: u64) {
        if let Some(last) = &mut self.last {
            last.furthest = last.furthest.max(outgoing);
        }
    }

    /// The timestamp that belongs to an instant, by the line as it is being followed now.
    pub(crate) fn at(&self, now: Timestamp) -> Option<u64> {
        let excess = self.last.map_or(0, |last| last.excess);
        self.line(now).map(|line| line.wrapping_add_signed(excess))
    }

    /// Places a frame between where its source has it and where the line does.
    fn correct(&mut self, incoming: u64, natural: u64, line: u64) -> u64 {
        let step = self.last.map_or(0, |last| incoming.wrapping_sub(last.incoming).cast_signed());
        let excess = natural.wrapping_sub(line).cast_signed();
        let beyond = excess.signum() * (excess.abs() - self.ticks(DEAD_BAND).cast_signed()).max(0);
        let most = step.max(0) / CORRECTION_SHARE;
        self.place(incoming, natural.wrapping_add_signed(-beyond.clamp(-most, most)), line)
    }

    fn place(&mut self, incoming: u64, wish: u64, line: u64) -> u64 {
        // Never backwards, and two frames never share a timestamp: receivers would take them for one.
        let outgoing = self.last.map_or(wish, |last| wish.max(last.furthest + 1));
        let excess = outgoing.wrapping_sub(line).cast_signed();
        self.last = Some(Last { incoming, outgoing, furthest: outgoing, excess });
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

    fn to(advance: Advance) -> u64 {
        match advance {
            Advance::To(timestamp) | Advance::Anew(timestamp) => timestamp,
            Advance::Refused => panic!("refused"),
        }
    }

    #[test]
    fn keeps_the_spacing_of_a_source() {
        let mut line = Timeline::new(90_000, 0);
        let first = line.switch(5, at(1_000));
        for (n, jitter) in [(1, 4), (2, 0), (3, 9), (4, 0)] {
            let out = to(line.advance(5 + n * 3_000, at(1_000 + n * 100 / 3 + jitter), Edge::Next));
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
            let out = to(line.advance(n * 3_000, at(955 + n * 100 / 3), Edge::Next));
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
            let out = to(line.advance(incoming, at(30_033), Edge::Next));
            assert!((out - first).abs_diff(30_033 * 90) <= 900, "{why}: {}", out - first);
        }
    }

    #[test]
    fn a_timestamp_from_the_future_is_refused_or_put_right() {
        let cases = [
            (Edge::Inside, None, "inside a frame there is nothing to put right"),
            (Edge::Start, Some((true, 33 * 90)), "at its start there is, if nothing before it follows"),
            (Edge::First, Some((true, 33 * 90)), "likewise"),
            (Edge::Next, Some((false, 33 * 90)), "nothing does where nothing is missing"),
        ];
        for (edge, expected, why) in cases {
            let mut line = Timeline::new(90_000, 0);
            let first = line.switch(0, at(1_000));
            let got = match line.advance(1 << 31, at(1_033), edge) {
                Advance::To(timestamp) => Some((false, timestamp - first)),
                Advance::Anew(timestamp) => Some((true, timestamp - first)),
                Advance::Refused => None,
            };
            assert_eq!(got, expected, "{why}");
        }
    }

    /// What is missing is mapped as before when it comes: it must find its place in front.
    #[test]
    fn over_a_gap_time_moves_on_but_not_back() {
        for (switched, edge, change, why) in [
            (955, Edge::Next, -3_151, "too far ahead: all but the dead band is taken out"),
            (955, Edge::First, 0, "which would put the last frame of the gap behind the one after it"),
            (955, Edge::Start, 0, "likewise"),
            (955, Edge::Inside, 0, "the frame's start may come later"),
            (1_100, Edge::First, 3_375, "too far behind"),
            (1_100, Edge::Start, 0, "the frame's first packet may come later"),
        ] {
            let mut line = Timeline::new(90_000, 0);
            line.switch(0, at(1_000));
            let last = line.switch(0, at(if switched < 1_000 { switched } else { 1_000 }));
            // Nine frames later by the source's clock; by the line, that and 100 ms if it is behind.
            let out = to(line.advance(27_000, at(switched + 300), edge));
            assert_eq!(out.wrapping_sub(last).cast_signed() - 27_000, change, "{why}");
        }
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

    fn edge() -> impl Strategy<Value = Edge> {
        proptest::sample::select(vec![Edge::Inside, Edge::Start, Edge::First, Edge::Next])
    }

    proptest! {
        /// Whatever instants and timestamps come in, outgoing time grows and stays near the line.
        #[test]
        fn never_goes_back(steps in proptest::collection::vec((0u64..5_000, any::<u32>(), any::<bool>(), edge()), 1..200)) {
            let mut line = Timeline::new(90_000, 1);
            let mut now = 10_000;
            let mut last = line.switch(0, at(now));
            for (ms, incoming, switch, edge) in steps {
                now += ms;
                let capture = at(now.saturating_sub(u64::from(incoming % 200)));
                let advance = match switch {
                    true => Advance::To(line.switch(u64::from(incoming), capture)),
                    false => line.advance(u64::from(incoming), capture, edge),
                };
                if advance == Advance::Refused {
                    continue;
                }
                let out = to(advance);
                prop_assert!(out > last);
                let truth = line.line(at(now)).unwrap();
                prop_assert!(out <= truth + 90_000 + 300, "ahead by {}", out - truth);
                last = out;
            }
        }
    }
}
