//! Ladders, devices and a readable form of decisions for this crate's tests.

use std::borrow::Cow;
use std::fmt::Write;

use units::{Bitrate, Timestamp};

use crate::{
    Budget, Choice, Codec, Decision, DeviceClass, DeviceProfile, Input, OperatingPoint, Presets, Reported,
    Role, Subscription, Viewport, allocate,
};

pub(crate) fn point(
    encoding: u8,
    temporal: u8,
    (width, height, fps): (u32, u32, u32),
    kbps: u64,
) -> OperatingPoint {
    OperatingPoint {
        encoding,
        temporal,
        width,
        height,
        fps,
        cost: Bitrate::from_kbps(kbps),
        codec: Codec::Vp8,
        alive: true,
    }
}

/// Three encodings without temporal layers.
pub(crate) fn plain() -> Vec<OperatingPoint> {
    vec![
        point(0, 0, (320, 180, 30), 150),
        point(1, 0, (640, 360, 30), 500),
        point(2, 0, (1280, 720, 30), 1_200),
    ]
}

/// Three encodings of three temporal layers each.
pub(crate) fn camera() -> Vec<OperatingPoint> {
    let sizes = [(320, 180, 150), (640, 360, 500), (1280, 720, 1_500)];
    let rates = [(7, 50), (15, 70), (30, 100)];
    let encodings = (0u8..).zip(sizes);
    encodings
        .flat_map(|(encoding, (width, height, kbps))| {
            (0u8..).zip(rates).map(move |(temporal, (fps, percent))| {
                point(encoding, temporal, (width, height, fps), kbps * percent / 100)
            })
        })
        .collect()
}

/// A shared screen: sharp and slow, or half as sharp and smooth.
pub(crate) fn screen() -> Vec<OperatingPoint> {
    vec![
        point(0, 0, (960, 540, 15), 300),
        point(1, 0, (1920, 1080, 5), 700),
        point(1, 1, (1920, 1080, 15), 1_500),
    ]
}

pub(crate) fn device(class: DeviceClass) -> DeviceProfile {
    Presets::builtin().profile(class, &Reported::default())
}

pub(crate) fn shown(width: u32, height: u32) -> Viewport {
    Viewport::Shown { width, height }
}

pub(crate) fn subscription(
    role: Role,
    viewport: Viewport,
    points: Vec<OperatingPoint>,
) -> Subscription<'static> {
    Subscription { viewport, ..Subscription::new(role, Cow::Owned(points)) }
}

pub(crate) fn input(
    class: DeviceClass,
    kbps: u64,
    subscriptions: Vec<Subscription<'static>>,
) -> Input<'static> {
    let budget = Some(Budget::steady(Bitrate::from_kbps(kbps)));
    Input { now: Timestamp::from_secs(1_000), device: device(class), budget, subscriptions }
}

/// Decides and takes the decision over, as a router does once every switch is done.
pub(crate) fn advance(input: &mut Input<'static>) -> Decision {
    let decision = allocate(input);
    for (subscription, choice) in input.subscriptions.iter_mut().zip(&decision.choices) {
        subscription.target = choice.point;
        subscription.current = choice.point;
        subscription.stability = choice.stability;
    }
    decision
}

/// `640x360@30 500 kbit/s, bandwidth; 1280x720@30 lacks 700 kbit/s`
pub(crate) fn tell(subscription: &Subscription<'_>, choice: &Choice) -> String {
    let size = |index: usize| {
        let point = &subscription.points[index];
        format!("{}x{}@{}", point.width, point.height, point.fps)
    };
    let mut text = match choice.point {
        Some(index) => format!("{} {}", size(index), subscription.points[index].cost),
        None => "nothing".to_owned(),
    };
    write!(text, ", {}", choice.reason).unwrap();
    if let Some(next) = choice.next {
        write!(text, "; {}", size(next.point)).unwrap();
        if let Some(bitrate) = next.missing.bitrate {
            write!(text, " lacks {bitrate}").unwrap();
        }
        if let Some(rate) = next.missing.pixel_rate {
            write!(text, " lacks {:.1} Mpixel/s", rate as f64 / 1e6).unwrap();
        }
    }
    text
}

/// A decision as a few lines; equal neighbours are told once.
pub(crate) fn story(input: &Input<'_>, decision: &Decision) -> String {
    let mut lines: Vec<(usize, String)> = Vec::new();
    for (subscription, choice) in input.subscriptions.iter().zip(&decision.choices) {
        let line = format!("{:?}: {}", subscription.role, tell(subscription, choice));
        match lines.last_mut() {
            Some((count, last)) if *last == line => *count += 1,
            _ => lines.push((1, line)),
        }
    }
    let mut text = format!("spends {}", decision.spent);
    if let Some(probe) = decision.probe {
        write!(text, ", would use {probe}").unwrap();
    }
    text.push('\n');
    for (count, line) in lines {
        let times = if count > 1 { format!("{count} x ") } else { String::new() };
        writeln!(text, "  {times}{line}").unwrap();
    }
    text
}
