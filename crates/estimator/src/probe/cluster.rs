//! Clusters under way: what was asked, what was sent of it, what arrived, and what that says.
//!
//! Owns the verdict on one cluster. Leaves it to the prober of the mode which questions to ask and what to do with the
//! answer.

use std::time::Duration;

use units::{Bitrate, DataSize, Timestamp};

use crate::feedback::history::{Acked, probe_tag};
use crate::{ClusterId, Probe, SentPacket};

/// Least size of a cluster: what it takes to have a rate.
const MIN_PACKETS: u32 = 6;
const MIN_SIZE: DataSize = DataSize::from_bytes(2_400);
/// An answer that has not come by now will not, after the last packet.
const TIMEOUT: Duration = Duration::from_secs(1);
/// A verdict needs this part of the packets, and so many.
const ARRIVED: f64 = 0.7;
const ARRIVED_LEAST: u32 = 4;
/// Arrivals so much faster than departures are a burst of the path, not a rate.
const COMPRESSED: f64 = 2.0;
/// Arrived as sent, if at this part of the rate, and with a queue under this, ms.
const AS_SENT: f64 = 0.9;
const QUEUE_OK: f64 = 40.0;
/// What is believed of a rate: that arrived as sent, and that did not.
const BELIEVED: f64 = 0.97;
const BELIEVED_LIMITED: f64 = 0.94;

/// The answer of the path.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Answer {
    /// What it says the path carries, bit/s.
    pub(crate) rate: f64,
    /// It arrived slower than it was sent: `rate` is the capacity, not a lower bound.
    pub(crate) limited: bool,
    /// How fast it was sent, bit/s.
    pub(crate) sent_rate: f64,
}

impl Answer {
    /// The capacity that a limited answer measured, bit/s: its rate before the margin.
    pub(crate) fn capacity(&self) -> f64 {
        self.rate / BELIEVED_LIMITED
    }
}

/// The first or the last packet of a cluster that arrived.
#[derive(Clone, Copy, Debug)]
struct Edge {
    arrival: i64,
    sent: Timestamp,
    size: u32,
}

#[derive(Clone, Copy, Debug)]
struct Cluster {
    probe: Probe,
    asked: Timestamp,
    sent_packets: u32,
    sent_bytes: u64,
    last_sent: Timestamp,
    received: u32,
    bytes: u64,
    edges: Option<(Edge, Edge)>,
    lost: u32,
}

/// The clusters of one transport, at most two at a time: the pair at the start.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clusters {
    next_id: u32,
    slots: [Option<Cluster>; Self::MOST],
}

impl Clusters {
    /// So many may be under way.
    pub(crate) const MOST: usize = 2;

    /// Asks at `rate` bit/s; `None` when all slots are taken.
    pub(crate) fn begin(&mut self, now: Timestamp, rate: f64, duration: Duration) -> Option<Probe> {
        let slot = self.slots.iter_mut().find(|cluster| cluster.is_none())?;
        let probe = Probe {
            id: ClusterId(self.next_id),
            rate: Bitrate::from_f64(rate),
            min_size: MIN_SIZE,
            min_packets: MIN_PACKETS,
            duration,
        };
        self.next_id = self.next_id.wrapping_add(1);
        *slot = Some(Cluster {
            probe,
            asked: now,
            sent_packets: 0,
            sent_bytes: 0,
            last_sent: now,
            received: 0,
            bytes: 0,
            edges: None,
            lost: 0,
        });
        Some(probe)
    }

    /// Whether the packet belongs to a cluster.
    pub(crate) fn on_sent(&mut self, now: Timestamp, packet: &SentPacket) -> bool {
        let mine = |cluster: &&mut Cluster| packet.probe == Some(cluster.probe.id);
        let Some(cluster) = self.slots.iter_mut().flatten().find(mine) else { return false };
        cluster.sent_packets += 1;
        cluster.sent_bytes += packet.size.as_bytes();
        cluster.last_sent = now;
        true
    }

