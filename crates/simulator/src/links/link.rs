//! One virtual link: policer, queue, server, then what the path does behind it (loss, batching, delay, jitter,
//! reordering, duplication), in that order.
//!
//! Owns the journey of a packet over one hop. Where it goes next belongs to the world.

use super::capacity::{Capacity, OPPORTUNITY_BYTES, Schedule, Server};
use super::event::{Micros, SECOND};
use super::loss::{Loss, LossModel};
use super::packet::Packet;
use super::queue::{Queue, QueueKind, Room};
use super::rng::Rng;

/// How much may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// What the current rate serves in that time; on a trace, what its mean rate serves.
    Time(Micros),
    /// Bytes.
    Bytes(u64),
}

/// A token bucket that drops and never queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policer {
    /// Bits per second.
    pub rate: u64,
    /// Depth of the bucket in bytes.
    pub burst: u64,
}

/// What a link is like.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkSpec {
    /// How it serves.
    pub capacity: Capacity,
    /// How much may wait for it.
    pub limit: Limit,
    /// In which order, and what else is dropped.
    pub queue: QueueKind,
    /// In front of the queue, if there is one.
    pub policer: Option<Policer>,
    /// What is lost whatever the load.
    pub loss: LossModel,
    /// Departures are held to multiples of this (Wi-Fi aggregation); zero for none.
    pub batch: Micros,
    /// Propagation over time.
    pub delay: Schedule,
    /// Standard deviation of the jitter |N(0, d)|, which is cut at three deviations; never reorders.
    pub jitter: Micros,
    /// Share of the packets that are held for another 5 to 30 ms and so fall behind later ones.
    pub reorder: f64,
    /// Share of the packets that arrive twice.
    pub duplicate: f64,
}

impl LinkSpec {
    /// A drop-tail link without loss, jitter or delay.
    pub fn new(capacity: Capacity, limit: Limit) -> Self {
        Self {
            capacity,
            limit,
            queue: QueueKind::DropTail,
            policer: None,
            loss: LossModel::None,
            batch: 0,
            delay: Schedule::constant(0),
            jitter: 0,
            reorder: 0.0,
            duplicate: 0.0,
        }
    }
}

/// A packet that left a link, and when it reaches the other end.
#[derive(Debug)]
pub struct Departure {
    /// When it arrives.
    pub at: Micros,
    /// The packet.
    pub packet: Packet,
}

/// What happened on a link since it was asked last.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Packets on their way to the other end.
    pub departures: Vec<Departure>,
    /// Packets that are gone.
    pub dropped: Vec<Packet>,
}

/// A [`LinkSpec`] with its state.
#[derive(Debug)]
pub struct Link {
    spec: LinkSpec,
    queue: Queue,
    loss: Loss,
    rng: Rng,
    server: Server,
    /// The packet in transmission with the bytes of it that are left to send.
    in_service: Option<(Packet, u64)>,
    /// When to call [`Link::ready`].
    next: Option<Micros>,
    next_opportunity: u64,
    tokens: (Micros, u64),
    last_arrival: Micros,
}

impl Link {
    /// An idle link that draws from stream `stream` of `seed`.
    pub fn new(spec: LinkSpec, seed: u64, stream: u64) -> Self {
        Self {
            queue: Queue::new(spec.queue),
            loss: Loss::new(spec.loss.clone()),
            rng: Rng::new(seed, stream),
            server: Server::default(),
            in_service: None,
            next: None,
            next_opportunity: 0,
            tokens: (0, spec.policer.map_or(0, |p| p.burst * 8 * SECOND)),
            last_arrival: 0,
            spec,
        }
    }

    /// When the link wants [`Link::ready`] to be called.
    pub fn next_event(&self) -> Option<Micros> {
        self.next
    }

    /// How long the packet that has been here longest has waited: zero for an idle link.
    pub fn queue_delay(&self, now: Micros) -> Micros {
        let serving = self.in_service.as_ref().map(|(packet, _)| packet.queued_at);
        let oldest = [serving, self.queue.oldest()].into_iter().flatten().min();
        oldest.map_or(0, |at| now - at)
    }

    /// Loss put in on purpose at `now`, as a probability.
    pub fn expected_loss(&self, now: Micros) -> f64 {
        self.loss.expected(now)
    }

    /// A packet arrives at the near end.
    pub fn offer(&mut self, now: Micros, mut packet: Packet, outcome: &mut Outcome) {
        if !self.conforms(now, packet.size) {
            outcome.dropped.push(packet);
            return;
        }
        packet.queued_at = now;
        let room = Room {
            limit: self.limit_bytes(now),
            in_service: self.in_service.as_ref().map_or(0, |(packet, _)| packet.size),
        };
        if let Some(dropped) = self.queue.offer(now, packet, room, &mut self.rng) {
            outcome.dropped.push(dropped);
        }
        if self.next.is_none() {
            self.start(now, outcome);
        }
    }

