//! One slot's continuous stream out of many arriving ones.
//!
//! Owns the numbers of a slot: sequence ([`Rewriter`]), time ([`time`]) and the codecs' counters ([`pictures`]).
//! All three follow their source by constant shifts; where a shift changes (a switch, a number that is closed
//! up, a correction of time) a new *stretch* begins. The list of the latest stretches is all that is kept:
//! late packets find their shifts in it, and a request for retransmission finds the way back from an outgoing
//! number to an arrived packet. Nothing is kept per packet.
//!
//! Leaves whether a packet is forwarded to `switch`, and bytes to `packet`.

pub(crate) mod pictures;
pub(crate) mod time;

use std::collections::VecDeque;

use packet::Codec;
use units::Timestamp;

use crate::PublicationId;
use crate::media::{Descriptor, Media};
use pictures::{FrameNumbers, PictureShift, Pictures};
use time::{Advance, Edge, Landing, Timeline};

/// Stretches kept. A correction of time takes about ten; more than this many within the reach of a
/// retransmission means that the oldest numbers can no longer be asked for.
const MAX_STRETCHES: usize = 64;
/// Gaps that what comes late is held against: more are not open at a time, unless packets are late by hundreds.
const MAX_GAPS: usize = 16;

/// One encoding of one publication.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Origin {
    pub(crate) publication: PublicationId,
    pub(crate) encoding: u8,
}

/// A run of arriving numbers with the same shifts.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    origin: Origin,
    /// Counts switches and breaks: a late packet finds its place only among stretches that share the newest.
    segment: u64,
    /// The first arriving number of this stretch.
    first: u64,
    /// The end, exclusive, in front of a switch or break: numbers from here on are never sent.
    end: Option<u64>,
    sequence: u64,
    timestamp: u64,
    pictures: PictureShift,
}

impl Stretch {
    fn first_outgoing(&self) -> u64 {
        self.first.wrapping_add(self.sequence)
    }
}

/// The newest number so far.
#[derive(Clone, Copy, Debug)]
struct Newest {
    /// The furthest that arrived, sent or closed up.
    incoming: u64,
    /// The furthest that was sent.
    sent: u64,
    outgoing: u64,
    timestamp: u64,
    frame_complete: bool,
}

/// Numbers that were missing when something came behind them.
#[derive(Clone, Copy, Debug)]
struct Gap {
    first: u64,
    last: u64,
    /// The time of what was in front of them, and whether its frame was complete.
    before: (u64, bool),
    /// The time of what came behind them, and whether all of its frame did.
    behind: (u64, bool),
}

impl Gap {
    /// Whether that number is missing, and may be of the same frame as the one behind it.
    fn may_be_torn_behind(&self, seq: u64) -> bool {
        let (_, whole) = self.behind;
        (self.first..=self.last).contains(&seq) && !(whole && seq == self.last)
    }

    /// Whether a packet lies in it by its number and not by its time, as when the publisher's clock jumped there. It would
    /// be taken for a part of another frame.
    fn is_out_of_time(&self, media: &Media) -> bool {
        let ((before, complete), (behind, whole)) = (self.before, self.behind);
        let least = before + u64::from(complete || media.frame_start);
        let end = behind + u64::from(!whole);
        (self.first..=self.last).contains(&media.seq) && !(least..end).contains(&media.timestamp)
    }
}

/// The numbers that a receiver gets for one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rewritten {
    /// Unwrapped.
    pub(crate) sequence: u64,
    pub(crate) timestamp: u32,
    pub(crate) descriptor: Option<Descriptor>,
    pub(crate) numbers: Option<FrameNumbers>,
}

/// Where an outgoing number came from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    pub(crate) origin: Origin,
    /// Number in the encoding.
    pub(crate) incoming: u64,
    stretch: Stretch,
}

