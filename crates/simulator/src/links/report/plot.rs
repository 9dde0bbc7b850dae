//! The course of one run, thinned for drawing, and its drawing as SVG.

use std::fmt::Write;

use super::super::case::{Case, FlowSpec};
use super::super::metrics::Available;
use super::super::record::{FlowRecord, Record, STEP};

/// Points per line: about one per pixel of the drawing.
const POINTS: usize = 480;
/// The drawing, in user units.
const WIDTH: f64 = 480.0;
const RATE_HEIGHT: f64 = 120.0;
const QUEUE_HEIGHT: f64 = 60.0;
const GAP: f64 = 14.0;
const MARGIN: f64 = 44.0;

/// The course of one run. Rates in kbit/s, the queue in milliseconds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plot {
    /// Seconds from the first point to the end.
    pub seconds: f64,
    /// What the first scored link could carry.
    pub capacity: Vec<f64>,
    /// The target of each media flow.
    pub targets: Vec<Vec<f64>>,
    /// The layer of each flow that has layers.
    pub layers: Vec<Vec<f64>>,
    /// Media delivered over that link, all flows together.
    pub delivered: Vec<f64>,
    /// TCP delivered, if there is any.
    pub tcp: Vec<f64>,
    /// The longest queue.
    pub queue: Vec<f64>,
}

impl Plot {
    /// Of a run.
    pub fn new(case: &Case, record: &Record) -> Self {
        let steps = record.steps();
        let kbps = |bytes: f64| bytes * 8.0 / (STEP as f64 / 1e3);
        let on_link = || {
            let here = |spec: &FlowSpec| case.scored.first().is_none_or(|link| spec.forward.contains(link));
            record.flows.iter().zip(&case.flows).filter(move |(_, spec)| here(spec)).map(|(flow, _)| flow)
        };
        let total = |f: fn(&FlowRecord) -> &Vec<u64>| -> Vec<f64> {
            (0..steps).map(|i| kbps(on_link().map(|flow| f(flow)[i]).sum::<u64>() as f64)).collect()
        };
        let media = || record.flows.iter().zip(&case.flows).filter(|(_, spec)| spec.source().is_some());
        let rate = |values: &[u64]| mean(&values.iter().map(|v| *v as f64 / 1e3).collect::<Vec<_>>());
        let capacity: Vec<f64> = Available::new(case).first().iter().map(|bps| bps / 1e3).collect();
        let tcp = total(|flow| &flow.tcp);
        let queue: Vec<f64> = record.worst_queue().map(|micros| micros as f64 / 1e3).collect();
        Self {
            seconds: case.duration as f64 / 1e6,
            capacity: mean(&capacity),
            targets: media().map(|(flow, _)| rate(&flow.target)).collect(),
            layers: media()
                .filter(|(f, _)| f.layer.iter().any(|l| *l > 0))
                .map(|(f, _)| rate(&f.layer))
                .collect(),
            delivered: mean(&total(|flow| &flow.media)),
            tcp: if tcp.iter().any(|v| *v > 0.0) { mean(&tcp) } else { Vec::new() },
            queue: thin(&queue, |values| values.iter().copied().fold(0.0, f64::max)),
        }
    }

    /// The highest rate that the drawing has to show.
    pub fn top_rate(&self) -> f64 {
        let highest = |values: &[f64]| values.iter().copied().fold(0.0, f64::max);
        let sent = self.targets.iter().map(|t| highest(t)).fold(highest(&self.delivered), f64::max);
        // Capacity far above all use would press everything else flat.
        highest(&self.capacity).min(1.5 * sent).max(sent.min(1.5 * highest(&self.capacity))).max(1.0)
    }

    /// The longest queue.
    pub fn top_queue(&self) -> f64 {
        self.queue.iter().copied().fold(0.0, f64::max)
    }

