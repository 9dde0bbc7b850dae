//! What an SCTP packet must look like before the library sees it (RFC 9260 §3).
//!
//! Owns limits that the library lacks. It makes an association for every INIT and a stream for every number; walks as many
//! numbers as a FORWARD TSN names, which may be two thousand million; keeps every request to reset streams; ends the
//! association at a chunk that it has no use for; panics at a cause of error that is longer than its chunk; goes on reading behind
//! what it understood of a chunk instead of behind its end; and counts what waits in bytes, so that a thousand chunks of one byte
//! take a hundred times what was allowed. A participant needs one stream that loses nothing and keeps the order, and for that these
//! limits leave room.

use std::collections::VecDeque;

use bytes::Bytes;

/// Largest packet: what DTLS lets pass.
const MAX_PACKET: usize = 2_048;
/// Ports, verification tag and checksum (RFC 9260 §3.1).
const PACKET_HEADER: usize = 12;
/// Type, flags and length of a chunk (RFC 9260 §3.2).
const CHUNK_HEADER: usize = 4;
/// What an INIT has to say (RFC 9260 §3.3.2).
const INIT_FIXED: usize = 16;
/// Streams with numbers below this one may carry something. A browser numbers its channels 0, 2, 4 and so on (RFC 8832 §6).
pub(super) const STREAMS: u16 = 16;
/// How far ahead of the first missing chunk another one may be, and how many may wait to be whole messages in order. The
/// largest message has some sixty.
const WINDOW: u32 = 1_024;
/// INITs over the life of a connection. Eight are sent when none is answered (RFC 9260 §16).
const MAX_INITS: u32 = 32;
/// Requests to reset streams, and answers, over the life of a connection: closing a channel takes two.
const MAX_RESETS: u32 = 64;
/// Chunks a client may number before the count would wrap, where the library's arithmetic does not hold. At the rate that
/// clients are held to this lasts for days. One client in some two thousand starts too near and does without.
const MAX_CHUNKS: u32 = 1 << 21;

// RFC 9260 §3.2, RFC 6525 §3.
const DATA: u8 = 0;
const INIT: u8 = 1;
const SACK: u8 = 3;
const HEARTBEAT: u8 = 4;
const ABORT: u8 = 6;
const SHUTDOWN: u8 = 7;
const SHUTDOWN_ACK: u8 = 8;
const ERROR: u8 = 9;
const COOKIE_ECHO: u8 = 10;
const SHUTDOWN_COMPLETE: u8 = 14;
const RECONFIG: u8 = 130;

/// What becomes of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The library may see it.
    Admitted,
    /// It begins an association with this tag. The library may see this instead: the same without what a client may say
    /// besides, none of which is of use here.
    Begins(u32, Bytes),
    /// The client ends the association.
    Ends,
    /// Not a packet of this protocol, or one that a reliable channel has no use for.
    Dropped,
    /// More than a client needs: it is over.
    Excessive,
}

/// Counts what one connection has been shown.
#[derive(Default)]
pub(super) struct Guard {
    inits: u32,
    resets: u32,
    /// From the last INIT.
    window: Option<Window>,
}

/// Which of the numbered chunks came, from the first missing one on (RFC 9260 §6.2).
#[derive(Default)]
struct Window {
    base: u32,
    came: VecDeque<bool>,
    /// Different chunks that came and have not been handed out as messages.
    waiting: u32,
}

impl Window {
    /// False for a chunk too far ahead. One that came before is nothing new.
    fn note(&mut self, tsn: u32) -> bool {
        let ahead = tsn.wrapping_sub(self.base);
        if ahead > u32::MAX / 2 {
            return true;
        }
        if ahead >= WINDOW {
            return false;
        }
        let at = ahead as usize;
        if self.came.len() <= at {
            self.came.resize(at + 1, false);
        }
        self.waiting += u32::from(!std::mem::replace(&mut self.came[at], true));
        while self.came.front() == Some(&true) {
            self.came.pop_front();
            self.base = self.base.wrapping_add(1);
        }
        true
    }
}

