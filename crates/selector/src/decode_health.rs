//! What a device really decodes, from what its client reports: a hot phone is not visible in bandwidth.
//!
//! Owns how reports shrink and regrow the decode budget. Leaves the nominal budget to `device` and spending
//! to `allocate`.
//!
//! A report of strain measures what the device can do: a decoder that does not keep up is never idle, so what it got done is its
//! capacity. The ceiling goes right below that. While the device keeps up again, the time that a pixel takes shows whether it has
//! recovered: where it falls clearly, as when a hot phone has cooled down, the ceiling rises in proportion. Otherwise it is tried
//! in steps, and near what failed ever more rarely, so that a warm phone is not brought to its limit every few seconds.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use units::Timestamp;

use crate::DeviceProfile;

/// Frames thrown away whole, in percent, above which a device does not keep up. Some are thrown away by a
/// busy page.
const DROPPED_PERCENT: u64 = 10;

/// Share of the time, in percent, that one video may spend in its decoder: above it the next slow frame is
/// late. Several that share a decoder wait for each other, and that counts as well.
const BUSY_PERCENT: u128 = 95;

/// The same where pictures froze as well; freezes of an idle decoder are the network's.
const BUSY_AND_FROZEN_PERCENT: u128 = 50;

/// Reports of fewer frames say nothing.
const MIN_FRAMES: u64 = 10;

/// What is left free of what a device was seen to do, in percent of that.
const HEADROOM_PERCENT: u64 = 10;

/// What a raise on trial adds, in percent.
const GROW_PERCENT: u64 = 15;

/// Encodings are changed so long after a change of the budget: a report that began sooner is about the time before it as well.
const SETTLE: Duration = Duration::from_millis(500);

/// How long reports must be good before a raise on trial.
const CALM: Duration = Duration::from_secs(6);

/// And at most before one that goes back to where the strain was.
const CALM_MAX: Duration = Duration::from_secs(120);

/// A pixel that takes at most this part of the time that it took, in percent, shows that a device has recovered.
const RECOVERED_PERCENT: u64 = 67;

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
    /// Pixels of one picture; where the size changed meanwhile, of the larger one.
    pub pixels: u64,
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
    /// What the device did when it was strained last, in pixels per second.
    failed_at: Option<u64>,
    /// How often strain was seen since a raise beyond that stood.
    failures: u8,
    /// What a pixel took after the strain was over, in picoseconds, and the ceiling at which that was enough.
    reference: Option<(u64, u64)>,
    /// Whether that was looked at since the last strain.
    measured: bool,
    /// What it took in the last report.
    last_cost: Option<u64>,
}

