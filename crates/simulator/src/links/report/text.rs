//! The table for a terminal and for a spreadsheet.

use std::fmt::Write;

use super::{Report, Row};

/// A column: its heading, and what a row says in it (in the unit of the JSON).
type Column = (&'static str, fn(&Row) -> Option<f64>);

/// The figures in the order of the JSON.
const COLUMNS: [Column; 26] = [
    ("score", |row| Some(row.metrics.score)),
    ("score_total", |row| Some(row.metrics.score_total)),
    ("util", |row| Some(row.metrics.util)),
    ("qd_p50", |row| Some(row.metrics.qd_p50)),
    ("qd_p95", |row| Some(row.metrics.qd_p95)),
    ("qd_p99", |row| Some(row.metrics.qd_p99)),
    ("tot95", |row| Some(row.metrics.tot95)),
    ("audio_p99", |row| row.metrics.audio_p99),
    ("loss", |row| Some(row.metrics.loss)),
    ("t90", |row| row.metrics.t90),
    ("fall", |row| row.metrics.fall),
    ("drain", |row| row.metrics.drain),
    ("osc", |row| Some(row.metrics.osc)),
    ("overestimate", |row| Some(row.metrics.overestimate)),
    ("jain", |row| row.metrics.jain),
    ("quality", |row| row.metrics.quality),
    ("best", |row| row.metrics.best),
    ("over", |row| row.metrics.over),
    ("switches_per_min", |row| row.metrics.switches_per_min),
    ("freeze", |row| Some(row.metrics.freeze)),
    ("padding", |row| Some(row.metrics.padding)),
    ("own_kbps", |row| row.metrics.own_kbps),
    ("tcp_kbps", |row| row.metrics.tcp_kbps),
    ("score_worst", |row| Some(row.score_worst)),
    ("score_total_worst", |row| Some(row.score_total_worst)),
    ("jain_worst", |row| row.jain_worst),
];

/// Comma-separated values under the keys of the JSON; empty where the JSON has null.
pub fn csv(report: &Report) -> String {
    let headings: Vec<&str> = COLUMNS.iter().map(|column| column.0).collect();
    let mut out = format!("case,group,estimator,{}\n", headings.join(","));
    for row in &report.cases {
        // Names of cases from foreign folders are file names and may hold anything.
        let name = if row.case.contains([',', '"', '\n']) {
            format!("\"{}\"", row.case.replace('"', "\"\""))
        } else {
            row.case.clone()
        };
        let values = COLUMNS.iter().map(|(_, value)| value(row).map_or(String::new(), |v| v.to_string()));
        let values: Vec<String> = values.collect();
        let _ = writeln!(out, "{name},{},{},{}", row.group, row.estimator, values.join(","));
    }
    out
}

/// What the terminal shows of them: heading, factor to the shown unit, digits.
const SHOWN: [(&str, &str, f64, usize); 15] = [
    ("util %", "util", 100.0, 1),
    ("qual %", "quality", 100.0, 1),
    ("best %", "best", 100.0, 0),
    ("p50", "qd_p50", 1.0, 0),
    ("p95 ms", "qd_p95", 1.0, 0),
    ("tot95", "tot95", 1.0, 0),
    ("loss %", "loss", 100.0, 1),
    ("t90 s", "t90", 0.001, 1),
    ("fall", "fall", 0.001, 1),
    ("drain", "drain", 0.001, 1),
    ("jain", "jain", 1.0, 3),
    ("sw/min", "switches_per_min", 1.0, 1),
    ("pad %", "padding", 100.0, 1),
    ("score", "score", 1.0, 3),
    ("total", "score_total", 1.0, 3),
];

/// Aligned text for a terminal, group means last.
pub fn table(report: &Report) -> String {
    let mut lines = vec![["case", "estimator"].map(String::from).to_vec()];
    lines[0].extend(SHOWN.iter().map(|(heading, ..)| (*heading).to_owned()));
    for row in &report.cases {
        let mut line = vec![row.case.clone(), row.estimator.clone()];
        line.extend(SHOWN.iter().map(|(_, key, factor, digits)| {
            let column = COLUMNS.iter().find(|column| column.0 == *key).expect("every shown key is a column");
            column.1(row).map_or("-".to_owned(), |value| format!("{:.*}", digits, value * factor))
        }));
        lines.push(line);
    }
    let mut out = aligned(&lines);
    out.push('\n');
    let mut means = vec![["group", "estimator", "cases", "score", "total"].map(String::from).to_vec()];
    means.extend(report.groups.iter().map(|mean| {
        let (score, total) = (format!("{:.3}", mean.score), format!("{:.3}", mean.score_total));
        vec![mean.group.clone(), mean.estimator.clone(), mean.cases.to_string(), score, total]
    }));
    out.push_str(&aligned(&means));
    out
}

/// Names to the left, figures to the right.
fn aligned(lines: &[Vec<String>]) -> String {
    let columns = lines.first().map_or(0, Vec::len);
    let width = |i: usize| lines.iter().map(|line| line[i].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut out = String::new();
    for line in lines {
        for (i, (cell, width)) in line.iter().zip(&widths).enumerate() {
            let _ = if i < 2 { write!(out, "{cell:width$}  ") } else { write!(out, "{cell:>width$}  ") };
        }
        out.truncate(out.trim_end().len());
        out.push('\n');
    }
    out
}
