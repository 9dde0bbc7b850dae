//! The room: participants, publications and slots, and the dispatch of every input to the part that owns the answer.
//!
//! Owns who is there and nothing else: what to forward is decided in `slot`, what to choose in `select`, when to ask for
//! keyframes in `keyframe`.

use packet::{Mid, RtcpItem};
use selector::DeviceProfile;
use units::Timestamp;

use crate::{
    Config, DownlinkStats, Incoming, Output, ParticipantId, PublicationState, SendingSection, SlotSection,
    SlotState, SlotView, Source,
};

/// A room: plaintext RTP in, plaintext RTP out. Results are appended to the output vector of each call, in order.
/// Calls that name a participant or section that is not there do nothing.
#[derive(Debug)]
pub struct Room {
    #[expect(dead_code, reason = "signatures first")]
    config: Config,
}

impl Room {
    /// An empty room. The seed decides the first sequence numbers and timestamps of its streams.
    pub fn new(config: Config, _seed: u64) -> Self {
        Self { config }
    }

    /// Somebody came. Nothing is sent to it before [`Room::set_connected`].
    pub fn add_participant(&mut self, _now: Timestamp, _id: ParticipantId, _device: DeviceProfile) {}

    /// Somebody left, with everything it published.
    pub fn remove_participant(&mut self, _now: Timestamp, _id: ParticipantId, _out: &mut Vec<Output>) {}

    /// The whole current list of agreed sections. What is no longer listed is gone; what stays keeps its state.
    pub fn set_sections(
        &mut self,
        _now: Timestamp,
        _id: ParticipantId,
        _sending: &[SendingSection],
        _slots: &[SlotSection],
        _out: &mut Vec<Output>,
    ) {
    }

    /// What a participant's device can do, whole.
    pub fn set_device(
        &mut self,
        _now: Timestamp,
        _id: ParticipantId,
        _device: DeviceProfile,
        _out: &mut Vec<Output>,
    ) {
    }

    /// What a participant shows, whole: a video slot that is not listed shows nothing, an audio slot is `auto`.
    pub fn set_view(
        &mut self,
        _now: Timestamp,
        _id: ParticipantId,
        _view: &[SlotView],
        _out: &mut Vec<Output>,
    ) {
    }

    /// What a participant says about one of its sending sections.
    pub fn set_publication(
        &mut self,
        _now: Timestamp,
        _id: ParticipantId,
        _mid: Mid,
        _muted: bool,
        _source: Source,
        _out: &mut Vec<Output>,
    ) {
    }

    /// Whether media can flow to and from a participant. Rewriting state survives a loss and return.
    pub fn set_connected(
        &mut self,
        _now: Timestamp,
        _id: ParticipantId,
        _connected: bool,
        _out: &mut Vec<Output>,
    ) {
    }

    /// A packet from a publisher.
    pub fn handle_rtp(
        &mut self,
        _now: Timestamp,
        _from: ParticipantId,
        _incoming: Incoming,
        _out: &mut Vec<Output>,
    ) {
    }

    /// One item of feedback or of a report, from a publisher or a receiver.
    pub fn handle_rtcp(
        &mut self,
        _now: Timestamp,
        _from: ParticipantId,
        _item: &RtcpItem,
        _out: &mut Vec<Output>,
    ) {
    }

    /// Does what has become due.
    pub fn handle_timeout(&mut self, _now: Timestamp, _out: &mut Vec<Output>) {}

    /// When to call [`Room::handle_timeout`] if nothing else happens.
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        None
    }

    /// Every publication, in the order in which they appeared.
    pub fn publications(&self) -> Vec<PublicationState> {
        Vec::new()
    }

    /// Every slot of a participant, in the order of its sections; empty for a stranger.
    pub fn slots(&self, _id: ParticipantId) -> Vec<SlotState> {
        Vec::new()
    }

    /// Counts of a participant's downlink.
    pub fn downlink(&self, _id: ParticipantId) -> Option<DownlinkStats> {
        None
    }

    /// True when nobody is left.
    pub fn is_empty(&self) -> bool {
        true
    }
}
