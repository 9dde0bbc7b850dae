//! ICE-lite of our own (RFC 8445 §2.5, §7.3) on the messages of `rtc-stun`.
//!
//! Owns the credentials, the sources that have proven to be the participant's, and the choice of the one we
//! send to. A lite agent answers checks and never makes any; we go beyond what a stock agent does in two
//! ways. A source may turn up at any time, and a nomination may be repeated for another source at any time
//! (browsers do so when a phone leaves Wi-Fi): the last check with USE-CANDIDATE decides. Consent (RFC 7675)
//! follows from what the participant's own keys vouch for: browsers go on checking every few seconds; others,
//! GStreamer among them, check no more once they are connected (RFC 8445 §11), but send reports (RTCP). A source that
//! has sent neither for the timeout is forgotten.

use std::time::Duration;

use bytes::Bytes;
use rand::{CryptoRng, RngExt};
use rtc_crypto::RTCCrypto;
use rtc_stun::attributes::{
    ATTR_ICE_CONTROLLED, ATTR_MESSAGE_INTEGRITY, ATTR_USE_CANDIDATE, AttrType, RawAttribute,
};
use rtc_stun::error_code::CODE_ROLE_CONFLICT;
use rtc_stun::fingerprint::FINGERPRINT;
use rtc_stun::integrity::MessageIntegrity;
use rtc_stun::message::{BINDING_ERROR, BINDING_REQUEST, BINDING_SUCCESS, Message, MessageType, Setter};
use rtc_stun::xoraddr::XorMappedAddress;
use units::Timestamp;

use crate::demux;
use crate::event::{Event, Path};

/// A connectivity check has about 100 bytes; RFC 8489 §6.1 keeps requests below the path MTU. Bounds the work
/// before the HMAC.
const MAX_STUN_DATAGRAM: usize = 1_280;

/// Characters of our user name fragment: 48 bits, unique among all participants of a node with near certainty
/// (RFC 8445 §5.3 asks for 24).
const UFRAG_LENGTH: usize = 8;
/// Characters of our password: 144 bits (RFC 8445 §5.3 asks for 128).
const PASSWORD_LENGTH: usize = 24;
/// Checks remembered in order to notice a repeated one. A browser with several interfaces makes some ten in
/// flight.
const REMEMBERED_CHECKS: usize = 64;

/// What we tell the participant to authenticate with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(crate) ufrag: String,
    pub(crate) password: String,
}

impl Credentials {
    /// New ones; the user name fragment begins with the name of `node`, if there are several.
    pub(crate) fn draw(node: Option<u16>, rng: &mut impl CryptoRng) -> Self {
        let name = node.map(demux::node_name).unwrap_or_default();
        let mut chars = |length: usize| -> String {
            (0..length).map(|_| demux::ice_char(u16::from(rng.random::<u8>()))).collect()
        };
        Self { ufrag: name + &chars(UFRAG_LENGTH), password: chars(PASSWORD_LENGTH) }
    }
}

/// Why a check was not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// No well-formed binding request.
    Malformed,
    /// Not for us, or not by someone who knows the password.
    Unauthenticated,
    /// A check that came before, now from elsewhere: somebody repeats what they overheard in order to draw
    /// media to themselves.
    Replayed,
}

/// A validated source.
struct Source {
    path: Path,
    /// The last check or report.
    last_sign: Timestamp,
}

/// A check remembered by its transaction id.
struct Remembered {
    transaction: [u8; 12],
    path: Path,
}

pub(crate) struct IceLite {
    credentials: Credentials,
    /// Those before an ICE restart, good until the new ones are used (RFC 8445 §9: the old session goes on
    /// meanwhile).
    previous: Option<Credentials>,
    sources: Vec<Source>,
    selected: Option<Path>,
    nominated: bool,
    remembered: Vec<Remembered>,
    next_remembered: usize,
    max_sources: usize,
    consent_timeout: Duration,
}