impl Guard {
    /// Looks at a packet. `connected`: the association is there, so that no other is begun.
    pub(super) fn judge(&mut self, packet: &[u8], connected: bool) -> Verdict {
        if packet.len() > MAX_PACKET {
            return Verdict::Dropped;
        }
        let Some(mut rest) = packet.get(PACKET_HEADER..).filter(|rest| !rest.is_empty()) else {
            return Verdict::Dropped;
        };
        let mut first = true;
        while !rest.is_empty() {
            let Some((chunk, behind)) = split_chunk(rest) else { return Verdict::Dropped };
            let (kind, body) = (chunk[0], &chunk[CHUNK_HEADER..]);
            if kind == INIT {
                // RFC 9260 §6.10: it stands alone.
                let alone = first && behind.is_empty();
                let header = &packet[..PACKET_HEADER];
                return if alone && !connected { self.begins(header, body) } else { Verdict::Dropped };
            }
            match self.judge_chunk(kind, body) {
                Verdict::Admitted => {}
                other => return other,
            }
            rest = behind;
            first = false;
        }
        Verdict::Admitted
    }

    fn judge_chunk(&mut self, kind: u8, body: &[u8]) -> Verdict {
        match kind {
            DATA => self.judge_data(body),
            ABORT | ERROR => Verdict::Ends,
            RECONFIG => {
                if !are_parameters(body) {
                    return Verdict::Dropped;
                }
                self.resets += 1;
                if self.resets <= MAX_RESETS { Verdict::Admitted } else { Verdict::Excessive }
            }
            // The library has to understand it to its last byte.
            SACK if is_acknowledgement(body) => Verdict::Admitted,
            HEARTBEAT if is_heartbeat(body) => Verdict::Admitted,
            SHUTDOWN if body.len() == 4 => Verdict::Admitted,
            SHUTDOWN_ACK | SHUTDOWN_COMPLETE if body.is_empty() => Verdict::Admitted,
            COOKIE_ECHO => Verdict::Admitted,
            _ => Verdict::Dropped,
        }
    }

    /// RFC 9260 §3.3.1: number, stream, number within the stream, protocol, then at least one byte.
    fn judge_data(&mut self, body: &[u8]) -> Verdict {
        let (Some(tsn), Some(stream), Some(window)) = (number(body, 0), body.get(4..6), &mut self.window)
        else {
            return Verdict::Dropped;
        };
        if body.len() <= 12 || u16::from_be_bytes([stream[0], stream[1]]) >= STREAMS || !window.note(tsn) {
            return Verdict::Dropped;
        }
        if window.waiting > WINDOW || window.base > u32::MAX - WINDOW {
            return Verdict::Excessive;
        }
        Verdict::Admitted
    }

    /// RFC 9260 §3.3.2: tag, window, streams out, streams in, the number of the first chunk.
    fn begins(&mut self, header: &[u8], body: &[u8]) -> Verdict {
        self.inits += 1;
        if self.inits > MAX_INITS {
            return Verdict::Excessive;
        }
        let (Some(tag), Some(first), Some(fixed)) =
            (number(body, 0), number(body, 12), body.get(..INIT_FIXED))
        else {
            return Verdict::Dropped;
        };
        if tag == 0 || !(1..u32::MAX - MAX_CHUNKS).contains(&first) {
            return Verdict::Dropped;
        }
        self.window = Some(Window { base: first, ..Window::default() });
        let length = (CHUNK_HEADER + INIT_FIXED) as u16;
        let mut packet = [header, &[INIT, 0], &length.to_be_bytes(), fixed].concat();
        packet[8..PACKET_HEADER].fill(0);
        // RFC 9260 §6.8.
        let sum = crc32c::crc32c(&packet);
        packet[8..PACKET_HEADER].copy_from_slice(&sum.to_le_bytes());
        Verdict::Begins(tag, packet.into())
    }

    /// A whole message of so many chunks was handed out.
    pub(super) fn handed_out(&mut self, chunks: usize) {
        if let Some(window) = &mut self.window {
            window.waiting = window.waiting.saturating_sub(u32::try_from(chunks).unwrap_or(u32::MAX));
        }
    }
}

/// RFC 9260 §3.3.4: twelve bytes, in the last four of them how many blocks and how many repeated numbers follow.
fn is_acknowledgement(body: &[u8]) -> bool {
    let Some(counts) = number(body, 8) else { return false };
    body.len() == 12 + 4 * ((counts >> 16) as usize + (counts & 0xffff) as usize)
}

