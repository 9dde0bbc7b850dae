//! Paths that nobody chose: drawn from a seed within the bounds of a situation. What is fitted to the rows of a table fails
//! here.
//!
//! Owns the situations and the bounds that paths of each are drawn from. Bounds are what such paths are known to be like, not
//! what an estimator likes: rates and delays are drawn by their logarithm, so that slow and near paths are as frequent as fast
//! and far ones.

use std::fmt;
use std::sync::Arc;

use super::super::capacity::{Capacity, Schedule};
use super::super::case::{Case, FlowKind, FlowSpec, Group};
use super::super::event::{MILLI, Micros, SECOND};
use super::super::link::{Limit, LinkSpec, Policer};
use super::super::loss::LossModel;
use super::super::queue::QueueKind;
use super::super::rng::Rng;
use super::super::source::SourceSpec;
use super::super::tcp::{TcpLoad, TcpVariant};
use super::{constant, without_steps};

/// How long each of them runs, s.
const SECONDS: u64 = 60;
/// The first stream of a seed that paths are drawn from: not one that a run draws from.
const STREAM: u64 = 1_000_000;
/// Ceilings of adaptive video: a small picture, a usual one, a large one, a screen.
const CEILINGS: [u64; 4] = [1_500_000, 3_000_000, 6_000_000, 12_000_000];

/// What a drawn path is about. The parameters that are not its subject are those of an ordinary path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Situation {
    /// Nothing changes.
    Steady,
    /// Another rate every few seconds.
    Steps,
    /// A fall by 60 to 90 %, and back.
    Fall,
    /// Rates that change several times a second, departures in bursts.
    Wifi,
    /// A rate that wanders by the tenth of a second, jitter of a scheduler, short stalls.
    Cellular,
    /// Every 15 s another satellite: a gap, another rate, another delay.
    Satellite,
    /// Fast and on another continent.
    Far,
    /// Loss that does not depend on the rate, single or in bursts.
    Loss,
    /// Loss that does: a token bucket.
    Policer,
    /// Reports that come seldom or not at all, over a narrow way back, by a clock that runs fast or slow.
    Feedback,
    /// Long TCP connections for half of the time.
    Tcp,
    /// Two to four flows of the same kind.
    Shared,
    /// Traffic that does not answer to anything.
    Cross,
    /// A gap, then another path.
    Handover,
    /// Queues that are managed.
    Managed,
    /// The application pauses, and the path is another one when it goes on.
    Idle,
}

impl Situation {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::Steady,
        Self::Steps,
        Self::Fall,
        Self::Wifi,
        Self::Cellular,
        Self::Satellite,
        Self::Far,
        Self::Loss,
        Self::Policer,
        Self::Feedback,
        Self::Tcp,
        Self::Shared,
        Self::Cross,
        Self::Handover,
        Self::Managed,
        Self::Idle,
    ];

    /// The situation that a case of [`drawn`] is of, by its name.
    pub fn of(case: &str) -> Option<Self> {
        let name = case.trim_start_matches("S:").split('/').next()?;
        Self::ALL.into_iter().find(|situation| situation.to_string() == name)
    }
}

impl fmt::Display for Situation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Steady => "steady",
            Self::Steps => "steps",
            Self::Fall => "fall",
            Self::Wifi => "wifi",
            Self::Cellular => "cellular",
            Self::Satellite => "satellite",
            Self::Far => "far",
            Self::Loss => "loss",
            Self::Policer => "policer",
            Self::Feedback => "feedback",
            Self::Tcp => "tcp",
            Self::Shared => "shared",
            Self::Cross => "cross",
            Self::Handover => "handover",
            Self::Managed => "managed",
            Self::Idle => "idle",
        })
    }
}

/// `paths` paths drawn from `seed`: every situation in turn, first under adaptive video, then under an SFU that chooses
/// layers. The first `n` of more are those of `n`.
pub fn drawn(seed: u64, paths: u64) -> Vec<Case> {
    (0..paths).map(|number| Draw::new(seed, number).case()).collect()
}

/// One path on its way to be drawn.
struct Draw {
    rng: Rng,
    situation: Situation,
    layered: bool,
    name: String,
    link: LinkSpec,
    back: LinkSpec,
    flows: Vec<FlowSpec>,
    available: Option<Capacity>,
}

