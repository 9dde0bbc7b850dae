//! A simulcast encoder as a model: which frame of which encoding is due, how large, and predicted from what.
//!
//! Owns frame numbers, sizes and keyframes. Sizes vary as those of a real encoder do: scenes get harder and
//! easier together in all encodings, single frames scatter, a keyframe has four to ten times the bytes of
//! another frame and is saved up for afterwards, an encoding that comes back ramps. One request gives
//! keyframes on every encoding, as seen of browsers. Leaves packets to `camera`.

use crate::links::event::{MILLI, Micros, SECOND};
use crate::links::rng::Rng;

/// One encoding of a camera or a screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodingSpec {
    /// Its RID; empty where there is only one.
    pub rid: String,
    /// Pixels.
    pub width: u16,
    /// Pixels.
    pub height: u16,
    /// Frames per second; divides that of the fastest encoding.
    pub fps: u32,
    /// What it is encoded at, in bits per second.
    pub bitrate: u64,
    /// Below this the encoder gives it up, in bits per second.
    pub least: u64,
}

impl EncodingSpec {
    /// Pixels of one picture.
    pub fn pixels(&self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }
}

/// A frame that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Position of its encoding.
    pub encoding: usize,
    /// Counts the frames of the encoding.
    pub number: u32,
    /// The frame it was predicted from; itself for a keyframe.
    pub reference: u32,
    /// Bytes.
    pub size: usize,
}

impl Frame {
    /// Whether a decoder can start here.
    pub fn is_keyframe(&self) -> bool {
        self.reference == self.number
    }
}

/// Browsers answer requests no more often than this and merge those in between.
const KEYFRAME_SPACING: Micros = 300 * MILLI;
/// What a keyframe cost too much is saved on this many frames behind it.
const REPAY_FRAMES: f64 = 20.0;
/// From the start of an encoding until it has its whole rate.
const RAMP: Micros = 2 * SECOND;
/// What it starts with.
const RAMP_START: f64 = 0.5;

/// See the module's documentation.
#[derive(Debug)]
pub struct Encoder {
    specs: Vec<EncodingSpec>,
    encodings: Vec<Encoding>,
    rng: Rng,
    /// How hard the scene is: 1 on average.
    scene: f64,
    ticks: u64,
    keyframe_wanted: bool,
    last_keyframe: Option<Micros>,
    top_off: bool,
}

#[derive(Clone, Debug)]
struct Encoding {
    /// What the room asks for.
    wanted: bool,
    /// What the room says is of use.
    limit: Option<u64>,
    /// What the link leaves for it; zero while it is given up.
    share: u64,
    /// Since when it is being sent.
    since: Option<Micros>,
    keyframe_due: bool,
    next_number: u32,
    debt: f64,
}

impl Encoder {
    /// An encoder that draws from `rng`. Encodings are in order of size, smallest first.
    pub fn new(specs: Vec<EncodingSpec>, rng: Rng) -> Self {
        let encoding = |spec: &EncodingSpec| Encoding {
            wanted: true,
            limit: None,
            share: spec.bitrate,
            since: None,
            keyframe_due: true,
            next_number: 0,
            debt: 0.0,
        };
        let encodings = specs.iter().map(encoding).collect();
        Self {
            specs,
            encodings,
            rng,
            scene: 1.0,
            ticks: 0,
            keyframe_wanted: false,
            last_keyframe: None,
            top_off: false,
        }
    }

    /// What it was made from.
    pub fn specs(&self) -> &[EncodingSpec] {
        &self.specs
    }

    /// Time between frames of the fastest encoding.
    pub fn interval(&self) -> Micros {
        SECOND / u64::from(self.top_fps())
    }

    fn top_fps(&self) -> u32 {
        self.specs.iter().map(|spec| spec.fps).max().unwrap_or(30).max(1)
    }

    /// Whether that encoding is being sent.
    pub fn is_active(&self, encoding: usize) -> bool {
        self.encodings[encoding].since.is_some()
    }

    /// A receiver asked for a keyframe.
    pub fn request_keyframe(&mut self) {
        self.keyframe_wanted = true;
    }

    /// Every encoding is wanted, without a limit, and starts with a keyframe.
    pub fn restart(&mut self) {
        for encoding in &mut self.encodings {
            (encoding.wanted, encoding.limit, encoding.since) = (true, None, None);
        }
    }

