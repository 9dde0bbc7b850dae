//! What the estimator costs per packet sent and acknowledged, and per report, at 5 Mbit/s. Goal: 150 ns per packet.
//!
//! `packet` is the sum: sending one, and its share of the report about it. The others are its parts.

use std::time::Duration;

use benches::path::{PACKETS, SteadyPath};
use benches::{Stopwatch, scaled};
use criterion::Criterion;

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3))
        .without_plots()
        .configure_from_args();
    let mut path = SteadyPath::settled();
    let parts = [("estimate/packet", PACKETS), ("estimate/sent", PACKETS), ("estimate/report", 1)];
    for (name, per_round) in parts {
        criterion.bench_function(name, |bencher| {
            bencher.iter_custom(|asked| {
                let rounds = asked.div_ceil(per_round);
                let (mut sending, mut reports) = (Stopwatch::default(), Stopwatch::default());
                for _ in 0..rounds {
                    path.round(&mut sending, &mut reports);
                }
                let (sending, reports) = (sending.take(), reports.take());
                let spent = match name {
                    "estimate/packet" => sending + reports,
                    "estimate/sent" => sending,
                    _ => reports,
                };
                scaled(spent, asked, rounds * per_round)
            });
        });
    }
    criterion.final_summary();
}
