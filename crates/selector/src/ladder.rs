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
    taste: &mut Taste<'_>,
    rungs: &mut Vec<Rung>,
) -> Ceiling {
    if subscription.viewport == Viewport::Hidden {
        return Ceiling { reason: Reason::Hidden, point: None };
    }
    let mut limits = Limits::new(device, subscription);
    let start = rungs.len();
    for (index, point) in subscription.points.iter().enumerate() {
        if limits.decodable(point) && limits.limited_by(point).is_none() {
            let utility = taste.utility(point) * taste.loyalty(point);
            let (bits, pixels) = (point.cost.as_bps(), point.pixel_rate());
            rungs.push(Rung { point: index, bits, pixels, utility, value: utility, cost: 0.0 });
        }
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
    if rungs[start..].is_sorted_by(|a, b| a.bits < b.bits) {
        return;
    }
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

/// Everything that limits one subscription other than the two budgets. Points of one encoding follow each other in most
/// ladders and are of one size, so a size is judged once and its verdict kept from one point to the next.
struct Limits<'a> {
    device: &'a DeviceProfile,
    subscription: &'a Subscription<'a>,
    /// Pixels of the smallest picture that can be decoded: it passes every limit of size, also when it is
    /// larger than the device was made for, since any picture beats none. What it takes to decode is limited
    /// by the pixel budget.
    smallest: u64,
    /// Pixels of the smallest picture that fills the viewport: the viewport is rounded *up* to an encoding.
    filling: u64,
    /// The lowest ceiling of the frame rate.
    max_fps: u32,
    last_size: (u32, u32),
    last_verdict: Option<Reason>,
}

impl<'a> Limits<'a> {
    fn new(device: &'a DeviceProfile, subscription: &'a Subscription<'a>) -> Self {
        let ceilings = [subscription.max_fps, device.care.max_fps];
        let mut limits = Self {
            device,
            subscription,
            smallest: u64::MAX,
            filling: u64::MAX,
            max_fps: ceilings.into_iter().flatten().fold(device.max_fps, u32::min),
            last_size: (0, 0),
            last_verdict: None,
        };
        let mut last = (0, 0);
        for point in subscription.points.iter() {
            if (point.width, point.height) == last || !limits.decodable(point) {
                continue;
            }
            last = (point.width, point.height);
            limits.smallest = limits.smallest.min(point.pixels());
            if limits.fits_device(point) && fills(subscription.viewport, point) {
                limits.filling = limits.filling.min(point.pixels());
            }
        }
        limits
    }

    fn decodable(&self, point: &OperatingPoint) -> bool {
        point.alive && self.sized(point)
    }

    /// Known in size and in a codec of the device.
    fn sized(&self, point: &OperatingPoint) -> bool {
        point.width > 0 && point.height > 0 && self.device.codecs.contains(point.codec)
    }

    fn fits_device(&self, point: &OperatingPoint) -> bool {
        fits_height(point.width, point.height, self.device.max_height)
    }

    /// Why a point is not for this subscription, whether or not it is alive; `None` when it is. Where several limits apply, the
    /// one that is easiest to change comes first: the user's own, then the device's care, then its nature, then the
    /// size of the tile. That is the order of [`Reason`], from its end.
    fn limited_by(&mut self, point: &OperatingPoint) -> Option<Reason> {
        self.limited_by_size(point).max(self.limited_by_rate(point))
    }

    fn limited_by_size(&mut self, point: &OperatingPoint) -> Option<Reason> {
        let size = (point.width, point.height);
        if size != self.last_size {
            self.last_size = size;
            self.last_verdict = self.judge_size(point);
        }
        self.last_verdict
    }

    fn judge_size(&self, point: &OperatingPoint) -> Option<Reason> {
        let pixels = point.pixels();
        let above = |ceiling: u32| !fits_height(point.width, point.height, ceiling);
        if pixels <= self.smallest {
            None
        } else if self.subscription.max_height.is_some_and(above) {
            Some(Reason::UserRequest)
        } else if self.device.care.max_height.is_some_and(above) {
            Some(Reason::Power)
        } else if above(self.device.max_height) {
            Some(Reason::DeviceHeight)
        } else {
            (pixels > self.filling).then_some(Reason::Viewport)
        }
    }

    /// No encoding is left out for its frame rate that has nothing slower.
    fn limited_by_rate(&self, point: &OperatingPoint) -> Option<Reason> {
        // An eighth is granted to cameras that run at 31 frames per second.
        let above = |ceiling: u32| u64::from(point.fps) * 8 > u64::from(ceiling) * 9;
        if !above(self.max_fps) || !self.has_slower(point) {
            return None;
        }
        Some(if self.subscription.max_fps.is_some_and(above) {
            Reason::UserRequest
        } else if self.device.care.max_fps.is_some_and(above) {
            Reason::Power
        } else {
            Reason::DeviceHeight
        })
    }

    fn has_slower(&self, point: &OperatingPoint) -> bool {
        self.subscription
            .points
            .iter()
            .any(|other| other.encoding == point.encoding && other.fps < point.fps && self.decodable(other))
    }

    /// What is next above the best of these rungs, which are ordered by worth.
    fn ceiling(&mut self, rungs: &[Rung]) -> Ceiling {
        let points = &self.subscription.points;
        let top = rungs.last().map_or((0, 0), |rung| stature(&points[rung.point]));
        let above = points.iter().enumerate().filter(|(_, point)| stature(point) > top && self.sized(point));
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
