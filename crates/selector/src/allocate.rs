//! The decision: one choice for every subscription of one receiver.
//!
//! Owns the order of the parts: filter (`ladder`), spend (`spend`), remember (`stability`), explain
//! (`explain`). It is a pure function: what it remembers leaves with the choices.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use units::{Bitrate, Timestamp};

use crate::explain::explain;
use crate::ladder::{self, Ceiling, Rung};
use crate::spend::{Account, Purse, cheapest, price, spend};
use crate::utility::Taste;
use crate::{Budget, Choice, DeviceProfile, Stability, Subscription};

/// How long a new subscription stays at its cheapest point while there is no estimate at all: long enough for
/// a first one to come, short enough for receivers that never send feedback.
const CAUTIOUS_START: Duration = Duration::from_secs(1);

/// How long nothing is shown at all at least, once the last picture had to be given up: a link that has just failed is given a
/// moment, not the time that better pictures wait for.
const DARK_WAIT: Duration = Duration::from_millis(500);

/// Everything one decision depends on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Input<'a> {
    /// The moment of the decision.
    pub now: Timestamp,
    /// The receiver.
    pub device: DeviceProfile,
    /// What may be spent on video. `None` while there is no estimate: then every new subscription has its
    /// cheapest point for a moment, and after that device and viewport alone decide.
    pub budget: Option<Budget>,
    /// What it wants to see. Among equal roles the earlier one goes first.
    pub subscriptions: Vec<Subscription<'a>>,
}

/// One choice per subscription, and what they add up to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// In the order of the input.
    pub choices: Vec<Choice>,
    /// What the choices cost.
    pub spent: Bitrate,
    /// Pixels per second that they make the device decode.
    pub pixel_rate: u64,
    /// What the choices would cost if the link carried everything: no more needs to be probed for.
    pub wanted: Bitrate,
    /// The bit budget at which the best of the missing steps would be taken; `None` when bandwidth keeps
    /// nobody back. [`crate::Reserves::estimate_for`] turns it into the estimate to probe for.
    pub probe: Option<Bitrate>,
    /// When to decide again even if no input changes; `None` for never.
    pub again: Option<Timestamp>,
}

/// One subscription on its way through the decision.
pub(crate) struct Case {
    /// What the filter left out above.
    pub(crate) ceiling: Ceiling,
    /// Its rungs, and where among them it ended.
    pub(crate) account: Account,
    /// Until when better rungs wait.
    pub(crate) blocked: Option<Timestamp>,
    /// Whether that is for want of any estimate.
    pub(crate) startup: bool,
    /// The worth of the former target, when it is known.
    held_utility: Option<f64>,
    /// What it did before; after spending, what the next decision must know.
    pub(crate) stability: Stability,
}

/// Decides.
pub fn allocate(input: &Input<'_>) -> Decision {
    let mut rungs = Vec::with_capacity(input.subscriptions.len() * 6);
    let dark = input.subscriptions.iter().all(|subscription| subscription.target.is_none());
    let mut cases: Vec<Case> =
        input.subscriptions.iter().map(|subscription| open(input, subscription, dark, &mut rungs)).collect();

    let top = |case: &Case| rungs[case.account.rungs.clone()].last().copied();
    let wanted_bits = cases.iter().filter_map(top).fold(0u64, |sum, rung| sum.saturating_add(rung.bits));
    let wanted_pixels = cases.iter().filter_map(top).fold(0u64, |sum, rung| sum.saturating_add(rung.pixels));
    let bits = input.budget.map_or((u64::MAX, u64::MAX), |b| (b.keep.as_bps(), b.grow.min(b.keep).as_bps()));
    let mut purse = Purse::new(bits, input.device.decode_pixels_per_second, wanted_bits, wanted_pixels);

    for case in &mut cases {
        price(&mut rungs, &mut case.account, &purse);
        restrict(case, &rungs);
    }
    let mut accounts: Vec<Account> = cases.iter().map(|case| case.account.clone()).collect();
    spend(&rungs, &mut accounts, &mut purse, streams(&input.device));
    for (case, account) in cases.iter_mut().zip(accounts) {
        case.account = account;
    }

    for (case, subscription) in cases.iter_mut().zip(&input.subscriptions) {
        case.stability = remember(input.now, subscription, case, &rungs);
        // A fall of this very decision makes better rungs wait as well.
        case.blocked = case.blocked.or_else(|| {
            let better =
                case.account.at.map_or(!case.account.rungs.is_empty(), |at| at + 1 < case.account.rungs.end);
            case.stability.blocked_until(input.now).filter(|_| better)
        });
    }
    let (choices, probe) = explain(input, &cases, &rungs, &purse);
    Decision {
        choices,
        spent: Bitrate::from_bps(purse.bits),
        pixel_rate: purse.pixels,
        wanted: Bitrate::from_bps(wanted_bits),
        probe: probe.map(Bitrate::from_bps),
        again: cases.iter().filter_map(|case| case.blocked).min(),
    }
}

