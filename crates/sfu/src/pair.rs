//! Two who exchange media straight between their devices: when they may, and what is passed on between them for it.
//!
//! Owns the condition and the relay. The media itself never comes here: clients make that connection, keep the one to this
//! node beside it, and go back to it on their own account. Once they are more than two everything goes by the node again.

use router::ParticipantId;
use signalling::{DirectMessage, ErrorCode, Pair, ServerMessage};

use crate::channel::Asker;
use crate::room::RoomId;
use crate::{Sfu, wire};

/// The two of a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Paired {
    /// The first makes the offer.
    pub(crate) members: [ParticipantId; 2],
    /// Which time it is in this room, so that late words of a former time are told from those of this one.
    pub(crate) round: u32,
}

impl Paired {
    fn other(&self, id: ParticipantId) -> Option<ParticipantId> {
        let [first, second] = self.members;
        [(first, second), (second, first)].into_iter().find_map(|(own, other)| (own == id).then_some(other))
    }
}

impl Sfu {
    /// Looks whether a room has two who want it, and tells them when that is news.
    pub(crate) fn update_pair(&mut self, id: RoomId) {
        let Some(room) = self.rooms.get(&id) else { return };
        // Whom another node serves is not known here as well as that would need.
        let all_here = room.spread.as_ref().is_none_or(|spread| spread.elsewhere.is_empty());
        let two: Option<[ParticipantId; 2]> = room.members.as_slice().try_into().ok().filter(|_| all_here);
        let wanted = two.filter(|two| two.iter().all(|member| self.may_pair(*member)));
        let before = room.pair;
        if before.map(|pair| pair.members) == wanted {
            return;
        }
        let Some(room) = self.rooms.get_mut(&id) else { return };
        if wanted.is_some() {
            room.pairings += 1;
        }
        room.pair = wanted.map(|members| Paired { members, round: room.pairings });
        let after = room.pair;
        if let Some(pair) = before {
            for member in pair.members {
                self.tell(member, ServerMessage::Pair(Pair { round: pair.round, with: None, offers: false }));
            }
        }
        if let Some(pair) = after {
            for member in pair.members {
                self.tell_pair(id, member);
            }
        }
    }

    /// Says to somebody who returned what stands.
    pub(crate) fn tell_pair(&mut self, room: RoomId, id: ParticipantId) {
        let Some(pair) = self.rooms.get(&room).and_then(|room| room.pair) else { return };
        let Some(other) = pair.other(id) else { return };
        let with = Some(wire::participant_id(other));
        self.tell(id, ServerMessage::Pair(Pair { round: pair.round, with, offers: pair.members[0] == id }));
    }

    /// Whether somebody asked for it, and nothing that only this node can enforce stands against it: rights, mutes by an
    /// operator, bounds on what somebody is sent.
    fn may_pair(&self, id: ParticipantId) -> bool {
        self.participants.get(&id).is_some_and(|who| {
            who.direct
                && who.grant.publish
                && who.grant.subscribe
                && who.silenced.is_empty()
                && who.pins.is_empty()
                && who.limit.effective().is_none()
        })
    }

    /// Passes a word on to the other of the two.
    pub(crate) fn pass_on(&mut self, asker: Asker, from: ParticipantId, message: DirectMessage) {
        let room = self.participants.get(&from).and_then(|who| self.rooms.get(&who.room));
        let pair = room.and_then(|room| room.pair).filter(|pair| pair.round == message.round);
        match pair.and_then(|pair| pair.other(from)) {
            Some(other) => {
                self.stats.direct_passed += 1;
                self.tell(other, ServerMessage::Direct(message));
            }
            None => {
                self.stats.direct_refused += 1;
                let text = "there is nobody to whom this may go now".to_owned();
                self.refuse(asker, ErrorCode::UnknownParticipant, text, Some("direct"));
            }
        }
    }
}
