//! A receiver that looks at many cameras at once.
//!
//! Owns the input of one decision: roles, sizes and ladders of a large call on a desktop. The link is what binds, so that all
//! parts of the decision have work.

use std::borrow::Cow;

use selector::{
    Budget, Codec, DeviceClass, DeviceProfile, Input, OperatingPoint, Presets, Reported, Role, Subscription,
    Viewport, allocate,
};
use units::{Bitrate, Timestamp};

/// What the link carries.
const BUDGET: Bitrate = Bitrate::from_kbps(12_000);

/// Three encodings, each of so many temporal layers, 1 to 3.
///
/// # Panics
/// For another number of layers.
pub fn ladder(layers: usize) -> Vec<OperatingPoint> {
    let rates: &[(u32, u64)] = match layers {
        1 => &[(30, 100)],
        2 => &[(15, 70), (30, 100)],
        3 => &[(7, 50), (15, 70), (30, 100)],
        _ => panic!("cameras have one to three temporal layers"),
    };
    let sizes = [(320, 180, 150), (640, 360, 500), (1280, 720, 1_500)];
    (0u8..)
        .zip(sizes)
        .flat_map(|(encoding, (width, height, kbps))| {
            (0u8..).zip(rates).map(move |(temporal, (fps, percent))| OperatingPoint {
                encoding,
                temporal,
                width,
                height,
                fps: *fps,
                cost: Bitrate::from_kbps(kbps * percent / 100),
                codec: Codec::Vp8,
                alive: true,
            })
        })
        .collect()
}

/// One on stage, some tiles, thumbnails for the rest; nobody has been given anything yet.
pub fn input(count: usize, ladder: &[OperatingPoint]) -> Input<'_> {
    let subscription = |at: usize| {
        let (role, width, height) = match at {
            0 => (Role::Stage, 1280, 720),
            1..=12 => (Role::Tile, 480, 270),
            _ => (Role::Thumbnail, 240, 135),
        };
        let viewport = Viewport::Shown { width, height };
        Subscription { viewport, ..Subscription::new(role, Cow::Borrowed(ladder)) }
    };
    // A device that limits nothing leaves every subscription in the race.
    let device = DeviceProfile {
        max_streams: 1_000,
        decode_pixels_per_second: u64::MAX,
        ..Presets::builtin().profile(DeviceClass::Desktop, &Reported::default())
    };
    Input {
        now: Timestamp::from_secs(1_000),
        device,
        budget: Some(Budget::steady(BUDGET)),
        subscriptions: (0..count).map(subscription).collect(),
    }
}

/// The same receiver after its first decision was carried out.
pub fn settled(mut input: Input<'_>) -> Input<'_> {
    let decision = allocate(&input);
    for (subscription, choice) in input.subscriptions.iter_mut().zip(decision.choices) {
        subscription.target = choice.point;
        subscription.current = choice.point;
        subscription.stability = choice.stability;
    }
    input
}

#[cfg(test)]
mod tests {
    use super::*;
    use selector::Choice;

    #[test]
    fn the_link_is_what_binds_and_everybody_is_seen() {
        let ladder = ladder(3);
        let decision = allocate(&settled(input(50, &ladder)));
        assert!(decision.choices.iter().all(|choice| choice.point.is_some()), "{decision:?}");
        let lacks_bits = |choice: &Choice| {
            choice
                .next
                .is_some_and(|next| next.missing.bitrate.is_some() && next.missing.pixel_rate.is_none())
        };
        assert!(decision.choices.iter().any(lacks_bits), "{decision:?}");
    }
}
