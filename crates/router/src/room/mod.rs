//! The room: participants, publications and slots, and the dispatch of every input to the part that owns the
//! answer.
//!
//! Owns who is there and nothing else. The way of a packet is in `media`, feedback in `feedback`;
//! `settle` brings slots in line with what changed, `pursue` asks publishers for what they wait for, and `due` does what
//! its time has come for. All of them only connect parts that decide for themselves.

mod due;
mod feedback;
mod media;
mod pursue;
mod relay;
mod settle;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use packet::{MediaKind, Mid, RtcpItem};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use selector::{DeviceProfile, SlotDecode};
use units::{Bitrate, Timestamp};

use crate::audio::Ranking;
use crate::media::Media;
use crate::participant::Participant;
use crate::publication::{Publication, SlotRef};
use crate::rewrite::Origin;
use crate::speaker::Speakers;
use crate::timers::{Timer, Timers};
use crate::{
    Config, DownlinkStats, Incoming, NodeIndex, Output, ParticipantId, PublicationId, PublicationState,
    RoomEvent, RoomStats, SendingSection, SlotSection, SlotState, SlotView, Source,
};

/// A room: plaintext RTP in, plaintext RTP out. Results are appended to the output vector of each call, in
/// order. Calls that name a participant or section that is not there do nothing.
#[derive(Debug)]
pub struct Room {
    config: Config,
    rng: ChaCha8Rng,
    /// By position, which slots of other participants remember; a leaver's place is used again.
    participants: Vec<Option<Participant>>,
    positions: BTreeMap<ParticipantId, usize>,
    publications: BTreeMap<PublicationId, Publication>,
    next_publication: u32,
    ranking: Ranking,
    speakers: Speakers,
    /// Which publication a slot is to show has to be decided anew, for pictures and for sound.
    reassign: Reassign,
    /// Participants, by position, for whom the choice of encodings has to be made anew.
    reselect: BTreeSet<usize>,
    /// Publications whose receivers may wait for a keyframe that nobody asked for yet, or want other
    /// encodings.
    pursue: BTreeSet<PublicationId>,
    /// The shorter side of what cameras may show anybody, in pixels.
    max_height: Option<u32>,
    timers: Timers,
    stats: RoomStats,
    /// Other nodes that serve participants of this room.
    nodes: Vec<NodeIndex>,
    /// The order of the voices of this node alone, which decides what of them crosses to others.
    loudest: Ranking,
    /// Another node decides who speaks.
    follows: bool,
    /// Packets of one encoding that are to be forwarded together. Empty between calls.
    gathered: Vec<Media>,
    gathered_of: Option<Origin>,
}

/// Which assignments have to be made anew. Who is loudest changes far more often than who is shown.
#[derive(Clone, Copy, Debug, Default)]
struct Reassign {
    video: bool,
    audio: bool,
}

impl Reassign {
    const ALL: Self = Self { video: true, audio: true };
}

impl Room {
    /// An empty room. The seed decides the first sequence numbers and timestamps of its streams.
    pub fn new(config: Config, seed: u64) -> Self {
        let next_publication = config.numbering.first();
        Self {
            config,
            rng: ChaCha8Rng::seed_from_u64(seed),
            participants: Vec::new(),
            positions: BTreeMap::new(),
            publications: BTreeMap::new(),
            next_publication,
            ranking: Ranking::default(),
            speakers: Speakers::default(),
            reassign: Reassign::default(),
            reselect: BTreeSet::new(),
            pursue: BTreeSet::new(),
            max_height: None,
            timers: Timers::default(),
            stats: RoomStats::default(),
            nodes: Vec::new(),
            loudest: Ranking::default(),
            follows: false,
            gathered: Vec::new(),
            gathered_of: None,
        }
    }

    /// Somebody came. Nothing is sent to it before [`Room::set_connected`].
    pub fn add_participant(&mut self, _now: Timestamp, id: ParticipantId, device: DeviceProfile) {
        if self.positions.contains_key(&id) {
            return;
        }
        let participant = Participant::new(id, device, &self.config);
        let at = match self.participants.iter().position(Option::is_none) {
            Some(free) => free,
            None => {
                self.participants.push(None);
                self.participants.len() - 1
            }
        };
        self.participants[at] = Some(participant);
        self.positions.insert(id, at);
    }

    /// Somebody left, with everything it published.
    pub fn remove_participant(&mut self, now: Timestamp, id: ParticipantId, out: &mut Vec<Output>) {
        let Some(at) = self.positions.remove(&id) else { return };
        let Some(participant) = self.participants[at].take() else { return };
        for (_, publication) in participant.publications {
            self.remove_publication(publication, out);
        }
        for publication in self.publications.values_mut() {
            publication.subscribers.retain(|slot| slot.participant != at);
        }
        self.pursue.extend(self.publications.keys());
        self.reselect.remove(&at);
        self.timers.set(Timer::Select(at), None);
        self.timers.set(Timer::Report(at), None);
        self.timers.set(Timer::Egress(at), None);
        self.timers.set(Timer::Silence(at), None);
        self.speakers.remove(id);
        self.reassign.video = true;
        self.settle(now, out);
    }