/// The numbers of one slot.
#[derive(Debug)]
pub(crate) struct Rewriter {
    stretches: VecDeque<Stretch>,
    newest: Option<Newest>,
    first_sequence: u16,
    segments: u64,
    /// A packet behind the newest one was refused: its number is a hole.
    refused: bool,
    /// The last ones, at most [`MAX_GAPS`].
    gaps: VecDeque<Gap>,
    timeline: Timeline,
    pictures: Pictures,
}

impl Rewriter {
    /// A stream that begins with these numbers. A first sequence number below 2^15 spares receivers that
    /// unwrap it with SRTP an ambiguous start (RFC 3711 §3.3.1 does not say which way round).
    pub(crate) fn new(clock_rate: u32, sequence: u16, timestamp: u32, picture: u16) -> Self {
        Self {
            stretches: VecDeque::new(),
            newest: None,
            first_sequence: sequence & 0x7fff,
            segments: 0,
            refused: false,
            gaps: VecDeque::new(),
            timeline: Timeline::new(clock_rate, timestamp),
            pictures: Pictures::new(picture),
        }
    }

    /// Whether a switch to a frame captured then would land where it belongs.
    pub(crate) fn landing(&self, capture: Timestamp) -> Landing {
        self.timeline.landing(capture)
    }

    /// The slot's RTP clock now, for a sender report; `None` before the first packet.
    pub(crate) fn timestamp_at(&self, now: Timestamp) -> Option<u32> {
        self.timeline.at(now).map(|timestamp| timestamp as u32)
    }

    /// The first packet of another source, or of the same one after a break: the start of a frame that a
    /// decoder can begin with. Everything of the former source that has not been sent is never sent.
    pub(crate) fn switch(&mut self, origin: Origin, media: &Media) -> Rewritten {
        let sequence = match self.newest {
            // The second cycle, as unwrapped numbers begin.
            None => (1 << 16) + u64::from(self.first_sequence),
            Some(newest) if newest.frame_complete => newest.outgoing + 1,
            // A frame that stays unfinished must not seem to go on in the next packet: its end stays missing.
            Some(newest) => newest.outgoing + 2,
        };
        if let Some(newest) = self.newest {
            self.end(newest);
        }
        let timestamp = self.timeline.switch(media.timestamp, media.capture);
        self.refused = false;
        self.gaps.clear();
        let stretch = Stretch {
            origin,
            segment: self.next_segment(),
            first: media.seq,
            end: None,
            sequence: sequence.wrapping_sub(media.seq),
            timestamp: timestamp.wrapping_sub(media.timestamp),
            pictures: self.pictures.switch(media),
        };
        self.push(stretch);
        self.note_newest(&stretch, media);
        stretch.rewrite(media)
    }

    /// Numbers from this one on the wire on were given out and never left: they are given out again. What left in front of
    /// them is of whole frames; what was missing in front of them may be the head of the first of them.
    pub(crate) fn retreat(&mut self, wire: u16) {
        let Some(newest) = self.newest.as_mut() else { return };
        let first = newest.outgoing - u64::from((newest.outgoing as u16).wrapping_sub(wire));
        while self.stretches.back().is_some_and(|stretch| stretch.first_outgoing() >= first) {
            self.stretches.pop_back();
        }
        newest.outgoing = first - 1;
        newest.frame_complete = true;
        if let Some(last) = self.stretches.back() {
            newest.incoming = newest.outgoing.wrapping_sub(last.sequence);
            newest.frame_complete = !self.gaps.iter().any(|gap| gap.may_be_torn_behind(newest.incoming));
            // In front of a switch or break that went back too, the stretch has an end already, by its own numbers.
            newest.sent = last.end.map_or(newest.sent, |end| end - 1).min(newest.incoming);
        }
    }

