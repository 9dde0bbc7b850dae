//! One packet of an encoding, as it is kept: looked at once, forwarded and repeated from here.
//!
//! Owns the split of a payload into the part that is rewritten per receiver and the part that all receivers
//! share, and what a packet says of the layers of its frame, from whichever place its codec says it in.

use std::sync::Arc;

use bytes::Bytes;
use packet::codec::red::Redundant;
use packet::codec::{self, Codec, CodecError, MAX_SPATIAL, vp8, vp9};
use packet::extension::dependency::{
    DependencyDescriptor, DependencyError, Indication, MandatoryFields, Structure,
};
use packet::{AudioLevel, RtpPacket};
use units::{Timestamp, Unwrapper};

use crate::ParticipantId;

/// A packet of an encoding.
#[derive(Clone, Debug)]
pub(crate) struct Media {
    /// Who published it.
    pub(crate) publisher: ParticipantId,
    /// Number in the encoding, unwrapped, ahead of everything before a restart.
    pub(crate) seq: u64,
    /// RTP timestamp, unwrapped.
    pub(crate) timestamp: u64,
    /// When it was captured, on the node's clock.
    pub(crate) capture: Timestamp,
    /// When it arrived.
    pub(crate) arrival: Timestamp,
    /// Which codec.
    pub(crate) codec: Codec,
    /// The first packet of a picture.
    pub(crate) frame_start: bool,
    /// The first packet of a picture that a decoder can start with.
    pub(crate) keyframe_start: bool,
    /// The RTP marker: the last packet of a picture.
    pub(crate) marker: bool,
    /// Loudness of audio.
    pub(crate) audio_level: Option<AudioLevel>,
    /// Where its frame stands among the layers of its encoding.
    pub(crate) standing: Standing,
    /// The payload descriptor that was in front of `body`.
    pub(crate) head: Option<Head>,
    /// The dependency descriptor, where there is one that makes sense.
    pub(crate) dependency: Option<Arc<Dependency>>,
    /// What it was with earlier sound, for receivers that take that.
    pub(crate) redundant: Option<Arc<Redundant>>,
    /// What all receivers share. Empty for a packet that was only padding.
    pub(crate) body: Bytes,
}

impl Media {
    /// True for a number that carries nothing.
    pub(crate) fn is_padding(&self) -> bool {
        self.body.is_empty()
    }
}

/// A spatial and a temporal layer: as a place, that of one frame; as a limit, everything up to both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Layer {
    pub(crate) spatial: u8,
    pub(crate) temporal: u8,
}

impl Layer {
    /// The limit that nothing exceeds.
    pub(crate) const ALL: Self = Self { spatial: u8::MAX, temporal: u8::MAX };

    /// Whether a frame of this layer is within a limit.
    pub(crate) fn is_within(self, limit: Self) -> bool {
        self.spatial <= limit.spatial && self.temporal <= limit.temporal
    }
}

/// Where a frame stands among the layers of its encoding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) layer: Layer,
    /// Which temporal layers can be taken up with it.
    pub(crate) raise: Option<Raise>,
    /// Whoever gets the spatial layers below can take this one up with it: it refers to no earlier picture.
    pub(crate) spatial_sync: bool,
    /// This packet is the last of its spatial layer in its picture.
    pub(crate) layer_end: bool,
}

/// Whoever gets temporal layers up to `from` can take up those up to `to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Raise {
    pub(crate) from: u8,
    pub(crate) to: u8,
}

impl Raise {
    const ALL: Self = Self { from: 0, to: u8::MAX };
}

/// The part of a payload that is rewritten.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    pub(crate) descriptor: Descriptor,
    /// The picture id, unwrapped.
    pub(crate) picture: u64,
}

/// A payload descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Descriptor {
    Vp8(vp8::Descriptor),
    Vp9(vp9::Descriptor),
}

impl Descriptor {
    pub(crate) fn picture_id(&self) -> Option<u16> {
        match self {
            Self::Vp8(descriptor) => descriptor.picture_id,
            Self::Vp9(descriptor) => descriptor.picture_id,
        }
    }

    pub(crate) fn tl0_picture_index(&self) -> Option<u8> {
        match self {
            Self::Vp8(descriptor) => descriptor.tl0_picture_index,
            Self::Vp9(descriptor) => descriptor.tl0_picture_index,
        }
    }

    pub(crate) fn key_index(&self) -> Option<u8> {
        match self {
            Self::Vp8(descriptor) => descriptor.key_index,
            Self::Vp9(_) => None,
        }
    }
}

