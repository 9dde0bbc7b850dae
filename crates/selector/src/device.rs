//! What a receiving device can show and decode: presets by class, refined by what the device reports.
//!
//! Owns the presets (data in `presets.toml`, replaceable field by field) and the profile that the decision is
//! given. Leaves the JSON form of reports to `signalling` and their live part to `decode_health`.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The class of a device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceClass {
    /// A phone.
    Mobile,
    /// A tablet.
    Tablet,
    /// A desktop or laptop computer.
    Desktop,
    /// A television or meeting-room screen.
    Tv,
    /// Anything else.
    #[default]
    Unknown,
}

impl DeviceClass {
    /// Every class; the presets have one entry for each.
    pub const ALL: [Self; 5] = [Self::Mobile, Self::Tablet, Self::Desktop, Self::Tv, Self::Unknown];
}

/// How careful a device asks to be with energy and heat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PowerState {
    /// No need for care.
    #[default]
    Normal,
    /// Fewer frames.
    Saver,
    /// As little as possible.
    Critical,
}

/// A video codec, as far as the decision must tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Codec {
    /// RFC 6386.
    #[serde(rename = "VP8")]
    Vp8,
    /// draft-grange-vp9-bitstream.
    #[serde(rename = "VP9")]
    Vp9,
    /// ITU-T H.264.
    #[serde(rename = "H264")]
    H264,
    /// ITU-T H.265.
    #[serde(rename = "H265")]
    H265,
    /// The AOMedia codec.
    #[serde(rename = "AV1")]
    Av1,
}

impl Codec {
    /// Every codec.
    pub const ALL: [Self; 5] = [Self::Vp8, Self::Vp9, Self::H264, Self::H265, Self::Av1];

    /// From its name in SDP, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|codec| codec.name().eq_ignore_ascii_case(name))
    }

    /// Its name in SDP.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Vp8 => "VP8",
            Self::Vp9 => "VP9",
            Self::H264 => "H264",
            Self::H265 => "H265",
            Self::Av1 => "AV1",
        }
    }
}

/// A set of codecs.
#[derive(Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<Codec>", into = "Vec<Codec>")]
pub struct CodecSet(u8);

impl CodecSet {
    /// Every codec.
    pub fn all() -> Self {
        Codec::ALL.into_iter().collect()
    }

    /// Whether it holds that codec.
    pub const fn contains(self, codec: Codec) -> bool {
        self.0 & (1 << codec as u8) != 0
    }

