//! What the benches of cost have in common: inputs as real calls make them, and the loop that feeds them in.
//!
//! Owns the virtual publisher, paths, rooms and nodes that are driven, and which part of the driving counts: fixtures are made
//! outside of the measured span, so that a figure is the cost of the crate it names. Leaves sampling and statistics to
//! criterion, the figures themselves to `docs/benchmarks.md`, and the quality of decisions to the simulator.
//!
//! | module | what | for |
//! |---|---|---|
//! | [`camera`] | a VP8 stream of one encoding, as values and as bytes | `parse`, `fanout`, `forward` |
//! | [`path`] | an estimator with a steady sender and an uncongested path | `estimate` |
//! | [`gallery`] | a receiver with many subscriptions | `select` |
//! | [`fanout`] | a room with one publisher and many receivers | `fanout` |
//! | [`node`] | a whole node with the same, keys included | `forward`, `handshake` |
//!
//! Everything runs in virtual time from fixed inputs. The clocks are [`Stopwatch`] and [`cpu_time`]. `bin/instructions` feeds
//! the same inputs to a counter of instructions.

pub mod camera;
pub mod fanout;
pub mod gallery;
pub mod node;
pub mod path;

use std::time::{Duration, Instant};

/// Something that looks on while calls are made.
pub trait Measure {
    /// Does something that counts.
    fn measure<T>(&mut self, act: impl FnOnce() -> T) -> T;
}

/// Looks away: for what leads up to what counts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unmeasured;

impl Measure for Unmeasured {
    fn measure<T>(&mut self, act: impl FnOnce() -> T) -> T {
        act()
    }
}

/// Adds up the time that some calls take, and leaves out what happens between them.
///
/// Each measured call contains one reading of the clock, some 25 ns, so calls are to be long or many at once.
#[derive(Debug, Default)]
pub struct Stopwatch {
    spent: Duration,
}

impl Measure for Stopwatch {
    fn measure<T>(&mut self, act: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = act();
        self.spent += start.elapsed();
        result
    }
}

impl Stopwatch {
    /// The time counted since the last call of this.
    pub fn take(&mut self) -> Duration {
        std::mem::take(&mut self.spent)
    }
}

/// The time that `asked` units take, when `done` of them took `spent`: work comes in rounds, and criterion asks for any
/// number.
pub fn scaled(spent: Duration, asked: u64, done: u64) -> Duration {
    spent.mul_f64(asked as f64 / done as f64)
}

/// What this thread has used of a processor so far, system calls included. Others on the machine do not count, but reading it
/// is a system call: for spans of a tenth of a millisecond and more.
///
/// # Panics
/// Where the kernel does not tell: it is for Linux.
pub fn cpu_time() -> Duration {
    use nix::time::{ClockId, clock_gettime};
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("any Unix has the clock").into()
}
