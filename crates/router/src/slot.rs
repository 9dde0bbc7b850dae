//! One receive section of a participant: a stream that never breaks, whatever is mapped onto it.
//!
//! Owns the stream's identity (SSRCs, payload types), its numbers, what it is to show and what it shows, its
//! counts and its reports. Leaves which publication it is to show to `assign` and which encoding to
//! `selector`.

use std::time::Duration;

use packet::extension::dependency::Edit;
use packet::rtx::osn;
use packet::{MediaKind, Mid, OutgoingHeader, RtcpItem};
use rand::Rng;
use selector::{CodecSet, Reason, Stability};
use units::Timestamp;

use crate::egress::Egress;
use crate::input::{SlotCodec, SlotSection, SlotView, Want};
use crate::media::{Descriptor, Layer, Media, Read};
use crate::output::Output;
use crate::retransmit::{Cause, Retransmitter};
use crate::rewrite::pictures::FrameNumbers;
use crate::rewrite::time::Landing;
use crate::rewrite::{Origin, Rewriter, Rewritten, Sent};
use crate::select;
use crate::switch::{Switch, Verdict};
use crate::thinning::{Fate, Thinning};
use crate::{NextStep, OutgoingPacket, PacketKind, Prefix, PublicationId};

/// Packets that name their section. Receivers know the SSRC from the answer; the name is for those that did
/// not read it.
const NAMED_PACKETS: u32 = 100;
/// Requests for a keyframe from one receiver's slot are heeded once in this time, so that no single receiver
/// can make a publisher send keyframes only.
const REQUEST_INTERVAL: Duration = Duration::from_millis(500);

/// How far back packets are repeated that nobody asked for: what a receiver may just have lost is of use to
/// it.
const FILLER_REACH: u16 = 32;

/// Why a slot shows what it shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Explanation {
    pub(crate) reason: Reason,
    pub(crate) next: Option<NextStep>,
}

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) mid: Mid,
    pub(crate) kind: MediaKind,
    pub(crate) ssrc: u32,
    pub(crate) view: SlotView,
    /// What it is to show.
    pub(crate) shows: Option<PublicationId>,
    pub(crate) switch: Switch,
    pub(crate) stability: Stability,
    pub(crate) explanation: Explanation,
    /// Pixels of its picture when its receiver last said how decoding went.
    pub(crate) reported_pixels: u64,
    rtx_ssrc: Option<u32>,
    active: bool,
    codecs: Vec<SlotCodec>,
    /// Which layers of the target are wanted.
    wish: Layer,
    thinning: Thinning,
    rewriter: Rewriter,
    retransmitter: Retransmitter,
    /// RFC 3550 §6.4.1: both wrap.
    packets: u32,
    octets: u32,
    named: u32,
    request_heeded: Option<Timestamp>,
    /// Packets that were repeated without being asked for.
    filled: u16,
}

impl Slot {
    /// A slot that shows nothing. The first numbers of its streams are drawn from `rng` (RFC 3550 §5.1).
    pub(crate) fn new(section: &SlotSection, rng: &mut impl Rng) -> Self {
        let clock_rate = match section.kind {
            MediaKind::Audio => 48_000,
            MediaKind::Video => 90_000,
        };
        let (numbers, timestamp) = (rng.next_u64(), rng.next_u32());
        Self {
            mid: section.mid,
            kind: section.kind,
            ssrc: section.ssrc,
            view: SlotView::new(section.mid, Want::Auto),
            shows: None,
            switch: Switch::default(),
            stability: Stability::default(),
            explanation: Explanation { reason: Reason::PublisherOff, next: None },
            reported_pixels: 0,
            rtx_ssrc: section.rtx_ssrc,
            active: section.active,
            codecs: section.codecs.clone(),
            wish: Layer::ALL,
            thinning: Thinning::default(),
            rewriter: Rewriter::new(clock_rate, numbers as u16, timestamp, (numbers >> 16) as u16),
            retransmitter: Retransmitter::new((numbers >> 32) as u16 & 0x7fff),
            packets: 0,
            octets: 0,
            named: 0,
            request_heeded: None,
            filled: 0,
        }
    }

