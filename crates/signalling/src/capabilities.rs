//! What a client says about the device it runs on.
//!
//! Owns the JSON form only. All of it is optional: the preset of the device class fills in what is missing,
//! which is `selector`'s business, as is what follows from any of it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::limits;

/// What the device can show, decode and afford. Everything is optional; what is missing comes from the preset
/// of the device class, and without a class from the preset `unknown`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Capabilities {
    /// What kind of device it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<Device>,
    /// Its screen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display: Option<Display>,
    /// What it can decode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decode: Option<Decode>,
    /// How it is connected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<Network>,
    /// How it is powered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power: Option<Power>,
    /// True when media shall go straight between the devices while two are in the room and both say so. It shows each
    /// the other's addresses.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub direct: bool,
}

/// What kind of device it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Device {
    /// Chooses the preset that fills in whatever else is missing.
    pub class: DeviceClass,
    /// A model name for the operator's eyes. Nothing is decided by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::MODEL_CHARS), regex(pattern = limits::PLAIN))]
    pub model: Option<String>,
}

/// The class of a device. A class that the reader does not know is read as `unknown`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
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
    #[serde(other)]
    Unknown,
}

/// A screen, in CSS pixels with their ratio to physical ones.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Display {
    /// Width in CSS pixels.
    #[schemars(range(max = limits::SIDE_MAX))]
    pub width: u32,
    /// Height in CSS pixels.
    #[schemars(range(max = limits::SIDE_MAX))]
    pub height: u32,
    /// Physical pixels per CSS pixel (`devicePixelRatio`), more than 0 and at most 16.
    #[serde(default = "one")]
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 16))]
    pub pixel_ratio: f64,
}

fn one() -> f64 {
    1.0
}

/// What the device can decode.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Decode {
    /// Videos decoded at the same time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_streams: Option<u32>,
    /// The largest picture by its shorter side in pixels, at 16:9: 360 admits 640x360 and 360x640.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_height: Option<u32>,
    /// Frames per second of one video.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_fps: Option<u32>,
    /// Pixels per second over all videos (width x height x frames per second, summed).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_pixels_per_second: Option<u64>,
    /// The video codecs that it decodes. Absent means those that were negotiated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = limits::CODECS))]
    pub codecs: Option<Vec<CodecSupport>>,
}

/// One codec that the device decodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CodecSupport {
    /// The name as in SDP (`VP8`, `H264`, `VP9`, `AV1`), in any case.
    #[schemars(length(min = 1, max = limits::CODEC_BYTES), regex(pattern = limits::VISIBLE))]
    pub name: String,
    /// True when it is decoded in hardware.
    #[serde(default)]
    pub hardware: bool,
}

/// How the device is connected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Network {
    /// The most that the server shall send to this client in all, in bit/s, in the long run: a plan that is paid by
    /// the byte, or a user who wants to see what less would look like. Absent for what the link carries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_downlink_bps: Option<u64>,
    /// The kind of link (`navigator.connection.type`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<NetworkKind>,
    /// True when the user asked to save data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub save_data: Option<bool>,
}

/// The kind of link. A kind that the reader does not know is read as `unknown`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NetworkKind {
    /// A cable.
    Ethernet,
    /// A wireless local network.
    Wifi,
    /// A mobile network.
    Cellular,
    /// Anything else.
    #[default]
    #[serde(other)]
    Unknown,
}

/// How the device is powered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Power {
    /// How careful to be.
    pub state: PowerState,
}

/// How careful to be with energy and heat. A state that the reader does not know is read as `normal`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PowerState {
    /// Low battery mode, or warm: fewer frames.
    Saver,
    /// Nearly empty, or hot: as little as possible.
    Critical,
    /// No need for care.
    #[default]
    #[serde(other)]
    Normal,
}