impl Draw {
    /// An ordinary path of that number.
    fn new(seed: u64, number: u64) -> Self {
        let mut rng = Rng::new(seed, STREAM + number);
        let count = Situation::ALL.len() as u64;
        let situation = Situation::ALL[(number % count) as usize];
        let layered = number / count % 2 == 1;
        let rate = mbps(&mut rng, 0.3, 10.0);
        let one_way = millis(&mut rng, 5.0, 150.0);
        let link = LinkSpec {
            delay: constant(one_way),
            jitter: (rng.between(0.0, 8.0) * MILLI as f64) as Micros,
            ..LinkSpec::new(Capacity::constant(rate), Limit::Time(millis(&mut rng, 60.0, 1_500.0)))
        };
        let back = LinkSpec {
            delay: constant(one_way),
            ..LinkSpec::new(Capacity::constant(10_000_000), Limit::Time(300 * MILLI))
        };
        let source = if layered {
            SourceSpec::layers()
        } else {
            SourceSpec::Video { max: CEILINGS[rng.below(CEILINGS.len())] }
        };
        let mut flow = FlowSpec::media(source, 0, SECONDS * SECOND);
        flow.receiver_mut().interval = if rng.chance(0.5) { 50 * MILLI } else { 100 * MILLI };
        let kind = if layered { "S:" } else { "" };
        let name = format!("{kind}{situation}/{seed}.{number}");
        Self { rng, situation, layered, name, link, back, flows: vec![flow], available: None }
    }

    fn case(mut self) -> Case {
        match self.situation {
            Situation::Steady => {}
            Situation::Steps => self.step(),
            Situation::Fall => self.fall(),
            Situation::Wifi => self.wifi(),
            Situation::Cellular => self.cellular(),
            Situation::Satellite => self.satellite(),
            Situation::Far => self.far(),
            Situation::Loss => self.lose(),
            Situation::Policer => self.police(),
            Situation::Feedback => self.spoil_feedback(),
            Situation::Tcp => self.add_tcp(),
            Situation::Shared => self.share(),
            Situation::Cross => self.cross(),
            Situation::Handover => self.hand_over(),
            Situation::Managed => self.manage(),
            Situation::Idle => self.pause(),
        }
        let links = vec![self.link, self.back];
        let case = Case::new(&self.name, Group::Drawn, SECONDS * SECOND, links, self.flows);
        Case { available: self.available, ..without_steps(case) }
    }

    fn set_rates(&mut self, steps: Vec<(Micros, u64)>) {
        self.link.capacity = Capacity::Rate(Arc::new(Schedule::new(steps)));
    }

    fn step(&mut self) {
        let (mut steps, mut at) = (Vec::new(), 0);
        while at < SECONDS * SECOND {
            steps.push((at, mbps(&mut self.rng, 0.3, 8.0)));
            at += self.seconds(4.0, 20.0);
        }
        self.set_rates(steps);
    }

    fn fall(&mut self) {
        let high = mbps(&mut self.rng, 1.5, 10.0);
        let low = (high as f64 * self.rng.between(0.1, 0.4)) as u64;
        let (from, to) = (self.seconds(15.0, 25.0), self.seconds(35.0, 50.0));
        self.set_rates(vec![(0, high), (from, low), (to, high)]);
    }

    fn wifi(&mut self) {
        let most = mbps(&mut self.rng, 2.0, 20.0) as f64;
        let dwell = self.rng.between(0.2, 2.5);
        let (mut steps, mut at) = (Vec::new(), 0);
        while at < SECONDS * SECOND {
            steps.push((at, (most * self.rng.between(0.2, 1.0)) as u64));
            at += 100 * MILLI + (self.rng.exponential(dwell) * 1e6) as Micros;
        }
        self.set_rates(steps);
        self.link.batch = millis(&mut self.rng, 2.0, 12.0);
    }