    /// The codecs of either.
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The codecs of both.
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Its codecs, in the order of [`Codec::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Codec> {
        Codec::ALL.into_iter().filter(move |codec| self.contains(*codec))
    }
}

impl FromIterator<Codec> for CodecSet {
    fn from_iter<I: IntoIterator<Item = Codec>>(codecs: I) -> Self {
        Self(codecs.into_iter().fold(0, |set, codec| set | 1 << codec as u8))
    }
}

impl From<Vec<Codec>> for CodecSet {
    fn from(codecs: Vec<Codec>) -> Self {
        codecs.into_iter().collect()
    }
}

impl From<CodecSet> for Vec<Codec> {
    fn from(set: CodecSet) -> Self {
        set.iter().collect()
    }
}

impl fmt::Debug for CodecSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(Codec::name)).finish()
    }
}

/// What one receiving device can show and decode: everything the decision knows about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceProfile {
    /// Where the fields came from that the device did not report.
    pub class: DeviceClass,
    /// The largest picture: shorter side in pixels of a 16:9 one.
    pub max_height: u32,
    /// Frames per second of one video.
    pub max_fps: u32,
    /// Videos decoded at the same time.
    pub max_streams: u32,
    /// Pixels per second over all videos.
    pub decode_pixels_per_second: u64,
    /// What it decodes.
    pub codecs: CodecSet,
    /// What of it is decoded in hardware.
    pub hardware: CodecSet,
    /// Ceilings while it saves energy or data; [`Cap::NONE`] when it does not.
    pub care: Cap,
}

/// Ceilings that are there for a while.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cap {
    /// Shorter side in pixels of a 16:9 picture.
    pub max_height: Option<u32>,
    /// Frames per second.
    pub max_fps: Option<u32>,
    /// Videos at the same time.
    pub max_streams: Option<u32>,
}

impl Cap {
    /// No ceilings.
    pub const NONE: Self = Self { max_height: None, max_fps: None, max_streams: None };

    fn min(self, other: Self) -> Self {
        fn lower(a: Option<u32>, b: Option<u32>) -> Option<u32> {
            a.into_iter().chain(b).min()
        }
        Self {
            max_height: lower(self.max_height, other.max_height),
            max_fps: lower(self.max_fps, other.max_fps),
            max_streams: lower(self.max_streams, other.max_streams),
        }
    }
}

/// What a device says about itself. Whatever is absent comes from the preset of its class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reported {
    /// As [`DeviceProfile::max_height`].
    pub max_height: Option<u32>,
    /// As [`DeviceProfile::max_fps`].
    pub max_fps: Option<u32>,
    /// As [`DeviceProfile::max_streams`].
    pub max_streams: Option<u32>,
    /// As [`DeviceProfile::decode_pixels_per_second`].
    pub decode_pixels_per_second: Option<u64>,
    /// As [`DeviceProfile::codecs`]. An empty set is taken as not said.
    pub codecs: Option<CodecSet>,
    /// As [`DeviceProfile::hardware`].
    pub hardware: Option<CodecSet>,
    /// How it is powered.
    pub power: PowerState,
    /// True when its user asked to save data.
    pub save_data: bool,
}

/// The presets of all classes, and the ceilings of the careful states.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presets {
    classes: BTreeMap<DeviceClass, DeviceProfile>,
    saver: Cap,
    critical: Cap,
    save_data: Cap,
}

/// Why a file of presets was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PresetError {
    /// It is not TOML of the known form; the text says where and why.
    Form(String),
    /// A class would be left without a value for that field.
    Incomplete(DeviceClass, &'static str),
}

impl fmt::Display for PresetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form(text) => write!(f, "device presets: {text}"),
            Self::Incomplete(class, field) => write!(f, "device presets: class {class:?} has no {field}"),
        }
    }
}

impl std::error::Error for PresetError {}

/// The form of a presets file: any part may be absent.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    class: BTreeMap<DeviceClass, ClassFile>,
    saver: Option<Cap>,
    critical: Option<Cap>,
    save_data: Option<Cap>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClassFile {
    max_height: Option<u32>,
    max_fps: Option<u32>,
    max_streams: Option<u32>,
    decode_pixels_per_second: Option<u64>,
    codecs: Option<CodecSet>,
    hardware: Option<CodecSet>,
}

impl Presets {
    /// The presets that come with this crate.
    pub fn builtin() -> Self {
        let file = parse(include_str!("presets.toml")).expect("the embedded presets parse, as a test shows");
        let complete = |class| -> Result<(DeviceClass, DeviceProfile), PresetError> {
            let fields = file.class.get(&class).copied().unwrap_or_default();
            let missing = |field| PresetError::Incomplete(class, field);
            let profile = DeviceProfile {
                class,
                max_height: fields.max_height.ok_or_else(|| missing("max_height"))?,
                max_fps: fields.max_fps.ok_or_else(|| missing("max_fps"))?,
                max_streams: fields.max_streams.ok_or_else(|| missing("max_streams"))?,
                decode_pixels_per_second: fields
                    .decode_pixels_per_second
                    .ok_or_else(|| missing("decode_pixels_per_second"))?,
                codecs: fields.codecs.ok_or_else(|| missing("codecs"))?,
                hardware: fields.hardware.ok_or_else(|| missing("hardware"))?,
                care: Cap::NONE,
            };
            Ok((class, profile))
        };
        let classes = DeviceClass::ALL
            .into_iter()
            .map(complete)
            .collect::<Result<_, _>>()
            .expect("the embedded presets are complete, as a test shows");
        Self {
            classes,
            saver: file.saver.unwrap_or(Cap::NONE),
            critical: file.critical.unwrap_or(Cap::NONE),
            save_data: file.save_data.unwrap_or(Cap::NONE),
        }
    }

    /// These presets with what an operator's file of the same form says instead. Unknown keys are refused.
    pub fn overridden(&self, toml: &str) -> Result<Self, PresetError> {
        let file = parse(toml)?;
        let mut presets = self.clone();
        for (class, fields) in file.class {
            let profile = presets.classes.get_mut(&class).expect("every class has a preset");
            *profile = profile.refined(&fields);
        }
        presets.saver = file.saver.unwrap_or(presets.saver);
        presets.critical = file.critical.unwrap_or(presets.critical);
        presets.save_data = file.save_data.unwrap_or(presets.save_data);
        Ok(presets)
    }

    /// The profile of a device: the preset of its class, with every reported field instead of the preset's.
    pub fn profile(&self, class: DeviceClass, reported: &Reported) -> DeviceProfile {
        let preset = self.classes.get(&class).expect("every class has a preset");
        let power = match reported.power {
            PowerState::Normal => Cap::NONE,
            PowerState::Saver => self.saver,
            PowerState::Critical => self.critical,
        };
        let data = if reported.save_data { self.save_data } else { Cap::NONE };
        let fields = ClassFile {
            max_height: reported.max_height,
            max_fps: reported.max_fps,
            max_streams: reported.max_streams,
            decode_pixels_per_second: reported.decode_pixels_per_second,
            codecs: reported.codecs.filter(|codecs| *codecs != CodecSet::default()),
            hardware: reported.hardware,
        };
        DeviceProfile { care: power.min(data), ..preset.refined(&fields) }
    }
}

impl Default for Presets {
    fn default() -> Self {
        Self::builtin()
    }
}

impl DeviceProfile {
    fn refined(&self, fields: &ClassFile) -> Self {
        Self {
            class: self.class,
            max_height: fields.max_height.unwrap_or(self.max_height),
            max_fps: fields.max_fps.unwrap_or(self.max_fps),
            max_streams: fields.max_streams.unwrap_or(self.max_streams),
            decode_pixels_per_second: fields
                .decode_pixels_per_second
                .unwrap_or(self.decode_pixels_per_second),
            codecs: fields.codecs.unwrap_or(self.codecs),
            hardware: fields.hardware.unwrap_or(self.hardware),
            care: self.care,
        }
    }
}

fn parse(toml: &str) -> Result<File, PresetError> {
    toml::from_str(toml).map_err(|error| PresetError::Form(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_has_its_ceiling() {
        let presets = Presets::builtin();
        let heights = DeviceClass::ALL.map(|c| presets.profile(c, &Reported::default()).max_height);
        assert_eq!(heights, [360, 720, 1440, 2160, 720]);
    }

    #[test]
    fn a_report_replaces_the_preset_field_by_field() {
        let presets = Presets::builtin();
        let plain = presets.profile(DeviceClass::Mobile, &Reported::default());
        let reported =
            Reported { max_height: Some(720), codecs: Some(CodecSet::default()), ..Reported::default() };
        let refined = presets.profile(DeviceClass::Mobile, &reported);
        assert_eq!(refined, DeviceProfile { max_height: 720, ..plain }, "an empty codec list says nothing");
    }

    #[test]
    fn care_takes_the_lowest_ceiling_of_all_that_apply() {
        let presets = Presets::builtin();
        let care = |power, save_data| {
            presets.profile(DeviceClass::Desktop, &Reported { power, save_data, ..Reported::default() }).care
        };
        assert_eq!(care(PowerState::Normal, false), Cap::NONE);
        assert_eq!(care(PowerState::Saver, false).max_height, Some(720));
        assert_eq!(care(PowerState::Saver, true).max_height, Some(360));
        assert_eq!(care(PowerState::Critical, true).max_height, Some(180));
        assert_eq!(care(PowerState::Critical, true).max_streams, Some(2));
    }

    #[test]
    fn an_operator_replaces_single_fields_and_unknown_keys_are_refused() {
        let presets = Presets::builtin();
        let changed = presets.overridden("[class.mobile]\nmax_height = 540\n[saver]\nmax_fps = 10").unwrap();
        let phone = changed.profile(DeviceClass::Mobile, &Reported::default());
        assert_eq!((phone.max_height, phone.max_streams), (540, 4));
        assert_eq!(changed.saver, Cap { max_fps: Some(10), ..Cap::NONE }, "a mode is replaced whole");
        for (text, part) in [
            ("[class.mobile]\nmax_heigth = 540", "max_heigth"),
            ("[class.fridge]\nmax_height = 1", "fridge"),
            ("[class.tv]\ncodecs = [\"VP7\"]", "VP7"),
        ] {
            let error = presets.overridden(text).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn codec_names_are_those_of_sdp() {
        for codec in Codec::ALL {
            assert_eq!(Codec::from_name(&codec.name().to_lowercase()), Some(codec));
        }
        assert_eq!(Codec::from_name("rtx"), None);
        assert_eq!(CodecSet::all().iter().collect::<Vec<_>>(), Codec::ALL);
    }
}
