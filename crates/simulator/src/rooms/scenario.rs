//! Scenarios: who is in a room over which links, what happens when, and what is to be expected of the result.
//!
//! Owns the form, which is TOML, and the scenarios that come with the crate. A bound has a reason; without
//! one nobody can tell later whether a change that breaks it is a mistake.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use signalling::{DeviceClass, Source};

use super::encoder;
use super::fault::Action;
use super::spec::{ClientSpec, SlotSpec, TrackSpec};
use crate::links::capacity::{Capacity, Schedule};
use crate::links::case::Case;
use crate::links::event::{MILLI, Micros, SECOND};
use crate::links::link::{Limit, LinkSpec};
use crate::links::loss::LossModel;
use crate::links::rng::Rng;

/// A scenario, as written.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Its name on command lines.
    pub name: String,
    /// What it models and why it is here.
    pub about: String,
    /// How long it takes.
    pub seconds: u64,
    /// Somebody else speaks after about this many seconds; nobody without it.
    pub turn_seconds: Option<f64>,
    /// Who takes part.
    pub people: Vec<People>,
    /// What happens.
    #[serde(default)]
    pub step: Vec<Step>,
    /// Nothing goes wrong in the last ten seconds, so nobody who could see something may be in the dark at the end.
    #[serde(default)]
    pub is_calm_at_the_end: bool,
    /// What the figures have to be, by their key in the report.
    #[serde(default)]
    pub bound: BTreeMap<String, Bound>,
}

/// Participants of one kind.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct People {
    /// Name; with a number behind it where there are several.
    pub name: String,
    /// How many.
    #[serde(default = "one")]
    pub count: u16,
    /// What device they have.
    pub class: DeviceClass,
    /// What they send.
    #[serde(default)]
    pub sends: Vec<Sends>,
    /// Their video slots.
    #[serde(default)]
    pub tiles: Vec<Tiles>,
    /// How they are connected.
    pub link: LinkSetup,
    /// When they come, in seconds. Absent: with the step `join`.
    pub joins: Option<f64>,
    /// The last of them comes this many seconds after the first.
    #[serde(default)]
    pub spread: f64,
    /// What the device really decodes, in megapixels per second; the preset of its class without it.
    pub decode: Option<f64>,
    /// Whether silence is not sent.
    #[serde(default = "yes")]
    pub dtx: bool,
}

fn one() -> u16 {
    1
}

fn yes() -> bool {
    true
}

/// One thing that a participant sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sends {
    /// 1280x720 with simulcast, section `cam`.
    Camera,
    /// 1920x1080 with simulcast, section `screen`.
    Screen,
    /// Section `mic`.
    Microphone,
}

/// Slots of one size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tiles {
    /// How many.
    pub count: usize,
    /// Physical pixels.
    pub width: u32,
    /// Physical pixels.
    pub height: u32,
    /// As in the view: 0 thumbnail to 3 pinned.
    #[serde(default = "ordinary")]
    pub priority: u8,
}

fn ordinary() -> u8 {
    1
}

/// What a link is like, both ways.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkSetup {
    /// To the node.
    pub up: Rate,
    /// From the node.
    pub down: Rate,
    /// There and back, without queues.
    pub rtt_ms: u64,
    /// How long a full queue takes to drain.
    #[serde(default = "queue")]
    pub queue_ms: u64,
    /// Packets lost whatever the load, as a share, both ways.
    #[serde(default)]
    pub loss: f64,
    /// Deviation of the jitter.
    #[serde(default)]
    pub jitter_ms: u64,
}

fn queue() -> u64 {
    300
}

/// What a link carries.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Rate {
    /// Always that many kbit/s.
    Constant(u64),
    /// From each second on that many kbit/s.
    Steps(Vec<(f64, u64)>),
    /// A phone on its way: a mean rate in kbit/s that wanders, with dips as behind a bridge.
    Cellular {
        /// Mean rate.
        cellular: u64,
    },
    /// A recorded one. Not in files: see [`commuter_on`].
    #[serde(skip)]
    Recorded(Arc<Schedule>),
}

/// Something that happens to somebody.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Step {
    /// When, in seconds.
    pub at: f64,
    /// To whom: a name, a name with a number, or `*` for all.
    #[serde(default = "everybody")]
    pub who: String,
    /// What.
    #[serde(flatten)]
    pub action: Action,
}

fn everybody() -> String {
    "*".to_owned()
}

/// What a figure has to be.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bound {
    /// At least.
    pub min: Option<f64>,
    /// At most.
    pub max: Option<f64>,
    /// Why.
    pub why: String,
}

