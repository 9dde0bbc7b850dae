//! Which worker serves whom: new rooms and newcomers go where there is least to do, whoever returns to the worker that holds it.
//!
//! Owns the list of rooms with the workers that have a part of them, and the rule. A room stays on the worker of its first
//! participant, its home, until that has its fill of it; who comes then is placed on another worker, and `sfu::spread` makes
//! one room of both. Leaves what a worker does with a participant to its node.
//!
//! A room is in the list from the first who is sent to a worker until the last worker says that it has ended there, so that it
//! never has two homes at a time: whoever is on the way holds it there ([`Coming`]).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sfu::NodeIndex;
use units::Timestamp;

use crate::clock::Clock;
use crate::config::Placing;

/// What a worker said of its load this long ago says nothing any more: one with nothing to do says nothing.
const STALE: Duration = Duration::from_secs(3);
/// Differences of load that are none, in thousandths of a core: a look is a look.
const SAME: u16 = 100;

/// Where somebody goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    worker: u16,
    home: u16,
}

/// What is known of one worker.
#[derive(Clone, Copy, Debug, Default)]
struct Load {
    /// Thousandths of its core, and when that was said.
    busy: u16,
    looked: Timestamp,
    /// Participants, those on their way among them.
    participants: usize,
}

/// The parts of one room.
#[derive(Debug)]
struct Parts {
    home: u16,
    /// Participants by worker, for each that has a part.
    there: BTreeMap<u16, usize>,
    /// Participants on their way, by worker.
    coming: BTreeMap<u16, usize>,
}

impl Parts {
    fn on(&self, worker: u16) -> usize {
        let count = |of: &BTreeMap<u16, usize>| of.get(&worker).copied().unwrap_or(0);
        count(&self.there) + count(&self.coming)
    }
}

/// All workers and rooms.
#[derive(Debug)]
struct Directory {
    rule: Placing,
    loads: Vec<Load>,
    rooms: BTreeMap<String, Parts>,
}

impl Directory {
    fn new(rule: Placing, workers: u16) -> Self {
        Self { rule, loads: vec![Load::default(); usize::from(workers)], rooms: BTreeMap::new() }
    }

    fn busy(&self, now: Timestamp, worker: u16) -> u16 {
        let load = self.loads[usize::from(worker)];
        if now - load.looked > STALE { 0 } else { load.busy }
    }

    /// The worker with the least to do: of those about as busy the one with the fewest participants.
    fn idlest(&self, now: Timestamp) -> u16 {
        let workers = 0..self.loads.len() as u16;
        let load = |worker: &u16| {
            (self.busy(now, *worker) / SAME, self.loads[usize::from(*worker)].participants, *worker)
        };
        workers.min_by_key(load).unwrap_or(0)
    }

    /// Decides where somebody goes, and holds the place. `holder`: who gave the secret that it returns with.
    fn place(&mut self, now: Timestamp, room: &str, holder: Option<u16>) -> Place {
        let idlest = self.idlest(now);
        let place = match self.rooms.get(room) {
            None => Place { worker: idlest, home: idlest },
            Some(parts) => {
                let home = parts.home;
                let holder = holder.filter(|holder| parts.there.contains_key(holder));
                Place { worker: holder.unwrap_or_else(|| self.place_in(now, parts, idlest)), home }
            }
        };
        let parts = self.rooms.entry(room.to_owned()).or_insert_with(|| Parts {
            home: place.home,
            there: BTreeMap::new(),
            coming: BTreeMap::new(),
        });
        *parts.coming.entry(place.worker).or_default() += 1;
        self.loads[usize::from(place.worker)].participants += 1;
        place
    }

    /// Home first, then the other workers of the room, as long as they have not had their fill of it; then another one.
    fn place_in(&self, now: Timestamp, parts: &Parts, idlest: u16) -> u16 {
        if !self.rule.spread {
            return parts.home;
        }
        let has_room = |worker: &u16| {
            parts.on(*worker) < self.rule.room_participants.get()
                && self.busy(now, *worker) < u16::from(self.rule.busy_percent) * 10
        };
        let own = [parts.home].into_iter().chain(parts.there.keys().chain(parts.coming.keys()).copied());
        own.into_iter().find(has_room).unwrap_or(idlest)
    }

