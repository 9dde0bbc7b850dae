//! Whose queue is it? Ours, somebody else's, or no queue at all but a longer path.
//!
//! Owns the comparison of the drain that our cut should have brought with the one that was seen. Leaves what follows
//! from the verdict to the rate controller.
//!
//! Below capacity a queue of our own empties at `1 - sent / capacity` milliseconds per millisecond. When that sum
//! exceeds the queue and the queue still stands, it is not ours: flat, it is distance (a handover, a new route);
//! moving, it is a flow that fills whatever is there (loss-driven TCP).

use std::time::Duration;

use units::Timestamp;

use crate::queue::Queue;

/// Who owns a queue that did not answer to a cut.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Owner {
    /// Nobody: the path is longer by this many ms.
    Path(f64),
    /// A flow that does not care.
    Other,
}

/// What is needed to tell.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DrainInput {
    pub(crate) now: Timestamp,
    pub(crate) dt: f64,
    /// The queue, ms.
    pub(crate) queue: f64,
    /// Rates over 300 ms and 1 s, bit/s.
    pub(crate) sent: f64,
    pub(crate) acked: f64,
    pub(crate) acked_long: f64,
    /// Capacity as known at the entry of the drain.
    pub(crate) capacity: f64,
    /// Feedback paused just before: a handover is likely.
    pub(crate) after_gap: bool,
}

/// The drain that should be seen, against the drain that is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DrainWatch {
    since: Timestamp,
    queue: f64,
    /// What should have drained, ms.
    expected: f64,
    after_gap: bool,
    /// Reports since.
    reports: u32,
    /// Looks in a row at which a moving queue had not answered.
    unanswered: u32,
}

impl DrainWatch {
    /// A verdict needs this long, and less after a pause of feedback: then a new path is likely.
    const TIME: Duration = Duration::from_millis(1_200);
    const TIME_AFTER_GAP: Duration = Duration::from_millis(600);
    /// And this much expected drain, ms: less drowns in jitter.
    const LEAST_EXPECTED: f64 = 150.0;
    const LEAST_EXPECTED_AFTER_GAP: f64 = 60.0;
    /// Fewer reports than this show no movement.
    const REPORTS: u32 = 6;
    /// A queue that fell by less than this part of what was expected did not answer.
    const ANSWERED: f64 = 0.2;
    /// A distance does not move: span over 1.5 s, ms.
    const FLAT: f64 = 12.0;
    /// Somebody else's queue never falls below this, ms, nor is it longer than any buffer for TCP.
    const OTHER: (f64, f64) = (60.0, 1_500.0);
    /// And has not answered at so many looks: flows like ours give way within one.
    const OTHER_LOOKS: u32 = 2;

    pub(crate) fn new(now: Timestamp, queue: f64, after_gap: bool) -> Self {
        Self { since: now, queue, expected: 0.0, after_gap, reports: 0, unanswered: 0 }
    }

    /// Once per report while draining.
    pub(crate) fn step(&mut self, input: &DrainInput, past: &Queue) -> Option<Owner> {
        let capacity = input.capacity.min(1.25 * input.acked_long).max(1.0);
        self.expected += (1.0 - input.sent / capacity).max(0.0) * input.dt * 1_000.0;
        if input.after_gap {
            // What was seen before the pause is of another time.
            *self = Self::new(input.now, input.queue, true);
            return None;
        }
        let after_gap = self.after_gap;
        if input.queue < 0.5 * self.queue {
            // It answers; whether what is left does is a new question.
            *self = Self::new(input.now, input.queue, after_gap);
            return None;
        }
        self.reports += 1;
        let (time, least) = if after_gap {
            (Self::TIME_AFTER_GAP, Self::LEAST_EXPECTED_AFTER_GAP)
        } else {
            (Self::TIME, Self::LEAST_EXPECTED)
        };
        // The longer the supposed distance, the longer it must lie still: a buffer that TCP fills grows slowly.
        let time =
            time + Duration::from_millis((10.0 * (self.queue - Self::OTHER.0)).clamp(0.0, 2_000.0) as u64);
        if self.expected < self.queue.max(least).min(400.0)
            || input.now - self.since < time
            || self.reports < Self::REPORTS
        {
            return None;
        }
        let fell = self.queue - input.queue;
        let answered = fell >= Self::ANSWERED * self.expected.min(self.queue);
        let through = input.acked > 0.85 * input.sent;
        let settled = self.since + time / 4;
        let unanswered = self.unanswered;
        *self = Self::new(input.now, input.queue, after_gap);
        if answered || !through {
            return None;
        }
        let span = past.since(settled)?;
        if span.max - span.min < Self::FLAT {
            return Some(Owner::Path(span.min));
        }
        if span.min < Self::OTHER.0 || span.max > Self::OTHER.1 || after_gap {
            return None;
        }
        self.unanswered = unanswered + 1;
        (self.unanswered >= Self::OTHER_LOOKS).then_some(Owner::Other)
    }
}

/// Sharing a queue with somebody who fills it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sharing {
    pub(crate) entered_queue: f64,
    pub(crate) low_since: Option<Timestamp>,
    pub(crate) last_cut: Timestamp,
}

/// What sharing asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Share {
    /// Grow gently.
    Grow,
    /// Loss: give way.
    GiveWay,
    /// The queue is gone.
    Gone,
    /// The queue grew beyond what was there: it is ours after all.
    Ours,
}

impl Sharing {
    /// Below this for so long, the other one left, ms.
    const GONE: f64 = 20.0;
    const GONE_FOR: Duration = Duration::from_millis(2_500);
    /// A queue of so many times the one at entry is ours; the one at entry counts as at least this, ms.
    const OURS: f64 = 2.5;
    const ENTRY_LEAST: f64 = 200.0;
    /// Loss over the path's own that the other flow's probing of the buffer brings.
    const LOSS: f64 = 0.02;

    pub(crate) fn new(now: Timestamp, queue: f64) -> Self {
        Self { entered_queue: queue, low_since: None, last_cut: now }
    }

    /// Once per report. `excess` is the loss over the path's own in the last round trip.
    pub(crate) fn step(&mut self, now: Timestamp, queue: f64, excess: f64, rtt: Duration) -> Share {
        if queue > Self::OURS * self.entered_queue.max(Self::ENTRY_LEAST) {
            return Share::Ours;
        }
        if queue >= Self::GONE {
            self.low_since = None;
        } else if now - *self.low_since.get_or_insert(now) > Self::GONE_FOR {
            return Share::Gone;
        }
        if excess > Self::LOSS && now - self.last_cut > rtt * 3 / 2 {
            self.last_cut = now;
            return Share::GiveWay;
        }
        Share::Grow
    }
}

#[cfg(test)]
#[path = "competing_tests.rs"]
mod tests;
