//! The far end of a real-time flow: remembers arrivals and reports them on a timer.
//!
//! Owns what the two feedback formats say, as the values that stand on the wire: transport-wide feedback
//! (draft-holmer-rmcat-transport-wide-cc-extensions-01) and congestion control feedback (RFC 8888). For one case it
//! does not tell the truth. Unwrapping is the sender's, with the code that the product uses.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use estimator::twcc::Status;
use estimator::{Ecn, RemoteTime, ccfb::Metric};

use super::event::Micros;
use super::packet::Report;

/// Unit of a transport-wide delta, in microseconds.
const DELTA: i64 = 250;
/// Unit of the transport-wide reference time, in deltas: 64 ms.
const REFERENCE: i64 = 256;
/// The most statuses in one report.
const MAX_RESULTS: u64 = 4_096;
/// Arrivals kept behind the newest, for packets that come late.
const KEPT: u64 = 1_000;
/// SSRC of everything that a simulated sender sends.
pub const SSRC: u32 = 1;

/// A receiver's clock against the simulator's: an arbitrary offset and a rate error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReceiverClock {
    /// Added to the simulator's time, in microseconds.
    pub offset: i64,
    /// Parts per million by which it runs fast (or, negative, slow).
    pub skew_ppm: i64,
}

impl ReceiverClock {
    /// What this clock shows at `now`.
    pub fn read(&self, now: Micros) -> RemoteTime {
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        RemoteTime::from_micros(now + now * self.skew_ppm / 1_000_000 + self.offset)
    }
}

/// How a report is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Arrival times in 250 µs, no ECN.
    TransportWide,
    /// Arrival times in 1/1024 s, ECN, and the time of the report (RFC 8888 §3.1).
    Ccfb,
}

/// How a receiver reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiverSpec {
    /// Time between two reports.
    pub interval: Micros,
    /// What the reports look like.
    pub format: Format,
    /// Its clock.
    pub clock: ReceiverClock,
    /// Whether it says that everything arrived, and at once.
    pub lies: bool,
}

type Arrival = (RemoteTime, Ecn);

/// A [`ReceiverSpec`] with its state.
#[derive(Debug)]
pub struct Receiver {
    spec: ReceiverSpec,
    /// Arrivals not older than the last report began, by sequence number.
    arrivals: BTreeMap<u64, Arrival>,
    /// The first number that no report has covered.
    next: Option<u64>,
    /// The lowest number that arrived since the last report.
    fresh: Option<u64>,
    fastest: Option<Micros>,
}

impl Receiver {
    /// A receiver that has seen nothing.
    pub fn new(spec: ReceiverSpec) -> Self {
        Self { spec, arrivals: BTreeMap::new(), next: None, fresh: None, fastest: None }
    }

    /// A packet that left at `sent` arrives.
    pub fn on_packet(&mut self, now: Micros, seq: u64, sent: Micros, ecn: Ecn) {
        let mut at = now;
        if self.spec.lies {
            // As if no packet had ever queued: the sender's time plus the shortest delay there was.
            let fastest = self.fastest.map_or(now - sent, |f| f.min(now - sent));
            self.fastest = Some(fastest);
            at = sent + fastest;
        }
        // A duplicate does not move the arrival.
        if let Entry::Vacant(entry) = self.arrivals.entry(seq) {
            entry.insert((self.spec.clock.read(at), ecn));
            self.fresh = Some(self.fresh.map_or(seq, |fresh| fresh.min(seq)));
        }
    }

    /// The reports due at `now`: none without news, more than one when a gap does not fit into a delta.
    pub fn report(&mut self, now: Micros) -> Vec<Report> {
        let Some(fresh) = self.fresh.take() else { return Vec::new() };
        let Some((&newest, _)) = self.arrivals.last_key_value() else { return Vec::new() };
        // A packet that was reported lost and came after all is covered again.
        let first =
            self.next.map_or(fresh, |next| fresh.min(next)).max(newest.saturating_sub(MAX_RESULTS - 1));
        let mut last = self.spec.clock.read(now);
        let statuses: Vec<(u64, Option<Arrival>)> = (first..=newest)
            .map(|seq| {
                let known = self.arrivals.get(&seq).copied();
                if let Some((arrival, _)) = known {
                    last = arrival;
                }
                (seq, known.or_else(|| self.spec.lies.then_some((last, Ecn::NotEct))))
            })
            .collect();
        self.next = Some(newest + 1);
        while self.arrivals.first_key_value().is_some_and(|(seq, _)| seq + KEPT < newest) {
            self.arrivals.pop_first();
        }
        match self.spec.format {
            Format::TransportWide => transport_wide(&statuses),
            Format::Ccfb => vec![ccfb(&statuses, self.spec.clock.read(now))],
        }
    }
}

