//! A room whose receivers are watched by a model of what a decoder can bear.
//!
//! Two cameras of three encodings each (VP8 and H.264), one viewer with one slot. The input says what is sent, lost,
//! repeated, late or garbage, what the viewer looks at, asks for and when it is away. The model knows every packet that
//! was sent, and nothing of the room's insides. It promises:
//!
//! - every number of the slot's stream is used once, and transport-wide numbers have no gaps;
//! - where the stream goes from one encoding to another, in the order of its numbers, and where it begins or goes on after
//!   an absence, there is the start of a keyframe;
//! - within one encoding the order of numbers is the order of the encoder's;
//! - timestamps and picture ids do not go back;
//! - a retransmission repeats what was sent under the number that it names, or will be: it may overtake a packet that waits;
//! - once all is calm, the picture comes.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use packet::codec::vp8::{Descriptor, FrameHeader, Temporal};
use packet::{Codec, Extensions, MediaKind, Mid, Rid, RtcpItem, RtpPacket, codec};
use router::{
    Config, Incoming, OutgoingPacket, Output, PacketKind, ParticipantId, Room, SendingSection, SlotCodec,
    SlotSection, SlotView, Want,
};
use selector::{DeviceClass, Presets, Reported};
use units::{Timestamp, Unwrapper};

use crate::input::Input;

const VIEWER: ParticipantId = ParticipantId(9);
const RIDS: [&str; 3] = ["q", "h", "f"];
const SIZES: [(u16, u16); 3] = [(320, 180), (640, 360), (1280, 720)];
const SSRC: u32 = 1_000;
const RTX_SSRC: u32 = 1_001;
/// Steps of an input: more show nothing new and take long.
const MAX_STEPS: usize = 300;
/// Bytes at the end of every payload that say which packet it is.
const TAG: usize = 4;
/// Bytes of picture in every payload.
const FILLING: usize = 30;

/// A packet as a camera sent it.
#[derive(Clone, Debug)]
struct Sent {
    origin: (usize, usize),
    /// Of the encoder's stream, unwrapped, or `None` for garbage.
    number: Option<u64>,
    /// Started anew this many times before.
    generation: u32,
    keyframe_start: bool,
}

/// One encoder.
#[derive(Clone, Debug)]
struct Encoder {
    ssrc: u32,
    number: u64,
    /// What its clock shows at time zero.
    timestamp_base: u32,
    picture: u16,
    tl0: u8,
    generation: u32,
}

/// What the slot's stream has shown so far.
#[derive(Debug, Default)]
struct Model {
    numbers: Unwrapper<16>,
    transport_wide: u16,
    /// By the number that the receiver sees: which packet, and its header's timestamp and picture id.
    got: BTreeMap<u64, Got>,
    /// What came as a retransmission before the packet itself, or in its place where that was abandoned.
    ahead: BTreeMap<u64, Got>,
    /// The receiver was away: the next new number starts a keyframe.
    restarted: bool,
    /// Garbage was let through, whose timestamps and pictures mean nothing.
    tainted: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Got {
    tag: Option<usize>,
    timestamp: u32,
    picture: Option<u16>,
}

struct World {
    room: Room,
    now: Timestamp,
    encoders: [[Encoder; 3]; 2],
    sent: Vec<Sent>,
    late: Vec<(usize, Incoming)>,
    wants_keyframe: [bool; 2],
    model: Model,
    out: Vec<Output>,
}

/// See the module's documentation.
pub fn switching(data: &[u8]) {
    let mut input = Input::new(data);
    let mut world = World::new(u64::from(input.byte()));
    for _ in 0..MAX_STEPS {
        if input.is_empty() {
            break;
        }
        world.step(&mut input);
    }
    world.calm_down();
    world.model.check(&world.sent);
}

fn camera_mid() -> Mid {
    Mid::parse("cam").expect("letters")
}

fn slot_mid() -> Mid {
    Mid::parse("s0").expect("letters")
}

impl World {
    fn new(seed: u64) -> Self {
        let encoder = |camera: usize, encoding: usize| Encoder {
            ssrc: (camera * 10 + encoding + 1) as u32,
            number: 65_500,
            // Wraps in the eleventh second.
            timestamp_base: u32::MAX - 11 * 90_000,
            picture: 0x7ff0,
            tl0: 250,
            generation: 0,
        };
        let mut world = Self {
            room: Room::new(Config::default(), seed),
            now: Timestamp::from_secs(10),
            encoders: [0, 1].map(|camera| [0, 1, 2].map(|encoding| encoder(camera, encoding))),
            sent: Vec::new(),
            late: Vec::new(),
            wants_keyframe: [true; 2],
            model: Model::default(),
            out: Vec::new(),
        };
        let device = Presets::builtin().profile(DeviceClass::Desktop, &Reported::default());
        for id in [ParticipantId(0), ParticipantId(1), VIEWER] {
            world.room.add_participant(world.now, id, device);
            world.act(|room, now, out| room.set_connected(now, id, true, out));
        }
        for camera in 0..2 {
            world.publish(camera, true);
        }
        let codec = |codec, payload_type| SlotCodec {
            codec,
            payload_type,
            rtx_payload_type: Some(payload_type + 1),
            red_payload_type: None,
        };
        let slot = SlotSection {
            mid: slot_mid(),
            kind: MediaKind::Video,
            active: true,
            codecs: vec![codec(Codec::Vp8, 100), codec(Codec::H264, 102)],
            ssrc: SSRC,
            rtx_ssrc: Some(RTX_SSRC),
            acknowledged: false,
        };
        world.act(|room, now, out| room.set_sections(now, VIEWER, &[], &[slot], out));
        world.view(Want::Auto, 720);
        world
    }

