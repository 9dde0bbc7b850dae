//! An amount of data in bytes. Owns conversion and arithmetic with time and rate.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, Sub, SubAssign};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Bitrate;

/// An amount of data in whole bytes. Subtraction saturates at zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DataSize(u64);

impl DataSize {
    /// No data.
    pub const ZERO: Self = Self(0);

    /// From bytes.
    pub const fn from_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// In bytes.
    pub const fn as_bytes(self) -> u64 {
        self.0
    }

    /// In bits, saturating.
    pub const fn as_bits(self) -> u64 {
        self.0.saturating_mul(8)
    }

    /// True for no data.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

impl Add for DataSize {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for DataSize {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for DataSize {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl SubAssign for DataSize {
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

impl Div<Bitrate> for DataSize {
    type Output = Duration;
    /// How long that much takes at that rate, rounded down to microseconds; [`Duration::MAX`] at a rate of zero.
    fn div(self, rate: Bitrate) -> Duration {
        if rate.is_zero() {
            return Duration::MAX;
        }
        let micros = u128::from(self.0) * 8_000_000 / u128::from(rate.as_bps());
        Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
    }
}

impl Div<Duration> for DataSize {
    type Output = Bitrate;
    /// The mean rate of that much over that time; zero over no time, as there is nothing to say.
    fn div(self, time: Duration) -> Bitrate {
        let micros = time.as_micros();
        if micros == 0 {
            return Bitrate::ZERO;
        }
        let bps = u128::from(self.0) * 8_000_000 / micros;
        Bitrate::from_bps(u64::try_from(bps).unwrap_or(u64::MAX))
    }
}

impl Sum for DataSize {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::ZERO, |a, b| a + b)
    }
}

impl fmt::Display for DataSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0..10_000 => write!(f, "{} B", self.0),
            10_000..10_000_000 => write!(f, "{} kB", self.0 / 1_000),
            _ => write!(f, "{:.1} MB", self.0 as f64 / 1e6),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn division_has_an_answer_at_the_edges() {
        assert_eq!(DataSize::from_bytes(1) / Bitrate::ZERO, Duration::MAX);
        assert_eq!(DataSize::from_bytes(1) / Duration::ZERO, Bitrate::ZERO);
        assert_eq!(DataSize::from_bytes(u64::MAX) / Duration::from_micros(1), Bitrate::MAX);
    }
}