    /// Somebody has come, or never will.
    fn settle(&mut self, room: &str, worker: u16) {
        let load = &mut self.loads[usize::from(worker)];
        load.participants = load.participants.saturating_sub(1);
        let Some(parts) = self.rooms.get_mut(room) else { return };
        if let Some(count) = parts.coming.get_mut(&worker) {
            *count -= 1;
            if *count == 0 {
                parts.coming.remove(&worker);
            }
        }
        self.forget_if_over(room);
    }

    /// A worker says how many participants of a room it serves; `None` when it has no part of it any more.
    fn held(&mut self, worker: u16, room: &str, participants: Option<usize>) {
        let before = self.rooms.get(room).and_then(|parts| parts.there.get(&worker)).copied().unwrap_or(0);
        let load = &mut self.loads[usize::from(worker)];
        load.participants = (load.participants + participants.unwrap_or(0)).saturating_sub(before);
        match (participants, self.rooms.get_mut(room)) {
            (Some(count), Some(parts)) => _ = parts.there.insert(worker, count),
            (None, Some(parts)) => _ = parts.there.remove(&worker),
            // A part that another worker asked for and gave up before it was there.
            (Some(count), None) => {
                let parts = Parts { home: worker, there: [(worker, count)].into(), coming: BTreeMap::new() };
                self.rooms.insert(room.to_owned(), parts);
            }
            (None, None) => {}
        }
        self.forget_if_over(room);
    }

    fn forget_if_over(&mut self, room: &str) {
        if self.rooms.get(room).is_some_and(|parts| parts.there.is_empty() && parts.coming.is_empty()) {
            self.rooms.remove(room);
        }
    }
}

/// The directory that all threads share. Nobody holds it for longer than a look-up, and no packet waits for it.
#[derive(Debug)]
pub(crate) struct Placement {
    directory: Mutex<Directory>,
    clock: Clock,
}

/// Somebody on the way to a worker. Dropped when it is there.
#[derive(Debug)]
pub(crate) struct Coming {
    placement: Arc<Placement>,
    room: String,
    place: Place,
}

impl Coming {
    /// The worker that it goes to.
    pub(crate) fn worker(&self) -> usize {
        usize::from(self.place.worker)
    }

    /// The home of its room.
    pub(crate) fn home(&self) -> NodeIndex {
        NodeIndex(self.place.home)
    }
}

impl Drop for Coming {
    fn drop(&mut self) {
        self.placement.directory().settle(&self.room, self.place.worker);
    }
}

impl Placement {
    pub(crate) fn new(rule: Placing, workers: u16, clock: Clock) -> Self {
        Self { directory: Mutex::new(Directory::new(rule, workers)), clock }
    }

    /// The directory. It is whole between statements, so a panic elsewhere while it was held did no harm.
    fn directory(&self) -> MutexGuard<'_, Directory> {
        self.directory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where somebody goes who wants to join a room, perhaps to return with a secret.
    pub(crate) fn place(self: &Arc<Self>, room: &str, resume: Option<&str>) -> Coming {
        let holder = resume.and_then(sfu::holder_of).map(|NodeIndex(index)| index);
        let place = self.directory().place(self.clock.now(), room, holder);
        Coming { placement: Arc::clone(self), room: room.to_owned(), place }
    }

    /// A worker says how busy its core is, in thousandths.
    pub(crate) fn busy(&self, worker: u16, busy: u16) {
        let now = self.clock.now();
        if let Some(load) = self.directory().loads.get_mut(usize::from(worker)) {
            (load.busy, load.looked) = (busy, now);
        }
    }

