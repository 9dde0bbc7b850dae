//! Where the points go: for each link case what its score lacks to 1, by cause and by phase of the path, worst first.
//!
//! ```sh
//! cargo run --release -p terrace-simulator --example losses -- --group video --seeds 2 --first-seed 11
//! cargo run --release -p terrace-simulator --example losses -- --group sfu --traces DIR
//! cargo run --release -p terrace-simulator --example losses -- --case S:steps --series
//! cargo run --release -p terrace-simulator --example losses -- --drawn 1 --case S:tcp/1.26 --series
//! ```
//!
//! Causes: what of `1 - total` comes from capacity not used (or layers not sent), from waiting in the bottleneck, from
//! waiting in the pacer, and from loss; each by its part of the logarithm. Phases: the first ten seconds, five seconds
//! after capacity rose and after it fell by a quarter, and all else; for each its part of the time, of what was not
//! used, and of the slowest twentieth of the packets. `--series` prints the course of one seed instead.
#![expect(clippy::print_stdout, reason = "a command prints its result")]

use std::collections::BTreeMap;

use simulator::links::case::FlowKind;
use simulator::links::metrics::{Available, Metrics, judge, mean};
use simulator::links::record::{Record, STEP};
use simulator::links::source::SourceSpec;
use simulator::links::{Case, ControllerKind, suite, trace, world};

/// As many of them as anybody looks at.
const DRAWN: u64 = 960;

/// What is run.
struct Asked {
    groups: Vec<String>,
    cases: Vec<String>,
    traces: Option<String>,
    /// The seed to draw paths from.
    drawn: Option<u64>,
    controller: ControllerKind,
    seeds: std::ops::Range<u64>,
    series: bool,
}

fn main() {
    let asked = asked();
    let mut cases = suite::video();
    cases.extend(suite::sfu());
    cases.extend(suite::extra());
    cases.extend(asked.traces.as_deref().map(recordings).unwrap_or_default());
    cases.extend(asked.drawn.map(|seed| suite::drawn(seed, DRAWN)).unwrap_or_default());
    let one_of = |list: &[String], name: &str| list.is_empty() || list.iter().any(|item| item == name);
    cases.retain(|case| one_of(&asked.groups, &case.group.to_string()) && one_of(&asked.cases, &case.name));
    if asked.series {
        for case in &cases {
            series(case, &world::simulate(case, asked.controller, asked.seeds.start));
        }
        return;
    }
    let mut rows: Vec<Row> = cases.iter().map(|case| Row::new(case, &asked)).collect();
    rows.sort_by(|a, b| a.metrics.score_total.total_cmp(&b.metrics.score_total));
    println!("{}", Row::HEADER);
    for row in &rows {
        println!("{row}");
    }
    let mut sums = BTreeMap::<String, (f64, f64, f64)>::new();
    for row in &rows {
        let sum = sums.entry(row.group.clone()).or_default();
        *sum = (sum.0 + row.metrics.score, sum.1 + row.metrics.score_total, sum.2 + 1.0);
    }
    for (group, (score, total, n)) in sums {
        println!("mean {group:8} {n:3} cases  score {:.4}  total {:.4}", score / n, total / n);
    }
}

fn asked() -> Asked {
    let mut asked = Asked {
        groups: Vec::new(),
        cases: Vec::new(),
        traces: None,
        drawn: None,
        controller: ControllerKind::Terrace,
        seeds: 1..2,
        series: false,
    };
    let (mut first, mut count) = (1, 1);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        if argument == "--series" {
            asked.series = true;
            continue;
        }
        let value = arguments.next().unwrap_or_else(|| panic!("{argument} needs a value"));
        let list = || value.split(',').map(str::to_owned).collect();
        let number = || value.parse().unwrap_or_else(|_| panic!("{argument} needs a number"));
        match argument.as_str() {
            "--group" => asked.groups = list(),
            "--case" => asked.cases = list(),
            "--drawn" => asked.drawn = Some(number()),
            "--traces" => asked.traces = Some(value.clone()),
            "--estimator" => {
                asked.controller = ControllerKind::parse(&value).expect("the name of an estimator");
            }
            "--seeds" => count = number(),
            "--first-seed" => first = number(),
            _ => panic!("{argument} is not an option"),
        }
    }
    asked.seeds = first..first + count;
    asked
}

