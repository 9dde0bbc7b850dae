//! Writing the answer (RFC 8829 §5.3, RFC 9143 §7.3). Owns every line of it: by hand it is shorter and
//! clearer than through a builder, and what a browser needs is exactly this. Decides nothing but which
//! extensions are known to either side.

use std::fmt::{self, Write};
use std::net::SocketAddr;

use packet::{ExtensionUri, MediaKind};

use super::model::{Direction, Offer, OfferedCodec, OfferedMedia, OfferedSection};
use super::negotiate::Agreement;
use super::offer::{REMB, SCTP_PORT, STREAM_FEEDBACK};
use crate::section::{Acknowledgement, Section, SendingSection, SlotSection};

/// What the answer says about us rather than about media.
pub(crate) struct OwnParameters<'a> {
    /// Of the `o=` line, for the life of the transport.
    pub(crate) session_id: u64,
    /// Of the `o=` line, one more with every answer (RFC 8829 §5.3.2).
    pub(crate) version: u64,
    pub(crate) ufrag: &'a str,
    pub(crate) password: &'a str,
    /// `None` without DTLS.
    pub(crate) fingerprint: Option<&'a str>,
    pub(crate) candidates: &'a [SocketAddr],
    pub(crate) tcp_candidates: &'a [SocketAddr],
    /// Longest message taken over a data channel, in bytes.
    pub(crate) channel_message_bytes: usize,
}

/// Extensions accepted in sections of either kind. Whatever an answer leaves out once, a browser may never
/// offer again: what is to be used later is accepted from the first answer, in sending sections and slots
/// alike.
const ACCEPTED: [ExtensionUri; 2] = [ExtensionUri::Mid, ExtensionUri::TransportWide];
const ACCEPTED_AUDIO: [ExtensionUri; 1] = [ExtensionUri::AudioLevel];
/// A later simulcast offer dies in the page if an earlier answer left out either of the first two in every
/// live video section. The last two are what a publisher says of its layers; slots accept them for the same
/// reason, and nothing of a publisher's is sent on in them.
const ACCEPTED_VIDEO: [ExtensionUri; 4] = [
    ExtensionUri::Rid,
    ExtensionUri::RepairedRid,
    ExtensionUri::LayersAllocation,
    ExtensionUri::DependencyDescriptor,
];

/// Whether an extension offered in a section of the given kind is accepted.
pub(crate) fn accepts(kind: MediaKind, uri: ExtensionUri) -> bool {
    let of_kind: &[ExtensionUri] = match kind {
        MediaKind::Audio => &ACCEPTED_AUDIO,
        MediaKind::Video => &ACCEPTED_VIDEO,
    };
    ACCEPTED.contains(&uri) || of_kind.contains(&uri)
}

/// The answer to `offer` that says what `agreement` has.
pub(crate) fn write(offer: &Offer, agreement: &Agreement, own: &OwnParameters<'_>) -> String {
    let mut out = String::with_capacity(1_024 * offer.sections.len());
    write_all(&mut out, offer, agreement, own).expect("writing to a string cannot fail");
    out
}

fn write_all(out: &mut String, offer: &Offer, agreement: &Agreement, own: &OwnParameters<'_>) -> fmt::Result {
    write!(out, "v=0\r\no=- {} {} IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n", own.session_id, own.version)?;
    out.write_str("a=ice-lite\r\n")?;
    // The session has one transport, so they stand here (RFC 8839 §5.4, RFC 8122 §5): GStreamer, where they stood in the
    // first section only, missed them in the others.
    write!(out, "a=ice-ufrag:{}\r\na=ice-pwd:{}\r\n", own.ufrag, own.password)?;
    if let Some(fingerprint) = own.fingerprint {
        write!(out, "a=fingerprint:sha-256 {fingerprint}\r\n")?;
    }
    if offer.extmap_allow_mixed {
        out.write_str("a=extmap-allow-mixed\r\n")?;
    }
    if offer.bundled {
        out.write_str("a=group:BUNDLE")?;
        for section in agreement.sections.iter().filter(|section| is_live(section)) {
            write!(out, " {}", section.mid())?;
        }
        out.write_str("\r\n")?;
    }
    // RFC 9143 §7.3.3: the first section of the group speaks for the transport.
    let mut first = true;
    for (offered, section) in offer.sections.iter().zip(&agreement.sections) {
        match (&offered.content, section) {
            (Some(content), Section::Sending(sending)) => {
                write_head(out, offered, content, codecs_of(content, section), own, &mut first)?;
                let direction = if sending.active { "recvonly" } else { "inactive" };
                write_media(out, agreement, content, codecs_of(content, section), direction)?;
                write_encodings(out, content, sending)?;
            }
            (Some(content), Section::Slot(slot)) => {
                write_head(out, offered, content, codecs_of(content, section), own, &mut first)?;
                let direction = if slot.active { "sendonly" } else { "inactive" };
                write_media(out, agreement, content, codecs_of(content, section), direction)?;
                if content.stream_feedback && agreement.acknowledgement == Acknowledgement::PerStream {
                    write!(out, "a=rtcp-fb:* {STREAM_FEEDBACK}\r\n")?;
                }
                write_source(out, slot)?;
            }
            (_, Section::Data(_)) => write_data(out, offered, own, &mut first)?,
            _ => write_rejection(out, offered)?,
        }
    }
    Ok(())
}

