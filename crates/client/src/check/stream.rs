//! The checks of one stream, put together, and what they found.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use units::{Bitrate, DataSize, Timestamp};

use super::assemble::{Assembled, Assembler, Frame};
use super::judge::{BadFrame, Judge, Rejected};
use super::playback::{FREEZE, Playback};
use super::reorder::{Arrival, InOrder, ReceivedPacket, Reorder};
use crate::synthetic::Stamp;

/// Requests for a keyframe are this far apart.
const KEYFRAME_RETRY: Duration = Duration::from_millis(500);
/// The received rate is that of the last moments.
const RATE_WINDOW: Duration = Duration::from_secs(5);

/// Something worth telling.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// A frame that a decoder would show.
    Good {
        /// The frame.
        frame: Frame,
        /// What it says of itself, if it is synthetic.
        stamp: Option<Stamp>,
    },
    /// A frame that lacks packets which were lost, or is predicted from one that does.
    Spoiled,
    /// A frame that a decoder would not show, or show wrong, and no loss is to blame.
    Bad(BadFrame),
}

/// What was found in a stream so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamStats {
    /// Packets that arrived, retransmissions included.
    pub packets: u64,
    /// Packets of padding alone among them.
    pub padding: u64,
    /// Packets that arrived more than once.
    pub duplicates: u64,
    /// Packets that arrived after they had been given up.
    pub late: u64,
    /// Packets that never arrived in time.
    pub lost: u64,
    /// Frames that a decoder would show.
    pub frames: u64,
    /// Keyframes among them.
    pub keyframes: u64,
    /// Frames that the sender gave up for a switch: no fault.
    pub abandoned: u64,
    /// Frames that losses spoiled: they lack packets that never came, or are predicted from one that does.
    pub spoiled: u64,
    /// Frames that a decoder would reject and that no loss spoiled, by reason: what no server may send.
    pub bad: BTreeMap<BadFrame, u64>,
    /// Keyframes asked for.
    pub keyframe_requests: u64,
    /// Changes of encoding or source, where frames say which they are of.
    pub switches: u64,
    /// Times that two frames of one encoding were made more than [`FREEZE`] apart with nothing lost in between: freezes that the
    /// source's machine is to blame for. Only of frames that say when they were made.
    pub source_stalls: u64,
    /// Width and height of the last keyframe.
    pub size: Option<(u16, u16)>,
    /// Encoding of the last good frame, where it says so.
    pub encoding: Option<u32>,
}

impl StreamStats {
    /// Frames that a decoder would reject and that no loss spoiled.
    pub fn bad_frames(&self) -> u64 {
        self.bad.values().sum()
    }
}

/// Checks one video stream.
#[derive(Debug, Default)]
pub struct StreamCheck {
    reorder: Reorder,
    assembler: Assembler,
    judge: Judge,
    playback: Playback,
    stats: StreamStats,
    last_stamp: Option<Stamp>,
    /// Since the last good frame something was lost or rejected, or nothing was expected: what is missing was made.
    disturbed: bool,
    last_request: Option<Timestamp>,
    received: VecDeque<(Timestamp, u64)>,
    ordered: Vec<InOrder>,
    assembled: Vec<Assembled>,
}

impl StreamCheck {
    /// A check that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// A packet arrived. Appends what follows from it to `verdicts`.
    pub fn handle_packet(&mut self, now: Timestamp, packet: ReceivedPacket, verdicts: &mut Vec<Verdict>) {
        self.stats.packets += 1;
        self.count_rate(now, packet.payload.len() as u64);
        let mut ordered = std::mem::take(&mut self.ordered);
        match self.reorder.handle_packet(now, packet, &mut ordered) {
            Arrival::New => {}
            Arrival::Duplicate => self.stats.duplicates += 1,
            Arrival::TooLate => self.stats.late += 1,
        }
        self.handle_ordered(now, &mut ordered, verdicts);
        self.ordered = ordered;
    }

    /// Time passed: to be called every 100 ms or so, to give up what never came.
    pub fn handle_timeout(&mut self, now: Timestamp, verdicts: &mut Vec<Verdict>) {
        let mut ordered = std::mem::take(&mut self.ordered);
        self.reorder.handle_timeout(now, &mut ordered);
        self.handle_ordered(now, &mut ordered, verdicts);
        self.ordered = ordered;
    }

