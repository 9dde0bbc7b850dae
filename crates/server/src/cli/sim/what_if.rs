//! `terrace sim what-if`: what the selector would choose for a device on a link, and why.
//!
//! Owns the arguments and the words. The answer is that of the selector that serves, for somebody whose link has been
//! known for a while.

use std::borrow::Cow;
use std::io::{self, Write};

use clap::{Args, ValueEnum};
use selector::{
    BudgetHistory, Codec, Decision, DeviceClass, InUse, Input, OperatingPoint, PowerState, Presets, Reported,
    Reserves, Role, Subscription, Viewport, allocate,
};
use serde::Serialize;
use units::{Bitrate, Timestamp};

use super::files::wrong;
use crate::cli::Failure;

/// What one voice takes with its headers, in kbit/s.
const AUDIO_KBPS: u64 = 60;
/// What the temporal layers of an encoding add up to: frames and bits as a share of all.
const TEMPORAL: [(u32, u64); 3] = [(4, 45), (2, 65), (1, 100)];

/// Who looks at what, over which link.
#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct Arguments {
    /// What the link to the device carries, in kbit/s
    #[arg(long, value_name = "KBPS", value_parser = clap::value_parser!(u64).range(..=100_000_000))]
    downlink: u64,

    /// What the device is
    #[arg(long, value_enum, value_name = "CLASS", default_value = "desktop")]
    device: Class,

    /// Ordinary tiles
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(..=1_000))]
    tiles: u16,

    /// The size of each tile in physical pixels
    #[arg(long, value_name = "WxH", default_value = "640x360", value_parser = size)]
    tile_size: (u32, u32),

    /// A large tile as well, for whoever speaks
    #[arg(long, value_name = "WxH", value_parser = size)]
    stage: Option<(u32, u32)>,

    /// A shared screen as well
    #[arg(long, value_name = "WxH", value_parser = size)]
    screen: Option<(u32, u32)>,

    /// What every camera sends: size, frame rate and kbit/s of each encoding
    #[arg(
        long,
        value_name = "WxH@FPS:KBPS,..",
        value_delimiter = ',',
        default_value = "320x180@30:150,640x360@30:500,1280x720@30:1200",
        value_parser = encoding
    )]
    ladder: Vec<Encoding>,

    /// What a shared screen sends
    #[arg(
        long,
        value_name = "WxH@FPS:KBPS,..",
        value_delimiter = ',',
        default_value = "640x360@5:200,1280x720@15:600,1920x1080@15:1500",
        value_parser = encoding
    )]
    screen_ladder: Vec<Encoding>,

    /// Every encoding has three temporal layers
    #[arg(long)]
    temporal: bool,

    /// The device decodes so many megapixels per second, whatever its class promises
    #[arg(long, value_name = "N")]
    decode: Option<f64>,

    /// The battery is low
    #[arg(long)]
    saver: bool,

    /// The user asked to save data
    #[arg(long)]
    save_data: bool,

    /// Print the answer as one JSON object on standard output
    #[arg(long)]
    json: bool,
}

/// The classes of devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Class {
    Mobile,
    Tablet,
    Desktop,
    Tv,
    Unknown,
}

impl From<Class> for DeviceClass {
    fn from(class: Class) -> Self {
        match class {
            Class::Mobile => Self::Mobile,
            Class::Tablet => Self::Tablet,
            Class::Desktop => Self::Desktop,
            Class::Tv => Self::Tv,
            Class::Unknown => Self::Unknown,
        }
    }
}

/// One encoding as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Encoding {
    size: (u32, u32),
    fps: u32,
    kbps: u64,
}

fn size(text: &str) -> Result<(u32, u32), String> {
    let sides =
        text.split_once('x').and_then(|(width, height)| Some((width.parse().ok()?, height.parse().ok()?)));
    let in_range =
        |(width, height): &(u32, u32)| (1..=16_384).contains(width) && (1..=16_384).contains(height);
    sides.filter(in_range).ok_or("a size is written as 640x360".to_owned())
}

