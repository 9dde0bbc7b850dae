//! The figures of one run, and their mean over seeds. The published table is made of these, so
//! changing a definition changes every baseline.

use serde::Serialize;

use super::case::{Case, FlowKind};
use super::event::{MILLI, Micros, SECOND};
use super::record::{FlowRecord, Record, STEP};

const STEPS_PER_SECOND: usize = (SECOND / STEP) as usize;

/// Capacity is smoothed over this many steps on each side: 1 s.
const SMOOTHING: usize = STEPS_PER_SECOND;
/// Oscillation is not counted in the first 15 s and in the 10 s after a step.
const SETTLE_START: Micros = 15 * SECOND;
const SETTLE_STEP: Micros = 10 * SECOND;
/// Fairness and own rates are those of the last minute.
const FINAL: Micros = 60 * SECOND;

/// The figures of one case. Times in milliseconds, shares as fractions; `None` where the question has no meaning in
/// this case, or no answer in any seed.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Metrics {
    /// Media delivered against what could have been.
    pub util: f64,
    /// Median of the time that a delivered video packet spent in queues.
    pub qd_p50: f64,
    /// Its 95th percentile.
    pub qd_p95: f64,
    /// Its 99th percentile.
    pub qd_p99: f64,
    /// The 95th percentile with the wait in the sender's pacer.
    pub tot95: f64,
    /// The 99th percentile of audio packets.
    pub audio_p99: Option<f64>,
    /// Packets lost of those sent, all causes.
    pub loss: f64,
    /// Until the first flow's target reached 0.9 of what it could have.
    pub t90: Option<f64>,
    /// From a fall of capacity until the targets fit it.
    pub fall: Option<f64>,
    /// From a fall of capacity until the queue is gone.
    pub drain: Option<f64>,
    /// Mean change of the target within a second, against the mean target.
    pub osc: f64,
    /// Share of time with targets of more than 1.1 times the capacity in sum: an estimate that has gone stale.
    pub overestimate: f64,
    /// Jain's index of the rates of the last minute; several media flows only.
    pub jain: Option<f64>,
    /// Layer sent against the best one there was; SFU only, as all below.
    pub quality: Option<f64>,
    /// Share of time exactly on the best layer.
    pub best: Option<f64>,
    /// Share of time above it.
    pub over: Option<f64>,
    /// Layer changes a minute.
    pub switches_per_min: Option<f64>,
    /// Share of time with a queue over 300 ms.
    pub freeze: f64,
    /// Padding delivered against capacity.
    pub padding: f64,
    /// Media of the last minute in kbit/s, where there is TCP.
    pub own_kbps: Option<f64>,
    /// TCP over the whole run in kbit/s.
    pub tcp_kbps: Option<f64>,
    /// Utilisation (or quality), delay of the bottleneck and loss in one number.
    pub score: f64,
    /// The same with the whole delay: the headline.
    pub score_total: f64,
}

