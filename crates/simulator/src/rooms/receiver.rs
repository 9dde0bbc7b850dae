//! One video slot at the receiving end: from packets to pictures, as a browser would.
//!
//! Owns order, repair, and the judgement of every frame. A frame that the network spoiled is *lost*; a frame
//! that came whole and yet cannot be shown, or would be shown wrong, is *bad*: that is always the server's
//! fault. The rules are those of a decoder and know nothing of how a server switches. The crate `client` has
//! checks with the same aim for real sockets; this one is separate on purpose: it is an acting receiver (asks
//! again, gives up, asks for keyframes), has no dependency on an engine, and two judges that were written
//! apart do not share a mistake.

use std::collections::BTreeMap;

use bytes::Bytes;
use packet::codec::vp8::{Descriptor, PICTURE_ID_MASK};
use units::Unwrapper;

use super::media::{FrameStart, Stamp};
use crate::links::event::{MILLI, Micros, SECOND};

/// A packet is asked for this often.
const MAX_ASKS: u8 = 10;
/// From a gap to the first request: most reordering is over by then.
const FIRST_ASK: Micros = 10 * MILLI;
/// Chromium waits this long for a keyframe that it needs before it asks.
pub const KEYFRAME_WAIT: Micros = 200 * MILLI;
/// And this long without any picture while packets come.
const PICTURE_WAIT: Micros = 3 * SECOND;
/// Gaps beyond this are not repaired.
const MAX_MISSING: usize = 1_000;
/// Packets that wait for a gap in front of them.
const MAX_HELD: usize = 2_000;
/// How far behind the first packet to arrive the stream may have begun.
const START_SLACK: u64 = 100;
/// A picture that stands still for longer, and for longer than three of its own intervals, is frozen.
pub const FREEZE: Micros = 200 * MILLI;

/// Why a frame that came whole cannot be shown, or would be shown wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BadFrame {
    /// Packets of different frames under one, or a packet missing where numbers have no gap.
    MixedUp,
    /// The timestamp does not go forward.
    TimestampBack,
    /// The picture id does not go forward, or skips where no frame is missing.
    PictureId,
    /// Source or encoding changed without a keyframe.
    NoKeyframe,
    /// Predicted from a frame that was not shown.
    MissingReference,
    /// The CSRC names somebody else than who made the picture.
    WrongSource,
}

/// A packet of the slot, retransmissions restored.
#[derive(Clone, Debug)]
pub struct Arrived {
    /// Wrapped to 16 bits.
    pub sequence: u16,
    /// In ticks of 90 kHz, wrapped to 32 bits.
    pub timestamp: u32,
    /// The last packet of its frame.
    pub marker: bool,
    /// Who is in it.
    pub csrc: Option<u32>,
    /// Empty for padding alone.
    pub payload: Bytes,
    /// Bytes on the wire.
    pub wire: u64,
}

/// A picture that can be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Whose it is, by the stamp.
    pub source: u16,
    /// Which of its tracks.
    pub track: u8,
    /// Which encoding.
    pub encoding: u8,
    /// Pixels.
    pub size: (u16, u16),
    /// Bytes on the wire of all its packets.
    pub bytes: u64,
    /// When it was captured.
    pub captured: Micros,
    /// A decoder can start here.
    pub keyframe: bool,
}

/// What was counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Frames shown.
    pub frames: u64,
    /// Keyframes that could be decoded.
    pub keyframes: u64,
    /// Frames that came whole and were bad, by reason and by who was in them.
    pub bad: BTreeMap<(BadFrame, Option<u32>), u64>,
    /// Packets that came behind something missing that was then given up, and so were of no use.
    pub passed_over: u64,
    /// Packets that never came.
    pub lost: u64,
    /// Packets that came twice or too late.
    pub useless: u64,
    /// Packets asked for, repetitions included.
    pub asked: u64,
    /// Keyframes asked for.
    pub keyframe_requests: u64,
    /// Changes of encoding within one track.
    pub switches: u64,
    /// Standstills of more than [`FREEZE`].
    pub freezes: u64,
    /// Their sum.
    pub frozen: Micros,
    /// The longest time between two shown frames.
    pub longest_gap: Micros,
    /// Bytes of shown frames.
    pub shown_bytes: u64,
}