fn encoding(text: &str) -> Result<Encoding, String> {
    let parts = text.split_once('@').and_then(|(sides, rest)| {
        let (fps, kbps) = rest.split_once(':')?;
        Some(Encoding { size: size(sides).ok()?, fps: fps.parse().ok()?, kbps: kbps.parse().ok()? })
    });
    let in_range = |e: &Encoding| (1..=240).contains(&e.fps) && e.kbps <= 1_000_000;
    parts.filter(in_range).ok_or("an encoding is written as 640x360@30:500".to_owned())
}

/// The answer. Rates in kbit/s.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Answer {
    downlink_kbps: u64,
    device: selector::DeviceProfile,
    /// What may be spent on what is there, and on more.
    budget_kbps: u64,
    growth_budget_kbps: u64,
    spent_kbps: u64,
    wanted_kbps: u64,
    /// The budget at which the best of the missing steps would be taken.
    probe_kbps: Option<u64>,
    pixels_per_second: u64,
    slots: Vec<Slot>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Slot {
    role: Role,
    /// Absent for a slot that gets nothing.
    gets: Option<Picture>,
    reason: selector::Reason,
    next: Option<Next>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
struct Picture {
    width: u32,
    height: u32,
    fps: u32,
    kbps: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
struct Next {
    #[serde(flatten)]
    picture: Picture,
    missing_kbps: Option<u64>,
    missing_pixels_per_second: Option<u64>,
}

/// Asks the selector.
pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let answer = arguments.ask()?;
    let mut out = io::stdout().lock();
    if arguments.json {
        writeln!(out, "{}", serde_json::to_string(&answer).expect("plain data"))?;
    } else {
        out.write_all(tell(&answer).as_bytes())?;
    }
    Ok(())
}

impl Arguments {
    fn ask(&self) -> Result<Answer, Failure> {
        if self.decode.is_some_and(|decode| !(0.1..=1e6).contains(&decode)) {
            return Err(wrong("--decode goes from 0.1 to 1000000 megapixels per second".to_owned()));
        }
        let reported = Reported {
            decode_pixels_per_second: self.decode.map(|megapixels| (megapixels * 1e6) as u64),
            power: if self.saver { PowerState::Saver } else { PowerState::Normal },
            save_data: self.save_data,
            ..Reported::default()
        };
        let device = Presets::builtin().profile(self.device.into(), &reported);
        let reserves = Reserves { audio: Bitrate::from_kbps(AUDIO_KBPS), retransmission_permille: 0 };
        let estimate = Bitrate::from_kbps(self.downlink);
        let budget = BudgetHistory::default().budget(Timestamp::ZERO, estimate, InUse::default(), &reserves);
        let (camera, screen) = (self.points(&self.ladder), self.points(&self.screen_ladder));
        let subscription = |role, (width, height), points| Subscription {
            viewport: Viewport::Shown { width, height },
            ..Subscription::new(role, points)
        };
        let mut subscriptions = Vec::new();
        subscriptions
            .extend(self.screen.map(|size| subscription(Role::Screen, size, Cow::Borrowed(&screen[..]))));
        subscriptions
            .extend(self.stage.map(|size| subscription(Role::Stage, size, Cow::Borrowed(&camera[..]))));
        let tile = subscription(Role::Tile, self.tile_size, Cow::Borrowed(&camera[..]));
        subscriptions.extend(std::iter::repeat_n(tile, usize::from(self.tiles)));
        let input = Input { now: Timestamp::ZERO, device, budget: Some(budget), subscriptions };
        let decision = allocate(&input);
        Ok(Answer {
            downlink_kbps: self.downlink,
            device,
            budget_kbps: budget.keep.as_kbps(),
            growth_budget_kbps: budget.grow.as_kbps(),
            spent_kbps: decision.spent.as_kbps(),
            wanted_kbps: decision.wanted.as_kbps(),
            probe_kbps: decision.probe.map(Bitrate::as_kbps),
            pixels_per_second: decision.pixel_rate,
            slots: slots(&input, &decision),
        })
    }

    fn points(&self, ladder: &[Encoding]) -> Vec<OperatingPoint> {
        let layers: &[(u32, u64)] = if self.temporal { &TEMPORAL } else { &TEMPORAL[2..] };
        let point = |encoding: usize, spec: &Encoding, temporal: usize| {
            let (divisor, percent) = layers[temporal];
            OperatingPoint {
                // A command line names a handful.
                encoding: encoding as u8,
                temporal: temporal as u8,
                width: spec.size.0,
                height: spec.size.1,
                fps: (spec.fps / divisor).max(1),
                cost: Bitrate::from_kbps(spec.kbps * percent / 100),
                codec: Codec::Vp8,
                alive: true,
            }
        };
        let of = |(encoding, spec)| (0..layers.len()).map(move |temporal| point(encoding, spec, temporal));
        ladder.iter().take(16).enumerate().flat_map(of).collect()
    }
}

fn slots(input: &Input<'_>, decision: &Decision) -> Vec<Slot> {
    let slot = |(subscription, choice): (&Subscription<'_>, &selector::Choice)| {
        let picture = |point: usize| {
            let point = &subscription.points[point];
            Picture { width: point.width, height: point.height, fps: point.fps, kbps: point.cost.as_kbps() }
        };
        Slot {
            role: subscription.role,
            gets: choice.point.map(picture),
            reason: choice.reason,
            next: choice.next.map(|next| Next {
                picture: picture(next.point),
                missing_kbps: next.missing.bitrate.map(Bitrate::as_kbps),
                missing_pixels_per_second: next.missing.pixel_rate,
            }),
        }
    };
    input.subscriptions.iter().zip(&decision.choices).map(slot).collect()
}

/// A few lines; equal slots are told once.
fn tell(answer: &Answer) -> String {
    let picture = |p: &Picture| format!("{}x{}@{} at {} kbit/s", p.width, p.height, p.fps, p.kbps);
    let mut lines: Vec<(usize, String)> = Vec::new();
    for slot in &answer.slots {
        let gets = slot.gets.as_ref().map_or("nothing".to_owned(), picture);
        let mut line = format!("{}: {gets}, {}", format!("{:?}", slot.role).to_lowercase(), slot.reason);
        if let Some(next) = &slot.next {
            line += &format!("; next {}", picture(&next.picture));
            line += &next.missing_kbps.map_or(String::new(), |kbps| format!(", lacks {kbps} kbit/s"));
            let pixels = next.missing_pixels_per_second;
            line += &pixels.map_or(String::new(), |p| format!(", lacks {:.1} megapixels/s", p as f64 / 1e6));
        }
        match lines.last_mut() {
            Some((count, last)) if *last == line => *count += 1,
            _ => lines.push((1, line)),
        }
    }
    let mut text = format!(
        "{} of {} kbit/s for video are spent ({} would be the best), {:.1} of {:.1} megapixels/s\n",
        answer.spent_kbps,
        answer.budget_kbps,
        answer.wanted_kbps,
        answer.pixels_per_second as f64 / 1e6,
        answer.device.decode_pixels_per_second as f64 / 1e6
    );
    for (count, line) in lines {
        text += &format!("{count:>4} x {line}\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn ask(line: &str) -> Answer {
        let words = ["what-if"].into_iter().chain(line.split_whitespace());
        Line::try_parse_from(words).unwrap().arguments.ask().unwrap()
    }

    #[test]
    fn a_phone_is_told_about_itself_and_a_desktop_about_its_link() {
        let phone = ask("--downlink 5000 --device mobile --tiles 1 --tile-size 1280x720");
        assert_eq!(phone.slots[0].gets.unwrap().height, 360);
        assert_eq!(phone.slots[0].reason, selector::Reason::DeviceHeight);
        let wall = ask("--downlink 2500 --device desktop --tiles 9");
        assert!(wall.spent_kbps <= wall.budget_kbps && wall.slots.iter().all(|slot| slot.gets.is_some()));
        assert!(wall.slots.iter().any(|slot| slot.next.is_some_and(|next| next.missing_kbps.is_some())));
        assert!(tell(&wall).contains("bandwidth"), "{}", tell(&wall));
    }

    #[test]
    fn sizes_and_encodings_are_read_or_refused() {
        assert_eq!(size("640x360"), Ok((640, 360)));
        assert_eq!(encoding("640x360@15:300"), Ok(Encoding { size: (640, 360), fps: 15, kbps: 300 }));
        for wrong in ["640", "0x360", "640x", "640x360@0:1", "640x360@15", "640x360@15:9999999"] {
            assert!(encoding(wrong).is_err(), "{wrong}");
        }
    }
}
