//! A virtual participant: signs in, offers, checks connectivity, sends what its cameras and microphone make,
//! receives into slots, and gives the feedback that a browser gives.
//!
//! Owns one participant's behaviour, sans-IO like the product: messages and datagrams in, [`Effect`]s out.
//! Leaves the path to `path`, who does what when to `scenario`, judgement over all to `score`.

mod incoming;
mod outgoing;
mod session;

use std::collections::{BTreeMap, VecDeque};

use bytes::{Bytes, BytesMut};
use packet::{ExtensionIds, RtcpItem};
use signalling::{ClientMessage, Publish, Source};
use transport::demux::{self, Class};

use super::camera::{Camera, Ready};
use super::decoder::Decoder;
use super::feedback::{self, Arrivals};
use super::ice::{Due, Ice};
use super::microphone::{self, Microphone};
use super::record::{STEP, Traffic};
use super::sdp::{self, Answer};
use super::slot::Slot;
use super::spec::ClientSpec;
use crate::links::event::{Micros, SECOND};
use crate::links::rng::Rng;

/// Housekeeping: requests for packets and keyframes, packets of sound.
const TICK: Micros = microphone::FRAME;
const REPORT_INTERVAL: Micros = SECOND;
const DECODE_REPORT_INTERVAL: Micros = SECOND;
/// The pacer of a browser sends this much faster than its encoders mean to, in percent.
const PACING: u64 = 250;

/// Something that a participant does.
#[derive(Debug)]
pub enum Effect {
    /// Sends a datagram to the server.
    Datagram(BytesMut),
    /// Says something.
    Message(Box<ClientMessage>),
    /// Lets go of its socket and takes another, as every new connection does.
    NewSocket,
}

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Away,
    Joining,
    Negotiating,
    Checking,
    Connected,
}

/// See the module's documentation.
pub struct Client {
    spec: ClientSpec,
    phase: Phase,
    room: String,
    resume: Option<String>,
    /// Its participant's number in the room, which is the CSRC of its pictures.
    pub number: Option<u32>,
    connection: u64,
    /// The offer that has no answer yet.
    offered: Option<String>,
    answer: Answer,
    ice: Ice,
    ids: ExtensionIds,
    cameras: Vec<(Camera, Micros)>,
    microphone: Option<Microphone>,
    slots: Vec<Slot>,
    /// Slot by stream; true for retransmissions.
    streams: BTreeMap<u32, (usize, bool)>,
    audio_streams: BTreeMap<u32, AudioStream>,
    arrivals: Arrivals,
    transport_wide: u16,
    outbox: VecDeque<Ready>,
    /// How much faster than its encoders it sends, in percent.
    pacing: u64,
    /// Bytes repeated since the last look at the uplink, and what that comes to, in bits per second.
    repeated: u64,
    repairs: u64,
    next_send: Micros,
    next_tick: Micros,
    next_feedback: Micros,
    next_report: Micros,
    next_decode_report: Micros,
    decoder: Decoder,
    reports_seen: BTreeMap<u32, (u32, Micros)>,
    traffic: Traffic,
    /// What the server said last about the link to here, in bits per second.
    pub estimate: Option<u64>,
    rng: Rng,
    /// When the present stay began.
    pub joined_at: Option<Micros>,
    out: Vec<Effect>,
}

#[derive(Clone, Copy, Debug, Default)]
struct AudioStream {
    highest: u32,
}