    /// A packet arrived.
    pub(crate) fn on_acked(&mut self, acked: &Acked) {
        let Some(cluster) = self.tagged(acked.probe) else { return };
        cluster.received += 1;
        cluster.bytes += u64::from(acked.size);
        let edge = Edge { arrival: acked.arrival, sent: acked.sent, size: acked.size };
        let (first, last) = cluster.edges.get_or_insert((edge, edge));
        if edge.arrival < first.arrival {
            *first = edge;
        }
        if edge.arrival >= last.arrival {
            *last = edge;
        }
    }

    /// A packet with this tag was lost.
    pub(crate) fn on_lost(&mut self, tag: u8) {
        if let Some(cluster) = self.tagged(tag) {
            cluster.lost += 1;
        }
    }

    /// How many are under way.
    pub(crate) fn count(&self) -> usize {
        self.slots.iter().flatten().count()
    }

    /// Forgets those under way; their numbers are not used again soon.
    pub(crate) fn abandon(&mut self) {
        self.slots = [None; Self::MOST];
    }

    /// Until when the newest is being sent.
    pub(crate) fn sending_until(&self) -> Option<Timestamp> {
        self.slots.iter().flatten().map(|cluster| cluster.asked + cluster.probe.duration).max()
    }

    /// When the first of them is to be given up.
    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        self.slots.iter().flatten().map(Cluster::gives_up).min()
    }

    /// Takes a cluster that is complete or past its time, with its verdict if there is one. `queue` in ms.
    pub(crate) fn complete(&mut self, now: Timestamp, queue: Option<f64>) -> Option<(Probe, Option<Answer>)> {
        let slot = self.slots.iter_mut().find(|slot| slot.as_ref().is_some_and(|c| c.is_complete(now)))?;
        let cluster = slot.take()?;
        Some((cluster.probe, cluster.answer(queue)))
    }

    fn tagged(&mut self, tag: u8) -> Option<&mut Cluster> {
        self.slots.iter_mut().flatten().find(|cluster| probe_tag(cluster.probe.id.0) == tag)
    }
}

impl Cluster {
    fn gives_up(&self) -> Timestamp {
        self.last_sent.max(self.asked) + TIMEOUT
    }

    fn is_complete(&self, now: Timestamp) -> bool {
        let sent_all = self.sent_packets >= self.probe.min_packets
            && self.sent_bytes >= self.probe.min_size.as_bytes()
            && now >= self.asked + self.probe.duration;
        (sent_all && self.received + self.lost >= self.sent_packets) || now > self.gives_up()
    }

    /// What the arrivals say; nothing when too little arrived, or all at once.
    fn answer(&self, queue: Option<f64>) -> Option<Answer> {
        let (first, last) = self.edges?;
        let enough = f64::from(self.received) >= ARRIVED * f64::from(self.sent_packets);
        if self.received < ARRIVED_LEAST || !enough {
            return None;
        }
        let arrival_span = (last.arrival - first.arrival) as f64 / 1e6;
        let send_span = (last.sent - first.sent).as_secs_f64();
        if arrival_span <= 0.0 || send_span <= 0.0 {
            return None;
        }
        // Sent: from the first packet's start to the last one's. Received: from end to end.
        let sent_rate = (self.bytes - u64::from(last.size)) as f64 * 8.0 / send_span;
        let rate = (self.bytes - u64::from(first.size)) as f64 * 8.0 / arrival_span;
        if rate > COMPRESSED * sent_rate {
            return None;
        }
        let limited = rate <= AS_SENT * sent_rate || queue.is_some_and(|queue| queue >= QUEUE_OK);
        let believed = if limited { BELIEVED_LIMITED } else { BELIEVED };
        Some(Answer { rate: believed * rate.min(sent_rate), limited, sent_rate })
    }
}