/// What the decoder has.
#[derive(Clone, Copy, Debug)]
struct Decoded {
    timestamp: u32,
    picture_id: Option<u16>,
    identity: (u16, u8, u8),
    number: u32,
    size: (u16, u16),
}

#[derive(Clone, Copy, Debug)]
struct Missing {
    since: Micros,
    asked: u8,
    last: Micros,
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub struct Receiver {
    unwrapper: Unwrapper<16>,
    /// The number to be used next.
    next: Option<u64>,
    held: BTreeMap<u64, Arrived>,
    missing: BTreeMap<u64, Missing>,
    decoded: Option<Decoded>,
    needs_keyframe: bool,
    /// When the first packet came, and the last one.
    first_packet: Option<Micros>,
    last_packet: Micros,
    /// When the last picture was shown; `None` while none is expected.
    last_shown: Option<Micros>,
    last_progress: Micros,
    /// When the last picture was captured, and how long after the one before.
    captured: Option<Micros>,
    interval: Micros,
    last_request: Option<Micros>,
    counts: Counts,
}

impl Receiver {
    /// What was counted so far.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// The highest number so far, with its wraps; for reports.
    pub fn highest(&self) -> Option<u64> {
        self.unwrapper.newest()
    }

    /// The stream is another one from here on; the counts go on.
    pub fn restart(&mut self, now: Micros) {
        self.pause(now);
        let counts = std::mem::take(&mut self.counts);
        *self = Self { counts, ..Self::default() };
    }

    /// Nothing is expected until the next picture: what lies between is no freeze.
    pub fn pause(&mut self, now: Micros) {
        self.count_gap(now);
        self.last_shown = None;
    }

    /// A packet came. What can be decoded now is appended to `pictures`.
    pub fn handle(&mut self, now: Micros, packet: Arrived, pictures: &mut Vec<Picture>) {
        let highest = self.unwrapper.newest();
        let number = self.unwrapper.unwrap(u64::from(packet.sequence));
        self.first_packet.get_or_insert(now);
        self.last_packet = now;
        let mut next = *self.next.get_or_insert(number);
        if number < next && self.decoded.is_none() && next - number < START_SLACK {
            // The first packets overtook each other.
            next = number;
            self.next = Some(next);
        }
        self.missing.remove(&number);
        if number < next || self.held.contains_key(&number) {
            self.counts.useless += 1;
            return;
        }
        if let Some(highest) = highest {
            let gap = (highest + 1).max(next)..number;
            if gap.end.saturating_sub(gap.start) as usize > MAX_MISSING {
                self.give_up_to(number);
            } else {
                let missing = Missing { since: now, asked: 0, last: now };
                self.missing.extend(gap.map(|number| (number, missing)));
            }
        }
        self.held.insert(number, packet);
        if self.held.len() > MAX_HELD || self.missing.len() > MAX_MISSING {
            self.give_up_to(number);
        }
        self.advance(now, pictures);
    }

    /// Forgets everything in front of `number`; only a keyframe helps then.
    fn give_up_to(&mut self, number: u64) {
        self.skip_to(number);
        self.missing.clear();
        self.needs_keyframe = true;
    }

    /// Numbers to ask for now, given how long an answer takes.
    pub fn asks(&mut self, now: Micros, rtt: Micros, out: &mut Vec<u16>) {
        for (number, missing) in &mut self.missing {
            let due = match missing.asked {
                0 => now - missing.since >= FIRST_ASK,
                MAX_ASKS => false,
                _ => now - missing.last >= rtt,
            };
            if due {
                missing.asked = missing.asked.saturating_add(1).min(MAX_ASKS);
                missing.last = now;
                self.counts.asked += 1;
                // The low bits are what is on the wire.
                out.push(*number as u16);
            }
        }
    }