/// RFC 9260 §3.3.5: one parameter of type 1, and nothing behind it.
fn is_heartbeat(body: &[u8]) -> bool {
    body.starts_with(&[0, 1]) && parameter(body).is_some_and(|(_, behind)| behind.is_empty())
}

/// RFC 6525 §3.1: one or two parameters, and nothing behind them.
fn are_parameters(body: &[u8]) -> bool {
    match parameter(body) {
        Some((_, [])) => true,
        Some((_, behind)) => parameter(behind).is_some_and(|(_, rest)| rest.is_empty()),
        None => false,
    }
}

/// The first parameter of a chunk (RFC 9260 §3.2.1), and what is behind its padding: the form is that of chunks.
fn parameter(body: &[u8]) -> Option<(&[u8], &[u8])> {
    split_chunk(body)
}

/// The first chunk without its padding, and what is behind both.
fn split_chunk(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = usize::from(u16::from_be_bytes([*rest.get(2)?, *rest.get(3)?]));
    if length < CHUNK_HEADER {
        return None;
    }
    let chunk = rest.get(..length)?;
    // RFC 9260 §3.2: padded to a multiple of four; the padding of the last one is not always there.
    Some((chunk, rest.get(length.next_multiple_of(4)..).unwrap_or_default()))
}

fn number(body: &[u8], at: usize) -> Option<u32> {
    body.get(at..)?.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(kind: u8, body: &[u8]) -> Vec<u8> {
        let mut chunk = vec![kind, 3];
        chunk.extend(((CHUNK_HEADER + body.len()) as u16).to_be_bytes());
        chunk.extend(body);
        chunk.resize(chunk.len().next_multiple_of(4), 0);
        chunk
    }

    fn packet(chunks: &[Vec<u8>]) -> Vec<u8> {
        [vec![0; PACKET_HEADER], chunks.concat()].concat()
    }

    fn init(tag: u32, first: u32) -> Vec<u8> {
        let fields = [tag, 100_000, 0x0010_0010, first];
        chunk(INIT, &fields.iter().flat_map(|field| field.to_be_bytes()).collect::<Vec<_>>())
    }

    fn data(tsn: u32, stream: u16, payload: &[u8]) -> Vec<u8> {
        let head = [&tsn.to_be_bytes()[..], &stream.to_be_bytes(), &[0, 0, 0, 0, 0, 51]].concat();
        chunk(DATA, &[&head[..], payload].concat())
    }

    fn begun(first: u32) -> Guard {
        let mut guard = Guard::default();
        assert!(matches!(guard.judge(&packet(&[init(7, first)]), false), Verdict::Begins(7, _)));
        guard
    }

    #[test]
    fn admits_what_a_channel_takes_and_drops_the_rest() {
        use Verdict::{Admitted, Dropped, Ends};
        let cases = [
            (packet(&[init(9, 5), data(1_000, 0, b"a")]), Dropped, "INIT stands alone"),
            (packet(&[data(1_000, 0, b"a"), init(9, 5)]), Dropped, "and first"),
            (packet(&[init(0, 5)]), Dropped, "no tag"),
            (packet(&[init(9, 0)]), Dropped, "a count that wraps below"),
            (packet(&[init(9, u32::MAX - 5)]), Dropped, "a count that wraps soon"),
            (packet(&[chunk(INIT, &[0; 8])]), Dropped, "INIT cut off"),
            (packet(&[chunk(COOKIE_ECHO, &[1; 8]), data(1_000, 0, b"a")]), Admitted, "a cookie and data"),
            (packet(&[data(1_000, STREAMS, b"a")]), Dropped, "a stream too many"),
            (packet(&[data(1_000, 0, b"")]), Dropped, "no data"),
            (packet(&[data(1_000 + WINDOW - 1, 0, b"a")]), Admitted, "at the end of the window"),
            (packet(&[data(1_000 + WINDOW, 0, b"a")]), Dropped, "behind it"),
            (packet(&[data(999, 0, b"a")]), Admitted, "a repetition, to be acknowledged again"),
            (packet(&[chunk(SACK, &[0; 12]), chunk(HEARTBEAT, &[0, 1, 0, 6, 1, 2])]), Admitted, "feedback"),
            (packet(&[chunk(SACK, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0])]), Dropped, "less than it counts"),
            (
                packet(&[chunk(SACK, &[0; 16])]),
                Dropped,
                "more than it counts, which would be read as a chunk",
            ),
            (packet(&[chunk(HEARTBEAT, &[0, 1, 0, 4, 192, 0, 0, 8])]), Dropped, "a chunk within a chunk"),
            (packet(&[chunk(RECONFIG, &[0, 13, 0, 4, 0, 16, 0, 4])]), Admitted, "two parameters"),
            (packet(&[chunk(RECONFIG, &[0, 13, 0, 4, 0, 16, 0, 4, 192, 0, 0, 8])]), Dropped, "and a chunk"),
            (packet(&[chunk(RECONFIG, &[0, 13, 0, 9])]), Dropped, "a parameter longer than its chunk"),
            (packet(&[chunk(ABORT, &[0xff; 5])]), Ends, "whatever the cause"),
            (packet(&[chunk(ERROR, &[])]), Ends, "an error as well"),
            (packet(&[chunk(SHUTDOWN_ACK, &[192, 0, 0, 8])]), Dropped, "no room for anything"),
            (packet(&[chunk(192, &[0xff; 4])]), Dropped, "FORWARD TSN"),
            (packet(&[chunk(5, &[0; 4])]), Dropped, "an answer to what is never asked"),
            (packet(&[chunk(2, &[0; 16])]), Dropped, "INIT ACK: we never ask"),
            (packet(&[vec![0, 0, 0, 3]]), Dropped, "a chunk shorter than its header"),
            (packet(&[vec![0, 0, 0, 99, 1, 2]]), Dropped, "one that ends too early"),
            (packet(&[]), Dropped, "no chunk"),
            (vec![0; 5], Dropped, "no header"),
            (vec![0; MAX_PACKET + 1], Dropped, "too long"),
        ];
        for (packet, expected, why) in cases {
            assert_eq!(begun(1_000).judge(&packet, false), expected, "{why}");
        }
        assert_eq!(Guard::default().judge(&packet(&[data(1, 0, b"a")]), false), Dropped, "data before INIT");
        let mut guard = begun(1_000);
        assert_eq!(guard.judge(&packet(&[init(9, 5)]), true), Dropped, "one association is enough");
    }

    #[test]
    fn the_library_sees_no_more_of_a_beginning_than_it_needs() {
        let mut offered = init(9, 5);
        // FORWARD TSN is supported (RFC 3758 §3.1), and so is something that nobody knows.
        offered.extend([0xc0, 0, 0, 4, 0xff, 0xff, 0, 4]);
        offered[3] += 8;
        let Verdict::Begins(9, shown) = Guard::default().judge(&packet(&[offered]), false) else {
            panic!("a good beginning")
        };
        let mut expected = packet(&[init(9, 5)]);
        expected[PACKET_HEADER + 1] = 0;
        let sum = crc32c::crc32c(&expected);
        expected[8..12].copy_from_slice(&sum.to_le_bytes());
        assert_eq!(shown, expected);
    }

    #[test]
    fn what_waits_is_bounded_by_chunks_and_not_by_bytes() {
        let mut guard = begun(1);
        for tsn in 1..=WINDOW {
            assert_eq!(guard.judge(&packet(&[data(tsn, 0, b"a")]), true), Verdict::Admitted, "{tsn}");
            guard.judge(&packet(&[data(tsn, 0, b"a")]), true);
        }
        assert_eq!(guard.judge(&packet(&[data(WINDOW + 1, 0, b"a")]), true), Verdict::Excessive);
        let mut guard = begun(1);
        for tsn in 1..10 * WINDOW {
            assert_eq!(guard.judge(&packet(&[data(tsn, 0, b"a")]), true), Verdict::Admitted, "{tsn}");
            guard.handed_out(1);
        }
    }

    #[test]
    fn one_connection_cannot_ask_for_ever() {
        let mut guard = Guard::default();
        let begun = (0..100)
            .filter(|tag| matches!(guard.judge(&packet(&[init(tag + 1, 1)]), false), Verdict::Begins(..)));
        assert_eq!(begun.count(), MAX_INITS as usize);
        let reset = packet(&[chunk(RECONFIG, &[0, 13, 0, 16, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0])]);
        let admitted = (0..1_000).filter(|_| guard.judge(&reset, true) == Verdict::Admitted).count();
        assert_eq!(admitted, MAX_RESETS as usize);
    }
}
