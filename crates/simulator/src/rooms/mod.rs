//! The whole node in virtual time: real signalling, real session descriptions and real packets between
//! virtual participants, over the links on which estimators are judged.
//!
//! A [`Plan`] says what to run; each of its [`Job`]s is one [`Scenario`] under one [`Policy`], and
//! [`Plan::run_job`] is a pure function of it. [`run`] does them one after the other. Same scenario, policy
//! and seed give the same bytes, which the hash in each row shows. Nothing here reads a file, a clock or the
//! environment.
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
//! [`slot`] and [`receiver`]; [`record`] keeps what happened; [`score`] judges it against [`oracle`];
//! [`report`] puts it into words.

pub mod camera;
pub mod client;
pub mod digest;
pub mod encoder;
pub mod fault;
pub mod feedback;
pub mod ice;
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
pub use report::{Report, Row};
pub use scenario::{Scenario, embedded};
pub use score::Score;
pub use world::simulate;

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
    /// Whether to keep the course of the first seed for plots.
    pub plots: bool,
}

/// One scenario under one policy: indices into a [`Plan`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Job {
    scenario: usize,
    policy: usize,
}

impl Plan {
    /// The jobs, in the order of the report.
    pub fn jobs(&self) -> Vec<Job> {
        let of = |scenario| (0..self.policies.len()).map(move |policy| Job { scenario, policy });
        (0..self.scenarios.len()).flat_map(of).collect()
    }

    /// Runs one job over all seeds.
    pub fn run_job(&self, job: Job) -> Row {
        let scenario = &self.scenarios[job.scenario];
        let policy = self.policies[job.policy];
        let records =
            (self.first_seed..self.first_seed + self.seeds).map(|seed| simulate(scenario, policy, seed));
        Row::new(scenario, policy, records, self.plots)
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
    Report { seeds: plan.seeds, runs: rows }
}
