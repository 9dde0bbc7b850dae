//! The small numbers by which the media plane knows participants and publications.
//!
//! Owns the types only. Wire strings are mapped to them once, in `sfu`.

use std::fmt;
use std::num::NonZeroU16;

/// One of the nodes that serve participants of the same rooms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeIndex(pub u16);

impl fmt::Display for NodeIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "n{}", self.0)
    }
}

/// How one of several nodes numbers participants and publications: in steps of their count, so that no two nodes give the
/// same number and each number tells who gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbering {
    own: NodeIndex,
    nodes: NonZeroU16,
}

impl Numbering {
    /// Of a node that shares its rooms with no other.
    pub const ALONE: Self = Self { own: NodeIndex(0), nodes: NonZeroU16::MIN };

    /// Of the node `own` of so many.
    ///
    /// # Panics
    /// If there are not as many.
    pub const fn new(own: NodeIndex, nodes: NonZeroU16) -> Self {
        assert!(own.0 < nodes.get(), "a node is one of those that there are");
        Self { own, nodes }
    }

    /// The node itself.
    pub const fn own(self) -> NodeIndex {
        self.own
    }

    /// The first number that it gives; none gives 0.
    pub const fn first(self) -> u32 {
        self.own.0 as u32 + 1
    }

    /// The number that it gives after that one.
    pub const fn after(self, number: u32) -> u32 {
        number + self.nodes.get() as u32
    }

    /// Who gave a number.
    pub const fn node_of(self, number: u32) -> NodeIndex {
        NodeIndex((number.wrapping_sub(1) % self.nodes.get() as u32) as u16)
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_nodes_give_the_same_number_and_each_tells_its_giver() {
        let nodes = NonZeroU16::new(3).unwrap();
        let mut given = Vec::new();
        for own in (0..3).map(NodeIndex) {
            let numbering = Numbering::new(own, nodes);
            let mut number = numbering.first();
            for _ in 0..4 {
                assert_eq!(numbering.node_of(number), own);
                given.push(number);
                number = numbering.after(number);
            }
        }
        given.sort_unstable();
        assert_eq!(given, (1..=12).collect::<Vec<_>>());
        assert_eq!(Numbering::ALONE.after(Numbering::ALONE.first()), 2);
        // A number from the wire that nobody gives.
        assert!(Numbering::new(NodeIndex(2), nodes).node_of(0).0 < 3);
    }
}
