//! What was sent and what became of it: the one place that decides that a packet was received, lost, or never heard of.
//!
//! Owns the send record, bytes in flight and the rule that each packet is counted once, whatever order reports come in
//! and however often. Leaves rates, delays and loss ratios to the modules that are fed with its verdicts.
//!
//! A packet's fate:
//!
//! ```text
//!   Flight --reported received--> Received          (counted once)
//!     |  \--reported missing----> Lost --reported received later--> Received  (the loss is undone)
//!     \--passed over by a report--> Unknown --reported received later--> Received
//! ```
//!
//! `Unknown` is neither: its report was lost, which says nothing about the packet.

use std::collections::VecDeque;
use std::time::Duration;

use units::{DataSize, Timestamp};

use crate::{Ecn, PacketKind, PacketResult, SentPacket};

/// Packets kept. At 12 bytes each this is the largest part of an estimator: 96 KiB when full, which takes 24 Mbit/s.
pub(crate) const CAPACITY: usize = 8_192;
/// Time that a packet is kept, µs: no report is written so late. Receivers write twenty a second, and a path on which one comes this
/// late carries nothing else.
const KEEP: u64 = 4_000_000;

/// No clock is further from zero than this, µs: 142 years. Beyond it, sums of times could overflow.
const FARTHEST: i64 = 1 << 52;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// The number was skipped, nothing was sent under it.
    Skipped,
    Flight,
    Received,
    Lost,
    Unknown,
    /// Unknown, but its bytes were credited to the acknowledged rate between two received neighbours.
    Credited,
}

/// One packet in 12 bytes.
#[derive(Clone, Copy, Debug)]
struct Slot {
    /// Low 32 bits of the send time: unambiguous for 71 minutes, kept for ten seconds.
    sent: u32,
    size: u16,
    /// The sender's own burst in front of it, see [`crate::queue::OwnBurst`], in units of 64 bytes.
    burst: u16,
    fate: Fate,
    kind: PacketKind,
    /// Low bits of the cluster's number; zero for none.
    probe: u8,
}

const SKIPPED: Slot =
    Slot { sent: 0, size: 0, burst: 0, fate: Fate::Skipped, kind: PacketKind::Media, probe: 0 };

/// A packet that is known to have arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Acked {
    pub(crate) seq: u64,
    pub(crate) sent: Timestamp,
    /// Receiver's clock, µs.
    pub(crate) arrival: i64,
    pub(crate) size: u32,
    /// Bytes of our own burst in front of it when it was sent.
    pub(crate) burst: u32,
    pub(crate) kind: PacketKind,
    /// Low bits of the probe's number, as [`probe_tag`] makes them.
    pub(crate) probe: u8,
    pub(crate) ecn: Ecn,
    /// Its bytes were credited before: they are not to be counted again.
    pub(crate) credited: bool,
}

/// What a report says about one packet that was not known before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing new: reported before, skipped, or forgotten.
    Nothing,
    /// It arrived.
    Received(Acked),
    /// It arrived after all: undo the loss.
    Recovered(Acked),
    /// It is missing.
    Lost { sent: Timestamp, size: u32, after_loss: bool, probe: u8 },
}

/// Packets whose report was lost, between two packets that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gap {
    pub(crate) bytes: u32,
    /// Arrival of the neighbours, receiver's clock, µs.
    pub(crate) after: i64,
    pub(crate) before: i64,
}

/// The record of one transport.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    slots: VecDeque<Slot>,
    /// Number of the front slot.
    first: u64,
    in_flight: u64,
    /// No packet below this number is in flight.
    flight_from: u64,
    /// The highest number that a report was about, and the arrival of that packet if it did arrive.
    reported: Option<(u64, Option<i64>)>,
    /// A gap that waits for its later neighbour: bytes, first number, arrival of the earlier neighbour.
    open_gap: Option<OpenGap>,
}

#[derive(Clone, Copy, Debug)]
struct OpenGap {
    bytes: u32,
    first: u64,
    end: u64,
    after: i64,
}

/// How a cluster's number is kept in a byte. Clusters follow each other by a second or so and only one is judged at
/// a time, so 255 names do.
pub(crate) fn probe_tag(id: u32) -> u8 {
    (id % 255) as u8 + 1
}

impl Slot {
    /// What is known of it once `result` says that it came then.
    fn acked(&self, now: Timestamp, result: &PacketResult, arrival: i64) -> Acked {
        Acked {
            seq: result.seq,
            sent: time_of(self.sent, now),
            arrival,
            size: u32::from(self.size),
            burst: u32::from(self.burst) * 64,
            kind: self.kind,
            probe: self.probe,
            ecn: result.ecn,
            credited: self.fate == Fate::Credited,
        }
    }
}

