//! What the caller is told: the target, the pacing rate and the window, and what they rest on.
//!
//! Owns the last word on what is published: the controller's target, scaled down while nothing is heard, more is in
//! flight than the window, or the pacer never rests. What is published is what the pacer lets through, always.

use std::time::Duration;

use units::{Bitrate, DataSize, Timestamp};

use super::Estimator;
use crate::{Estimate, Insight, Reason, State, window};

/// Pacing over the target: a frame leaves in less time than it lasts. An encoder's frames are much of a size, and what is
/// gained by hurry waits at the bottleneck instead, before everybody; the keyframes of layers are several times that size.
const PACING: f64 = 1.18;
const PACING_LAYERS: f64 = 1.3;
/// Layers are paced no faster than what the path was measured to carry within so long, and no slower than this over the target.
const CAPACITY_AGE: Duration = Duration::from_millis(1_500);
const PACING_LEAST: f64 = 1.15;
/// While draining there is no hurry: all but this part of the capacity is for the queue. Where less is left for it, one that many
/// small frames keep up stands for seconds.
const PACING_DRAIN: f64 = 1.1;
const PACING_OF_CAPACITY: f64 = 0.93;
/// So much waiting in the pacer is the rest of a frame, and from so much on the published target is lowest, s.
const WAITING: (f64, f64) = (0.02, 0.10);
/// The part of the target that is taken off for it.
const BACKLOG_TARGET: f64 = 0.6;
/// An encoder is held back while a queue drains, beside the cut of the rate: what it makes meanwhile has to wait. From a
/// queue of so many ms on, to nothing after so many more, but to no less than this part.
const DRAIN_PUBLISHED: (f64, f64, f64) = (12.0, 120.0, 0.5);
/// A next useful rate within this of the current one is an encoder's, not a layer's.
const ELASTIC: f64 = 1.2;
/// What is published of the target in an outage, and while the base is looked for.
const OUTAGE_PUBLISHED: f64 = 0.35;
const REFRESH_RATE: f64 = 0.75;
/// Room for less than a packet is a closed window.
const PACKET: f64 = 1_200.0;

impl Estimator {
    /// What the caller may do now. The pacer that follows it never lets through less than it promises.
    pub fn estimate(&self) -> Estimate {
        let full = Bitrate::from_f64(self.rate.target());
        let window = self.window(full);
        let state = self.rate.state();
        let pushback = window::pushback(window, self.history.in_flight());
        let mut allowed = full.scaled(pushback);
        if self.outage {
            allowed = full.scaled(OUTAGE_PUBLISHED.min(pushback));
        } else if self.refresh_until.is_some() {
            allowed = allowed.min(full.scaled(REFRESH_RATE));
        }
        let elastic = self.is_elastic();
        let held_back = if elastic { self.held_back() } else { 1.0 };
        let target = allowed.scaled(held_back).max(self.config.min);
        // What waits in the pacer while draining leaves as fast as the path carries it: no faster, which would feed
        // the queue, and no slower, which would only move the wait.
        let pacing = match self.rate.draining() {
            Some(capacity) if !self.outage => capacity.scaled(PACING_OF_CAPACITY * pushback),
            Some(_) => allowed.scaled(PACING_DRAIN),
            None if elastic => allowed.scaled(PACING),
            None => self.unhurried(allowed),
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

    /// The estimate as of the last report, demand, timeout or change of route: what [`Estimator::estimate`] says right after
    /// such a call, without making it anew.
    pub fn published(&self) -> Estimate {
        self.published.unwrap_or_else(|| self.estimate())
    }

    /// The pace of layers. Beyond what the path was just found to carry hurry only moves the wait from here into the queue,
    /// where it makes the next cut.
    fn unhurried(&self, allowed: Bitrate) -> Bitrate {
        let known = self.rate.capacity().filter(|capacity| self.now - capacity.measured_at < CAPACITY_AGE);
        let most = allowed.scaled(PACING_LAYERS);
        known.map_or(most, |capacity| most.min(capacity.rate.max(allowed.scaled(PACING_LEAST))))
    }

    /// The queue above the path's own delay, as in [`Estimator::insight`]: the part of it that is asked for with each report.
    pub fn queue(&self) -> Duration {
        millis(self.queue.current().unwrap_or(0.0))
    }

    /// What the estimate rests on.
    pub fn insight(&self) -> Insight {
        Insight {
            queue: self.queue(),
            threshold: millis(self.threshold()),
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

    /// What of its rate an encoder may use, for what waits in the pacer and in a draining queue to get away.
    fn held_back(&self) -> f64 {
        let waiting =
            self.backlog.bytes(self.now, self.produced(), self.is_blocked()) * 8.0 / self.rate.target();
        let backlog = ((waiting - WAITING.0) / (WAITING.1 - WAITING.0)).clamp(0.0, 1.0);
        let drain = match self.rate.draining() {
            Some(_) => {
                let (from, range, least) = DRAIN_PUBLISHED;
                (1.0 - (self.queue.current().unwrap_or(0.0) - from) / range).clamp(least, 1.0)
            }
            None => 1.0,
        };
        drain * (1.0 - BACKLOG_TARGET * backlog)
    }

    /// What the application makes, bit/s.
    fn produced(&self) -> f64 {
        self.demand.map_or(self.rate.target(), |demand| demand.current.as_f64())
    }

    fn is_blocked(&self) -> bool {
        self.history.in_flight().as_bytes() as f64 + PACKET > self.current.1
    }

    /// Brings what waits up to now, before something changes.
    pub(super) fn advance_backlog(&mut self, now: Timestamp) {
        let (produced, blocked) = (self.produced(), self.is_blocked());
        self.backlog.advance(now, produced, blocked);
    }

    /// The sender can follow a target that moves by a tenth: an encoder. Whole layers cannot: a dip that clears a
    /// backlog would cost them a switch and a key frame, which makes the next backlog.
    fn is_elastic(&self) -> bool {
        self.config.elastic
            && self.demand.is_none_or(|demand| {
                demand.next_useful.is_zero()
                    || demand.next_useful > demand.current
                        && demand.next_useful <= demand.current.scaled(ELASTIC)
            })
    }

    /// Keeps what is asked per packet. After everything that may change the estimate.
    pub(super) fn refresh(&mut self) {
        let estimate = self.estimate();
        self.current = (estimate.pacing.as_f64().max(1.0), estimate.window.as_bytes() as f64);
        self.published = Some(estimate);
    }
}

fn millis(ms: f64) -> Duration {
    Duration::from_secs_f64(ms / 1_000.0)
}
