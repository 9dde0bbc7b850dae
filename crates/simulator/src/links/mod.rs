//! Estimators over simulated links: virtual time, links, senders, receivers, cases and scores.
//!
//! A [`Plan`] says what to run. Each of its [`Job`]s is one case with one estimator, and [`Plan::run_job`] is a pure
//! function of it: the caller may spread jobs over threads as it likes and joins the rows with [`Report::new`].
//! [`run`] does so one after the other. Nothing here reads a file, a clock or the environment; recorded links come in
//! as text ([`trace`]).
//!
//! ```
//! use simulator::links::{ControllerKind, Plan, run, suite};
//!
//! let cases = suite::video().into_iter().filter(|case| case.name == "5.1").collect();
//! let plan = Plan { cases, controllers: vec![ControllerKind::Fixed(500_000)], seeds: 1, plots: false };
//! let report = run(&plan, |_done, _all| {});
//! // A sender that takes half of 1 Mbit/s most of the time fills no queue.
//! assert!(report.cases[0].metrics.qd_p50 < 20.0);
//! ```
//!
//! The order of a run: [`world`] moves [`packet`]s between [`sender`], [`link`]s and [`receiver`] and leaves a
//! [`record`]; [`metrics`] judges it; [`report`] puts the judgements into words.

pub mod baseline;
pub mod capacity;
pub mod case;
pub mod controller;
pub mod event;
pub mod link;
pub mod loss;
pub mod metrics;
pub mod packet;
pub mod queue;
pub mod receiver;
pub mod record;
pub mod report;
pub mod rival;
pub mod rng;
pub mod sender;
pub mod source;
pub mod suite;
pub mod tcp;
pub mod trace;
pub mod world;

#[cfg(test)]
mod tests;

pub use case::{Case, Group};
pub use controller::{Controller, ControllerKind};
pub use metrics::Metrics;
pub use report::{Report, Row};

/// What to run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The cases.
    pub cases: Vec<Case>,
    /// The estimators to run each of them with.
    pub controllers: Vec<ControllerKind>,
    /// Seeds 1 to this many.
    pub seeds: u64,
    /// Whether to keep the course of the first seed for plots.
    pub plots: bool,
}

/// One case with one estimator: indices into a [`Plan`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Job {
    case: usize,
    controller: usize,
}

impl Plan {
    /// The jobs, in the order of the report.
    pub fn jobs(&self) -> Vec<Job> {
        let of = |case| (0..self.controllers.len()).map(move |controller| Job { case, controller });
        (0..self.cases.len()).flat_map(of).collect()
    }

    /// Runs one job over all seeds.
    pub fn run_job(&self, job: Job) -> Row {
        let case = &self.cases[job.case];
        let controller = self.controllers[job.controller];
        let mut plot = None;
        let runs: Vec<Metrics> = (1..=self.seeds)
            .map(|seed| {
                let record = world::simulate(case, controller, seed);
                if self.plots && seed == 1 {
                    plot = Some(report::Plot::new(case, &record));
                }
                metrics::judge(case, &record)
            })
            .collect();
        Row::new(&case.name, case.group, controller, &runs, plot)
    }
}

/// Runs `plan`, one job after the other. `progress` hears of each that is done, and of how many there are.
pub fn run(plan: &Plan, mut progress: impl FnMut(usize, usize)) -> Report {
    let jobs = plan.jobs();
    let all = jobs.len();
    let mut rows = Vec::with_capacity(all);
    for job in jobs {
        rows.push(plan.run_job(job));
        progress(rows.len(), all);
    }
    Report::new(plan.seeds, rows)
}

/// Runs `case` with `controller` and one seed.
pub fn run_case(case: &Case, controller: ControllerKind, seed: u64) -> Metrics {
    metrics::judge(case, &world::simulate(case, controller, seed))
}
