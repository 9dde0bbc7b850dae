//! What waits for the next flush: runs as the node made them, in order.
//!
//! Owns the bound on them, and cuts what is more than the system takes at once. A run is what one destination gets in a row, in
//! equal segments (`transport::Run` makes them). Nothing is copied.

use std::net::{IpAddr, SocketAddr};

use transport::Transmit;

/// Where a datagram goes and from which of the own addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) local: IpAddr,
    pub(super) destination: SocketAddr,
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
    runs: Vec<Transmit>,
    bytes: usize,
}

/// Whether to go on collecting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fill {
    Room,
    Full,
}

/// Bytes collected before they are sent: bounds memory, and the time that the first one waits for the last. As much as stays in
/// a processor's cache.
const MAX_BYTES: usize = 256 << 10;

impl Runs {
    /// Adds a run.
    pub(super) fn push(&mut self, run: Transmit) -> Fill {
        self.bytes += run.datagrams.len();
        self.runs.push(run);
        if self.bytes < MAX_BYTES { Fill::Room } else { Fill::Full }
    }

    /// Hands out all runs, in order, and forgets them. `most` is how many datagrams the system takes at once.
    pub(super) fn drain(&mut self, most: usize, send: impl FnOnce(&[Ready<'_>])) {
        let ready: Vec<Ready<'_>> = self.runs.iter().flat_map(|run| cut(run, most)).collect();
        send(&ready);
        self.runs.clear();
        self.bytes = 0;
    }
}

/// A run in parts of so many datagrams.
fn cut(run: &Transmit, most: usize) -> impl Iterator<Item = Ready<'_>> {
    let route = Route { local: run.local.ip(), destination: run.destination };
    let segment = run.segment.max(1);
    run.datagrams.chunks(segment.saturating_mul(most)).map(move |bytes| Ready {
        route,
        segment,
        count: bytes.len().div_ceil(segment),
        bytes,
    })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use transport::Protocol;

    use super::*;

    fn run(port: u16, bytes: usize, segment: usize) -> Transmit {
        let destination = ([127, 0, 0, 1], port).into();
        let datagrams = Bytes::from(vec![0; bytes]);
        Transmit { protocol: Protocol::Udp, local: destination, destination, datagrams, segment }
    }

    #[test]
    fn a_run_is_cut_where_the_system_takes_no_more() {
        for (most, expected, why) in [
            (64, vec![(1, 3, 240), (2, 1, 80)], "as they came"),
            (2, vec![(1, 2, 200), (1, 1, 40), (2, 1, 80)], "the bound of two"),
            (1, vec![(1, 1, 100), (1, 1, 100), (1, 1, 40), (2, 1, 80)], "without segmentation each is a run"),
            (usize::MAX, vec![(1, 3, 240), (2, 1, 80)], "no bound"),
        ] {
            let mut runs = Runs::default();
            runs.push(run(1, 240, 100));
            runs.push(run(2, 80, 80));
            let mut got = Vec::new();
            runs.drain(most, |ready| {
                got.extend(
                    ready.iter().map(|run| (run.route.destination.port(), run.count, run.bytes.len())),
                );
            });
            assert_eq!(got, expected, "{why}");
            runs.drain(most, |ready| assert!(ready.is_empty(), "a drained collection is empty"));
        }
    }

    #[test]
    fn collecting_is_bounded() {
        let mut runs = Runs::default();
        let full = (0..).position(|port| runs.push(run(port, 1_024, 1_024)) == Fill::Full);
        assert_eq!(full, Some(MAX_BYTES / 1_024 - 1));
    }
}
