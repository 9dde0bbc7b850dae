//! Virtual publishers: simulcast video and sound, packet by packet, in what a browser sends.
//!
//! Every payload ends with the truth about itself ([`Truth`]), which survives rewriting and lets a receiver
//! check what it was really given.

use bytes::{BufMut, Bytes, BytesMut};
use packet::codec::vp8::{Descriptor, FrameHeader, Temporal};
use packet::codec::vp9;
use packet::{AudioLevel, Codec, Extensions, Mid, Rid, RtpPacket};
use router::Incoming;
use units::Timestamp;

/// What a packet really is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Truth {
    pub(crate) publisher: u32,
    pub(crate) encoding: u8,
    pub(crate) keyframe: bool,
    /// Which packet of how many of its frame.
    pub(crate) index: u8,
    pub(crate) count: u8,
    pub(crate) frame: u32,
    pub(crate) temporal: u8,
    /// How many frames of its encoding back the one lies that it refers to.
    pub(crate) back: u8,
}

impl Truth {
    pub(crate) const LENGTH: usize = 14;

    fn write(&self, out: &mut BytesMut) {
        out.put_u32(self.publisher);
        out.put_u8(self.encoding);
        out.put_u8(u8::from(self.keyframe));
        out.put_u8(self.index);
        out.put_u8(self.count);
        out.put_u32(self.frame);
        out.put_u8(self.temporal);
        out.put_u8(self.back);
    }

    pub(crate) fn read(payload: &[u8]) -> Self {
        let at = payload.len() - Self::LENGTH;
        let tail = &payload[at..];
        let word = |at: usize| u32::from_be_bytes(tail[at..at + 4].try_into().unwrap());
        Self {
            publisher: word(0),
            encoding: tail[4],
            keyframe: tail[5] != 0,
            index: tail[6],
            count: tail[7],
            frame: word(8),
            temporal: tail[12],
            back: tail[13],
        }
    }
}

/// One simulcast encoding of a camera.
#[derive(Clone, Debug)]
pub(crate) struct Layer {
    pub(crate) rid: Option<&'static str>,
    pub(crate) size: (u16, u16),
    /// Packets of a delta frame; a keyframe has three times as many.
    pub(crate) packets: u8,
    pub(crate) active: bool,
    /// Between capture and arrival at the room, in milliseconds.
    pub(crate) delay: u64,
    pub(crate) ssrc: u32,
    pub(crate) sequence: u16,
    /// What its RTP clock showed at capture time zero: encodings do not share it.
    pub(crate) timestamp_base: u32,
    pub(crate) picture: u16,
    pub(crate) tl0: u8,
    pub(crate) key: u8,
    pub(crate) long_pictures: bool,
    pub(crate) frame: u32,
    pub(crate) wants_keyframe: bool,
    /// Place in the pattern of temporal layers, counted from a keyframe.
    pub(crate) phase: usize,
}

impl Layer {
    pub(crate) fn new(rid: &'static str, size: (u16, u16), packets: u8, ssrc: u32) -> Self {
        Self {
            rid: Some(rid),
            size,
            packets,
            active: true,
            delay: 5,
            ssrc,
            sequence: (ssrc as u16).wrapping_mul(7_919),
            timestamp_base: ssrc.wrapping_mul(0x9e37_79b9),
            picture: (ssrc as u16).wrapping_mul(613),
            tl0: (ssrc as u8).wrapping_mul(77),
            key: ssrc as u8 & 0x1f,
            long_pictures: true,
            frame: 0,
            wants_keyframe: true,
            phase: 0,
        }
    }
}

/// Temporal layer of a frame, how many frames back its reference lies, and whether that is of the base layer: as browsers
/// send three temporal layers.
const THREE_LAYERS: [(u8, u8, bool); 4] = [(0, 4, false), (2, 1, true), (1, 2, true), (2, 1, false)];

/// To which requests a publisher's encoder answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answers {
    /// Any, on all encodings, as browsers do.
    All,
    /// Any, on the encoding that was asked.
    Asked,
    /// Full intra requests only.
    FirOnly,
    /// None.
    Never,
}

