//! Loss: how much there is, and whether it answers to our rate.
//!
//! Owns the loss windows and the test that tells loss of the path (a radio, a bad cable: the same at every rate) from
//! loss of the rate (a policer or a buffer too short to show as delay: gone below its limit). Leaves loss that comes
//! with a queue to the controller: there the queue says all.
//!
//! The test cuts the rate below what is *delivered* and watches. A policer of rate R that gets S passes R of it, so
//! below R its loss is zero: however deep the loss was, the two hypotheses predict values far apart. A cut by a fixed
//! part would not do: from 50 % loss a cut by 12 % leaves a policer at 43 %, which passes for indifference. Loss that
//! comes in bursts needs a longer look than loss that does not, so the watch ends when the count of *bursts* seen
//! settles the question, not after a fixed time.
//!
//! A sender of few packets sees large ratios by chance: two lost of fifteen are 13 %, and after them comes less, as
//! after every extreme. So an alarm looks back until it has enough packets and is told how far chance reaches, and a
//! limit is believed only when less was lost than chance allows. What stays undecided changes nothing.

use units::Timestamp;

use crate::Reason;

/// Width of a bucket, µs of send time.
const BUCKET: i64 = 50_000;
const BUCKETS: usize = 64;
/// The two windows, µs.
const SHORT: i64 = 600_000;
const LONG: i64 = 3_000_000;
/// Fewer packets than this are not a ratio.
const ENOUGH: u32 = 15;
/// An alarm looks at the shorter window, or so far back that it holds this many, up to the longer one.
const ENOUGH_TO_ALARM: u32 = 60;

/// What a window of sent packets came to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct LossWindow {
    /// Packets whose fate is known.
    pub(crate) packets: u32,
    /// Lost ones.
    pub(crate) lost: u32,
    /// Runs of lost ones.
    pub(crate) bursts: u32,
}

impl LossWindow {
    /// Lost part, or `None` when there are too few packets to say.
    pub(crate) fn ratio(self) -> Option<f64> {
        (self.packets >= ENOUGH).then(|| f64::from(self.lost) / f64::from(self.packets))
    }

    /// Mean length of a run.
    fn burst_length(self) -> f64 {
        f64::from(self.lost.max(1)) / f64::from(self.bursts.max(1))
    }

    /// One standard deviation of the ratio when each packet is lost with probability `p`, in runs of `burst`.
    fn spread(self, p: f64, burst: f64) -> f64 {
        (p * burst / f64::from(self.packets.max(1))).sqrt()
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    slot: i64,
    received: u16,
    lost: u16,
    bursts: u16,
}

/// Counts of packets by send time, so that a packet that turns up late is taken from where it was counted.
#[derive(Clone, Debug, Default)]
pub(crate) struct LossMeter {
    buckets: Vec<Bucket>,
    newest: Option<i64>,
    /// When the newest packet that was lost had been sent.
    newest_lost: Option<i64>,
}

impl LossMeter {
    pub(crate) fn on_received(&mut self, sent: Timestamp) {
        if let Some(bucket) = self.bucket(sent) {
            bucket.received = bucket.received.saturating_add(1);
        }
    }

    /// `after_loss`: the packet before it was lost as well.
    pub(crate) fn on_lost(&mut self, sent: Timestamp, after_loss: bool) {
        self.newest_lost = self.newest_lost.max(Some(micros(sent)));
        if let Some(bucket) = self.bucket(sent) {
            bucket.lost = bucket.lost.saturating_add(1);
            bucket.bursts = bucket.bursts.saturating_add(u16::from(!after_loss));
        }
    }

    /// It was counted lost and arrived after all.
    pub(crate) fn on_recovered(&mut self, sent: Timestamp) {
        if let Some(bucket) = self.bucket(sent) {
            bucket.lost = bucket.lost.saturating_sub(1);
            bucket.bursts = bucket.bursts.min(bucket.lost);
            bucket.received = bucket.received.saturating_add(1);
        }
    }

    /// The last `span` µs of sending that were reported on.
    pub(crate) fn recent(&self, span: i64) -> LossWindow {
        self.newest.map_or_else(LossWindow::default, |newest| self.from(newest - span))
    }

    /// Nothing was lost for longer than any window.
    fn is_clean(&self) -> bool {
        match (self.newest, self.newest_lost) {
            (Some(newest), Some(lost)) => newest - lost > LONG + BUCKET,
            (_, lost) => lost.is_none(),
        }
    }