/// Statuses as transport-wide reports: sums of deltas from a reference time of their own (§3.1).
fn transport_wide(statuses: &[(u64, Option<Arrival>)]) -> Vec<Report> {
    let mut reports = Vec::new();
    let mut open: Option<(u64, i64, Vec<Status>)> = None;
    let mut ticks = 0;
    for (seq, arrival) in statuses {
        let at = arrival.map(|(at, _)| at.as_micros().div_euclid(DELTA));
        let delta = at.map(|at| i16::try_from(at - ticks));
        if let (Some((base, reference, list)), Some(Err(_))) = (&mut open, delta) {
            // The delta does not fit its 16 bits: the rest needs another reference.
            reports.push(wire(*base, *reference, std::mem::take(list)));
            open = None;
        }
        let (_, _, list) = open.get_or_insert_with(|| {
            let from = at.or_else(|| {
                statuses.iter().find_map(|(s, a)| Some(a.filter(|_| s > seq)?.0.as_micros() / DELTA))
            });
            let reference = from.unwrap_or(0).div_euclid(REFERENCE);
            ticks = reference * REFERENCE;
            (*seq, reference, Vec::new())
        });
        list.push(match at.map(|at| i16::try_from(at - ticks)) {
            Some(Ok(delta)) => {
                ticks += i64::from(delta);
                Status::Received(delta)
            }
            _ => Status::NotReceived,
        });
    }
    reports.extend(open.map(|(base, reference, list)| wire(base, reference, list)));
    reports
}

/// Sixteen bits of the number, twenty-four of the reference.
fn wire(base: u64, reference: i64, statuses: Vec<Status>) -> Report {
    let reference = i32::try_from(reference.rem_euclid(1 << 24)).unwrap_or(0);
    Report::TransportWide { base: base as u16, reference, statuses }
}