impl DecodeHealth {
    /// Takes note of a report; `nominal` is what the profile promises, in pixels per second. True when the budget changed, so that
    /// it is time to decide again.
    pub fn report(&mut self, now: Timestamp, interval: Duration, slots: &[SlotDecode], nominal: u64) -> bool {
        let frames: u64 = slots.iter().map(|slot| u64::from(slot.decoded) + u64::from(slot.dropped)).sum();
        let settling = self.changed.is_some_and(|at| now - at < interval.saturating_add(SETTLE));
        let done = done(interval, slots);
        if frames < MIN_FRAMES || done == 0 || settling {
            return false;
        }
        let before = self.ceiling;
        if strained(interval, slots, frames) {
            self.shrink(done);
        } else {
            self.calm(now, nominal, cost(slots));
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

    fn shrink(&mut self, done: u64) {
        let can = self.ceiling.map_or(done, |ceiling| ceiling.min(done));
        let left = can - can / 100 * HEADROOM_PERCENT;
        self.ceiling = Some(left.max(LEAST));
        self.failed_at = Some(can);
        // Two reports of one strain count once.
        self.failures =
            self.failures.saturating_add(u8::from(self.failures == 0 || self.calm_since.is_some()));
        // A pixel takes no less than it took, if no more.
        self.reference = self.reference.map(|(taken, enough)| (taken, enough.min(left)));
        (self.calm_since, self.last_cost, self.measured) = (None, None, false);
    }

    fn calm(&mut self, now: Timestamp, nominal: u64, cost: u64) {
        let calm = now - *self.calm_since.get_or_insert(now);
        let Some(ceiling) = self.ceiling else { return };
        let Some(last) = self.last_cost.replace(cost) else { return };
        if !self.measured && last.abs_diff(cost) <= last / 4 {
            // What had piled up is worked off: a pixel takes what it takes.
            let taken = self.reference.map_or(0, |(taken, _)| taken).max(cost.min(last));
            (self.reference, self.measured) = (Some((taken, ceiling)), true);
        }
        // One report alone may be about pictures of another size.
        let cost = cost.max(last);
        if let Some((reference, enough)) = self.reference
            && u128::from(cost) * 100 <= u128::from(reference) * u128::from(RECOVERED_PERCENT)
        {
            (self.failed_at, self.failures) = (None, 0);
            let can = u128::from(enough) * u128::from(reference) / u128::from(cost.max(1));
            if can > u128::from(ceiling) {
                self.raise(u64::try_from(can).unwrap_or(u64::MAX), nominal);
                return;
            }
        }
        if calm >= CALM && self.failed_at.is_some_and(|failed| ceiling >= failed) {
            // It stands where it failed before.
            (self.failed_at, self.failures) = (None, 0);
        }
        let more = ceiling.saturating_add((ceiling / 100).saturating_mul(GROW_PERCENT));
        let wait = match self.failed_at {
            // What failed was above what would have done: a raise to near it may fail as well.
            Some(failed) if more >= failed - failed / 8 => {
                CALM.saturating_mul(2 << self.failures.min(4)).min(CALM_MAX)
            }
            _ => CALM,
        };
        if calm >= wait {
            self.raise(more, nominal);
        }
    }

    fn raise(&mut self, to: u64, nominal: u64) {
        self.ceiling = (to < nominal).then_some(to);
        self.calm_since = None;
        if self.ceiling.is_none() {
            (self.reference, self.last_cost) = (None, None);
        }
    }
}

/// What was decoded, in pixels per second.
fn done(interval: Duration, slots: &[SlotDecode]) -> u64 {
    let pixels: u128 = slots.iter().map(|slot| u128::from(slot.decoded) * u128::from(slot.pixels)).sum();
    let per_second = (pixels * 1_000_000).checked_div(interval.as_micros()).unwrap_or(0);
    u64::try_from(per_second).unwrap_or(u64::MAX)
}

/// What a pixel took where it took least, in picoseconds: in the other slots part of the time is waiting for each other.
fn cost(slots: &[SlotDecode]) -> u64 {
    let of = |slot: &SlotDecode| {
        let pixels = u128::from(slot.decoded) * u128::from(slot.pixels);
        let enough = u64::from(slot.decoded) >= MIN_FRAMES;
        (slot.time.as_nanos() * 1_000).checked_div(pixels).filter(|_| enough)
    };
    let least = slots.iter().filter_map(of).min().unwrap_or(0);
    u64::try_from(least).unwrap_or(u64::MAX).max(1)
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
        let time = Duration::from_millis(10 * busy_percent);
        SlotDecode { decoded, dropped, time, freezes, pixels: 640 * 360 }
    }

    #[test]
    fn what_counts_as_strain() {
        for (slots, expected, why) in [
            (vec![slot(30, 0, 20, 0)], false, "all well"),
            (vec![slot(27, 3, 20, 0)], false, "a few dropped"),
            (vec![slot(26, 4, 20, 0)], true, "more than a tenth dropped"),
            (vec![slot(30, 0, 96, 0)], true, "hardly a pause between frames"),
            (vec![slot(30, 0, 30, 2)], false, "frozen by the network"),
            (vec![slot(30, 0, 60, 1)], true, "frozen and busy"),
            (vec![slot(30, 0, 40, 0); 3], false, "decoders work side by side"),
            (vec![slot(1, 8, 100, 9)], false, "too few frames to tell"),
            (vec![SlotDecode { pixels: 0, ..slot(20, 20, 100, 9) }], false, "of unknown size"),
        ] {
            let mut health = DecodeHealth::default();
            let changed = health.report(Timestamp::from_secs(9), SECOND, &slots, NOMINAL);
            assert_eq!(changed, expected, "{why}");
        }
    }

    /// A device that decodes `capacity` pixels per second and no more, in each second of a list, and is sent all that its budget
    /// allows; the budget at every second.
    fn live(capacities: impl IntoIterator<Item = u64>) -> Vec<u64> {
        let mut health = DecodeHealth::default();
        let mut budgets = Vec::new();
        for (second, capacity) in (0..).zip(capacities) {
            let sent = health.ceiling.unwrap_or(NOMINAL).min(NOMINAL);
            let pixels = sent / 30;
            let decoded = (capacity.min(sent) / pixels) as u32;
            let time =
                Duration::from_micros((u64::from(decoded) * pixels * 1_000_000 / capacity).min(1_000_000));
            let report = SlotDecode { decoded, dropped: 30 - decoded.min(30), time, freezes: 0, pixels };
            health.report(Timestamp::from_secs(second), SECOND, &[report], NOMINAL);
            budgets.push(health.ceiling.unwrap_or(NOMINAL));
        }
        budgets
    }

    #[test]
    fn a_hot_phone_is_relieved_by_one_report_and_tried_ever_more_rarely() {
        let budgets = live([10_000_000; 600]);
        assert!((8_000_000..=9_500_000).contains(&budgets[0]), "{}", budgets[0]);
        let strained = |from: usize, to: usize| budgets[from..to].iter().filter(|b| **b > 10_000_000).count();
        assert!(strained(300, 600) <= strained(0, 300));
        assert!(strained(0, 600) <= 24, "{} s of 600 under strain", strained(0, 600));
        assert!(budgets.iter().all(|budget| *budget >= 6_000_000), "never far below what it can do");
    }

    #[test]
    fn a_phone_that_cooled_down_gets_most_of_it_back_at_once_and_the_rest_soon() {
        let hot = std::iter::repeat_n(10_000_000, 30);
        let budgets = live(hot.chain(std::iter::repeat_n(32_000_000, 30)));
        assert!(budgets[29] < 10_000_000);
        assert!(budgets[32] >= 20_000_000, "{:?}", &budgets[30..]);
        assert!(budgets[45..].iter().all(|budget| *budget == NOMINAL), "{:?}", &budgets[30..]);
    }

    #[test]
    fn the_picture_of_another_size_in_one_report_is_no_recovery() {
        let mut health = DecodeHealth::default();
        let mut say = |second, slot| health.report(Timestamp::from_secs(second), SECOND, &[slot], NOMINAL);
        assert!(say(0, slot(20, 10, 100, 0)));
        let small = slot(30, 0, 60, 0);
        for second in 2..5 {
            assert!(!say(second, small));
        }
        assert!(!say(5, SlotDecode { pixels: small.pixels * 4, ..small }));
        assert!(!say(6, small));
    }

    #[test]
    fn without_any_sign_of_recovery_everything_comes_back_within_a_quarter_of_an_hour() {
        let mut health = DecodeHealth {
            ceiling: Some(LEAST),
            failed_at: Some(20_000_000),
            failures: 3,
            ..DecodeHealth::default()
        };
        let mut second = 0;
        while health.ceiling.is_some() {
            second += 1;
            health.report(Timestamp::from_secs(second), SECOND, &[slot(30, 0, 20, 0)], NOMINAL);
            assert!(second < 900);
        }
    }

    proptest! {
        #[test]
        fn no_report_breaks_it(
            reports in prop::collection::vec(any::<(u32, u32, u32, u64, u64)>(), 0..40),
        ) {
            let mut health = DecodeHealth::default();
            let mut now = Timestamp::ZERO;
            for (decoded, dropped, ms, pixels, nominal) in reports {
                now += Duration::from_millis(u64::from(ms));
                let time = Duration::from_millis(ms.into());
                let slots = [SlotDecode { decoded, dropped, time, freezes: 1, pixels }; 2];
                let before = health;
                let interval = Duration::from_millis(u64::from(decoded));
                let changed = health.report(now, interval, &slots, nominal);
                prop_assert_eq!(changed, before.ceiling != health.ceiling);
                prop_assert!(health.ceiling.is_none_or(|ceiling| ceiling >= LEAST));
            }
        }
    }
}
