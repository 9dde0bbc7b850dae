//! What a device really decodes, from what its client reports: a hot phone is not visible in bandwidth.
//!
//! Owns how reports shrink and regrow the decode budget. Leaves the nominal budget to `device` and spending
//! to `allocate`.
//!
//! A report of strain sets the ceiling below what was being decoded at that moment, since a preset may
//! promise far more than was ever asked for. Good reports raise it again in steps. To go back to where the
//! strain was takes ever longer, so that a warm phone is not tried every few seconds.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use units::Timestamp;

use crate::DeviceProfile;

/// Frames thrown away whole, in percent, above which a device does not keep up. Some are thrown away by a
/// busy page.
const DROPPED_PERCENT: u64 = 10;

/// Share of the time, in percent, that one video may spend in its decoder: above it the next slow frame is
/// late.
const BUSY_PERCENT: u128 = 80;

/// The same where pictures froze as well; freezes of an idle decoder are the network's.
const BUSY_AND_FROZEN_PERCENT: u128 = 50;

/// Reports of fewer frames say nothing.
const MIN_FRAMES: u64 = 10;

/// What strain leaves of what was being decoded, in percent.
const SHRINK_PERCENT: u64 = 75;

/// What a raise adds, in percent.
const GROW_PERCENT: u64 = 15;

/// A report that comes sooner after a change covers the time before it.
const SETTLE: Duration = Duration::from_secs(4);

/// How long reports must be good before a raise.
const CALM: Duration = Duration::from_secs(8);

/// And at most before one that goes back to where the strain was.
const CALM_MAX: Duration = Duration::from_secs(120);

/// One picture of 320x180 fifteen times a second: the least that a device is left with.
const LEAST: u64 = 320 * 180 * 15;

/// How decoding went in one slot, over a report's interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotDecode {
    /// Frames decoded.
    pub decoded: u32,
    /// Frames that arrived whole and were thrown away.
    pub dropped: u32,
    /// Time spent in the decoder.
    pub time: Duration,
    /// Times the picture stood still.
    pub freezes: u32,
}

/// What the reports of one client have shown. Plain state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecodeHealth {
    /// In pixels per second; `None` while nothing contradicts the profile.
    ceiling: Option<u64>,
    /// The last change of the ceiling.
    changed: Option<Timestamp>,
    /// Since when reports are good.
    calm_since: Option<Timestamp>,
    /// What was being decoded when strain was last seen, in pixels per second.
    failed_at: Option<u64>,
    /// How often strain was seen since a raise beyond that stood.
    failures: u8,
}

impl DecodeHealth {
    /// Takes note of a report. `in_use` is what the device is being sent ([`crate::Decision::pixel_rate`]),
    /// `nominal` what its profile promises, both in pixels per second. True when the budget changed, so that
    /// it is time to decide again.
    pub fn report(
        &mut self,
        now: Timestamp,
        interval: Duration,
        slots: &[SlotDecode],
        (in_use, nominal): (u64, u64),
    ) -> bool {
        let frames: u64 = slots.iter().map(|slot| u64::from(slot.decoded) + u64::from(slot.dropped)).sum();
        let settling = self.changed.is_some_and(|at| now - at < SETTLE);
        if frames < MIN_FRAMES || interval.is_zero() || settling {
            return false;
        }
        let before = self.ceiling;
        if strained(interval, slots, frames) {
            self.shrink(in_use);
        } else {
            self.calm(now, nominal);
        }
        if self.ceiling != before {
            self.changed = Some(now);
        }
        self.ceiling != before
    }

    /// The profile with the decode budget that the reports leave.
    pub fn applied(&self, profile: DeviceProfile) -> DeviceProfile {
        let nominal = profile.decode_pixels_per_second;
        let decode_pixels_per_second = self.ceiling.map_or(nominal, |ceiling| ceiling.min(nominal));
        DeviceProfile { decode_pixels_per_second, ..profile }
    }

    fn shrink(&mut self, in_use: u64) {
        let used = self.ceiling.map_or(in_use, |ceiling| ceiling.min(in_use));
        let left = (u128::from(used) * u128::from(SHRINK_PERCENT) / 100) as u64;
        self.ceiling = Some(left.max(LEAST));
        self.failed_at = Some(used);
        self.failures = self.failures.saturating_add(1);
        self.calm_since = None;
    }

    fn calm(&mut self, now: Timestamp, nominal: u64) {
        let calm = now - *self.calm_since.get_or_insert(now);
        let Some(ceiling) = self.ceiling else { return };
        if calm >= CALM && self.failed_at.is_some_and(|failed| ceiling >= failed) {
            // It stands where it failed before.
            (self.failed_at, self.failures) = (None, 0);
        }
        let more = ceiling.saturating_add((ceiling / 100).saturating_mul(GROW_PERCENT));
        let wait = match self.failed_at {
            // What failed was above what would have done: a raise to near it may fail as well.
            Some(failed) if more >= failed - failed / 8 => {
                CALM.saturating_mul(1 << self.failures.min(4)).min(CALM_MAX)
            }
            _ => CALM,
        };
        if calm >= wait {
            self.ceiling = (more < nominal).then_some(more);
            self.calm_since = None;
        }
    }
}

