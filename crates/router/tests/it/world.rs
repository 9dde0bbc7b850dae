//! A room with virtual publishers and receivers in virtual time.
//!
//! Packets arrive after their encoding's delay, requests for keyframes reach the encoder, requests for
//! retransmission reach the room. Loss, reordering and duplication are closures of the test.

use std::collections::BTreeMap;
use std::time::Duration;

use packet::{Codec, MediaKind, Mid, RtcpItem};
use router::{
    Config, Incoming, OutgoingPacket, Output, ParticipantId, PublicationId, Room, RoomEvent, SendingSection,
    SlotCodec, SlotSection, SlotView, Want,
};
use selector::{DeviceClass, DeviceProfile, Presets, Reported};
use units::Timestamp;

use crate::receiver::{
    AV1, AV1_RTX, H264, H264_RTX, OPUS, Receiver, VP8, VP8_RTX, VP9, VP9_RTX, rtx_ssrc, ssrc,
};
use crate::source::{Camera, Microphone, Truth};

/// Decides about a packet on its way to the room.
pub(crate) type Uplink = Box<dyn FnMut(&Truth) -> Fate>;
/// Decides whether a packet to that receiver is lost.
pub(crate) type Downlink = Box<dyn FnMut(ParticipantId, &OutgoingPacket) -> bool>;

/// What happens to a packet on its way to the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Arrives,
    /// Arrives that many milliseconds later: reordered, or lost and repaired.
    Late(u64),
    /// Arrives, and again that many milliseconds later.
    Twice(u64),
    Lost,
}

/// See the module's documentation.
pub(crate) struct World {
    pub(crate) room: Room,
    pub(crate) now: Timestamp,
    pub(crate) cameras: Vec<Camera>,
    pub(crate) microphones: Vec<Microphone>,
    pub(crate) receivers: BTreeMap<ParticipantId, Receiver>,
    pub(crate) uplink: Uplink,
    pub(crate) downlink: Downlink,
    /// Feedback that left, with its time.
    pub(crate) feedback: Vec<(Timestamp, ParticipantId, RtcpItem)>,
    pub(crate) events: Vec<(Timestamp, RoomEvent)>,
    /// How long a camera's sender reports stay away; `None` sends none.
    pub(crate) reports_every: Option<Duration>,
    next_report: Timestamp,
    under_way: BTreeMap<(Timestamp, u64), (ParticipantId, Incoming)>,
    count: u64,
}

/// A device of that class with nothing reported.
pub(crate) fn device(class: DeviceClass) -> DeviceProfile {
    Presets::builtin().profile(class, &Reported::default())
}

/// A device that limits nothing.
pub(crate) fn generous() -> DeviceProfile {
    DeviceProfile {
        max_height: 4_320,
        max_fps: 240,
        max_streams: 1_000,
        decode_pixels_per_second: u64::MAX,
        ..device(DeviceClass::Desktop)
    }
}

pub(crate) fn mid(text: &str) -> Mid {
    Mid::parse(text).unwrap()
}

/// The MID of a slot by its position.
pub(crate) fn slot_mid(slot: usize) -> Mid {
    mid(&format!("s{slot}"))
}