/// The scenarios that come with the crate, in the order of the report.
const EMBEDDED: [&str; 17] = [
    include_str!("../../scenarios/one-to-one.toml"),
    include_str!("../../scenarios/nine-tiles-5.toml"),
    include_str!("../../scenarios/nine-tiles-2.5.toml"),
    include_str!("../../scenarios/nine-tiles-1.toml"),
    include_str!("../../scenarios/phone-wall-25.toml"),
    include_str!("../../scenarios/phone-wall-50.toml"),
    include_str!("../../scenarios/phone-wall-wide.toml"),
    include_str!("../../scenarios/mixed-room.toml"),
    include_str!("../../scenarios/screen-share.toml"),
    include_str!("../../scenarios/commuter.toml"),
    include_str!("../../scenarios/handover.toml"),
    include_str!("../../scenarios/hot-phone.toml"),
    include_str!("../../scenarios/join-storm.toml"),
    include_str!("../../scenarios/poor-publisher.toml"),
    include_str!("../../scenarios/speaker-ping-pong.toml"),
    include_str!("../../scenarios/mute-and-dtx.toml"),
    include_str!("../../scenarios/bad-weather.toml"),
];

/// All scenarios that come with the crate.
pub fn embedded() -> Vec<Scenario> {
    EMBEDDED.iter().map(|text| Scenario::parse(text).expect("a test reads every one of them")).collect()
}

impl Scenario {
    /// From TOML.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let scenario: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        if scenario.seconds == 0 || scenario.people.is_empty() {
            return Err(format!("{}: nobody is there, or no time passes", scenario.name));
        }
        for step in &scenario.step {
            if !scenario.people.iter().any(|people| people.is_called(&step.who)) {
                return Err(format!("{}: nobody is called {}", scenario.name, step.who));
            }
        }
        Ok(scenario)
    }

    /// How long it takes.
    pub fn duration(&self) -> Micros {
        self.seconds * SECOND
    }

    /// Everybody, in order: what they are, how they are connected, when they come.
    pub fn cast(&self) -> Vec<(ClientSpec, LinkSetup, Option<Micros>)> {
        let mut cast = Vec::new();
        for people in &self.people {
            for n in 0..people.count {
                let index = cast.len() as u16;
                cast.push((people.client(n, index), people.link.clone(), people.joins(n)));
            }
        }
        cast
    }
}

impl People {
    /// Whether one of them has that name, or all of them.
    fn is_called(&self, who: &str) -> bool {
        who == "*" || who == self.name || (0..self.count).any(|n| self.full_name(n) == who)
    }

    fn full_name(&self, n: u16) -> String {
        if self.count == 1 { self.name.clone() } else { format!("{}-{n}", self.name) }
    }

    fn joins(&self, n: u16) -> Option<Micros> {
        let gap = if self.count > 1 { self.spread / f64::from(self.count - 1) } else { 0.0 };
        self.joins.map(|first| seconds(first + gap * f64::from(n)))
    }

    fn client(&self, n: u16, index: u16) -> ClientSpec {
        let track = |mid: &str, source, encodings| TrackSpec { mid: mid.to_owned(), source, encodings };
        let tracks = self.sends.iter().filter_map(|sends| match sends {
            Sends::Camera => Some(track("cam", Source::Camera, encoder::camera())),
            Sends::Screen => Some(track("screen", Source::Screen, encoder::screen())),
            Sends::Microphone => None,
        });
        let tile = |tiles: &Tiles| {
            let spec = SlotSpec { size: Some((tiles.width, tiles.height)), priority: tiles.priority };
            std::iter::repeat_n(spec, tiles.count)
        };
        let preset = device(self.class).decode_pixels_per_second;
        ClientSpec {
            name: self.full_name(n),
            index,
            class: self.class,
            decode: self.decode.map_or(preset, |megapixels| (megapixels * 1e6) as u64),
            tracks: tracks.collect(),
            microphone: self.sends.contains(&Sends::Microphone),
            dtx: self.dtx,
            slots: self.tiles.iter().flat_map(tile).collect(),
        }
    }
}

/// What devices of a class are: the judge goes by the presets too, as what a phone shows is not for a policy
/// to decide.
pub fn device(class: DeviceClass) -> selector::DeviceProfile {
    let class = match class {
        DeviceClass::Mobile => selector::DeviceClass::Mobile,
        DeviceClass::Tablet => selector::DeviceClass::Tablet,
        DeviceClass::Desktop => selector::DeviceClass::Desktop,
        DeviceClass::Tv => selector::DeviceClass::Tv,
        DeviceClass::Unknown => selector::DeviceClass::Unknown,
    };
    selector::Presets::builtin().profile(class, &selector::Reported::default())
}

/// Seconds as written in a scenario.
pub fn seconds(value: f64) -> Micros {
    // Scenarios are short and never negative.
    (value * 1e6).round() as Micros
}

/// Links with their course over the whole run.
#[derive(Clone, Debug)]
pub struct Links {
    /// To the node.
    pub up: LinkSpec,
    /// From the node.
    pub down: LinkSpec,
    /// What they carry over time, up and down.
    pub rates: [Schedule; 2],
    /// One way, without queues.
    pub one_way: Micros,
}

