//! The report as one page: group means, the table, and every case as plots with the estimators side by side. Nothing
//! is loaded from elsewhere and no script runs, so the file can be mailed and archived.

use std::fmt::Write;

use super::{Report, Row};

const STYLE: &str = "
:root { color-scheme: light dark; --ink: #1c2430; --faint: #7b8694; --line: #d9dee5; --capacity: #dfe6ee;
  --delivered: #3c8f5a; --target: #1f5fbf; --layer: #a0529c; --queue: #c2452d; --tcp: #b8860b; }
@media (prefers-color-scheme: dark) { :root { --ink: #e3e8ee; --faint: #8d98a6; --line: #333c47; --capacity: #2a333e;
  --delivered: #62b981; --target: #6ba4f5; --layer: #cf8bcb; --queue: #f0795f; --tcp: #d8b04a; } }
body { font: 14px/1.45 system-ui, sans-serif; color: var(--ink); margin: 2rem auto; max-width: 1400px; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.05rem; margin: 2rem 0 .4rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .15rem .6rem; text-align: right; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child, th:nth-child(2), td:nth-child(2) { text-align: left; }
.row { display: grid; grid-template-columns: repeat(auto-fit, minmax(320px, 1fr)); gap: 1rem; }
figure { margin: 0; } figcaption { color: var(--faint); font-size: 12px; }
svg { width: 100%; height: auto; } svg text { font-size: 9px; fill: var(--faint); }
polyline { fill: none; stroke-width: 1; } .axis { stroke: var(--line); }
.capacity { fill: var(--capacity); } .delivered { stroke: var(--delivered); } .target { stroke: var(--target); }
.layer { stroke: var(--layer); stroke-width: 1.6; } .queue { stroke: var(--queue); } .tcp { stroke: var(--tcp); }
.key span { margin-right: 1.2rem; } .key b { display: inline-block; width: 1.2rem; height: .6rem; margin-right: .3rem; }
";

/// The page.
pub fn html(report: &Report) -> String {
    let mut out = String::from("<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">");
    let _ = write!(out, "<title>Simulated links</title><style>{STYLE}</style><h1>Simulated links</h1>");
    let _ = write!(
        out,
        "<p>Means over {} seeds; plots show the first one. Score: utilisation (or quality) times exp(-p95 / 300 ms) \
         times what loss leaves; total: with the wait in the sender.</p>",
        report.seeds
    );
    groups(report, &mut out);
    key(&mut out);
    // Rows of one case stand together, whatever their order in the report.
    let mut names: Vec<&str> = Vec::new();
    for row in &report.cases {
        if !names.contains(&row.case.as_str()) {
            names.push(&row.case);
        }
    }
    for name in names {
        let rows: Vec<&Row> = report.cases.iter().filter(|row| row.case == name).collect();
        case(name, &rows, &mut out);
    }
    out.push_str("</html>\n");
    out
}

fn groups(report: &Report, out: &mut String) {
    out.push_str("<table><tr><th>group<th>estimator<th>cases<th>score<th>total</tr>");
    for mean in &report.groups {
        let _ = write!(
            out,
            "<tr><td>{}<td>{}<td>{}<td>{:.3}<td>{:.3}</tr>",
            mean.group,
            escaped(&mean.estimator),
            mean.cases,
            mean.score,
            mean.score_total
        );
    }
    out.push_str("</table>");
}

fn key(out: &mut String) {
    out.push_str("<p class=\"key\">");
    for (class, what) in [
        ("capacity", "capacity"),
        ("target", "target of each flow"),
        ("delivered", "media delivered"),
        ("layer", "layer"),
        ("tcp", "TCP"),
        ("queue", "longest queue"),
    ] {
        let _ = write!(out, "<span><b style=\"background:var(--{class})\"></b>{what}</span>");
    }
    out.push_str("</p>");
}

/// One case: the same scales for all estimators, or side by side would mean nothing.
fn case(name: &str, rows: &[&Row], out: &mut String) {
    let plots = || rows.iter().filter_map(|row| row.plot.as_ref());
    let top_rate = plots().map(super::Plot::top_rate).fold(1.0, f64::max);
    let top_queue = plots().map(super::Plot::top_queue).fold(50.0, f64::max).min(2_000.0);
    let _ = write!(out, "<h2>{}</h2><div class=\"row\">", escaped(name));
    for row in rows {
        let m = &row.metrics;
        let what = if let Some(quality) = m.quality {
            format!("quality {:.1} %, {:.1} switches/min", quality * 100.0, m.switches_per_min.unwrap_or(0.0))
        } else {
            format!("util {:.1} %", m.util * 100.0)
        };
        let _ = write!(
            out,
            "<figure><figcaption><strong>{}</strong> {what}, p95 {:.0} ms, whole {:.0} ms, loss {:.1} %, score {:.3}, \
             total {:.3}</figcaption>{}</figure>",
            escaped(&row.estimator),
            m.qd_p95,
            m.tot95,
            m.loss * 100.0,
            m.score,
            m.score_total,
            row.plot.as_ref().map_or(String::new(), |plot| plot.svg(top_rate, top_queue))
        );
    }
    out.push_str("</div>");
}

/// Names come from files of other people.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