    fn publish(&mut self, camera: usize, on: bool) {
        let section = SendingSection {
            mid: camera_mid(),
            kind: MediaKind::Video,
            active: true,
            codec: [Codec::Vp8, Codec::H264][camera],
            rids: RIDS.iter().filter_map(|rid| Rid::parse(rid)).collect(),
        };
        let sections = if on { vec![section] } else { Vec::new() };
        let id = ParticipantId(camera as u32);
        self.act(|room, now, out| room.set_sections(now, id, &sections, &[], out));
    }

    fn view(&mut self, want: Want, height: u32) {
        let view = SlotView {
            width: Some(height * 16 / 9),
            height: Some(height),
            ..SlotView::new(slot_mid(), want)
        };
        self.act(|room, now, out| room.set_view(now, VIEWER, &[view], out));
    }

    fn step(&mut self, input: &mut Input<'_>) {
        match input.below(12) {
            0..=3 => {
                let (camera, encoding) = (input.below(2), input.below(3));
                let how = input.byte();
                // No camera is faster.
                self.pass(8);
                self.send_frame(camera, encoding, how & 0x80 != 0, how & 3, input.byte());
            }
            4 => {
                if !self.late.is_empty() {
                    let (camera, incoming) = self.late.remove(input.below(self.late.len()));
                    self.receive(camera, incoming);
                }
            }
            5 => self.pass(u64::from(input.byte()) * 4),
            6 => {
                let publications = self.room.publications();
                let wanted = publications.get(input.below(3)).map(|p| Want::Publication(p.id));
                self.view(wanted.unwrap_or_default(), [0, 180, 360, 720][input.below(4)]);
            }
            7 => {
                let away = u64::from(input.byte());
                self.act(|room, now, out| room.set_connected(now, VIEWER, false, out));
                self.pass(away);
                self.act(|room, now, out| room.set_connected(now, VIEWER, true, out));
                self.model.restarted = true;
            }
            8 => self.tell(RtcpItem::Pli { sender_ssrc: 1, media_ssrc: SSRC }),
            9 => {
                let newest = self.model.got.keys().last().copied().unwrap_or(0) as u16;
                let lost = input.take(3).iter().map(|back| newest.wrapping_sub(u16::from(*back))).collect();
                self.tell(RtcpItem::Nack { sender_ssrc: 1, media_ssrc: SSRC, lost });
            }
            10 => self.restart(input.below(2), input.below(3), input.short()),
            _ => match input.below(3) {
                0 => {
                    let camera = input.below(2);
                    self.publish(camera, false);
                    self.pass(u64::from(input.byte()));
                    self.publish(camera, true);
                    self.wants_keyframe[camera] = true;
                }
                _ => {
                    let (camera, encoding, marker) = (input.below(2), input.below(3), input.byte());
                    let length = input.below(24);
                    self.send_garbage(camera, encoding, marker & 1 == 1, input.take(length));
                }
            },
        }
    }

