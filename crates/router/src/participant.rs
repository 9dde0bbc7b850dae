//! Somebody in a room: what it can receive, and the way there.
//!
//! Owns one participant's slots, egress and clock. Leaves publications, including its own, to the room.

use std::time::Duration;

use packet::{MediaKind, Mid};
use rand::Rng;
use selector::{CodecSet, DecodeHealth, DeviceProfile};
use units::Timestamp;

use crate::capture::WallClock;
use crate::egress::Egress;
use crate::encoding::Encoding;
use crate::input::{SlotSection, SlotView, Want};
use crate::media::Media;
use crate::output::Output;
use crate::rewrite::Origin;
use crate::slot::Slot;
use crate::switch::Verdict;
use crate::{Config, ParticipantId, Policy, PublicationId, SlotChoice};

/// A keyframe that lies further back is not started at: what followed it would be a burst.
pub(crate) const MAX_REPLAY: u64 = 40;
/// A client that sends pictures sends something several times a second, if only reports. One whose page is gone sends nothing, and its
/// session is kept for it for many seconds.
const SILENCE: Duration = Duration::from_secs(2);
/// From the end of a handshake until pictures start.
const SETTLING: Duration = Duration::from_millis(50);

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Participant {
    pub(crate) id: ParticipantId,
    /// What its device promises.
    pub(crate) device: DeviceProfile,
    /// What its device has shown to keep up with.
    pub(crate) health: DecodeHealth,
    /// Whether the decisions about it are put out one by one.
    pub(crate) recording: bool,
    pub(crate) connected: bool,
    /// Another node serves it: here it only publishes.
    pub(crate) is_elsewhere: bool,
    /// What it decodes, as that node says.
    pub(crate) decodes_elsewhere: Option<CodecSet>,
    /// It is just connected: until then pictures wait. See [`Participant::set_connected`].
    ready_at: Option<Timestamp>,
    /// When anything last came of it, and whether that is too long ago.
    heard: Option<Timestamp>,
    is_silent: bool,
    pub(crate) wall: WallClock,
    /// Its own publications by section, in the order of their appearance.
    pub(crate) publications: Vec<(Mid, PublicationId)>,
    pub(crate) slots: Vec<Slot>,
    pub(crate) egress: Egress,
    /// It said what it wants to see.
    pub(crate) has_view: bool,
    /// The last selection, to tell what changed.
    pub(crate) choices: Vec<SlotChoice>,
    /// Decides in place of the selector.
    pub(crate) policy: Option<Box<dyn Policy>>,
}

impl Participant {
    /// A participant without sections.
    pub(crate) fn new(id: ParticipantId, device: DeviceProfile, config: &Config) -> Self {
        Self {
            id,
            device,
            health: DecodeHealth::default(),
            recording: config.record_decisions,
            connected: false,
            is_elsewhere: false,
            decodes_elsewhere: None,
            ready_at: None,
            heard: None,
            is_silent: false,
            wall: WallClock::default(),
            publications: Vec::new(),
            slots: Vec::new(),
            egress: Egress::new(id, config),
            has_view: false,
            choices: Vec::new(),
            policy: config.policy.map(|policy| policy()),
        }
    }

    /// The codecs in which it can be sent pictures; `None` while it has no slot for them.
    pub(crate) fn decodes(&self) -> Option<CodecSet> {
        if self.is_elsewhere {
            return self.decodes_elsewhere;
        }
        let slots = self.slots.iter().filter(|slot| slot.kind == MediaKind::Video && slot.is_active());
        let agreed = slots.map(Slot::codecs).reduce(CodecSet::union)?;
        Some(agreed.intersection(self.device.codecs))
    }

    /// The publication of a section.
    pub(crate) fn publication(&self, mid: Mid) -> Option<PublicationId> {
        self.publications.iter().find(|(other, _)| *other == mid).map(|(_, id)| *id)
    }

    /// The whole list of agreed slots. A slot that stays keeps its numbers, as its SSRC goes on.
    pub(crate) fn set_slots(&mut self, sections: &[SlotSection], rng: &mut impl Rng) {
        let mut old: Vec<Slot> = std::mem::take(&mut self.slots);
        for section in sections {
            let kept = old
                .iter()
                .position(|slot| {
                    (slot.mid, slot.kind, slot.ssrc) == (section.mid, section.kind, section.ssrc)
                })
                .map(|at| old.swap_remove(at));
            let slot = match kept {
                Some(mut slot) => {
                    slot.set_section(section);
                    slot
                }
                None => {
                    let mut slot = Slot::new(section, rng);
                    if self.has_view && section.kind == MediaKind::Video {
                        slot.view.want = Want::Nothing;
                    }
                    slot
                }
            };
            self.slots.push(slot);
        }
        self.egress.set_acknowledges(sections.iter().any(|section| section.acknowledged));
    }

