//! The transport itself: dispatches what comes in to its parts and queues what goes out. Decisions live in
//! the parts.

mod data;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use packet::header::put_padding;
use packet::{ExtensionIds, OutgoingHeader, RtcpItem, RtpPacket, parse_rtcp, write_rtcp};
use rand::{CryptoRng, RngExt};
use rtc_crypto::RTCCryptoProvider;
use units::Timestamp;

use crate::channel::Channel;
use crate::config::{Config, Security};
use crate::demux::{self, Class};
use crate::dtls::{Dtls, Outcome};
use crate::event::{CloseReason, Event, IncomingRtp, Path, Transmit};
use crate::ice_lite::{self, Credentials, IceLite};
use crate::reception::{Arrived, Reception, ReportKind};
use crate::run::{Ended, Run};
use crate::sdp::answer::{self, OwnParameters};
use crate::sdp::negotiate::{self, Agreement};
use crate::sdp::{Answer, OfferError, offer};
use crate::section::Section;
use crate::srtp::{self, Srtp};
use crate::stats::TransportStats;
use crate::streams::{Change, Dropped, Media, Streams};

/// Events waiting to be fetched. One datagram makes at most a handful, and the owner fetches after each.
const MAX_EVENTS: usize = 4_096;
/// Bytes of an outgoing header at most: CSRC and all extensions included, the longest dependency descriptor among them.
const MAX_HEADER: usize = 320;

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

/// How far a transport has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// No offer yet.
    New,
    /// Answered; media may not flow yet.
    Connecting {
        deadline: Timestamp,
    },
    Connected,
    Closed,
}

/// What stands between a datagram and plain media.
enum Protection {
    /// No keys yet.
    Pending,
    Srtp(Box<Srtp>),
    /// [`Security::Plaintext`].
    None,
}

/// What the offers so far have settled.
struct Session {
    id: u64,
    version: u64,
    remote_ufrag: String,
    fingerprints: Vec<String>,
    agreement: Agreement,
}

/// One participant's transport. See the crate's documentation for how to drive it.
pub struct Transport {
    config: Arc<Config>,
    crypto: Arc<dyn RTCCryptoProvider>,
    phase: Phase,
    session: Session,
    ice: IceLite,
    dtls: Option<Dtls>,
    /// Since an offer had a section for one.
    channel: Option<Box<Channel>>,
    protection: Protection,
    streams: Streams,
    reception: Reception,
    transmits: VecDeque<Transmit>,
    events: VecDeque<Event>,
    stats: TransportStats,
    /// The packet being built; kept for its memory.
    scratch: Vec<u8>,
}

impl Transport {
    /// A transport that waits for its first offer. Draws the ICE credentials from `rng`.
    pub fn new(_now: Timestamp, config: Arc<Config>, rng: &mut impl CryptoRng) -> Self {
        let (crypto, dtls, protection) = match &config.security {
            Security::DtlsSrtp(identity) => {
                (identity.provider().clone(), Some(Dtls::new(identity.clone())), Protection::Pending)
            }
            Security::Plaintext => {
                let provider = rtc_crypto::default_provider().expect("the provider is compiled in");
                (provider, None, Protection::None)
            }
        };
        let session = Session {
            // RFC 8866 §5.2 wants a number; RFC 8829 §5.2.1 keeps the top bit clear.
            id: rng.random::<u64>() >> 1,
            version: 0,
            remote_ufrag: String::new(),
            fingerprints: Vec::new(),
            agreement: Agreement::default(),
        };
        Self {
            ice: IceLite::new(
                Credentials::draw(config.node, rng),
                config.max_sources,
                config.consent_timeout,
            ),
            reception: Reception::new(&config, rng.random()),
            crypto,
            phase: Phase::New,
            session,
            dtls,
            channel: None,
            protection,
            streams: Streams::default(),
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            stats: TransportStats::default(),
            scratch: Vec::new(),
            config,
        }
    }

    /// Our ICE user name fragment, by which connectivity checks from unknown addresses find this transport
    /// ([`crate::demux::stun_local_ufrag`]). Changes when the client restarts ICE.
    pub fn ufrag(&self) -> &str {
        &self.ice.credentials().ufrag
    }

