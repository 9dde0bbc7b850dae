//! The rate controller: from what the path shows to a target.
//!
//! Owns the target, the memory of the capacity and the states climb, drain and sharing. Leaves measuring to `queue`,
//! `acked` and `loss`, the question whose queue it is to `competing`, and what is published (window, silence) to the
//! estimator.
//!
//! ```text
//!            queue > threshold                    the queue did not answer, and moves
//!   Climb ----------------------> Drain ------------------------------------------> Sharing
//!     ^    queue gone: back to     |  | the queue did not answer, and is flat:         |
//!     +------ the capacity --------+  +--> the path is longer: base moves, Climb       |
//!     +----------------------- the queue is gone, or was ours -------------------------+
//! ```
//!
//! A climb is as fast as the queue that it may cause before anybody notices: the form is NADA's accelerated ramp-up
//! (RFC 8698 §4.3). Near the capacity last seen it is additive, equal for all flows, which is what makes them converge.

use std::time::Duration;

use units::{Bitrate, Timestamp};

use crate::competing::{DrainInput, DrainWatch, Owner, Share, Sharing};
use crate::queue::Queue;
use crate::slope::Usage;
use crate::{Capacity, Reason, State};

/// Self-inflicted queue that a climb may risk before the next look, s.
const RISK: f64 = 0.025;
/// Bounds of the climb, per second.
const CLIMB: (f64, f64) = (0.1, 0.85);
/// The additive step near the ceiling: bit/s per second, and part of the target per second.
const ADDITIVE: (f64, f64) = (60_000.0, 0.02);
/// The band around the ceiling in which the climb is additive, and where it is free again.
const BAND: (f64, f64, f64) = (0.85, 1.03, 1.3);
/// After congestion the climb starts at this part of its speed and is back after so long, s.
const CALM: (f64, f64) = (0.3, 2.0);
/// An empty queue in the band for this long, s, raises doubts about the ceiling: the step grows with the square.
const DOUBT_AFTER: f64 = 2.0;
/// Two capacities agree within this (a logarithm); the gain with which agreement is learnt.
const AGREES: f64 = 0.07;
const STEADY_GAIN: f64 = 0.3;
/// Where capacities agree, the way back ends higher and the climb is slower: there is less to find out.
const STEADY_BACK: (f64, f64) = (0.96, 0.03);
const STEADY_SLOWER: f64 = 0.6;
/// Where no queue warns, an empty queue is no doubt, and each step over the limit is loss: climb by this part.
const POLICED: f64 = 0.3;
/// A sender that holds back learns from its frames that there is room: it climbs by this part per second.
const LIMITED_CLIMB: f64 = 0.25;
/// A climb never goes beyond this much of what arrives.
const ACKED_LIMIT: (f64, f64) = (1.5, 20_000.0);
/// A cut is this part of the queue: so many ms would be all of the rate.
const CUT_ALL: f64 = 300.0;
/// The hold after a cut: until its effect was reported, and this long, so that a short round trip is no disadvantage.
const HOLD: Duration = Duration::from_millis(250);
/// No queue, ms: below this a drain is over.
const EMPTY: f64 = 10.0;
/// While the slope is rising, a queue over this is congestion, ms.
const OVERUSE_QUEUE: f64 = 8.0;
/// Capacity fell under us: so much less arrives than was sent.
const FELL: f64 = 0.72;
/// That is looked at for so long after the queue came.
const FELL_WITHIN: Duration = Duration::from_millis(800);
/// Then the queue is ours: sharing is out of the question for so long.
const BARRED: Duration = Duration::from_secs(12);
/// A queue that stops the climb for so long is congestion whatever the threshold.
const STANDS: Duration = Duration::from_millis(2_000);
/// A queue over its threshold for so long is congestion also for a sender that holds back, if its packets get through.
const PATIENCE: Duration = Duration::from_millis(250);

