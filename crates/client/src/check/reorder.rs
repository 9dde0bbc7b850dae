//! Packets in the order of their sequence numbers, with holes named once nothing can fill them any more.
//!
//! Owns waiting: a hole is given up after [`PATIENCE`], or after [`KEYFRAME_PATIENCE`] when a whole keyframe lies behind it,
//! since a decoder goes on there. Memory is bounded by [`MAX_WAITING`] packets.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use packet::{Codec, FrameInfo, codec};
use units::{Timestamp, Unwrapper};

/// How long a hole may be filled by a retransmission: four round trips of 100 ms and their waits.
pub(super) const PATIENCE: Duration = Duration::from_millis(500);
/// How long a hole in front of a keyframe may be filled: what a jitter buffer holds anyway.
const KEYFRAME_PATIENCE: Duration = Duration::from_millis(50);
/// Packets held behind a hole. More than this is a second of 10 Mbit/s.
const MAX_WAITING: usize = 1024;
/// Numbers that are remembered as given up, to tell late packets from duplicates.
const MAX_GIVEN_UP: usize = 128;

/// A packet of one stream, retransmissions restored to what they repeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedPacket {
    /// What its payload is of, by its payload type.
    pub codec: Codec,
    /// Wrapped to 16 bits.
    pub sequence: u16,
    /// In ticks of 90 kHz, wrapped to 32 bits.
    pub timestamp: u32,
    /// The last packet of its frame.
    pub marker: bool,
    /// Who is in it, where the server says so.
    pub csrc: Option<u32>,
    /// Without padding; empty for a packet of padding alone.
    pub payload: Bytes,
}

/// What comes out, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum InOrder {
    /// The next packet, and what its payload tells; `None` for one that is malformed.
    Packet(ReceivedPacket, Option<FrameInfo>),
    /// Padding in the place of a packet.
    Padding,
    /// That many packets never came.
    Hole(u64),
    /// That many packets came and were passed over, since a keyframe behind them is whole.
    PassedOver(u64),
}

/// What became of an arrived packet at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    New,
    /// It had come before.
    Duplicate,
    /// It came after its hole had been given up.
    TooLate,
}

#[derive(Debug, Default)]
pub(super) struct Reorder {
    unwrapper: Unwrapper<16>,
    /// The number to go out next.
    next: Option<u64>,
    waiting: BTreeMap<u64, (ReceivedPacket, Option<FrameInfo>)>,
    /// Since when `next` is missing.
    hole_since: Option<Timestamp>,
    /// Numbers that were given up and may still come: the last [`MAX_GIVEN_UP`].
    given_up: BTreeSet<u64>,
}

impl Reorder {
    pub(super) fn handle_packet(
        &mut self,
        now: Timestamp,
        packet: ReceivedPacket,
        out: &mut Vec<InOrder>,
    ) -> Arrival {
        let number = self.unwrapper.unwrap(u64::from(packet.sequence));
        let next = *self.next.get_or_insert(number);
        if number < next {
            return if self.given_up.remove(&number) { Arrival::TooLate } else { Arrival::Duplicate };
        }
        if self.waiting.contains_key(&number) {
            return Arrival::Duplicate;
        }
        let info = codec::peek(packet.codec, &packet.payload, packet.marker).ok();
        self.waiting.insert(number, (packet, info));
        self.advance(now, out);
        Arrival::New
    }

    /// Gives up what has been missing for too long.
    pub(super) fn handle_timeout(&mut self, now: Timestamp, out: &mut Vec<InOrder>) {
        self.advance(now, out);
    }

    fn advance(&mut self, now: Timestamp, out: &mut Vec<InOrder>) {
        while let (Some(next), Some(first)) = (self.next, self.waiting.keys().next().copied()) {
            if first == next {
                let (packet, info) = self.waiting.remove(&first).expect("the key was just read");
                let padding = packet.payload.is_empty();
                out.push(if padding { InOrder::Padding } else { InOrder::Packet(packet, info) });
                self.next = Some(next + 1);
                self.hole_since = None;
                continue;
            }
            let since = *self.hole_since.get_or_insert(now);
            let resume = if now.since(since) >= PATIENCE || self.waiting.len() > MAX_WAITING {
                first
            } else if now.since(since) >= KEYFRAME_PATIENCE
                && let Some(keyframe) = self.whole_keyframe()
            {
                keyframe
            } else {
                break;
            };
            self.skip_to(next, resume, out);
        }
    }

    /// Goes on at `resume`: what is missing before it is a hole, what is waiting before it is passed over.
    fn skip_to(&mut self, next: u64, resume: u64, out: &mut Vec<InOrder>) {
        let behind = self.waiting.split_off(&resume);
        let passed = std::mem::replace(&mut self.waiting, behind);
        let missing = resume - next - passed.len() as u64;
        let remembered = next.max(resume.saturating_sub(MAX_GIVEN_UP as u64))..resume;
        for number in remembered.filter(|number| !passed.contains_key(number)) {
            self.given_up.insert(number);
            if self.given_up.len() > MAX_GIVEN_UP {
                self.given_up.pop_first();
            }
        }
        if !passed.is_empty() {
            out.push(InOrder::PassedOver(passed.len() as u64));
        }
        out.push(InOrder::Hole(missing));
        self.next = Some(resume);
        self.hole_since = None;
    }

    /// The number of the first packet of a keyframe that is waiting as a whole.
    fn whole_keyframe(&self) -> Option<u64> {
        let starts =
            self.waiting.iter().filter(|(_, (_, info))| info.is_some_and(|info| info.keyframe_start));
        starts.map(|(number, _)| *number).find(|start| self.is_whole(*start))
    }

    fn is_whole(&self, start: u64) -> bool {
        let mut contiguous = (start..)
            .zip(self.waiting.range(start..))
            .take_while(|(expected, (number, _))| expected == *number);
        contiguous.any(|(_, (_, (packet, _)))| packet.marker)
    }
}
