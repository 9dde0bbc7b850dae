//! When a slot repeats a packet.
//!
//! Owns the numbers of the retransmission stream (RFC 4588: an own SSRC with an own sequence) and the memory
//! of what was just sent. A receiver asks again and again for what it misses; an answer under way must have
//! its round trip. Where acknowledgements show that a copy was lost, the next one waits for no request: one round trip and
//! the time between two reports after the copy left, whatever became of the request. Leaves the total of all slots to
//! `egress` and the packets to `history`.

use std::collections::VecDeque;
use std::time::Duration;

use units::Timestamp;

/// Answers remembered. More losses than this within a round trip are a path that retransmissions only make
/// worse.
const REMEMBERED: usize = 128;

/// From then on a picture has been given up by those who wait for it.
const LIFETIME: Duration = Duration::from_secs(1);

/// Why a packet is to be repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The receiver asks for it.
    Asked,
    /// The copy that left then is known to be lost.
    Lost(Timestamp),
}

/// The retransmissions of one slot.
#[derive(Debug)]
pub(crate) struct Retransmitter {
    next: u16,
    /// Number of the original and when it was last repeated.
    answered: VecDeque<(u64, Timestamp)>,
}

impl Retransmitter {
    /// A stream that begins with this number.
    pub(crate) fn new(first: u16) -> Self {
        Self { next: first, answered: VecDeque::new() }
    }

    /// Whether a packet that left at `sent` may be repeated now, as no copy of it can be on its way.
    pub(crate) fn may_repeat(
        &self,
        now: Timestamp,
        sequence: u64,
        sent: Timestamp,
        cause: Cause,
        rtt: Duration,
    ) -> bool {
        let last = self.answered.iter().rev().find(|(seq, _)| *seq == sequence).map(|(_, at)| *at);
        match cause {
            // A first request cannot be faster than a round trip, so one that comes much sooner was written for a
            // packet that had been late to us, too. Half, since round trips vary.
            Cause::Asked => now - sent >= rtt / 2 && last.is_none_or(|at| now - at >= rtt),
            Cause::Lost(left) => now - sent < LIFETIME && last.is_none_or(|at| at <= left),
        }
    }

    /// Notes that a packet is repeated now. Returns the number for the retransmission.
    pub(crate) fn repeat(&mut self, now: Timestamp, sequence: u64) -> u16 {
        if self.answered.len() == REMEMBERED {
            self.answered.pop_front();
        }
        self.answered.push_back((sequence, now));
        self.number()
    }

    /// The number of the next packet on the retransmission stream.
    pub(crate) fn number(&mut self) -> u16 {
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_packet_is_repeated_once_per_round_trip() {
        const RTT: Duration = Duration::from_millis(100);
        let at = Timestamp::from_millis;
        let mut retransmitter = Retransmitter::new(65_535);
        let cases = [
            (1_040, 7, false, "asked before an answer to its sending can be here"),
            (1_050, 7, true, "the first request"),
            (1_149, 7, false, "the answer is under way"),
            (1_149, 8, true, "another packet"),
            (1_150, 7, true, "a round trip later"),
            (1_200, 7, false, "counted from the last answer"),
        ];
        let mut numbers = Vec::new();
        for (ms, sequence, expected, why) in cases {
            let may = retransmitter.may_repeat(at(ms), sequence, at(1_000), Cause::Asked, RTT);
            assert_eq!(may, expected, "{why}");
            if may {
                numbers.push(retransmitter.repeat(at(ms), sequence));
            }
        }
        assert_eq!(numbers, [65_535, 0, 1], "a sequence of its own");
    }

    #[test]
    fn a_copy_that_was_lost_is_followed_by_another_and_never_by_two() {
        use Cause::{Asked, Lost};
        const RTT: Duration = Duration::from_millis(100);
        let at = Timestamp::from_millis;
        let mut retransmitter = Retransmitter::new(0);
        let cases = [
            (1_130, Lost(at(1_000)), true, "the first sending was lost, and nobody asked"),
            (1_140, Asked, false, "the request comes late"),
            (1_190, Lost(at(1_000)), false, "that is known"),
            (1_260, Lost(at(1_130)), true, "the repetition was lost as well"),
            (1_300, Asked, false, "which is on its way again"),
            (1_370, Asked, true, "its answer is overdue"),
            (1_390, Lost(at(1_260)), false, "and was just sent"),
            (1_990, Lost(at(1_370)), true, "still of use"),
            (2_120, Lost(at(1_990)), false, "given up"),
        ];
        for (ms, cause, expected, why) in cases {
            let may = retransmitter.may_repeat(at(ms), 7, at(1_000), cause, RTT);
            assert_eq!(may, expected, "{why}");
            if may {
                retransmitter.repeat(at(ms), 7);
            }
        }
    }

    #[test]
    fn memory_is_bounded() {
        let mut retransmitter = Retransmitter::new(0);
        (0..10_000).for_each(|seq| {
            retransmitter.repeat(Timestamp::ZERO, seq);
        });
        assert_eq!(retransmitter.answered.len(), REMEMBERED);
    }
}
