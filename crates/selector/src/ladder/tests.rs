//! What is left of a publication for one receiver, and what is named above it.

use super::*;
use crate::testing::{camera, device, plain, point, shown, subscription};
use crate::{Cap, Codec, DeviceClass, Role};

/// The sizes that are left, least worth first, and the ceiling.
fn check(
    device: &DeviceProfile,
    subscription: &Subscription<'_>,
    heights: &[u32],
    reason: Reason,
    next: Option<u32>,
) {
    let mut rungs = Vec::new();
    let ceiling = build(device, subscription, &mut Taste::new(device, subscription), &mut rungs);
    let height = |index: usize| subscription.points[index].height;
    let left: Vec<u32> = rungs.iter().map(|rung| height(rung.point)).collect();
    assert_eq!(left, heights, "{subscription:?}");
    assert_eq!((ceiling.reason, ceiling.point.map(height)), (reason, next), "{subscription:?}");
}

#[test]
fn what_limits_a_ladder() {
    let desktop = device(DeviceClass::Desktop);
    let phone = device(DeviceClass::Mobile);
    let of = |viewport| subscription(Role::Tile, viewport, plain());
    let (all, none) = ([180, 360, 720], []);
    check(&desktop, &of(Viewport::Unknown), &all, Reason::Optimal, None);
    check(&desktop, &of(Viewport::Hidden), &none, Reason::Hidden, None);
    check(&phone, &of(Viewport::Unknown), &[180, 360], Reason::DeviceHeight, Some(720));
    check(&phone, &of(shown(320, 180)), &[180], Reason::Viewport, None);

    let wish = |max_height| Subscription { max_height: Some(max_height), ..of(Viewport::Unknown) };
    check(&desktop, &wish(360), &[180, 360], Reason::UserRequest, Some(720));
    check(&desktop, &wish(90), &[180], Reason::UserRequest, Some(360));
    check(&phone, &wish(360), &[180, 360], Reason::UserRequest, Some(720));

    let careful = DeviceProfile { care: Cap { max_height: Some(180), ..Cap::NONE }, ..desktop };
    check(&careful, &of(Viewport::Unknown), &[180], Reason::Power, Some(360));

    let with = |change: fn(&mut OperatingPoint)| {
        let mut points = plain();
        change(&mut points[2]);
        subscription(Role::Tile, Viewport::Unknown, points)
    };
    check(&desktop, &with(|p| p.alive = false), &[180, 360], Reason::PublisherOff, Some(720));
    check(&phone, &with(|p| p.alive = false), &[180, 360], Reason::DeviceHeight, Some(720));
    check(&desktop, &with(|p| p.codec = Codec::H265), &[180, 360], Reason::Optimal, None);
    check(&desktop, &with(|p| p.width = 0), &[180, 360], Reason::Optimal, None);
}

#[test]
fn a_viewport_is_rounded_up_to_an_encoding() {
    let desktop = device(DeviceClass::Desktop);
    for (width, height, top, why) in [
        (320, 180, 180, "exactly"),
        (328, 184, 180, "a few pixels more are not seen"),
        (340, 191, 360, "more than that is"),
        (640, 360, 360, "exactly"),
        (641, 361, 360, "one pixel more is not seen"),
        (1281, 721, 720, "nothing is larger than the largest"),
        (4000, 180, 180, "the height limits what is shown"),
        (1, 1, 180, "never less than the smallest"),
    ] {
        let subscription = subscription(Role::Tile, shown(width, height), plain());
        let mut rungs = Vec::new();
        build(&desktop, &subscription, &mut Taste::new(&desktop, &subscription), &mut rungs);
        assert_eq!(subscription.points[rungs.last().unwrap().point].height, top, "{width}x{height}: {why}");
    }
}

