//! Scenarios nobody thought of: a room and its troubles drawn from a seed.
//!
//! Owns the drawing, and what must hold whatever is drawn: [`violations`] do not depend on how good the
//! node's decisions are, people [`left_in_the_dark`] do.

use super::fault::Action;
use super::path::Way;
use super::record::{Person, Record};
use super::scenario::{LinkSetup, People, Rate, Scenario, Sends, Step, Tiles};
use crate::links::event::SECOND;
use crate::links::rng::Rng;
use signalling::DeviceClass;

/// Nothing goes wrong any more in the end, so that everybody can recover.
const CALM_SECONDS: f64 = 12.0;
/// Who sees nothing although its link carries this for so long, in bits per second, is in the dark: it is room for three voices and the
/// smallest picture, with what is reserved for both. A link of a phone falls below that at any time, whatever the troubles.
const ROOM: u64 = 400_000;
const RECOVERY: u64 = 5 * SECOND;
/// A stream of chance of its own.
const STREAM: u64 = 9_001;

/// The scenario of a seed, called `soak-<seed>`.
pub fn scenario(seed: u64) -> Scenario {
    let mut rng = Rng::new(seed, STREAM);
    let seconds = 40 + rng.below(20) as u64;
    let people: Vec<People> = (0..3 + rng.below(5)).map(|n| somebody(n, &mut rng)).collect();
    let trouble_ends = seconds as f64 - CALM_SECONDS;
    let mut step = Vec::new();
    for _ in 0..8 + rng.below(16) {
        let at = rng.between(2.0, trouble_ends - 4.0);
        let who = people[rng.below(people.len())].name.clone();
        let until = rng.between(at, trouble_ends);
        trouble(at, until, &who, &mut rng, &mut step);
    }
    step.sort_by(|a, b| a.at.total_cmp(&b.at));
    Scenario {
        name: format!("soak-{seed}"),
        about: "Drawn at random.".to_owned(),
        seconds,
        turn_seconds: Some(rng.between(1.0, 8.0)),
        people,
        step,
        is_calm_at_the_end: true,
        bound: Default::default(),
    }
}

fn somebody(n: usize, rng: &mut Rng) -> People {
    let classes = [DeviceClass::Mobile, DeviceClass::Tablet, DeviceClass::Desktop, DeviceClass::Tv];
    let sends = [
        vec![Sends::Camera, Sends::Microphone],
        vec![Sends::Camera, Sends::Microphone],
        vec![Sends::Screen, Sends::Camera, Sends::Microphone],
        vec![Sends::Microphone],
    ];
    let heights = [180, 360, 720];
    let height = heights[rng.below(3)];
    People {
        name: format!("p{n}"),
        count: 1,
        class: classes[rng.below(4)],
        // Somebody always sends a picture.
        sends: sends[if n == 0 { 0 } else { rng.below(4) }].clone(),
        tiles: vec![Tiles {
            count: rng.below(7),
            width: height * 16 / 9,
            height,
            priority: rng.below(4) as u8,
        }],
        link: link(rng),
        joins: Some(rng.between(0.0, 6.0)),
        spread: 0.0,
        decode: None,
        dtx: rng.chance(0.7),
    }
}

fn link(rng: &mut Rng) -> LinkSetup {
    let rate = |rng: &mut Rng| {
        if rng.chance(0.3) {
            Rate::Cellular { cellular: 800 + rng.below(5_000) as u64 }
        } else {
            Rate::Constant(500 + rng.below(12_000) as u64)
        }
    };
    LinkSetup {
        up: rate(rng),
        down: rate(rng),
        rtt_ms: 4 + rng.below(250) as u64,
        queue_ms: 50 + rng.below(800) as u64,
        loss: if rng.chance(0.3) { rng.between(0.0, 0.03) } else { 0.0 },
        jitter_ms: rng.below(12) as u64,
    }
}

/// One trouble and its end.
fn trouble(at: f64, until: f64, who: &str, rng: &mut Rng, out: &mut Vec<Step>) {
    let way = if rng.chance(0.5) { Way::Up } else { Way::Down };
    let share = rng.between(0.005, 0.25);
    let mut push = |at, action| out.push(Step { at, who: who.to_owned(), action });
    match rng.below(13) {
        0 | 1 => {
            push(at, Action::Loss { way, share });
            push(until, Action::Loss { way, share: 0.0 });
        }
        2 => {
            push(at, Action::Reorder { way, share });
            push(until, Action::Reorder { way, share: 0.0 });
        }
        3 => {
            push(at, Action::Duplicate { way, share });
            push(until, Action::Duplicate { way, share: 0.0 });
        }
        4 => {
            push(at, Action::Corrupt { share });
            push(until, Action::Corrupt { share: 0.0 });
        }
        5 => {
            push(at, Action::Silence { way, on: true });
            push(until.min(at + 6.0), Action::Silence { way, on: false });
        }
        6 => push(at, Action::Handover { link: link(rng), gap_ms: rng.below(1_500) as u64 }),
        7 => {
            push(at, Action::TopLayer { on: false });
            push(until, Action::TopLayer { on: true });
        }
        8 => {
            let mid = if rng.chance(0.7) { "cam" } else { "mic" };
            push(at, Action::Mute { mid: mid.to_owned(), on: true });
            push(until, Action::Mute { mid: mid.to_owned(), on: false });
        }
        9 => {
            push(at, Action::Crash);
            push(until, Action::Join);
        }
        10 => push(at, Action::Reconnect { gap_ms: 100 + rng.below(5_000) as u64 }),
        11 => {
            push(at, Action::SlowReader { delay_ms: rng.below(4_000) as u64 });
            push(until, Action::SlowReader { delay_ms: 0 });
        }
        _ => push(at, Action::ClockJump { ms: rng.below(4_000) as u64 }),
    }
}

/// What a run put on the wire that no run may, in words.
pub fn violations(record: &Record) -> Vec<String> {
    let mut violations = Vec::new();
    let bad = record.bad_frames();
    if !bad.is_empty() {
        violations.push(format!("frames came whole and could not be shown: {bad:?}"));
    }
    for person in &record.people {
        let (malformed, unknown) = (person.traffic.malformed, person.traffic.unknown);
        // Whoever sends nonsense may get an answer of the kind.
        if malformed + unknown > 0 && !person.was_broken {
            let name = &person.name;
            violations.push(format!(
                "{name} got {malformed} datagrams without sense, {unknown} of unknown streams"
            ));
        }
    }
    violations
}

/// Who sees nothing at the end of a run although troubles are long over and there is room, in words.
pub fn left_in_the_dark(record: &Record) -> Vec<String> {
    let is_dark = |person: &&Person| {
        let end = person.samples.last().map_or(0, |sample| sample.at);
        let mut lately = person.samples.iter().filter(|sample| end - sample.at < 2 * SECOND);
        let mut before = person.samples.iter().filter(|sample| end - sample.at < RECOVERY);
        let could = before.all(|sample| sample.best > 0.0 && sample.capacity >= ROOM);
        could && lately.all(|sample| sample.lit == 0)
    };
    let people = record.people.iter().filter(is_dark);
    people.map(|person| format!("{} is dark long after all troubles ended", person.name)).collect()
}
