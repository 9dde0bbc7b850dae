//! The way of a packet through the room: once to its encoding, then to every slot that shows it.
//!
//! Owns the order of steps. News that a packet brings (an encoding is back, somebody louder speaks) is acted
//! upon before the packet is forwarded, so that the packet itself can be the first one of what changed.

use packet::MediaKind;
use packet::codec::opus;
use units::Timestamp;

use super::Room;
use crate::encoding::{Discard, Received};
use crate::media::Media;
use crate::publication::SlotRef;
use crate::rewrite::Origin;
use crate::switch::Verdict;
use crate::timers::Timer;
use crate::{Incoming, Output, ParticipantId, PublicationId, RoomEvent};

impl Room {
    pub(super) fn route(
        &mut self,
        now: Timestamp,
        from: ParticipantId,
        incoming: &Incoming,
        out: &mut Vec<Output>,
    ) {
        let Some(at) = self.position(from) else { return };
        self.hear_from(now, at);
        let Some(sender) = self.participants[at].as_ref() else { return };
        let publication = sender.publication(incoming.mid).and_then(|id| self.publications.get_mut(&id));
        let Some(publication) = publication else {
            self.stats.unknown += 1;
            return;
        };
        let id = publication.id;
        let accepted = match publication.receive(now, incoming, &sender.wall) {
            Some(Ok(accepted)) => accepted,
            Some(Err(Discard::Duplicate)) => return self.stats.duplicate += 1,
            Some(Err(Discard::Stale)) => return self.stats.stale += 1,
            Some(Err(Discard::Malformed)) => return self.stats.malformed += 1,
            None => return self.stats.unknown += 1,
        };
        self.stats.packets += u64::from(sender.is_here());
        let is_here = sender.is_here();
        let is_picture = publication.kind == MediaKind::Video;
        let origin = Origin { publication: id, encoding: accepted.encoding };
        if is_here && !self.nodes.is_empty() {
            self.relay(now, origin, incoming, &accepted.received, out);
        }
        let plain = is_picture && !accepted.silenced && accepted.received.is_plain();
        if !plain || self.gathered_of != Some(origin) {
            self.forward_gathered(now, out);
        }
        if !plain {
            self.take_note(now, origin, &accepted.received, accepted.silenced, incoming, out);
        }
        self.gathered_of = Some(origin);
        self.gathered.push(accepted.received.media);
        if !plain {
            self.forward_gathered(now, out);
        }
    }

    /// Forwards what was gathered. Packets that bring news are gathered alone.
    pub(super) fn forward_gathered(&mut self, now: Timestamp, out: &mut Vec<Output>) {
        let Some(origin) = self.gathered_of.take() else { return };
        let mut gathered = std::mem::take(&mut self.gathered);
        self.decide(now, out);
        self.forward(now, origin, &mut gathered, out);
        self.follow_up(now, out);
        gathered.clear();
        self.gathered = gathered;
    }

    /// What the packet means beyond itself.
    fn take_note(
        &mut self,
        now: Timestamp,
        origin: Origin,
        received: &Received,
        silenced: bool,
        incoming: &Incoming,
        out: &mut Vec<Output>,
    ) {
        let id = origin.publication;
        if received.restarted {
            self.interrupt(origin);
        }
        let Some(publication) = self.publications.get_mut(&id) else { return };
        match publication.kind {
            MediaKind::Video if received.revived || received.resized || silenced => {
                tracing::debug!(
                    publication = %id,
                    rid = incoming.rid.map(tracing::field::display),
                    revived = received.revived,
                    resized = received.resized,
                    silenced,
                    "encodings changed"
                );
                out.push(Output::Event(RoomEvent::PublicationChanged(id)));
                self.reselect.extend(publication.subscribers.iter().map(|slot| slot.participant));
                self.pursue.insert(id);
            }
            MediaKind::Video => {}
            MediaKind::Audio => {
                let silent = opus::is_silence(&incoming.packet.payload);
                let level = incoming.packet.extensions.audio_level;
                publication.level.hear(now, level, silent);
                publication.voice.hear(now, received.media.timestamp, level, silent);
                self.hear(now, id, out);
            }
        }
    }

    /// Somebody was heard: who is loudest may have changed.
    fn hear(&mut self, now: Timestamp, id: PublicationId, out: &mut Vec<Output>) {
        let publications = &self.publications;
        let level = |id: PublicationId| publications.get(&id).map_or(0, |p| p.level.read(now));
        if self.ranking.heard(id, level) {
            self.reassign.audio = true;
        }
        self.update_speakers(now, out);
    }

    /// A stream started anew: whoever was sent it needs a keyframe.
    fn interrupt(&mut self, origin: Origin) {
        let Some(publication) = self.publications.get(&origin.publication) else { return };
        for at in &publication.subscribers {
            let slot =
                self.participants[at.participant].as_mut().map(|receiver| &mut receiver.slots[at.slot]);
            if let Some(slot) = slot.filter(|slot| slot.switch.current() == Some(origin)) {
                slot.switch.interrupt();
            }
        }
        self.pursue.insert(origin.publication);
    }

    /// Hands packets to every slot that may want them, then keeps them.
    fn forward(&mut self, now: Timestamp, origin: Origin, gathered: &mut Vec<Media>, out: &mut Vec<Output>) {
        let Some(publication) = self.publications.get_mut(&origin.publication) else { return };
        let encoding = &publication.encodings[usize::from(origin.encoding)];
        let (mut switched, mut shed): (Vec<SlotRef>, Vec<usize>) = (Vec::new(), Vec::new());
        for at in &publication.subscribers {
            let Some(receiver) = self.participants[at.participant].as_mut() else { continue };
            for media in gathered.iter() {
                let verdict = receiver.forward(now, at.slot, origin, encoding, media, out);
                if verdict == Verdict::Switch {
                    switched.push(*at);
                }
            }
            if receiver.egress.take_shed() {
                shed.push(at.participant);
            }
            if receiver.egress.take_rearm() {
                self.timers.set(Timer::Egress(at.participant), receiver.egress.deadline(now));
            }
        }
        if gathered.iter().any(|media| media.keyframe_start) {
            publication.keyframes.came(origin.encoding);
            // Whoever could not use it waits for the next.
            self.pursue.insert(origin.publication);
        }
        let history = &mut publication.encodings[usize::from(origin.encoding)].history;
        gathered.drain(..).for_each(|media| history.insert(media));
        for at in switched {
            self.settle_switch(now, at, out);
        }
        for at in shed {
            self.restart_pictures(at);
        }
    }
}