impl History {
    /// Bytes sent and not yet heard of.
    pub(crate) fn in_flight(&self) -> DataSize {
        DataSize::from_bytes(self.in_flight)
    }

    /// The newest number sent.
    pub(crate) fn newest(&self) -> Option<u64> {
        (!self.slots.is_empty()).then(|| self.first + self.slots.len() as u64 - 1)
    }

    /// Records a packet. Numbers grow; one that does not is ignored, as two packets of one number cannot be told apart.
    pub(crate) fn on_sent(&mut self, now: Timestamp, packet: &SentPacket, burst_bytes: u64) {
        let next = match self.newest() {
            None => packet.seq,
            Some(newest) if packet.seq <= newest => return,
            Some(newest) => newest + 1,
        };
        if self.slots.is_empty() || packet.seq - next >= CAPACITY as u64 {
            // The first packet, or a jump over everything that could still be reported.
            let reported = self.reported;
            *self = Self { first: packet.seq, flight_from: packet.seq, reported, ..Self::default() };
        } else {
            for _ in next..packet.seq {
                self.push(SKIPPED);
            }
        }
        let size = u16::try_from(packet.size.as_bytes()).unwrap_or(u16::MAX);
        self.in_flight += u64::from(size);
        self.push(Slot {
            sent: packet_time(now),
            size,
            burst: u16::try_from(burst_bytes / 64).unwrap_or(u16::MAX),
            fate: Fate::Flight,
            kind: packet.kind,
            probe: packet.probe.map_or(0, |id| probe_tag(id.0)),
        });
        while let Some(front) = self.slots.front()
            && (front.fate == Fate::Skipped || age_of(front.sent, now) > KEEP)
            && self.slots.len() > 1
        {
            self.pop();
        }
    }

    /// Whether all of these packets were sent: a report of one that was not is forged, or of another life.
    pub(crate) fn were_sent(&self, results: &[PacketResult]) -> bool {
        let newest = self.newest();
        results.iter().all(|result| newest.is_some_and(|newest| result.seq <= newest))
    }

    /// What `result` says that was not known. A [`Gap`] comes with the packet that closes it.
    pub(crate) fn on_result(&mut self, now: Timestamp, result: &PacketResult) -> (Verdict, Option<Gap>) {
        if let Some(acked) = self.on_next(now, result) {
            return (Verdict::Received(acked), None);
        }
        self.pass_over(result.seq);
        let arrival = result.arrival.map(|at| at.as_micros().clamp(-FARTHEST, FARTHEST));
        let closed = self.close_gap(result.seq, arrival);
        let after_loss =
            result.seq.checked_sub(1).and_then(|seq| self.slot(seq)).is_some_and(|s| s.fate == Fate::Lost);
        if self.reported.is_none_or(|(seq, _)| result.seq > seq) {
            self.reported = Some((result.seq, arrival));
        }
        let Some(slot) = self.slot_mut(result.seq) else { return (Verdict::Nothing, closed) };
        let (before, sent, size, probe) =
            (slot.fate, time_of(slot.sent, now), u32::from(slot.size), slot.probe);
        let acked = |arrival| slot.acked(now, result, arrival);
        let verdict = match (before, arrival) {
            (Fate::Flight | Fate::Unknown | Fate::Credited, Some(at)) => Verdict::Received(acked(at)),
            (Fate::Lost, Some(at)) => Verdict::Recovered(acked(at)),
            (Fate::Flight | Fate::Unknown, None) => Verdict::Lost { sent, size, after_loss, probe },
            // Credited packets stay where they are: their neighbours arrived, and half an undo helps nobody.
            (Fate::Skipped | Fate::Received, _) | (Fate::Lost | Fate::Credited, None) => Verdict::Nothing,
        };
        slot.fate = match verdict {
            Verdict::Nothing => before,
            Verdict::Received(_) | Verdict::Recovered(_) => Fate::Received,
            Verdict::Lost { .. } => Fate::Lost,
        };
        if before == Fate::Flight && verdict != Verdict::Nothing {
            self.in_flight -= u64::from(size);
        }
        (verdict, closed)
    }

    /// The ordinary case, and nearly every result is one: the packet after the last one that a report was about arrived, and is
    /// heard of for the first time. There is nothing to pass over and no gap to close.
    fn on_next(&mut self, now: Timestamp, result: &PacketResult) -> Option<Acked> {
        let (reported, _) = self.reported?;
        let arrival = result.arrival?.as_micros().clamp(-FARTHEST, FARTHEST);
        if result.seq != reported + 1 || self.open_gap.is_some() {
            return None;
        }
        let slot = self.slot_mut(result.seq).filter(|slot| slot.fate == Fate::Flight)?;
        let acked = slot.acked(now, result, arrival);
        slot.fate = Fate::Received;
        self.in_flight -= u64::from(acked.size);
        self.reported = Some((result.seq, Some(arrival)));
        Some(acked)
    }