    /// Whether a keyframe is to be asked for now. Counts it as asked for.
    pub fn asks_for_keyframe(&mut self, now: Micros) -> bool {
        let Some(first) = self.first_packet else { return false };
        let wait = if self.decoded.is_none() || self.needs_keyframe { KEYFRAME_WAIT } else { PICTURE_WAIT };
        let stuck = !self.held.is_empty() || self.needs_keyframe || self.decoded.is_none();
        let since = self.last_progress.max(first).max(self.last_request.unwrap_or(0));
        let due = stuck && now - self.last_packet < SECOND && now - since >= wait;
        if due {
            self.last_request = Some(now);
            self.counts.keyframe_requests += 1;
        }
        due
    }

    fn advance(&mut self, now: Micros, pictures: &mut Vec<Picture>) {
        while let (Some(next), Some((&first, packet))) = (self.next, self.held.first_key_value()) {
            if first == next && packet.payload.is_empty() {
                self.held.pop_first();
                self.next = Some(next + 1);
                continue;
            }
            let whole = if first == next { self.whole_frame(next) } else { None };
            match (whole, self.whole_keyframe()) {
                (Some(end), _) => {
                    let behind = self.held.split_off(&(end + 1));
                    let frame: Vec<Arrived> =
                        std::mem::replace(&mut self.held, behind).into_values().collect();
                    self.next = Some(end + 1);
                    self.take(now, &frame, pictures);
                }
                // A decoder goes on at a keyframe, whatever is missing in front of it.
                (None, Some(keyframe)) => self.skip_to(keyframe),
                (None, None) => return,
            }
        }
    }

    fn skip_to(&mut self, number: u64) {
        let behind = self.held.split_off(&number);
        self.counts.passed_over += self.held.len() as u64;
        self.held = behind;
        let rest = self.missing.split_off(&number);
        self.counts.lost += self.missing.len() as u64;
        self.missing = rest;
        self.next = Some(number);
    }

    /// The number of the last packet of the frame that `start` is in, if all up to it have come.
    fn whole_frame(&self, start: u64) -> Option<u64> {
        let run =
            (start..).zip(self.held.range(start..)).take_while(|(expected, (number, _))| expected == *number);
        run.map(|(number, (_, packet))| (number, packet))
            .find(|(_, packet)| packet.marker)
            .map(|(number, _)| number)
    }

    /// The first whole keyframe behind what is to be used next.
    fn whole_keyframe(&self) -> Option<u64> {
        let starts =
            |packet: &Arrived| matches!(Stamp::read(&packet.payload), Some((_, FrameStart::Keyframe(_), _)));
        let mut found = self.held.iter().filter(|(_, packet)| starts(packet)).map(|(number, _)| *number);
        found.find(|start| self.whole_frame(*start).is_some())
    }

    fn take(&mut self, now: Micros, frame: &[Arrived], pictures: &mut Vec<Picture>) {
        let first = &frame[0];
        let csrc = first.csrc;
        match self.judge(frame) {
            Ok(None) => self.counts.passed_over += frame.len() as u64,
            Ok(Some((decoded, stamp, keyframe))) => {
                let bytes = frame.iter().map(|packet| packet.wire).sum();
                let (source, track, encoding) = decoded.identity;
                let before = self.decoded.map(|before| before.identity);
                let switched = before.is_some_and(|(s, t, e)| (s, t) == (source, track) && e != encoding);
                self.decoded = Some(decoded);
                self.needs_keyframe = false;
                self.last_progress = now;
                self.counts.keyframes += u64::from(keyframe);
                self.counts.switches += u64::from(switched);
                pictures.push(Picture {
                    source,
                    track,
                    encoding,
                    size: decoded.size,
                    bytes,
                    captured: stamp.captured,
                    keyframe,
                });
            }
            Err(bad) => {
                *self.counts.bad.entry((bad, csrc)).or_default() += 1;
                self.needs_keyframe = true;
            }
        }
    }

