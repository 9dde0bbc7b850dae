//! What runs say: rows as JSON and as a table.
//!
//! The JSON keys are a contract that people script against: adding is fine, renaming is not.

use std::fmt::Write;

use serde::Serialize;

use super::digest::Digest;
use super::policy::Policy;
use super::record::Record;
use super::scenario::Scenario;
use super::score::{self, Score};

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
    /// Of every byte that the node put out, over all seeds.
    pub hash: String,
    /// What bounds of the scenario a seed broke, each with how to run it again.
    pub broken: Vec<String>,
}

impl Row {
    /// From the records of each seed.
    pub fn new(
        scenario: &Scenario,
        policy: Policy,
        records: impl Iterator<Item = Record>,
        _plots: bool,
    ) -> Self {
        let mut digest = Digest::default();
        let (mut scores, mut broken) = (Vec::new(), Vec::new());
        for record in records {
            digest.add(record.hash.as_bytes());
            let score = score::judge(&record);
            let again = again(&record);
            broken
                .extend(score::broken_bounds(scenario, &score).iter().map(|why| format!("{why}\n  {again}")));
            scores.push(score);
        }
        Self {
            scenario: scenario.name.clone(),
            policy: policy.to_string(),
            score: rounded(&Score::mean(&scores)),
            hash: digest.hex(),
            broken,
        }
    }
}

/// The line that runs it again.
pub fn again(record: &Record) -> String {
    format!(
        "cargo run --release -p terrace-simulator --example rooms -- --scenario {} --policy {} --seeds 1 --first-seed {}",
        record.scenario, record.policy, record.seed
    )
}

/// All rows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Seeds per row.
    pub seeds: u64,
    /// In the order in which they were asked for.
    pub runs: Vec<Row>,
}

impl Report {
    /// As one JSON object.
    pub fn json(&self) -> String {
        serde_json::to_string(self).expect("plain data without maps of other keys than strings")
    }
}

/// A column: heading, key in the JSON, factor to the shown unit, digits.
const COLUMNS: [(&str, &str, f64, usize); 14] = [
    ("oracle", "oracle_ratio", 1.0, 3),
    ("first ms", "first_frame_p95", 1.0, 0),
    ("best ms", "best_point_p95", 1.0, 0),
    ("leave ms", "leave_p95", 1.0, 0),
    ("frz/min", "freezes_per_min", 1.0, 2),
    ("sw/min", "switches_per_min", 1.0, 2),
    ("key/min", "keyframes_per_min", 1.0, 1),
    ("waste %", "wasted_bits", 100.0, 1),
    ("decode", "decode_budget_exceeded", 1.0, 0),
    ("starved", "starved_slots", 1.0, 0),
    ("bad", "bad_frames", 1.0, 0),
    ("drop %", "queue_loss", 100.0, 1),
    ("pad %", "padding", 100.0, 1),
    ("kbit/s", "down_kbps", 1.0, 0),
];

/// Aligned text for a terminal.
pub fn table(report: &Report) -> String {
    let mut lines = vec![vec!["scenario".to_owned(), "policy".to_owned()]];
    lines[0].extend(COLUMNS.iter().map(|column| column.0.to_owned()));
    for row in &report.runs {
        let mut line = vec![row.scenario.clone(), row.policy.clone()];
        line.extend(COLUMNS.iter().map(|(_, key, factor, digits)| {
            let value = row.score.get(key).expect("every column is a figure") * factor;
            if value.is_nan() { "-".to_owned() } else { format!("{value:.digits$}") }
        }));
        lines.push(line);
    }
    let widths: Vec<usize> = (0..lines[0].len())
        .map(|at| lines.iter().map(|line| line[at].chars().count()).max().unwrap_or(0))
        .collect();
    let mut out = String::new();
    for line in &lines {
        for (at, (cell, width)) in line.iter().zip(&widths).enumerate() {
            let _ = if at < 2 { write!(out, "{cell:width$}  ") } else { write!(out, "{cell:>width$}  ") };
        }
        out.truncate(out.trim_end().len());
        out.push('\n');
    }
    for broken in report.runs.iter().flat_map(|row| &row.broken) {
        let _ = writeln!(out, "{broken}");
    }
    out
}

/// Four digits of a share and a tenth of a millisecond are all that the seeds support.
fn rounded(score: &Score) -> Score {
    let share = |value: f64| (value * 1e4).round() / 1e4;
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
