//! A transport and its client joined over datagrams in memory, in virtual time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use packet::{Mid, Rid, RtcpItem, parse_rtcp};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use transport::demux::{Class, classify};
use transport::{
    Answer, CloseReason, Config, Event, Identity, IncomingRtp, Section, Security, SlotSection, Transmit,
    Transport,
};
use units::Timestamp;

use crate::client::{Client, Flag};
use crate::offers::Offer;

pub(crate) const GCM: SrtpProtectionProfile = SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm;
pub(crate) const SHA1: SrtpProtectionProfile = SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80;

pub(crate) fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

pub(crate) fn mid(text: &str) -> Mid {
    Mid::parse(text).expect("a mid")
}

pub(crate) fn rid(text: &str) -> Option<Rid> {
    Some(Rid::parse(text).expect("a rid"))
}

pub(crate) fn config(security: Security) -> Config {
    Config { candidates: vec![address("192.0.2.1:3478")], ..Config::new(security) }
}

pub(crate) struct Call {
    pub(crate) now: Timestamp,
    pub(crate) transport: Transport,
    pub(crate) client: Client,
    pub(crate) rng: ChaCha8Rng,
    pub(crate) local: SocketAddr,
    pub(crate) source: SocketAddr,
    pub(crate) is_plain: bool,
    pub(crate) events: Vec<Event>,
    /// What the client received: every datagram that is media or feedback, with where it was sent.
    pub(crate) received: Vec<Transmit>,
}

impl Call {
    pub(crate) fn new(security: Security, profiles: &[SrtpProtectionProfile]) -> Self {
        let is_plain = matches!(security, Security::Plaintext);
        Self::with_config(config(security), is_plain, profiles)
    }

    pub(crate) fn with_config(config: Config, is_plain: bool, profiles: &[SrtpProtectionProfile]) -> Self {
        let now = Timestamp::from_secs(1);
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        Self {
            now,
            transport: Transport::new(now, Arc::new(config), &mut rng),
            client: Client::new(profiles),
            rng,
            local: address("192.0.2.1:3478"),
            source: address("198.51.100.7:50000"),
            is_plain,
            events: Vec::new(),
            received: Vec::new(),
        }
    }

    /// A connected call in virtual time, without encryption.
    pub(crate) fn plain(offer: &Offer) -> Self {
        let mut call = Self::new(Security::Plaintext, &[GCM]);
        call.establish(offer);
        call
    }

    /// A connected call with the given profiles of the client, in its order.
    pub(crate) fn secure(offer: &Offer, profiles: &[SrtpProtectionProfile]) -> Self {
        let mut call = Self::new(Security::DtlsSrtp(Identity::generate().expect("an identity")), profiles);
        call.establish(offer);
        call
    }

    pub(crate) fn offer(&mut self, offer: &Offer) -> Answer {
        let sdp = Offer { fingerprint: self.client.fingerprint.clone(), ..offer.clone() }.sdp();
        let answer = self.transport.handle_offer(self.now, &sdp, &mut self.rng).expect("the offer is good");
        self.client.read_answer(&answer.sdp);
        self.pump();
        answer
    }

    fn establish(&mut self, offer: &Offer) {
        self.offer(offer);
        self.check(&[Flag::UseCandidate]);
        if !self.is_plain {
            self.client.start_handshake(self.now);
            self.pump();
        }
        assert!(self.transport.is_connected(), "stats: {:?}", self.transport.stats());
    }

    /// Sends a connectivity check from the usual address.
    pub(crate) fn check(&mut self, flags: &[Flag]) {
        let check = self.client.check(flags);
        self.deliver(check);
    }

    /// Hands the transport a datagram from the usual address.
    pub(crate) fn deliver(&mut self, datagram: BytesMut) {
        self.deliver_from(self.source, datagram);
    }

    pub(crate) fn deliver_from(&mut self, source: SocketAddr, datagram: BytesMut) {
        self.transport.handle_datagram(self.now, self.local, source, datagram);
        self.pump();
    }

    /// Seals and delivers an RTP packet.
    pub(crate) fn send(&mut self, packet: &[u8]) {
        let datagram = if self.is_plain { BytesMut::from(packet) } else { self.client.seal_rtp(packet) };
        self.deliver(datagram);
    }

    pub(crate) fn send_rtcp(&mut self, items: &[RtcpItem]) {
        let mut bytes = Vec::new();
        packet::write_rtcp(items, &mut bytes);
        let datagram = if self.is_plain { BytesMut::from(&bytes[..]) } else { self.client.seal_rtcp(&bytes) };
        self.deliver(datagram);
    }

    /// Exchanges datagrams until both sides are quiet.
    pub(crate) fn pump(&mut self) {
        loop {
            let mut is_quiet = true;
            while let Some(event) = self.transport.poll_event() {
                self.events.push(event);
            }
            while let Some(transmit) = self.transport.poll_transmit() {
                match classify(&transmit.datagrams) {
                    Class::Dtls => {
                        is_quiet = false;
                        self.client.handle_dtls(self.now, &transmit.datagrams);
                    }
                    _ => self.received.push(transmit),
                }
            }
            while let Some(datagram) = self.client.poll_dtls() {
                is_quiet = false;
                self.transport.handle_datagram(self.now, self.local, self.source, datagram);
            }
            if is_quiet {
                return;
            }
        }
    }

