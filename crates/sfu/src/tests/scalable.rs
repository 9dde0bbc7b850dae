//! One stream of three spatial and three temporal layers, of which the spatial ones refer to each other in keyframes only
//! (L3T3_KEY), in VP9 and in AV1: as it is published, and as a decoder takes it.
//!
//! Every payload ends with the truth about its frame, which no rewriting touches. A frame whose packets are all there and whose
//! reference is not would be shown wrong: that is what these tests look for.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use packet::codec::vp9;
use packet::extension::dependency::{DependencyDescriptor, Structure};
use packet::{Codec, ExtensionIds, ExtensionUri, RtpPacket};
use serde_json::json;

use super::call::{AV1, Call, DEPENDENCY, MID, VP9};

/// Width and height by spatial layer.
const SIZES: [(u16, u16); 3] = [(320, 180), (640, 360), (1_280, 720)];
/// Packets of each layer's frame.
const PACKETS: u8 = 2;
/// Temporal layer, how many pictures back its reference lies, and its template, by place behind the last keyframe.
const PATTERN: [(u8, u32, u32); 4] = [(0, 4, 1), (2, 1, 3), (1, 2, 2), (2, 1, 4)];
/// Templates of one spatial layer: keyframe, base, middle, upper behind base, upper behind middle.
const TEMPLATES: u32 = 5;

/// What a packet really is.
#[derive(Clone, Copy, Debug)]
struct Truth {
    picture: u32,
    /// The picture that it refers to; itself for a keyframe.
    reference: u32,
    spatial: u8,
    temporal: u8,
    index: u8,
}

impl Truth {
    const LENGTH: usize = 11;

    fn read(payload: &[u8]) -> Self {
        let tail = &payload[payload.len() - Self::LENGTH..];
        let word = |at: usize| u32::from_be_bytes(tail[at..at + 4].try_into().unwrap());
        Self { picture: word(0), reference: word(4), spatial: tail[8], temporal: tail[9], index: tail[10] }
    }

    fn write(&self, out: &mut BytesMut) {
        out.put_u32(self.picture);
        out.put_u32(self.reference);
        out.put_slice(&[self.spatial, self.temporal, self.index]);
    }
}

/// A publisher.
pub(super) struct Scalable {
    codec: Codec,
    sequence: u16,
    picture: u32,
    phase: usize,
    tl0: u8,
    /// Template ids of two keyframes in a row differ (AV1 RTP §A.8.1).
    offset: u32,
}

impl Scalable {
    pub(super) fn new(codec: Codec) -> Self {
        Self { codec, sequence: 65_000, picture: 100, phase: 0, tl0: 250, offset: 40 }
    }

    pub(super) fn codec(&self) -> Codec {
        self.codec
    }

    /// The packets of the next picture.
    pub(super) fn picture(&mut self, keyframe: bool) -> Vec<BytesMut> {
        self.picture += 1;
        self.phase = if keyframe { 0 } else { self.phase + 1 };
        self.offset = (self.offset + if keyframe { 15 } else { 0 }) % 64;
        let (temporal, back, template) = if keyframe { (0, 0, 0) } else { PATTERN[self.phase % 4] };
        self.tl0 = self.tl0.wrapping_add(u8::from(temporal == 0));
        let (picture, reference) = (self.picture, self.picture - back);
        let layers = (0..3u8).flat_map(|spatial| (0..PACKETS).map(move |index| (spatial, index)));
        layers
            .map(|(spatial, index)| {
                let truth = Truth { picture, reference, spatial, temporal, index };
                self.packet(&truth, keyframe, template)
            })
            .collect()
    }

    fn packet(&mut self, truth: &Truth, keyframe: bool, template: u32) -> BytesMut {
        self.sequence = self.sequence.wrapping_add(1);
        let (payload_type, descriptor) = match self.codec {
            Codec::Av1 => (AV1, self.descriptor(truth, keyframe, template)),
            _ => (VP9, Vec::new()),
        };
        let ends = truth.spatial == 2 && truth.index + 1 == PACKETS;
        let mut out = BytesMut::new();
        out.put_u8(0x90);
        out.put_u8(u8::from(ends) << 7 | payload_type);
        out.put_u16(self.sequence);
        out.put_u32(truth.picture.wrapping_mul(2_970));
        out.put_u32(7);
        // RFC 8285 §4.3.
        let mut block = vec![MID, 2, b'v', b'0'];
        if !descriptor.is_empty() {
            block.extend([DEPENDENCY, descriptor.len() as u8]);
            block.extend(descriptor);
        }
        block.resize(block.len().next_multiple_of(4), 0);
        out.put_u16(0x1000);
        out.put_u16((block.len() / 4) as u16);
        out.put_slice(&block);
        let first = truth.index == 0;
        match self.codec {
            Codec::Av1 => {
                let new_sequence = keyframe && truth.spatial == 0 && first;
                out.put_u8(u8::from(!first) << 7 | u8::from(first) << 6 | 0x10 | u8::from(new_sequence) << 3);
                out.put_u8(0x30);
            }
            _ => self.vp9_descriptor(truth, keyframe, &mut out),
        }
        out.put_bytes(0x5a, 100 << (2 * truth.spatial));
        truth.write(&mut out);
        out
    }

