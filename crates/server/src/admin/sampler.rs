//! Looks at every room once a second: for the history, and for whoever follows a room live.
//!
//! Owns the task and the way in which it asks workers: one room at a time, so that no question keeps media waiting for
//! longer than one room takes to describe.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::broadcast;
use tokio::time::{MissedTickBehavior, interval};

use super::history::{History, INTERVAL_MS};
use super::model::{Room, now_ms};
use crate::clock::Clock;
use crate::metrics::Totals;
use crate::stop::Stop;
use crate::worker::Workers;

/// States of rooms that a follower may be behind; a slower one misses some.
const BEHIND: usize = 256;

/// What is seen of all rooms.
pub(crate) struct Watch {
    history: Mutex<History>,
    live: broadcast::Sender<Arc<Room>>,
    totals: Mutex<Totals>,
}

impl Watch {
    pub(crate) fn new() -> Self {
        Self { history: Mutex::default(), live: broadcast::channel(BEHIND).0, totals: Mutex::default() }
    }

    pub(super) fn history(&self) -> MutexGuard<'_, History> {
        // It is whole between statements, so a panic elsewhere while it was held did no harm.
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What all receivers get, as it was seen last.
    pub(crate) fn totals(&self) -> Totals {
        self.totals.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The states of all rooms from now on, as they are seen.
    pub(super) fn follow(&self) -> broadcast::Receiver<Arc<Room>> {
        self.live.subscribe()
    }

    /// Looks at all rooms, again and again, until the server stops.
    pub(crate) async fn run(&self, workers: &Workers, clock: Clock, mut stop: Stop) {
        let mut ticks = interval(Duration::from_millis(INTERVAL_MS));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = stop.raised() => return,
            }
            self.look(workers, clock).await;
        }
    }

    async fn look(&self, workers: &Workers, clock: Clock) {
        let at_ms = now_ms();
        let mut totals = Totals { switches: self.totals().switches, ..Totals::default() };
        for name in workers.room_names().await.unwrap_or_default() {
            // Gone since, or a worker ended.
            let Some(Some(room)) = workers.room(&name).await else { continue };
            totals.switches += self.history().record(&room, at_ms);
            totals.add(&room);
            if self.live.receiver_count() > 0 {
                // An error says that the last follower has just gone.
                let _ = self.live.send(Arc::new(Room::of(&room, clock.now(), at_ms)));
            }
        }
        self.history().prune(at_ms);
        *self.totals.lock().unwrap_or_else(PoisonError::into_inner) = totals;
    }
}