/// What one report showed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signals {
    pub(crate) now: Timestamp,
    /// Since the report before, s, at most 0.3.
    pub(crate) dt: f64,
    /// The queue, its threshold, and the least that counts as one at this rate (a packet's own time), ms.
    pub(crate) queue: f64,
    pub(crate) threshold: f64,
    pub(crate) gate: f64,
    pub(crate) usage: Usage,
    /// What arrived over 150, 300, 500 ms and 1 s, bit/s.
    pub(crate) acked: [Option<f64>; 4],
    /// What was sent in the last 300 ms, and in the 300 ms that this report is about, bit/s.
    pub(crate) sent: f64,
    pub(crate) sent_reported: f64,
    /// Loss that belongs to the path, and that over it in the last round trip.
    pub(crate) inherent: f64,
    pub(crate) excess_loss: f64,
    pub(crate) rtt: Duration,
    pub(crate) feedback: Duration,
    /// Send time of the newest packet reported.
    pub(crate) newest_sent: Timestamp,
    pub(crate) limited: bool,
    /// The queue may be a probe's own.
    pub(crate) excused: bool,
    /// A loss test runs.
    pub(crate) testing: bool,
    /// A limit is known that drops what is over it, without a queue to warn.
    pub(crate) policed: bool,
    /// Feedback paused just before this report.
    pub(crate) after_gap: bool,
    /// The network marks: cuts for the queue are halved.
    pub(crate) marked: bool,
    /// The frames' packets do not wait for each other: the path carries more.
    pub(crate) room: bool,
    /// What the application could use next, and a little, bit/s.
    pub(crate) wanted: f64,
}

impl Signals {
    /// What we may send for that much to arrive.
    fn effective(&self, acked: Option<f64>) -> Option<f64> {
        acked.map(|acked| acked / (1.0 - self.inherent))
    }

    /// Frames pass as on an empty path. A policer lets everything pass so, until it does not.
    fn has_room(&self) -> bool {
        self.room && self.queue < 0.5 * self.gate && !self.policed
    }
}

#[derive(Clone, Copy, Debug)]
struct Hold {
    sent: Timestamp,
    until: Timestamp,
}

#[derive(Clone, Copy, Debug)]
struct Drain {
    since: Timestamp,
    capacity: f64,
    watch: DrainWatch,
    entered_target: f64,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Climb,
    Drain(Drain),
    Sharing(Sharing),
}

/// The rate of one transport.
#[derive(Clone, Debug)]
pub(crate) struct Rate {
    bounds: (f64, f64),
    target: f64,
    reason: Reason,
    phase: Phase,
    /// Capacity when congestion was last seen.
    ceiling: Option<f64>,
    capacity: Option<Capacity>,
    /// How far the last capacities agreed, 0 to 1.
    steady: f64,
    hold: Option<Hold>,
    congested_at: Option<Timestamp>,
    over_since: Option<Timestamp>,
    /// Since when the queue has been over the gate without a break.
    stands_since: Option<Timestamp>,
    barred_until: Timestamp,
    /// Time in the band with an empty queue, s.
    empty_for: f64,
    climbing: bool,
    /// The path changed: worth a probe at this rate.
    ask: Option<f64>,
}

impl Rate {
    pub(crate) fn new(start: Bitrate, min: Bitrate, max: Bitrate) -> Self {
        Self {
            bounds: (min.as_f64(), max.as_f64()),
            target: start.as_f64(),
            reason: Reason::Start,
            phase: Phase::Climb,
            ceiling: None,
            capacity: None,
            steady: 0.0,
            hold: None,
            congested_at: None,
            over_since: None,
            stands_since: None,
            barred_until: Timestamp::ZERO,
            empty_for: 0.0,
            climbing: false,
            ask: None,
        }
    }

    /// Bit/s.
    pub(crate) fn target(&self) -> f64 {
        self.target
    }

    pub(crate) fn reason(&self) -> Reason {
        self.reason
    }

    pub(crate) fn capacity(&self) -> Option<Capacity> {
        self.capacity
    }

    pub(crate) fn ceiling(&self) -> Option<Bitrate> {
        self.ceiling.map(Bitrate::from_f64)
    }

    pub(crate) fn state(&self) -> State {
        match self.phase {
            Phase::Climb if self.climbing => State::Increase,
            Phase::Climb => State::Hold,
            Phase::Drain(_) => State::Drain,
            Phase::Sharing(_) => State::Competing,
        }
    }

