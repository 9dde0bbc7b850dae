//! One transport's estimator: takes what was sent and what came back, publishes what may be sent.
//!
//! Owns the parts, the calls of the owner and the timers: silence, stale estimates, the look at the base, probes. How a
//! report becomes signals is in `sense`, what is published in `publish`; every judgement is left to the parts.

mod publish;
mod sense;

use std::time::Duration;

use units::{DataSize, Timestamp};

use crate::acked::Meter;
use crate::backlog::Backlog;
use crate::ecn::Marks;
use crate::feedback::history::{Acked, History};
use crate::loss::{LossAction, LossInput, LossMeter, LossTest};
use crate::probe::{Occasion, Prober};
use crate::queue::{OwnBurst, Queue};
use crate::rate::{Rate, Signals};
use crate::rtt::Rtt;
use crate::slope::Slope;
use crate::train::Trains;
use crate::{Config, DemandRates, Estimate, Feedback, PacketKind, Probe, Reason, SentPacket, State};

/// What is sent falls below this share of what it was when a layer goes down. Measured rates of one and the same layer
/// differ from second to second by less, and were each dip a step down, probes would wait for ever.
const LAYER_DOWN: f64 = 0.75;

/// Below this an estimate may rise, ms; never less than the time of one packet takes.
const GATE: f64 = 12.0;
/// Silence is an outage after this, the feedback interval and the round trip.
const OUTAGE: Duration = Duration::from_millis(350);
/// A pause of feedback this long may have been a handover.
const GAP: Duration = Duration::from_millis(500);
/// Nothing sent and nothing heard for this long: base and groups are of another time.
const IDLE: Duration = Duration::from_secs(2);
/// Somebody wants media and none was sent for this long: the path is asked whether there is more.
const DARK: Duration = Duration::from_millis(800);
/// Without media for this long, the estimate is a hint.
const STALE: Duration = Duration::from_secs(10);
/// A probe that is due and has to wait for a calm queue is looked at with each report, and this often where none comes.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);
/// A probe wants an empty queue for this long before.
const CALM_BEFORE_PROBE: Duration = Duration::from_millis(500);
/// Once in so long the base should be seen; else the rate falls to this for five round trips.
const REFRESH_EACH: Duration = Duration::from_secs(20);
const REFRESH_RTTS: u32 = 5;
/// The base was seen when the queue is below this, ms.
const REFRESH_SEEN: f64 = 5.0;
/// More reports than this in a second are a flood.
const REPORTS_PER_SECOND: u32 = 200;
/// An unheard packet leaves the count in flight after twice the longest round trip and this.
const FORGET: Duration = Duration::from_secs(1);
/// Lost reports widen the window by the wait they made, up to this; it is forgotten by so much with each report.
const REPORT_GAP_MAX: Duration = Duration::from_millis(500);
const REPORT_GAP_DECAY: f64 = 0.99;

/// See the crate's documentation for the calling order.
#[derive(Clone, Debug)]
pub struct Estimator {
    config: Config,
    history: History,
    rtt: Rtt,
    /// Mean time between reports.
    interval: Duration,
    /// Longest wait that a lost report made, lately: the window must not close over it.
    report_gap: Duration,
    queue: Queue,
    burst: OwnBurst,
    slope: Slope,
    trains: Trains,
    acked: Meter,
    sent: Meter,
    media: Meter,
    loss: LossMeter,
    test: LossTest,
    prober: Prober,
    marks: Marks,
    rate: Rate,
    demand: Option<DemandRates>,
    batch: Vec<Acked>,
    /// Burst explained by the packets of the last report, ms.
    explained: f64,
    last_report: Option<Timestamp>,
    newest_arrival: Option<i64>,
    newest_reported: Timestamp,
    last_media: Option<Timestamp>,
    outage: bool,
    /// When the window last held something back.
    held_at: Option<Timestamp>,
    /// Since when the queue has been next to nothing.
    calm_since: Option<Timestamp>,
    backlog: Backlog,
    /// Pacing rate, bit/s, and window, bytes, as of the last change: what is asked per packet must be cheap.
    current: (f64, f64),
    /// The whole estimate as of then.
    published: Option<Estimate>,
    base_seen: Timestamp,
    refresh_until: Option<Timestamp>,
    flood: (u64, u32),
    stale: bool,
    /// What is known became old, and nothing was asked since.
    to_revive: bool,
    now: Timestamp,
    /// When it was last considered whether to ask something: with a report or at a timeout.
    looked_at: Timestamp,
}

