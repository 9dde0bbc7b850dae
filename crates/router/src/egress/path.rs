//! What is known of the path to one participant, and the pace that follows from it.
//!
//! Owns the estimator with its feedback, the pacer, and the budget for video made from the estimate. Leaves packets to
//! `egress` and what to do with the budget to the selector.

use std::ops::Range;
use std::time::Duration;

use estimator::ccfb::{self, Metric};
use estimator::twcc::{self, Status};
use estimator::{
    DemandRates, Ecn, Estimate, Estimator, Feedback, Insight, Pacer, PacketKind, Probe, Reason, SentPacket,
    State,
};
use packet::{CcAge, CcFeedback, CcReport, TransportFeedback};
use selector::{Budget, BudgetHistory, Decision, InUse, Reserves};
use units::{Bitrate, DataSize, Timestamp, TwccSeq};

use super::departures::{Departure, Departures};
use super::standing::Standing;
use crate::meter::Meter;

/// Audio is reserved with this much on top, in percent: it comes in talk spurts, and the mean hides them.
const AUDIO_MARGIN_PERCENT: u64 = 20;
/// A target that is off by less than one part in so many needs no new choice at once: reports come twenty times a second, and a
/// choice costs as much as what is done about ten packets.
const MOVED: u64 = 50;
/// The part of video that is reserved for its repair never grows beyond this, in thousandths (the same share that limits
/// retransmissions themselves).
const MAX_REPAIR_PERMILLE: f64 = 200.0;

/// The rate that an estimator begins with is no measurement: until the first probe is answered so many times as much may be kept,
/// which is what that probe asks for anyway. No longer than this, since who never answers may be on a path that carries nothing.
const START_FACTOR: u64 = 3;
const UNANSWERED: Duration = Duration::from_millis(500);

/// What is left of a capacity for what is shown while a queue drains, in percent.
const DRAINING_PERCENT: u64 = 90;

/// From this round-trip time on a repetition that is lost costs a picture more than a second copy costs the path.
const FAR: Duration = Duration::from_millis(50);
/// Losses that a path has whatever is sent, of its packets: with fewer there is nothing to gain, with more repeats would use up
/// what they may take, and the first copies matter most.
const DOUBLED: Range<f64> = 0.02..0.10;

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Path {
    born: Timestamp,
    estimator: Estimator,
    pacer: Pacer,
    reports: twcc::Unwrapper,
    /// Which packet had which number in its own stream. Made with the first report that goes by them.
    streams: Option<Box<ccfb::Mapper>>,
    history: BudgetHistory,
    standing: Standing,
    audio: Meter,
    newest: Option<TwccSeq>,
    /// The most that may be spent, whatever the path carries.
    limit: Option<Bitrate>,
    /// Padding besides probes, as of the last change of the estimate: a whole estimate is too much to ask per packet.
    padding: Bitrate,
    /// The target as of then, and the one that the last budget was made of.
    target: Bitrate,
    spent: Bitrate,
    /// What the last choice spends on video.
    video: Bitrate,
    results: Vec<estimator::PacketResult>,
    departures: Departures,
}

impl Path {
    /// A path of which nothing is known.
    pub(crate) fn new(now: Timestamp, config: &estimator::Config, limit: Option<Bitrate>) -> Self {
        let estimator = Estimator::new(now, estimator::Config { elastic: false, ..*config });
        let pacer = Pacer::new(now, &estimator.estimate());
        Self {
            born: now,
            estimator,
            pacer,
            reports: twcc::Unwrapper::new(),
            streams: None,
            history: BudgetHistory::default(),
            standing: Standing::default(),
            audio: Meter::default(),
            newest: None,
            limit,
            padding: Bitrate::ZERO,
            target: Bitrate::ZERO,
            spent: Bitrate::ZERO,
            video: Bitrate::ZERO,
            results: Vec::new(),
            departures: Departures::default(),
        }
    }

    /// What the estimator says.
    pub(crate) fn estimate(&self) -> Estimate {
        self.estimator.estimate()
    }

    /// Padding to send besides probes.
    pub(crate) fn padding(&self) -> Bitrate {
        self.padding
    }

    /// Whether the target has moved enough since the last budget for another choice. What moves less is looked at with the next
    /// regular choice.
    pub(crate) fn has_moved(&self) -> bool {
        let moved = self.target.max(self.spent) - self.target.min(self.spent);
        moved * MOVED > self.spent
    }

