//! Transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1): wire values to packet results.
//!
//! Owns what needs memory: the 16-bit sequence number is unwrapped against the newest number *sent* and the 24-bit
//! reference time against the previous report's. Parsing bytes belongs to `packet`; what a result means for a packet
//! belongs to the history, which also makes duplicated and reordered reports harmless.

use crate::{Ecn, PacketResult, RemoteTime};

/// Arrival deltas count in 250 µs (§3.1.5).
const DELTA_MICROS: i64 = 250;
/// The reference time counts in 64 ms (§3.1), which is 256 deltas.
const REFERENCE_DELTAS: i64 = 256;
/// The reference time has 24 bits and wraps after 12.4 days.
const REFERENCE_CYCLE: i64 = 1 << 24;
/// Results per report. A path keeps no more packets than this in the history, so more cannot mean anything, and
/// twenty bytes on the wire could otherwise claim 65 535.
pub const MAX_RESULTS: usize = 8_192;

/// One packet status of a report, runs already expanded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Not received when the report was written.
    NotReceived,
    /// Received, this many 250 µs after the packet before it. Negative when packets were reordered on the path.
    Received(i16),
}

/// Why a report was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// It reports no packet.
    #[error("a report of no packets")]
    Empty,
    /// It reports more packets than anybody keeps in mind.
    #[error("a report of more than {MAX_RESULTS} packets")]
    TooLong,
    /// It reports a packet that was never sent: forged, or from before a restart.
    #[error("a report of packets that were not sent")]
    NotSent,
}

/// Unwraps the reports of one transport.
#[derive(Clone, Debug, Default)]
pub struct Unwrapper {
    /// Reference time of the newest report, unwrapped, in 64 ms.
    reference: Option<i64>,
    results: Vec<PacketResult>,
}

impl Unwrapper {
    /// An unwrapper that has seen nothing.
    pub const fn new() -> Self {
        Self { reference: None, results: Vec::new() }
    }

    /// The results of one report. `newest_sent` is the newest transport-wide number sent, unwrapped; `base` and
    /// `reference` are the fields of the report, the latter's 24 bits as they came (sign extended or not).
    ///
    /// # Errors
    /// [`Malformed`], in which case the report is to be dropped whole and nothing was remembered of it.
    pub fn unwrap(
        &mut self,
        newest_sent: u64,
        base: u16,
        reference: i32,
        statuses: impl IntoIterator<Item = Status>,
    ) -> Result<&[PacketResult], Malformed> {
        self.results.clear();
        let reference = self.nearest_reference(reference);
        // Each report is summed up from its own reference: rounding does not add up from report to report.
        let mut ticks = reference * REFERENCE_DELTAS;
        let first = nearest_below(newest_sent, base).ok_or(Malformed::NotSent)?;
        for (seq, status) in (first..).zip(statuses) {
            if self.results.len() == MAX_RESULTS {
                return Err(Malformed::TooLong);
            }
            if seq > newest_sent {
                return Err(Malformed::NotSent);
            }
            let arrival = match status {
                Status::NotReceived => None,
                Status::Received(delta) => {
                    ticks += i64::from(delta);
                    Some(RemoteTime::from_micros(ticks * DELTA_MICROS))
                }
            };
            self.results.push(PacketResult { seq, arrival, ecn: Ecn::NotEct });
        }
        if self.results.is_empty() {
            return Err(Malformed::Empty);
        }
        if self.reference.is_none_or(|newest| reference > newest) {
            self.reference = Some(reference);
        }
        Ok(&self.results)
    }

    /// The value nearest to the newest reference among those with these 24 bits. A clock may start anywhere.
    fn nearest_reference(&self, wire: i32) -> i64 {
        let wire = i64::from(wire).rem_euclid(REFERENCE_CYCLE);
        let Some(newest) = self.reference else { return wire };
        let ahead = (wire - newest).rem_euclid(REFERENCE_CYCLE);
        if ahead < REFERENCE_CYCLE / 2 { newest + ahead } else { newest + ahead - REFERENCE_CYCLE }
    }
}