    /// The logarithm of the rate goes back to its mean and is pushed from it, as fading does.
    fn cellular(&mut self) {
        const STEP: f64 = 0.1;
        let mean = mbps(&mut self.rng, 0.6, 8.0) as f64;
        let (memory, deviation) = (self.rng.between(0.5, 5.0), self.rng.between(0.2, 0.7));
        let keep = 1.0 - STEP / memory;
        let push = deviation * (1.0 - keep * keep).sqrt();
        let stall_each = self.rng.between(8.0, 60.0);
        let (mut away, mut stalled) = (0.0f64, 0.0);
        let mut steps = Vec::new();
        for step in 0..SECONDS * 10 {
            away = keep * away + self.rng.normal(push);
            if self.rng.chance(STEP / stall_each) {
                stalled = self.rng.exponential(0.4);
            }
            let rate = if stalled > 0.0 { 0.0 } else { mean * away.exp() };
            stalled -= STEP;
            steps.push((step * 100 * MILLI, rate as u64));
        }
        self.set_rates(steps);
        // Cut at three deviations: 10 to 20 ms.
        self.link.jitter = millis(&mut self.rng, 3.3, 6.7);
        self.link.limit = Limit::Time(millis(&mut self.rng, 300.0, 1_500.0));
    }

    fn satellite(&mut self) {
        let (mut rates, mut delays) = (Vec::new(), Vec::new());
        let offset = self.seconds(1.0, 15.0);
        for at in [0, offset, offset + 15 * SECOND, offset + 30 * SECOND, offset + 45 * SECOND] {
            let gap = millis(&mut self.rng, 20.0, 300.0);
            rates.push((at, 0));
            rates.push((at + gap, mbps(&mut self.rng, 2.0, 15.0)));
            delays.push((at, (self.rng.between(15.0, 45.0) * MILLI as f64) as Micros));
        }
        rates.remove(0);
        self.set_rates(rates);
        self.link.delay = Schedule::new(delays);
        self.link.loss = LossModel::Independent(self.rng.between(0.0, 0.01));
    }

    fn far(&mut self) {
        self.link.capacity = Capacity::constant(mbps(&mut self.rng, 10.0, 20.0));
        let one_way = millis(&mut self.rng, 100.0, 150.0);
        (self.link.delay, self.back.delay) = (constant(one_way), constant(one_way));
        if !self.layered {
            self.replace_source(SourceSpec::Video { max: 12_000_000 });
        }
    }

    fn lose(&mut self) {
        let share = log_between(&mut self.rng, 0.005, 0.15);
        let bursts = self.rng.chance(0.5);
        self.link.loss = if bursts {
            LossModel::bursts(share, self.rng.between(2.0, 8.0))
        } else {
            LossModel::Independent(share)
        };
    }

    fn police(&mut self) {
        let rate = mbps(&mut self.rng, 0.5, 6.0);
        let burst = log_between(&mut self.rng, 8_000.0, 100_000.0) as u64;
        self.link.policer = Some(Policer { rate, burst });
        self.link.capacity = Capacity::constant(3 * rate);
    }

    fn spoil_feedback(&mut self) {
        let interval = millis(&mut self.rng, 50.0, 300.0);
        let skew_ppm = self.rng.between(-200.0, 200.0) as i64;
        let receiver = self.flows[0].receiver_mut();
        (receiver.interval, receiver.clock.skew_ppm) = (interval, skew_ppm);
        self.back.loss = LossModel::Independent(self.rng.between(0.0, 0.3));
        self.back.capacity = Capacity::constant(mbps(&mut self.rng, 0.1, 2.0));
        self.back.jitter = millis(&mut self.rng, 1.0, 15.0);
    }

    fn add_tcp(&mut self) {
        let (from, to) = (self.seconds(5.0, 20.0), self.seconds(35.0, 50.0));
        self.link.capacity = Capacity::constant(mbps(&mut self.rng, 1.0, 10.0));
        for _ in 0..1 + self.rng.below(2) {
            let variant = if self.rng.chance(0.5) { TcpVariant::Reno } else { TcpVariant::Cubic };
            let tcp = FlowKind::Tcp { variant, load: TcpLoad::Long };
            self.flows.push(FlowSpec::new(tcp, from, to));
        }
    }

    fn share(&mut self) {
        self.link.capacity = Capacity::constant(mbps(&mut self.rng, 1.5, 10.0));
        for _ in 0..1 + self.rng.below(3) {
            let mut other = self.flows[0].clone();
            other.start = self.seconds(0.0, 25.0);
            other.access = millis(&mut self.rng, 1.0, 80.0);
            self.flows.push(other);
        }
    }

