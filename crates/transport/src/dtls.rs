//! The DTLS handshake of one transport (RFC 6347, RFC 5764), over the endpoint of `rtc-dtls`.
//!
//! Owns the choice of the SRTP profile, the check of the client's certificate against its offer, and the keys
//! that come out. We are always the server. A preference among profiles cannot be expressed to the endpoint,
//! which follows the client's order; so it is first offered AES-GCM alone, and when the client has none, a
//! second endpoint with AES-CM is shown the same datagrams again. The client notices nothing.

mod guard;

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use rtc_crypto::{RTCCrypto, SecretVec};
use rtc_dtls::endpoint::{Endpoint, EndpointEvent};
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc_dtls::state::State;
use rtc_shared::TransportProtocol;
use rtc_shared::error::Error;
use rtc_srtp::config::{Config as SrtpConfig, LABEL_EXTRACTOR_DTLS_SRTP};
use rtc_srtp::protection_profile::ProtectionProfile;
use units::Timestamp;

use crate::clock;
use crate::event::CloseReason;
use crate::identity::{FLIGHT_INTERVAL, Identity, fingerprint};
use crate::srtp::{Keys, Srtp};
use guard::Guard;

/// The endpoint keeps an association per address. There is one, wherever its datagrams come from: a made-up
/// constant makes changes of path free.
pub(crate) const PEER: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 1));
/// Datagrams kept for a second try with another profile. A ClientHello has two, a lost one makes it four.
const MAX_KEPT: usize = 8;
/// Datagrams waiting to be fetched. Fetched after every call; a flight has at most four.
const MAX_TRANSMITS: usize = 32;

/// Repetitions of one flight, over 19 s: longer than a handshake is given.
const MAX_REPEATED: u32 = 7;

/// What a datagram or the passing of time led to.
pub(crate) enum Outcome {
    /// Nothing to tell.
    Pending,
    /// Some part of the datagram broke the rules and was dropped.
    Malformed,
    /// The handshake refused the datagram. It may still succeed with others.
    Refused,
    /// The handshake is complete: media may flow.
    Connected(Box<Srtp>),
    /// It is over.
    Closed(CloseReason),
}

/// Which profile is on offer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Gcm,
    Sha1,
}

pub(crate) struct Dtls {
    identity: Arc<Identity>,
    endpoint: Endpoint,
    guard: Guard,
    stage: Stage,
    /// The client's first flight, until it has been answered.
    kept: Option<Vec<BytesMut>>,
    transmits: VecDeque<Bytes>,
    /// What the client sent besides the handshake.
    received: Vec<Bytes>,
    flight: Flight,
    completed: bool,
    /// The endpoint's own deadline.
    due: Option<Timestamp>,
    /// A ClientHello came that had no profile of ours.
    lacked_profile: bool,
}

/// Our last flight, for sending it again when the library has lost sight of it: there any handshake record of
/// the client, a repeated ClientHello above all, stops the timer of the flight in progress for good, and a
/// flight that is lost then stays lost (RFC 6347 §4.2.4 wants it repeated at just that moment). Repeated as
/// it was, down to the record numbers: what the client has not got is new to it, and what it has got it
/// drops.
#[derive(Default)]
struct Flight {
    datagrams: Vec<Bytes>,
    due: Option<Timestamp>,
    repeated: u32,
}

impl Dtls {
    pub(crate) fn new(identity: Arc<Identity>) -> Self {
        let endpoint = endpoint(&identity, Stage::Gcm);
        Self {
            identity,
            endpoint,
            guard: Guard::default(),
            stage: Stage::Gcm,
            kept: Some(Vec::new()),
            transmits: VecDeque::new(),
            received: Vec::new(),
            flight: Flight::default(),
            completed: false,
            due: None,
            lacked_profile: false,
        }
    }

    /// Takes a datagram from a validated source. `fingerprints` are those of the offer.
    pub(crate) fn handle_datagram(
        &mut self,
        now: Timestamp,
        datagram: BytesMut,
        fingerprints: &[String],
    ) -> Outcome {
        if !self.guard.admits(&datagram, self.completed) {
            return Outcome::Malformed;
        }
        if let Some(kept) = &mut self.kept {
            if kept.len() == MAX_KEPT {
                return Outcome::Refused;
            }
            kept.push(datagram.clone());
        }
        let outcome = match self.read(now, datagram) {
            Err(Error::ErrServerNoMatchingSrtpProfile) => self.second_try(now, fingerprints),
            result => self.conclude(result, fingerprints),
        };
        self.watch_flight(now);
        outcome
    }