    /// As SVG, with scales up to `top_rate` and `top_queue`.
    pub fn svg(&self, top_rate: f64, top_queue: f64) -> String {
        let mut out = String::new();
        let height = RATE_HEIGHT + GAP + QUEUE_HEIGHT + 16.0;
        let _ = write!(
            out,
            "<svg viewBox=\"{:.0} -6 {:.0} {height:.0}\" role=\"img\">",
            -MARGIN,
            WIDTH + MARGIN + 6.0
        );
        let rate = |values: &[f64]| points(values, 0.0, RATE_HEIGHT, top_rate);
        let _ = write!(
            out,
            "<polygon class=\"capacity\" points=\"0,{RATE_HEIGHT} {} {WIDTH},{RATE_HEIGHT}\"/>",
            rate(&self.capacity)
        );
        let mut line = |class: &str, points: &str| {
            let _ = write!(out, "<polyline class=\"{class}\" points=\"{points}\"/>");
        };
        line("delivered", &rate(&self.delivered));
        if !self.tcp.is_empty() {
            line("tcp", &rate(&self.tcp));
        }
        self.layers.iter().for_each(|layer| line("layer", &rate(layer)));
        self.targets.iter().for_each(|target| line("target", &rate(target)));
        let base = RATE_HEIGHT + GAP;
        line("queue", &points(&self.queue, base, QUEUE_HEIGHT, top_queue));
        self.axes(&mut out, top_rate, top_queue);
        out.push_str("</svg>");
        out
    }

    fn axes(&self, out: &mut String, top_rate: f64, top_queue: f64) {
        let mut text = |x: f64, y: f64, anchor: &str, label: &str| {
            let _ = write!(out, "<text x=\"{x:.0}\" y=\"{y:.0}\" text-anchor=\"{anchor}\">{label}</text>");
        };
        let base = RATE_HEIGHT + GAP + QUEUE_HEIGHT;
        text(-3.0, 6.0, "end", &format!("{:.1}M", top_rate / 1e3));
        text(-3.0, RATE_HEIGHT, "end", "0");
        text(-3.0, RATE_HEIGHT + GAP + 6.0, "end", &format!("{top_queue:.0}ms"));
        text(-3.0, base, "end", "0");
        text(0.0, base + 10.0, "start", "0 s");
        text(WIDTH, base + 10.0, "end", &format!("{:.0} s", self.seconds));
        for y in [RATE_HEIGHT, base] {
            let _ = write!(out, "<line class=\"axis\" x1=\"0\" x2=\"{WIDTH}\" y1=\"{y}\" y2=\"{y}\"/>");
        }
    }
}

/// Coordinates of a line over the whole width; values beyond the top are cut.
pub(crate) fn points(values: &[f64], y: f64, height: f64, top: f64) -> String {
    let mut out = String::with_capacity(values.len() * 10);
    let last = values.len().saturating_sub(1).max(1) as f64;
    for (i, value) in values.iter().enumerate() {
        let x = i as f64 * WIDTH / last;
        let y = y + height * (1.0 - (value / top).min(1.0));
        let _ = write!(out, "{}{x:.0},{y:.1}", if i == 0 { "" } else { " " });
    }
    out
}

pub(crate) fn mean(values: &[f64]) -> Vec<f64> {
    thin(values, |values| values.iter().sum::<f64>() / values.len() as f64)
}

/// At most [`POINTS`] values, each made of its share of `values`.
fn thin(values: &[f64], join: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    if values.is_empty() {
        return Vec::new();
    }
    let per_point = values.len().div_ceil(POINTS);
    values.chunks(per_point).map(join).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinning_keeps_means_and_peaks() {
        let values: Vec<f64> = (0..10_000).map(f64::from).collect();
        let means = mean(&values);
        assert!(means.len() <= POINTS, "{}", means.len());
        let average = means.iter().sum::<f64>() / means.len() as f64;
        assert!((average - 4_999.5).abs() < 20.0, "{average}");
        assert_eq!(thin(&values, |v| v.iter().copied().fold(0.0, f64::max)).last(), Some(&9_999.0));
    }

    #[test]
    fn lines_stay_in_their_lane() {
        assert_eq!(points(&[0.0, 50.0, 500.0], 10.0, 100.0, 100.0), "0,110.0 240,60.0 480,10.0");
    }
}
