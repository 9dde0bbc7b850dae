//! What the rooms of several nodes tell each other about one room that they share: publications and packets.
//!
//! Owns plain values. A participant is served by one node, which its publisher's packets arrive at; to the rooms of other nodes it
//! is a participant without slots whose packets come from that node ([`crate::Room::set_elsewhere`]). They know its encodings as
//! that node measures them, tell it which of them their own receivers want, and get those and no others: a packet crosses once
//! for each node, not once for each receiver. Leaves carrying any of it to the owner of the rooms.

use selector::CodecSet;
use smallvec::SmallVec;

use crate::encoding::Rung;
use crate::{Incoming, PublicationId, SendingSection, Source};

/// A participant as another node has to know it.
#[derive(Clone, Debug)]
pub struct Announcement {
    /// What it publishes.
    pub publications: Vec<Announced>,
    /// The codecs in which it can be sent pictures; `None` while it shows none. Publishers on all nodes care.
    pub decodes: Option<CodecSet>,
}

/// A publication as another node has to know it.
#[derive(Clone, Debug)]
pub struct Announced {
    /// Which; the same number on every node.
    pub id: PublicationId,
    /// What was agreed with its publisher, its encodings in the order in which both nodes count them.
    pub section: SendingSection,
    /// Where it comes from.
    pub source: Source,
    /// Its sender said that it sends silence, black or nothing.
    pub muted: bool,
    /// How its encodings are doing, in their order.
    pub encodings: Vec<Measured>,
}

/// How an encoding is doing, as the node measures it that its publisher is connected to.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// It is being sent.
    pub(crate) is_live: bool,
    /// It may be chosen: it is sent, or would be if somebody wanted it.
    pub(crate) is_available: bool,
    /// Pixels across and down of its largest layer.
    pub(crate) size: Option<(u32, u32)>,
    pub(crate) highest_spatial: u8,
    /// What a receiver can be given of it.
    pub(crate) rungs: SmallVec<[Rung; 4]>,
}

impl Measured {
    /// Whether more than rates is another.
    pub(crate) fn differs(&self, other: &Self) -> bool {
        let kind = |it: &Self| (it.is_live, it.is_available, it.size, it.highest_spatial, it.rungs.len());
        kind(self) != kind(other)
    }
}

/// A packet on its way to another node.
#[derive(Clone, Debug)]
pub struct Relayed {
    /// The packet, as its publisher sent it.
    pub packet: Incoming,
    /// What is lost with it.
    pub weight: Weight,
}

/// What is lost with a packet that finds no room between two nodes, the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// A larger or more fluent picture.
    Upper,
    /// The picture.
    Base,
    /// Sound.
    Sound,
}
