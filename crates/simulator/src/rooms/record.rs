//! What a run leaves behind: samples of every 100 ms and totals of every participant. No judgement; that is
//! `score`.

use std::collections::BTreeMap;
use std::time::Duration;

use sfu::LoggedDecision;
use signalling::Reason;

use super::policy::Policy;
use super::receiver::{BadFrame, Counts};
use super::sdp::{RTX, VP8};
use super::spec::ClientSpec;
use crate::links::event::{MILLI, Micros, SECOND};

/// Distance of the samples.
pub const STEP: Micros = 100 * MILLI;
/// A slot that could show something and has not for this long is starved.
pub const STARVED: Micros = 5 * SECOND;
/// The share of the best that counts as having it.
const AS_GOOD_AS_BEST: f64 = 0.95;
/// A padded packet is padding if it has more of it than a run of equal sizes needs.
const PADDED: u8 = 16;

/// One participant at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sample {
    /// When.
    pub at: Micros,
    /// What its link down carries, in bits per second.
    pub capacity: u64,
    /// Bytes that were sent to it since the last sample.
    pub downloaded: u64,
    /// What it has on the screen is worth that.
    pub delivered: f64,
    /// The best would be worth that.
    pub best: f64,
    /// Slots with a picture.
    pub lit: usize,
}

/// From a join to the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stay {
    /// When it began.
    pub joined: Micros,
    /// From when on there was something to see.
    pub could_see: Option<Micros>,
    /// The first picture.
    pub first_picture: Option<Micros>,
    /// The first moment at which it had about the best.
    pub best_point: Option<Micros>,
}

impl Stay {
    /// It begins.
    pub fn new(now: Micros) -> Self {
        Self { joined: now, could_see: None, first_picture: None, best_point: None }
    }

    /// Takes a sample in.
    pub fn note(&mut self, sample: &Sample, first_picture: Option<Micros>) {
        if sample.best > 0.0 {
            self.could_see.get_or_insert(sample.at);
            if sample.delivered >= AS_GOOD_AS_BEST * sample.best {
                self.best_point.get_or_insert(sample.at);
            }
        }
        self.first_picture = self.first_picture.or(first_picture);
    }
}

/// Totals of one participant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes of media and retransmissions for video slots that arrived.
    pub video_bytes: u64,
    /// Of these, retransmissions.
    pub rtx_bytes: u64,
    /// Bytes of packets without payload of their own, whatever stream carried them.
    pub padding_bytes: u64,
    /// Packets of sound that arrived.
    pub audio_packets: u64,
    /// Feedbacks about the uplink that arrived.
    pub feedbacks: u64,
    /// Datagrams that made no sense.
    pub malformed: u64,
    /// Packets of streams that no answer named.
    pub unknown: u64,
    /// Errors that the server answered with.
    pub errors: u64,
    /// Pictures that the device was too slow for.
    pub dropped_pictures: u64,
    /// Whole seconds in which more had to be decoded than the device can.
    pub overloaded_seconds: u64,
}

/// What a slot shows at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lane {
    /// Who is in the picture, and the position of its encoding.
    pub picture: Option<(u16, u8)>,
    /// What the server said last about why it is not better.
    pub reason: Option<Reason>,
}

/// The course of one participant's run, for those that are looked at closely.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Course {
    /// Of every slot, one per [`STEP`].
    pub lanes: Vec<Vec<Lane>>,
    /// What the server took the link down to carry, in bits per second, one per [`STEP`].
    pub estimates: Vec<u64>,
    /// When something was decided, and what was decided upon what.
    pub decisions: Vec<(Micros, LoggedDecision)>,
}

/// One participant over the whole run.
#[derive(Clone, Debug)]
pub struct Person {
    /// Its name.
    pub name: String,
    /// It sends pictures.
    pub sends: bool,
    /// Its numbers in the room, one per stay, which are the CSRCs of its pictures.
    pub numbers: Vec<u32>,
    /// One per [`STEP`].
    pub samples: Vec<Sample>,
    /// In order.
    pub stays: Vec<Stay>,
    /// Over all its slots.
    pub counts: Counts,
    /// What it got.
    pub traffic: Traffic,
    /// Slots that were dark for [`STARVED`] without need.
    pub starved: u64,
    /// Bytes of video that were sent to it, retransmissions included, padding not.
    pub video_sent: u64,
    /// Bytes of padding that were sent to it.
    pub padding_sent: u64,
    /// Bytes sent to it in all, headers included, and those dropped by a full queue.
    pub downloaded: (u64, u64),
    /// It sent nonsense on purpose: frames of its pictures are not judged.
    pub was_broken: bool,
    /// Where it was asked for.
    pub course: Option<Course>,
}