    /// A frame of `1 + extra` packets; of each, two bits of `fates` say whether it arrives, is late, comes twice or never.
    fn send_frame(&mut self, camera: usize, encoding: usize, keyframe: bool, extra: u8, fates: u8) {
        let encoder = &mut self.encoders[camera][encoding];
        encoder.picture = (encoder.picture + 1) & 0x7fff;
        encoder.tl0 = encoder.tl0.wrapping_add(1);
        let frame = encoder.clone();
        encoder.number += u64::from(extra) + 1;
        for at in 0..=extra {
            let start = keyframe && at == 0;
            let payload = payload(camera, encoding, &frame, at == 0, keyframe);
            let number = frame.number + u64::from(at);
            let marker = at == extra;
            let incoming = self.note((camera, encoding), Some(number), start, marker, payload);
            match fates >> (2 * at) & 3 {
                0 => self.receive(camera, incoming),
                1 if self.late.len() < 32 => self.late.push((camera, incoming)),
                2 => {
                    self.receive(camera, incoming.clone());
                    self.receive(camera, incoming);
                }
                _ => {}
            }
        }
    }

    fn send_garbage(&mut self, camera: usize, encoding: usize, marker: bool, bytes: &[u8]) {
        let number = self.encoders[camera][encoding].number;
        self.encoders[camera][encoding].number += 1;
        let codec = [Codec::Vp8, Codec::H264][camera];
        let start = codec::peek(codec, bytes, marker).is_ok_and(|info| info.keyframe_start);
        let mut incoming = self.note((camera, encoding), Some(number), start, marker, BytesMut::from(bytes));
        // The tag may have made a frame of what was none.
        let peeked = codec::peek(codec, &incoming.packet.payload, marker);
        let last = self.sent.last_mut().expect("just noted");
        last.keyframe_start = peeked.is_ok_and(|info| info.keyframe_start);
        last.number = None;
        incoming.packet.marker = marker;
        self.model.tainted = true;
        self.receive(camera, incoming);
    }

    /// An encoder begins anew: another stream with other numbers.
    fn restart(&mut self, camera: usize, encoding: usize, by: u16) {
        let encoder = &mut self.encoders[camera][encoding];
        encoder.ssrc += 100;
        encoder.generation += 1;
        encoder.number = (encoder.number + u64::from(by)) & 0xffff;
        encoder.timestamp_base = encoder.timestamp_base.wrapping_mul(u32::from(by));
        encoder.picture = by & 0x7fff;
    }

    /// Writes down what is sent, and ends its payload with where it was written.
    fn note(
        &mut self,
        origin: (usize, usize),
        number: Option<u64>,
        keyframe_start: bool,
        marker: bool,
        mut payload: BytesMut,
    ) -> Incoming {
        let encoder = &self.encoders[origin.0][origin.1];
        payload.extend_from_slice(&(self.sent.len() as u32).to_be_bytes());
        self.sent.push(Sent { origin, number, generation: encoder.generation, keyframe_start });
        let payload = payload.freeze();
        let packet = RtpPacket {
            ssrc: encoder.ssrc,
            payload_type: 96,
            sequence: number.unwrap_or(0) as u16,
            timestamp: encoder.timestamp_base.wrapping_add((self.now.as_micros() * 9 / 100) as u32),
            marker,
            extensions: Extensions::default(),
            wire_size: payload.len() + 20,
            payload,
            padding: 0,
        };
        let codec = [Codec::Vp8, Codec::H264][origin.0];
        Incoming { mid: camera_mid(), rid: Rid::parse(RIDS[origin.1]), codec, packet, redundant: None }
    }

    fn receive(&mut self, camera: usize, incoming: Incoming) {
        let from = ParticipantId(camera as u32);
        self.act(|room, now, out| room.handle_rtp(now, from, incoming, out));
    }

    fn tell(&mut self, item: RtcpItem) {
        self.act(|room, now, out| room.handle_rtcp(now, VIEWER, &item, out));
    }

    fn pass(&mut self, ms: u64) {
        let end = self.now + Duration::from_millis(ms);
        while let Some(at) = self.room.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.act(Room::handle_timeout);
            assert!(self.room.poll_timeout().is_none_or(|at| at > self.now), "what was due has been done");
        }
        self.now = end;
    }

    fn act(&mut self, act: impl FnOnce(&mut Room, Timestamp, &mut Vec<Output>)) {
        act(&mut self.room, self.now, &mut self.out);
        for output in self.out.drain(..) {
            match output {
                Output::Rtp { to, packet } => {
                    assert_eq!(to, VIEWER, "nobody else has a slot");
                    self.model.receive(&packet, &self.sent);
                }
                Output::Rtcp { to, item: RtcpItem::Pli { .. } | RtcpItem::Fir { .. } } => {
                    self.wants_keyframe[to.0 as usize] = true;
                }
                Output::Rtcp { .. } | Output::Relay { .. } | Output::Event(_) => {}
            }
        }
    }

