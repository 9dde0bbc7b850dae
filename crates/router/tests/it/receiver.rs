//! A virtual receiver: what a browser would make of the packets of its slots.
//!
//! It believes what the protocol says (numbers, markers, picture ids) and compares with the truth in every
//! payload. A frame that it would decode, but whose packets or reference are not what they seem, is a mosaic
//! on a real screen and fails the test at once.

use std::collections::BTreeMap;
use std::time::Duration;

use packet::codec::vp8::Descriptor;
use packet::codec::vp9;
use packet::extension::dependency::{DependencyDescriptor, Structure};
use packet::{Codec, RtcpItem};
use router::{OutgoingPacket, PacketKind};
use units::{Timestamp, TwccSeq, Unwrapper};

use crate::source::Truth;

/// SSRCs and payload types of a slot by its position: the world and the receiver agree on them.
pub(crate) fn ssrc(slot: usize) -> u32 {
    1_000 + slot as u32 * 2
}
pub(crate) fn rtx_ssrc(slot: usize) -> u32 {
    ssrc(slot) + 1
}
pub(crate) const VP8: u8 = 100;
pub(crate) const VP8_RTX: u8 = 101;
pub(crate) const H264: u8 = 102;
pub(crate) const H264_RTX: u8 = 103;
pub(crate) const VP9: u8 = 104;
pub(crate) const VP9_RTX: u8 = 105;
pub(crate) const AV1: u8 = 106;
pub(crate) const AV1_RTX: u8 = 107;
pub(crate) const OPUS: u8 = 111;

/// A packet as it was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Packet {
    pub(crate) timestamp: u32,
    pub(crate) marker: bool,
    pub(crate) csrc: u32,
    pub(crate) codec: Codec,
    pub(crate) descriptor: Option<Descriptor>,
    pub(crate) vp9: Option<vp9::Descriptor>,
    pub(crate) dependency: Option<Box<[u8]>>,
    /// `None` for a packet that is only padding.
    pub(crate) truth: Option<Truth>,
    pub(crate) arrived: Timestamp,
    pub(crate) repaired: bool,
}

/// A run of packets with one timestamp.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) truth: Truth,
    pub(crate) timestamp: u32,
    /// Whether a decoder shows it.
    pub(crate) decoded: bool,
    /// When its last packet came.
    pub(crate) shown: Timestamp,
    pub(crate) last: u64,
}

/// Everything that came for one slot.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    pub(crate) packets: BTreeMap<u64, Packet>,
    unwrapper: Unwrapper<16>,
    rtx: Unwrapper<16>,
    pub(crate) retransmissions: Vec<(Timestamp, u64)>,
    /// Number, when it was last asked for, and how often.
    asked: BTreeMap<u64, (Timestamp, u32)>,
}

impl Stream {
    /// Numbers between the first and the last that never came.
    pub(crate) fn missing(&self) -> Vec<u64> {
        let (Some(first), Some(last)) = (self.packets.keys().next(), self.packets.keys().last()) else {
            return Vec::new();
        };
        (*first..=*last).filter(|seq| !self.packets.contains_key(seq)).collect()
    }

    /// The frames in order, decoded as far as they can be. Panics on anything a decoder would be fooled by.
    pub(crate) fn frames(&self) -> Vec<Frame> {
        let mut frames: Vec<Frame> = Vec::new();
        let mut decoder = Decoder::default();
        let media: Vec<(u64, &Packet)> =
            self.packets.iter().filter(|(_, p)| p.truth.is_some()).map(|(seq, p)| (*seq, p)).collect();
        for run in media.chunk_by(|(_, a), (_, b)| a.timestamp == b.timestamp) {
            let (first, last) = (run[0], run[run.len() - 1]);
            if let Some(before) = frames.last() {
                let ahead = first.1.timestamp.wrapping_sub(before.timestamp);
                assert!(ahead < 1 << 31, "time went back at {}: {before:?} then {:?}", first.0, first.1);
            }
            let truth = first.1.truth.unwrap();
            let shown = run.iter().map(|(_, p)| p.arrived).max().unwrap();
            let complete = self.is_complete(run);
            if complete {
                check_complete(run);
            }
            let decoded = complete && decoder.decode(first, last);
            let timestamp = first.1.timestamp;
            frames.push(Frame { truth, timestamp, decoded, shown, last: last.0 });
        }
        frames
    }