    fn vp9_descriptor(&self, truth: &Truth, keyframe: bool, out: &mut BytesMut) {
        let structure = keyframe && truth.spatial == 0 && truth.index == 0;
        vp9::Descriptor {
            inter_predicted: !keyframe,
            start: truth.index == 0,
            end: truth.index + 1 == PACKETS,
            structure,
            picture_id: Some(truth.picture as u16 & 0x7fff),
            layers: Some(vp9::LayerIndices {
                spatial: truth.spatial,
                temporal: truth.temporal,
                switching_up: truth.temporal == 0,
                depends: keyframe && truth.spatial > 0,
            }),
            tl0_picture_index: Some(self.tl0),
            ..vp9::Descriptor::default()
        }
        .write(out);
        if structure {
            // RFC 9628 §4.2.1: three layers with their sizes, no list of pictures.
            out.put_u8(0x50);
            SIZES.iter().flat_map(|(width, height)| [*width, *height]).for_each(|side| out.put_u16(side));
        }
    }

    fn descriptor(&self, truth: &Truth, keyframe: bool, template: u32) -> Vec<u8> {
        let spatial = u32::from(truth.spatial);
        let id = (self.offset + spatial * TEMPLATES + template) % 64;
        let number = truth.picture.wrapping_mul(3).wrapping_add(spatial) as u16;
        let (first, last) = (u8::from(truth.index == 0), u8::from(truth.index + 1 == PACKETS));
        let mut bits = format!("{first}{last}{id:06b}{number:016b}");
        if keyframe && spatial == 0 && first == 1 {
            bits += &format!("10000{}", structure(self.offset));
        }
        let byte = |bits: &[u8]| {
            u8::from_str_radix(&format!("{:0<8}", std::str::from_utf8(bits).unwrap()), 2).unwrap()
        };
        bits.as_bytes().chunks(8).map(byte).collect()
    }
}

/// Templates of nine decode targets, each spatial layer with a chain of its own (AV1 RTP §A.8.3).
fn structure(offset: u32) -> String {
    let mut bits = format!("{offset:06b}01000");
    // Same layers, next temporal, next temporal, same; then the next spatial one, or the end.
    ["10", "10", "11"].iter().for_each(|then| bits += &format!("00010100{then}"));
    for spatial in 0..3 {
        let targets = |of: &dyn Fn(usize) -> &'static str| (0..3).map(of).collect::<String>();
        // A keyframe is in all targets at and above it, any other frame in those of its own spatial layer.
        bits += &targets(&|target| if target >= spatial { "101010" } else { "000000" });
        for own in ["101010", "000110", "000001", "000001"] {
            bits += &targets(&|target| if target == spatial { own } else { "000000" });
        }
    }
    for spatial in 0..3 {
        bits += if spatial == 0 { "0" } else { "100000" };
        // Four, two and one pictures back, of three frames each.
        bits += "110110 101010 100100 100100";
    }
    // Three chains (of at most nine: 3 of 10 values), one per spatial layer.
    bits += "011 000 101010 111111";
    for spatial in 0u32..3 {
        for behind in [0, 12, 6, 3, 9] {
            for chain in 0..3 {
                // Since the last frame of that chain: of this picture, or of the last of the base layer.
                let distance = match (behind, chain < spatial) {
                    (0, false) => spatial.min(1),
                    (0 | 12, true) => spatial - chain,
                    _ => behind + spatial - chain,
                };
                bits += &format!("{distance:04b}");
            }
        }
    }
    bits += "1";
    SIZES.iter().for_each(|(width, height)| bits += &format!("{:016b}{:016b}", width - 1, height - 1));
    bits.replace(' ', "")
}

/// What a receiver shows of one picture: the highest spatial layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shown {
    layer: u8,
    keyframe: bool,
}

