//! The report as one page: the table, and every scenario as plots with the policies side by side. Nothing is loaded from
//! elsewhere and no script runs, so the file can be mailed and archived.

use std::fmt::Write;

use super::text::{COLUMNS, cell};
use super::{Plot, Report, Row};
use crate::links::report::html::escaped;

const STYLE: &str = "
:root { color-scheme: light dark; --ink: #1c2430; --faint: #7b8694; --line: #d9dee5; --most: #dfe6ee;
  --sent: #3c8f5a; --estimate: #1f5fbf; --budget: #a0529c; --delivered: #3c8f5a;
  --e0: #9cc3e6; --e1: #4f8fc9; --e2: #1f4f8f; --e3: #102f5c;
  --full: #3c8f5a; --link: #d9822b; --device: #8a5fc0; --dwell: #d8c04a; --waits: #c2452d; --off: #b9c0c9; }
@media (prefers-color-scheme: dark) { :root { --ink: #e3e8ee; --faint: #8d98a6; --line: #333c47; --most: #2a333e;
  --sent: #62b981; --estimate: #6ba4f5; --budget: #cf8bcb; --delivered: #62b981;
  --e0: #34506b; --e1: #4f8fc9; --e2: #a9d0f5; --e3: #e3f0fd; --off: #4a535e; } }
body { font: 14px/1.45 system-ui, sans-serif; color: var(--ink); margin: 2rem auto; max-width: 1600px; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.05rem; margin: 2rem 0 .2rem; } p { margin: .2rem 0 .6rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .15rem .5rem; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th:first-child, td:first-child, th:nth-child(2), td:nth-child(2) { text-align: left; }
.row { display: grid; grid-template-columns: repeat(auto-fit, minmax(300px, 1fr)); gap: 1rem; }
figure { margin: 0; } figcaption { color: var(--faint); font-size: 12px; }
svg { width: 100%; height: auto; } svg text { font-size: 9px; fill: var(--faint); }
polyline { fill: none; stroke-width: 1; } .axis { stroke: var(--line); fill: var(--ink); } .most { fill: var(--most); }
.sent { stroke: var(--sent); } .estimate { stroke: var(--estimate); } .budget { stroke: var(--budget); }
.delivered { stroke: var(--delivered); }
.e0 { fill: var(--e0); } .e1 { fill: var(--e1); } .e2 { fill: var(--e2); } .e3 { fill: var(--e3); }
.full { fill: var(--full); } .link { fill: var(--link); } .device { fill: var(--device); } .dwell { fill: var(--dwell); }
.waits { fill: var(--waits); } .off { fill: var(--off); }
.key span { margin-right: 1.2rem; } .key b { display: inline-block; width: 1.2rem; height: .6rem; margin-right: .3rem; }
";

/// What the colours mean.
const KEY: [(&str, &str); 14] = [
    ("most", "capacity; worth of the best"),
    ("sent", "sent; worth of what was shown"),
    ("estimate", "estimate"),
    ("budget", "budget for video"),
    ("e0", "smallest encoding"),
    ("e1", "second"),
    ("e2", "third"),
    ("e3", "larger"),
    ("full", "nothing missing"),
    ("link", "bandwidth, priority"),
    ("device", "device"),
    ("dwell", "waits for the link to prove itself"),
    ("waits", "waits for a keyframe"),
    ("off", "off, hidden"),
];

/// The page.
pub fn html(report: &Report) -> String {
    let mut out = String::from("<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">");
    let _ = write!(out, "<title>Simulated rooms</title><style>{STYLE}</style><h1>Simulated rooms</h1>");
    let _ = write!(
        out,
        "<p>Means over {} seeds from {}; plots show the first one, for the first participant of each kind. The oracle \
         knows the true capacity of every link.</p>",
        report.seeds, report.first_seed
    );
    table(report, &mut out);
    out.push_str("<p class=\"key\">");
    for (class, what) in KEY {
        let _ = write!(out, "<span><b style=\"background:var(--{class})\"></b>{what}</span>");
    }
    out.push_str("</p>");
    // Rows of one scenario stand together, whatever their order in the report.
    let mut names: Vec<&str> = Vec::new();
    for row in report.runs.iter().filter(|row| !row.plots.is_empty()) {
        if !names.contains(&row.scenario.as_str()) {
            names.push(&row.scenario);
        }
    }
    for name in names {
        let rows: Vec<&Row> = report.runs.iter().filter(|row| row.scenario == name).collect();
        scenario(name, &rows, &mut out);
    }
    out.push_str("</html>\n");
    out
}

fn table(report: &Report, out: &mut String) {
    out.push_str("<div class=\"wide\"><table><tr><th>scenario<th>policy");
    COLUMNS.iter().for_each(|column| {
        let _ = write!(out, "<th>{}", column.0);
    });
    out.push_str("</tr>");
    for row in &report.runs {
        let _ = write!(out, "<tr><td>{}<td>{}", escaped(&row.scenario), escaped(&row.policy));
        for column in &COLUMNS {
            let _ = write!(out, "<td>{}", cell(row, column));
        }
        out.push_str("</tr>");
    }
    out.push_str("</table></div>");
}

/// One scenario: the same scales for all policies, or side by side would mean nothing.
fn scenario(name: &str, rows: &[&Row], out: &mut String) {
    let _ = write!(out, "<h2>{}</h2>", escaped(name));
    let kinds = rows.iter().map(|row| row.plots.len()).max().unwrap_or(0);
    for kind in 0..kinds {
        let plots = || rows.iter().filter_map(|row| row.plots.get(kind).map(|plot| (row, plot)));
        let top = plots().map(|(_, plot)| Plot::top_rate(plot)).fold(1.0, f64::max);
        out.push_str("<div class=\"row\">");
        for (row, plot) in plots() {
            let _ = write!(
                out,
                "<figure><figcaption><strong>{}</strong> {}: ratio of the room {:.3}, {:.1} switches/min, {:.1} \
                 freezes/min</figcaption>{}</figure>",
                escaped(&row.policy),
                escaped(&plot.name),
                row.score.oracle_ratio,
                row.score.switches_per_min,
                row.score.freezes_per_min,
                plot.svg(top)
            );
        }
        out.push_str("</div>");
    }
}