fn is_live(section: &Section) -> bool {
    !matches!(section, Section::Rejected { .. })
}

/// The offered forms of the codecs that were agreed on, in our order.
fn codecs_of<'a>(
    content: &'a OfferedMedia,
    section: &'a Section,
) -> impl Iterator<Item = &'a OfferedCodec> + Clone {
    let agreed = match section {
        Section::Sending(sending) => std::slice::from_ref(&sending.codec),
        Section::Slot(slot) => &slot.codecs,
        Section::Data(_) | Section::Rejected { .. } => &[],
    };
    agreed.iter().filter_map(|codec| content.codecs.iter().find(|o| o.payload_type == codec.payload_type))
}

/// RFC 3264 §6: port 0 refuses a section.
fn write_rejection(out: &mut String, offered: &OfferedSection) -> fmt::Result {
    write!(
        out,
        "m={} 0 {} {}\r\nc=IN IP4 0.0.0.0\r\n",
        offered.media, offered.protocol, offered.first_format
    )?;
    write!(out, "a=mid:{}\r\na=inactive\r\n", offered.mid)
}

/// RFC 8841 §10.
fn write_data(
    out: &mut String,
    offered: &OfferedSection,
    own: &OwnParameters<'_>,
    first: &mut bool,
) -> fmt::Result {
    write!(out, "m={} 9 {} webrtc-datachannel\r\n", offered.media, offered.protocol)?;
    write!(out, "c=IN IP4 0.0.0.0\r\na=mid:{}\r\na=setup:passive\r\n", offered.mid)?;
    write!(out, "a=sctp-port:{SCTP_PORT}\r\na=max-message-size:{}\r\n", own.channel_message_bytes)?;
    if std::mem::take(first) { write_candidates(out, own) } else { Ok(()) }
}

fn write_head<'a>(
    out: &mut String,
    offered: &OfferedSection,
    content: &OfferedMedia,
    codecs: impl Iterator<Item = &'a OfferedCodec>,
    own: &OwnParameters<'_>,
    first: &mut bool,
) -> fmt::Result {
    write!(out, "m={} 9 {}", offered.media, offered.protocol)?;
    for codec in codecs {
        // In the client's order: a browser sends what stands first.
        let red = codec.red.as_ref();
        if let Some(red) = red.filter(|red| red.preferred) {
            write!(out, " {}", red.payload_type)?;
        }
        write!(out, " {}", codec.payload_type)?;
        if let Some(red) = red.filter(|red| !red.preferred) {
            write!(out, " {}", red.payload_type)?;
        }
        if let Some(rtx) = codec.rtx {
            write!(out, " {rtx}")?;
        }
    }
    write!(out, "\r\nc=IN IP4 0.0.0.0\r\na=mid:{}\r\na=rtcp-mux\r\n", offered.mid)?;
    if content.reduced_size {
        out.write_str("a=rtcp-rsize\r\n")?;
    }
    if own.fingerprint.is_some() {
        // Identical in all (RFC 8859 §5.7), and GStreamer looks for it in each.
        out.write_str("a=setup:passive\r\n")?;
    }
    if std::mem::take(first) { write_candidates(out, own) } else { Ok(()) }
}

