//! The way between one participant and the node: a link up, a link down, and the weather on them.
//!
//! Owns what happens to a datagram on its way. The links are those on which estimators are judged; weather is
//! what scenarios switch on and off on top: loss, reordering, duplication, corruption, silence.

use std::net::SocketAddr;

use bytes::{Bytes, BytesMut};
use estimator::Ecn;

use crate::links::event::{MILLI, Micros};
use crate::links::link::{Link, LinkSpec, Outcome};
use crate::links::packet::{Direction, Packet, Payload};
use crate::links::rng::Rng;

/// Bytes of IPv4 and UDP.
const IP_UDP: u64 = 28;
/// Bytes that AES-GCM adds; in virtual time media travels in the clear, and its weight must not.
const TAG: u64 = 16;

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// To the node.
    Up,
    /// To the participant.
    Down,
}

/// What goes wrong beside what the link itself does. Shares of all packets.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Weather {
    /// Never arrive.
    pub loss: f64,
    /// Arrive 5 to 60 ms late, behind others.
    pub reorder: f64,
    /// Arrive twice.
    pub duplicate: f64,
    /// Arrive with wrong bits. Only upwards: it stands for a participant whose software is broken, since what
    /// is broken on the way does not get past SRTP. Downwards it is loss.
    pub corrupt: f64,
    /// Nothing arrives.
    pub silent: bool,
}

/// A datagram that will arrive.
#[derive(Debug)]
pub struct Arrival {
    /// When.
    pub at: Micros,
    /// The participant's socket that it left or is sent to: it may have taken another one meanwhile.
    pub port: u16,
    /// What.
    pub datagram: Bytes,
}

#[derive(Debug)]
struct Lane {
    link: Link,
    weather: Weather,
    /// Bytes offered and bytes dropped by a full queue, since the start.
    offered: u64,
    dropped: u64,
}

/// See the module's documentation.
#[derive(Debug)]
pub struct Path {
    /// The participant's address at present.
    pub address: SocketAddr,
    /// Counts moves, so that events of links that are gone can be told.
    pub generation: u32,
    up: Lane,
    down: Lane,
    rng: Rng,
    outcome: Outcome,
    arrivals: Vec<Arrival>,
}

impl Path {
    /// A path with those links.
    pub fn new(address: SocketAddr, up: LinkSpec, down: LinkSpec, seed: u64, stream: u64) -> Self {
        let lane = |spec, stream| Lane {
            link: Link::new(spec, seed, stream),
            weather: Weather::default(),
            offered: 0,
            dropped: 0,
        };
        Self {
            address,
            generation: 0,
            up: lane(up, stream * 4),
            down: lane(down, stream * 4 + 1),
            rng: Rng::new(seed, stream * 4 + 2),
            outcome: Outcome::default(),
            arrivals: Vec::new(),
        }
    }

    /// The participant has other links. What is in a queue is gone.
    pub fn moved(&mut self, up: LinkSpec, down: LinkSpec, seed: u64, stream: u64) {
        let (offered, dropped) = (self.down.offered, self.down.dropped);
        let (generation, weather) = (self.generation + 1, (self.up.weather, self.down.weather));
        // A stream that no other path uses.
        let unused = stream + 1_000 * u64::from(generation);
        *self = Self { generation, ..Self::new(self.address, up, down, seed, unused) };
        (self.up.weather, self.down.weather) = weather;
        (self.down.offered, self.down.dropped) = (offered, dropped);
    }

    /// What goes wrong from now on.
    pub fn weather(&mut self, way: Way) -> &mut Weather {
        &mut self.lane(way).weather
    }

    /// Whether nothing gets through.
    pub fn is_silent(&self, way: Way) -> bool {
        match way {
            Way::Up => self.up.weather.silent,
            Way::Down => self.down.weather.silent,
        }
    }

    /// Bytes offered to the link down so far, and bytes of it that a full queue dropped.
    pub fn downloaded(&self) -> (u64, u64) {
        (self.down.offered, self.down.dropped)
    }

