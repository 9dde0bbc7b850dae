//! The small numbers by which the media plane knows participants and publications.
//!
//! Owns the types only. Wire strings are mapped to them once, in `sfu`.

use std::fmt;

/// A participant. Chosen by the owner of the rooms, unique in a node, never used again. It is also what
/// receivers see as CSRC (RFC 3550 §5.1) of everything that this participant publishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ParticipantId(pub u32);

/// A publication: a track that a participant sends. Chosen by the room, never used again in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicationId(pub u32);

impl fmt::Display for ParticipantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p{}", self.0)
    }
}

impl fmt::Display for PublicationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "t{}", self.0)
    }
}