impl Client {
    /// Somebody who is not there yet.
    pub fn new(spec: ClientSpec, mut rng: Rng) -> Self {
        let own = spec.index;
        let mut cameras = Vec::new();
        for (at, track) in spec.tracks.iter().enumerate() {
            cameras.push((Camera::new(&track.mid, own, at as u8, track.encodings.clone(), &mut rng), 0));
        }
        let microphone = spec.microphone.then(|| Microphone::new(spec.dtx, &mut rng));
        Self {
            decoder: Decoder::new(spec.decode),
            slots: spec.slots.iter().map(|slot| Slot::new(*slot)).collect(),
            spec,
            phase: Phase::Away,
            room: String::new(),
            resume: None,
            number: None,
            connection: 0,
            offered: None,
            answer: Answer::default(),
            ice: Ice::default(),
            ids: sdp::extension_ids(),
            cameras,
            microphone,
            streams: BTreeMap::new(),
            audio_streams: BTreeMap::new(),
            arrivals: Arrivals::default(),
            transport_wide: 0,
            outbox: VecDeque::new(),
            pacing: PACING,
            repeated: 0,
            repairs: 0,
            next_send: 0,
            next_tick: 0,
            next_feedback: 0,
            next_report: 0,
            next_decode_report: 0,
            reports_seen: BTreeMap::new(),
            traffic: Traffic::default(),
            estimate: None,
            rng,
            joined_at: None,
            out: Vec::new(),
        }
    }

    /// What it was made from.
    pub fn spec(&self) -> &ClientSpec {
        &self.spec
    }

    /// What it has on the screen.
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// Its cameras and screens.
    pub fn cameras(&self) -> impl Iterator<Item = &Camera> {
        self.cameras.iter().map(|(camera, _)| camera)
    }

    /// Totals so far.
    pub fn traffic(&self) -> Traffic {
        Traffic { overloaded_seconds: self.decoder.overloaded_seconds(), ..self.traffic }
    }

    /// Whether media flows.
    pub fn is_connected(&self) -> bool {
        self.phase == Phase::Connected
    }

    /// Takes what it does.
    pub fn take_effects(&mut self, into: &mut Vec<Effect>) {
        into.append(&mut self.out);
    }

    /// Its address is another one: the next check goes out at once.
    pub fn moved(&mut self, now: Micros) {
        self.ice.moved(now);
    }

    /// Begins or ends to speak.
    pub fn set_talking(&mut self, talking: bool) {
        if let Some(microphone) = &mut self.microphone {
            microphone.set_talking(talking);
        }
    }

    /// Mutes or unmutes what is sent in a section, and says so.
    pub fn set_muted(&mut self, mid: &str, muted: bool) {
        let source = if mid == microphone::MID {
            if let Some(microphone) = &mut self.microphone {
                microphone.set_muted(muted);
            }
            Some(Source::Microphone)
        } else {
            let track = self.spec.tracks.iter().find(|track| track.mid == mid).map(|track| track.source);
            let camera = self.cameras.iter_mut().find(|(camera, _)| camera.mid() == mid);
            if let Some((camera, _)) = camera {
                camera.set_on(!muted);
            }
            track
        };
        if let Some(source) = source {
            let publish = Publish { mid: mid.to_owned(), muted, source };
            self.say(ClientMessage::Publish(publish));
        }
    }

    /// Takes its largest encoding away or gives it back, as a browser does that is short of processor time.
    pub fn set_top_layer(&mut self, on: bool) {
        for (camera, _) in &mut self.cameras {
            camera.encoder_mut().set_top(on);
        }
    }

    /// What its device decodes from now on, in pixels per second.
    pub fn set_decode(&mut self, pixels: u64) {
        self.decoder.set(pixels);
    }

    /// What its device decodes at present, in pixels per second.
    pub fn decode_capacity(&self) -> u64 {
        self.decoder.capacity()
    }

    /// How much faster than its encoders mean to it sends, in percent: browsers let the packets of a frame follow each other at
    /// once where the link is wide.
    pub fn set_pacing(&mut self, percent: u64) {
        self.pacing = percent;
    }

    /// What its uplink carries, as its browser finds out: once per [`STEP`]. What is repeated is taken off what is encoded.
    pub fn set_uplink(&mut self, bits: u64) {
        let repeated = std::mem::take(&mut self.repeated) * 8 * SECOND / STEP;
        self.repairs = (self.repairs * 9 + repeated) / 10;
        let bits = bits.saturating_sub(self.repairs);
        let count = self.cameras.iter().filter(|(camera, _)| camera.is_on()).count().max(1) as u64;
        for (camera, _) in &mut self.cameras {
            camera.encoder_mut().set_budget(bits / count);
        }
    }

