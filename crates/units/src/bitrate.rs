//! A rate in bits per second. Owns conversion and arithmetic with time and size, leaves estimation to `estimator`.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, Mul, Sub};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::DataSize;

/// A rate in whole bits per second. Subtraction saturates at zero: a negative rate has no meaning here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Bitrate(u64);

impl Bitrate {
    /// Nothing per second.
    pub const ZERO: Self = Self(0);
    /// The largest value, for "no limit" in comparisons.
    pub const MAX: Self = Self(u64::MAX);

    /// From bits per second.
    pub const fn from_bps(bps: u64) -> Self {
        Self(bps)
    }

    /// From thousands of bits per second.
    pub const fn from_kbps(kbps: u64) -> Self {
        Self(kbps.saturating_mul(1_000))
    }

    /// In bits per second.
    pub const fn as_bps(self) -> u64 {
        self.0
    }

    /// In thousands of bits per second, rounded down.
    pub const fn as_kbps(self) -> u64 {
        self.0 / 1_000
    }

    /// In bits per second, for filters that compute in floating point.
    pub fn as_f64(self) -> f64 {
        self.0 as f64
    }

    /// From a filter's floating point value. Negative and not-a-number become zero.
    pub fn from_f64(bps: f64) -> Self {
        // `as` saturates and maps NaN to zero, which is the wanted meaning.
        Self(bps.round() as u64)
    }

    /// This rate times a non-negative factor.
    pub fn scaled(self, factor: f64) -> Self {
        Self::from_f64(self.0 as f64 * factor)
    }

    /// Sum that stops at [`Bitrate::MAX`].
    pub const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// True for a rate of nothing.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

impl Add for Bitrate {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        self.saturating_add(other)
    }
}

impl AddAssign for Bitrate {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Bitrate {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Mul<Duration> for Bitrate {
    type Output = DataSize;
    /// What flows in that time, rounded down to whole bytes.
    fn mul(self, time: Duration) -> DataSize {
        let bytes = u128::from(self.0) * time.as_micros() / 8_000_000;
        DataSize::from_bytes(u64::try_from(bytes).unwrap_or(u64::MAX))
    }
}

impl Mul<u64> for Bitrate {
    type Output = Self;
    fn mul(self, n: u64) -> Self {
        Self(self.0.saturating_mul(n))
    }
}

impl Div<u64> for Bitrate {
    type Output = Self;
    fn div(self, n: u64) -> Self {
        Self(self.0 / n)
    }
}

impl Sum for Bitrate {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::ZERO, |a, b| a + b)
    }
}

impl fmt::Display for Bitrate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0..1_000 => write!(f, "{} bit/s", self.0),
            1_000..1_000_000 => write!(f, "{} kbit/s", self.0 / 1_000),
            _ => write!(f, "{:.2} Mbit/s", self.0 as f64 / 1e6),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn displays_with_the_unit_people_use() {
        for (bps, text) in
            [(0, "0 bit/s"), (999, "999 bit/s"), (64_000, "64 kbit/s"), (2_500_000, "2.50 Mbit/s")]
        {
            assert_eq!(Bitrate::from_bps(bps).to_string(), text);
        }
    }

    #[test]
    fn floating_point_garbage_becomes_a_rate() {
        for (f, bps) in [(f64::NAN, 0), (-1.0, 0), (1.5, 2), (f64::INFINITY, u64::MAX)] {
            assert_eq!(Bitrate::from_f64(f).as_bps(), bps);
        }
    }

    proptest! {
        #[test]
        fn size_over_rate_inverts_rate_times_time(kbps in 1u64..10_000_000, ms in 1u64..3_600_000) {
            let rate = Bitrate::from_kbps(kbps);
            let time = Duration::from_millis(ms);
            let size = rate * time;
            let back = size / rate;
            // One byte at this rate is the rounding error of the way there.
            prop_assert!(back <= time);
            prop_assert!(time - back <= DataSize::from_bytes(1) / rate + Duration::from_micros(2));
        }

        #[test]
        fn arithmetic_never_panics(a: u64, b: u64, us in 0u64..u64::MAX) {
            let (x, y) = (Bitrate::from_bps(a), Bitrate::from_bps(b));
            let _ = (x + y, x - y, x * Duration::from_micros(us), x * b, x.scaled(b as f64));
        }
    }
}
