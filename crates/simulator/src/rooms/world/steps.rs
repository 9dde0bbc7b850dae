//! What a scenario makes happen: who comes and goes, who speaks, what breaks.

use sfu::Input;

use super::{Event, NOTICED, ROOM, World};
use crate::links::event::MILLI;
use crate::links::rng::Rng;
use crate::rooms::fault::Action;
use crate::rooms::path::Way;
use crate::rooms::record::{STEP, Stay};
use crate::rooms::scenario::{LinkSetup, seconds};

impl World<'_> {
    pub(super) fn join(&mut self, who: usize, resume: bool) {
        let is_present = self.seats[who].client.joined_at.is_some();
        if is_present != resume || self.seats[who].session.is_some() {
            // Whoever comes back may have gone meanwhile, or be here already.
            return;
        }
        let session = self.next_session;
        self.next_session += 1;
        self.sessions.insert(session, who);
        let seat = &mut self.seats[who];
        seat.session = Some(session);
        if !resume {
            seat.end_stay();
            seat.stay = Some(Stay::new(self.now));
        }
        seat.client.join(self.now, ROOM, resume);
        self.carry_out(who);
    }

    /// Somebody is gone; with `resume` only its signalling is, and comes back after a while.
    pub(super) fn hang_up(&mut self, who: usize) {
        if let Some(session) = self.seats[who].session.take() {
            self.events.push(self.now + NOTICED, Event::Lost { session });
        }
    }

    pub(super) fn step(&mut self, index: usize) {
        let step = &self.scenario.step[index];
        let everybody: Vec<usize> = (0..self.seats.len())
            .filter(|who| {
                let name = &self.seats[*who].client.spec().name;
                let family = name.rsplit_once('-').map_or("", |(family, _)| family);
                step.who == "*" || step.who == *name || step.who == family
            })
            .collect();
        if let Action::ClockJump { ms } = step.action {
            self.ahead += ms * MILLI;
            self.feed(Input::Timeout);
            return;
        }
        for who in everybody {
            self.act(who, index);
        }
    }

    pub(super) fn act(&mut self, who: usize, index: usize) {
        let now = self.now;
        let seat = &mut self.seats[who];
        match &self.scenario.step[index].action {
            Action::Loss { way, share } => seat.path.weather(*way).loss = *share,
            Action::Reorder { way, share } => seat.path.weather(*way).reorder = *share,
            Action::Duplicate { way, share } => seat.path.weather(*way).duplicate = *share,
            Action::Corrupt { share } => {
                seat.path.weather(Way::Up).corrupt = *share;
                seat.person.was_broken = true;
            }
            Action::Silence { way, on } => {
                seat.path.weather(*way).silent = *on;
                if *way == Way::Up && *on {
                    self.source_stopped(who);
                }
            }
            Action::Handover { gap_ms, .. } => {
                seat.path.weather(Way::Up).silent = true;
                seat.path.weather(Way::Down).silent = true;
                self.events.push(now + gap_ms * MILLI, Event::Arrived { who, step: index });
                self.source_stopped(who);
            }
            Action::TopLayer { on } => seat.client.set_top_layer(*on),
            Action::Mute { mid, on } => {
                seat.client.set_muted(mid, *on);
                self.carry_out(who);
                if *on {
                    self.source_stopped(who);
                }
            }
            Action::Talk { on } => seat.client.set_talking(*on),
            Action::Decode { megapixels } => seat.client.set_decode((megapixels * 1e6) as u64),
            Action::Join => self.events.push(now, Event::Join { who, resume: false }),
            Action::Crash => {
                seat.client.crash(now);
                seat.end_stay();
                self.carry_out(who);
                self.hang_up(who);
                self.source_stopped(who);
            }
            Action::Leave => {
                seat.client.leave(now);
                seat.end_stay();
                self.carry_out(who);
                self.source_stopped(who);
            }
            Action::Reconnect { gap_ms } => {
                self.hang_up(who);
                self.events.push(now + gap_ms * MILLI, Event::Join { who, resume: true });
            }
            Action::SlowReader { delay_ms } => seat.hearing_delay = delay_ms * MILLI,
            Action::ClockJump { .. } => {}
        }
    }

    /// A participant is in its new network.
    pub(super) fn arrived(&mut self, who: usize, step: usize) {
        let Action::Handover { link, .. } = &self.scenario.step[step].action else { return };
        self.move_to(who, link);
        self.seats[who].client.moved(self.now);
        self.seats[who].wake = None;
        self.carry_out(who);
    }

    pub(super) fn move_to(&mut self, who: usize, link: &LinkSetup) {
        let seat = &mut self.seats[who];
        let stream = 16 + who as u64;
        let generation = u64::from(seat.path.generation) + 1;
        let mut rng = Rng::new(self.seed, stream * 8 + 7 + 1_000_000 * generation);
        let links = link.links(0, self.scenario.duration(), &mut rng);
        seat.path.weather(Way::Up).silent = false;
        seat.path.weather(Way::Down).silent = false;
        seat.path.moved(links.up, links.down, self.seed, stream * 2);
        (seat.rates, seat.one_way) = (links.rates, links.one_way);
        self.give_address(who);
    }

    /// Whoever has that participant on the screen is not to blame for what is missing now.
    pub(super) fn source_stopped(&mut self, who: usize) {
        let source = self.seats[who].client.spec().index;
        for seat in &mut self.seats {
            seat.client.source_stopped(self.now, source);
        }
    }

    /// Somebody else takes the floor.
    pub(super) fn turn(&mut self) {
        let Some(mean) = self.scenario.turn_seconds else { return };
        let present: Vec<usize> = (0..self.seats.len())
            .filter(|who| self.seats[*who].client.is_connected() && self.seats[*who].client.spec().microphone)
            .collect();
        let speaker = (!present.is_empty()).then(|| present[self.rng.below(present.len())]);
        for (who, seat) in self.seats.iter_mut().enumerate() {
            seat.client.set_talking(Some(who) == speaker);
        }
        let next = seconds(mean * self.rng.between(0.5, 1.5)).max(STEP);
        self.events.push(self.now + next, Event::Turn);
    }
}