    /// What was agreed changed. The slot keeps its numbers: its SSRC goes on.
    pub(crate) fn set_section(&mut self, section: &SlotSection) {
        self.active = section.active;
        self.codecs.clone_from(&section.codecs);
        self.rtx_ssrc = section.rtx_ssrc;
    }

    /// Whether anything can be sent in it.
    pub(crate) fn is_active(&self) -> bool {
        self.active
    }

    /// What it is to show, as far as anything can be.
    pub(crate) fn wants(&self) -> Want {
        if self.active { self.view.want } else { Want::Nothing }
    }

    /// Whether packets of that codec can be sent in it.
    pub(crate) fn accepts(&self, codec: packet::Codec) -> bool {
        self.codec(codec).is_some()
    }

    /// The codecs of pictures that can be sent in it.
    pub(crate) fn codecs(&self) -> CodecSet {
        self.codecs.iter().filter_map(|agreed| select::codec(agreed.codec)).collect()
    }

    /// Sets the target and which of its layers are wanted. While a smaller picture is waited for, `relieve` leaves only
    /// the base temporal layer of what is on the wire. Returns whether anything changed.
    pub(crate) fn aim(&mut self, target: Option<(Origin, Layer)>, relieve: bool) -> bool {
        let changed = self.switch.set_target(target.map(|(origin, _)| origin));
        let wish = target.map_or(Layer::ALL, |(_, layer)| layer);
        let thinned = std::mem::replace(&mut self.wish, wish) != wish;
        if self.switch.waits_for().is_none() {
            self.thinning.set_target(wish);
        } else if relieve {
            self.thinning.set_target(Layer { temporal: 0, ..self.thinning.current() });
        }
        changed || thinned
    }

    /// Which layers of the target are wanted.
    pub(crate) fn wish(&self) -> Layer {
        self.wish
    }

    /// Which layers of what is on the wire are sent.
    pub(crate) fn limit(&self) -> Layer {
        self.thinning.current()
    }

    /// The path to the receiver was interrupted or is new: a picture has to start anew, and the section is
    /// named again.
    pub(crate) fn interrupt(&mut self) {
        self.switch.interrupt();
        self.named = 0;
    }

    /// Whether a receiver's request for a keyframe is heeded; a slot that is to show nothing has nothing to
    /// ask for.
    pub(crate) fn heed_request(&mut self, now: Timestamp) -> Option<Origin> {
        let origin = self.switch.waits_for().or(self.switch.current())?;
        if self.request_heeded.is_some_and(|at| now - at < REQUEST_INTERVAL) {
            return None;
        }
        self.request_heeded = Some(now);
        Some(origin)
    }

    /// Judges a packet and, if it is of use, sends it.
    pub(crate) fn handle(
        &mut self,
        now: Timestamp,
        origin: Origin,
        media: &Media,
        egress: &mut Egress,
        out: &mut Vec<Output>,
    ) -> Verdict {
        let Some(codec) = self.codec(media.codec) else { return Verdict::Drop };
        let is_audio = self.kind == MediaKind::Audio;
        // A keyframe that comes late after an absence lies behind what was sent before it.
        let is_behind = || self.rewriter.is_behind(origin, media.seq);
        let start = media.keyframe_start && !media.is_padding() && !is_behind();
        // Sound has no keyframes and cannot wait.
        let landing = || if is_audio { Landing::Good } else { self.rewriter.landing(media.capture) };
        let verdict = self.switch.judge(now, origin, start, landing);
        match verdict {
            Verdict::Drop => {}
            Verdict::Switch => {
                self.abandon(egress);
                self.thinning.start(origin, media, self.wish);
                let rewritten = self.rewriter.switch(origin, media);
                // RFC 3551 §4.1: the marker of sound says that a stretch of it begins.
                let marker = is_audio || self.ends_picture(origin, media);
                self.send(now, codec, origin, media, marker, rewritten, egress, out);
            }
            Verdict::Forward => self.forward(now, codec, origin, media, egress, out),
        }
        verdict
    }

