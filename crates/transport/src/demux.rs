//! Telling protocols apart by the first byte of a datagram (RFC 7983), and a connectivity check's user
//! without cryptography.
//!
//! Owns the cheap look that the owner of a socket takes before it knows whose datagram it is. Authenticates
//! nothing.

/// What a datagram is by its first byte, RTP and RTCP by the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// 0 to 3.
    Stun,
    /// 20 to 63.
    Dtls,
    /// 128 to 191, and not RTCP.
    Rtp,
    /// 128 to 191, with a second byte of 192 to 223 (RFC 5761 §4).
    Rtcp,
    /// Anything else, ZRTP and TURN channels among it, and the empty datagram.
    Unknown,
}

/// The protocol of a datagram (RFC 7983 §7).
pub fn classify(datagram: &[u8]) -> Class {
    match datagram {
        [0..=3, ..] => Class::Stun,
        [20..=63, ..] => Class::Dtls,
        [128..=191, 192..=223, ..] => Class::Rtcp,
        [128..=191, ..] => Class::Rtp,
        _ => Class::Unknown,
    }
}

/// Bytes of a STUN header (RFC 8489 §5).
const STUN_HEADER: usize = 20;
/// RFC 8489 §5.
const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
/// RFC 8489 §5: method Binding, class request.
const BINDING_REQUEST: [u8; 2] = [0x00, 0x01];
/// RFC 8489 §14.3.
const ATTRIBUTE_USERNAME: u16 = 0x0006;

/// The part of a connectivity check's USERNAME that we chose (RFC 8445 §7.2.2: `ours:theirs`), which names
/// the transport the check is for. `None` for everything that is not a well-formed binding request with such
/// a user name.
pub fn stun_local_ufrag(datagram: &[u8]) -> Option<&str> {
    let header = datagram.first_chunk::<STUN_HEADER>()?;
    let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
    if header[..2] != BINDING_REQUEST || header[4..8] != MAGIC_COOKIE || !length.is_multiple_of(4) {
        return None;
    }
    let mut rest = datagram.get(STUN_HEADER..STUN_HEADER + length)?;
    while let Some((head, value)) = rest.split_first_chunk::<4>() {
        let kind = u16::from_be_bytes([head[0], head[1]]);
        let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
        if kind == ATTRIBUTE_USERNAME {
            let name = std::str::from_utf8(value.get(..length)?).ok()?;
            return name.split_once(':').map(|(ours, _)| ours);
        }
        // RFC 8489 §14: values are padded to a multiple of four bytes.
        rest = value.get(length.next_multiple_of(4)..)?;
    }
    None
}

/// RFC 8839 §5.4: letters, digits, `+` and `/`, 6 bits each.
const ICE_CHARS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// One character of a user name fragment or password; only the lowest six bits count.
pub(crate) fn ice_char(value: u16) -> char {
    char::from(ICE_CHARS[usize::from(value & 63)])
}

/// How the user name fragments of a node begin: two characters for its number, 0 to 4095.
pub(crate) fn node_name(node: u16) -> String {
    [ice_char(node >> 6), ice_char(node)].iter().collect()
}

/// The number of the node whose user name fragment this is ([`crate::Config::node`]), for whoever takes connections for
/// several. Only the node knows whether the fragment is in use.
pub fn node_of(ufrag: &str) -> Option<u16> {
    let value = |at: usize| {
        let byte = ufrag.as_bytes().get(at)?;
        ICE_CHARS.iter().position(|char| char == byte).map(|value| value as u16)
    };
    Some(value(0)? << 6 | value(1)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fragment_names_its_node() {
        for node in [0, 1, 63, 64, 4_095] {
            assert_eq!(node_of(&format!("{}abcdefgh", node_name(node))), Some(node));
        }
        for text in ["", "A", "A-", "\u{e9}x"] {
            assert_eq!(node_of(text), None, "{text}");
        }
    }

    #[test]
    fn classifies_by_first_and_second_byte() {
        let cases: [(&[u8], Class, &str); 12] = [
            (&[], Class::Unknown, "empty"),
            (&[0, 1], Class::Stun, "binding request"),
            (&[3], Class::Stun, "last STUN value"),
            (&[4], Class::Unknown, "unassigned"),
            (&[19], Class::Unknown, "ZRTP"),
            (&[22, 254, 253], Class::Dtls, "handshake record"),
            (&[63], Class::Dtls, "last DTLS value"),
            (&[64], Class::Unknown, "TURN channel"),
            (&[128, 111], Class::Rtp, "Opus"),
            (&[144, 0x80 | 96], Class::Rtp, "VP8 with marker: 224, just past RTCP"),
            (&[129, 200], Class::Rtcp, "sender report"),
            (&[192, 0], Class::Unknown, "QUIC"),
        ];
        for (datagram, expected, why) in cases {
            assert_eq!(classify(datagram), expected, "{why}");
        }
    }

    fn request(attributes: &[u8]) -> Vec<u8> {
        let mut datagram = vec![0, 1];
        datagram.extend((attributes.len() as u16).to_be_bytes());
        datagram.extend(MAGIC_COOKIE);
        datagram.extend([7; 12]);
        datagram.extend(attributes);
        datagram
    }

    #[test]
    fn finds_our_part_of_the_user_name() {
        let username = |name: &[u8]| {
            let mut bytes = vec![0, 6];
            bytes.extend((name.len() as u16).to_be_bytes());
            bytes.extend(name);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
            bytes
        };
        let priority = [0x00, 0x24, 0, 4, 1, 2, 3, 4];
        let after = [&priority[..], &username(b"ours:theirs")].concat();
        let cases: [(Vec<u8>, Option<&str>, &str); 7] = [
            (request(&username(b"ours:theirs")), Some("ours"), "first attribute"),
            (request(&after), Some("ours"), "after another"),
            (request(&username(b"ours")), None, "no colon"),
            (request(&username(&[0xff, b':', b'a'])), None, "not UTF-8"),
            (request(&priority), None, "none"),
            (request(&[0, 6, 0, 200, b'a', b':', b'b', 0]), None, "length past the end"),
            (request(&username(b"a:b"))[..22].to_vec(), None, "cut off"),
        ];
        for (datagram, expected, why) in cases {
            assert_eq!(stun_local_ufrag(&datagram), expected, "{why}");
        }
        let mut response = request(&username(b"ours:theirs"));
        response[0] = 1;
        assert_eq!(stun_local_ufrag(&response), None, "only requests name a user");
    }
}
