//! The dependency descriptor (RTP payload format for AV1, version 1.0, appendix A): what a frame depends on, whatever its
//! codec.
//!
//! Owns its bits: reading them with the structure that the last keyframe carried, and writing them anew for a receiver
//! that sees frames of several sources as one stream. Keeps no state: the structure is handed out and handed in again.
//!
//! ```text
//!  start 1 | end 1 | template id 6 | frame number 16                                 always
//!  structure? 1 | targets? 1 | own indications? 1 | own differences? 1 | own chains? 1    only if longer
//!  structure | targets mask | indications | differences | chains                     as announced
//! ```

mod structure;

pub use structure::{Indication, MAX_TARGETS, Structure};

use smallvec::SmallVec;

use crate::bits::{BitReader, BitWriter};
use structure::Template;

/// Bytes that every descriptor has.
const MANDATORY: usize = 3;
/// Where the flags end and the structure, which begins with the offset of template ids, starts, in bits.
const FLAGS_END: usize = MANDATORY * 8 + 5;
/// Template ids have six bits.
const TEMPLATE_MASK: u8 = 0x3f;
/// Bits of the offset of template ids.
const OFFSET_BITS: usize = 6;
/// More differences than this in one frame are no AV1: it has eight references.
const MAX_DIFFERENCES: usize = 16;

/// A descriptor as it is written; what a receiver gets.
pub type Written = SmallVec<[u8; 24]>;

/// Why bytes are no dependency descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DependencyError {
    /// It ends inside itself.
    #[error("dependency descriptor is cut off")]
    TooShort,
    /// It says something its format does not allow.
    #[error("dependency descriptor contradicts its format")]
    Malformed,
    /// The structure it refers to has not come: nothing but its [`MandatoryFields`] can be read.
    #[error("structure of the dependency descriptor is not known")]
    UnknownStructure,
}

/// What every descriptor begins with (§A.8.1), which needs no structure to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MandatoryFields {
    /// The first packet of the frame.
    pub start: bool,
    /// The last packet of the frame.
    pub end: bool,
    /// Wrapping count of frames.
    pub frame_number: u16,
    template_id: u8,
}

impl MandatoryFields {
    /// What `bytes` begin with.
    ///
    /// # Errors
    /// [`DependencyError::TooShort`].
    pub fn parse(bytes: &[u8]) -> Result<Self, DependencyError> {
        let [first, high, low, ..] = *bytes else { return Err(DependencyError::TooShort) };
        Ok(Self {
            start: first & 0x80 != 0,
            end: first & 0x40 != 0,
            frame_number: u16::from_be_bytes([high, low]),
            template_id: first & TEMPLATE_MASK,
        })
    }

    /// Writes the descriptor that `bytes` hold, and from which `self` was read, with another frame number and its
    /// template id moved by `template_shift`. All else stays as it is: it is for those who know the structure.
    pub fn rewrite(&self, bytes: &[u8], frame_number: u16, template_shift: u8) -> Written {
        let flags = bytes.first().map_or(0, |first| first & !TEMPLATE_MASK);
        let mut out = Written::new();
        out.push(flags | self.template_id.wrapping_add(template_shift) & TEMPLATE_MASK);
        out.extend_from_slice(&frame_number.to_be_bytes());
        out.extend_from_slice(bytes.get(MANDATORY..).unwrap_or_default());
        out
    }
}

/// What one packet says of its frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DependencyDescriptor {
    /// The first packet of the frame.
    pub start: bool,
    /// The last packet of the frame.
    pub end: bool,
    /// Wrapping count of frames.
    pub frame_number: u16,
    /// Spatial layer, 0 to 3.
    pub spatial: u8,
    /// Temporal layer, 0 to 7.
    pub temporal: u8,
    /// What the frame is to each decode target.
    pub indications: Indications,
    /// How many frames back the furthest one that it refers to lies; 0 for a frame that refers to none.
    pub furthest: u16,
    /// Which decode targets are being sent, where this packet says so.
    pub active: Option<u32>,
    /// The structure that holds from this frame on, where this packet carries one.
    pub structure: Option<Structure>,
    layout: Layout,
}

/// What a frame is to each decode target, two bits each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Indications(u64);

impl Indications {
    /// What the frame is to that target, which is below [`MAX_TARGETS`].
    pub fn of(self, target: usize) -> Indication {
        Indication::from_bits((self.0 >> (2 * target) & 3) as u32)
    }

    fn set(&mut self, target: usize, bits: u32) {
        self.0 |= u64::from(bits) << (2 * target);
    }
}

/// Where the fields lie whose place is not fixed, in bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Layout {
    template_id: u8,
    targets: u8,
    has_structure: bool,
    has_active: bool,
    /// Where the mask is, or would be.
    active: usize,
    end: usize,
}

/// What changes on the way to one receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edit {
    /// The frame's number in the stream of the receiver.
    pub frame_number: u16,
    /// Added to template ids and to their offset, modulo 64: consecutive structures must not share ids (§A.8.1).
    pub template_shift: u8,
    /// The decode targets that the receiver is sent; `None` says nothing about them.
    pub active: Option<u32>,
}