/// A publisher of video.
#[derive(Clone, Debug)]
pub(crate) struct Camera {
    pub(crate) id: u32,
    pub(crate) mid: Mid,
    pub(crate) codec: Codec,
    pub(crate) fps: u64,
    /// Frames are of three temporal layers.
    pub(crate) temporal: bool,
    pub(crate) layers: Vec<Layer>,
    pub(crate) answers: Answers,
    /// Between a request and the first frame that can answer it, in milliseconds.
    pub(crate) reaction: u64,
    /// The wall clock of this publisher at time zero, in milliseconds; reports are sent if it is known.
    pub(crate) wall: Option<u64>,
    pub(crate) next_frame: Timestamp,
    /// When and on which encoding a keyframe is due.
    pub(crate) due: Vec<(Timestamp, usize)>,
}

impl Camera {
    /// A browser's camera with the usual three encodings, in the order that starved browsers drop them from
    /// the end.
    pub(crate) fn new(id: u32, codec: Codec) -> Self {
        let layers = [("q", (320, 180), 1), ("h", (640, 360), 2), ("f", (1280, 720), 4)];
        Self {
            id,
            mid: Mid::parse("cam").unwrap(),
            codec,
            fps: 30,
            temporal: false,
            layers: layers
                .iter()
                .enumerate()
                .map(|(at, (rid, size, packets))| Layer::new(rid, *size, *packets, id * 10 + at as u32))
                .collect(),
            answers: Answers::All,
            reaction: 20,
            wall: None,
            next_frame: Timestamp::ZERO,
            due: Vec::new(),
        }
    }

    pub(crate) fn rids(&self) -> Vec<Rid> {
        self.layers.iter().filter_map(|layer| layer.rid).map(|rid| Rid::parse(rid).unwrap()).collect()
    }

    /// A request arrived.
    pub(crate) fn asked(&mut self, now: Timestamp, ssrc: u32, is_fir: bool) {
        // A stream that has just been replaced answers nobody.
        let Some(asked) = self.layers.iter().position(|layer| layer.ssrc == ssrc) else { return };
        let at = now + std::time::Duration::from_millis(self.reaction);
        match self.answers {
            Answers::Never => {}
            Answers::FirOnly if !is_fir => {}
            Answers::All | Answers::FirOnly => {
                self.due.extend((0..self.layers.len()).map(|layer| (at, layer)));
            }
            Answers::Asked => self.due.push((at, asked)),
        }
    }

    /// The packets of all frames captured up to now, each with the time of its arrival.
    pub(crate) fn capture(&mut self, now: Timestamp) -> Vec<(Timestamp, Incoming)> {
        let mut packets = Vec::new();
        if now < self.next_frame {
            return packets;
        }
        self.next_frame = now + std::time::Duration::from_micros(1_000_000 / self.fps);
        for (at, layer) in &self.due {
            if *at <= now {
                self.layers[*layer].wants_keyframe = true;
            }
        }
        self.due.retain(|(at, _)| *at > now);
        for at in 0..self.layers.len() {
            if !self.layers[at].active {
                // An encoder that is switched on again begins with a keyframe.
                self.layers[at].wants_keyframe = true;
                continue;
            }
            let arrival = now + std::time::Duration::from_millis(self.layers[at].delay);
            for packet in self.frame(now, at) {
                let incoming = Incoming {
                    mid: self.mid,
                    rid: self.layers[at].rid.map(|rid| Rid::parse(rid).unwrap()),
                    codec: self.codec,
                    packet,
                    redundant: None,
                };
                packets.push((arrival, incoming));
            }
        }
        packets
    }

