//! When packets arrived, for the publisher's own estimate (draft-holmer-rmcat-transport-wide-cc-extensions-01).
//!
//! Owns the memory of arrivals and what a feedback covers. Leaves its bytes to `packet`. Every number between the
//! last feedback and the newest packet is spoken of once; one that arrived after it was called missing is spoken of
//! again. A number far from all others starts anew instead of making everything between it missing: a single forged
//! one would else fill feedback with thousands of losses until the real numbers caught up.

use std::collections::VecDeque;
use std::time::Duration;

use packet::TransportFeedback;
use units::{Timestamp, Unwrapper};

/// Numbers that one step may leave out: an outage of 2 s at 1,000 packets per second.
const MAX_STEP: u64 = 2_048;
/// Numbers behind the last feedback that a late packet may still have.
const LATE: usize = 256;
/// One feedback stays below a datagram with this many, were every delta a large one.
const MAX_STATUSES: usize = 480;
/// Microseconds of a delta's unit, and deltas of the reference time's.
const DELTA_MICROS: u64 = 250;
const REFERENCE_DELTAS: u64 = 256;

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Arrivals {
    interval: Duration,
    sender_ssrc: u32,
    /// Of the newest packet: RFC 4585 §6.1 wants one.
    media_ssrc: u32,
    numbers: Unwrapper<16>,
    /// Arrivals from number `first` on; `None` for what has not arrived.
    kept: VecDeque<Option<Timestamp>>,
    first: u64,
    /// The next number to speak of.
    next: u64,
    count: u8,
    due: Option<Timestamp>,
    /// A feedback may not come sooner after the one before.
    not_before: Option<Timestamp>,
}

impl Arrivals {
    /// Nothing has arrived.
    pub(crate) fn new(interval: Duration, sender_ssrc: u32) -> Self {
        Self {
            interval,
            sender_ssrc,
            media_ssrc: 0,
            numbers: Unwrapper::new(),
            kept: VecDeque::new(),
            first: 0,
            next: 0,
            count: 0,
            due: None,
            not_before: None,
        }
    }

    /// A packet with that transport-wide number arrived.
    pub(crate) fn arrived(&mut self, now: Timestamp, media_ssrc: u32, number: u16) {
        self.media_ssrc = media_ssrc;
        let peeked = self.numbers.peek(number.into());
        let end = self.first + self.kept.len() as u64;
        let far = peeked > end + MAX_STEP || peeked + MAX_STEP < self.first;
        if self.kept.is_empty() || far {
            self.numbers = Unwrapper::new();
            self.first = self.numbers.unwrap(number.into());
            self.next = self.first;
            self.kept.clear();
            self.kept.push_back(Some(now));
        } else if peeked >= end {
            let number = self.numbers.unwrap(number.into());
            self.kept.extend((end..number).map(|_| None));
            self.kept.push_back(Some(now));
        } else {
            let Some(at) = peeked.checked_sub(self.first) else { return };
            let arrival = &mut self.kept[at as usize];
            if arrival.is_some() {
                return;
            }
            *arrival = Some(now);
            self.next = self.next.min(peeked);
        }
        self.due = self.due.or(Some(self.not_before.unwrap_or(now + self.interval).max(now)));
    }

    /// When [`Arrivals::feedback`] is due.
    pub(crate) fn poll_timeout(&self) -> Option<Timestamp> {
        self.due
    }

    /// What is to be said now: one feedback, or several where one cannot hold it.
    pub(crate) fn feedback(&mut self, now: Timestamp) -> Vec<TransportFeedback> {
        if self.due.is_none_or(|due| now < due) {
            return Vec::new();
        }
        self.due = None;
        self.not_before = Some(now + self.interval);
        let end = self.first + self.kept.len() as u64;
        let mut said = Vec::new();
        while self.next < end {
            let feedback = self.one(self.next);
            self.next += feedback.statuses.len() as u64;
            said.push(feedback);
        }
        let behind = (self.next - self.first) as usize;
        let old = behind.saturating_sub(LATE);
        self.kept.drain(..old);
        self.first += old as u64;
        said
    }

