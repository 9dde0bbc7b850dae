//! The near end of a real-time flow: source, pacer, probes and controller joined as a real sender joins them.
//!
//! Owns what leaves and when. What happens to it on the way belongs to the links, what it says to its controller is
//! [`Controller`]'s contract.

use std::collections::VecDeque;
use std::time::Duration;

use estimator::{ClusterId, Feedback, Pacer, PacketKind, Probe, SentPacket, ccfb, twcc};
use units::{DataSize, Timestamp};

use super::controller::Controller;
use super::event::{MILLI, Micros};
use super::packet::Report;
use super::receiver::SSRC;
use super::source::{FRAME, Source};

/// The largest packet of a frame, headers included.
const MAX_PACKET: u64 = 1_200;
/// The encoder drops a frame when the pacer already holds this much time.
const MAX_HELD: Micros = 500 * MILLI;
/// The source reads the target this often.
const READ_INTERVAL: Micros = 100 * MILLI;
/// Audio: 20 kbit/s in packets of 20 ms.
const AUDIO_INTERVAL: Micros = 20 * MILLI;
const AUDIO_BYTES: u64 = 50;

/// The first sequence number: every run sees the 16 bits wrap within its first seconds.
const FIRST_SEQ: u64 = 65_000;

/// A packet on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Transport-wide sequence number.
    pub seq: u64,
    /// Bytes on the wire.
    pub size: u64,
    /// What it carries.
    pub kind: PacketKind,
    /// The probe that it is part of.
    pub probe: Option<ClusterId>,
    /// How long it waited in the pacer.
    pub waited: Micros,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    size: u64,
    since: Micros,
}

#[derive(Clone, Copy, Debug)]
struct RunningProbe {
    probe: Probe,
    started: Micros,
    next_at: Micros,
    bytes: u64,
    packets: u32,
}

impl RunningProbe {
    fn is_done(&self, now: Micros) -> bool {
        self.bytes >= self.probe.min_size.as_bytes()
            && self.packets >= self.probe.min_packets
            && now >= self.started + micros(self.probe.duration)
    }

    /// Padding packets of a size that lets the least number of them fit the duration.
    fn padding_size(&self) -> u64 {
        let total = (self.probe.rate * self.probe.duration).max(self.probe.min_size).as_bytes();
        (total / u64::from(self.probe.min_packets.max(1))).clamp(100, MAX_PACKET)
    }
}

/// The sender of one real-time flow.
pub struct Sender {
    controller: Box<dyn Controller>,
    source: Source,
    pacer: Pacer,
    waiting: VecDeque<Waiting>,
    waiting_bytes: u64,
    probe: Option<RunningProbe>,
    unwrapper: twcc::Unwrapper,
    mapper: ccfb::Mapper,
    next_seq: u64,
    padding_free_at: Micros,
    next_frame: Micros,
    next_read: Micros,
    next_audio: Option<Micros>,
    paused: bool,
}

impl Sender {
    /// A sender that starts at `now`. `offset` moves its timers, so that flows do not run in lock step.
    pub fn new(
        now: Micros,
        offset: Micros,
        controller: Box<dyn Controller>,
        source: Source,
        audio: bool,
    ) -> Self {
        let pacer = Pacer::new(stamp(now), &controller.estimate());
        Self {
            controller,
            source,
            pacer,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            probe: None,
            unwrapper: twcc::Unwrapper::new(),
            mapper: ccfb::Mapper::new(),
            next_seq: FIRST_SEQ,
            padding_free_at: now,
            next_frame: now + offset % FRAME,
            next_read: now,
            next_audio: audio.then_some(now + offset % AUDIO_INTERVAL),
            paused: false,
        }
    }

    /// What the controller says at the moment, in bits per second.
    pub fn target(&self) -> u64 {
        self.controller.estimate().target.as_bps()
    }

    /// The current layer of an SFU and its rate.
    pub fn layer(&self) -> Option<(usize, u64)> {
        self.source.layer()
    }