    fn frame(&mut self, now: Timestamp, at: usize) -> Vec<RtpPacket> {
        let (codec, id, mid, layered) = (self.codec, self.id, self.mid, self.temporal);
        let layer = &mut self.layers[at];
        let keyframe = std::mem::take(&mut layer.wants_keyframe);
        let count = if keyframe { layer.packets * 3 } else { layer.packets };
        layer.frame += 1;
        layer.picture = layer.picture.wrapping_add(1);
        layer.phase = if keyframe { 0 } else { layer.phase + 1 };
        let (temporal, back, sync) = if layered { THREE_LAYERS[layer.phase % 4] } else { (0, 1, false) };
        layer.tl0 = layer.tl0.wrapping_add(u8::from(temporal == 0));
        layer.key = if keyframe { (layer.key + 1) & 0x1f } else { layer.key };
        (0..count)
            .map(|index| {
                let (frame, encoding) = (layer.frame, at as u8);
                let truth = Truth { publisher: id, encoding, keyframe, index, count, frame, temporal, back };
                let payload = match codec {
                    Codec::Vp8 => vp8_payload(layer, &truth, sync),
                    Codec::Vp9 => vp9_payload(layer, &truth),
                    Codec::H264 => h264_payload(layer, &truth),
                    Codec::Av1 => av1_payload(&truth),
                    Codec::Opus => unreachable!("a camera sends pictures"),
                };
                layer.sequence = layer.sequence.wrapping_add(1);
                RtpPacket {
                    ssrc: layer.ssrc,
                    payload_type: 96,
                    sequence: layer.sequence,
                    timestamp: layer.timestamp_base.wrapping_add((now.as_micros() * 9 / 100) as u32),
                    marker: index + 1 == count,
                    extensions: Extensions {
                        mid: Some(mid),
                        rid: layer.rid.and_then(Rid::parse),
                        transport_wide: Some(layer.sequence),
                        layers_allocation: Some(Bytes::from_static(b"of the publisher")),
                        dependency_descriptor: Some(match codec {
                            Codec::Av1 => dependency_descriptor(layer, &truth),
                            _ => Bytes::from_static(b"of one encoding"),
                        }),
                        ..Extensions::default()
                    },
                    wire_size: payload.len() + 12,
                    payload,
                    padding: 0,
                }
            })
            .collect()
    }
}

/// Bytes of a packet behind its head.
const BODY: usize = 600;

fn vp8_payload(layer: &Layer, truth: &Truth, sync: bool) -> Bytes {
    let mut out = BytesMut::new();
    let descriptor = Descriptor {
        partition_start: truth.index == 0,
        picture_id: Some(layer.picture & 0x7fff),
        tl0_picture_index: Some(layer.tl0),
        temporal: Some(Temporal { layer: truth.temporal, sync }),
        key_index: Some(layer.key),
        ..Descriptor::default()
    };
    if layer.long_pictures {
        descriptor.write(&mut out);
    } else {
        out.put_u8(0x80 | u8::from(descriptor.partition_start) << 4);
        let indices = truth.temporal << 6 | u8::from(sync) << 5 | layer.key;
        out.put_slice(&[0xf0, layer.picture as u8 & 0x7f, layer.tl0, indices]);
    }
    if truth.index == 0 {
        let size = truth.keyframe.then_some(layer.size);
        FrameHeader { keyframe: truth.keyframe, shown: true, first_partition: 100, size }.write(&mut out);
    }
    out.put_bytes(0, BODY);
    truth.write(&mut out);
    out.freeze()
}

/// Outside flexible mode; a keyframe says its size in the scalability structure.
fn vp9_payload(layer: &Layer, truth: &Truth) -> Bytes {
    let mut out = BytesMut::new();
    let structure = truth.keyframe && truth.index == 0;
    vp9::Descriptor {
        inter_predicted: !truth.keyframe,
        start: truth.index == 0,
        end: truth.index + 1 == truth.count,
        structure,
        picture_id: Some(layer.picture & 0x7fff),
        layers: Some(vp9::LayerIndices {
            temporal: truth.temporal,
            // Nothing refers beyond the last frame of the base layer.
            switching_up: truth.temporal == 0,
            ..vp9::LayerIndices::default()
        }),
        tl0_picture_index: Some(layer.tl0),
        ..vp9::Descriptor::default()
    }
    .write(&mut out);
    if structure {
        out.put_u8(0x10);
        out.put_u16(layer.size.0);
        out.put_u16(layer.size.1);
    }
    out.put_bytes(0, BODY);
    truth.write(&mut out);
    out.freeze()
}

