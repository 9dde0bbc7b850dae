//! What we agree to of what is offered. Owns the choice of codecs, the SSRCs of slots for their life, and the
//! rules that tie an offer to the one before (RFC 3264 §8, RFC 8829 §5.2.2); knows no SDP text.

use std::collections::BTreeSet;

use packet::{Codec, ExtensionIds, ExtensionUri, Mid, Rid};
use rand::{CryptoRng, RngExt};

use super::error::OfferError;
use super::model::{Direction, Offer, OfferedCodec, OfferedMedia, OfferedSection, Repair};
use crate::config::Config;
use crate::section::{Acknowledgement, DataSection, NegotiatedCodec, Section, SendingSection, SlotSection};

/// What both sides hold to after an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Agreement {
    /// In the order of the offer.
    pub(crate) sections: Vec<Section>,
    /// Ids of everything accepted, over all sections.
    pub(crate) extensions: ExtensionIds,
    pub(crate) acknowledgement: Acknowledgement,
    /// SSRCs the client announced, by section.
    pub(crate) announced: Vec<Announced>,
}

/// What a client said about the SSRCs of one section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Announced {
    pub(crate) mid: Mid,
    pub(crate) ssrcs: Vec<u32>,
    pub(crate) repairs: Vec<Repair>,
}

/// Agrees to as much of `offer` as we can, keeping what `previous` had settled.
pub(crate) fn agree(
    offer: &Offer,
    previous: &Agreement,
    config: &Config,
    rng: &mut impl CryptoRng,
) -> Result<Agreement, OfferError> {
    if offer.sections.len() < previous.sections.len() {
        return Err(OfferError::Session(
            "the offer has fewer sections than the one before; stop a transceiver, its section stays",
        ));
    }
    let extensions = extension_ids(offer);
    let mut ssrcs = Ssrcs::new(offer, previous);
    let mut sections = Vec::with_capacity(offer.sections.len());
    for (index, offered) in offer.sections.iter().enumerate() {
        let problem = |problem| OfferError::Section { index, mid: offered.mid, problem };
        let before = before(offered, previous.sections.get(index)).map_err(problem)?;
        sections.push(section(offered, before, config, &mut ssrcs, rng));
    }
    if sections.iter().all(|section| matches!(section, Section::Rejected { .. } | Section::Data(_))) {
        return Err(OfferError::Session(
            "none of the offered codecs is known here; offer VP8, H.264 (packetization-mode 1), VP9, AV1 or Opus",
        ));
    }
    let announced = sections
        .iter()
        .zip(&offer.sections)
        .filter_map(|(section, offered)| match (section, &offered.content) {
            (Section::Sending(sending), Some(content)) => Some(Announced {
                mid: sending.mid,
                ssrcs: content.ssrcs.clone(),
                repairs: content.repairs.clone(),
            }),
            _ => None,
        })
        .collect();
    let acknowledgement = acknowledgement(offer, &extensions);
    Ok(Agreement { sections, extensions, acknowledgement, announced })
}

fn acknowledgement(offer: &Offer, extensions: &ExtensionIds) -> Acknowledgement {
    let mut contents = offer.sections.iter().filter_map(|section| section.content.as_ref());
    if extensions.get(ExtensionUri::TransportWide).is_some() {
        Acknowledgement::TransportWide
    } else if contents.any(|content| content.stream_feedback) {
        Acknowledgement::PerStream
    } else {
        Acknowledgement::None
    }
}

/// The section's own past, if it has one: `None` for a new section and for one that takes the place of a
/// rejected one (RFC 8829 §5.2.2).
fn before<'a>(
    offered: &OfferedSection,
    previous: Option<&'a Section>,
) -> Result<Option<&'a Section>, String> {
    let Some(previous) = previous.filter(|section| !matches!(section, Section::Rejected { .. })) else {
        return Ok(None);
    };
    if previous.mid() != offered.mid {
        return Err(format!(
            "this section had the mid {} before; a section keeps its place and mid until it is stopped",
            previous.mid()
        ));
    }
    let kind = match previous {
        Section::Sending(section) => section.kind,
        Section::Slot(section) => section.kind,
        Section::Data(_) | Section::Rejected { .. } => return Ok(None),
    };
    match &offered.content {
        Some(content) if content.kind != kind => {
            Err(format!("this section was {kind} before and cannot become {}", content.kind))
        }
        _ => Ok(Some(previous)),
    }
}