    /// Nothing comes from that participant for now, and that is nobody's fault.
    pub fn source_stopped(&mut self, now: Micros, source: u16) {
        for slot in self.slots.iter_mut().filter(|slot| slot.source() == Some(source)) {
            slot.pause(now);
        }
    }

    /// A datagram came.
    pub fn handle_datagram(&mut self, now: Micros, datagram: Bytes) {
        if self.phase == Phase::Away {
            return;
        }
        match demux::classify(&datagram) {
            Class::Stun => self.handle_check_answer(now, &datagram),
            Class::Rtp => self.handle_rtp(now, datagram),
            Class::Rtcp => self.handle_rtcp(now, &datagram),
            Class::Dtls | Class::Unknown => self.traffic.malformed += 1,
        }
    }

    fn handle_check_answer(&mut self, now: Micros, datagram: &[u8]) {
        if !self.ice.handle(now, datagram) {
            return;
        }
        if self.phase == Phase::Checking {
            self.phase = Phase::Connected;
            let jitter = |rng: &mut Rng, span: Micros| now + rng.below(span as usize) as Micros;
            for (camera, next) in &mut self.cameras {
                *next = jitter(&mut self.rng, camera.encoder().interval());
            }
            self.next_tick = jitter(&mut self.rng, TICK);
            self.next_feedback = jitter(&mut self.rng, feedback::INTERVAL);
            self.next_report = jitter(&mut self.rng, REPORT_INTERVAL);
            self.next_decode_report = now + DECODE_REPORT_INTERVAL;
            self.next_send = now;
        }
    }

    /// When to call [`Client::handle_timeout`].
    pub fn poll_timeout(&self) -> Option<Micros> {
        match self.phase {
            Phase::Away | Phase::Joining | Phase::Negotiating => None,
            Phase::Checking => Some(self.ice.next_check()),
            Phase::Connected => {
                let cameras = self.cameras.iter().map(|(_, next)| *next);
                let fixed = [self.ice.next_check(), self.next_tick, self.next_feedback, self.next_report];
                let sending = (!self.outbox.is_empty()).then_some(self.next_send);
                cameras.chain(fixed).chain(sending).chain([self.next_decode_report]).min()
            }
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Micros) {
        if !matches!(self.phase, Phase::Checking | Phase::Connected) {
            return;
        }
        match self.ice.due(now, self.spec.index, &self.answer) {
            Due::Nothing => {}
            Due::Check(check) => self.out.push(Effect::Datagram(check)),
            Due::Restart => self.offer(),
        }
        if self.phase != Phase::Connected {
            return;
        }
        for at in 0..self.cameras.len() {
            let (camera, next) = &mut self.cameras[at];
            if now >= *next {
                // A machine that slept does not make up for the frames of that time.
                *next = (*next + camera.encoder().interval()).max(now + 1);
                camera.capture(now, &mut self.outbox);
            }
        }
        if now >= self.next_tick {
            self.next_tick = (self.next_tick + TICK).max(now + 1);
            if let Some(sound) = self.microphone.as_mut().and_then(|microphone| microphone.capture(now)) {
                self.send(&sound);
            }
            self.ask(now);
        }
        if now >= self.next_feedback {
            self.next_feedback = now + feedback::INTERVAL;
            let ssrc = self.slots.first().map_or(0, |slot| slot.ssrc);
            for report in self.arrivals.report(ssrc) {
                self.send_rtcp(&[RtcpItem::TransportFeedback(report)]);
            }
        }
        if now >= self.next_report {
            self.next_report = now + REPORT_INTERVAL;
            self.report(now);
        }
        if now >= self.next_decode_report {
            self.next_decode_report = now + DECODE_REPORT_INTERVAL;
            self.report_decoding();
        }
        self.pace(now);
    }

    /// Asks for what is missing.
    fn ask(&mut self, now: Micros) {
        let rtt = self.ice.rtt();
        let mut items = Vec::new();
        for slot in &mut self.slots {
            slot.ask(now, rtt, &mut items);
        }
        if !items.is_empty() {
            self.send_rtcp(&items);
        }
    }
}
