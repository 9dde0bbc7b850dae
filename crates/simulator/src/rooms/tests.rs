//! The simulator checked against itself, and the node against what must hold in any run.

use super::score::{broken_bounds, judge};
use super::*;

fn scenario(name: &str) -> Scenario {
    embedded().into_iter().find(|scenario| scenario.name == name).expect("embedded")
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
    let mut short = scenario("bad-weather");
    short.seconds = 12;
    let hash = |seed| simulate(&short, Policy::Terrace, seed).hash;
    assert_eq!(hash(7), hash(7));
    assert_ne!(hash(7), hash(8));
}

/// The small rooms; the large ones are run by the quality bench, with the same bounds.
#[test]
fn small_rooms_keep_their_bounds() {
    let mut broken = Vec::new();
    for name in ["one-to-one", "handover", "speaker-ping-pong", "mute-and-dtx"] {
        let scenario = scenario(name);
        let record = simulate(&scenario, Policy::Terrace, 1);
        let found = broken_bounds(&scenario, &judge(&record)).into_iter().chain(soak::violations(&record));
        broken.extend(found.map(|why| format!("{why}\n  {}", report::again(&record))));
    }
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

/// Rooms drawn at random, most of which once showed a fault of the node or of the virtual client.
fn random_rooms_are_well(seeds: impl IntoIterator<Item = u64>) {
    let mut broken = Vec::new();
    for seed in seeds {
        let record = simulate(&soak::scenario(seed), Policy::Terrace, seed);
        let found = soak::violations(&record).into_iter().chain(soak::left_in_the_dark(&record));
        broken.extend(found.map(|why| format!("{why}\n  {}", report::again(&record))));
    }
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

#[test]
fn whatever_goes_wrong_no_screen_shows_a_broken_picture() {
    random_rooms_are_well([1, 24, 66, 67, 123]);
}

#[test]
fn whatever_goes_wrong_nobody_stays_in_the_dark() {
    random_rooms_are_well([13, 15, 19, 27, 38]);
}
