//! One video slot as its viewer sees it: the picture on the screen, how fluent it is, and what the device is
//! too slow for.
//!
//! Owns what follows from shown frames. Leaves the frames themselves to `receiver`.

use std::collections::VecDeque;

use packet::RtcpItem;
use signalling::{PublicationId, Reason, SlotReport, SlotState};

use super::receiver::{Arrived, Receiver, Shown};
use super::spec::SlotSpec;
use crate::links::event::{Micros, SECOND};

/// Frame rates are counted over this time.
const FPS_WINDOW: Micros = SECOND / 2;
/// A viewer sees a picture as long as it is not older.
const VISIBLE: Micros = SECOND;

/// See the module's documentation.
#[derive(Debug)]
pub struct Slot {
    /// Its stream, from the answer.
    pub ssrc: u32,
    spec: SlotSpec,
    receiver: Receiver,
    picture: Option<Shown>,
    times: VecDeque<Micros>,
    first_picture: Option<Micros>,
    publication: Option<PublicationId>,
    is_fed: bool,
    /// The server said that nothing is sent; what is still under way starts no clock.
    is_paused: bool,
    reason: Option<Reason>,
    report: SlotReport,
    reported_freezes: u64,
    report_pixels: u64,
    shown: Vec<Shown>,
}

impl Slot {
    /// An empty one.
    pub fn new(spec: SlotSpec) -> Self {
        Self {
            ssrc: 0,
            spec,
            receiver: Receiver::default(),
            picture: None,
            times: VecDeque::new(),
            first_picture: None,
            publication: None,
            is_fed: false,
            is_paused: false,
            reason: None,
            report: SlotReport::default(),
            reported_freezes: 0,
            report_pixels: 0,
            shown: Vec::new(),
        }
    }

    /// What it is for.
    pub fn spec(&self) -> SlotSpec {
        self.spec
    }

    /// The stream behind it.
    pub fn receiver(&self) -> &Receiver {
        &self.receiver
    }

    /// The stream is another one: the connection is new.
    pub fn reset(&mut self, now: Micros) {
        self.receiver.restart(now);
        self.picture = None;
        self.times.clear();
        self.first_picture = None;
        self.publication = None;
        self.is_fed = false;
        self.is_paused = false;
        self.reason = None;
    }

    /// Who is on the screen.
    pub fn source(&self) -> Option<u16> {
        self.picture.map(|picture| picture.source)
    }

    /// The picture on the screen, if it is not too old, and its frame rate.
    pub fn on_screen(&self, now: Micros) -> Option<(Shown, u32)> {
        let last = *self.times.back()?;
        let recent = self.times.iter().filter(|at| now - **at < FPS_WINDOW).count() as u64;
        // A few frames in a short time.
        let fps = (recent * SECOND / FPS_WINDOW) as u32;
        self.picture.filter(|_| now - last < VISIBLE).map(|picture| (picture, fps))
    }

    /// When the first picture came since the last reset.
    pub fn first_picture(&self) -> Option<Micros> {
        self.first_picture
    }

    /// Nothing is to be expected for now.
    pub fn pause(&mut self, now: Micros) {
        self.receiver.pause(now);
    }

    /// The server says what is in it. A slot that is emptied, paused or given to another is not frozen
    /// meanwhile.
    pub fn told(&mut self, now: Micros, state: &SlotState) {
        let is_fed = state.publication.is_some() && state.width.is_some();
        if self.publication != state.publication || (self.is_fed && !is_fed) {
            self.pause(now);
        }
        if state.publication.is_none() {
            self.times.clear();
        }
        self.publication.clone_from(&state.publication);
        self.is_fed = is_fed;
        self.is_paused = !is_fed;
        self.reason = Some(state.reason);
    }

    /// What the server said last about what is in it.
    pub fn reason(&self) -> Option<Reason> {
        self.reason
    }

