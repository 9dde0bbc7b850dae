//! A room that other nodes serve as well: what they want of the publications here, and the publications of theirs.
//!
//! Owns standing in for participants of other nodes, and picking what of those here crosses. Of sound the loudest of this node
//! cross, whoever is louder elsewhere: whatever is among the loudest of the room is among the loudest of its node, so that every
//! node can rank all that counts without asking anybody. Leaves everything else to the parts that do it for everybody: a
//! publication of another node is one like any other whose packets come by another way.

use std::time::Duration;

use packet::{MediaKind, RtcpItem};
use selector::{DeviceClass, Presets, Reported};
use units::Timestamp;

use super::pursue::demand_event;
use super::{Reassign, Room};
use crate::audio::TOP;
use crate::demand::{Demand, Joint};
use crate::encoding::Received;
use crate::participant::Participant;
use crate::publication::{MAX_ENCODINGS, Publication};
use crate::relay::{Announced, Announcement, Relayed, Weight};
use crate::rewrite::Origin;
use crate::select::forwarded;
use crate::timers::Timer;
use crate::{EncodingDemand, Incoming, NodeIndex, Output, ParticipantId, PublicationId};

/// Whoever was not heard of for longer may be gone.
const LATELY: Duration = Duration::from_secs(1);

impl Room {
    /// Which other nodes serve participants of this room. What those wanted that are no longer listed is forgotten.
    pub fn set_nodes(&mut self, now: Timestamp, nodes: &[NodeIndex], out: &mut Vec<Output>) {
        self.nodes = nodes.to_vec();
        for publication in self.publications.values_mut() {
            let before = publication.elsewhere.len();
            publication.elsewhere.retain(|(node, _)| nodes.contains(node));
            if publication.elsewhere.len() != before {
                self.pursue.insert(publication.id);
            }
        }
        self.settle(now, out);
    }

    /// What receivers on another node want of a publication here: an entry per encoding, in their order. It stands until the next.
    pub fn set_wanted(
        &mut self,
        now: Timestamp,
        node: NodeIndex,
        id: PublicationId,
        wanted: &[EncodingDemand],
        out: &mut Vec<Output>,
    ) {
        let Some(publication) = self.publications.get_mut(&id) else { return };
        let mut joint = [Joint::Unwanted; MAX_ENCODINGS];
        for (joint, demand) in joint.iter_mut().zip(wanted).filter(|(_, demand)| demand.active) {
            joint.join(demand.max_fps.unwrap_or(u32::MAX));
        }
        match publication.elsewhere.iter_mut().find(|(other, _)| *other == node) {
            Some((_, before)) => *before = joint,
            None => publication.elsewhere.push((node, joint)),
        }
        self.pursue.insert(id);
        self.settle(now, out);
    }

    /// Another node asks for a keyframe ([`Output::Rtcp`] to a participant that is not served there). Requests of all nodes and
    /// of the receivers here become one.
    pub fn handle_relayed_request(
        &mut self,
        now: Timestamp,
        publisher: ParticipantId,
        item: &RtcpItem,
        out: &mut Vec<Output>,
    ) {
        let (RtcpItem::Pli { media_ssrc, .. } | RtcpItem::Fir { media_ssrc, .. }) = item else { return };
        let own = self.participant(publisher).into_iter().flat_map(|it| &it.publications).map(|(_, id)| *id);
        let own: Vec<PublicationId> = own.collect();
        for id in own {
            let Some(publication) = self.publications.get_mut(&id) else { continue };
            let streams = publication.streams();
            if let Some(at) = streams.iter().position(|ssrc| *ssrc == Some(*media_ssrc)) {
                publication.keyframes.ask(at as u8);
                self.pursue.insert(id);
            }
        }
        self.settle(now, out);
    }

    /// What other nodes have to know of somebody here.
    pub fn announce(&self, now: Timestamp, id: ParticipantId) -> Announcement {
        let publications = self.participant(id).into_iter().flat_map(|it| &it.publications);
        let publications = publications.filter_map(|(_, id)| self.publications.get(id));
        Announcement {
            publications: publications.map(|publication| announced(publication, now)).collect(),
            decodes: self.participant(id).and_then(Participant::decodes),
        }
    }

    /// Whether anything came of somebody in the last second.
    pub fn is_heard(&self, now: Timestamp, id: ParticipantId) -> bool {
        self.participant(id).is_some_and(|participant| participant.was_heard(now, LATELY))
    }

    /// Somebody whom another node serves, whole; [`Room::remove_participant`] when it is gone. `afresh`: that
    /// node knows nothing of what is wanted here, and is to be told again.
    pub fn set_elsewhere(
        &mut self,
        now: Timestamp,
        id: ParticipantId,
        announcement: &Announcement,
        afresh: bool,
        out: &mut Vec<Output>,
    ) {
        let Announcement { publications, decodes } = announcement;
        // Nothing is ever sent to it from here.
        let device = || Presets::builtin().profile(DeviceClass::Unknown, &Reported::default());
        if self.position(id).is_none() {
            self.add_participant(now, id, device());
        }
        let Some(at) = self.position(id) else { return };
        let Some(participant) = self.participants[at].as_mut() else { return };
        (participant.connected, participant.is_elsewhere) = (true, true);
        self.reassign.video |= std::mem::replace(&mut participant.decodes_elsewhere, *decodes) != *decodes;
        let is_listed = |known: &PublicationId| publications.iter().any(|it| it.id == *known);
        let gone: Vec<PublicationId> =
            participant.publications.iter().map(|(_, id)| *id).filter(|id| !is_listed(id)).collect();
        participant.publications.retain(|(_, id)| is_listed(id));
        for told in publications {
            self.take_announced(now, at, told, afresh);
        }
        for id in gone {
            self.remove_publication(id, out);
        }
        self.hear_from(now, at);
        self.settle(now, out);
    }

