//! Virtual time: a queue of events in whole microseconds that hands them out in order of time, and among equals in
//! the order in which they were put in. That second rule is what makes two runs identical.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// An instant or a span of virtual time, in microseconds since the run began.
pub type Micros = u64;

/// One millisecond.
pub const MILLI: Micros = 1_000;
/// One second.
pub const SECOND: Micros = 1_000_000;

#[derive(Debug)]
struct Entry<E> {
    at: Micros,
    order: u64,
    event: E,
}

impl<E> PartialEq for Entry<E> {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.order) == (other.at, other.order)
    }
}

impl<E> Eq for Entry<E> {}

impl<E> PartialOrd for Entry<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> Ord for Entry<E> {
    fn cmp(&self, other: &Self) -> Ordering {
        // Reversed: the standard heap gives the greatest first, time wants the least.
        (other.at, other.order).cmp(&(self.at, self.order))
    }
}

/// Events yet to happen.
#[derive(Debug)]
pub struct EventQueue<E> {
    heap: BinaryHeap<Entry<E>>,
    order: u64,
}

impl<E> Default for EventQueue<E> {
    fn default() -> Self {
        Self { heap: BinaryHeap::new(), order: 0 }
    }
}

impl<E> EventQueue<E> {
    /// Puts `event` in at `at`.
    pub fn push(&mut self, at: Micros, event: E) {
        self.order += 1;
        self.heap.push(Entry { at, order: self.order, event });
    }

    /// Takes the next event that happens before `end`.
    pub fn pop_before(&mut self, end: Micros) -> Option<(Micros, E)> {
        if self.heap.peek()?.at >= end {
            return None;
        }
        self.heap.pop().map(|entry| (entry.at, entry.event))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_first_then_order_of_arrival() {
        let mut queue = EventQueue::default();
        for (at, name) in [(5, 'a'), (3, 'b'), (5, 'c'), (3, 'd'), (9, 'e')] {
            queue.push(at, name);
        }
        let taken: String = std::iter::from_fn(|| queue.pop_before(9)).map(|(_, name)| name).collect();
        assert_eq!(taken, "bdac", "and nothing at or after the end");
    }
}