impl IceLite {
    pub(crate) fn new(credentials: Credentials, max_sources: usize, consent_timeout: Duration) -> Self {
        Self {
            credentials,
            previous: None,
            sources: Vec::new(),
            selected: None,
            nominated: false,
            remembered: Vec::new(),
            next_remembered: 0,
            max_sources: max_sources.max(1),
            consent_timeout,
        }
    }

    pub(crate) fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// The participant asked for new credentials (RFC 8445 §9). Media goes on by the old path until a check
    /// with the new ones nominates another.
    pub(crate) fn restart(&mut self, credentials: Credentials) {
        self.previous = Some(std::mem::replace(&mut self.credentials, credentials));
        self.nominated = false;
    }

    /// Where to send, once a check has succeeded.
    pub(crate) fn selected(&self) -> Option<Path> {
        self.selected
    }

    /// True if the participant may send by this path.
    pub(crate) fn is_valid(&self, path: Path) -> bool {
        self.sources.iter().any(|source| source.path == path)
    }

    /// Every valid path.
    pub(crate) fn paths(&self) -> impl Iterator<Item = Path> + '_ {
        self.sources.iter().map(|source| source.path)
    }

    /// Answers one connectivity check. Changes of sources and path are appended to `events`.
    pub(crate) fn handle_check(
        &mut self,
        now: Timestamp,
        path: Path,
        datagram: &[u8],
        crypto: &dyn RTCCrypto,
        events: &mut Vec<Event>,
    ) -> Result<Bytes, Refused> {
        if datagram.len() > MAX_STUN_DATAGRAM {
            return Err(Refused::Malformed);
        }
        let ufrag = demux::stun_local_ufrag(datagram).ok_or(Refused::Malformed)?;
        let (credentials, current) = match &self.previous {
            _ if self.credentials.ufrag == ufrag => (self.credentials.clone(), true),
            Some(previous) if previous.ufrag == ufrag => (previous.clone(), false),
            _ => return Err(Refused::Unauthenticated),
        };
        let check = Check::authenticate(datagram, &credentials, crypto)?;
        if self.is_replay(check.message.transaction_id.0, path) {
            return Err(Refused::Replayed);
        }
        if check.has(ATTR_ICE_CONTROLLED) {
            // RFC 8445 §7.3.1.1: a lite agent is controlled, so the participant has to become controlling.
            return check.respond(&credentials, crypto, BINDING_ERROR, Box::new(CODE_ROLE_CONFLICT));
        }
        self.touch(now, path, events);
        let nominates = check.has(ATTR_USE_CANDIDATE);
        // RFC 8445 §7.3.1.5: USE-CANDIDATE selects. Until there is one, the first source is better than none.
        if (nominates && (current || !self.nominated)) || self.selected.is_none() {
            self.select(path, events);
        }
        if nominates && current {
            self.nominated = true;
            self.previous = None;
        }
        let mapped = XorMappedAddress { ip: path.source.ip().to_canonical(), port: path.source.port() };
        check.respond(&credentials, crypto, BINDING_SUCCESS, Box::new(mapped))
    }

    /// Forgets sources whose consent has run out. `false` when there were some and none is left: the
    /// participant is gone.
    pub(crate) fn handle_timeout(&mut self, now: Timestamp, events: &mut Vec<Event>) -> bool {
        if self.sources.is_empty() {
            return true;
        }
        let timeout = self.consent_timeout;
        self.sources.retain(|source| {
            let alive = now < source.last_sign + timeout;
            if !alive {
                events.push(expired(source.path));
            }
            alive
        });
        let selected_is_left = self.selected.is_some_and(|path| self.is_valid(path));
        if !selected_is_left && let Some(latest) = self.sources.iter().max_by_key(|source| source.last_sign) {
            self.select(latest.path, events);
        }
        !self.sources.is_empty()
    }

    /// The participant's keys vouch for something that came by this path.
    pub(crate) fn heard(&mut self, now: Timestamp, path: Path) {
        if let Some(source) = self.sources.iter_mut().find(|source| source.path == path) {
            source.last_sign = now;
        }
    }

    /// When the next source expires if nothing more comes.
    pub(crate) fn poll_timeout(&self) -> Option<Timestamp> {
        self.sources.iter().map(|source| source.last_sign + self.consent_timeout).min()
    }

    fn select(&mut self, path: Path, events: &mut Vec<Event>) {
        if self.selected != Some(path) {
            self.selected = Some(path);
            events.push(Event::PathChanged(path));
        }
    }

    /// Notes a check by `path`, making room by the source that has been silent longest and is not in use.
    fn touch(&mut self, now: Timestamp, path: Path, events: &mut Vec<Event>) {
        if let Some(source) = self.sources.iter_mut().find(|source| source.path == path) {
            source.last_sign = now;
            return;
        }
        if self.sources.len() >= self.max_sources {
            let selected = self.selected;
            let oldest = self
                .sources
                .iter()
                .enumerate()
                .filter(|(_, source)| Some(source.path) != selected)
                .min_by_key(|(_, source)| source.last_sign)
                .map_or(0, |(at, _)| at);
            events.push(expired(self.sources.remove(oldest).path));
        }
        self.sources.push(Source { path, last_sign: now });
        events.push(Event::SourceValidated(path));
    }

    /// Integrity does not cover the source address, so a check overheard can be sent again from another one.
    /// A transaction id is used for one check only (RFC 8489 §5), and a retransmission of it comes from where
    /// the first came from.
    fn is_replay(&mut self, transaction: [u8; 12], path: Path) -> bool {
        if let Some(known) = self.remembered.iter().find(|known| known.transaction == transaction) {
            return known.path != path;
        }
        let remembered = Remembered { transaction, path };
        if self.remembered.len() < REMEMBERED_CHECKS {
            self.remembered.push(remembered);
        } else {
            self.remembered[self.next_remembered] = remembered;
            self.next_remembered = (self.next_remembered + 1) % REMEMBERED_CHECKS;
        }
        false
    }
}

