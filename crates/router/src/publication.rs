//! A track that a participant sends: its encodings and everything they share.
//!
//! Owns which encoding a packet belongs to, the joint view on liveness, the requests for keyframes, what is
//! demanded of the publisher and who receives it. Leaves the choice between encodings to `selector`.

use packet::{Codec, MediaKind, Mid, Rid};
use selector::CodecSet;
use units::Timestamp;

use crate::audio::LevelMeter;
use crate::capture::WallClock;
use crate::demand::{Demand, Joint};
use crate::encoding::{Discard, Encoding, Received};
use crate::input::{Incoming, SendingSection, Source};
use crate::keyframe::KeyframeRequests;
use crate::select::forwarded;
use crate::voice::Voice;
use crate::{EncodingState, NodeIndex, ParticipantId, PublicationId, PublicationState};

/// Encodings of one publication: browsers send three.
pub(crate) const MAX_ENCODINGS: usize = 4;

/// One slot of one participant, by position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SlotRef {
    pub(crate) participant: usize,
    pub(crate) slot: usize,
}

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Publication {
    pub(crate) id: PublicationId,
    pub(crate) participant: ParticipantId,
    /// Position of the participant in its room.
    pub(crate) owner: usize,
    pub(crate) mid: Mid,
    pub(crate) kind: MediaKind,
    pub(crate) codec: Codec,
    /// The codecs that serve the other participants best.
    pub(crate) codecs: CodecSet,
    pub(crate) source: Source,
    /// The agreed direction sends.
    pub(crate) active: bool,
    /// The sender said that it sends silence, black or nothing.
    pub(crate) muted: bool,
    pub(crate) encodings: Vec<Encoding>,
    pub(crate) keyframes: KeyframeRequests,
    pub(crate) demand: Demand,
    pub(crate) level: LevelMeter,
    pub(crate) voice: Voice,
    /// Slots that have it as target or current.
    pub(crate) subscribers: Vec<SlotRef>,
    /// What receivers on other nodes want of it.
    pub(crate) elsewhere: Vec<(NodeIndex, [Joint; MAX_ENCODINGS])>,
}

/// A packet that goes on, and from which encoding.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) encoding: u8,
    pub(crate) received: Received,
    /// A sibling was found to have fallen silent.
    pub(crate) silenced: bool,
}

impl Publication {
    /// A publication that has not sent anything.
    pub(crate) fn new(
        id: PublicationId,
        participant: ParticipantId,
        owner: usize,
        section: &SendingSection,
        history: usize,
    ) -> Self {
        let mut publication = Self {
            id,
            participant,
            owner,
            mid: section.mid,
            kind: section.kind,
            codec: section.codec,
            codecs: forwarded(),
            source: Source::of(section.kind),
            active: section.active,
            muted: false,
            encodings: Vec::new(),
            keyframes: KeyframeRequests::default(),
            demand: Demand::default(),
            level: LevelMeter::default(),
            voice: Voice::default(),
            subscribers: Vec::new(),
            elsewhere: Vec::new(),
        };
        publication.set_section(Timestamp::ZERO, section, history);
        publication
    }

    /// What was agreed changed. Encodings that are still listed keep their place and state. Slots know
    /// encodings by their place, so a new name takes the place of one that is no longer listed, whose stream
    /// it then replaces.
    pub(crate) fn set_section(&mut self, now: Timestamp, section: &SendingSection, history: usize) {
        self.active = section.active;
        self.codec = section.codec;
        let mut rids: Vec<Option<Rid>> = section.rids.iter().copied().map(Some).collect();
        if rids.is_empty() {
            rids.push(None);
        }
        for encoding in self.encodings.iter_mut().filter(|encoding| !rids.contains(&encoding.rid)) {
            encoding.liveness.stopped(now);
        }
        for rid in &rids {
            if self.encodings.iter().any(|encoding| encoding.rid == *rid) {
                continue;
            }
            if let Some(unlisted) = self.encodings.iter_mut().find(|encoding| !rids.contains(&encoding.rid)) {
                unlisted.rid = *rid;
            } else if self.encodings.len() < MAX_ENCODINGS {
                self.encodings.push(Encoding::new(self.participant, *rid, section.codec, history));
            }
        }
    }