#[test]
fn a_phone_is_not_left_without_a_picture_because_all_of_them_are_large() {
    let phone = device(DeviceClass::Mobile);
    let of = |points| subscription(Role::Tile, shown(100, 100), points);
    let large = vec![point(0, 0, (1280, 720, 30), 1_200)];
    check(&phone, &of(large.clone()), &[720], Reason::Optimal, None);
    let larger = vec![large[0], point(1, 0, (1920, 1080, 30), 3_000)];
    check(&phone, &of(larger), &[720], Reason::DeviceHeight, Some(1080));
    // The small ones may be off for a while.
    let mut starved = plain();
    starved[..2].iter_mut().for_each(|point| point.alive = false);
    check(&phone, &of(starved), &[720], Reason::Optimal, None);
    let gone = vec![OperatingPoint { alive: false, ..large[0] }];
    check(&phone, &of(gone), &[], Reason::PublisherOff, Some(720));
}

#[test]
fn nothing_is_left_when_nothing_comes() {
    let phone = device(DeviceClass::Mobile);
    let mut off = plain();
    off.iter_mut().for_each(|point| point.alive = false);
    check(&phone, &subscription(Role::Tile, shown(640, 360), off), &[], Reason::PublisherOff, Some(180));
    check(&phone, &subscription(Role::Tile, shown(640, 360), vec![]), &[], Reason::PublisherOff, None);
}

#[test]
fn a_frame_rate_ceiling_takes_temporal_layers_but_never_a_whole_encoding() {
    let desktop = device(DeviceClass::Desktop);
    let rates = |max_fps, points| {
        let subscription = Subscription { max_fps, ..subscription(Role::Tile, shown(320, 180), points) };
        let mut rungs = Vec::new();
        let ceiling = build(&desktop, &subscription, &mut Taste::new(&desktop, &subscription), &mut rungs);
        let left: Vec<u32> = rungs.iter().map(|rung| subscription.points[rung.point].fps).collect();
        (left, ceiling.reason)
    };
    assert_eq!(rates(Some(15), camera()), (vec![7, 15], Reason::UserRequest));
    assert_eq!(rates(Some(14), camera()), (vec![7, 15], Reason::UserRequest), "cameras run a little fast");
    assert_eq!(rates(Some(5), camera()), (vec![7], Reason::UserRequest), "nothing is slower");
    assert_eq!(rates(Some(5), plain()), (vec![30], Reason::Viewport), "nor here");
    let fast = vec![point(0, 0, (320, 180, 60), 200), point(0, 1, (320, 180, 120), 300)];
    assert_eq!(rates(None, fast), (vec![60], Reason::DeviceHeight), "the device's own ceiling");
}

#[test]
fn ladders_are_ordered_by_pixels_whatever_their_order_and_names() {
    let desktop = device(DeviceClass::Desktop);
    let mut backwards = plain();
    backwards.reverse();
    check(
        &desktop,
        &subscription(Role::Tile, Viewport::Unknown, backwards),
        &[180, 360, 720],
        Reason::Optimal,
        None,
    );
    // Some browsers send two encodings of one size: the dearer one is never of use.
    let twins = vec![point(0, 0, (640, 360, 30), 700), point(1, 0, (640, 360, 30), 300)];
    let mut rungs = Vec::new();
    let twins = subscription(Role::Tile, Viewport::Unknown, twins);
    build(&desktop, &twins, &mut Taste::new(&desktop, &twins), &mut rungs);
    assert_eq!(rungs.iter().map(|rung| rung.point).collect::<Vec<_>>(), [1]);
}

#[test]
fn what_another_point_beats_is_dropped_unless_it_is_held() {
    let desktop = device(DeviceClass::Desktop);
    // A starved top encoding: larger than the middle one, and cheaper for a moment.
    let points = vec![point(0, 0, (640, 360, 30), 500), point(1, 0, (1280, 720, 8), 400)];
    let mut held = subscription(Role::Screen, shown(1280, 720), points);
    check(&desktop, &held, &[360, 720], Reason::Optimal, None);
    held.points.to_mut()[1].fps = 7;
    check(&desktop, &held, &[720], Reason::Optimal, None);
    held.target = Some(0);
    check(&desktop, &held, &[360, 720], Reason::Optimal, None);
}