/// Whether the device does not keep up.
fn strained(interval: Duration, slots: &[SlotDecode], frames: u64) -> bool {
    let dropped: u64 = slots.iter().map(|slot| u64::from(slot.dropped)).sum();
    let busier = |percent: u128| {
        let limit = interval.as_micros() * percent;
        slots.iter().any(|slot| slot.time.as_micros() * 100 > limit)
    };
    let frozen = slots.iter().any(|slot| slot.freezes > 0);
    dropped * 100 > frames * DROPPED_PERCENT
        || busier(BUSY_PERCENT)
        || (frozen && busier(BUSY_AND_FROZEN_PERCENT))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: Duration = Duration::from_secs(1);
    const NOMINAL: u64 = 30_000_000;

    fn slot(decoded: u32, dropped: u32, busy_percent: u64, freezes: u32) -> SlotDecode {
        SlotDecode { decoded, dropped, time: Duration::from_millis(10 * busy_percent), freezes }
    }

    #[test]
    fn what_counts_as_strain() {
        for (slots, expected, why) in [
            (vec![slot(30, 0, 20, 0)], false, "all well"),
            (vec![slot(27, 3, 20, 0)], false, "a few dropped"),
            (vec![slot(26, 4, 20, 0)], true, "more than a tenth dropped"),
            (vec![slot(30, 0, 81, 0)], true, "hardly a pause between frames"),
            (vec![slot(30, 0, 30, 2)], false, "frozen by the network"),
            (vec![slot(30, 0, 60, 1)], true, "frozen and busy"),
            (vec![slot(30, 0, 40, 0); 3], false, "decoders work side by side"),
            (vec![slot(0, 9, 100, 9)], false, "too few frames to tell"),
        ] {
            let mut health = DecodeHealth::default();
            let changed = health.report(Timestamp::from_secs(9), SECOND, &slots, (20_000_000, NOMINAL));
            assert_eq!(changed, expected, "{why}");
        }
    }

    /// A device that can decode so much and no more, and is sent all that its budget allows; the budget at
    /// every second.
    fn live(capacity: u64, seconds: u64) -> Vec<u64> {
        let mut health = DecodeHealth::default();
        (0..seconds)
            .map(|second| {
                let in_use = health.ceiling.unwrap_or(NOMINAL).min(NOMINAL);
                let report = if in_use > capacity { slot(20, 10, 95, 1) } else { slot(30, 0, 40, 0) };
                health.report(Timestamp::from_secs(second), SECOND, &[report], (in_use, NOMINAL));
                health.ceiling.unwrap_or(NOMINAL)
            })
            .collect()
    }

    #[test]
    fn a_hot_phone_is_relieved_fast_and_tried_ever_more_rarely() {
        let budgets = live(12_000_000, 600);
        let relieved = budgets.iter().position(|budget| *budget <= 12_000_000).unwrap();
        assert!(relieved <= 16, "after {relieved} s");
        let strained = |from: usize, to: usize| budgets[from..to].iter().filter(|b| **b > 12_000_000).count();
        assert!(strained(300, 600) <= strained(0, 300));
        assert!(strained(300, 600) <= 25, "{} s of 300 under strain", strained(300, 600));
        assert!(budgets[300..].iter().all(|budget| *budget >= 6_000_000), "never far below what it can do");
    }

    #[test]
    fn a_phone_that_cooled_down_gets_everything_back() {
        let failed_at = Some(20_000_000);
        let mut health =
            DecodeHealth { ceiling: Some(LEAST), failed_at, failures: 3, ..DecodeHealth::default() };
        let mut second = 0;
        while health.ceiling.is_some() {
            second += 1;
            health.report(Timestamp::from_secs(second), SECOND, &[slot(30, 0, 20, 0)], (1_000_000, NOMINAL));
            assert!(second < 900, "within a quarter of an hour");
        }
    }

    proptest! {
        #[test]
        fn no_report_breaks_it(
            reports in prop::collection::vec(any::<(u32, u32, u32, u64, u64)>(), 0..40),
        ) {
            let mut health = DecodeHealth::default();
            let mut now = Timestamp::ZERO;
            for (decoded, dropped, ms, in_use, nominal) in reports {
                now += Duration::from_millis(u64::from(ms));
                let time = Duration::from_millis(ms.into());
                let slots = [SlotDecode { decoded, dropped, time, freezes: 1 }; 2];
                let before = health;
                let interval = Duration::from_millis(u64::from(decoded));
                let changed = health.report(now, interval, &slots, (in_use, nominal));
                prop_assert_eq!(changed, before.ceiling != health.ceiling);
                prop_assert!(health.ceiling.is_none_or(|ceiling| ceiling >= LEAST));
            }
        }
    }
}