    /// A packet of the current source. `None` when it must not be sent: it lies before the switch, it is only
    /// a number that was closed up, or its timestamp cannot be. In the last case its number stays a hole.
    pub(crate) fn forward(&mut self, media: &Media) -> Option<Rewritten> {
        let (current, newest) = (*self.stretches.back()?, self.newest?);
        if media.seq <= newest.incoming {
            let stretch = *self.stretch_of(current.segment, media.seq)?;
            if self.gaps.iter().any(|gap| gap.is_out_of_time(media)) {
                return None;
            }
            self.newest = Some(Newest { sent: newest.sent.max(media.seq), ..newest });
            // Where what overtook it was left out, it is the furthest that was sent.
            self.timeline.sent_late(media.timestamp.wrapping_add(stretch.timestamp));
            self.pictures.sent(media, stretch.pictures);
            return Some(stretch.rewrite(media));
        }
        if media.is_padding() {
            self.close_up(media.seq, current.pictures);
            return None;
        }
        let mut stretch = current;
        let edge = edge(media, newest);
        if media.seq > newest.incoming + 1 {
            if self.gaps.len() == MAX_GAPS {
                self.gaps.pop_front();
            }
            self.gaps.push_back(Gap {
                first: newest.incoming + 1,
                last: media.seq - 1,
                before: (newest.timestamp, newest.frame_complete),
                behind: (media.timestamp, edge == Edge::First),
            });
        }
        let advance = match media.timestamp == newest.timestamp {
            true => Advance::To(media.timestamp.wrapping_add(current.timestamp)),
            false => self.timeline.advance(media.timestamp, media.capture, edge),
        };
        let (timestamp, anew) = match advance {
            // Nobody may find what was refused under the numbers of this stretch.
            Advance::To(timestamp) => (timestamp, self.refused && edge != Edge::Next),
            Advance::Anew(timestamp) => (timestamp, true),
            Advance::Refused => {
                self.refused = true;
                return None;
            }
        };
        self.refused = false;
        let shift = timestamp.wrapping_sub(media.timestamp);
        if anew {
            self.end(newest);
            stretch.segment = self.next_segment();
            // Nothing of the gap will come: one number of it says so as well as all, and is asked for less.
            stretch.sequence = (newest.outgoing + 2).wrapping_sub(media.seq);
        }
        if anew || shift != current.timestamp {
            stretch = Stretch { first: media.seq, timestamp: shift, ..stretch };
            self.push(stretch);
        }
        self.note_newest(&stretch, media);
        Some(stretch.rewrite(media))
    }

    /// Whether packets with higher numbers went before one with this number.
    pub(crate) fn is_late(&self, seq: u64) -> bool {
        self.newest.is_some_and(|newest| seq <= newest.incoming)
    }

    /// Whether that packet is of what was last sent and not ahead of it: to start there would show the same again.
    pub(crate) fn is_behind(&self, origin: Origin, seq: u64) -> bool {
        self.is_late(seq) && self.stretches.back().is_some_and(|stretch| stretch.origin == origin)
    }

    /// Whether that number is the newest that went out.
    pub(crate) fn is_newest(&self, seq: u64) -> bool {
        self.newest.is_some_and(|newest| seq == newest.incoming)
    }

    /// The newest packet is the last of its picture for this receiver, whatever its marker says.
    pub(crate) fn ends_picture(&mut self) {
        if let Some(newest) = &mut self.newest {
            newest.frame_complete = true;
        }
    }

    /// A packet of the current source, ahead of all before, is left out: what follows moves one down. `first` for the
    /// first one left out of its picture.
    pub(crate) fn leave_out(&mut self, media: &Media, first: bool) {
        if let Some(current) = self.stretches.back() {
            let pictures = if first { current.pictures.without(media) } else { current.pictures };
            self.close_up(media.seq, pictures);
        }
    }

    /// The newest number on the wire.
    pub(crate) fn newest(&self) -> Option<u16> {
        self.newest.map(|newest| newest.outgoing as u16)
    }

