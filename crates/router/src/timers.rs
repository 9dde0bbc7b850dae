//! Who of a room may ask to be called at a certain time. Owns the names; the order of deadlines is
//! [`units::Timers`]'.

use crate::PublicationId;

/// Who asked to be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// The selection of the participant at that position.
    Select(usize),
    /// Its sender reports.
    Report(usize),
    /// Packets that wait for their time on the way to it, and probes.
    Egress(usize),
    /// A publication's keyframe requests and fading demand.
    Publisher(PublicationId),
    /// Voices fade.
    Speakers,
    /// Nothing may have come of the participant at that position for too long.
    Silence(usize),
}

/// The deadlines of a room.
pub(crate) type Timers = units::Timers<Timer>;