    /// Nothing is expected until the next packet: the slot was emptied, hidden or muted.
    pub fn pause(&mut self, now: Timestamp) {
        self.playback.pause(now);
        self.disturbed = true;
    }

    /// True when a receiver would ask for a keyframe now. Counts the request.
    pub fn take_keyframe_request(&mut self, now: Timestamp) -> bool {
        let starving = self.stats.packets > 0 && self.judge.waits_for_keyframe();
        let due = self.last_request.is_none_or(|last| now.since(last) >= KEYFRAME_RETRY);
        // Before the first keyframe the sender knows better: the request is made once the stream has begun to fail.
        let failed = self.stats.bad_frames() > 0 || self.stats.lost > 0;
        let ask = starving && due && failed;
        if ask {
            self.last_request = Some(now);
            self.stats.keyframe_requests += 1;
        }
        ask
    }

    /// What was found.
    pub fn stats(&self) -> &StreamStats {
        &self.stats
    }

    /// When frames could be shown, as of `now`.
    pub fn playback(&self, now: Timestamp) -> Playback {
        self.playback.finished(now)
    }

    /// Payload received over the last five seconds.
    pub fn rate(&self, now: Timestamp) -> Bitrate {
        let since = now.saturating_sub(RATE_WINDOW);
        let recent = self.received.iter().filter(|(at, _)| *at >= since);
        let bytes: u64 = recent.clone().map(|(_, bytes)| bytes).sum();
        let start = recent.map(|(at, _)| *at).min().unwrap_or(now);
        DataSize::from_bytes(bytes) / now.since(start)
    }

    fn count_rate(&mut self, now: Timestamp, bytes: u64) {
        // One entry per 100 ms.
        match self.received.back_mut() {
            Some((at, sum)) if now.since(*at) < Duration::from_millis(100) => *sum += bytes,
            _ => self.received.push_back((now, bytes)),
        }
        let since = now.saturating_sub(RATE_WINDOW);
        while self.received.front().is_some_and(|(at, _)| *at < since) {
            self.received.pop_front();
        }
    }

    fn handle_ordered(&mut self, now: Timestamp, ordered: &mut Vec<InOrder>, verdicts: &mut Vec<Verdict>) {
        let mut assembled = std::mem::take(&mut self.assembled);
        for input in ordered.drain(..) {
            self.stats.padding += u64::from(input == InOrder::Padding);
            self.assembler.handle(input, &mut assembled);
        }
        for input in assembled.drain(..) {
            match input {
                Assembled::Lost(count) => self.stats.lost += count,
                Assembled::Abandoned => self.stats.abandoned += 1,
                Assembled::Whole(_) | Assembled::Broken { .. } => {}
            }
            self.disturbed |= !matches!(input, Assembled::Whole(_));
            match self.judge.judge(input) {
                Some(Ok((frame, stamp))) => verdicts.push(self.handle_good(now, frame, stamp)),
                Some(Err(Rejected::Spoiled)) => {
                    self.disturbed = true;
                    self.stats.spoiled += 1;
                    verdicts.push(Verdict::Spoiled);
                }
                Some(Err(Rejected::Bad(fault))) => {
                    self.disturbed = true;
                    *self.stats.bad.entry(fault).or_default() += 1;
                    verdicts.push(Verdict::Bad(fault));
                }
                None => {}
            }
        }
        self.assembled = assembled;
    }

    fn handle_good(&mut self, now: Timestamp, frame: Frame, stamp: Option<Stamp>) -> Verdict {
        self.playback.handle_frame(now);
        self.stats.frames += 1;
        if frame.info.keyframe_start {
            self.stats.keyframes += 1;
            self.stats.size = frame.info.size().or(self.stats.size);
        }
        if let Some(stamp) = stamp {
            let identity = |stamp: Stamp| (stamp.source, stamp.encoding);
            let changed = self.last_stamp.is_some_and(|last| identity(last) != identity(stamp));
            self.stats.switches += u64::from(changed);
            let stalled = self.last_stamp.is_some_and(|last| {
                identity(last) == identity(stamp)
                    && !self.disturbed
                    && Duration::from_micros(stamp.made_at.saturating_sub(last.made_at)) > FREEZE
            });
            self.stats.source_stalls += u64::from(stalled);
            self.stats.encoding = Some(stamp.encoding);
        }
        self.last_stamp = stamp;
        self.disturbed = false;
        Verdict::Good { frame, stamp }
    }
}

#[cfg(test)]
mod tests;
