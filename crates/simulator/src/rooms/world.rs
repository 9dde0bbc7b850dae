//! The world of one run: one node, everybody in it, their paths, and virtual time.
//!
//! Owns the order of events and the record of what happened. The node is the value that the server drives,
//! told what the server would tell it; protection is off, since a handshake draws on real randomness and the
//! cipher on real time.

mod steps;
mod watch;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use sfu::{Input, LoggedDecision, Output, SessionId, Sfu};
use signalling::{ClientMessage, ServerMessage};
use units::Timestamp;

use super::client::{Client, Effect};
use super::digest::Digest;
use super::oracle::Oracle;
use super::path::{Arrival, Path, Way};
use super::policy::Policy;
use super::record::{Course, Person, Record, STARVED, STEP, Stay};
use super::scenario::{Scenario, seconds};
use crate::links::capacity::Schedule;
use crate::links::event::{EventQueue, MILLI, Micros};
use crate::links::rng::Rng;

/// Where the node is.
const NODE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)), 3_478);
const ROOM: &str = "room";
/// A socket that broke is noticed after this.
const NOTICED: Micros = 500 * MILLI;
/// The share of an uplink that a browser finds.
const UPLINK_USED: f64 = 0.85;
/// Whose stream of chance is whose: participants have those above.
const CHANCE: u64 = 1;

#[derive(Debug)]
enum Event {
    /// A participant has something to do.
    Client(usize),
    /// A link has served a packet.
    Link { who: usize, way: Way, generation: u32 },
    /// A datagram reaches the node.
    ToNode { source: SocketAddr, datagram: Bytes },
    /// A datagram reaches an address.
    ToClient { who: usize, address: SocketAddr, datagram: Bytes },
    /// A message reaches the node.
    Say { session: u64, message: Box<ClientMessage> },
    /// A message reaches a participant.
    Hear { who: usize, session: u64, message: Box<ServerMessage> },
    /// The node notices that a socket broke.
    Lost { session: u64 },
    /// The node asked to be called.
    Node,
    /// Somebody comes.
    Join { who: usize, resume: bool },
    /// A step of the scenario.
    Step(usize),
    /// A participant is in its new network.
    Arrived { who: usize, step: usize },
    /// Somebody else takes the floor.
    Turn,
    /// Time to look at everybody.
    Sample,
}

struct Seat {
    client: Client,
    path: Path,
    rates: [Schedule; 2],
    one_way: Micros,
    session: Option<u64>,
    /// Sockets it has had.
    sockets: u16,
    /// Messages keep their order.
    last_heard: Micros,
    last_said: Micros,
    hearing_delay: Micros,
    wake: Option<Micros>,
    person: Person,
    stay: Option<Stay>,
    /// How long each slot has been dark that need not be.
    dark: Vec<Micros>,
    downloaded: u64,
}

/// See the module's documentation.
pub struct World<'a> {
    scenario: &'a Scenario,
    seed: u64,
    now: Micros,
    node: Sfu,
    /// How far the node's clock is ahead.
    ahead: Micros,
    node_wake: Option<Micros>,
    events: EventQueue<Event>,
    seats: Vec<Seat>,
    addresses: BTreeMap<SocketAddr, usize>,
    sessions: BTreeMap<u64, usize>,
    next_session: u64,
    digest: Digest,
    oracle: Oracle,
    rng: Rng,
    arrivals: Vec<Arrival>,
    effects: Vec<Effect>,
}

/// Runs a scenario.
pub fn simulate(scenario: &Scenario, policy: Policy, seed: u64) -> Record {
    let mut world = World::new(scenario, policy, seed, false);
    world.run();
    world.finish(policy)
}

/// Runs a scenario and keeps everybody's [`Course`]. What happens in it is the same.
pub fn simulate_closely(scenario: &Scenario, policy: Policy, seed: u64) -> Record {
    let mut world = World::new(scenario, policy, seed, true);
    world.run();
    world.finish(policy)
}

impl<'a> World<'a> {
    fn new(scenario: &'a Scenario, policy: Policy, seed: u64, closely: bool) -> Self {
        let mut rng = Rng::new(seed, CHANCE);
        let mut secret = [0; 32];
        for chunk in secret.chunks_mut(8) {
            chunk.copy_from_slice(&rng.next_u64().to_le_bytes());
        }
        let transport = transport::Config {
            candidates: vec![NODE],
            ..transport::Config::new(transport::Security::Plaintext)
        };
        let mut config = sfu::Config::new(transport);
        policy.configure(&mut config);
        config.router.record_decisions = closely;
        let mut world = Self {
            scenario,
            seed,
            now: 0,
            node: Sfu::new(config, secret),
            ahead: 0,
            node_wake: None,
            events: EventQueue::default(),
            seats: Vec::new(),
            addresses: BTreeMap::new(),
            sessions: BTreeMap::new(),
            next_session: 1,
            digest: Digest::default(),
            oracle: Oracle::default(),
            rng,
            arrivals: Vec::new(),
            effects: Vec::new(),
        };
        world.seat_everybody();
        if closely {
            for seat in &mut world.seats {
                let lanes = vec![Vec::new(); seat.dark.len()];
                seat.person.course = Some(Course { lanes, ..Course::default() });
            }
        }
        for (at, step) in scenario.step.iter().enumerate() {
            world.events.push(seconds(step.at), Event::Step(at));
        }
        if scenario.turn_seconds.is_some() {
            world.events.push(0, Event::Turn);
        }
        world.events.push(STEP, Event::Sample);
        world
    }

