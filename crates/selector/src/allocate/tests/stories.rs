//! Decisions told line by line, to be read in a review.

use std::fmt::Write;

use insta::assert_snapshot;

use super::*;
use crate::testing::story;
use crate::{BudgetHistory, Reserves};

/// One decision per budget, each from scratch.
fn sweep(class: DeviceClass, kbps: &[u64], subscriptions: &[Subscription<'static>]) -> String {
    kbps.iter().fold(String::new(), |mut text, kbps| {
        let input = input(class, *kbps, subscriptions.to_vec());
        write!(text, "{kbps} kbit/s: {}", story(&input, &allocate(&input))).unwrap();
        text
    })
}

/// A call over time: every 250 ms an estimate, told when a decision differs from the one before.
fn call(class: DeviceClass, estimates: &[(u64, u64)], subscriptions: Vec<Subscription<'static>>) -> String {
    let mut input = input(class, 0, subscriptions);
    let mut history = BudgetHistory::default();
    let reserves = Reserves { audio: Bitrate::from_kbps(60), retransmission_permille: 20 };
    let (mut text, mut last, mut spent) = (String::new(), String::new(), Bitrate::ZERO);
    let end = estimates.last().unwrap().0;
    for ms in (0..=end).step_by(250) {
        let (_, kbps) = estimates.iter().rev().find(|(from, _)| *from <= ms).unwrap();
        input.now = Timestamp::from_millis(100_000 + ms);
        let in_use = crate::InUse { rate: spent, standing: Duration::ZERO };
        let budget = history.budget(input.now, Bitrate::from_kbps(*kbps), in_use, &reserves);
        input.budget = Some(budget);
        let decision = advance(&mut input);
        spent = decision.spent;
        let told = story(&input, &decision);
        if told != last {
            write!(text, "{:5.2} s, {kbps} kbit/s: {told}", ms as f64 / 1e3).unwrap();
            last = told;
        }
    }
    text
}

#[test]
fn one_camera_on_a_phone_and_on_a_desktop() {
    let kbps = [50, 100, 200, 400, 600, 1_200, 2_500];
    let camera = [subscription(Role::Stage, shown(1280, 720), camera())];
    assert_snapshot!("camera-on-phone", sweep(DeviceClass::Mobile, &kbps, &camera));
    assert_snapshot!("camera-on-desktop", sweep(DeviceClass::Desktop, &kbps, &camera));
}

#[test]
fn a_stage_with_a_strip() {
    let mut all = vec![subscription(Role::Stage, shown(1280, 720), camera())];
    all.extend(vec![subscription(Role::Thumbnail, shown(320, 180), camera()); 6]);
    assert_snapshot!("stage-with-strip", sweep(DeviceClass::Desktop, &[300, 700, 1_500, 2_500, 4_000], &all));
}

#[test]
fn slides_with_their_speaker() {
    let all = [
        Subscription { floor_height: 540, ..subscription(Role::Screen, shown(1920, 1080), screen()) },
        subscription(Role::Stage, shown(640, 360), camera()),
        subscription(Role::Thumbnail, shown(320, 180), camera()),
    ];
    assert_snapshot!("slides", sweep(DeviceClass::Desktop, &[250, 500, 900, 1_300, 2_500], &all));
}

#[test]
fn a_wall_of_twenty_five_on_small_and_large_devices() {
    let all = vec![subscription(Role::Tile, shown(480, 270), camera()); 25];
    let mut text = String::new();
    for class in DeviceClass::ALL {
        write!(text, "{class:?}, {}", sweep(class, &[6_000], &all)).unwrap();
    }
    assert_snapshot!("wall", text);
}

#[test]
fn a_link_that_dips_and_comes_back() {
    let all = vec![
        subscription(Role::Stage, shown(1280, 720), camera()),
        subscription(Role::Thumbnail, shown(320, 180), camera()),
    ];
    let estimates = [(0, 2_000), (3_000, 700), (6_000, 2_000), (15_000, 2_000)];
    assert_snapshot!("dip", call(DeviceClass::Desktop, &estimates, all));
}

#[test]
fn a_link_that_flaps() {
    // Up for three seconds, down for one: every rise is a mistake, and they become rarer.
    let mut estimates = vec![(0, 1_800)];
    for round in 0..8 {
        estimates.push((4_000 * round + 3_000, 600));
        estimates.push((4_000 * round + 4_000, 1_800));
    }
    let all = vec![subscription(Role::Stage, shown(1280, 720), plain())];
    assert_snapshot!("flapping", call(DeviceClass::Desktop, &estimates, all));
}
