//! What participants are told of each other and of their slots, once per input.
//!
//! Owns turning a room's events into messages, so that ten changes in one input make one message. Leaves the reasons for
//! the events to `router`.

use std::time::Duration;

use router::{ParticipantId, RoomEvent};
use signalling::{RoomChange, ServerMessage, SlotState, Slots, Speaker, Speakers};
use units::Timestamp;

use crate::node::Timer;
use crate::room::RoomId;
use crate::wire;
use crate::{LoggedDecision, Output, Sfu};

/// How often clients are told the rates in their slots.
const RATES_INTERVAL: Duration = Duration::from_secs(1);

impl Sfu {
    /// Takes news of a room: notes what has to be said at the end of the input.
    pub(crate) fn room_event(&mut self, now: Timestamp, id: RoomId, event: RoomEvent) {
        let Some(event) = self.pass_event(id, event) else { return };
        let Some(room) = self.rooms.get_mut(&id) else { return };
        match event {
            RoomEvent::PublicationAdded(publication) | RoomEvent::PublicationChanged(publication) => {
                if let Some(owner) = room.router.publication(publication).map(|p| p.participant) {
                    self.note_changed(id, owner);
                }
            }
            RoomEvent::PublicationRemoved { participant, publication } => {
                if let Some(owner) = self.participants.get_mut(&participant) {
                    owner.demand.remove(&publication);
                }
                self.note_changed(id, participant);
            }
            RoomEvent::SlotChanged { participant, .. } => {
                room.pending.slots.insert(participant);
                self.noisy.insert(id);
                self.timers.set(Timer::Rates(id), Some(now + RATES_INTERVAL));
            }
            RoomEvent::Speakers(speakers) => {
                let speakers: Vec<_> = speakers
                    .iter()
                    .map(|s| Speaker { participant: wire::participant_id(s.participant), level: s.level })
                    .collect();
                room.speakers.clone_from(&speakers);
                self.tell_room(id, None, &ServerMessage::Speakers(Speakers { speakers }));
                self.pass_speakers(id);
            }
            RoomEvent::Demand { participant, mid, publication, encodings, codecs } => {
                let demand = wire::demand(publication, mid, &encodings, codecs);
                if let Some(owner) = self.participants.get_mut(&participant) {
                    owner.demand.insert(publication, demand.clone());
                }
                self.tell(participant, ServerMessage::Demand(demand));
            }
            RoomEvent::Decision { participant, budget, choices } => {
                tracing::debug!(room = %room.name, %participant, ?budget, ?choices, "decision");
                if let Some(receiver) = self.participants.get_mut(&participant) {
                    receiver.budget = budget;
                }
            }
            RoomEvent::Recorded { participant, record } => {
                let room = room.name.to_string();
                let participant = wire::participant_id(participant).to_string();
                self.put_out(Output::Decision(Box::new(LoggedDecision {
                    room,
                    participant,
                    record: *record,
                })));
            }
        }
    }

    /// Others have to be told of this participant anew.
    pub(crate) fn note_changed(&mut self, room: RoomId, id: ParticipantId) {
        if let Some(pending) = self.rooms.get_mut(&room).map(|room| &mut room.pending) {
            pending.changed.insert(id);
            self.noisy.insert(room);
        }
    }

    /// A message for everybody in a room but one.
    pub(crate) fn tell_room(&mut self, id: RoomId, but: Option<ParticipantId>, message: &ServerMessage) {
        let Some(room) = self.rooms.get(&id) else { return };
        for member in room.members.clone() {
            if Some(member) != but {
                self.tell(member, message.clone());
            }
        }
    }

    /// The rates of a room's slots are due: everybody's slots are looked at, and the timer stops when nothing is in any.
    pub(crate) fn rates_due(&mut self, now: Timestamp, id: RoomId) {
        let Some(room) = self.rooms.get_mut(&id) else { return };
        room.pending.slots.extend(room.members.iter().copied());
        self.noisy.insert(id);
        let busy =
            room.members.iter().filter_map(|member| self.participants.get(member)).any(|p| {
                p.sent_slots.values().any(|slot| slot.publication.is_some() || slot.bitrate_bps > 0)
            });
        self.timers.set(Timer::Rates(id), busy.then_some(now + RATES_INTERVAL));
    }

    /// Says all that the current input has made worth saying.
    pub(crate) fn flush_notices(&mut self, now: Timestamp) {
        while let Some(id) = self.noisy.pop_first() {
            let Some(room) = self.rooms.get_mut(&id) else { continue };
            let pending = std::mem::take(&mut room.pending);
            self.tell_changes(id, &pending.changed);
            for participant in pending.changed {
                self.introduce(now, id, participant);
            }
            for participant in pending.slots {
                self.tell_slots(id, participant);
            }
        }
    }

    fn tell_changes(&mut self, id: RoomId, changed: &std::collections::BTreeSet<ParticipantId>) {
        if changed.is_empty() {
            return;
        }
        let Some(room) = self.rooms.get(&id) else { return };
        let publications = room.router.publications();
        let of =
            |id: &ParticipantId| Some((*id, wire::participant(self.participants.get(id)?, &publications)));
        let changed: Vec<_> = changed.iter().filter_map(of).collect();
        for member in room.members.clone() {
            let others: Vec<_> =
                changed.iter().filter(|(id, _)| *id != member).map(|(_, p)| p.clone()).collect();
            if !others.is_empty() {
                self.tell(
                    member,
                    ServerMessage::Room(RoomChange { changed: others, ..RoomChange::default() }),
                );
            }
        }
    }

    /// Tells a participant of those of its slots that differ from what it was told last.
    fn tell_slots(&mut self, room: RoomId, id: ParticipantId) {
        let (Some(room), Some(participant)) = (self.rooms.get(&room), self.participants.get_mut(&id)) else {
            return;
        };
        if participant.session.is_none() && participant.channel.is_none() {
            return;
        }
        let states = room.router.slots(id);
        participant.sent_slots.retain(|mid, _| states.iter().any(|state| state.mid == *mid));
        let mut news: Vec<SlotState> = Vec::new();
        for state in &states {
            let slot = wire::slot(state);
            if participant.sent_slots.get(&state.mid) != Some(&slot) {
                participant.sent_slots.insert(state.mid, slot.clone());
                news.push(slot);
            }
        }
        if !news.is_empty() {
            let downlink = room.router.downlink(id).unwrap_or_default();
            let estimate_bps = downlink.estimate.map(|estimate| estimate.target.as_bps());
            let budget_bps = downlink.budget.map(units::Bitrate::as_bps);
            self.tell(id, ServerMessage::Slots(Slots { slots: news, estimate_bps, budget_bps }));
        }
    }
}