    /// Whether the application has nothing to say.
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// Stops or resumes the source; what waits is thrown away.
    pub fn set_paused(&mut self, now: Micros, paused: bool) {
        self.paused = paused;
        self.waiting.clear();
        self.waiting_bytes = 0;
        (self.next_frame, self.next_read) = (now, now);
    }

    /// The path is another one now.
    pub fn on_route_change(&mut self, now: Micros) {
        self.controller.on_route_change(stamp(now));
        self.follow(now);
    }

    /// A report came in. What cannot be unwrapped is dropped, as the product does.
    pub fn on_feedback(&mut self, now: Micros, report: &Report) {
        let Some(newest) = self.next_seq.checked_sub(1) else { return };
        let (results, sent) = match report {
            Report::TransportWide { base, reference, statuses } => {
                let statuses = statuses.iter().copied();
                let Ok(results) = self.unwrapper.unwrap(newest, *base, *reference, statuses) else { return };
                (results, None)
            }
            Report::Ccfb { timestamp, metrics } => {
                let (results, sent) = self.mapper.map(*timestamp, metrics.iter().copied());
                (results, Some(sent))
            }
        };
        self.controller.on_feedback(stamp(now), &Feedback { results, sent });
        self.follow(now);
    }

    /// Does what is due and lets out what may leave now. Answers when to come again.
    pub fn run(&mut self, now: Micros, out: &mut Vec<Outgoing>) -> Micros {
        if self.controller.poll_timeout().is_some_and(|at| at.as_micros() <= now) {
            self.controller.handle_timeout(stamp(now));
            self.follow(now);
        }
        self.capture(now, out);
        self.start_probe(now);
        let sending = self.send(now, out);
        let padding = self.pad(now, out);
        let timeout = self.controller.poll_timeout().map(Timestamp::as_micros);
        let wake = [sending, padding, timeout, self.next_audio, Some(self.next_frame), Some(self.next_read)];
        // A controller that keeps asking for the past must not stop time.
        wake.into_iter().flatten().min().map_or(now + MILLI, |at| at.max(now + 1))
    }

    fn follow(&mut self, now: Micros) {
        self.pacer.set_estimate(stamp(now), &self.controller.estimate());
    }

    /// Reads the target and takes what camera and microphone have.
    fn capture(&mut self, now: Micros, out: &mut Vec<Outgoing>) {
        if self.next_read <= now {
            let target = if self.paused { 0 } else { self.target() };
            let mut demand = self.source.set_target(now, target);
            if self.paused {
                demand = estimator::DemandRates::default();
            }
            self.controller.set_demand(stamp(now), demand);
            self.follow(now);
            self.next_read = now + READ_INTERVAL;
        }
        while self.next_frame <= now {
            self.next_frame += FRAME;
            if !self.paused && !self.holds_too_much(now) {
                let before = self.layer();
                let bytes = self.source.frame(now);
                if self.layer() != before {
                    // The keyframe starts another layer: nobody can use what still waits of the old one.
                    self.waiting.clear();
                    self.waiting_bytes = 0;
                }
                self.split(now, bytes);
            }
        }
        if let Some(at) = self.next_audio
            && at <= now
        {
            self.next_audio = Some(at + AUDIO_INTERVAL);
            self.emit(now, AUDIO_BYTES, PacketKind::Audio, None, 0, out);
        }
    }

    fn holds_too_much(&self, now: Micros) -> bool {
        let oldest = self.waiting.front().map_or(0, |packet| now - packet.since);
        let drain = micros(self.pacer.drain_time(DataSize::from_bytes(self.waiting_bytes)));
        oldest.max(drain) > MAX_HELD
    }

    /// Cuts a frame into packets of nearly equal size, as packetisers do.
    fn split(&mut self, now: Micros, bytes: u64) {
        let packets = bytes.div_ceil(MAX_PACKET).max(1);
        for i in 0..packets {
            let size = (bytes + i) / packets;
            self.waiting.push_back(Waiting { size, since: now });
            self.waiting_bytes += size;
        }
    }

