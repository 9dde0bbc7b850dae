//! Asking publishers for what receivers wait for.
//!
//! Owns the way back: the keyframes that slots wait for (`keyframe`), ahead of time where somebody is about to be
//! ready, and what the whole room wants of each encoding (`demand`). Leaves who wants what to `settle`.

use std::time::Duration;

use packet::MediaKind;
use units::Timestamp;

use super::Room;
use crate::demand::Joint;
use crate::participant::MAX_REPLAY;
use crate::publication::{MAX_ENCODINGS, Publication};
use crate::rewrite::Origin;
use crate::select::forwarded;
use crate::timers::Timer;
use crate::{EncodingDemand, Output, PublicationId, RoomEvent, Source};

impl Room {
    /// Asks publishers for what receivers wait for.
    pub(super) fn follow_up(&mut self, now: Timestamp, out: &mut Vec<Output>) {
        while let Some(id) = self.pursue.pop_first() {
            self.pursue_one(now, id, out);
        }
    }

    /// Asks ahead for whatever a participant's slots wait for.
    pub(super) fn ask_ahead_for(&mut self, at: usize) {
        let slots = self.participants[at].iter().flat_map(|receiver| &receiver.slots);
        let waiting: Vec<Origin> = slots.filter_map(|slot| slot.switch.waits_for()).collect();
        waiting.into_iter().for_each(|origin| self.ask_ahead(origin));
    }

    /// Somebody will be able to receive that in a moment. A keyframe takes about as long, so it is there by then, unless there is one.
    pub(super) fn ask_ahead(&mut self, origin: Origin) {
        let Some(publication) = self.publications.get_mut(&origin.publication) else { return };
        if !publication.encodings[usize::from(origin.encoding)].has_keyframe_within(MAX_REPLAY / 2) {
            publication.keyframes.ask(origin.encoding);
        }
    }

    /// Asks the publisher for the keyframes that somebody waits for and tells it what is wanted.
    fn pursue_one(&mut self, now: Timestamp, id: PublicationId, out: &mut Vec<Output>) {
        let Some(publication) = self.publications.get_mut(&id) else { return };
        let owner = self.participants[publication.owner].as_ref();
        let is_elsewhere = owner.is_some_and(|owner| !owner.is_here());
        if publication.kind == MediaKind::Audio {
            if is_elsewhere {
                self.pursue_sound(now, id, out);
            }
            return;
        }
        // What is not known yet is wanted, else it would never become known.
        let is_unknown =
            |at: usize| publication.encodings.get(at).is_none_or(|encoding| encoding.size().is_none());
        let mut wanted: [Joint; MAX_ENCODINGS] =
            std::array::from_fn(|at| if is_unknown(at) { Joint::ALL } else { Joint::Unwanted });
        let mut waited = [false; MAX_ENCODINGS];
        for at in &publication.subscribers {
            let Some(receiver) = self.participants[at.participant].as_ref() else { continue };
            let slot = &receiver.slots[at.slot];
            let switch = &slot.switch;
            let limits = [slot.view.max_fps, receiver.device.care.max_fps, Some(receiver.device.max_fps)];
            let limit = limits.into_iter().flatten().min().unwrap_or(u32::MAX);
            for origin in [switch.current(), switch.target()].into_iter().flatten() {
                if origin.publication == id {
                    wanted[usize::from(origin.encoding)].join(limit);
                }
            }
            if let Some(origin) = switch.waits_for().filter(|o| o.publication == id && receiver.is_ready()) {
                waited[usize::from(origin.encoding)] = true;
            } else if let Some(origin) =
                switch.current().filter(|o| o.publication == id && receiver.connected)
            {
                // A spatial layer of the same stream starts like an encoding of its own.
                let highest = publication.encodings[usize::from(origin.encoding)].highest_spatial();
                waited[usize::from(origin.encoding)] |=
                    slot.wish().spatial.min(highest) > slot.limit().spatial;
            }
        }
        for (_, joint) in &publication.elsewhere {
            wanted.iter_mut().zip(joint).for_each(|(wanted, joint)| wanted.merge(*joint));
        }
        // A camera that was well a moment ago cannot be told from one that gave this encoding up.
        if publication.source == Source::Camera && publication.is_on() {
            let all = 0..publication.encodings.len();
            let doubtful = |at: usize| publication.encodings[at].liveness.is_doubtful(now);
            let mut asked = all.clone().filter(|at| wanted[*at] != Joint::Unwanted).peekable();
            let only = asked.peek().is_some() && asked.all(doubtful);
            let pixels =
                |at: usize| publication.encodings[at].size().map(|(w, h)| u64::from(w) * u64::from(h));
            let least = all.min_by_key(|at| pixels(*at));
            if let Some(least) = least.filter(|_| only && !publication.subscribers.is_empty()) {
                wanted[least].join(u32::MAX);
            }
        }
        for (at, encoding) in publication.encodings.iter().enumerate() {
            // An encoding without a size is offered to nobody, and only a keyframe tells it.
            let unknown = encoding.keyframe().is_none() && !publication.subscribers.is_empty();
            if encoding.liveness.is_live() && (waited[at] || unknown) {
                publication.keyframes.ask(at as u8);
            }
        }
        // Delays are for publishers, whose own node keeps them and counts who decodes what.
        let (codecs, off_delay) = match is_elsewhere {
            true => (forwarded(), Duration::ZERO),
            false => (publication.codecs, self.config.demand_off_delay),
        };
        let tell = publication.demand.update(now, wanted, codecs, off_delay);
        let fading = publication.demand.deadline(off_delay);
        if tell {
            out.push(Output::Event(demand_event(publication)));
        }
        let asking = self.ask_for_keyframe(now, id, out);
        self.timers.set(Timer::Publisher(id), fading.into_iter().chain(asking).min());
    }

    /// Sends the request for a keyframe that is due. Returns when the next one is.
    fn ask_for_keyframe(
        &mut self,
        now: Timestamp,
        id: PublicationId,
        out: &mut Vec<Output>,
    ) -> Option<Timestamp> {
        let publication = self.publications.get_mut(&id)?;
        let sender = self.participants[publication.owner].as_ref().filter(|sender| sender.connected)?;
        let (rtt, streams) = (sender.egress.rtt(), publication.streams());
        if let Some(item) = publication.keyframes.poll(now, rtt, &streams) {
            tracing::debug!(publication = %id, participant = %publication.participant, ?item, "keyframe requested");
            out.push(Output::Rtcp { to: publication.participant, item });
        }
        publication.keyframes.deadline(now, rtt, &streams)
    }

    /// Tells a participant again what is wanted of its publications.
    pub(super) fn repeat_demands(&mut self, at: usize, out: &mut Vec<Output>) {
        let Some(participant) = self.participants[at].as_ref() else { return };
        for (_, id) in &participant.publications {
            let video = self.publications.get(id).filter(|publication| publication.kind == MediaKind::Video);
            out.extend(video.map(|publication| Output::Event(demand_event(publication))));
        }
    }
}

pub(super) fn demand_event(publication: &Publication) -> RoomEvent {
    let encoding = |(at, encoding): (usize, &crate::encoding::Encoding)| EncodingDemand {
        rid: encoding.rid,
        active: publication.demand.is_active(at),
        max_fps: publication.demand.max_fps(at),
    };
    RoomEvent::Demand {
        participant: publication.participant,
        mid: publication.mid,
        publication: publication.id,
        encodings: publication.encodings.iter().enumerate().map(encoding).collect(),
        codecs: publication.demand.codecs(),
    }
}
