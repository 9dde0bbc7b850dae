//! What a virtual client tells the server about its downlink: arrival times of everything that carries a
//! transport-wide number, as Chromium does it, every 62 ms or so.
//!
//! Owns the recording and its form. Leaves sending to `client`.

use std::collections::BTreeMap;

use packet::TransportFeedback;
use units::Unwrapper;

use crate::links::event::{MILLI, Micros};

/// Time between feedbacks: between the 50 ms that Chromium means and the 100 ms that it uses on slow links.
pub const INTERVAL: Micros = 62 * MILLI;
/// What one feedback covers at most.
const MAX_STATUSES: u64 = 1_000;
/// One tick of a delta.
const TICK: Micros = 250;
/// One tick of the reference time.
const REFERENCE: Micros = 64 * MILLI;

/// Arrivals not reported yet.
#[derive(Debug, Default)]
pub struct Arrivals {
    unwrapper: Unwrapper<16>,
    /// By unwrapped number.
    arrived: BTreeMap<u64, Micros>,
    /// The first number that was not reported.
    next: Option<u64>,
    count: u8,
}

impl Arrivals {
    /// A packet came.
    pub fn add(&mut self, now: Micros, number: u16) {
        let number = self.unwrapper.unwrap(u64::from(number));
        self.arrived.entry(number).or_insert(now);
        // What overtook others is reported again with them.
        self.next = Some(self.next.map_or(number, |next| next.min(number)));
    }

    /// What is to be said now; empty when nothing came.
    pub fn report(&mut self, media_ssrc: u32) -> Vec<TransportFeedback> {
        let mut reports = Vec::new();
        while let (Some(mut base), Some((&last, _))) = (self.next, self.arrived.last_key_value()) {
            let end = (last + 1).min(base + MAX_STATUSES);
            let Some((&first, &at)) = self.arrived.range(base..end).next() else {
                // Nothing in this stretch came at all; the next one starts with what did.
                self.next = self.arrived.keys().next().copied();
                continue;
            };
            // A stretch of losses longer than a report is reported by its end.
            base = base.max(first.saturating_sub(MAX_STATUSES / 2));
            let reference = at / REFERENCE;
            let mut before = reference * REFERENCE;
            let mut statuses = Vec::with_capacity((end - base) as usize);
            let mut reached = end;
            for number in base..end {
                let Some(&at) = self.arrived.get(&number) else {
                    statuses.push(None);
                    continue;
                };
                let ticks = (at as i64 - before as i64).div_euclid(TICK as i64);
                let Ok(ticks) = i16::try_from(ticks) else {
                    // Eight seconds apart: another report.
                    reached = number;
                    break;
                };
                before = (before as i64 + i64::from(ticks) * TICK as i64) as Micros;
                statuses.push(Some(ticks));
            }
            let rest = self.arrived.split_off(&reached);
            self.arrived = rest;
            self.next = (!self.arrived.is_empty()).then_some(reached);
            reports.push(TransportFeedback {
                sender_ssrc: 1,
                media_ssrc,
                base: base as u16,
                reference_time: (reference & 0xff_ffff) as u32,
                count: self.count,
                statuses,
            });
            self.count = self.count.wrapping_add(1);
        }
        // What follows continues where this one ended, so that losses in between are said.
        if self.next.is_none() {
            self.next = self.unwrapper.newest().map(|newest| newest + 1);
        }
        reports
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrivals_and_losses_are_said_once_and_times_add_up() {
        let mut arrivals = Arrivals::default();
        for (number, at) in [(65_534, 100_000), (65_535, 101_000), (1, 103_000), (2, 102_900)] {
            arrivals.add(at, number);
        }
        let reports = arrivals.report(9);
        assert_eq!(reports.len(), 1);
        let report = &reports[0];
        assert_eq!((report.base, report.reference_time, report.media_ssrc), (65_534, 1, 9));
        assert_eq!(report.statuses, [Some(144), Some(4), None, Some(8), Some(-1)], "from 64 ms in 250 us");
        assert!(arrivals.report(9).is_empty());

        arrivals.add(200_000, 5);
        let report = &arrivals.report(9)[0];
        assert_eq!((report.base, report.count), (3, 1), "goes on where the last one ended");
        assert_eq!(report.statuses, [None, None, Some(32)]);

        arrivals.add(210_000, 4);
        let report = &arrivals.report(9)[0];
        assert_eq!((report.base, report.statuses.len()), (4, 1), "a late one is said alone");
    }

    #[test]
    fn long_silences_and_long_losses_make_reports_of_bounded_size() {
        let mut arrivals = Arrivals::default();
        arrivals.add(0, 0);
        arrivals.add(20_000_000, 1);
        assert_eq!(arrivals.report(1).len(), 2, "20 s do not fit a delta");
        arrivals.add(21_000_000, 30_000);
        let reports = arrivals.report(1);
        assert!(reports.iter().all(|report| report.statuses.len() <= MAX_STATUSES as usize));
        assert_eq!(reports.iter().flat_map(|r| &r.statuses).flatten().count(), 1);
    }
}
