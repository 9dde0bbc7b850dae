//! FQ-CoDel (RFC 8290): a queue per flow under deficit round robin, new flows first, CoDel in each.

use std::collections::{BTreeMap, VecDeque};

use super::super::event::Micros;
use super::super::packet::{Direction, Packet};
use super::codel::Codel;
use super::{Fifo, Room};

/// RFC 8290 §5.2.2: bytes per turn.
const QUANTUM: i64 = 1_514;

/// What RFC 8290 hashes the five-tuple for: here flows are known, so none collide.
type Key = (usize, bool);

#[derive(Debug, Default)]
struct Flow {
    fifo: Fifo,
    codel: Codel,
    credits: i64,
}

/// Queues by flow.
#[derive(Debug, Default)]
pub struct FqCodel {
    flows: BTreeMap<Key, Flow>,
    new: VecDeque<Key>,
    old: VecDeque<Key>,
    bytes: u64,
}

impl FqCodel {
    /// Offers a packet; gives one back if there is no room: the head of the longest queue (RFC 8290 §4.1).
    pub fn offer(&mut self, packet: Packet, room: Room) -> Option<Packet> {
        let key = (packet.flow, packet.direction == Direction::Backward);
        self.bytes += packet.size;
        self.flows.entry(key).or_default().fifo.push(packet);
        if !self.new.contains(&key) && !self.old.contains(&key) {
            self.new.push_back(key);
            self.flows.entry(key).or_default().credits = QUANTUM;
        }
        if self.bytes + room.in_service <= room.limit {
            return None;
        }
        let longest = self.flows.values_mut().max_by_key(|flow| flow.fifo.bytes())?;
        let dropped = longest.fifo.pop()?;
        self.bytes -= dropped.size;
        Some(dropped)
    }

    /// Takes the next packet.
    pub fn take(&mut self, now: Micros, dropped: &mut Vec<Packet>) -> Option<Packet> {
        loop {
            let from_new = !self.new.is_empty();
            let list = if from_new { &mut self.new } else { &mut self.old };
            let key = *list.front()?;
            let flow = self.flows.entry(key).or_default();
            if flow.credits <= 0 {
                flow.credits += QUANTUM;
                list.pop_front();
                self.old.push_back(key);
                continue;
            }
            let before = flow.fifo.bytes();
            let packet = flow.codel.take(&mut flow.fifo, now, dropped);
            self.bytes -= before - flow.fifo.bytes();
            match packet {
                Some(packet) => {
                    flow.credits -= i64::try_from(packet.size).unwrap_or(i64::MAX);
                    return Some(packet);
                }
                // RFC 8290 §4.2: an emptied new flow goes through the old list once, so that it cannot stay new.
                None if from_new && !self.old.is_empty() => {
                    self.new.pop_front();
                    self.old.push_back(key);
                }
                None => {
                    let list = if from_new { &mut self.new } else { &mut self.old };
                    list.pop_front();
                }
            }
        }
    }

    /// When the packet that has waited longest joined.
    pub fn oldest(&self) -> Option<Micros> {
        self.flows.values().filter_map(|flow| flow.fifo.front()).map(|packet| packet.queued_at).min()
    }
}