    fn cross(&mut self) {
        let all = mbps(&mut self.rng, 2.0, 10.0);
        let (mut taken, mut left, mut at) = (Vec::new(), Vec::new(), 0);
        while at < SECONDS * SECOND {
            let other = (all as f64 * self.rng.between(0.0, 0.8)) as u64;
            taken.push((at, other));
            left.push((at, all - other));
            at += self.seconds(2.0, 15.0);
        }
        self.link.capacity = Capacity::constant(all);
        let cross = FlowKind::Cross(Arc::new(Schedule::new(taken)));
        self.flows.push(FlowSpec::new(cross, 0, SECONDS * SECOND));
        self.available = Some(Capacity::Rate(Arc::new(Schedule::new(left))));
    }

    fn hand_over(&mut self) {
        let before = mbps(&mut self.rng, 0.8, 8.0);
        let after = (before as f64 * log_between(&mut self.rng, 0.25, 4.0)) as u64;
        let (at, gap) = (self.seconds(15.0, 35.0), self.seconds(0.0, 1.5));
        self.set_rates(vec![(0, before), (at, 0), (at + gap.max(1), after)]);
        let delay = self.link.delay.at(0);
        let shift = (self.rng.between(-40.0, 80.0) * MILLI as f64) as i64;
        let delays = vec![(0, delay), (at + gap.max(1), delay.saturating_add_signed(shift).max(2 * MILLI))];
        self.link.delay = Schedule::new(delays);
        if self.rng.chance(0.3) {
            self.flows[0].route_changes.push(at + gap);
        }
    }

    fn manage(&mut self) {
        let kinds = [QueueKind::Codel, QueueKind::Pie, QueueKind::FqCodel, QueueKind::DualPi2];
        self.link.queue = kinds[self.rng.below(kinds.len())];
        self.step();
    }

    fn pause(&mut self) {
        let before = mbps(&mut self.rng, 0.8, 8.0);
        let after = (before as f64 * log_between(&mut self.rng, 0.25, 4.0)) as u64;
        let (from, to) = (self.seconds(10.0, 20.0), self.seconds(25.0, 40.0));
        self.flows[0].pauses.push((from, to));
        let change = from + (self.rng.unit() * (to - from) as f64) as Micros;
        self.set_rates(vec![(0, before), (change, after)]);
        if self.rng.chance(0.5)
            && let FlowKind::Media { audio, .. } = &mut self.flows[0].kind
        {
            *audio = true;
        }
    }

    fn replace_source(&mut self, with: SourceSpec) {
        if let FlowKind::Media { source, .. } = &mut self.flows[0].kind {
            *source = with;
        }
    }

    fn seconds(&mut self, low: f64, high: f64) -> Micros {
        (self.rng.between(low, high) * 1e6) as Micros
    }
}

/// Between the two by the logarithm.
fn log_between(rng: &mut Rng, low: f64, high: f64) -> f64 {
    low * (high / low).powf(rng.unit())
}

/// Bits per second.
fn mbps(rng: &mut Rng, low: f64, high: f64) -> u64 {
    (log_between(rng, low, high) * 1e6) as u64
}

/// Microseconds.
fn millis(rng: &mut Rng, low: f64, high: f64) -> Micros {
    (log_between(rng, low, high) * MILLI as f64) as Micros
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_seed_draws_the_same_paths_for_ever_and_another_one_others() {
        let paths = 2 * Situation::ALL.len() as u64;
        assert_eq!(drawn(7, paths), drawn(7, paths));
        assert_eq!(drawn(7, paths)[..5], drawn(7, 5)[..], "more paths leave the first ones as they are");
        let other = drawn(8, paths);
        assert!(drawn(7, paths).iter().zip(&other).all(|(a, b)| a.links != b.links));
    }

    #[test]
    fn every_seed_draws_paths() {
        for seed in 1..=200 {
            assert_eq!(drawn(seed, 64).len(), 64);
        }
    }

    #[test]
    fn every_situation_comes_with_both_kinds_of_sender() {
        let mut seen = BTreeMap::<Situation, [u32; 2]>::new();
        for case in drawn(1, 4 * Situation::ALL.len() as u64) {
            let situation = Situation::of(&case.name).expect("its name says the situation");
            let layered = matches!(case.flows[0].source(), Some(SourceSpec::Layers(_)));
            assert_eq!(layered, case.name.starts_with("S:"), "{}", case.name);
            seen.entry(situation).or_default()[usize::from(layered)] += 1;
        }
        assert_eq!(seen.len(), Situation::ALL.len());
        assert!(seen.values().all(|count| *count == [2, 2]), "{seen:?}");
    }
}
