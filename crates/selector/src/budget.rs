//! What the decision may spend on video, made from the estimate.
//!
//! Owns the reserves, the rule that an upgrade must fit the lowest recent estimate, and what is made of an estimate that is
//! wrong for a while: too low for what is in use, or too high for what is tried. Leaves the estimate to `estimator` and spending
//! to `allocate`.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use units::{Bitrate, Timestamp};

/// How long one generation of [`BudgetHistory`] is. Two of them are kept, so that a dip is remembered for 2.5
/// to 5 s: long enough to span a round of probing, short enough to use a link that got better.
const GENERATION: Duration = Duration::from_millis(2_500);

/// How far an estimate falls before it counts as having fallen, in percent of its peak. Less is its ordinary breathing, and
/// the reserve covers it.
const FALL_PERCENT: u64 = 5;

/// A fall that is over sooner is none: what one report says about the burst of a keyframe, the next one may take back.
const MOMENT: Duration = Duration::from_millis(150);

/// An estimate this far above what the last ones fell from, in percent of that, shows that the fall was none of the link: so
/// it is while a start goes from hundreds of kilobits to megabits.
const DISPROVED_PERCENT: u64 = 125;

/// What an upgrade leaves unused, in percent of the lowest recent estimate.
pub(crate) const UPGRADE_RESERVE_PERCENT: u64 = 5;

/// What is in use is kept until it has put so much into the queue of the link. To leave a picture costs a keyframe, which takes
/// about as much, so an estimate that dips while a burst drains is not followed, one that fell by half is after as long, and one
/// that fell to a fifth after a fourth of it.
const PATIENCE: Duration = Duration::from_millis(200);

/// What waits for longer than this, and stays, shows that more is in use than the link carries, whatever the estimate says. From
/// there on a conversation suffers (ITU-T G.114).
const STANDING: Duration = Duration::from_millis(150);

/// It is to be gone in so long, for which so much less, in percent, is in use at least and at most.
const SHED_WITHIN: Duration = Duration::from_millis(1_500);
const SHED_PERCENT: (u64, u64) = (5, 40);

/// And so long it takes until what stood is gone.
const DRAINS: Duration = Duration::from_secs(3);

/// Rates of what is in use wander by so much from choice to choice, in percent.
const WANDER_PERCENT: u64 = 10;

/// How long a link is not asked again for what it did not carry, at first and at most. Twice as long with every time.
const FAILED_WAIT: (Duration, Duration) = (Duration::from_secs(8), Duration::from_secs(64));

/// A failure so long after the last one, in waits, is another story.
const FAILED_MEMORY: u32 = 4;

/// In a row: at least this part of what failed, in percent.
const FAILED_ALIKE_PERCENT: u64 = 85;

/// What is left of a rate that failed while it is not asked for again, in percent.
const FAILED_CAP_PERCENT: u64 = 97;

/// One fall may take several steps.
const FAILED_ONCE: Duration = Duration::from_secs(2);

/// For so long nothing is known of a new path, which is still full of the first keyframes, so that nothing can fail.
const YOUNG: Duration = Duration::from_secs(2);

/// What may be spent on video.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// For what subscriptions have already: from the estimate of this moment, or what is in use for as long as it can be borne.
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

/// What the last decision spends on video, and what came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InUse {
    /// What it costs.
    pub rate: Bitrate,
    /// How long everything waits that is sent, and has waited for longer than a burst takes.
    pub standing: Duration,
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

/// How low the estimate fell during the last two generations, and what became of what was in use. Plain state.
///
/// Only falls count. A rise from a low start, or one that a probe has proven, is no reason for doubt; it is what was there
/// and then was not that makes a step up a gamble.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetHistory {
    born: Option<Timestamp>,
    generation_started: Option<Timestamp>,
    /// The highest estimate since it last fell.
    peak: Bitrate,
    /// The highest peak that any of the falls below began at.
    fallen_from: Bitrate,
    lowest: Option<Bitrate>,
    lowest_before: Option<Bitrate>,
    /// Since when `highest` is the highest estimate, and that of the time before.
    moment: Option<Timestamp>,
    highest: Bitrate,
    highest_before: Bitrate,
    /// What the estimate admitted the last time, and when.
    admitted: Option<(Timestamp, Bitrate)>,
    /// The queue that was made by using more than that.
    overdrawn: Duration,
    failure: Option<Failure>,
}

