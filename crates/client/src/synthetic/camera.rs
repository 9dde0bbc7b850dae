//! A simulcast encoder of a camera, as a model: which frame of which encoding is due, how large, and predicted from what.
//!
//! Owns frame numbers, picture ids, keyframes on request, and keeping to a bit rate. One request gives a keyframe on every
//! encoding, as browsers do it; an encoding that is switched on starts with one.

use std::time::Duration;

use bytes::Bytes;
use packet::Codec;
use packet::codec::vp8::{Descriptor, Temporal};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use units::{Bitrate, Timestamp};

use super::payload::{self, Picture};
use super::stamp::Stamp;
use super::vp8::{self, packetize};

/// One encoding of a camera.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodingConfig {
    /// Its RID. Empty for a camera with a single encoding.
    pub rid: String,
    /// Pixels.
    pub width: u16,
    /// Pixels.
    pub height: u16,
    /// What it is encoded at.
    pub bitrate: Bitrate,
}

/// What a camera sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CameraConfig {
    /// VP8, VP9 or H.264; anything else is VP8.
    pub codec: Codec,
    /// Smallest first: browsers give up encodings from the end when they starve.
    pub encodings: Vec<EncodingConfig>,
    /// Frames per second, 1 to 60.
    pub fps: u32,
    /// Temporal layers, 1 or 2. With 2 every other frame is one that no frame refers to.
    pub temporal_layers: u8,
    /// The most payload bytes in a packet.
    pub max_payload: usize,
}

impl Default for CameraConfig {
    /// 180p, 360p and 720p at 30 fps, as a browser encodes a face.
    fn default() -> Self {
        let encoding = |rid: &str, width, height, kbps| EncodingConfig {
            rid: rid.to_owned(),
            width,
            height,
            bitrate: Bitrate::from_kbps(kbps),
        };
        Self {
            codec: Codec::Vp8,
            encodings: vec![
                encoding("q", 320, 180, 150),
                encoding("h", 640, 360, 500),
                encoding("f", 1280, 720, 1500),
            ],
            fps: 30,
            temporal_layers: 1,
            max_payload: 1_180,
        }
    }
}

/// A frame ready to be sent, one packet per payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedFrame {
    /// By position in [`CameraConfig::encodings`].
    pub encoding: usize,
    /// RTP timestamp.
    pub timestamp: u32,
    /// Whether a decoder can start here.
    pub keyframe: bool,
    /// In order; the marker belongs to the last.
    pub payloads: Vec<Bytes>,
}

/// What an encoding has sent so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EncodingStats {
    /// False while nobody wants it.
    pub active: bool,
    /// Frames made.
    pub frames: u64,
    /// Keyframes among them.
    pub keyframes: u64,
    /// Bytes of payload.
    pub bytes: u64,
}

/// Browsers answer keyframe requests no more often than this, and merge those in between.
const KEYFRAME_SPACING: Duration = Duration::from_millis(300);
/// A keyframe of easy content has about this many times the bytes of another frame.
const KEYFRAME_FACTOR: f64 = 4.0;
/// What a keyframe cost too much is saved on this many frames behind it.
const REPAY_FRAMES: f64 = 15.0;

/// See the module.
#[derive(Debug)]
pub struct Camera {
    config: CameraConfig,
    encodings: Vec<Encoding>,
    source: u32,
    /// Frames made, over all encodings.
    number: u32,
    /// When the first frame was captured.
    started: Option<Timestamp>,
    keyframe_wanted: bool,
    last_keyframe: Option<Timestamp>,
    rng: ChaCha8Rng,
}

/// What the room wants of one encoding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// False when nobody sees it.
    pub active: bool,
    /// The most that it may use; `None` for the camera's own choice.
    pub max_bitrate: Option<Bitrate>,
    /// The most frames per second that are of use; `None` for all there are.
    pub max_fps: Option<u32>,
}

