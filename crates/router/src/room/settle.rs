//! Bringing slots in line with what changed.
//!
//! Owns the order: which publication a slot shows (`assign`), then which encoding it is to get (`select`). Nothing is
//! done where nothing changed: the flags are set by whoever changes an input. Leaves what publishers must be
//! asked for to `pursue`.

use std::collections::BTreeMap;
use std::time::Duration;

use packet::MediaKind;
use selector::{Reason, Stability};
use units::{Bitrate, Timestamp};

use super::Room;
use crate::assign::{Place, assign};
use crate::census::Census;
use crate::participant::Participant;
use crate::publication::{Publication, SlotRef};
use crate::rewrite::Origin;
use crate::select::{Offer, Selection, bounds, decodes, select};
use crate::slot::{Explanation, Slot};
use crate::timers::Timer;
use crate::{NextStep, Output, PublicationId, RoomEvent, SlotChoice, Source};

/// Rates change without any event, so every selection is looked at again after this time.
const RESELECT_INTERVAL: Duration = Duration::from_millis(500);

impl Room {
    /// Acts upon everything that changed.
    pub(super) fn settle(&mut self, now: Timestamp, out: &mut Vec<Output>) {
        self.decide(now, out);
        self.follow_up(now, out);
    }

    /// Decides what changed inputs require: what slots show, and with which encoding.
    pub(super) fn decide(&mut self, now: Timestamp, out: &mut Vec<Output>) {
        let reassign = std::mem::take(&mut self.reassign);
        if reassign.video {
            self.take_census();
            self.assign_all(MediaKind::Video, &self.video_candidates(), out);
        }
        if reassign.audio {
            let order = self.ranking.order().to_vec();
            self.assign_all(MediaKind::Audio, &order, out);
        }
        while let Some(at) = self.reselect.pop_first() {
            if self.participants[at].as_ref().is_some_and(Participant::is_here) {
                self.select(now, at, out);
            }
        }
    }

    /// A slot has just switched: the publication that it left is rid of it, and what it waited for is here.
    pub(super) fn settle_switch(&mut self, now: Timestamp, at: SlotRef, out: &mut Vec<Output>) {
        let Some(receiver) = self.participants[at.participant].as_ref() else { return };
        let slot = &receiver.slots[at.slot];
        let (id, mid) = (receiver.id, slot.mid);
        let on_wire = slot.switch.current().map(|origin| origin.publication);
        let keeps = [slot.shows, on_wire];
        let left = |publication: &&mut Publication| {
            publication.subscribers.contains(&at) && !keeps.contains(&Some(publication.id))
        };
        for publication in self.publications.values_mut().filter(left) {
            publication.unsubscribe(at);
            self.pursue.insert(publication.id);
        }
        if slot.kind == MediaKind::Video {
            self.reselect.insert(at.participant);
        }
        self.pursue.extend(on_wire);
        if !self.timers.is_set(Timer::Report(at.participant)) {
            // The first packet of all: a report at once lets the receiver align sound and picture from the
            // start.
            self.timers.set(Timer::Report(at.participant), Some(now));
        }
        tracing::debug!(
            participant = %id,
            slot = %mid,
            publication = on_wire.map(tracing::field::display),
            encoding = slot.switch.current().map(|origin| origin.encoding),
            "slot switched"
        );
        out.push(Output::Event(RoomEvent::SlotChanged { participant: id, mid }));
    }

    fn assign_all(&mut self, kind: MediaKind, candidates: &[PublicationId], out: &mut Vec<Output>) {
        for at in 0..self.participants.len() {
            self.assign_one(at, kind, candidates, out);
        }
    }

    /// Counts who decodes what. A publisher may have to send in another codec when that changes.
    fn take_census(&mut self) {
        let mut census = Census::default();
        let receivers = self.participants.iter().flatten();
        receivers.filter_map(Participant::decodes).for_each(|codecs| census.add(codecs));
        for publication in self.publications.values_mut().filter(|p| p.kind == MediaKind::Video) {
            let own = self.participants[publication.owner].as_ref().and_then(Participant::decodes);
            let others = own.map_or(census, |own| census.without(own));
            if std::mem::replace(&mut publication.codecs, others.joint()) != publication.codecs {
                self.pursue.insert(publication.id);
            }
        }
    }

