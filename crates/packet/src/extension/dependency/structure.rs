//! The structure that a keyframe carries for all frames up to the next (§A.8.3): templates, decode targets, sizes.
//!
//! Owns its bits and its bounds. What a template says of its frame can be overruled by the frame.

use smallvec::SmallVec;

use super::{DependencyError, Indications, OFFSET_BITS};
use crate::bits::BitReader;

/// Decode targets are counted with five bits.
pub const MAX_TARGETS: usize = 32;
/// Template ids have six bits.
const MAX_TEMPLATES: usize = 64;
/// Spatial layers that may be named. The format has no bound but the number of templates; AV1 has four (bitstream
/// specification §6.2.3, two bits) and eight temporal ones.
const MAX_SPATIAL: u8 = 4;
const MAX_TEMPORAL: u8 = 8;

/// What a frame is to a decode target (§A.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Indication {
    /// No part of it.
    NotPresent,
    /// A part that nothing else of it refers to.
    Discardable,
    /// A part from which on everything of it can be decoded, if this frame can.
    Switch,
    /// A part.
    Required,
}

impl Indication {
    pub(super) const fn from_bits(bits: u32) -> Self {
        match bits & 3 {
            0 => Self::NotPresent,
            1 => Self::Discardable,
            2 => Self::Switch,
            _ => Self::Required,
        }
    }
}

/// What frames of one kind have in common.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Template {
    pub(super) spatial: u8,
    pub(super) temporal: u8,
    pub(super) indications: Indications,
    pub(super) furthest: u16,
}

/// See the module's documentation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Structure {
    offset: u8,
    templates: Vec<Template>,
    /// Highest spatial and temporal layer of each decode target.
    layers: SmallVec<[(u8, u8); 9]>,
    chains: u8,
    sizes: SmallVec<[(u16, u16); 4]>,
}

impl Structure {
    pub(super) fn parse(bits: &mut BitReader<'_>) -> Result<Self, DependencyError> {
        let offset = field(bits, OFFSET_BITS)? as u8;
        let targets = field(bits, 5)? as usize + 1;
        let mut templates = template_layers(bits)?;
        for template in &mut templates {
            for target in 0..targets {
                template.indications.set(target, field(bits, 2)?);
            }
        }
        for template in &mut templates {
            while field(bits, 1)? == 1 {
                template.furthest = template.furthest.max(field(bits, 4)? as u16 + 1);
            }
        }
        let chains = bits.below(targets as u32 + 1).ok_or(DependencyError::TooShort)?;
        if chains > 0 {
            for _ in 0..targets {
                bits.below(chains).ok_or(DependencyError::TooShort)?;
            }
            bits.skip(templates.len() * chains as usize * 4).ok_or(DependencyError::TooShort)?;
        }
        let mut sizes = SmallVec::new();
        if field(bits, 1)? == 1 {
            let highest = templates.iter().map(|template| template.spatial).max().unwrap_or(0);
            for _ in 0..=highest {
                let mut side = || {
                    let less_one = field(bits, 16)?;
                    u16::try_from(less_one + 1).map_err(|_| DependencyError::Malformed)
                };
                sizes.push((side()?, side()?));
            }
        }
        let layers = (0..targets).map(|target| target_layer(&templates, target)).collect();
        Ok(Self { offset, templates, layers, chains: chains as u8, sizes })
    }

    /// The first template id.
    pub fn offset(&self) -> u8 {
        self.offset
    }

    /// How many templates there are, 1 to 64.
    pub fn templates(&self) -> u8 {
        self.templates.len() as u8
    }

    /// How many decode targets there are, 1 to [`MAX_TARGETS`].
    pub fn targets(&self) -> usize {
        self.layers.len()
    }

    /// Highest spatial and temporal layer of each decode target, in their order.
    pub fn layers(&self) -> impl Iterator<Item = (u8, u8)> + '_ {
        self.layers.iter().copied()
    }

    /// Pixels across and down of each spatial layer, where it says so.
    pub fn sizes(&self) -> &[(u16, u16)] {
        &self.sizes
    }

    /// A mask of all decode targets.
    pub fn all_targets(&self) -> u32 {
        u32::MAX >> (MAX_TARGETS - self.targets())
    }

    /// A mask of the decode targets that need nothing above these layers.
    pub fn targets_within(&self, spatial: u8, temporal: u8) -> u32 {
        let within = |(s, t): (u8, u8)| s <= spatial && t <= temporal;
        self.layers()
            .enumerate()
            .filter(|(_, layer)| within(*layer))
            .fold(0, |mask, (target, _)| mask | 1 << target)
    }

    #[cfg(test)]
    pub(super) fn set_offset(&mut self, offset: u8) {
        self.offset = offset;
    }

    pub(super) fn chains(&self) -> u8 {
        self.chains
    }

    pub(super) fn template(&self, id: u8) -> Option<&Template> {
        self.templates.get(usize::from(id.wrapping_sub(self.offset) & 0x3f))
    }
}

fn field(bits: &mut BitReader<'_>, count: usize) -> Result<u32, DependencyError> {
    bits.bits(count).ok_or(DependencyError::TooShort)
}

/// The walk through layers that names each template's (§A.8.3, template_layers).
fn template_layers(bits: &mut BitReader<'_>) -> Result<Vec<Template>, DependencyError> {
    let (mut spatial, mut temporal) = (0, 0);
    let mut templates = Vec::new();
    loop {
        if templates.len() == MAX_TEMPLATES || spatial >= MAX_SPATIAL || temporal >= MAX_TEMPORAL {
            return Err(DependencyError::Malformed);
        }
        templates.push(Template { spatial, temporal, ..Template::default() });
        match field(bits, 2)? {
            0 => {}
            1 => temporal += 1,
            2 => (spatial, temporal) = (spatial + 1, 0),
            _ => return Ok(templates),
        }
    }
}

/// The highest layers among the frames of a decode target.
fn target_layer(templates: &[Template], target: usize) -> (u8, u8) {
    let parts = templates.iter().filter(|template| template.indications.of(target) != Indication::NotPresent);
    parts.fold((0, 0), |(spatial, temporal), part| (spatial.max(part.spatial), temporal.max(part.temporal)))
}
