//! Who takes part: rooms and participants from the arguments. Owns what a publisher sends and what a watcher has on the screen.

use signalling::{DeviceClass, Source};
use simulator::rooms::encoder::EncodingSpec;
use simulator::rooms::spec::{ClientSpec, SlotSpec, TrackSpec};

use super::Arguments;

/// Tiles of a watcher unless told otherwise: what a desktop shows at once.
const MOST_TILES: u16 = 16;
/// RID, pixels and kbit/s of what a browser sends of a 720p camera.
const ENCODINGS: [(&str, u16, u16, u64); 3] =
    [("q", 320, 180, 150), ("h", 640, 360, 500), ("f", 1280, 720, 1_500)];

/// Everybody with the name of the room: publishers first, so that watchers find something.
pub(super) fn participants(arguments: &Arguments) -> Vec<(String, ClientSpec)> {
    let mut all = Vec::new();
    for room in 0..arguments.rooms {
        for at in 0..arguments.publishers + arguments.subscribers {
            // Numbers of participants are stamped into pictures and wrap, which only mixes up two of 65,536.
            let index = (all.len() % usize::from(u16::MAX)) as u16;
            let publishes = at < arguments.publishers;
            let others = arguments.publishers - u16::from(publishes);
            let watches = !publishes || arguments.conference;
            let tiles = arguments.tiles.unwrap_or(others.min(MOST_TILES));
            let slot = SlotSpec { size: Some((arguments.height * 16 / 9, arguments.height)), priority: 1 };
            let spec = ClientSpec {
                name: format!("load-{index}"),
                index,
                class: DeviceClass::Desktop,
                // A device that is never the limit.
                decode: u64::MAX / 1_000_000,
                tracks: if publishes { vec![camera()] } else { Vec::new() },
                microphone: publishes,
                dtx: false,
                slots: vec![slot; if watches { usize::from(tiles) } else { 0 }],
            };
            all.push((format!("load-{room}"), spec));
        }
    }
    all
}

fn camera() -> TrackSpec {
    let encoding = |(rid, width, height, kbps): (&str, u16, u16, u64)| EncodingSpec {
        rid: rid.to_owned(),
        width,
        height,
        fps: 30,
        bitrate: kbps * 1_000,
        least: 0,
    };
    TrackSpec { mid: "cam".to_owned(), source: Source::Camera, encodings: ENCODINGS.map(encoding).to_vec() }
}
