//! The best that could be had: what somebody would choose who knew every link's true capacity.
//!
//! Owns the utility of pictures, which delivered pictures are measured by as well, and an upper bound of what
//! any policy could reach. Written apart from `selector`, whose own notion of utility is among the judged.

use std::collections::BTreeMap;

use signalling::Source;

use super::encoder::EncodingSpec;
use super::media::MAX_PAYLOAD;
use super::spec::SlotSpec;
use crate::links::event::{MILLI, Micros, SECOND};

/// Capacity is looked at in units of this many bits per second.
const UNIT: u64 = 2_000;
/// More is not of use in any scenario.
const MOST_UNITS: usize = 20_000;
/// What a packet has besides its payload, in bytes: headers of RTP with extensions, UDP and IP, and the tag of SRTP.
const HEADERS: u64 = 62;
/// A delay that nobody in a conversation minds (ITU-T G.114).
const PROMPT: Micros = 150 * MILLI;
/// A picture so much later still is of no use to a conversation. At 400 ms in all, which G.114 calls the most that networks should
/// be planned for, a quarter of the worth is gone.
const USELESS_AFTER: Micros = SECOND;
/// What sound takes, in bits per second: one voice with its headers.
pub const AUDIO: u64 = 60_000;

/// A picture as it is shown.
#[derive(Clone, Copy, Debug)]
pub struct View {
    /// A camera or a screen.
    pub source: Source,
    /// Pixels, in width and height.
    pub size: (u16, u16),
    /// Frames per second.
    pub fps: f64,
    /// What its encoding has.
    pub full_fps: f64,
    /// From the moment at which it was captured until it was shown.
    pub late: Micros,
}

/// What a picture is worth in a slot of a device that shows no more than `max_height` lines: it grows with the share of the slot
/// that has pixels of its own and with the frame rate, both ever more slowly, and falls with lateness.
pub fn utility(slot: &SlotSpec, max_height: u32, view: &View) -> f64 {
    let pixels = f64::from(view.size.0) * f64::from(view.size.1);
    let most = f64::from(max_height) * f64::from(max_height) * 16.0 / 9.0;
    let shown = slot.size.map_or(1280.0 * 720.0, |(width, height)| f64::from(width) * f64::from(height));
    let sharpness = (pixels.min(most) / shown).min(1.0).sqrt();
    let fluency = 1.0 - (1.0 - (view.fps / view.full_fps).min(1.0)).powi(2);
    let freshness = 1.0 - (view.late.saturating_sub(PROMPT) as f64 / USELESS_AFTER as f64).min(1.0);
    let weight = [0.5, 1.0, 2.0, 4.0][usize::from(slot.priority.min(3))];
    // Slides are what people came for.
    let weight = if view.source == Source::Screen { weight * 2.0 } else { weight };
    weight * sharpness * fluency * freshness
}

/// A publication that could be shown.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Offered {
    /// Whose it is.
    pub owner: u16,
    /// True for a screen.
    pub is_screen: bool,
    /// How many of its encodings the publisher can send, from the smallest on.
    pub encodings: usize,
}

/// Who receives.
#[derive(Clone, Debug)]
pub struct Viewer<'a> {
    /// Its slots.
    pub slots: &'a [SlotSpec],
    /// The largest picture it shows: shorter side in pixels.
    pub max_height: u32,
    /// How many it shows at the same time.
    pub max_streams: usize,
    /// What it decodes, in pixels per second.
    pub decode: u64,
}

/// What could be had.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Best {
    /// An upper bound of the utility.
    pub utility: f64,
    /// Slots that can have a picture.
    pub lit: usize,
}

/// Remembers answers: most of a run nothing changes.
#[derive(Debug, Default)]
pub struct Oracle {
    known: BTreeMap<(usize, u64, u64, Vec<Offered>), Best>,
}

/// Decoding is looked at in units of this many pixels per second.
const PIXEL_UNIT: u64 = 100_000;

/// One choice for a slot: cost in bits per second, pixels per second, worth.
type Rung = (u64, u64, f64);

impl Oracle {
    /// The best for viewer number `who` at `capacity` bits per second, of `offered`.
    pub fn best(
        &mut self,
        who: usize,
        viewer: &Viewer<'_>,
        capacity: u64,
        offered: &[Offered],
        encodings: impl Fn(&Offered) -> Vec<EncodingSpec>,
    ) -> Best {
        let units = (capacity.saturating_sub(AUDIO) / UNIT).min(MOST_UNITS as u64);
        let key = (who, units, viewer.decode, offered.to_vec());
        if let Some(best) = self.known.get(&key) {
            return *best;
        }
        // The largest slots are for the largest pictures; among cameras all are equal.
        let mut slots: Vec<&SlotSpec> = viewer.slots.iter().collect();
        slots.sort_by_key(|slot| std::cmp::Reverse(slot.priority));
        let mut offered: Vec<&Offered> = offered.iter().filter(|offered| offered.encodings > 0).collect();
        offered.sort_by_key(|offered| (!offered.is_screen, std::cmp::Reverse(offered.encodings)));
        let ladders: Vec<Vec<Rung>> = slots
            .iter()
            .zip(&offered)
            .take(viewer.max_streams)
            .map(|(slot, offered)| ladder(slot, offered, viewer, &encodings(offered)))
            .filter(|ladder| !ladder.is_empty())
            .collect();
        let (by_bits, lit) = fill(&ladders, units as usize, |rung| (rung.0 / UNIT) as usize);
        // Each budget alone admits more than both together, so the lesser of the two is still an upper bound.
        let pixels = (viewer.decode / PIXEL_UNIT) as usize;
        let (by_pixels, _) = fill(&ladders, pixels.min(MOST_UNITS), |rung| (rung.1 / PIXEL_UNIT) as usize);
        let best = Best { utility: by_bits.min(by_pixels), lit };
        self.known.insert(key, best);
        best
    }
}