    /// Sends a packet of what is on the wire, unless its layer is not wanted.
    fn forward(
        &mut self,
        now: Timestamp,
        codec: SlotCodec,
        origin: Origin,
        media: &Media,
        egress: &mut Egress,
        out: &mut Vec<Output>,
    ) {
        let late = self.rewriter.is_late(media.seq);
        let fate = match media.is_padding() {
            true => Fate::Send,
            false => self.thinning.judge(origin, media, late),
        };
        match fate {
            Fate::Send => {
                if let Some(rewritten) = self.rewriter.forward(media) {
                    let marker = self.ends_picture(origin, media);
                    let number = rewritten.sequence as u16;
                    self.send(now, codec, origin, media, marker, rewritten, egress, out);
                    // It was lost on its publisher's path.
                    if late
                        && !media.is_padding()
                        && let Some((sequence, sent)) = self.rewriter.find(number)
                    {
                        self.double(now, sequence, &sent, media, egress, out);
                    }
                }
            }
            Fate::Drop { first } => self.rewriter.leave_out(media, first),
            Fate::Fill => {
                let body = bytes::Bytes::new();
                let empty = Media { marker: false, head: None, dependency: None, body, ..media.clone() };
                if let Some(rewritten) = self.rewriter.forward(&empty) {
                    self.send(now, codec, origin, &empty, false, rewritten, egress, out);
                }
            }
        }
    }

    /// Whether a packet that is sent is the last of its picture for the receiver.
    fn ends_picture(&mut self, origin: Origin, media: &Media) -> bool {
        let ends = self.thinning.ends_picture(origin, media);
        if ends && !media.marker && self.rewriter.is_newest(media.seq) {
            self.rewriter.ends_picture();
        }
        ends
    }

    /// Drops what waits of the stream so far: whoever could decode it is shown something else in a moment.
    pub(crate) fn abandon(&mut self, egress: &mut Egress) {
        if let Some(abandoned) = egress.abandon(self.ssrc) {
            self.rewriter.retreat(abandoned.first);
            self.packets = self.packets.wrapping_sub(abandoned.packets);
            self.octets = self.octets.wrapping_sub(abandoned.octets);
        }
    }