#[derive(Debug)]
struct Encoding {
    active: bool,
    target: Bitrate,
    /// Frames per second, 1 to those of the camera.
    fps: u32,
    /// Share of a frame that is due, in units of one by the camera's frames per second.
    due: u32,
    keyframe_due: bool,
    first_timestamp: u32,
    picture_id: u16,
    tl0: u8,
    /// Number of the last frame that others may refer to.
    reference: u32,
    /// Frames since the last keyframe.
    since_keyframe: u64,
    /// Bytes sent beyond the target.
    debt: f64,
    stats: EncodingStats,
}

impl Camera {
    /// A camera whose numbers and sizes follow from `seed`.
    pub fn new(config: CameraConfig, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let encodings = config
            .encodings
            .iter()
            .map(|encoding| Encoding {
                active: true,
                target: encoding.bitrate,
                fps: config.fps,
                due: 0,
                keyframe_due: true,
                first_timestamp: rng.random(),
                picture_id: rng.random::<u16>() & 0x7fff,
                tl0: rng.random(),
                reference: 0,
                since_keyframe: 0,
                debt: 0.0,
                stats: EncodingStats { active: true, ..EncodingStats::default() },
            })
            .collect();
        let source = rng.random();
        Self {
            config,
            encodings,
            source,
            number: 0,
            started: None,
            keyframe_wanted: false,
            last_keyframe: None,
            rng,
        }
    }

    /// Time between frames.
    pub fn interval(&self) -> Duration {
        Duration::from_secs(1) / self.config.fps
    }

    /// What it was made from.
    pub fn config(&self) -> &CameraConfig {
        &self.config
    }

    /// A receiver asked for a keyframe.
    pub fn request_keyframe(&mut self) {
        self.keyframe_wanted = true;
    }

    /// Obeys what the room wants of an encoding. Unknown encodings are ignored.
    pub fn set_demand(&mut self, encoding: usize, wanted: Wanted) {
        let (Some(state), Some(config)) =
            (self.encodings.get_mut(encoding), self.config.encodings.get(encoding))
        else {
            return;
        };
        state.keyframe_due |= wanted.active && !state.active;
        state.active = wanted.active;
        state.stats.active = wanted.active;
        state.target = wanted.max_bitrate.map_or(config.bitrate, |limit| limit.min(config.bitrate));
        state.fps = wanted.max_fps.map_or(self.config.fps, |limit| limit.clamp(1, self.config.fps));
    }

    /// One entry per encoding.
    pub fn stats(&self) -> Vec<EncodingStats> {
        self.encodings.iter().map(|encoding| encoding.stats).collect()
    }

    /// The frames that are due: one of every active encoding. To be called once per [`Camera::interval`]; `made_at` goes
    /// into the stamps, in microseconds since 1970.
    pub fn capture(&mut self, now: Timestamp, made_at: u64) -> Vec<EncodedFrame> {
        let spaced = self.last_keyframe.is_none_or(|last| now.since(last) >= KEYFRAME_SPACING);
        if self.keyframe_wanted && spaced {
            self.keyframe_wanted = false;
            for encoding in &mut self.encodings {
                encoding.keyframe_due = true;
            }
        }
        let elapsed = now.since(*self.started.get_or_insert(now)).as_micros();
        // 90 kHz, wrapped to 32 bits.
        let elapsed = (elapsed * 9 / 100) as u32;
        let mut frames = Vec::new();
        for index in 0..self.encodings.len() {
            if self.encodings[index].is_due(self.config.fps) {
                let frame = self.encode(index, elapsed, made_at);
                if frame.keyframe {
                    self.last_keyframe = Some(now);
                }
                frames.push(frame);
            }
        }
        frames
    }

