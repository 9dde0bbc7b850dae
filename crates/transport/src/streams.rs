//! What each arriving stream is: which section, which encoding, media or its retransmissions (RFC 9143 §9.2,
//! RFC 8852 §4, RFC 4588 §5.3).
//!
//! Owns the table from SSRC to meaning. A stream is identified once, by the first packet that says enough, in
//! this order: its RID, repaired RID or MID extension; the SSRC lines of the offer; a payload type that only
//! one section has. Browsers write the extensions on the first packets of a stream only, so the answer is
//! remembered by SSRC. The table is bounded by what was negotiated: an encoding has at most one media and one
//! repair stream, and a new one takes the place of the old.

use std::collections::BTreeMap;
use std::sync::Arc;

use packet::codec::red::{self, Redundant};
use packet::{Codec, Mid, Rid, RtpPacket, rtx};

use crate::sdp::negotiate::Agreement;
use crate::section::{NegotiatedCodec, Section, SendingSection};

/// A packet to hand up, in its original form.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Media {
    pub(crate) mid: Mid,
    pub(crate) rid: Option<Rid>,
    pub(crate) codec: Codec,
    pub(crate) packet: RtpPacket,
    pub(crate) redundant: Option<Arc<Redundant>>,
    pub(crate) repaired: bool,
}

/// Why nothing is handed up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dropped {
    /// Nothing says where it belongs.
    Unidentified,
    /// Not the payload type that was negotiated.
    PayloadType,
    /// The section is paused.
    Inactive,
    /// Padding only.
    Padding,
    /// A packet that was there already.
    Duplicate,
    /// A retransmission for a stream that has not been seen.
    Unmatched,
}

/// A stream that appeared or ended, for those who keep state by SSRC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Appeared { ssrc: u32, clock_rate: u32, repairable: bool },
    Ended { ssrc: u32 },
}

/// What a stream carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// Media of an encoding, or of a section with a single one.
    Media { mid: Mid, rid: Option<Rid> },
    /// Retransmissions of an encoding.
    RepairOfEncoding { mid: Mid, rid: Option<Rid> },
    /// Retransmissions of a stream.
    RepairOfStream { mid: Mid, media: u32 },
}

impl Role {
    fn mid(self) -> Mid {
        match self {
            Self::Media { mid, .. }
            | Self::RepairOfEncoding { mid, .. }
            | Self::RepairOfStream { mid, .. } => mid,
        }
    }
}

struct Stream {
    role: Role,
    /// Which packets have been handed up; of media streams.
    seen: Seen,
}

/// The sections and streams in which a participant sends.
#[derive(Default)]
pub(crate) struct Streams {
    sections: Vec<SendingSection>,
    /// SSRC to section, from the offer.
    announced: BTreeMap<u32, Mid>,
    /// Repair SSRC to media SSRC, from the offer.
    repairs: BTreeMap<u32, (Mid, u32)>,
    table: BTreeMap<u32, Stream>,
}

impl Streams {
    /// Takes over what an answer settled. Streams of sections and encodings that are no more end; the others
    /// go on, as a browser does not introduce them again.
    pub(crate) fn set_agreement(&mut self, agreement: &Agreement) -> Vec<Change> {
        self.sections = agreement
            .sections
            .iter()
            .filter_map(|section| match section {
                Section::Sending(sending) => Some(sending.clone()),
                _ => None,
            })
            .collect();
        let announced = &agreement.announced;
        self.announced = announced.iter().flat_map(|a| a.ssrcs.iter().map(|ssrc| (*ssrc, a.mid))).collect();
        self.repairs =
            announced.iter().flat_map(|a| a.repairs.iter().map(|r| (r.rtx, (a.mid, r.media)))).collect();

        let sections = &self.sections;
        let mut ended = Vec::new();
        self.table.retain(|ssrc, stream| {
            let section = sections.iter().find(|section| section.mid == stream.role.mid());
            let goes_on = section.is_some_and(|section| match stream.role {
                Role::Media { rid: Some(rid), .. } | Role::RepairOfEncoding { rid: Some(rid), .. } => {
                    section.rids.contains(&rid)
                }
                Role::Media { rid: None, .. } | Role::RepairOfEncoding { rid: None, .. } => {
                    section.rids.is_empty()
                }
                Role::RepairOfStream { .. } => true,
            });
            if !goes_on {
                ended.push(Change::Ended { ssrc: *ssrc });
            }
            goes_on
        });
        ended
    }