    /// Takes over the repetition of our last flight when the library's timer is gone although the client has
    /// not answered it.
    fn watch_flight(&mut self, now: Timestamp) {
        if self.completed {
            self.flight = Flight::default();
        } else if !self.transmits.is_empty() {
            self.flight =
                Flight { datagrams: self.transmits.iter().cloned().collect(), due: None, repeated: 0 };
        } else if self.endpoint.poll_timeout(&PEER).is_none() && self.flight.due.is_none() {
            self.flight.due = Some(now + FLIGHT_INTERVAL);
        }
    }

    fn repeat_flight(&mut self, now: Timestamp) {
        if self.flight.due.is_none_or(|due| now < due) {
            return;
        }
        self.flight.repeated += 1;
        // RFC 6347 §4.2.4.1: twice the time after each repetition.
        let wait = FLIGHT_INTERVAL * (1 << self.flight.repeated.min(MAX_REPEATED));
        self.flight.due = (self.flight.repeated < MAX_REPEATED).then(|| now + wait);
        self.transmits.extend(self.flight.datagrams.iter().cloned());
    }

    /// Sends lost flights again.
    pub(crate) fn handle_timeout(&mut self, now: Timestamp) -> Outcome {
        match self.endpoint.handle_timeout(PEER, clock::instant(now)) {
            // Without an association there is nothing to repeat.
            Ok(()) | Err(Error::InvalidRemoteAddress(_)) => {
                self.collect();
                self.repeat_flight(now);
                Outcome::Pending
            }
            Err(_) => {
                self.collect();
                Outcome::Refused
            }
        }
    }

    /// When a flight is to be sent again.
    pub(crate) fn poll_timeout(&self) -> Option<Timestamp> {
        self.due.into_iter().chain(self.flight.due).min()
    }

    /// The next datagram for the client.
    pub(crate) fn poll_transmit(&mut self) -> Option<Bytes> {
        self.transmits.pop_front()
    }

    /// Says goodbye (RFC 5246 §7.2.1).
    pub(crate) fn close(&mut self, now: Timestamp) {
        // Closing cannot fail in a way that matters: what could not be queued is not sent.
        let _ = self.endpoint.close(clock::instant(now));
        self.collect();
    }

    fn read(&mut self, now: Timestamp, datagram: BytesMut) -> Result<Vec<EndpointEvent>, Error> {
        self.endpoint.read(clock::instant(now), PEER, None, datagram)
    }

    /// Takes over what the endpoint has to send, and when it wants to be called again: that is asked for far more often than it
    /// changes.
    fn collect(&mut self) {
        self.due = self.endpoint.poll_timeout(&PEER).map(clock::timestamp);
        while let Some(transmit) = self.endpoint.poll_transmit() {
            if self.transmits.len() < MAX_TRANSMITS {
                self.transmits.push_back(transmit.message.freeze());
            }
        }
    }

    /// Shows the client's first flight to an endpoint with the other profile. The alert that the first
    /// endpoint wanted to send goes nowhere.
    fn second_try(&mut self, now: Timestamp, fingerprints: &[String]) -> Outcome {
        let Some(kept) = self.kept.take().filter(|_| self.stage == Stage::Gcm) else {
            return self.start_over();
        };
        self.stage = Stage::Sha1;
        self.endpoint = endpoint(&self.identity, Stage::Sha1);
        self.due = None;
        let mut outcome = Outcome::Pending;
        for datagram in kept {
            outcome = match self.read(now, datagram) {
                Err(Error::ErrServerNoMatchingSrtpProfile) => return self.start_over(),
                result => self.conclude(result, fingerprints),
            };
        }
        outcome
    }

    /// A ClientHello without a profile of ours. Anybody could have written it who can send from the client's
    /// address, so it decides nothing: the next one may be the client's. If none comes the deadline has its
    /// reason.
    fn start_over(&mut self) -> Outcome {
        *self = Self {
            guard: std::mem::take(&mut self.guard),
            lacked_profile: true,
            ..Self::new(self.identity.clone())
        };
        Outcome::Refused
    }