impl Estimator {
    /// An estimator that knows nothing yet.
    pub fn new(now: Timestamp, config: Config) -> Self {
        Self {
            history: History::default(),
            rtt: Rtt::new(),
            interval: Duration::from_millis(100),
            report_gap: Duration::ZERO,
            queue: Queue::default(),
            burst: OwnBurst::default(),
            slope: Slope::default(),
            trains: Trains::default(),
            acked: Meter::default(),
            sent: Meter::default(),
            media: Meter::default(),
            loss: LossMeter::default(),
            test: LossTest::default(),
            prober: Prober::new(now, config.start),
            marks: Marks::default(),
            rate: Rate::new(config.start, config.min, config.max),
            demand: None,
            batch: Vec::new(),
            explained: 0.0,
            last_report: None,
            newest_arrival: None,
            newest_reported: Timestamp::ZERO,
            last_media: None,
            outage: false,
            held_at: None,
            calm_since: None,
            backlog: Backlog::new(now),
            current: (f64::INFINITY, f64::INFINITY),
            published: None,
            base_seen: now,
            refresh_until: None,
            flood: (0, 0),
            stale: false,
            to_revive: false,
            now,
            looked_at: now,
            config,
        }
    }

    /// The socket took a packet.
    pub fn on_packet_sent(&mut self, now: Timestamp, packet: SentPacket) {
        self.now = now;
        let size = u32::try_from(packet.size.as_bytes()).unwrap_or(u32::MAX);
        let burst = self.burst.on_sent(now, packet.size, self.rate.target());
        if self.history.in_flight().is_zero() && self.last_report.is_some_and(|at| now - at > IDLE) {
            // Silence by our own choice: delays of before say nothing of now.
            self.queue.reset();
            self.slope.reset();
            self.acked.clear();
            self.base_seen = now;
        }
        self.history.on_sent(now, &packet, burst);
        self.watch_window(now);
        self.prober.on_sent(now, &packet);
        if packet.kind == PacketKind::Media {
            self.advance_backlog(now);
            self.backlog.on_sent(packet.size, self.current.0);
        }
        self.sent.add(micros(now), size);
        if matches!(packet.kind, PacketKind::Media | PacketKind::Rtx) {
            self.media.add(micros(now), size);
            self.last_media = Some(now);
            self.stale = false;
            self.revive(now);
        }
    }

    /// A report came in. Reports of packets that were not sent, and more than 200 reports a second, are ignored.
    pub fn on_feedback(&mut self, now: Timestamp, feedback: &Feedback<'_>) {
        self.now = now;
        if self.is_flood(now) || !self.history.were_sent(feedback.results) {
            return;
        }
        let since = self.last_report.map(|at| now - at);
        self.last_report = Some(now);
        let after_gap = since.is_some_and(|time| time > GAP) && !self.history.in_flight().is_zero();
        if let Some(time) = since.filter(|time| *time < Duration::from_secs(1)) {
            self.interval = (self.interval * 9 + time) / 10;
        }
        let (newest, passed_over) = self.digest(now, feedback);
        self.report_gap = self.report_gap.mul_f64(REPORT_GAP_DECAY);
        if passed_over {
            let wait = since.unwrap_or_default().min(REPORT_GAP_MAX).saturating_sub(self.interval);
            self.report_gap = self.report_gap.max(wait);
        }
        if let Some(newest) = newest {
            let wait =
                feedback.sent.map_or(0, |sent| (sent.as_micros() - newest.arrival).clamp(0, 1_000_000));
            self.rtt.on_sample(now, (now - newest.sent).saturating_sub(Duration::from_micros(wait as u64)));
            self.newest_reported = self.newest_reported.max(newest.sent);
        }
        self.outage = false;
        let dt = since.unwrap_or(self.interval).as_secs_f64().min(0.3);
        self.trains.forget(dt);
        if let Some(seen) = self.queue.update(now, dt) {
            self.control(now, dt, self.present_queue(seen), after_gap);
        } else {
            self.answer_probes(now);
        }
        self.consider_probe(now);
        self.looked_at = now;
        self.history.expire(now, self.rtt.max() * 2 + FORGET);
        self.refresh();
    }

