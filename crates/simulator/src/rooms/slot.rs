//! One video slot as its viewer sees it: the picture on the screen, how fluent and how fresh it is, and what the device is
//! too slow for.
//!
//! Owns what follows from decoded pictures. Leaves the frames themselves to `receiver` and the time that they take to `decoder`.

use std::collections::VecDeque;

use packet::RtcpItem;
use signalling::{PublicationId, Reason, SlotReport, SlotState};

use super::decoder::Decoder;
use super::receiver::{Arrived, KEYFRAME_WAIT, Picture, Receiver};
use super::spec::SlotSpec;
use crate::links::event::{MILLI, Micros, SECOND};

/// Frame rates are counted over this time.
const FPS_WINDOW: Micros = SECOND / 2;
/// A viewer sees a picture as long as it is not older.
const VISIBLE: Micros = SECOND;

/// What a viewer sees at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OnScreen {
    /// The picture.
    pub picture: Picture,
    /// How many of them were shown lately, per second.
    pub fps: u32,
    /// How long after it was captured it was shown.
    pub late: Micros,
}

/// See the module's documentation.
#[derive(Debug)]
pub struct Slot {
    /// Its stream, from the answer.
    pub ssrc: u32,
    spec: SlotSpec,
    receiver: Receiver,
    /// What was shown lately and is about to be, with the time.
    pictures: VecDeque<(Micros, Picture)>,
    /// When what came so far is decoded.
    decoded_at: Micros,
    /// A picture was given up: since when a keyframe is needed, and when it was last asked for.
    gave_up: Option<Micros>,
    first_picture: Option<Micros>,
    publication: Option<PublicationId>,
    is_fed: bool,
    /// The server said that nothing is sent; what is still under way starts no clock.
    is_paused: bool,
    reason: Option<Reason>,
    report: SlotReport,
    reported_freezes: u64,
    decode_time: Micros,
    arrived: Vec<Picture>,
}

impl Slot {
    /// An empty one.
    pub fn new(spec: SlotSpec) -> Self {
        Self {
            ssrc: 0,
            spec,
            receiver: Receiver::default(),
            pictures: VecDeque::new(),
            decoded_at: 0,
            gave_up: None,
            first_picture: None,
            publication: None,
            is_fed: false,
            is_paused: false,
            reason: None,
            report: SlotReport::default(),
            reported_freezes: 0,
            decode_time: 0,
            arrived: Vec::new(),
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
        self.pictures.clear();
        self.gave_up = None;
        self.first_picture = None;
        self.publication = None;
        self.is_fed = false;
        self.is_paused = false;
        self.reason = None;
    }

    /// Who is on the screen.
    pub fn source(&self) -> Option<u16> {
        self.newest().map(|picture| picture.source)
    }

    /// The newest picture, which may still be in the decoder.
    pub fn newest(&self) -> Option<Picture> {
        self.pictures.back().map(|(_, picture)| *picture)
    }

    /// What is on the screen, if it is not too old.
    pub fn on_screen(&self, now: Micros) -> Option<OnScreen> {
        let mut shown = self.pictures.iter().rev().skip_while(|(at, _)| *at > now);
        let (last, picture) = *shown.next().filter(|(at, _)| now - at < VISIBLE)?;
        let recent =
            self.pictures.iter().filter(|(at, _)| *at <= now && now - at < FPS_WINDOW).count() as u64;
        // A few frames in a short time.
        let fps = (recent * SECOND / FPS_WINDOW) as u32;
        Some(OnScreen { picture, fps, late: last.saturating_sub(picture.captured) })
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
            self.pictures.clear();
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
    pub fn handle(&mut self, now: Micros, packet: Arrived, decoder: &mut Decoder) -> u64 {
        let mut arrived = std::mem::take(&mut self.arrived);
        self.receiver.handle(now, packet, &mut arrived);
        let mut dropped = 0;
        for picture in arrived.drain(..) {
            let pixels = u64::from(picture.size.0) * u64::from(picture.size.1);
            decoder.offered(now, pixels);
            let readable = self.gave_up.is_none() || picture.keyframe;
            let Some(ready) = readable.then(|| decoder.decode(now, pixels)).flatten() else {
                self.gave_up.get_or_insert(now);
                dropped += 1;
                self.report.frames_dropped += 1;
                continue;
            };
            self.gave_up = None;
            self.report.frames_decoded += 1;
            // As a browser measures it: from when the decoder of this stream takes it up, whatever it has to share.
            self.decode_time += ready - self.decoded_at.max(now);
            self.decoded_at = ready;
            self.receiver.shown(ready, &picture);
            self.first_picture.get_or_insert(ready);
            self.pictures.push_back((ready, picture));
        }
        let old = |(at, _): &(Micros, Picture)| now.saturating_sub(*at) > FPS_WINDOW;
        while self.pictures.get(1).is_some_and(old) {
            self.pictures.pop_front();
        }
        self.arrived = arrived;
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
        let given_up = self.gave_up.is_some_and(|since| now - since >= KEYFRAME_WAIT);
        if given_up {
            self.gave_up = Some(now);
        }
        if self.receiver.asks_for_keyframe(now) || given_up {
            items.push(RtcpItem::Pli { sender_ssrc: 1, media_ssrc: self.ssrc });
        }
    }

    /// How decoding went since the last report; `None` for a slot that showed nothing.
    pub fn take_report(&mut self, mid: String) -> Option<SlotReport> {
        let mut report = std::mem::take(&mut self.report);
        let time = std::mem::take(&mut self.decode_time);
        let freezes = self.receiver.counts().freezes;
        report.mid = mid;
        report.freezes = (freezes - std::mem::replace(&mut self.reported_freezes, freezes)) as u32;
        report.decode_time_ms = (time / MILLI) as u32;
        (report.frames_decoded + report.frames_dropped > 0).then_some(report)
    }
}
