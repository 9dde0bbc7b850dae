//! From what a publication offers to what one receiver may be given, in order of worth.
//!
//! Owns the filter (liveness, codec, device, care, the user's wish, viewport) and the naming of whatever the
//! filter took away next above the top. Leaves affording what remains to `spend`. Points are ordered by what
//! they are (pixels, frames), never by name or position: ladders have holes, equal sizes and missing lowest
//! rungs.

use crate::subscription::fits_height;
use crate::utility::Taste;
use crate::{DeviceProfile, OperatingPoint, Reason, Subscription, Viewport};

/// A point that a subscription may be given.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rung {
    /// Position in the subscription's points.
    pub(crate) point: usize,
    /// In bit/s.
    pub(crate) bits: u64,
    /// In pixels per second.
    pub(crate) pixels: u64,
    /// Its worth, loyalty included.
    pub(crate) utility: f64,
    /// The same with what it is worth to keep what one has: what spending goes by. See [`crate::spend::price`].
    pub(crate) value: f64,
    /// What it costs at the prices of the day, in parts of the scarce budgets.
    pub(crate) cost: f64,
}

/// What stands above the top rung, or instead of any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ceiling {
    /// Why it is not a rung.
    pub(crate) reason: Reason,
    /// The next better point that was taken away, where naming it is of use.
    pub(crate) point: Option<usize>,
}

/// Appends the rungs of one subscription, least worth first, without those that another one beats at no
/// higher price. The former target stays even when beaten: its price swings, and giving it up must be a
/// decision.
pub(crate) fn build(
    device: &DeviceProfile,
    subscription: &Subscription<'_>,
    rungs: &mut Vec<Rung>,
) -> Ceiling {
    if subscription.viewport == Viewport::Hidden {
        return Ceiling { reason: Reason::Hidden, point: None };
    }
    let limits = Limits::new(device, subscription);
    let start = rungs.len();
    let mut taste = Taste::new(device, subscription);
    let points = subscription.points.iter().enumerate();
    for (index, point) in points.filter(|(_, point)| limits.excluded_by(point).is_none()) {
        let utility = taste.utility(point) * taste.loyalty(point);
        let (bits, pixels) = (point.cost.as_bps(), point.pixel_rate());
        rungs.push(Rung { point: index, bits, pixels, utility, value: utility, cost: 0.0 });
    }
    let mine = &mut rungs[start..];
    // Stable and total: equals keep the publication's order.
    mine.sort_by(|a, b| {
        a.utility.total_cmp(&b.utility).then(b.bits.cmp(&a.bits)).then(b.pixels.cmp(&a.pixels))
    });
    let ceiling = limits.ceiling(mine);
    drop_beaten(rungs, start, subscription.target);
    ceiling
}

/// Removes every rung from `start` on that a later (at least as good) one matches in both prices.
fn drop_beaten(rungs: &mut Vec<Rung>, start: usize, target: Option<usize>) {
    let mut kept = start;
    for at in start..rungs.len() {
        let rung = rungs[at];
        let beaten =
            rungs[at + 1..].iter().any(|other| other.bits <= rung.bits && other.pixels <= rung.pixels);
        if !beaten || Some(rung.point) == target {
            rungs[kept] = rung;
            kept += 1;
        }
    }
    rungs.truncate(kept);
}

/// Everything that limits one subscription other than the two budgets.
struct Limits<'a> {
    device: &'a DeviceProfile,
    subscription: &'a Subscription<'a>,
    /// Pixels of the smallest picture that can be decoded: it passes every limit of size, also when it is
    /// larger than the device was made for, since any picture beats none. What it takes to decode is limited
    /// by the pixel budget.
    smallest: u64,
    /// Pixels of the smallest picture that fills the viewport: the viewport is rounded *up* to an encoding.
    filling: u64,
}

impl<'a> Limits<'a> {
    fn new(device: &'a DeviceProfile, subscription: &'a Subscription<'a>) -> Self {
        let mut limits = Self { device, subscription, smallest: u64::MAX, filling: u64::MAX };
        for point in subscription.points.iter() {
            if limits.decodable(point) {
                limits.smallest = limits.smallest.min(point.pixels());
                if limits.fits_device(point) && fills(subscription.viewport, point) {
                    limits.filling = limits.filling.min(point.pixels());
                }
            }
        }
        limits
    }

