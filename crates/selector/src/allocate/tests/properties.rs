//! What holds for every input.

use super::oracle::{best, ladders, worth};
use super::*;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

fn any_points() -> impl Strategy<Value = Vec<OperatingPoint>> {
    // Real ladders: sizes double, rates follow sizes roughly, any rung may be missing or off.
    let encoding = (any::<bool>(), 60u64..200, prop::bool::weighted(0.9), 1usize..=3);
    (prop::collection::vec(encoding, 3), prop_oneof![Just((16, 9)), Just((4, 3)), Just((9, 16))]).prop_map(
        |(encodings, (across, down))| {
            let sizes = [20u32, 40, 80];
            let mut points = Vec::new();
            for (index, ((there, percent, alive, layers), size)) in
                encodings.into_iter().zip(sizes).enumerate()
            {
                let (width, height) = (across * size, down * size);
                let full = u64::from(width * height) * 2 * percent / 100;
                let layer = [(30, 100), (15, 70), (7, 50)];
                for (temporal, (fps, part)) in layer.into_iter().take(layers).enumerate() {
                    if there || index == 1 {
                        let mut point = point(index as u8, temporal as u8, (width, height, fps), 0);
                        point.cost = Bitrate::from_bps(full * part / 100);
                        point.alive = alive;
                        points.push(point);
                    }
                }
            }
            points
        },
    )
}

fn any_subscription() -> impl Strategy<Value = Subscription<'static>> {
    let viewport = prop_oneof![
        Just(Viewport::Unknown),
        Just(shown(160, 90)),
        Just(shown(480, 270)),
        Just(shown(1280, 720)),
        Just(Viewport::Hidden)
    ];
    let role = prop::sample::select(Role::ALL.to_vec());
    (role, viewport, any_points()).prop_map(|(role, viewport, points)| subscription(role, viewport, points))
}

/// Somewhere in the middle of a call.
fn any_history() -> impl Strategy<Value = (Option<usize>, Option<usize>, Stability)> {
    let moment = || prop::option::of((990_000u64..1_000_000).prop_map(Timestamp::from_millis));
    let stability =
        (moment(), moment(), moment(), 0u8..5).prop_map(|(started, upgraded, downgraded, undone)| {
            Stability { started, upgraded, downgraded, undone }
        });
    (prop::option::of(0usize..9), prop::option::of(0usize..9), stability)
}

fn any_device() -> impl Strategy<Value = DeviceProfile> {
    let class = prop::sample::select(DeviceClass::ALL.to_vec());
    (class, 1_000_000u64..200_000_000, 1u32..20).prop_map(|(class, decode_pixels_per_second, max_streams)| {
        DeviceProfile { decode_pixels_per_second, max_streams, ..device(class) }
    })
}

prop_compose! {
    fn any_input(most: usize)(
        subscriptions in prop::collection::vec((any_subscription(), any_history()), 0..=most),
        device in any_device(),
        keep in 0u64..10_000,
        part in 0u64..=100,
    ) -> Input<'static> {
        let budget = Budget { keep: Bitrate::from_kbps(keep), grow: Bitrate::from_kbps(keep * part / 100) };
        let subscriptions = subscriptions
            .into_iter()
            .map(|(s, (target, current, stability))| Subscription { target, current, stability, ..s })
            .collect();
        Input { now: Timestamp::from_secs(1_000), device, budget: Some(budget), subscriptions }
    }
}

prop_compose! {
    /// Nobody has anything yet, and the budget is what it is.
    fn fresh_input(most: usize)(
        subscriptions in prop::collection::vec(any_subscription(), 1..=most),
        device in any_device(),
        kbps in 0u64..10_000,
    ) -> Input<'static> {
        let budget = Some(Budget::steady(Bitrate::from_kbps(kbps)));
        Input { now: Timestamp::from_secs(1_000), device, budget, subscriptions }
    }
}

fn chosen<'a>(input: &'a Input<'_>, decision: &Decision) -> Vec<Option<&'a OperatingPoint>> {
    let pairs = input.subscriptions.iter().zip(&decision.choices);
    pairs.map(|(subscription, choice)| choice.point.map(|point| &subscription.points[point])).collect()
}