    /// Everybody sends well for three seconds: the viewer must get a picture, whatever was before.
    fn calm_down(&mut self) {
        self.late.clear();
        self.view(Want::Auto, 360);
        let before = self.model.numbers.newest();
        for frame in 0..90 {
            if frame == 30 {
                // A decoder that waits for a keyframe asks for one after a while, as browsers do.
                self.tell(RtcpItem::Pli { sender_ssrc: 1, media_ssrc: SSRC });
            }
            for camera in 0..2 {
                let keyframe = std::mem::take(&mut self.wants_keyframe[camera]);
                for encoding in 0..3 {
                    self.send_frame(camera, encoding, keyframe, 1, 0);
                }
            }
            self.pass(33);
        }
        assert!(self.model.numbers.newest() > before, "three calm seconds without a picture");
    }
}

/// What the encoder of that codec writes.
fn payload(camera: usize, encoding: usize, frame: &Encoder, first: bool, keyframe: bool) -> BytesMut {
    let mut payload = BytesMut::new();
    let (width, height) = SIZES[encoding];
    if camera == 0 {
        let descriptor = Descriptor {
            partition_start: first,
            picture_id: Some(frame.picture),
            tl0_picture_index: Some(frame.tl0),
            temporal: Some(Temporal { layer: 0, sync: false }),
            ..Descriptor::default()
        };
        descriptor.write(&mut payload);
        if first {
            let size = keyframe.then_some((width, height));
            FrameHeader { keyframe, shown: true, first_partition: 20, size }.write(&mut payload);
        }
    } else {
        match (first, keyframe) {
            // An aggregate of a sequence parameter set (RFC 6184 §5.7.1) and the start of a slice.
            (true, true) => payload.extend_from_slice(&h264_keyframe(width, height)),
            (true, false) => payload.extend_from_slice(&[0x7c, 0x81, 0x9a]),
            (false, true) => payload.extend_from_slice(&[0x7c, 0x05]),
            (false, false) => payload.extend_from_slice(&[0x7c, 0x01]),
        }
    }
    payload.extend_from_slice(&[0x55; FILLING]);
    payload
}

/// STAP-A of a baseline parameter set for that size and an IDR slice.
fn h264_keyframe(width: u16, height: u16) -> Vec<u8> {
    let mut bits = Bits::default();
    bits.exp_golomb(0); // seq_parameter_set_id
    bits.exp_golomb(0); // log2_max_frame_num_minus4
    bits.exp_golomb(2); // pic_order_cnt_type
    bits.exp_golomb(1); // max_num_ref_frames
    bits.push(0, 1);
    bits.exp_golomb(u32::from(width) / 16 - 1);
    bits.exp_golomb(u32::from(height).div_ceil(16) - 1);
    bits.push(1, 1); // frame_mbs_only_flag
    bits.push(1, 1);
    let crop = u32::from(height).next_multiple_of(16) - u32::from(height);
    bits.push(u32::from(crop > 0), 1);
    if crop > 0 {
        for edge in [0, 0, 0, crop / 2] {
            bits.exp_golomb(edge);
        }
    }
    bits.push(0, 1);
    bits.push(1, 1);
    let mut set = vec![0x67, 66, 0xc0, 31];
    set.extend(bits.bytes());
    let slice = [0x65, 0x88, 0x84];
    let mut payload = vec![0x78];
    payload.extend((set.len() as u16).to_be_bytes());
    payload.extend(set);
    // What is behind it belongs to the slice.
    payload.extend(((slice.len() + FILLING + TAG) as u16).to_be_bytes());
    payload.extend(slice);
    payload
}

/// Bits, first one highest.
#[derive(Default)]
struct Bits(Vec<bool>);

impl Bits {
    fn push(&mut self, value: u32, count: u32) {
        self.0.extend((0..count).rev().map(|bit| value >> bit & 1 == 1));
    }

    /// Unsigned, in the code of H.264 §9.1.
    fn exp_golomb(&mut self, value: u32) {
        let length = (value + 1).ilog2();
        self.push(0, length);
        self.push(value + 1, length + 1);
    }

    fn bytes(&self) -> impl Iterator<Item = u8> {
        self.0
            .chunks(8)
            .map(|byte| byte.iter().enumerate().fold(0, |all, (at, bit)| all | u8::from(*bit) << (7 - at)))
    }
}

