//! What the decision may spend on video, made from the estimate.
//!
//! Owns the reserves and the rule that an upgrade must fit the lowest recent estimate. Leaves the estimate to
//! `estimator` and spending to `allocate`.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use units::{Bitrate, Timestamp};

/// How long one generation of [`BudgetHistory`] is. Two of them are kept, so that a dip is remembered for 2.5
/// to 5 s: long enough to span a round of probing, short enough to use a link that got better.
const GENERATION: Duration = Duration::from_millis(2_500);

/// How far an estimate falls before it counts as having fallen, in percent of its peak. Less is its ordinary breathing, and
/// the reserve covers it.
const FALL_PERCENT: u64 = 5;

/// An estimate this far above what the last ones fell from, in percent of that, shows that the fall was none of the link: so
/// it is while a start goes from hundreds of kilobits to megabits.
const DISPROVED_PERCENT: u64 = 125;

/// What an upgrade leaves unused, in percent of the lowest recent estimate.
pub(crate) const UPGRADE_RESERVE_PERCENT: u64 = 10;

/// What may be spent on video.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// For what subscriptions have already: from the estimate of this moment.
    pub keep: Bitrate,
    /// For anything more: from the lowest recent estimate, less a reserve. Never above `keep`.
    pub grow: Bitrate,
}

impl Budget {
    /// A budget that has been this large for long, with no reserve: for what-if questions and tests.
    pub const fn steady(rate: Bitrate) -> Self {
        Self { keep: rate, grow: rate }
    }
}

/// What of an estimate is not for video.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reserves {
    /// Sent as audio, and everything else that is never held back.
    pub audio: Bitrate,
    /// Retransmissions, in thousandths of the video: the loss that the receiver reports, say.
    pub retransmission_permille: u16,
}

impl Reserves {
    fn video(&self, estimate: Bitrate) -> Bitrate {
        let rest = u128::from((estimate - self.audio).as_bps());
        let video = rest * 1_000 / (1_000 + u128::from(self.retransmission_permille));
        Bitrate::from_bps(u64::try_from(video).unwrap_or(u64::MAX))
    }

    /// The estimate at which an upgrade to this much video would be allowed: what a probe has to show.
    pub fn estimate_for(&self, video: Bitrate) -> Bitrate {
        let with_repair =
            u128::from(video.as_bps()) * (1_000 + u128::from(self.retransmission_permille)) / 1_000;
        let estimate =
            (with_repair + u128::from(self.audio.as_bps())) * 100 / u128::from(100 - UPGRADE_RESERVE_PERCENT);
        Bitrate::from_bps(u64::try_from(estimate + 2).unwrap_or(u64::MAX))
    }
}

/// How low the estimate fell during the last two generations. Plain state.
///
/// Only falls count. A rise from a low start, or one that a probe has proven, is no reason for doubt; it is what was there
/// and then was not that makes a step up a gamble.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetHistory {
    generation_started: Option<Timestamp>,
    /// The highest estimate since it last fell.
    peak: Bitrate,
    /// The highest peak that any of the falls below began at.
    fallen_from: Bitrate,
    lowest: Option<Bitrate>,
    lowest_before: Option<Bitrate>,
}

