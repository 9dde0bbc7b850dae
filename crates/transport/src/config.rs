//! What a transport needs to know before the first offer. Owns the typed configuration and its defaults;
//! reading it from anywhere is the server's business.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use packet::Codec;

use crate::identity::Identity;

/// How media is protected.
#[derive(Clone)]
pub enum Security {
    /// DTLS-SRTP with this process's certificate: what every real participant gets (RFC 8827 §6.5 allows
    /// nothing else).
    DtlsSrtp(Arc<Identity>),
    /// RTP and RTCP in the clear, no DTLS: for participants that live in virtual time, where a handshake
    /// would cost real randomness and most of the run. SDP, ICE-lite and everything behind the cipher are as
    /// usual. No configuration of the server can express this.
    Plaintext,
}

/// Settings of a transport. One value, shared by all transports of a worker.
#[derive(Clone)]
pub struct Config {
    /// How media is protected.
    pub security: Security,
    /// Addresses to announce as host candidates, in order of preference. What a client needs to reach this
    /// worker's socket.
    pub candidates: Vec<SocketAddr>,
    /// Addresses at which TCP connections are taken (RFC 6544), announced behind the others.
    pub tcp_candidates: Vec<SocketAddr>,
    /// Where several nodes share a listening socket, the number of this one, 0 to 4095: every user name fragment begins
    /// with it ([`crate::demux::node_of`]).
    pub node: Option<u16>,
    /// Codecs we accept from a publisher, the preferred one first, and offer to forward on a slot. All of
    /// [`Codec::ALL`] unless told otherwise: VP8 first, which every browser encodes in layers of every size.
    pub codecs: Vec<Codec>,
    /// Longest text taken over a data channel, in bytes; `None` refuses data channels, as does [`Security::Plaintext`], since
    /// they are carried by DTLS.
    pub channel_message_bytes: Option<usize>,
    /// Longest offer read, in bytes. 49 slots with a browser's default codec list take 247 kB.
    pub max_offer_bytes: usize,
    /// Most media sections in an offer, stopped ones included.
    pub max_sections: usize,
    /// Most simulcast encodings in one section.
    pub max_encodings: usize,
    /// Silence (no connectivity check, no RTCP that authenticates) after which a source, and with the last of them
    /// the participant, is gone. Browsers check every 2.5 s (RFC 7675 §5.1 gives consent 30 s).
    pub consent_timeout: Duration,
    /// From the first offer until media may flow.
    pub handshake_timeout: Duration,
    /// Most addresses of one participant that are kept at the same time. Each interface of a client is one; a
    /// browser tries several.
    pub max_sources: usize,
    /// Most datagrams waiting in `poll_transmit`. Reached only when the owner does not drain.
    pub max_queued_transmits: usize,
    /// How often one missing packet is asked for at most.
    pub nack_attempts: u8,
    /// How long one missing packet is asked for: after that nobody waits for it any more.
    pub nack_lifetime: Duration,
    /// How often arrival times are reported to the publisher.
    pub feedback_interval: Duration,
    /// How often receiver reports are sent to the publisher.
    pub report_interval: Duration,
}

impl Config {
    /// The defaults, with the given protection and no candidates.
    pub fn new(security: Security) -> Self {
        Self {
            security,
            candidates: Vec::new(),
            tcp_candidates: Vec::new(),
            node: None,
            codecs: vec![Codec::Vp8, Codec::H264, Codec::Vp9, Codec::Av1, Codec::Opus],
            channel_message_bytes: Some(64 * 1024),
            max_offer_bytes: 256 * 1024,
            max_sections: 64,
            max_encodings: 4,
            consent_timeout: Duration::from_secs(15),
            handshake_timeout: Duration::from_secs(15),
            max_sources: 16,
            max_queued_transmits: 4_096,
            nack_attempts: 10,
            nack_lifetime: Duration::from_millis(1_500),
            feedback_interval: Duration::from_millis(50),
            report_interval: Duration::from_secs(1),
        }
    }
}
