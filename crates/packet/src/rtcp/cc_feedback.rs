//! Congestion control feedback (RFC 8888 §3.1): per stream, which packets arrived, when, and how they were marked.
//!
//! Owns its bytes. Mapping numbers of streams to the order of sending is `estimator`'s and its caller's.

use super::parse::Budget;
use super::{HEADER, format, kind};

/// RFC 8888 §3.1: a block may not speak of more packets than a quarter of the sequence numbers.
const MAX_REPORTS: usize = 16_384;
/// Bytes in front of a block's reports.
const BLOCK_HEAD: usize = 8;
/// Arrival time offsets with a meaning of their own (RFC 8888 §3.1).
const OFFSET_TOO_OLD: u16 = 0x1ffe;
const OFFSET_UNKNOWN: u16 = 0x1fff;

/// What one feedback says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CcFeedback {
    /// Who sends the feedback.
    pub sender_ssrc: u32,
    /// One per stream.
    pub streams: Vec<CcStream>,
    /// When it was made: the middle 32 bits of an NTP time, 1/65536 s, wrapping after 18.2 hours.
    pub report_timestamp: u32,
}

/// What a feedback says of one stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CcStream {
    /// The stream.
    pub ssrc: u32,
    /// Sequence number of the first packet, wrapped to 16 bits.
    pub begin_sequence: u16,
    /// One per packet; `None` for one that has not arrived.
    pub reports: Vec<Option<CcReport>>,
}

/// How one packet arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CcReport {
    /// The ECN codepoint of its IP header (RFC 3168 §5): 0 not capable, 1 ECT(1), 2 ECT(0), 3 congestion experienced.
    pub ecn: u8,
    /// When, counted back from the feedback's timestamp.
    pub age: CcAge,
}

/// How long before the feedback a packet arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CcAge {
    /// In 1/1024 s, at most 8,189.
    Ticks(u16),
    /// More than 8,189/1024 s.
    TooOld,
    /// It arrived, and nobody knows when: no delay sample.
    Unknown,
}

impl CcReport {
    fn from_wire(word: u16) -> Option<Self> {
        // RFC 8888 §3.1: without R the other bits say nothing.
        if word & 0x8000 == 0 {
            return None;
        }
        let age = match word & OFFSET_UNKNOWN {
            OFFSET_UNKNOWN => CcAge::Unknown,
            OFFSET_TOO_OLD => CcAge::TooOld,
            ticks => CcAge::Ticks(ticks),
        };
        Some(Self { ecn: (word >> 13) as u8 & 3, age })
    }

    fn to_wire(self) -> u16 {
        let offset = match self.age {
            CcAge::Ticks(ticks) => ticks.min(OFFSET_TOO_OLD),
            CcAge::TooOld => OFFSET_TOO_OLD,
            CcAge::Unknown => OFFSET_UNKNOWN,
        };
        0x8000 | u16::from(self.ecn & 3) << 13 | offset
    }
}

impl CcFeedback {
    /// `body` is what stands behind the RTCP header, without padding.
    pub(super) fn parse(body: &[u8], budget: &mut Budget) -> Option<Self> {
        let (sender, rest) = body.split_first_chunk::<4>()?;
        let (mut blocks, timestamp) = rest.split_last_chunk::<4>()?;
        let mut streams = Vec::new();
        while !blocks.is_empty() {
            let (head, rest) = blocks.split_first_chunk::<BLOCK_HEAD>()?;
            let count = usize::from(u16::from_be_bytes([head[6], head[7]]));
            if count > MAX_REPORTS {
                return None;
            }
            budget.take(count)?;
            // RFC 8888 §3.1: an odd number of reports is padded by an empty one.
            let (reports, behind) = rest.split_at_checked(2 * count.next_multiple_of(2))?;
            blocks = behind;
            let words = reports.as_chunks::<2>().0.iter().take(count);
            streams.push(CcStream {
                ssrc: u32::from_be_bytes([head[0], head[1], head[2], head[3]]),
                begin_sequence: u16::from_be_bytes([head[4], head[5]]),
                reports: words.map(|word| CcReport::from_wire(u16::from_be_bytes(*word))).collect(),
            });
        }
        Some(Self {
            sender_ssrc: u32::from_be_bytes(*sender),
            streams,
            report_timestamp: u32::from_be_bytes(*timestamp),
        })
    }

    /// Appends the whole RTCP packet to `out`. Reports of a stream beyond 16,384 are left out.
    pub fn write(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend([0x80 | format::CC_FEEDBACK, kind::TRANSPORT_FEEDBACK, 0, 0]);
        out.extend(self.sender_ssrc.to_be_bytes());
        for stream in &self.streams {
            let reports = &stream.reports[..stream.reports.len().min(MAX_REPORTS)];
            out.extend(stream.ssrc.to_be_bytes());
            out.extend(stream.begin_sequence.to_be_bytes());
            out.extend((reports.len() as u16).to_be_bytes());
            for report in reports {
                out.extend(report.map_or(0, CcReport::to_wire).to_be_bytes());
            }
            if reports.len() % 2 == 1 {
                out.extend([0, 0]);
            }
        }
        out.extend(self.report_timestamp.to_be_bytes());
        close_packet(start, out);
    }
}

/// Pads the packet that begins at `start` to a word and enters its length (RFC 3550 §6.4.1).
pub(super) fn close_packet(start: usize, out: &mut Vec<u8>) {
    debug_assert!(out.len() >= start + HEADER, "a packet has a header");
    let missing = (out.len() - start).next_multiple_of(4) - (out.len() - start);
    if missing > 0 {
        // As browsers do it: announced, and counted in the last byte.
        out[start] |= 0x20;
        out.extend(std::iter::repeat_n(0, missing - 1));
        out.push(missing as u8);
    }
    let words = (out.len() - start) / 4 - 1;
    let words =
        u16::try_from(words).expect("the numbers of statuses are bounded well below 256 KiB").to_be_bytes();
    out[start + 2..start + HEADER].copy_from_slice(&words);
}
