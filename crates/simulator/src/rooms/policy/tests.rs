//! What makes each rival itself, on walls and stages made up here.

use std::borrow::Cow;

use router::Policy;
use selector::{
    Budget, Codec, Decision, DeviceClass, Input, OperatingPoint, Presets, Reported, Role, Subscription,
    Viewport,
};
use units::{Bitrate, Timestamp};

use super::{jvb::Jvb, livekit::Livekit, mediasoup::Mediasoup, signal::Signal};

fn ladder() -> Vec<OperatingPoint> {
    let sizes = [(320, 180, 150), (640, 360, 500), (1280, 720, 1_200)];
    let point = |(encoding, (width, height, kbps)): (u8, (u32, u32, u64))| OperatingPoint {
        encoding,
        temporal: 0,
        width,
        height,
        fps: 30,
        cost: Bitrate::from_kbps(kbps),
        codec: Codec::Vp8,
        alive: true,
    };
    (0..).zip(sizes).map(point).collect()
}

fn room(roles: &[(Role, u32)]) -> Input<'static> {
    let subscription = |(role, height): &(Role, u32)| Subscription {
        viewport: Viewport::Shown { width: height * 16 / 9, height: *height },
        ..Subscription::new(*role, Cow::Owned(ladder()))
    };
    Input {
        now: Timestamp::from_secs(100),
        device: Presets::builtin().profile(DeviceClass::Desktop, &Reported::default()),
        budget: None,
        subscriptions: roles.iter().map(subscription).collect(),
    }
}

/// Decides at each second with that budget, and takes every decision over; the points of each.
fn live(policy: &mut dyn Policy, input: &mut Input<'static>, kbps: &[u64]) -> Vec<Vec<Option<usize>>> {
    let mut seen = Vec::new();
    for rate in kbps {
        input.now += std::time::Duration::from_secs(1);
        input.budget = Some(Budget::steady(Bitrate::from_kbps(*rate)));
        let Decision { choices, .. } = policy.decide(input);
        for (subscription, choice) in input.subscriptions.iter_mut().zip(&choices) {
            (subscription.target, subscription.stability) = (choice.point, choice.stability);
        }
        seen.push(choices.iter().map(|choice| choice.point).collect());
    }
    seen
}

const STAGE: (Role, u32) = (Role::Stage, 720);
const STRIP: (Role, u32) = (Role::Thumbnail, 180);

#[test]
fn jvb_serves_the_stage_first_and_ignores_small_changes() {
    let mut input = room(&[STRIP, STAGE, STRIP]);
    let seen = live(&mut Jvb::default(), &mut input, &[520, 580, 800, 800]);
    assert_eq!(seen[0], [None, Some(1), None], "the stage has its 360 lines, and nothing is left");
    assert_eq!(seen[1], seen[0], "12 % more is not looked into");
    assert_eq!(seen[2], [Some(0), Some(1), Some(0)]);
    let mut wall = room(&[(Role::Tile, 360), (Role::Stage, 360)]);
    assert_eq!(live(&mut Jvb::default(), &mut wall, &[320])[0], [Some(0), Some(0)], "a wall has no stage");
}

#[test]
fn livekit_never_pauses_and_raises_who_lacks_most() {
    let mut input = room(&[STAGE, STRIP, STRIP]);
    let seen = live(&mut Livekit, &mut input, &[200, 900, 2_000]);
    assert_eq!(seen[0], [Some(0), Some(0), Some(0)], "450 kbit/s over a link of 200");
    assert_eq!(seen[1], [Some(1), Some(0), Some(0)]);
    assert_eq!(seen[2], [Some(2), Some(0), Some(0)], "all of it fits");
}

#[test]
fn mediasoup_climbs_by_priority_and_waits_after_a_downgrade() {
    let mut input = room(&[(Role::Tile, 720), STAGE]);
    let mut rates = vec![1_000, 320];
    rates.extend([1_000; 11]);
    let seen = live(&mut Mediasoup, &mut input, &rates);
    assert_eq!(seen[0], [Some(1), Some(1)]);
    assert_eq!(seen[1], [Some(0), Some(0)]);
    assert!(seen[2..11].iter().all(|points| points == &[Some(0), Some(0)]), "ten seconds: {seen:?}");
    assert_eq!(seen[12], [Some(1), Some(1)]);
    assert_eq!(live(&mut Mediasoup, &mut room(&[STRIP, STRIP]), &[200])[0], [Some(0), None], "paused");
}

#[test]
fn signal_goes_layer_by_layer_and_remembers_dips() {
    let mut input = room(&[STRIP, STAGE]);
    let seen = live(&mut Signal::default(), &mut input, &[800, 400, 800, 800, 800, 800, 800, 800]);
    assert_eq!(seen[0], [Some(0), Some(1)], "720 of 800 kbit/s");
    assert_eq!(seen[1], [Some(0), Some(0)]);
    assert_eq!(seen[2], [Some(0), Some(0)], "the dip was a second ago");
    assert_eq!(seen[7], [Some(0), Some(1)]);
}
