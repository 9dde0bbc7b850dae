//! What decodes a device's pictures: one worker for all of its slots, that takes longer the more pixels there are.
//!
//! Owns when a picture is ready, and what comes too late to be of use. Leaves what is on the screen to `slot`.
//!
//! Every picture of a stream without temporal layers is predicted from the one before it, so a device that is too slow
//! cannot leave out every other one and go on: work piles up, pictures come ever later, and when one has to be given up,
//! nothing of that stream can be decoded before its next keyframe.

use crate::links::event::{Micros, SECOND};

/// A picture that would be ready so much after it came is given up. Browsers wait longer than that.
const LATE: Micros = SECOND / 2;

/// See the module's documentation.
#[derive(Debug)]
pub struct Decoder {
    capacity: u64,
    /// When everything so far is decoded.
    free_at: Micros,
    second: Micros,
    wanted: u64,
    overloaded: u64,
}

impl Decoder {
    /// One for that many pixels per second.
    pub fn new(capacity: u64) -> Self {
        Self { capacity, free_at: 0, second: 0, wanted: 0, overloaded: 0 }
    }

    /// Another capacity from now on: the device got hot, or cooled down.
    pub fn set(&mut self, capacity: u64) {
        self.capacity = capacity;
    }

    /// Pixels per second.
    pub fn capacity(&self) -> u64 {
        self.capacity
    }

    /// Seconds in which more was sent than it decodes.
    pub fn overloaded_seconds(&self) -> u64 {
        self.overloaded
    }

    /// So many pixels came to be decoded, whether or not they will be.
    pub fn offered(&mut self, now: Micros, pixels: u64) {
        if now - self.second >= SECOND {
            // A twentieth more is within the accuracy of any such limit.
            self.overloaded += u64::from(self.wanted > self.capacity + self.capacity / 20);
            (self.second, self.wanted) = (now, 0);
        }
        self.wanted += pixels;
    }

    /// When a picture that came now is decoded; `None` where that would be too late for it to be of use.
    pub fn decode(&mut self, now: Micros, pixels: u64) -> Option<Micros> {
        let ready = self.free_at.max(now) + pixels * SECOND / self.capacity.max(1);
        if ready > now + LATE {
            return None;
        }
        self.free_at = ready;
        Some(ready)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_decodes_what_it_can_ever_later_and_no_more() {
        let picture = 640 * 360;
        for (pictures_per_second, expected, overloaded, latest) in
            [(30, 30, 0, SECOND / 40), (60, 40, 9, LATE)]
        {
            let mut decoder = Decoder::new(40 * picture);
            let (mut decoded, mut delay) = (0u64, 0);
            for n in 0..pictures_per_second * 10 {
                let now = n * SECOND / pictures_per_second;
                decoder.offered(now, picture);
                if let Some(ready) = decoder.decode(now, picture) {
                    decoded += 1;
                    delay = delay.max(ready - now);
                }
            }
            let rate = decoded / 10;
            assert!(rate.abs_diff(expected) <= 2, "{pictures_per_second} a second: {rate}");
            assert_eq!(decoder.overloaded_seconds(), overloaded, "the last second is not over");
            assert!(delay <= latest && delay > latest * 9 / 10, "{pictures_per_second} a second: {delay} us");
        }
    }
}