    /// Video publications in the order in which they fill `auto` slots: what is on, of whom something is heard, screens, who
    /// spoke last, who came first.
    fn video_candidates(&self) -> Vec<PublicationId> {
        let mut candidates: Vec<&Publication> =
            self.publications.values().filter(|publication| publication.kind == MediaKind::Video).collect();
        candidates.sort_by_key(|publication| {
            let recency = self.speakers.recency(publication.participant).unwrap_or(usize::MAX);
            let is_ghost = self.participants[publication.owner].as_ref().is_none_or(Participant::is_silent);
            (!publication.is_on(), is_ghost, publication.source != Source::Screen, recency, publication.id)
        });
        candidates.iter().map(|publication| publication.id).collect()
    }

    fn assign_one(
        &mut self,
        at: usize,
        kind: MediaKind,
        candidates: &[PublicationId],
        out: &mut Vec<Output>,
    ) {
        let Some(receiver) = self.participants[at].as_ref() else { return };
        let slots: Vec<usize> =
            (0..receiver.slots.len()).filter(|slot| receiver.slots[*slot].kind == kind).collect();
        let accepted = |publication: &Publication| {
            decodes(receiver.device.codecs, publication.codec)
                && slots.iter().any(|slot| receiver.slots[*slot].accepts(publication.codec))
        };
        let own = receiver.id;
        let offered = |id: &PublicationId| {
            self.publications
                .get(id)
                .filter(|publication| publication.participant != own && publication.kind == kind)
        };
        let is_foreign = |id: &PublicationId| !offered(id).is_some_and(accepted);
        // What cannot be decoded comes last, and where there is room for it all the same: its slot says why it is dark.
        let mut candidates: Vec<PublicationId> =
            candidates.iter().copied().filter(|id| offered(id).is_some()).collect();
        candidates.sort_by_key(is_foreign);
        let places: Vec<Place> = slots
            .iter()
            .map(|slot| &receiver.slots[*slot])
            .map(|slot| Place { want: slot.wants(), shows: slot.shows })
            .collect();
        // A wish for what cannot be decoded is granted as well.
        let shown = assign(&places, &candidates, |id| offered(&id).is_some());
        for (slot, shows) in slots.into_iter().zip(shown) {
            self.show(SlotRef { participant: at, slot }, shows, out);
        }
    }

    /// Maps a publication onto a slot. Sound moves at once; a picture moves when its encoding is chosen and
    /// begins.
    fn show(&mut self, at: SlotRef, shows: Option<PublicationId>, out: &mut Vec<Output>) {
        let Some(receiver) = self.participants[at.participant].as_mut() else { return };
        let slot = &mut receiver.slots[at.slot];
        if slot.shows == shows {
            return;
        }
        let left = std::mem::replace(&mut slot.shows, shows);
        slot.stability = Stability::default();
        slot.explanation = Explanation { reason: empty_reason(slot), next: None };
        if slot.kind == MediaKind::Audio {
            slot.switch.set_target(shows.map(|publication| Origin { publication, encoding: 0 }));
            if shows.is_some() {
                slot.explanation.reason = Reason::Optimal;
            }
        }
        let on_wire = slot.switch.current().map(|origin| origin.publication);
        out.push(Output::Event(RoomEvent::SlotChanged { participant: receiver.id, mid: slot.mid }));
        if let Some(publication) = shows.and_then(|id| self.publications.get_mut(&id)) {
            publication.subscribe(at);
        }
        if let Some(id) = left.filter(|_| left != on_wire)
            && let Some(publication) = self.publications.get_mut(&id)
        {
            publication.unsubscribe(at);
        }
        self.pursue.extend(shows);
        self.pursue.extend(left);
        self.reselect.insert(at.participant);
    }