    /// The instant that [`Link::next_event`] named has come.
    pub fn ready(&mut self, now: Micros, outcome: &mut Outcome) {
        self.next = None;
        match self.spec.capacity {
            Capacity::Rate(_) => {
                if let Some((packet, _)) = self.in_service.take() {
                    self.depart(now, packet, outcome);
                }
            }
            Capacity::Trace(_) => self.use_opportunity(now, outcome),
        }
        self.start(now, outcome);
    }

    /// Whether the policer lets `size` bytes through at `now`.
    fn conforms(&mut self, now: Micros, size: u64) -> bool {
        let Some(policer) = self.spec.policer else { return true };
        // Tokens in units of rate x time, so that refilling is exact.
        let (at, tokens) = self.tokens;
        let tokens = (tokens + policer.rate * (now - at)).min(policer.burst * 8 * SECOND);
        let cost = size * 8 * SECOND;
        let conforms = cost <= tokens;
        self.tokens = (now, if conforms { tokens - cost } else { tokens });
        conforms
    }

    fn limit_bytes(&self, now: Micros) -> u64 {
        match (self.spec.limit, &self.spec.capacity) {
            (Limit::Bytes(bytes), _) => bytes,
            // One packet always has a place: a link that is down still holds what it was about to send.
            (Limit::Time(time), Capacity::Rate(rate)) => {
                (rate.at(now) * time / (8 * SECOND)).max(OPPORTUNITY_BYTES)
            }
            (Limit::Time(time), Capacity::Trace(trace)) => trace.mean_bps() * time / (8 * SECOND),
        }
    }

    /// Begins to serve if there is something to serve and nothing is under way.
    fn start(&mut self, now: Micros, outcome: &mut Outcome) {
        match &self.spec.capacity {
            Capacity::Rate(rate) => {
                if self.in_service.is_some() {
                    return;
                }
                let Some(packet) = self.queue.take(now, &mut self.rng, &mut outcome.dropped) else { return };
                self.next = self.server.serve(rate, now, packet.size);
                self.in_service = Some((packet, 0));
            }
            Capacity::Trace(trace) => {
                if self.in_service.is_none() && self.queue.is_empty() {
                    return;
                }
                // What passed unused while nothing waited is gone.
                self.next_opportunity = self.next_opportunity.max(trace.first_from(now));
                self.next = Some(trace.at(self.next_opportunity));
            }
        }
    }

    /// One chance of [`OPPORTUNITY_BYTES`]: serves what fits, the rest of a packet waits for the next chance.
    fn use_opportunity(&mut self, now: Micros, outcome: &mut Outcome) {
        self.next_opportunity += 1;
        let mut budget = OPPORTUNITY_BYTES;
        while budget > 0 {
            let current = self.in_service.take().or_else(|| {
                let packet = self.queue.take(now, &mut self.rng, &mut outcome.dropped)?;
                let size = packet.size;
                Some((packet, size))
            });
            let Some((packet, left)) = current else { return };
            if left > budget {
                self.in_service = Some((packet, left - budget));
                return;
            }
            budget -= left;
            self.depart(now, packet, outcome);
        }
    }

    /// The last bit of `packet` has left the queue: what the path behind does to it.
    fn depart(&mut self, now: Micros, mut packet: Packet, outcome: &mut Outcome) {
        packet.queued_for += now - packet.queued_at;
        if self.loss.loses(now, &mut self.rng) {
            outcome.dropped.push(packet);
            return;
        }
        let mut at = if self.spec.batch > 0 { now.next_multiple_of(self.spec.batch) } else { now };
        at += self.spec.delay.at(now);
        if self.spec.jitter > 0 {
            let draw = self.rng.normal(self.spec.jitter as f64).abs();
            at += (draw.round() as Micros).min(3 * self.spec.jitter);
        }
        if self.rng.chance(self.spec.reorder) {
            // Held aside: later packets pass, and it does not hold them up.
            at += self.rng.between(5_000.0, 30_000.0) as Micros;
        } else {
            at = at.max(self.last_arrival);
            self.last_arrival = at;
        }
        if self.rng.chance(self.spec.duplicate) {
            outcome.departures.push(Departure { at: at + 1_000, packet: packet.clone() });
        }
        outcome.departures.push(Departure { at, packet });
    }
}