/// A dependency descriptor.
#[derive(Debug)]
pub(crate) struct Dependency {
    pub(crate) bytes: Bytes,
    pub(crate) fields: MandatoryFields,
    /// All that it says; `None` for one that came before the structure it refers to, as when the first packet of a
    /// keyframe is late. Its receiver will know the structure when it gets to it.
    pub(crate) read: Option<Read>,
}

/// A dependency descriptor with the structure by which it was read.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) descriptor: DependencyDescriptor,
    pub(crate) structure: Arc<Structure>,
    /// The decode targets that the publisher sends.
    pub(crate) active: u32,
}

/// What one look at a payload gave.
#[derive(Debug)]
pub(crate) struct Parsed {
    pub(crate) frame_start: bool,
    pub(crate) keyframe_start: bool,
    pub(crate) standing: Standing,
    pub(crate) sizes: [Option<(u16, u16)>; MAX_SPATIAL],
    pub(crate) head: Option<Head>,
    pub(crate) dependency: Option<Arc<Dependency>>,
    pub(crate) body: Bytes,
}

/// Looks at payloads of one encoding.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    long: Unwrapper<15>,
    short: Unwrapper<7>,
    structure: Option<Known>,
}

/// The structure of dependency descriptors that holds.
#[derive(Debug)]
struct Known {
    /// The number of the packet that carried it.
    seq: u64,
    structure: Arc<Structure>,
    /// The decode targets that the publisher sends.
    active: u32,
}

impl Parser {
    /// Splits and describes the payload, which is not empty, of the packet with that number in its encoding.
    pub(crate) fn parse(&mut self, codec: Codec, seq: u64, packet: &RtpPacket) -> Result<Parsed, CodecError> {
        let info = codec::peek(codec, &packet.payload, packet.marker)?;
        let mut parsed = Parsed {
            frame_start: info.frame_start,
            keyframe_start: info.keyframe_start,
            standing: Standing { layer_end: packet.marker, ..Standing::default() },
            sizes: info.sizes,
            head: None,
            dependency: None,
            body: packet.payload.clone(),
        };
        match codec {
            Codec::Vp8 => {
                let (descriptor, length) = vp8::Descriptor::parse(&packet.payload)?;
                parsed.standing = Standing { layer_end: packet.marker, ..vp8_standing(&descriptor) };
                self.take_head(&mut parsed, packet, Descriptor::Vp8(descriptor), length, 2);
            }
            Codec::Vp9 => {
                let (descriptor, length) = vp9::Descriptor::parse(&packet.payload)?;
                parsed.standing = vp9_standing(&descriptor);
                self.take_head(&mut parsed, packet, Descriptor::Vp9(descriptor), length, 1);
            }
            Codec::H264 | Codec::Av1 | Codec::Opus => {}
        }
        if let Some(dependency) = self.dependency(seq, packet) {
            match &dependency.read {
                Some(read) => parsed.take_description(codec, read),
                None if codec == Codec::Av1 => {
                    parsed.frame_start = dependency.fields.start;
                    parsed.keyframe_start = false;
                }
                None => {}
            }
            parsed.dependency = Some(Arc::new(dependency));
        }
        if parsed.keyframe_start {
            parsed.standing.raise = Some(Raise::ALL);
        }
        Ok(parsed)
    }

    /// `flag_at` is where the byte with the M bit is, which tells how long a picture id is (RFC 7741 §4.2, RFC 9628
    /// §4.2).
    fn take_head(
        &mut self,
        parsed: &mut Parsed,
        packet: &RtpPacket,
        descriptor: Descriptor,
        length: usize,
        flag_at: usize,
    ) {
        let is_long = packet.payload.get(flag_at).is_some_and(|byte| byte & 0x80 != 0);
        let picture = descriptor.picture_id().map_or(0, |id| match is_long {
            true => self.long.unwrap(u64::from(id)),
            false => self.short.unwrap(u64::from(id)),
        });
        parsed.head = Some(Head { descriptor, picture });
        parsed.body = packet.payload.slice(length..);
    }

    /// The dependency descriptor of a packet. One that makes no sense is not there: it could not be rewritten.
    fn dependency(&mut self, seq: u64, packet: &RtpPacket) -> Option<Dependency> {
        let bytes = packet.extensions.dependency_descriptor.clone()?;
        let fields = MandatoryFields::parse(&bytes).ok()?;
        let known = self.structure.as_ref().map(|known| &*known.structure);
        let read = match DependencyDescriptor::parse(&bytes, known) {
            Ok(descriptor) => Some(self.read(seq, descriptor)?),
            Err(DependencyError::UnknownStructure) => None,
            Err(DependencyError::TooShort | DependencyError::Malformed) => return None,
        };
        Some(Dependency { bytes, fields, read })
    }

