//! A room with one camera and many receivers of it, in virtual time.
//!
//! Owns the far ends: the camera (answering requests for keyframes), and receivers whose paths lose nothing, take 20 ms and,
//! where they acknowledge, report every 50 ms, each at its own time. Measures every call of the room and what the owner
//! must do with an output, short of touching bytes.

use std::time::Duration;

use packet::{Codec, MediaKind, Mid, RtcpItem, TransportFeedback};
use router::{
    Config, Incoming, Output, PacketKind, ParticipantId, Room, SendingSection, SlotCodec, SlotSection,
    SlotView, Want,
};
use selector::{DeviceClass, Presets, Reported};
use units::Timestamp;

use crate::camera::{Camera, FPS, PACKETS_PER_FRAME, mid};
use crate::{Measure, Stopwatch, Unmeasured};

/// The one who sends.
const PUBLISHER: ParticipantId = ParticipantId(0);
/// Between frames.
const FRAME: Duration = Duration::from_micros(1_000_000 / FPS);
/// Between reports of a receiver.
const REPORT: Duration = Duration::from_millis(50);
/// One way.
const DELAY: Duration = Duration::from_millis(20);
/// Of the arrival times in reports, µs.
const TICK: u64 = 250;

/// What waits to be reported by one receiver.
#[derive(Debug)]
struct Receiver {
    /// The number of the first, wrapped.
    base: u16,
    /// When each left; numbers follow each other, as nothing is lost.
    left: Vec<Timestamp>,
    next_report: Timestamp,
}

/// See the module's documentation.
#[derive(Debug)]
pub struct Fanout {
    room: Room,
    now: Timestamp,
    camera: Camera,
    next_frame: Timestamp,
    wants_keyframe: bool,
    receivers: Vec<Receiver>,
    acknowledged: bool,
    out: Vec<Output>,
    forwarded: u64,
}

impl Fanout {
    /// A call in its twentieth second, in which every receiver gets everything. `acknowledged` decides whether receivers
    /// report arrivals, so that the room estimates, paces and decides for each.
    ///
    /// # Panics
    /// When somebody does not get everything: the figures would be of something else.
    pub fn settled(receivers: usize, acknowledged: bool) -> Self {
        let mut fanout = Self::new(receivers, acknowledged);
        fanout.run_until(Timestamp::from_secs(19), &mut Unmeasured);
        fanout.forwarded = 0;
        fanout.run_until(Timestamp::from_secs(21), &mut Unmeasured);
        let frame = PACKETS_PER_FRAME * receivers as u64;
        let (expected, got) = (2 * FPS * frame, fanout.forwarded);
        assert!(got.abs_diff(expected) <= 2 * frame, "{got} of {expected} packets were forwarded");
        fanout
    }

    fn new(receivers: usize, acknowledged: bool) -> Self {
        let now = Timestamp::from_secs(1);
        let mut room = Room::new(Config::default(), 1);
        let mut out = Vec::new();
        let device = Presets::builtin().profile(DeviceClass::Desktop, &Reported::default());
        let camera = SendingSection {
            mid: mid(),
            kind: MediaKind::Video,
            active: true,
            codec: Codec::Vp8,
            rids: Vec::new(),
        };
        room.add_participant(now, PUBLISHER, device);
        room.set_connected(now, PUBLISHER, true, &mut out);
        room.set_sections(now, PUBLISHER, &[camera], &[], &mut out);
        for at in 0..receivers {
            let id = ParticipantId(at as u32 + 1);
            room.add_participant(now, id, device);
            room.set_connected(now, id, true, &mut out);
            room.set_sections(now, id, &[], &[slot(at as u32, acknowledged)], &mut out);
            let view =
                SlotView { width: Some(1280), height: Some(720), ..SlotView::new(slot_mid(), Want::Auto) };
            room.set_view(now, id, &[view], &mut out);
        }
        let ends = (0..receivers as u64).map(|at| Receiver {
            base: 0,
            left: Vec::new(),
            // Receivers joined when they joined, not in step.
            next_report: now + Duration::from_micros(at * 7_919 % 50_000),
        });
        Self {
            room,
            now,
            camera: Camera::default(),
            next_frame: now,
            wants_keyframe: true,
            receivers: ends.collect(),
            acknowledged,
            out,
            forwarded: 0,
        }
    }

    /// Goes on until so many packets were forwarded or more. Returns how many, and the time it took.
    pub fn forward(&mut self, packets: u64) -> (u64, Duration) {
        let mut watch = Stopwatch::default();
        (self.forward_in(packets, &mut watch), watch.take())
    }