    /// While draining, the capacity that is drained at.
    pub(crate) fn draining(&self) -> Option<Bitrate> {
        match self.phase {
            Phase::Drain(drain) => Some(Bitrate::from_f64(drain.capacity)),
            Phase::Climb | Phase::Sharing(_) => None,
        }
    }

    /// Capacity fell under us a moment ago: what queues is ours.
    pub(crate) fn is_barred(&self, now: Timestamp) -> bool {
        now < self.barred_until
    }

    /// A rate worth asking the path about, once.
    pub(crate) fn take_ask(&mut self) -> Option<f64> {
        self.ask.take()
    }

    /// Moves the target for a reason that was found elsewhere.
    pub(crate) fn set(&mut self, target: f64, reason: Reason) {
        self.target = target.clamp(self.bounds.0, self.bounds.1);
        self.reason = reason;
    }

    /// Remembers a rate at which congestion is known to begin.
    pub(crate) fn set_ceiling(&mut self, now: Timestamp, rate: f64) {
        self.ceiling = Some(rate);
        self.capacity = Some(Capacity { rate: Bitrate::from_f64(rate), measured_at: now });
    }

    /// Marks from the network: a cut without a queue.
    pub(crate) fn cut_for_marks(&mut self, now: Timestamp, factor: f64) {
        self.congested_at = Some(now);
        self.ceiling = Some(self.ceiling.map_or(self.target, |ceiling| 0.6 * ceiling + 0.4 * self.target));
        self.set(self.target * factor, Reason::Marks);
    }

    /// Another path. What this one carried is a hint for where to be careful, no more.
    pub(crate) fn on_route_change(&mut self, start: f64) {
        let hint = self.target;
        self.phase = Phase::Climb;
        (self.hold, self.over_since, self.congested_at) = (None, None, None);
        self.set(self.target.min(start), Reason::RouteChanged);
        self.ask = Some(hint.max(start));
    }

    /// Nothing was sent for long: what was known is a hint.
    pub(crate) fn on_stale(&mut self, start: f64) {
        self.phase = Phase::Climb;
        (self.hold, self.over_since) = (None, None);
        self.set(self.target.min(start), Reason::Stale);
    }

    /// Once per report. `queue` is asked for its past and told when its base is wrong.
    pub(crate) fn step(&mut self, signals: &Signals, queue: &mut Queue) {
        let s = signals;
        if self.hold.is_some_and(|hold| s.newest_sent > hold.sent && s.now >= hold.until) {
            self.hold = None;
        }
        self.watch_threshold(s);
        self.climbing = false;
        match self.phase {
            Phase::Climb if self.is_congested(s) => self.enter_drain(s),
            Phase::Climb => self.climb(s),
            Phase::Drain(drain) => self.drain(s, drain, queue),
            Phase::Sharing(sharing) => self.share(s, sharing),
        }
    }

    /// How long the queue has been over its threshold, and whether it came because capacity fell under us.
    fn watch_threshold(&mut self, s: &Signals) {
        if s.queue < s.gate || !matches!(self.phase, Phase::Climb) {
            self.stands_since = None;
        } else if self.stands_since.is_none() {
            self.stands_since = Some(s.now);
        }
        if s.queue <= s.threshold {
            self.over_since = None;
            return;
        }
        let since = *self.over_since.get_or_insert(s.now);
        if s.now - since <= FELL_WITHIN
            && let Some(acked) = s.acked[1]
            && acked < FELL * s.sent_reported
        {
            self.barred_until = s.now + BARRED;
        }
    }

    fn is_congested(&self, s: &Signals) -> bool {
        if self.hold.is_some() || (s.excused && s.queue <= 250.0) {
            return false;
        }
        if s.queue > s.threshold {
            // One that holds back and whose packets all get through suffers from somebody else's moment.
            let through = s.acked[1].is_some_and(|acked| acked > 0.9 * s.sent_reported);
            let patient = s.limited && through && s.queue < 3.0 * s.threshold;
            return !patient || self.over_since.is_some_and(|since| s.now - since > PATIENCE);
        }
        if self.stands_since.is_some_and(|since| s.now - since > STANDS) {
            // Under the threshold, but it stops the climb and does not go away: empty it, or learn that it is distance.
            return true;
        }
        s.usage == Usage::Over && s.queue > OVERUSE_QUEUE.max(s.gate) && !s.limited
    }

