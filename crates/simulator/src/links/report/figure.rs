//! One case as a picture that stands alone: the estimators one below the other, on the same scales.

use std::fmt::Write;

use super::{Plot, Row};

const STYLE: &str = "text{font:9px sans-serif;fill:#5b6674}polyline{fill:none;stroke-width:1}.axis{stroke:#c9d0d8}\
    .capacity{fill:#dfe6ee}.delivered{stroke:#3c8f5a}.target{stroke:#1f5fbf}.layer{stroke:#a0529c;stroke-width:1.6}\
    .queue{stroke:#c2452d}.tcp{stroke:#b8860b}";
const WIDTH: u32 = 640;
const HEIGHT: u32 = 270;
const TITLE: u32 = 16;
/// Colour and meaning of each line.
const KEY: [(&str, &str); 5] = [
    ("#dfe6ee", "capacity"),
    ("#1f5fbf", "target"),
    ("#3c8f5a", "media delivered"),
    ("#a0529c", "layer"),
    ("#c2452d", "queue"),
];

/// The rows of one case that have plots, as one SVG document.
pub fn figure(rows: &[&Row]) -> String {
    let plots = || rows.iter().filter_map(|row| row.plot.as_ref());
    let top_rate = plots().map(Plot::top_rate).fold(1.0, f64::max);
    let top_queue = plots().map(Plot::top_queue).fold(50.0, f64::max).min(2_000.0);
    let height = (HEIGHT + TITLE) * rows.len() as u32 + TITLE;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\"><style>{STYLE}</style>\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#fff\"/>"
    );
    let mut y = 0;
    for row in rows {
        let Some(plot) = &row.plot else { continue };
        let (m, caption) = (&row.metrics, y + TITLE - 4);
        let _ = write!(
            out,
            "<text x=\"8\" y=\"{caption}\">{} on {}: score {:.2}, total {:.2}, p95 {:.0} ms, whole {:.0} ms</text>\
             <svg x=\"0\" y=\"{}\" width=\"{WIDTH}\" height=\"{HEIGHT}\">{}</svg>",
            row.estimator,
            row.case,
            m.score,
            m.score_total,
            m.qd_p95,
            m.tot95,
            y + TITLE,
            plot.svg(top_rate, top_queue)
        );
        y += HEIGHT + TITLE;
    }
    for (n, (colour, what)) in KEY.iter().enumerate() {
        let x = 8 + 100 * n;
        let _ = write!(
            out,
            "<rect x=\"{x}\" y=\"{}\" width=\"14\" height=\"6\" fill=\"{colour}\"/>\
             <text x=\"{}\" y=\"{}\">{what}</text>",
            y + 5,
            x + 18,
            y + 11
        );
    }
    out.push_str("</svg>\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::links::{ControllerKind, Plan, run, suite};

    #[test]
    fn a_figure_shows_every_estimator_and_opens_by_itself() {
        let mut cases = suite::sfu();
        cases.truncate(1);
        let controllers = vec![ControllerKind::Fixed(300_000), ControllerKind::Fixed(600_000)];
        let report = run(&Plan { cases, controllers, seeds: 1, plots: true }, |_, _| {});
        let svg = figure(&report.cases.iter().collect::<Vec<_>>());
        assert!(svg.starts_with("<svg xmlns=") && svg.ends_with("</svg>\n"));
        for part in ["fixed-300 on S:const2M", "fixed-600 on S:const2M", "class=\"queue\""] {
            assert!(svg.contains(part), "{part}");
        }
        assert_eq!(svg.matches("<svg").count(), svg.matches("</svg>").count());
    }
}