    /// What the room wants of one encoding.
    pub fn set_demand(&mut self, encoding: usize, wanted: bool, limit: Option<u64>) {
        if let Some(encoding) = self.encodings.get_mut(encoding) {
            (encoding.wanted, encoding.limit) = (wanted, limit);
        }
    }

    /// Takes the largest encoding away, or gives it back.
    pub fn set_top(&mut self, on: bool) {
        self.top_off = !on;
    }

    /// Whether the largest encoding was taken away.
    pub fn is_top_off(&self) -> bool {
        self.top_off
    }

    /// What the link carries, in bits per second. The lowest encodings are served first, as browsers do it;
    /// one that would get less than its least is given up, with all above it.
    pub fn set_budget(&mut self, bits: u64) {
        let mut left = bits;
        for (encoding, spec) in self.encodings.iter_mut().zip(&self.specs) {
            if !encoding.wanted {
                encoding.share = spec.bitrate;
                continue;
            }
            let target = encoding.limit.map_or(spec.bitrate, |limit| limit.min(spec.bitrate));
            encoding.share = if left >= spec.least { target.min(left) } else { 0 };
            left = if encoding.share > 0 { left - encoding.share } else { 0 };
        }
    }

    /// The whole rate it means to send, in bits per second.
    pub fn target(&self) -> u64 {
        self.encodings.iter().filter(|e| e.since.is_some()).map(|e| e.share).sum()
    }

    /// The frames that are due now: to be called once per [`Encoder::interval`].
    pub fn capture(&mut self, now: Micros, out: &mut Vec<Frame>) {
        // A mean-reverting walk: scenes last seconds.
        self.scene += 0.02 * (1.0 - self.scene) + self.rng.normal(0.03);
        self.scene = self.scene.clamp(0.6, 1.6);
        let spaced = self.last_keyframe.is_none_or(|last| now - last >= KEYFRAME_SPACING);
        if self.keyframe_wanted && spaced {
            self.keyframe_wanted = false;
            self.encodings.iter_mut().for_each(|encoding| encoding.keyframe_due = true);
        }
        self.ticks += 1;
        for index in 0..self.encodings.len() {
            let off = self.top_off && index > 0 && index + 1 == self.encodings.len();
            let active = self.encodings[index].wanted && self.encodings[index].share > 0 && !off;
            if !active {
                self.encodings[index].since = None;
                continue;
            }
            let fps = self.specs[index].fps;
            let every = u64::from(self.top_fps() / fps.max(1)).max(1);
            if self.ticks.is_multiple_of(every) {
                let frame = self.encode(now, index, fps);
                if frame.is_keyframe() {
                    self.last_keyframe = Some(now);
                }
                out.push(frame);
            }
        }
    }

    fn encode(&mut self, now: Micros, index: usize, fps: u32) -> Frame {
        let encoding = &mut self.encodings[index];
        if encoding.since.is_none() {
            (encoding.since, encoding.keyframe_due, encoding.debt) = (Some(now), true, 0.0);
        }
        let since = encoding.since.unwrap_or(now);
        let ramp = RAMP_START + (1.0 - RAMP_START) * (((now - since) as f64) / RAMP as f64).min(1.0);
        let mean = encoding.share as f64 * ramp / 8.0 / f64::from(fps);
        let scatter = self.rng.between(0.75, 1.25);
        let keyframe = std::mem::take(&mut encoding.keyframe_due);
        let size = if keyframe {
            mean * self.rng.between(4.0, 10.0)
        } else {
            ((mean * self.scene * scatter) - encoding.debt / REPAY_FRAMES).max(mean * 0.3)
        };
        // The rate controller lets scenes through for a moment and is even over seconds.
        encoding.debt = (encoding.debt + size - mean).clamp(-4.0 * mean, 12.0 * mean);
        let number = encoding.next_number;
        encoding.next_number = number.wrapping_add(1);
        let reference = if keyframe { number } else { number.wrapping_sub(1) };
        Frame { encoding: index, number, reference, size: (size as usize).max(super::media::STAMP + 16) }
    }
}

