//! What runs say: rows as JSON, as a table, and as a page with plots.
//!
//! The JSON keys are a contract that people script against: adding is fine, renaming is not.

mod html;
mod plot;
mod text;

use serde::Serialize;

use super::digest::Digest;
use super::policy::Policy;
use super::record::Record;
use super::scenario::Scenario;
use super::score::{self, Score};
use super::soak;

pub use html::html;
pub use plot::Plot;
pub use text::{people, table};

/// What one seed came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Its figures.
    pub score: Score,
    /// Of every byte that the node put out.
    pub hash: String,
    /// Bounds of the scenario that it broke, each with how to run it again.
    pub broken: Vec<String>,
    /// What no run may do and this one did, each with how to run it again.
    pub violations: Vec<String>,
    /// The course of some of the people, where it was asked for.
    pub plots: Vec<Plot>,
    /// Everybody's totals in words, where they were asked for.
    pub people: Option<String>,
    /// The lines of the decision log, where it was asked for.
    pub decisions: Vec<String>,
}

impl Outcome {
    /// Of a run.
    pub fn new(scenario: &Scenario, record: &Record) -> Self {
        let score = score::judge(record);
        let again = again(record);
        let with = |why: Vec<String>| why.iter().map(|why| format!("{why}\n  {again}")).collect();
        let mut violations = soak::violations(record);
        if scenario.is_calm_at_the_end {
            violations.extend(soak::left_in_the_dark(record));
        }
        // What others would do may be as bad as it likes.
        let is_ours = record.policy == Policy::Terrace;
        Self {
            broken: if is_ours { with(score::broken_bounds(scenario, &score)) } else { Vec::new() },
            violations: if is_ours { with(violations) } else { Vec::new() },
            score,
            hash: record.hash.clone(),
            plots: Vec::new(),
            people: None,
            decisions: Vec::new(),
        }
    }
}

/// One scenario under one policy, over all seeds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// Its name.
    pub scenario: String,
    /// The policy's name.
    pub policy: String,
    /// Means over the seeds.
    #[serde(flatten)]
    pub score: Score,
    /// The lowest ratio of a seed.
    pub oracle_ratio_worst: f64,
    /// Of every byte that the node put out, over all seeds.
    pub hash: String,
    /// What bounds of the scenario a seed broke, each with how to run it again.
    pub broken: Vec<String>,
    /// What no run may do and a seed did, each with how to run it again.
    pub violations: Vec<String>,
    /// Of the first seed, where it was asked for.
    #[serde(skip)]
    pub plots: Vec<Plot>,
}

impl Row {
    /// From what each seed came to.
    pub fn new(scenario: &Scenario, policy: Policy, outcomes: &[Outcome]) -> Self {
        let mut digest = Digest::default();
        outcomes.iter().for_each(|outcome| digest.add(outcome.hash.as_bytes()));
        let scores: Vec<Score> = outcomes.iter().map(|outcome| outcome.score.clone()).collect();
        let worst = scores.iter().map(|score| score.oracle_ratio).fold(f64::INFINITY, f64::min);
        Self {
            scenario: scenario.name.clone(),
            policy: policy.to_string(),
            score: rounded(&Score::mean(&scores)),
            oracle_ratio_worst: share(worst),
            hash: digest.hex(),
            broken: outcomes.iter().flat_map(|outcome| outcome.broken.clone()).collect(),
            violations: outcomes.iter().flat_map(|outcome| outcome.violations.clone()).collect(),
            plots: outcomes.first().map_or(Vec::new(), |outcome| outcome.plots.clone()),
        }
    }
}

/// The line that runs it again.
pub fn again(record: &Record) -> String {
    format!(
        "cargo run --release -p terrace -- sim rooms --scenario {} --policy {} --seeds 1 --first-seed {}",
        record.scenario, record.policy, record.seed
    )
}

/// All rows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Seeds per row.
    pub seeds: u64,
    /// The first of them.
    pub first_seed: u64,
    /// In the order in which they were asked for.
    pub runs: Vec<Row>,
}

impl Report {
    /// As one JSON object.
    pub fn json(&self) -> String {
        serde_json::to_string(self).expect("plain data without maps of other keys than strings")
    }

    /// What no run may do and some did.
    pub fn violations(&self) -> impl Iterator<Item = &str> {
        self.runs.iter().flat_map(|row| &row.violations).map(String::as_str)
    }
}

fn share(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

/// Four digits of a share and a tenth of a millisecond are all that the seeds support.
fn rounded(score: &Score) -> Score {
    let millis = |value: Option<f64>| value.map(|value| (value * 10.0).round() / 10.0);
    Score {
        oracle_ratio: share(score.oracle_ratio),
        first_frame_p95: millis(score.first_frame_p95),
        best_point_p95: millis(score.best_point_p95),
        leave_p95: millis(score.leave_p95),
        freezes_per_min: share(score.freezes_per_min),
        switches_per_min: share(score.switches_per_min),
        wasted_bits: share(score.wasted_bits),
        decode_budget_exceeded: share(score.decode_budget_exceeded),
        starved_slots: share(score.starved_slots),
        bad_frames: share(score.bad_frames),
        queue_loss: share(score.queue_loss),
        padding: share(score.padding),
        keyframes_per_min: share(score.keyframes_per_min),
        down_kbps: share(score.down_kbps),
    }
}