    fn start_probe(&mut self, now: Micros) {
        if self.probe.is_none()
            && let Some(probe) = self.controller.poll_probe(stamp(now))
            && !probe.rate.is_zero()
        {
            self.probe = Some(RunningProbe { probe, started: now, next_at: now, bytes: 0, packets: 0 });
        }
    }

    /// Sends what may go now; answers when the next packet may.
    fn send(&mut self, now: Micros, out: &mut Vec<Outgoing>) -> Option<Micros> {
        while let Some(mut running) = self.probe {
            if running.is_done(now) {
                self.probe = None;
                self.start_probe(now);
                continue;
            }
            if running.next_at > now {
                return Some(running.next_at);
            }
            let (size, kind, waited) = match self.waiting.pop_front() {
                Some(packet) => {
                    self.waiting_bytes -= packet.size;
                    (packet.size, PacketKind::Media, now - packet.since)
                }
                None => (running.padding_size(), PacketKind::Padding, 0),
            };
            running.bytes += size;
            running.packets += 1;
            running.next_at += micros(DataSize::from_bytes(size) / running.probe.rate).max(1);
            self.probe = Some(running);
            self.emit(now, size, kind, Some(running.probe.id), waited, out);
        }
        while let Some(packet) = self.waiting.front().copied() {
            let size = DataSize::from_bytes(packet.size);
            let at = self.pacer.next_send(stamp(now), size, self.controller.in_flight()).as_micros();
            if at > now {
                return Some(at);
            }
            self.waiting.pop_front();
            self.waiting_bytes -= packet.size;
            self.emit(now, packet.size, PacketKind::Media, None, now - packet.since, out);
        }
        None
    }

    /// Padding fills up to the rate that the controller asked for, when nothing else waits.
    fn pad(&mut self, now: Micros, out: &mut Vec<Outgoing>) -> Option<Micros> {
        let rate = self.controller.estimate().padding;
        if rate.is_zero() || self.probe.is_some() || !self.waiting.is_empty() {
            return None;
        }
        let size = (rate * Duration::from_millis(20)).as_bytes().clamp(100, MAX_PACKET);
        // Unused time is not saved up: padding never comes in bursts.
        self.padding_free_at = self.padding_free_at.max(now.saturating_sub(20 * MILLI));
        while self.padding_free_at <= now {
            self.emit(now, size, PacketKind::Padding, None, 0, out);
        }
        Some(self.padding_free_at)
    }

    fn emit(
        &mut self,
        now: Micros,
        size: u64,
        kind: PacketKind,
        probe: Option<ClusterId>,
        waited: Micros,
        out: &mut Vec<Outgoing>,
    ) {
        let seq = self.next_seq;
        self.next_seq += 1;
        let bytes = DataSize::from_bytes(size);
        // The simulated streams share one RTP sequence, which happens to be the transport-wide one.
        self.mapper.on_sent(seq, SSRC, seq as u16);
        self.controller.on_packet_sent(stamp(now), SentPacket { seq, size: bytes, kind, probe });
        // A probe has its own rate and is not charged to the pacer.
        let charged = if probe.is_some() { PacketKind::Padding } else { kind };
        self.pacer.on_sent(stamp(now), bytes, charged);
        let padding = self.controller.estimate().padding;
        if !padding.is_zero() {
            // Media ahead of the padding rate stands for padding, but not for long: 100 ms after it stops, padding starts.
            self.padding_free_at = (self.padding_free_at + micros(bytes / padding)).min(now + 100 * MILLI);
        }
        out.push(Outgoing { seq, size, kind, probe, waited });
    }
}

fn stamp(at: Micros) -> Timestamp {
    Timestamp::from_micros(at)
}

fn micros(time: Duration) -> Micros {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
