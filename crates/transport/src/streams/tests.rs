//! The window of numbers seen, against the plainest model of it. What streams are identified by is told from outside.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::Seen;

#[test]
fn tells_first_from_again_and_from_too_old() {
    let cases: [(&[u16], &[bool], &str); 6] = [
        (&[5, 6, 7], &[true, true, true], "in order"),
        (&[5, 5, 6, 5], &[true, false, true, false], "again"),
        (&[5, 9, 7, 7], &[true, true, true, false], "overtaken, then again"),
        (&[65_534, 1, 65_535, 0, 65_535], &[true, true, true, true, false], "across the wrap"),
        (&[5, 1_028, 5, 4], &[true, true, false, false], "the last in the window, and one beyond it"),
        (&[5, 30_000, 29_999, 5], &[true, true, true, false], "after a jump nothing of before is remembered"),
    ];
    for (numbers, expected, why) in cases {
        let mut seen = Seen::default();
        let told: Vec<bool> = numbers.iter().map(|number| seen.mark(*number)).collect();
        assert_eq!(told, expected, "{why}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(7), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn agrees_with_a_set_of_whole_numbers(steps in prop::collection::vec(-1_500_i64..1_500, 1..300)) {
        let mut seen = Seen::default();
        let mut model = BTreeSet::new();
        let (mut at, mut highest) = (100_000_i64, None::<i64>);
        for step in steps {
            // Farther back than half the numbers, 16 bits mean the next round.
            at = (at + step).max(highest.map_or(0, |highest| highest - 20_000));
            let is_recent = highest.is_none_or(|highest| at > highest - i64::from(Seen::WINDOW));
            let expected = is_recent && model.insert(at);
            prop_assert_eq!(seen.mark(at as u16), expected, "{} with {:?} the highest", at, highest);
            highest = highest.max(Some(at));
        }
    }
}
