//! Every 100 ms: what everybody has on the screen, and what the best would be.

use signalling::Source;

use super::{Event, UPLINK_USED, World};
use crate::links::event::{MILLI, Micros, SECOND};
use crate::rooms::encoder::EncodingSpec;
use crate::rooms::oracle::{Best, Offered, Oracle, View, Viewer, utility};
use crate::rooms::path::Way;
use crate::rooms::record::{Lane, STEP, Sample};
use crate::rooms::scenario::device;
use crate::rooms::slot::{OnScreen, Slot};
use crate::rooms::spec::TrackSpec;

/// A browser's word about its uplink is about this old.
const UPLINK_AGE: Micros = SECOND;
/// A queue at which a browser backs off.
const UPLINK_QUEUE: Micros = 100 * MILLI;
/// And how far.
const UPLINK_DRAIN: f64 = 0.7;

impl World<'_> {
    /// Looks at everybody.
    pub(super) fn sample(&mut self) {
        let now = self.now;
        let offered = self.offered();
        let mut oracle = std::mem::take(&mut self.oracle);
        for who in 0..self.seats.len() {
            let uplink = self.seats[who].rates[0].integral(now.saturating_sub(UPLINK_AGE), now)
                / now.clamp(1, UPLINK_AGE);
            // A browser finds its own queue, and sends less until it is gone.
            let queued = self.seats[who].path.queue_delay(now, Way::Up) > UPLINK_QUEUE;
            let used = if queued { UPLINK_USED * UPLINK_DRAIN } else { UPLINK_USED };
            self.seats[who].client.set_uplink((uplink as f64 * used) as u64);
            self.look_at(who, &offered, &mut oracle);
        }
        self.oracle = oracle;
        self.events.push(now + STEP, Event::Sample);
    }

    /// Everything that is being sent, or would be if it were wanted.
    pub(super) fn offered(&self) -> Vec<Offered> {
        let mut offered = Vec::new();
        for seat in
            self.seats.iter().filter(|seat| seat.client.is_connected() && !seat.path.is_silent(Way::Up))
        {
            let uplink = (seat.rates[0].at(self.now) as f64 * UPLINK_USED) as u64;
            let spec = seat.client.spec();
            let cameras = seat.client.cameras().zip(&spec.tracks);
            let on: Vec<_> = cameras.filter(|(camera, _)| camera.is_on()).collect();
            let count = on.len().max(1) as u64;
            for (camera, track) in on {
                let mut left = uplink / count;
                let carries = |spec: &&EncodingSpec| {
                    let fits = left >= spec.least;
                    left = left.saturating_sub(spec.bitrate);
                    fits
                };
                let carried = track.encodings.iter().take_while(carries).count();
                let top_off = usize::from(camera.encoder().is_top_off() && carried == track.encodings.len());
                offered.push(Offered {
                    owner: spec.index,
                    is_screen: track.source == Source::Screen,
                    encodings: carried - top_off,
                });
            }
        }
        offered
    }

    pub(super) fn look_at(&mut self, who: usize, offered: &[Offered], oracle: &mut Oracle) {
        let now = self.now;
        let owner = self.seats[who].client.spec().index;
        let others: Vec<Offered> = offered.iter().filter(|offered| offered.owner != owner).cloned().collect();
        let seats = &self.seats;
        let encodings = |offered: &Offered| {
            let tracks = &seats[usize::from(offered.owner)].client.spec().tracks;
            let of_kind = |screen: bool| move |t: &&TrackSpec| (t.source == Source::Screen) == screen;
            tracks.iter().find(of_kind(offered.is_screen)).map_or(Vec::new(), |track| track.encodings.clone())
        };
        let seat = &seats[who];
        let spec = seat.client.spec();
        let capacity = if seat.path.is_silent(Way::Down) { 0 } else { seat.rates[1].at(now) };
        let device = device(spec.class);
        let slots = &spec.slots;
        let viewer = Viewer {
            slots,
            max_height: device.max_height,
            max_streams: device.max_streams as usize,
            decode: seat.client.decode_capacity(),
        };
        let best = match seat.stay {
            Some(_) => oracle.best(who, &viewer, capacity, &others, encodings),
            None => Best::default(),
        };
        let mut delivered = 0.0;
        let mut lit = vec![false; slots.len()];
        for (at, slot) in seat.client.slots().iter().enumerate() {
            let Some(OnScreen { picture, fps, late }) = slot.on_screen(now) else { continue };
            lit[at] = true;
            let Some(track) = seats
                .get(usize::from(picture.source))
                .and_then(|seat| seat.client.spec().tracks.get(usize::from(picture.track)))
            else {
                continue;
            };
            let full_fps =
                track.encodings.get(usize::from(picture.encoding)).map_or(30.0, |e| f64::from(e.fps));
            let view = View { source: track.source, size: picture.size, fps: f64::from(fps), full_fps, late };
            delivered += utility(&slots[at], device.max_height, &view);
        }
        let downloaded = seat.path.downloaded().0;
        let first = seat.client.slots().iter().filter_map(Slot::first_picture).min();
        let seat = &mut self.seats[who];
        let sample = Sample {
            at: now,
            capacity,
            downloaded: downloaded - std::mem::replace(&mut seat.downloaded, downloaded),
            delivered,
            best: best.utility,
            lit: lit.iter().filter(|lit| **lit).count(),
        };
        seat.note_dark(&lit, best.lit);
        if let Some(course) = &mut seat.person.course {
            course.estimates.push(seat.client.estimate.unwrap_or(0));
            for (lane, slot) in course.lanes.iter_mut().zip(seat.client.slots()) {
                let picture = slot.on_screen(now).map(|seen| (seen.picture.source, seen.picture.encoding));
                lane.push(Lane { picture, reason: slot.reason() });
            }
        }
        if let Some(stay) = &mut seat.stay {
            stay.note(&sample, first);
        }
        seat.person.samples.push(sample);
    }
}
