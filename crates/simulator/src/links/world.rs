//! One run: links, flows and time, from the first event to the last.
//!
//! Owns the event loop and the routes. Everything that happens is a function of the case, the controller and the
//! seed: the same three give the same [`Record`].

use std::rc::Rc;

use estimator::{Ecn, PacketKind};

use super::capacity::Schedule;
use super::case::{Case, FlowKind};
use super::controller::ControllerKind;
use super::event::{EventQueue, MILLI, Micros, SECOND};
use super::link::{Link, Outcome};
use super::packet::{Direction, Packet, Payload};
use super::receiver::Receiver;
use super::record::{Record, STEP};
use super::rng::Rng;
use super::sender::{Outgoing, Sender};
use super::source::Source;
use super::tcp::{ACK_BYTES, SEGMENT_BYTES, TcpSender, Transmission};

/// Size of the packets of a cross flow.
const CROSS_BYTES: u64 = 1_200;

#[derive(Debug)]
enum Event {
    Start(usize),
    Stop(usize),
    Pause(usize, bool),
    RouteChange(usize),
    Wake(usize),
    Report(usize),
    LinkReady(usize),
    Arrive(Packet),
    Sample,
}

struct Media {
    sender: Sender,
    receiver: Receiver,
    interval: Micros,
    ecn: Ecn,
    layer: Option<usize>,
}

enum Endpoints {
    Media(Box<Media>),
    Tcp(Box<TcpSender>),
    Cross(Micros),
}

struct Flow {
    /// `None` before the start and after the stop.
    endpoints: Option<Endpoints>,
    /// The one wake-up that counts; an event for another instant is stale.
    wake_at: Option<Micros>,
}

struct World<'a> {
    case: &'a Case,
    controller: ControllerKind,
    seed: u64,
    now: Micros,
    events: EventQueue<Event>,
    links: Vec<Link>,
    flows: Vec<Flow>,
    record: Record,
    outcome: Outcome,
    outgoing: Vec<Outgoing>,
}

/// Runs `case` with `controller` in every media flow.
pub fn simulate(case: &Case, controller: ControllerKind, seed: u64) -> Record {
    let mut world = World::new(case, controller, seed);
    while let Some((at, event)) = world.events.pop_before(case.duration) {
        world.now = at;
        world.handle(event);
    }
    world.record
}

