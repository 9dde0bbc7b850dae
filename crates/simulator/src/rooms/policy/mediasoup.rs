//! After mediasoup: rounds in the order of priority, in which a consumer of priority `n` climbs `n` layers.
//!
//! In the first round everybody climbs one. Nobody climbs above what it has to a layer that came back less than two seconds
//! ago, nor within ten seconds of a downgrade that the link forced. Whoever gets no layer is paused. Looks for up to 1.35
//! times what it wants.

use std::time::Duration;

use router::Policy;
use selector::{Decision, Input, Role, Stability, Subscription};
use units::Timestamp;

use super::asked::Asked;

/// What the estimate may grow to, over what is wanted.
const CEILING: f64 = 1.35;
const ALIVE_FOR: Duration = Duration::from_secs(2);
const CONSERVATIVE: Duration = Duration::from_secs(10);
/// What it begins with, in bit/s.
const INITIAL: u64 = 600_000;

/// See the module's documentation. What it remembers of a consumer is kept in the subscription's record: the last downgrade
/// under its name, when a layer came back as `upgraded`, and how many were there as `undone`.
#[derive(Debug)]
pub(super) struct Mediasoup;

impl Policy for Mediasoup {
    fn decide(&mut self, input: &Input<'_>) -> Decision {
        let mut asked = Asked::new(input);
        for (memory, subscription) in asked.memory.iter_mut().zip(&input.subscriptions) {
            *memory = seen(*memory, input.now, subscription);
        }
        let mut order: Vec<usize> = (0..asked.len()).collect();
        order.sort_by_key(|of| std::cmp::Reverse(input.subscriptions[*of].role));
        let mut left = asked.budget(INITIAL);
        let mut first = true;
        loop {
            let before = left;
            for &of in &order {
                let climbs = if first { 1 } else { priority(input.subscriptions[of].role) };
                for _ in 0..climbs {
                    let Some(next) = asked.next(of).filter(|next| may_climb(&asked, of, *next)) else {
                        break;
                    };
                    if !asked.try_take(of, next, &mut left) {
                        break;
                    }
                }
            }
            if left == before {
                break;
            }
            first = false;
        }
        for of in 0..asked.len() {
            if asked.held(of).is_some_and(|held| asked.taken[of].is_none_or(|at| at < held)) {
                asked.memory[of].downgraded = Some(input.now);
            }
        }
        asked.conclude(CEILING)
    }
}

/// What applications usually set for such tiles.
fn priority(role: Role) -> u32 {
    match role {
        Role::Thumbnail | Role::Tile => 1,
        Role::Stage => 2,
        Role::Screen => 3,
        Role::Pinned => 4,
    }
}

fn seen(memory: Stability, now: Timestamp, subscription: &Subscription<'_>) -> Stability {
    // A publication has a handful of points.
    let there = subscription.points.iter().filter(|point| point.alive).count() as u8;
    let is_more = memory.started.is_some() && there > memory.undone;
    Stability { undone: there, upgraded: if is_more { Some(now) } else { memory.upgraded }, ..memory }
}

fn may_climb(asked: &Asked<'_>, of: usize, to: usize) -> bool {
    let (memory, now) = (asked.memory[of], asked.input.now);
    let within = |at: Option<Timestamp>, span: Duration| at.is_some_and(|at| now - at < span);
    match asked.held(of) {
        Some(held) if to > held => {
            !within(memory.upgraded, ALIVE_FOR) && !within(memory.downgraded, CONSERVATIVE)
        }
        _ => true,
    }
}
