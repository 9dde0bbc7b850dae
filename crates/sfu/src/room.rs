//! A room as the node sees it: its name, its members in order of arrival, and what of it must still be told to them.
//!
//! Owns membership and the list of pending notices. Leaves media to [`router::Room`].

use std::collections::BTreeSet;
use std::sync::Arc;

use router::ParticipantId;
use signalling::Speaker;

use crate::pair::Paired;
use crate::spread::Spread;

/// A room of this node. Never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RoomId(pub(crate) u32);

pub(crate) struct Room {
    pub(crate) name: Arc<str>,
    /// What other nodes serve of it; `None` while it is all here.
    pub(crate) spread: Option<Box<Spread>>,
    pub(crate) router: router::Room,
    /// In order of arrival.
    pub(crate) members: Vec<ParticipantId>,
    /// Who speaks, as it was said last: whoever comes later has to hear it too.
    pub(crate) speakers: Vec<Speaker>,
    /// The two who may exchange media directly, while nobody else is here.
    pub(crate) pair: Option<Paired>,
    /// How often there were two.
    pub(crate) pairings: u32,
    pub(crate) pending: Pending,
}

/// What has to be said at the end of the current input, so that many changes make one message.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    /// Members that others must be told of anew.
    pub(crate) changed: BTreeSet<ParticipantId>,
    /// Members whose slots changed.
    pub(crate) slots: BTreeSet<ParticipantId>,
}

impl Room {
    pub(crate) fn new(name: Arc<str>, router: router::Room, spread: Option<Spread>) -> Self {
        Self {
            name,
            spread: spread.map(Box::new),
            router,
            members: Vec::new(),
            speakers: Vec::new(),
            pair: None,
            pairings: 0,
            pending: Pending::default(),
        }
    }
}