    /// A packet came. Returns how many pictures the device was too slow for.
    pub fn handle(&mut self, now: Micros, packet: Arrived, decode: &mut DecodeBudget) -> u64 {
        let mut shown = std::mem::take(&mut self.shown);
        self.receiver.handle(now, packet, &mut shown);
        let mut dropped = 0;
        for picture in shown.drain(..) {
            let pixels = u64::from(picture.size.0) * u64::from(picture.size.1);
            if !decode.spend(now, pixels) {
                dropped += 1;
                self.report.frames_dropped += 1;
                continue;
            }
            self.report.frames_decoded += 1;
            self.report_pixels += pixels;
            self.picture = Some(picture);
            self.first_picture.get_or_insert(now);
            self.times.push_back(now);
            while self.times.front().is_some_and(|at| now - at > FPS_WINDOW) && self.times.len() > 1 {
                self.times.pop_front();
            }
        }
        self.shown = shown;
        if self.is_paused {
            self.receiver.pause(now);
        }
        dropped
    }

    /// Appends requests for what is missing.
    pub fn ask(&mut self, now: Micros, rtt: Micros, items: &mut Vec<RtcpItem>) {
        let mut lost = Vec::new();
        self.receiver.asks(now, rtt, &mut lost);
        for lost in lost.chunks(200) {
            let lost = lost.iter().copied().collect();
            items.push(RtcpItem::Nack { sender_ssrc: 1, media_ssrc: self.ssrc, lost });
        }
        if self.receiver.asks_for_keyframe(now) {
            items.push(RtcpItem::Pli { sender_ssrc: 1, media_ssrc: self.ssrc });
        }
    }

    /// How decoding went since the last report; `None` for a slot that showed nothing.
    pub fn take_report(&mut self, mid: String, capacity: u64) -> Option<SlotReport> {
        let mut report = std::mem::take(&mut self.report);
        let pixels = std::mem::take(&mut self.report_pixels);
        let freezes = self.receiver.counts().freezes;
        report.mid = mid;
        report.freezes = (freezes - std::mem::replace(&mut self.reported_freezes, freezes)) as u32;
        report.decode_time_ms = (pixels * 1_000 / capacity.max(1)) as u32;
        (report.frames_decoded + report.frames_dropped > 0).then_some(report)
    }
}

/// What a device can decode, as a bucket of pixels.
#[derive(Debug)]
pub struct DecodeBudget {
    capacity: u64,
    tokens: u64,
    refilled: Micros,
    second: Micros,
    wanted: u64,
    overloaded: u64,
}

impl DecodeBudget {
    /// That many pixels per second.
    pub fn new(capacity: u64) -> Self {
        Self { capacity, tokens: capacity / 2, refilled: 0, second: 0, wanted: 0, overloaded: 0 }
    }

    /// Another capacity from now on: the device got hot, or cooled down.
    pub fn set(&mut self, capacity: u64) {
        self.capacity = capacity;
        self.tokens = self.tokens.min(capacity / 2);
    }

    /// Pixels per second.
    pub fn capacity(&self) -> u64 {
        self.capacity
    }

    /// Seconds in which more was asked for than there was.
    pub fn overloaded_seconds(&self) -> u64 {
        self.overloaded
    }

    /// Whether a picture can be decoded in time.
    fn spend(&mut self, now: Micros, pixels: u64) -> bool {
        let earned = u128::from(self.capacity) * u128::from(now - self.refilled) / u128::from(SECOND);
        // Half a second of work may pile up, as keyframes of several slots do.
        self.tokens = (self.tokens + earned.min(u128::from(self.capacity)) as u64).min(self.capacity / 2);
        self.refilled = now;
        if now - self.second >= SECOND {
            // A twentieth more is within the accuracy of any such limit.
            self.overloaded += u64::from(self.wanted > self.capacity + self.capacity / 20);
            (self.second, self.wanted) = (now, 0);
        }
        self.wanted += pixels;
        match self.tokens.checked_sub(pixels) {
            Some(rest) => {
                self.tokens = rest;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_decodes_what_it_can_and_no_more() {
        let picture = 640 * 360;
        for (pictures_per_second, expected, overloaded) in [(30, 30, 0), (60, 40, 9)] {
            let mut budget = DecodeBudget::new(40 * picture);
            let mut decoded = 0;
            for n in 0..pictures_per_second * 10 {
                decoded += u64::from(budget.spend(n * SECOND / pictures_per_second, picture));
            }
            let rate = decoded / 10;
            assert!(rate.abs_diff(expected) <= 2, "{pictures_per_second} a second: {rate}");
            assert_eq!(budget.overloaded_seconds(), overloaded, "the last second is not over");
        }
    }
}
