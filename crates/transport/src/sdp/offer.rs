//! Reading an offer (RFC 8866, RFC 8829 §5.8). Owns the checks that do not depend on earlier offers, each
//! with the words to fix it; leaves the line grammar to `rtc-sdp` and the choice among what is offered to
//! `answer`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Cursor;

use packet::{Codec, ExtensionUri, MediaKind, Mid, Rid};
use rtc_sdp::description::common::Attribute;
use rtc_sdp::description::media::MediaDescription;
use rtc_sdp::description::session::SessionDescription;

use super::error::OfferError;
use super::model::{
    Direction, Offer, OfferedCodec, OfferedExtension, OfferedMedia, OfferedRed, OfferedSection, Repair,
};
use crate::config::{Config, Security};

/// Feedback we act on or a client gains from (RFC 4585 §4.2).
const FEEDBACK: [&str; 5] = ["nack", "nack pli", "ccm fir", "transport-cc", REMB];
/// A receiver's own estimate (draft-alvestrand-rmcat-remb-03): answered only where nothing better is offered.
pub(crate) const REMB: &str = "goog-remb";
/// RFC 8888 §6.
pub(crate) const STREAM_FEEDBACK: &str = "ack ccfb";
/// The port that everybody uses (RFC 8841 §5): there is one association, so that it tells nothing apart.
pub(crate) const SCTP_PORT: u16 = 5_000;
/// RFC 8841 §6.1.
const UNTOLD_MESSAGE_SIZE: usize = 64 * 1024;
/// Characters of an offending line that an error repeats.
const QUOTED: usize = 60;
/// Most `a=ssrc` lines with different SSRCs in one section, and most `FID` groups: twice the encodings
/// anybody sends.
const MAX_SSRCS: usize = 16;
/// RFC 8839 §5.4: 4 to 256 ice-chars.
const UFRAG_LENGTH: std::ops::RangeInclusive<usize> = 4..=256;

/// Reads and checks an offer.
pub(crate) fn parse(sdp: &str, config: &Config) -> Result<Offer, OfferError> {
    if sdp.len() > config.max_offer_bytes {
        return Err(OfferError::TooLarge { bytes: sdp.len(), limit: config.max_offer_bytes });
    }
    check_lines(sdp)?;
    let mut reader = Cursor::new(sdp.as_bytes());
    let description = SessionDescription::unmarshal(&mut reader)
        .map_err(|error| syntax_error(sdp, reader.position(), &error))?;
    let count = description.media_descriptions.len();
    if count == 0 {
        return Err(OfferError::Session("the offer has no media sections; add a transceiver first"));
    }
    if count > config.max_sections {
        return Err(OfferError::TooManySections { count, limit: config.max_sections });
    }

    let sections: Vec<_> = description
        .media_descriptions
        .iter()
        .enumerate()
        .map(|(index, media)| section(index, media, config))
        .collect::<Result<_, _>>()?;
    check_mids(&sections)?;
    let bundled = check_bundle(&description, &sections)?;
    check_extensions(&sections)?;
    check_ssrcs(&sections)?;

    if sections.iter().all(|section| section.content.is_none()) {
        return Err(OfferError::Session(
            "the offer has no section with audio or video that is not stopped; offer at least one",
        ));
    }
    let first_live =
        sections.iter().position(OfferedSection::is_live).expect("one with media was found just now");
    let transport = TransportAttributes::read(&description, first_live);
    transport.check(&config.security)?;
    Ok(Offer {
        ice_ufrag: transport.ufrag.unwrap_or_default().to_owned(),
        fingerprints: transport.fingerprints,
        extmap_allow_mixed: description.has_attribute("extmap-allow-mixed"),
        bundled,
        sections,
    })
}

