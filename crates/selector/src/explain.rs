//! Naming what stood in the way of every subscription, and what a probe should aim for.
//!
//! Owns the answer to "why do I get 180p?". It looks at where spending ended and changes nothing.

use crate::allocate::{Case, Input};
use crate::budget::UPGRADE_RESERVE_PERCENT;
use crate::ladder::Rung;
use crate::spend::{Purse, cheapest, worth};
use crate::{Choice, DeviceProfile, Missing, NextStep, Reason, Role};

use units::Bitrate;

/// The choices, and the bit budget to probe for.
pub(crate) fn explain(
    input: &Input<'_>,
    cases: &[Case],
    rungs: &[Rung],
    purse: &Purse,
) -> (Vec<Choice>, Option<u64>) {
    let luxury = luxury_by_role(cases, rungs);
    let mut best: Option<(f64, u64)> = None;
    let choices = cases
        .iter()
        .zip(&input.subscriptions)
        .map(|(case, subscription)| {
            let account = &case.account;
            let (mut reason, mut next) = match step(case, rungs) {
                Some(to) => {
                    let verdict = judge(&input.device, case, &rungs[to], rungs, purse, &luxury);
                    if let Some(bits) = verdict.probe {
                        let from = account.at.unwrap_or(to);
                        let gain = if from == to { f64::MAX } else { worth(&rungs[from], &rungs[to]) };
                        if best.is_none_or(|(most, _)| gain > most) {
                            best = Some((gain, bits));
                        }
                    }
                    (verdict.reason, Some(NextStep { point: rungs[to].point, missing: verdict.missing }))
                }
                None => {
                    let next = case.ceiling.point;
                    (case.ceiling.reason, next.map(|point| NextStep { point, missing: Missing::default() }))
                }
            };
            let point = account.at.map(|at| rungs[at].point);
            if let Some(target) = point.filter(|target| awaited(subscription, *target)) {
                reason = Reason::WaitingForKeyframe;
                next = Some(NextStep { point: target, missing: Missing::default() });
            }
            Choice { point, reason, next, stability: case.stability }
        })
        .collect();
    (choices, best.map(|(_, bits)| bits))
}

/// Whether something better than what is on the wire is decided and must wait for a keyframe.
fn awaited(subscription: &crate::Subscription<'_>, target: usize) -> bool {
    let wanted = &subscription.points[target];
    match subscription.current.and_then(|current| subscription.points.get(current)) {
        Some(current) => current.encoding != wanted.encoding && current.pixels() < wanted.pixels(),
        // Nothing was ever sent: a new subscription waits only after it was decided about.
        None => subscription.target.is_some(),
    }
}

/// The rung that this subscription would go to next if nothing stood in its way.
fn step(case: &Case, rungs: &[Rung]) -> Option<usize> {
    let account = &case.account;
    let Some(at) = account.at else {
        return cheapest(rungs, account.rungs.clone());
    };
    let worth = |to: usize| worth(&rungs[at], &rungs[to]);
    (at + 1..account.rungs.end)
        .filter(|to| rungs[*to].utility > rungs[at].utility)
        .max_by(|a, b| worth(*a).total_cmp(&worth(*b)).then(b.cmp(a)))
}

struct Verdict {
    reason: Reason,
    missing: Missing,
    /// The bit budget that would allow the step, when bits are all it lacks.
    probe: Option<u64>,
}

/// What stands between a subscription and a rung.
fn judge(
    device: &DeviceProfile,
    case: &Case,
    to: &Rung,
    rungs: &[Rung],
    purse: &Purse,
    luxury: &Luxury,
) -> Verdict {
    let DeviceProfile { care, max_streams, .. } = *device;
    let account = &case.account;
    let (bits, pixels) = account.at.map_or((0, 0), |at| (rungs[at].bits, rungs[at].pixels));
    let needs = |spent: u64, less: u64, more: u64| (spent - less).saturating_add(more);
    let bits_needed = needs(purse.bits, bits, to.bits);
    let pixels_needed = needs(purse.pixels, pixels, to.pixels);
    let limit = purse.limit(account, to);
    let missing_bits = bits_needed.saturating_sub(limit);
    let missing_pixels =
        if to.pixels > pixels { pixels_needed.saturating_sub(purse.pixel_budget) } else { 0 };
    let missing_bits = if to.bits > bits { missing_bits } else { 0 };

    // The budget that lacks the larger part of itself is the one to name.
    let part = |missing: u64, budget: u64| missing as f64 / budget.max(1) as f64;
    let bits_bind = part(missing_bits, limit) >= part(missing_pixels, purse.pixel_budget);
    let reason = if case.startup {
        Reason::Startup
    } else if account.no_stream {
        if care.max_streams.is_some_and(|most| most < max_streams) {
            Reason::Power
        } else {
            Reason::DeviceStreamCount
        }
    } else if missing_bits == 0 && missing_pixels == 0 {
        Reason::Dwell
    } else if !bits_bind {
        Reason::DeviceDecodeBudget
    } else if bits_needed <= purse.keep * (100 - UPGRADE_RESERVE_PERCENT) / 100 && missing_pixels == 0 {
        // The estimate of the moment would do, with the reserve; the lowest recent one would not.
        Reason::Dwell
    } else if luxury.above(account.role) >= missing_bits {
        Reason::Priority
    } else {
        Reason::Bandwidth
    };
    let missing = Missing {
        bitrate: (missing_bits > 0).then(|| Bitrate::from_bps(missing_bits)),
        pixel_rate: (missing_pixels > 0).then_some(missing_pixels),
    };
    // A probe helps where more bits are all it takes. A step that waits is not helped, and right after a fall
    // a probe harms.
    let probe = matches!(reason, Reason::Bandwidth | Reason::Priority)
        && missing_pixels == 0
        && case.blocked.is_none();
    Verdict { reason, missing, probe: probe.then_some(bits_needed) }
}

/// What every role has of the link beyond its cheapest points, in bit/s.
struct Luxury([u64; Role::ALL.len()]);

impl Luxury {
    /// The sum over roles above this one.
    fn above(&self, role: Role) -> u64 {
        self.0[role as usize + 1..].iter().fold(0, |sum, bits| sum.saturating_add(*bits))
    }
}

fn luxury_by_role(cases: &[Case], rungs: &[Rung]) -> Luxury {
    let mut luxury = [0u64; Role::ALL.len()];
    for account in cases.iter().map(|case| &case.account) {
        if let (Some(at), Some(least)) = (account.at, account.cheapest) {
            let extra = rungs[at].bits.saturating_sub(rungs[least].bits);
            luxury[account.role as usize] = luxury[account.role as usize].saturating_add(extra);
        }
    }
    Luxury(luxury)
}