    fn enter_drain(&mut self, s: &Signals) {
        let long = s.effective(s.acked[1]).unwrap_or(self.target);
        let short = s.effective(s.acked[0]).unwrap_or(long);
        let capacity = long.max(short.min(1.1 * self.target)).max(self.bounds.0);
        let agrees = self.ceiling.is_some_and(|ceiling| (capacity / ceiling).ln().abs() < AGREES);
        self.steady += STEADY_GAIN * (if agrees { 1.0 } else { 0.0 } - self.steady);
        self.ceiling = Some(match self.ceiling {
            Some(ceiling) if capacity > 0.3 * ceiling => 0.6 * ceiling.min(3.0 * capacity) + 0.4 * capacity,
            _ => capacity,
        });
        self.capacity = Some(Capacity { rate: Bitrate::from_f64(capacity), measured_at: s.now });
        let reason = if s.queue > s.threshold { Reason::Queue } else { Reason::Overuse };
        let drain = Drain {
            since: s.now,
            capacity,
            watch: DrainWatch::new(s.now, s.queue, s.after_gap),
            entered_target: self.target,
        };
        self.phase = Phase::Drain(drain);
        self.cut(s, &drain, reason);
    }

    /// Proportional to the queue, deeper the longer it takes.
    fn cut(&mut self, s: &Signals, drain: &Drain, reason: Reason) {
        let depth = (s.queue / CUT_ALL).clamp(0.06, 0.5) * if s.marked { 0.5 } else { 1.0 };
        let late = 0.1 * ((s.now - drain.since).as_secs_f64() - 1.0).max(0.0);
        let target = drain.capacity * (1.0 - depth - late).max(0.45);
        self.set(target.min(self.target), reason);
        self.hold = Some(Hold { sent: s.now, until: s.now + HOLD });
        self.congested_at = Some(s.now);
        self.empty_for = 0.0;
    }

    fn drain(&mut self, s: &Signals, mut drain: Drain, queue: &mut Queue) {
        if s.queue < EMPTY.max(s.gate.min(0.7 * s.threshold)) && s.usage != Usage::Under {
            self.leave_drain(s, &drain);
            return;
        }
        // Only a busy bottleneck shows its capacity: what arrives when everything gets through is what we sent.
        if let Some(acked) = s.effective(s.acked[2]) {
            let busy = acked < 0.95 * s.sent_reported || acked > 1.05 * s.sent_reported;
            if busy {
                let toward = acked.min(1.1 * drain.capacity);
                drain.capacity += 0.5 * (toward - drain.capacity);
            }
        }
        let input = DrainInput {
            now: s.now,
            dt: s.dt,
            queue: s.queue,
            sent: s.sent,
            acked: s.acked[1].unwrap_or(0.0),
            acked_long: s.acked[3].unwrap_or(0.0),
            capacity: drain.capacity,
            after_gap: s.after_gap,
        };
        let owner = drain.watch.step(&input, queue);
        self.phase = Phase::Drain(drain);
        match owner {
            Some(Owner::Path(longer)) => {
                queue.rebase(longer);
                self.phase = Phase::Climb;
                self.hold = None;
                self.set(self.target.max(0.8 * drain.capacity), Reason::PathLonger);
                self.ask = Some(drain.entered_target.max(1.5 * drain.capacity));
            }
            Some(Owner::Other) if s.now >= self.barred_until => {
                let share = 0.7 * drain.capacity.min(self.ceiling.unwrap_or(drain.capacity));
                self.phase = Phase::Sharing(Sharing::new(s.now, s.queue));
                self.set(self.target.max(share), Reason::CompetingStarted);
            }
            _ if self.hold.is_none() && s.queue > s.threshold => self.cut(s, &drain, Reason::Queue),
            _ => {}
        }
    }

