//! After Jitsi Videobridge: one step per source and round, the stage first.
//!
//! What is on stage is raised to 360 lines at full frame rate before anybody else gets anything; then everybody is raised
//! by one step per round, in the order of importance, until nothing more fits. A shared screen's smallest step may exceed
//! the budget by 500 kbit/s. It is all worked out again when the estimate has changed by 15 %, when what there is to choose
//! from changed, and after five seconds; in between, everybody keeps what it has.

use std::time::Duration;

use router::Policy;
use selector::{Decision, Input, Role, Viewport};
use units::Timestamp;

use super::asked::Asked;

/// Lines that the stage gets before others.
const PREFERRED_HEIGHT: u32 = 360;
/// What a shared screen may exceed the budget by, in bit/s.
const OVERSEND: u64 = 500_000;
/// The estimate that it begins with, in bit/s.
const INITIAL: u64 = 2_500_000;
/// A change of the estimate by this part of it is looked into.
const THRESHOLD: f64 = 0.15;
const INTERVAL: Duration = Duration::from_secs(5);

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct Jvb {
    last: Option<Evaluation>,
}

/// What the last evaluation went by.
#[derive(Debug)]
struct Evaluation {
    at: Timestamp,
    budget: u64,
    /// The steps and roles of every subscription.
    conditions: Vec<(Role, Vec<usize>)>,
}

impl Policy for Jvb {
    fn decide(&mut self, input: &Input<'_>) -> Decision {
        let mut asked = Asked::new(input);
        let budget = asked.budget(INITIAL);
        let roles = input.subscriptions.iter().map(|subscription| subscription.role);
        let conditions: Vec<(Role, Vec<usize>)> = roles.zip(asked.steps.iter().cloned()).collect();
        let is_known =
            input.subscriptions.iter().all(|subscription| subscription.stability.started.is_some());
        let stands = self.last.as_ref().filter(|_| is_known).is_some_and(|last| {
            budget.abs_diff(last.budget) as f64 <= THRESHOLD * last.budget as f64
                && input.now - last.at < INTERVAL
                && conditions == last.conditions
        });
        if stands {
            asked.taken = (0..asked.len()).map(|of| asked.held(of)).collect();
        } else {
            evaluate(&mut asked, budget);
            self.last = Some(Evaluation { at: input.now, budget, conditions });
        }
        asked.conclude(1.0)
    }
}

fn evaluate(asked: &mut Asked<'_>, budget: u64) {
    let mut order: Vec<usize> = (0..asked.len()).collect();
    order.sort_by_key(|of| std::cmp::Reverse(asked.input.subscriptions[*of].role));
    let mut left = budget;
    loop {
        let before = left;
        for &of in &order {
            improve(asked, of, &mut left);
            let preferred = preferred(asked, of);
            if is_on_stage(asked, of) && asked.taken[of] < preferred {
                break;
            }
        }
        if left == before {
            return;
        }
    }
}

/// In a wall of small tiles nobody is on stage, whoever speaks.
fn is_on_stage(asked: &Asked<'_>, of: usize) -> bool {
    let subscription = &asked.input.subscriptions[of];
    let large = match subscription.viewport {
        Viewport::Shown { height, .. } => height > PREFERRED_HEIGHT,
        Viewport::Unknown => true,
        Viewport::Hidden => false,
    };
    subscription.role >= Role::Stage && large
}

/// The step that the stage is brought to ahead of others.
fn preferred(asked: &Asked<'_>, of: usize) -> Option<usize> {
    let steps = 0..asked.steps[of].len();
    steps.rev().find(|step| asked.point(of, *step).height <= PREFERRED_HEIGHT).or(asked.top(of).map(|_| 0))
}

/// One step up; for the stage as many as it takes to its preferred one.
fn improve(asked: &mut Asked<'_>, of: usize, left: &mut u64) {
    let Some(next) = asked.next(of) else { return };
    let first = asked.taken[of].is_none();
    if first && is_on_stage(asked, of) {
        let preferred = preferred(asked, of).unwrap_or(next);
        if (next..=preferred).rev().any(|step| asked.try_take(of, step, left)) {
            return;
        }
    } else if asked.try_take(of, next, left) {
        return;
    }
    let screen = asked.input.subscriptions[of].role == Role::Screen;
    if first && screen && asked.cost(of, Some(next)) <= *left + OVERSEND {
        asked.taken[of] = Some(next);
        *left = 0;
    }
}
