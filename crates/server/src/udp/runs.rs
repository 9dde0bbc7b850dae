//! Which datagrams leave together: a run is what one destination gets in a row, in equal segments.
//!
//! A segmented send wants all segments equal but for a shorter last one. The node hands out what one receiver gets of a frame
//! in a row, so only the latest run can grow; order is kept throughout. All runs share one buffer.

use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

/// Where a datagram goes and from which of the own addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) local: IpAddr,
    pub(super) destination: SocketAddr,
}

/// Datagrams for one route, back to back.
#[derive(Clone, Debug)]
struct Run {
    route: Route,
    /// Size of every datagram but the last, which may be shorter.
    segment: usize,
    /// How many datagrams.
    count: usize,
    /// Where they are in the buffer.
    bytes: Range<usize>,
    /// The last one was shorter.
    complete: bool,
}

/// A run as it is sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ready<'a> {
    pub(super) route: Route,
    /// Size of every datagram but the last, which may be shorter.
    pub(super) segment: usize,
    /// How many datagrams.
    pub(super) count: usize,
    pub(super) bytes: &'a [u8],
}

/// The runs since the last drain, in order.
#[derive(Debug, Default)]
pub(super) struct Runs {
    runs: Vec<Run>,
    buffer: Vec<u8>,
}

/// Whether to go on collecting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fill {
    Room,
    Full,
}

/// A segmented send is one IP packet to the kernel, whose length field has 16 bits (RFC 791 §3.1); headers included.
const MAX_RUN_BYTES: usize = 65_000;
/// Bytes collected before they are sent: bounds memory, and the time that the first one waits for the last. As much as stays in
/// a processor's cache.
const MAX_BYTES: usize = 256 << 10;

impl Runs {
    /// Adds a datagram to the latest run if that goes the same way, or begins a new one. `max_segments` is what the system takes
    /// at once.
    pub(super) fn push(&mut self, route: Route, datagram: &[u8], max_segments: usize) -> Fill {
        let start = self.buffer.len();
        self.buffer.extend_from_slice(datagram);
        let end = self.buffer.len();
        let grows = |run: &&mut Run| {
            run.route == route
                && !run.complete
                && datagram.len() <= run.segment
                && run.count < max_segments
                && end - run.bytes.start <= MAX_RUN_BYTES
        };
        match self.runs.last_mut().filter(grows) {
            Some(run) => {
                run.count += 1;
                run.bytes.end = end;
                run.complete = datagram.len() < run.segment;
            }
            None => {
                let segment = datagram.len();
                self.runs.push(Run { route, segment, count: 1, bytes: start..end, complete: false });
            }
        }
        if end < MAX_BYTES { Fill::Room } else { Fill::Full }
    }

    /// Hands out all runs, in order, and forgets them.
    pub(super) fn drain(&mut self, send: impl FnOnce(&[Ready<'_>])) {
        let ready = |run: &Run| Ready {
            route: run.route,
            segment: run.segment,
            count: run.count,
            bytes: &self.buffer[run.bytes.clone()],
        };
        send(&self.runs.iter().map(ready).collect::<Vec<_>>());
        self.runs.clear();
        self.buffer.clear();
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
        runs.drain(|runs| {
            for run in runs {
                let sizes: Vec<_> = run.bytes.chunks(run.segment.max(1)).map(<[u8]>::len).collect();
                assert_eq!(sizes.len().max(1), run.count);
                result.push((run.route.destination.port(), sizes));
            }
        });
        runs.drain(|runs| assert!(runs.is_empty(), "a drained collection is empty"));
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
                vec![(1, vec![100]), (2, vec![100]), (1, vec![100]), (2, vec![100])],
                "order is kept between destinations",
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
        let full = (0..).position(|port| runs.push(route(port), &[0; 1_024], 64) == Fill::Full);
        assert_eq!(full, Some(MAX_BYTES / 1_024 - 1));
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