    /// Finds out what `packet` is. Streams that appear or end by it are appended to `changes`.
    pub(crate) fn arrive(&mut self, packet: RtpPacket, changes: &mut Vec<Change>) -> Result<Media, Dropped> {
        let role = match self.table.get(&packet.ssrc) {
            Some(stream) => stream.role,
            None => match self.identify(&packet) {
                Some(role) => {
                    self.introduce(packet.ssrc, role, changes);
                    role
                }
                None => return Err(Dropped::Unidentified),
            },
        };
        let Some(section) = self.sections.iter().find(|section| section.mid == role.mid()) else {
            return Err(Dropped::Unidentified);
        };
        if !section.active {
            return Err(Dropped::Inactive);
        }
        let codec = section.codec.codec;
        let media_payload_type = section.codec.payload_type;
        match role {
            Role::Media { mid, rid } => {
                let (packet, redundant) = without_redundancy(packet, &section.codec)?;
                if !self.mark(packet.ssrc, packet.sequence) {
                    return Err(Dropped::Duplicate);
                }
                Ok(Media { mid, rid, codec, packet, redundant, repaired: false })
            }
            Role::RepairOfEncoding { .. } | Role::RepairOfStream { .. } => {
                if Some(packet.payload_type) != section.codec.rtx_payload_type {
                    return Err(Dropped::PayloadType);
                }
                self.restore(&packet, role, codec, media_payload_type)
            }
        }
    }

    fn restore(
        &mut self,
        packet: &RtpPacket,
        role: Role,
        codec: Codec,
        payload_type: u8,
    ) -> Result<Media, Dropped> {
        // RFC 4588 §4: an empty retransmission is padding.
        if packet.payload.len() <= rtx::OSN_LENGTH {
            return Err(Dropped::Padding);
        }
        let Some((ssrc, mid, rid)) = self.repaired_stream(role) else {
            return Err(Dropped::Unmatched);
        };
        let Some(mut restored) = rtx::restore(packet, ssrc, payload_type) else {
            return Err(Dropped::Padding);
        };
        if !self.mark(ssrc, restored.sequence) {
            return Err(Dropped::Duplicate);
        }
        restored.extensions.rid = rid;
        restored.extensions.repaired_rid = None;
        Ok(Media { mid, rid, codec, packet: restored, redundant: None, repaired: true })
    }

    /// The media stream that a repair stream repairs.
    fn repaired_stream(&self, role: Role) -> Option<(u32, Mid, Option<Rid>)> {
        let media = |ssrc: u32, stream: &Stream| match stream.role {
            Role::Media { mid, rid } => Some((ssrc, mid, rid)),
            _ => None,
        };
        match role {
            Role::RepairOfStream { media: ssrc, .. } => media(ssrc, self.table.get(&ssrc)?),
            Role::RepairOfEncoding { mid, rid } => {
                let (ssrc, stream) = self.table.iter().find(|(_, s)| s.role == Role::Media { mid, rid })?;
                media(*ssrc, stream)
            }
            Role::Media { .. } => None,
        }
    }

    /// Marks a packet of a media stream as handed up; `false` if it was.
    fn mark(&mut self, ssrc: u32, sequence: u16) -> bool {
        self.table.get_mut(&ssrc).is_some_and(|stream| stream.seen.mark(sequence))
    }

    fn introduce(&mut self, ssrc: u32, role: Role, changes: &mut Vec<Change>) {
        let Some(section) = self.sections.iter().find(|section| section.mid == role.mid()) else { return };
        let is_media = matches!(role, Role::Media { .. });
        changes.push(Change::Appeared {
            ssrc,
            clock_rate: section.codec.codec.clock_rate(),
            repairable: is_media && section.codec.rtx_payload_type.is_some(),
        });
        let replaced: Vec<u32> =
            self.table.iter().filter(|(_, s)| s.role == role).map(|(ssrc, _)| *ssrc).collect();
        for ssrc in replaced {
            self.table.remove(&ssrc);
            changes.push(Change::Ended { ssrc });
        }
        tracing::debug!(ssrc, ?role, "stream identified");
        self.table.insert(ssrc, Stream { role, seen: Seen::default() });
    }

    fn identify(&self, packet: &RtpPacket) -> Option<Role> {
        self.by_extension(packet)
            .or_else(|| self.by_announcement(packet))
            .or_else(|| self.by_payload_type(packet))
    }

    fn by_extension(&self, packet: &RtpPacket) -> Option<Role> {
        let extensions = &packet.extensions;
        // RFC 8852 §3.1: a RID means something within its section; without a MID it has to be the only one of
        // its name.
        let section_of = |rid: Rid| {
            let mut named = self.sections.iter().filter(|section| section.rids.contains(&rid));
            match extensions.mid {
                Some(mid) => named.find(|section| section.mid == mid),
                None => named.next().filter(|_| named.next().is_none()),
            }
        };
        if let Some(rid) = extensions.repaired_rid {
            return section_of(rid).map(|s| Role::RepairOfEncoding { mid: s.mid, rid: Some(rid) });
        }
        if let Some(rid) = extensions.rid
            && let Some(section) = section_of(rid)
        {
            // A client that labels retransmissions with RID instead of repaired RID still uses the payload
            // type.
            return Some(match Some(packet.payload_type) == section.codec.rtx_payload_type {
                true => Role::RepairOfEncoding { mid: section.mid, rid: Some(rid) },
                false => Role::Media { mid: section.mid, rid: Some(rid) },
            });
        }
        let section = self.sections.iter().find(|section| Some(section.mid) == extensions.mid)?;
        self.single_encoding(section, packet)
    }