impl Person {
    /// Before the run.
    pub fn new(spec: &ClientSpec) -> Self {
        Self {
            name: spec.name.clone(),
            sends: !spec.tracks.is_empty(),
            numbers: Vec::new(),
            samples: Vec::new(),
            stays: Vec::new(),
            counts: Counts::default(),
            traffic: Traffic::default(),
            starved: 0,
            video_sent: 0,
            padding_sent: 0,
            downloaded: (0, 0),
            was_broken: false,
            course: None,
        }
    }

    /// A datagram was sent to it.
    pub fn count(&mut self, datagram: &[u8]) {
        let [first, second, ..] = datagram else { return };
        if !(128..192).contains(first) || ![VP8, RTX].contains(&(second & 0x7f)) {
            return;
        }
        let padding = if first & 0x20 != 0 { datagram.last().copied().unwrap_or(0) } else { 0 };
        let sum = if padding > PADDED { &mut self.padding_sent } else { &mut self.video_sent };
        *sum += datagram.len() as u64;
    }

    /// Adds what one slot counted.
    pub fn add(&mut self, counts: &Counts) {
        let sum = &mut self.counts;
        sum.frames += counts.frames;
        sum.keyframes += counts.keyframes;
        sum.passed_over += counts.passed_over;
        sum.lost += counts.lost;
        sum.useless += counts.useless;
        sum.asked += counts.asked;
        sum.keyframe_requests += counts.keyframe_requests;
        sum.switches += counts.switches;
        sum.freezes += counts.freezes;
        sum.frozen += counts.frozen;
        sum.longest_gap = sum.longest_gap.max(counts.longest_gap);
        sum.shown_bytes += counts.shown_bytes;
        for (key, count) in &counts.bad {
            *sum.bad.entry(*key).or_default() += count;
        }
    }

    /// The run is over.
    pub fn finish(&mut self, traffic: Traffic, downloaded: (u64, u64)) {
        (self.traffic, self.downloaded) = (traffic, downloaded);
    }
}

/// A run.
#[derive(Clone, Debug)]
pub struct Record {
    /// Which scenario.
    pub scenario: String,
    /// Under which policy.
    pub policy: Policy,
    /// Which seed.
    pub seed: u64,
    /// How long it took in virtual time.
    pub duration: Duration,
    /// Everybody.
    pub people: Vec<Person>,
    /// The node's counters.
    pub node: sfu::Stats,
    /// Of every byte that the node put out.
    pub hash: String,
}

impl Record {
    /// All decisions as JSON lines in the order in which they were made; none unless courses were kept.
    pub fn decision_log(&self) -> Vec<String> {
        let courses = self.people.iter().filter_map(|person| person.course.as_ref());
        let mut decisions: Vec<_> = courses.flat_map(|course| &course.decisions).collect();
        decisions.sort_by_key(|(at, decision)| (*at, &decision.participant));
        let line = |decision| serde_json::to_string(decision).expect("decisions are plain data");
        decisions.into_iter().map(|(_, decision)| line(decision)).collect()
    }

    /// Frames that came whole and could not be shown, by reason, but for those of participants that sent
    /// nonsense.
    pub fn bad_frames(&self) -> BTreeMap<BadFrame, u64> {
        let broken: Vec<u32> =
            self.people.iter().filter(|p| p.was_broken).flat_map(|p| &p.numbers).copied().collect();
        let mut bad = BTreeMap::new();
        for ((reason, csrc), count) in self.people.iter().flat_map(|person| &person.counts.bad) {
            if csrc.is_none_or(|csrc| !broken.contains(&csrc)) {
                *bad.entry(*reason).or_default() += count;
            }
        }
        bad
    }
}