/// How many videos at the same time.
fn streams(device: &DeviceProfile) -> u32 {
    device.care.max_streams.map_or(device.max_streams, |care| care.min(device.max_streams))
}

/// Filters the points of one subscription and works out what it holds. `dark` when no subscription has anything: then each waits for
/// its floor as if it were new, since nothing is worse than what is there.
fn open(input: &Input<'_>, subscription: &Subscription<'_>, dark: bool, rungs: &mut Vec<Rung>) -> Case {
    let start = rungs.len();
    let mut taste = Taste::new(&input.device, subscription);
    let ceiling = ladder::build(&input.device, subscription, &mut taste, rungs);
    let range = start..rungs.len();

    let target = subscription.target.and_then(|target| subscription.points.get(target));
    let held_utility = target.map(|point| taste.utility(point) * taste.loyalty(point));
    // A pause that a budget forced is left like any other step up; one that was never decided about is a new
    // face.
    let paused = subscription.target.is_none() && subscription.stability.downgraded.is_some();
    let paused = paused && !dark;
    let stability = subscription.stability;
    let waits = match stability.downgraded {
        Some(at) if dark => Some(at + DARK_WAIT).filter(|until| input.now < *until),
        _ => stability.blocked_until(input.now),
    };
    let startup_until = stability.started.unwrap_or(input.now) + CAUTIOUS_START;
    let startup = input.budget.is_none() && input.now < startup_until;
    let is_floor = |rung: &Rung| {
        let point = &subscription.points[rung.point];
        point.width.min(point.height) >= subscription.floor_height
    };
    let wants_floor = subscription.floor_height > 0;
    let floor = range.clone().find(|at| wants_floor && is_floor(&rungs[*at]));
    Case {
        ceiling,
        account: Account {
            allowed: range.end,
            cheapest: None,
            rungs: range,
            held_bits: target.map(|point| point.cost.as_bps()).or(paused.then_some(0)),
            held_utility: held_utility.unwrap_or(0.0),
            role: subscription.role,
            pausable: subscription.pausable,
            floor,
            at: None,
            no_stream: false,
        },
        blocked: if startup { Some(startup_until) } else { waits },
        startup,
        held_utility,
        stability,
    }
}

/// Takes away the rungs that must wait.
fn restrict(case: &mut Case, rungs: &[Rung]) {
    if case.blocked.is_none() || case.account.rungs.is_empty() {
        case.blocked = None;
        return;
    }
    let all = case.account.allowed;
    let least = case.account.cheapest.expect("there are rungs");
    let held = case.account.rungs.clone().rev().find(|i| rungs[*i].utility <= case.account.held_utility);
    case.account.allowed = match held {
        _ if case.startup => least + 1,
        Some(held) => held + 1,
        // Its former point is gone and everything left is better: it may have the least of that.
        None if case.held_utility.is_some() || !case.account.pausable => least + 1,
        None => case.account.rungs.start,
    };
    if case.account.allowed == all {
        case.blocked = None;
    } else {
        case.account.cheapest = cheapest(rungs, case.account.rungs.start..case.account.allowed);
    }
}

/// What the next decision must know about this one.
fn remember(now: Timestamp, subscription: &Subscription<'_>, case: &Case, rungs: &[Rung]) -> Stability {
    let account = &case.account;
    let mut stability = case.stability;
    stability.started.get_or_insert(now);
    let chosen = account.at.map(|at| rungs[at]);
    let was_paused = account.held_bits == Some(0) && subscription.target.is_none();
    let mine = &rungs[account.rungs.clone()];
    let still_there = mine.iter().any(|rung| Some(rung.point) == subscription.target);
    // What it had so far was given before anything was known of the link. To take it back is no verdict on a step.
    let unproven = now < stability.started.unwrap_or(now) + CAUTIOUS_START;
    match (case.held_utility, chosen) {
        (Some(held), chosen) if unproven && chosen.is_none_or(|rung| rung.utility < held) => stability,
        (Some(held), Some(rung)) if rung.utility > held => stability.after_upgrade(now),
        (Some(held), Some(rung)) if rung.utility < held && still_there => stability.after_downgrade(now),
        (Some(_), None) if still_there && !account.no_stream => stability.after_downgrade(now),
        (None, Some(_)) if was_paused => stability.after_upgrade(now),
        _ => stability.forgiven(now),
    }
}

#[cfg(test)]
mod tests;