    fn by_announcement(&self, packet: &RtpPacket) -> Option<Role> {
        if let Some((mid, media)) = self.repairs.get(&packet.ssrc) {
            return Some(Role::RepairOfStream { mid: *mid, media: *media });
        }
        let mid = self.announced.get(&packet.ssrc)?;
        self.single_encoding(self.sections.iter().find(|section| section.mid == *mid)?, packet)
    }

    /// The last resort: RFC 9143 §9.2 allows it where a payload type belongs to one section alone.
    fn by_payload_type(&self, packet: &RtpPacket) -> Option<Role> {
        let has_it = |section: &&SendingSection| {
            let codec = &section.codec;
            codec.payload_type == packet.payload_type
                || [codec.rtx_payload_type, codec.red_payload_type].contains(&Some(packet.payload_type))
        };
        let mut sections = self.sections.iter().filter(has_it);
        let section = sections.next().filter(|_| sections.next().is_none())?;
        self.single_encoding(section, packet)
    }

    /// What a stream of a section is that sends a single encoding. With several, a packet has to name its
    /// own.
    fn single_encoding(&self, section: &SendingSection, packet: &RtpPacket) -> Option<Role> {
        if !section.rids.is_empty() {
            return None;
        }
        let mid = section.mid;
        if Some(packet.payload_type) == section.codec.rtx_payload_type {
            return Some(Role::RepairOfEncoding { mid, rid: None });
        }
        Some(Role::Media { mid, rid: None })
    }
}

/// A packet as it would be had its publisher repeated nothing, and what it was if it had. Padding has no blocks.
fn without_redundancy(
    mut packet: RtpPacket,
    codec: &NegotiatedCodec,
) -> Result<(RtpPacket, Option<Arc<Redundant>>), Dropped> {
    if packet.payload_type == codec.payload_type {
        return Ok((packet, None));
    }
    if Some(packet.payload_type) != codec.red_payload_type {
        return Err(Dropped::PayloadType);
    }
    packet.payload_type = codec.payload_type;
    if packet.payload.is_empty() {
        return Ok((packet, None));
    }
    let primary = red::primary(&packet.payload, codec.payload_type).ok_or(Dropped::PayloadType)?;
    let whole = std::mem::replace(&mut packet.payload, primary);
    Ok((packet, Some(Arc::new(Redundant { whole, payload_type: codec.payload_type }))))
}

/// Which of the last packets of a stream have been seen: bits by sequence number.
struct Seen {
    highest: Option<u16>,
    bits: [u64; Self::WORDS],
}

impl Default for Seen {
    fn default() -> Self {
        Self { highest: None, bits: [0; Self::WORDS] }
    }
}

impl Seen {
    const WORDS: usize = 16;
    /// Packets remembered. A power of two, so that numbers wrap with the table.
    const WINDOW: u16 = 64 * Self::WORDS as u16;

    /// Marks a number; `false` if it was marked before, or lies so far back that nobody can tell.
    fn mark(&mut self, sequence: u16) -> bool {
        let Some(highest) = self.highest else {
            self.highest = Some(sequence);
            self.set(sequence);
            return true;
        };
        let ahead = sequence.wrapping_sub(highest);
        if ahead != 0 && ahead < 1 << 15 {
            if ahead >= Self::WINDOW {
                self.bits = [0; Self::WORDS];
            } else {
                (1..=ahead).for_each(|step| self.clear(highest.wrapping_add(step)));
            }
            self.highest = Some(sequence);
            self.set(sequence);
            return true;
        }
        let behind = highest.wrapping_sub(sequence);
        if behind >= Self::WINDOW || self.is_set(sequence) {
            return false;
        }
        self.set(sequence);
        true
    }

    fn place(sequence: u16) -> (usize, u64) {
        let at = sequence % Self::WINDOW;
        (usize::from(at / 64), 1 << (at % 64))
    }

    fn set(&mut self, sequence: u16) {
        let (word, bit) = Self::place(sequence);
        self.bits[word] |= bit;
    }

    fn clear(&mut self, sequence: u16) {
        let (word, bit) = Self::place(sequence);
        self.bits[word] &= !bit;
    }

    fn is_set(&self, sequence: u16) -> bool {
        let (word, bit) = Self::place(sequence);
        self.bits[word] & bit != 0
    }
}

#[cfg(test)]
mod tests;