    /// Takes the client's offer, the first or a later one, and answers it. Draws SSRCs of new slots from
    /// `rng`, and new ICE credentials if the client restarts ICE.
    ///
    /// # Errors
    /// [`OfferError`] says what the client has to change; the transport is as before.
    pub fn handle_offer(
        &mut self,
        now: Timestamp,
        sdp: &str,
        rng: &mut impl CryptoRng,
    ) -> Result<Answer, OfferError> {
        if self.phase == Phase::Closed {
            return Err(OfferError::Closed);
        }
        let offer = offer::parse(sdp, &self.config)?;
        let is_first = self.phase == Phase::New;
        // RFC 8842 §5.3: another certificate would need another handshake.
        let is_known = |fingerprint| self.session.fingerprints.contains(fingerprint);
        if !is_first && !offer.fingerprints.is_empty() && !offer.fingerprints.iter().any(is_known) {
            return Err(OfferError::OtherConnection);
        }
        let agreement = negotiate::agree(&offer, &self.session.agreement, &self.config, rng)?;

        let ice_restarted = !is_first && offer.ice_ufrag != self.session.remote_ufrag;
        if ice_restarted {
            self.ice.restart(Credentials::draw(self.config.node, rng));
        }
        if is_first {
            self.phase = Phase::Connecting { deadline: now + self.config.handshake_timeout };
            self.session.fingerprints.clone_from(&offer.fingerprints);
        }
        let ended = self.streams.set_agreement(&agreement);
        self.apply(&ended);
        let sdp = self.write_answer(&offer, &agreement);
        self.session.version += 1;
        self.session.remote_ufrag = offer.ice_ufrag;
        self.session.agreement = agreement;
        self.expect_channel();
        let agreement = &self.session.agreement;
        Ok(Answer {
            sdp,
            sections: agreement.sections.clone(),
            extensions: agreement.extensions,
            acknowledgement: agreement.acknowledgement,
            ice_restarted,
        })
    }

    fn write_answer(&self, offer: &crate::sdp::model::Offer, agreement: &Agreement) -> String {
        let credentials = self.ice.credentials();
        let fingerprint = match &self.config.security {
            Security::DtlsSrtp(identity) => Some(identity.fingerprint()),
            Security::Plaintext => None,
        };
        answer::write(
            offer,
            agreement,
            &OwnParameters {
                session_id: self.session.id,
                version: self.session.version,
                ufrag: &credentials.ufrag,
                password: &credentials.password,
                fingerprint,
                candidates: &self.config.candidates,
                tcp_candidates: &self.config.tcp_candidates,
                channel_message_bytes: self.config.channel_message_bytes.unwrap_or_default(),
            },
        )
    }

    /// Takes a UDP datagram that arrived at `local` from `source`. Results are drained by the `poll_` methods.
    pub fn handle_datagram(
        &mut self,
        now: Timestamp,
        local: SocketAddr,
        source: SocketAddr,
        datagram: BytesMut,
    ) {
        self.handle_from(now, Path::udp(local, source), datagram);
    }

    /// Takes a datagram that arrived by any protocol.
    pub fn handle_from(&mut self, now: Timestamp, path: Path, datagram: BytesMut) {
        if self.phase == Phase::Closed {
            return;
        }
        self.stats.datagrams_in += 1;
        self.stats.bytes_in += datagram.len() as u64;
        match demux::classify(&datagram) {
            Class::Stun => self.handle_stun(now, path, &datagram),
            Class::Unknown => self.stats.malformed += 1,
            _ if !self.ice.is_valid(path) => self.stats.unknown_source += 1,
            Class::Dtls => self.handle_dtls(now, datagram),
            Class::Rtp => self.handle_rtp(now, datagram),
            Class::Rtcp => self.handle_rtcp(now, path, datagram),
        }
    }

    fn handle_stun(&mut self, now: Timestamp, path: Path, datagram: &[u8]) {
        let mut events = Vec::new();
        match self.ice.handle_check(now, path, datagram, self.crypto.crypto(), &mut events) {
            Ok(response) => {
                self.stats.checks_answered += 1;
                self.transmit(path, response);
            }
            Err(ice_lite::Refused::Malformed) => self.stats.stun_malformed += 1,
            Err(ice_lite::Refused::Unauthenticated) => self.stats.stun_unauthenticated += 1,
            Err(ice_lite::Refused::Replayed) => self.stats.stun_replayed += 1,
        }
        events.into_iter().for_each(|event| self.emit(event));
        let needs_no_keys = matches!(self.protection, Protection::None);
        if needs_no_keys && self.ice.selected().is_some() {
            self.connect();
        }
    }

