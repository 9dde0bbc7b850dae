//! Single decisions, sequences of them, and what holds for all of them.

use super::*;
use crate::testing::{advance, camera, device, input, plain, point, screen, shown, subscription};
use crate::{Cap, Codec, CodecSet, DeviceClass, DeviceProfile, OperatingPoint, Reason, Role, Viewport};

mod oracle;
mod properties;
mod stories;

fn tile() -> Subscription<'static> {
    subscription(Role::Tile, shown(1280, 720), plain())
}

fn heights(input: &Input<'_>, decision: &Decision) -> Vec<u32> {
    let pairs = input.subscriptions.iter().zip(&decision.choices);
    pairs.map(|(s, choice)| choice.point.map_or(0, |point| s.points[point].height)).collect()
}

#[test]
fn every_reason_is_given_when_it_holds() {
    let one = |s: Subscription<'static>| input(DeviceClass::Desktop, 100_000, vec![s]);
    let first = |input: &Input<'_>| allocate(input).choices[0].reason;
    let mut seen = Vec::new();
    let mut check = |reason: Reason, got: Reason, why: &str| {
        assert_eq!(got, reason, "{why}");
        seen.push(reason);
    };
    check(Reason::Optimal, first(&one(tile())), "all there is");
    check(Reason::Bandwidth, first(&input(DeviceClass::Desktop, 1_000, vec![tile()])), "too slow a link");
    let small = Subscription { viewport: shown(320, 180), ..tile() };
    check(Reason::Viewport, first(&one(small)), "a small tile");
    check(Reason::DeviceHeight, first(&input(DeviceClass::Mobile, 9_000, vec![tile()])), "a phone");
    let slow = DeviceProfile { decode_pixels_per_second: 10_000_000, ..device(DeviceClass::Desktop) };
    check(Reason::DeviceDecodeBudget, first(&Input { device: slow, ..one(tile()) }), "a slow decoder");
    let single = DeviceProfile { max_streams: 1, ..device(DeviceClass::Desktop) };
    let two = Input { device: single, ..input(DeviceClass::Desktop, 9_000, vec![tile(), tile()]) };
    check(Reason::DeviceStreamCount, allocate(&two).choices[1].reason, "one decoder for two");
    let careful = DeviceProfile { care: Cap { max_height: Some(360), ..Cap::NONE }, ..single };
    check(Reason::Power, first(&Input { device: careful, ..one(tile()) }), "an empty battery");
    let wish = Subscription { max_height: Some(360), ..tile() };
    check(Reason::UserRequest, first(&one(wish)), "a wish");
    let mut off = plain();
    off[2].alive = false;
    check(
        Reason::PublisherOff,
        first(&one(subscription(Role::Tile, Viewport::Unknown, off))),
        "a starved sender",
    );
    let vp8_only =
        DeviceProfile { codecs: CodecSet::from_iter([Codec::Vp8]), ..device(DeviceClass::Desktop) };
    let foreign = plain().into_iter().map(|point| OperatingPoint { codec: Codec::Av1, ..point }).collect();
    let foreign = one(subscription(Role::Tile, Viewport::Unknown, foreign));
    check(Reason::Codec, first(&Input { device: vp8_only, ..foreign }), "a foreign codec");
    let pinned = Subscription { role: Role::Pinned, ..tile() };
    let crowded = input(DeviceClass::Desktop, 1_400, vec![pinned, tile()]);
    check(Reason::Priority, allocate(&crowded).choices[1].reason, "the pinned one has it");
    let mut fallen = input(DeviceClass::Desktop, 1_300, vec![tile()]);
    advance(&mut fallen);
    // What is lost so soon after the start that the link was not known yet holds nothing back.
    fallen.now += CAUTIOUS_START;
    fallen.budget = Some(Budget::steady(Bitrate::from_kbps(600)));
    advance(&mut fallen);
    fallen.budget = Some(Budget::steady(Bitrate::from_kbps(1_300)));
    check(Reason::Dwell, first(&fallen), "it fell a moment ago");
    let waiting = Subscription { target: Some(2), current: Some(0), ..tile() };
    check(Reason::WaitingForKeyframe, first(&one(waiting)), "the wire lags behind");
    check(Reason::Startup, first(&Input { budget: None, ..one(tile()) }), "nothing is known yet");
    check(
        Reason::Hidden,
        first(&one(Subscription { viewport: Viewport::Hidden, ..tile() })),
        "not on the screen",
    );
    seen.sort();
    // Whether the server is busy is not known here.
    let all: Vec<_> = Reason::ALL.into_iter().filter(|reason| *reason != Reason::ServerBusy).collect();
    assert_eq!(seen, all, "every reason has its case");
}