    /// Repeats the packet with that number on the wire, if it was sent, is still kept and no copy of it is on its way.
    /// `keep` finds kept packets.
    pub(crate) fn repair<'a>(
        &mut self,
        now: Timestamp,
        wire: u16,
        cause: Cause,
        keep: impl FnOnce(Origin, u64) -> Option<&'a Media>,
        egress: &mut Egress,
        out: &mut Vec<Output>,
    ) {
        let found = self.rewriter.find(wire);
        let kept = found.and_then(|(sequence, sent)| {
            let media = keep(sent.origin, sent.incoming)
                .filter(|media| !media.is_padding() && self.thinning.was_sent(sent.origin, media))?;
            Some((sequence, sent, media))
        });
        let Some((sequence, sent, media)) = kept else {
            egress.stats_mut().retransmissions_missed += u64::from(cause == Cause::Asked);
            return;
        };
        if self.rtx_ssrc.is_none() {
            return;
        }
        if !self.retransmitter.may_repeat(now, sequence, media.arrival, cause, egress.rtt()) {
            egress.stats_mut().retransmissions_held_back += u64::from(cause == Cause::Asked);
            return;
        }
        if !egress.spend_repair(media.body.len()) {
            return;
        }
        if let Some(packet) = self.repetition(now, sequence, &sent, media, PacketKind::Rtx) {
            egress.send(now, packet, out);
        }
        self.double(now, sequence, &sent, media, egress, out);
    }

    /// Sends a copy of what is late already, where the path would make the picture wait for another round trip.
    fn double(
        &mut self,
        now: Timestamp,
        sequence: u64,
        sent: &Sent,
        media: &Media,
        egress: &mut Egress,
        out: &mut Vec<Output>,
    ) {
        if self.rtx_ssrc.is_none() || !egress.doubles() || !egress.spend_repair(media.body.len()) {
            return;
        }
        if let Some(packet) = self.repetition(now, sequence, sent, media, PacketKind::Rtx) {
            // It may overtake the packet itself, whose number is out then even if what waits is abandoned.
            egress.note_left(self.ssrc, sequence as u16, packet.header.timestamp);
            egress.send(now, packet, out);
        }
    }

    /// A packet that nobody asked for, to learn what the path carries: one of the latest again, or one of
    /// padding only where none is kept. `None` before anything was sent, and where there is no retransmission
    /// stream to send it on.
    pub(crate) fn filler<'a>(
        &mut self,
        now: Timestamp,
        keep: impl FnOnce(Origin, u64) -> Option<&'a Media>,
    ) -> Option<OutgoingPacket> {
        let newest = self.rewriter.newest()?;
        let back = self.filled % FILLER_REACH;
        self.filled = self.filled.wrapping_add(1);
        let kept = self
            .rewriter
            .find(newest.wrapping_sub(back))
            .and_then(|(sequence, sent)| Some((sequence, sent, keep(sent.origin, sent.incoming)?)))
            .filter(|(_, sent, media)| !media.is_padding() && self.thinning.was_sent(sent.origin, media));
        if let Some((sequence, sent, media)) = kept {
            return self.repetition(now, sequence, &sent, media, PacketKind::Padding);
        }
        let payload_type = self.codecs.iter().find_map(|codec| codec.rtx_payload_type)?;
        let number = self.retransmitter.number();
        let timestamp = self.rewriter.timestamp_at(now)?;
        Some(OutgoingPacket {
            slot: self.mid,
            header: OutgoingHeader::new(self.rtx_ssrc?, payload_type, number, timestamp, false),
            prefix: Prefix::new(),
            payload: bytes::Bytes::new(),
            padding: u8::MAX,
            kind: PacketKind::Padding,
        })
    }

    /// A packet once more, on the retransmission stream (RFC 4588 §4: the original's timestamp and marker, a
    /// number of its own, and the original's in front). Without that stream nothing can be repeated: the same
    /// number under another transport-wide number would be another plaintext under the same nonce (RFC 7714
    /// §8.1).
    fn repetition(
        &mut self,
        now: Timestamp,
        sequence: u64,
        sent: &Sent,
        media: &Media,
        kind: PacketKind,
    ) -> Option<OutgoingPacket> {
        let ssrc = self.rtx_ssrc?;
        let payload_type = self.codec(media.codec)?.rtx_payload_type?;
        let rewritten = sent.rewrite(media);
        let number = self.retransmitter.repeat(now, sequence);
        let marker = self.thinning.ends_picture(sent.origin, media);
        let mut header = OutgoingHeader::new(ssrc, payload_type, number, rewritten.timestamp, marker);
        header.csrc = Some(media.publisher.0);
        header.mid = self.name();
        header.dependency = self.dependency(sent.origin, media, &rewritten);
        let mut prefix = Prefix::from_slice(&osn(rewritten.sequence as u16));
        write_descriptor(&rewritten, &mut prefix);
        Some(OutgoingPacket { slot: self.mid, header, prefix, payload: media.body.clone(), padding: 0, kind })
    }

    /// A sender report of our own, from the outgoing timeline and counts (RFC 3550 §6.4.1). `None` before
    /// anything was sent. `ntp` is the present.
    pub(crate) fn sender_report(&self, now: Timestamp, ntp: u64) -> Option<RtcpItem> {
        let rtp_time = self.rewriter.timestamp_at(now)?;
        Some(RtcpItem::SenderReport {
            ssrc: self.ssrc,
            ntp,
            rtp_time,
            packets: self.packets,
            octets: self.octets,
            reports: Default::default(),
        })
    }

    /// The dependency descriptor that the receiver gets. With every picture of the lowest layers it names the decode
    /// targets that are sent, where there is a choice of them.
    fn dependency(&self, origin: Origin, media: &Media, rewritten: &Rewritten) -> Option<Box<[u8]>> {
        // The other codecs say in their payload what a receiver has to know.
        let dependency = media.dependency.as_deref().filter(|_| media.codec == packet::Codec::Av1)?;
        let FrameNumbers { frame, template_shift } = rewritten.numbers?;
        let Some(Read { descriptor, structure, active }) = &dependency.read else {
            let written = dependency.fields.rewrite(&dependency.bytes, frame, template_shift);
            return Some(written.as_slice().into());
        };
        let is_base = descriptor.start && media.standing.layer == Layer::default();
        let limit = self.thinning.limit(origin, media.timestamp);
        let within = structure.targets_within(limit.spatial, limit.temporal);
        let active = Some(active & within).filter(|_| is_base && structure.targets() > 1);
        let edit = Edit { frame_number: frame, template_shift, active };
        Some(descriptor.rewrite(&dependency.bytes, &edit).as_slice().into())
    }

    fn codec(&self, codec: packet::Codec) -> Option<SlotCodec> {
        self.codecs.iter().copied().find(|candidate| candidate.codec == codec)
    }

    fn name(&self) -> Option<Mid> {
        (self.named < NAMED_PACKETS).then_some(self.mid)
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the last step of the hot path: a struct would only be taken apart"
    )]
    fn send(
        &mut self,
        now: Timestamp,
        codec: SlotCodec,
        origin: Origin,
        media: &Media,
        marker: bool,
        rewritten: Rewritten,
        egress: &mut Egress,
        out: &mut Vec<Output>,
    ) {
        let (payload_type, payload) = repeating(media, codec).unwrap_or((codec.payload_type, &media.body));
        let header = OutgoingHeader {
            csrc: Some(media.publisher.0),
            mid: self.name(),
            audio_level: media.audio_level,
            dependency: self.dependency(origin, media, &rewritten),
            ..OutgoingHeader::new(
                self.ssrc,
                payload_type,
                rewritten.sequence as u16,
                rewritten.timestamp,
                marker,
            )
        };
        let mut prefix = Prefix::new();
        write_descriptor(&rewritten, &mut prefix);
        let (kind, padding) = match (media.is_padding(), self.kind) {
            // A number that was promised to the receiver and turned out to carry nothing.
            (true, _) => (PacketKind::Padding, 1),
            (false, MediaKind::Audio) => (PacketKind::Audio, 0),
            (false, MediaKind::Video) => (PacketKind::Media, 0),
        };
        let packet =
            OutgoingPacket { slot: self.mid, header, prefix, payload: payload.clone(), padding, kind };
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(packet.body_size() as u32);
        self.named = self.named.saturating_add(1);
        egress.send(now, packet, out);
    }
}

/// A packet with the earlier sound that it repeats, for a slot that takes it and counts its codecs as the publisher does: what
/// is repeated says its codec by payload type (RFC 2198 §3).
fn repeating(media: &Media, codec: SlotCodec) -> Option<(u8, &bytes::Bytes)> {
    let redundant = media.redundant.as_ref().filter(|it| it.payload_type == codec.payload_type)?;
    Some((codec.red_payload_type?, &redundant.whole))
}

/// Appends the payload descriptor that the receiver gets, if the codec has one.
fn write_descriptor(rewritten: &Rewritten, prefix: &mut Prefix) {
    let mut bytes = [0; packet::codec::vp8::MAX_DESCRIPTOR];
    let length = match rewritten.descriptor {
        Some(Descriptor::Vp8(descriptor)) => descriptor.write(&mut &mut bytes[..]),
        Some(Descriptor::Vp9(descriptor)) => descriptor.write(&mut &mut bytes[..]),
        None => return,
    };
    prefix.extend_from_slice(&bytes[..length]);
}
