//! After LiveKit: everybody has the best while all of it fits; else everybody keeps what it has, and those who lack most are
//! raised one after the other as room is found.
//!
//! When more is in use than the link carries, everything is handed out anew: layer by layer, in each layer one track after
//! the other by priority. Nobody is paused, as pausing is off unless an operator allows it. Probes look for a fifth more
//! than the next step. Its own spacing of probes is not modelled: that is the estimator's here.

use router::Policy;
use selector::{Decision, Input};

use super::asked::Asked;

/// What a probe aims at, over the next step.
const PROBE_MARGIN: f64 = 1.2;

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Livekit;

impl Policy for Livekit {
    fn decide(&mut self, input: &Input<'_>) -> Decision {
        let mut asked = Asked::new(input);
        let budget = asked.budget(u64::MAX);
        if asked.wanted() <= budget {
            asked.taken = (0..asked.len()).map(|of| asked.top(of)).collect();
            return asked.conclude(PROBE_MARGIN);
        }
        // A track that is new begins at its lowest layer.
        asked.taken = (0..asked.len()).map(|of| asked.held(of).or(asked.top(of).map(|_| 0))).collect();
        if asked.spent() > budget {
            hand_out(&mut asked, budget);
        } else {
            boost(&mut asked, budget);
        }
        asked.conclude(PROBE_MARGIN)
    }
}

fn hand_out(asked: &mut Asked<'_>, budget: u64) {
    let mut order: Vec<usize> = (0..asked.len()).collect();
    order.sort_by_key(|of| std::cmp::Reverse(asked.input.subscriptions[*of].role));
    asked.taken = (0..asked.len()).map(|of| asked.top(of).map(|_| 0)).collect();
    let mut left = budget.saturating_sub(asked.spent());
    let layers = asked.steps.iter().map(Vec::len).max().unwrap_or(0);
    for layer in 1..layers {
        for &of in &order {
            // Each layer stands on the one below it.
            if asked.next(of) == Some(layer) {
                asked.try_take(of, layer, &mut left);
            }
        }
    }
}

/// One step for each that lacks something, those first that lack most.
fn boost(asked: &mut Asked<'_>, budget: u64) {
    let lacks = |of: &usize| asked.top(*of).zip(asked.taken[*of]).map_or(0, |(top, at)| top - at);
    let mut order: Vec<usize> = (0..asked.len()).filter(|of| lacks(of) > 0).collect();
    order.sort_by_key(|of| std::cmp::Reverse((lacks(of), asked.input.subscriptions[*of].role)));
    let mut left = budget - asked.spent();
    for of in order {
        if let Some(next) = asked.next(of) {
            asked.try_take(of, next, &mut left);
        }
    }
}