#[test]
fn a_careful_device_is_told_so_when_it_decodes_fewer_videos() {
    let careful =
        DeviceProfile { care: Cap { max_streams: Some(1), ..Cap::NONE }, ..device(DeviceClass::Desktop) };
    let two = Input { device: careful, ..input(DeviceClass::Desktop, 9_000, vec![tile(), tile()]) };
    assert_eq!(allocate(&two).choices[1].reason, Reason::Power);
}

#[test]
fn a_phone_and_a_desktop_get_different_layers_of_one_publication() {
    for (class, height) in
        [(DeviceClass::Mobile, 360), (DeviceClass::Tablet, 720), (DeviceClass::Desktop, 720)]
    {
        let input = input(class, 10_000, vec![subscription(Role::Tile, Viewport::Unknown, plain())]);
        assert_eq!(heights(&input, &allocate(&input)), [height], "{class:?}");
    }
}

#[test]
fn without_an_estimate_the_start_is_cautious_and_then_ceilings_decide() {
    let mut input = Input { budget: None, ..input(DeviceClass::Tablet, 0, vec![tile()]) };
    let start = advance(&mut input);
    assert_eq!(heights(&input, &start), [180]);
    assert_eq!(start.again, Some(input.now + CAUTIOUS_START));
    input.now += CAUTIOUS_START;
    let after = advance(&mut input);
    assert_eq!((heights(&input, &after), after.again), (vec![720], None));
}

#[test]
fn floors_come_before_luxury_in_role_order() {
    let roles = [Role::Thumbnail, Role::Tile, Role::Pinned, Role::Stage];
    let all = roles.map(|role| subscription(role, shown(1280, 720), plain()));
    for (kbps, expected, why) in [
        (100, [0, 0, 0, 0], "nobody fits"),
        (299, [0, 0, 180, 0], "the pinned one first"),
        (300, [0, 0, 180, 180], "then the stage"),
        (599, [0, 180, 180, 180], "an upgrade never comes before somebody's floor"),
        (600, [180; 4], "everybody"),
        (950, [180, 180, 360, 180], "and then the weights decide"),
    ] {
        let input = input(DeviceClass::Desktop, kbps, all.to_vec());
        assert_eq!(heights(&input, &allocate(&input)), expected, "{kbps} kbit/s: {why}");
    }
}

#[test]
fn a_screen_gets_its_floor_before_anybody_is_upgraded() {
    let screen =
        Subscription { floor_height: 1_080, ..subscription(Role::Screen, shown(1920, 1080), screen()) };
    let pinned = subscription(Role::Pinned, shown(1280, 720), plain());
    let at = |kbps| {
        let input = input(DeviceClass::Desktop, kbps, vec![screen.clone(), pinned.clone()]);
        heights(&input, &allocate(&input))
    };
    assert_eq!(at(849), [540, 360], "it cannot be afforded");
    assert_eq!(at(850), [1080, 180], "it can: legible slides, and the pinned camera waits");
}

#[test]
fn whoever_may_not_be_paused_gets_the_least_even_over_the_budget() {
    let stubborn = Subscription { pausable: false, ..tile() };
    let input = input(DeviceClass::Desktop, 10, vec![tile(), stubborn]);
    let decision = allocate(&input);
    assert_eq!(heights(&input, &decision), [0, 180]);
    assert_eq!(decision.spent, Bitrate::from_kbps(150));
}

#[test]
fn what_is_held_is_judged_by_the_moment_and_what_is_more_by_the_lowest() {
    let mut input = input(DeviceClass::Desktop, 500, vec![tile()]);
    advance(&mut input);
    input.budget = Some(Budget { keep: Bitrate::from_kbps(1_500), grow: Bitrate::from_kbps(300) });
    let decision = advance(&mut input);
    assert_eq!(heights(&input, &decision), [360], "held");
    assert_eq!(decision.choices[0].reason, Reason::Dwell, "the room has not lasted");
    assert_eq!(decision.probe, None, "the estimate is there already");
    input.budget = Some(Budget { keep: Bitrate::from_kbps(499), grow: Bitrate::from_kbps(300) });
    assert_eq!(advance(&mut input).choices[0].point, Some(0), "down at once");
}

