//! From what a client says about its device to the profile that the selector decides by.
//!
//! Owns the translation of words. Leaves presets and what follows from them to `selector`.

use selector::{Codec, CodecSet, DeviceClass, DeviceProfile, PowerState, Presets, Reported};
use signalling::Capabilities;
use units::Bitrate;

/// The profile of a device: the preset of its class, refined by what it reported.
pub(crate) fn profile(presets: &Presets, said: &Capabilities) -> DeviceProfile {
    let decode = said.decode.clone().unwrap_or_default();
    let codecs = decode.codecs.as_deref();
    let set = |only_hardware: bool| {
        codecs.map(|list| -> CodecSet {
            list.iter()
                .filter(|codec| codec.hardware || !only_hardware)
                .filter_map(|codec| Codec::from_name(&codec.name))
                .collect()
        })
    };
    let reported = Reported {
        max_height: decode.max_height,
        max_fps: decode.max_fps,
        max_streams: decode.max_streams,
        decode_pixels_per_second: decode.max_pixels_per_second,
        codecs: set(false),
        hardware: set(true),
        power: power(said.power.map(|power| power.state)),
        save_data: said.network.and_then(|network| network.save_data).unwrap_or(false),
    };
    presets.profile(class(said.device.as_ref().map(|device| device.class)), &reported)
}

/// The most that a client wants to be sent in all.
pub(crate) fn downlink_limit(said: &Capabilities) -> Option<Bitrate> {
    said.network.and_then(|network| network.max_downlink_bps).map(Bitrate::from_bps)
}

fn class(said: Option<signalling::DeviceClass>) -> DeviceClass {
    match said {
        Some(signalling::DeviceClass::Mobile) => DeviceClass::Mobile,
        Some(signalling::DeviceClass::Tablet) => DeviceClass::Tablet,
        Some(signalling::DeviceClass::Desktop) => DeviceClass::Desktop,
        Some(signalling::DeviceClass::Tv) => DeviceClass::Tv,
        Some(signalling::DeviceClass::Unknown) | None => DeviceClass::Unknown,
    }
}

fn power(said: Option<signalling::PowerState>) -> PowerState {
    match said {
        Some(signalling::PowerState::Saver) => PowerState::Saver,
        Some(signalling::PowerState::Critical) => PowerState::Critical,
        Some(signalling::PowerState::Normal) | None => PowerState::Normal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: serde_json::Value) -> DeviceProfile {
        profile(&Presets::builtin(), &serde_json::from_value(json).unwrap())
    }

    #[test]
    fn what_is_said_replaces_the_preset_and_silence_does_not() {
        let phone = parse(serde_json::json!({"device": {"class": "mobile"}}));
        assert_eq!(phone, Presets::builtin().profile(DeviceClass::Mobile, &Reported::default()));
        let said = parse(serde_json::json!({
            "device": {"class": "mobile"},
            "decode": {"max_height": 720, "codecs": [{"name": "vp8"}, {"name": "H264", "hardware": true}, {"name": "HAM"}]},
        }));
        assert_eq!((said.max_height, said.max_streams), (720, phone.max_streams));
        assert_eq!(said.codecs.iter().collect::<Vec<_>>(), [Codec::Vp8, Codec::H264]);
        assert_eq!(said.hardware.iter().collect::<Vec<_>>(), [Codec::H264]);
    }

    #[test]
    fn words_of_the_future_are_read_as_unknown() {
        let device = parse(serde_json::json!({"device": {"class": "fridge"}, "power": {"state": "solar"}}));
        assert_eq!(device, parse(serde_json::json!({})));
        assert_eq!(device.class, DeviceClass::Unknown);
    }
}