    fn encode(&mut self, index: usize, elapsed: u32, made_at: u64) -> EncodedFrame {
        let per_frame = self.encodings[index].target.as_f64() / 8.0 / f64::from(self.config.fps);
        let variation = self.rng.random_range(0.85..1.15);
        let config = &self.config.encodings[index];
        let encoding = &mut self.encodings[index];
        self.number = self.number.wrapping_add(1);

        let keyframe = std::mem::take(&mut encoding.keyframe_due);
        encoding.since_keyframe = if keyframe { 0 } else { encoding.since_keyframe + 1 };
        let layer = if self.config.temporal_layers > 1 { (encoding.since_keyframe % 2) as u8 } else { 0 };
        let wanted =
            if keyframe { per_frame * KEYFRAME_FACTOR } else { per_frame - encoding.debt / REPAY_FRAMES };
        let length = (wanted.max(per_frame / 4.0) * variation) as usize;

        encoding.picture_id = (encoding.picture_id + 1) & 0x7fff;
        if layer == 0 {
            encoding.tl0 = encoding.tl0.wrapping_add(1);
        }
        let reference = if keyframe { self.number } else { encoding.reference };
        if layer == 0 {
            encoding.reference = self.number;
        }
        let stamp =
            Stamp { source: self.source, encoding: index as u32, number: self.number, reference, made_at };
        let size = keyframe.then_some((config.width, config.height));
        let layered = self.config.temporal_layers > 1;
        if matches!(self.config.codec, Codec::Vp9 | Codec::H264) {
            let frame = payload::frame(length, &stamp, &mut self.rng);
            let layer = layered.then_some((layer, encoding.tl0));
            let picture = Picture { size, picture_id: encoding.picture_id, layer };
            let payloads = payload::packetize(self.config.codec, &frame, &picture, self.config.max_payload);
            encoding.count(frame.len(), per_frame, keyframe);
            let timestamp = encoding.first_timestamp.wrapping_add(elapsed);
            return EncodedFrame { encoding: index, timestamp, keyframe, payloads };
        }
        let frame = vp8::frame(length, size, &stamp, &mut self.rng);
        let descriptor = Descriptor {
            non_reference: layer > 0,
            partition_start: true,
            picture_id: Some(encoding.picture_id),
            tl0_picture_index: layered.then_some(encoding.tl0),
            temporal: layered.then_some(Temporal { layer, sync: layer > 0 }),
            key_index: layered.then_some((encoding.stats.keyframes % 32) as u8),
            ..Descriptor::default()
        };
        encoding.count(frame.len(), per_frame, keyframe);
        EncodedFrame {
            encoding: index,
            timestamp: encoding.first_timestamp.wrapping_add(elapsed),
            keyframe,
            payloads: packetize(&frame, &descriptor, self.config.max_payload),
        }
    }
}

impl Encoding {
    /// A frame of `length` bytes was made, where `per_frame` are right in the long run.
    fn count(&mut self, length: usize, per_frame: f64, keyframe: bool) {
        self.debt = (self.debt + length as f64 - per_frame).max(-per_frame);
        self.stats.frames += 1;
        self.stats.keyframes += u64::from(keyframe);
        self.stats.bytes += length as u64;
    }

