//! From a report to signals: each packet goes to the parts that measure, and what they say is put together.
//!
//! Owns the order in which the parts see a report, and what follows from two of them together (a sender that does not
//! use what it has, a queue that is already gone). Leaves every reaction to the controller.

use std::time::Duration;

use units::Timestamp;

use super::{Estimator, GATE, micros};
use crate::feedback::history::{Acked, Gap, Verdict};
use crate::queue::OwnBurst;
use crate::rate::Signals;
use crate::{DemandRates, Feedback};

/// Media below this part of the target over a second: the sender does not use what it has.
const LIMITED: f64 = 0.75;
const LIMITED_WINDOW: i64 = 1_000_000;
/// An application that asks for this much of the target uses all it has, whatever the last second says.
const USES_ALL: f64 = 0.9;
/// After the window held something back, for so long less was sent than was there.
const HELD_FOR: Duration = Duration::from_secs(1);
/// The window holds back when this much of it is full.
const HELD: f64 = 0.9;
/// A packet, for the time that one takes, bytes.
const PACKET: f64 = 1_200.0;
/// Slow links: how much of one packet's time the gate allows, and at most, ms.
const PACKET_TIMES: f64 = 1.25;
const GATE_MAX: f64 = 60.0;
/// A queue that stops the climb is not yet congestion: this lies between, ms.
const GATE_TO_THRESHOLD: f64 = 3.0;
/// Reports are digested in pieces of this many arrivals, so that one costs bounded memory.
const PIECE: usize = 256;
/// Arrivals at so many times the target are what a stall held back.
const RELEASED: f64 = 1.3;
/// Packets overtake each other by less than this, us: the receiver's clock went back.
const CLOCK_BACK: i64 = 2_000_000;
/// Optimistic acknowledgements: never believe more than this much of what was sent.
const BELIEVED: f64 = 1.5;

impl Estimator {
    /// Feeds a report to the parts that measure. The newest arrival of it, if anything arrived, and whether reports
    /// before it were lost.
    pub(super) fn digest(&mut self, now: Timestamp, feedback: &Feedback<'_>) -> (Option<Acked>, bool) {
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

    pub(super) fn digest_batch(&mut self, now: Timestamp) -> Option<Acked> {
        let mut batch = std::mem::take(&mut self.batch);
        if !batch.is_sorted_by_key(|acked| acked.arrival) {
            batch.sort_unstable_by_key(|acked| (acked.arrival, acked.sent, acked.seq));
        }
        let (target, limited) = (self.rate.target(), self.is_limited(now));
        for acked in &batch {
            if self.newest_arrival.is_some_and(|newest| newest - acked.arrival > CLOCK_BACK) {
                // The receiver's clock was set back, or a report was wrong: what is known of delays is of another clock.
                self.forget_delays(now);
            }
            // What arrived before something already digested is no news about the queue.
            if self.newest_arrival.is_none_or(|newest| acked.arrival >= newest) {
                self.newest_arrival = Some(acked.arrival);
                self.queue.on_packet(acked.sent, acked.arrival);
                self.slope.on_packet(now, acked.sent, acked.arrival);
                self.trains.on_packet(acked.sent, acked.arrival, acked.size, target);
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
    pub(super) fn credit(&mut self, gap: &Gap) {
        const PARTS: i64 = 8;
        let span = gap.before - gap.after;
        for part in 0..PARTS {
            self.acked.add(gap.after + span * (part + 1) / (PARTS + 1), gap.bytes / PARTS as u32);
        }
    }

    /// The sender does not use what it has. One that says it does, or that the window held back, is believed: right
    /// after a rise or an outage its last second says otherwise.
    pub(super) fn is_limited(&self, now: Timestamp) -> bool {
        let uses_all = |demand: DemandRates| demand.current.as_f64() >= USES_ALL * self.rate.target();
        if self.demand.is_some_and(uses_all) || self.held_at.is_some_and(|at| now - at < HELD_FOR) {
            return false;
        }
        self.media.average(micros(now), LIMITED_WINDOW) < LIMITED * self.rate.target()
    }

    /// What was seen of the queue is of packets that arrived; what stands in it now is in flight. After a stall of the
    /// radio everything arrives at once and late, and nothing stands any more.
    pub(super) fn present_queue(&self, seen: f64) -> f64 {
        let target = self.rate.target();
        let rate = self.acked.recent(150_000).unwrap_or(0.0).max(target).max(1.0);
        let held = self.held_at.is_some_and(|at| self.now - at < self.rtt.smoothed());
        if held && rate < RELEASED * target {
            // Little is in flight because the window held it back: what stands there may be others'.
            return seen;
        }
        seen.min(self.history.in_flight().as_bytes() as f64 * 8_000.0 / rate)
    }

    /// One packet's time at the current rate belongs to the link, not to a queue.
    pub(super) fn gate(&self) -> f64 {
        let packet = PACKET * 8_000.0 / self.rate.target();
        (PACKET_TIMES * packet).clamp(GATE, GATE_MAX)
    }

    pub(super) fn signals(&self, now: Timestamp, dt: f64, queue: f64, after_gap: bool) -> Signals {
        let reported = self.newest_reported;
        let sent_reported = self.sent.window(micros(reported), 300_000).rate().unwrap_or(0.0);
        let most = BELIEVED * self.sent.average(micros(now), 2_000_000).max(sent_reported);
        let acked = |window| self.acked.recent(window).map(|rate: f64| rate.min(most));
        let slow = self.rate.target() < 400_000.0;
        let recent = self.loss.recent((self.rtt.smoothed().as_micros() as i64).max(200_000));
        Signals {
            now,
            dt,
            queue,
            threshold: self.threshold(),
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
            policed: self.test.limit().is_some(),
            after_gap,
            marked: self.marks.signals(),
            room: self.trains.has_room(),
            wanted: self.demand.map_or(0.0, |demand| 1.12 * demand.next_useful.as_f64()),
        }
    }

    /// Above this the queue is congestion, ms: the path's noise, the resolution of the feedback, and what our own
    /// bursts explain.
    pub(super) fn threshold(&self) -> f64 {
        let noise = 2.0 * self.config.arrival_resolution.as_secs_f64() * 1_000.0;
        self.queue.threshold().max(self.gate() + GATE_TO_THRESHOLD) + self.explained + noise
    }

    /// Notes when the window holds something back.
    pub(super) fn watch_window(&mut self, now: Timestamp) {
        if self.history.in_flight().as_bytes() as f64 >= HELD * self.current.1 {
            self.held_at = Some(now);
        }
    }
}
