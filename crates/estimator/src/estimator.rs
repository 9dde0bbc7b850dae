//! One transport's estimator: takes what was sent and what came back, publishes what may be sent.
//!
//! Owns the order in which the parts see a report, and the last word on what is published: the controller's target,
//! scaled down while nothing is heard or more is in flight than the window. Leaves every judgement to the parts.

use std::time::Duration;

use units::{Bitrate, DataSize, Timestamp};

use crate::acked::Meter;
use crate::ecn::Marks;
use crate::feedback::history::{Acked, Gap, History, Verdict};
use crate::loss::{LossAction, LossInput, LossMeter, LossTest};
use crate::probe::{Occasion, Prober};
use crate::queue::{OwnBurst, Queue};
use crate::rate::{Rate, Signals};
use crate::rtt::Rtt;
use crate::slope::Slope;
use crate::{
    Config, DemandRates, Estimate, Feedback, Insight, PacketKind, Probe, Reason, SentPacket, State, window,
};

/// Pacing over the target: a frame leaves in less time than it lasts. While draining there is no hurry.
const PACING: f64 = 1.4;
const PACING_DRAIN: f64 = 1.1;
const PACING_OF_CAPACITY: f64 = 0.9;
/// A pacer that is busy for the former time may have a backlog, one that is for the latter has one, s.
const BUSY: (f64, f64) = (0.04, 0.14);
const BACKLOG_TARGET: f64 = 0.5;
/// A next useful rate within this of the current one is an encoder's, not a layer's.
const ELASTIC: f64 = 1.2;
/// Timers are late by so much.
const PACER_SLACK: Duration = Duration::from_millis(3);
/// Media below this part of the target over a second: the sender does not use what it has.
const LIMITED: f64 = 0.75;
const LIMITED_WINDOW: i64 = 1_000_000;
/// An application that asks for this much of the target uses all it has, whatever the last second says.
const USES_ALL: f64 = 0.9;
/// After the window held something back, for so long less was sent than was there.
const HELD_FOR: Duration = Duration::from_secs(1);
/// The window holds back when this much of it is full.
const HELD: f64 = 0.9;
/// Below this an estimate may rise, ms; never less than the time of one packet takes.
const GATE: f64 = 12.0;
/// A packet, for the time that one takes, bytes.
const PACKET: f64 = 1_200.0;
/// Slow links: how much of one packet's time the gate allows, and at most, ms.
const PACKET_TIMES: f64 = 1.25;
const GATE_MAX: f64 = 60.0;
/// A queue that stops the climb is not yet congestion: this lies between, ms.
const GATE_TO_THRESHOLD: f64 = 3.0;
/// Silence is an outage after this, the feedback interval and the round trip.
const OUTAGE: Duration = Duration::from_millis(350);
/// What is published of the target meanwhile.
const OUTAGE_PUBLISHED: f64 = 0.35;
/// A pause of feedback this long may have been a handover.
const GAP: Duration = Duration::from_millis(500);
/// Nothing sent and nothing heard for this long: base and groups are of another time.
const IDLE: Duration = Duration::from_secs(2);
/// Without media for this long, the estimate is a hint.
const STALE: Duration = Duration::from_secs(10);
/// A probe wants an empty queue for this long before.
const CALM_BEFORE_PROBE: Duration = Duration::from_millis(700);
/// Once in so long the base should be seen; else the rate falls to this for five round trips.
const REFRESH_EACH: Duration = Duration::from_secs(20);
const REFRESH_RATE: f64 = 0.75;
const REFRESH_RTTS: u32 = 5;
/// The base was seen when the queue is below this, ms.
const REFRESH_SEEN: f64 = 5.0;
/// More reports than this in a second are a flood.
const REPORTS_PER_SECOND: u32 = 200;
/// Reports are digested in pieces of this many arrivals, so that one costs bounded memory.
const PIECE: usize = 256;
/// An unheard packet leaves the count in flight after twice the longest round trip and this.
const FORGET: Duration = Duration::from_secs(1);
/// Arrivals at so many times the target are what a stall held back.
const RELEASED: f64 = 1.3;
/// Lost reports widen the window by the wait they made, up to this; it is forgotten by so much with each report.
const REPORT_GAP_MAX: Duration = Duration::from_millis(500);
const REPORT_GAP_DECAY: f64 = 0.99;
/// Optimistic acknowledgements: never believe more than this much of what was sent.
const BELIEVED: f64 = 1.5;

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
    busy_since: Timestamp,
    last_sent: (Timestamp, DataSize),
    base_seen: Timestamp,
    refresh_until: Option<Timestamp>,
    flood: (u64, u32),
    stale: bool,
    now: Timestamp,
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
            busy_since: now,
            last_sent: (now, DataSize::ZERO),
            base_seen: now,
            refresh_until: None,
            flood: (0, 0),
            stale: false,
            now,
            config,
        }
    }

    /// The socket took a packet.
    pub fn on_packet_sent(&mut self, now: Timestamp, packet: SentPacket) {
        self.now = now;
        let size = u32::try_from(packet.size.as_bytes()).unwrap_or(u32::MAX);
        let burst = self.burst.on_sent(now, packet.size, Bitrate::from_f64(self.rate.target()));
        if self.history.in_flight().is_zero() && self.last_report.is_some_and(|at| now - at > IDLE) {
            // Silence by our own choice: delays of before say nothing of now.
            self.queue.reset();
            self.slope.reset();
            self.acked.clear();
            self.base_seen = now;
        }
        self.history.on_sent(now, &packet, burst);
        let window = self.window(Bitrate::from_f64(self.rate.target()));
        if self.history.in_flight().as_bytes() as f64 >= HELD * window.as_bytes() as f64 {
            self.held_at = Some(now);
        }
        self.prober.on_sent(now, &packet);
        if packet.kind == PacketKind::Media {
            self.watch_pacer(now, packet.size);
        }
        self.sent.add(micros(now), size);
        if matches!(packet.kind, PacketKind::Media | PacketKind::Rtx) {
            self.media.add(micros(now), size);
            self.last_media = Some(now);
            self.stale = false;
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
        if let Some(seen) = self.queue.update(now, dt) {
            self.control(now, dt, self.present_queue(seen), after_gap);
        }
        self.consider_probe(now);
        self.history.expire(now, self.rtt.max() * 2 + FORGET);
    }

    /// A round-trip time measured elsewhere, for example by STUN.
    pub fn on_rtt(&mut self, now: Timestamp, rtt: Duration) {
        self.rtt.on_sample(now, rtt);
    }

    /// The transport moved to another network path (an ICE pair was nominated).
    pub fn on_route_change(&mut self, now: Timestamp) {
        self.now = now;
        self.queue.reset();
        self.slope.reset();
        self.acked.clear();
        self.rtt = Rtt::new();
        (self.loss, self.test) = (LossMeter::default(), LossTest::default());
        self.marks = Marks::default();
        self.rate.on_route_change(self.config.start.as_f64());
        self.prober.restart(now, self.rate.target());
        (self.base_seen, self.refresh_until, self.calm_since) = (now, None, None);
        self.consider_probe(now);
    }

    /// What the allocator could use.
    pub fn set_demand(&mut self, now: Timestamp, demand: DemandRates) {
        self.now = now;
        if let Some(before) = self.demand.replace(demand) {
            if demand.current < before.current {
                self.prober.on_downgrade(now);
            }
        }
        self.consider_probe(now);
    }

    /// Time passed. Call at [`Estimator::poll_timeout`]; more often does no harm.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        self.now = now;
        if self.outage_at().is_some_and(|at| now >= at) {
            self.outage = true;
        }
        if self.refresh_until.is_some_and(|until| now >= until) {
            self.refresh_until = None;
            self.base_seen = now;
        }
        if !self.stale && self.last_media.is_some_and(|at| now - at > STALE) {
            self.stale = true;
            self.rate.on_stale(self.config.start.as_f64());
            self.prober.restart(now, self.rate.target());
        }
        self.answer_probes(now);
        self.consider_probe(now);
        self.history.expire(now, self.rtt.max() * 2 + FORGET);
    }

    /// When to call [`Estimator::handle_timeout`] if nothing happens before. Never `None` while somebody wants media.
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        let wanted = self.demand.is_none_or(|demand| !demand.max_useful.is_zero());
        let probe = if wanted { self.prober.deadline() } else { None };
        let stale = self.last_media.filter(|_| !self.stale).map(|at| at + STALE);
        [self.outage_at().filter(|_| !self.outage), self.refresh_until, probe, stale]
            .into_iter()
            .flatten()
            .min()
            // What is due and could not be done yet (a probe waits for a calm queue) is looked at again shortly.
            .map(|at| at.max(self.now + Duration::from_millis(20)))
    }

    /// A probe to send now, if there is one.
    pub fn poll_probe(&mut self, now: Timestamp) -> Option<Probe> {
        self.consider_probe(now);
        self.prober.poll(now)
    }

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

    /// Bytes sent and not yet heard of.
    pub fn in_flight(&self) -> DataSize {
        self.history.in_flight()
    }

    /// What the estimate rests on.
    pub fn insight(&self) -> Insight {
        let millis = |ms: f64| Duration::from_secs_f64(ms / 1_000.0);
        let threshold = self.queue.threshold().max(self.gate() + GATE_TO_THRESHOLD) + self.explained;
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

    fn window(&self, target: Bitrate) -> DataSize {
        let rtt_min = self.rtt.min().unwrap_or(window::UNKNOWN_RTT);
        if self.rate.state() == State::Competing {
            window::size_competing(target, self.rtt.smoothed(), rtt_min)
        } else {
            window::size(target, rtt_min, self.interval + self.report_gap)
        }
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

    /// Feeds a report to the parts that measure. The newest arrival of it, if anything arrived, and whether reports
    /// before it were lost.
    fn digest(&mut self, now: Timestamp, feedback: &Feedback<'_>) -> (Option<Acked>, bool) {
        self.explained = 0.0;
        let mut passed_over = false;
        let mut newest: Option<Acked> = None;
        for result in feedback.results {
            let (verdict, gap) = self.history.on_result(now, result);
            if let Some(gap) = gap {
                passed_over = true;
                self.credit(&gap);
            }
            match verdict {
                Verdict::Nothing => {}
                Verdict::Received(acked) => {
                    self.loss.on_received(acked.sent);
                    self.batch.push(acked);
                }
                Verdict::Recovered(acked) => {
                    self.loss.on_recovered(acked.sent);
                    self.batch.push(acked);
                }
                Verdict::Lost { sent, after_loss, probe, .. } => {
                    self.loss.on_lost(sent, after_loss);
                    self.prober.on_lost(probe);
                    self.newest_reported = self.newest_reported.max(sent);
                }
            }
            if self.batch.len() == PIECE {
                newest = self.digest_batch(now).or(newest);
            }
        }
        (self.digest_batch(now).or(newest), passed_over)
    }

    fn digest_batch(&mut self, now: Timestamp) -> Option<Acked> {
        let mut batch = std::mem::take(&mut self.batch);
        if !batch.is_sorted_by_key(|acked| acked.arrival) {
            batch.sort_unstable_by_key(|acked| (acked.arrival, acked.sent, acked.seq));
        }
        let (target, limited) = (self.rate.target(), self.is_limited(now));
        for acked in &batch {
            // What arrived before something already digested is no news about the queue.
            if self.newest_arrival.is_none_or(|newest| acked.arrival >= newest) {
                self.newest_arrival = Some(acked.arrival);
                self.queue.on_packet(acked.sent, acked.arrival);
                self.slope.on_packet(now, acked.sent, acked.arrival);
            }
            if !acked.credited {
                self.acked.add(acked.arrival, acked.size);
            }
            self.prober.on_acked(acked);
            self.marks.on_packet(acked.ecn);
            self.explained = self.explained.max(OwnBurst::explains(acked.burst, target, limited));
        }
        let newest = batch.last().copied();
        batch.clear();
        self.batch = batch;
        newest
    }

    /// Bytes whose report was lost arrived somewhere between their neighbours.
    fn credit(&mut self, gap: &Gap) {
        const PARTS: i64 = 8;
        let span = gap.before - gap.after;
        for part in 0..PARTS {
            self.acked.add(gap.after + span * (part + 1) / (PARTS + 1), gap.bytes / PARTS as u32);
        }
    }

    /// The sender does not use what it has. One that says it does, or that the window held back, is believed: right
    /// after a rise or an outage its last second says otherwise.
    fn is_limited(&self, now: Timestamp) -> bool {
        let uses_all = |demand: DemandRates| demand.current.as_f64() >= USES_ALL * self.rate.target();
        if self.demand.is_some_and(uses_all) || self.held_at.is_some_and(|at| now - at < HELD_FOR) {
            return false;
        }
        self.media.average(micros(now), LIMITED_WINDOW) < LIMITED * self.rate.target()
    }

    /// What was seen of the queue is of packets that arrived; what stands in it now is in flight. After a stall of the
    /// radio everything arrives at once and late, and nothing stands any more.
    fn present_queue(&self, seen: f64) -> f64 {
        let target = self.rate.target();
        let rate = self.acked.recent(150_000).unwrap_or(0.0).max(target).max(1.0);
        let held = self.held_at.is_some_and(|at| self.now - at < self.rtt.smoothed());
        if held && rate < RELEASED * target {
            // Little is in flight because the window held it back: what stands there may be others'.
            return seen;
        }
        seen.min(self.history.in_flight().as_bytes() as f64 * 8_000.0 / rate)
    }

    /// The sender can follow a target that moves by a tenth: an encoder. Whole layers cannot: a dip that clears a
    /// backlog would cost them a switch and a key frame, which makes the next backlog.
    fn is_elastic(&self) -> bool {
        self.demand.is_none_or(|demand| {
            demand.next_useful.is_zero()
                || demand.next_useful > demand.current && demand.next_useful <= demand.current.scaled(ELASTIC)
        })
    }

    /// How sure it is, 0 to 1, that packets wait in the pacer: it has sent without a pause for longer than a frame
    /// takes. A pacer that owns nothing tells nothing, but its silence does.
    fn backlog(&self) -> f64 {
        let busy = (self.now - self.busy_since).as_secs_f64();
        ((busy - BUSY.0) / (BUSY.1 - BUSY.0)).clamp(0.0, 1.0)
    }

    /// A pause longer than the pacer makes by itself: nothing waits.
    fn watch_pacer(&mut self, now: Timestamp, size: DataSize) {
        let pause = self.last_sent.1 / self.estimate().pacing;
        if now > self.last_sent.0 + pause.mul_f64(1.2) + PACER_SLACK {
            self.busy_since = now;
        }
        self.last_sent = (now, size);
    }

    /// One packet's time at the current rate belongs to the link, not to a queue.
    fn gate(&self) -> f64 {
        let packet = PACKET * 8_000.0 / self.rate.target();
        (PACKET_TIMES * packet).clamp(GATE, GATE_MAX)
    }

    fn signals(&self, now: Timestamp, dt: f64, queue: f64, after_gap: bool) -> Signals {
        let reported = self.newest_reported;
        let sent_reported = self.sent.window(micros(reported), 300_000).rate().unwrap_or(0.0);
        let most = BELIEVED * self.sent.average(micros(now), 2_000_000).max(sent_reported);
        let acked = |window| self.acked.recent(window).map(|rate: f64| rate.min(most));
        let slow = self.rate.target() < 400_000.0;
        let recent = self.loss.recent((self.rtt.smoothed().as_micros() as i64).max(200_000));
        let noise = 2.0 * self.config.arrival_resolution.as_secs_f64() * 1_000.0;
        Signals {
            now,
            dt,
            queue,
            threshold: self.queue.threshold().max(self.gate() + GATE_TO_THRESHOLD) + self.explained + noise,
            gate: self.gate(),
            usage: self.slope.usage(),
            acked: [
                acked(150_000),
                acked(if slow { 500_000 } else { 300_000 }),
                acked(500_000),
                acked(1_000_000),
            ],
            sent: self.sent.average(micros(now), 300_000),
            sent_reported,
            inherent: self.test.inherent(),
            excess_loss: recent.ratio().map_or(0.0, |loss| loss - self.test.inherent()),
            rtt: self.rtt.smoothed(),
            feedback: self.interval,
            newest_sent: reported,
            limited: self.is_limited(now),
            excused: self.prober.excuses_queue(now),
            testing: self.test.is_watching(),
            after_gap,
            marked: self.marks.signals(),
        }
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
        let wants = !demand.max_useful.is_zero();
        let silent = self.last_media.is_none_or(|at| now - at > IDLE);
        let state = self.rate.state();
        let occasion = Occasion {
            now,
            target,
            next_useful: demand.next_useful.as_f64(),
            max_useful: demand.max_useful.as_f64(),
            limited: self.is_limited(now),
            calm: self.calm_since.is_some_and(|since| now - since >= CALM_BEFORE_PROBE)
                && !self.test.is_watching()
                && self.test.limit().is_none()
                && !self.outage
                && matches!(state, State::Increase | State::Hold),
            dead: wants && silent && self.last_report.is_some(),
            wanted: if self.outage { None } else { self.rate.take_ask() },
        };
        self.prober.consider(&occasion);
    }

    #[cfg(test)]
    pub(crate) fn heap_bytes(&self) -> usize {
        self.history.heap_bytes()
            + self.queue.heap_bytes()
            + self.slope.heap_bytes()
            + [&self.acked, &self.sent, &self.media].iter().map(|meter| meter.heap_bytes()).sum::<usize>()
            + self.batch.capacity() * size_of::<Acked>()
    }
}

fn micros(at: Timestamp) -> i64 {
    i64::try_from(at.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
#[path = "estimator_tests.rs"]
mod tests;
