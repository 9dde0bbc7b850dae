//! What a run of the table says: rows, group means, and their forms as JSON, CSV, text and a page with plots.
//!
//! The JSON keys are a contract that people script against: adding is fine, renaming is not. Rates are in kbit/s, times
//! in milliseconds, shares are fractions.

mod figure;
pub(crate) mod html;
pub(crate) mod plot;
mod text;

use std::collections::BTreeMap;

use serde::Serialize;

use super::case::Group;
use super::controller::ControllerKind;
use super::metrics::{self, Metrics};

pub use figure::figure;
pub use html::html;
pub use plot::Plot;
pub use text::{csv, table};

/// One case with one estimator, over all seeds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// Name of the case.
    pub case: String,
    /// Its group.
    pub group: String,
    /// Name of the estimator.
    pub estimator: String,
    /// The figures: means over the seeds.
    #[serde(flatten)]
    pub metrics: Metrics,
    /// The lowest score of a seed: one number far below the mean is a case that sometimes fails.
    pub score_worst: f64,
    /// The same of `score_total`.
    pub score_total_worst: f64,
    /// Jain's index of the worst seed.
    pub jain_worst: Option<f64>,
    /// The course of the first seed, when asked for.
    #[serde(skip)]
    pub plot: Option<Plot>,
}

impl Row {
    /// From the figures of each seed.
    pub fn new(
        case: &str,
        group: Group,
        controller: ControllerKind,
        seeds: &[Metrics],
        plot: Option<Plot>,
    ) -> Self {
        let worst = |f: fn(&Metrics) -> f64| seeds.iter().map(f).fold(f64::INFINITY, f64::min);
        Self {
            case: case.to_owned(),
            group: group.to_string(),
            estimator: controller.to_string(),
            metrics: rounded(&metrics::mean(seeds)),
            score_worst: round(worst(|m| m.score), 4),
            score_total_worst: round(worst(|m| m.score_total), 4),
            jain_worst: seeds.iter().filter_map(|m| m.jain).reduce(f64::min).map(|jain| round(jain, 4)),
            plot,
        }
    }
}

/// The mean of one group of one estimator.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GroupMean {
    /// The group.
    pub group: String,
    /// The estimator.
    pub estimator: String,
    /// How many cases.
    pub cases: usize,
    /// Mean score.
    pub score: f64,
    /// Mean score with the whole delay.
    pub score_total: f64,
}

/// The table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Seeds per case.
    pub seeds: u64,
    /// Means by group and estimator.
    pub groups: Vec<GroupMean>,
    /// The rows, in the order in which they were asked for.
    pub cases: Vec<Row>,
}

impl Report {
    /// From rows.
    pub fn new(seeds: u64, cases: Vec<Row>) -> Self {
        let mut groups: BTreeMap<(&str, &str), Vec<&Metrics>> = BTreeMap::new();
        for row in &cases {
            groups.entry((&row.group, &row.estimator)).or_default().push(&row.metrics);
        }
        let mean = |rows: &[&Metrics], f: fn(&Metrics) -> f64| {
            round(rows.iter().map(|m| f(m)).sum::<f64>() / rows.len() as f64, 4)
        };
        let groups = groups
            .iter()
            .map(|((group, estimator), rows)| GroupMean {
                group: (*group).to_owned(),
                estimator: (*estimator).to_owned(),
                cases: rows.len(),
                score: mean(rows, |m| m.score),
                score_total: mean(rows, |m| m.score_total),
            })
            .collect();
        Self { seeds, groups, cases }
    }

    /// As one JSON object.
    pub fn json(&self) -> String {
        serde_json::to_string(self).expect("plain data without maps of other keys than strings")
    }
}