    /// A round-trip time measured elsewhere, for example by STUN.
    pub fn on_rtt(&mut self, now: Timestamp, rtt: Duration) {
        self.rtt.on_sample(now, rtt);
    }

    /// What is known of delays is of another path, or of another clock.
    fn forget_delays(&mut self, now: Timestamp) {
        self.queue.reset();
        self.slope.reset();
        self.trains = Trains::default();
        self.acked.clear();
        (self.newest_arrival, self.base_seen) = (None, now);
    }

    /// The transport moved to another network path (an ICE pair was nominated).
    pub fn on_route_change(&mut self, now: Timestamp) {
        self.now = now;
        self.forget_delays(now);
        self.rtt = Rtt::new();
        // What is under way there says nothing about this path, and must not fill its window.
        self.history.expire(now, Duration::ZERO);
        (self.loss, self.test) = (LossMeter::default(), LossTest::default());
        self.marks = Marks::default();
        self.rate.on_route_change(self.config.start.as_f64());
        self.prober.restart(now, self.rate.target());
        (self.refresh_until, self.calm_since) = (None, None);
        self.consider_probe(now);
        self.refresh();
    }

    /// What the allocator could use.
    pub fn set_demand(&mut self, now: Timestamp, demand: DemandRates) {
        self.now = now;
        self.advance_backlog(now);
        let before = self.demand.replace(demand);
        if before.is_some_and(|before| demand.current < before.current.scaled(LAYER_DOWN)) {
            self.prober.on_downgrade(now);
        }
        self.consider_probe(now);
        self.refresh();
    }

