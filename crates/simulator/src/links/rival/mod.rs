//! Controllers that stand beside the project's own in the table.

mod fixed;
mod rtc_gcc;

pub use fixed::Fixed;
pub use rtc_gcc::RtcGcc;
