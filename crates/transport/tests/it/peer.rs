//! A whole WebRTC implementation as the other side: its offer, its ICE agent, its handshake, and its opinion of our answer. The
//! `rtc` crate shares our libraries below, but not one line of what this crate adds to them.

use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use packet::OutgoingHeader;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::configuration::interceptor_registry::configure_simulcast_extension_headers;
use rtc::peer_connection::configuration::media_engine::{MIME_TYPE_RTX, MIME_TYPE_VP8, MediaEngine};
use rtc::peer_connection::configuration::setting_engine::SettingEngineBuilder;
use rtc::peer_connection::event::{RTCDataChannelEvent, RTCPeerConnectionEvent};
use rtc::peer_connection::message::RTCMessage;
use rtc::peer_connection::sdp::RTCSessionDescription;
use rtc::peer_connection::state::RTCPeerConnectionState;
use rtc::peer_connection::transport::{CandidateConfig, CandidateHostConfig, RTCIceCandidate};
use rtc::peer_connection::{RTCPeerConnection, RTCPeerConnectionBuilder};
use rtc::rtp_transceiver::rtp_sender::{
    RTCPFeedback, RTCRtpCodec, RTCRtpCodecParameters, RTCRtpCodingParameters, RTCRtpEncodingParameters,
    RTCRtpRtxParameters, RtpCodecKind,
};
use rtc::rtp_transceiver::{RTCRtpSenderId, RTCRtpTransceiverDirection, RTCRtpTransceiverInit};
use rtc::sansio::Protocol;
use rtc::shared::{TaggedBytesMut, TransportContext, TransportProtocol};
use transport::{Event, Identity, IncomingRtp, Section, Security, Transport};
use units::Timestamp;

use crate::call::{address, config, mid, rid};

#[expect(
    clippy::disallowed_methods,
    reason = "an arbitrary origin for the library; tests run in virtual time"
)]
static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);

const LOCAL: &str = "192.0.2.1:3478";
const SOURCE: &str = "198.51.100.7:50000";
const SSRCS: [(u32, &str, u32); 3] = [(11, "q", 21), (12, "h", 22), (13, "f", 23)];

pub(crate) struct Pair {
    pub(crate) now: Timestamp,
    pub(crate) peer: RTCPeerConnection,
    sender: RTCRtpSenderId,
    pub(crate) transport: Transport,
    rng: ChaCha8Rng,
    media: Vec<IncomingRtp>,
    received: Vec<rtp::Packet>,
    is_connected: bool,
    /// What became of the data channel, on our side and on theirs, in order.
    pub(crate) channel: Vec<Event>,
    pub(crate) channel_there: Vec<RTCDataChannelEvent>,
    pub(crate) texts_there: Vec<String>,
    /// Of what we send, every so many datagrams are lost; 0 for none.
    pub(crate) lose_every: usize,
    sent: usize,
}

fn codec(mime_type: &str, payload_type: u8, fmtp: &str) -> RTCRtpCodecParameters {
    let nack = RTCPFeedback { typ: "nack".to_owned(), parameter: String::new() };
    let rtp_codec = RTCRtpCodec {
        mime_type: mime_type.to_owned(),
        clock_rate: 90_000,
        channels: 0,
        sdp_fmtp_line: fmtp.to_owned(),
        rtcp_feedback: if fmtp.is_empty() { vec![nack] } else { Vec::new() },
    };
    RTCRtpCodecParameters { rtp_codec, payload_type }
}