    /// Time passed. Call at [`Estimator::poll_timeout`]; more often does no harm.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        (self.now, self.looked_at) = (now, now);
        if self.outage_at().is_some_and(|at| now >= at) {
            self.outage = true;
        }
        if self.refresh_until.is_some_and(|until| now >= until) {
            self.refresh_until = None;
            self.base_seen = now;
        }
        if !self.stale && self.last_media.is_some_and(|at| now - at >= STALE) {
            self.stale = true;
            self.to_revive = true;
            self.rate.on_stale(self.config.start.as_f64());
        }
        if self.is_dark(now) {
            self.revive(now);
        }
        self.answer_probes(now);
        self.consider_probe(now);
        self.history.expire(now, self.rtt.max() * 2 + FORGET);
        self.refresh();
    }

    /// When to call [`Estimator::handle_timeout`] if nothing happens before. Never `None` while somebody wants media.
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        let probe = self.may_ask().then(|| self.prober.deadline()).flatten();
        let probe = probe.map(|at| at.max(self.looked_at + LOOK_INTERVAL));
        let stale = self.last_media.filter(|_| !self.stale).map(|at| at + STALE);
        [self.outage_at().filter(|_| !self.outage), self.refresh_until, probe, stale]
            .into_iter()
            .flatten()
            .min()
    }

    /// There is something that a probe could find out for somebody.
    fn may_ask(&self) -> bool {
        self.prober.is_busy()
            || self.is_dark(self.now)
            || self.demand.is_none_or(|demand| demand.max_useful.as_f64() > self.rate.target())
    }

    /// Somebody wants media, and none leaves.
    fn is_dark(&self, now: Timestamp) -> bool {
        self.demand.is_some_and(|demand| !demand.max_useful.is_zero())
            && self.last_media.is_none_or(|at| now - at > DARK)
    }

    /// The start again, once for each time that what was known became old, as soon as somebody wants something.
    fn revive(&mut self, now: Timestamp) {
        if std::mem::take(&mut self.to_revive) {
            self.prober.restart(now, self.rate.target());
        }
    }

    /// A probe to send now, if there is one.
    pub fn poll_probe(&mut self, now: Timestamp) -> Option<Probe> {
        self.consider_probe(now);
        self.prober.poll(now)
    }

    /// Bytes sent and not yet heard of.
    pub fn in_flight(&self) -> DataSize {
        self.history.in_flight()
    }

    /// When the silence becomes an outage, if something is in flight.
    fn outage_at(&self) -> Option<Timestamp> {
        let oldest = self.history.oldest_in_flight(self.now)?;
        let heard = self.last_report.map_or(oldest, |at| at.max(oldest));
        Some(heard + OUTAGE + self.interval + self.rtt.smoothed())
    }

    fn is_flood(&mut self, now: Timestamp) -> bool {
        let second = now.as_micros() / 1_000_000;
        if self.flood.0 != second {
            self.flood = (second, 0);
        }
        self.flood.1 += 1;
        self.flood.1 > REPORTS_PER_SECOND
    }

    /// Once per report: everything that may move the target.
    fn control(&mut self, now: Timestamp, dt: f64, queue: f64, after_gap: bool) {
        self.answer_probes(now);
        let signals = self.signals(now, dt, queue, after_gap);
        let state = self.rate.state();
        self.watch_calm(now, queue, &signals);
        if let Some(factor) = self.marks.step(now, self.rtt.smoothed()) {
            self.rate.cut_for_marks(now, factor);
        }
        let input = LossInput {
            now,
            dt,
            target: self.rate.target(),
            delivered: signals.acked[2],
            sent: signals.sent_reported,
            queued: queue > signals.threshold || self.rate.state() == State::Competing,
            empty: queue < 10.0,
            limited: signals.limited,
        };
        match self.test.step(&self.loss, &input) {
            LossAction::None => {}
            LossAction::Set(target, reason) => self.rate.set(target, reason),
            LossAction::Limit { target, ceiling } => {
                self.rate.set(target, Reason::LossOfRate);
                self.rate.set_ceiling(now, ceiling);
            }
        }
        self.rate.step(&signals, &mut self.queue);
        // A capacity that fell under us is no answer to what was asked before it fell.
        if self.rate.state() == State::Drain && state != State::Drain && !self.rate.is_barred(now) {
            self.prober.on_congestion(now);
        }
    }

    fn watch_calm(&mut self, now: Timestamp, queue: f64, signals: &Signals) {
        if queue >= signals.gate {
            self.calm_since = None;
        } else if self.calm_since.is_none() {
            self.calm_since = Some(now);
        }
        if queue < REFRESH_SEEN.max(signals.gate - GATE) {
            (self.base_seen, self.refresh_until) = (now, None);
        } else if now - self.base_seen > REFRESH_EACH
            && self.refresh_until.is_none()
            && !signals.limited
            && matches!(self.rate.state(), State::Increase | State::Hold)
        {
            self.refresh_until = Some(now + self.rtt.smoothed() * REFRESH_RTTS);
        }
    }

    fn answer_probes(&mut self, now: Timestamp) {
        while let Some(answer) = self.prober.answer(now, self.rtt.smoothed(), self.queue.current()) {
            let target = self.rate.target();
            if answer.limited {
                self.rate.set_ceiling(now, answer.capacity());
            }
            let state = self.rate.state();
            if answer.rate > target && !matches!(state, State::Drain | State::Competing) {
                let reason = if answer.limited { Reason::ProbeMeasured } else { Reason::ProbeArrived };
                self.rate.set(answer.rate, reason);
            }
        }
    }

    fn consider_probe(&mut self, now: Timestamp) {
        let target = self.rate.target();
        let demand = self.demand.unwrap_or_default();
        let dark = self.is_dark(now);
        let state = self.rate.state();
        let occasion = Occasion {
            now,
            target,
            next_useful: demand.next_useful.as_f64(),
            max_useful: demand.max_useful.as_f64(),
            bounded: self.demand.is_some(),
            limited: self.is_limited(now),
            calm: self.calm_since.is_some_and(|since| now - since >= CALM_BEFORE_PROBE)
                && !self.test.is_watching()
                && self.test.limit().is_none()
                && !self.outage
                && matches!(state, State::Increase | State::Hold),
            dead: dark && self.last_report.is_some(),
            wanted: if self.outage { None } else { self.rate.take_ask() },
        };
        self.prober.consider(&occasion);
    }

    #[cfg(test)]
    pub(crate) fn heap_bytes(&self) -> usize {
        self.history.heap_bytes()
            + self.queue.heap_bytes()
            + [&self.acked, &self.sent, &self.media].iter().map(|meter| meter.heap_bytes()).sum::<usize>()
            + self.batch.capacity() * size_of::<Acked>()
    }
}

fn micros(at: Timestamp) -> i64 {
    i64::try_from(at.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod long_tests;
#[cfg(test)]
mod tests;