    /// The whole current list of agreed sections. What is no longer listed is gone; what stays keeps its
    /// state.
    pub fn set_sections(
        &mut self,
        now: Timestamp,
        id: ParticipantId,
        sending: &[SendingSection],
        slots: &[SlotSection],
        out: &mut Vec<Output>,
    ) {
        let Some(at) = self.position(id) else { return };
        self.set_sending(now, at, sending, out);
        let Some(participant) = self.participants[at].as_mut() else { return };
        participant.set_slots(&slots[..slots.len().min(self.config.max_slots)], &mut self.rng);
        self.reselect.insert(at);
        self.resubscribe(at);
        self.reassign = Reassign::ALL;
        self.settle(now, out);
    }

    /// What a participant's device can do, whole.
    pub fn set_device(
        &mut self,
        now: Timestamp,
        id: ParticipantId,
        device: DeviceProfile,
        out: &mut Vec<Output>,
    ) {
        let Some(at) = self.position(id) else { return };
        let Some(participant) = self.participants[at].as_mut() else { return };
        // What it decodes decides what its slots show, and in which codec others send.
        self.reassign.video |= participant.device.codecs != device.codecs;
        participant.device = device;
        // How many frames are of use may have changed.
        self.pursue.extend(participant.slots.iter().filter_map(|slot| slot.shows));
        self.reselect.insert(at);
        self.settle(now, out);
    }

    /// The most that a participant is sent in all, in the long run, whatever its path carries; `None` for no limit. Sound
    /// goes first, and what is left of the limit is the selector's budget.
    pub fn set_downlink_limit(
        &mut self,
        now: Timestamp,
        id: ParticipantId,
        limit: Option<Bitrate>,
        out: &mut Vec<Output>,
    ) {
        let Some(at) = self.position(id) else { return };
        let Some(participant) = self.participants[at].as_mut() else { return };
        participant.egress.set_limit(limit);
        self.reselect.insert(at);
        self.settle(now, out);
    }

    /// Bounds what cameras show to everybody, whatever link and device would carry: the shorter side in pixels; `None` for
    /// no bound. Screens stay as they are.
    pub fn set_max_height(&mut self, now: Timestamp, max_height: Option<u32>, out: &mut Vec<Output>) {
        if std::mem::replace(&mut self.max_height, max_height) != max_height {
            self.reselect.extend(self.positions.values());
            self.settle(now, out);
        }
    }

    /// Whether every decision about a participant is put out with all that it depended on ([`RoomEvent::Recorded`]), as
    /// [`Config::record_decisions`] does for everybody.
    pub fn set_recording(&mut self, id: ParticipantId, recording: bool) {
        let Some(at) = self.position(id) else { return };
        let Some(participant) = self.participants[at].as_mut() else { return };
        participant.recording = recording || self.config.record_decisions;
    }

    /// How decoding went at a participant over the last `interval`, by slot. Its decode budget shrinks and regrows with it;
    /// what is said of sections that are no video slots counts for nothing.
    pub fn report_decoding(
        &mut self,
        now: Timestamp,
        id: ParticipantId,
        interval: Duration,
        slots: &[(Mid, SlotDecode)],
        out: &mut Vec<Output>,
    ) {
        let Some(at) = self.position(id) else { return };
        let Some(participant) = self.participants[at].as_mut() else { return };
        let mut decoded = Vec::with_capacity(slots.len().min(participant.slots.len()));
        for slot in participant.slots.iter_mut().filter(|slot| slot.kind == MediaKind::Video) {
            let Some((_, said)) = slots.iter().find(|(mid, _)| *mid == slot.mid) else { continue };
            let shown = slot.switch.current().and_then(|origin| {
                let encoding = self
                    .publications
                    .get(&origin.publication)?
                    .encodings
                    .get(usize::from(origin.encoding))?;
                encoding.state_within(slot.limit())
            });
            let pixels = shown.map_or(0, |state| u64::from(state.width) * u64::from(state.height));
            let before = std::mem::replace(&mut slot.reported_pixels, pixels);
            decoded.push(SlotDecode { pixels: pixels.max(before), ..*said });
        }
        let nominal = participant.device.decode_pixels_per_second;
        if participant.health.report(now, interval, &decoded, nominal) {
            let left = participant.health.applied(participant.device).decode_pixels_per_second;
            tracing::debug!(participant = %id, pixels_per_second = left, "decode budget changed");
            self.reselect.insert(at);
            self.settle(now, out);
        }
    }

