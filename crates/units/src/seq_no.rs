//! Counters that wrap on the wire, unwrapped once at ingress so that `<` means what it says.
//!
//! Owns the unwrapping and one type per counter, so that an RTP sequence number cannot meet a transport-wide one.
//! Leaves the meaning of gaps to the crates that own the streams.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Turns a counter of `BITS` bits into one of 64 that goes on growing, by the shortest way round from the last value.
///
/// The first value starts in the second cycle, so that packets which were reordered around the first one still have
/// a place below it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unwrapper<const BITS: u32> {
    newest: Option<u64>,
}

impl<const BITS: u32> Unwrapper<BITS> {
    const CYCLE: u64 = 1 << BITS;

    /// An unwrapper that has seen nothing.
    pub const fn new() -> Self {
        Self { newest: None }
    }

    /// The unwrapped value of `wire`. Bits above `BITS` are ignored. The reference moves only forwards.
    pub fn unwrap(&mut self, wire: u64) -> u64 {
        let value = self.peek(wire);
        if self.newest.is_none_or(|newest| value > newest) {
            self.newest = Some(value);
        }
        value
    }

    /// Like [`Unwrapper::unwrap`], without moving the reference: for numbers that others claim.
    pub fn peek(&self, wire: u64) -> u64 {
        let wire = wire & (Self::CYCLE - 1);
        let Some(newest) = self.newest else {
            return Self::CYCLE + wire;
        };
        let ahead = wire.wrapping_sub(newest) & (Self::CYCLE - 1);
        if ahead < Self::CYCLE / 2 {
            newest.saturating_add(ahead)
        } else {
            // Never below zero: a claim from before the first cycle lands on a value that nothing was sent with.
            newest.saturating_sub(Self::CYCLE - ahead)
        }
    }

    /// The newest value seen.
    pub const fn newest(&self) -> Option<u64> {
        self.newest
    }
}

macro_rules! counter {
    ($(#[$doc:meta])* $name:ident, $wire:ty) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(u64);

        impl $name {
            /// From an unwrapped value.
            pub const fn new(value: u64) -> Self {
                Self(value)
            }

            /// The unwrapped value.
            pub const fn get(self) -> u64 {
                self.0
            }

            /// What goes on the wire: the low bits.
            pub const fn wire(self) -> $wire {
                self.0 as $wire
            }

            /// The value `n` later.
            pub const fn plus(self, n: u64) -> Self {
                Self(self.0.wrapping_add(n))
            }

            /// How far this is ahead of `earlier`; zero when it is not.
            pub const fn since(self, earlier: Self) -> u64 {
                self.0.saturating_sub(earlier.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

counter!(
    /// An RTP sequence number (RFC 3550 §5.1), unwrapped from 16 bits.
    SeqNo, u16
);
counter!(
    /// An RTP timestamp (RFC 3550 §5.1), unwrapped from 32 bits, in ticks of the stream's clock (90 kHz for video,
    /// 48 kHz for Opus).
    RtpTime, u32
);
counter!(
    /// A transport-wide sequence number (draft-holmer-rmcat-transport-wide-cc-extensions-01 §2), unwrapped from 16 bits.
    TwccSeq, u16
);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn unwraps_around_the_edge() {
        let cases: [(&[u64], &[u64], &str); 4] = [
            (&[0, 1, 2], &[65_536, 65_537, 65_538], "plain growth"),
            (&[65_535, 0], &[131_071, 131_072], "a wrap"),
            (&[0, 65_535, 1], &[65_536, 65_535, 65_537], "reordered around the first packet"),
            (
                &[10, 32_777, 32_778],
                &[65_546, 65_546 + 32_767, 65_546 + 32_768],
                "a jump of just under half a cycle",
            ),
        ];
        for (wire, expected, why) in cases {
            let mut unwrapper = Unwrapper::<16>::new();
            let got: Vec<u64> = wire.iter().map(|w| unwrapper.unwrap(*w)).collect();
            assert_eq!(got, expected, "{why}");
        }
    }

    proptest! {
        #[test]
        fn follows_any_walk_of_small_steps(start in 0u64..65_536, steps in proptest::collection::vec(-1_000i64..30_000, 1..200)) {
            let mut unwrapper = Unwrapper::<16>::new();
            let mut truth = start + 65_536;
            let mut newest = truth;
            prop_assert_eq!(unwrapper.unwrap(truth), truth);
            for step in steps {
                let next = newest.saturating_add_signed(step);
                truth = next;
                newest = newest.max(next);
                prop_assert_eq!(unwrapper.unwrap(truth & 0xffff), truth);
            }
        }

        #[test]
        fn keeps_the_low_bits_of_whatever_comes(wire in proptest::collection::vec(any::<u32>(), 1..100)) {
            let mut unwrapper = Unwrapper::<32>::new();
            for w in wire {
                let value = unwrapper.unwrap(u64::from(w));
                prop_assert_eq!(value as u32, w);
            }
        }
    }
}