fn expired(path: Path) -> Event {
    Event::SourceExpired(path)
}

/// A binding request with valid integrity.
struct Check {
    message: Message,
    /// Attributes covered by the integrity.
    covered: usize,
}

impl Check {
    fn authenticate(
        datagram: &[u8],
        credentials: &Credentials,
        crypto: &dyn RTCCrypto,
    ) -> Result<Self, Refused> {
        let mut message = Message::new();
        message.unmarshal_binary(datagram).map_err(|_| Refused::Malformed)?;
        if message.typ != BINDING_REQUEST {
            return Err(Refused::Malformed);
        }
        // RFC 8489 §14.5: what comes after MESSAGE-INTEGRITY is not protected and has to be ignored,
        // USE-CANDIDATE above all.
        let is_integrity = |attribute: &RawAttribute| attribute.typ == ATTR_MESSAGE_INTEGRITY;
        let covered = message.attributes.0.iter().position(is_integrity).ok_or(Refused::Unauthenticated)?;
        MessageIntegrity::check(&mut message, credentials.password.as_bytes(), crypto)
            .map_err(|_| Refused::Unauthenticated)?;
        Ok(Self { message, covered })
    }

    fn has(&self, kind: AttrType) -> bool {
        self.message.attributes.0[..self.covered].iter().any(|attribute| attribute.typ == kind)
    }

    /// A response of the given class and content, under the same password (RFC 8489 §9.1.4).
    fn respond(
        &self,
        credentials: &Credentials,
        crypto: &dyn RTCCrypto,
        class: MessageType,
        content: Box<dyn Setter>,
    ) -> Result<Bytes, Refused> {
        let integrity =
            MessageIntegrity::new_short_term_integrity_with_provider(credentials.password.clone(), crypto);
        let mut response = Message::new();
        response
            .build(&[
                Box::new(class),
                Box::new(self.message.transaction_id),
                content,
                Box::new(integrity),
                Box::new(FINGERPRINT),
            ])
            .map_err(|_| Refused::Malformed)?;
        Ok(Bytes::from(response.raw))
    }
}