    /// Frames that a decoder shows.
    pub(crate) fn decoded(&self) -> Vec<Frame> {
        self.frames().into_iter().filter(|frame| frame.decoded).collect()
    }

    /// Publisher and encoding of what was shown, without repetitions.
    pub(crate) fn shown(&self) -> Vec<(u32, u8)> {
        let mut shown: Vec<(u32, u8)> =
            self.decoded().iter().map(|frame| (frame.truth.publisher, frame.truth.encoding)).collect();
        shown.dedup();
        shown
    }

    /// The longest time between two shown frames.
    pub(crate) fn longest_pause(&self) -> Duration {
        let frames = self.decoded();
        frames.windows(2).map(|pair| pair[1].shown - pair[0].shown).max().unwrap_or_default()
    }

    /// Whether the protocol says that a run of packets is a whole frame.
    fn is_complete(&self, run: &[(u64, &Packet)]) -> bool {
        let (first, last) = (run[0], run[run.len() - 1]);
        let contiguous = last.0 - first.0 + 1 == run.len() as u64;
        let dependency = first.1.dependency.as_ref().map(|bytes| bytes[0] & 0x80 != 0);
        let started = first.1.vp9.map(|descriptor| descriptor.start).or(dependency);
        let starts = match first.1.descriptor.map(|descriptor| descriptor.starts_frame()).or(started) {
            Some(starts) => starts,
            // Without a start in the payload, the end of the frame before has to be known.
            None => match self.packets.get(&(first.0 - 1)) {
                Some(before) => before.marker || before.truth.is_none(),
                None => first.1.truth.is_some_and(|truth| truth.keyframe && truth.index == 0),
            },
        };
        contiguous && starts && last.1.marker
    }

    fn receive(
        &mut self,
        now: Timestamp,
        packet: &OutgoingPacket,
        codec: Codec,
        sequence: u16,
        repaired: bool,
    ) {
        let prefix = if repaired { &packet.prefix[2..] } else { &packet.prefix[..] };
        let bytes: Vec<u8> = prefix.iter().chain(packet.payload.iter()).copied().collect();
        let has = |of: Codec| codec == of && !packet.payload.is_empty();
        let descriptor =
            has(Codec::Vp8).then(|| Descriptor::parse(&bytes).expect("a receiver can parse what it gets").0);
        let vp9 = has(Codec::Vp9)
            .then(|| vp9::Descriptor::parse(&bytes).expect("a receiver can parse what it gets").0);
        let received = Packet {
            timestamp: packet.header.timestamp,
            marker: packet.header.marker,
            csrc: packet.header.csrc.expect("every packet says who is in it"),
            codec,
            descriptor,
            vp9,
            dependency: packet.header.dependency.clone(),
            truth: (!packet.payload.is_empty()).then(|| Truth::read(&packet.payload)),
            arrived: now,
            repaired,
        };
        let seq = self.unwrapper.unwrap(u64::from(sequence));
        match self.packets.get(&seq) {
            None => {
                if repaired {
                    assert!(
                        seq <= *self.packets.keys().last().unwrap(),
                        "repairs a number that was never sent"
                    );
                }
                self.packets.insert(seq, received);
            }
            Some(before) => {
                assert!(repaired, "number {sequence} was used twice");
                let again = Packet { arrived: before.arrived, repaired: before.repaired, ..received };
                assert_eq!(*before, again, "a retransmission repeats what was sent");
            }
        }
        self.asked.remove(&seq);
    }
}

/// What was decoded, in the terms of each codec and in truth.
#[derive(Default)]
struct Decoder {
    /// Publisher, encoding and frame of all since the last keyframe.
    decoded: Vec<(u32, u8, u32)>,
    /// The last number that was decoded.
    last: u64,
    /// Picture id of the newest frame, TL0PICIDX of the newest base frame.
    picture: Option<u16>,
    tl0: Option<u8>,
    /// Picture ids since the newest base frame.
    pictures: Vec<u16>,
    /// Frame numbers of dependency descriptors, and the structure that holds.
    numbers: Vec<u16>,
    structure: Option<Structure>,
}