/// The cases of a folder with a `suite.csv`.
fn recordings(dir: &str) -> Vec<Case> {
    let read = |name: &str| {
        std::fs::read_to_string(format!("{dir}/{name}")).unwrap_or_else(|error| panic!("{name}: {error}"))
    };
    let list = read("suite.csv");
    let rows = trace::parse_suite(&list).expect("suite.csv lists recordings");
    let mut files: BTreeMap<String, String> =
        rows.into_iter().map(|row| (row.file.clone(), read(&row.file))).collect();
    files.insert("suite.csv".to_owned(), list);
    trace::folder(&files).expect("recordings can be read")
}

/// What the path does at a step.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Start,
    Risen,
    Steady,
    Fallen,
}

impl Phase {
    const ALL: [Self; 4] = [Self::Start, Self::Risen, Self::Steady, Self::Fallen];
    const START: usize = 100;
    const AFTER: usize = 50;

    fn at(capacity: &Available, step: usize) -> Self {
        if step < Self::START {
            return Self::Start;
        }
        let now = capacity.at(0, step).max(1.0);
        let past = || (step - Self::AFTER..step).map(|earlier| capacity.at(0, earlier).max(1.0));
        let (least, most) = past().fold((f64::MAX, 0.0f64), |(min, max), c| (min.min(c), max.max(c)));
        let (rise, fall) = (now / least, most / now);
        match () {
            () if fall > 1.33 && fall >= rise => Self::Fallen,
            () if rise > 1.33 => Self::Risen,
            () => Self::Steady,
        }
    }
}

/// One case, all seeds.
struct Row {
    name: String,
    group: String,
    metrics: Metrics,
    /// By phase: parts of time, of what was not used, of the slowest packets.
    phases: [[f64; 3]; 4],
}

impl Row {
    const HEADER: &'static str = "case                             score  total |  use  queue  pacer   loss | used  p95  tot \
         loss% freeze%  sw/min | start t/u/d    risen t/u/d    steady t/u/d   fallen t/u/d, %";

    fn new(case: &Case, asked: &Asked) -> Self {
        let capacity = Available::new(case);
        let mut phases = [[0.0; 3]; 4];
        let runs: Vec<Metrics> = asked
            .seeds
            .clone()
            .map(|seed| {
                let record = world::simulate(case, asked.controller, seed);
                add_phases(&mut phases, case, &record, &capacity);
                judge(case, &record)
            })
            .collect();
        for column in 0..3 {
            // More than was there can arrive in a phase: what waited in the one before.
            let sum: f64 = phases.iter().map(|phase| phase[column].max(0.0)).sum();
            for phase in &mut phases {
                phase[column] = if sum > 0.0 { phase[column].max(0.0) * 100.0 / sum } else { 0.0 };
            }
        }
        Self { name: case.name.clone(), group: case.group.to_string(), metrics: mean(&runs), phases }
    }

    /// What `1 - total` is made of: use, queue, pacer, loss.
    fn causes(&self) -> [f64; 4] {
        let m = &self.metrics;
        let used = m.quality.unwrap_or(m.util);
        let kept = m.score_total / (used * (-m.tot95 / 300.0).exp()).max(1e-9);
        let logs = [
            -used.clamp(1e-9, 1.0).ln(),
            m.qd_p95 / 300.0,
            (m.tot95 - m.qd_p95).max(0.0) / 300.0,
            -kept.clamp(1e-9, 1.0).ln(),
        ];
        let sum: f64 = logs.iter().sum::<f64>().max(1e-9);
        logs.map(|part| part / sum * (1.0 - m.score_total))
    }
}

