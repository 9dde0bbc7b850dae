//! What a sender has to say: an adaptive video encoder, or the layers that an SFU may choose from.
//!
//! Owns the sizes and times of frames and the choice of layer; leaves the sending to the sender.

use estimator::DemandRates;
use units::Bitrate;

use super::event::{MILLI, Micros};
use super::rng::Rng;

/// Time between two frames: 30 a second.
pub const FRAME: Micros = 33_333;

/// A keyframe is this many times an ordinary frame.
const KEYFRAME_FACTOR: f64 = 4.0;

/// From asking the publisher for a keyframe to having it.
const KEYFRAME_DELAY: Micros = 100 * MILLI;

/// An upgrade needs this much more than the layer takes.
const UP_MARGIN: f64 = 1.05;

/// What a sender has to say.
#[derive(Clone, Debug, PartialEq)]
pub enum SourceSpec {
    /// An encoder that follows the target within 100 ms, up to `max` bits per second.
    Video {
        /// Its ceiling.
        max: u64,
    },
    /// Simulcast layers of those rates, lowest first: all or nothing, changed at keyframes.
    Layers(Vec<u64>),
}

impl SourceSpec {
    /// The layers of every SFU case, in bits per second.
    pub fn layers() -> Self {
        Self::Layers(vec![150_000, 500_000, 1_500_000, 2_500_000])
    }

    /// The most that it can use, in bits per second.
    pub fn max(&self) -> u64 {
        match self {
            Self::Video { max } => *max,
            Self::Layers(rates) => rates.last().copied().unwrap_or(0),
        }
    }

    /// The ceiling to configure its controller with. An SFU's controller does not know the top layer.
    pub fn controller_max(&self) -> Bitrate {
        match self {
            Self::Video { max } => Bitrate::from_bps(*max),
            Self::Layers(_) => Bitrate::from_kbps(10_000),
        }
    }
}

/// A [`SourceSpec`] with its state.
#[derive(Debug)]
pub struct Source {
    spec: SourceSpec,
    rng: Rng,
    target: u64,
    layer: usize,
    /// The layer that a requested keyframe will start, and when it comes.
    switch: Option<(Micros, usize)>,
    keyframe: bool,
}

impl Source {
    /// A source that has not started.
    pub fn new(spec: SourceSpec, rng: Rng) -> Self {
        Self { spec, rng, target: 0, layer: 0, switch: None, keyframe: true }
    }

    /// The current layer of an SFU and its rate.
    pub fn layer(&self) -> Option<(usize, u64)> {
        match &self.spec {
            SourceSpec::Video { .. } => None,
            SourceSpec::Layers(rates) => Some((self.layer, rates[self.layer])),
        }
    }

    /// Reads the target, as every 100 ms; answers with what could be used.
    pub fn set_target(&mut self, now: Micros, target: u64) -> DemandRates {
        match &self.spec {
            SourceSpec::Video { max } => {
                self.target = target.min(*max);
                DemandRates {
                    current: Bitrate::from_bps(self.target),
                    // Any rate above the current one makes a better picture.
                    next_useful: Bitrate::from_bps((self.target + self.target / 10).min(*max)),
                    max_useful: Bitrate::from_bps(*max),
                }
            }
            SourceSpec::Layers(rates) => {
                let affordable =
                    |margin: f64| rates.iter().rposition(|rate| *rate as f64 * margin <= target as f64);
                let up = affordable(UP_MARGIN).unwrap_or(0);
                let down = affordable(1.0).unwrap_or(0);
                // Between the two lies the hysteresis: stay.
                let wish = if up > self.layer { up } else { down.min(self.layer) };
                match self.switch {
                    _ if wish == self.layer => self.switch = None,
                    // The keyframe that is on its way serves any layer: the choice is made when it comes.
                    Some((at, _)) => self.switch = Some((at, wish)),
                    None => self.switch = Some((now + KEYFRAME_DELAY, wish)),
                }
                let current = rates[self.layer];
                let next = rates.get(self.layer + 1).map_or(current, |rate| rate + rate * 6 / 100);
                DemandRates {
                    current: Bitrate::from_bps(current),
                    next_useful: Bitrate::from_bps(next),
                    max_useful: Bitrate::from_bps(self.spec.max() * 11 / 10),
                }
            }
        }
    }

    /// The frame captured at `now`, in bytes.
    pub fn frame(&mut self, now: Micros) -> u64 {
        if let Some((at, layer)) = self.switch
            && at <= now
        {
            (self.layer, self.switch, self.keyframe) = (layer, None, true);
        }
        let noise = self.rng.between(0.85, 1.15);
        let rate = self.layer().map_or(self.target, |(_, rate)| rate);
        let factor = if self.keyframe && self.layer().is_some() { KEYFRAME_FACTOR } else { noise };
        self.keyframe = false;
        (rate as f64 / 8.0 * FRAME as f64 / 1e6 * factor).round() as u64
    }
}