/// Statuses as an RFC 8888 report: offsets back from the time of the report.
fn ccfb(statuses: &[(u64, Option<Arrival>)], now: RemoteTime) -> Report {
    let metric = |(seq, arrival): &(u64, Option<Arrival>)| {
        let offset =
            arrival.map_or(0, |(at, _)| (now.as_micros() - at.as_micros()).max(0) * 1_024 / 1_000_000);
        Metric {
            ssrc: SSRC,
            seq: *seq as u16,
            received: arrival.is_some(),
            ecn: arrival.map_or(Ecn::NotEct, |(_, ecn)| ecn),
            // RFC 8888 §3.1: 0x1FFE for anything older than it can say.
            offset: u16::try_from(offset).unwrap_or(u16::MAX).min(0x1ffe),
        }
    };
    let timestamp = (i128::from(now.as_micros()) * 65_536 / 1_000_000).rem_euclid(1 << 32);
    Report::Ccfb {
        timestamp: u32::try_from(timestamp).unwrap_or(0),
        metrics: statuses.iter().map(metric).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use estimator::{ccfb::Mapper, twcc::Unwrapper};
    use proptest::prelude::*;

    fn receiver(format: Format, offset: i64) -> Receiver {
        let clock = ReceiverClock { offset, skew_ppm: 0 };
        Receiver::new(ReceiverSpec { interval: 50_000, format, clock, lies: false })
    }

    /// Sends those (number, arrival) pairs through a receiver and the product's unwrapper.
    fn round_trip(offset: i64, arrivals: &[(u64, Micros)]) -> Vec<(u64, Option<i64>)> {
        let mut receiver = receiver(Format::TransportWide, offset);
        let newest = arrivals.iter().map(|a| a.0).max().unwrap();
        let last = arrivals.iter().map(|a| a.1).max().unwrap();
        for (seq, at) in arrivals {
            receiver.on_packet(*at, *seq, 0, Ecn::NotEct);
        }
        let mut unwrapper = Unwrapper::new();
        let mut results = Vec::new();
        for report in receiver.report(last) {
            let Report::TransportWide { base, reference, statuses } = report else { panic!("wrong format") };
            let got = unwrapper.unwrap(newest, base, reference, statuses).expect("well formed");
            results.extend(got.iter().map(|r| (r.seq, r.arrival.map(RemoteTime::as_micros))));
        }
        results
    }

    #[test]
    fn a_gap_longer_than_a_delta_makes_two_reports() {
        let got = round_trip(0, &[(70_000, 1_000_000), (70_002, 11_000_000)]);
        assert_eq!(got, [(70_000, Some(1_000_000)), (70_001, None), (70_002, Some(11_000_000))]);
    }

    #[test]
    fn a_late_packet_is_covered_by_a_second_report() {
        let mut receiver = receiver(Format::TransportWide, 0);
        let covered = |receiver: &mut Receiver, now| match &receiver.report(now)[..] {
            [Report::TransportWide { base, statuses, .. }] => (*base, statuses.len()),
            other => panic!("{other:?}"),
        };
        receiver.on_packet(1_000, 5, 0, Ecn::NotEct);
        receiver.on_packet(2_000, 7, 0, Ecn::NotEct);
        assert_eq!(covered(&mut receiver, 3_000), (5, 3));
        receiver.on_packet(4_000, 6, 0, Ecn::NotEct);
        assert_eq!(covered(&mut receiver, 5_000), (6, 2), "6 and, again, 7");
        receiver.on_packet(6_000, 7, 0, Ecn::NotEct);
        assert!(receiver.report(7_000).is_empty(), "a duplicate is no news");
    }

    #[test]
    fn rfc_8888_carries_marks_and_the_time_of_writing() {
        let mut receiver = receiver(Format::Ccfb, 5_000_000);
        let mut mapper = Mapper::new();
        for seq in 65_535..65_538 {
            mapper.on_sent(seq, SSRC, seq as u16);
        }
        receiver.on_packet(1_000_000, 65_535, 0, Ecn::Ect1);
        receiver.on_packet(1_010_000, 65_537, 0, Ecn::Ce);
        let [Report::Ccfb { timestamp, metrics }] = &receiver.report(1_040_000)[..] else {
            panic!("one report")
        };
        let (results, written) = mapper.map(*timestamp, metrics.iter().copied());
        assert!((written.as_micros() - 6_040_000).abs() < 20, "{written:?}");
        let marks: Vec<_> = results.iter().map(|r| (r.seq, r.arrival.is_some(), r.ecn)).collect();
        assert_eq!(marks, [(65_535, true, Ecn::Ect1), (65_536, false, Ecn::NotEct), (65_537, true, Ecn::Ce)]);
        let arrival = results[2].arrival.unwrap().as_micros();
        assert!((arrival - 6_010_000).abs() < 1_000, "{arrival}");
    }

    proptest! {
        #[test]
        fn what_arrives_is_what_the_sender_reads(
            first in 65_000u64..66_000,
            // Just before the 24-bit reference wraps, or anywhere.
            offset in prop_oneof![Just((1i64 << 24) * 64_000 - 500_000), 0i64..1_000_000_000_000],
            gaps in proptest::collection::vec((1u64..4, 0u64..200_000), 1..200),
        ) {
            let mut at = 0;
            let mut seq = first;
            let arrivals: Vec<(u64, Micros)> = gaps.iter().map(|(step, gap)| {
                (seq, at) = (seq + step, at + gap);
                (seq, at)
            }).collect();
            let got = round_trip(offset, &arrivals);
            let received: Vec<(u64, i64)> = got.iter().filter_map(|(seq, at)| Some((*seq, (*at)?))).collect();
            prop_assert_eq!(received.len(), arrivals.len());
            let start = received[0].1 - i64::try_from(arrivals[0].1).unwrap();
            for ((seq, at), (expected, arrival)) in received.iter().zip(&arrivals) {
                prop_assert_eq!(seq, expected);
                prop_assert!((at - start - i64::try_from(*arrival).unwrap()).abs() <= DELTA);
            }
        }
    }
}
