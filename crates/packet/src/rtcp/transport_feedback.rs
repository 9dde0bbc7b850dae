//! Transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1): which packets of a transport arrived,
//! and when.
//!
//! Owns its bytes. Unwrapping, matching with what was sent and everything over time is `estimator`'s.
//!
//! ```text
//!  | SSRC of sender (32) | SSRC of media source (32)                 |
//!  | base sequence (16)  | status count (16)                         |
//!  | reference time (24, 64 ms) | feedback count (8)                 |
//!  | chunks of 16 bits, until they cover the status count            |
//!  | deltas of 8 or 16 bits, 250 us, one per packet that arrived     |
//! ```

use super::parse::Budget;
use super::{format, kind};

/// Bytes in front of the chunks.
const FIXED: usize = 16;
/// Bits of the reference time.
const REFERENCE_TIME_MASK: u32 = 0xff_ffff;
/// Packets that a run length chunk can cover.
const MAX_RUN: u16 = 0x1fff;
/// Symbols of two bits in a vector chunk.
const VECTOR: usize = 7;

/// What one feedback says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TransportFeedback {
    /// Who sends the feedback; 1 from a browser that only receives.
    pub sender_ssrc: u32,
    /// Any stream of the transport: route by participant, never by this.
    pub media_ssrc: u32,
    /// Transport-wide number of the first packet, wrapped to 16 bits.
    pub base: u16,
    /// What the first delta counts from, in 64 ms, modulo 2^24. Its origin is arbitrary and it may be "negative".
    pub reference_time: u32,
    /// Count of feedbacks, wrapped to 8 bits: a hint about lost ones.
    pub count: u8,
    /// One per packet from `base` on: the time since the packet that arrived before it (the first one: since
    /// `reference_time`) in 250 us, or `None` for a packet that did not arrive. Negative where packets overtook each other.
    pub statuses: Vec<Option<i16>>,
}

/// What a chunk says of one packet (draft §3.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Symbol {
    Lost,
    Small,
    Large,
}

impl Symbol {
    /// Symbol 3 is reserved. An example in the draft uses it as "received without delta"; a parser that follows, and is
    /// wrong, reads every later delta from the wrong place.
    fn from_bits(bits: u16) -> Option<Self> {
        match bits & 3 {
            0 => Some(Self::Lost),
            1 => Some(Self::Small),
            2 => Some(Self::Large),
            _ => None,
        }
    }

    fn of(status: Option<i16>) -> Self {
        match status {
            None => Self::Lost,
            Some(0..=255) => Self::Small,
            Some(_) => Self::Large,
        }
    }
}

impl TransportFeedback {
    /// Packets one datagram may speak of; a feedback beyond that is malformed. At 100 Mbit/s, 8,192 packets are 0.8 s.
    pub const MAX_STATUSES: usize = 8192;

    /// `body` is what stands behind the RTCP header, without padding.
    pub(super) fn parse(body: &[u8], budget: &mut Budget) -> Option<Self> {
        let (fixed, rest) = body.split_first_chunk::<FIXED>()?;
        let word = |at: usize| u32::from_be_bytes([fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]]);
        let status_count = usize::from(u16::from_be_bytes([fixed[10], fixed[11]]));
        // A feedback about nothing has no use but to probe a parser.
        if status_count == 0 {
            return None;
        }
        budget.take(status_count)?;
        let (symbols, deltas) = parse_chunks(rest, status_count)?;
        Some(Self {
            sender_ssrc: word(0),
            media_ssrc: word(4),
            base: u16::from_be_bytes([fixed[8], fixed[9]]),
            reference_time: word(12) >> 8,
            count: fixed[15],
            statuses: parse_deltas(&symbols, deltas)?,
        })
    }

    /// Appends the whole RTCP packet to `out`, header and padding to a word included; nothing when there are no statuses.
    /// Statuses beyond [`Self::MAX_STATUSES`] are left out.
    pub fn write(&self, out: &mut Vec<u8>) {
        let statuses = &self.statuses[..self.statuses.len().min(Self::MAX_STATUSES)];
        if statuses.is_empty() {
            return;
        }
        let start = out.len();
        out.extend([0x80 | format::TRANSPORT_WIDE, kind::TRANSPORT_FEEDBACK, 0, 0]);
        out.extend(self.sender_ssrc.to_be_bytes());
        out.extend(self.media_ssrc.to_be_bytes());
        out.extend(self.base.to_be_bytes());
        out.extend((statuses.len() as u16).to_be_bytes());
        out.extend(((self.reference_time & REFERENCE_TIME_MASK) << 8 | u32::from(self.count)).to_be_bytes());
        write_chunks(statuses, out);
        for delta in statuses.iter().flatten() {
            match Symbol::of(Some(*delta)) {
                Symbol::Large => out.extend(delta.to_be_bytes()),
                _ => out.push(*delta as u8),
            }
        }
        super::cc_feedback::close_packet(start, out);
    }
}

