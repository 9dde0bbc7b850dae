//! Which packets of an arriving stream have been seen: unwraps its sequence numbers once, finds duplicates,
//! and tells a gap from a stream that started anew.
//!
//! Owns the numbers of one SSRC (RFC 3550 §5.1, appendix A.1). Leaves asking for what is missing to the
//! transport.

use units::Unwrapper;

/// How far back a packet can still be placed, in packets. Retransmissions of browsers reach back about a
/// second.
const REACH: u64 = 1_024;
const WORDS: usize = (REACH / 64) as usize;
/// A stream whose packets are all out of reach for this long has started anew. A browser probes with single
/// old packets, so a few of them prove nothing.
const STALE_LIMIT: u32 = 64;

/// What an arriving number is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// Not seen before.
    New(u64),
    /// Seen before.
    Duplicate,
    /// Too old to tell.
    Stale,
    /// Not seen before, and what came before it has no place in front of it: the stream started anew. The
    /// number lies beyond [`REACH`] of all earlier ones.
    Restart(u64),
}

/// Numbers seen on one stream.
#[derive(Debug, Default)]
pub(crate) struct Window {
    unwrapper: Unwrapper<16>,
    /// Added to every unwrapped number, so that numbers go on growing when the stream starts anew.
    base: u64,
    newest: Option<u64>,
    /// One bit per number, by its value modulo [`REACH`].
    seen: [u64; WORDS],
    stale: u32,
}

impl Window {
    /// The newest number seen, unwrapped.
    pub(crate) fn newest(&self) -> Option<u64> {
        self.newest
    }

    /// Takes note of a number.
    pub(crate) fn receive(&mut self, wire: u16) -> Arrival {
        let seq = self.base + self.unwrapper.peek(u64::from(wire));
        let Some(newest) = self.newest else {
            return self.restart_at(seq);
        };
        if seq > newest + REACH {
            return self.restart_at(seq);
        }
        if seq + REACH <= newest {
            self.stale += 1;
            if self.stale < STALE_LIMIT {
                return Arrival::Stale;
            }
            self.replace();
            return self.receive(wire);
        }
        self.stale = 0;
        if seq > newest {
            (newest + 1..seq).for_each(|missing| self.set(missing, false));
            self.advance(seq);
        } else if self.get(seq) {
            return Arrival::Duplicate;
        }
        self.set(seq, true);
        Arrival::New(seq)
    }

    /// Another stream takes this one's place; whatever number it starts with lies ahead of all earlier ones.
    pub(crate) fn replace(&mut self) {
        if let Some(newest) = self.newest.take() {
            self.base = ((newest >> 16) + 1) << 16;
            self.unwrapper = Unwrapper::new();
        }
    }

    fn restart_at(&mut self, seq: u64) -> Arrival {
        self.seen = [0; WORDS];
        self.stale = 0;
        self.advance(seq);
        self.set(seq, true);
        Arrival::Restart(seq)
    }

    fn advance(&mut self, seq: u64) {
        self.unwrapper.unwrap(seq & 0xffff);
        self.newest = Some(seq);
    }

    fn get(&self, seq: u64) -> bool {
        let bit = seq % REACH;
        self.seen[(bit / 64) as usize] & (1 << (bit % 64)) != 0
    }

    fn set(&mut self, seq: u64, seen: bool) {
        let bit = seq % REACH;
        let word = &mut self.seen[(bit / 64) as usize];
        *word = (*word & !(1 << (bit % 64))) | (u64::from(seen) << (bit % 64));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn tells_new_from_seen_and_gaps_from_restarts() {
        use Arrival::{Duplicate, New, Restart, Stale};
        const C: u64 = 65_536;
        let cases: [(&[u16], &[Arrival], &str); 6] = [
            (&[7, 8, 8, 7], &[Restart(C + 7), New(C + 8), Duplicate, Duplicate], "duplicates"),
            (
                &[7, 10, 8, 9, 8],
                &[Restart(C + 7), New(C + 10), New(C + 8), New(C + 9), Duplicate],
                "reordering",
            ),
            (&[65_535, 0, 65_535], &[Restart(2 * C - 1), New(2 * C), Duplicate], "a wrap"),
            (&[0, 1_024, 1, 0], &[Restart(C), New(C + 1_024), New(C + 1), Stale], "the edge of reach"),
            (&[0, 1_025, 1], &[Restart(C), Restart(C + 1_025), Stale], "a gap beyond reach"),
            (&[5_000, 100, 5_001], &[Restart(C + 5_000), Stale, New(C + 5_001)], "a single old packet"),
        ];
        for (wire, expected, why) in cases {
            let mut window = Window::default();
            let got: Vec<_> = wire.iter().map(|w| window.receive(*w)).collect();
            assert_eq!(got, expected, "{why}");
        }
    }

    #[test]
    fn a_stream_that_starts_anew_goes_on_ahead_of_the_old_one() {
        let mut window = Window::default();
        window.receive(60_000);
        window.replace();
        let Arrival::Restart(seq) = window.receive(3) else { panic!("a replaced stream restarts") };
        assert!(seq > 65_536 + 60_000);
        assert_eq!(seq & 0xffff, 3, "the wire number stays readable");
        assert_eq!(
            window.receive(2),
            Arrival::New(seq - 1),
            "reordering around the first packet still works"
        );
    }

    #[test]
    fn an_old_number_proves_nothing_but_many_do() {
        let mut window = Window::default();
        window.receive(30_000);
        let restarts = (0..200u16).filter(|n| matches!(window.receive(*n), Arrival::Restart(_))).count();
        assert_eq!(restarts, 1);
        assert_eq!(window.newest().map(|n| n & 0xffff), Some(199));
    }

    proptest! {
        #[test]
        fn agrees_with_a_set(steps in proptest::collection::vec(-400i64..400, 1..500)) {
            let mut window = Window::default();
            let mut seen = std::collections::BTreeSet::new();
            let mut at = 100_000i64;
            window.receive(at as u16);
            seen.insert(at);
            for step in steps {
                let newest = *seen.last().unwrap();
                at = (at + step).max(newest - 1_000);
                let expected_new = seen.insert(at);
                match window.receive(at as u16) {
                    Arrival::New(seq) => {
                        prop_assert!(expected_new);
                        prop_assert_eq!(seq as i64, at);
                    }
                    other => {
                        prop_assert_eq!(other, Arrival::Duplicate);
                        prop_assert!(!expected_new);
                    }
                }
            }
        }
    }
}