/// The figures of one run.
pub fn judge(case: &Case, record: &Record) -> Metrics {
    let capacity = Available::new(case);
    let media: Vec<usize> = (0..case.flows.len()).filter(|i| case.flows[*i].source().is_some()).collect();
    let has_tcp = case.flows.iter().any(|flow| matches!(flow.kind, FlowKind::Tcp { .. }));
    let layers = media.iter().any(|i| case.flows[*i].source().is_some_and(is_layered));

    let mut queued = record.queued.clone();
    let mut total = record.total.clone();
    let mut audio = record.audio.clone();
    let loss = record.lost as f64 / record.sent.max(1) as f64;
    let forgiven = if case.forgive_loss { record.expected_lost / record.sent.max(1) as f64 } else { 0.0 };
    let reaction = reaction(case, record, &capacity);
    let ladder = layers.then(|| ladder(case, record, &capacity, &media));

    let mut metrics = Metrics {
        util: utilisation(case, record, &capacity, has_tcp),
        qd_p50: percentile(&mut queued, 0.50),
        qd_p95: percentile(&mut queued, 0.95),
        qd_p99: percentile(&mut queued, 0.99),
        tot95: percentile(&mut total, 0.95),
        audio_p99: (!audio.is_empty()).then(|| percentile(&mut audio, 0.99)),
        loss,
        t90: media.first().and_then(|first| t90(case, record, &capacity, *first)),
        fall: reaction.map(|(fall, _)| fall),
        drain: reaction.map(|(_, drain)| drain),
        osc: oscillation(case, record, &media),
        overestimate: overestimate(case, record, &capacity),
        jain: (media.len() > 1).then(|| jain(case, record, &media)),
        quality: ladder.as_ref().map(|l| l.quality),
        best: ladder.as_ref().map(|l| l.best),
        over: ladder.as_ref().map(|l| l.over),
        switches_per_min: ladder.as_ref().map(|_| {
            let switches: u32 = media.iter().map(|i| record.flows[*i].switches).sum();
            f64::from(switches) * 60e6 / case.duration as f64
        }),
        freeze: share(record.worst_queue().map(|queue| queue > 300 * MILLI)),
        padding: sum(&media, |i| record.flows[i].padding.iter().sum()) * 8.0 / capacity.total_bits().max(1.0),
        own_kbps: has_tcp.then(|| {
            sum(&media, |i| bytes_from(&record.flows[i].media, case.duration.saturating_sub(FINAL))) * 8.0
                / (case.duration.min(FINAL) as f64 / 1e3)
        }),
        tcp_kbps: has_tcp.then(|| {
            let all: Vec<usize> = (0..case.flows.len()).collect();
            sum(&all, |i| record.flows[i].tcp.iter().sum()) * 8.0 / (case.duration as f64 / 1e3)
        }),
        ..Metrics::default()
    };
    let delivered = metrics.quality.unwrap_or(metrics.util);
    let kept = 1.0 - (5.0 * (loss - forgiven).max(0.0)).min(1.0);
    metrics.score = delivered * (-metrics.qd_p95 / 300.0).exp() * kept;
    metrics.score_total = delivered * (-metrics.tot95 / 300.0).exp() * kept;
    metrics
}

/// The mean over seeds.
pub fn mean(runs: &[Metrics]) -> Metrics {
    let n = runs.len().max(1) as f64;
    let all = |f: fn(&Metrics) -> f64| runs.iter().map(f).sum::<f64>() / n;
    let some = |f: fn(&Metrics) -> Option<f64>| {
        let values: Vec<f64> = runs.iter().filter_map(f).collect();
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    };
    Metrics {
        util: all(|m| m.util),
        qd_p50: all(|m| m.qd_p50),
        qd_p95: all(|m| m.qd_p95),
        qd_p99: all(|m| m.qd_p99),
        tot95: all(|m| m.tot95),
        audio_p99: some(|m| m.audio_p99),
        loss: all(|m| m.loss),
        t90: some(|m| m.t90),
        fall: some(|m| m.fall),
        drain: some(|m| m.drain),
        osc: all(|m| m.osc),
        overestimate: all(|m| m.overestimate),
        jain: some(|m| m.jain),
        quality: some(|m| m.quality),
        best: some(|m| m.best),
        over: some(|m| m.over),
        switches_per_min: some(|m| m.switches_per_min),
        freeze: all(|m| m.freeze),
        padding: all(|m| m.padding),
        own_kbps: some(|m| m.own_kbps),
        tcp_kbps: some(|m| m.tcp_kbps),
        score: all(|m| m.score),
        score_total: all(|m| m.score_total),
    }
}

/// Capacity of the scored links, smoothed.
pub struct Available {
    /// Bits per second, by link and step.
    raw: Vec<Vec<f64>>,
    smoothed: Vec<Vec<f64>>,
}

impl Available {
    /// Of `case`.
    pub fn new(case: &Case) -> Self {
        let per_second = (SECOND / STEP) as f64;
        let rates = |bits: Vec<f64>| bits.into_iter().map(|bits| bits * per_second).collect();
        let raw: Vec<Vec<f64>> = case.capacity_bits(STEP).into_iter().map(rates).collect();
        Self { smoothed: raw.iter().map(|rates| smooth(rates)).collect(), raw }
    }

    /// Bits per second at `step` on scored link number `link`.
    pub fn at(&self, link: usize, step: usize) -> f64 {
        self.smoothed[link].get(step).copied().unwrap_or(0.0)
    }