impl Pair {
    pub(crate) fn new() -> Self {
        let mut engine = MediaEngine::default();
        let vp8 = codec(MIME_TYPE_VP8, 96, "");
        engine.register_codec(vp8.clone(), RtpCodecKind::Video).expect("VP8");
        engine.register_codec(codec(MIME_TYPE_RTX, 97, "apt=96"), RtpCodecKind::Video).expect("RTX");
        configure_simulcast_extension_headers(&mut engine).expect("extensions");
        let settings = SettingEngineBuilder::new()
            .with_write_ssrc_attributes_for_simulcast(true)
            .with_ice_connection_attempts(Some(Duration::from_millis(20)), Some(100))
            .build();
        let mut peer = RTCPeerConnectionBuilder::new()
            .with_media_engine(engine)
            .with_setting_engine(settings)
            .build(*ORIGIN)
            .expect("a connection");
        let encodings = SSRCS.map(|(ssrc, name, rtx)| RTCRtpEncodingParameters {
            rtp_coding_parameters: RTCRtpCodingParameters {
                rid: name.to_owned(),
                ssrc: Some(ssrc),
                rtx: Some(RTCRtpRtxParameters { ssrc: rtx }),
                fec: None,
            },
            active: true,
            codec: vp8.rtp_codec.clone(),
            ..RTCRtpEncodingParameters::default()
        });
        let name = || "camera".to_owned();
        let track = MediaStreamTrack::new(name(), name(), name(), RtpCodecKind::Video, encodings.to_vec());
        let sendonly = RTCRtpTransceiverInit {
            direction: RTCRtpTransceiverDirection::Sendonly,
            ..RTCRtpTransceiverInit::default()
        };
        peer.add_transceiver_from_track(track, Some(sendonly)).expect("a camera");
        peer.add_transceiver_from_kind(RtpCodecKind::Video, None).expect("a slot");
        let sender = peer.get_senders().next().expect("a sender");
        let source = address(SOURCE);
        let candidate = CandidateHostConfig {
            base_config: CandidateConfig {
                network: "udp".to_owned(),
                address: source.ip().to_string(),
                port: source.port(),
                component: 1,
                ..CandidateConfig::default()
            },
            ..CandidateHostConfig::default()
        };
        let candidate = candidate.new_candidate_host().expect("a candidate");
        peer.add_local_candidate(RTCIceCandidate::from(&candidate).to_json().expect("JSON")).expect("added");
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let security = Security::DtlsSrtp(Identity::generate().expect("an identity"));
        let now = Timestamp::ZERO;
        Self {
            now,
            peer,
            sender,
            transport: Transport::new(now, Arc::new(config(security)), &mut rng),
            rng,
            media: Vec::new(),
            received: Vec::new(),
            is_connected: false,
            channel: Vec::new(),
            channel_there: Vec::new(),
            texts_there: Vec::new(),
            lose_every: 0,
            sent: 0,
        }
    }

    pub(crate) fn instant(&self) -> Instant {
        *ORIGIN + Duration::from_micros(self.now.as_micros())
    }

    /// An offer and its answer, which the other side has to accept.
    pub(crate) fn negotiate(&mut self) -> String {
        let offer = self.peer.create_offer(None).expect("an offer");
        self.peer.set_local_description(self.instant(), offer.clone()).expect("its own offer");
        let answer = self.transport.handle_offer(self.now, &offer.sdp, &mut self.rng).expect("answered");
        let description = RTCSessionDescription::answer(answer.sdp.clone()).expect("parsed");
        self.peer.set_remote_description(self.instant(), description).expect("our answer is accepted");
        answer.sdp
    }

