//! Probe clusters: short bursts that ask the path a question somebody wants answered.
//!
//! Owns what is asked and when, and what the answer says. Leaves sending to the caller and the target to the rate
//! controller. An SFU sends whole layers: most of the time it sends less than it could, and without probes it would
//! never learn that the next layer fits. So probes aim at the rate of the next useful step, never blindly at double.

use std::time::Duration;

use units::{Bitrate, Timestamp};

use crate::feedback::history::Acked;
use crate::{Probe, SentPacket};

mod cluster;
pub(crate) use cluster::{Answer, Clusters};

/// Lengths: ordinary, the first two, the follow-ups of the start, and one that asks again what was denied before: then
/// the question is only whether something changed, and the shorter one puts less into the queue.
const LENGTH: Duration = Duration::from_millis(100);
const LENGTH_FIRST: Duration = Duration::from_millis(80);
const LENGTH_FOLLOW: Duration = Duration::from_millis(60);
const LENGTH_DOUBTFUL: Duration = Duration::from_millis(40);
/// Of a short probe's rate, so much is sure.
const SHORT_CERTAINTY: f64 = 0.87;
/// After its last packet's round trip, a probe's queue may take this long to go.
const IMMUNITY: Duration = Duration::from_millis(400);
/// Wait after an answer: yes, no, and how often the latter doubles.
const AFTER_SUCCESS: Duration = Duration::from_millis(150);
const AFTER_FAILURE: Duration = Duration::from_millis(900);
const DOUBLINGS: u32 = 3;
/// A no that only showed when the rate was used cost a queue, and a switch down: ask less often.
const DOUBLINGS_AT_COST: u32 = 4;
/// A path that was not asked for so long past its wait may have changed.
const DOUBT_AGE: Duration = Duration::from_secs(10);
/// A rate of at least this part of the denied one asks the same question.
const SAME_QUESTION: f64 = 0.85;
/// A yes counts when nothing happened for so long after it.
const CONFIRMED: Duration = Duration::from_secs(5);
/// The start lasts so long at most: follow-ups at double the rate come without waiting for demand.
const START: Duration = Duration::from_millis(1_500);
/// Somebody wants video and none is sent: a probe so often, and after each no so much less often, so many times.
const LIFE_INTERVAL: Duration = Duration::from_secs(1);
const LIFE_SLOWER: u32 = 2;
/// This much of all that is of use is enough.
const LIFE_ENOUGH: f64 = 0.9;
const LIFE_LEAST: f64 = 50_000.0;
const LIFE_OF_NEXT: f64 = 0.3;
/// A path that was measured at less than this part of the wanted rate lately will probably say no again.
const DOUBTFUL: f64 = 0.75;
const DOUBTFUL_FOR: Duration = Duration::from_secs(60);

/// What is known when a probe could be asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Occasion {
    pub(crate) now: Timestamp,
    pub(crate) target: f64,
    pub(crate) next_useful: f64,
    pub(crate) max_useful: f64,
    /// The sender does not use what it has.
    pub(crate) limited: bool,
    /// The queue is next to nothing, and has been for a while; no loss test runs.
    pub(crate) calm: bool,
    /// Whether the caller has said what it could use.
    pub(crate) bounded: bool,
    /// No media left for a while, and somebody wants some.
    pub(crate) dead: bool,
    /// The path changed: ask, whatever is sent.
    pub(crate) wanted: Option<f64>,
}

/// A rate that the path denied. Rates well below it are another question.
#[derive(Clone, Copy, Debug)]
struct Doubt {
    rate: f64,
    failures: u32,
    until: Timestamp,
}

/// A rate that the path granted, and the doubt that there was before.
#[derive(Clone, Copy, Debug)]
struct Grant {
    at: Timestamp,
    rate: f64,
    before: Option<Doubt>,
}

/// The probes of one transport.
#[derive(Clone, Debug)]
pub(crate) struct Prober {
    born: Timestamp,
    pending: Option<(f64, Duration)>,
    /// The rate to ask for next while the start goes well.
    follow: Option<f64>,
    clusters: Clusters,
    first_left: u32,
    start_rate: f64,
    doubt: Option<Doubt>,
    earliest: Timestamp,
    /// The queue is excused until then.
    immune_until: Timestamp,
    rtt: Duration,
    /// The last answer that was a yes: it is confirmed by five seconds without congestion.
    granted: Option<Grant>,
    /// The last answer that was a capacity.
    denied: Option<(f64, Timestamp)>,
}

