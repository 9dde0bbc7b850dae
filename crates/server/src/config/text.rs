//! Values with their units, as people write them in a file or on the command line: `15s`, `4MiB`.
//!
//! Owns parsing and printing of [`Span`] and [`Size`]. A bare number is refused: seconds against milliseconds is
//! the kind of mistake that a configuration file must not allow.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A span of time: a whole number and one of `ms`, `s`, `min`, `h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

/// A size in bytes: a whole number and one of `B`, `KiB`, `MiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub usize);

/// Why a text is not a value with a unit. The message names the units that are understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{text}\" is not a {what}: write a whole number and a unit, such as {example} (units: {units})")]
pub struct UnitError {
    text: String,
    what: &'static str,
    example: &'static str,
    units: &'static str,
}

/// Milliseconds per unit, largest first, so that printing picks the largest that divides.
const SPANS: [(&str, u64); 4] = [("h", 3_600_000), ("min", 60_000), ("s", 1_000), ("ms", 1)];
/// Bytes per unit, largest first.
const SIZES: [(&str, u64); 3] = [("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

impl Span {
    /// From whole seconds.
    pub const fn secs(secs: u64) -> Self {
        Self(Duration::from_secs(secs))
    }
}

impl Size {
    /// From whole KiB (1,024 bytes).
    pub const fn kib(kib: usize) -> Self {
        Self(kib << 10)
    }
}

/// The number times the unit's factor, or `None` when either is not understood or the product does not fit.
fn parse(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(split);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim_start())?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

/// The value in the largest unit that divides it.
fn print(f: &mut fmt::Formatter<'_>, value: u64, units: &[(&str, u64)]) -> fmt::Result {
    let (name, factor) = units
        .iter()
        .find(|(_, factor)| value != 0 && value.is_multiple_of(*factor))
        .or(units.last())
        .expect("the tables of units are not empty");
    write!(f, "{}{name}", value / factor)
}

impl FromStr for Span {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        parse(text, &SPANS).map(|ms| Self(Duration::from_millis(ms))).ok_or_else(|| UnitError {
            text: text.to_owned(),
            what: "time",
            example: "15s",
            units: "ms, s, min, h",
        })
    }
}

impl FromStr for Size {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        parse(text, &SIZES).and_then(|bytes| usize::try_from(bytes).ok()).map(Self).ok_or_else(|| UnitError {
            text: text.to_owned(),
            what: "size",
            example: "4MiB",
            units: "B, KiB, MiB",
        })
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        print(f, u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX), &SPANS)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        print(f, self.0 as u64, &SIZES)
    }
}

/// Serde through the text form, for types that have one.
macro_rules! serde_as_text {
    ($($type:ty),*) => {$(
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({"type": "string"})
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <String as serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}
pub(crate) use serde_as_text;

serde_as_text!(Span, Size);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spans_need_a_unit() {
        for (text, expected, why) in [
            ("15s", Some(15_000), "seconds"),
            ("250 ms", Some(250), "a space before the unit is fine"),
            ("2min", Some(120_000), "minutes are `min`, as `m` could be metres or months"),
            ("1h", Some(3_600_000), "hours"),
            ("15", None, "a bare number says nothing"),
            ("1.5s", None, "fractions are written in the smaller unit"),
            ("-1s", None, "a span is not negative"),
            ("s", None, "a unit alone"),
            ("", None, "nothing"),
            ("99999999999999999999s", None, "does not fit"),
            ("18446744073709551615h", None, "overflows the product"),
        ] {
            assert_eq!(
                text.parse::<Span>().ok(),
                expected.map(|ms| Span(Duration::from_millis(ms))),
                "{why}"
            );
        }
    }

    #[test]
    fn sizes_need_a_unit() {
        for (text, expected, why) in [
            ("4MiB", Some(4 << 20), "mebibytes"),
            ("256 KiB", Some(256 << 10), "kibibytes"),
            ("0B", Some(0), "zero has a unit too"),
            ("4MB", None, "decimal megabytes would be a different size"),
            ("4096", None, "a bare number says nothing"),
        ] {
            assert_eq!(text.parse::<Size>().ok(), expected.map(Size), "{why}");
        }
    }

    #[test]
    fn the_message_says_what_to_write() {
        let error = "15".parse::<Span>().unwrap_err().to_string();
        assert_eq!(
            error,
            "\"15\" is not a time: write a whole number and a unit, such as 15s (units: ms, s, min, h)"
        );
    }

    proptest! {
        #[test]
        fn printing_and_parsing_agree(ms in 0u64..1_000_000_000, bytes in 0usize..1_000_000_000) {
            let (span, size) = (Span(Duration::from_millis(ms)), Size(bytes));
            prop_assert_eq!(span.to_string().parse::<Span>(), Ok(span));
            prop_assert_eq!(size.to_string().parse::<Size>(), Ok(size));
        }
    }
}
