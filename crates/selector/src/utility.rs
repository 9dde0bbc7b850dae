//! How much a picture is worth to whoever looks at it.
//!
//! Owns the shape of the utility: concave in displayed size and in frame rate, saturating at what the
//! viewport shows, weighted by role. Leaves what can be afforded to `spend`. Only addition, multiplication
//! and division of floats, whose results IEEE 754 fixes, so that decisions are the same on every machine.

use crate::{DeviceProfile, OperatingPoint, Role, Subscription, Viewport};

/// Where the size curve bends: at a quarter of the wanted height a picture is worth about half of a full one.
/// Smaller bends earlier, which favours many small pictures over one large one.
const SIZE_BEND: f64 = 0.4;

/// The same for frame rate: 15 of 30 frames per second are worth five sixths, so that on a large tile twice
/// the height is worth more than twice the frames.
const RATE_BEND: f64 = 0.25;

/// Text wants sharpness: on a shared screen half the height is worth less than two thirds, and 5 of 30 frames
/// per second more than that.
const SCREEN_SIZE_BEND: f64 = 1.5;

/// See [`SCREEN_SIZE_BEND`].
const SCREEN_RATE_BEND: f64 = 0.1;

/// Frames per second beyond which nothing is gained unless a receiver asks for more.
const FULL_RATE: u32 = 30;

/// The encoding that a receiver has already is worth this much more, since going to another is seen and costs
/// a keyframe: a step in frame rate is preferred to one in size.
const LOYALTY: f64 = 1.05;

/// What one subscription likes. Points of one encoding follow each other in most ladders and differ in frame
/// rate alone, so the worth of a size is kept from one point to the next.
pub(crate) struct Taste<'a> {
    device: &'a DeviceProfile,
    subscription: &'a Subscription<'a>,
    held: Option<u8>,
    weight: f64,
    bends: (f64, f64),
    full_rate: u32,
    last_size: (u32, u32),
    last_worth: f64,
}

impl<'a> Taste<'a> {
    pub(crate) fn new(device: &'a DeviceProfile, subscription: &'a Subscription<'a>) -> Self {
        let held = subscription.target.and_then(|target| subscription.points.get(target));
        Self {
            device,
            subscription,
            held: held.map(|point| point.encoding),
            weight: weight(subscription.role),
            bends: match subscription.role {
                Role::Screen => (SCREEN_SIZE_BEND, SCREEN_RATE_BEND),
                _ => (SIZE_BEND, RATE_BEND),
            },
            full_rate: subscription.max_fps.unwrap_or(FULL_RATE).max(1),
            last_size: (0, 0),
            last_worth: 0.0,
        }
    }

    /// The worth of one point, without loyalty; 0 to the weight of the role.
    pub(crate) fn utility(&mut self, point: &OperatingPoint) -> f64 {
        if (point.width, point.height) != self.last_size {
            self.last_size = (point.width, point.height);
            self.last_worth = concave(shown(self.device, self.subscription.viewport, point), self.bends.0);
        }
        let rate = if point.fps >= self.full_rate {
            1.0
        } else {
            concave(f64::from(point.fps.max(1)) / f64::from(self.full_rate), self.bends.1)
        };
        self.weight * self.last_worth * rate
    }

    /// The factor for a point of the encoding that is being received.
    pub(crate) fn loyalty(&self, point: &OperatingPoint) -> f64 {
        if self.held == Some(point.encoding) { LOYALTY } else { 1.0 }
    }
}

/// The weight of a role in the spending of what the floors leave.
fn weight(role: Role) -> f64 {
    match role {
        Role::Thumbnail => 1.0,
        Role::Tile => 2.0,
        Role::Stage => 4.0,
        Role::Screen => 6.0,
        Role::Pinned => 8.0,
    }
}

/// The part of the shown height (or width, whichever is tighter) that the picture has pixels for; 1 when it
/// has enough.
fn shown(device: &DeviceProfile, viewport: Viewport, point: &OperatingPoint) -> f64 {
    let ratio = match viewport {
        Viewport::Shown { width, height } => {
            let across = f64::from(point.width) / f64::from(width.max(1));
            let down = f64::from(point.height) / f64::from(height.max(1));
            if across > down { across } else { down }
        }
        Viewport::Hidden => return 0.0,
        Viewport::Unknown => f64::from(point.width.min(point.height)) / f64::from(device.max_height.max(1)),
    };
    ratio.min(1.0)
}

/// From (0, 0) to (1, 1), steep first, the steeper the smaller `bend` is.
fn concave(x: f64, bend: f64) -> f64 {
    x * (1.0 + bend) / (x + bend)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Codec, DeviceClass, Presets, Reported};
    use std::borrow::Cow;
    use units::Bitrate;

    fn worth(role: Role, (width, height): (u32, u32), (w, h, fps): (u32, u32, u32)) -> f64 {
        let device = Presets::builtin().profile(DeviceClass::Desktop, &Reported::default());
        let point = OperatingPoint {
            encoding: 0,
            temporal: 0,
            width: w,
            height: h,
            fps,
            cost: Bitrate::ZERO,
            codec: Codec::Vp8,
            alive: true,
        };
        let viewport = Viewport::Shown { width, height };
        let subscription = Subscription { viewport, ..Subscription::new(role, Cow::Borrowed(&[])) };
        Taste::new(&device, &subscription).utility(&point)
    }

    #[test]
    fn what_is_preferred_to_what() {
        let stage = (1280, 720);
        let strip = (320, 180);
        let cases = [
            (Role::Stage, stage, (640, 360, 15), (320, 180, 30), "on a stage size beats frame rate"),
            (Role::Thumbnail, strip, (320, 180, 30), (1280, 720, 15), "on a thumbnail frame rate beats size"),
            (Role::Screen, stage, (1280, 720, 5), (640, 360, 15), "text wants sharpness"),
            (Role::Tile, stage, (640, 360, 30), (1280, 720, 7), "a slide show is not worth its sharpness"),
            (Role::Pinned, stage, (320, 180, 30), (0, 0, 0), "anything beats nothing"),
        ];
        for (role, shown, better, worse, why) in cases {
            assert!(worth(role, shown, better) > worth(role, shown, worse), "{why}");
        }
        let equal = [((1280, 720, 30), (1920, 1080, 30)), ((1280, 720, 30), (1280, 720, 60))];
        for (enough, more) in equal {
            assert_eq!(worth(Role::Stage, stage, enough), worth(Role::Stage, stage, more), "saturation");
        }
    }

    #[test]
    fn gains_shrink_as_pictures_grow() {
        for bend in [SIZE_BEND, RATE_BEND, SCREEN_SIZE_BEND, SCREEN_RATE_BEND] {
            assert!((concave(1.0, bend) - 1.0).abs() < 1e-12);
            let slopes: Vec<f64> = (1..100)
                .map(|i| concave(f64::from(i + 1) / 100.0, bend) - concave(f64::from(i) / 100.0, bend))
                .collect();
            assert!(slopes.windows(2).all(|pair| pair[0] > pair[1] && pair[1] > 0.0));
        }
    }
}