/// One unit, cut into packets.
fn av1_payload(truth: &Truth) -> Bytes {
    let mut out = BytesMut::new();
    let (first, last) = (truth.index == 0, truth.index + 1 == truth.count);
    out.put_u8(u8::from(!first) << 7 | u8::from(!last) << 6 | 0x10 | u8::from(truth.keyframe && first) << 3);
    out.put_bytes(0x30, BODY);
    truth.write(&mut out);
    out.freeze()
}

/// Bits as text, to bytes.
fn pack(bits: &str) -> Bytes {
    let bits = bits.replace(' ', "");
    let byte =
        |bits: &[u8]| u8::from_str_radix(&format!("{:0<8}", std::str::from_utf8(bits).unwrap()), 2).unwrap();
    bits.as_bytes().chunks(8).map(byte).collect()
}

/// Three temporal layers, one chain of the base layer's frames (L1T3), in five templates: keyframe, base, middle, upper
/// after base, upper after middle.
fn structure(offset: u32, size: (u16, u16)) -> String {
    let layers = "00 01 01 00 11";
    let indications = "101010 101010 000110 000001 000001";
    let differences = "0 100110 100010 100000 100000";
    let chain = "01 0000 0100 0010 0001 0011";
    format!(
        "{offset:06b} 00010 {layers} {indications} {differences} {chain} 1 {:016b} {:016b}",
        size.0 - 1,
        size.1 - 1
    )
}

fn dependency_descriptor(layer: &Layer, truth: &Truth) -> Bytes {
    // Each encoding has its own ids, and new ones with every keyframe.
    let offset = (layer.ssrc * 17 + u32::from(layer.key) * 5) % 64;
    let template = match (truth.keyframe, truth.temporal, layer.phase % 4) {
        (true, ..) => 0,
        (_, 0, _) => 1,
        (_, 1, _) => 2,
        (_, _, 1) => 3,
        _ => 4,
    };
    let (first, last) = (truth.index == 0, truth.index + 1 == truth.count);
    let id = (offset + template) % 64;
    let head = format!("{}{}{id:06b}{:016b}", u8::from(first), u8::from(last), truth.frame as u16);
    match (truth.keyframe, truth.temporal, truth.back) {
        (true, ..) if first => pack(&format!("{head} 10000 {}", structure(offset, layer.size))),
        // Without upper layers the base has its own difference of one frame.
        (false, 0, 1) => pack(&format!("{head} 00010 01 0000 00")),
        _ => pack(&head),
    }
}

/// Keyframes as Chromium packs them: parameter sets in front, then fragments of the picture.
fn h264_payload(layer: &Layer, truth: &Truth) -> Bytes {
    let mut out = BytesMut::new();
    match (truth.keyframe, truth.index) {
        (true, 0) => {
            let sps = sps(layer.size);
            out.put_u8(24);
            out.put_u16(sps.len() as u16);
            out.put_slice(&sps);
            out.put_u16((3 + Truth::LENGTH) as u16);
            out.put_slice(&[0x68, 0xce, 0x3c]);
        }
        (keyframe, index) => {
            let first = index == u8::from(keyframe);
            let last = index + 1 == truth.count;
            let kind = if keyframe { 5 } else { 1 };
            if first && last {
                // A unit that fits one packet is not fragmented.
                out.put_u8(0x60 | kind);
            } else {
                out.put_u8(0x7c);
                out.put_u8(u8::from(first) << 7 | u8::from(last) << 6 | kind);
            }
            out.put_u8(if first { 0x88 } else { 0x11 });
            out.put_bytes(0, BODY);
        }
    }
    truth.write(&mut out);
    out.freeze()
}