    /// Where the packet with this number on the wire came from, if it was sent and is not too long ago.
    pub(crate) fn find(&self, wire: u16) -> Option<(u64, Sent)> {
        let newest = self.newest?.outgoing;
        let sequence = newest - u64::from((newest as u16).wrapping_sub(wire));
        let stretch = *self.stretches.iter().rev().find(|stretch| stretch.first_outgoing() <= sequence)?;
        let incoming = sequence.wrapping_sub(stretch.sequence);
        // The gap in front of a switch is never filled, even if its packet should arrive after all.
        let was_sent = stretch.end.is_none_or(|end| incoming < end);
        was_sent.then_some((sequence, Sent { origin: stretch.origin, incoming, stretch }))
    }

    /// Closes up a number that will never be sent: what follows moves one down, with these counters.
    fn close_up(&mut self, seq: u64, pictures: PictureShift) {
        let (Some(last), Some(newest)) = (self.stretches.back_mut(), self.newest.as_mut()) else { return };
        // Numbers between the newest and this one are still awaited.
        newest.outgoing = (seq - 1).wrapping_add(last.sequence);
        newest.incoming = seq;
        let next = Stretch { first: seq + 1, sequence: last.sequence.wrapping_sub(1), pictures, ..*last };
        if last.first == seq {
            *last = next;
        } else {
            self.push(next);
        }
    }

    /// What lies beyond all that was sent of the current segment never will be: it would come behind what follows.
    fn end(&mut self, newest: Newest) {
        let Some(segment) = self.stretches.back().map(|last| last.segment) else { return };
        for stretch in self.stretches.iter_mut().rev().take_while(|stretch| stretch.segment == segment) {
            stretch.end = Some(newest.sent + 1);
            // Only numbers beyond this one were closed up.
            if stretch.first <= newest.sent {
                break;
            }
        }
    }

    fn next_segment(&mut self) -> u64 {
        self.segments += 1;
        self.segments
    }

    fn push(&mut self, stretch: Stretch) {
        if self.stretches.len() == MAX_STRETCHES {
            self.stretches.pop_front();
        }
        self.stretches.push_back(stretch);
    }

    fn stretch_of(&self, segment: u64, seq: u64) -> Option<&Stretch> {
        self.stretches.iter().rev().take_while(|s| s.segment == segment).find(|s| s.first <= seq)
    }

    fn note_newest(&mut self, stretch: &Stretch, media: &Media) {
        self.pictures.sent(media, stretch.pictures);
        self.newest = Some(Newest {
            incoming: media.seq,
            sent: media.seq,
            outgoing: media.seq.wrapping_add(stretch.sequence),
            timestamp: media.timestamp,
            frame_complete: media.marker || !media.codec.is_video(),
        });
    }
}

impl Stretch {
    fn rewrite(&self, media: &Media) -> Rewritten {
        Rewritten {
            sequence: media.seq.wrapping_add(self.sequence),
            timestamp: media.timestamp.wrapping_add(self.timestamp) as u32,
            descriptor: media.head.as_ref().map(|head| self.pictures.apply(head)),
            numbers: media.dependency.as_deref().map(|dependency| self.pictures.number(dependency)),
        }
    }
}

impl Sent {
    /// The numbers under which it was sent.
    pub(crate) fn rewrite(&self, media: &Media) -> Rewritten {
        self.stretch.rewrite(media)
    }
}

/// What a packet with a timestamp of its own, ahead of everything so far, is to its frame. A VP8 frame start is the
/// first packet of its frame (RFC 7741 §4.2); elsewhere a parameter set may still come in front of it.
fn edge(media: &Media, newest: Newest) -> Edge {
    let gap = media.seq != newest.incoming + 1;
    match (media.frame_start, gap) {
        (false, _) => Edge::Inside,
        (true, false) => Edge::Next,
        (true, true) if media.codec == Codec::Vp8 => Edge::First,
        (true, true) => Edge::Start,
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
pub(crate) mod tests;