impl DependencyDescriptor {
    /// What `bytes` say, given the structure that held before.
    ///
    /// # Errors
    /// [`DependencyError`]; see there.
    pub fn parse(bytes: &[u8], known: Option<&Structure>) -> Result<Self, DependencyError> {
        let MandatoryFields { start, end, frame_number, template_id } = MandatoryFields::parse(bytes)?;
        let mut bits = BitReader::new(bytes);
        bits.skip(MANDATORY * 8).ok_or(DependencyError::TooShort)?;
        let flags = if bytes.len() > MANDATORY { bits.bits(5).ok_or(DependencyError::TooShort)? } else { 0 };
        let set = |bit: u32| flags & bit != 0;
        let structure = match set(0x10) {
            true => Some(Structure::parse(&mut bits)?),
            false => None,
        };
        let current = structure.as_ref().or(known).ok_or(DependencyError::UnknownStructure)?;
        let targets = current.targets();
        let mask_at = bits.position();
        let active = match set(0x08) {
            true => Some(bits.bits(targets).ok_or(DependencyError::TooShort)?),
            // §A.8.2: a new structure activates everything.
            false => structure.as_ref().map(Structure::all_targets),
        };
        // Consecutive structures share no ids (§A.8.1): one that is not here is of another structure.
        let template = current.template(template_id).ok_or(match structure {
            Some(_) => DependencyError::Malformed,
            None => DependencyError::UnknownStructure,
        })?;
        let own = Own { indications: set(0x04), differences: set(0x02), chains: set(0x01) };
        let (indications, furthest) = own.read(&mut bits, current, template)?;
        let layout = Layout {
            template_id,
            targets: targets as u8,
            has_structure: structure.is_some(),
            has_active: set(0x08),
            active: mask_at,
            end: if bytes.len() > MANDATORY { bits.position() } else { MANDATORY * 8 },
        };
        let (spatial, temporal) = (template.spatial, template.temporal);
        Ok(Self {
            start,
            end,
            frame_number,
            spatial,
            temporal,
            indications,
            furthest,
            active,
            structure,
            layout,
        })
    }

    /// Writes the descriptor that `bytes` hold, and from which `self` was read, with another numbering.
    pub fn rewrite(&self, bytes: &[u8], edit: &Edit) -> Written {
        let mut out = BitWriter::new();
        let shifted = |id: u32| id.wrapping_add(u32::from(edit.template_shift)) & 0x3f;
        out.bits(u32::from(self.start), 1);
        out.bits(u32::from(self.end), 1);
        out.bits(shifted(u32::from(self.layout.template_id)), 6);
        out.bits(u32::from(edit.frame_number), 16);
        let is_short = bytes.len() == MANDATORY;
        if is_short && edit.active.is_none() {
            return out.finish();
        }
        let own_fields = if is_short { 0 } else { u32::from(bytes[MANDATORY] >> 3 & 0x07) };
        out.bits(u32::from(self.layout.has_structure), 1);
        out.bits(u32::from(edit.active.is_some()), 1);
        out.bits(own_fields, 3);
        if let Some(structure) = &self.structure {
            out.bits(shifted(u32::from(structure.offset())), OFFSET_BITS);
            out.copy(bytes, FLAGS_END + OFFSET_BITS, self.layout.active);
        }
        let targets = usize::from(self.layout.targets);
        if let Some(active) = edit.active {
            out.bits(active, targets);
        }
        if !is_short {
            let behind = self.layout.active + if self.layout.has_active { targets } else { 0 };
            out.copy(bytes, behind, self.layout.end);
        }
        out.finish()
    }

    /// The highest temporal layer that can be taken up with this frame by whoever gets the layers below of the same
    /// spatial layer, if there is one to which this frame is a switching point.
    pub fn switching_point(&self, structure: &Structure) -> Option<u8> {
        structure
            .layers()
            .enumerate()
            .filter(|(target, (spatial, temporal))| {
                *spatial == self.spatial
                    && *temporal >= self.temporal
                    && self.indications.of(*target) == Indication::Switch
            })
            .map(|(_, (_, temporal))| temporal)
            .max()
    }
}

/// Which fields a frame has of its own instead of its template's (§A.8.3).
struct Own {
    indications: bool,
    differences: bool,
    chains: bool,
}

impl Own {
    fn read(
        &self,
        bits: &mut BitReader<'_>,
        structure: &Structure,
        template: &Template,
    ) -> Result<(Indications, u16), DependencyError> {
        let mut field = |count| bits.bits(count).ok_or(DependencyError::TooShort);
        let mut indications = template.indications;
        if self.indications {
            indications = Indications::default();
            for target in 0..structure.targets() {
                indications.set(target, field(2)?);
            }
        }
        let mut furthest = template.furthest;
        if self.differences {
            furthest = 0;
            for count in 0.. {
                let size = field(2)? as usize;
                if size == 0 {
                    break;
                }
                if count == MAX_DIFFERENCES {
                    return Err(DependencyError::Malformed);
                }
                furthest = furthest.max(field(4 * size)? as u16 + 1);
            }
        }
        if self.chains {
            for _ in 0..structure.chains() {
                field(8)?;
            }
        }
        Ok((indications, furthest))
    }
}

#[cfg(test)]
mod tests;
