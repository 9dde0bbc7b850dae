//! Congestion control feedback (RFC 8888): metric blocks to packet results.
//!
//! Owns the map from (SSRC, RTP sequence number) to the transport-wide order, kept at send time, and the unwrapping
//! of the report timestamp. Parsing bytes belongs to `packet`.

use std::collections::{BTreeMap, VecDeque};

use crate::{Ecn, PacketResult, RemoteTime};

/// Packets kept in mind: reports are about the last few hundred milliseconds, and this is 4 s of 1,000 packets.
const CAPACITY: usize = 4_096;
/// Metrics of one report that are looked at. A datagram of an Ethernet packet holds about 700.
const MAX_METRICS: usize = 2_048;
/// RFC 8888 §3.1: arrival time offset in 1/1024 s; this value says that it is not known.
const OFFSET_UNKNOWN: u16 = 0x1fff;

/// One metric block of a report (RFC 8888 §3.1), with the stream that it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// SSRC of the stream.
    pub ssrc: u32,
    /// RTP sequence number, 16 bits.
    pub seq: u16,
    /// The R bit: whether it was received.
    pub received: bool,
    /// The ECN bits.
    pub ecn: Ecn,
    /// Arrival time offset before the report timestamp, 13 bits of 1/1024 s.
    pub offset: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Sent {
    ssrc: u32,
    rtp_seq: u16,
}

/// Maps the reports of one transport.
#[derive(Clone, Debug, Default)]
pub struct Mapper {
    /// Transport-wide number of the front of `sent`.
    first: u64,
    sent: VecDeque<Sent>,
    /// The same by stream, the newest of packets with one number: a report may name numbers that nobody sent, and
    /// each must cost little.
    by_stream: BTreeMap<Sent, u64>,
    /// Newest report timestamp, unwrapped from 32 bits, in 1/65536 s.
    newest: Option<i64>,
    results: Vec<PacketResult>,
}

impl Mapper {
    /// A mapper that has seen nothing.
    pub const fn new() -> Self {
        Self {
            first: 0,
            sent: VecDeque::new(),
            by_stream: BTreeMap::new(),
            newest: None,
            results: Vec::new(),
        }
    }

    /// Remembers which packet got transport-wide number `seq`. Numbers must grow by one; a jump forgets the past.
    pub fn on_sent(&mut self, seq: u64, ssrc: u32, rtp_seq: u16) {
        if self.sent.is_empty() || seq != self.first + self.sent.len() as u64 {
            self.sent.clear();
            self.by_stream.clear();
            self.first = seq;
        }
        if self.sent.len() == CAPACITY
            && let Some(oldest) = self.sent.pop_front()
        {
            if self.by_stream.get(&oldest) == Some(&self.first) {
                self.by_stream.remove(&oldest);
            }
            self.first += 1;
        }
        let sent = Sent { ssrc, rtp_seq };
        self.sent.push_back(sent);
        self.by_stream.insert(sent, seq);
    }

    /// The results of one report in transport-wide order, and when it was written. `timestamp` is the report
    /// timestamp: the middle 32 bits of an NTP time, which wrap after 18.2 hours. Metrics of packets that are not
    /// in mind are left out; an empty slice means that there was nothing else.
    pub fn map(
        &mut self,
        timestamp: u32,
        metrics: impl IntoIterator<Item = Metric>,
    ) -> (&[PacketResult], RemoteTime) {
        let written = self.unwrap(timestamp);
        self.results.clear();
        for metric in metrics.into_iter().take(MAX_METRICS) {
            let sent = Sent { ssrc: metric.ssrc, rtp_seq: metric.seq };
            let Some(seq) = self.by_stream.get(&sent).copied() else { continue };
            // RFC 8888 §3.1: 0x1FFE is "at least that long ago", kept as it stands: it is older than any window.
            let arrival = (metric.received && metric.offset != OFFSET_UNKNOWN).then(|| {
                RemoteTime::from_micros(written - i64::from(metric.offset & 0x1fff) * 1_000_000 / 1_024)
            });
            if metric.received && arrival.is_none() {
                // Received at a time that the receiver does not know: neither a loss nor a delay sample, and the
                // history frees it when later packets are reported.
                continue;
            }
            self.results.push(PacketResult { seq, arrival, ecn: metric.ecn });
        }
        self.results.sort_unstable_by_key(|result| result.seq);
        (&self.results, RemoteTime::from_micros(written))
    }

