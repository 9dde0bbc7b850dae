//! The vocabulary that every other crate shares: bit rates, sizes, instants and counters that do not wrap.
//!
//! Owns the types whose confusion is the classic bug of this field (bits against bytes, milliseconds against
//! microseconds, a wrapped counter against an unwrapped one) and the arithmetic that is meaningful between them.
//! Leaves wire formats to `packet` and everything with behaviour to the crates above.
//!
//! Everything is an integer inside, so that values are `Eq + Ord`, print the same in every run, and a simulation
//! repeated with the same seed gives the same bytes.
//!
//! ```
//! use std::time::Duration;
//! use units::{Bitrate, DataSize, Timestamp};
//!
//! let rate = Bitrate::from_kbps(800);
//! assert_eq!(rate * Duration::from_millis(10), DataSize::from_bytes(1_000));
//! assert_eq!(DataSize::from_bytes(1_000) / rate, Duration::from_millis(10));
//! let later = Timestamp::ZERO + Duration::from_millis(20);
//! assert_eq!(later - Timestamp::ZERO, Duration::from_millis(20));
//! ```

mod bitrate;
mod data_size;
mod seq_no;
mod timers;
mod timestamp;

pub use bitrate::Bitrate;
pub use data_size::DataSize;
pub use seq_no::{RtpTime, SeqNo, TwccSeq, Unwrapper};
pub use timers::Timers;
pub use timestamp::Timestamp;
