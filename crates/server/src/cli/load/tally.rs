//! What all participants of a run have seen together. Owns the sums; participants add to them as things happen.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use simulator::rooms::receiver::Counts;

use super::histogram::Histogram;

/// How far a run has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Phase {
    /// Joining and settling: only joins are of interest.
    #[default]
    Before,
    /// What is counted counts.
    Measuring,
    /// Everybody may go.
    Over,
}

/// See the module's documentation. Everything runs on one thread.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) phase: Cell<Phase>,
    pub(super) joined: Cell<u64>,
    pub(super) connected: Cell<u64>,
    pub(super) failed: Cell<u64>,
    /// Errors that the server answered with.
    pub(super) errors: Cell<u64>,
    /// From the start of a join to keys, and to the first picture of a watcher, µs.
    pub(super) connect: RefCell<Histogram>,
    pub(super) first_frame: RefCell<Histogram>,
    /// Of everything below: while measuring only.
    pub(super) packets: Cell<u64>,
    pub(super) bytes: Cell<u64>,
    pub(super) packets_sent: Cell<u64>,
    /// Datagrams per receive that the kernel had put together: what came in one send, as far as it shows.
    pub(super) receives: Cell<u64>,
    /// From the camera to the whole frame at a watcher, µs.
    pub(super) latency: RefCell<Histogram>,
    /// Shown frames by encoding, smallest first.
    pub(super) layers: RefCell<BTreeMap<u8, u64>>,
    pub(super) frames: Cell<u64>,
    pub(super) lost: Cell<u64>,
    pub(super) bad: Cell<u64>,
    pub(super) freezes: Cell<u64>,
    pub(super) switches: Cell<u64>,
    pub(super) asked: Cell<u64>,
}

impl Tally {
    pub(super) fn is_measuring(&self) -> bool {
        self.phase.get() == Phase::Measuring
    }

    pub(super) fn start_measuring(&self) {
        self.phase.set(Phase::Measuring);
    }

    /// Adds what a watcher's slot has counted since `before`.
    pub(super) fn add(&self, before: &Counts, after: &Counts) {
        let bad = |counts: &Counts| counts.bad.values().sum::<u64>();
        add(&self.frames, after.frames - before.frames);
        add(&self.lost, after.lost - before.lost);
        add(&self.bad, bad(after) - bad(before));
        add(&self.freezes, after.freezes - before.freezes);
        add(&self.switches, after.switches - before.switches);
        add(&self.asked, after.asked - before.asked);
    }
}

pub(super) fn add(cell: &Cell<u64>, value: u64) {
    cell.set(cell.get() + value);
}
