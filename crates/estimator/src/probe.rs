//! Probe clusters: short bursts that ask the path a question somebody wants answered.
//!
//! Owns what is asked and when, and what the answer says. Leaves sending to the caller and the target to the rate
//! controller. An SFU sends whole layers: most of the time it sends less than it could, and without probes it would
//! never learn that the next layer fits. So probes aim at the rate of the next useful step, never blindly at double.

use std::time::Duration;

use units::{Bitrate, DataSize, Timestamp};

use crate::feedback::history::{Acked, probe_tag};
use crate::{ClusterId, Probe, SentPacket};

/// Least size of a cluster: what it takes to have a rate.
const MIN_PACKETS: u32 = 6;
const MIN_SIZE: DataSize = DataSize::from_bytes(2_400);
/// Lengths: ordinary, the first two, the follow-ups of the start, and one that asks again what was denied before: then
/// the question is only whether something changed, and the shorter one puts less into the queue.
const LENGTH: Duration = Duration::from_millis(100);
const LENGTH_FIRST: Duration = Duration::from_millis(80);
const LENGTH_FOLLOW: Duration = Duration::from_millis(60);
const LENGTH_DOUBTFUL: Duration = Duration::from_millis(40);
/// Of a short probe's rate, so much is sure.
const SHORT_CERTAINTY: f64 = 0.87;
/// Wait after an answer: yes, no, and how often the latter doubles.
const AFTER_SUCCESS: Duration = Duration::from_millis(150);
const AFTER_FAILURE: Duration = Duration::from_millis(1_500);
const DOUBLINGS: u32 = 2;
/// A no that only showed when the rate was used cost a queue, and a switch down: ask less often.
const DOUBLINGS_AT_COST: u32 = 4;
/// A path that was not asked for so long past its wait may have changed.
const DOUBT_AGE: Duration = Duration::from_secs(10);
/// A rate of at least this part of the denied one asks the same question.
const SAME_QUESTION: f64 = 0.85;
/// A yes counts when nothing happened for so long after it.
const CONFIRMED: Duration = Duration::from_secs(5);
/// An answer that has not come by now will not, after the last packet.
const TIMEOUT: Duration = Duration::from_secs(1);
/// The start lasts so long at most: follow-ups at double the rate come without waiting for demand.
const START: Duration = Duration::from_millis(1_500);
/// Nothing was sent for so long: probe for a sign of life so often.
const LIFE_INTERVAL: Duration = Duration::from_secs(2);
const LIFE_LEAST: f64 = 50_000.0;
const LIFE_OF_NEXT: f64 = 0.3;
/// A queue under this at the verdict is no sign of a full path, ms.
const QUEUE_OK: f64 = 40.0;
/// A path that was measured at less than this part of the wanted rate lately will probably say no again.
const DOUBTFUL: f64 = 0.75;
const DOUBTFUL_FOR: Duration = Duration::from_secs(60);

/// The answer of the path.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Answer {
    /// What it says the path carries, bit/s.
    pub(crate) rate: f64,
    /// It arrived slower than it was sent: `rate` is the capacity, not a lower bound.
    pub(crate) limited: bool,
    /// How fast it was sent, bit/s.
    pub(crate) sent_rate: f64,
}