fn write_candidates(out: &mut String, own: &OwnParameters<'_>) -> fmt::Result {
    for (at, candidate) in own.candidates.iter().enumerate() {
        // RFC 8445 §5.1.2.1: host candidates have type preference 126; earlier ones get more local
        // preference.
        let priority = (126 << 24) | ((0xffff_u32.saturating_sub(at as u32)) << 8) | 255;
        let (foundation, ip, port) = (at + 1, candidate.ip(), candidate.port());
        write!(out, "a=candidate:{foundation} 1 udp {priority} {ip} {port} typ host\r\n")?;
    }
    for (at, candidate) in own.tcp_candidates.iter().enumerate() {
        // RFC 6544 §4.2: a type preference below that of every UDP candidate, then the direction (passive: 4 of 7), then
        // the order.
        let priority = (90 << 24) | ((4 << 13 | 0x1fff_u32.saturating_sub(at as u32)) << 8) | 255;
        let (foundation, ip, port) = (own.candidates.len() + at + 1, candidate.ip(), candidate.port());
        write!(out, "a=candidate:{foundation} 1 tcp {priority} {ip} {port} typ host tcptype passive\r\n")?;
    }
    out.write_str("a=end-of-candidates\r\n")
}

fn write_media<'a>(
    out: &mut String,
    agreement: &Agreement,
    content: &OfferedMedia,
    codecs: impl Iterator<Item = &'a OfferedCodec>,
    direction: &str,
) -> fmt::Result {
    write!(out, "a={direction}\r\n")?;
    for codec in codecs {
        let payload_type = codec.payload_type;
        write!(out, "a=rtpmap:{payload_type} {}\r\n", codec.encoding)?;
        if !codec.fmtp.is_empty() {
            write!(out, "a=fmtp:{payload_type} {}\r\n", codec.fmtp)?;
        }
        // A client that acknowledges what it gets is not asked for an estimate of its own.
        let is_asked = |feedback: &&String| {
            *feedback != REMB
                || (direction == "sendonly" && agreement.acknowledgement == Acknowledgement::None)
        };
        for feedback in codec.feedback.iter().filter(is_asked) {
            write!(out, "a=rtcp-fb:{payload_type} {feedback}\r\n")?;
        }
        if let Some(red) = &codec.red {
            let payload_type = red.payload_type;
            write!(
                out,
                "a=rtpmap:{payload_type} {}\r\na=fmtp:{payload_type} {}\r\n",
                red.encoding, red.fmtp
            )?;
        }
        if let Some(rtx) = codec.rtx {
            write!(
                out,
                "a=rtpmap:{rtx} rtx/{}\r\na=fmtp:{rtx} apt={payload_type}\r\n",
                codec.codec.clock_rate()
            )?;
        }
    }
    for extension in &content.extensions {
        if agreement.extensions.get(extension.uri) != Some(extension.id)
            || !accepts(content.kind, extension.uri)
        {
            continue;
        }
        let direction = extension.direction.map_or("", mirrored);
        write!(out, "a=extmap:{}{direction} {}\r\n", extension.id, extension.uri)?;
    }
    Ok(())
}

/// The direction of an extension from our side (RFC 8285 §7).
fn mirrored(direction: Direction) -> &'static str {
    match direction {
        Direction::SendReceive => "",
        Direction::Send => "/recvonly",
        Direction::Receive => "/sendonly",
        Direction::Inactive => "/inactive",
    }
}

/// RFC 8853 §5.2: we receive what is offered, paused or not.
fn write_encodings(out: &mut String, content: &OfferedMedia, sending: &SendingSection) -> fmt::Result {
    if content.rids.is_empty() {
        return Ok(());
    }
    for rid in &sending.rids {
        write!(out, "a=rid:{rid} recv\r\n")?;
    }
    out.write_str("a=simulcast:recv ")?;
    for (at, rid) in sending.rids.iter().enumerate() {
        let separator = if at == 0 { "" } else { ";" };
        write!(out, "{separator}{rid}")?;
    }
    out.write_str("\r\n")
}

/// The streams of a slot (RFC 5576 §4): without them a browser needs MID on every packet, and without the
/// group it cannot use retransmissions. Each slot is a stream of its own, so that a browser does not
/// synchronise one slot's picture with another's sound.
fn write_source(out: &mut String, slot: &SlotSection) -> fmt::Result {
    let (mid, ssrc) = (slot.mid, slot.ssrc);
    write!(out, "a=msid:slot-{mid} track-{mid}\r\n")?;
    if let Some(rtx) = slot.rtx_ssrc {
        write!(out, "a=ssrc-group:FID {ssrc} {rtx}\r\n")?;
    }
    write!(out, "a=ssrc:{ssrc} cname:slot-{mid}\r\n")?;
    match slot.rtx_ssrc {
        Some(rtx) => write!(out, "a=ssrc:{rtx} cname:slot-{mid}\r\n"),
        None => Ok(()),
    }
}
