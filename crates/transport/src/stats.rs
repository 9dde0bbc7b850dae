//! Counters of one transport. Owns their meaning; they only ever grow, so that differences can be taken.

/// What a transport has seen and done since it was made, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TransportStats {
    /// Datagrams taken in.
    pub datagrams_in: u64,
    /// Bytes taken in, without IP and UDP.
    pub bytes_in: u64,
    /// Datagrams queued for sending.
    pub datagrams_out: u64,
    /// Bytes queued for sending, without IP and UDP.
    pub bytes_out: u64,

    /// Connectivity checks answered.
    pub checks_answered: u64,
    /// Datagrams of no known protocol (RFC 7983 §7), or shorter than their protocol's header.
    pub malformed: u64,
    /// STUN that is no well-formed binding request.
    pub stun_malformed: u64,
    /// Connectivity checks for another user, or with wrong integrity.
    pub stun_unauthenticated: u64,
    /// Connectivity checks seen before, from another source.
    pub stun_replayed: u64,
    /// DTLS, SRTP or SRTCP from a 4-tuple that no check has validated.
    pub unknown_source: u64,

    /// DTLS records that break the protocol's rules, or are more than a handshake can need.
    pub dtls_malformed: u64,
    /// DTLS datagrams refused by the handshake.
    pub dtls_failed: u64,

    /// Media that came before the keys.
    pub too_early: u64,
    /// RTP and RTCP whose authentication failed.
    pub srtp_unauthenticated: u64,
    /// RTP and RTCP received before, or too old to tell.
    pub srtp_replayed: u64,
    /// RTP that does not parse after decryption.
    pub rtp_malformed: u64,
    /// RTCP packets within a datagram that do not parse after decryption.
    pub rtcp_malformed: u64,

    /// RTP that belongs to no section: unknown SSRC and nothing in its header to go by.
    pub unidentified: u64,
    /// RTP of a section whose payload type was not negotiated.
    pub unknown_payload_type: u64,
    /// RTP of a section that is paused or stopped.
    pub inactive_section: u64,
    /// Retransmissions without payload: a publisher's probes.
    pub padding_only: u64,
    /// Retransmissions restored and handed up.
    pub rtx_restored: u64,
    /// Retransmissions of packets that were there already: a publisher's probes, or repair that came twice.
    pub rtx_duplicates: u64,
    /// Retransmissions for a stream that has not been seen.
    pub rtx_unmatched: u64,

    /// Missing packets asked for, counting every time.
    pub nacks_sent: u64,
    /// Transport-wide feedback packets sent.
    pub feedback_sent: u64,
    /// Receiver reports sent, by block.
    pub report_blocks_sent: u64,

    /// Texts that came over the data channel.
    pub texts_in: u64,
    /// Texts sent over it.
    pub texts_out: u64,
    /// Data in DTLS without a section for it in any offer, or before the keys.
    pub data_unexpected: u64,

    /// Datagrams dropped because the owner did not drain.
    pub transmit_overflow: u64,
    /// Events dropped because the owner did not drain.
    pub event_overflow: u64,
}
