//! The exact best answer by branch and bound, to measure the fast one by.

use super::*;
use crate::ladder::build;

/// The rungs of every subscription.
pub(super) fn ladders(input: &Input<'_>) -> Vec<Vec<Rung>> {
    let ladder = |subscription| {
        let mut rungs = Vec::new();
        build(&input.device, subscription, &mut Taste::new(&input.device, subscription), &mut rungs);
        rungs
    };
    input.subscriptions.iter().map(ladder).collect()
}

/// The worth of a decision.
pub(super) fn worth(input: &Input<'_>, decision: &Decision) -> f64 {
    let chosen = |(ladder, choice): (Vec<Rung>, &Choice)| {
        ladder.iter().find(|rung| Some(rung.point) == choice.point).map_or(0.0, |rung| rung.utility)
    };
    ladders(input).into_iter().zip(&decision.choices).map(chosen).sum()
}

/// The most worth that the budgets allow when everybody gets something; `None` when not everybody can.
pub(super) fn best(input: &Input<'_>) -> Option<f64> {
    let ladders: Vec<Vec<Rung>> = ladders(input).into_iter().filter(|rungs| !rungs.is_empty()).collect();
    let budget = input.budget.expect("an oracle needs a budget").keep.as_bps();
    // What the subscriptions from a position on could add at most, and must cost at least.
    let mut rest = vec![(0.0, 0u64, 0u64); ladders.len() + 1];
    for (at, rungs) in ladders.iter().enumerate().rev() {
        let (worth, bits, pixels) = rest[at + 1];
        let most = rungs.iter().map(|rung| rung.utility).fold(0.0, f64::max);
        let least_bits = rungs.iter().map(|rung| rung.bits).min().unwrap_or(0);
        let least_pixels = rungs.iter().map(|rung| rung.pixels).min().unwrap_or(0);
        rest[at] = (worth + most, bits + least_bits, pixels + least_pixels);
    }
    let mut best = None;
    search(&ladders, &rest, (0.0, budget, input.device.decode_pixels_per_second), &mut best);
    best
}

fn search(
    ladders: &[Vec<Rung>],
    rest: &[(f64, u64, u64)],
    (worth, bits, pixels): (f64, u64, u64),
    best: &mut Option<f64>,
) {
    let (more, least_bits, least_pixels) = rest[0];
    if least_bits > bits || least_pixels > pixels || best.is_some_and(|best| worth + more <= best) {
        return;
    }
    let Some((rungs, others)) = ladders.split_first() else {
        *best = Some(worth);
        return;
    };
    for rung in rungs.iter().rev().filter(|rung| rung.bits <= bits && rung.pixels <= pixels) {
        search(others, &rest[1..], (worth + rung.utility, bits - rung.bits, pixels - rung.pixels), best);
    }
}