    /// The decoder's state behind that frame; `None` for one that nobody could show after what was lost.
    fn judge(&self, frame: &[Arrived]) -> Result<Option<(Decoded, Stamp, bool)>, BadFrame> {
        let first = &frame[0];
        let (descriptor, start, stamp) = Stamp::read(&first.payload).ok_or(BadFrame::MixedUp)?;
        if start == FrameStart::No {
            // The head was given up with what was lost.
            let headless = self.needs_keyframe || self.decoded.is_none();
            return if headless { Ok(None) } else { Err(BadFrame::MixedUp) };
        }
        let belongs = |(at, packet): (usize, &Arrived)| belongs(at, packet, first, &descriptor, &stamp);
        if usize::from(stamp.count) != frame.len() || !frame.iter().enumerate().all(belongs) {
            return Err(BadFrame::MixedUp);
        }
        let size = match (start, self.decoded) {
            (FrameStart::Keyframe(size), _) => size,
            (_, Some(before)) if !self.needs_keyframe => before.size,
            _ => return Ok(None),
        };
        let keyframe = matches!(start, FrameStart::Keyframe(_));
        let identity = (stamp.source, stamp.track, stamp.encoding);
        let decoded = Decoded {
            timestamp: first.timestamp,
            picture_id: descriptor.picture_id,
            identity,
            number: stamp.number,
            size,
        };
        if let Some(before) = self.decoded {
            follows(&before, &decoded, keyframe, self.needs_keyframe)?;
            if !keyframe && before.identity != identity {
                return Err(BadFrame::NoKeyframe);
            }
            if !keyframe && stamp.reference != before.number {
                return Err(BadFrame::MissingReference);
            }
        }
        Ok(Some((decoded, stamp, keyframe)))
    }

    /// A picture was decoded and is shown at that time.
    pub fn shown(&mut self, at: Micros, picture: &Picture) {
        self.count_gap(at);
        self.interval = match self.captured {
            Some(before) if !picture.keyframe => picture.captured.saturating_sub(before),
            _ => 0,
        };
        self.captured = Some(picture.captured);
        self.last_shown = Some(at);
        self.counts.frames += 1;
        self.counts.shown_bytes += picture.bytes;
    }

    fn count_gap(&mut self, now: Micros) {
        let Some(last) = self.last_shown else { return };
        let gap = now.saturating_sub(last);
        self.counts.longest_gap = self.counts.longest_gap.max(gap);
        // A shared screen at five frames a second does not stand still.
        if gap > FREEZE.max(3 * self.interval) {
            self.counts.freezes += 1;
            self.counts.frozen += gap;
        }
    }
}

/// Whether a packet is the one that belongs at position `at` of the frame.
fn belongs(at: usize, packet: &Arrived, first: &Arrived, head: &Descriptor, stamp: &Stamp) -> bool {
    let Some((descriptor, _, own)) = Stamp::read(&packet.payload) else { return false };
    let same = Stamp { index: stamp.index, ..own } == *stamp;
    same && usize::from(own.index) == at
        && packet.timestamp == first.timestamp
        && packet.csrc == first.csrc
        && descriptor.picture_id == head.picture_id
}

/// The numbers of a frame against those of the one shown before.
fn follows(before: &Decoded, frame: &Decoded, keyframe: bool, lost: bool) -> Result<(), BadFrame> {
    let ahead = frame.timestamp.wrapping_sub(before.timestamp);
    if ahead == 0 || ahead >= 1 << 31 {
        return Err(BadFrame::TimestampBack);
    }
    if let (Some(before), Some(id)) = (before.picture_id, frame.picture_id) {
        let ahead = id.wrapping_sub(before) & PICTURE_ID_MASK;
        let one_on = keyframe || lost || ahead == 1;
        if ahead == 0 || ahead >= 1 << 14 || !one_on {
            return Err(BadFrame::PictureId);
        }
    }
    Ok(())
}