impl LinkSetup {
    /// The links, from `start` on. Generated rates are drawn from `rng`.
    pub fn links(&self, start: Micros, duration: Micros, rng: &mut Rng) -> Links {
        let one_way = self.rtt_ms * MILLI / 2;
        let up = self.up.schedule(start, duration, rng);
        let down = self.down.schedule(start, duration, rng);
        let link = |rate: &Schedule| LinkSpec {
            loss: if self.loss > 0.0 { LossModel::Independent(self.loss) } else { LossModel::None },
            jitter: self.jitter_ms * MILLI,
            delay: Schedule::constant(one_way),
            ..LinkSpec::new(Capacity::Rate(Arc::new(rate.clone())), Limit::Time(self.queue_ms * MILLI))
        };
        Links { up: link(&up), down: link(&down), rates: [up, down], one_way }
    }
}

/// Between the steps of a generated rate.
const CELLULAR_STEP: Micros = 200 * MILLI;

impl Rate {
    fn schedule(&self, start: Micros, duration: Micros, rng: &mut Rng) -> Schedule {
        match self {
            Self::Constant(kbps) => Schedule::constant(kbps * 1_000),
            Self::Steps(steps) => {
                Schedule::new(steps.iter().map(|(at, kbps)| (seconds(*at), kbps * 1_000)).collect())
            }
            Self::Cellular { cellular } => cellular_rates(*cellular as f64 * 1e3, start, duration, rng),
            Self::Recorded(rates) => Schedule::clone(rates),
        }
    }
}

/// The scenario `commuter` with the link down of a recorded one.
pub fn commuter_on(case: &Case) -> Scenario {
    let commuter = embedded().into_iter().find(|scenario| scenario.name == "commuter");
    let mut scenario = commuter.expect("it is among the embedded ones");
    scenario.name = format!("commuter-on-{}", case.name);
    scenario.about = format!("{} The link down is a recorded one: {}.", scenario.about, case.name);
    // Bounds are for the generated link.
    scenario.bound.clear();
    scenario.seconds = scenario.seconds.min((case.duration / SECOND).max(1));
    let bits = case.links[0].capacity.bits_per_step(CELLULAR_STEP, scenario.duration());
    let rate = |(at, bits): (Micros, f64)| {
        (at * CELLULAR_STEP, (bits * SECOND as f64 / CELLULAR_STEP as f64) as u64)
    };
    let rates = Schedule::new((0..).zip(bits).map(rate).collect());
    for people in scenario.people.iter_mut().filter(|people| people.name == "commuter") {
        people.link.down = Rate::Recorded(Arc::new(rates.clone()));
    }
    scenario
}

/// A rate that wanders between a fifth and twice its mean, scatters from step to step, and now and then
/// nearly vanishes for a second or two.
fn cellular_rates(mean: f64, start: Micros, duration: Micros, rng: &mut Rng) -> Schedule {
    let mut steps = Vec::new();
    let mut slow = 1.0;
    let mut dip = 0;
    let mut at = start;
    while at < start + duration {
        slow += 0.02 * (1.0 - slow) + rng.normal(0.06);
        slow = f64::clamp(slow, 0.2, 2.0);
        if dip == 0 && rng.chance(0.008) {
            dip = 4 + rng.below(7);
        }
        let depth = if dip > 0 { 0.15 } else { 1.0 };
        dip = dip.saturating_sub(1);
        let rate = mean * slow * depth * rng.between(0.8, 1.2);
        steps.push((at, rate.round() as u64));
        at += CELLULAR_STEP;
    }
    Schedule::new(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn embedded_scenarios_are_read_and_bounds_have_reasons() {
        let scenarios = embedded();
        assert_eq!(scenarios.len(), EMBEDDED.len());
        for scenario in &scenarios {
            assert!(!scenario.about.is_empty(), "{}", scenario.name);
            for (key, bound) in &scenario.bound {
                assert!(bound.why.len() > 10, "{}: {key} needs a reason", scenario.name);
                assert!(
                    bound.min.is_some() || bound.max.is_some(),
                    "{}: {key} bounds nothing",
                    scenario.name
                );
                assert!(
                    super::super::score::Score::default().get(key).is_some(),
                    "{}: {key} is no figure",
                    scenario.name
                );
            }
        }
    }

    #[test]
    fn mistakes_are_named() {
        let base = "name='x'\nabout='y'\nseconds=1\n";
        let people = "[[people]]\nname='a'\nclass='mobile'\nlink={up=1,down=1,rtt_ms=1}\n";
        assert!(Scenario::parse(&format!("{base}{people}")).is_ok());
        for (text, expected) in [
            (base.to_owned(), "people"),
            (format!("{base}{people}colour='red'\n"), "colour"),
            (format!("{base}{people}[[step]]\nat=1\nwho='b'\ndo='crash'\n"), "nobody is called b"),
            (format!("{base}{people}[[step]]\nat=1\ndo='dance'\n"), "dance"),
        ] {
            let error = Scenario::parse(&text).expect_err(expected);
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_generated_link_keeps_its_mean_and_has_dips() {
        let mut rng = Rng::new(1, 1);
        let schedule = cellular_rates(2e6, 0, 600 * SECOND, &mut rng);
        let mean = schedule.integral(0, 600 * SECOND) as f64 / (600.0 * 1e6);
        assert!((1.4e6..2.6e6).contains(&mean), "{mean}");
        let least = schedule.steps().iter().map(|step| step.1).min().unwrap();
        assert!(least < 400_000, "{least}");
    }
}