    /// The same of this step alone.
    fn raw_at(&self, link: usize, step: usize) -> f64 {
        self.raw[link].get(step).copied().unwrap_or(0.0)
    }

    /// The first link's rates as they are, for plots.
    pub fn first(&self) -> &[f64] {
        &self.raw[0]
    }

    fn total_bits(&self) -> f64 {
        self.smoothed.iter().flatten().sum::<f64>() * STEP as f64 / 1e6
    }
}

/// Means over ±1 s.
fn smooth(rates: &[f64]) -> Vec<f64> {
    (0..rates.len())
        .map(|i| {
            let window = &rates[i.saturating_sub(SMOOTHING)..(i + SMOOTHING + 1).min(rates.len())];
            window.iter().sum::<f64>() / window.len() as f64
        })
        .collect()
}

fn is_layered(source: &super::source::SourceSpec) -> bool {
    matches!(source, super::source::SourceSpec::Layers(_))
}

fn sum(flows: &[usize], f: impl Fn(usize) -> u64) -> f64 {
    flows.iter().map(|i| f(*i)).sum::<u64>() as f64
}

fn share(flags: impl Iterator<Item = bool>) -> f64 {
    let (mut yes, mut all) = (0u32, 0u32);
    for flag in flags {
        (yes, all) = (yes + u32::from(flag), all + 1);
    }
    f64::from(yes) / f64::from(all.max(1))
}

/// In milliseconds, from microseconds; zero when nothing was delivered.
fn percentile(values: &mut [u32], p: f64) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    // A fraction of an index, rounded down.
    let index = ((values.len() - 1) as f64 * p) as usize;
    f64::from(*values.select_nth_unstable(index).1) / 1e3
}

fn step_of(at: Micros) -> usize {
    usize::try_from(at / STEP).unwrap_or(usize::MAX)
}

fn bytes_from(bytes: &[u64], from: Micros) -> u64 {
    bytes.get(step_of(from)..).unwrap_or(&[]).iter().sum()
}

fn utilisation(case: &Case, record: &Record, capacity: &Available, has_tcp: bool) -> f64 {
    let mut possible = 0.0;
    let mut delivered = 0.0;
    for n in 0..case.scored.len() {
        let flows = case.flows_over(n);
        for step in 0..record.steps() {
            let limit = |i: &usize| match case.flows[*i].source() {
                Some(source) if record.flows[*i].active[step] => source.max() as f64,
                _ => 0.0,
            };
            let wanted = if has_tcp { f64::INFINITY } else { flows.iter().map(limit).sum() };
            possible += capacity.at(n, step).min(wanted) * STEP as f64 / 1e6;
        }
        delivered += sum(&flows, |i| record.flows[i].media.iter().chain(&record.flows[i].tcp).sum()) * 8.0;
    }
    delivered / possible.max(1.0)
}

fn t90(case: &Case, record: &Record, capacity: &Available, flow: usize) -> Option<f64> {
    let spec = &case.flows[flow];
    let link = case.scored.iter().position(|link| spec.forward.contains(link))?;
    let max = spec.source()?.max() as f64;
    let first = step_of(spec.start.next_multiple_of(STEP));
    let reached =
        |step: &usize| record.flows[flow].target[*step] as f64 >= 0.9 * capacity.raw_at(link, *step).min(max);
    let step = (first..record.steps()).find(reached)?;
    Some((step - first) as f64 * (STEP / MILLI) as f64)
}

/// Times until the targets fit a fallen capacity, and until the queue that the fall made is gone.
fn reaction(case: &Case, record: &Record, capacity: &Available) -> Option<(f64, f64)> {
    let first = step_of(case.fall?);
    let (queue, end) = (record.queues.first()?, record.steps());
    // Two seconds on, the smoothed capacity is the new one.
    let fallen = capacity.at(0, (first + 2 * SMOOTHING).min(end - 1));
    let flows = case.flows_over(0);
    let fits = |step: &usize| sum(&flows, |i| record.flows[i].target[*step]) <= fallen * 1.001;
    // The queue that the fall makes takes a moment to show.
    let made = (first..(first + 3 * STEPS_PER_SECOND).min(end)).find(|step| queue[*step] >= 60 * MILLI);
    let later = |step: usize| queue[(step + STEPS_PER_SECOND).min(end - 1)];
    let drained = |step: &usize| queue[*step] < 60 * MILLI && later(*step) < 100 * MILLI;
    let millis = |step: Option<usize>| (step.unwrap_or(end) - first) as f64 * (STEP / MILLI) as f64;
    let drain = made.map_or(0.0, |made| millis((made..end).find(drained)));
    Some((millis((first..end).find(fits)), drain))
}

