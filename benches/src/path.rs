//! One estimator whose sender sends 5 Mbit/s evenly, over a path that carries it.
//!
//! Owns the path: 20 ms each way with up to 2 ms of jitter, never reordered, no loss, a transport-wide report every 50 ms. One
//! estimator at a time, warm in the cache.

use std::time::Duration;

use estimator::twcc::{Status, Unwrapper};
use estimator::{Config, DemandRates, Estimate, Estimator, Feedback, PacketKind, SentPacket};
use units::{Bitrate, DataSize, Timestamp};

use crate::{Measure, Unmeasured};

/// What is sent, everything included.
const RATE: Bitrate = Bitrate::from_kbps(5_000);
/// Bytes of each packet.
const SIZE: DataSize = DataSize::from_bytes(1_200);
/// Packets of a round: 50 ms of them.
pub const PACKETS: u64 = 26;
/// Between two reports.
const ROUND: Duration = Duration::from_millis(50);
/// One way.
const DELAY_MICROS: u64 = 20_000;
/// Of the arrival times in reports.
const TICK_MICROS: u64 = 250;

/// See the module's documentation.
#[derive(Debug)]
pub struct SteadyPath {
    estimator: Estimator,
    unwrapper: Unwrapper,
    now: Timestamp,
    seq: u64,
    /// Arrivals that were not reported yet, µs, from this number on.
    unreported: Vec<u64>,
    base: u64,
    last_arrival: u64,
    noise: u32,
}

impl SteadyPath {
    /// A path that has been in use for twenty seconds.
    ///
    /// # Panics
    /// When the estimator does not stand where a steady sender has it: the figures would be of something else.
    pub fn settled() -> Self {
        let now = Timestamp::from_secs(1);
        let mut estimator = Estimator::new(now, Config::default());
        // Nothing more is wanted than is sent, so that there is no reason for probes.
        estimator.set_demand(now, DemandRates { current: RATE, next_useful: RATE, max_useful: RATE });
        let mut path = Self {
            estimator,
            unwrapper: Unwrapper::new(),
            now,
            seq: 0,
            unreported: Vec::new(),
            base: 1,
            last_arrival: 0,
            noise: 1,
        };
        for _ in 0..400 {
            path.round(&mut Unmeasured, &mut Unmeasured);
        }
        assert!(path.estimate().target >= RATE, "{:?}", path.estimate());
        path
    }

    /// What the estimator says.
    pub fn estimate(&self) -> Estimate {
        self.estimator.estimate()
    }

    /// Sends for 50 ms, then takes the report about what had arrived 20 ms before, and whatever else is due.
    pub fn round(&mut self, sending: &mut impl Measure, reports: &mut impl Measure) {
        let start = self.now;
        let first = self.seq + 1;
        let sent = |index: u64| start + ROUND.mul_f64(index as f64 / PACKETS as f64);
        let estimator = &mut self.estimator;
        sending.measure(|| {
            for index in 0..PACKETS {
                let packet =
                    SentPacket { seq: first + index, size: SIZE, kind: PacketKind::Media, probe: None };
                estimator.on_packet_sent(sent(index), packet);
            }
        });
        self.seq += PACKETS;
        for index in 0..PACKETS {
            self.noise = self.noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let jitter = u64::from(self.noise >> 16) % 2_000;
            let arrival = (sent(index).as_micros() + DELAY_MICROS + jitter).max(self.last_arrival);
            self.last_arrival = arrival;
            self.unreported.push(arrival);
        }
        self.now = start + ROUND;
        self.report(reports);
    }

    fn report(&mut self, reports: &mut impl Measure) {
        let written = self.now.as_micros() - DELAY_MICROS;
        let count = self.unreported.partition_point(|arrival| *arrival <= written);
        let Some(first) = self.unreported.first().filter(|_| count > 0) else { return };
        // The reference time counts in 64 ms, and 24 bits of it are written.
        let reference = first / (TICK_MICROS * 256);
        let mut last = reference * 256;
        let statuses: Vec<Status> = self
            .unreported
            .drain(..count)
            .map(|arrival| {
                let ticks = arrival / TICK_MICROS;
                let delta = ticks - std::mem::replace(&mut last, ticks);
                Status::Received(i16::try_from(delta).expect("arrivals of one report are close"))
            })
            .collect();
        let (base, now, newest) = (self.base as u16, self.now, self.seq);
        self.base += count as u64;
        let (estimator, unwrapper) = (&mut self.estimator, &mut self.unwrapper);
        reports.measure(|| {
            let reference = (reference & 0xff_ffff) as i32;
            let results = unwrapper.unwrap(newest, base, reference, statuses).expect("well-formed");
            estimator.on_feedback(now, &Feedback { results, sent: None });
            if estimator.poll_timeout().is_some_and(|at| at <= now) {
                estimator.handle_timeout(now);
            }
            std::hint::black_box(estimator.estimate());
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_sent_is_acknowledged_and_the_estimate_holds() {
        let mut path = SteadyPath::settled();
        for _ in 0..200 {
            path.round(&mut Unmeasured, &mut Unmeasured);
        }
        let unheard = SIZE.as_bytes() * (PACKETS + 1);
        assert!(path.estimator.in_flight().as_bytes() <= unheard, "{}", path.estimator.in_flight());
        assert!(path.estimate().target >= RATE, "{:?}", path.estimate());
    }
}