    /// Chooses encodings for one participant and acts upon it.
    fn select(&mut self, now: Timestamp, at: usize, out: &mut Vec<Output>) {
        let Some(receiver) = self.participants[at].as_mut() else { return };
        let (is_ready, ready_at) = (receiver.take_ready(now), receiver.ready_at());
        let budget = receiver.egress.budget(now);
        receiver.egress.stats_mut().budget = budget.map(|budget| budget.keep);
        let mut policy = receiver.policy.take();
        let mut selection = select(
            now,
            receiver,
            &self.publications,
            &self.speakers,
            budget,
            self.max_height,
            policy.as_mut(),
        );
        receiver.policy = policy;
        let participant = receiver.id;
        let record = selection.record.take().filter(|record| !record.input.subscriptions.is_empty());
        out.extend(record.map(|record| Output::Event(RoomEvent::Recorded { participant, record })));
        receiver.egress.set_demand(now, &selection.decision);
        for origin in receiver.slots.iter().filter_map(|slot| slot.switch.current()) {
            let encoding = self
                .publications
                .get(&origin.publication)
                .map(|p| &p.encodings[usize::from(origin.encoding)]);
            if encoding.is_some_and(|encoding| encoding.liveness.is_doubtful(now)) {
                self.pursue.insert(origin.publication);
            }
        }
        self.timers.set(Timer::Egress(at), receiver.egress.deadline(now));
        let slots = receiver.slots.len();
        let mut pictures = false;
        for slot in 0..slots {
            let chosen = selection.slots.iter().position(|other| *other == slot);
            pictures |= chosen.is_some();
            self.apply(now, SlotRef { participant: at, slot }, chosen, &selection, out);
        }
        let (soonest, latest) = (now + Duration::from_millis(1), now + RESELECT_INTERVAL);
        let again = selection.decision.again.into_iter().chain(ready_at).min();
        let again = again.map_or(latest, |again| again.clamp(soonest, latest));
        self.timers.set(Timer::Select(at), pictures.then_some(again));
        self.tell_decision(at, budget.map(|budget| budget.keep), &selection, out);
        if is_ready {
            for slot in 0..slots {
                self.start(now, SlotRef { participant: at, slot }, out);
            }
            let shown = self.participants[at].as_ref().into_iter().flat_map(|receiver| &receiver.slots);
            // What had nothing to start at is asked for now.
            self.pursue.extend(shown.filter_map(|slot| slot.shows));
        }
    }

    /// Acts upon the choice for one slot: `chosen` is its place in the selection, `None` for a slot that
    /// shows no picture.
    fn apply(
        &mut self,
        now: Timestamp,
        at: SlotRef,
        chosen: Option<usize>,
        selection: &Selection,
        out: &mut Vec<Output>,
    ) {
        let Some(receiver) = self.participants[at.participant].as_mut() else { return };
        let slot = &mut receiver.slots[at.slot];
        if slot.kind == MediaKind::Audio {
            return;
        }
        let (former, was) = (slot.switch.current().map(|origin| origin.publication), slot.explanation);
        let shows = slot.shows.and_then(|id| self.publications.get(&id));
        let target = match (chosen, shows) {
            (Some(chosen), Some(publication)) => {
                let choice = &selection.decision.choices[chosen];
                let offers = &selection.offers[chosen];
                slot.stability = choice.stability;
                if choice.point.is_none() && !keeps_record(choice.reason) {
                    // Who was hidden or switched off comes back: its former ups and downs say nothing about
                    // now.
                    slot.stability = Stability { started: choice.stability.started, ..Stability::default() };
                }
                slot.explanation.reason = match choice.reason {
                    _ if !publication.is_on() => Reason::PublisherOff,
                    Reason::UserRequest if bounds(self.max_height, slot, publication) => Reason::ServerBusy,
                    Reason::PublisherOff if !slot.accepts(publication.codec) => Reason::Codec,
                    reason => reason,
                };
                slot.explanation.next = choice.next.map(|next| NextStep {
                    encoding: offers[next.point].state,
                    missing_bitrate: next.missing.bitrate,
                    missing_pixels_per_second: next.missing.pixel_rate,
                });
                choice.point.map(|point| {
                    let Offer { encoding, limit, .. } = offers[point];
                    (Origin { publication: publication.id, encoding }, limit)
                })
            }
            _ => {
                slot.explanation = Explanation { reason: empty_reason(slot), next: None };
                None
            }
        };
        let relieve = target.is_some_and(|(origin, _)| is_smaller(shows, slot.switch.current(), origin));
        if target.is_none() && slot.switch.current().is_some() {
            slot.abandon(&mut receiver.egress);
        }
        let changed = slot.aim(target, relieve);
        let news = explains_otherwise(&was, &slot.explanation) || changed;
        let on_wire = slot.switch.current().map(|origin| origin.publication);
        let (id, mid, shows) = (receiver.id, slot.mid, slot.shows);
        let is_ready = receiver.is_ready();
        if let Some(left) = former.filter(|id| on_wire.is_none() && Some(*id) != shows)
            && let Some(publication) = self.publications.get_mut(&left)
        {
            publication.unsubscribe(at);
        }
        if news {
            out.push(Output::Event(RoomEvent::SlotChanged { participant: id, mid }));
        }
        if changed {
            self.pursue.extend(former);
            self.pursue.extend(target.map(|(origin, _)| origin.publication));
            if let Some((origin, _)) = target.filter(|_| !is_ready) {
                self.ask_ahead(origin);
            }
            self.start(now, at, out);
        }
    }