#[derive(Clone, Copy, Debug)]
struct Cluster {
    probe: Probe,
    asked: Timestamp,
    sent_packets: u32,
    sent_bytes: u64,
    last_sent: Timestamp,
    received: u32,
    bytes: u64,
    /// First and last, by arrival: arrival, send time, size.
    first: (i64, Timestamp, u32),
    last: (i64, Timestamp, u32),
    lost: u32,
}

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
    next_id: u32,
    pending: Option<(f64, Duration)>,
    /// At most two: the pair at the start.
    clusters: [Option<Cluster>; 2],
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
            next_id: 0,
            pending: None,
            clusters: [None; 2],
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
        let next_id = self.next_id;
        *self = Self { next_id, ..Self::new(now, Bitrate::from_f64(start)) };
    }

    /// The cluster to send now, if any.
    pub(crate) fn poll(&mut self, now: Timestamp) -> Option<Probe> {
        let (rate, duration) = self.pending.take()?;
        let slot = self.clusters.iter_mut().find(|cluster| cluster.is_none())?;
        let probe = Probe {
            id: ClusterId(self.next_id),
            rate: Bitrate::from_f64(rate),
            min_size: MIN_SIZE,
            min_packets: MIN_PACKETS,
            duration,
        };
        self.next_id = self.next_id.wrapping_add(1);
        *slot = Some(Cluster {
            probe,
            asked: now,
            sent_packets: 0,
            sent_bytes: 0,
            last_sent: now,
            received: 0,
            bytes: 0,
            first: (i64::MAX, now, 0),
            last: (i64::MIN, now, 0),
            lost: 0,
        });
        Some(probe)
    }

    /// There is a cluster to send.
    pub(crate) fn is_pending(&self) -> bool {
        self.pending.is_some()
    }

    /// A packet left.
    pub(crate) fn on_sent(&mut self, now: Timestamp, packet: &SentPacket) {
        let Some(id) = packet.probe else { return };
        if let Some(cluster) = self.clusters.iter_mut().flatten().find(|cluster| cluster.probe.id == id) {
            cluster.sent_packets += 1;
            cluster.sent_bytes += packet.size.as_bytes();
            cluster.last_sent = now;
            self.immune_until = self.immune_until.max(now + self.rtt + Duration::from_millis(400));
        }
    }

    /// A packet arrived.
    pub(crate) fn on_acked(&mut self, acked: &Acked) {
        if acked.probe == 0 {
            return;
        }
        let Some(cluster) = self.cluster(acked.probe) else { return };
        cluster.received += 1;
        cluster.bytes += u64::from(acked.size);
        let edge = (acked.arrival, acked.sent, acked.size);
        if acked.arrival < cluster.first.0 {
            cluster.first = edge;
        }
        if acked.arrival >= cluster.last.0 {
            cluster.last = edge;
        }
    }

    /// A packet of a probe was lost.
    pub(crate) fn on_lost(&mut self, probe: u8) {
        if let Some(cluster) = self.cluster(probe).filter(|_| probe != 0) {
            cluster.lost += 1;
        }
    }

    /// Whether a queue now may be the probe's own.
    pub(crate) fn excuses_queue(&self, now: Timestamp) -> bool {
        now < self.immune_until
    }

    /// A probe is under way.
    pub(crate) fn is_busy(&self) -> bool {
        self.pending.is_some() || self.clusters.iter().any(Option::is_some)
    }

    /// The start is over when nothing of it is left to ask.
    pub(crate) fn is_starting(&self, now: Timestamp) -> bool {
        now - self.born < START && (self.first_left > 0 || self.is_busy())
    }

    /// When to look again.
    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        let answers = self
            .clusters
            .iter()
            .flatten()
            .map(|cluster| cluster.last_sent.max(cluster.asked) + TIMEOUT)
            .min();
        answers.or(Some(self.earliest))
    }

    /// The answer of the oldest cluster that is complete, if one is.
    pub(crate) fn answer(&mut self, now: Timestamp, rtt: Duration, queue: Option<f64>) -> Option<Answer> {
        self.rtt = rtt;
        let complete = |cluster: &Cluster| {
            let sent_all = cluster.sent_packets >= cluster.probe.min_packets
                && cluster.sent_bytes >= cluster.probe.min_size.as_bytes()
                && now >= cluster.asked + cluster.probe.duration;
            (sent_all && cluster.received + cluster.lost >= cluster.sent_packets)
                || now - cluster.last_sent.max(cluster.asked) > TIMEOUT
        };
        let slot = self.clusters.iter_mut().find(|slot| slot.as_ref().is_some_and(complete))?;
        let cluster = slot.take()?;
        let mut answer = cluster.answer(queue);
        if let Some(answer) = answer.as_mut()
            && cluster.probe.duration == LENGTH_DOUBTFUL
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
                    self.pending = Some((2.0 * answer.rate, LENGTH_FOLLOW));
                }
            }
            Some(answer) => {
                self.deny(now, answer.sent_rate, DOUBLINGS);
                self.denied = Some((answer.rate, now));
            }
            None => self.deny(now, cluster.probe.rate.as_f64(), DOUBLINGS),
        }
        answer
    }

    /// Asks for a probe when there is a reason to.
    pub(crate) fn consider(&mut self, occasion: &Occasion) {
        let now = occasion.now;
        self.confirm(now);
        if self.pending.is_some() || self.clusters.iter().all(Option::is_some) {
            return;
        }
        if self.first_left > 0 {
            let factor = if self.first_left == 2 { 3.0 } else { 6.0 };
            let after = self.clusters.iter().flatten().map(|c| c.asked + c.probe.duration).max();
            if after.is_none_or(|after| now >= after) {
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
        if occasion.dead {
            if now >= self.earliest {
                self.earliest = now + LIFE_INTERVAL;
                self.pending = Some((LIFE_LEAST.max(LIFE_OF_NEXT * occasion.next_useful), LENGTH));
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
        let doubtful = self.denied.is_some_and(|(was, at)| was < DOUBTFUL * rate && now - at < DOUBTFUL_FOR);
        self.pending = Some((rate, if doubtful { LENGTH_DOUBTFUL } else { LENGTH }));
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

    fn cluster(&mut self, tag: u8) -> Option<&mut Cluster> {
        self.clusters.iter_mut().flatten().find(|cluster| probe_tag(cluster.probe.id.0) == tag)
    }
}

impl Cluster {
    /// What the arrivals say; nothing when too little arrived, or all at once.
    fn answer(&self, queue: Option<f64>) -> Option<Answer> {
        if self.received < 4 || f64::from(self.received) < 0.7 * f64::from(self.sent_packets) {
            return None;
        }
        let arrival_span = (self.last.0 - self.first.0) as f64 / 1e6;
        let send_span = (self.last.1 - self.first.1).as_secs_f64();
        if arrival_span <= 0.0 || send_span <= 0.0 {
            return None;
        }
        // Sent: from the first packet's start to the last one's. Received: from end to end.
        let sent_rate = (self.bytes - u64::from(self.last.2)) as f64 * 8.0 / send_span;
        let rate = (self.bytes - u64::from(self.first.2)) as f64 * 8.0 / arrival_span;
        if rate > 2.0 * sent_rate {
            return None;
        }
        if rate > 0.9 * sent_rate && queue.is_none_or(|queue| queue < QUEUE_OK) {
            return Some(Answer { rate: 0.97 * sent_rate.min(rate), limited: false, sent_rate });
        }
        Some(Answer { rate: 0.94 * rate.min(sent_rate), limited: true, sent_rate })
    }
}

#[cfg(test)]
#[path = "probe_tests.rs"]
mod tests;
