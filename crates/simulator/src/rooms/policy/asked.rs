//! What all rivals share: the steps that a client's request leaves, and the form of an answer.

use selector::{
    Choice, Decision, Input, Missing, NextStep, OperatingPoint, Reason, Stability, Subscription, Viewport,
};
use units::Bitrate;

/// The steps of every subscription, and which was taken.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    pub(super) input: &'a Input<'a>,
    /// Positions among a subscription's points, smallest first: what is sent and no larger than asked for.
    pub(super) steps: Vec<Vec<usize>>,
    /// Positions among the steps.
    pub(super) taken: Vec<Option<usize>>,
    /// What to remember of each.
    pub(super) memory: Vec<Stability>,
}

impl<'a> Asked<'a> {
    pub(super) fn new(input: &'a Input<'a>) -> Self {
        let steps: Vec<Vec<usize>> = input.subscriptions.iter().map(|s| steps(input, s)).collect();
        let memory = input.subscriptions.iter().map(|subscription| subscription.stability).collect();
        Self { input, taken: vec![None; steps.len()], steps, memory }
    }

    /// What may be spent, in bit/s; `otherwise` while nothing is known of the link.
    pub(super) fn budget(&self, otherwise: u64) -> u64 {
        self.input.budget.map_or(otherwise, |budget| budget.keep.as_bps())
    }

    /// How many subscriptions there are.
    pub(super) fn len(&self) -> usize {
        self.steps.len()
    }

    pub(super) fn point(&self, of: usize, step: usize) -> &OperatingPoint {
        &self.input.subscriptions[of].points[self.steps[of][step]]
    }

    /// What a step costs, in bit/s.
    pub(super) fn cost(&self, of: usize, step: Option<usize>) -> u64 {
        step.map_or(0, |step| self.point(of, step).cost.as_bps())
    }

    /// The largest step of one subscription.
    pub(super) fn top(&self, of: usize) -> Option<usize> {
        self.steps[of].len().checked_sub(1)
    }

    /// The step that it had, if it is still there.
    pub(super) fn held(&self, of: usize) -> Option<usize> {
        let target = self.input.subscriptions[of].target?;
        self.steps[of].iter().position(|point| *point == target)
    }

    /// The next step up.
    pub(super) fn next(&self, of: usize) -> Option<usize> {
        let next = self.taken[of].map_or(0, |at| at + 1);
        (next < self.steps[of].len()).then_some(next)
    }

    /// What all that is taken costs, in bit/s.
    pub(super) fn spent(&self) -> u64 {
        (0..self.len()).map(|of| self.cost(of, self.taken[of])).sum()
    }

    /// What it would cost if everybody had the largest step, in bit/s.
    pub(super) fn wanted(&self) -> u64 {
        (0..self.len()).map(|of| self.cost(of, self.top(of))).sum()
    }

    /// Takes a step if what it costs more is left. Returns whether it did.
    pub(super) fn try_take(&mut self, of: usize, step: usize, left: &mut u64) -> bool {
        let had = self.cost(of, self.taken[of]);
        let needs = self.cost(of, Some(step));
        if needs > had.saturating_add(*left) {
            return false;
        }
        *left = (*left + had) - needs;
        self.taken[of] = Some(step);
        true
    }

    /// The decision. `margin` is how much more than the cheapest missing step a probe looks for, as a factor.
    pub(super) fn conclude(self, margin: f64) -> Decision {
        let spent = self.spent();
        let missing = |of: usize| {
            let next = self.next(of)?;
            Some(self.cost(of, Some(next)).saturating_sub(self.cost(of, self.taken[of])))
        };
        let probe =
            (0..self.len()).filter_map(missing).min().map(|step| spent + (step as f64 * margin) as u64);
        let choice = |of: usize| {
            let next = self.next(of).map(|next| NextStep {
                point: self.steps[of][next],
                missing: Missing { bitrate: missing(of).map(Bitrate::from_bps), ..Missing::default() },
            });
            let reason = match next {
                Some(_) => Reason::Bandwidth,
                None if self.steps[of].is_empty() => Reason::PublisherOff,
                None => Reason::Optimal,
            };
            let stability =
                Stability { started: self.memory[of].started.or(Some(self.input.now)), ..self.memory[of] };
            Choice { point: self.taken[of].map(|at| self.steps[of][at]), reason, next, stability }
        };
        let taken = (0..self.len()).filter_map(|of| Some(self.point(of, self.taken[of]?).pixel_rate()));
        Decision {
            choices: (0..self.len()).map(choice).collect(),
            spent: Bitrate::from_bps(spent),
            pixel_rate: taken.sum(),
            wanted: Bitrate::from_bps(self.wanted()),
            probe: probe.map(Bitrate::from_bps),
            again: None,
        }
    }
}

/// The points of a subscription that its client would ask for.
fn steps(input: &Input<'_>, subscription: &Subscription<'_>) -> Vec<usize> {
    let points = &subscription.points;
    let usable = |point: &OperatingPoint| {
        point.alive && point.pixels() > 0 && input.device.codecs.contains(point.codec)
    };
    let fills = |point: &OperatingPoint| match subscription.viewport {
        Viewport::Shown { width, height } => point.width >= width || point.height >= height,
        Viewport::Unknown | Viewport::Hidden => false,
    };
    if subscription.viewport == Viewport::Hidden {
        return Vec::new();
    }
    let filling =
        points.iter().filter(|point| usable(point) && fills(point)).map(OperatingPoint::pixels).min();
    let wish = subscription.max_height.unwrap_or(u32::MAX);
    let fits = |point: &OperatingPoint| {
        filling.is_none_or(|most| point.pixels() <= most) && point.width.min(point.height) <= wish
    };
    let mut steps: Vec<usize> =
        (0..points.len()).filter(|at| usable(&points[*at]) && fits(&points[*at])).collect();
    steps.sort_by_key(|at| (points[*at].pixels(), points[*at].fps));
    steps
}