    /// As much as one feedback can hold, from number `base` on. It covers at least one number.
    fn one(&mut self, base: u64) -> TransportFeedback {
        let from = (base - self.first) as usize;
        let ticks = |at: Timestamp| at.as_micros() / DELTA_MICROS;
        let first_arrival = self.kept.range(from..).flatten().next().map_or(0, |at| ticks(*at));
        let reference = first_arrival / REFERENCE_DELTAS;
        let mut last = reference * REFERENCE_DELTAS;
        let mut statuses = Vec::new();
        for arrival in self.kept.range(from..).take(MAX_STATUSES) {
            let Some(at) = arrival else {
                statuses.push(None);
                continue;
            };
            // Beyond 8 s between two packets another reference is needed.
            let Ok(delta) = i16::try_from(ticks(*at) as i64 - last as i64) else { break };
            last = ticks(*at);
            statuses.push(Some(delta));
        }
        let count = self.count;
        self.count = self.count.wrapping_add(1);
        TransportFeedback {
            sender_ssrc: self.sender_ssrc,
            media_ssrc: self.media_ssrc,
            base: base as u16,
            // §3.1 of the draft: 24 bits, wrapped.
            reference_time: reference as u32 & 0xff_ffff,
            count,
            statuses,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_millis(50);

    fn ms(ms: u64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    /// What is said from the first deadline up to `end`: base and statuses.
    fn run(arrivals: &mut Arrivals, end: u64) -> Vec<(u16, Vec<Option<i16>>)> {
        let mut said = Vec::new();
        while let Some(due) = arrivals.poll_timeout().filter(|due| *due <= ms(end)) {
            said.extend(arrivals.feedback(due).into_iter().map(|f| (f.base, f.statuses)));
        }
        said
    }

    fn fed(packets: &[(u64, u16)]) -> Arrivals {
        let mut arrivals = Arrivals::new(INTERVAL, 1);
        packets.iter().for_each(|(at, number)| arrivals.arrived(ms(*at), 9, *number));
        arrivals
    }

    #[test]
    fn every_number_is_spoken_of_with_its_time() {
        let mut arrivals = fed(&[(64, 65_534), (65, 65_535), (70, 1)]);
        assert_eq!(run(&mut arrivals, 200), [(65_534, vec![Some(0), Some(4), None, Some(20)])]);
        assert_eq!(run(&mut arrivals, 900), [], "silence about silence");
        arrivals.arrived(ms(1_000), 9, 0);
        assert_eq!(arrivals.poll_timeout(), Some(ms(1_000)), "the last feedback is long ago");
        let again = [(0, vec![Some(160), Some(-3_720)])];
        assert_eq!(run(&mut arrivals, 1_000), again, "late, after it was called missing");
    }

    #[test]
    fn long_gaps_in_time_and_many_packets_take_several() {
        let mut arrivals = fed(&[(0, 0), (20_000, 1)]);
        assert_eq!(run(&mut arrivals, 20_000), [(0, vec![Some(0)]), (1, vec![Some(128)])]);
        let many: Vec<(u64, u16)> = (0..1_000).map(|number| (0, number)).collect();
        let lengths: Vec<usize> = run(&mut fed(&many), 50).iter().map(|(_, s)| s.len()).collect();
        assert_eq!(lengths, [480, 480, 40]);
    }

    #[test]
    fn a_forged_number_costs_no_feedback_of_thousands() {
        for forged in [3_000_u16, 16_384, 32_000, 40_000, 60_000] {
            let mut arrivals = fed(&[(0, 100)]);
            let mut statuses = 0;
            let mut seen = 0;
            for number in 101..1_101_u64 {
                if number == 200 {
                    arrivals.arrived(ms(number), 9, forged);
                }
                arrivals.arrived(ms(number), 9, number as u16);
                for (_, said) in run(&mut arrivals, number) {
                    statuses += said.len();
                    seen += said.iter().flatten().count();
                    assert!(arrivals.kept.len() <= MAX_STEP as usize + 2 * LATE);
                }
            }
            assert!(statuses <= 1_100, "{forged}: {statuses} statuses of 1,000 packets");
            assert!(seen >= 850, "{forged}: at most two intervals are lost, {seen} acknowledged");
        }
    }

    proptest::proptest! {
        /// Any numbers at any pace: what is said is bounded by what came, and never contradicts it.
        #[test]
        fn nothing_arrived_is_made_up(
            packets in proptest::collection::vec((proptest::num::u16::ANY, 0u64..30_000), 1..200),
        ) {
            let mut arrivals = Arrivals::new(INTERVAL, 1);
            let mut now = Timestamp::ZERO;
            let (mut sent, mut statuses) = (std::collections::BTreeSet::new(), 0);
            for (number, wait) in &packets {
                now += Duration::from_millis(*wait);
                for feedback in arrivals.feedback(now) {
                    statuses += feedback.statuses.len();
                    for (at, status) in feedback.statuses.iter().enumerate() {
                        let number = feedback.base.wrapping_add(at as u16);
                        proptest::prop_assert!(status.is_none() || sent.contains(&number));
                    }
                }
                arrivals.arrived(now, 9, *number);
                sent.insert(*number);
            }
            let bound = packets.len() * (MAX_STEP as usize + LATE + 1);
            proptest::prop_assert!(statuses <= bound);
        }
    }
}