    /// Whether something is under way of which the receiver has not spoken.
    pub(crate) fn is_awaited(&self) -> bool {
        !self.estimator.in_flight().is_zero()
    }

    /// A packet leaves now, with these SSRC and number of its stream.
    pub(crate) fn sent(&mut self, now: Timestamp, packet: SentPacket, (ssrc, sequence): (u32, u16)) {
        self.newest = Some(TwccSeq::new(packet.seq));
        if let Some(streams) = &mut self.streams {
            streams.on_sent(packet.seq, ssrc, sequence);
        }
        if packet.kind == PacketKind::Audio {
            self.audio.add(now, packet.size.as_bytes() as usize, 0, false);
        }
        // The packets of a probe have a pace of their own.
        let charged = if packet.probe.is_some() { PacketKind::Padding } else { packet.kind };
        self.pacer.on_sent(now, packet.size, charged);
        self.estimator.on_packet_sent(now, packet);
    }

    /// What left can be repeated.
    pub(crate) fn departed(&mut self, departure: Departure) {
        self.departures.note(departure);
    }

    /// When a video packet of that size may leave.
    pub(crate) fn next_send(&self, now: Timestamp, size: DataSize) -> Timestamp {
        self.pacer.next_send(now, size, self.estimator.in_flight())
    }

    /// What the receiver says about the packets it got; what is lost by that is appended to `lost`. Returns whether it made
    /// sense.
    pub(crate) fn handle_feedback(
        &mut self,
        now: Timestamp,
        feedback: &TransportFeedback,
        waiting: DataSize,
        lost: &mut Vec<Departure>,
    ) -> bool {
        let Some(newest) = self.newest else { return false };
        let statuses = feedback.statuses.iter().map(|status| match status {
            Some(delta) => Status::Received(*delta),
            None => Status::NotReceived,
        });
        let reference = feedback.reference_time as i32;
        let Ok(results) = self.reports.unwrap(newest.get(), feedback.base, reference, statuses) else {
            return false;
        };
        self.results.clear();
        self.results.extend_from_slice(results);
        self.departures.reported(&self.results, lost);
        self.estimator.on_feedback(now, &Feedback { results: &self.results, sent: None });
        let estimate = self.follow(now);
        self.note_wait(now, waiting, &estimate);
        true
    }

    /// The same by the numbers of each stream (RFC 8888). The first report tells only that more will come.
    pub(crate) fn handle_stream_feedback(
        &mut self,
        now: Timestamp,
        feedback: &CcFeedback,
        waiting: DataSize,
        lost: &mut Vec<Departure>,
    ) -> bool {
        let streams = self.streams.get_or_insert_default();
        let metrics = feedback.streams.iter().flat_map(|stream| {
            let numbers = (0u16..).map(|at| stream.begin_sequence.wrapping_add(at));
            numbers.zip(&stream.reports).map(|(seq, report)| metric(stream.ssrc, seq, *report))
        });
        let (results, written) = streams.map(feedback.report_timestamp, metrics);
        if results.is_empty() {
            return false;
        }
        self.departures.reported(results, lost);
        self.estimator.on_feedback(now, &Feedback { results, sent: Some(written) });
        let estimate = self.follow(now);
        self.note_wait(now, waiting, &estimate);
        true
    }

    /// What the selector could use, so that probes look for something somebody wants.
    pub(crate) fn set_demand(&mut self, now: Timestamp, decision: &Decision) {
        let reserves = self.reserves();
        self.video = decision.spent;
        let current = decision.spent + reserves.audio;
        let useful =
            |video: Bitrate| if video.is_zero() { Bitrate::ZERO } else { reserves.estimate_for(video) };
        // A probe beyond the limit would find what must not be used.
        let demand = DemandRates {
            current,
            next_useful: self.limited(decision.probe.map_or(current, useful)),
            max_useful: self.limited(useful(decision.wanted)),
        };
        self.estimator.set_demand(now, demand);
        self.follow(now);
    }

    /// The participant is reached by another way.
    pub(crate) fn on_route_change(&mut self, now: Timestamp) {
        self.departures.forget();
        self.estimator.on_route_change(now);
        self.history = BudgetHistory::default();
        self.standing = Standing::default();
        self.follow(now);
    }