    /// What was sent from `start` on, µs, as far as it was reported on.
    fn from(&self, start: i64) -> LossWindow {
        let mut window = LossWindow::default();
        let Some(newest) = self.newest else { return window };
        let last = newest.div_euclid(BUCKET);
        for slot in (start.div_euclid(BUCKET) + 1).max(last - BUCKETS as i64 + 1)..=last {
            let bucket = self.buckets[slot.rem_euclid(BUCKETS as i64) as usize];
            if bucket.slot == slot {
                window.packets += u32::from(bucket.received) + u32::from(bucket.lost);
                window.lost += u32::from(bucket.lost);
                window.bursts += u32::from(bucket.bursts);
            }
        }
        window
    }

    /// The last `span` µs, but nothing sent before `start`, µs.
    fn since(&self, start: i64, span: i64) -> LossWindow {
        self.newest.map_or_else(LossWindow::default, |newest| self.from((newest - span).max(start)))
    }

    /// The shorter window, or as much more as it takes to hold enough packets for an alarm, but nothing sent before
    /// `start`, µs.
    fn telling(&self, start: i64) -> LossWindow {
        let Some(newest) = self.newest else { return LossWindow::default() };
        let mut span = SHORT;
        loop {
            let window = self.from((newest - span).max(start));
            if window.packets >= ENOUGH_TO_ALARM || span == LONG || newest - span < start {
                return window;
            }
            span = (2 * span).min(LONG);
        }
    }

    fn bucket(&mut self, sent: Timestamp) -> Option<&mut Bucket> {
        if self.buckets.is_empty() {
            self.buckets = vec![Bucket { slot: i64::MIN, ..Bucket::default() }; BUCKETS];
        }
        let time = micros(sent);
        self.newest = Some(self.newest.map_or(time, |newest| newest.max(time)));
        let slot = time.div_euclid(BUCKET);
        let bucket = &mut self.buckets[slot.rem_euclid(BUCKETS as i64) as usize];
        if bucket.slot < slot {
            *bucket = Bucket { slot, ..Bucket::default() };
        }
        (bucket.slot == slot).then_some(bucket)
    }
}

fn micros(at: Timestamp) -> i64 {
    i64::try_from(at.as_micros()).unwrap_or(i64::MAX)
}

/// What the test wants done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum LossAction {
    /// Nothing.
    None,
    /// Set the target to this, bit/s, and hold it.
    Set(f64, Reason),
    /// Set the target to this and remember this ceiling, bit/s.
    Limit { target: f64, ceiling: f64 },
}

/// What the controller knows when the test asks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LossInput {
    pub(crate) now: Timestamp,
    pub(crate) dt: f64,
    pub(crate) target: f64,
    /// Delivered over the last half second, bit/s.
    pub(crate) delivered: Option<f64>,
    /// Sent over the last 300 ms, bit/s.
    pub(crate) sent: f64,
    /// The queue is over its threshold: loss adds nothing to that.
    pub(crate) queued: bool,
    /// The queue is next to nothing.
    pub(crate) empty: bool,
    /// The sender does not use what it has.
    pub(crate) limited: bool,
}

#[derive(Clone, Copy, Debug)]
struct Watch {
    since: Timestamp,
    /// Loss before the cut, as the path's hypothesis expects it after the cut.
    before: LossWindow,
    loss: f64,
    target: f64,
    delivered: f64,
    /// What was really sent, bit/s.
    sent: f64,
}

/// A limit that drops what is over it.
#[derive(Clone, Copy, Debug)]
struct Limit {
    rate: f64,
    seen: Timestamp,
    /// How often it was found before.
    again: u32,
}

/// The reduce-and-watch test.
#[derive(Clone, Debug, Default)]
pub(crate) struct LossTest {
    inherent: f64,
    watch: Option<Watch>,
    limit: Option<Limit>,
    /// How many were found since one turned out to be none.
    limits: u32,
    /// When a queue last stood.
    queued_at: Option<Timestamp>,
    /// When a test last ended.
    judged_at: Option<Timestamp>,
    /// A limit was believed and turned out not to be one: do not fall for the same again so soon.
    disproved: Option<Timestamp>,
}

