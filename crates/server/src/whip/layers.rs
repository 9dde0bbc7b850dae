//! What a player over WHEP is told of encodings, and how it chooses among them (draft-ietf-wish-whep-03, extension `layer`).
//!
//! Owns what is known of the slots and publications of one player, and turns a choice into a view. A choice is a ceiling: on
//! a link that does not carry it the player gets what does fit, as everybody else.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};
use signalling::{Encoding, Publication, ServerMessage, SlotState, SlotView, View, Want};

/// What is known.
#[derive(Debug, Default)]
pub(super) struct Layers {
    /// MIDs of the offer's sections in their order, and whether each is a video.
    sections: Vec<(String, bool)>,
    slots: BTreeMap<String, SlotState>,
    /// Encodings by publication.
    publications: BTreeMap<String, Vec<Encoding>>,
    /// The ceilings that the player chose, by MID.
    chosen: BTreeMap<String, u32>,
}

/// The body of a request for another layer. Without `encodingId` the server chooses again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Choice {
    /// The section by its position; the first video where it is absent.
    media_id: Option<String>,
    /// The RID of the encoding.
    encoding_id: Option<String>,
}

impl Layers {
    /// Of this offer.
    pub(super) fn of_offer(sdp: &str) -> Self {
        let mut sections: Vec<(String, bool)> = Vec::new();
        for line in sdp.lines() {
            if let Some(media) = line.strip_prefix("m=") {
                sections.push((String::new(), media.starts_with("video")));
            } else if let (Some(mid), Some(last)) = (line.strip_prefix("a=mid:"), sections.last_mut()) {
                mid.trim_end().clone_into(&mut last.0);
            }
        }
        Self { sections, ..Self::default() }
    }

    /// Takes news. Whether anything changed that a player is told.
    pub(super) fn learn(&mut self, message: &ServerMessage) -> bool {
        match message {
            ServerMessage::Joined(joined) => {
                joined.participants.iter().for_each(|who| self.publish(&who.publications));
                true
            }
            ServerMessage::Room(change) => {
                change.joined.iter().chain(&change.changed).for_each(|who| self.publish(&who.publications));
                true
            }
            ServerMessage::Slots(news) => {
                for slot in &news.slots {
                    self.slots.insert(slot.mid.clone(), slot.clone());
                }
                true
            }
            _ => false,
        }
    }

    fn publish(&mut self, publications: &[Publication]) {
        for publication in publications {
            self.publications.insert(publication.id.to_string(), publication.encodings.clone());
        }
    }

    /// The encodings of what is in that section.
    fn encodings(&self, mid: &str) -> &[Encoding] {
        let publication = self.slots.get(mid).and_then(|slot| slot.publication.as_ref());
        publication.and_then(|id| self.publications.get(id.as_str())).map_or(&[], Vec::as_slice)
    }

    /// The data of a `layers` event.
    pub(super) fn event(&self) -> Value {
        let mut all = serde_json::Map::new();
        for (position, (mid, _)) in self.sections.iter().enumerate().filter(|(_, (_, video))| *video) {
            let now = self.slots.get(mid).map_or(0, |slot| slot.bitrate_bps);
            let showing = self.slots.get(mid).and_then(|slot| slot.rid.clone());
            let of = |active: bool| -> Vec<Value> {
                let encodings = self.encodings(mid).iter().enumerate().filter(|(_, e)| e.active == active);
                let describe = |(index, encoding): (usize, &Encoding)| {
                    let mut value = json!({"id": encoding.rid, "simulcastIdx": index,
                        "width": encoding.width, "height": encoding.height});
                    if active && encoding.rid == showing {
                        value["bitrate"] = now.into();
                    }
                    value
                };
                encodings.map(describe).collect()
            };
            let layers: Vec<Value> = self
                .encodings(mid)
                .iter()
                .enumerate()
                .filter_map(|(index, encoding)| {
                    let id = encoding.rid.as_ref()?;
                    Some(json!({"encodingId": id, "simulcastIdx": index, "width": encoding.width, "height": encoding.height}))
                })
                .collect();
            all.insert(
                position.to_string(),
                json!({"active": of(true), "inactive": of(false), "layers": layers}),
            );
        }
        Value::Object(all)
    }

