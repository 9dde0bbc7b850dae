//! The course of one participant's run as SVG: what its link carried and what it was given, what that was worth, and what
//! every slot showed and why it showed no more.

use std::fmt::Write;

use signalling::Reason;

use super::super::record::{Course, Person, Record, STEP};
use super::super::scenario::Scenario;
use crate::links::report::plot::{mean, points};

/// The drawing, in user units.
const WIDTH: f64 = 480.0;
const RATE_HEIGHT: f64 = 110.0;
const WORTH_HEIGHT: f64 = 40.0;
const GAP: f64 = 14.0;
const MARGIN: f64 = 44.0;
/// Of a slot: the encodings, the reasons beneath them, and a gap.
const PICTURE_HEIGHT: f64 = 6.0;
const REASON_HEIGHT: f64 = 3.0;
const LANE_HEIGHT: f64 = 11.0;
/// Slots that are drawn.
const MAX_LANES: usize = 9;

/// One participant's run. Rates in kbit/s.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plot {
    /// The participant.
    pub name: String,
    seconds: f64,
    capacity: Vec<f64>,
    sent: Vec<f64>,
    estimate: Vec<f64>,
    budget: Vec<f64>,
    best: Vec<f64>,
    delivered: Vec<f64>,
    lanes: Vec<Strip>,
}

/// One slot: stretches of the same encoding and of the same reason, by their samples.
#[derive(Clone, Debug, Default, PartialEq)]
struct Strip {
    encodings: Vec<(usize, usize, u8)>,
    /// Where somebody else comes into the picture.
    changes: Vec<usize>,
    reasons: Vec<(usize, usize, Reason)>,
}

impl Plot {
    /// Of the first of each kind of people in a scenario who look at something.
    pub fn of(scenario: &Scenario, record: &Record) -> Vec<Self> {
        let watching = scenario.people.iter().filter(|people| !people.tiles.is_empty());
        let find = |name: &str| {
            let is = |person: &&Person| person.name == name || person.name == format!("{name}-0");
            record.people.iter().find(is)
        };
        watching.filter_map(|people| Self::new(find(&people.name)?)).collect()
    }

    fn new(person: &Person) -> Option<Self> {
        let course = person.course.as_ref()?;
        let of = |f: fn(&super::super::record::Sample) -> f64| {
            mean(&person.samples.iter().map(f).collect::<Vec<f64>>())
        };
        let estimate: Vec<f64> = course.estimates.iter().map(|bits| *bits as f64 / 1e3).collect();
        Some(Self {
            name: person.name.clone(),
            seconds: person.samples.len() as f64 * STEP as f64 / 1e6,
            capacity: of(|sample| sample.capacity as f64 / 1e3),
            sent: of(|sample| sample.downloaded as f64 * 8e3 / STEP as f64),
            estimate: mean(&estimate),
            budget: mean(&budgets(course, person.samples.len())),
            best: of(|sample| sample.best),
            delivered: of(|sample| sample.delivered),
            lanes: course.lanes.iter().take(MAX_LANES).map(|lane| strip(lane)).collect(),
        })
    }

    /// The highest rate that the drawing has to show.
    pub fn top_rate(&self) -> f64 {
        let highest = |values: &[f64]| values.iter().copied().fold(0.0, f64::max);
        let used = highest(&self.sent).max(highest(&self.estimate).min(2.0 * highest(&self.sent)));
        highest(&self.capacity).min(1.3 * used).max(used).max(1.0)
    }

    /// As SVG, with rates up to `top_rate`.
    pub fn svg(&self, top_rate: f64) -> String {
        let lanes = RATE_HEIGHT + GAP + WORTH_HEIGHT + GAP;
        let height = lanes + self.lanes.len() as f64 * LANE_HEIGHT + 16.0;
        let mut out = format!(
            "<svg viewBox=\"{:.0} -6 {:.0} {height:.0}\" role=\"img\">",
            -MARGIN,
            WIDTH + MARGIN + 6.0
        );
        let rate = |values: &[f64]| points(values, 0.0, RATE_HEIGHT, top_rate);
        let most = self.best.iter().chain(&self.delivered).copied().fold(0.1, f64::max);
        let worth = |values: &[f64]| points(values, RATE_HEIGHT + GAP, WORTH_HEIGHT, most);
        let mut area = |line: &str, base: f64| {
            let _ = write!(out, "<polygon class=\"most\" points=\"0,{base} {line} {WIDTH},{base}\"/>");
        };
        area(&rate(&self.capacity), RATE_HEIGHT);
        area(&worth(&self.best), RATE_HEIGHT + GAP + WORTH_HEIGHT);
        let mut line = |class: &str, line: &str| {
            let _ = write!(out, "<polyline class=\"{class}\" points=\"{line}\"/>");
        };
        line("sent", &rate(&self.sent));
        line("estimate", &rate(&self.estimate));
        line("budget", &rate(&self.budget));
        line("delivered", &worth(&self.delivered));
        for (at, strip) in self.lanes.iter().enumerate() {
            self.lane(strip, lanes + at as f64 * LANE_HEIGHT, &mut out);
        }
        self.labels(&mut out, top_rate, lanes);
        out.push_str("</svg>");
        out
    }

