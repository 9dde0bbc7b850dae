//! Spending the two budgets: floors in role order, then the best upgrade per price until none fits.
//!
//! Owns the order of spending. Leaves which points are for whom to `ladder` and naming what stood in the way
//! to `explain`.
//!
//! The problem is a knapsack with one choice per subscription and two budgets. Among all upgrades that fit,
//! the one with the highest gain per price is taken, again and again. Since that walks the upper convex hull
//! of what still fits, a larger bit budget never gives less worth as long as it is the only scarce one: at
//! the first difference the larger budget takes a step that costs more than the smaller one has left, at a
//! gain per price that the smaller one cannot beat.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::ops::Range;

use crate::ladder::Rung;

/// Gains on the way to what a subscription has already count this much more, so that an upgrade of one is not
/// paid by a downgrade of another over a trifle.
const HOLD: f64 = 1.2;

/// One subscription, as far as spending is concerned.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    /// Its rungs in the common list; empty when there is nothing to give.
    pub(crate) rungs: Range<usize>,
    /// The end of those that it may be given: better ones wait.
    pub(crate) allowed: usize,
    /// The one that costs least of those that it may be given.
    pub(crate) cheapest: Option<usize>,
    /// What it had: bits up to which it is judged by the estimate of the moment. `None` for new ones, whose
    /// floor is judged so; zero for one that a budget paused.
    pub(crate) held_bits: Option<u64>,
    /// The worth up to which gains count as held.
    pub(crate) held_utility: f64,
    /// Order of floors: higher first.
    pub(crate) role: crate::Role,
    /// Whether it may be left without anything.
    pub(crate) pausable: bool,
    /// The rung to be granted ahead of upgrades, when it can be afforded.
    pub(crate) floor: Option<usize>,
    /// The answer: a position in the common list of rungs.
    pub(crate) at: Option<usize>,
    /// Set when it stays empty for want of a decoder.
    pub(crate) no_stream: bool,
}

/// What can be spent, and what is spent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Purse {
    pub(crate) keep: u64,
    pub(crate) grow: u64,
    pub(crate) pixel_budget: u64,
    pub(crate) bits: u64,
    pub(crate) pixels: u64,
    /// The price of a bit and of a pixel, from how scarce either is.
    pub(crate) price: (f64, f64),
}

impl Purse {
    /// Prices from what everybody would take if nothing were scarce: a budget that suffices is free.
    pub(crate) fn new(
        (keep, grow): (u64, u64),
        pixel_budget: u64,
        wanted_bits: u64,
        wanted_pixels: u64,
    ) -> Self {
        let price = |wanted: u64, budget: u64| {
            if wanted > budget { 1.0 / budget.max(1) as f64 } else { 0.0 }
        };
        let price = (price(wanted_bits, grow), price(wanted_pixels, pixel_budget));
        Self { keep, grow, pixel_budget, bits: 0, pixels: 0, price }
    }

    /// True when everybody can have the best.
    fn plenty(&self) -> bool {
        self.price == (0.0, 0.0)
    }

    /// The bit budget that giving this rung to this account is judged by.
    pub(crate) fn limit(&self, account: &Account, rung: &Rung) -> u64 {
        let held = match account.held_bits {
            Some(bits) => rung.bits <= bits,
            None => account.at.is_none(),
        };
        if held { self.keep } else { self.grow }
    }

    /// Whether the account can go from where it is to this rung.
    fn fits(&self, account: &Account, from: Option<&Rung>, to: &Rung) -> bool {
        let (bits, pixels) = from.map_or((0, 0), |rung| (rung.bits, rung.pixels));
        let fits = |spent: u64, less: u64, more: u64, limit: u64| {
            more <= less || (spent - less).saturating_add(more) <= limit
        };
        fits(self.bits, bits, to.bits, self.limit(account, to))
            && fits(self.pixels, pixels, to.pixels, self.pixel_budget)
    }

    fn pay(&mut self, from: Option<&Rung>, to: &Rung) {
        let (bits, pixels) = from.map_or((0, 0), |rung| (rung.bits, rung.pixels));
        self.bits = (self.bits - bits).saturating_add(to.bits);
        self.pixels = (self.pixels - pixels).saturating_add(to.pixels);
    }
}

/// Fills in value and cost of every rung, and which is the cheapest.
pub(crate) fn price(rungs: &mut [Rung], account: &mut Account, purse: &Purse) {
    for rung in &mut rungs[account.rungs.clone()] {
        rung.value = rung.utility + rung.utility.min(account.held_utility) * (HOLD - 1.0);
        rung.cost = rung.bits as f64 * purse.price.0 + rung.pixels as f64 * purse.price.1;
    }
    account.cheapest = cheapest(rungs, account.rungs.clone());
}

