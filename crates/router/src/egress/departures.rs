//! Which packet of which slot left under which transport-wide number, until the receiver has spoken of it.
//!
//! Owns the judgement that a packet is lost. A receiver asks for what it misses, but its request can be lost as the packet
//! was, and a repetition that was lost is asked for only when its answer is overdue. Its acknowledgements come anyway, several
//! times in that time, and each tells of losses as well. What to do about them is for `retransmit`.

use std::collections::VecDeque;

use estimator::PacketResult;
use packet::Mid;
use units::Timestamp;

/// Packets remembered: two seconds of 4 Mbit/s, after which nothing is repeated anyway.
const REMEMBERED: usize = 1_024;
/// So many later packets have to have come before a missing one is lost (RFC 9002 §6.1.1): paths reorder.
const REORDERED: u64 = 3;

/// A packet that left and can be repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Departure {
    /// Transport-wide.
    pub(crate) number: u64,
    /// On whose stream.
    pub(crate) slot: Mid,
    /// Its number there, or that of the packet which it repeats.
    pub(crate) sequence: u16,
    pub(crate) at: Timestamp,
    /// It repeats another: there may be more of them.
    pub(crate) is_copy: bool,
}

impl Departure {
    fn repeats_the_same_as(&self, other: &Self) -> bool {
        (self.slot, self.sequence) == (other.slot, other.sequence)
    }
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub(crate) struct Departures {
    /// In the order of their numbers, each with whether it was said to be missing.
    waiting: VecDeque<(Departure, bool)>,
    /// The highest number that arrived.
    newest: u64,
}

impl Departures {
    /// A packet leaves.
    pub(crate) fn note(&mut self, departure: Departure) {
        if self.waiting.len() == REMEMBERED {
            self.waiting.pop_front();
        }
        self.waiting.push_back((departure, false));
    }

    /// What the receiver says. Appends to `lost` what is known to be lost by it, each packet once.
    pub(crate) fn reported(&mut self, results: &[PacketResult], lost: &mut Vec<Departure>) {
        for result in results {
            // Nearly always what is spoken of next is what waits longest, and came.
            if result.arrival.is_some()
                && self.waiting.front().is_some_and(|(first, _)| first.number == result.seq && !first.is_copy)
            {
                self.newest = self.newest.max(result.seq);
                self.waiting.pop_front();
                continue;
            }
            // Numbers in between are of packets that nobody repeats.
            let found = self.waiting.binary_search_by_key(&result.seq, |(departure, _)| departure.number);
            let arrived = result.arrival.is_some();
            if arrived {
                self.newest = self.newest.max(result.seq);
            }
            match (found, arrived) {
                (Ok(at), true) => self.arrived(at),
                (Ok(at), false) => self.waiting[at].1 = true,
                (Err(_), _) => {}
            }
        }
        // Of what no report has spoken a report may have been lost: that says nothing.
        let newest = self.newest;
        let first = lost.len();
        self.waiting.retain(|(departure, missing)| {
            let is_lost = *missing && departure.number + REORDERED <= newest;
            if is_lost {
                lost.push(*departure);
            }
            !is_lost
        });
        // Of two copies that left together one may still come.
        let mut at = first;
        while let Some(candidate) = lost.get(at).copied() {
            let known = lost[first..at].iter().any(|other| other.repeats_the_same_as(&candidate));
            let waits = || self.waiting.iter().any(|(other, _)| other.repeats_the_same_as(&candidate));
            if known || waits() {
                lost.remove(at);
            } else {
                at += 1;
            }
        }
    }

    fn arrived(&mut self, at: usize) {
        let Some((arrived, _)) = self.waiting.remove(at).filter(|(departure, _)| departure.is_copy) else {
            return;
        };
        self.waiting.retain(|(other, _)| !other.repeats_the_same_as(&arrived));
    }