impl LossTest {
    /// Loss this far over the path's own starts a test.
    const ALARM: f64 = 0.05;
    /// Any path may lose this much, for all that is known at the start.
    const USUAL: f64 = 0.02;
    /// Chance reaches so many standard deviations.
    const CHANCE: f64 = 4.0;
    const CHANCE_OF_VERDICT: f64 = 2.0;
    /// So much of a sender that does not use its target: the test would take from it what it does use.
    const ALARM_LIMITED: f64 = 0.1;
    /// And this far starts a cut near a limit that is known.
    const ALARM_AT_LIMIT: f64 = 0.015;
    /// Less inherent loss than this is none.
    const NOTHING: f64 = 1e-4;
    /// More than this is nobody's radio.
    const INHERENT_MAX: f64 = 0.4;
    /// Loss so soon after a queue is the queue's, s.
    const AFTER_QUEUE: f64 = 1.0;
    /// What was in the pacer at the cut leaves meanwhile, s.
    const SETTLE: f64 = 0.25;
    /// The test's rate: below what is delivered, at most and at least this much of the target.
    const BELOW_DELIVERED: f64 = 0.95;
    const CUT: f64 = 0.88;
    const CUT_AT_LIMIT: f64 = 0.93;
    const CUT_LEAST: f64 = 0.3;
    /// A test says something when this much less was really sent.
    const SLOWER: f64 = 0.95;
    /// Fewest packets of a verdict.
    const WATCH_PACKETS: u32 = 40;
    /// Longest wait for a clear answer, and for any, s.
    const WATCH_MAX: f64 = 2.5;
    const GIVE_UP: f64 = 5.0;
    /// A target counts as used up to this much of what is sent.
    const USED: f64 = 1.1;
    /// A limit that was not met for so long is forgotten, s: at first, and each time that it is found again twice as long, up
    /// to this. What was taken for one may have been a few bursts of the path.
    const LIMIT_AGE: (f64, f64) = (8.0, 32.0);
    /// After an error a limit is believed less easily for so long, s.
    const DISPROVED_FOR: f64 = 15.0;

    /// The part that is lost whatever we do.
    pub(crate) fn inherent(&self) -> f64 {
        self.inherent
    }

    /// A test runs: nobody else may move the rate upwards.
    pub(crate) fn is_watching(&self) -> bool {
        self.watch.is_some()
    }

    /// The rate of a limit that drops what is over it, bit/s, if one is known.
    pub(crate) fn limit(&self) -> Option<f64> {
        self.limit.map(|limit| limit.rate)
    }

    /// Once per report.
    pub(crate) fn step(&mut self, meter: &LossMeter, input: &LossInput) -> LossAction {
        if input.queued {
            self.queued_at = Some(input.now);
        }
        if self.is_idle() && meter.is_clean() {
            return LossAction::None;
        }
        self.relax(meter, input);
        if let Some(watch) = self.watch {
            self.judged_at = Some(input.now);
            return self.judge(meter, input, watch);
        }
        // What a full queue dropped says nothing about the path without one.
        let start = self.queued_at.map_or(i64::MIN, micros);
        let seen = meter.telling(start);
        if self.limit.is_some_and(|limit| self.is_forgotten(input, limit)) {
            self.limit = None;
        }
        // What a full queue dropped is in the window for a while after the queue is gone.
        let after_queue = self.queued_at.is_some_and(|at| (input.now - at).as_secs_f64() < Self::AFTER_QUEUE);
        if after_queue {
            return LossAction::None;
        }
        let Some(loss) = seen.ratio() else { return LossAction::None };
        // More than any radio loses, and for long, is the rate's, however much of it was taken for the path's.
        let long = meter.since(start.max(self.judged_at.map_or(i64::MIN, micros)), LONG);
        let beyond = long.ratio().is_some_and(|long| long.min(loss) > Self::INHERENT_MAX);
        if seen.bursts >= 2 && (beyond || loss > self.alarm(seen, input.limited)) {
            return self.begin(input, seen, loss);
        }
        LossAction::None
    }

    /// Loss over this starts a test: more than chance brings, and less near a limit that is known.
    fn alarm(&self, window: LossWindow, limited: bool) -> f64 {
        let known = self.limit.is_some();
        let least = match () {
            () if known => Self::ALARM_AT_LIMIT,
            () if limited => Self::ALARM_LIMITED,
            () => Self::ALARM,
        };
        let usual = if known { self.inherent } else { self.inherent.max(Self::USUAL) };
        (self.inherent + least).max(usual + Self::CHANCE * window.spread(usual, window.burst_length()))
    }

    /// Nothing is known, so nothing can be learnt from no loss.
    fn is_idle(&self) -> bool {
        self.watch.is_none() && self.limit.is_none() && self.inherent < Self::NOTHING
    }

    fn is_forgotten(&self, input: &LossInput, limit: Limit) -> bool {
        let age = (Self::LIMIT_AGE.0 * f64::from(1 << limit.again.min(8))).min(Self::LIMIT_AGE.1);
        (input.now - limit.seen).as_secs_f64() > age || input.target > 1.3 * limit.rate
    }