    /// Frees what was sent longer ago than `age` and never heard of: feedback can be lost for ever.
    pub(crate) fn expire(&mut self, now: Timestamp, age: Duration) {
        while let Some(slot) = self.slot(self.flight_from).copied() {
            if slot.fate == Fate::Flight {
                if age > Duration::ZERO && now - time_of(slot.sent, now) <= age {
                    return;
                }
                self.set_unknown(self.flight_from);
            }
            self.flight_from += 1;
        }
    }

    /// When the oldest packet in flight was sent.
    pub(crate) fn oldest_in_flight(&self, now: Timestamp) -> Option<Timestamp> {
        let index = usize::try_from(self.flight_from.checked_sub(self.first)?).ok()?;
        let slot = self.slots.iter().skip(index).find(|slot| slot.fate == Fate::Flight)?;
        Some(time_of(slot.sent, now))
    }

    /// Memory held, for the budget of an estimator.
    #[cfg(test)]
    pub(crate) fn heap_bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Slot>()
    }

    /// Everything between the highest number reported so far and `seq` was covered by reports that did not arrive.
    fn pass_over(&mut self, seq: u64) {
        let start = self.reported.map_or(self.first, |(reported, _)| reported + 1).max(self.first);
        if seq <= start {
            return;
        }
        let end = seq.min(self.first + self.slots.len() as u64);
        let mut bytes = 0;
        for passed in start..end {
            bytes += self.set_unknown(passed);
        }
        // Without the earlier neighbour nobody can say when these bytes arrived, or whether.
        self.open_gap = self
            .reported
            .and_then(|(_, arrival)| arrival)
            .filter(|_| bytes > 0)
            .map(|after| OpenGap { bytes, first: start, end: seq, after });
    }

    /// Credits an open gap when its later neighbour arrived, drops it when that one was lost.
    fn close_gap(&mut self, seq: u64, arrival: Option<i64>) -> Option<Gap> {
        let gap = self.open_gap.filter(|gap| seq >= gap.end)?;
        self.open_gap = None;
        let before = arrival.filter(|at| *at >= gap.after)?;
        for credited in gap.first..gap.end {
            if let Some(slot) = self.slot_mut(credited)
                && slot.fate == Fate::Unknown
            {
                slot.fate = Fate::Credited;
            }
        }
        Some(Gap { bytes: gap.bytes, after: gap.after, before })
    }

    /// Takes a packet out of flight without saying what became of it. Its size, or zero when it was not in flight.
    fn set_unknown(&mut self, seq: u64) -> u32 {
        let Some(slot) = self.slot_mut(seq) else { return 0 };
        if slot.fate != Fate::Flight {
            return 0;
        }
        slot.fate = Fate::Unknown;
        let size = slot.size;
        self.in_flight -= u64::from(size);
        u32::from(size)
    }

    fn slot(&self, seq: u64) -> Option<&Slot> {
        self.slots.get(usize::try_from(seq.checked_sub(self.first)?).ok()?)
    }

    fn slot_mut(&mut self, seq: u64) -> Option<&mut Slot> {
        self.slots.get_mut(usize::try_from(seq.checked_sub(self.first)?).ok()?)
    }

    fn push(&mut self, slot: Slot) {
        if self.slots.len() == CAPACITY {
            self.pop();
        }
        self.slots.push_back(slot);
    }

    fn pop(&mut self) {
        if let Some(slot) = self.slots.pop_front() {
            if slot.fate == Fate::Flight {
                self.in_flight -= u64::from(slot.size);
            }
            self.first += 1;
            self.flight_from = self.flight_from.max(self.first);
        }
    }
}

/// The low bits that a slot keeps of an instant.
fn packet_time(at: Timestamp) -> u32 {
    at.as_micros() as u32
}

/// How long before `now` the instant with these low bits was, µs.
fn age_of(low: u32, now: Timestamp) -> u64 {
    u64::from(packet_time(now).wrapping_sub(low)).min(now.as_micros())
}

/// The instant, at most 71 minutes before `now`, with these low bits.
fn time_of(low: u32, now: Timestamp) -> Timestamp {
    Timestamp::from_micros(now.as_micros() - age_of(low, now))
}

#[cfg(test)]
#[path = "history_tests.rs"]
mod tests;