/// The highest number not above `newest_sent` with these 16 bits, or `None` when that would lie below zero.
fn nearest_below(newest_sent: u64, wire: u16) -> Option<u64> {
    let behind = (newest_sent as u16).wrapping_sub(wire);
    newest_sent.checked_sub(u64::from(behind))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn arrivals(results: &[PacketResult]) -> Vec<(u64, Option<i64>)> {
        results.iter().map(|r| (r.seq, r.arrival.map(RemoteTime::as_micros))).collect()
    }

    #[test]
    fn unwraps_one_report() {
        use Status::{NotReceived, Received};
        type Expected = Result<&'static [(u64, Option<i64>)], Malformed>;
        type Case = (u64, u16, i32, &'static [Status], Expected, &'static str);
        let cases: [Case; 7] = [
            (
                10,
                9,
                1,
                &[Received(4), Received(-2)],
                Ok(&[(9, Some(65_000)), (10, Some(64_500))]),
                "reordering is legal",
            ),
            (
                65_537,
                65_535,
                0,
                &[Received(0), NotReceived],
                Ok(&[(65_535, Some(0)), (65_536, None)]),
                "across the wrap",
            ),
            (
                10,
                10,
                -1,
                &[Received(0)],
                Ok(&[(10, Some(((1 << 24) - 1) * 64_000))]),
                "a reference may look negative",
            ),
            (10, 10, 0, &[Received(0), Received(1)], Err(Malformed::NotSent), "claims packet 11"),
            (10, 11, 0, &[Received(0)], Err(Malformed::NotSent), "11 would be one cycle below zero"),
            (10, 10, 0, &[], Err(Malformed::Empty), "says nothing"),
            (
                70_000,
                0,
                0,
                &[NotReceived; MAX_RESULTS + 1],
                Err(Malformed::NotSent),
                "65 536 + 4 465 is unsent",
            ),
        ];
        for (newest, base, reference, statuses, expected, why) in cases {
            let mut unwrapper = Unwrapper::new();
            let got = unwrapper.unwrap(newest, base, reference, statuses.iter().copied()).map(arrivals);
            assert_eq!(got, expected.map(<[_]>::to_vec), "{why}");
        }
    }

    #[test]
    fn work_per_report_is_bounded() {
        let mut unwrapper = Unwrapper::new();
        let claim = std::iter::repeat_n(Status::NotReceived, 65_535);
        assert_eq!(unwrapper.unwrap(1 << 20, 1, 0, claim), Err(Malformed::TooLong));
    }

    #[test]
    fn a_dropped_report_leaves_no_trace_in_the_reference() {
        let mut unwrapper = Unwrapper::new();
        assert!(unwrapper.unwrap(5, 5, 100, [Status::Received(0)]).is_ok());
        assert!(unwrapper.unwrap(5, 6, 8_000_000, [Status::Received(0)]).is_err());
        let got = unwrapper.unwrap(6, 6, 101, [Status::Received(0)]).map(arrivals);
        assert_eq!(got, Ok(vec![(6, Some(101 * 64_000))]));
    }

    proptest! {
        /// Twelve days in a minute: whatever the clock's start, arrival differences come out as they were.
        #[test]
        fn the_reference_wraps_without_a_step(start in 0i64..REFERENCE_CYCLE, steps in proptest::collection::vec(-3i64..2_000_000, 1..50)) {
            let mut unwrapper = Unwrapper::new();
            let mut clock = start;
            let mut first = None;
            for step in steps {
                clock += step;
                let wire = i32::try_from(clock.rem_euclid(REFERENCE_CYCLE)).unwrap();
                let got = arrivals(unwrapper.unwrap(1, 1, wire, [Status::Received(0)]).unwrap())[0].1.unwrap();
                let origin = *first.get_or_insert(got - clock * 64_000);
                prop_assert_eq!(got - clock * 64_000, origin);
            }
        }

        #[test]
        fn nothing_panics_and_nothing_unsent_comes_out(newest: u64, base: u16, reference: i32, deltas in proptest::collection::vec(any::<i16>(), 0..300)) {
            let mut unwrapper = Unwrapper::new();
            if let Ok(results) = unwrapper.unwrap(newest, base, reference, deltas.into_iter().map(Status::Received)) {
                prop_assert!(results.iter().all(|r| r.seq <= newest));
            }
        }
    }
}
