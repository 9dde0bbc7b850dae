//! The simulator checked against itself and against what must hold in any run.

use super::*;

fn scenario(name: &str) -> Scenario {
    embedded().into_iter().find(|scenario| scenario.name == name).expect("embedded")
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
    let mut short = scenario("one-to-one");
    short.seconds = 5;
    let hash = |seed| simulate(&short, Policy::Terrace, seed).hash;
    assert_eq!(hash(7), hash(7));
    assert_ne!(hash(7), hash(8));
}