    /// What it wants to see, whole.
    pub(crate) fn set_view(&mut self, view: &[SlotView]) {
        self.has_view = true;
        for slot in &mut self.slots {
            let unlisted = match slot.kind {
                MediaKind::Audio => Want::Auto,
                MediaKind::Video => Want::Nothing,
            };
            let listed = view.iter().find(|view| view.mid == slot.mid).copied();
            slot.view = listed.unwrap_or(SlotView::new(slot.mid, unlisted));
        }
    }

    /// Media can flow, or no longer. A client that has just ended its handshake may not be able yet to read what follows at once, and a
    /// keyframe without its first packet costs a round trip.
    pub(crate) fn set_connected(&mut self, now: Timestamp, connected: bool) {
        self.connected = connected;
        self.ready_at = connected.then(|| now + SETTLING);
        self.egress.interrupt();
        self.slots.iter_mut().for_each(Slot::interrupt);
    }

    /// Something came of it. Whether it is the first word, or ends a silence.
    pub(crate) fn hear(&mut self, now: Timestamp) -> bool {
        let is_first = self.heard.replace(now).is_none();
        std::mem::take(&mut self.is_silent) || is_first
    }

    /// Whether anything came of it in that time.
    pub(crate) fn was_heard(&self, now: Timestamp, within: Duration) -> bool {
        self.heard.is_some_and(|at| now - at <= within)
    }

    /// When it is silent if nothing comes until then; `None` while it is, or was never heard.
    pub(crate) fn silent_at(&self) -> Option<Timestamp> {
        self.heard.filter(|_| !self.is_silent).map(|heard| heard + SILENCE)
    }

    /// Looks whether it fell silent: not only its pictures, which may be still, but everything. Whether it did.
    pub(crate) fn notice_silence(&mut self, now: Timestamp) -> bool {
        self.is_silent = self.silent_at().is_some_and(|at| at <= now);
        self.is_silent
    }

    /// Nothing comes of it: whatever it published may be a ghost.
    pub(crate) fn is_silent(&self) -> bool {
        self.is_silent
    }

    /// When pictures may start that wait for the client.
    pub(crate) fn ready_at(&self) -> Option<Timestamp> {
        self.ready_at
    }

    /// Whether a picture that starts now is sent.
    pub(crate) fn is_ready(&self) -> bool {
        self.connected && self.ready_at.is_none()
    }

    /// Whether pictures may start that had to wait so far. True once.
    pub(crate) fn take_ready(&mut self, now: Timestamp) -> bool {
        self.ready_at.take_if(|at| *at <= now).is_some()
    }

    /// A packet for one of its slots. Where it starts the slot's target, what has already arrived behind it
    /// follows.
    pub(crate) fn forward(
        &mut self,
        now: Timestamp,
        slot: usize,
        origin: Origin,
        encoding: &Encoding,
        media: &Media,
        out: &mut Vec<Output>,
    ) -> Verdict {
        let slot = &mut self.slots[slot];
        let waits = slot.kind == MediaKind::Video && self.ready_at.is_some_and(|at| now < at);
        if !self.connected || waits {
            return Verdict::Drop;
        }
        let verdict = slot.handle(now, origin, media, &mut self.egress, out);
        if verdict == Verdict::Switch {
            if slot.kind == MediaKind::Video {
                self.egress.stats_mut().switches += 1;
            }
            for seq in media.seq + 1..=encoding.newest().unwrap_or(media.seq) {
                if let Some(later) = encoding.history.get(seq) {
                    slot.handle(now, origin, later, &mut self.egress, out);
                }
            }
        }
        verdict
    }

    /// Starts a slot's target at its newest keyframe, if that has just passed. Returns whether it did.
    pub(crate) fn replay(
        &mut self,
        now: Timestamp,
        slot: usize,
        origin: Origin,
        encoding: &Encoding,
        out: &mut Vec<Output>,
    ) -> bool {
        let recent = encoding.keyframe().filter(|_| encoding.has_keyframe_within(MAX_REPLAY));
        let Some(media) = recent.and_then(|seq| encoding.history.get(seq)) else { return false };
        self.forward(now, slot, origin, encoding, media, out) == Verdict::Switch
    }

    /// Sends what is due on the way to this participant. `keep` finds kept packets.
    pub(crate) fn run_egress<'a>(
        &mut self,
        now: Timestamp,
        keep: impl Fn(Origin, u64) -> Option<&'a Media>,
        out: &mut Vec<Output>,
    ) {
        while self.egress.poll(now, out) {
            match self.slots.iter_mut().find_map(|slot| slot.filler(now, &keep)) {
                Some(packet) => self.egress.send_filler(now, packet, out),
                None => self.egress.skip_filler(now),
            }
        }
    }

    /// Sends a sender report for every slot that is being sent; `ntp` is the present. Returns whether there
    /// was any.
    pub(crate) fn report(&self, now: Timestamp, ntp: u64, out: &mut Vec<Output>) -> bool {
        let before = out.len();
        let sent = self.slots.iter().filter(|slot| self.connected && slot.switch.current().is_some());
        let reports = sent.filter_map(|slot| slot.sender_report(now, ntp));
        out.extend(reports.map(|item| Output::Rtcp { to: self.id, item }));
        out.len() > before
    }
}