    /// Exchanges what there is.
    pub(crate) fn exchange(&mut self) {
        let (local, source) = (address(LOCAL), address(SOURCE));
        for _ in 0..50 {
            let mut is_quiet = true;
            while let Some(message) = self.peer.poll_write() {
                is_quiet = false;
                self.sent += 1;
                if self.lose_every == 0 || !self.sent.is_multiple_of(self.lose_every) {
                    self.transport.handle_datagram(self.now, local, source, message.message);
                }
            }
            while let Some(transmit) = self.transport.poll_transmit() {
                is_quiet = false;
                assert_eq!((transmit.local, transmit.destination), (local, source));
                self.sent += 1;
                if self.lose_every != 0 && self.sent.is_multiple_of(self.lose_every) {
                    continue;
                }
                let transport = TransportContext {
                    local_addr: source,
                    peer_addr: local,
                    ecn: None,
                    transport_protocol: TransportProtocol::UDP,
                };
                let message = BytesMut::from(&transmit.datagrams[..]);
                let _ = self.peer.handle_read(TaggedBytesMut { now: self.instant(), transport, message });
            }
            while let Some(event) = self.transport.poll_event() {
                match event {
                    Event::Rtp(incoming) => self.media.push(incoming),
                    Event::ChannelOpened | Event::ChannelText(_) | Event::ChannelClosed => {
                        self.channel.push(event);
                    }
                    _ => {}
                }
            }
            while let Some(event) = self.peer.poll_event() {
                match event {
                    RTCPeerConnectionEvent::OnConnectionStateChangeEvent(state) => {
                        self.is_connected = state == RTCPeerConnectionState::Connected;
                    }
                    RTCPeerConnectionEvent::OnDataChannel(event) => self.channel_there.push(event),
                    _ => {}
                }
            }
            while let Some(message) = self.peer.poll_read() {
                match message.message {
                    RTCMessage::RtpPacket(_, packet) => self.received.push(packet),
                    RTCMessage::DataChannelMessage(_, text) => {
                        self.texts_there.push(String::from_utf8(text.data.to_vec()).expect("a text"));
                    }
                    _ => {}
                }
            }
            if is_quiet {
                return;
            }
        }
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.now += Duration::from_millis(10);
            let _ = self.peer.handle_timeout(self.instant());
            self.transport.handle_timeout(self.now);
            self.exchange();
        }
    }

    pub(crate) fn connect(&mut self) {
        self.negotiate();
        self.pass(Duration::from_secs(2));
        assert!(self.transport.is_connected() && self.is_connected, "{:?}", self.transport.stats());
    }

    /// Sends one packet of an encoding, named by MID and RID as the answer numbered them.
    pub(crate) fn send(&mut self, ssrc: u32, name: &str, sequence: u16) {
        let now = self.instant();
        let mut sender = self.peer.rtp_sender(self.sender).expect("a sender");
        let extensions = sender.get_parameters().rtp_parameters.header_extensions.clone();
        let mut header = rtp::Header {
            version: 2,
            payload_type: 96,
            sequence_number: sequence,
            timestamp: u32::from(sequence) * 3_000,
            ssrc,
            ..rtp::Header::default()
        };
        for (uri, value) in [(packet::ExtensionUri::Mid, "0"), (packet::ExtensionUri::Rid, name)] {
            let id = extensions.iter().find(|e| e.uri == uri.as_uri()).expect("our answer kept it").id;
            header.set_extension(id as u8, Bytes::copy_from_slice(value.as_bytes())).expect("fits");
        }
        let payload = Bytes::from_static(&[0x10, 1, 2, 3]);
        sender.write_rtp(now, rtp::Packet { header, payload }).expect("queued");
    }
}

#[test]
fn a_native_client_connects_and_media_flows_both_ways() {
    let mut pair = Pair::new();
    pair.connect();
    for (ssrc, name, _) in SSRCS {
        pair.send(ssrc, name, 5);
    }
    pair.exchange();
    let found: Vec<_> = pair.media.iter().map(|m| (m.mid, m.rid, m.packet.ssrc, m.packet.sequence)).collect();
    assert_eq!(
        found,
        SSRCS.map(|(ssrc, name, _)| (mid("0"), rid(name), ssrc, 5)),
        "{:?}",
        pair.transport.stats()
    );

    let slot = pair.transport.sections().iter().find_map(|section| match section {
        Section::Slot(slot) => Some(slot.clone()),
        _ => None,
    });
    let slot = slot.expect("the recvonly section");
    for sequence in 0..5 {
        let header = OutgoingHeader::new(slot.ssrc, slot.codecs[0].payload_type, sequence, 0, false);
        pair.transport.send_rtp(&header, &[&[0x10, 0, 0, 0]], 0).expect("connected");
    }
    pair.exchange();
    let numbers: Vec<u16> = pair.received.iter().map(|p| p.header.sequence_number).collect();
    assert_eq!(numbers, [0, 1, 2, 3, 4], "without MID, by the SSRC lines of our answer");
}

#[test]
fn a_native_client_may_add_slots_later() {
    let mut pair = Pair::new();
    pair.connect();
    pair.peer.add_transceiver_from_kind(RtpCodecKind::Video, None).expect("another slot");
    let answer = pair.negotiate();
    assert!(answer.contains("a=group:BUNDLE 0 1 2\r\n"), "{answer}");
    pair.pass(Duration::from_secs(1));
    pair.send(11, "q", 9);
    pair.exchange();
    assert_eq!(pair.media.last().map(|m| m.packet.sequence), Some(9));
    assert!(pair.is_connected);
}
