//! What a transport tells its owner. Owns the values that leave through `poll_event` and `poll_transmit`.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use packet::codec::red::Redundant;
use packet::{Codec, Mid, Rid, RtcpItem, RtpPacket};
use units::Timestamp;

/// What carries datagrams between two addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// UDP.
    Udp,
    /// A TCP connection that the client opened, a length in front of each datagram ([`crate::framing`]).
    Tcp,
}

/// One way between us and the participant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path {
    /// How datagrams travel.
    pub protocol: Protocol,
    /// Our address.
    pub local: SocketAddr,
    /// The participant's address.
    pub source: SocketAddr,
}

impl Path {
    /// A way over UDP.
    pub fn udp(local: SocketAddr, source: SocketAddr) -> Self {
        Self { protocol: Protocol::Udp, local, source }
    }

    /// A way over TCP.
    pub fn tcp(local: SocketAddr, source: SocketAddr) -> Self {
        Self { protocol: Protocol::Tcp, local, source }
    }
}

/// Datagrams for the socket, all to one destination: one alone, or a run that can leave in one segmented send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// What carries it.
    pub protocol: Protocol,
    /// The local address to send from: the one at which the participant reached us.
    pub local: SocketAddr,
    /// Where to.
    pub destination: SocketAddr,
    /// What: one behind the other.
    pub datagrams: Bytes,
    /// Bytes of each but the last, which may be shorter.
    pub segment: usize,
}

impl Transmit {
    /// Each datagram, in order.
    pub fn iter(&self) -> impl Iterator<Item = Bytes> + '_ {
        let (step, end) = (self.segment.max(1), self.datagrams.len());
        (0..end).step_by(step).map(move |at| self.datagrams.slice(at..end.min(at + step)))
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.datagrams.len().div_ceil(self.segment.max(1))
    }
}

/// Something that happened to a transport.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A connectivity check with valid integrity came by this 4-tuple: it belongs to this transport until
    /// [`Event::SourceExpired`].
    SourceValidated(Path),
    /// This 4-tuple no longer belongs to this transport: its consent ran out, or a newer source took its
    /// place.
    SourceExpired(Path),
    /// What we send goes this way from here on: the participant nominated it (RFC 8445 §7.3.1.5), or the way
    /// before expired.
    PathChanged(Path),
    /// The handshake is done: media may flow both ways. Once in a transport's life.
    Connected,
    /// A media packet arrived. One without payload, a publisher's probe on a media stream, is handed up as well: it used a
    /// number that receivers would otherwise wait for.
    Rtp(IncomingRtp),
    /// Feedback and sender reports arrived: all items of one datagram, in order.
    Rtcp(Vec<RtcpItem>),
    /// The client opened a data channel ([`crate::channel`]): [`crate::Transport::send_text`] reaches it.
    ChannelOpened,
    /// A text came over the data channel. Not known to be UTF-8.
    ChannelText(Bytes),
    /// The data channel is gone, and no other one comes over this transport. Media goes on.
    ChannelClosed,
    /// The transport is finished; it takes and gives nothing any more. Always the last event.
    Closed(CloseReason),
}

/// A media packet as the router sees it: decrypted, identified, and if it came as a retransmission restored
/// to its original number, SSRC and payload type.
#[derive(Clone, Debug, PartialEq)]
pub struct IncomingRtp {
    /// The section it belongs to.
    pub mid: Mid,
    /// The encoding it belongs to; `None` when the section sends a single one.
    pub rid: Option<Rid>,
    /// The packet.
    pub packet: RtpPacket,
    /// True if it came as a retransmission. Never a duplicate: what arrived before is dropped.
    pub repaired: bool,
    /// Its codec, by payload type.
    pub codec: Codec,
    /// All of a packet that repeats earlier sound (RFC 2198); `packet` has the sound of its own time alone.
    pub redundant: Option<Arc<Redundant>>,
    /// When its datagram arrived.
    pub arrival: Timestamp,
}

/// Why a transport is finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// `close` was called.
    Local,
    /// The participant closed its connection (DTLS close_notify).
    PeerClosed,
    /// Neither a connectivity check nor an authentic report came for the consent timeout (RFC 7675).
    ConsentExpired,
    /// Media could not flow within the handshake timeout.
    HandshakeTimeout,
    /// The certificate in the handshake is not the one the offer announced (RFC 8122 §5): somebody in
    /// between, or a broken client.
    FingerprintMismatch,
    /// The client offers no SRTP protection profile that we have (RFC 5764 §4.1.2).
    NoCommonSrtpProfile,
    /// Keys could not be taken from a completed handshake.
    KeyExport,
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Local => "closed by us",
            Self::PeerClosed => "closed by the participant",
            Self::ConsentExpired => "nothing came any more",
            Self::HandshakeTimeout => "no connection within the time allowed",
            Self::FingerprintMismatch => "certificate does not match the fingerprint in the offer",
            Self::NoCommonSrtpProfile => "no common SRTP protection profile",
            Self::KeyExport => "no media keys from the handshake",
        })
    }
}
