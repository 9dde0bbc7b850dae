//! One audio publication at the sending end: 20 ms of speech or silence at a time.
//!
//! Owns the stream. When somebody speaks is for the scenario.

use bytes::Bytes;

use super::camera::Ready;
use crate::links::event::{MILLI, Micros};
use crate::links::rng::Rng;

/// Its section.
pub const MID: &str = "mic";
/// Time between packets of speech.
pub const FRAME: Micros = 20 * MILLI;
/// The same in ticks of its clock (RFC 7587 §4.1).
const FRAME_TICKS: u32 = 960;
/// Silence is sent this often where it is not sent all the time (RFC 7587 §3.1.3).
const COMFORT_INTERVAL: Micros = 400 * MILLI;
/// Bytes of 20 ms of speech at 32 kbit/s, and of silence.
const SPEECH: usize = 80;
const SILENCE: usize = 3;
/// RFC 6464 §3: a voice at -25 dBov, and the noise of a room.
const LOUD: u8 = 0x80 | 25;
const QUIET: u8 = 90;

/// See the module's documentation.
#[derive(Debug)]
pub struct Microphone {
    ssrc: u32,
    sequence: u16,
    clock: u32,
    dtx: bool,
    talking: bool,
    was_talking: bool,
    muted: bool,
    next_comfort: Micros,
}

impl Microphone {
    /// A silent one; with `dtx` silence is hardly sent.
    pub fn new(dtx: bool, rng: &mut Rng) -> Self {
        Self {
            ssrc: rng.next_u64() as u32 | 2,
            sequence: rng.next_u64() as u16,
            clock: rng.next_u64() as u32,
            dtx,
            talking: false,
            was_talking: false,
            muted: false,
            next_comfort: 0,
        }
    }

    /// Begins or ends to speak.
    pub fn set_talking(&mut self, talking: bool) {
        self.talking = talking;
    }

    /// Mutes or unmutes: while muted nothing is sent.
    pub fn set_muted(&mut self, muted: bool) {
        self.muted = muted;
    }

    /// Whether nothing is sent.
    pub fn is_muted(&self) -> bool {
        self.muted
    }

    /// What is due. To be called once per [`FRAME`].
    pub fn capture(&mut self, now: Micros) -> Option<Ready> {
        self.clock = self.clock.wrapping_add(FRAME_TICKS);
        let talking = self.talking && !self.muted;
        let started = talking && !std::mem::replace(&mut self.was_talking, talking);
        if self.muted {
            return None;
        }
        if !talking && self.dtx {
            if now < self.next_comfort {
                return None;
            }
            self.next_comfort = now + COMFORT_INTERVAL;
        }
        let (level, size) = if talking { (LOUD, SPEECH) } else { (QUIET, SILENCE) };
        let sequence = self.sequence;
        self.sequence = sequence.wrapping_add(1);
        // 0x78: 20 ms of full band, one frame (RFC 6716 §3.1).
        let payload = Bytes::from(vec![0x78; size]);
        Some(Ready::audio(self.ssrc, sequence, self.clock, started, MID, level, payload))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speech_flows_silence_trickles_and_muted_says_nothing() {
        for (dtx, talking, muted, expected, why) in [
            (true, true, false, 50, "speech"),
            (true, false, false, 3, "comfort noise"),
            (false, false, false, 50, "silence as such"),
            (true, true, true, 0, "muted"),
            (false, false, true, 0, "muted without DTX"),
        ] {
            let mut microphone = Microphone::new(dtx, &mut Rng::new(1, 1));
            microphone.set_talking(talking);
            microphone.set_muted(muted);
            let sent = (0..50).filter_map(|n| microphone.capture(n * FRAME)).count();
            assert_eq!(sent, expected, "{why}");
        }
    }
}