fn ladder(slot: &SlotSpec, offered: &Offered, viewer: &Viewer<'_>, encodings: &[EncodingSpec]) -> Vec<Rung> {
    let source = if offered.is_screen { Source::Screen } else { Source::Camera };
    let sendable = encodings.iter().take(offered.encodings);
    let fits = |spec: &&EncodingSpec| u32::from(spec.width.min(spec.height)) <= viewer.max_height;
    sendable
        .filter(fits)
        .map(|spec| {
            let fps = f64::from(spec.fps);
            let view = View { source, size: (spec.width, spec.height), fps, full_fps: fps, late: 0 };
            let worth = utility(slot, viewer.max_height, &view);
            (wire_rate(spec), spec.pixels() * u64::from(spec.fps), worth)
        })
        .collect()
}

/// What an encoding takes of a link, in bits per second: its own rate and the headers of its packets, which weigh most where
/// pictures are small.
fn wire_rate(spec: &EncodingSpec) -> u64 {
    let fps = u64::from(spec.fps.max(1));
    let packets = (spec.bitrate / 8 / fps).div_ceil(MAX_PAYLOAD as u64).max(1) * fps;
    spec.bitrate + packets * HEADERS * 8
}

/// The most that can be had with `budget` units, and how many slots then have something: exact, by dynamic
/// programming.
fn fill(ladders: &[Vec<Rung>], budget: usize, cost: impl Fn(&Rung) -> usize) -> (f64, usize) {
    // More than everybody's most is not spent.
    let dearest = |ladder: &Vec<Rung>| ladder.iter().map(&cost).max().unwrap_or(0);
    let budget = budget.min(ladders.iter().map(dearest).sum());
    let mut best = vec![(0.0f64, 0usize); budget + 1];
    for ladder in ladders {
        for at in (0..=budget).rev() {
            let mut here = best[at];
            for rung in ladder {
                if let Some(rest) = at.checked_sub(cost(rung)) {
                    let with = (best[rest].0 + rung.2, best[rest].1 + 1);
                    if with.0 > here.0 {
                        here = with;
                    }
                }
            }
            best[at] = here;
        }
    }
    best[budget]
}

#[cfg(test)]
mod tests {
    use super::super::encoder;
    use super::*;

    const TILE: SlotSpec = SlotSpec { size: Some((1280, 720)), priority: 1 };

    fn best(slots: &[SlotSpec], kbps: u64, max_height: u32, decode: u64, offered: usize) -> Best {
        let viewer = Viewer { slots, max_height, max_streams: 9, decode };
        let offered: Vec<Offered> = (0..offered)
            .map(|owner| Offered { owner: owner as u16, is_screen: false, encodings: 3 })
            .collect();
        Oracle::default().best(0, &viewer, kbps * 1_000 + AUDIO, &offered, |_| encoder::camera())
    }

    #[test]
    fn sharper_and_more_fluent_is_better_but_ever_less_so() {
        let of = |size, fps| {
            let view = View { source: Source::Camera, size, fps, full_fps: 30.0, late: 0 };
            utility(&TILE, 720, &view)
        };
        let (low, mid, high) = (of((320, 180), 30.0), of((640, 360), 30.0), of((1280, 720), 30.0));
        assert!((low, mid, high) == (0.25, 0.5, 1.0), "{low} {mid} {high}");
        assert_eq!(of((1920, 1080), 30.0), 1.0, "no more than the slot shows");
        assert_eq!(of((1280, 720), 15.0), 0.75);
        assert_eq!(of((1280, 720), 0.0), 0.0);
    }

    #[test]
    fn what_a_device_does_not_show_and_what_comes_late_is_worth_less() {
        let of = |max_height, late_ms: u64| {
            let late = late_ms * MILLI;
            let view = View { source: Source::Camera, size: (1280, 720), fps: 30.0, full_fps: 30.0, late };
            utility(&TILE, max_height, &view)
        };
        assert_eq!((of(720, 0), of(360, 0)), (1.0, 0.5), "a phone shows 360 lines of it");
        assert_eq!((of(720, 150), of(720, 400), of(720, 650)), (1.0, 0.75, 0.5));
        assert_eq!((of(720, 1_150), of(720, 60_000)), (0.0, 0.0));
    }

    #[test]
    fn the_bound_follows_link_device_and_offer() {
        for (kbps, height, decode, slots, offered, expected, lit, why) in [
            (10_000, 720, 250_000_000, 1, 1, 1.0, 1, "all there is"),
            (1_000, 720, 250_000_000, 1, 1, 0.5, 1, "the middle one"),
            (200, 720, 250_000_000, 1, 1, 0.25, 1, "the small one"),
            (100, 720, 250_000_000, 1, 1, 0.0, 0, "none"),
            (10_000, 360, 250_000_000, 1, 1, 0.5, 1, "a phone"),
            (10_000, 720, 8_000_000, 1, 1, 0.5, 1, "a slow device"),
            (10_000, 720, 250_000_000, 4, 2, 2.0, 2, "two to show"),
            (1_700, 720, 250_000_000, 2, 2, 1.25, 2, "one large and one small beat two in the middle"),
        ] {
            let best = best(&vec![TILE; slots], kbps, height, decode, offered);
            assert_eq!((best.utility, best.lit), (expected, lit), "{why}");
        }
    }
}