/// Names the first line that is not `<letter>=<value>`, which the parser's own errors do not.
fn check_lines(sdp: &str) -> Result<(), OfferError> {
    for (at, line) in sdp.lines().enumerate() {
        let problem = match line.as_bytes() {
            [] => continue,
            [b'a'..=b'z', b'=', ..] if line.contains('\0') => "a line must not contain a zero byte",
            [b'a'..=b'z', b'=', ..] => continue,
            _ => "every line is one letter, `=` and a value; send RTCSessionDescription.sdp as it is",
        };
        return Err(OfferError::Syntax { line: at + 1, text: quote(line), problem });
    }
    if sdp.trim().is_empty() {
        return Err(OfferError::Session("the offer is empty; send RTCSessionDescription.sdp as it is"));
    }
    Ok(())
}

/// Names the line at which the parser stopped, having read up to `position`.
fn syntax_error(sdp: &str, position: u64, error: &rtc_shared::error::Error) -> OfferError {
    tracing::debug!(%error, "an offer does not parse");
    let read = usize::try_from(position).unwrap_or(usize::MAX).min(sdp.len()).saturating_sub(1);
    let line = sdp.as_bytes()[..read].iter().filter(|byte| **byte == b'\n').count();
    let text = quote(sdp.lines().nth(line).unwrap_or_default());
    OfferError::Syntax {
        line: line + 1,
        text,
        problem: "its value is malformed, or a line before it is missing",
    }
}

fn quote(line: &str) -> String {
    line.chars().filter(|c| !c.is_control()).take(QUOTED).collect()
}

/// One section, with its errors under its own name.
fn section(index: usize, media: &MediaDescription, config: &Config) -> Result<OfferedSection, OfferError> {
    let mid = match values(&media.attributes, "mid").next() {
        None => {
            return Err(OfferError::Mid {
                index,
                problem: "no a=mid line; use a browser or library of this decade",
            });
        }
        Some(text) => Mid::parse(text)
            .ok_or(OfferError::Mid { index, problem: "the mid is not a token of 1 to 16 characters" })?,
    };
    let name = &media.media_name;
    let content = content(media, config).map_err(|problem| OfferError::Section { index, mid, problem })?;
    Ok(OfferedSection {
        mid,
        media: name.media.clone(),
        protocol: name.protos.join("/"),
        first_format: name.formats.first().cloned().unwrap_or_else(|| "0".to_owned()),
        content,
        data: data(media, config),
    })
}

/// The longest message that a client takes over data channels, if this is a section of those that we answer
/// (RFC 8841 §4, §6).
fn data(media: &MediaDescription, config: &Config) -> Option<usize> {
    let name = &media.media_name;
    let is_ours = name.media == "application"
        && matches!(name.protos.join("/").as_str(), "UDP/DTLS/SCTP" | "TCP/DTLS/SCTP")
        && name.formats.iter().any(|format| format == "webrtc-datachannel")
        && (name.port.value != 0 || has(media, "bundle-only"))
        && values(&media.attributes, "sctp-port").any(|port| port.parse() == Ok(SCTP_PORT))
        && matches!(config.security, Security::DtlsSrtp(_))
        && config.channel_message_bytes.is_some();
    let told = values(&media.attributes, "max-message-size").find_map(|size| size.parse::<usize>().ok());
    is_ours.then_some(match told {
        None => UNTOLD_MESSAGE_SIZE,
        Some(0) => usize::MAX,
        Some(size) => size,
    })
}

