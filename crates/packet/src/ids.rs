//! The two short names that travel on the wire: MID (RFC 9143) and RID (RFC 8851).
//!
//! Owns their grammar and a representation that is `Copy`, ordered and free of allocation, since both are looked up for
//! every packet. Past [`Mid::parse`] and [`Rid::parse`] a value is a legal one.

use std::fmt;
use std::str::FromStr;

/// The longest name accepted, in bytes: what fits the one-byte form of a header extension (RFC 8285 §4.2).
pub const MAX_LENGTH: usize = 16;

/// A name of at most [`MAX_LENGTH`] ASCII bytes, stored inline. Unused bytes are zero, so that derived comparison is
/// comparison of the text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Name {
    bytes: [u8; MAX_LENGTH],
    length: u8,
}

impl Name {
    fn parse(text: &[u8], legal: impl Fn(u8) -> bool) -> Option<Self> {
        if text.is_empty() || text.len() > MAX_LENGTH || !text.iter().all(|b| legal(*b)) {
            return None;
        }
        let mut bytes = [0; MAX_LENGTH];
        bytes[..text.len()].copy_from_slice(text);
        Some(Self { bytes, length: text.len() as u8 })
    }

    fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).expect("only ASCII passes the grammar")
    }
}

/// A text that is not a legal name of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a legal name: 1 to 16 characters of the grammar are needed")]
pub struct IllegalName;

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $legal:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Name);

        impl $name {
            /// The name in `text`, or `None` when it is empty, longer than [`MAX_LENGTH`] or outside the grammar.
            pub fn parse(text: &str) -> Option<Self> {
                Self::from_bytes(text.as_bytes())
            }

            /// Like [`Self::parse`], for the bytes of a header extension.
            pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
                Name::parse(bytes, $legal).map(Self)
            }

            /// The text as it stands in SDP.
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }

            /// The bytes as they travel in a header extension: 1 to [`MAX_LENGTH`].
            pub fn as_bytes(&self) -> &[u8] {
                self.0.as_bytes()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = IllegalName;
            fn from_str(text: &str) -> Result<Self, IllegalName> {
                Self::parse(text).ok_or(IllegalName)
            }
        }
    };
}

name!(
    /// The identification of a media section (RFC 9143 §7, §15; grammar: `token` of RFC 8866), and by its header
    /// extension of the packets that belong to it.
    ///
    /// SDP sets no limit to its length; a longer one than [`MAX_LENGTH`] does not fit the extension that every browser
    /// negotiates, and is refused.
    Mid,
    is_token
);

name!(
    /// The identification of one simulcast encoding (RFC 8851 §10, RFC 8852 §3.1): letters and digits, and `-` and `_`,
    /// which an erratum forbids and clients still send.
    Rid,
    |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')
);

/// RFC 8866 §9, `token-char`.
fn is_token(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`{|}~".contains(&b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_the_grammar_and_nothing_else() {
        let cases: [(&str, bool, bool, &str); 10] = [
            ("0", true, true, "what Chromium writes"),
            ("{sdparta_0}", true, false, "a MID may have braces"),
            ("q", true, true, "a usual RID"),
            ("layer-1_a", true, true, "tolerated in a RID"),
            ("", false, false, "empty"),
            ("0123456789abcdef", true, true, "just fits"),
            ("0123456789abcdefg", false, false, "one too long"),
            ("a b", false, false, "a space ends an SDP token"),
            ("a\r\n", false, false, "never into an SDP line"),
            ("hé", false, false, "not ASCII"),
        ];
        for (text, mid, rid, why) in cases {
            assert_eq!(Mid::parse(text).is_some(), mid, "MID {text:?}: {why}");
            assert_eq!(Rid::parse(text).is_some(), rid, "RID {text:?}: {why}");
        }
    }

    #[test]
    fn prints_and_orders_as_its_text() {
        let mut rids = ["q", "h", "f", "hh"].map(|t| Rid::parse(t).unwrap());
        rids.sort();
        assert_eq!(rids.map(|r| r.to_string()), ["f", "h", "hh", "q"]);
        assert_eq!(format!("{:?}", rids[0]), "Rid(f)");
        assert_eq!(format!("[{:>3}]", rids[0]), "[  f]");
    }
}
