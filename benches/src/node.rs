//! A whole node with one camera and many receivers, real keys included, and everything else in virtual time.
//!
//! Owns the far ends, which are the real thing's other halves: connectivity checks, the client of the handshake, SRTP,
//! feedback by transport-wide number. What the node costs is what its caller measures around [`Turn::take`].

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use packet::{ExtensionIds, OutgoingHeader, RtcpItem, RtpPacket, write_rtcp};
use sfu::{Config, Input, Output, SessionId, Sfu};
use signalling::{Capabilities, ClientMessage, Device, DeviceClass, Join, ServerMessage};
use simulator::rooms::feedback::Arrivals;
use simulator::rooms::sdp::{self, Answer, Offer, Sending};
use transport::check::Check;
use transport::demux::{self, Class};
use transport::peer::{Peer, PeerIdentity};
use transport::{Identity, Security, Transmit};
use units::Timestamp;

use crate::camera::{Camera, FPS};

/// Bytes of a datagram that are looked at: fixed header, CSRC, extensions.
const HEAD: usize = 48;
/// Where the node is reached.
const LOCAL: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9);
/// Between reports of a receiver.
const REPORT: Duration = Duration::from_millis(50);
/// What a frame takes.
const FRAME: Duration = Duration::from_micros(1_000_000 / FPS);

/// One participant as the node sees it from outside.
struct End {
    source: SocketAddr,
    peer: Peer,
    arrivals: Arrivals,
    next_report: Timestamp,
}

/// See the module's documentation.
pub struct Node {
    sfu: Sfu,
    now: Timestamp,
    ids: ExtensionIds,
    camera: Camera,
    publisher: End,
    receivers: Vec<End>,
    next_frame: Timestamp,
    wants_keyframe: bool,
    transport_wide: u16,
    /// What left and was not yet seen by its receiver.
    left: Vec<Left>,
}

impl Node {
    /// A call in which every receiver gets everything. `acknowledged` receivers report arrivals, so that the node estimates and
    /// paces for each. `source` is the address of each participant, the publisher's first.
    ///
    /// # Panics
    /// When somebody does not get everything: the figures would be of something else.
    pub fn settled(
        receivers: usize,
        packets_per_frame: u64,
        acknowledged: bool,
        source: impl Fn(usize) -> SocketAddr,
    ) -> Self {
        let mut transport =
            transport::Config::new(Security::DtlsSrtp(Identity::generate().expect("a key pair")));
        transport.candidates = vec![LOCAL];
        // Nobody checks connectivity again.
        transport.consent_timeout = Duration::from_secs(86_400);
        let config = Config { hold: Duration::from_millis(1), ..Config::new(transport) };
        let config = Config {
            limits: sfu::Limits { participants_per_room: receivers + 1, ..config.limits },
            ..config
        };
        let mut sfu = Sfu::new(config, [7; 32]);
        let identity = PeerIdentity::generate().expect("a key pair");
        let now = Timestamp::from_secs(1);
        let publisher = join(&mut sfu, now, 0, true, true, source(0), &identity);
        let receivers = (1..=receivers)
            .map(|at| join(&mut sfu, now, at, false, acknowledged, source(at), &identity))
            .collect();
        let mut node = Self {
            sfu,
            now,
            ids: sdp::extension_ids(),
            camera: Camera::with_packets(packets_per_frame),
            publisher,
            receivers,
            next_frame: now,
            wants_keyframe: true,
            transport_wide: 0,
            left: Vec::new(),
        };
        let expected = packets_per_frame * node.receivers.len() as u64;
        for _ in 0..20 * FPS {
            node.frame(|_| {});
        }
        let forwarded: u64 = (0..FPS).map(|_| node.frame(|_| {})).sum();
        assert!(
            forwarded.abs_diff(FPS * expected) <= expected,
            "{forwarded} of {} were forwarded: {:?}, {:?}",
            FPS * expected,
            node.sfu.load(),
            node.sfu.stats()
        );
        node
    }

    /// How many receive.
    pub fn receivers(&self) -> usize {
        self.receivers.len()
    }