/// What a section offers, or `None` if it is stopped or of no kind we speak.
fn content(media: &MediaDescription, config: &Config) -> Result<Option<OfferedMedia>, String> {
    let name = &media.media_name;
    let kind = match name.media.as_str() {
        "audio" => MediaKind::Audio,
        "video" => MediaKind::Video,
        _ => return Ok(None),
    };
    // RFC 9143 §6: port 0 stops a section unless it is bundle-only.
    if name.port.value == 0 && !has(media, "bundle-only") {
        return Ok(None);
    }
    if !matches!(name.protos.join("/").as_str(), "UDP/TLS/RTP/SAVPF" | "TCP/TLS/RTP/SAVPF") {
        return Err(
            "the protocol is not UDP/TLS/RTP/SAVPF; only DTLS-SRTP with feedback is spoken here".to_owned()
        );
    }
    // RFC 8858: without multiplexing RTCP would need a port of its own.
    if !has(media, "rtcp-mux") && !has(media, "rtcp-mux-only") {
        return Err("no a=rtcp-mux; set rtcpMuxPolicy to \"require\"".to_owned());
    }
    let ssrcs = ssrcs(media)?;
    let repairs = repairs(media)?;
    let rids = rids(media, config.max_encodings)?;
    Ok(Some(OfferedMedia {
        kind,
        direction: direction(media),
        codecs: codecs(media, kind)?,
        extensions: extensions(media)?,
        has_source: !rids.is_empty() || !ssrcs.is_empty() || has(media, "msid"),
        rids,
        ssrcs,
        repairs,
        reduced_size: has(media, "rtcp-rsize"),
        stream_feedback: values(&media.attributes, "rtcp-fb")
            .filter_map(|value| value.split_once(' '))
            .any(|(_, feedback)| feedback.trim() == STREAM_FEEDBACK),
    }))
}

fn values<'a>(attributes: &'a [Attribute], key: &'a str) -> impl Iterator<Item = &'a str> + 'a {
    attributes.iter().filter(move |a| a.key == key).filter_map(|a| a.value.as_deref()).map(str::trim)
}

fn has(media: &MediaDescription, key: &str) -> bool {
    media.attributes.iter().any(|attribute| attribute.key == key)
}

/// The direction; sendrecv when nothing is said (RFC 8866 §6.7).
fn direction(media: &MediaDescription) -> Direction {
    media.attributes.iter().find_map(|a| parse_direction(&a.key)).unwrap_or(Direction::SendReceive)
}

fn parse_direction(text: &str) -> Option<Direction> {
    match text {
        "sendrecv" => Some(Direction::SendReceive),
        "sendonly" => Some(Direction::Send),
        "recvonly" => Some(Direction::Receive),
        "inactive" => Some(Direction::Inactive),
        _ => None,
    }
}

/// The codecs we know among the formats of the `m=` line, in its order.
fn codecs(media: &MediaDescription, kind: MediaKind) -> Result<Vec<OfferedCodec>, String> {
    let by_payload_type = |key| -> BTreeMap<&str, Vec<&str>> {
        let mut map: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (payload_type, rest) in values(&media.attributes, key).filter_map(|value| value.split_once(' ')) {
            map.entry(payload_type).or_default().push(rest.trim());
        }
        map
    };
    let (rtpmaps, fmtps, feedbacks) =
        (by_payload_type("rtpmap"), by_payload_type("fmtp"), by_payload_type("rtcp-fb"));
    let fmtp = |payload_type: &str| fmtps.get(payload_type).map(|lines| lines.join(";")).unwrap_or_default();

    let mut codecs = Vec::new();
    let mut retransmissions = BTreeMap::new();
    let mut redundancies = BTreeMap::new();
    for format in &media.media_name.formats {
        let payload_type: u8 =
            format.parse().ok().filter(|pt| *pt < 128).ok_or_else(|| {
                format!("`{}` in the m= line is no payload type from 0 to 127", quote(format))
            })?;
        let Some(encoding) = rtpmaps.get(format.as_str()).and_then(|maps| maps.first()) else { continue };
        let mut parts = encoding.split('/');
        let (name, clock) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        if name.eq_ignore_ascii_case("rtx") {
            // RFC 4588 §8.6.
            let fmtp = fmtp(format);
            let apt: Option<u8> =
                fmtp.split(';').find_map(|p| p.trim().strip_prefix("apt=")).and_then(|pt| pt.parse().ok());
            if let Some(apt) = apt {
                retransmissions.entry(apt).or_insert(payload_type);
            }
            continue;
        }
        if name.eq_ignore_ascii_case("red") && kind == MediaKind::Audio {
            let fmtp = fmtp(format);
            if let Some(inner) = repeated(&fmtp) {
                let preferred = !codecs.iter().any(|codec: &OfferedCodec| codec.payload_type == inner);
                let encoding = (*encoding).to_owned();
                redundancies.entry(inner).or_insert(OfferedRed { payload_type, encoding, fmtp, preferred });
            }
            continue;
        }
        let Some(codec) = Codec::from_sdp_name(name) else { continue };
        if codec.is_video() != (kind == MediaKind::Video) || clock != codec.clock_rate().to_string() {
            continue;
        }
        let offered = |wanted: &&str| {
            [format.as_str(), "*"].iter().filter_map(|pt| feedbacks.get(pt)).flatten().any(|fb| fb == wanted)
        };
        codecs.push(OfferedCodec {
            codec,
            payload_type,
            encoding: (*encoding).to_owned(),
            fmtp: fmtp(format),
            feedback: FEEDBACK.iter().filter(|fb| offered(fb)).map(|fb| (*fb).to_owned()).collect(),
            rtx: None,
            red: None,
        });
    }
    for codec in &mut codecs {
        codec.rtx = retransmissions.get(&codec.payload_type).copied();
        codec.red = redundancies.remove(&codec.payload_type);
    }
    Ok(codecs)
}