#[test]
fn a_worse_step_is_taken_at_once_and_a_better_one_waits_longer_every_time() {
    let mut input = input(DeviceClass::Desktop, 1_300, vec![tile()]);
    advance(&mut input);
    let mut waits = Vec::new();
    for _ in 0..4 {
        input.now += Duration::from_secs(1);
        input.budget = Some(Budget::steady(Bitrate::from_kbps(600)));
        let fallen = advance(&mut input);
        assert_eq!(heights(&input, &fallen), [360]);
        input.budget = Some(Budget::steady(Bitrate::from_kbps(1_300)));
        let blocked = advance(&mut input);
        assert_eq!((heights(&input, &blocked), blocked.choices[0].reason), (vec![360], Reason::Dwell));
        let again = blocked.again.expect("it says when the wait ends");
        waits.push((again - input.now).as_secs());
        input.now = again;
        let risen = advance(&mut input);
        assert_eq!(heights(&input, &risen), [720]);
    }
    assert_eq!(waits, [2, 4, 8, 10], "the first fall undid nothing hasty: it came from the start");
}

#[test]
fn a_larger_tile_or_a_returning_encoding_does_not_wait() {
    let mut input = input(DeviceClass::Desktop, 1_300, vec![tile()]);
    advance(&mut input);
    for viewport in [shown(320, 180), shown(1280, 720), Viewport::Hidden, shown(1280, 720)] {
        input.subscriptions[0].viewport = viewport;
        let decision = advance(&mut input);
        let expected = if viewport == shown(1280, 720) { Some(2) } else { decision.choices[0].point };
        assert_eq!(decision.choices[0].point, expected);
    }
    input.subscriptions[0].points.to_mut()[2].alive = false;
    assert_eq!(advance(&mut input).choices[0].point, Some(1));
    input.subscriptions[0].points.to_mut()[2].alive = true;
    assert_eq!(advance(&mut input).choices[0].point, Some(2));
}

#[test]
fn frame_rate_goes_before_size() {
    let mut input =
        input(DeviceClass::Desktop, 1_500, vec![subscription(Role::Stage, shown(1280, 720), camera())]);
    advance(&mut input);
    input.budget = Some(Budget::steady(Bitrate::from_kbps(1_100)));
    let decision = advance(&mut input);
    let chosen = &input.subscriptions[0].points[decision.choices[0].point.unwrap()];
    assert_eq!((chosen.height, chosen.fps), (720, 15));
}

#[test]
fn the_probe_asks_for_the_step_that_is_worth_most() {
    let thumbnail = subscription(Role::Thumbnail, shown(1280, 720), plain());
    let stage = subscription(Role::Stage, shown(1280, 720), plain());
    let input = input(DeviceClass::Desktop, 700, vec![thumbnail, stage]);
    let decision = allocate(&input);
    assert_eq!(heights(&input, &decision), [180, 360]);
    // 150 + 500 now; the stage wants 700 more, the thumbnail 350 more for a fourth of the weight.
    assert_eq!(decision.probe, Some(Bitrate::from_kbps(1_350)));
    assert_eq!(decision.wanted, Bitrate::from_kbps(2_400));
    let enough = Input { budget: decision.probe.map(Budget::steady), ..input.clone() };
    assert_eq!(heights(&enough, &allocate(&enough)), [180, 720], "what was asked for is enough");
}

#[test]
fn odd_ladders_do_not_break_it() {
    let free = |mut points: Vec<OperatingPoint>| {
        points.iter_mut().for_each(|point| point.cost = Bitrate::ZERO);
        points
    };
    let huge = vec![OperatingPoint { cost: Bitrate::MAX, ..point(0, 0, (u32::MAX, u32::MAX, u32::MAX), 1) }];
    for points in [vec![], free(plain()), huge, vec![plain()[1]; 40]] {
        for kbps in [0, 1, 1_000, u64::MAX / 1_000] {
            let all = vec![subscription(Role::Tile, Viewport::Unknown, points.clone()); 3];
            let mut input = input(DeviceClass::Tv, kbps, all);
            for _ in 0..3 {
                let decision = advance(&mut input);
                assert!(decision.spent <= Bitrate::from_kbps(kbps));
            }
        }
    }
    // A target that is no position of the ladder any more.
    let stale = Subscription { target: Some(99), current: Some(77), ..tile() };
    assert_eq!(allocate(&input(DeviceClass::Desktop, 5_000, vec![stale])).choices[0].point, Some(2));
}
