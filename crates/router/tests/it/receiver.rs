//! A virtual receiver: what a browser would make of the packets of its slots.
//!
//! It believes what the protocol says (numbers, markers, picture ids) and compares with the truth in every
//! payload. A frame that it would decode, but whose packets or reference are not what they seem, is a mosaic
//! on a real screen and fails the test at once.

use std::collections::BTreeMap;
use std::time::Duration;

use packet::codec::vp8::Descriptor;
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
pub(crate) const OPUS: u8 = 111;

/// A packet as it was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Packet {
    pub(crate) timestamp: u32,
    pub(crate) marker: bool,
    pub(crate) csrc: u32,
    pub(crate) codec: Codec,
    pub(crate) descriptor: Option<Descriptor>,
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
        let mut decoder: Option<Decoded> = None;
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
            let decoded = complete && decode(&mut decoder, first, last);
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
        let starts = match &first.1.descriptor {
            Some(descriptor) => descriptor.starts_frame(),
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
        let descriptor = (codec == Codec::Vp8 && !packet.payload.is_empty()).then(|| {
            let bytes: Vec<u8> = prefix.iter().chain(packet.payload.iter()).copied().collect();
            Descriptor::parse(&bytes).expect("a receiver can parse what it gets").0
        });
        let received = Packet {
            timestamp: packet.header.timestamp,
            marker: packet.header.marker,
            csrc: packet.header.csrc.expect("every packet says who is in it"),
            codec,
            descriptor,
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

/// The last frame that was decoded.
struct Decoded {
    truth: Truth,
    picture: Option<u16>,
    tl0: Option<u8>,
    last: u64,
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

/// Feeds a whole frame to the decoder, as libwebrtc would: VP8 by picture id, others by number.
fn decode(decoder: &mut Option<Decoded>, first: (u64, &Packet), last: (u64, &Packet)) -> bool {
    let truth = first.1.truth.unwrap();
    let picture = first.1.descriptor.and_then(|d| d.picture_id);
    let tl0 = first.1.descriptor.and_then(|d| d.tl0_picture_index);
    if let (Some(before), Some(picture)) = (&decoder, picture)
        && let Some(previous) = before.picture
    {
        let ahead = picture.wrapping_sub(previous) & 0x7fff;
        assert!((1..1 << 14).contains(&ahead), "picture ids went back at {}", first.0);
        let tl0_ahead = tl0.unwrap().wrapping_sub(before.tl0.unwrap());
        assert_eq!(
            u16::from(tl0_ahead),
            ahead & 0xff,
            "TL0PICIDX does not follow the pictures at {}",
            first.0
        );
    }
    let follows = decoder.as_ref().is_some_and(|before| match (picture, before.picture) {
        (Some(picture), Some(previous)) => picture == previous.wrapping_add(1) & 0x7fff,
        _ => first.0 == before.last + 1,
    });
    if !truth.keyframe && !follows {
        return false;
    }
    if let Some(before) = decoder.as_ref().filter(|_| !truth.keyframe) {
        let reference = (before.truth.publisher, before.truth.encoding, before.truth.frame + 1);
        let needed = (truth.publisher, truth.encoding, truth.frame);
        assert_eq!(reference, needed, "decoded upon the wrong picture at {}", first.0);
    }
    *decoder = Some(Decoded { truth, picture, tl0, last: last.0 });
    true
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
            H264 | H264_RTX => Codec::H264,
            OPUS => Codec::Opus,
            other => panic!("payload type {other} was not agreed"),
        };
        let is_rtx = packet.kind == PacketKind::Rtx;
        assert_eq!(is_rtx, header.ssrc % 2 == 1, "retransmissions have a stream of their own");
        assert_eq!(is_rtx, matches!(header.payload_type, VP8_RTX | H264_RTX));
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