    /// How long what is sent now waits in the queue of the link.
    pub fn queue_delay(&self, now: Micros, way: Way) -> Micros {
        match way {
            Way::Up => self.up.link.queue_delay(now),
            Way::Down => self.down.link.queue_delay(now),
        }
    }

    fn lane(&mut self, way: Way) -> &mut Lane {
        match way {
            Way::Up => &mut self.up,
            Way::Down => &mut self.down,
        }
    }

    /// A datagram is sent. Arrivals are appended to `arrivals`.
    pub fn send(&mut self, now: Micros, way: Way, datagram: Bytes, arrivals: &mut Vec<Arrival>) {
        // RFC 7983: 128 to 191 is media and its feedback.
        let is_media = datagram.first().is_some_and(|byte| (128..192).contains(byte));
        let size = datagram.len() as u64 + IP_UDP + if is_media { TAG } else { 0 };
        let packet = Packet {
            flow: usize::from(self.address.port()),
            direction: Direction::Forward,
            hop: 0,
            size,
            ecn: Ecn::NotEct,
            queued_at: now,
            queued_for: 0,
            payload: Payload::Datagram(datagram),
        };
        let mut outcome = std::mem::take(&mut self.outcome);
        let lane = self.lane(way);
        lane.offered += size;
        lane.link.offer(now, packet, &mut outcome);
        self.settle(way, &mut outcome, arrivals);
        self.outcome = outcome;
    }

    /// When [`Path::ready`] is to be called.
    pub fn next_event(&self, way: Way) -> Option<Micros> {
        match way {
            Way::Up => self.up.link.next_event(),
            Way::Down => self.down.link.next_event(),
        }
    }

    /// That instant has come.
    pub fn ready(&mut self, now: Micros, way: Way, arrivals: &mut Vec<Arrival>) {
        let mut outcome = std::mem::take(&mut self.outcome);
        self.lane(way).link.ready(now, &mut outcome);
        self.settle(way, &mut outcome, arrivals);
        self.outcome = outcome;
    }

    fn settle(&mut self, way: Way, outcome: &mut Outcome, arrivals: &mut Vec<Arrival>) {
        self.lane(way).dropped += outcome.dropped.drain(..).map(|packet| packet.size).sum::<u64>();
        for departure in outcome.departures.drain(..) {
            let Payload::Datagram(datagram) = departure.packet.payload else { continue };
            // As it was put in.
            let port = departure.packet.flow as u16;
            self.expose(way, Arrival { at: departure.at, port, datagram });
        }
        arrivals.append(&mut self.arrivals);
    }

    /// What the weather does to one datagram.
    fn expose(&mut self, way: Way, mut arrival: Arrival) {
        let weather = match way {
            Way::Up => self.up.weather,
            Way::Down => self.down.weather,
        };
        let rng = &mut self.rng;
        if weather.silent || rng.chance(weather.loss) {
            return;
        }
        if rng.chance(weather.corrupt) {
            if way == Way::Down {
                return;
            }
            arrival.datagram = corrupted(&arrival.datagram, rng);
        }
        if rng.chance(weather.reorder) {
            arrival.at += 5 * MILLI + rng.below(55) as Micros * MILLI;
        }
        if rng.chance(weather.duplicate) {
            let at = arrival.at + rng.below(20) as Micros * MILLI;
            self.arrivals.push(Arrival { at, datagram: arrival.datagram.clone(), ..arrival });
        }
        self.arrivals.push(arrival);
    }
}

/// One to eight wrong bits, or an end that comes too early.
fn corrupted(datagram: &[u8], rng: &mut Rng) -> Bytes {
    let mut bytes = BytesMut::from(datagram);
    if rng.chance(0.2) {
        bytes.truncate(rng.below(bytes.len().max(1)));
    } else {
        for _ in 0..=rng.below(8) {
            let at = rng.below(bytes.len().max(1));
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << rng.below(8);
            }
        }
    }
    bytes.freeze()
}