    /// A descriptor with the structure by which it was read. One that carries a structure makes it hold, unless a later
    /// one has overtaken it.
    fn read(&mut self, seq: u64, descriptor: DependencyDescriptor) -> Option<Read> {
        if let Some(structure) = &descriptor.structure {
            let (structure, active) = (Arc::new(structure.clone()), structure.all_targets());
            if self.structure.as_ref().is_some_and(|known| known.seq > seq) {
                let active = descriptor.active.unwrap_or(active);
                return Some(Read { descriptor, structure, active });
            }
            self.structure = Some(Known { seq, structure, active });
        }
        let known = self.structure.as_mut()?;
        known.active = descriptor.active.unwrap_or(known.active);
        Some(Read { structure: known.structure.clone(), active: known.active, descriptor })
    }
}

impl Parsed {
    /// What a dependency descriptor says goes before what the payload does.
    fn take_description(&mut self, codec: Codec, read: &Read) {
        let descriptor = &read.descriptor;
        self.standing = described_standing(descriptor, &read.structure);
        self.frame_start = descriptor.start && descriptor.spatial == 0;
        if codec == Codec::Av1 {
            let is_first = self.frame_start && descriptor.furthest == 0;
            self.keyframe_start = is_first && descriptor.structure.is_some();
        }
        if let Some(structure) = &descriptor.structure {
            for (size, said) in self.sizes.iter_mut().zip(structure.sizes()) {
                *size = Some(*said);
            }
        }
    }

    /// The structure that this packet carries.
    pub(crate) fn structure(&self) -> Option<Arc<Structure>> {
        let read = self.dependency.as_ref()?.read.as_ref()?;
        read.descriptor.structure.as_ref().map(|_| read.structure.clone())
    }
}

impl Media {
    /// The structure came that its dependency descriptor may have waited for: now it is known where its frame stands.
    /// What receivers get of the descriptor stays the same, as some may have got it.
    pub(crate) fn place(&mut self, structure: &Structure) {
        let unread = self.dependency.as_ref().filter(|dependency| dependency.read.is_none());
        let Some(dependency) = unread else { return };
        if let Ok(descriptor) = DependencyDescriptor::parse(&dependency.bytes, Some(structure)) {
            self.standing = described_standing(&descriptor, structure);
            self.frame_start = descriptor.start && descriptor.spatial == 0;
        }
    }
}

/// RFC 7741 §4.2: with Y a frame refers to the base layer alone. A frame that nobody refers to is a layer of its own,
/// whether or not there are any.
fn vp8_standing(descriptor: &vp8::Descriptor) -> Standing {
    let (temporal, sync) = match descriptor.temporal {
        Some(temporal) => (temporal.layer, temporal.sync),
        None => (u8::from(descriptor.non_reference), true),
    };
    let raise = (sync && temporal > 0).then(|| Raise { from: temporal - 1, to: temporal });
    Standing { layer: Layer { spatial: 0, temporal }, raise, ..Standing::default() }
}

/// RFC 9628 §4.2: from a switching up point on, everything above can be taken up.
fn vp9_standing(descriptor: &vp9::Descriptor) -> Standing {
    let layers = descriptor.layers.unwrap_or_default();
    Standing {
        layer: Layer { spatial: layers.spatial, temporal: layers.temporal },
        raise: layers.switching_up.then_some(Raise { from: layers.temporal, to: u8::MAX }),
        spatial_sync: !descriptor.inter_predicted,
        layer_end: descriptor.end,
    }
}

/// AV1 RTP payload format, §A.4: a switch indication says that all of its decode target that follows can be decoded.
fn described_standing(descriptor: &DependencyDescriptor, structure: &Structure) -> Standing {
    let layer = Layer { spatial: descriptor.spatial, temporal: descriptor.temporal };
    let own = structure.layers().position(|target| target == (layer.spatial, layer.temporal));
    let switches_to_own = own.is_some_and(|own| descriptor.indications.of(own) == Indication::Switch);
    let raise = descriptor.switching_point(structure).map(|to| Raise {
        from: if switches_to_own { layer.temporal.saturating_sub(1) } else { layer.temporal },
        to,
    });
    Standing {
        layer,
        raise,
        // Whatever lies no further back than there are layers below is of the same picture.
        spatial_sync: descriptor.furthest <= u16::from(layer.spatial),
        layer_end: descriptor.end,
    }
}
