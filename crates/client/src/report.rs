//! What a participant measured, in the form in which `terrace demo --json` prints it.
//!
//! Owns names and units of the JSON: rates in kbit/s, times in milliseconds. People script these, so keys are only added.

use std::collections::BTreeMap;

use serde::Serialize;
use signalling::Reason;

use crate::check::BadFrame;

/// The result of a demonstration.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct DemoReport {
    /// How long it ran, in seconds.
    pub seconds: f64,
    /// Who sent.
    pub publishers: Vec<PublisherReport>,
    /// Who received.
    pub receivers: Vec<ReceiverReport>,
}

/// What one publisher sent.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct PublisherReport {
    /// What the participant is called.
    pub name: String,
    /// Its id in the room.
    pub participant: String,
    /// Its encodings, smallest first.
    pub encodings: Vec<EncodingReport>,
}

/// What was sent of one encoding.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct EncodingReport {
    /// Its RID.
    pub rid: String,
    /// Pixels.
    pub width: u16,
    /// Pixels.
    pub height: u16,
    /// Frames per second while active.
    pub fps: u32,
    /// Sent per second of all the time, payload in kbit/s.
    pub kbps: u64,
    /// Whether the room wants it at the end.
    pub active: bool,
    /// Frames sent.
    pub frames: u64,
    /// Keyframes among them.
    pub keyframes: u64,
}

/// What one receiver got in its first video slot that ever showed something.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReceiverReport {
    /// What the participant is called.
    pub name: String,
    /// Its id in the room.
    pub participant: String,
    /// The class of its device.
    pub class: signalling::DeviceClass,
    /// The figures of the slot.
    #[serde(flatten)]
    pub video: VideoReport,
    /// What the server estimates the receiver's link to carry, where it said so.
    pub estimate_kbps: Option<u64>,
    /// Packets of audio that arrived, over all slots.
    pub audio_packets: u64,
}

/// What came through one video slot.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct VideoReport {
    /// The slot's MID.
    pub mid: String,
    /// From joining to the first complete frame.
    pub first_frame_ms: Option<u64>,
    /// Complete frames that decode.
    pub frames: u64,
    /// Keyframes among them.
    pub keyframes: u64,
    /// The encoding at the end.
    pub rid: Option<String>,
    /// Of the last keyframe, in pixels.
    pub width: Option<u16>,
    /// Of the last keyframe, in pixels.
    pub height: Option<u16>,
    /// Received over the last five seconds, payload in kbit/s.
    pub kbps: u64,
    /// Changes of the encoding.
    pub switches: u64,
    /// Times that no complete frame came for more than 200 ms.
    pub freezes: u64,
    /// Those of them of more than 300 ms.
    pub long_freezes: u64,
    /// Those of them in which the camera itself made no frame, because its machine was too busy.
    pub source_stalls: u64,
    /// The longest time between two complete frames.
    pub longest_gap_ms: u64,
    /// The same of the last 20 seconds.
    pub recent_gap_ms: u64,
    /// Packets that never came, nor any retransmission of them.
    pub lost_packets: u64,
    /// Frames that lack packets which never came, or are predicted from one that does.
    pub spoiled_frames: u64,
    /// Frames that a decoder would reject and that no loss spoiled: what no server may send.
    pub bad_frames: u64,
    /// The same by reason.
    pub bad: BTreeMap<BadFrame, u64>,
    /// Keyframes asked for.
    pub keyframe_requests: u64,
    /// From the publisher's encoder to a complete frame here: the median. Only of synthetic frames.
    pub delay_ms_p50: Option<f64>,
    /// The same: 95 of 100 frames were faster.
    pub delay_ms_p95: Option<f64>,
    /// What keeps the slot from showing more at the end.
    pub reason: Option<Reason>,
    /// Every change of the encoding or the reason.
    pub log: Vec<LogEntry>,
}

/// A change of what a slot shows, or of why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogEntry {
    /// Since joining.
    pub at_ms: u64,
    /// The encoding; absent while nothing is sent.
    pub rid: Option<String>,
    /// What keeps it from being more.
    pub reason: Reason,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The keys that are promised. More may be added; a missing one breaks somebody's script.
    #[test]
    fn the_json_has_the_promised_keys() {
        let video = VideoReport {
            log: vec![LogEntry { at_ms: 0, rid: None, reason: Reason::Startup }],
            bad: BTreeMap::from([(BadFrame::MissingPacket, 1)]),
            ..VideoReport::default()
        };
        let receiver = ReceiverReport {
            name: "phone".to_owned(),
            participant: "p2".to_owned(),
            class: signalling::DeviceClass::Mobile,
            video,
            estimate_kbps: None,
            audio_packets: 0,
        };
        let publisher =
            PublisherReport { encodings: vec![EncodingReport::default()], ..PublisherReport::default() };
        let report = DemoReport { seconds: 20.0, publishers: vec![publisher], receivers: vec![receiver] };
        let json = serde_json::to_value(&report).unwrap();
        let promised: [(&str, &[&str]); 5] = [
            ("", &["seconds", "publishers", "receivers"]),
            ("/publishers/0", &["name", "encodings"]),
            ("/publishers/0/encodings/0", &["rid", "width", "height", "fps", "kbps", "active"]),
            (
                "/receivers/0",
                &[
                    "name",
                    "class",
                    "first_frame_ms",
                    "frames",
                    "rid",
                    "width",
                    "height",
                    "kbps",
                    "switches",
                    "freezes",
                    "lost_packets",
                    "bad_frames",
                    "reason",
                    "estimate_kbps",
                    "log",
                ],
            ),
            ("/receivers/0/log/0", &["at_ms", "rid", "reason"]),
        ];
        for (pointer, keys) in promised {
            let object = json.pointer(pointer).and_then(serde_json::Value::as_object).unwrap();
            for key in keys {
                assert!(object.contains_key(*key), "{pointer}/{key}");
            }
        }
        assert_eq!(json["receivers"][0]["class"], "mobile");
        assert_eq!(
            json["receivers"][0]["bad"]["missing_packet"], 1,
            "faults are named as in the contract's style"
        );
    }
}
