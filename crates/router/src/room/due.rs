//! What is done because its time has come.
//!
//! Owns which part each timer belongs to: selections, sender reports, the way out, publishers, voices, silence. Leaves the
//! order of deadlines to `timers`.

use std::collections::BTreeMap;
use std::time::Duration;

use packet::MediaKind;
use units::Timestamp;

use super::Room;
use crate::media::Media;
use crate::publication::Publication;
use crate::rewrite::Origin;
use crate::speaker::Sounding;
use crate::timers::Timer;
use crate::{Output, PublicationId, RoomEvent};

/// Between two sender reports of a slot. RFC 3550 §6.2 would allow 360 / kbit/s seconds; one second keeps
/// round trips and lip-sync fresh at a cost of 28 bytes.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

impl Room {
    /// Does everything that is due, also what becomes so by it: a picture that starts is reported with its start.
    pub(super) fn run_timers(&mut self, now: Timestamp, out: &mut Vec<Output>) {
        while self.timers.next().is_some_and(|at| at <= now) {
            while let Some(timer) = self.timers.pop_due(now) {
                self.run(timer, now, out);
            }
            self.settle(now, out);
        }
    }

    fn run(&mut self, timer: Timer, now: Timestamp, out: &mut Vec<Output>) {
        match timer {
            Timer::Select(at) => {
                self.reselect.insert(at);
            }
            Timer::Report(at) => self.report(now, at, out),
            Timer::Egress(at) => self.run_egress(now, at, out),
            Timer::Publisher(id) => {
                self.pursue.insert(id);
            }
            Timer::Speakers => self.update_speakers(now, out),
            Timer::Silence(at) => self.notice_silence(now, at),
        }
    }

    /// Something came of a participant.
    pub(super) fn hear_from(&mut self, now: Timestamp, at: usize) {
        let Some(sender) = self.participants[at].as_mut() else { return };
        if sender.hear(now) {
            self.reassign.video = true;
            self.timers.set(Timer::Silence(at), sender.silent_at());
        }
    }

    /// Whoever is not heard of any more gives its place on the screens to somebody alive.
    fn notice_silence(&mut self, now: Timestamp, at: usize) {
        let Some(sender) = self.participants[at].as_mut() else { return };
        self.reassign.video |= sender.notice_silence(now);
        self.timers.set(Timer::Silence(at), sender.silent_at());
    }

    /// Sends what is due on the way to a participant.
    pub(super) fn run_egress(&mut self, now: Timestamp, at: usize, out: &mut Vec<Output>) {
        let Some(receiver) = self.participants[at].as_mut() else { return };
        receiver.run_egress(now, kept(&self.publications), out);
        self.timers.set(Timer::Egress(at), receiver.egress.deadline(now));
    }

    fn report(&mut self, now: Timestamp, at: usize, out: &mut Vec<Output>) {
        let ntp = self.ntp(now);
        let Some(receiver) = self.participants[at].as_ref() else { return };
        let again = receiver.report(now, ntp, out).then_some(now + REPORT_INTERVAL);
        self.timers.set(Timer::Report(at), again);
    }

    /// Looks at who speaks.
    pub(super) fn update_speakers(&mut self, now: Timestamp, out: &mut Vec<Output>) {
        if self.follows {
            return;
        }
        let voices = self
            .publications
            .values()
            .filter(|publication| publication.kind == MediaKind::Audio && publication.is_on())
            .map(|publication| Sounding {
                participant: publication.participant,
                level: publication.level.read(now),
                scores: publication.voice.scores(now),
            });
        if let Some(speakers) = self.speakers.update(now, voices) {
            out.push(Output::Event(RoomEvent::Speakers(speakers)));
            self.reassign.video = true;
            self.reselect_all();
        }
        self.timers.set(Timer::Speakers, self.speakers.deadline(now));
    }
}

/// Finds packets that are kept.
pub(super) fn kept<'a>(
    publications: &'a BTreeMap<PublicationId, Publication>,
) -> impl Fn(Origin, u64) -> Option<&'a Media> {
    |origin, seq| {
        let publication = publications.get(&origin.publication)?;
        publication.encodings[usize::from(origin.encoding)].history.get(seq)
    }
}