    fn seat_everybody(&mut self) {
        for (spec, link, joins) in self.scenario.cast() {
            let who = self.seats.len();
            let stream = 16 + who as u64;
            let links = link.links(0, self.scenario.duration(), &mut Rng::new(self.seed, stream * 8 + 5));
            let address = address(who, 0);
            self.addresses.insert(address, who);
            let path = Path::new(address, links.up, links.down, self.seed, stream * 2);
            let dark = vec![0; spec.slots.len()];
            let person = Person::new(&spec);
            self.seats.push(Seat {
                client: Client::new(spec, Rng::new(self.seed, stream * 8 + 6)),
                path,
                rates: links.rates,
                one_way: links.one_way,
                session: None,
                sockets: 0,
                last_heard: 0,
                last_said: 0,
                hearing_delay: 0,
                wake: None,
                person,
                stay: None,
                dark,
                downloaded: 0,
            });
            if let Some(at) = joins {
                self.events.push(at, Event::Join { who, resume: false });
            }
        }
    }

    fn run(&mut self) {
        while let Some((at, event)) = self.events.pop_before(self.scenario.duration()) {
            self.now = at;
            match event {
                Event::Client(who) => {
                    if self.seats[who].wake == Some(at) {
                        self.seats[who].wake = None;
                        self.seats[who].client.handle_timeout(at);
                        self.carry_out(who);
                    }
                }
                Event::Link { who, way, generation } => self.link_ready(who, way, generation),
                Event::ToNode { source, datagram } => {
                    // A copy: the node decrypts in place, and a duplicate may be under way.
                    let data = BytesMut::from(&datagram[..]);
                    self.feed(Input::Datagram { local: NODE, source, data });
                }
                Event::ToClient { who, address, datagram } => {
                    if self.seats[who].path.address == address {
                        self.seats[who].client.handle_datagram(at, datagram);
                        self.carry_out(who);
                    }
                }
                Event::Say { session, message } => {
                    if self.sessions.contains_key(&session) {
                        self.feed(Input::Message { session: SessionId(session), message: *message });
                    }
                }
                Event::Hear { who, session, message } => {
                    if self.seats[who].session == Some(session) {
                        self.seats[who].client.handle_message(at, &message);
                        self.seats[who].note_number();
                        self.carry_out(who);
                    }
                }
                Event::Lost { session } => {
                    if self.sessions.remove(&session).is_some() {
                        self.feed(Input::SessionLost { session: SessionId(session) });
                    }
                }
                Event::Node => {
                    if self.node_wake == Some(at) {
                        self.node_wake = None;
                        self.feed(Input::Timeout);
                    }
                }
                Event::Join { who, resume } => self.join(who, resume),
                Event::Step(step) => self.step(step),
                Event::Arrived { who, step } => self.arrived(who, step),
                Event::Turn => self.turn(),
                Event::Sample => self.sample(),
            }
        }
        self.now = self.scenario.duration();
    }

    /// Tells the node something and does what it says.
    fn feed(&mut self, input: Input) {
        self.node.handle_input(Timestamp::from_micros(self.now + self.ahead), input);
        loop {
            match self.node.poll_output() {
                Output::Datagram(transmit) => {
                    for datagram in transmit.iter() {
                        self.digest.add_word(self.now);
                        self.digest.add(&datagram);
                        let Some(who) = self.addresses.get(&transmit.destination).copied() else { continue };
                        let seat = &mut self.seats[who];
                        if seat.path.address == transmit.destination {
                            seat.person.count(&datagram);
                            self.send(who, Way::Down, datagram);
                        }
                    }
                }
                Output::Message { session, message } => {
                    let text = serde_json::to_string(&message).expect("messages are plain data");
                    self.digest.add(text.as_bytes());
                    if let Some(who) = self.sessions.get(&session.0).copied() {
                        let seat = &mut self.seats[who];
                        let at = (self.now + seat.one_way + seat.hearing_delay).max(seat.last_heard);
                        seat.last_heard = at;
                        let message = Box::new(message);
                        self.events.push(at, Event::Hear { who, session: session.0, message });
                    }
                }
                Output::CloseSession { session } => {
                    self.digest.add_word(session.0);
                    self.sessions.remove(&session.0);
                }
                // One node has all there is.
                Output::Relay { .. } | Output::RoomHeld { .. } => {}
                Output::Decision(decision) => self.note_decision(*decision),
                Output::Wait(deadline) => {
                    let at = deadline.map(|at| at.as_micros().saturating_sub(self.ahead).max(self.now));
                    if let Some(at) = at.filter(|at| self.node_wake.is_none_or(|wake| *at < wake)) {
                        self.node_wake = Some(at);
                        self.events.push(at, Event::Node);
                    }
                    return;
                }
            }
        }
    }

