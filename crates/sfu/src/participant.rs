//! One participant: who it is, its signalling session, its transport, and what it was told last.
//!
//! Owns the values that belong to a participant whatever room machinery does with them. Leaves media to `router` and the
//! messages to `session` and `notice`.

use std::collections::BTreeMap;

use packet::Mid;
use router::{ParticipantId, PublicationId, SlotView, Source};
use signalling::Connection;
use transport::Transport;
use units::Timestamp;

use crate::SessionId;
use crate::hold::Held;
use crate::room::RoomId;

/// What a client said about one of its sending sections. Kept here because it may be said before the section exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Described {
    pub(crate) muted: bool,
    pub(crate) source: Source,
}

pub(crate) struct Participant {
    pub(crate) id: ParticipantId,
    pub(crate) room: RoomId,
    pub(crate) name: String,
    /// The secret that takes this participant over.
    pub(crate) resume: String,
    /// `None` while the signalling connection is lost.
    pub(crate) session: Option<SessionId>,
    /// `None` before the first offer and after the media path was lost for good.
    pub(crate) transport: Option<Box<Transport>>,
    pub(crate) media: MediaPath,
    /// Packets that wait for those behind them.
    pub(crate) held: Held,
    pub(crate) described: BTreeMap<Mid, Described>,
    /// The last view; `None` until the first, when every slot is `auto`.
    pub(crate) view: Option<Vec<SlotView>>,
    /// What stands of the demand for each of its publications, to be said again after a resume.
    pub(crate) demand: BTreeMap<PublicationId, signalling::Demand>,
    /// The last state that was sent of each slot.
    pub(crate) sent_slots: BTreeMap<Mid, signalling::SlotState>,
    /// When a participant without signalling connection is given up.
    pub(crate) expires: Option<Timestamp>,
}

/// How the media path is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MediaPath {
    /// Never there yet.
    Connecting,
    /// There.
    Connected,
    /// It was there.
    Lost,
}

impl Participant {
    pub(crate) fn new(
        id: ParticipantId,
        room: RoomId,
        name: String,
        session: SessionId,
        resume: String,
    ) -> Self {
        Self {
            id,
            room,
            name,
            resume,
            session: Some(session),
            transport: None,
            media: MediaPath::Connecting,
            held: Held::default(),
            described: BTreeMap::new(),
            view: None,
            demand: BTreeMap::new(),
            sent_slots: BTreeMap::new(),
            expires: None,
        }
    }

    /// How others see this participant's connection.
    pub(crate) fn connection(&self) -> Connection {
        match (self.session, self.media) {
            (Some(_), MediaPath::Connected) => Connection::Connected,
            (Some(_), MediaPath::Connecting) => Connection::Connecting,
            (None, _) | (_, MediaPath::Lost) => Connection::Reconnecting,
        }
    }
}