    fn take_announced(&mut self, now: Timestamp, at: usize, told: &Announced, afresh: bool) {
        let history = self.config.history_packets;
        let Some(participant) = self.participants[at].as_mut() else { return };
        let mut is_news = afresh;
        let publication = self.publications.entry(told.id).or_insert_with(|| {
            is_news = true;
            participant.publications.push((told.section.mid, told.id));
            if told.section.kind == MediaKind::Audio {
                self.ranking.add(told.id);
            }
            Publication::new(told.id, participant.id, at, &told.section, history)
        });
        if publication.owner != at {
            return;
        }
        if afresh || is_news {
            publication.demand = Demand::off();
        }
        let stands = |it: &Publication| (it.active, it.codec, it.muted, it.source, it.encodings.len());
        let before = stands(publication);
        publication.set_section(now, &told.section, history);
        (publication.muted, publication.source) = (told.muted, told.source);
        is_news |= before != stands(publication);
        for (encoding, told) in publication.encodings.iter_mut().zip(&told.encodings) {
            is_news |= encoding.learn(told);
        }
        if is_news {
            self.pursue.insert(told.id);
            self.reassign = Reassign::ALL;
            self.reselect.extend(publication.subscribers.iter().map(|slot| slot.participant));
        }
    }

    /// Who was dominant, most recent first: what the node that decides it for all tells the others.
    pub fn recent_speakers(&self) -> &[ParticipantId] {
        self.speakers.recent()
    }

    /// Another node decides who speaks, and this is what it says.
    pub fn follow_speakers(&mut self, now: Timestamp, recent: &[ParticipantId], out: &mut Vec<Output>) {
        self.follows = true;
        self.speakers.follow(recent);
        self.reassign.video = true;
        self.reselect_all();
        self.settle(now, out);
    }

    /// Sound of another node is wanted while a slot has it, even if it is not among the loudest of its node (any more).
    pub(super) fn pursue_sound(&mut self, now: Timestamp, id: PublicationId, out: &mut Vec<Output>) {
        let Some(publication) = self.publications.get_mut(&id) else { return };
        let mut joint = [Joint::Unwanted; MAX_ENCODINGS];
        if !publication.subscribers.is_empty() {
            joint[0] = Joint::ALL;
        }
        let tell = publication.demand.update(now, joint, forwarded(), Duration::ZERO);
        if tell {
            out.push(Output::Event(demand_event(publication)));
        }
        self.timers.set(Timer::Publisher(id), publication.demand.deadline(Duration::ZERO));
    }

    /// Hands a packet to all nodes whose receivers want it.
    pub(super) fn relay(
        &mut self,
        now: Timestamp,
        origin: Origin,
        incoming: &Incoming,
        received: &Received,
        out: &mut Vec<Output>,
    ) {
        let Some(publication) = self.publications.get(&origin.publication) else { return };
        let from = publication.participant;
        let is_sound = publication.kind == MediaKind::Audio;
        let weight = if is_sound { Weight::Sound } else { weight(publication, origin, received) };
        if is_sound {
            let publications = &self.publications;
            let level = |id: PublicationId| publications.get(&id).map_or(0, |it| it.level.read(now));
            self.loudest.heard(origin.publication, level);
        }
        let is_loud = is_sound && self.loudest.order().iter().take(TOP).any(|id| *id == origin.publication);
        for to in &self.nodes {
            if is_loud || publication.is_wanted_on(*to, origin.encoding) {
                let packet = Relayed { packet: incoming.clone(), weight };
                out.push(Output::Relay { to: *to, from, packet });
            }
        }
    }
}

fn announced(publication: &Publication, now: Timestamp) -> Announced {
    let measured = |at: usize| publication.encodings[at].measured(publication.is_available(at, now));
    Announced {
        id: publication.id,
        section: crate::SendingSection {
            mid: publication.mid,
            kind: publication.kind,
            active: publication.active,
            codec: publication.codec,
            rids: publication.encodings.iter().filter_map(|encoding| encoding.rid).collect(),
        },
        source: publication.source,
        muted: publication.muted,
        encodings: (0..publication.encodings.len()).map(measured).collect(),
    }
}

/// A packet of the base layers of the smallest encoding carries the picture; all others make it better.
fn weight(publication: &Publication, origin: Origin, received: &Received) -> Weight {
    let pixels = |at: usize| publication.encodings[at].size().map(|(w, h)| u64::from(w) * u64::from(h));
    let smallest = (0..publication.encodings.len()).min_by_key(|at| pixels(*at).unwrap_or(u64::MAX));
    let layer = received.media.standing.layer;
    let is_base = (layer.spatial, layer.temporal) == (0, 0);
    if smallest == Some(usize::from(origin.encoding)) && is_base { Weight::Base } else { Weight::Upper }
}

impl Participant {
    /// Whether this node serves it.
    pub(super) fn is_here(&self) -> bool {
        !self.is_elsewhere
    }
}