    /// A worker says how many participants of a room it serves; `None` when it has no part of it any more.
    pub(crate) fn held(&self, worker: u16, room: &str, participants: Option<usize>) {
        self.directory().held(worker, room, participants);
    }

    /// The workers that have a part of a room, its home first.
    pub(crate) fn parts(&self, room: &str) -> Vec<usize> {
        let directory = self.directory();
        let Some(parts) = directory.rooms.get(room) else { return Vec::new() };
        let mut workers: Vec<u16> = parts.there.keys().copied().collect();
        workers.sort_by_key(|worker| (*worker != parts.home, *worker));
        workers.into_iter().map(usize::from).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;

    fn directory(workers: u16) -> Directory {
        let room_participants = NonZeroUsize::new(3).unwrap();
        Directory::new(Placing { room_participants, busy_percent: 70, spread: true, pin: false }, workers)
    }

    /// Somebody comes and is there. Returns where, and where its home is.
    fn join(directory: &mut Directory, now: Timestamp, room: &str) -> (u16, u16) {
        let place = directory.place(now, room, None);
        let count = directory.rooms[room].there.get(&place.worker).copied().unwrap_or(0);
        directory.held(place.worker, room, Some(count + 1));
        directory.settle(room, place.worker);
        (place.worker, place.home)
    }

    #[test]
    fn rooms_go_to_the_worker_with_the_least_to_do_and_fill_it_first() {
        let mut directory = directory(3);
        let now = Timestamp::from_secs(10);
        let places: Vec<_> = (0..6).map(|n| join(&mut directory, now, &format!("room {n}")).0).collect();
        assert_eq!(places, [0, 1, 2, 0, 1, 2]);
        for _ in 0..2 {
            assert_eq!(join(&mut directory, now, "room 4"), (1, 1), "at home while there is room");
        }
        assert_eq!(join(&mut directory, now, "room 4"), (0, 1), "then with whom has the least to do");
        assert_eq!(join(&mut directory, now, "room 4"), (0, 1), "and on there");
        assert_eq!(directory.loads.iter().map(|load| load.participants).collect::<Vec<_>>(), [4, 4, 2]);
    }

    #[test]
    fn a_busy_worker_gets_nobody_who_may_go_elsewhere() {
        let mut directory = directory(2);
        let now = Timestamp::from_secs(10);
        assert_eq!(join(&mut directory, now, "a"), (0, 0));
        directory.loads[0].busy = 700;
        directory.loads[0].looked = now;
        assert_eq!(join(&mut directory, now, "a"), (1, 0), "of its own room");
        assert_eq!(join(&mut directory, now, "b"), (1, 1), "nor of a new one, however many are elsewhere");
        let later = now + STALE + Duration::from_secs(1);
        assert_eq!(join(&mut directory, later, "c"), (0, 0), "what it said then says nothing now");
        directory.rule.spread = false;
        directory.loads[0] = Load { busy: 1_000, looked: later, ..directory.loads[0] };
        assert_eq!(join(&mut directory, later, "a"), (0, 0), "where rooms are not to be spread they stay");
    }

    #[test]
    fn who_returns_goes_where_it_was_and_a_room_has_one_home_until_it_is_over_everywhere() {
        let mut directory = directory(2);
        let now = Timestamp::from_secs(10);
        (0..4).for_each(|_| _ = join(&mut directory, now, "a"));
        for (holder, expected) in [(Some(1), 1), (Some(0), 0), (Some(7), 1)] {
            assert_eq!(directory.place(now, "a", holder), Place { worker: expected, home: 0 }, "{holder:?}");
            directory.settle("a", expected);
        }
        let place = directory.place(now, "a", None);
        directory.held(0, "a", None);
        directory.held(1, "a", None);
        assert_eq!(directory.place(now, "a", None).home, 0, "somebody is on the way to it");
        directory.settle("a", 0);
        directory.settle("a", place.worker);
        assert!(directory.rooms.is_empty());
        assert_eq!(directory.loads.iter().map(|load| load.participants).sum::<usize>(), 0);
    }
}