    /// The view that a choice asks for; `None` for a section or an encoding that is not there.
    pub(super) fn choose(&mut self, choice: &Choice) -> Option<View> {
        let section = match &choice.media_id {
            Some(position) => self.sections.get(position.parse::<usize>().ok()?),
            None => self.sections.iter().find(|(_, video)| *video),
        };
        let mid = section.filter(|(_, video)| *video)?.0.clone();
        match &choice.encoding_id {
            None => self.chosen.remove(&mid),
            Some(rid) => {
                let encoding = self.encodings(&mid).iter().find(|e| e.rid.as_ref() == Some(rid))?;
                self.chosen.insert(mid, encoding.width.min(encoding.height))
            }
        };
        let videos = self.sections.iter().filter(|(_, video)| *video);
        let view = |(mid, _): &(String, bool)| SlotView {
            max_height: self.chosen.get(mid).copied(),
            ..SlotView::new(mid, Want::Auto)
        };
        Some(View { slots: videos.map(view).collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(value: Value) -> ServerMessage {
        serde_json::from_value(value).unwrap()
    }

    fn watching() -> Layers {
        let mut layers = Layers::of_offer("v=0\r\nm=audio 9 x 1\r\na=mid:a\r\nm=video 9 x 1\r\na=mid:v\r\n");
        let encoding = |rid, width, height, active| json!({"rid": rid, "width": width, "height": height, "fps": 30, "active": active});
        layers.learn(&message(json!({"type": "room", "joined": [{"id": "p1", "name": "Camera", "publications": [
            {"id": "t1", "kind": "video", "source": "camera", "muted": false, "encodings": [
                encoding("q", 320, 180, true), encoding("h", 640, 360, true), encoding("f", 1280, 720, false)]}]}]})));
        layers.learn(&message(json!({"type": "slots", "slots": [{"mid": "v", "participant": "p1", "publication": "t1",
            "rid": "h", "width": 640, "height": 360, "fps": 30, "bitrate_bps": 500_000, "reason": "bandwidth"}]})));
        layers
    }

    #[test]
    fn a_player_is_told_of_encodings_by_the_position_of_the_section() {
        let event = watching().event();
        assert_eq!(
            event.as_object().unwrap().keys().collect::<Vec<_>>(),
            ["1"],
            "the audio section has none"
        );
        let ids = |list: &str| -> Vec<&str> {
            let list = event["1"][list].as_array().unwrap();
            list.iter().map(|e| e.get("id").or(e.get("encodingId")).unwrap().as_str().unwrap()).collect()
        };
        assert_eq!(
            (ids("active"), ids("inactive"), ids("layers")),
            (vec!["q", "h"], vec!["f"], vec!["q", "h", "f"])
        );
        assert_eq!(event["1"]["active"][1]["bitrate"], 500_000);
    }

    #[test]
    fn a_choice_is_a_ceiling_until_it_is_taken_back() {
        let mut layers = watching();
        for (choice, expected, why) in [
            (json!({"encodingId": "q"}), Some(Some(180)), "the first video where none is named"),
            (json!({"mediaId": "1", "encodingId": "f"}), Some(Some(720)), "one that is asleep"),
            (json!({"mediaId": "1", "encodingId": "x"}), None, "no such encoding"),
            (json!({"mediaId": "0", "encodingId": "q"}), None, "sound has no layers"),
            (json!({"mediaId": "7"}), None, "no such section"),
            (json!({"temporalLayerId": 1}), Some(None), "what is not offered is not chosen by"),
            (json!({}), Some(None), "the server chooses again"),
        ] {
            let choice: Choice = serde_json::from_value(choice).unwrap();
            let view = layers.choose(&choice).map(|view| view.slots[0].max_height);
            assert_eq!(view, expected, "{why}");
        }
    }
}