fn section(
    offered: &OfferedSection,
    before: Option<&Section>,
    config: &Config,
    ssrcs: &mut Ssrcs,
    rng: &mut impl CryptoRng,
) -> Section {
    let mid = offered.mid;
    let rejected = Section::Rejected { mid };
    if let Some(longest_sent) = offered.data {
        return Section::Data(DataSection { mid, longest_sent });
    }
    let Some(content) = &offered.content else { return rejected };
    let active = content.direction != Direction::Inactive;
    if sends(content, before) {
        let (settled, rids) = match before {
            Some(Section::Sending(before)) => (Some(&before.codec), &before.rids[..]),
            _ => (None, &[][..]),
        };
        let Some(codec) = publication_codec(content, settled, config) else { return rejected };
        let rids = offered_rids(content, rids);
        Section::Sending(SendingSection { mid, kind: content.kind, active, codec, rids })
    } else {
        let codecs: Vec<_> =
            config.codecs.iter().filter_map(|codec| best(content, *codec)).map(negotiated).collect();
        if codecs.is_empty() {
            return rejected;
        }
        let (ssrc, rtx_ssrc) = match before {
            Some(Section::Slot(before)) => (before.ssrc, before.rtx_ssrc),
            _ => (ssrcs.draw(rng), None),
        };
        let repaired = codecs.iter().any(|codec| codec.rtx_payload_type.is_some());
        let rtx_ssrc = repaired.then(|| rtx_ssrc.unwrap_or_else(|| ssrcs.draw(rng)));
        Section::Slot(SlotSection { mid, kind: content.kind, active, codecs, ssrc, rtx_ssrc })
    }
}

/// Whether a section is for what the client sends. One that does both is taken as sending only: what we
/// forward goes to slots. An inactive one is what it was before, or what its description looks like.
fn sends(content: &OfferedMedia, before: Option<&Section>) -> bool {
    match (content.direction, before) {
        (Direction::Send | Direction::SendReceive, _) => true,
        (Direction::Receive, _) => false,
        (Direction::Inactive, Some(before)) => matches!(before, Section::Sending(_)),
        (Direction::Inactive, None) => content.has_source,
    }
}

/// A paused section may leave out its encodings; they are those from before then.
fn offered_rids(content: &OfferedMedia, before: &[Rid]) -> Vec<Rid> {
    match content.direction {
        Direction::Inactive if content.rids.is_empty() => before.to_vec(),
        _ => content.rids.clone(),
    }
}

/// The codec for what the client sends: the one settled before as long as it is offered, then our preference.
fn publication_codec(
    content: &OfferedMedia,
    settled: Option<&NegotiatedCodec>,
    config: &Config,
) -> Option<NegotiatedCodec> {
    let kept = settled.and_then(|settled| {
        content.codecs.iter().find(|o| o.codec == settled.codec && o.payload_type == settled.payload_type)
    });
    kept.or_else(|| config.codecs.iter().find_map(|codec| best(content, *codec))).map(negotiated)
}

fn negotiated(offered: &OfferedCodec) -> NegotiatedCodec {
    NegotiatedCodec {
        codec: offered.codec,
        payload_type: offered.payload_type,
        rtx_payload_type: offered.rtx,
        red_payload_type: offered.red.as_ref().map(|red| red.payload_type),
        fmtp: offered.fmtp.clone(),
    }
}

