//! The values of the header extensions that a forwarder reads.
//!
//! Owns their encoding in bytes. Values that are only passed on or decoded elsewhere (layers allocation, dependency
//! descriptor) stay as bytes that share the datagram.

use bytes::Bytes;

use super::{ExtensionIds, ExtensionUri};
use crate::ids::{Mid, Rid};

/// How loud a packet of audio is (RFC 6464 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AudioLevel {
    /// Whether the sender thinks the packet holds voice.
    pub voice: bool,
    /// Loudness below overload in dB: 0 is loudest, 127 is digital silence.
    pub dbov: u8,
}

impl AudioLevel {
    /// From the one byte on the wire.
    pub const fn from_byte(byte: u8) -> Self {
        Self { voice: byte & 0x80 != 0, dbov: byte & 0x7f }
    }

    /// The one byte on the wire. A `dbov` above 127 is written as 127.
    pub const fn to_byte(self) -> u8 {
        let dbov = if self.dbov > 127 { 127 } else { self.dbov };
        (self.voice as u8) << 7 | dbov
    }
}

/// What one packet said in its header extensions. An extension that was not negotiated, is absent, or whose value is not
/// legal, is `None`: a wrong value says as little as a missing one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extensions {
    /// The media section; senders stop writing it once it has been seen.
    pub mid: Option<Mid>,
    /// The encoding; as above.
    pub rid: Option<Rid>,
    /// On a retransmission: the encoding it repairs.
    pub repaired_rid: Option<Rid>,
    /// The transport-wide sequence number, wrapped to 16 bits.
    pub transport_wide: Option<u16>,
    /// Loudness of audio.
    pub audio_level: Option<AudioLevel>,
    /// Undecoded video layers allocation.
    pub layers_allocation: Option<Bytes>,
    /// Undecoded dependency descriptor.
    pub dependency_descriptor: Option<Bytes>,
}

impl Extensions {
    /// Takes note of one element. `bytes` is the datagram, `range` the place of the value in it.
    pub(crate) fn read(&mut self, ids: &ExtensionIds, id: u8, bytes: &Bytes, range: std::ops::Range<usize>) {
        let Some(uri) = ids.by_id(id) else { return };
        let value = &bytes[range.clone()];
        match uri {
            ExtensionUri::Mid => self.mid = Mid::from_bytes(value),
            ExtensionUri::Rid => self.rid = Rid::from_bytes(value),
            ExtensionUri::RepairedRid => self.repaired_rid = Rid::from_bytes(value),
            // Version 2 of the transport-wide extension has the same number in front of two more bytes.
            ExtensionUri::TransportWide => {
                self.transport_wide = value.first_chunk::<2>().map(|b| u16::from_be_bytes(*b));
            }
            ExtensionUri::AudioLevel => self.audio_level = value.first().map(|b| AudioLevel::from_byte(*b)),
            ExtensionUri::LayersAllocation => self.layers_allocation = Some(bytes.slice(range)),
            ExtensionUri::DependencyDescriptor => self.dependency_descriptor = Some(bytes.slice(range)),
            ExtensionUri::AbsSendTime
            | ExtensionUri::AbsCaptureTime
            | ExtensionUri::VideoOrientation
            | ExtensionUri::PlayoutDelay => {}
        }
    }
}
