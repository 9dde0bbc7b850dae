//! What an operator can have done to participants, rooms and the node.
//!
//! Owns the commands and what they do. Leaves who may give them to the driver, and looking at things to `view`.

use packet::Mid;
use router::ParticipantId;
use signalling::{ErrorCode, Moved, ServerMessage};
use units::{Bitrate, Timestamp};

use crate::participant::Described;
use crate::{Sfu, wire};

/// Something to be done. Participants are named by their ids on the wire, as everybody else sees them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Ends somebody's participation. It may come back if its token lets it.
    Remove {
        /// The room.
        room: String,
        /// Who.
        participant: String,
    },
    /// Mutes a publication, or gives it its voice back. Its packets are dropped while it is muted, whatever its sender
    /// says.
    Mute {
        /// The room.
        room: String,
        /// Whose.
        participant: String,
        /// Which; `None` for all.
        publication: Option<String>,
        /// Muted or not.
        muted: bool,
    },
    /// Bounds the height of what somebody sees in one slot.
    Pin {
        /// The room.
        room: String,
        /// Who.
        participant: String,
        /// The slot, by the MID of its section.
        slot: String,
        /// The shorter side in pixels; `None` for none.
        max_height: Option<u32>,
    },
    /// Bounds what somebody is sent in all.
    Limit {
        /// The room.
        room: String,
        /// Who.
        participant: String,
        /// The most that is sent to it in the long run; `None` for no bound but its own.
        max: Option<Bitrate>,
    },
    /// Starts or ends the record of the decisions about somebody ([`crate::Output::Decision`]).
    Record {
        /// The room.
        room: String,
        /// Who.
        participant: String,
        /// Whether to.
        recording: bool,
    },
    /// Ends a room for everybody in it.
    Close {
        /// The room.
        room: String,
    },
    /// From here on nobody new is let in (or is again); calls that are under way go on.
    Drain {
        /// Whether to.
        draining: bool,
        /// Where those who are here shall go on, if anywhere.
        moved_to: Option<String>,
    },
}

/// Why a command cannot be carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No such room.
    NoRoom,
    /// No such participant in it.
    NoParticipant,
    /// It has no such publication.
    NoPublication,
    /// It has no such slot.
    NoSlot,
}

impl Sfu {
    /// What of the two is not there, if anything.
    pub fn absence(&self, room: &str, participant: &str) -> Option<Refusal> {
        self.find(room, participant).err()
    }

    /// What there is against a command, if anything. Ask before [`crate::Input::Operator`], which ignores a command
    /// that cannot be carried out.
    pub fn refusal(&self, command: &Command) -> Option<Refusal> {
        match command {
            Command::Drain { .. } => None,
            Command::Close { room } => (!self.room_names.contains_key(room)).then_some(Refusal::NoRoom),
            Command::Remove { room, participant }
            | Command::Limit { room, participant, .. }
            | Command::Record { room, participant, .. } => self.find(room, participant).err(),
            Command::Mute { room, participant, publication, .. } => match self.find(room, participant) {
                Err(refusal) => Some(refusal),
                Ok(id) => publication.as_ref().and_then(|publication| {
                    self.sections(id, Some(publication)).is_empty().then_some(Refusal::NoPublication)
                }),
            },
            Command::Pin { room, participant, slot, .. } => match self.find(room, participant) {
                Err(refusal) => Some(refusal),
                Ok(id) => self.slot(id, slot).is_none().then_some(Refusal::NoSlot),
            },
        }
    }

    pub(crate) fn operate(&mut self, now: Timestamp, command: Command) {
        match command {
            Command::Remove { room, participant } => {
                if let Ok(id) = self.find(&room, &participant) {
                    self.expel(now, id, "an operator removed you from this room");
                }
            }
            Command::Mute { room, participant, publication, muted } => {
                if let Ok(id) = self.find(&room, &participant) {
                    for mid in self.sections(id, publication.as_deref()) {
                        self.silence(now, id, mid, muted);
                    }
                }
            }
            Command::Pin { room, participant, slot, max_height } => {
                if let Ok(id) = self.find(&room, &participant)
                    && let Some(mid) = self.slot(id, &slot)
                {
                    self.pin(now, id, mid, max_height);
                }
            }
            Command::Limit { room, participant, max } => {
                if let Ok(id) = self.find(&room, &participant) {
                    self.limit(now, id, max);
                }
            }
            Command::Record { room, participant, recording } => {
                if let Ok(id) = self.find(&room, &participant)
                    && let Some(room) = self.participants.get(&id).map(|found| found.room)
                {
                    self.with_router(now, room, |router, _| router.set_recording(id, recording));
                }
            }
            Command::Close { room } => {
                let members = self.room_names.get(&room).and_then(|id| self.rooms.get(id));
                for id in members.map(|room| room.members.clone()).unwrap_or_default() {
                    self.expel(now, id, "an operator closed this room");
                }
            }
            Command::Drain { draining, moved_to } => {
                self.draining = draining;
                if let (true, Some(url)) = (draining, moved_to) {
                    let everybody: Vec<_> = self.participants.keys().copied().collect();
                    for id in everybody {
                        self.tell(id, ServerMessage::Moved(Moved { url: url.clone() }));
                    }
                }
            }
        }
    }

