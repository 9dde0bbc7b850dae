//! Deadlines, one per owner, in one ordered set.
//!
//! Owns "who asked to be called when", with the earliest at hand: an owner that is idle costs nothing, and nobody is polled
//! for nothing. Leaves what happens at a deadline to the owner.

use std::collections::{BTreeMap, BTreeSet};

use crate::Timestamp;

/// At most one deadline per key, and the earliest of them at hand.
#[derive(Clone, Debug)]
pub struct Timers<K> {
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
    pub fn set(&mut self, key: K, deadline: Option<Timestamp>) {
        let former = self.by_key.get(&key).copied();
        if former == deadline {
            return;
        }
        if let Some(former) = former {
            self.by_time.remove(&(former, key));
        }
        match deadline {
            Some(deadline) => {
                self.by_key.insert(key, deadline);
                self.by_time.insert((deadline, key));
            }
            None => {
                self.by_key.remove(&key);
            }
        }
    }

    /// Whether `key` has a deadline.
    pub fn is_set(&self, key: K) -> bool {
        self.by_key.contains_key(&key)
    }

    /// Takes one key whose deadline has come, earliest first.
    pub fn pop_due(&mut self, now: Timestamp) -> Option<K> {
        let &(deadline, key) = self.by_time.first()?;
        if deadline > now {
            return None;
        }
        self.set(key, None);
        Some(key)
    }

    /// The earliest deadline of all.
    pub fn next(&self) -> Option<Timestamp> {
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
        assert!(timers.is_set('a') && !timers.is_set('c'));
        assert_eq!(timers.pop_due(at(50)), Some('a'));
        assert_eq!(timers.pop_due(at(50)), Some('b'));
        assert_eq!(timers.pop_due(at(50)), None);
        assert_eq!(timers.next(), None);
    }
}