    fn handle_dtls(&mut self, now: Timestamp, datagram: BytesMut) {
        let Some(dtls) = &mut self.dtls else {
            self.stats.malformed += 1;
            return;
        };
        let outcome = dtls.handle_datagram(now, datagram, &self.session.fingerprints);
        self.flush_dtls();
        match outcome {
            Outcome::Pending => {}
            Outcome::Malformed => self.stats.dtls_malformed += 1,
            Outcome::Refused => self.stats.dtls_failed += 1,
            Outcome::Connected(srtp) => {
                self.protection = Protection::Srtp(srtp);
                self.connect();
            }
            Outcome::Closed(reason) => self.finish(reason),
        }
        self.receive_data(now);
    }

    fn handle_rtp(&mut self, now: Timestamp, mut datagram: BytesMut) {
        let opened = match &mut self.protection {
            Protection::Srtp(srtp) => srtp.open_rtp(&mut datagram),
            Protection::None => Ok(()),
            Protection::Pending => {
                self.stats.too_early += 1;
                return;
            }
        };
        if let Err(refused) = opened {
            return self.count_refused(refused);
        }
        let Ok(packet) = RtpPacket::parse(datagram.freeze(), &self.session.agreement.extensions) else {
            self.stats.rtp_malformed += 1;
            return;
        };
        let arrived = Arrived::from(&packet);
        let mut changes = Vec::new();
        let arrival = self.streams.arrive(packet, &mut changes);
        self.apply(&changes);
        self.reception.arrived(now, arrived);
        let Media { mid, rid, codec, packet, redundant, repaired } = match arrival {
            Ok(media) => media,
            Err(dropped) => return self.count_dropped(dropped),
        };
        if repaired {
            self.stats.rtx_restored += 1;
            self.reception.repaired(now, packet.ssrc, packet.sequence);
        }
        self.emit(Event::Rtp(IncomingRtp { mid, rid, packet, redundant, repaired, codec, arrival: now }));
    }

    fn handle_rtcp(&mut self, now: Timestamp, path: Path, mut datagram: BytesMut) {
        let opened = match &mut self.protection {
            Protection::Srtp(srtp) => srtp.open_rtcp(&mut datagram),
            Protection::None => Ok(()),
            Protection::Pending => {
                self.stats.too_early += 1;
                return;
            }
        };
        if let Err(refused) = opened {
            return self.count_refused(refused);
        }
        let batch = parse_rtcp(&datagram);
        self.ice.heard(now, path);
        self.stats.rtcp_malformed += u64::from(batch.malformed);
        for item in &batch.items {
            if let RtcpItem::SenderReport { ssrc, ntp, .. } = item {
                self.reception.sender_report(now, *ssrc, *ntp);
            }
        }
        if !batch.items.is_empty() {
            self.emit(Event::Rtcp(batch.items));
        }
    }

    fn count_refused(&mut self, refused: srtp::Refused) {
        match refused {
            srtp::Refused::Malformed => self.stats.malformed += 1,
            srtp::Refused::Unauthenticated => self.stats.srtp_unauthenticated += 1,
            srtp::Refused::Replayed => self.stats.srtp_replayed += 1,
        }
    }

    fn count_dropped(&mut self, dropped: Dropped) {
        match dropped {
            Dropped::Unidentified => self.stats.unidentified += 1,
            Dropped::PayloadType => self.stats.unknown_payload_type += 1,
            Dropped::Inactive => self.stats.inactive_section += 1,
            Dropped::Padding => self.stats.padding_only += 1,
            Dropped::Duplicate => self.stats.rtx_duplicates += 1,
            Dropped::Unmatched => self.stats.rtx_unmatched += 1,
        }
    }

    /// Tells those who keep state by SSRC.
    fn apply(&mut self, changes: &[Change]) {
        for change in changes {
            match *change {
                Change::Appeared { ssrc, clock_rate, repairable } => {
                    self.reception.bind(ssrc, clock_rate, repairable);
                }
                Change::Ended { ssrc } => {
                    self.reception.unbind(ssrc);
                    if let Protection::Srtp(srtp) = &mut self.protection {
                        srtp.forget(ssrc);
                    }
                }
            }
        }
    }

    /// Queues one RTP packet in a datagram of its own; see [`Transport::write_rtp`].
    ///
    /// # Errors
    /// [`SendError`]; nothing is queued then.
    pub fn send_rtp(
        &mut self,
        header: &OutgoingHeader,
        payload: &[&[u8]],
        padding: u8,
    ) -> Result<usize, SendError> {
        let mut run = Run::default();
        let size = self.write_rtp(header, payload, padding, &mut run)?;
        self.send_run(&mut run);
        Ok(size)
    }