/// Four digits of a share and a tenth of a millisecond are all that the seeds support.
fn rounded(m: &Metrics) -> Metrics {
    let share = |value: f64| round(value, 4);
    let millis = |value: f64| round(value, 1);
    Metrics {
        util: share(m.util),
        qd_p50: millis(m.qd_p50),
        qd_p95: millis(m.qd_p95),
        qd_p99: millis(m.qd_p99),
        tot95: millis(m.tot95),
        audio_p99: m.audio_p99.map(millis),
        loss: share(m.loss),
        t90: m.t90.map(millis),
        fall: m.fall.map(millis),
        drain: m.drain.map(millis),
        osc: share(m.osc),
        overestimate: share(m.overestimate),
        jain: m.jain.map(share),
        quality: m.quality.map(share),
        best: m.best.map(share),
        over: m.over.map(share),
        switches_per_min: m.switches_per_min.map(|value| round(value, 2)),
        freeze: share(m.freeze),
        padding: share(m.padding),
        own_kbps: m.own_kbps.map(millis),
        tcp_kbps: m.tcp_kbps.map(millis),
        score: share(m.score),
        score_total: share(m.score_total),
    }
}

fn round(value: f64, digits: i32) -> f64 {
    let scale = 10f64.powi(digits);
    (value * scale).round() / scale
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let metrics = |score| Metrics {
            score,
            score_total: score / 2.0,
            qd_p95: 12.345,
            jain: Some(score),
            ..Metrics::default()
        };
        let row = |case: &str, group, score| {
            Row::new(case, group, ControllerKind::Terrace, &[metrics(score), metrics(score - 0.2)], None)
        };
        Report::new(
            2,
            vec![row("a", Group::Video, 0.8), row("b", Group::Video, 0.4), row("<c>,\"", Group::Sfu, 1.0)],
        )
    }

    #[test]
    fn groups_are_means_of_rows_and_rows_are_means_of_seeds() {
        let report = report();
        let of = |group: &str| report.groups.iter().find(|mean| mean.group == group).expect("there");
        assert_eq!((of("video").cases, of("video").score, of("video").score_total), (2, 0.5, 0.25));
        assert_eq!((of("sfu").cases, of("sfu").score), (1, 0.9));
        let first = &report.cases[0];
        assert_eq!((first.metrics.score, first.score_worst, first.jain_worst), (0.7, 0.6, Some(0.6)));
        assert_eq!(first.metrics.qd_p95, 12.3, "a tenth of a millisecond");
    }

    /// People script these keys: one that goes missing breaks them.
    #[test]
    fn json_has_the_promised_keys() {
        let json: serde_json::Value = serde_json::from_str(&report().json()).expect("JSON");
        let has = |value: &serde_json::Value, keys: &str| {
            for key in keys.split_whitespace() {
                assert!(value.get(key).is_some(), "{key} is missing in {value}");
            }
        };
        has(&json, "seeds groups cases");
        has(&json["groups"][0], "group estimator cases score score_total");
        has(
            &json["cases"][0],
            "case group estimator score score_total util qd_p50 qd_p95 qd_p99 tot95 loss t90 fall drain osc jain quality \
             best freeze switches_per_min padding own_kbps tcp_kbps",
        );
        assert!(json["cases"][0]["t90"].is_null(), "no answer is null");
    }

    #[test]
    fn csv_has_the_columns_of_the_json_and_quotes_names() {
        let report = report();
        let csv = csv(&report);
        let mut lines = csv.lines();
        let headings: Vec<&str> = lines.next().expect("headings").split(',').collect();
        let json: serde_json::Value = serde_json::from_str(&report.json()).expect("JSON");
        let row = json["cases"][0].as_object().expect("an object");
        assert_eq!(headings.len(), row.len());
        assert!(headings.iter().all(|heading| row.contains_key(*heading)), "{headings:?}");
        assert_eq!(lines.next().map(|line| line.split(',').count()), Some(headings.len()));
        assert!(csv.contains("\n\"<c>,\"\"\",sfu,"), "{csv}");
    }

    #[test]
    fn the_page_stands_alone_and_escapes_names() {
        let page = html(&report());
        assert!(page.contains("&lt;c&gt;,&quot;") && !page.contains("<c>"));
        for foreign in ["http:", "https:", "<script", "src=", "@import"] {
            assert!(!page.contains(foreign), "{foreign}");
        }
    }

    #[test]
    fn the_table_lines_up() {
        let table = table(&report());
        let rows: Vec<&str> = table.lines().take(4).collect();
        assert!(rows[0].ends_with("score  total"), "{table}");
        assert!(rows[1].ends_with("0.700  0.350"), "{table}");
        assert_eq!(rows[0].len(), rows[1].len());
    }
}