    fn begin(&mut self, input: &LossInput, before: LossWindow, loss: f64) -> LossAction {
        // An alarm fires on the highest of many looks: what to expect afterwards is nearer to the long run.
        let expected = (loss - before.spread(loss, before.burst_length())).max(loss / 2.0);
        let arriving = input.delivered.unwrap_or(input.target * (1.0 - loss));
        let most = if self.limit.is_some() { Self::CUT_AT_LIMIT } else { Self::CUT };
        // Of a sender that does not use its target, only less than what it sends is less.
        let used = input.target.min(Self::USED * input.sent.max(arriving));
        let target = (Self::BELOW_DELIVERED * arriving).clamp(Self::CUT_LEAST * used, most * used);
        self.watch = Some(Watch {
            since: input.now,
            before,
            loss: expected,
            target: input.target,
            delivered: arriving,
            sent: input.sent,
        });
        LossAction::Set(target, Reason::LossTest)
    }

    fn judge(&mut self, meter: &LossMeter, input: &LossInput, watch: Watch) -> LossAction {
        let elapsed = (input.now - watch.since).as_secs_f64();
        let after = meter.from(micros(watch.since) + (Self::SETTLE * 1e6) as i64);
        // Only what left more slowly can tell: a pacer's backlog or a source that lags may still be at the old rate.
        let slower = input.sent / watch.sent.max(1.0);
        let (Some(loss), true, true) =
            (after.ratio(), after.packets >= Self::WATCH_PACKETS, slower <= Self::SLOWER)
        else {
            return if elapsed > Self::GIVE_UP { self.undecided(watch) } else { LossAction::None };
        };
        if loss > watch.loss + Self::CHANCE * after.spread(watch.loss, after.burst_length()) {
            // More is lost of less: what was seen before was the beginning of it, a bucket that was not yet empty. Ask anew.
            let again = self.begin(input, after, loss);
            if let Some(begun) = self.watch.as_mut() {
                begun.target = watch.target;
            }
            return again;
        }
        // Loss of the rate: what exceeded the limit is gone now, or less of it is left.
        let of_rate = (1.0 - (1.0 - watch.loss) / slower).max(0.0);
        let middle = 0.5 * (watch.loss + of_rate);
        let burst = watch.before.burst_length().max(after.burst_length());
        let close = (loss - middle).abs() < 2.0 * after.spread(middle, burst);
        if close && elapsed < Self::WATCH_MAX {
            return LossAction::None;
        }
        let recently_wrong =
            self.disproved.is_some_and(|at| (input.now - at).as_secs_f64() < Self::DISPROVED_FOR);
        // After an error only little of the loss may be left for a limit to be believed.
        if loss > if recently_wrong { 0.5 * middle } else { middle } {
            self.watch = None;
            if self.limit.take().is_some() {
                self.disproved = Some(input.now);
                self.limits = 0;
            }
            self.inherent = self.inherent.max(0.9 * loss).min(Self::INHERENT_MAX);
            return LossAction::Set(0.97 * watch.target, Reason::LossOfPath);
        }
        let chance = Self::CHANCE_OF_VERDICT * after.spread(watch.loss, burst);
        if self.limit.is_none() && loss > watch.loss - chance {
            // As little may be chance on a path that always loses this much.
            return if elapsed > Self::GIVE_UP { self.undecided(watch) } else { LossAction::None };
        }
        self.watch = None;
        let rate = watch.delivered.min(watch.target);
        self.limits += 1;
        self.limit = Some(Limit { rate, seen: input.now, again: self.limits - 1 });
        LossAction::Limit { target: 0.97 * rate, ceiling: rate }
    }

    /// Nothing was learnt, so nothing changes.
    fn undecided(&mut self, watch: Watch) -> LossAction {
        self.watch = None;
        LossAction::Set(0.97 * watch.target, Reason::LossOfPath)
    }

    /// What is always lost is learnt slowly and forgotten fast.
    fn relax(&mut self, meter: &LossMeter, input: &LossInput) {
        let Some(long) = meter.recent(LONG).ratio() else { return };
        if self.watch.is_some() {
            return;
        }
        if long < self.inherent {
            self.inherent += (long - self.inherent) * input.dt.min(1.0);
        } else if input.empty && self.limit.is_none() {
            self.inherent += (long.min(Self::INHERENT_MAX) - self.inherent) * (0.2 * input.dt).min(1.0);
        }
    }
}

#[cfg(test)]
#[path = "loss_tests.rs"]
mod tests;