    /// Passes the time of one frame. `turn` gets to do [`Turn::take`] with the frame's datagrams, and whatever it measures
    /// around it. Returns how many packets of media were forwarded.
    pub fn frame(&mut self, turn: impl FnOnce(&mut Turn<'_>)) -> u64 {
        let datagrams = self.publish();
        let before = self.sfu.stats().packets_out;
        let (local, source) = (LOCAL, self.publisher.source);
        // As the server gives what it received in a batch.
        let inputs = vec![Input::Datagrams { local, source, data: datagrams }];
        let mut once = Turn { sfu: &mut self.sfu, now: self.now, inputs, left: &mut self.left, asked: false };
        turn(&mut once);
        once.take(|_| {});
        self.wants_keyframe |= once.asked;
        let forwarded = self.sfu.stats().packets_out - before;
        self.next_frame += FRAME;
        while self.now < self.next_frame {
            self.arrive();
            self.now += Duration::from_millis(1);
            self.report();
            self.input(Input::Timeout);
        }
        forwarded
    }

    /// The next frame, sealed.
    fn publish(&mut self) -> Vec<BytesMut> {
        let keyframe = std::mem::take(&mut self.wants_keyframe);
        let mut datagrams = Vec::new();
        for packet in self.camera.frame(self.now, keyframe) {
            self.transport_wide = self.transport_wide.wrapping_add(1);
            let header = OutgoingHeader {
                mid: packet::Mid::parse("cam"),
                transport_wide: Some(self.transport_wide),
                ..OutgoingHeader::new(packet.ssrc, sdp::VP8, packet.sequence, packet.timestamp, packet.marker)
            };
            let mut plain = Vec::new();
            header.write(&self.ids, false, &mut plain);
            plain.extend_from_slice(&packet.payload);
            datagrams.push(self.publisher.peer.seal_rtp(&plain).expect("there are keys"));
        }
        datagrams
    }

    /// What left reaches its receivers, who read what is not encrypted.
    fn arrive(&mut self) {
        for left in self.left.drain(..) {
            let Left { destination, mut head } = left;
            // What is cut off cannot be padding.
            head[0] &= !0x20;
            let Ok(at) = self.receivers.binary_search_by_key(&destination, |end| end.source) else {
                continue;
            };
            let Ok(packet) = RtpPacket::parse(Bytes::copy_from_slice(&head), &self.ids) else { continue };
            if let Some(number) = packet.extensions.transport_wide {
                self.receivers[at].arrivals.add(self.now.as_micros() + 20_000, number);
            }
        }
    }

    fn report(&mut self) {
        for at in 0..self.receivers.len() {
            let end = &mut self.receivers[at];
            if end.next_report > self.now {
                continue;
            }
            end.next_report += REPORT;
            let source = end.source;
            for report in end.arrivals.report(1) {
                let mut plain = Vec::new();
                write_rtcp(&[RtcpItem::TransportFeedback(report)], &mut plain);
                let data = self.receivers[at].peer.seal_rtcp(&plain).expect("there are keys");
                self.input(Input::Datagram { local: LOCAL, source, data });
            }
        }
    }

    fn input(&mut self, input: Input) {
        let mut turn = Turn {
            sfu: &mut self.sfu,
            now: self.now,
            inputs: vec![input],
            left: &mut self.left,
            asked: false,
        };
        turn.take(|_| {});
        self.wants_keyframe |= turn.asked;
    }
}

/// The head of a datagram that left: its memory belongs to the node.
struct Left {
    destination: SocketAddr,
    head: [u8; HEAD],
}

/// Inputs that wait, and where their outputs go.
pub struct Turn<'a> {
    sfu: &'a mut Sfu,
    now: Timestamp,
    inputs: Vec<Input>,
    left: &'a mut Vec<Left>,
    asked: bool,
}

impl Turn<'_> {
    /// Gives the node one input after the other, and `send` what is to be sent. Does nothing the second time.
    pub fn take(&mut self, mut send: impl FnMut(Transmit)) {
        for input in self.inputs.drain(..) {
            self.sfu.handle_input(self.now, input);
            loop {
                match self.sfu.poll_output() {
                    Output::Datagram(transmit) => {
                        for datagram in transmit.datagrams.chunks(transmit.segment.max(1)) {
                            // A request for a keyframe is RTCP; an occasional keyframe more does not matter.
                            self.asked |= demux::classify(datagram) == Class::Rtcp && datagram.len() < 40;
                            if let Some(head) = datagram.first_chunk() {
                                self.left.push(Left { destination: transmit.destination, head: *head });
                            }
                        }
                        send(transmit);
                    }
                    Output::Message { .. }
                    | Output::CloseSession { .. }
                    | Output::RoomHeld { .. }
                    | Output::Relay { .. }
                    | Output::Decision(_) => {}
                    Output::Wait(_) => break,
                }
            }
        }
    }
}

