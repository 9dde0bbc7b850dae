//! Runs as text for a terminal.

use std::fmt::Write;

use super::super::record::{Record, Sample};
use super::{Report, Row};

/// See [`COLUMNS`].
pub(super) type Column = (&'static str, &'static str, f64, usize);

/// A column: heading, key in the JSON, factor to the shown unit, digits.
pub(super) const COLUMNS: [Column; 14] = [
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
        line.extend(COLUMNS.iter().map(|column| cell(row, column)));
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
    for broken in report.runs.iter().flat_map(|row| row.violations.iter().chain(&row.broken)) {
        let _ = writeln!(out, "{broken}");
    }
    out
}

/// One figure of a row.
pub(super) fn cell(row: &Row, (_, key, factor, digits): &Column) -> String {
    let value = row.score.get(key).expect("every column is a figure") * factor;
    if value.is_nan() { "-".to_owned() } else { format!("{value:.digits$}") }
}

/// Everybody's totals and the course of each second: for whoever wants to know what happened.
pub fn people(record: &Record) -> String {
    let mut out = format!("{}: {:?}, bad frames {:?}\n", record.scenario, record.node, record.bad_frames());
    for person in &record.people {
        let _ = writeln!(
            out,
            "{} {:?}\n  {:?}\n  {:?}",
            person.name, person.stays, person.counts, person.traffic
        );
        let _ = writeln!(
            out,
            "  sent {} video, {} padding; {:?} offered and dropped; starved {}",
            person.video_sent, person.padding_sent, person.downloaded, person.starved
        );
        for (at, second) in person.samples.chunks(10).enumerate() {
            let mean = |f: fn(&Sample) -> f64| second.iter().map(f).sum::<f64>() / second.len() as f64;
            let _ = write!(
                out,
                "  {:>6.1} s {:>7.0} of {:>7.0} kbit/s, worth {:.2} of {:.2}, {:.1} lit",
                second[0].at as f64 / 1e6,
                mean(|s| s.downloaded as f64 * 80.0 / 1e3),
                mean(|s| s.capacity as f64 / 1e3),
                mean(|s| s.delivered),
                mean(|s| s.best),
                mean(|s| s.lit as f64),
            );
            if let Some(course) = &person.course {
                let _ =
                    write!(out, ", {:>5} est;", course.estimates.get(at * 10).map_or(0, |rate| rate / 1_000));
                for lane in course.lanes.iter().filter_map(|lane| lane.get(at * 10)) {
                    let _ = match lane.picture {
                        Some((who, encoding)) => write!(out, " {who}:{encoding}"),
                        None => write!(out, " -"),
                    };
                    let _ = lane.reason.map_or(Ok(()), |reason| write!(out, "/{reason:?}"));
                }
            }
            out.push('\n');
        }
    }
    out
}