impl Prober {
    pub(crate) fn new(now: Timestamp, start: Bitrate) -> Self {
        Self {
            born: now,
            pending: None,
            follow: None,
            clusters: Clusters::default(),
            first_left: 2,
            start_rate: start.as_f64(),
            doubt: None,
            earliest: now,
            immune_until: Timestamp::ZERO,
            rtt: LENGTH,
            granted: None,
            denied: None,
        }
    }

    /// Starts anew, as on a path that nothing is known of.
    pub(crate) fn restart(&mut self, now: Timestamp, start: f64) {
        let mut clusters = std::mem::take(&mut self.clusters);
        clusters.abandon();
        *self = Self { clusters, ..Self::new(now, Bitrate::from_f64(start)) };
    }

    /// The cluster to send now, if any.
    pub(crate) fn poll(&mut self, now: Timestamp) -> Option<Probe> {
        let (rate, duration) = self.pending.take()?;
        self.clusters.begin(now, rate, duration)
    }

    /// A packet left.
    pub(crate) fn on_sent(&mut self, now: Timestamp, packet: &SentPacket) {
        if self.clusters.on_sent(now, packet) {
            self.immune_until = self.immune_until.max(now + self.rtt + IMMUNITY);
        }
    }

    /// A packet arrived.
    pub(crate) fn on_acked(&mut self, acked: &Acked) {
        self.clusters.on_acked(acked);
    }

    /// A packet of a probe was lost.
    pub(crate) fn on_lost(&mut self, probe: u8) {
        self.clusters.on_lost(probe);
    }

    /// Whether a queue now may be the probe's own.
    pub(crate) fn excuses_queue(&self, now: Timestamp) -> bool {
        now < self.immune_until
    }

    /// A probe is under way.
    pub(crate) fn is_busy(&self) -> bool {
        self.pending.is_some() || self.clusters.count() > 0
    }

    /// The start is over when nothing of it is left to ask.
    pub(crate) fn is_starting(&self, now: Timestamp) -> bool {
        now - self.born < START && (self.first_left > 0 || self.follow.is_some() || self.is_busy())
    }