    fn decodable(&self, point: &OperatingPoint) -> bool {
        point.alive && self.sized(point)
    }

    /// Known in size and in a codec of the device.
    fn sized(&self, point: &OperatingPoint) -> bool {
        point.pixels() > 0 && self.device.codecs.contains(point.codec)
    }

    fn fits_device(&self, point: &OperatingPoint) -> bool {
        fits_height(point.width, point.height, self.device.max_height)
    }

    /// Why a point is not for this subscription; `None` when it is. Where several limits apply, the one that
    /// is easiest to change comes first: the user's own, then the device's care, then its nature, then the
    /// size of the tile.
    fn excluded_by(&self, point: &OperatingPoint) -> Option<Reason> {
        if !self.decodable(point) {
            return Some(Reason::PublisherOff);
        }
        self.limited_by(point)
    }

    /// The same, whether or not it is alive.
    fn limited_by(&self, point: &OperatingPoint) -> Option<Reason> {
        let size = |ceiling: Option<u32>| {
            ceiling
                .is_some_and(|c| point.pixels() > self.smallest && !fits_height(point.width, point.height, c))
        };
        let rate = |ceiling: Option<u32>| ceiling.is_some_and(|c| self.too_fast(point, c));
        let (wish, care, device) = (self.subscription, &self.device.care, self.device);
        if size(wish.max_height) || rate(wish.max_fps) {
            Some(Reason::UserRequest)
        } else if size(care.max_height) || rate(care.max_fps) {
            Some(Reason::Power)
        } else if size(Some(device.max_height)) || rate(Some(device.max_fps)) {
            Some(Reason::DeviceHeight)
        } else if point.pixels() > self.filling.max(self.smallest) {
            Some(Reason::Viewport)
        } else {
            None
        }
    }

    /// Whether a frame rate is above a ceiling, unless its encoding has nothing slower. An eighth is granted
    /// to cameras that run at 31 frames per second.
    fn too_fast(&self, point: &OperatingPoint, ceiling: u32) -> bool {
        let above = |fps: u32| u64::from(fps) * 8 > u64::from(ceiling) * 9;
        above(point.fps)
            && self.subscription.points.iter().any(|other| {
                other.encoding == point.encoding && other.fps < point.fps && self.decodable(other)
            })
    }

    /// What is next above the best of these rungs, which are ordered by worth.
    fn ceiling(&self, rungs: &[Rung]) -> Ceiling {
        let points = &self.subscription.points;
        let top = rungs.last().map_or((0, 0), |rung| stature(&points[rung.point]));
        let above = points.iter().enumerate().filter(|(_, point)| self.sized(point) && stature(point) > top);
        // The next size, at the frame rate that comes closest to this one. A point that is off and limited as
        // well is named by its limit: sending it would change nothing.
        let next = above.min_by_key(|(_, point)| (point.pixels(), point.fps.abs_diff(top.1), point.fps));
        match next.map(|(index, point)| (index, self.limited_by(point).unwrap_or(Reason::PublisherOff))) {
            // Nothing is missing at a tile that is filled.
            Some((_, Reason::Viewport)) => Ceiling { reason: Reason::Viewport, point: None },
            Some((index, reason)) => Ceiling { reason, point: Some(index) },
            None if rungs.is_empty() => {
                let foreign =
                    |point: &OperatingPoint| point.alive && !self.device.codecs.contains(point.codec);
                let reason = if points.iter().any(foreign) { Reason::Codec } else { Reason::PublisherOff };
                Ceiling { reason, point: None }
            }
            None => Ceiling { reason: Reason::Optimal, point: None },
        }
    }
}

/// The order of points by what they are: larger first by pixels, then by frames.
fn stature(point: &OperatingPoint) -> (u64, u32) {
    (point.pixels(), point.fps)
}

/// Whether a picture has a pixel for every one of the viewport, in the direction that limits it. A
/// thirty-second part is forgiven: nobody sees it, and the next encoding has four times the pixels.
fn fills(viewport: Viewport, point: &OperatingPoint) -> bool {
    let enough = |have: u32, want: u32| u64::from(have) * 33 >= u64::from(want) * 32;
    match viewport {
        Viewport::Shown { width, height } => enough(point.width, width) || enough(point.height, height),
        Viewport::Unknown | Viewport::Hidden => false,
    }
}

#[cfg(test)]
mod tests;