/// A run that looks whole must be one frame of one encoding of one publisher.
fn check_complete(run: &[(u64, &Packet)]) {
    let truths: Vec<Truth> = run.iter().map(|(_, packet)| packet.truth.unwrap()).collect();
    for (index, truth) in truths.iter().enumerate() {
        let expected = Truth { index: index as u8, ..truths[0] };
        assert_eq!(*truth, expected, "a frame made of pieces of others at {}", run[0].0);
        assert_eq!(run[index].1.csrc, truth.publisher, "the CSRC names who is seen");
    }
    assert_eq!(truths.len(), usize::from(truths[0].count), "a frame without its end at {}", run[0].0);
}

impl Decoder {
    /// Takes a whole frame, as libwebrtc would: by what the codec says of its references, else by number. A frame that
    /// looks as if all it needs were there, and whose true reference is not, would be a mosaic.
    fn decode(&mut self, first: (u64, &Packet), last: (u64, &Packet)) -> bool {
        let truth = first.1.truth.unwrap();
        let follows = match first.1.codec {
            Codec::Vp8 => self.follows_vp8(&first.1.descriptor.unwrap(), truth.keyframe, first.0),
            Codec::Vp9 => self.follows_vp9(&first.1.vp9.unwrap(), &truth, first.0),
            Codec::Av1 => {
                self.follows_av1(first.1.dependency.as_ref().expect("never without"), truth.keyframe)
            }
            _ => truth.keyframe || (!self.decoded.is_empty() && first.0 == self.last + 1),
        };
        if !follows {
            return false;
        }
        if truth.keyframe {
            self.decoded.clear();
        } else {
            let reference = (truth.publisher, truth.encoding, truth.frame - u32::from(truth.back));
            assert!(
                self.decoded.contains(&reference),
                "decoded upon the wrong picture at {}: {truth:?}",
                first.0
            );
        }
        self.decoded.push((truth.publisher, truth.encoding, truth.frame));
        self.last = last.0;
        true
    }

    /// RFC 7741 §4.2 and libwebrtc: a base frame follows the one before by TL0PICIDX, others need every picture since
    /// their base frame, unless they say that they need that one alone.
    fn follows_vp8(&mut self, descriptor: &Descriptor, keyframe: bool, at: u64) -> bool {
        let (picture, tl0) = (descriptor.picture_id.unwrap(), descriptor.tl0_picture_index.unwrap());
        let temporal = descriptor.temporal.unwrap();
        if let Some(before) = self.picture {
            let ahead = picture.wrapping_sub(before) & 0x7fff;
            assert!(
                (1..1 << 14).contains(&ahead),
                "picture ids went back at {at}: {before} {picture} {temporal:?} {:?} {tl0}",
                self.tl0
            );
        }
        if let Some(before) = self.tl0 {
            let base = u8::from(temporal.layer == 0);
            assert!((base..128).contains(&tl0.wrapping_sub(before)), "TL0PICIDX stood or went back at {at}");
        }
        let next = self.pictures.last().map(|last| last.wrapping_add(1) & 0x7fff);
        let follows = match temporal.layer {
            _ if keyframe => true,
            0 => self.tl0.is_some_and(|before| tl0 == before.wrapping_add(1)),
            _ => self.tl0 == Some(tl0) && (temporal.sync || next == Some(picture)),
        };
        if follows {
            if temporal.layer == 0 {
                self.pictures.clear();
                self.tl0 = Some(tl0);
            }
            // What comes behind a gap may not count on what lies in it.
            if self.pictures.is_empty() || next == Some(picture) {
                self.pictures.push(picture);
            }
            self.picture = Some(picture);
        }
        follows
    }

    /// RFC 9628 §4.2. The groups of pictures would tell what an upper frame needs; here the truth does.
    fn follows_vp9(&mut self, descriptor: &vp9::Descriptor, truth: &Truth, at: u64) -> bool {
        let (picture, tl0) = (descriptor.picture_id.unwrap(), descriptor.tl0_picture_index.unwrap());
        let temporal = descriptor.layers.unwrap().temporal;
        if let Some(before) = self.picture {
            let ahead = picture.wrapping_sub(before) & 0x7fff;
            assert!((1..1 << 14).contains(&ahead), "picture ids went back at {at}");
        }
        let reference = (truth.publisher, truth.encoding, truth.frame.wrapping_sub(u32::from(truth.back)));
        let follows = match temporal {
            _ if truth.keyframe => true,
            0 => self.tl0.is_some_and(|before| tl0 == before.wrapping_add(1)),
            _ => self.tl0 == Some(tl0) && self.decoded.contains(&reference),
        };
        if follows {
            self.tl0 = Some(tl0);
            self.picture = Some(picture);
        }
        follows
    }