    /// What a participant shows, whole: a video slot that is not listed shows nothing, an audio slot is
    /// `auto`.
    pub fn set_view(&mut self, now: Timestamp, id: ParticipantId, view: &[SlotView], out: &mut Vec<Output>) {
        let Some(at) = self.position(id) else { return };
        let Some(participant) = self.participants[at].as_mut() else { return };
        participant.set_view(view);
        self.pursue.extend(participant.slots.iter().filter_map(|slot| slot.shows));
        self.reselect.insert(at);
        self.reassign = Reassign::ALL;
        self.settle(now, out);
    }

    /// What a participant says about one of its sending sections.
    pub fn set_publication(
        &mut self,
        now: Timestamp,
        id: ParticipantId,
        mid: Mid,
        muted: bool,
        source: Source,
        out: &mut Vec<Output>,
    ) {
        let found = self.participant(id).and_then(|participant| participant.publication(mid));
        let Some(publication) = found.and_then(|id| self.publications.get_mut(&id)) else { return };
        if (publication.muted, publication.source) == (muted, source) {
            return;
        }
        (publication.muted, publication.source) = (muted, source);
        out.push(Output::Event(RoomEvent::PublicationChanged(publication.id)));
        self.reassign = Reassign::ALL;
        self.reselect_all();
        self.settle(now, out);
    }

    /// Whether media can flow to and from a participant. Rewriting state survives a loss and return.
    pub fn set_connected(
        &mut self,
        now: Timestamp,
        id: ParticipantId,
        connected: bool,
        out: &mut Vec<Output>,
    ) {
        let Some(at) = self.position(id) else { return };
        let Some(participant) = self.participants[at].as_mut() else { return };
        if participant.connected == connected {
            return;
        }
        participant.set_connected(now, connected);
        self.reselect.insert(at);
        let shown: Vec<PublicationId> = participant.slots.iter().filter_map(|slot| slot.shows).collect();
        let own: Vec<PublicationId> = participant.publications.iter().map(|(_, id)| *id).collect();
        self.pursue.extend(shown.into_iter().chain(own));
        if connected {
            // Whatever the publisher was last told may not have reached it.
            self.repeat_demands(at, out);
            self.ask_ahead_for(at);
        }
        self.settle(now, out);
    }

    /// A participant is reached by another way than before (RFC 8445 §7.3.1.5): what was known of the old one
    /// says little.
    pub fn path_changed(&mut self, now: Timestamp, id: ParticipantId, out: &mut Vec<Output>) {
        let Some(at) = self.position(id) else { return };
        let Some(participant) = self.participants[at].as_mut() else { return };
        participant.egress.on_route_change(now);
        // Nor is what its pictures fall to now, before anything is known of the new one, a verdict on them.
        participant.slots.iter_mut().for_each(|slot| slot.stability = selector::Stability::default());
        self.reselect.insert(at);
        self.settle(now, out);
        self.run_egress(now, at, out);
    }

    /// A packet from a publisher.
    pub fn handle_rtp(
        &mut self,
        now: Timestamp,
        from: ParticipantId,
        incoming: Incoming,
        out: &mut Vec<Output>,
    ) {
        self.handle_burst(now, from, [incoming], out);
    }

    /// Packets from a publisher that came together, in order. The same as one after the other, but that each receiver is gone to
    /// once for those of a picture: what is known of a receiver is many cache lines.
    pub fn handle_burst(
        &mut self,
        now: Timestamp,
        from: ParticipantId,
        burst: impl IntoIterator<Item = Incoming>,
        out: &mut Vec<Output>,
    ) {
        for incoming in burst {
            self.route(now, from, &incoming, out);
        }
        self.forward_gathered(now, out);
    }

    /// One item of feedback or of a report, from a publisher or a receiver.
    pub fn handle_rtcp(
        &mut self,
        now: Timestamp,
        from: ParticipantId,
        item: &RtcpItem,
        out: &mut Vec<Output>,
    ) {
        self.route_feedback(now, from, item, out);
    }

    /// Does what has become due. May be called at any time.
    pub fn handle_timeout(&mut self, now: Timestamp, out: &mut Vec<Output>) {
        self.run_timers(now, out);
    }