    fn note_decision(&mut self, decision: LoggedDecision) {
        let number = decision.participant.strip_prefix('p').and_then(|number| number.parse().ok());
        let own = |seat: &&mut Seat| number.is_some() && seat.client.number == number;
        if let Some(course) = self.seats.iter_mut().find(own).and_then(|seat| seat.person.course.as_mut()) {
            course.decisions.push((self.now, decision));
        }
    }

    /// Does what a participant wants done.
    fn carry_out(&mut self, who: usize) {
        let mut effects = std::mem::take(&mut self.effects);
        self.seats[who].client.take_effects(&mut effects);
        for effect in effects.drain(..) {
            match effect {
                Effect::Datagram(datagram) => self.send(who, Way::Up, datagram.freeze()),
                Effect::NewSocket => self.give_address(who),
                Effect::Message(message) => {
                    let seat = &mut self.seats[who];
                    let Some(session) = seat.session else { continue };
                    let at = (self.now + seat.one_way).max(seat.last_said);
                    seat.last_said = at;
                    self.events.push(at, Event::Say { session, message });
                }
            }
        }
        self.effects = effects;
        let seat = &mut self.seats[who];
        let due = seat.client.poll_timeout().map(|at| at.max(self.now));
        if let Some(at) = due.filter(|at| seat.wake.is_none_or(|wake| *at < wake)) {
            seat.wake = Some(at);
            self.events.push(at, Event::Client(who));
        }
    }

    fn send(&mut self, who: usize, way: Way, datagram: Bytes) {
        let mut arrivals = std::mem::take(&mut self.arrivals);
        let path = &mut self.seats[who].path;
        let pending = path.next_event(way).is_some();
        path.send(self.now, way, datagram, &mut arrivals);
        self.settle(who, way, pending, &mut arrivals);
        self.arrivals = arrivals;
    }

    fn link_ready(&mut self, who: usize, way: Way, generation: u32) {
        if self.seats[who].path.generation != generation {
            return;
        }
        let mut arrivals = std::mem::take(&mut self.arrivals);
        self.seats[who].path.ready(self.now, way, &mut arrivals);
        self.settle(who, way, false, &mut arrivals);
        self.arrivals = arrivals;
    }

    fn settle(&mut self, who: usize, way: Way, pending: bool, arrivals: &mut Vec<Arrival>) {
        let path = &self.seats[who].path;
        let (address, generation) = (path.address, path.generation);
        if !pending && let Some(at) = path.next_event(way) {
            self.events.push(at, Event::Link { who, way, generation });
        }
        for Arrival { at, port, datagram } in arrivals.drain(..) {
            let address = SocketAddr::new(address.ip(), port);
            let event = match way {
                Way::Up => Event::ToNode { source: address, datagram },
                Way::Down => Event::ToClient { who, address, datagram },
            };
            self.events.push(at, event);
        }
    }

    /// A socket that nobody had before; what is sent to the former one is lost.
    fn give_address(&mut self, who: usize) {
        let seat = &mut self.seats[who];
        seat.sockets += 1;
        let address = address(who, seat.sockets);
        seat.path.address = address;
        self.addresses.insert(address, who);
    }

    fn finish(mut self, policy: Policy) -> Record {
        let mut people = Vec::new();
        for seat in &mut self.seats {
            seat.end_stay();
            for slot in seat.client.slots().iter() {
                seat.person.add(slot.receiver().counts());
            }
        }
        for mut seat in self.seats {
            seat.person.finish(seat.client.traffic(), seat.path.downloaded());
            people.push(seat.person);
        }
        Record {
            scenario: self.scenario.name.clone(),
            policy,
            seed: self.seed,
            duration: Duration::from_micros(self.scenario.duration()),
            people,
            node: *self.node.stats(),
            hash: self.digest.hex(),
        }
    }
}

impl Seat {
    fn end_stay(&mut self) {
        self.person.stays.extend(self.stay.take());
    }

    fn note_number(&mut self) {
        let number = self.client.number.filter(|number| !self.person.numbers.contains(number));
        self.person.numbers.extend(number);
    }

    /// Counts slots that have been dark for long although there is something to show and room for it.
    fn note_dark(&mut self, lit: &[bool], could_be: usize) {
        let mut missing = could_be.saturating_sub(lit.iter().filter(|lit| **lit).count());
        for (dark, lit) in self.dark.iter_mut().zip(lit) {
            if *lit || missing == 0 {
                *dark = 0;
                continue;
            }
            missing -= 1;
            *dark += STEP;
            self.person.starved += u64::from(*dark == STARVED);
        }
    }
}

/// The address of socket number `socket` of participant `who`.
fn address(who: usize, socket: u16) -> SocketAddr {
    // 250 by 250 participants would fit, and some 25,000 sockets of each.
    let host = std::net::Ipv4Addr::new(10, 0, (who / 250) as u8, (who % 250 + 1) as u8);
    SocketAddr::from((host, 40_000 + socket))
}
