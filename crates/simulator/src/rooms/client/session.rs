//! What a virtual client and the server say to each other.
//!
//! Owns coming and going, the offer and its answer, what is published and what is wanted. Leaves the media path to
//! `ice`, `incoming` and `outgoing`.

use signalling::{
    Capabilities, ClientMessage, Demand, Device, ErrorCode, Join, Publish, ServerMessage, Source, View, Want,
};

use super::{AudioStream, Client, Effect, Phase};
use crate::links::event::Micros;
use crate::rooms::feedback::Arrivals;
use crate::rooms::microphone::{self, Microphone};
use crate::rooms::sdp::{self, Answer, Offer, Sending};
use crate::rooms::spec::SlotSpec;

impl Client {
    /// Enters a room, or comes back to it; with `resume` as the participant that it was.
    pub fn join(&mut self, now: Micros, room: &str, resume: bool) {
        room.clone_into(&mut self.room);
        if !resume {
            self.resume = None;
            self.phase = Phase::Joining;
            self.joined_at = Some(now);
        }
        let capabilities = Capabilities {
            device: Some(Device { class: self.spec.class, model: None }),
            ..Capabilities::default()
        };
        let name = self.spec.name.clone();
        let join =
            Join { room: room.to_owned(), name, token: None, capabilities, resume: self.resume.clone() };
        self.say(ClientMessage::Join(join));
    }

    /// Is gone at once, without a word.
    pub fn crash(&mut self, now: Micros) {
        self.phase = Phase::Away;
        self.joined_at = None;
        self.number = None;
        self.resume = None;
        self.offered = None;
        self.outbox.clear();
        self.streams.clear();
        self.slots.iter_mut().for_each(|slot| slot.reset(now));
        self.out.push(Effect::NewSocket);
    }

    /// Says goodbye.
    pub fn leave(&mut self, now: Micros) {
        self.say(ClientMessage::Leave);
        self.crash(now);
    }

    pub(super) fn say(&mut self, message: ClientMessage) {
        self.out.push(Effect::Message(Box::new(message)));
    }

    /// The server said something.
    pub fn handle_message(&mut self, now: Micros, message: &ServerMessage) {
        match message {
            ServerMessage::Joined(joined) => {
                self.resume = Some(joined.resume.clone());
                self.number = joined.own.as_str().strip_prefix('p').and_then(|number| number.parse().ok());
                // Whatever was said on a broken connection may not have been heard.
                self.describe();
                match self.offered.clone() {
                    _ if !joined.resumed => self.connect(now),
                    Some(sdp) => self.say(ClientMessage::Offer(signalling::Offer { sdp })),
                    None => {}
                }
            }
            ServerMessage::Answer(answer) => self.handle_answer(now, &answer.sdp),
            ServerMessage::Demand(demand) => self.handle_demand(demand),
            ServerMessage::Slots(slots) => {
                self.estimate = slots.estimate_bps.or(self.estimate);
                for state in &slots.slots {
                    let at = (0..self.slots.len()).find(|at| sdp::video_slot(*at) == state.mid);
                    if let Some(slot) = at.and_then(|at| self.slots.get_mut(at)) {
                        slot.told(now, state);
                    }
                }
            }
            ServerMessage::Error(error) => {
                self.traffic.errors += 1;
                if error.code == ErrorCode::TransportFailed {
                    self.connect(now);
                }
            }
            _ => {}
        }
    }

    /// What it sends and what it wants to see.
    fn describe(&mut self) {
        for (track, (camera, _)) in self.spec.tracks.iter().zip(&self.cameras) {
            let publish = Publish { mid: track.mid.clone(), muted: !camera.is_on(), source: track.source };
            self.out.push(Effect::Message(Box::new(ClientMessage::Publish(publish))));
        }
        if let Some(muted) = self.microphone.as_ref().map(Microphone::is_muted) {
            let mid = microphone::MID.to_owned();
            self.say(ClientMessage::Publish(Publish { mid, muted, source: Source::Microphone }));
        }
        let view = |(at, slot): (usize, &SlotSpec)| signalling::SlotView {
            width: slot.size.map(|size| size.0),
            height: slot.size.map(|size| size.1),
            priority: slot.priority,
            ..signalling::SlotView::new(&sdp::video_slot(at), Want::Auto)
        };
        let slots = self.spec.slots.iter().enumerate().map(view).collect();
        self.say(ClientMessage::View(View { slots }));
    }

    /// Makes a new connection.
    fn connect(&mut self, now: Micros) {
        self.connection += 1;
        self.phase = Phase::Negotiating;
        self.out.push(Effect::NewSocket);
        self.arrivals = Arrivals::default();
        self.streams.clear();
        self.slots.iter_mut().for_each(|slot| slot.reset(now));
        self.cameras.iter_mut().for_each(|(camera, _)| camera.restart());
        self.offer();
    }

    pub(super) fn offer(&mut self) {
        self.ice.own_ufrag = format!("{:08x}", self.rng.next_u64() as u32);
        let mut sending = Vec::new();
        if self.microphone.is_some() {
            sending.push(Sending { mid: microphone::MID.to_owned(), rids: Vec::new(), video: false });
        }
        for track in &self.spec.tracks {
            let rids =
                track.encodings.iter().map(|encoding| encoding.rid.clone()).filter(|rid| !rid.is_empty());
            sending.push(Sending { mid: track.mid.clone(), rids: rids.collect(), video: true });
        }
        let offer = Offer {
            ufrag: self.ice.own_ufrag.clone(),
            fingerprint: u64::from(self.spec.index) << 32 | self.connection,
            sending,
            video_slots: self.spec.slots.len(),
            audio_slots: 3,
        };
        let sdp = offer.sdp();
        self.offered = Some(sdp.clone());
        self.say(ClientMessage::Offer(signalling::Offer { sdp }));
    }

    fn handle_answer(&mut self, now: Micros, sdp: &str) {
        let Some(answer) = Answer::parse(sdp) else { return };
        self.offered = None;
        self.answer = answer;
        self.streams.clear();
        self.audio_streams.clear();
        for (mid, (ssrc, rtx)) in &self.answer.slots {
            match mid.strip_prefix('v').and_then(|number| number.parse().ok()) {
                Some(at) => {
                    self.streams.insert(*ssrc, (at, false));
                    self.streams.extend(rtx.map(|rtx| (rtx, (at, true))));
                    if let Some(slot) = self.slots.get_mut(at) {
                        slot.ssrc = *ssrc;
                    }
                }
                None => {
                    self.audio_streams.insert(*ssrc, AudioStream::default());
                }
            }
        }
        if self.phase == Phase::Negotiating {
            self.phase = Phase::Checking;
        }
        self.ice.start(now);
    }

    fn handle_demand(&mut self, demand: &Demand) {
        let Some((camera, _)) = self.cameras.iter_mut().find(|(camera, _)| camera.mid() == demand.mid) else {
            return;
        };
        let rids: Vec<String> = camera.encoder().specs().iter().map(|spec| spec.rid.clone()).collect();
        for wanted in &demand.encodings {
            let rid = wanted.rid.as_deref().unwrap_or_default();
            if let Some(at) = rids.iter().position(|own| own == rid) {
                camera.encoder_mut().set_demand(at, wanted.active, wanted.max_bitrate_bps);
            }
        }
    }
}