/// A baseline sequence parameter set with that size (ITU-T H.264 §7.3.2.1.1).
fn sps((width, height): (u16, u16)) -> Vec<u8> {
    let mut bits = String::new();
    let mut ue = |value: u32| {
        let code = format!("{:b}", value + 1);
        bits.push_str(&"0".repeat(code.len() - 1));
        bits.push_str(&code);
    };
    let (columns, rows) = (u32::from(width).div_ceil(16), u32::from(height).div_ceil(16));
    // Id, frame number bits, order type 2, reference frames.
    [0, 0, 2, 1].into_iter().for_each(&mut ue);
    bits.push('0');
    for value in [columns - 1, rows - 1] {
        let code = format!("{:b}", value + 1);
        bits.push_str(&"0".repeat(code.len() - 1));
        bits.push_str(&code);
    }
    // Frames only, direct inference, cropping at the bottom in units of two rows.
    bits.push_str("111");
    let crop = (rows * 16 - u32::from(height)) / 2;
    for value in [0, 0, 0, crop] {
        let code = format!("{:b}", value + 1);
        bits.push_str(&"0".repeat(code.len() - 1));
        bits.push_str(&code);
    }
    bits.push_str("01");
    while !bits.len().is_multiple_of(8) {
        bits.push('0');
    }
    let body =
        bits.as_bytes().chunks(8).map(|b| u8::from_str_radix(std::str::from_utf8(b).unwrap(), 2).unwrap());
    [0x67, 0x42, 0xc0, 0x1f].into_iter().chain(body).collect()
}

/// A publisher of sound.
#[derive(Clone, Debug)]
pub(crate) struct Microphone {
    pub(crate) id: u32,
    pub(crate) mid: Mid,
    /// Loudness; `None` sends packets without the extension.
    pub(crate) dbov: Option<u8>,
    pub(crate) active: bool,
    /// The wall clock of this publisher at time zero, in milliseconds; reports are sent if it is known.
    pub(crate) wall: Option<u64>,
    sequence: u16,
    frame: u32,
    next: Timestamp,
}

impl Microphone {
    pub(crate) fn new(id: u32, dbov: u8) -> Self {
        Self {
            id,
            mid: Mid::parse("mic").unwrap(),
            dbov: Some(dbov),
            active: true,
            wall: None,
            sequence: (id as u16).wrapping_mul(21_001),
            frame: 0,
            next: Timestamp::ZERO,
        }
    }

    /// The stream's SSRC and what its RTP clock shows.
    pub(crate) fn clock(&self, now: Timestamp) -> (u32, u32) {
        let ticks = (now.as_millis() * 48) as u32;
        (self.id * 10 + 9, self.id.wrapping_mul(0x1234_5677).wrapping_add(ticks))
    }

    pub(crate) fn capture(&mut self, now: Timestamp) -> Option<Incoming> {
        if now < self.next || !self.active {
            return None;
        }
        self.next = now + std::time::Duration::from_millis(20);
        self.sequence = self.sequence.wrapping_add(1);
        self.frame += 1;
        let mut payload = BytesMut::new();
        payload.put_u8(0x78);
        payload.put_bytes(0, 40);
        let (publisher, frame) = (self.id, self.frame);
        Truth { publisher, encoding: 0, keyframe: true, index: 0, count: 1, frame, temporal: 0, back: 0 }
            .write(&mut payload);
        let extensions = Extensions {
            audio_level: self.dbov.map(|dbov| AudioLevel { voice: dbov < 60, dbov }),
            ..Extensions::default()
        };
        let packet = RtpPacket {
            ssrc: self.clock(now).0,
            payload_type: 111,
            sequence: self.sequence,
            timestamp: self.clock(now).1,
            marker: false,
            extensions,
            wire_size: payload.len() + 12,
            payload: payload.freeze(),
            padding: 0,
        };
        Some(Incoming { mid: self.mid, rid: None, codec: Codec::Opus, packet, redundant: None })
    }
}