/// What a browser sends of a camera at 1280x720: about what Chromium was seen to use.
pub fn camera() -> Vec<EncodingSpec> {
    let of = |rid: &str, width, height, kbps: u64, least: u64| EncodingSpec {
        rid: rid.to_owned(),
        width,
        height,
        fps: 30,
        bitrate: kbps * 1_000,
        least: least * 1_000,
    };
    vec![of("q", 320, 180, 150, 30), of("h", 640, 360, 500, 150), of("f", 1280, 720, 1_200, 600)]
}

/// What a browser sends of a screen: sharp and slow, and a small one for thumbnails.
pub fn screen() -> Vec<EncodingSpec> {
    let of = |rid: &str, width, height, fps, kbps: u64, least: u64| EncodingSpec {
        rid: rid.to_owned(),
        width,
        height,
        fps,
        bitrate: kbps * 1_000,
        least: least * 1_000,
    };
    vec![of("q", 640, 360, 5, 200, 50), of("h", 1280, 720, 15, 600, 200), of("f", 1920, 1080, 15, 1_500, 500)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(encoder: &mut Encoder, from: u64, ticks: u64) -> Vec<Frame> {
        let mut frames = Vec::new();
        (from..from + ticks).for_each(|tick| encoder.capture(tick * encoder.interval(), &mut frames));
        frames
    }

    fn new(seed: u64) -> Encoder {
        Encoder::new(camera(), Rng::new(seed, 1))
    }

    #[test]
    fn rates_are_kept_over_seconds_and_frames_scatter() {
        let mut encoder = new(1);
        run(&mut encoder, 0, 90);
        let frames = run(&mut encoder, 90, 1_800);
        for (index, spec) in camera().iter().enumerate() {
            let sizes: Vec<usize> = frames.iter().filter(|f| f.encoding == index).map(|f| f.size).collect();
            let rate = sizes.iter().sum::<usize>() as u64 * 8 / 60;
            assert!(rate.abs_diff(spec.bitrate) < spec.bitrate / 8, "{}: {rate}", spec.rid);
            let (least, most) = (sizes.iter().min().unwrap(), sizes.iter().max().unwrap());
            assert!(most > &(least * 2), "{least} to {most} bytes is no camera");
        }
    }

    #[test]
    fn a_request_gives_large_keyframes_on_all_encodings_and_not_too_often() {
        let mut encoder = new(2);
        let keyframes = |frames: Vec<Frame>| frames.into_iter().filter(Frame::is_keyframe).count();
        assert_eq!(keyframes(run(&mut encoder, 0, 60)), 3);
        encoder.request_keyframe();
        let frames = run(&mut encoder, 60, 1);
        for (frame, spec) in frames.iter().zip(camera()) {
            let ratio = frame.size as f64 / (spec.bitrate as f64 / 240.0);
            assert!((3.9..=10.1).contains(&ratio), "{}: {ratio}", spec.rid);
        }
        encoder.request_keyframe();
        assert_eq!(keyframes(run(&mut encoder, 61, 8)), 0, "not within 300 ms");
        assert_eq!(keyframes(run(&mut encoder, 69, 3)), 3);
    }

    #[test]
    fn a_narrow_link_gives_up_the_top_and_serves_the_bottom_first() {
        for (kbps, expected) in [
            (20, [0, 0, 0]),
            (100, [100, 0, 0]),
            (400, [150, 250, 0]),
            (1_200, [150, 500, 0]),
            (1_300, [150, 500, 650]),
            (9_000, [150, 500, 1_200]),
        ] {
            let mut encoder = new(3);
            encoder.set_budget(kbps * 1_000);
            let shares: Vec<u64> = encoder.encodings.iter().map(|e| e.share / 1_000).collect();
            assert_eq!(shares, expected, "{kbps} kbit/s");
        }
    }

    #[test]
    fn what_nobody_wants_stops_and_comes_back_with_a_keyframe() {
        let mut encoder = new(4);
        run(&mut encoder, 0, 10);
        encoder.set_demand(2, false, None);
        assert!(run(&mut encoder, 10, 30).iter().all(|frame| frame.encoding != 2));
        assert!(!encoder.is_active(2));
        encoder.set_demand(2, true, None);
        let back = run(&mut encoder, 40, 1).into_iter().find(|frame| frame.encoding == 2).expect("sent");
        assert!(back.is_keyframe());
    }
}