    /// The queue is empty: it told what the capacity is, so go back there at once.
    fn leave_drain(&mut self, s: &Signals, drain: &Drain) {
        let arriving = s.effective(s.acked[1]).unwrap_or(0.0);
        let back = (STEADY_BACK.0 + STEADY_BACK.1 * self.steady) * drain.capacity;
        let back = back.min(arriving.max(0.8 * drain.capacity));
        self.phase = Phase::Climb;
        self.set(self.target.max(back), Reason::Drained);
    }

    fn climb(&mut self, s: &Signals) {
        if s.limited {
            let free = self.hold.is_none() && !s.testing && !s.excused && s.has_room();
            if free && self.target < s.wanted {
                self.set((self.target * (1.0 + LIMITED_CLIMB * s.dt)).min(s.wanted), Reason::Climb);
                self.climbing = true;
            } else {
                self.reason = Reason::ApplicationLimited;
            }
            return;
        }
        if self.hold.is_some() || s.testing || s.queue >= s.gate {
            return;
        }
        let step = self.step_per_second(s) * s.dt;
        let limit =
            s.effective(s.acked[1]).map_or(self.target, |acked| ACKED_LIMIT.0 * acked + ACKED_LIMIT.1);
        let (wanted, reason) = match self.ceiling {
            Some(ceiling) if (BAND.0..BAND.1).contains(&(self.target / ceiling)) => {
                (self.target + step, Reason::Approach)
            }
            _ => (self.target + step, Reason::Climb),
        };
        self.climbing = true;
        if wanted > limit {
            self.set(self.target.max(limit), Reason::AckedLimit);
        } else {
            self.set(wanted, reason);
        }
    }

    /// Bit/s per second.
    fn step_per_second(&mut self, s: &Signals) -> f64 {
        let response = (s.rtt + s.feedback).as_secs_f64();
        let free = (RISK / (response + 0.03) / response).clamp(CLIMB.0, CLIMB.1);
        let since = self.congested_at.map_or(CALM.1, |at| (s.now - at).as_secs_f64());
        let calm = (since / CALM.1).clamp(CALM.0, 1.0);
        let at = self.ceiling.map_or(f64::INFINITY, |ceiling| self.target / ceiling);
        let in_band = (BAND.0..BAND.1).contains(&at);
        self.empty_for = if in_band && s.queue < 0.5 * s.gate { self.empty_for + s.dt } else { 0.0 };
        let step = if in_band && s.has_room() {
            // The limit that was there is gone.
            free * self.target
        } else if in_band {
            let doubt =
                if s.policed { POLICED } else { 1.0 + (self.empty_for - DOUBT_AFTER).max(0.0).powi(2) };
            ((ADDITIVE.0 + ADDITIVE.1 * self.target) * (1.0 - STEADY_SLOWER * self.steady) * doubt)
                .min((free * self.target).max(ADDITIVE.0))
        } else if (BAND.1..BAND.2).contains(&at) {
            // A bucket that is not yet empty passes anything.
            let part = if s.policed { 0.0 } else { (at - BAND.1) / (BAND.2 - BAND.1) };
            (0.05 + (free - 0.05) * part) * self.target
        } else {
            free * self.target
        };
        step * calm
    }

    fn share(&mut self, s: &Signals, mut sharing: Sharing) {
        let verdict = sharing.step(s.now, s.queue, s.excess_loss, s.rtt);
        self.phase = Phase::Sharing(sharing);
        match verdict {
            Share::Grow if s.limited => self.reason = Reason::ApplicationLimited,
            Share::Grow => {
                let step = (0.05 * self.target + 30_000.0) * s.dt;
                let limit = s.effective(s.acked[1]).map_or(self.target, |acked| 1.5 * acked + 20_000.0);
                self.set((self.target + step).min(limit.max(self.target)), Reason::CompetingClimb);
            }
            Share::GiveWay => self.set(0.85 * self.target, Reason::CompetingLoss),
            Share::Gone => {
                self.phase = Phase::Climb;
                self.reason = Reason::CompetingEnded;
            }
            Share::Ours => {
                self.phase = Phase::Climb;
                self.reason = Reason::CompetingEnded;
                self.barred_until = s.now + BARRED;
            }
        }
    }
}

#[cfg(test)]
#[path = "rate_tests.rs"]
mod tests;
