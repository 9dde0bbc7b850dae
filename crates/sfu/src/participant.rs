//! One participant: who it is, its signalling session, its transport, and what it was told last.
//!
//! Owns the values that belong to a participant whatever room machinery does with them. Leaves media to `router` and the
//! messages to `session` and `notice`.

use std::collections::{BTreeMap, BTreeSet};

use packet::Mid;
use router::{ParticipantId, PublicationId, SlotView, Source};
use signalling::{Connection, RateLimit};
use transport::Transport;
use units::{Bitrate, Timestamp};

use crate::channel::OpenChannel;
use crate::hold::Held;
use crate::room::RoomId;
use crate::{Grant, SessionId};

/// A browser sends a check every 50 ms for each pair of addresses while it connects (RFC 8445 §14.2).
const UNPROVEN_PER_SECOND: u32 = 100;
const UNPROVEN_BURST: u32 = 300;

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
    pub(crate) grant: Grant,
    /// What its device was said to be last.
    pub(crate) class: Option<signalling::DeviceClass>,
    /// Whether it wants media straight from the other one, while there are two.
    pub(crate) direct: bool,
    pub(crate) joined: Timestamp,
    /// The secret that takes this participant over.
    pub(crate) resume: String,
    /// `None` while the signalling connection is lost.
    pub(crate) session: Option<SessionId>,
    /// `None` before the first offer and after the media path was lost for good.
    pub(crate) transport: Option<Box<Transport>>,
    pub(crate) media: MediaPath,
    /// While it has a data channel open.
    pub(crate) channel: Option<OpenChannel>,
    /// Packets that wait for those behind them.
    pub(crate) held: Held,
    /// How many connectivity checks from addresses that have proven nothing are looked at: each costs an HMAC, and whoever
    /// learns the name of an ICE user can send them from anywhere.
    pub(crate) unproven: RateLimit,
    pub(crate) described: BTreeMap<Mid, Described>,
    /// The last view; `None` until the first, when every slot is `auto`.
    pub(crate) view: Option<Vec<SlotView>>,
    /// Sections that an operator muted: their packets are dropped.
    pub(crate) silenced: BTreeSet<Mid>,
    /// What an operator allows it to be shown, by slot: the shorter side of the picture in pixels.
    pub(crate) pins: BTreeMap<Mid, u32>,
    /// The most that it is sent in all.
    pub(crate) limit: DownlinkLimit,
    /// What could be spent on its pictures at the last decision, where that is known.
    pub(crate) budget: Option<Bitrate>,
    /// What stands of the demand for each of its publications, to be said again after a resume.
    pub(crate) demand: BTreeMap<PublicationId, signalling::Demand>,
    /// The last state that was sent of each slot.
    pub(crate) sent_slots: BTreeMap<Mid, signalling::SlotState>,
    /// When a participant without signalling connection is given up.
    pub(crate) expires: Option<Timestamp>,
}

/// Who bounds what a participant is sent in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct DownlinkLimit {
    /// Its own wish.
    pub(crate) client: Option<Bitrate>,
    /// An operator's.
    pub(crate) operator: Option<Bitrate>,
}

impl DownlinkLimit {
    /// The lower of both.
    pub(crate) fn effective(self) -> Option<Bitrate> {
        [self.client, self.operator].into_iter().flatten().min()
    }
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
        now: Timestamp,
        grant: Grant,
        join: &signalling::Join,
        session: SessionId,
        resume: String,
    ) -> Self {
        Self {
            id,
            room,
            name: join.name.clone(),
            grant,
            class: join.capabilities.device.as_ref().map(|device| device.class),
            direct: join.capabilities.direct,
            joined: now,
            resume,
            session: Some(session),
            transport: None,
            media: MediaPath::Connecting,
            channel: None,
            held: Held::default(),
            unproven: RateLimit::new(now, UNPROVEN_PER_SECOND, UNPROVEN_BURST),
            described: BTreeMap::new(),
            view: None,
            silenced: BTreeSet::new(),
            pins: BTreeMap::new(),
            limit: DownlinkLimit::default(),
            budget: None,
            demand: BTreeMap::new(),
            sent_slots: BTreeMap::new(),
            expires: None,
        }
    }

    /// A view with what an operator pinned laid over it. A pin lowers what is shown, and never raises it.
    pub(crate) fn pinned(&self, view: &[SlotView]) -> Vec<SlotView> {
        let pinned = |slot: &SlotView| match self.pins.get(&slot.mid) {
            Some(pin) => {
                SlotView { max_height: Some(slot.max_height.map_or(*pin, |own| own.min(*pin))), ..*slot }
            }
            None => *slot,
        };
        view.iter().map(pinned).collect()
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
