//! Datagrams over TCP (RFC 4571 §2: a length of two bytes in front of each), and telling such a connection from one
//! that speaks TLS or HTTP (RFC 6544 §10: a client's first frame is a connectivity check).
//!
//! Owns bytes only. Leaves sockets to the server and the frames to whoever takes datagrams.

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// Bytes in front of a datagram.
pub const HEADER: usize = 2;
/// First bytes that are enough for [`judge`]: the length, and a check's type, length and magic cookie.
pub const OPENING: usize = HEADER + 8;
/// Longest datagram that is taken, in bytes: what fits no Ethernet packet was no datagram on any path to us.
pub const MAX_FRAME: usize = 2_048;
/// RFC 8489 §5.
const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
/// RFC 8489 §6: a header without attributes.
const STUN_HEADER: usize = 20;
/// The type of a binding request (RFC 8489 §18.2).
const BINDING_REQUEST: [u8; 2] = [0, 1];

/// What the first bytes of a connection say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// More of them are needed.
    Undecided,
    /// Framed connectivity checks, and then media.
    Datagrams,
    /// Something else: TLS begins with 22 (RFC 8446 §5.1), HTTP with a letter.
    Other,
}

/// Judges a connection by its first bytes.
pub fn judge(first: &[u8]) -> Opening {
    let expected = |at: usize, bytes: &[u8]| first.iter().skip(at).zip(bytes).all(|(a, b)| a == b);
    if !expected(HEADER, &BINDING_REQUEST) || !expected(OPENING - MAGIC_COOKIE.len(), &MAGIC_COOKIE) {
        return Opening::Other;
    }
    // A check has at most a few hundred bytes, so the first byte of its length is below 9 and no letter.
    match first {
        [high, ..] if usize::from(*high) > MAX_FRAME >> 8 => Opening::Other,
        [a, b, _, _, c, d, ..] => {
            let (frame, message) = (u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d]));
            match usize::from(frame) == usize::from(message) + STUN_HEADER {
                false => Opening::Other,
                true if first.len() >= OPENING => Opening::Datagrams,
                true => Opening::Undecided,
            }
        }
        _ => Opening::Undecided,
    }
}

/// The bytes that carry a datagram. `None` for one that is too long for a frame.
pub fn frame(datagram: &[u8]) -> Option<Bytes> {
    let length = u16::try_from(datagram.len()).ok()?;
    let mut out = BytesMut::with_capacity(HEADER + datagram.len());
    out.put_u16(length);
    out.put_slice(datagram);
    Some(out.freeze())
}

/// A frame was longer than [`MAX_FRAME`]: the connection is of no use any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a frame of {0} bytes, {MAX_FRAME} are allowed")]
pub struct TooLong(pub usize);

/// Takes the next datagram from what has arrived of a connection; `None` until it is there as a whole. An empty frame
/// (RFC 4571 §2 allows it) comes out as an empty datagram.
///
/// # Errors
/// [`TooLong`].
pub fn next(arrived: &mut BytesMut) -> Result<Option<BytesMut>, TooLong> {
    let Some(header) = arrived.first_chunk::<HEADER>() else { return Ok(None) };
    let length = usize::from(u16::from_be_bytes(*header));
    if length > MAX_FRAME {
        return Err(TooLong(length));
    }
    if arrived.len() < HEADER + length {
        return Ok(None);
    }
    arrived.advance(HEADER);
    Ok(Some(arrived.split_to(length)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::check::Check;

    fn check() -> Bytes {
        let password = "0123456789abcdefghijkl";
        let check = Check {
            ufrag: "abcd",
            password,
            own_ufrag: "efgh",
            transaction: 1,
            tie_breaker: 2,
            nominate: true,
        };
        frame(&check.request()).unwrap()
    }

    #[test]
    fn a_connection_is_known_by_its_first_bytes() {
        let check = check();
        for length in 0..OPENING {
            assert_eq!(judge(&check[..length]), Opening::Undecided, "{length} bytes of a check");
        }
        assert_eq!(judge(&check), Opening::Datagrams);
        let others: [(&[u8], &str); 7] = [
            (&[22, 3, 1, 2, 0, 1], "a TLS handshake"),
            (b"GET / HTTP/1.1\r\n", "HTTP"),
            (b"PRI * HTTP/2.0\r\n", "HTTP/2"),
            (&[0, 28, 1, 1, 0, 8, 0x21, 0x12, 0xa4, 0x42], "a response to nothing"),
            (&[0, 28, 0, 1, 0, 8, 0x21, 0x12, 0xa4, 0x43], "another cookie"),
            (&[0, 29, 0, 1, 0, 8, 0x21, 0x12, 0xa4, 0x42], "lengths that differ"),
            (&[9, 20, 0, 1, 9, 0, 0x21, 0x12, 0xa4, 0x42], "longer than any datagram"),
        ];
        for (bytes, what) in others {
            assert_eq!(judge(bytes), Opening::Other, "{what}");
        }
    }

    proptest! {
        #[test]
        fn frames_come_out_as_they_went_in_however_they_are_cut(
            datagrams in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..MAX_FRAME), 0..8),
            cut in 1usize..3_000,
        ) {
            let bytes: Vec<u8> = datagrams.iter().flat_map(|datagram| frame(datagram).unwrap()).collect();
            let (mut arrived, mut taken) = (BytesMut::new(), Vec::new());
            for piece in bytes.chunks(cut) {
                arrived.put_slice(piece);
                while let Some(datagram) = next(&mut arrived).unwrap() {
                    taken.push(datagram.to_vec());
                }
                prop_assert!(arrived.len() < HEADER + MAX_FRAME, "what waits is less than a frame");
            }
            prop_assert_eq!(taken, datagrams);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            judge(&bytes);
            let mut arrived = BytesMut::from(&bytes[..]);
            while let Ok(Some(_)) = next(&mut arrived) {}
        }
    }

    #[test]
    fn a_long_frame_ends_the_connection() {
        let mut arrived = BytesMut::from(&[8, 1][..]);
        assert_eq!(next(&mut arrived), Err(TooLong(2_049)));
    }
}