    /// Does what the estimator has to do at this time.
    pub(crate) fn handle_timeout(&mut self, now: Timestamp) {
        self.estimator.handle_timeout(now);
        self.follow(now);
    }

    /// When that is.
    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        self.estimator.poll_timeout()
    }

    /// A probe to start now.
    pub(crate) fn poll_probe(&mut self, now: Timestamp) -> Option<Probe> {
        self.estimator.poll_probe(now)
    }

    /// What may be spent on video now; `None` until the path has said anything.
    pub(crate) fn budget(&mut self, now: Timestamp) -> Option<Budget> {
        let reserves = self.reserves();
        let estimate = self.estimator.estimate();
        (self.target, self.spent) = (estimate.target, estimate.target);
        if estimate.reason == Reason::Start && now - self.born < UNANSWERED {
            return Some(Budget { keep: estimate.target * START_FACTOR, grow: Bitrate::ZERO });
        }
        let in_use = InUse { rate: self.video, standing: self.standing.wait() };
        Some(self.history.budget(now, self.limited(lasting(&estimate)), in_use, &reserves))
    }

    /// The most that may be spent in all from now on; `None` for what the path carries.
    pub(crate) fn set_limit(&mut self, limit: Option<Bitrate>) {
        if self.limit != limit {
            self.limit = limit;
            // What was allowed before says nothing about how steady the path is.
            self.history = BudgetHistory::default();
        }
    }

    /// Whether repeats are to be sent twice: the path is long, and loses packets though it is not congested.
    pub(crate) fn doubles(&self) -> bool {
        doubles(&self.estimator.insight())
    }

    fn limited(&self, rate: Bitrate) -> Bitrate {
        self.limit.map_or(rate, |limit| rate.min(limit))
    }

    fn reserves(&self) -> Reserves {
        let insight = self.estimator.insight();
        let copies = if doubles(&insight) { 2.0 } else { 1.0 };
        let loss = insight.loss * 1_000.0 * copies;
        Reserves {
            audio: self.audio.total().bitrate * (100 + AUDIO_MARGIN_PERCENT) / 100,
            retransmission_permille: loss.clamp(0.0, MAX_REPAIR_PERMILLE) as u16,
        }
    }

    /// So much waits for its turn here; the rest of the wait is in the path.
    fn note_wait(&mut self, now: Timestamp, waiting: DataSize, estimate: &Estimate) {
        // What stands before others' packets as well does not go for our sending less.
        let queue = match estimate.state {
            State::Competing | State::Outage => Duration::ZERO,
            _ => self.estimator.queue(),
        };
        self.standing.note(now, waiting / estimate.pacing + queue);
    }

    /// Right after the estimator was told something.
    fn follow(&mut self, now: Timestamp) -> Estimate {
        let estimate = self.estimator.published();
        (self.padding, self.target) = (estimate.padding, estimate.target);
        self.pacer.set_estimate(now, &estimate);
        estimate
    }
}

/// See [`Path::doubles`].
fn doubles(insight: &Insight) -> bool {
    insight.rtt >= FAR && DOUBLED.contains(&insight.inherent_loss) && insight.queue <= insight.threshold
}

/// What the path carries for longer than a moment. While a queue of our own drains the target is below that, to get rid of
/// the queue; a layer that is left for it comes back with a keyframe, which makes the next one. The pacer lets that much through.
fn lasting(estimate: &Estimate) -> Bitrate {
    let capacity = estimate.capacity.filter(|_| estimate.state == State::Drain);
    estimate.target.max(capacity.map_or(Bitrate::ZERO, |capacity| capacity.rate * DRAINING_PERCENT / 100))
}

/// One packet of a report as the estimator takes it, with the values of RFC 8888 §3.1.
fn metric(ssrc: u32, seq: u16, report: Option<CcReport>) -> Metric {
    let ecn = match report.map_or(0, |report| report.ecn) {
        1 => Ecn::Ect1,
        2 => Ecn::Ect0,
        3 => Ecn::Ce,
        _ => Ecn::NotEct,
    };
    let offset = match report.map(|report| report.age) {
        Some(CcAge::Ticks(ticks)) => ticks,
        Some(CcAge::TooOld) => 0x1ffe,
        Some(CcAge::Unknown) | None => 0x1fff,
    };
    Metric { ssrc, seq, received: report.is_some(), ecn, offset }
}