fn oscillation(case: &Case, record: &Record, media: &[usize]) -> f64 {
    let (mut moved, mut level, mut n) = (0.0, 0.0, 0u32);
    for flow in media {
        let FlowRecord { target, active, .. } = &record.flows[*flow];
        for step in STEPS_PER_SECOND..target.len() {
            let at = step as Micros * STEP;
            let settling =
                at < SETTLE_START || case.steps.iter().any(|s| (*s..s + SETTLE_STEP).contains(&at));
            if !settling && active[step] && active[step - STEPS_PER_SECOND] {
                moved += target[step].abs_diff(target[step - STEPS_PER_SECOND]) as f64;
                level += target[step] as f64;
                n += 1;
            }
        }
    }
    if n == 0 || level == 0.0 { 0.0 } else { moved / level }
}

fn overestimate(case: &Case, record: &Record, capacity: &Available) -> f64 {
    let flows: Vec<Vec<usize>> = (0..case.scored.len()).map(|n| case.flows_over(n)).collect();
    let target = |n: usize, step: usize| sum(&flows[n], |i| record.flows[i].target[step]);
    let too_high = |step| (0..flows.len()).any(|n| target(n, step) > 1.1 * capacity.at(n, step));
    share((0..record.steps()).map(too_high))
}

fn jain(case: &Case, record: &Record, media: &[usize]) -> f64 {
    let from = case.duration.saturating_sub(FINAL);
    let rates: Vec<f64> = media.iter().map(|i| bytes_from(&record.flows[*i].media, from) as f64).collect();
    let squares: f64 = rates.iter().map(|rate| rate * rate).sum();
    let total: f64 = rates.iter().sum();
    if squares == 0.0 { 1.0 } else { total * total / (rates.len() as f64 * squares) }
}

struct Ladder {
    quality: f64,
    best: f64,
    over: f64,
}

/// Layers sent against the best that the smoothed capacity, shared evenly, could carry.
fn ladder(case: &Case, record: &Record, capacity: &Available, media: &[usize]) -> Ladder {
    let (mut got, mut possible) = (0.0, 0.0);
    let (mut on_best, mut above, mut n) = (0u32, 0u32, 0u32);
    for step in 0..record.steps() {
        let sharing =
            |i: &usize| record.flows[*i].active[step] && !matches!(case.flows[*i].kind, FlowKind::Cross(_));
        let active = (0..case.flows.len()).filter(sharing).count().max(1);
        for flow in media.iter().filter(|i| record.flows[**i].active[step]) {
            let Some(super::source::SourceSpec::Layers(rates)) = case.flows[*flow].source() else { continue };
            let fair = 0.95 * capacity.at(0, step) / active as f64;
            let best = rates.iter().rev().find(|rate| **rate as f64 <= fair).copied().unwrap_or(0);
            let layer = record.flows[*flow].layer[step];
            got += layer.min(best) as f64;
            possible += best as f64;
            on_best += u32::from(layer == best);
            above += u32::from(layer > best);
            n += 1;
        }
    }
    let n = f64::from(n.max(1));
    Ladder { quality: got / possible.max(1.0), best: f64::from(on_best) / n, over: f64::from(above) / n }
}

#[cfg(test)]
mod tests {
    use super::super::capacity::Capacity;
    use super::super::case::{FlowSpec, Group};
    use super::super::link::{Limit, LinkSpec};
    use super::super::source::SourceSpec;
    use super::*;

    /// One link over 40 s, and that flow from the start to the end.
    fn setting(mbps: &[(f64, f64)], source: SourceSpec) -> (Case, Record) {
        let link = || LinkSpec::new(Capacity::mbps(mbps), Limit::Bytes(100_000));
        let flow = FlowSpec::media(source, 0, 40 * SECOND);
        let case = Case::new("test", Group::Extra, 40 * SECOND, vec![link(), link()], vec![flow]);
        let mut record = Record::new(1, 1, case.duration);
        record.flows[0].active.fill(true);
        (case, record)
    }