/// The best of the forms in which a codec is offered, the earlier of equals.
fn best(content: &OfferedMedia, codec: Codec) -> Option<&OfferedCodec> {
    let rank = |offered: &&OfferedCodec| rank(codec, &offered.fmtp);
    content.codecs.iter().filter(|o| o.codec == codec).filter(|o| rank(o).is_some()).min_by_key(rank)
}

/// How well a form of a codec suits forwarding, less is better; `None` for one that does not. A stream is forwarded as
/// it is, so what only some receivers decode is not agreed on with a publisher either.
fn rank(codec: Codec, fmtp: &str) -> Option<u8> {
    let is_zero = |name: &str| parameter(fmtp, name).is_none_or(|value| value == "0");
    match codec {
        Codec::Vp8 | Codec::Opus => Some(0),
        Codec::H264 => h264_rank(fmtp),
        // RFC 9628 §6: profile 0 (8 bits, 4:2:0) where nothing is said.
        Codec::Vp9 => is_zero("profile-id").then_some(0),
        // AV1 RTP §7.2.1: Main profile where nothing is said.
        Codec::Av1 => is_zero("profile").then_some(0),
    }
}

/// The value of a format parameter.
fn parameter<'a>(fmtp: &'a str, name: &str) -> Option<&'a str> {
    fmtp.split(';').find_map(|p| p.trim().strip_prefix(name)?.strip_prefix('='))
}

/// How well a form of H.264 suits forwarding, less is better; `None` for one that does not. Without
/// packetization mode 1 a frame cannot be fragmented (RFC 6184 §6.3); among profiles the one that every
/// decoder has goes first, so that any publisher's stream fits any slot.
fn h264_rank(fmtp: &str) -> Option<u8> {
    if parameter(fmtp, "packetization-mode") != Some("1") {
        return None;
    }
    // RFC 6184 §8.1: without the parameter it is Baseline at level 1.
    let profile = parameter(fmtp, "profile-level-id")
        .and_then(|id| u32::from_str_radix(id, 16).ok())
        .unwrap_or(0x42_00_0a);
    let (idc, constrained) = (profile >> 16, profile >> 8 & 0x40 != 0);
    Some(match (idc, constrained) {
        (0x42, true) => 0,
        (0x42, false) => 1,
        _ => 2,
    })
}

/// Ids by extension. The first section that has one decides; the answer of a section with another id leaves
/// that extension out there.
fn extension_ids(offer: &Offer) -> ExtensionIds {
    let mut ids = ExtensionIds::new();
    for content in offer.sections.iter().filter_map(|section| section.content.as_ref()) {
        for extension in &content.extensions {
            // The descriptor of a keyframe is longer than the one-byte form carries (RFC 8285 §4.2), and one that only
            // other frames have is of no use.
            let fits = extension.uri != ExtensionUri::DependencyDescriptor || offer.extmap_allow_mixed;
            let accepted = fits && super::answer::accepts(content.kind, extension.uri);
            if accepted && ids.get(extension.uri).is_none() {
                ids.set(extension.uri, extension.id);
            }
        }
    }
    ids
}

/// SSRCs that are taken. RFC 3550 §8: within one transport no two streams share one.
struct Ssrcs(BTreeSet<u32>);

impl Ssrcs {
    fn new(offer: &Offer, previous: &Agreement) -> Self {
        let announced =
            offer.sections.iter().flat_map(|section| &section.content).flat_map(|c| &c.ssrcs).copied();
        let ours = previous.sections.iter().flat_map(|section| match section {
            Section::Slot(slot) => [Some(slot.ssrc), slot.rtx_ssrc],
            _ => [None, None],
        });
        // 0 and 1 are what some clients use for feedback without media of their own.
        Self([0, 1].into_iter().chain(announced).chain(ours.flatten()).collect())
    }

    fn draw(&mut self, rng: &mut impl CryptoRng) -> u32 {
        loop {
            let ssrc = rng.random();
            if self.0.insert(ssrc) {
                return ssrc;
            }
        }
    }
}