    /// Adds one RTP packet to a run: the header written fresh with the negotiated extension ids, then the parts of the payload
    /// one after the other (a rewritten descriptor or the original sequence number of a retransmission, then the shared
    /// payload), then `padding` bytes of padding; sealed where it was written. A run that has no room for it is queued first.
    /// Returns the size of the datagram. [`Transport::send_run`] ends the run.
    ///
    /// # Errors
    /// [`SendError`]; the run is as before then.
    pub fn write_rtp(
        &mut self,
        header: &OutgoingHeader,
        payload: &[&[u8]],
        padding: u8,
        run: &mut Run,
    ) -> Result<usize, SendError> {
        self.sendable()?;
        let body: usize = payload.iter().map(|part| part.len()).sum();
        let most = MAX_HEADER + body + usize::from(padding) + srtp::MAX_OVERHEAD;
        let full = run.make_room(most);
        self.queue(full);
        let Self { session, protection, .. } = self;
        let mut size = 0;
        let before = run.add(|packet| {
            let start = packet.len();
            header.write(&session.agreement.extensions, padding > 0, packet);
            payload.iter().for_each(|part| packet.extend_from_slice(part));
            put_padding(padding, packet);
            if let Protection::Srtp(srtp) = protection {
                srtp.seal_rtp(packet, start).map_err(|_| SendError::Encryption)?;
            }
            size = packet.len() - start;
            Ok(())
        })?;
        self.queue(before);
        Ok(size)
    }

    /// Ends a run and queues what it holds.
    pub fn send_run(&mut self, run: &mut Run) {
        self.queue(run.end());
    }

    fn queue(&mut self, run: Option<Ended>) {
        // Nothing is written without a path.
        if let Some(((datagrams, segment), path)) = run.zip(self.ice.selected()) {
            self.transmit_run(path, datagrams, segment);
        }
    }

    /// Queues the items as one RTCP datagram. Returns its size; zero, and nothing queued, when there is
    /// nothing to say.
    ///
    /// # Errors
    /// [`SendError`]; nothing is queued then.
    pub fn send_rtcp(&mut self, _now: Timestamp, items: &[RtcpItem]) -> Result<usize, SendError> {
        let path = self.sendable()?;
        self.scratch.clear();
        write_rtcp(items, &mut self.scratch);
        self.send_scratch_rtcp(path)
    }

    fn send_scratch_rtcp(&mut self, path: Path) -> Result<usize, SendError> {
        if self.scratch.is_empty() {
            return Ok(0);
        }
        let datagram = match &mut self.protection {
            Protection::Srtp(srtp) => {
                let mut packet = BytesMut::with_capacity(self.scratch.len() + srtp::MAX_OVERHEAD);
                packet.extend_from_slice(&self.scratch);
                srtp.seal_rtcp(&mut packet).map_err(|_| SendError::Encryption)?;
                packet.freeze()
            }
            _ => Bytes::copy_from_slice(&self.scratch),
        };
        let size = datagram.len();
        self.transmit(path, datagram);
        Ok(size)
    }

    /// Where media goes, if it may.
    fn sendable(&self) -> Result<Path, SendError> {
        match self.ice.selected() {
            Some(_) if self.transmits.len() >= self.config.max_queued_transmits => Err(SendError::QueueFull),
            Some(path) if self.phase == Phase::Connected => Ok(path),
            _ => Err(SendError::NotConnected),
        }
    }

