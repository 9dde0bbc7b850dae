//! The deadlines of everything inside the node, one per owner, in one ordered set.
//!
//! Owns "who asked to be called when". An owner that is idle costs nothing here: the node looks only at the earliest
//! deadline, never at everybody. Leaves what happens at a deadline to the owner.

use std::collections::{BTreeMap, BTreeSet};

use units::Timestamp;

/// At most one deadline per key, and the earliest of them at hand.
#[derive(Debug)]
pub(crate) struct Timers<K> {
    by_time: BTreeSet<(Timestamp, K)>,
    by_key: BTreeMap<K, Timestamp>,
}

impl<K> Default for Timers<K> {
    fn default() -> Self {
        Self { by_time: BTreeSet::new(), by_key: BTreeMap::new() }
    }
}

impl<K: Copy + Ord> Timers<K> {
    /// Replaces the deadline of `key`; `None` removes it.
    pub(crate) fn set(&mut self, key: K, deadline: Option<Timestamp>) {
        if self.by_key.get(&key).copied() == deadline {
            return;
        }
        if let Some(old) = self.by_key.remove(&key) {
            self.by_time.remove(&(old, key));
        }
        if let Some(deadline) = deadline {
            self.by_key.insert(key, deadline);
            self.by_time.insert((deadline, key));
        }
    }

    /// Takes one key whose deadline has come, earliest first.
    pub(crate) fn pop_due(&mut self, now: Timestamp) -> Option<K> {
        let &(deadline, key) = self.by_time.first()?;
        if deadline > now {
            return None;
        }
        self.set(key, None);
        Some(key)
    }

    /// The earliest deadline of all.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.by_time.first().map(|(deadline, _)| *deadline)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hands_out_due_keys_in_order_of_time_and_forgets_replaced_deadlines() {
        let at = Timestamp::from_millis;
        let mut timers = Timers::default();
        timers.set('a', Some(at(30)));
        timers.set('b', Some(at(10)));
        timers.set('c', Some(at(20)));
        timers.set('a', Some(at(5)));
        timers.set('c', None);
        assert_eq!(timers.next(), Some(at(5)));
        assert_eq!(timers.pop_due(at(4)), None);
        assert_eq!(timers.pop_due(at(50)), Some('a'));
        assert_eq!(timers.pop_due(at(50)), Some('b'));
        assert_eq!(timers.pop_due(at(50)), None);
        assert_eq!(timers.next(), None);
    }
}
