//! After Signal's calling service: layer by layer, in each layer whoever spoke last first.
//!
//! A layer that somebody has is judged by the estimate of the moment, any other by the lowest estimate of the last two
//! generations of 2.5 s; a tenth of either is left to drain queues.

use std::time::Duration;

use router::Policy;
use selector::{Decision, Input};
use units::Timestamp;

use super::asked::Asked;

const GENERATION: Duration = Duration::from_millis(2_500);
/// What it begins with, in bit/s.
const INITIAL: u64 = 600_000;

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct Signal {
    generation: Option<Timestamp>,
    lowest: [Option<u64>; 2],
}

impl Signal {
    /// The lowest budget of the last two generations, this one's included.
    fn lowest(&mut self, now: Timestamp, budget: u64) -> u64 {
        if self.generation.is_none_or(|began| now - began >= GENERATION) {
            self.generation = Some(now);
            self.lowest = [None, self.lowest[0]];
        }
        self.lowest[0] = Some(self.lowest[0].map_or(budget, |lowest| lowest.min(budget)));
        self.lowest.into_iter().flatten().fold(budget, u64::min)
    }
}

impl Policy for Signal {
    fn decide(&mut self, input: &Input<'_>) -> Decision {
        let mut asked = Asked::new(input);
        let budget = asked.budget(INITIAL);
        let [same, other] = [budget, self.lowest(input.now, budget)].map(|rate| rate / 10 * 9);
        let layers = asked.steps.iter().map(Vec::len).max().unwrap_or(0);
        for layer in 0..layers {
            for of in 0..asked.len() {
                if layer >= asked.steps[of].len() {
                    continue;
                }
                let most = if asked.held(of) == Some(layer) { same } else { other };
                let mut left = most.saturating_sub(asked.spent());
                asked.try_take(of, layer, &mut left);
            }
        }
        asked.conclude(1.0)
    }
}