    /// Why a handshake that did not come to its end did not.
    pub(crate) fn unfinished(&self) -> CloseReason {
        match self.lacked_profile {
            true => CloseReason::NoCommonSrtpProfile,
            false => CloseReason::HandshakeTimeout,
        }
    }

    fn conclude(&mut self, result: Result<Vec<EndpointEvent>, Error>, fingerprints: &[String]) -> Outcome {
        self.collect();
        let events = match result {
            Ok(events) => events,
            Err(error) => {
                tracing::debug!(%error, "DTLS datagram refused");
                return Outcome::Refused;
            }
        };
        if !self.transmits.is_empty() {
            // The first flight is answered: the profile is settled.
            self.kept = None;
        }
        let mut outcome = Outcome::Pending;
        for event in events {
            match event {
                EndpointEvent::HandshakeComplete => {
                    self.completed = true;
                    outcome = self.media_keys(fingerprints).unwrap_or_else(Outcome::Closed);
                }
                // Before the handshake is complete anybody can have written this.
                EndpointEvent::PeerClosed if !self.completed => return Outcome::Refused,
                EndpointEvent::PeerClosed => return Outcome::Closed(CloseReason::PeerClosed),
                // Only from whom the fingerprint names: a handshake with anybody else has ended the transport.
                EndpointEvent::ApplicationData(data) if self.completed => self.received.push(data.freeze()),
                _ => {}
            }
        }
        outcome
    }

    /// What the client has sent since the last call, one entry for each record. A datagram has a few at most.
    pub(crate) fn take_received(&mut self) -> Vec<Bytes> {
        std::mem::take(&mut self.received)
    }

    /// Sends a record of data.
    pub(crate) fn send(&mut self, now: Timestamp, data: &[u8]) {
        // Before the handshake is complete nobody has anything to send; after the end it goes nowhere.
        if self.completed && self.endpoint.write(clock::instant(now), PEER, data).is_ok() {
            self.collect();
        }
    }

    /// RFC 5764 §4.2: the keys of SRTP come from the handshake, provided it was with whom the offer said.
    fn media_keys(&self, fingerprints: &[String]) -> Result<Outcome, CloseReason> {
        let state = self.endpoint.get_connection_state(PEER).ok_or(CloseReason::KeyExport)?;
        let certificate = state.peer_certificates.first().ok_or(CloseReason::FingerprintMismatch)?;
        let shown = fingerprint(self.identity.crypto(), certificate).map_err(|_| CloseReason::KeyExport)?;
        if !fingerprints.contains(&shown) {
            return Err(CloseReason::FingerprintMismatch);
        }
        let srtp = media_keys(state, self.identity.crypto(), Side::Server)?;
        Ok(Outcome::Connected(Box::new(srtp)))
    }
}

/// Which side of the handshake we were: each protects with the keys of its own name (RFC 5764 §4.2).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Server,
}

/// The keys of SRTP out of a completed handshake.
pub(crate) fn media_keys(state: &State, crypto: &dyn RTCCrypto, side: Side) -> Result<Srtp, CloseReason> {
    let profile = match state.srtp_protection_profile() {
        SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm => ProtectionProfile::AeadAes128Gcm,
        SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80 => ProtectionProfile::Aes128CmHmacSha1_80,
        _ => return Err(CloseReason::NoCommonSrtpProfile),
    };
    let mut config = SrtpConfig { profile, ..SrtpConfig::default() };
    let export = |_| CloseReason::KeyExport;
    let material = state
        .export_keying_material(LABEL_EXTRACTOR_DTLS_SRTP, &[], config.keying_material_len())
        .map_err(export)?;
    config.set_session_keys_from_keying_material(material.as_ref(), side == Side::Client).map_err(export)?;
    let keys = config.keys;
    let local =
        Keys { key: SecretVec::new(keys.local_master_key), salt: SecretVec::new(keys.local_master_salt) };
    let remote =
        Keys { key: SecretVec::new(keys.remote_master_key), salt: SecretVec::new(keys.remote_master_salt) };
    Srtp::new(profile, &local, &remote, crypto).map_err(|_| CloseReason::KeyExport)
}

fn endpoint(identity: &Identity, stage: Stage) -> Endpoint {
    let config = match stage {
        Stage::Gcm => identity.gcm(),
        Stage::Sha1 => identity.sha1(),
    };
    Endpoint::new(PEER, TransportProtocol::UDP, Some(config.clone()))
}
