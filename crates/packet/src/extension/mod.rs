//! RTP header extensions (RFC 8285): which are known, which id was negotiated for each, and their values.
//!
//! Owns the URIs, the table of ids of one transport, and the walk over an extension block in both its forms. Leaves the
//! choice of what to offer and answer to `transport`, and the meaning of the values to their users.

mod block;
pub mod dependency;
pub mod layers_allocation;
mod values;

pub(crate) use block::elements;
pub use dependency::{DependencyDescriptor, DependencyError};
pub use layers_allocation::LayersAllocation;
pub use values::{AudioLevel, Extensions};

use std::fmt;

macro_rules! uris {
    ($($(#[$doc:meta])* $name:ident = $uri:literal,)*) => {
        /// A header extension by what it means. Ids differ between transports, so everything goes by this.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ExtensionUri {
            $($(#[$doc])* $name,)*
        }

        impl ExtensionUri {
            /// Every known extension.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The extension that an `a=extmap` line names, if it is known here.
            pub fn from_uri(uri: &str) -> Option<Self> {
                match uri {
                    $($uri => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// The URI for an `a=extmap` line.
            pub const fn as_uri(self) -> &'static str {
                match self {
                    $(Self::$name => $uri,)*
                }
            }
        }
    };
}

uris! {
    /// The media section a packet belongs to (RFC 9143 §15).
    Mid = "urn:ietf:params:rtp-hdrext:sdes:mid",
    /// The simulcast encoding a packet belongs to (RFC 8852 §3.1).
    Rid = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
    /// The encoding that a retransmission repairs (RFC 8852 §3.2).
    RepairedRid = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
    /// A sequence number over everything a transport sends (draft-holmer-rmcat-transport-wide-cc-extensions-01 §2).
    TransportWide = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
    /// How loud a packet of audio is (RFC 6464).
    AudioLevel = "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
    /// The sender's clock at sending, 24 bits of 6.18 fixed point seconds.
    AbsSendTime = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
    /// When a frame was captured, for measuring delay end to end.
    AbsCaptureTime = "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time",
    /// The rotation a receiver has to apply (3GPP TS 26.114 §7.4.5).
    VideoOrientation = "urn:3gpp:video-orientation",
    /// Bounds for the receiver's jitter buffer.
    PlayoutDelay = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay",
    /// What a publisher means to send per encoding: size, frame rate, bit rate.
    LayersAllocation = "http://www.webrtc.org/experiments/rtp-hdrext/video-layers-allocation00",
    /// What a frame depends on (AV1 RTP payload format, appendix A).
    DependencyDescriptor = "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension",
}

impl fmt::Display for ExtensionUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_uri())
    }
}

/// The ids negotiated for one media section, or for a whole transport where they agree: at most one id per extension and
/// one extension per id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExtensionIds {
    /// By position in [`ExtensionUri::ALL`]; zero, which no extension can have (RFC 8285 §4.2), for none.
    ids: [u8; ExtensionUri::ALL.len()],
}

impl ExtensionIds {
    /// Nothing negotiated.
    pub const fn new() -> Self {
        Self { ids: [0; ExtensionUri::ALL.len()] }
    }

    /// The id of an extension, if it was negotiated.
    pub fn get(&self, uri: ExtensionUri) -> Option<u8> {
        Some(self.ids[uri as usize]).filter(|id| *id != 0)
    }

    /// Notes that `uri` has the id `id`; whatever had that id before loses it. `false`, and nothing noted, for an id
    /// that no packet can carry: 0 is padding, and 15 ends the one-byte form (RFC 8285 §4.2).
    pub fn set(&mut self, uri: ExtensionUri, id: u8) -> bool {
        if id == 0 || id == ONE_BYTE_END {
            return false;
        }
        for other in &mut self.ids {
            if *other == id {
                *other = 0;
            }
        }
        self.ids[uri as usize] = id;
        true
    }

    /// Forgets an extension, so that it is neither read nor written.
    pub fn remove(&mut self, uri: ExtensionUri) {
        self.ids[uri as usize] = 0;
    }

    /// What an id of an arrived packet means.
    pub fn by_id(&self, id: u8) -> Option<ExtensionUri> {
        if id == 0 {
            return None;
        }
        self.ids.iter().position(|known| *known == id).map(|at| ExtensionUri::ALL[at])
    }

    /// What was negotiated, in the order of [`ExtensionUri::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (ExtensionUri, u8)> + '_ {
        ExtensionUri::ALL.iter().copied().zip(self.ids).filter(|(_, id)| *id != 0)
    }
}

impl FromIterator<(ExtensionUri, u8)> for ExtensionIds {
    /// The last pair wins where two name the same extension or the same id.
    fn from_iter<I: IntoIterator<Item = (ExtensionUri, u8)>>(pairs: I) -> Self {
        let mut ids = Self::new();
        for (uri, id) in pairs {
            ids.set(uri, id);
        }
        ids
    }
}

/// RFC 8285 §4.2: in the one-byte form this id ends the block.
pub(crate) const ONE_BYTE_END: u8 = 15;
/// RFC 8285 §4.2: the greatest id that the one-byte form can carry.
pub(crate) const ONE_BYTE_MAX: u8 = 14;
/// RFC 8285 §4.2: the profile that announces the one-byte form.
pub(crate) const ONE_BYTE_PROFILE: u16 = 0xbede;
/// RFC 8285 §4.3: the profile that announces the two-byte form; its low four bits are for the application.
pub(crate) const TWO_BYTE_PROFILE: u16 = 0x1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_uri_round_trips_and_indexes_itself() {
        for (at, uri) in ExtensionUri::ALL.iter().enumerate() {
            assert_eq!(ExtensionUri::from_uri(uri.as_uri()), Some(*uri));
            assert_eq!(*uri as usize, at, "position and discriminant agree");
        }
        assert_eq!(ExtensionUri::from_uri("urn:example:unknown"), None);
    }

    #[test]
    fn an_id_has_one_meaning() {
        let mut ids = ExtensionIds::new();
        assert!(ids.set(ExtensionUri::Mid, 4));
        assert!(ids.set(ExtensionUri::Rid, 4), "a second use of an id takes it over");
        assert_eq!(ids.by_id(4), Some(ExtensionUri::Rid));
        assert_eq!(ids.get(ExtensionUri::Mid), None);
        assert!(!ids.set(ExtensionUri::Mid, 0), "padding");
        assert!(!ids.set(ExtensionUri::Mid, 15), "end of the one-byte form");
        assert!(ids.set(ExtensionUri::Mid, 200), "two-byte form");
        assert_eq!(
            ids.iter().collect::<Vec<_>>(),
            [(ExtensionUri::Mid, 200), (ExtensionUri::Rid, 4)],
            "in the order of ALL"
        );
        assert_eq!(ids.by_id(0), None);
    }
}