/// Fills in `at` of every account.
pub(crate) fn spend(rungs: &[Rung], accounts: &mut [Account], purse: &mut Purse, streams: u32) {
    floors(rungs, accounts, purse, streams);
    upgrades(rungs, accounts, purse);
}

/// In role order, the cheapest rung for everyone, then the wanted floor for everyone.
fn floors(rungs: &[Rung], accounts: &mut [Account], purse: &mut Purse, streams: u32) {
    let mut order: Vec<usize> = (0..accounts.len()).filter(|i| !accounts[*i].rungs.is_empty()).collect();
    order.sort_by_key(|i| std::cmp::Reverse(accounts[*i].role));
    let mut free = streams;
    for &i in &order {
        let account = &mut accounts[i];
        let Some(cheapest) = account.cheapest else { continue };
        if free == 0 {
            account.no_stream = true;
        } else if !account.pausable || purse.fits(account, None, &rungs[cheapest]) {
            purse.pay(None, &rungs[cheapest]);
            account.at = Some(cheapest);
            free -= 1;
        }
    }
    for &i in &order {
        let account = &mut accounts[i];
        if let (Some(at), Some(floor)) = (account.at, account.floor)
            && rungs[floor].utility > rungs[at].utility
            && floor < account.allowed
            && purse.fits(account, Some(&rungs[at]), &rungs[floor])
        {
            purse.pay(Some(&rungs[at]), &rungs[floor]);
            account.at = Some(floor);
        }
    }
}

/// Of a range of rungs the one that costs least at the prices of the day; by bits when nothing is scarce.
pub(crate) fn cheapest(rungs: &[Rung], among: Range<usize>) -> Option<usize> {
    among.min_by(|&a, &b| {
        let (a, b) = (&rungs[a], &rungs[b]);
        a.cost.total_cmp(&b.cost).then((a.bits, a.pixels).cmp(&(b.bits, b.pixels)))
    })
}

/// A possible upgrade in the heap: best gain per price first, then the earlier subscription.
struct Step {
    worth: f64,
    account: usize,
    to: usize,
}

/// Takes the best upgrade that fits until none does.
fn upgrades(rungs: &[Rung], accounts: &mut [Account], purse: &mut Purse) {
    if purse.plenty() {
        let tops = accounts.iter_mut().filter(|account| account.at.is_some());
        for account in tops {
            let (from, top) = (account.at.expect("filtered"), account.allowed - 1);
            if purse.fits(account, Some(&rungs[from]), &rungs[top]) {
                purse.pay(Some(&rungs[from]), &rungs[top]);
                account.at = Some(top);
            }
        }
    }
    let mut steps: BinaryHeap<Step> =
        (0..accounts.len()).filter_map(|i| best_step(rungs, i, &accounts[i], purse)).collect();
    while let Some(mut step) = steps.peek_mut() {
        let account = &mut accounts[step.account];
        let from = account.at.map(|at| &rungs[at]);
        // What is left only shrinks: a best step that still fits is still the best of its subscription, and
        // one that no longer fits is followed by a worse one.
        if purse.fits(account, from, &rungs[step.to]) {
            purse.pay(from, &rungs[step.to]);
            account.at = Some(step.to);
        }
        match best_step(rungs, step.account, account, purse) {
            Some(next) => *step = next,
            None => drop(PeekMut::pop(step)),
        }
    }
}

/// The upgrade of one subscription with the highest gain per price among those that fit.
fn best_step(rungs: &[Rung], index: usize, account: &Account, purse: &Purse) -> Option<Step> {
    let at = account.at?;
    let from = &rungs[at];
    let mut best: Option<Step> = None;
    for (to, rung) in (at + 1..).zip(&rungs[at + 1..account.allowed.max(at + 1)]) {
        let worth = worth(from, rung);
        // The first of equals: the smaller step.
        let better = rung.utility > from.utility && best.as_ref().is_none_or(|best| worth > best.worth);
        if better && purse.fits(account, Some(from), rung) {
            best = Some(Step { worth, account: index, to });
        }
    }
    best
}

/// The gain per price of going from one rung to another.
pub(crate) fn worth(from: &Rung, to: &Rung) -> f64 {
    let cost = to.cost - from.cost;
    if cost > 0.0 { (to.value - from.value) / cost } else { f64::INFINITY }
}

impl Ord for Step {
    fn cmp(&self, other: &Self) -> Ordering {
        self.worth.total_cmp(&other.worth).then(other.account.cmp(&self.account))
    }
}

impl PartialOrd for Step {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Step {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Step {}