impl<'a> World<'a> {
    fn new(case: &'a Case, controller: ControllerKind, seed: u64) -> Self {
        let link = |(i, spec): (usize, &super::link::LinkSpec)| Link::new(spec.clone(), seed, 100 + i as u64);
        let mut world = Self {
            case,
            controller,
            seed,
            now: 0,
            events: EventQueue::default(),
            links: case.links.iter().enumerate().map(link).collect(),
            flows: case.flows.iter().map(|_| Flow { endpoints: None, wake_at: None }).collect(),
            record: Record::new(case.flows.len(), case.scored.len(), case.duration),
            outcome: Outcome::default(),
            outgoing: Vec::new(),
        };
        for (i, flow) in case.flows.iter().enumerate() {
            world.events.push(flow.start, Event::Start(i));
            world.events.push(flow.stop, Event::Stop(i));
            for (from, to) in &flow.pauses {
                world.events.push(*from, Event::Pause(i, true));
                world.events.push(*to, Event::Pause(i, false));
            }
            for at in &flow.route_changes {
                world.events.push(*at, Event::RouteChange(i));
            }
        }
        world.events.push(0, Event::Sample);
        world
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Start(flow) => self.start(flow),
            Event::Stop(flow) => self.flows[flow].endpoints = None,
            Event::Pause(flow, paused) => {
                if let Some(Endpoints::Media(media)) = &mut self.flows[flow].endpoints {
                    media.sender.set_paused(self.now, paused);
                    self.run_flow(flow);
                }
            }
            Event::RouteChange(flow) => {
                if let Some(Endpoints::Media(media)) = &mut self.flows[flow].endpoints {
                    media.sender.on_route_change(self.now);
                    self.run_flow(flow);
                }
            }
            Event::Wake(flow) => {
                if self.flows[flow].wake_at == Some(self.now) {
                    self.flows[flow].wake_at = None;
                    self.run_flow(flow);
                }
            }
            Event::Report(flow) => self.report(flow),
            Event::LinkReady(link) => {
                self.links[link].ready(self.now, &mut self.outcome);
                self.settle(link, true);
            }
            Event::Arrive(mut packet) => {
                packet.hop += 1;
                if packet.hop < self.route(&packet).len() {
                    self.forward(packet)
                } else {
                    self.deliver(packet)
                }
            }
            Event::Sample => self.sample(),
        }
    }

    fn start(&mut self, index: usize) {
        let stream = 1_000 + 10 * index as u64;
        // Timers of different flows must not beat together: the offset is a different odd share of each interval.
        let offset = (index as u64 * 7_919 + self.seed * 3_571) * 13;
        let endpoints = match &self.case.flows[index].kind {
            FlowKind::Media { source, audio, receiver, ecn } => {
                let controller =
                    self.controller.build(units::Timestamp::from_micros(self.now), source.controller_max());
                let source = Source::new(source.clone(), Rng::new(self.seed, stream));
                let sender = Sender::new(self.now, offset, controller, source, *audio);
                let interval = receiver.interval;
                self.events.push(self.now + interval + offset % interval, Event::Report(index));
                let receiver = Receiver::new(receiver.clone());
                Endpoints::Media(Box::new(Media { sender, receiver, interval, ecn: *ecn, layer: None }))
            }
            FlowKind::Tcp { variant, load } => {
                let rng = Rng::new(self.seed, stream);
                Endpoints::Tcp(Box::new(TcpSender::new(self.now, *variant, *load, rng)))
            }
            FlowKind::Cross(_) => Endpoints::Cross(self.now),
        };
        self.flows[index].endpoints = Some(endpoints);
        self.run_flow(index);
    }

    /// Lets a sender do what is due, and notes when it wants to be woken.
    fn run_flow(&mut self, index: usize) {
        let now = self.now;
        let mut packets: Vec<Packet> = Vec::new();
        let Some(endpoints) = &mut self.flows[index].endpoints else { return };
        let wake = match endpoints {
            Endpoints::Media(media) => {
                let mut outgoing = std::mem::take(&mut self.outgoing);
                let wake = media.sender.run(now, &mut outgoing);
                let ecn = media.ecn;
                packets.extend(outgoing.drain(..).map(|out| media_packet(index, now, ecn, out)));
                self.outgoing = outgoing;
                Some(wake)
            }
            Endpoints::Tcp(tcp) => {
                if tcp.next_timer().is_some_and(|at| at <= now) {
                    tcp.on_timer(now);
                }
                while let Some(Transmission { segment, number }) = tcp.poll_transmit(now) {
                    let payload = Payload::TcpData { segment, transmission: number };
                    packets.push(packet(index, Direction::Forward, SEGMENT_BYTES, payload));
                }
                tcp.next_timer()
            }
            Endpoints::Cross(next) => {
                let FlowKind::Cross(rate) = &self.case.flows[index].kind else { return };
                if *next <= now && rate.at(now) > 0 {
                    packets.push(packet(index, Direction::Forward, CROSS_BYTES, Payload::Cross));
                }
                *next = next_cross(rate, now);
                Some(*next)
            }
        };
        self.wake(index, wake);
        for packet in packets {
            if let Payload::Media { .. } = packet.payload {
                self.record.sent += 1;
                let route = &self.case.flows[index].forward;
                self.record.expected_lost +=
                    route.iter().map(|link| self.links[*link].expected_loss(now)).sum::<f64>();
            }
            self.forward(packet);
        }
    }

    fn wake(&mut self, index: usize, at: Option<Micros>) {
        let Some(at) = at else { return };
        let flow = &mut self.flows[index];
        if flow.wake_at != Some(at) {
            flow.wake_at = Some(at);
            self.events.push(at.max(self.now), Event::Wake(index));
        }
    }

    fn route(&self, packet: &Packet) -> &'a [usize] {
        let flow = &self.case.flows[packet.flow];
        match packet.direction {
            Direction::Forward => &flow.forward,
            Direction::Backward => &flow.backward,
        }
    }

    /// Puts `packet` on the link that it has come to.
    fn forward(&mut self, packet: Packet) {
        let link = self.route(&packet)[packet.hop];
        let pending = self.links[link].next_event().is_some();
        self.links[link].offer(self.now, packet, &mut self.outcome);
        self.settle(link, !pending);
    }

    /// Acts on what a link did; `schedule` when its next event has not been put in the queue yet.
    fn settle(&mut self, link: usize, schedule: bool) {
        if schedule && let Some(at) = self.links[link].next_event() {
            self.events.push(at, Event::LinkReady(link));
        }
        for dropped in self.outcome.dropped.drain(..) {
            if matches!(dropped.payload, Payload::Media { .. }) {
                self.record.lost += 1;
            }
        }
        for departure in self.outcome.departures.drain(..) {
            let flow = &self.case.flows[departure.packet.flow];
            let route = match departure.packet.direction {
                Direction::Forward => &flow.forward,
                Direction::Backward => &flow.backward,
            };
            let last = departure.packet.hop + 1 == route.len();
            let at = departure.at + if last { flow.access } else { 0 };
            self.events.push(at, Event::Arrive(departure.packet));
        }
    }

    /// `packet` reached its end of the flow.
    fn deliver(&mut self, packet: Packet) {
        let now = self.now;
        let index = packet.flow;
        match packet.payload {
            Payload::Media { seq, kind, waited, sent, .. } => {
                self.record.on_media(now, index, kind, packet.size, packet.queued_for, waited);
                if let Some(Endpoints::Media(media)) = &mut self.flows[index].endpoints {
                    media.receiver.on_packet(now, seq, sent, packet.ecn);
                }
            }
            Payload::Feedback(report) => {
                if let Some(Endpoints::Media(media)) = &mut self.flows[index].endpoints {
                    media.sender.on_feedback(now, &report);
                    self.run_flow(index);
                }
            }
            Payload::TcpData { segment, transmission } => {
                let marked = packet.ecn == Ecn::Ce;
                let payload = Payload::TcpAck { segment, transmission, marked };
                self.forward(self::packet(index, Direction::Backward, ACK_BYTES, payload));
            }
            Payload::TcpAck { segment, transmission, marked } => {
                if let Some(Endpoints::Tcp(tcp)) = &mut self.flows[index].endpoints {
                    if tcp.on_ack(now, Transmission { segment, number: transmission }, marked) {
                        self.record.on_tcp(now, index, SEGMENT_BYTES);
                    }
                    self.run_flow(index);
                }
            }
            Payload::Cross | Payload::Datagram(_) => {}
        }
    }

    fn report(&mut self, index: usize) {
        let Some(Endpoints::Media(media)) = &mut self.flows[index].endpoints else { return };
        let reports = media.receiver.report(self.now);
        self.events.push(self.now + media.interval, Event::Report(index));
        for report in reports {
            let size = report.size();
            self.forward(packet(index, Direction::Backward, size, Payload::Feedback(Rc::new(report))));
        }
    }

    fn sample(&mut self) {
        let step = usize::try_from(self.now / STEP).unwrap_or(usize::MAX);
        for (n, link) in self.case.scored.iter().enumerate() {
            self.record.queues[n][step] = self.links[*link].queue_delay(self.now);
        }
        for (index, flow) in self.flows.iter_mut().enumerate() {
            let record = &mut self.record.flows[index];
            record.active[step] = self.case.flows[index].is_active(self.now);
            if let Some(Endpoints::Media(media)) = &mut flow.endpoints {
                record.target[step] = media.sender.target();
                if let Some((layer, rate)) = media.sender.layer() {
                    record.layer[step] = rate;
                    record.switches += u32::from(media.layer.is_some_and(|before| before != layer));
                    media.layer = Some(layer);
                }
            }
        }
        self.events.push(self.now + STEP, Event::Sample);
    }
}

/// When a cross flow sends next: at the rate of the moment, or when there is a rate again.
fn next_cross(rate: &Schedule, now: Micros) -> Micros {
    match rate.at(now) {
        0 => rate.steps().iter().map(|step| step.0).find(|at| *at > now).unwrap_or(Micros::MAX / 2),
        bps => now + (CROSS_BYTES * 8 * SECOND / bps).clamp(1, 100 * MILLI),
    }
}

fn packet(flow: usize, direction: Direction, size: u64, payload: Payload) -> Packet {
    Packet { flow, direction, hop: 0, size, ecn: Ecn::NotEct, queued_at: 0, queued_for: 0, payload }
}

fn media_packet(flow: usize, now: Micros, ecn: Ecn, out: Outgoing) -> Packet {
    let Outgoing { seq, size, kind, probe, waited } = out;
    debug_assert!(waited == 0 || kind != PacketKind::Padding, "padding never waits");
    let payload = Payload::Media { seq, kind, probe, waited, sent: now };
    Packet { ecn, ..packet(flow, Direction::Forward, size, payload) }
}