    /// The next datagram for the socket.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    /// The next thing that happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Does what is due at `now`: retransmits handshake flights, reports reception, lets sources expire.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        if self.phase == Phase::Closed {
            return;
        }
        if matches!(self.phase, Phase::Connecting { deadline } if now >= deadline) {
            let reason = self.dtls.as_ref().map_or(CloseReason::HandshakeTimeout, Dtls::unfinished);
            return self.finish(reason);
        }
        let mut events = Vec::new();
        let is_there = self.ice.handle_timeout(now, &mut events);
        events.into_iter().for_each(|event| self.emit(event));
        if !is_there {
            return self.finish(CloseReason::ConsentExpired);
        }
        if let Some(dtls) = &mut self.dtls
            && dtls.poll_timeout().is_some_and(|due| now >= due)
        {
            if matches!(dtls.handle_timeout(now), Outcome::Refused) {
                self.stats.dtls_failed += 1;
            }
            self.flush_dtls();
        }
        if let Some(channel) = &mut self.channel
            && channel.poll_timeout().is_some_and(|due| now >= due)
        {
            let news = channel.handle_timeout(now);
            self.settle_channel(now, news);
        }
        if self.reception.poll_timeout().is_some_and(|due| now >= due) {
            self.report(now);
        }
    }

    fn report(&mut self, now: Timestamp) {
        for report in self.reception.handle_timeout(now) {
            let Ok(path) = self.sendable() else { return };
            self.scratch.clear();
            self.scratch.extend_from_slice(&report.bytes);
            if self.send_scratch_rtcp(path).is_err() {
                continue;
            }
            match report.kind {
                ReportKind::Nack(asked) => self.stats.nacks_sent += asked,
                ReportKind::TransportFeedback => self.stats.feedback_sent += 1,
                ReportKind::ReceiverReport(blocks) => self.stats.report_blocks_sent += blocks,
            }
        }
    }

    /// When [`Self::handle_timeout`] is due if nothing happens before; `None` when closed.
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        let handshake = match self.phase {
            Phase::Closed => return None,
            Phase::Connecting { deadline } => Some(deadline),
            Phase::New | Phase::Connected => None,
        };
        let dtls = self.dtls.as_ref().and_then(Dtls::poll_timeout);
        let channel = self.channel.as_ref().and_then(|channel| channel.poll_timeout());
        [handshake, self.ice.poll_timeout(), dtls, channel, self.reception.poll_timeout()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Says goodbye to the participant (DTLS close_notify) and finishes the transport: drain `poll_transmit`
    /// and `poll_event` once more.
    pub fn close(&mut self, now: Timestamp) {
        if self.phase == Phase::Closed {
            return;
        }
        if let Some(dtls) = &mut self.dtls {
            dtls.close(now);
        }
        self.flush_dtls();
        self.finish(CloseReason::Local);
    }

    /// The sections after the last answer, in the order of the offer.
    pub fn sections(&self) -> &[Section] {
        &self.session.agreement.sections
    }

    /// The negotiated header extensions.
    pub fn extensions(&self) -> &ExtensionIds {
        &self.session.agreement.extensions
    }

    /// True from [`Event::Connected`] until [`Event::Closed`].
    pub fn is_connected(&self) -> bool {
        self.phase == Phase::Connected
    }

    /// Every way that belongs to this transport.
    pub fn sources(&self) -> impl Iterator<Item = Path> + '_ {
        self.ice.paths()
    }

    /// The counters.
    pub fn stats(&self) -> &TransportStats {
        &self.stats
    }

    fn connect(&mut self) {
        if matches!(self.phase, Phase::Connecting { .. }) {
            self.phase = Phase::Connected;
            self.emit(Event::Connected);
        }
    }

    fn finish(&mut self, reason: CloseReason) {
        self.phase = Phase::Closed;
        // A record after this must not start a handshake anew.
        self.dtls = None;
        self.channel = None;
        self.protection = Protection::Pending;
        // The last event has to find room.
        self.events.truncate(MAX_EVENTS);
        self.events.push_back(Event::Closed(reason));
    }

    fn flush_dtls(&mut self) {
        while let Some(datagram) = self.dtls.as_mut().and_then(Dtls::poll_transmit) {
            if let Some(path) = self.ice.selected() {
                self.transmit(path, datagram);
            }
        }
    }

    fn transmit(&mut self, path: Path, datagram: Bytes) {
        let segment = datagram.len();
        self.transmit_run(path, datagram, segment);
    }

    fn transmit_run(&mut self, path: Path, datagrams: Bytes, segment: usize) {
        if self.transmits.len() >= self.config.max_queued_transmits {
            self.stats.transmit_overflow += 1;
            return;
        }
        let Path { protocol, local, source: destination } = path;
        let transmit = Transmit { protocol, local, destination, datagrams, segment };
        self.stats.datagrams_out += transmit.count() as u64;
        self.stats.bytes_out += transmit.datagrams.len() as u64;
        self.transmits.push_back(transmit);
    }

    fn emit(&mut self, event: Event) {
        if self.events.len() >= MAX_EVENTS {
            self.stats.event_overflow += 1;
            return;
        }
        self.events.push_back(event);
    }
}