/// What was in use turned out to be too much, whatever the estimate had said. A probe is short, and a deep queue takes it in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Failure {
    rate: Bitrate,
    at: Timestamp,
    /// How often in a row.
    times: u8,
}

impl Failure {
    /// How long nothing near it is tried again.
    fn wait(&self) -> Duration {
        FAILED_WAIT.0.saturating_mul(1 << (self.times - 1).min(3)).min(FAILED_WAIT.1)
    }
}

impl BudgetHistory {
    /// Takes note of an estimate and of what is `in_use` on video, and makes the budget of this moment. Call it with every estimate,
    /// also when it did not change and nothing is to be decided.
    pub fn budget(
        &mut self,
        now: Timestamp,
        estimate: Bitrate,
        in_use: InUse,
        reserves: &Reserves,
    ) -> Budget {
        self.born.get_or_insert(now);
        let lasting = self.lasting(now, estimate);
        let video = reserves.video(estimate);
        let grow = reserves.video(lasting * (100 - UPGRADE_RESERVE_PERCENT) / 100).min(video);
        let InUse { rate: in_use, standing } = in_use;
        self.draw(now, video, in_use);
        let bearable = in_use * (100 + WANDER_PERCENT) / 100;
        let keep = if standing >= STANDING && self.may_shed(now) {
            // It does not leave as fast as it comes, whatever the estimate says.
            let part = standing.as_millis() as u64 * 100 / SHED_WITHIN.as_millis() as u64;
            video.min(in_use * (100 - part.clamp(SHED_PERCENT.0, SHED_PERCENT.1)) / 100)
        } else if self.overdrawn < PATIENCE {
            video.max(bearable)
        } else {
            video
        };
        if keep < in_use {
            self.fail(now, in_use);
        }
        Budget { keep, grow: grow.min(self.cap(now)) }
    }

    /// The lowest estimate of the last two generations, or this one.
    fn lasting(&mut self, now: Timestamp, estimate: Bitrate) -> Bitrate {
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
        let steady = self.steady(now, estimate);
        self.peak = self.peak.max(estimate);
        if steady < self.peak * (100 - FALL_PERCENT) / 100 {
            self.fallen_from = self.fallen_from.max(self.peak);
            self.peak = steady;
            self.lowest = Some(self.lowest.map_or(steady, |lowest| lowest.min(steady)));
        }
        self.lowest.into_iter().chain(self.lowest_before).fold(estimate, Bitrate::min)
    }

    /// The highest of the last estimates: what has fallen for longer than a moment.
    fn steady(&mut self, now: Timestamp, estimate: Bitrate) -> Bitrate {
        let age = self.moment.map(|since| now - since);
        if age.is_none_or(|age| age >= MOMENT) {
            let kept = age.is_some_and(|age| age < 2 * MOMENT);
            self.highest_before = if kept { self.highest } else { Bitrate::ZERO };
            (self.highest, self.moment) = (Bitrate::ZERO, Some(now));
        }
        self.highest = self.highest.max(estimate);
        self.highest.max(self.highest_before)
    }

    /// Settles the account of what was used since the last time.
    fn draw(&mut self, now: Timestamp, video: Bitrate, in_use: Bitrate) {
        let Some((at, admitted)) = self.admitted.replace((now, video)) else { return };
        // Of a longer silence nothing is known.
        let span = (now - at).min(Duration::from_secs(1)).as_micros();
        let used = span * u128::from(in_use.as_bps()) / u128::from(admitted.as_bps().max(1));
        let overdrawn = (self.overdrawn.as_micros() + used).saturating_sub(span).min(1_000_000);
        self.overdrawn = Duration::from_micros(overdrawn as u64);
    }

    fn fail(&mut self, now: Timestamp, rate: Bitrate) {
        let young = self.born.is_some_and(|born| now - born < YOUNG);
        let times = match self.failure {
            _ if young => return,
            Some(last) if now - last.at < FAILED_ONCE => return,
            Some(last)
                if now - last.at < last.wait() * FAILED_MEMORY
                    && rate >= last.rate * FAILED_ALIKE_PERCENT / 100 =>
            {
                last.times.saturating_add(1)
            }
            _ => 1,
        };
        self.failure = Some(Failure { rate, at: now, times });
    }

