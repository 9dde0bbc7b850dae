//! What the caller is told: the target, the pacing rate and the window, and what they rest on.
//!
//! Owns the last word on what is published: the controller's target, scaled down while nothing is heard, more is in
//! flight than the window, or the pacer never rests. What is published is what the pacer lets through, always.

use std::time::Duration;

use units::{Bitrate, DataSize, Timestamp};

use super::Estimator;
use crate::{Estimate, Insight, Reason, State, window};

/// Pacing over the target: a frame leaves in less time than it lasts. While draining there is no hurry.
const PACING: f64 = 1.4;
const PACING_DRAIN: f64 = 1.1;
const PACING_OF_CAPACITY: f64 = 0.9;
/// A pacer that is busy for the former time may have a backlog, one that is for the latter has one, s.
const BUSY: (f64, f64) = (0.04, 0.14);
const BACKLOG_TARGET: f64 = 0.5;
/// A next useful rate within this of the current one is an encoder's, not a layer's.
const ELASTIC: f64 = 1.2;
/// Timers are late by so much, of the time and at once, µs.
const PACER_LATE: f64 = 1.1;
const PACER_SLACK: f64 = 4_000.0;
/// What is published of the target meanwhile.
const OUTAGE_PUBLISHED: f64 = 0.35;
const REFRESH_RATE: f64 = 0.75;

impl Estimator {
    /// What the caller may do now. The pacer that follows it never lets through less than it promises.
    pub fn estimate(&self) -> Estimate {
        let full = Bitrate::from_f64(self.rate.target());
        let window = self.window(full);
        let state = self.rate.state();
        let pushback = window::pushback(window, self.history.in_flight());
        let mut published = full.scaled(pushback);
        if self.outage {
            published = full.scaled(OUTAGE_PUBLISHED.min(pushback));
        } else if self.refresh_until.is_some() {
            published = published.min(full.scaled(REFRESH_RATE));
        }
        let waiting = if self.is_elastic() { self.backlog() } else { 0.0 };
        let target = published.scaled(1.0 - BACKLOG_TARGET * waiting).max(self.config.min);
        // What waits in the pacer while draining leaves as fast as the path carries it: no faster, which would feed
        // the queue, and no slower, which would only move the wait.
        let pacing = match self.rate.draining() {
            Some(capacity) if !self.outage => {
                published.scaled(PACING_DRAIN).max(capacity.scaled(PACING_OF_CAPACITY * pushback))
            }
            Some(_) => published.scaled(PACING_DRAIN),
            None => published.scaled(PACING),
        };
        Estimate {
            target,
            pacing: pacing.max(target),
            window,
            padding: Bitrate::ZERO,
            state: self.state(state),
            reason: self.reason(pushback),
            capacity: self.rate.capacity(),
        }
    }

    /// What the estimate rests on.
    pub fn insight(&self) -> Insight {
        let millis = |ms: f64| Duration::from_secs_f64(ms / 1_000.0);
        let threshold = self.threshold();
        Insight {
            queue: millis(self.queue.current().unwrap_or(0.0)),
            threshold: millis(threshold),
            rtt: self.rtt.smoothed(),
            acked: self.acked.recent(300_000).map(Bitrate::from_f64),
            loss: self.loss.recent(600_000).ratio().unwrap_or(0.0),
            inherent_loss: self.test.inherent(),
            ceiling: self.rate.ceiling(),
            application_limited: self.is_limited(self.now),
        }
    }

    fn state(&self, state: State) -> State {
        match state {
            _ if self.outage => State::Outage,
            State::Increase | State::Hold if self.prober.is_starting(self.now) => State::Startup,
            state => state,
        }
    }

    fn reason(&self, pushback: f64) -> Reason {
        match () {
            () if self.outage => Reason::Silence,
            () if self.refresh_until.is_some() => Reason::BaseRefresh,
            () if pushback < 1.0 => Reason::WindowFull,
            () => self.rate.reason(),
        }
    }

    pub(super) fn window(&self, target: Bitrate) -> DataSize {
        let rtt_min = self.rtt.min().unwrap_or(window::UNKNOWN_RTT);
        if self.rate.state() == State::Competing {
            window::size_competing(target, self.rtt.smoothed(), rtt_min)
        } else {
            window::size(target, rtt_min, self.interval + self.report_gap)
        }
    }

    /// How sure it is, 0 to 1, that packets wait in the pacer: it has sent without a pause for longer than a frame
    /// takes. A pacer that owns nothing tells nothing, but its silence does.
    fn backlog(&self) -> f64 {
        if self.pacer_rested(self.now) {
            return 0.0;
        }
        let busy = (self.now - self.busy_since).as_secs_f64();
        ((busy - BUSY.0) / (BUSY.1 - BUSY.0)).clamp(0.0, 1.0)
    }

    /// The sender can follow a target that moves by a tenth: an encoder. Whole layers cannot: a dip that clears a
    /// backlog would cost them a switch and a key frame, which makes the next backlog.
    fn is_elastic(&self) -> bool {
        self.demand.is_none_or(|demand| {
            demand.next_useful.is_zero()
                || demand.next_useful > demand.current && demand.next_useful <= demand.current.scaled(ELASTIC)
        })
    }

    /// Packets that leave exactly as fast as the pacer lets them were waiting; slower ones were not.
    pub(super) fn watch_pacer(&mut self, now: Timestamp, size: DataSize) {
        if self.pacer_rested(now) {
            (self.busy_since, self.paced) = (now, 0.0);
        }
        self.paced += size.as_bytes() as f64 * 8e6 / self.current.0;
    }

    /// More time went by than what was sent takes at the pacing rate: the pacer had nothing to send.
    fn pacer_rested(&self, now: Timestamp) -> bool {
        let busy = now.as_micros() as f64 - self.busy_since.as_micros() as f64;
        busy > PACER_LATE * self.paced + PACER_SLACK
    }

    /// Keeps what is asked per packet. After everything that may change the estimate.
    pub(super) fn refresh(&mut self) {
        let estimate = self.estimate();
        let window = self.window(Bitrate::from_f64(self.rate.target()));
        self.current = (estimate.pacing.as_f64().max(1.0), window.as_bytes() as f64);
    }
}
