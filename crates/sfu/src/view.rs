//! What an operator sees of a node: its rooms, who is in them, what each is sent and why.
//!
//! Owns plain values, made anew each time from the state of the parts. Leaves their form outside to the driver.

use router::{DownlinkStats, RoomStats};
use signalling::{Connection, DeviceClass, Publication, SlotState};
use units::{Bitrate, Timestamp};

use crate::{Grant, NodeIndex, Numbering, Sfu, wire};

/// A room.
#[derive(Clone, Debug, Default)]
pub struct RoomView {
    /// Its name.
    pub name: String,
    /// Who is in it, in the order of arrival.
    pub participants: Vec<ParticipantView>,
    /// What arrived in it since it was made.
    pub received: RoomStats,
}

impl RoomView {
    /// Puts to it what another node knows of the same room.
    pub fn merge(&mut self, part: Self) {
        self.participants.extend(part.participants);
        self.participants.sort_by_key(|who| who.joined);
        let (own, other) = (&mut self.received, part.received);
        for (own, other) in [
            (&mut own.packets, other.packets),
            (&mut own.duplicate, other.duplicate),
            (&mut own.stale, other.stale),
            (&mut own.malformed, other.malformed),
            (&mut own.unknown, other.unknown),
        ] {
            *own += other;
        }
    }
}

/// Somebody in a room.
#[derive(Clone, Debug, Default)]
pub struct ParticipantView {
    /// Its id on the wire.
    pub id: String,
    /// What it calls itself.
    pub name: String,
    /// What it may do.
    pub grant: Grant,
    /// How it is doing.
    pub connection: Connection,
    /// What its device was said to be.
    pub device: Option<DeviceClass>,
    /// When it joined first.
    pub joined: Timestamp,
    /// What it sends, as everybody is told.
    pub publications: Vec<Publication>,
    /// Ids of those of its publications that an operator muted.
    pub silenced: Vec<String>,
    /// What is in its slots and why, as itself is told.
    pub slots: Vec<SlotState>,
    /// Slots that an operator bounded, by MID, and to what height.
    pub pins: Vec<(String, u32)>,
    /// The most that an operator lets it be sent in all.
    pub limit: Option<Bitrate>,
    /// What could be spent on its pictures at the last decision, where that is known.
    pub budget: Option<Bitrate>,
    /// What is known of the way to it.
    pub downlink: DownlinkStats,
}

/// Which node a participant is served by whose id on the wire that is; `None` for what is no such id.
pub fn server_of(participant: &str, numbering: Numbering) -> Option<NodeIndex> {
    wire::parse_participant_id(&participant.into()).map(|id| numbering.node_of(id.0))
}

/// Which node gave that secret of return (`resume` of the signalling contract), if any did.
pub fn holder_of(resume: &str) -> Option<NodeIndex> {
    u16::from_str_radix(resume.get(..4)?, 16).ok().map(NodeIndex)
}

impl Sfu {
    /// The names of all rooms, in their order.
    pub fn room_names(&self) -> impl Iterator<Item = &str> {
        self.room_names.keys().map(String::as_str)
    }

    /// Who in a room holds that secret of return (`resume` of the signalling contract): an id as on the wire.
    pub fn holder(&self, room: &str, resume: &str) -> Option<String> {
        let id = self.resumes.get(resume)?;
        let found = self.participants.get(id)?;
        (self.room_names.get(room) == Some(&found.room)).then(|| id.to_string())
    }

    /// One room, if it is here.
    pub fn room(&self, name: &str) -> Option<RoomView> {
        let room = self.rooms.get(self.room_names.get(name)?)?;
        let publications = room.router.publications();
        let view = |id: &router::ParticipantId| {
            let who = self.participants.get(id)?;
            let shown = wire::participant(who, &publications);
            let silenced = |state: &&router::PublicationState| {
                state.participant == *id && who.silenced.contains(&state.mid)
            };
            Some(ParticipantView {
                id: id.to_string(),
                name: shown.name,
                grant: who.grant.clone(),
                connection: shown.connection,
                device: who.class,
                joined: who.joined,
                publications: shown.publications,
                silenced: publications.iter().filter(silenced).map(|state| state.id.to_string()).collect(),
                slots: room.router.slots(*id).iter().map(wire::slot).collect(),
                pins: who.pins.iter().map(|(mid, height)| (mid.to_string(), *height)).collect(),
                limit: who.limit.operator,
                budget: who.budget,
                downlink: room.router.downlink(*id).unwrap_or_default(),
            })
        };
        Some(RoomView {
            name: room.name.to_string(),
            participants: room.members.iter().filter_map(view).collect(),
            received: room.router.stats(),
        })
    }

    /// Which of the nodes it is that share rooms.
    pub fn index(&self) -> NodeIndex {
        self.own_node()
    }

    /// Whether nobody new is let in.
    pub fn is_draining(&self) -> bool {
        self.draining
    }
}