    /// Starts what a slot waits for at a keyframe that has just passed, if there is one.
    fn start(&mut self, now: Timestamp, at: SlotRef, out: &mut Vec<Output>) {
        let Some(receiver) = self.participants[at.participant].as_mut() else { return };
        let Some(origin) = receiver.slots[at.slot].switch.waits_for() else { return };
        let Some(publication) = self.publications.get(&origin.publication) else { return };
        let encoding = &publication.encodings[usize::from(origin.encoding)];
        if encoding.liveness.is_live() && receiver.replay(now, at.slot, origin, encoding, out) {
            self.settle_switch(now, at, out);
        }
    }

    /// Too much waited for a receiver and was dropped: its pictures start anew.
    pub(super) fn restart_pictures(&mut self, at: usize) {
        let Some(receiver) = self.participants[at].as_mut() else { return };
        for slot in receiver.slots.iter_mut().filter(|slot| slot.kind == MediaKind::Video) {
            slot.switch.interrupt();
            self.pursue.extend(slot.shows);
        }
        self.reselect.insert(at);
    }

    fn tell_decision(
        &mut self,
        at: usize,
        budget: Option<Bitrate>,
        selection: &Selection,
        out: &mut Vec<Output>,
    ) {
        let Some(receiver) = self.participants[at].as_mut() else { return };
        let choices: Vec<SlotChoice> = selection
            .slots
            .iter()
            .filter_map(|slot| choice(&receiver.slots[*slot], &self.publications))
            .collect();
        if choices != receiver.choices {
            tracing::debug!(participant = %receiver.id, ?choices, spent = %selection.decision.spent, "decided");
            receiver.choices.clone_from(&choices);
            let event = RoomEvent::Decision { participant: receiver.id, budget, choices };
            out.push(Output::Event(event));
        }
    }
}

fn choice(slot: &Slot, publications: &BTreeMap<PublicationId, Publication>) -> Option<SlotChoice> {
    let publication = publications.get(&slot.shows?)?;
    let target = slot.switch.target();
    Some(SlotChoice {
        mid: slot.mid,
        publication: publication.id,
        rid: target.and_then(|origin| publication.encodings[usize::from(origin.encoding)].rid),
        paused: target.is_none(),
        reason: slot.explanation.reason,
    })
}

/// Whether a pause for this reason belongs to a subscription's record: it was made by what the selector had
/// to spend.
fn keeps_record(reason: Reason) -> bool {
    !matches!(reason, Reason::Hidden | Reason::PublisherOff | Reason::UserRequest)
}

/// Whether an encoding has a smaller picture than the one on the wire, of the same publication.
fn is_smaller(shows: Option<&Publication>, current: Option<Origin>, target: Origin) -> bool {
    let pixels = |origin: Origin| {
        let publication = shows.filter(|publication| publication.id == origin.publication)?;
        let (width, height) = publication.encodings[usize::from(origin.encoding)].size()?;
        Some(u64::from(width) * u64::from(height))
    };
    current.and_then(pixels).zip(pixels(target)).is_some_and(|(now, then)| then < now)
}

/// Why a slot without anything to show is empty.
fn empty_reason(slot: &Slot) -> Reason {
    match slot.view.want {
        crate::Want::Nothing => Reason::Hidden,
        _ if slot.view.is_hidden() => Reason::Hidden,
        _ => Reason::PublisherOff,
    }
}

/// Whether two explanations differ in more than measured rates.
fn explains_otherwise(before: &Explanation, after: &Explanation) -> bool {
    let rid = |explanation: &Explanation| explanation.next.map(|next| next.encoding.rid);
    before.reason != after.reason || rid(before) != rid(after)
}