    /// Lets time pass, with timeouts when they are due. The client goes on checking connectivity if `alive`.
    pub(crate) fn pass(&mut self, time: Duration, alive: bool) {
        let end = self.now + time;
        let mut next_check = self.now + Duration::from_secs(2);
        loop {
            let due = self.transport.poll_timeout().filter(|due| *due <= end).unwrap_or(end);
            self.now = if alive { due.min(next_check) } else { due }.max(self.now);
            if alive && self.now >= next_check {
                next_check += Duration::from_secs(2);
                self.check(&[Flag::UseCandidate]);
            }
            self.transport.handle_timeout(self.now);
            self.pump();
            if self.now >= end {
                return;
            }
        }
    }

    pub(crate) fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// The media events since the last look.
    pub(crate) fn take_media(&mut self) -> Vec<IncomingRtp> {
        let is_media = |event| match event {
            Event::Rtp(incoming) => Some(incoming),
            _ => None,
        };
        self.take_events().into_iter().filter_map(is_media).collect()
    }

    /// RTP that the client received since the last look, opened.
    pub(crate) fn take_rtp(&mut self) -> Vec<BytesMut> {
        self.take_received(Class::Rtp)
    }

    /// RTCP that the client received since the last look, opened.
    pub(crate) fn take_rtcp(&mut self) -> Vec<RtcpItem> {
        self.take_received(Class::Rtcp).iter().flat_map(|bytes| parse_rtcp(bytes).items).collect()
    }

    fn take_received(&mut self, class: Class) -> Vec<BytesMut> {
        let (wanted, rest) = std::mem::take(&mut self.received)
            .into_iter()
            .partition::<Vec<_>, _>(|transmit| classify(&transmit.datagrams) == class);
        self.received = rest;
        let mut opened = Vec::new();
        for transmit in wanted {
            opened.push(match class {
                _ if self.is_plain => BytesMut::from(&transmit.datagrams[..]),
                Class::Rtcp => self.client.open_rtcp(&transmit.datagrams),
                _ => self.client.open_rtp(&transmit.datagrams),
            });
        }
        opened
    }

    pub(crate) fn close_reason(&self) -> Option<CloseReason> {
        self.events.iter().find_map(|event| match event {
            Event::Closed(reason) => Some(*reason),
            _ => None,
        })
    }

    pub(crate) fn slot(&self, name: &str) -> SlotSection {
        let slot = self.transport.sections().iter().find_map(|section| match section {
            Section::Slot(slot) if slot.mid == mid(name) => Some(slot.clone()),
            _ => None,
        });
        slot.expect("a slot")
    }
}

/// A plain RTP packet as a client writes it.
#[derive(Clone)]
pub(crate) struct Rtp {
    pub(crate) ssrc: u32,
    pub(crate) payload_type: u8,
    pub(crate) sequence: u16,
    pub(crate) timestamp: u32,
    pub(crate) extensions: Vec<(u8, Vec<u8>)>,
    pub(crate) payload: Vec<u8>,
    pub(crate) padding: u8,
}

impl Rtp {
    pub(crate) fn new(ssrc: u32, payload_type: u8, sequence: u16) -> Self {
        Self {
            ssrc,
            payload_type,
            sequence,
            timestamp: u32::from(sequence).wrapping_mul(3_000),
            extensions: Vec::new(),
            payload: vec![0x10, 0xaa, 0xbb, sequence as u8],
            padding: 0,
        }
    }

    pub(crate) fn extension(mut self, id: u8, value: &[u8]) -> Self {
        self.extensions.push((id, value.to_vec()));
        self
    }

    pub(crate) fn payload(mut self, payload: &[u8]) -> Self {
        self.payload = payload.to_vec();
        self
    }

    /// A retransmission of `original` in the stream `ssrc` (RFC 4588 §4).
    pub(crate) fn rtx(original: &Self, ssrc: u32, payload_type: u8, sequence: u16) -> Self {
        let payload = [&original.sequence.to_be_bytes()[..], &original.payload].concat();
        Self { timestamp: original.timestamp, payload, ..Self::new(ssrc, payload_type, sequence) }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let has_extensions = !self.extensions.is_empty();
        let flags = 0x80 | u8::from(self.padding > 0) << 5 | u8::from(has_extensions) << 4;
        let mut bytes = vec![flags, self.payload_type];
        bytes.extend(self.sequence.to_be_bytes());
        bytes.extend(self.timestamp.to_be_bytes());
        bytes.extend(self.ssrc.to_be_bytes());
        if has_extensions {
            let mut block = Vec::new();
            for (id, value) in &self.extensions {
                block.push(id << 4 | (value.len() as u8 - 1));
                block.extend(value);
            }
            block.resize(block.len().next_multiple_of(4), 0);
            bytes.extend([0xbe, 0xde]);
            bytes.extend((block.len() as u16 / 4).to_be_bytes());
            bytes.extend(block);
        }
        bytes.extend(&self.payload);
        if self.padding > 0 {
            bytes.resize(bytes.len() + usize::from(self.padding) - 1, 0);
            bytes.push(self.padding);
        }
        bytes
    }
}