/// The payload type of every block of a redundant format (RFC 2198 §5: `111/111`); `None` where they differ.
fn repeated(fmtp: &str) -> Option<u8> {
    let mut blocks = fmtp.split('/').map(|block| block.trim().parse::<u8>().ok());
    let first = blocks.next()??;
    blocks.all(|block| block == Some(first)).then_some(first)
}

fn extensions(media: &MediaDescription) -> Result<Vec<OfferedExtension>, String> {
    let mut found: Vec<OfferedExtension> = Vec::new();
    for value in values(&media.attributes, "extmap") {
        let mut words = value.split_whitespace();
        let (head, uri) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let (id, direction) = match head.split_once('/') {
            Some((id, direction)) => (id, parse_direction(direction)),
            None => (head, None),
        };
        // RFC 8285 §4.2, §4.3: 0 is padding, 15 ends the one-byte form; RFC 8285 §5: 4096 and up are
        // placeholders.
        let id: u16 = id
            .parse()
            .ok()
            .filter(|id| *id != 0)
            .ok_or_else(|| format!("`a=extmap:{}` has no id from 1 to 14 or 16 to 255", quote(value)))?;
        let Some(uri) = ExtensionUri::from_uri(uri) else { continue };
        let Some(id) = u8::try_from(id).ok().filter(|id| *id != 15) else {
            return Err(format!("the extension {uri} has the id {id}; use 1 to 14 or 16 to 255"));
        };
        if found.iter().any(|other| other.uri == uri) {
            continue;
        }
        if let Some(other) = found.iter().find(|other| other.id == id) {
            return Err(format!("the extension id {id} stands for {} and for {uri}", other.uri));
        }
        found.push(OfferedExtension { uri, id, direction });
    }
    Ok(found)
}

/// The encodings the client offers to send: those of `a=simulcast` in its order (RFC 8853 §5.1), each
/// declared by `a=rid` (RFC 8851 §4).
fn rids(media: &MediaDescription, limit: usize) -> Result<Vec<Rid>, String> {
    let mut declared = BTreeSet::new();
    for value in values(&media.attributes, "rid") {
        let mut words = value.split_whitespace();
        let (id, direction) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        if direction != "send" {
            continue;
        }
        let rid = Rid::parse(id)
            .ok_or_else(|| format!("`a=rid:{}`: a rid has 1 to 16 letters and digits", quote(id)))?;
        if !declared.insert(rid) {
            return Err(format!("the rid {rid} is declared twice"));
        }
    }
    let Some(streams) = values(&media.attributes, "simulcast").find_map(simulcast_send) else {
        return match declared.len() {
            0 | 1 => Ok(Vec::new()),
            count => Err(format!("{count} a=rid lines but no a=simulcast:send; simulcast needs both")),
        };
    };
    let mut rids = Vec::new();
    for stream in streams.split(';') {
        // RFC 8853 §5.1: alternatives are separated by commas, and `~` marks what starts paused.
        let first = stream.split(',').next().unwrap_or_default().trim();
        let first = first.strip_prefix('~').unwrap_or(first);
        let rid = Rid::parse(first).filter(|rid| declared.contains(rid)).ok_or_else(|| {
            format!("a=simulcast names `{}`, which no a=rid line declares for sending", quote(first))
        })?;
        if rids.contains(&rid) {
            return Err(format!("a=simulcast names the rid {rid} twice"));
        }
        rids.push(rid);
    }
    if rids.len() > limit {
        return Err(format!("{} simulcast encodings, {limit} are allowed", rids.len()));
    }
    Ok(rids)
}