impl std::fmt::Display for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let m = &self.metrics;
        let [used, queue, pacer, loss] = self.causes();
        write!(
            f,
            "{:32} {:.3}  {:.3} | {used:.3} {queue:.3}  {pacer:.3}  {loss:.3} | {:.3} {:4.0} {:4.0} {:5.1} {:7.1} {:7.1} |",
            self.name,
            m.score,
            m.score_total,
            m.quality.unwrap_or(m.util),
            m.qd_p95,
            m.tot95,
            100.0 * m.loss,
            100.0 * m.freeze,
            m.switches_per_min.unwrap_or(0.0),
        )?;
        for [time, unused, slow] in self.phases {
            write!(f, " {time:3.0}/{unused:3.0}/{slow:3.0}   ")?;
        }
        Ok(())
    }
}

/// What the media flows could have had of the first link at a step, and what they had, bit/s: of delivered bits, or of
/// layers; beside TCP, the whole link and what anybody had.
fn use_at(case: &Case, record: &Record, capacity: &Available, step: usize) -> (f64, f64) {
    let active: Vec<usize> = (0..case.flows.len()).filter(|i| record.flows[*i].active[step]).collect();
    let tcp = |flow: &usize| matches!(case.flows[*flow].kind, FlowKind::Tcp { .. });
    if active.iter().any(tcp) {
        let per_second = 8e6 / STEP as f64;
        let had: u64 = active.iter().map(|i| record.flows[*i].media[step] + record.flows[*i].tcp[step]).sum();
        return (capacity.at(0, step), had as f64 * per_second);
    }
    let sources = || active.iter().filter_map(|i| case.flows[*i].source().map(|source| (*i, source)));
    let fair = capacity.at(0, step) / active.len().max(1) as f64;
    let (mut could, mut had) = (0.0, 0.0);
    for (flow, source) in sources() {
        let (possible, got) = match source {
            SourceSpec::Layers(rates) => {
                let best = rates.iter().rev().find(|rate| **rate as f64 <= 0.95 * fair).copied().unwrap_or(0);
                (best as f64, record.flows[flow].layer[step].min(best) as f64)
            }
            SourceSpec::Video { max } => {
                let per_second = 8e6 / STEP as f64;
                (fair.min(*max as f64), record.flows[flow].media[step] as f64 * per_second)
            }
        };
        (could, had) = (could + possible, had + got);
    }
    (could, had)
}

fn add_phases(phases: &mut [[f64; 3]; 4], case: &Case, record: &Record, capacity: &Available) {
    let mut of_step = vec![0; record.steps()];
    for (step, of_step) in of_step.iter_mut().enumerate() {
        let phase = Phase::at(capacity, step);
        *of_step = Phase::ALL.iter().position(|other| *other == phase).unwrap_or(0);
        let (could, had) = use_at(case, record, capacity, step);
        phases[*of_step][0] += 1.0;
        phases[*of_step][1] += could - had;
    }
    let mut sorted = record.total.clone();
    sorted.sort_unstable();
    let Some(slow) = sorted.get(sorted.len() * 19 / 20).copied() else { return };
    for (delay, step) in record.total.iter().zip(&record.delivered_in) {
        if *delay > slow {
            phases[of_step[*step as usize]][2] += 1.0;
        }
    }
}

/// The course of one run, a line for each step: capacity, and by flow target, layer, media and padding, in kbit/s.
fn series(case: &Case, record: &Record) {
    let capacity = Available::new(case);
    let kbps = |bytes: u64| bytes as f64 * 8e3 / STEP as f64;
    println!("# {}: seconds capacity queue_ms, then by flow: target layer media padding tcp", case.name);
    for step in 0..record.steps() {
        let queue = record.queues[0][step] as f64 / 1e3;
        let raw = capacity.first().get(step).copied().unwrap_or(0.0) / 1e3;
        print!("{:6.1} {raw:6.0} {queue:5.0}", step as f64 * STEP as f64 / 1e6);
        for flow in &record.flows {
            print!(
                "  | {:5} {:5} {:5.0} {:4.0} {:5.0}",
                flow.target[step] / 1_000,
                flow.layer[step] / 1_000,
                kbps(flow.media[step]),
                kbps(flow.padding[step]),
                kbps(flow.tcp[step])
            );
        }
        println!();
    }
}