    fn lane(&self, strip: &Strip, y: f64, out: &mut String) {
        let x = |sample: usize| sample as f64 * STEP as f64 / 1e6 / self.seconds.max(0.1) * WIDTH;
        let mut rect = |class: &str, from: usize, to: usize, y: f64, height: f64| {
            let (left, width) = (x(from), x(to) - x(from));
            let _ = write!(
                out,
                "<rect class=\"{class}\" x=\"{left:.1}\" y=\"{y:.0}\" width=\"{width:.1}\" height=\"{height:.0}\"/>"
            );
        };
        for (from, to, encoding) in &strip.encodings {
            rect(&format!("e{}", encoding.min(&3)), *from, *to, y, PICTURE_HEIGHT);
        }
        for at in &strip.changes {
            rect("axis", *at, at + 1, y, PICTURE_HEIGHT);
        }
        for (from, to, reason) in &strip.reasons {
            rect(colour(*reason), *from, *to, y + PICTURE_HEIGHT, REASON_HEIGHT);
        }
    }

    fn labels(&self, out: &mut String, top_rate: f64, lanes: f64) {
        let mut text = |x: f64, y: f64, anchor: &str, label: &str| {
            let _ = write!(out, "<text x=\"{x:.0}\" y=\"{y:.0}\" text-anchor=\"{anchor}\">{label}</text>");
        };
        text(-3.0, 6.0, "end", &format!("{:.1}M", top_rate / 1e3));
        text(-3.0, RATE_HEIGHT, "end", "0");
        text(-3.0, RATE_HEIGHT + GAP + 6.0, "end", "worth");
        for at in 0..self.lanes.len() {
            text(-3.0, lanes + at as f64 * LANE_HEIGHT + 8.0, "end", &format!("slot {at}"));
        }
        let bottom = lanes + self.lanes.len() as f64 * LANE_HEIGHT + 10.0;
        text(0.0, bottom, "start", "0 s");
        text(WIDTH, bottom, "end", &format!("{:.0} s", self.seconds));
        for y in [RATE_HEIGHT, RATE_HEIGHT + GAP + WORTH_HEIGHT] {
            let _ = write!(out, "<line class=\"axis\" x1=\"0\" x2=\"{WIDTH}\" y1=\"{y}\" y2=\"{y}\"/>");
        }
    }
}

/// What could be spent on video at each sample, in kbit/s: it stands until the next decision.
fn budgets(course: &Course, samples: usize) -> Vec<f64> {
    let mut decisions = course.decisions.iter().peekable();
    let mut budget = 0.0;
    let mut budgets = Vec::with_capacity(samples);
    for sample in 1..=samples {
        while let Some((_, made)) = decisions.next_if(|(at, _)| *at <= sample as u64 * STEP) {
            budget = made.record.input.budget.map_or(0.0, |budget| budget.keep.as_bps() as f64 / 1e3);
        }
        budgets.push(budget);
    }
    budgets
}

fn strip(lane: &[super::super::record::Lane]) -> Strip {
    let mut strip = Strip::default();
    let mut before = None;
    for (at, sample) in lane.iter().enumerate() {
        if let Some((who, encoding)) = sample.picture {
            match strip.encodings.last_mut() {
                Some((_, to, same)) if *to == at && *same == encoding => *to = at + 1,
                _ => strip.encodings.push((at, at + 1, encoding)),
            }
            if before.is_some_and(|before| before != who) {
                strip.changes.push(at);
            }
            before = Some(who);
        }
        if let Some(reason) = sample.reason {
            match strip.reasons.last_mut() {
                Some((_, to, same)) if *to == at && *same == reason => *to = at + 1,
                _ => strip.reasons.push((at, at + 1, reason)),
            }
        }
    }
    strip
}

/// The class that colours a reason.
pub(super) fn colour(reason: Reason) -> &'static str {
    match reason {
        Reason::Optimal | Reason::Viewport => "full",
        Reason::Bandwidth | Reason::Priority => "link",
        Reason::DeviceHeight | Reason::DeviceDecodeBudget | Reason::DeviceStreamCount | Reason::Power => {
            "device"
        }
        Reason::Dwell | Reason::Startup => "dwell",
        Reason::WaitingForKeyframe => "waits",
        _ => "off",
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::record::Lane;
    use super::*;

    #[test]
    fn stretches_join_and_changes_are_marked() {
        let of = |picture, reason| Lane { picture, reason: Some(reason) };
        let lane = [
            of(None, Reason::Startup),
            of(Some((1, 0)), Reason::Bandwidth),
            of(Some((1, 0)), Reason::Bandwidth),
            of(Some((1, 1)), Reason::Viewport),
            of(Some((2, 1)), Reason::Viewport),
        ];
        let strip = strip(&lane);
        assert_eq!(strip.encodings, [(1, 3, 0), (3, 5, 1)]);
        assert_eq!(strip.changes, [4]);
        let expected = [(0, 1, Reason::Startup), (1, 3, Reason::Bandwidth), (3, 5, Reason::Viewport)];
        assert_eq!(strip.reasons, expected);
    }
}