/// The list behind `send` in an `a=simulcast` value.
fn simulcast_send(value: &str) -> Option<&str> {
    let mut words = value.split_whitespace();
    while let Some(word) = words.next() {
        let list = words.next()?;
        if word == "send" {
            return Some(list.strip_prefix("rid=").unwrap_or(list));
        }
    }
    None
}

fn ssrcs(media: &MediaDescription) -> Result<Vec<u32>, String> {
    let mut found = Vec::new();
    for value in values(&media.attributes, "ssrc") {
        let ssrc = parse_ssrc(value.split_whitespace().next().unwrap_or_default())
            .ok_or_else(|| format!("`a=ssrc:{}` does not start with a number of 32 bits", quote(value)))?;
        if !found.contains(&ssrc) {
            found.push(ssrc);
        }
    }
    if found.len() > MAX_SSRCS {
        return Err(format!("{} SSRCs, {MAX_SSRCS} are allowed in a section", found.len()));
    }
    Ok(found)
}

fn repairs(media: &MediaDescription) -> Result<Vec<Repair>, String> {
    let mut found = Vec::new();
    for value in values(&media.attributes, "ssrc-group") {
        let mut words = value.split_whitespace();
        if words.next() != Some("FID") {
            continue;
        }
        let members: Option<Vec<u32>> = words.map(parse_ssrc).collect();
        let Some([media, rtx]) = members.as_deref() else {
            return Err(format!(
                "`a=ssrc-group:{}` does not pair a stream with its retransmissions",
                quote(value)
            ));
        };
        if found.len() == MAX_SSRCS {
            return Err(format!("more than {MAX_SSRCS} ssrc-groups in a section"));
        }
        found.push(Repair { media: *media, rtx: *rtx });
    }
    Ok(found)
}

fn parse_ssrc(text: &str) -> Option<u32> {
    text.parse().ok()
}

fn check_mids(sections: &[OfferedSection]) -> Result<(), OfferError> {
    let mut seen = BTreeSet::new();
    for (index, section) in sections.iter().enumerate() {
        // RFC 8843 §5.1 and RFC 5888 §6: one identification, one section.
        if !seen.insert(section.mid) {
            return Err(OfferError::Mid { index, problem: "the mid is used by an earlier section" });
        }
    }
    Ok(())
}

/// RFC 9143 §7.2: whatever is to flow has to share the one transport.
fn check_bundle(description: &SessionDescription, sections: &[OfferedSection]) -> Result<bool, OfferError> {
    let group: Option<BTreeSet<&str>> = values(&description.attributes, "group")
        .find_map(|value| value.strip_prefix("BUNDLE"))
        .map(|mids| mids.split_whitespace().collect());
    let mut live = sections.iter().enumerate().filter(|(_, section)| section.is_live());
    match group {
        None if live.clone().count() > 1 => Err(OfferError::Session(
            "no a=group:BUNDLE; set bundlePolicy to \"max-bundle\", there is one transport for everything",
        )),
        None => Ok(false),
        Some(group) => match live.find(|(_, section)| !group.contains(section.mid.as_str())) {
            Some((index, section)) => Err(OfferError::Section {
                index,
                mid: section.mid,
                problem: "not in a=group:BUNDLE; set bundlePolicy to \"max-bundle\"".to_owned(),
            }),
            None => Ok(true),
        },
    }
}