    fn find(&self, room: &str, participant: &str) -> Result<ParticipantId, Refusal> {
        let room = self.room_names.get(room).ok_or(Refusal::NoRoom)?;
        wire::parse_participant_id(&participant.into())
            .filter(|id| self.participants.get(id).is_some_and(|found| found.room == *room))
            .ok_or(Refusal::NoParticipant)
    }

    /// The sections of somebody's publications, or of that one.
    fn sections(&self, id: ParticipantId, publication: Option<&str>) -> Vec<Mid> {
        let room = self.participants.get(&id).and_then(|found| self.rooms.get(&found.room));
        let publications = room.map(|room| room.router.publications()).unwrap_or_default();
        publications
            .iter()
            .filter(|state| state.participant == id)
            .filter(|state| publication.is_none_or(|named| state.id.to_string() == named))
            .map(|state| state.mid)
            .collect()
    }

    fn slot(&self, id: ParticipantId, slot: &str) -> Option<Mid> {
        let room = self.participants.get(&id).and_then(|found| self.rooms.get(&found.room))?;
        let mid = Mid::parse(slot)?;
        room.router.slots(id).iter().any(|state| state.mid == mid).then_some(mid)
    }

    fn expel(&mut self, now: Timestamp, id: ParticipantId, why: &str) {
        if let Some(session) = self.participants.get(&id).and_then(|found| found.session) {
            self.complain(session, ErrorCode::Removed, why.to_owned(), true, None);
        }
        self.remove_participant(now, id);
    }

    fn silence(&mut self, now: Timestamp, id: ParticipantId, mid: Mid, muted: bool) {
        let Some(participant) = self.participants.get_mut(&id) else { return };
        match muted {
            true => participant.silenced.insert(mid),
            false => participant.silenced.remove(&mid),
        };
        let said = participant.described.get(&mid).copied();
        let room = participant.room;
        self.update_pair(room);
        let known = self.rooms.get(&room).map(|room| room.router.publications()).unwrap_or_default();
        let Some(state) = known.iter().find(|state| state.participant == id && state.mid == mid) else {
            return;
        };
        let said = said.unwrap_or(Described { muted: false, source: state.source });
        self.with_router(now, room, |router, out| {
            router.set_publication(now, id, mid, said.muted || muted, said.source, out);
        });
    }

    fn limit(&mut self, now: Timestamp, id: ParticipantId, max: Option<Bitrate>) {
        let Some(participant) = self.participants.get_mut(&id) else { return };
        participant.limit.operator = max;
        let (room, limit) = (participant.room, participant.limit.effective());
        self.update_pair(room);
        self.with_router(now, room, |router, out| router.set_downlink_limit(now, id, limit, out));
    }

    fn pin(&mut self, now: Timestamp, id: ParticipantId, mid: Mid, max_height: Option<u32>) {
        let Some(participant) = self.participants.get_mut(&id) else { return };
        match max_height {
            Some(height) => participant.pins.insert(mid, height),
            None => participant.pins.remove(&mid),
        };
        let room = participant.room;
        self.update_pair(room);
        let Some(slots) = self.rooms.get(&room).map(|room| room.router.slots(id)) else { return };
        // Until the first view every slot is `auto`, of unknown size.
        let auto = || slots.iter().map(|slot| router::SlotView::new(slot.mid, router::Want::Auto)).collect();
        let Some(participant) = self.participants.get(&id) else { return };
        let view = participant.pinned(&participant.view.clone().unwrap_or_else(auto));
        self.with_router(now, room, |router, out| router.set_view(now, id, &view, out));
    }
}