/// Everybody's cheapest rung at the prices of this input.
fn least(input: &Input<'_>) -> Vec<Option<Rung>> {
    let mut all = ladders(input);
    let top = |pick: fn(&Rung) -> u64| all.iter().filter_map(|rungs| rungs.last()).map(pick).sum();
    let keep = input.budget.unwrap().keep.as_bps();
    let purse =
        Purse::new((keep, keep), input.device.decode_pixels_per_second, top(|r| r.bits), top(|r| r.pixels));
    all.iter_mut()
        .map(|rungs| {
            let mut account = Account {
                rungs: 0..rungs.len(),
                allowed: rungs.len(),
                cheapest: None,
                held_bits: None,
                held_utility: 0.0,
                role: Role::Tile,
                pausable: true,
                floor: None,
                at: None,
                no_stream: false,
            };
            price(rungs, &mut account, &purse);
            account.cheapest.map(|at| rungs[at])
        })
        .collect()
}

/// Longer than any wait.
const DWELL_OVER: Duration = Duration::from_secs(11);

proptest! {
    #[test]
    fn never_over_a_budget_a_ceiling_or_a_decoder(input in any_input(12)) {
        let decision = allocate(&input);
        let points: Vec<&OperatingPoint> = chosen(&input, &decision).into_iter().flatten().collect();
        let spent: Bitrate = points.iter().map(|point| point.cost).sum();
        let pixels: u64 = points.iter().map(|point| point.pixel_rate()).sum();
        prop_assert_eq!((spent, pixels), (decision.spent, decision.pixel_rate));
        prop_assert!(spent <= input.budget.unwrap().keep);
        prop_assert!(pixels <= input.device.decode_pixels_per_second);
        prop_assert!(points.len() <= input.device.max_streams as usize);
        for (subscription, point) in input.subscriptions.iter().zip(chosen(&input, &decision)) {
            let Some(point) = point else { continue };
            prop_assert!(point.alive && subscription.viewport != Viewport::Hidden);
            let decodable = subscription.points.iter().filter(|other| {
                other.alive && other.pixels() > 0 && input.device.codecs.contains(other.codec)
            });
            let smallest = decodable.map(OperatingPoint::pixels).min();
            let fits = point.width.min(point.height) <= input.device.max_height;
            prop_assert!(fits || Some(point.pixels()) == smallest, "larger than the device, and not the least there is");
        }
    }

    #[test]
    fn a_recorded_input_gives_the_same_answer(input in any_input(12)) {
        let recorded = serde_json::to_string(&input).unwrap();
        let replayed: Input<'static> = serde_json::from_str(&recorded).unwrap();
        prop_assert_eq!(&replayed, &input);
        let decision = allocate(&input);
        prop_assert_eq!(allocate(&replayed), decision.clone());
        let told: Decision = serde_json::from_str(&serde_json::to_string(&decision).unwrap()).unwrap();
        prop_assert_eq!(told, decision);
    }

    #[test]
    fn every_choice_is_explained(input in any_input(12)) {
        let decision = allocate(&input);
        for (subscription, choice) in input.subscriptions.iter().zip(&decision.choices) {
            let missing = choice.next.map(|next| next.missing).unwrap_or_default();
            match choice.reason {
                Reason::Bandwidth | Reason::Priority => prop_assert!(missing.bitrate.is_some()),
                Reason::DeviceDecodeBudget => prop_assert!(missing.pixel_rate.is_some()),
                Reason::Hidden => prop_assert_eq!(subscription.viewport, Viewport::Hidden),
                Reason::Optimal | Reason::Viewport => {
                    prop_assert!(choice.next.is_none() && choice.point.is_some());
                }
                _ => {}
            }
            let better = choice.next.map(|next| next.point);
            prop_assert!(
                better.is_none() || choice.point != better || choice.reason == Reason::WaitingForKeyframe
            );
        }
    }

    #[test]
    fn nobody_starves_while_undoing_luxury_would_help(input in fresh_input(12)) {
        let decision = allocate(&input);
        let least = least(&input);
        let (mut bits, mut pixels) = (0, 0);
        for (rung, _) in least.iter().zip(&decision.choices).filter(|(_, choice)| choice.point.is_some()) {
            let rung = rung.unwrap();
            bits += rung.bits;
            pixels += rung.pixels;
        }
        for (rung, choice) in least.iter().zip(&decision.choices) {
            if let (Some(rung), None, true) = (rung, choice.point, choice.reason.is_budget()) {
                let fits = bits + rung.bits <= input.budget.unwrap().keep.as_bps()
                    && pixels + rung.pixels <= input.device.decode_pixels_per_second;
                prop_assert!(!fits, "{choice:?}");
            }
        }
    }

    #[test]
    fn a_larger_bit_budget_is_worth_no_less(input in fresh_input(8), more in 0u64..5_000) {
        let mut input = input;
        input.device.decode_pixels_per_second = u64::MAX;
        input.device.max_streams = u32::MAX;
        // Below everybody's floor the roles decide, not the sum.
        let floors: u64 = least(&input).iter().flatten().map(|rung| rung.bits).sum();
        let budget = |bits| Some(Budget::steady(Bitrate::from_bps(floors + bits)));
        let spare = input.budget.unwrap().keep.as_bps() / 2;
        input.budget = budget(spare);
        let less = worth(&input, &allocate(&input));
        input.budget = budget(spare + more * 1_000);
        prop_assert!(worth(&input, &allocate(&input)) >= less - 1e-9);
    }

    #[test]
    fn a_larger_decode_budget_is_worth_no_less(
        input in fresh_input(8), spare in 0u64..50_000_000, more in 0u64..50_000_000,
    ) {
        let mut input = input;
        input.budget = Some(Budget::steady(Bitrate::MAX));
        input.device.max_streams = u32::MAX;
        input.device.decode_pixels_per_second = 1;
        let floors: u64 = least(&input).iter().flatten().map(|rung| rung.pixels).sum();
        input.device.decode_pixels_per_second = floors + spare;
        let less = worth(&input, &allocate(&input));
        input.device.decode_pixels_per_second += more;
        prop_assert!(worth(&input, &allocate(&input)) >= less - 1e-9);
    }

    #[test]
    fn what_was_decided_stands_while_nothing_changes(input in any_input(12)) {
        let mut input = input;
        // Waits run out and the first decision's own effects (loyalty, holds) settle.
        for _ in 0..4 {
            advance(&mut input);
            input.now += DWELL_OVER;
        }
        let settled = advance(&mut input);
        for _ in 0..3 {
            input.now += DWELL_OVER;
            let again = advance(&mut input);
            prop_assert_eq!(chosen(&input, &again), chosen(&input, &settled));
        }
    }
}

