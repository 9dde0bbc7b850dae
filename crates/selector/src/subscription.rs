//! What the decision is about: one receiver's interest in one publication, and what that publication offers.
//!
//! Owns the input values. Leaves filtering and ordering them to `ladder`.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use units::Bitrate;

use crate::{Codec, Stability};

/// An encoding up to one of its temporal layers: something a receiver can be given, with what it costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatingPoint {
    /// Which encoding it belongs to. Only compared: points of one encoding differ by frame rate alone, so
    /// that going from one to the other needs no keyframe.
    pub encoding: u8,
    /// The highest temporal layer that is part of it.
    pub temporal: u8,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Frames per second.
    pub fps: u32,
    /// What it takes of the link: the larger of what the publisher announces and what arrives, smoothed.
    pub cost: Bitrate,
    /// What a receiver must decode.
    pub codec: Codec,
    /// False while the publisher does not send it. True for what is off only because nobody asked for it.
    pub alive: bool,
}

impl OperatingPoint {
    /// Pixels of one picture.
    pub fn pixels(&self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }

    /// Pixels per second that a receiver must decode.
    pub fn pixel_rate(&self) -> u64 {
        self.pixels().saturating_mul(u64::from(self.fps))
    }
}

/// How much a subscription matters. Later ones matter more: they get their floor first and weigh more in the
/// rest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// A small tile in a strip.
    Thumbnail,
    /// An ordinary tile.
    #[default]
    Tile,
    /// The active speaker, or a large tile.
    Stage,
    /// A shared screen.
    Screen,
    /// Pinned by the user.
    Pinned,
}

impl Role {
    /// Every role, least first.
    pub const ALL: [Self; 5] = [Self::Thumbnail, Self::Tile, Self::Stage, Self::Screen, Self::Pinned];
}

/// How large a subscription is shown, in physical pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Viewport {
    /// The receiver did not say: only the device limits the size.
    #[default]
    Unknown,
    /// Not on the screen.
    Hidden,
    /// On the screen.
    Shown {
        /// Width in physical pixels, more than 0.
        width: u32,
        /// Height in physical pixels, more than 0.
        height: u32,
    },
}

impl Viewport {
    /// From what a receiver reports: any side of 0 is hidden, any side not said is unknown.
    pub fn from_sides(width: Option<u32>, height: Option<u32>) -> Self {
        match (width, height) {
            (Some(0), _) | (_, Some(0)) => Self::Hidden,
            (Some(width), Some(height)) => Self::Shown { width, height },
            _ => Self::Unknown,
        }
    }
}

/// One receiver's interest in one publication.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Subscription<'a> {
    /// How much it matters. Among equals the earlier one in the input goes first: put whoever spoke last
    /// first.
    pub role: Role,
    /// How large it is shown.
    pub viewport: Viewport,
    /// The most frames per second that are of use. `None` for no limit.
    pub max_fps: Option<u32>,
    /// The user's own ceiling: shorter side in pixels of a 16:9 picture. The smallest point stays allowed.
    pub max_height: Option<u32>,
    /// Shorter side in pixels below which a picture is of little use (text on a shared screen). It is granted
    /// before anybody is given more than a floor, where it can be afforded. 0 for none.
    pub floor_height: u32,
    /// Whether it may be paused when nothing fits. When not, it gets its cheapest point even over the budget.
    pub pausable: bool,
    /// What the publication offers, in any order as long as it is the same from decision to decision; a
    /// choice names a position in it.
    pub points: Cow<'a, [OperatingPoint]>,
    /// The former decision.
    pub target: Option<usize>,
    /// What is on the wire. Differs from `target` while a switch waits for its keyframe.
    pub current: Option<usize>,
    /// What the former decision said to remember; [`Stability::default`] for a new subscription.
    pub stability: Stability,
}

impl<'a> Subscription<'a> {
    /// A new one that may be paused, of unknown size, with no limits.
    pub fn new(role: Role, points: Cow<'a, [OperatingPoint]>) -> Self {
        Self {
            role,
            viewport: Viewport::Unknown,
            max_fps: None,
            max_height: None,
            floor_height: 0,
            pausable: true,
            points,
            target: None,
            current: None,
            stability: Stability::default(),
        }
    }
}

/// Whether a picture fits a ceiling given as the shorter side of a 16:9 picture, lying or standing: 360
/// admits 640x360 and 360x640, but neither 640x480 nor 860x360.
pub(crate) fn fits_height(width: u32, height: u32, ceiling: u32) -> bool {
    let (short, long) = (width.min(height), width.max(height));
    // Rounded up, so that the usual 854x480 passes as 480.
    let longest = (u64::from(ceiling) * 16).div_ceil(9);
    short <= ceiling && u64::from(long) <= longest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ceiling_is_a_box_in_either_orientation() {
        for (width, height, ceiling, fits, why) in [
            (640, 360, 360, true, "the nominal size"),
            (360, 640, 360, true, "a phone held upright"),
            (854, 480, 480, true, "16:9 does not divide 480"),
            (640, 480, 360, false, "4:3 is taller"),
            (860, 360, 360, false, "wider than 16:9"),
            (0, 0, 0, true, "nothing fits nowhere"),
            (u32::MAX, u32::MAX, u32::MAX, true, "no overflow"),
        ] {
            assert_eq!(fits_height(width, height, ceiling), fits, "{why}");
        }
    }

    #[test]
    fn a_viewport_of_nothing_is_hidden() {
        for (width, height, expected) in [
            (Some(0), Some(0), Viewport::Hidden),
            (Some(0), None, Viewport::Hidden),
            (Some(10), Some(0), Viewport::Hidden),
            (None, Some(10), Viewport::Unknown),
            (None, None, Viewport::Unknown),
            (Some(10), Some(20), Viewport::Shown { width: 10, height: 20 }),
        ] {
            assert_eq!(Viewport::from_sides(width, height), expected);
        }
    }
}
