//! A day of one flow: every counter that wraps does so at least once, and nothing else changes.
//!
//! Thin traffic for a day, eight busy seconds each twenty minutes. In that time the 16 bits of the transport-wide
//! number wrap twice, the 24-bit reference time once (it starts a minute before), the 32-bit report time of RFC 8888
//! twice, and the 32 bits of microseconds that the history keeps of a send time twenty times.

use super::*;
use crate::ccfb::{Mapper, Metric};
use crate::twcc::{Status, Unwrapper};
use crate::{Ecn, Estimate};
use units::Bitrate;

const HOUR: u64 = 3_600_000_000;
const DAY: u64 = 24 * HOUR;
/// The link: rate in bit/s, the longest queue and the way to and fro, µs.
const LINK: f64 = 1e6;
const QUEUE: u64 = 300_000;
const ONE_WAY: u64 = 20_000;
/// Receivers report so long after the first arrival that is news, µs.
const INTERVAL: u64 = 100_000;
const PACKET: DataSize = DataSize::from_bytes(1_000);
/// A busy spell each so often, for so long, µs.
const SPELL_EACH: u64 = 1_200_000_000;
const SPELL: u64 = 8_000_000;
/// The number before the first one.
const FIRST: u64 = 65_000;
/// A packet each so often between spells, µs.
const THIN: u64 = 1_000_000;

#[derive(Clone, Copy, PartialEq)]
enum Format {
    TransportWide,
    Ccfb,
}

/// A sender, a link and a receiver with wire formats between them.
struct Day {
    format: Format,
    estimator: Estimator,
    unwrapper: Unwrapper,
    mapper: Mapper,
    now: u64,
    seq: u64,
    link_free: u64,
    /// Number and arrival (`None`: dropped), in order, as far as no report has covered them.
    arrivals: Vec<(u64, Option<u64>)>,
    reports: u64,
    /// Wake-ups that the estimator asked for.
    wakes: u64,
    digest: u64,
    heap: usize,
}

impl Day {
    fn new(format: Format) -> Self {
        Self {
            format,
            estimator: Estimator::new(Timestamp::ZERO, Config::default()),
            unwrapper: Unwrapper::new(),
            mapper: Mapper::new(),
            now: 0,
            // Above the 16 bits from the beginning.
            seq: FIRST,
            link_free: 0,
            arrivals: Vec::new(),
            reports: 0,
            wakes: 0,
            digest: 0xcbf2_9ce4_8422_2325,
            heap: 0,
        }
    }

    fn at(&self) -> Timestamp {
        Timestamp::from_micros(self.now)
    }

    /// The receiver's clock: a minute before its 24 bits of 64 ms are used up, and 20 ppm fast.
    fn remote(at: u64) -> i64 {
        (at + at / 50_000) as i64 + (1i64 << 24) * 64_000 - 60_000_000
    }

    fn send(&mut self) {
        self.seq += 1;
        let (seq, now) = (self.seq, self.at());
        self.estimator
            .on_packet_sent(now, SentPacket { seq, size: PACKET, kind: PacketKind::Media, probe: None });
        self.mapper.on_sent(seq, 1, seq as u16);
        let begin = self.link_free.max(self.now);
        let arrival = (begin - self.now < QUEUE).then(|| {
            self.link_free = begin + (PACKET.as_bytes() as f64 * 8e6 / LINK) as u64;
            self.link_free + ONE_WAY
        });
        self.arrivals.push((seq, arrival));
    }

    /// When the next report reaches the sender.
    fn report_due(&self) -> Option<u64> {
        let first = self.arrivals.iter().find_map(|(_, at)| *at)?;
        Some(first + INTERVAL + ONE_WAY)
    }