/// The symbols of `count` packets, and what stands behind the chunks.
fn parse_chunks(mut bytes: &[u8], count: usize) -> Option<(Vec<Symbol>, &[u8])> {
    let mut symbols = Vec::with_capacity(count);
    while symbols.len() < count {
        let (chunk, rest) = bytes.split_first_chunk::<2>()?;
        bytes = rest;
        let chunk = u16::from_be_bytes(*chunk);
        let missing = count - symbols.len();
        // Symbols beyond the count are filling; they are neither read nor judged.
        match chunk >> 14 {
            // §3.1.3: a run of one symbol. A run of none would make the walk endless on paper and is nothing anyone sends.
            0 | 1 => {
                let run = usize::from(chunk & MAX_RUN);
                if run == 0 {
                    return None;
                }
                let symbol = Symbol::from_bits(chunk >> 13)?;
                symbols.extend(std::iter::repeat_n(symbol, run.min(missing)));
            }
            // §3.1.4: 14 symbols of one bit.
            2 => {
                let bits = (0..14).rev().map(|shift| Symbol::from_bits(chunk >> shift & 1));
                for symbol in bits.take(missing) {
                    symbols.push(symbol?);
                }
            }
            // §3.1.4: 7 symbols of two bits.
            _ => {
                let bits = (0..VECTOR).rev().map(|shift| Symbol::from_bits(chunk >> (2 * shift)));
                for symbol in bits.take(missing) {
                    symbols.push(symbol?);
                }
            }
        }
    }
    Some((symbols, bytes))
}

/// §3.1.5: a delta for every packet that arrived, in order.
fn parse_deltas(symbols: &[Symbol], mut bytes: &[u8]) -> Option<Vec<Option<i16>>> {
    let mut statuses = Vec::with_capacity(symbols.len());
    for symbol in symbols {
        statuses.push(match symbol {
            Symbol::Lost => None,
            Symbol::Small => {
                let (delta, rest) = bytes.split_first()?;
                bytes = rest;
                Some(i16::from(*delta))
            }
            Symbol::Large => {
                let (delta, rest) = bytes.split_first_chunk::<2>()?;
                bytes = rest;
                Some(i16::from_be_bytes(*delta))
            }
        });
    }
    Some(statuses)
}

/// Runs where they are longer than a vector chunk could cover, vectors of two bits elsewhere: never more than one chunk
/// per 7 packets.
fn write_chunks(statuses: &[Option<i16>], out: &mut Vec<u8>) {
    let mut rest = statuses;
    while let Some(first) = rest.first() {
        let symbol = Symbol::of(*first);
        let run = rest.iter().take(usize::from(MAX_RUN)).take_while(|s| Symbol::of(**s) == symbol).count();
        let (chunk, covered) = if run >= VECTOR || run == rest.len() {
            ((symbol as u16) << 13 | run as u16, run)
        } else {
            let covered = rest.len().min(VECTOR);
            let mut chunk = 0xc000;
            for (at, status) in rest[..covered].iter().enumerate() {
                chunk |= (Symbol::of(*status) as u16) << (2 * (VECTOR - 1 - at));
            }
            (chunk, covered)
        };
        out.extend(chunk.to_be_bytes());
        rest = &rest[covered..];
    }
}
