//! One participant's transport: from datagrams to plain RTP and RTCP, and back. Sans-IO.
//!
//! Owns everything between a UDP socket and the packets a router understands: the SDP offer and its answer
//! (RFC 8829, RFC 9143), ICE-lite (RFC 8445), DTLS (RFC 6347, RFC 5764), SRTP (RFC 3711, RFC 7714), finding
//! out what each arriving stream is (RFC 8852), restoring retransmissions (RFC 4588), and the reception
//! reports that a publisher needs (NACK, transport-wide feedback, receiver reports), and texts over a data channel (RFC 8831). It is the only crate
//! that names a WebRTC library. What packets mean, whom they are for and when they leave is for `router`.
//!
//! # Driving it
//!
//! One [`Transport`] per participant. Time is an argument, nothing is read from a clock, and nothing blocks:
//!
//! ```text
//! offer ------> handle_offer ----> Answer (SDP for the client, sections for the router)
//! datagram ---> handle_datagram --.
//! timer ------> handle_timeout ---+--> poll_event      until None: media, RTCP, connection state
//! packets ----> send_rtp/_rtcp ---'    poll_transmit   until None: datagrams for the socket, in runs
//!                                      poll_timeout    when to call handle_timeout
//! ```
//!
//! Packets of one frame go through `write_rtp` and `send_run` instead of `send_rtp`: they are written and sealed back to back, and
//! leave in one segmented send. Drain `poll_event` and `poll_transmit` after every call that takes `&mut self`. Both queues are bounded;
//! what does not fit is dropped and counted in [`TransportStats`].
//!
//! # Routing datagrams to a transport
//!
//! Many participants share one socket. The owner keeps a table from 4-tuple to transport, filled by
//! [`Event::SourceValidated`] and emptied by [`Event::SourceExpired`]. A datagram from an unknown 4-tuple can
//! only be a connectivity check: [`demux::stun_local_ufrag`] names the transport it is for, without any
//! cryptography. Anything else from an unknown 4-tuple is dropped by the owner.
//!
//! # Trust
//!
//! A datagram costs at most one table look-up and one HMAC until it has proven that it comes from the
//! participant. Malformed, unauthenticated, replayed and unidentifiable input is counted by kind and dropped.

pub mod channel;
pub mod check;
mod clock;
mod config;
pub mod demux;
mod dtls;
mod event;
pub mod framing;
mod ice_lite;
mod identity;
pub mod peer;
mod reception;
mod run;
mod sdp;
mod section;
mod srtp;
mod stats;
mod streams;
mod transport;
pub mod turn;

pub use config::{Config, Security};
pub use event::{CloseReason, Event, IncomingRtp, Path, Protocol, Transmit};
pub use identity::{Identity, IdentityError};
pub use run::Run;
pub use sdp::{Answer, OfferError, offers_to_send};
pub use section::{Acknowledgement, DataSection, NegotiatedCodec, Section, SendingSection, SlotSection};
pub use stats::TransportStats;
pub use transport::{SendError, Transport};
