//! The bound on bytes in flight. Owns its size and what a full window means for the published rate.
//!
//! A rate alone goes on sending into a path that fell silent; a window stops by itself after a round trip. It is what
//! keeps an outage of a radio from becoming seconds of queue.

use std::time::Duration;

use units::{Bitrate, DataSize};

/// On top of the path's own round trip and the wait for feedback: the queue and jitter that is normal.
const SLACK: Duration = Duration::from_millis(110);
/// Among flows that fill the queue, the queue belongs to the round trip, up to what buffers are made for.
const SLACK_COMPETING: Duration = Duration::from_millis(200);
const QUEUE_COMPETING: Duration = Duration::from_millis(500);
/// Before the first round trip is known, a continent away and back must not stop the start.
pub(crate) const UNKNOWN_RTT: Duration = Duration::from_millis(400);
/// Two packets: less could never be acknowledged as a pair.
pub(crate) const LEAST: DataSize = DataSize::from_bytes(2_600);
/// The published rate is never scaled below this by a full window.
const PUSHBACK: f64 = 0.5;

/// The window for a target: of a path with this least round trip and feedback interval.
pub(crate) fn size(target: Bitrate, rtt_min: Duration, feedback: Duration) -> DataSize {
    (target * (rtt_min + feedback + SLACK)).max(LEAST)
}

/// The window while competing: `rtt` holds the other flow's queue already.
pub(crate) fn size_competing(target: Bitrate, rtt: Duration, rtt_min: Duration) -> DataSize {
    (target * (rtt.min(rtt_min + QUEUE_COMPETING) + SLACK_COMPETING)).max(LEAST)
}

/// What is published of a target while more is in flight than the window: the allocator steps down before the pacer's
/// queue grows.
pub(crate) fn pushback(window: DataSize, in_flight: DataSize) -> f64 {
    if in_flight <= window {
        return 1.0;
    }
    (window.as_bytes() as f64 / in_flight.as_bytes() as f64).max(PUSHBACK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let ms = Duration::from_millis;
        let cases =
            [(1_000, 50, 50, 26_250, "1 Mbit/s over 210 ms"), (50, 20, 50, 2_600, "never below two packets")];
        for (kbps, rtt, feedback, bytes, why) in cases {
            let got = size(Bitrate::from_kbps(kbps), ms(rtt), ms(feedback));
            assert_eq!(got.as_bytes(), bytes, "{why}");
        }
    }

    #[test]
    fn a_full_window_scales_what_is_published() {
        for (in_flight, factor) in [(0, 1.0), (1_000, 1.0), (1_250, 0.8), (10_000, 0.5)] {
            assert_eq!(pushback(DataSize::from_bytes(1_000), DataSize::from_bytes(in_flight)), factor);
        }
    }
}