impl Model {
    fn receive(&mut self, packet: &OutgoingPacket, sent: &[Sent]) {
        let header = &packet.header;
        if let Some(number) = header.transport_wide {
            let expected =
                if self.got.is_empty() && self.transport_wide == 0 { number } else { self.transport_wide };
            assert_eq!(number, expected, "transport-wide numbers have no gaps");
            self.transport_wide = number.wrapping_add(1);
        }
        let repeated = packet.kind == PacketKind::Rtx;
        assert_eq!(header.ssrc, if repeated { RTX_SSRC } else { SSRC });
        let got = Got {
            tag: tag(&packet.payload),
            timestamp: header.timestamp,
            picture: picture(packet, repeated),
        };
        if repeated {
            let original = u16::from_be_bytes([packet.prefix[0], packet.prefix[1]]);
            let number = self.numbers.peek(u64::from(original));
            let known = *self.got.get(&number).unwrap_or_else(|| self.ahead.entry(number).or_insert(got));
            assert_eq!(known, got, "a retransmission repeats what was sent");
            return;
        }
        let newest = self.numbers.newest();
        let number = self.numbers.unwrap(u64::from(header.sequence));
        if std::mem::take(&mut self.restarted) && newest.is_none_or(|newest| number > newest) {
            let start = got.tag.is_some_and(|tag| sent[tag].keyframe_start);
            assert!(start, "after an absence there is a keyframe first: {number} is {got:?}");
        }
        if let Some(copy) = self.ahead.remove(&number) {
            assert_eq!(copy, got, "what was overtaken is what overtook it");
        }
        assert_eq!(self.got.insert(number, got), None, "number {number} was used twice");
    }

    fn check(&self, sent: &[Sent]) {
        let mut before: Option<(&Got, &Sent)> = None;
        let all: BTreeMap<_, _> = self.ahead.iter().chain(&self.got).collect();
        for (number, got) in all {
            let Some(packet) = got.tag.map(|tag| &sent[tag]) else { continue };
            let same =
                before.is_some_and(|(_, b)| (b.origin, b.generation) == (packet.origin, packet.generation));
            assert!(
                same || packet.keyframe_start,
                "{number} goes to {packet:?} from {before:?} without a keyframe"
            );
            if let Some((earlier, last)) = before.filter(|_| !self.tainted) {
                let ahead = got.timestamp.wrapping_sub(earlier.timestamp);
                assert!(ahead < 1 << 31, "time goes back at {number}: {earlier:?}, {got:?}");
                if let (Some(a), Some(b)) = (earlier.picture, got.picture) {
                    assert!(b.wrapping_sub(a) & 0x7fff < 1 << 14, "pictures go back at {number}: {a}, {b}");
                }
                if same {
                    assert!(last.number < packet.number, "{number} is out of order: {last:?}, {packet:?}");
                }
            }
            before = Some((got, packet));
        }
    }
}

/// Which packet a payload is.
fn tag(payload: &Bytes) -> Option<usize> {
    payload.last_chunk::<TAG>().map(|tag| u32::from_be_bytes(*tag) as usize)
}

/// The picture id that the receiver sees.
fn picture(packet: &OutgoingPacket, repeated: bool) -> Option<u16> {
    let vp8 = packet.header.payload_type < 102;
    let prefix = packet.prefix.get(if repeated { 2 } else { 0 }..)?;
    let bytes: Vec<u8> = prefix.iter().chain(packet.payload.iter()).copied().collect();
    vp8.then(|| Descriptor::parse(&bytes).ok()?.0.picture_id).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_cameras_say_what_they_are() {
        let frame = Encoder { ssrc: 1, number: 1, timestamp_base: 0, picture: 7, tl0: 1, generation: 0 };
        for camera in 0..2 {
            let codec = [Codec::Vp8, Codec::H264][camera];
            for (encoding, size) in SIZES.iter().enumerate() {
                for (first, keyframe) in [(true, true), (true, false), (false, true), (false, false)] {
                    let mut payload = payload(camera, encoding, &frame, first, keyframe);
                    payload.extend_from_slice(&[0; TAG]);
                    let info = codec::peek(codec, &payload, false).unwrap();
                    assert_eq!(
                        (info.frame_start, info.keyframe_start),
                        (first, first && keyframe),
                        "{codec}"
                    );
                    assert_eq!(info.size(), (first && keyframe).then_some(*size), "{codec}");
                }
            }
        }
    }
}