#[test]
fn close_to_the_best_possible() {
    let mut runner = TestRunner::deterministic();
    let mut ratios = Vec::new();
    while ratios.len() < 2_000 {
        let mut input = fresh_input(6).new_tree(&mut runner).expect("nothing is filtered").current();
        input.device.max_streams = u32::MAX;
        if let Some(best) = best(&input).filter(|best| *best > 0.0) {
            let got = worth(&input, &allocate(&input));
            assert!(got <= best + 1e-9, "an answer better than the best, {got} of {best}: {input:?}");
            ratios.push(got / best);
        }
    }
    ratios.sort_by(f64::total_cmp);
    let mean = ratios.iter().sum::<f64>() / ratios.len() as f64;
    let (worst, percentile) = (ratios[0], ratios[ratios.len() / 100]);
    println!("mean {mean:.4}, worst {worst:.4}, 1st percentile {percentile:.4}");
    assert!(mean > 0.99 && percentile > 0.95 && worst > 0.75, "{mean} {percentile} {worst}");
}

/// How many others change when one thing about one subscription does, in a call that has settled.
#[test]
fn one_change_moves_few() {
    let mut runner = TestRunner::deterministic();
    let mut moved = Vec::new();
    while moved.len() < 2_000 {
        let mut input = fresh_input(12).new_tree(&mut runner).expect("nothing is filtered").current();
        for _ in 0..4 {
            advance(&mut input);
            input.now += DWELL_OVER;
        }
        let before = advance(&mut input);
        input.now += DWELL_OVER;
        let hidden = input.subscriptions[0].viewport == Viewport::Hidden;
        input.subscriptions[0].viewport = if hidden { shown(480, 270) } else { Viewport::Hidden };
        let after = allocate(&input);
        let pairs = before.choices.iter().zip(&after.choices).skip(1);
        moved.push(pairs.filter(|(before, after)| before.point != after.point).count());
    }
    moved.sort_unstable();
    let mean = moved.iter().sum::<usize>() as f64 / moved.len() as f64;
    let percentile = moved[moved.len() * 95 / 100];
    println!("mean {mean:.2}, 95th percentile {percentile}, most {}", moved[moved.len() - 1]);
    assert!(mean < 0.6 && percentile <= 3);
}