    /// The same under the eyes of somebody else.
    pub fn forward_in(&mut self, packets: u64, watch: &mut impl Measure) -> u64 {
        self.forwarded = 0;
        while self.forwarded < packets {
            self.run_until(self.now + FRAME, watch);
        }
        self.forwarded
    }

    fn run_until(&mut self, end: Timestamp, watch: &mut impl Measure) {
        while self.now < end {
            let due = watch.measure(|| self.room.poll_timeout()).filter(|at| *at <= self.now);
            if due.is_some() {
                self.act(watch, Room::handle_timeout);
            }
            if self.next_frame <= self.now {
                self.send_frame(watch);
            }
            if self.acknowledged {
                self.send_reports(watch);
            }
            // In steps of a millisecond, as timers of hosts have it: what is due within one is done together.
            self.now += Duration::from_millis(1);
        }
    }

    fn send_frame(&mut self, watch: &mut impl Measure) {
        self.next_frame += FRAME;
        let keyframe = std::mem::take(&mut self.wants_keyframe);
        for packet in self.camera.frame(self.now, keyframe) {
            let incoming = Incoming { mid: mid(), rid: None, codec: Codec::Vp8, packet, redundant: None };
            self.act(watch, |room, now, out| room.handle_rtp(now, PUBLISHER, incoming, out));
        }
    }

    fn send_reports(&mut self, watch: &mut impl Measure) {
        for at in 0..self.receivers.len() {
            let receiver = &mut self.receivers[at];
            if receiver.next_report > self.now {
                continue;
            }
            receiver.next_report += REPORT;
            if let Some(feedback) = receiver.report(self.now) {
                let item = RtcpItem::TransportFeedback(feedback);
                let id = ParticipantId(at as u32 + 1);
                self.act(watch, |room, now, out| room.handle_rtcp(now, id, &item, out));
            }
        }
    }

    /// A call of the room, and a walk over what it wants done.
    fn act(&mut self, watch: &mut impl Measure, act: impl FnOnce(&mut Room, Timestamp, &mut Vec<Output>)) {
        let (room, now, out) = (&mut self.room, self.now, &mut self.out);
        watch.measure(|| act(room, now, out));
        for output in out.iter() {
            match output {
                Output::Rtp { to, packet } => {
                    self.forwarded += u64::from(packet.kind == PacketKind::Media);
                    if self.acknowledged {
                        self.receivers[to.0 as usize - 1].left.push(now);
                    }
                }
                Output::Rtcp { to, item: RtcpItem::Pli { .. } | RtcpItem::Fir { .. } }
                    if *to == PUBLISHER =>
                {
                    self.wants_keyframe = true;
                }
                Output::Rtcp { .. } | Output::Relay { .. } | Output::Event(_) => {}
            }
        }
        watch.measure(|| out.clear());
    }
}

impl Receiver {
    /// What arrived early enough for a report about it to be here by now.
    fn report(&mut self, now: Timestamp) -> Option<TransportFeedback> {
        let count = self.left.partition_point(|left| *left + 2 * DELAY <= now);
        let first = *self.left.first().filter(|_| count > 0)?;
        let ticks = |left: Timestamp| (left + DELAY).as_micros() / TICK;
        let reference = ticks(first) / 256;
        let mut last = reference * 256;
        let statuses = self.left.drain(..count).map(|left| {
            let delta = ticks(left) - std::mem::replace(&mut last, ticks(left));
            Some(i16::try_from(delta).expect("what one report speaks of left within a second"))
        });
        let statuses = statuses.collect();
        let base = self.base;
        self.base = base.wrapping_add(count as u16);
        let reference_time = (reference & 0xff_ffff) as u32;
        Some(TransportFeedback { sender_ssrc: 1, media_ssrc: 1, base, reference_time, count: 0, statuses })
    }
}

fn slot_mid() -> Mid {
    Mid::parse("v0").expect("two letters are a MID")
}

fn slot(at: u32, acknowledged: bool) -> SlotSection {
    SlotSection {
        mid: slot_mid(),
        kind: MediaKind::Video,
        active: true,
        codecs: vec![SlotCodec {
            codec: Codec::Vp8,
            payload_type: 96,
            rtx_payload_type: Some(97),
            red_payload_type: None,
        }],
        ssrc: 1_000 + 2 * at,
        rtx_ssrc: Some(1_001 + 2 * at),
        acknowledged,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_gets_everything_with_and_without_acknowledgements() {
        for acknowledged in [false, true] {
            let mut fanout = Fanout::settled(3, acknowledged);
            let (forwarded, spent) = fanout.forward(1_000);
            assert!((1_000..1_100).contains(&forwarded) && !spent.is_zero(), "{forwarded}");
        }
    }
}