    /// The report timestamp in microseconds, unwrapped by the shortest way from the newest one.
    fn unwrap(&mut self, timestamp: u32) -> i64 {
        let value = match self.newest {
            None => i64::from(timestamp),
            Some(newest) => newest + i64::from(timestamp.wrapping_sub(newest as u32).cast_signed()),
        };
        self.newest = Some(self.newest.map_or(value, |newest| newest.max(value)));
        value * 1_000_000 / 65_536
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn metric(ssrc: u32, seq: u16, received: bool, offset: u16) -> Metric {
        Metric { ssrc, seq, received, ecn: Ecn::NotEct, offset }
    }

    #[test]
    fn two_streams_come_out_in_the_order_they_were_sent() {
        let mut mapper = Mapper::new();
        for (seq, ssrc, rtp_seq) in [(100, 1, 65_535), (101, 2, 7), (102, 1, 0)] {
            mapper.on_sent(seq, ssrc, rtp_seq);
        }
        let blocks = [
            metric(1, 65_535, true, 1_024),
            metric(1, 0, false, 0),
            metric(2, 7, true, 512),
            metric(3, 7, true, 0),
            metric(2, 7, true, OFFSET_UNKNOWN),
        ];
        let (results, written) = mapper.map(2 * 65_536, blocks);
        let got: Vec<_> = results.iter().map(|r| (r.seq, r.arrival.map(RemoteTime::as_micros))).collect();
        assert_eq!(got, [(100, Some(1_000_000)), (101, Some(1_500_000)), (102, None)]);
        assert_eq!(written.as_micros(), 2_000_000);
    }

    #[test]
    fn the_timestamp_wraps_without_a_step() {
        let mut mapper = Mapper::new();
        let (_, before) = mapper.map(u32::MAX - 65_535, []);
        let (_, after) = mapper.map(0, []);
        assert_eq!(after.as_micros() - before.as_micros(), 1_000_000);
    }

    #[test]
    fn what_was_sent_long_ago_is_forgotten_and_a_number_used_again_is_the_new_packet() {
        let mut mapper = Mapper::new();
        for seq in 0..CAPACITY as u64 + 10 {
            // The second time round the same numbers.
            mapper.on_sent(seq, 1, (seq % 4_000) as u16);
        }
        assert_eq!((mapper.sent.len(), mapper.by_stream.len()), (CAPACITY, 4_000));
        let (results, _) = mapper.map(0, [metric(1, 0, true, 0), metric(1, 200, true, 0)]);
        assert_eq!(results.iter().map(|r| r.seq).collect::<Vec<_>>(), [200, 4_000]);
    }

    proptest! {
        #[test]
        fn arbitrary_reports_name_only_what_was_sent(stamps in proptest::collection::vec(any::<u32>(), 1..20), blocks in proptest::collection::vec((0u32..3, 0u16..40, any::<bool>(), any::<u16>()), 0..60)) {
            let mut mapper = Mapper::new();
            for seq in 0..30u64 {
                mapper.on_sent(seq, (seq % 2) as u32, seq as u16);
            }
            for stamp in stamps {
                let (results, _) = mapper.map(stamp, blocks.iter().map(|(s, n, r, o)| metric(*s, *n, *r, *o)));
                prop_assert!(results.iter().all(|r| r.seq < 30));
            }
        }
    }
}
