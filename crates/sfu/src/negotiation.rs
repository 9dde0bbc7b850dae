//! Offers: from a session description to an answer, and from agreed sections to the room.
//!
//! Owns when a participant gets a transport and when it gets a new one. Leaves session descriptions to `transport`.

use packet::Codec;
use router::{SendingSection, SlotCodec, SlotSection};
use transport::{NegotiatedCodec, Section};

/// The sections of an answer, as the room takes them. `acknowledged`: the client tells what it got.
pub(crate) fn sections(agreed: &[Section], acknowledged: bool) -> (Vec<SendingSection>, Vec<SlotSection>) {
    let mut sending = Vec::new();
    let mut slots = Vec::new();
    for section in agreed {
        match section {
            Section::Sending(section) => sending.push(SendingSection {
                mid: section.mid,
                kind: section.kind,
                active: section.active,
                codec: section.codec.codec,
                rids: section.rids.clone(),
            }),
            Section::Slot(section) => slots.push(SlotSection {
                mid: section.mid,
                kind: section.kind,
                active: section.active,
                codecs: section.codecs.iter().map(slot_codec).collect(),
                ssrc: section.ssrc,
                rtx_ssrc: section.rtx_ssrc,
                acknowledged,
            }),
            Section::Data(_) | Section::Rejected { .. } => {}
        }
    }
    (sending, slots)
}

fn slot_codec(agreed: &NegotiatedCodec) -> SlotCodec {
    let codec: Codec = agreed.codec;
    SlotCodec {
        codec,
        payload_type: agreed.payload_type,
        rtx_payload_type: agreed.rtx_payload_type,
        red_payload_type: agreed.red_payload_type,
    }
}