/// Joins, offers, checks, shakes hands.
fn join(
    sfu: &mut Sfu,
    now: Timestamp,
    at: usize,
    publishes: bool,
    acknowledged: bool,
    source: SocketAddr,
    identity: &Arc<PeerIdentity>,
) -> End {
    let session = SessionId(at as u64);
    let mut offer = Offer {
        ufrag: format!("{at:04}"),
        fingerprint: at as u64,
        sending: Vec::new(),
        video_slots: usize::from(!publishes),
        audio_slots: 1,
    };
    if publishes {
        offer.sending.push(Sending { mid: "cam".to_owned(), rids: Vec::new(), video: true });
    }
    let line = |line: &str| match line {
        line if line.starts_with("a=fingerprint:") => {
            format!("a=fingerprint:sha-256 {}\r\n", identity.fingerprint())
        }
        line if !acknowledged && line.contains("transport-wide-cc") => String::new(),
        line => format!("{line}\r\n"),
    };
    let sdp = offer.sdp().lines().map(line).collect();
    let capabilities = Capabilities {
        device: Some(Device { class: DeviceClass::Desktop, model: None }),
        ..Capabilities::default()
    };
    let join = Join {
        room: "bench".to_owned(),
        name: "somebody".to_owned(),
        token: None,
        capabilities,
        resume: None,
    };
    say(sfu, now, session, ClientMessage::Join(join));
    let answers = say(sfu, now, session, ClientMessage::Offer(signalling::Offer { sdp }));
    let answer = answers
        .into_iter()
        .find_map(|message| match message {
            ServerMessage::Answer(answer) => Some(answer.sdp),
            _ => None,
        })
        .expect("a good offer is answered");
    let expected =
        answer.lines().find_map(|line| line.strip_prefix("a=fingerprint:sha-256 ")).expect("a fingerprint");
    let mut peer = Peer::connect(now, identity.clone(), expected).expect("a handshake starts");
    let parsed = Answer::parse(&answer).expect("a whole answer");
    let check = Check {
        ufrag: &parsed.ufrag,
        password: &parsed.password,
        own_ufrag: &offer.ufrag,
        transaction: 1,
        tie_breaker: at as u64,
        nominate: true,
    };
    deliver(sfu, now, source, check.request());
    while let Some(flight) = peer.poll_transmit() {
        for datagram in deliver(sfu, now, source, BytesMut::from(&flight[..])) {
            if demux::classify(&datagram) == Class::Dtls {
                peer.handle_dtls(now, BytesMut::from(&datagram[..])).expect("the handshake goes on");
            }
        }
    }
    assert!(peer.is_connected(), "participant {at} has no keys");
    let spread = Duration::from_micros(at as u64 * 7_919 % 50_000);
    End { source, peer, arrivals: Arrivals::default(), next_report: now + spread }
}

fn say(sfu: &mut Sfu, now: Timestamp, session: SessionId, message: ClientMessage) -> Vec<ServerMessage> {
    sfu.handle_input(now, Input::Message { session, message });
    let mut heard = Vec::new();
    loop {
        match sfu.poll_output() {
            Output::Message { session: to, message } if to == session => heard.push(message),
            Output::Wait(_) => return heard,
            _ => {}
        }
    }
}

fn deliver(sfu: &mut Sfu, now: Timestamp, source: SocketAddr, data: BytesMut) -> Vec<Bytes> {
    sfu.handle_input(now, Input::Datagram { local: LOCAL, source, data });
    let mut sent = Vec::new();
    loop {
        match sfu.poll_output() {
            Output::Datagram(transmit) if transmit.destination == source => sent.extend(transmit.iter()),
            Output::Wait(_) => return sent,
            _ => {}
        }
    }
}

/// An address per participant that leads nowhere.
pub fn made_up(at: usize) -> SocketAddr {
    // 127/8 has room for any number of participants.
    ([127, 1, (at >> 8) as u8, at as u8], 4_000).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_gets_everything_over_real_keys() {
        for acknowledged in [false, true] {
            let mut node = Node::settled(3, 4, acknowledged, made_up);
            let mut sent = 0;
            let forwarded: u64 =
                (0..30).map(|_| node.frame(|turn| turn.take(|run| sent += run.count() as u64))).sum();
            assert!(forwarded.abs_diff(30 * 4 * 3) <= 24, "{forwarded}");
            assert!(sent >= forwarded, "{sent} of {forwarded} in the turn of the frame that they are of");
        }
    }
}
