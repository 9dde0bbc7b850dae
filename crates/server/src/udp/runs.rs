//! Which datagrams leave together: a run is what one destination gets between two flushes, in equal segments.
//!
//! A segmented send wants all segments equal but for a shorter last one. Runs are kept per destination, as a packet
//! that fans out visits every receiver before the next packet comes; order within a destination is kept, order between
//! destinations does not matter.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

/// Where a datagram goes and from which of the own addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Route {
    pub(super) local: IpAddr,
    pub(super) destination: SocketAddr,
}

/// Datagrams for one route, back to back.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) route: Route,
    /// Size of every datagram but the last, which may be shorter.
    pub(super) segment: usize,
    /// How many datagrams.
    pub(super) count: usize,
    pub(super) bytes: Vec<u8>,
}

/// The runs since the last drain, in the order in which they began.
#[derive(Debug, Default)]
pub(super) struct Runs {
    /// The first `used` are in use; the others keep their buffers for later.
    runs: Vec<Run>,
    used: usize,
    /// The run of each route that can still grow.
    open: BTreeMap<Route, usize>,
}

/// Whether to go on collecting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fill {
    Room,
    Full,
}

/// A segmented send is one IP packet to the kernel, whose length field has 16 bits (RFC 791 §3.1); headers included.
const MAX_RUN_BYTES: usize = 65_000;
/// Runs collected before they are sent: bounds memory, and the time that the first one waits for the last.
const MAX_RUNS: usize = 512;

impl Runs {
    /// Adds a datagram to its route's run, or begins a new one. `max_segments` is what the system takes at once.
    pub(super) fn push(&mut self, route: Route, datagram: &[u8], max_segments: usize) -> Fill {
        if let Some(&index) = self.open.get(&route) {
            let run = &mut self.runs[index];
            let fits = datagram.len() <= run.segment
                && run.count < max_segments
                && run.bytes.len() + datagram.len() <= MAX_RUN_BYTES;
            if fits {
                run.bytes.extend_from_slice(datagram);
                run.count += 1;
                if datagram.len() < run.segment {
                    // Only the last segment may be shorter.
                    self.open.remove(&route);
                }
                return Fill::Room;
            }
        }
        self.begin(route, datagram);
        if self.used < MAX_RUNS { Fill::Room } else { Fill::Full }
    }

    fn begin(&mut self, route: Route, datagram: &[u8]) {
        if self.used == self.runs.len() {
            self.runs.push(Run { route, segment: 0, count: 0, bytes: Vec::new() });
        }
        let run = &mut self.runs[self.used];
        run.route = route;
        run.segment = datagram.len();
        run.count = 1;
        run.bytes.clear();
        run.bytes.extend_from_slice(datagram);
        self.open.insert(route, self.used);
        self.used += 1;
    }

    /// Hands out all runs and forgets them.
    pub(super) fn drain(&mut self, send: impl FnMut(&Run)) {
        self.runs[..self.used].iter().for_each(send);
        self.used = 0;
        self.open.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn route(port: u16) -> Route {
        Route { local: [127, 0, 0, 1].into(), destination: ([127, 0, 0, 1], port).into() }
    }

    /// Pushes datagrams of these sizes, each `(port, size)`, and returns the runs as `(port, sizes)`.
    fn runs_of(datagrams: &[(u16, usize)], max_segments: usize) -> Vec<(u16, Vec<usize>)> {
        let mut runs = Runs::default();
        for (port, size) in datagrams {
            runs.push(route(*port), &vec![0; *size], max_segments);
        }
        let mut result = Vec::new();
        runs.drain(|run| {
            let sizes: Vec<_> = run.bytes.chunks(run.segment.max(1)).map(<[u8]>::len).collect();
            assert_eq!(sizes.len().max(1), run.count);
            result.push((run.route.destination.port(), sizes));
        });
        runs.drain(|_| panic!("a drained collection is empty"));
        result
    }

    #[test]
    fn a_run_is_equal_segments_and_a_shorter_last() {
        for (datagrams, expected, why) in [
            (vec![(1, 100), (1, 100), (1, 40)], vec![(1, vec![100, 100, 40])], "a frame"),
            (
                vec![(1, 100), (1, 40), (1, 40)],
                vec![(1, vec![100, 40]), (1, vec![40])],
                "a shorter one ends it",
            ),
            (vec![(1, 100), (1, 101)], vec![(1, vec![100]), (1, vec![101])], "a longer one begins another"),
            (
                vec![(1, 100), (2, 100), (1, 100), (2, 100)],
                vec![(1, vec![100, 100]), (2, vec![100, 100])],
                "fan-out is gathered by destination",
            ),
            (vec![(1, 9), (1, 9), (1, 9)], vec![(1, vec![9, 9]), (1, vec![9])], "the system's bound of two"),
        ] {
            let bound = if datagrams[0].1 == 9 { 2 } else { 64 };
            assert_eq!(runs_of(&datagrams, bound), expected, "{why}");
        }
    }

    #[test]
    fn without_segmentation_every_datagram_is_a_run() {
        assert_eq!(runs_of(&[(1, 100), (1, 100)], 1), [(1, vec![100]), (1, vec![100])]);
    }

    #[test]
    fn a_run_fits_an_ip_packet() {
        let runs = runs_of(&[(1, 1_200); 64], 64);
        assert_eq!(runs.iter().map(|(_, sizes)| sizes.len()).collect::<Vec<_>>(), [54, 10]);
    }

    #[test]
    fn collecting_is_bounded() {
        let mut runs = Runs::default();
        let full = (0..).position(|port| runs.push(route(port), &[0], 64) == Fill::Full);
        assert_eq!(full, Some(MAX_RUNS - 1));
    }

    proptest! {
        #[test]
        fn every_destination_gets_its_datagrams_in_order(
            datagrams in proptest::collection::vec((1u16..5, 1usize..6), 0..200),
            max_segments in 1usize..8,
        ) {
            let runs = runs_of(&datagrams, max_segments);
            for port in 1..5 {
                let sent: Vec<_> = datagrams.iter().filter(|(p, _)| *p == port).map(|(_, size)| *size).collect();
                let got: Vec<_> = runs.iter().filter(|(p, _)| *p == port).flat_map(|(_, sizes)| sizes.clone()).collect();
                prop_assert_eq!(got, sent);
            }
            prop_assert!(runs.iter().all(|(_, sizes)| sizes.len() <= max_segments));
        }
    }
}