pub(crate) fn slots(video: usize, audio: usize) -> Vec<SlotSection> {
    let codec = |codec, payload_type, rtx_payload_type| SlotCodec {
        codec,
        payload_type,
        rtx_payload_type,
        red_payload_type: None,
    };
    (0..video + audio)
        .map(|at| SlotSection {
            mid: slot_mid(at),
            kind: if at < video { MediaKind::Video } else { MediaKind::Audio },
            active: true,
            codecs: if at < video {
                vec![
                    codec(Codec::Vp8, VP8, Some(VP8_RTX)),
                    codec(Codec::H264, H264, Some(H264_RTX)),
                    codec(Codec::Vp9, VP9, Some(VP9_RTX)),
                    codec(Codec::Av1, AV1, Some(AV1_RTX)),
                ]
            } else {
                vec![codec(Codec::Opus, OPUS, None)]
            },
            ssrc: ssrc(at),
            rtx_ssrc: (at < video).then(|| rtx_ssrc(at)),
            acknowledged: false,
        })
        .collect()
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(Config::default(), 1)
    }

    pub(crate) fn with(config: Config, seed: u64) -> Self {
        Self {
            room: Room::new(config, seed),
            now: Timestamp::from_secs(100),
            cameras: Vec::new(),
            microphones: Vec::new(),
            receivers: BTreeMap::new(),
            uplink: Box::new(|_| Fate::Arrives),
            downlink: Box::new(|_, _| false),
            feedback: Vec::new(),
            events: Vec::new(),
            reports_every: None,
            next_report: Timestamp::ZERO,
            under_way: BTreeMap::new(),
            count: 0,
        }
    }

    /// A receiver with so many slots, connected.
    pub(crate) fn receiver(
        &mut self,
        id: u32,
        device: DeviceProfile,
        video: usize,
        audio: usize,
    ) -> ParticipantId {
        let id = self.join(id, device);
        self.act(|room, now, out| room.set_sections(now, id, &[], &slots(video, audio), out));
        id
    }

    /// A participant without sections, connected.
    pub(crate) fn join(&mut self, id: u32, device: DeviceProfile) -> ParticipantId {
        let id = ParticipantId(id);
        self.receivers.insert(id, Receiver::default());
        self.room.add_participant(self.now, id, device);
        self.act(|room, now, out| room.set_connected(now, id, true, out));
        id
    }

    /// A publisher with that camera, and nothing to receive. Returns its publication.
    pub(crate) fn camera(&mut self, camera: Camera) -> PublicationId {
        let id = self.join(camera.id, generous());
        let section = section(&camera);
        self.cameras.push(camera);
        self.act(|room, now, out| room.set_sections(now, id, &[section], &[], out));
        self.room.publications().last().unwrap().id
    }

    /// A publisher with that microphone and so many slots for sound.
    pub(crate) fn microphone(&mut self, microphone: Microphone, audio: usize) -> PublicationId {
        let id = self.join(microphone.id, generous());
        let section = SendingSection {
            mid: microphone.mid,
            kind: MediaKind::Audio,
            active: true,
            codec: Codec::Opus,
            rids: Vec::new(),
        };
        self.microphones.push(microphone);
        self.act(|room, now, out| room.set_sections(now, id, &[section], &slots(0, audio), out));
        self.room.publications().last().unwrap().id
    }

    /// A view of one slot: what to show, at what height (16:9).
    pub(crate) fn view(&mut self, id: ParticipantId, views: &[(Want, u32)]) {
        self.view_at(id, views, None);
    }

    /// The same, with a limit of frames per second.
    pub(crate) fn view_at(&mut self, id: ParticipantId, views: &[(Want, u32)], max_fps: Option<u32>) {
        let views: Vec<SlotView> = views
            .iter()
            .enumerate()
            .map(|(at, (want, height))| SlotView {
                width: Some(height * 16 / 9),
                height: Some(*height),
                max_fps,
                ..SlotView::new(slot_mid(at), *want)
            })
            .collect();
        self.act(|room, now, out| room.set_view(now, id, &views, out));
    }

    /// Lets the room do something and takes what comes out.
    pub(crate) fn act(&mut self, act: impl FnOnce(&mut Room, Timestamp, &mut Vec<Output>)) {
        let mut out = Vec::new();
        act(&mut self.room, self.now, &mut out);
        for output in out {
            match output {
                Output::Rtp { to, packet } => {
                    let lost = (self.downlink)(to, &packet);
                    self.receivers.get_mut(&to).unwrap().receive(self.now, &packet, lost);
                }
                Output::Rtcp { to, item } => {
                    self.hand_over(to, &item);
                    self.feedback.push((self.now, to, item));
                }
                Output::Relay { .. } => panic!("there is no other node"),
                Output::Event(event) => self.events.push((self.now, event)),
            }
        }
    }

    fn hand_over(&mut self, to: ParticipantId, item: &RtcpItem) {
        let camera = self.cameras.iter_mut().find(|camera| camera.id == to.0);
        match (camera, item) {
            (Some(camera), RtcpItem::Pli { media_ssrc, .. }) => camera.asked(self.now, *media_ssrc, false),
            (Some(camera), RtcpItem::Fir { media_ssrc, .. }) => camera.asked(self.now, *media_ssrc, true),
            _ => {}
        }
    }

    /// Hands a packet to the room now.
    pub(crate) fn inject(&mut self, from: ParticipantId, incoming: Incoming) {
        self.act(|room, now, out| room.handle_rtp(now, from, incoming, out));
    }

    /// Hands feedback to the room now.
    pub(crate) fn tell(&mut self, from: ParticipantId, item: RtcpItem) {
        self.act(|room, now, out| room.handle_rtcp(now, from, &item, out));
    }

    /// Lets time pass, in steps of a millisecond.
    pub(crate) fn run(&mut self, ms: u64) {
        for _ in 0..ms {
            self.now += Duration::from_millis(1);
            self.send();
            while let Some(entry) = self.under_way.first_entry() {
                if entry.key().0 > self.now {
                    break;
                }
                let (from, incoming) = entry.remove();
                self.inject(from, incoming);
            }
            if self.room.poll_timeout().is_some_and(|at| at <= self.now) {
                self.act(Room::handle_timeout);
                let next = self.room.poll_timeout();
                assert!(next.is_none_or(|at| at > self.now), "what was due has been done");
            }
            // A browser collects requests for a moment, too.
            if !self.now.as_millis().is_multiple_of(10) {
                continue;
            }
            for id in self.receivers.keys().copied().collect::<Vec<_>>() {
                for item in self.receivers.get_mut(&id).unwrap().nacks(self.now) {
                    self.tell(id, item);
                }
            }
        }
    }

    fn send(&mut self) {
        let mut packets = Vec::new();
        for camera in &mut self.cameras {
            let from = ParticipantId(camera.id);
            packets.extend(camera.capture(self.now).into_iter().map(|(at, packet)| (at, from, packet)));
        }
        for microphone in &mut self.microphones {
            let from = ParticipantId(microphone.id);
            packets.extend(microphone.capture(self.now).map(|packet| (self.now, from, packet)));
        }
        for (at, from, packet) in packets {
            match (self.uplink)(&Truth::read(&packet.packet.payload)) {
                Fate::Arrives => self.schedule(at, from, packet),
                Fate::Late(ms) => self.schedule(at + Duration::from_millis(ms), from, packet),
                Fate::Twice(ms) => {
                    self.schedule(at, from, packet.clone());
                    self.schedule(at + Duration::from_millis(ms), from, packet);
                }
                Fate::Lost => {}
            }
        }
        self.send_reports();
    }

    fn schedule(&mut self, at: Timestamp, from: ParticipantId, incoming: Incoming) {
        self.count += 1;
        self.under_way.insert((at, self.count), (from, incoming));
    }

    /// Sender reports of all cameras and microphones that know the time.
    fn send_reports(&mut self) {
        let Some(interval) = self.reports_every.filter(|_| self.now >= self.next_report) else { return };
        self.next_report = self.now + interval;
        let micros = self.now.as_micros();
        let clocks = self.cameras.iter().filter_map(|camera| Some((camera, camera.wall?))).flat_map(
            |(camera, wall)| {
                let clock = move |layer: &crate::source::Layer| {
                    (layer.ssrc, layer.timestamp_base.wrapping_add((micros * 9 / 100) as u32))
                };
                camera.layers.iter().map(move |layer| (camera.id, wall, clock(layer)))
            },
        );
        let sounds = self.microphones.iter().filter_map(|m| Some((m.id, m.wall?, m.clock(self.now))));
        let all: Vec<(u32, u64, (u32, u32))> = clocks.chain(sounds).collect();
        for (from, wall, (ssrc, rtp_time)) in all {
            let ms = wall + self.now.as_millis();
            let ntp = ((ms / 1_000) << 32) + ((ms % 1_000) << 32) / 1_000;
            let (packets, octets, reports) = (0, 0, Default::default());
            let item = RtcpItem::SenderReport { ssrc, ntp, rtp_time, packets, octets, reports };
            self.tell(ParticipantId(from), item);
        }
    }

    /// Requests for keyframes that reached a publisher since a time: when, and `P` or `F`.
    pub(crate) fn requests(&self, to: u32, since: Timestamp) -> Vec<(u64, char)> {
        self.feedback
            .iter()
            .filter(|(at, who, _)| *at >= since && who.0 == to)
            .filter_map(|(at, _, item)| match item {
                RtcpItem::Pli { .. } => Some((at.as_millis(), 'P')),
                RtcpItem::Fir { .. } => Some((at.as_millis(), 'F')),
                _ => None,
            })
            .collect()
    }

    /// The RID on a slot, and why.
    pub(crate) fn on_slot(&self, id: ParticipantId, slot: usize) -> (String, selector::Reason) {
        let state = &self.room.slots(id)[slot];
        let rid = state.encoding.and_then(|encoding| encoding.rid);
        (rid.map_or("-".to_owned(), |rid| rid.to_string()), state.reason)
    }
}

pub(crate) fn section(camera: &Camera) -> SendingSection {
    SendingSection {
        mid: camera.mid,
        kind: MediaKind::Video,
        active: true,
        codec: camera.codec,
        rids: camera.rids(),
    }
}