    /// When to call [`Room::handle_timeout`] if nothing else happens.
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        self.timers.next()
    }

    /// Every publication, in the order in which they appeared.
    pub fn publications(&self) -> Vec<PublicationState> {
        self.publications.values().map(Publication::state).collect()
    }

    /// One publication.
    pub fn publication(&self, id: PublicationId) -> Option<PublicationState> {
        self.publications.get(&id).map(Publication::state)
    }

    /// Every slot of a participant, in the order of its sections; empty for a stranger.
    pub fn slots(&self, id: ParticipantId) -> Vec<SlotState> {
        let Some(participant) = self.participant(id) else { return Vec::new() };
        participant.slots.iter().map(|slot| self.slot_state(slot)).collect()
    }

    /// Counts of a participant's downlink.
    pub fn downlink(&self, id: ParticipantId) -> Option<DownlinkStats> {
        self.participant(id).map(|participant| participant.egress.stats())
    }

    /// Counts of what arrived.
    pub fn stats(&self) -> RoomStats {
        self.stats
    }

    /// True when nobody is left.
    pub fn is_empty(&self) -> bool {
        self.positions.is_empty()
    }

    fn position(&self, id: ParticipantId) -> Option<usize> {
        self.positions.get(&id).copied()
    }

    fn participant(&self, id: ParticipantId) -> Option<&Participant> {
        self.participants[self.position(id)?].as_ref()
    }

    fn reselect_all(&mut self) {
        self.reselect.extend(self.positions.values());
    }

    fn set_sending(&mut self, now: Timestamp, at: usize, sending: &[SendingSection], out: &mut Vec<Output>) {
        let Some(participant) = self.participants[at].as_mut() else { return };
        let is_listed = |mid: &Mid| sending.iter().any(|section| section.mid == *mid);
        let gone: Vec<PublicationId> =
            participant.publications.iter().filter(|(mid, _)| !is_listed(mid)).map(|(_, id)| *id).collect();
        participant.publications.retain(|(mid, _)| is_listed(mid));
        for section in sending {
            let known = participant.publication(section.mid).and_then(|id| self.publications.get_mut(&id));
            if let Some(publication) = known {
                let was = publication.state();
                publication.set_section(now, section, self.config.history_packets);
                if publication.state() != was {
                    out.push(Output::Event(RoomEvent::PublicationChanged(publication.id)));
                }
            } else if participant.publications.len() < self.config.max_publications {
                let id = PublicationId(self.next_publication);
                self.next_publication = self.config.numbering.after(self.next_publication);
                let history = self.config.history_packets;
                let publication = Publication::new(id, participant.id, at, section, history);
                if section.kind == MediaKind::Audio {
                    self.ranking.add(id);
                    self.loudest.add(id);
                }
                participant.publications.push((section.mid, id));
                self.publications.insert(id, publication);
                out.push(Output::Event(RoomEvent::PublicationAdded(id)));
            }
        }
        for id in gone {
            self.remove_publication(id, out);
        }
        self.reselect_all();
    }

    fn remove_publication(&mut self, id: PublicationId, out: &mut Vec<Output>) {
        let Some(publication) = self.publications.remove(&id) else { return };
        self.ranking.remove(id);
        self.loudest.remove(id);
        for at in publication.subscribers {
            let Some(participant) = self.participants[at.participant].as_mut() else { continue };
            let slot = &mut participant.slots[at.slot];
            slot.switch.forget(id);
            slot.shows = slot.shows.filter(|shown| *shown != id);
            self.reselect.insert(at.participant);
        }
        self.pursue.remove(&id);
        self.timers.set(Timer::Publisher(id), None);
        self.reassign = Reassign::ALL;
        let participant = publication.participant;
        out.push(Output::Event(RoomEvent::PublicationRemoved { publication: id, participant }));
    }

    /// Slots of a participant may have moved: whoever remembers them by position is told anew.
    fn resubscribe(&mut self, at: usize) {
        for publication in self.publications.values_mut() {
            publication.subscribers.retain(|slot| slot.participant != at);
        }
        let Some(participant) = self.participants[at].as_ref() else { return };
        for (position, slot) in participant.slots.iter().enumerate() {
            let on_wire = slot.switch.current().map(|origin| origin.publication);
            for id in [slot.shows, on_wire].into_iter().flatten() {
                if let Some(publication) = self.publications.get_mut(&id) {
                    publication.subscribe(SlotRef { participant: at, slot: position });
                }
            }
        }
        self.pursue.extend(self.publications.keys());
    }

    fn slot_state(&self, slot: &crate::slot::Slot) -> SlotState {
        let shown = slot.shows.and_then(|id| self.publications.get(&id));
        let encoding = slot.switch.current().filter(|_| slot.kind == MediaKind::Video).and_then(|origin| {
            let publication = self.publications.get(&origin.publication)?;
            publication.encodings[usize::from(origin.encoding)].state_within(slot.limit())
        });
        SlotState {
            mid: slot.mid,
            participant: shown.map(|publication| publication.participant),
            publication: shown.map(|publication| publication.id),
            encoding,
            bitrate: encoding.map_or(Bitrate::ZERO, |encoding| encoding.bitrate),
            reason: slot.explanation.reason,
            next: slot.explanation.next,
        }
    }
}
