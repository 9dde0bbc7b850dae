//! A microphone that speaks now and then: Opus packets with audio levels.
//!
//! Owns the rhythm of 20 ms, sizes and loudness. The payload has a table of contents byte (RFC 6716 §3.1) and noise.

use std::time::Duration;

use bytes::Bytes;
use packet::AudioLevel;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// One packet of audio.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AudioFrame {
    /// RTP timestamp.
    pub timestamp: u32,
    /// True for the first packet after a pause.
    pub marker: bool,
    /// How loud it is.
    pub level: AudioLevel,
    /// One Opus frame.
    pub payload: Bytes,
}

/// RFC 6716 §3.1: fullband CELT, 20 ms, mono, one frame.
const TABLE_OF_CONTENTS: u8 = 31 << 3;
/// Ticks of 48 kHz in 20 ms.
const SAMPLES: u32 = 960;
/// Packets of speech, and of the pause behind it.
const SPEECH: u32 = 100;
const PAUSE: u32 = 50;

/// See the module.
#[derive(Debug)]
pub struct Microphone {
    first_timestamp: u32,
    frames: u32,
    rng: ChaCha8Rng,
}

impl Microphone {
    /// Time between packets.
    pub const INTERVAL: Duration = Duration::from_millis(20);

    /// A microphone whose numbers and sizes follow from `seed`.
    pub fn new(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        Self { first_timestamp: rng.random(), frames: 0, rng }
    }

    /// The packet that is due: about 32 kbit/s while speaking, and quiet packets in between.
    pub fn capture(&mut self) -> AudioFrame {
        let phase = self.frames % (SPEECH + PAUSE);
        let voice = phase < SPEECH;
        let dbov = if voice { self.rng.random_range(25..45) } else { 127 };
        let length = if voice { self.rng.random_range(70..90) } else { 10 };
        let mut payload = vec![0; length];
        self.rng.fill_bytes(&mut payload);
        payload[0] = TABLE_OF_CONTENTS;
        let timestamp = self.first_timestamp.wrapping_add(self.frames.wrapping_mul(SAMPLES));
        self.frames = self.frames.wrapping_add(1);
        AudioFrame {
            timestamp,
            marker: phase == 0,
            level: AudioLevel { voice, dbov },
            payload: payload.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speaks_and_pauses() {
        let mut microphone = Microphone::new(1);
        let frames: Vec<AudioFrame> = (0..300).map(|_| microphone.capture()).collect();
        assert_eq!(frames.iter().filter(|f| f.level.voice).count(), 200);
        assert_eq!(frames.iter().filter(|f| f.marker).count(), 2);
        assert!(frames.windows(2).all(|w| w[1].timestamp.wrapping_sub(w[0].timestamp) == SAMPLES));
        let bytes: usize = frames.iter().filter(|f| f.level.voice).map(|f| f.payload.len()).sum();
        assert!((30..=34).contains(&(bytes * 8 / 4 / 1000)), "kbit/s over four seconds of speech");
    }
}
