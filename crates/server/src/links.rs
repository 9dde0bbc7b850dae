//! The ways between workers: what their nodes say to each other about rooms that several of them serve.
//!
//! Owns one queue for each pair of workers and direction, and waking the one that is written to. What a node says in one turn
//! crosses together, so that a worker takes a lock once in a turn and for as long as it takes to move a list. What does not
//! fit is `sfu::Backlog`'s to judge.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sfu::{Backlog, NodeIndex, Parted, RelayMessage};
use tokio::sync::Notify;

/// From one worker to another.
#[derive(Debug, Default)]
struct Link {
    backlog: Mutex<Backlog>,
    /// Something waits.
    written: AtomicBool,
}

impl Link {
    /// The queue. It is whole between statements, so a panic elsewhere while it was held did no harm.
    fn backlog(&self) -> MutexGuard<'_, Backlog> {
        self.backlog.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One worker's ends of all ways.
#[derive(Debug)]
pub(crate) struct Links {
    /// By worker; those to and from itself are never used.
    out: Vec<Arc<Link>>,
    into: Vec<Arc<Link>>,
    bells: Vec<Arc<Notify>>,
    own: usize,
    /// What goes out at the end of the turn, by worker.
    said: Vec<Vec<RelayMessage>>,
}

/// What came from a worker.
#[derive(Debug)]
pub(crate) enum Arrived {
    Message(NodeIndex, Box<RelayMessage>),
    /// Words were lost on the way.
    Lost(NodeIndex),
}

impl Links {
    /// The ends of so many workers.
    pub(crate) fn mesh(workers: usize) -> Vec<Self> {
        let links: Vec<Vec<Arc<Link>>> =
            (0..workers).map(|_| (0..workers).map(|_| Arc::default()).collect()).collect();
        let bells: Vec<Arc<Notify>> = (0..workers).map(|_| Arc::default()).collect();
        let ends = |own: usize| Self {
            out: links[own].clone(),
            into: links.iter().map(|from| Arc::clone(&from[own])).collect(),
            bells: bells.clone(),
            own,
            said: (0..workers).map(|_| Vec::new()).collect(),
        };
        (0..workers).map(ends).collect()
    }

    /// Waits until another worker has said something.
    pub(crate) async fn rung(&self) {
        self.bells[self.own].notified().await;
    }

    /// Says something at the end of this turn.
    pub(crate) fn say(&mut self, to: NodeIndex, message: RelayMessage) {
        if let Some(said) = self.said.get_mut(usize::from(to.0)) {
            said.push(message);
        }
    }

    /// Sends what was said. Returns the workers that lost it, as they do not keep up.
    pub(crate) fn flush(&mut self) -> Vec<NodeIndex> {
        let mut lost = Vec::new();
        for (to, said) in self.said.iter_mut().enumerate().filter(|(_, said)| !said.is_empty()) {
            let link = &self.out[to];
            {
                let mut backlog = link.backlog();
                let mut all = true;
                said.drain(..).for_each(|message| all &= backlog.push(message));
                if !all {
                    lost.push(NodeIndex(to as u16));
                }
            }
            link.written.store(true, Ordering::Release);
            self.bells[to].notify_one();
        }
        lost
    }

    /// Takes what others said, in order.
    pub(crate) fn take(&mut self) -> Vec<Arrived> {
        let mut arrived = Vec::new();
        for (from, link) in self.into.iter().enumerate() {
            if !link.written.swap(false, Ordering::Acquire) {
                continue;
            }
            let from = NodeIndex(from as u16);
            let mut messages = Vec::new();
            let outcome = link.backlog().take(&mut messages);
            if outcome == Err(Parted) {
                arrived.push(Arrived::Lost(from));
            }
            arrived.extend(messages.into_iter().map(|message| Arrived::Message(from, Box::new(message))));
        }
        arrived
    }

    /// Packets that were dropped on the way to others.
    pub(crate) fn shed(&self) -> u64 {
        self.out.iter().map(|link| link.backlog().shed()).sum()
    }
}
