//! Between the small numbers of the media plane and the words of signalling.
//!
//! Owns the one place where ids become strings and back, and where states become messages. Leaves sending to `notice`.

use std::time::Duration;

use packet::{MediaKind, Mid};
use router::{
    EncodingState, ParticipantId, PublicationId, PublicationState, SlotState, SlotView, Source, Want,
};

use selector::SlotDecode;

use crate::participant::Participant;

/// Parses the decimal number behind a one-letter prefix; only the form that we write ourselves.
fn number(text: &str, prefix: char) -> Option<u32> {
    let digits = text.strip_prefix(prefix)?;
    let canonical = digits == "0" || !digits.starts_with(['0', '+']);
    canonical.then(|| digits.parse().ok()).flatten()
}

pub(crate) fn participant_id(id: ParticipantId) -> signalling::ParticipantId {
    signalling::ParticipantId(id.to_string())
}

pub(crate) fn parse_participant_id(id: &signalling::ParticipantId) -> Option<ParticipantId> {
    number(id.as_str(), 'p').map(ParticipantId)
}

pub(crate) fn publication_id(id: PublicationId) -> signalling::PublicationId {
    signalling::PublicationId(id.to_string())
}

fn parse_publication_id(id: &signalling::PublicationId) -> Option<PublicationId> {
    number(id.as_str(), 't').map(PublicationId)
}

pub(crate) fn source(said: signalling::Source) -> Source {
    match said {
        signalling::Source::Camera => Source::Camera,
        signalling::Source::Screen => Source::Screen,
        signalling::Source::Microphone => Source::Microphone,
    }
}

/// A participant as others see it, with those of the room's publications that are its own.
pub(crate) fn participant(who: &Participant, publications: &[PublicationState]) -> signalling::Participant {
    signalling::Participant {
        id: participant_id(who.id),
        name: who.name.clone(),
        identity: who.grant.identity.clone(),
        connection: who.connection(),
        publications: publications.iter().filter(|p| p.participant == who.id).map(publication).collect(),
    }
}

fn publication(state: &PublicationState) -> signalling::Publication {
    signalling::Publication {
        id: publication_id(state.id),
        kind: match state.kind {
            MediaKind::Audio => signalling::MediaKind::Audio,
            MediaKind::Video => signalling::MediaKind::Video,
        },
        source: match state.source {
            Source::Camera => signalling::Source::Camera,
            Source::Screen => signalling::Source::Screen,
            Source::Microphone => signalling::Source::Microphone,
        },
        muted: state.muted,
        encodings: state.encodings.iter().map(encoding).collect(),
    }
}

fn encoding(state: &EncodingState) -> signalling::Encoding {
    signalling::Encoding {
        rid: state.rid.map(|rid| rid.to_string()),
        width: state.width,
        height: state.height,
        fps: state.fps,
        active: state.active,
    }
}

/// What is in a slot, as its client is told.
pub(crate) fn slot(state: &SlotState) -> signalling::SlotState {
    let current = state.encoding.as_ref();
    signalling::SlotState {
        mid: state.mid.to_string(),
        participant: state.participant.map(participant_id),
        publication: state.publication.map(publication_id),
        rid: current.and_then(|e| e.rid).map(|rid| rid.to_string()),
        width: current.map(|e| e.width),
        height: current.map(|e| e.height),
        fps: current.map(|e| e.fps),
        bitrate_bps: state.bitrate.as_bps(),
        reason: reason(state.reason),
        next: state.next.map(|next| signalling::NextStep {
            rid: next.encoding.rid.map(|rid| rid.to_string()),
            width: next.encoding.width,
            height: next.encoding.height,
            fps: next.encoding.fps,
            missing_bps: next.missing_bitrate.map(units::Bitrate::as_bps),
            missing_pixels_per_second: next.missing_pixels_per_second,
        }),
    }
}

fn reason(reason: selector::Reason) -> signalling::Reason {
    use selector::Reason as From;
    use signalling::Reason as To;
    match reason {
        From::Optimal => To::Optimal,
        From::Bandwidth => To::Bandwidth,
        From::Viewport => To::Viewport,
        From::DeviceHeight => To::DeviceHeight,
        From::DeviceDecodeBudget => To::DeviceDecodeBudget,
        From::DeviceStreamCount => To::DeviceStreamCount,
        From::Power => To::Power,
        From::UserRequest => To::UserRequest,
        From::PublisherOff => To::PublisherOff,
        From::Codec => To::Codec,
        From::Priority => To::Priority,
        From::Dwell => To::Dwell,
        From::WaitingForKeyframe => To::WaitingForKeyframe,
        From::Startup => To::Startup,
        From::Hidden => To::Hidden,
        From::ServerBusy => To::ServerBusy,
    }
}

/// One line of a view. `None` for a MID that no section can have. A publication that does not exist (any more) is a wish
/// that cannot be met yet, not an error: views and departures cross on the way.
pub(crate) fn slot_view(said: &signalling::SlotView) -> Option<SlotView> {
    let mid = Mid::parse(&said.mid)?;
    let want = match &said.want {
        signalling::Want::Auto => Want::Auto,
        signalling::Want::Nothing => Want::Nothing,
        signalling::Want::Publication(id) => {
            parse_publication_id(id).map_or(Want::Nothing, Want::Publication)
        }
    };
    Some(SlotView {
        width: said.width,
        height: said.height,
        max_fps: said.fps,
        max_height: said.max_height,
        priority: said.priority,
        ..SlotView::new(mid, want)
    })
}

/// What a client says about decoding in one slot. `None` for a MID that no section can have.
pub(crate) fn slot_decode(said: &signalling::SlotReport) -> Option<(Mid, SlotDecode)> {
    let decode = SlotDecode {
        decoded: said.frames_decoded,
        dropped: said.frames_dropped,
        time: Duration::from_millis(said.decode_time_ms.into()),
        freezes: said.freezes,
        // Filled in by whoever knows what was sent.
        pixels: 0,
    };
    Some((Mid::parse(&said.mid)?, decode))
}

/// What is wanted of a publication, as its publisher is told.
pub(crate) fn demand(
    publication: PublicationId,
    mid: Mid,
    encodings: &[router::EncodingDemand],
    codecs: Option<selector::CodecSet>,
) -> signalling::Demand {
    signalling::Demand {
        publication: publication_id(publication),
        mid: mid.to_string(),
        encodings: encodings
            .iter()
            .map(|encoding| signalling::EncodingDemand {
                rid: encoding.rid.map(|rid| rid.to_string()),
                active: encoding.active,
                max_bitrate_bps: None,
                max_fps: encoding.max_fps,
            })
            .collect(),
        codecs: codecs.map(|codecs| codecs.iter().map(|codec| codec.name().to_owned()).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_one_spelling() {
        for id in [0, 1, 10, u32::MAX] {
            let id = ParticipantId(id);
            assert_eq!(parse_participant_id(&participant_id(id)), Some(id));
        }
        for text in ["", "p", "p01", "p+1", "p-1", "t1", "p4294967296", "p1 ", "é", "1"] {
            assert_eq!(parse_participant_id(&text.into()), None, "{text}");
        }
    }

    #[test]
    fn every_reason_keeps_its_name() {
        for from in selector::Reason::ALL {
            assert_eq!(serde_json::to_value(reason(from)).unwrap(), from.as_str());
        }
    }
}