impl BudgetHistory {
    /// Takes note of an estimate and makes the budget of this moment. Call it with every estimate, also when
    /// it did not change and nothing is to be decided.
    pub fn budget(&mut self, now: Timestamp, estimate: Bitrate, reserves: &Reserves) -> Budget {
        let age = self.generation_started.map(|at| now - at);
        if age.is_none_or(|age| age >= GENERATION) {
            // After a long silence the older generation is as stale as the younger one.
            let kept = age.is_some_and(|age| age < 2 * GENERATION);
            self.lowest_before = self.lowest.filter(|_| kept);
            self.lowest = None;
            self.generation_started = Some(now);
            if self.lowest_before.is_none() {
                self.fallen_from = Bitrate::ZERO;
            }
        }
        if estimate > self.fallen_from * DISPROVED_PERCENT / 100 {
            (self.lowest, self.lowest_before) = (None, None);
            self.fallen_from = Bitrate::ZERO;
        }
        self.peak = self.peak.max(estimate);
        if estimate < self.peak * (100 - FALL_PERCENT) / 100 {
            self.fallen_from = self.fallen_from.max(self.peak);
            self.peak = estimate;
            self.lowest = Some(self.lowest.map_or(estimate, |lowest| lowest.min(estimate)));
        }
        let lasting = self.lowest.into_iter().chain(self.lowest_before).fold(estimate, Bitrate::min);
        let keep = reserves.video(estimate);
        let after_reserve = lasting * (100 - UPGRADE_RESERVE_PERCENT) / 100;
        Budget { keep, grow: reserves.video(after_reserve).min(keep) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_dip_is_remembered_for_upgrades_only_and_for_two_generations_at_most() {
        let mut history = BudgetHistory::default();
        let mut seen = Vec::new();
        for (ms, kbps) in
            [(0, 1_000), (1_000, 500), (1_100, 1_000), (2_500, 1_000), (4_900, 1_000), (5_000, 1_000)]
        {
            let rate = Bitrate::from_kbps(kbps);
            let budget = history.budget(Timestamp::from_millis(ms), rate, &Reserves::default());
            seen.push((ms, budget.keep.as_kbps(), budget.grow.as_kbps()));
        }
        let expected = [
            (0, 1_000, 900),
            (1_000, 500, 450),
            (1_100, 1_000, 450),
            (2_500, 1_000, 450),
            (4_900, 1_000, 450),
            (5_000, 1_000, 900),
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_rise_is_no_reason_for_doubt_and_breathing_is_no_fall() {
        let mut history = BudgetHistory::default();
        let mut grow = Vec::new();
        for (ms, kbps) in
            [(0, 300), (200, 900), (400, 2_000), (600, 1_950), (800, 2_000), (1_000, 1_800), (1_200, 2_000)]
        {
            let rate = Bitrate::from_kbps(kbps);
            grow.push(history.budget(Timestamp::from_millis(ms), rate, &Reserves::default()).grow.as_kbps());
        }
        assert_eq!(grow, [270, 810, 1_800, 1_755, 1_800, 1_620, 1_620]);
    }

    #[test]
    fn a_fall_on_the_way_up_is_forgotten_once_more_was_shown_than_there_ever_was() {
        let mut history = BudgetHistory::default();
        let mut grow = Vec::new();
        for (ms, kbps) in
            [(0, 300), (100, 200), (200, 360), (300, 400), (400, 2_000), (500, 1_000), (600, 2_100)]
        {
            let rate = Bitrate::from_kbps(kbps);
            grow.push(history.budget(Timestamp::from_millis(ms), rate, &Reserves::default()).grow.as_kbps());
        }
        assert_eq!(grow, [270, 180, 180, 360, 1_800, 900, 900]);
    }

    #[test]
    fn reserves_come_off_first() {
        let reserves = Reserves { audio: Bitrate::from_kbps(100), retransmission_permille: 250 };
        let budget = BudgetHistory::default().budget(Timestamp::ZERO, Bitrate::from_kbps(1_100), &reserves);
        assert_eq!(budget.keep.as_kbps(), 800);
        let starved = BudgetHistory::default().budget(Timestamp::ZERO, Bitrate::from_kbps(50), &reserves);
        assert_eq!(starved, Budget::steady(Bitrate::ZERO));
    }

    proptest! {
        #[test]
        fn a_probe_to_the_asked_estimate_allows_the_upgrade(
            video in 0u64..100_000_000, audio in 0u64..1_000_000, permille in 0u16..1_000,
        ) {
            let reserves = Reserves { audio: Bitrate::from_bps(audio), retransmission_permille: permille };
            let video = Bitrate::from_bps(video);
            let estimate = reserves.estimate_for(video);
            let budget = BudgetHistory::default().budget(Timestamp::ZERO, estimate, &reserves);
            prop_assert!(budget.grow >= video, "{budget:?}");
        }

        #[test]
        fn no_estimate_breaks_it(
            steps in proptest::collection::vec((any::<u32>(), any::<u64>()), 0..50), permille: u16,
        ) {
            let reserves = Reserves { audio: Bitrate::from_kbps(64), retransmission_permille: permille };
            let mut history = BudgetHistory::default();
            let mut now = Timestamp::ZERO;
            for (ms, bps) in steps {
                now += Duration::from_millis(u64::from(ms));
                let budget = history.budget(now, Bitrate::from_bps(bps), &reserves);
                prop_assert!(budget.grow <= budget.keep);
                prop_assert!(budget.keep <= Bitrate::from_bps(bps));
            }
        }
    }
}