    /// Whether this frame of the camera is encoded: evenly spread ones where fewer are wanted, and a keyframe at once.
    fn is_due(&mut self, camera_fps: u32) -> bool {
        self.due += self.fps;
        let due = self.active && (self.due >= camera_fps || self.keyframe_due);
        if due || !self.active {
            self.due = self.due.saturating_sub(camera_fps);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(camera: &mut Camera, from: u64, ticks: u64) -> Vec<EncodedFrame> {
        (from..from + ticks).flat_map(|tick| camera.capture(at(tick), 0)).collect()
    }

    fn at(tick: u64) -> Timestamp {
        Timestamp::ZERO + Duration::from_micros(tick * 33_333)
    }

    #[test]
    fn keeps_to_its_bit_rates() {
        let mut camera = Camera::new(CameraConfig::default(), 1);
        run(&mut camera, 0, 300);
        for (stats, config) in camera.stats().iter().zip(&camera.config().encodings) {
            let kbps = stats.bytes * 8 / 10_000;
            let wanted = config.bitrate.as_kbps();
            assert!(
                (wanted * 9 / 10..=wanted * 11 / 10).contains(&kbps),
                "{}: {kbps} of {wanted}",
                config.rid
            );
            assert_eq!((stats.frames, stats.keyframes), (300, 1));
        }
    }

    #[test]
    fn a_request_gives_a_keyframe_on_all_encodings_but_not_too_often() {
        let mut camera = Camera::new(CameraConfig::default(), 1);
        let keyframes = |frames: Vec<EncodedFrame>| frames.iter().filter(|f| f.keyframe).count();
        assert_eq!(keyframes(run(&mut camera, 0, 30)), 3, "a stream starts with one");
        camera.request_keyframe();
        assert_eq!(keyframes(run(&mut camera, 30, 1)), 3, "at the next frame");
        camera.request_keyframe();
        camera.request_keyframe();
        assert_eq!(keyframes(run(&mut camera, 31, 5)), 0, "not within 300 ms");
        assert_eq!(keyframes(run(&mut camera, 36, 10)), 3, "and then once");
    }

    #[test]
    fn demand_switches_encodings_and_limits_them() {
        let mut camera = Camera::new(CameraConfig::default(), 1);
        run(&mut camera, 0, 10);
        let on = Wanted { active: true, ..Wanted::default() };
        camera.set_demand(2, Wanted::default());
        camera.set_demand(1, Wanted { max_bitrate: Some(Bitrate::from_kbps(250)), ..on });
        camera.set_demand(9, on);
        let before = camera.stats();
        let frames = run(&mut camera, 10, 300);
        assert!(frames.iter().all(|f| f.encoding != 2), "switched off");
        let kbps = (camera.stats()[1].bytes - before[1].bytes) * 8 / 10_000;
        assert!((220..=270).contains(&kbps), "limited to 250, sent {kbps}");
        camera.set_demand(2, on);
        let first = run(&mut camera, 310, 1).into_iter().find(|f| f.encoding == 2).unwrap();
        assert!(first.keyframe, "comes back with a keyframe");
    }

    #[test]
    fn fewer_frames_are_spread_evenly_and_a_keyframe_does_not_wait() {
        let mut camera = Camera::new(CameraConfig::default(), 1);
        run(&mut camera, 0, 30);
        for (max_fps, expected) in
            [(Some(15), 150), (Some(10), 100), (Some(7), 70), (Some(60), 300), (None, 300)]
        {
            camera.set_demand(0, Wanted { active: true, max_fps, ..Wanted::default() });
            let before = camera.stats()[0];
            let frames: Vec<u64> = (30..330)
                .filter(|tick| run(&mut camera, *tick, 1).iter().any(|frame| frame.encoding == 0))
                .collect();
            let made = camera.stats()[0].frames - before.frames;
            assert!(made.abs_diff(expected) <= 1, "{max_fps:?}: {made} frames in ten seconds");
            let gaps: std::collections::BTreeSet<u64> =
                frames.windows(2).map(|pair| pair[1] - pair[0]).collect();
            assert!(gaps.len() <= 2, "{max_fps:?}: gaps of {gaps:?}");
        }
        camera.set_demand(0, Wanted { active: true, max_fps: Some(1), ..Wanted::default() });
        run(&mut camera, 330, 40);
        camera.request_keyframe();
        let first = run(&mut camera, 370, 1);
        assert!(
            first.iter().any(|frame| frame.encoding == 0 && frame.keyframe),
            "at the next picture of the camera"
        );
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes() {
        let mut pair = [Camera::new(CameraConfig::default(), 7), Camera::new(CameraConfig::default(), 7)];
        let [a, b] = pair.each_mut().map(|camera| run(camera, 0, 30));
        assert_eq!(a, b);
    }
}