    /// The path is another one, or nobody is at its end: nothing more is heard of what left.
    pub(crate) fn forget(&mut self) {
        self.waiting.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use estimator::{Ecn, RemoteTime};

    fn sent(numbers: impl IntoIterator<Item = u64>) -> Departures {
        let mut departures = Departures::default();
        for number in numbers {
            let slot = Mid::parse("v0").unwrap();
            let (sequence, at) = (number as u16, Timestamp::ZERO);
            departures.note(Departure { number, slot, sequence, at, is_copy: false });
        }
        departures
    }

    fn results(said: &[(u64, bool)]) -> Vec<PacketResult> {
        let at = RemoteTime::from_micros(0);
        said.iter()
            .map(|(seq, arrived)| PacketResult {
                seq: *seq,
                arrival: arrived.then_some(at),
                ecn: Ecn::NotEct,
            })
            .collect()
    }

    #[test]
    fn what_is_missing_is_lost_once_enough_came_behind_it() {
        type Reports<'a> = &'a [&'a [(u64, bool)]];
        let cases: [(Reports<'_>, &[u64], &str); 7] = [
            (&[&[(1, true), (2, true), (3, true), (4, true)]], &[], "all came"),
            (&[&[(1, true), (2, false), (3, true), (4, true)]], &[], "two behind it may have overtaken it"),
            (&[&[(1, true), (2, false), (3, true), (4, true), (5, true)]], &[2], "three have not"),
            (&[&[(1, true), (2, false), (3, true)], &[(4, true), (5, true)]], &[2], "whenever that is said"),
            (
                &[&[(1, true), (2, false), (3, true)], &[(2, true), (5, true), (6, true)]],
                &[],
                "late, and here",
            ),
            (
                &[&[(1, true)], &[(4, true), (5, true), (6, true), (7, true)]],
                &[],
                "of which nothing was said",
            ),
            (&[&[(2, false), (8, true)], &[(2, false), (3, false), (9, true)]], &[2, 3], "each once"),
        ];
        for (reports, expected, why) in cases {
            let (mut departures, mut lost) = (sent(1..10), Vec::new());
            reports.iter().for_each(|said| departures.reported(&results(said), &mut lost));
            assert_eq!(lost.iter().map(|departure| departure.number).collect::<Vec<_>>(), expected, "{why}");
        }
    }

    #[test]
    fn of_copies_that_leave_together_all_have_to_be_lost() {
        let slot = Mid::parse("v0").unwrap();
        let copy = |number| Departure { number, slot, sequence: 7, at: Timestamp::ZERO, is_copy: true };
        type Reports<'a> = &'a [&'a [(u64, bool)]];
        let cases: [(Reports<'_>, usize, &str); 4] = [
            (&[&[(1, false), (2, true), (3, true), (4, true), (5, true)]], 0, "one came"),
            (&[&[(1, true), (2, false), (3, true), (4, true), (5, true)]], 0, "the other came"),
            (
                &[&[(1, false), (2, false), (3, true), (4, true), (5, true)]],
                1,
                "none came, which is said once",
            ),
            (&[&[(1, false), (3, true), (4, true)], &[(2, false), (5, true)]], 1, "in two reports"),
        ];
        for (reports, expected, why) in cases {
            let (mut departures, mut lost) = (Departures::default(), Vec::new());
            [1, 2].into_iter().for_each(|number| departures.note(copy(number)));
            reports.iter().for_each(|said| departures.reported(&results(said), &mut lost));
            assert_eq!(lost.len(), expected, "{why}");
        }
    }

    #[test]
    fn what_cannot_be_repeated_counts_as_come_behind() {
        let (mut departures, mut lost) = (sent([1]), Vec::new());
        departures.reported(&results(&[(1, false), (2, true), (3, true), (4, true)]), &mut lost);
        assert_eq!(lost.len(), 1);
    }

    #[test]
    fn memory_is_bounded() {
        let mut departures = sent(0..10_000);
        assert_eq!(departures.waiting.len(), REMEMBERED);
        departures.forget();
        assert_eq!(departures.waiting.len(), 0);
    }
}