/// Takes everything that came as a decoder would, and fails at the first frame that it could not show.
fn decode(packets: &[Bytes], codec: Codec) -> Vec<Shown> {
    let mut ids = ExtensionIds::new();
    ids.set(ExtensionUri::DependencyDescriptor, DEPENDENCY);
    let mut shown: BTreeMap<u32, Shown> = BTreeMap::new();
    let (mut decoded, mut numbers) = (BTreeSet::new(), BTreeSet::new());
    let mut structure: Option<Structure> = None;
    let (mut next, mut parts, mut last_timestamp) = (None, 0, None);
    for bytes in packets {
        let packet = RtpPacket::parse(bytes.clone(), &ids).unwrap();
        assert!(next.is_none_or(|next| packet.sequence == next), "numbers close up");
        next = Some(packet.sequence.wrapping_add(1));
        let truth = Truth::read(&packet.payload);
        let keyframe = truth.reference == truth.picture;
        parts = if truth.index == 0 { 1 } else { parts + 1 };
        assert!(parts == truth.index + 1, "whole frames: {truth:?}");
        let needed = match (keyframe, truth.spatial) {
            (true, 0) => None,
            (true, spatial) => Some((truth.picture, spatial - 1)),
            (false, spatial) => Some((truth.reference, spatial)),
        };
        assert!(needed.is_none_or(|needed| decoded.contains(&needed)), "no bad frame: {truth:?}");
        let back = last_timestamp.map_or(0, |last| packet.timestamp.wrapping_sub(last));
        assert!(back < 1 << 31, "time goes on");
        last_timestamp = Some(packet.timestamp);
        if codec == Codec::Av1 {
            let bytes = packet.extensions.dependency_descriptor.as_deref().expect("every packet has one");
            let descriptor =
                DependencyDescriptor::parse(bytes, structure.as_ref()).expect("one that can be read");
            assert_eq!((descriptor.spatial, descriptor.temporal), (truth.spatial, truth.temporal));
            numbers.insert(descriptor.frame_number);
            let reference = descriptor.frame_number.wrapping_sub(descriptor.furthest);
            assert!(numbers.contains(&reference), "what it says that it needs was sent: {truth:?}");
            structure = descriptor.structure.or(structure);
        } else {
            let (descriptor, _) = vp9::Descriptor::parse(&packet.payload).unwrap();
            let layers = descriptor.layers.unwrap();
            assert_eq!((layers.spatial, layers.temporal), (truth.spatial, truth.temporal));
        }
        if parts == PACKETS {
            decoded.insert((truth.picture, truth.spatial));
            shown.insert(truth.picture, Shown { layer: truth.spatial, keyframe });
        }
    }
    shown.into_values().collect()
}

#[test]
fn layers_of_one_stream_follow_the_tile_and_every_frame_can_be_decoded() {
    for codec in [Codec::Vp9, Codec::Av1] {
        let mut call = Call::new();
        call.join_scalable(codec);
        let desktop = json!({"capabilities": {"device": {"class": "desktop"}}});
        let watcher = call.join(false, desktop);
        let mut checked = 0;
        // Lines and frames per second of the tile; spatial layer and pictures in the second half of four seconds.
        for (lines, fps, layer, pictures) in [
            (180, None, 0, 58..=62),
            (720, None, 2, 58..=62),
            (360, None, 1, 58..=62),
            (720, Some(15), 2, 29..=31),
            (180, Some(8), 0, 14..=16),
            (720, None, 2, 58..=62),
        ] {
            let mut slot = json!({"mid": "v0", "want": "auto", "width": lines * 16 / 9, "height": lines});
            if let Some(fps) = fps {
                slot["fps"] = json!(fps);
            }
            call.say(watcher, json!({"type": "view", "slots": [slot]}));
            call.pass(Duration::from_secs(2));
            let before = decode(&call.peers[watcher].packets, codec).len();
            call.pass(Duration::from_secs(2));
            let all = decode(&call.peers[watcher].packets, codec);
            let tail = &all[before..];
            assert!(pictures.contains(&tail.len()), "{codec} at {lines} lines: {} pictures", tail.len());
            assert!(tail.iter().all(|shown| shown.layer == layer), "{codec} at {lines} lines: {tail:?}");
            let slot = call.slot(watcher).expect("told what it gets");
            assert_eq!(slot["height"], lines, "{codec}");
            checked = all.len();
        }
        assert!(checked > 400, "{codec}: {checked} pictures");
        let all = decode(&call.peers[watcher].packets, codec);
        let raised = all.windows(2).filter(|pair| pair[1].layer > pair[0].layer);
        assert!(raised.clone().count() >= 3, "{codec}: up at least three times");
        assert!(raised.clone().all(|pair| pair[1].keyframe), "{codec}: and only with a keyframe");
    }
}

#[test]
fn who_does_not_decode_a_codec_is_told_so() {
    for (codec, name) in [(Codec::Vp9, "VP9"), (Codec::Av1, "AV1")] {
        let mut call = Call::new();
        call.join_scalable(codec);
        let says = |name: &str| json!({"capabilities": {"decode": {"codecs": [{"name": name}]}}});
        let (old, new) = (call.join(false, says("VP8")), call.join(false, says(name)));
        call.pass(Duration::from_secs(3));
        let slot = call.slot(old).expect("told why there is nothing");
        assert_eq!((&slot["reason"], &slot["participant"]), (&json!("codec"), &json!("p1")));
        assert!(call.peers[old].packets.is_empty(), "nothing that it could not decode");
        assert!(call.slot(new).is_some_and(|slot| slot["reason"] == "optimal" || slot["height"].is_u64()));
        assert!(!call.peers[new].packets.is_empty());
    }
}
