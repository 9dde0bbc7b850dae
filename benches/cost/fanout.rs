//! What a room costs per packet that it forwards, in plaintext: one VP8 stream of 1.3 Mbit/s to many receivers.
//!
//! `plain` receivers acknowledge nothing: judge, renumber, hand out. `acknowledged` ones report arrivals, as browsers do, and
//! the figure has estimation, pacing and decisions for each in it. Sockets, SRTP and the bytes of headers are left out.

use std::time::Duration;

use benches::fanout::Fanout;
use benches::scaled;
use criterion::Criterion;

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3))
        .without_plots()
        .configure_from_args();
    for (kind, acknowledged) in [("plain", false), ("acknowledged", true)] {
        for receivers in [10, 100, 1_000] {
            // Made when asked for: a filter on the command line spares the others.
            let mut settled = None;
            criterion.bench_function(&format!("fanout/{kind}/{receivers}"), |bencher| {
                let fanout = settled.get_or_insert_with(|| Fanout::settled(receivers, acknowledged));
                bencher.iter_custom(|asked| {
                    let (forwarded, spent) = fanout.forward(asked);
                    scaled(spent, asked, forwarded)
                });
            });
        }
    }
    criterion.final_summary();
}