    /// AV1 RTP payload format, appendix A: by frame numbers and differences.
    fn follows_av1(&mut self, bytes: &[u8], keyframe: bool) -> bool {
        let Ok(descriptor) = DependencyDescriptor::parse(bytes, self.structure.as_ref()) else {
            return false;
        };
        if let Some(structure) = descriptor.structure.clone() {
            self.structure = Some(structure);
            self.numbers.clear();
        }
        assert_eq!(keyframe, descriptor.furthest == 0, "a frame that refers to nothing is a keyframe");
        let number = descriptor.frame_number;
        let follows = keyframe || self.numbers.contains(&number.wrapping_sub(descriptor.furthest));
        if follows {
            self.numbers.push(number);
        }
        follows
    }
}

/// A participant's receiving half.
#[derive(Debug, Default)]
pub(crate) struct Receiver {
    pub(crate) streams: BTreeMap<u32, Stream>,
    next_transport_wide: TwccSeq,
    pub(crate) sent: u64,
    /// Asks for what is missing, this often per round trip.
    pub(crate) nack_after: Option<Duration>,
}

impl Receiver {
    /// What is on a slot.
    pub(crate) fn slot(&self, slot: usize) -> &Stream {
        &self.streams[&ssrc(slot)]
    }

    /// A packet left for this receiver; `lost` when it does not arrive.
    pub(crate) fn receive(&mut self, now: Timestamp, packet: &OutgoingPacket, lost: bool) {
        let header = &packet.header;
        assert_eq!(
            header.transport_wide,
            Some(self.next_transport_wide.wire()),
            "transport-wide numbers have no gaps, whatever is sent"
        );
        self.next_transport_wide = self.next_transport_wide.plus(1);
        self.sent += 1;
        if lost {
            return;
        }
        let codec = match header.payload_type {
            VP8 | VP8_RTX => Codec::Vp8,
            VP9 | VP9_RTX => Codec::Vp9,
            AV1 | AV1_RTX => Codec::Av1,
            H264 | H264_RTX => Codec::H264,
            OPUS => Codec::Opus,
            other => panic!("payload type {other} was not agreed"),
        };
        let is_rtx = packet.kind == PacketKind::Rtx;
        assert_eq!(is_rtx, header.ssrc % 2 == 1, "retransmissions have a stream of their own");
        assert_eq!(is_rtx, matches!(header.payload_type, VP8_RTX | H264_RTX | VP9_RTX | AV1_RTX));
        let stream = self.streams.entry(header.ssrc & !1).or_default();
        if is_rtx {
            let last = stream.rtx.newest();
            let number = stream.rtx.unwrap(u64::from(header.sequence));
            // A retransmission may be lost itself, but is never repeated under its own number.
            assert!(last.is_none_or(|last| number > last), "the stream of retransmissions counts for itself");
            let original = u16::from_be_bytes([packet.prefix[0], packet.prefix[1]]);
            stream.receive(now, packet, codec, original, true);
            let seq = stream.unwrapper.peek(u64::from(original));
            stream.retransmissions.push((now, seq));
        } else {
            stream.receive(now, packet, codec, header.sequence, false);
        }
    }

    /// Requests for what is missing, as a browser makes them: again after a round trip, ten times at most.
    pub(crate) fn nacks(&mut self, now: Timestamp) -> Vec<RtcpItem> {
        let Some(rtt) = self.nack_after else { return Vec::new() };
        let mut items = Vec::new();
        for (ssrc, stream) in &mut self.streams {
            let newest = stream.packets.keys().last().copied().unwrap_or(0);
            let missing = stream.missing().into_iter().filter(|seq| seq + 500 > newest);
            let mut lost = smallvec::SmallVec::new();
            for seq in missing {
                let (at, count) = stream.asked.entry(seq).or_insert((Timestamp::ZERO, 0));
                if *count < 10 && (*count == 0 || now - *at >= rtt) {
                    (*at, *count) = (now, *count + 1);
                    lost.push(seq as u16);
                }
            }
            if !lost.is_empty() {
                items.push(RtcpItem::Nack { sender_ssrc: 1, media_ssrc: *ssrc, lost });
            }
        }
        items
    }
}