    fn report(&mut self) {
        let written = self.now - ONE_WAY;
        let covered = self.arrivals.iter().rposition(|(_, at)| at.is_some_and(|at| at <= written));
        let Some(last) = covered else { return };
        let results: Vec<_> = self.arrivals.drain(..=last).collect();
        self.reports += 1;
        if self.reports.is_multiple_of(50) {
            // Reports are lost, too.
            return;
        }
        let now = self.at();
        match self.format {
            Format::TransportWide => {
                let first = results.iter().find_map(|(_, at)| *at).expect("the last one arrived");
                let reference = Self::remote(first).div_euclid(64_000);
                let mut ticks = reference * 256;
                let statuses = results.iter().map(|(_, at)| match at {
                    None => Status::NotReceived,
                    Some(at) => {
                        let tick = Self::remote(*at).div_euclid(250);
                        Status::Received((tick - std::mem::replace(&mut ticks, tick)) as i16)
                    }
                });
                let (base, reference) = (results[0].0 as u16, reference.rem_euclid(1 << 24) as i32);
                let results =
                    self.unwrapper.unwrap(self.seq, base, reference, statuses).expect("well formed");
                self.estimator.on_feedback(now, &Feedback { results, sent: None });
            }
            Format::Ccfb => {
                let metrics = results.iter().map(|(seq, at)| Metric {
                    ssrc: 1,
                    seq: *seq as u16,
                    received: at.is_some(),
                    ecn: Ecn::NotEct,
                    offset: at.map_or(0, |at| ((written - at.min(written)) * 1_024 / 1_000_000) as u16),
                });
                let written = (i128::from(Self::remote(written)) * 65_536 / 1_000_000).rem_euclid(1 << 32);
                let (results, sent) = self.mapper.map(written as u32, metrics);
                self.estimator.on_feedback(now, &Feedback { results, sent: Some(sent) });
            }
        }
    }

    /// Sends at the target when `busy`, one packet now and then otherwise. The estimate at the end.
    fn run(&mut self, span: u64, busy: bool) -> Estimate {
        let until = self.now + span;
        let most = if busy { Bitrate::from_kbps(3_000) } else { Bitrate::from_kbps(20) };
        self.estimator
            .set_demand(self.at(), DemandRates { current: most, next_useful: most, max_useful: most });
        let mut next_send = self.now;
        while self.now < until {
            let wake = self.estimator.poll_timeout().map(Timestamp::as_micros);
            let next = [Some(next_send), self.report_due(), wake].into_iter().flatten().min();
            self.now = next.expect("there is always a next packet").max(self.now);
            if self.now >= until {
                self.now = until;
                break;
            }
            if wake.is_some_and(|at| at <= self.now) {
                self.wakes += 1;
                self.estimator.handle_timeout(self.at());
            }
            if self.report_due().is_some_and(|at| at <= self.now) {
                self.report();
            }
            if next_send <= self.now {
                self.send();
                next_send = self.now + if busy { self.spacing() } else { THIN };
            }
            // Probes are taken and not sent, as by a sender that has nothing to send them with.
            let _ = self.estimator.poll_probe(self.at());
            let target = self.estimator.estimate().target.as_bps();
            self.digest = (self.digest ^ self.now ^ target).wrapping_mul(0x0100_0000_01b3);
        }
        self.heap = self.heap.max(self.estimator.heap_bytes());
        self.estimator.estimate()
    }

    fn spacing(&self) -> u64 {
        let estimate = self.estimator.estimate();
        let full = self.estimator.in_flight() + PACKET > estimate.window;
        if full { 20_000 } else { (PACKET.as_bytes() as f64 * 8e6 / estimate.target.as_f64()) as u64 }
    }
}

/// The estimates at the end of each spell, and a digest of everything.
fn day(format: Format) -> (Vec<u64>, u64) {
    let mut day = Day::new(format);
    let mut spells = Vec::new();
    while day.now < DAY {
        spells.push(day.run(SPELL, true).target.as_kbps());
        let rest = day.run(SPELL_EACH - SPELL, false);
        assert!((50..=1_500).contains(&rest.target.as_kbps()), "{rest:?} at {} s", day.now / 1_000_000);
    }
    assert!(day.seq - FIRST > 2 * 65_536, "{} packets do not wrap their number", day.seq);
    assert!(day.heap <= 128 * 1_024, "{} bytes", day.heap);
    assert!(day.wakes < day.seq, "{} wake-ups for {} packets", day.wakes, day.seq);
    (spells, day.digest)
}

#[test]
fn a_day_with_transport_wide_feedback_ends_as_it_began() {
    let digest = check(Format::TransportWide);
    assert_eq!(day(Format::TransportWide).1, digest, "the same day twice");
}

#[test]
fn a_day_with_rfc_8888_feedback_ends_as_it_began() {
    check(Format::Ccfb);
}

fn check(format: Format) -> u64 {
    let (spells, digest) = day(format);
    assert!(spells.iter().all(|kbps| (600..=1_300).contains(kbps)), "1 Mbit/s in every spell: {spells:?}");
    let mean = |part: &[u64]| part.iter().sum::<u64>() / part.len() as u64;
    let (first, last) = (mean(&spells[..24]), mean(&spells[spells.len() - 24..]));
    assert!(first.abs_diff(last) < 50, "{first} kbit/s in the first hours, {last} in the last");
    digest
}
