//! How a participant joins, and what it sends.

use signalling::{Capabilities, Device, DeviceClass};

use crate::link::LinkConfig;
use crate::synthetic::CameraConfig;
use crate::tls::Trust;

/// How a participant joins. Start from [`Options::new`] and change what matters.
#[derive(Clone, Debug)]
pub struct Options {
    /// The room.
    pub room: String,
    /// What to call the participant.
    pub name: String,
    /// A join token, where the server asks for one.
    pub token: Option<String>,
    /// What the device can do.
    pub capabilities: Capabilities,
    /// Whom to believe to be the server.
    pub trust: Trust,
    /// A synthetic camera to publish.
    pub camera: Option<CameraConfig>,
    /// Whether to publish a synthetic microphone.
    pub microphone: bool,
    /// Slots for video.
    pub video_slots: usize,
    /// Slots for audio; at least one, as the first section has to stay for the life of the connection.
    pub audio_slots: usize,
    /// Whether messages to others and reports go over a data channel where there is one.
    pub data_channel: bool,
    /// A path through which media goes: up, down.
    pub link: Option<(LinkConfig, LinkConfig)>,
    /// Where the numbers of synthetic media and the losses of the path come from.
    pub seed: u64,
}

impl Options {
    /// A participant that only watches: four slots for video and three for audio, of a device that says nothing.
    pub fn new(room: &str, name: &str) -> Self {
        Self {
            room: room.to_owned(),
            name: name.to_owned(),
            token: None,
            capabilities: Capabilities::default(),
            trust: Trust::System,
            camera: None,
            microphone: false,
            video_slots: 4,
            audio_slots: 3,
            data_channel: true,
            link: None,
            seed: 1,
        }
    }

    /// Poses as a device of that class, with all its presets.
    pub fn with_class(mut self, class: DeviceClass) -> Self {
        self.capabilities.device = Some(Device { class, model: None });
        self
    }

    /// The class it poses as.
    pub fn class(&self) -> DeviceClass {
        self.capabilities.device.as_ref().map_or(DeviceClass::Unknown, |device| device.class)
    }
}