/// RFC 9143 §7.1.1 and RFC 8285 §5: in a bundle an id has one meaning.
fn check_extensions(sections: &[OfferedSection]) -> Result<(), OfferError> {
    let mut meanings = BTreeMap::new();
    for (index, section) in sections.iter().enumerate() {
        for extension in section.content.iter().flat_map(|content| &content.extensions) {
            let meaning = *meanings.entry(extension.id).or_insert(extension.uri);
            if meaning != extension.uri {
                return Err(OfferError::Section {
                    index,
                    mid: section.mid,
                    problem: format!(
                        "the extension id {} stands for {} here and for {meaning} in an earlier section",
                        extension.id, extension.uri
                    ),
                });
            }
        }
    }
    Ok(())
}

/// RFC 3550 §8: an SSRC is one stream.
fn check_ssrcs(sections: &[OfferedSection]) -> Result<(), OfferError> {
    let mut owners = BTreeMap::new();
    for (index, section) in sections.iter().enumerate() {
        for ssrc in section.content.iter().flat_map(|content| &content.ssrcs) {
            if owners.insert(*ssrc, section.mid).is_some_and(|other| other != section.mid) {
                return Err(OfferError::Section {
                    index,
                    mid: section.mid,
                    problem: format!("the SSRC {ssrc} belongs to an earlier section"),
                });
            }
        }
    }
    Ok(())
}

/// ICE and DTLS parameters of the section that speaks for the bundle, or of the session.
struct TransportAttributes<'a> {
    ufrag: Option<&'a str>,
    password: Option<&'a str>,
    setup: Option<&'a str>,
    has_fingerprint: bool,
    fingerprints: Vec<String>,
}

impl<'a> TransportAttributes<'a> {
    fn read(description: &'a SessionDescription, section: usize) -> Self {
        let media = &description.media_descriptions[section].attributes;
        let session = &description.attributes;
        let first = |key| values(media, key).chain(values(session, key)).next();
        let fingerprints: Vec<_> =
            values(media, "fingerprint").chain(values(session, "fingerprint")).collect();
        Self {
            ufrag: first("ice-ufrag"),
            password: first("ice-pwd"),
            setup: first("setup"),
            has_fingerprint: !fingerprints.is_empty(),
            fingerprints: fingerprints.into_iter().filter_map(sha256).collect(),
        }
    }

    fn check(&self, security: &Security) -> Result<(), OfferError> {
        let is_legal = |text: &&str| {
            UFRAG_LENGTH.contains(&text.len())
                && text
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'-' | b'_' | b'='))
        };
        if self.ufrag.is_none() || self.password.is_none() {
            return Err(OfferError::Session(
                "no a=ice-ufrag and a=ice-pwd; send the local description, not a template",
            ));
        }
        if self.ufrag.filter(is_legal).is_none() {
            return Err(OfferError::Session("a=ice-ufrag is not 4 to 256 letters, digits, `+` and `/`"));
        }
        if matches!(security, Security::Plaintext) {
            return Ok(());
        }
        if !self.has_fingerprint {
            return Err(OfferError::Session("no a=fingerprint; media is encrypted with DTLS-SRTP only"));
        }
        if self.fingerprints.is_empty() {
            return Err(OfferError::Session(
                "no a=fingerprint of 32 bytes for sha-256, which RFC 8827 asks for",
            ));
        }
        // RFC 8842 §5.1: an offer leaves the choice to the answer; we are always the server of the handshake.
        match self.setup {
            None | Some("actpass" | "active") => Ok(()),
            Some(_) => Err(OfferError::Session(
                "a=setup has to be actpass or active; the server never starts the handshake",
            )),
        }
    }
}

/// The value of a SHA-256 fingerprint, upper-case, if it is one (RFC 8122 §5).
fn sha256(value: &str) -> Option<String> {
    let (algorithm, digits) = value.split_once(' ')?;
    let digits = digits.trim().to_ascii_uppercase();
    let is_legal = digits.split(':').count() == 32
        && digits.split(':').all(|pair| pair.len() == 2 && pair.bytes().all(|b| b.is_ascii_hexdigit()));
    (algorithm.eq_ignore_ascii_case("sha-256") && is_legal).then_some(digits)
}
