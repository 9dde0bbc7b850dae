//! Checks of what a receiver gets: packets in, verdicts out. Pure: time is an argument.
//!
//! Owns the judgement whether a slot's stream is one that a decoder would play: sequence numbers without holes once
//! retransmissions have filled them, whole frames, picture ids that only grow, a keyframe wherever the source or the
//! encoding changes, and nothing predicted from a frame that never came. It knows nothing of how a server switches: every
//! rule is one a decoder has.
//!
//! ```text
//!  packet -> reorder (waits for retransmissions) -> assemble (frames) -> judge (references) -> Verdict
//! ```
//!
//! Frames of a synthetic camera carry a [`Stamp`](crate::synthetic::Stamp), with which the judgement is exact. Frames of
//! others are judged by their descriptors.

mod assemble;
mod judge;
mod playback;
mod reorder;
mod stream;

pub use assemble::Frame;
pub use judge::BadFrame;
pub use playback::{FREEZE, LONG_FREEZE, Playback};
pub use reorder::ReceivedPacket;
pub use stream::{StreamCheck, StreamStats, Verdict};
