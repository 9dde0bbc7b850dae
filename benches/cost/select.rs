//! What one decision for 50 subscriptions costs. Goal: 20 us.
//!
//! `fresh` decides about subscriptions that have nothing yet, `settled` decides again when nothing changed, which is what
//! happens several times a second; with encodings alone (3 points each) and with temporal layers (9).

use std::hint::black_box;
use std::time::Duration;

use benches::gallery::{input, ladder, settled};
use criterion::Criterion;
use selector::allocate;

/// As many as a large call shows.
const SUBSCRIPTIONS: usize = 50;

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3))
        .without_plots()
        .configure_from_args();
    for layers in [1, 3] {
        let ladder = ladder(layers);
        let fresh = input(SUBSCRIPTIONS, &ladder);
        let points = ladder.len();
        for (state, input) in [("fresh", fresh.clone()), ("settled", settled(fresh))] {
            let name = format!("select/{SUBSCRIPTIONS}x{points}/{state}");
            criterion.bench_function(&name, |bencher| bencher.iter(|| allocate(black_box(&input))));
        }
    }
    criterion.final_summary();
}
