//! The transport itself: dispatches what comes in to its parts and queues what goes out. Decisions live in the parts.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::BytesMut;
use packet::{ExtensionIds, OutgoingHeader, RtcpItem};
use rand::CryptoRng;
use units::Timestamp;

use crate::config::Config;
use crate::event::{Event, Transmit};
use crate::sdp::{Answer, OfferError};
use crate::section::Section;
use crate::stats::TransportStats;

/// Why something was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// Media may not flow yet, or no longer.
    #[error("not connected")]
    NotConnected,
    /// The owner has to drain `poll_transmit` first.
    #[error("too many datagrams wait to be sent")]
    QueueFull,
    /// The cipher refused the packet: its keys are used up (RFC 3711 §9.2).
    #[error("encryption failed")]
    Encryption,
}

/// One participant's transport. See the crate's documentation for how to drive it.
pub struct Transport {
    config: Arc<Config>,
}

impl Transport {
    /// A transport that waits for its first offer. Draws the ICE credentials from `rng`.
    pub fn new(now: Timestamp, config: Arc<Config>, rng: &mut impl CryptoRng) -> Self {
        todo!()
    }

    /// Our ICE user name fragment, by which connectivity checks from unknown addresses find this transport ([`crate::demux::stun_local_ufrag`]).
    /// Changes when the client restarts ICE.
    pub fn ufrag(&self) -> &str {
        todo!()
    }

    /// Takes the client's offer, the first or a later one, and answers it. Draws SSRCs of new slots from `rng`, and new ICE credentials if the client
    /// restarts ICE.
    ///
    /// # Errors
    /// [`OfferError`] says what the client has to change; the transport is as before.
    pub fn handle_offer(&mut self, now: Timestamp, sdp: &str, rng: &mut impl CryptoRng) -> Result<Answer, OfferError> {
        todo!()
    }

    /// Takes a datagram that arrived at `local` from `source`. Results are drained by the `poll_` methods.
    pub fn handle_datagram(&mut self, now: Timestamp, local: SocketAddr, source: SocketAddr, datagram: BytesMut) {
        todo!()
    }

    /// Queues one RTP packet: the header written fresh with the negotiated extension ids, then the parts of the payload one after the other (a rewritten
    /// descriptor or the original sequence number of a retransmission, then the shared payload), then `padding` bytes of padding. Returns the size
    /// of the datagram.
    ///
    /// # Errors
    /// [`SendError`]; nothing is queued then.
    pub fn send_rtp(
        &mut self,
        now: Timestamp,
        header: &OutgoingHeader,
        payload: &[&[u8]],
        padding: u8,
    ) -> Result<usize, SendError> {
        todo!()
    }

    /// Queues the items as one RTCP datagram. Returns its size.
    ///
    /// # Errors
    /// [`SendError`]; nothing is queued then.
    pub fn send_rtcp(&mut self, now: Timestamp, items: &[RtcpItem]) -> Result<usize, SendError> {
        todo!()
    }

    /// The next datagram for the socket.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        todo!()
    }

    /// The next thing that happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        todo!()
    }

    /// Does what is due at `now`: retransmits handshake flights, reports reception, lets sources expire.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        todo!()
    }

    /// When [`Self::handle_timeout`] is due if nothing happens before; `None` when closed.
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        todo!()
    }

    /// Says goodbye to the participant (DTLS close_notify) and finishes the transport: drain `poll_transmit` and `poll_event` once more.
    pub fn close(&mut self, now: Timestamp) {
        todo!()
    }

    /// The sections after the last answer, in the order of the offer.
    pub fn sections(&self) -> &[Section] {
        todo!()
    }

    /// The negotiated header extensions.
    pub fn extensions(&self) -> &ExtensionIds {
        todo!()
    }

    /// True from [`Event::Connected`] until [`Event::Closed`].
    pub fn is_connected(&self) -> bool {
        todo!()
    }

    /// Every 4-tuple that belongs to this transport, as (ours, theirs).
    pub fn sources(&self) -> impl Iterator<Item = (SocketAddr, SocketAddr)> + '_ {
        std::iter::empty()
    }

    /// The counters.
    pub fn stats(&self) -> &TransportStats {
        todo!()
    }
}