    /// When to look again.
    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        self.clusters.deadline().or(Some(self.earliest))
    }

    /// The answer of the oldest cluster that is complete, if one is.
    pub(crate) fn answer(&mut self, now: Timestamp, rtt: Duration, queue: Option<f64>) -> Option<Answer> {
        self.rtt = rtt;
        let (probe, mut answer) = self.clusters.complete(now, queue)?;
        if let Some(answer) = answer.as_mut()
            && probe.duration == LENGTH_DOUBTFUL
        {
            // So short a probe tells a wall from an open road, not how wide the road is: a yes is asked about at length.
            answer.rate *= SHORT_CERTAINTY;
            if !answer.limited {
                self.denied = None;
            }
        }
        match answer {
            Some(answer) if !answer.limited => {
                self.granted = Some(Grant { at: now, rate: answer.sent_rate, before: self.doubt.take() });
                self.earliest = self.earliest.max(now + AFTER_SUCCESS);
                let started = now - self.born < START;
                if started && self.first_left == 0 && !self.is_busy() {
                    self.follow = Some(2.0 * answer.rate);
                }
            }
            Some(answer) => {
                self.deny(now, answer.sent_rate, DOUBLINGS);
                self.denied = Some((answer.rate, now));
            }
            None => self.deny(now, probe.rate.as_f64(), DOUBLINGS),
        }
        answer
    }

    /// Asks for a probe when there is a reason to.
    pub(crate) fn consider(&mut self, occasion: &Occasion) {
        let now = occasion.now;
        self.confirm(now);
        if self.pending.is_some() || self.clusters.count() == Clusters::MOST {
            return;
        }
        if self.first_left > 0 {
            let factor = if self.first_left == 2 { 3.0 } else { 6.0 };
            if self.clusters.sending_until().is_none_or(|until| now >= until) {
                self.first_left -= 1;
                self.pending = Some((factor * self.start_rate, LENGTH_FIRST));
            }
            return;
        }
        if self.is_busy() {
            return;
        }
        if let Some(rate) = occasion.wanted {
            self.pending = Some((rate, LENGTH));
            return;
        }
        if let Some(rate) = self.follow.take() {
            // A path that is faster than anybody wants is not measured: that would only cost it.
            let rate = if occasion.bounded { rate.min(1.05 * occasion.max_useful) } else { rate };
            if rate > occasion.target {
                self.pending = Some((rate, LENGTH_FOLLOW));
                return;
            }
        }
        if occasion.dead {
            if now >= self.earliest {
                self.ask_for_life(occasion);
            }
            return;
        }
        if !occasion.limited
            || !occasion.calm
            || now < self.earliest
            || occasion.target >= occasion.max_useful
        {
            return;
        }
        let least = 1.12 * occasion.next_useful;
        let most = (1.05 * occasion.max_useful).max(least);
        let mut rate = (2.0 * occasion.target).clamp(least, most).min(3.0 * occasion.target);
        if self.is_doubted(now, rate) {
            rate = least.min(rate);
        }
        if self.is_doubted(now, rate) || rate <= occasion.target {
            return;
        }
        self.pending = Some((rate, self.length(now, rate)));
    }

    /// Whoever wants video and sends none has too little, whatever the next step would need by the figures (dwell, reserves
    /// and layers that drift are the allocator's): each question is for more than what is known, up to all that is of
    /// use. Then what is left is a sign that the path lives.
    fn ask_for_life(&mut self, occasion: &Occasion) {
        let now = occasion.now;
        let most = (1.05 * occasion.max_useful).max(1.12 * occasion.next_useful);
        let more = if occasion.target < LIFE_ENOUGH * most { (2.0 * occasion.target).min(most) } else { 0.0 };
        let rate = more.max(LIFE_OF_NEXT * occasion.next_useful).max(LIFE_LEAST);
        let denied =
            self.doubt.filter(|doubt| now < doubt.until + DOUBT_AGE).map_or(0, |doubt| doubt.failures);
        let slower = if more > 0.0 { denied.min(LIFE_SLOWER) } else { LIFE_SLOWER };
        self.earliest = now + LIFE_INTERVAL * (1 + slower);
        self.pending = Some((rate, self.length(now, rate)));
    }

    /// How long to ask for that rate.
    fn length(&self, now: Timestamp, rate: f64) -> Duration {
        let doubtful = self.denied.is_some_and(|(was, at)| was < DOUBTFUL * rate && now - at < DOUBTFUL_FOR);
        if doubtful { LENGTH_DOUBTFUL } else { LENGTH }
    }

    /// A queue came. A yes that was followed by one was worth no more than a no.
    pub(crate) fn on_congestion(&mut self, now: Timestamp) {
        if let Some(grant) = self.granted.take()
            && now - grant.at < CONFIRMED
        {
            self.doubt = grant.before;
            self.deny(now, grant.rate, DOUBLINGS_AT_COST);
        }
    }

    /// Time passed without congestion.
    fn confirm(&mut self, now: Timestamp) {
        self.granted = self.granted.filter(|grant| now - grant.at < CONFIRMED);
    }

    /// The wait before the same question doubles with each no.
    fn deny(&mut self, now: Timestamp, rate: f64, doublings: u32) {
        let same = |doubt: &Doubt| rate >= SAME_QUESTION * doubt.rate && now < doubt.until + DOUBT_AGE;
        let before = self.doubt.filter(same);
        let failures = before.map_or(0, |doubt| doubt.failures);
        let rate = before.map_or(rate, |doubt| rate.min(doubt.rate));
        let until = now + AFTER_FAILURE * (1 << failures.min(doublings));
        self.doubt = Some(Doubt { rate, failures: failures + 1, until });
    }

    /// Whether it is too early to ask for this rate again.
    fn is_doubted(&self, now: Timestamp, rate: f64) -> bool {
        self.doubt.is_some_and(|doubt| now < doubt.until && rate >= SAME_QUESTION * doubt.rate)
    }

    /// The layer went down: let the path rest.
    pub(crate) fn on_downgrade(&mut self, now: Timestamp) {
        self.earliest = self.earliest.max(now + Duration::from_secs(1));
    }
}

#[cfg(test)]
mod tests;