    /// What stands after a fall needs time to drain.
    fn may_shed(&self, now: Timestamp) -> bool {
        let young = self.born.is_some_and(|born| now - born < YOUNG);
        !young && self.failure.is_none_or(|failure| now - failure.at >= DRAINS)
    }

    /// The most that is asked of the link for now.
    fn cap(&self, now: Timestamp) -> Bitrate {
        match self.failure {
            Some(failure) if now - failure.at < failure.wait() => failure.rate * FAILED_CAP_PERCENT / 100,
            _ => Bitrate::MAX,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn used(rate: Bitrate) -> InUse {
        InUse { rate, standing: Duration::ZERO }
    }

    /// The budgets of a list of moments in ms and estimates in kbit/s, with so much in use.
    fn budgets(estimates: &[(u64, u64)], in_use_kbps: u64) -> Vec<(u64, u64, u64)> {
        let mut history = BudgetHistory::default();
        let of = |&(ms, kbps): &(u64, u64)| {
            let (rate, in_use) = (Bitrate::from_kbps(kbps), Bitrate::from_kbps(in_use_kbps));
            let budget = history.budget(Timestamp::from_millis(ms), rate, used(in_use), &Reserves::default());
            (ms, budget.keep.as_kbps(), budget.grow.as_kbps())
        };
        estimates.iter().map(of).collect()
    }

    #[test]
    fn a_fall_is_remembered_for_upgrades_only_and_for_two_generations_at_most() {
        let seen = budgets(
            &[
                (0, 1_000),
                (1_000, 500),
                (1_300, 500),
                (1_500, 1_000),
                (2_500, 1_000),
                (4_900, 1_000),
                (5_000, 1_000),
            ],
            0,
        );
        let expected = [
            (0, 1_000, 950),
            (1_000, 500, 475),
            (1_300, 500, 475),
            (1_500, 1_000, 475),
            (2_500, 1_000, 475),
            (4_900, 1_000, 475),
            (5_000, 1_000, 950),
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn what_is_over_in_a_moment_is_no_fall() {
        let seen = budgets(&[(0, 2_300), (100, 2_300), (200, 1_150), (260, 2_300), (600, 2_300)], 0);
        let grow: Vec<u64> = seen.iter().map(|(.., grow)| *grow).collect();
        assert_eq!(grow, [2_185, 2_185, 1_092, 2_185, 2_185]);
    }

    #[test]
    fn what_is_in_use_is_kept_until_it_has_built_a_queue() {
        let every_20_ms =
            |kbps: u64| (0..50).map(|n| (n * 20, if n == 0 { 1_000 } else { kbps })).collect::<Vec<_>>();
        for (estimate, kept_for_ms, why) in [
            (950, 1_000, "a twentieth too much fits a second"),
            (800, 800, "a quarter too much makes that queue in four times as long"),
            (500, 200, "twice as much in as long"),
            (200, 60, "and five times as much in a fourth of it"),
        ] {
            let seen = budgets(&every_20_ms(estimate), 1_000);
            let kept = seen.iter().skip(1).take_while(|(_, keep, _)| *keep >= 1_000).count() as u64 * 20;
            assert!(kept.abs_diff(kept_for_ms) <= 40, "{estimate}: {kept} ms, {why}");
            assert!(seen.iter().all(|(_, _, grow)| *grow <= 950), "nothing is added meanwhile");
        }
    }

    #[test]
    fn what_stands_in_the_queue_is_left_whatever_the_estimate_says_and_has_time_to_drain() {
        let mut history = BudgetHistory::default();
        let mut at = |ms: u64, in_use: u64, standing: u64| {
            let in_use =
                InUse { rate: Bitrate::from_kbps(in_use), standing: Duration::from_millis(standing) };
            let (now, estimate) = (Timestamp::from_millis(ms), Bitrate::from_kbps(1_000));
            history.budget(now, estimate, in_use, &Reserves::default()).keep.as_kbps()
        };
        for (ms, in_use, standing, keep, why) in [
            (0, 900, 400, 1_000, "nothing is known of a new path"),
            (2_000, 900, 140, 1_000, "nobody minds"),
            (4_000, 900, 300, 720, "a fifth of 1.5 s"),
            (5_000, 700, 250, 1_000, "it drains"),
            (7_100, 700, 1_400, 420, "it did not"),
        ] {
            assert_eq!(at(ms, in_use, standing), keep, "{why}");
        }
    }

    #[test]
    fn what_a_link_did_not_carry_is_tried_ever_more_rarely() {
        let mut history = BudgetHistory::default();
        let mut at = |ms: u64, kbps: u64, in_use: u64| {
            let (rate, in_use) = (Bitrate::from_kbps(kbps), Bitrate::from_kbps(in_use));
            history
                .budget(Timestamp::from_millis(ms), rate, used(in_use), &Reserves::default())
                .grow
                .as_kbps()
        };
        let mut now = 0;
        let mut waits = Vec::new();
        at(now, 3_000, 1_000);
        now += 5_000;
        for _ in 0..5 {
            // A probe promises 3 Mbit/s again and again; 2.8 are tried, and the link carries 2.5.
            for _ in 0..10 {
                at(now, 1_500, 2_800);
                now += 100;
            }
            let failed = now;
            while at(now, 3_000, 2_000) < 2_800 {
                assert!(at(now, 3_000, 2_000) <= 2_716, "never near what failed");
                now += 100;
            }
            waits.push((now - failed) / 1_000);
        }
        assert_eq!(waits, [7, 15, 31, 63, 63]);
    }

    #[test]
    fn a_rise_is_no_reason_for_doubt_and_breathing_is_no_fall() {
        let seen = budgets(
            &[
                (0, 300),
                (200, 900),
                (400, 2_000),
                (600, 1_950),
                (800, 2_000),
                (1_000, 1_800),
                (1_400, 1_800),
                (1_600, 2_000),
            ],
            0,
        );
        let grow: Vec<u64> = seen.iter().map(|(.., grow)| *grow).collect();
        assert_eq!(grow, [285, 855, 1_900, 1_852, 1_900, 1_710, 1_710, 1_710]);
    }

    #[test]
    fn a_fall_on_the_way_up_is_forgotten_once_more_was_shown_than_there_ever_was() {
        let seen = budgets(
            &[
                (0, 300),
                (200, 200),
                (500, 200),
                (800, 360),
                (1_000, 400),
                (1_200, 2_000),
                (1_500, 1_000),
                (1_900, 1_000),
                (2_000, 2_100),
            ],
            0,
        );
        let grow: Vec<u64> = seen.iter().map(|(.., grow)| *grow).collect();
        assert_eq!(grow, [285, 190, 190, 190, 380, 1_900, 950, 950, 950]);
    }

    #[test]
    fn reserves_come_off_first() {
        let reserves = Reserves { audio: Bitrate::from_kbps(100), retransmission_permille: 250 };
        let budget = |kbps| {
            BudgetHistory::default().budget(
                Timestamp::ZERO,
                Bitrate::from_kbps(kbps),
                InUse::default(),
                &reserves,
            )
        };
        assert_eq!(budget(1_100).keep.as_kbps(), 800);
        assert_eq!(budget(50), Budget::steady(Bitrate::ZERO));
    }

    proptest! {
        #[test]
        fn a_probe_to_the_asked_estimate_allows_the_upgrade(
            video in 0u64..100_000_000, audio in 0u64..1_000_000, permille in 0u16..1_000,
        ) {
            let reserves = Reserves { audio: Bitrate::from_bps(audio), retransmission_permille: permille };
            let video = Bitrate::from_bps(video);
            let estimate = reserves.estimate_for(video);
            let budget = BudgetHistory::default().budget(Timestamp::ZERO, estimate, InUse::default(), &reserves);
            prop_assert!(budget.grow >= video, "{budget:?}");
        }

        #[test]
        fn no_estimate_breaks_it(
            steps in proptest::collection::vec((any::<u32>(), any::<u64>(), any::<u64>()), 0..50), permille: u16,
        ) {
            let reserves = Reserves { audio: Bitrate::from_kbps(64), retransmission_permille: permille };
            let mut history = BudgetHistory::default();
            let mut now = Timestamp::ZERO;
            for (ms, bps, in_use) in steps {
                now += Duration::from_millis(u64::from(ms));
                let (estimate, in_use) = (Bitrate::from_bps(bps), Bitrate::from_bps(in_use));
                let budget = history.budget(now, estimate, used(in_use), &reserves);
                prop_assert!(budget.grow <= budget.keep);
                prop_assert!(budget.grow <= estimate);
                prop_assert!(budget.keep <= estimate.max(in_use * 110 / 100));
            }
        }
    }
}