    /// True while something is sent on purpose.
    pub(crate) fn is_on(&self) -> bool {
        self.active && !self.muted
    }

    /// A packet of this publication arrived. `None` for an encoding that was not agreed.
    pub(crate) fn receive(
        &mut self,
        now: Timestamp,
        incoming: &Incoming,
        wall: &WallClock,
    ) -> Option<Result<Accepted, Discard>> {
        // RFC 8853 §5.3: the RID names the encoding, whatever a packet says about layers inside.
        let at = self.encodings.iter().position(|encoding| encoding.rid == incoming.rid)?;
        if incoming.codec.kind() != self.kind {
            return Some(Err(Discard::Malformed));
        }
        let mut received = match self.encodings[at].receive(now, incoming.codec, &incoming.packet, wall) {
            Ok(received) => received,
            Err(discard) => return Some(Err(discard)),
        };
        received.media.redundant.clone_from(&incoming.redundant);
        if received.media.keyframe_start {
            self.keyframes.came(at as u8);
        }
        let silenced = received.new_frame && self.notice_silence(now, at);
        Some(Ok(Accepted { encoding: at as u8, received, silenced }))
    }

    fn notice_silence(&mut self, now: Timestamp, speaking: usize) -> bool {
        let screen = self.source == Source::Screen;
        let mut any = false;
        for (at, encoding) in self.encodings.iter_mut().enumerate() {
            if at != speaking && encoding.liveness.sibling_frame(now, speaking, screen) {
                self.keyframes.forget(at as u8);
                any = true;
            }
        }
        any
    }

    /// Whether the selector may choose an encoding: it is being sent, or is off only because nobody wanted
    /// it.
    pub(crate) fn is_available(&self, encoding: usize, now: Timestamp) -> bool {
        let liveness = &self.encodings[encoding].liveness;
        let seen = || liveness.is_live() || liveness.is_seen() && self.demand.explains_silence(encoding, now);
        self.active && self.encodings[encoding].told_available().unwrap_or_else(seen)
    }

    /// SSRCs of the encodings that are being sent.
    pub(crate) fn streams(&self) -> [Option<u32>; MAX_ENCODINGS] {
        std::array::from_fn(|at| {
            self.encodings.get(at).filter(|encoding| encoding.liveness.is_live()).and_then(Encoding::ssrc)
        })
    }

    /// Whether receivers on that node want an encoding.
    pub(crate) fn is_wanted_on(&self, node: NodeIndex, encoding: u8) -> bool {
        let wanted = |joint: &[Joint; MAX_ENCODINGS]| joint[usize::from(encoding)] != Joint::Unwanted;
        self.elsewhere.iter().any(|(other, joint)| *other == node && wanted(joint))
    }

    /// A slot has it as target or current.
    pub(crate) fn subscribe(&mut self, slot: SlotRef) {
        if !self.subscribers.contains(&slot) {
            self.subscribers.push(slot);
        }
    }

    /// A slot has it no longer.
    pub(crate) fn unsubscribe(&mut self, slot: SlotRef) {
        self.subscribers.retain(|other| *other != slot);
    }

    /// As signalling shows it.
    pub(crate) fn state(&self) -> PublicationState {
        let mut encodings: Vec<EncodingState> = match self.kind {
            MediaKind::Video => self.encodings.iter().flat_map(Encoding::states).collect(),
            MediaKind::Audio => Vec::new(),
        };
        encodings.sort_by_key(|encoding| u64::from(encoding.width) * u64::from(encoding.height));
        PublicationState {
            id: self.id,
            participant: self.participant,
            mid: self.mid,
            kind: self.kind,
            source: self.source,
            muted: !self.is_on(),
            encodings,
        }
    }
}