    fn near(what: &str, value: f64, expected: f64) {
        assert!((value - expected).abs() < 1e-3, "{what}: {value}, not {expected}");
    }

    #[test]
    fn utilisation_counts_media_against_what_the_flow_could_use() {
        let video = SourceSpec::Video { max: 1_000_000 };
        let (case, mut record) = setting(&[(0.0, 4.0)], video);
        // 0.8 Mbit/s of media and as much padding.
        record.flows[0].media.fill(10_000);
        record.flows[0].padding.fill(10_000);
        let m = judge(&case, &record);
        near("utilisation", m.util, 0.8);
        near("padding", m.padding, 0.2);
    }

    #[test]
    fn reaction_oscillation_and_t90_follow_the_target() {
        let (case, mut record) = setting(&[(0.0, 2.0), (20.0, 1.0)], SourceSpec::Video { max: 3_000_000 });
        let target = &mut record.flows[0].target;
        target[..50].fill(1_000_000);
        target[50..206].fill(2_000_000);
        target[206..].fill(1_000_000);
        // The fall makes a queue that is gone 1.5 s later.
        record.queues[0][201..215].fill(250 * MILLI);
        let m = judge(&case, &record);
        near("t90", m.t90.unwrap(), 5_000.0);
        near("fall", m.fall.unwrap(), 600.0);
        near("drain", m.drain.unwrap(), 1_500.0);
        near("freeze", m.freeze, 0.0);
        // Between 15 and 20 s, and from 30 s on, nothing moves.
        near("oscillation", m.osc, 0.0);
        // The smoothed fall is under 2 / 1.1 from 19.3 s on, the target follows at 20.6 s.
        near("overestimate", m.overestimate, 1.3 / 40.0);
    }

    #[test]
    fn oscillation_is_the_mean_step_of_a_second() {
        let (case, mut record) = setting(&[(0.0, 2.0)], SourceSpec::Video { max: 3_000_000 });
        for (step, target) in record.flows[0].target.iter_mut().enumerate() {
            *target = if step / 10 % 2 == 0 { 900_000 } else { 1_100_000 };
        }
        near("oscillation", judge(&case, &record).osc, 0.2);
    }

    #[test]
    fn a_ladder_is_judged_against_the_best_layer() {
        // Best: 1500 kbit/s for the first half, 500 for the second; sent: the other way round.
        let (case, mut record) = setting(&[(0.0, 1.6), (20.0, 0.6)], SourceSpec::layers());
        record.flows[0].layer[..200].fill(500_000);
        record.flows[0].layer[200..].fill(1_500_000);
        let m = judge(&case, &record);
        // The last second before the step is smoothed down, so the bounds are wide.
        assert!((m.quality.unwrap() - 0.5).abs() < 0.03, "{:?}", m.quality);
        assert!(m.best.unwrap() < 0.03 && (m.over.unwrap() - 0.5).abs() < 0.03, "{m:?}");
    }

    #[test]
    fn scores_follow_delay_and_loss_beyond_the_path() {
        let (mut case, mut record) = setting(&[(0.0, 1.0)], SourceSpec::Video { max: 1_000_000 });
        record.flows[0].media.fill(12_500);
        record.queued = vec![60_000; 1_000];
        record.total = vec![150_000; 1_000];
        (record.sent, record.lost, record.expected_lost) = (1_000, 60, 20.0);
        let m = judge(&case, &record);
        near("score", m.score, (-0.2f64).exp() * 0.8);
        near("score with the whole delay", m.score_total, (-0.5f64).exp() * 0.8);
        case.forgive_loss = false;
        near("unforgiven", judge(&case, &record).score, (-0.2f64).exp() * 0.7);
    }

    #[test]
    fn the_mean_leaves_out_what_has_no_answer() {
        let run = |util, t90| Metrics { util, t90, ..Metrics::default() };
        let m = mean(&[run(0.5, Some(100.0)), run(1.0, None)]);
        assert_eq!((m.util, m.t90, m.fall), (0.75, Some(100.0), None));
    }
}
