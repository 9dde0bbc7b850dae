//! The whole node in virtual time: real signalling, real session descriptions and real packets between
//! virtual participants, over the links on which estimators are judged.
//!
//! A [`Plan`] says what to run; each of its [`Job`]s is one [`Scenario`] under one [`Policy`] with one seed, and
//! [`Plan::run_job`] is a pure function of it, so that whoever has threads may spread them. Same scenario,
//! policy and seed give the same bytes, which the hash in each row shows. Nothing here reads a file, a clock
//! or the environment.
//!
//! ```
//! use simulator::rooms::{Policy, Scenario, simulate, score};
//!
//! let scenario = Scenario::parse(
//!     r#"
//!     name = "glance"
//!     about = "Somebody looks at a camera."
//!     seconds = 3
//!     [[people]]
//!     name = "ada"
//!     class = "desktop"
//!     sends = ["camera"]
//!     link = { up = 5000, down = 5000, rtt_ms = 20 }
//!     joins = 0.0
//!     [[people]]
//!     name = "bob"
//!     class = "desktop"
//!     tiles = [{ count = 1, width = 640, height = 360 }]
//!     link = { up = 5000, down = 5000, rtt_ms = 20 }
//!     joins = 0.2
//!     "#,
//! )
//! .unwrap();
//! let record = simulate(&scenario, Policy::Terrace, 1);
//! assert!(record.people[1].counts.frames > 30);
//! assert!(record.bad_frames().is_empty());
//! assert_eq!(record.hash, simulate(&scenario, Policy::Terrace, 1).hash);
//! # let _ = score::judge(&record);
//! ```
//!
//! The order of a run: [`scenario`] says who is there; [`world`] moves messages and datagrams between the
//! node and [`client`]s over [`path`]s; a client sends with [`camera`] and [`encoder`] and receives with
//! [`slot`], [`receiver`] and [`decoder`]; [`record`] keeps what happened; [`score`] judges it against [`oracle`];
//! [`report`] puts it into words.

pub mod camera;
pub mod client;
pub mod decoder;
pub mod digest;
pub mod encoder;
pub mod fault;
pub mod feedback;
pub mod ice;
#[cfg(test)]
mod losses;
pub mod media;
pub mod microphone;
pub mod oracle;
pub mod path;
pub mod policy;
pub mod receiver;
pub mod record;
pub mod report;
pub mod scenario;
pub mod score;
pub mod sdp;
pub mod slot;
pub mod soak;
pub mod spec;
pub mod world;

#[cfg(test)]
mod tests;

pub use policy::Policy;
pub use record::Record;
pub use report::{Outcome, Plot, Report, Row};
pub use scenario::{Scenario, embedded};
pub use score::Score;
pub use world::{simulate, simulate_closely};

/// What to run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The scenarios.
    pub scenarios: Vec<Scenario>,
    /// The policies to run each of them under.
    pub policies: Vec<Policy>,
    /// How many seeds.
    pub seeds: u64,
    /// The first of them.
    pub first_seed: u64,
    /// What to keep of each scenario's first seed.
    pub keep: Keep,
}

/// What to keep of a run beside its figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// Plots.
    pub plots: bool,
    /// Everybody's totals in words.
    pub people: bool,
    /// Every decision of the selector.
    pub decisions: bool,
}

/// One scenario under one policy with one seed: indices into a [`Plan`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Job {
    scenario: usize,
    policy: usize,
    seed: u64,
}

impl Plan {
    /// The jobs, in the order of the report.
    pub fn jobs(&self) -> Vec<Job> {
        let mut jobs = Vec::new();
        for scenario in 0..self.scenarios.len() {
            for policy in 0..self.policies.len() {
                jobs.extend((0..self.seeds).map(|n| Job { scenario, policy, seed: self.first_seed + n }));
            }
        }
        jobs
    }

    /// Runs one job.
    pub fn run_job(&self, job: Job) -> Outcome {
        let (scenario, policy) = (&self.scenarios[job.scenario], self.policies[job.policy]);
        let Keep { plots, people, decisions } = self.keep;
        let closely = job.seed == self.first_seed && self.keep != Keep::default();
        let record = if closely {
            simulate_closely(scenario, policy, job.seed)
        } else {
            simulate(scenario, policy, job.seed)
        };
        let mut outcome = Outcome::new(scenario, &record);
        if closely {
            outcome.plots = if plots { Plot::of(scenario, &record) } else { Vec::new() };
            outcome.people = people.then(|| report::people(&record));
            outcome.decisions = if decisions { record.decision_log() } else { Vec::new() };
        }
        outcome
    }

    /// The report of what all jobs came to, in their order.
    pub fn report(&self, outcomes: &[Outcome]) -> Report {
        let of_row = outcomes.chunks(self.seeds.max(1) as usize);
        let rows = self.jobs().into_iter().step_by(self.seeds.max(1) as usize).zip(of_row);
        let row = |(job, outcomes): (Job, &[Outcome])| {
            Row::new(&self.scenarios[job.scenario], self.policies[job.policy], outcomes)
        };
        Report { seeds: self.seeds, first_seed: self.first_seed, runs: rows.map(row).collect() }
    }
}
