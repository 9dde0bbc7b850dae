//! A call in virtual time without protection: participants that publish VP8 in three encodings, or one stream of layers, or
//! watch in one slot, on paths that lose nothing and take no time.
//!
//! Owns a client as small as it can be: an offer, connectivity checks, frames, and what it hears. Leaves streams of layers to
//! `scalable`. What links and devices do to a call is for the simulator.

use std::hash::{DefaultHasher, Hash};
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use packet::codec::vp8::{Descriptor, FrameHeader};
use packet::{CcAge, CcFeedback, CcReport, CcStream, Codec, RtcpItem, parse_rtcp, write_rtcp};
use serde_json::{Value, json};
use transport::Protocol;
use transport::check::{self, Check};
use transport::demux::{self, Class};
use units::Timestamp;

use super::scalable::Scalable;
use crate::{Admission, Config, Grant, Input, NodeIndex, Numbering, Output, RelayMessage, SessionId, Sfu};

/// Between two frames, and between two looks at everything else.
const FRAME: Duration = Duration::from_millis(33);
/// Between two checks of one participant, in frames: 2.5 s as browsers do.
const CHECK_FRAMES: u32 = 75;
const VP8: u8 = 96;
const RTX: u8 = 97;
pub(super) const VP9: u8 = 98;
pub(super) const AV1: u8 = 45;
pub(super) const MID: u8 = 4;
const RID: u8 = 10;
const OPUS: u8 = 111;
const LEVEL: u8 = 1;
pub(super) const DEPENDENCY: u8 = 12;
/// RID, width, height, bytes of a frame.
const ENCODINGS: [(&str, u16, u16, usize); 3] =
    [("q", 320, 180, 300), ("h", 640, 360, 600), ("f", 1_280, 720, 1_100)];

/// Where the node is.
pub(super) fn node_address() -> SocketAddr {
    ([192, 0, 2, 1], 3_478).into()
}

/// One participant.
pub(super) struct Peer {
    pub(super) session: u64,
    /// The node that serves it.
    pub(super) node: usize,
    /// How loud it speaks, in dB below overload, if it has a microphone.
    pub(super) voice: Option<u8>,
    pub(super) address: SocketAddr,
    /// Whether it has opened a connection instead of sending datagrams.
    pub(super) protocol: Protocol,
    pub(super) ufrag: String,
    /// Our half of the credentials, from the last answer.
    pub(super) server: Option<(String, String)>,
    transaction: u64,
    publishes: bool,
    /// What it publishes instead of VP8 in three encodings.
    scalable: Option<Scalable>,
    /// The secret of the last `joined`.
    pub(super) resume: String,
    frames: u32,
    keyframe_wanted: bool,
    /// What it was told since the last look.
    heard: Vec<Value>,
    /// When each media packet came, and to which of its addresses.
    pub(super) media: Vec<(Timestamp, SocketAddr)>,
    /// The packets themselves.
    pub(super) packets: Vec<Bytes>,
    /// SSRC, number and arrival of what is not acknowledged yet.
    unacknowledged: Vec<(u32, u16, Timestamp)>,
    /// Whether it acknowledges what it gets, as RFC 8888 has it.
    acknowledges: bool,
}

/// The nodes of a room and everybody in it.
pub(super) struct Call {
    pub(super) nodes: Vec<Node>,
    /// What nodes say to each other, by the time at which it arrives.
    pub(super) wires: Vec<(Timestamp, usize, usize, Box<RelayMessage>)>,
    /// Of everything that came out of any node.
    pub(super) digest: DefaultHasher,
    pub(super) now: Timestamp,
    pub(super) peers: Vec<Peer>,
    /// Whether those who join acknowledge what they get.
    pub(super) acknowledging: bool,
    /// The node that who joins next is placed on, and the home of the room.
    pub(super) place: (usize, usize),
}

/// One node of a call.
pub(super) struct Node {
    pub(super) sfu: Sfu,
    pub(super) deadline: Option<Timestamp>,
    /// How many of the room it says are there.
    pub(super) held: Option<usize>,
}

/// How long words between two nodes are on their way: less in one direction than in the other.
fn wire_time(from: usize, to: usize) -> Duration {
    Duration::from_micros(200 + 300 * from as u64 + 40 * to as u64)
}

impl Call {
    pub(super) fn new() -> Self {
        Self::over(1)
    }

    /// A call over so many nodes.
    pub(super) fn over(count: u16) -> Self {
        let node = |own| {
            let transport = transport::Config {
                candidates: vec![node_address()],
                ..transport::Config::new(transport::Security::Plaintext)
            };
            let mut config = Config::new(transport);
            config.router.numbering = Numbering::new(NodeIndex(own), NonZeroU16::new(count).unwrap());
            Node { sfu: Sfu::new(config, [7; 32]), deadline: None, held: None }
        };
        Self {
            nodes: (0..count).map(node).collect(),
            wires: Vec::new(),
            digest: DefaultHasher::new(),
            now: Timestamp::ZERO,
            peers: Vec::new(),
            acknowledging: false,
            place: (0, 0),
        }
    }

    /// The first node.
    pub(super) fn sfu(&self) -> &Sfu {
        &self.nodes[0].sfu
    }

    /// Somebody joins, offers, and is connected. Returns its place. `joining` is put into the join message.
    pub(super) fn join(&mut self, publishes: bool, joining: Value) -> usize {
        self.join_with(publishes, None, joining)
    }

    /// Somebody joins who publishes one stream of layers.
    pub(super) fn join_scalable(&mut self, codec: Codec) -> usize {
        self.join_with(true, Some(Scalable::new(codec)), json!({}))
    }

    fn join_with(&mut self, publishes: bool, scalable: Option<Scalable>, joining: Value) -> usize {
        let at = self.peers.len();
        self.peers.push(Peer {
            session: at as u64 + 1,
            node: self.place.0,
            voice: None,
            address: ([198, 51, 100, at as u8 + 1], 50_000).into(),
            protocol: Protocol::Udp,
            ufrag: format!("peer{at}"),
            server: None,
            transaction: 0,
            publishes,
            scalable,
            frames: 0,
            keyframe_wanted: true,
            heard: Vec::new(),
            media: Vec::new(),
            packets: Vec::new(),
            unacknowledged: Vec::new(),
            acknowledges: self.acknowledging,
            resume: String::new(),
        });
        let mut join = json!({"type": "join", "room": "standup", "name": format!("peer {at}")});
        join.as_object_mut().unwrap().extend(joining.as_object().unwrap().clone());
        if let Some(voice) = join.as_object_mut().unwrap().remove("voice") {
            self.peers[at].voice = voice.as_u64().map(|level| level as u8);
        }
        let home = Some(NodeIndex(self.place.1 as u16));
        self.input_to(
            self.place.0,
            Input::Join {
                session: SessionId(self.peers[at].session),
                join: serde_json::from_value(join).expect("the tests send legal messages"),
                admission: Admission::Granted(Grant::default()),
                home,
            },
        );
        self.offer(at);
        self.check(at);
        at
    }

    /// Offers with the present credentials, and takes the answer.
    pub(super) fn offer(&mut self, at: usize) {
        let sdp = self.peers[at].offer();
        self.say(at, json!({"type": "offer", "sdp": sdp}));
        let heard = self.heard(at);
        let answer = heard.iter().find(|message| message["type"] == "answer");
        let answer = answer.unwrap_or_else(|| panic!("an answer among {heard:?}"))["sdp"].as_str().unwrap();
        let line = |key: &str| answer.lines().find_map(|line| line.strip_prefix(key)).unwrap().to_owned();
        self.peers[at].server = Some((line("a=ice-ufrag:"), line("a=ice-pwd:")));
    }

    /// Sends a connectivity check from the present address, which nominates it.
    pub(super) fn check(&mut self, at: usize) {
        let peer = &mut self.peers[at];
        peer.transaction += 1;
        let (ufrag, password) = peer.server.as_ref().expect("there was an answer");
        let check = Check {
            ufrag,
            password,
            own_ufrag: &peer.ufrag,
            transaction: peer.transaction,
            tie_breaker: at as u64,
            nominate: true,
        };
        let data = check.request();
        self.send(at, data);
    }

    /// Sends a datagram from the present address.
    fn send(&mut self, at: usize, data: BytesMut) {
        let (local, source) = (node_address(), self.peers[at].address);
        let node = self.peers[at].node;
        self.input_to(
            node,
            match self.peers[at].protocol {
                Protocol::Udp => Input::Datagram { local, source, data },
                Protocol::Tcp => Input::Frame { local, source, data },
            },
        );
    }

    pub(super) fn say(&mut self, at: usize, message: Value) {
        let session = SessionId(self.peers[at].session);
        let message = serde_json::from_value(message).expect("the tests send legal messages");
        self.input_to(self.peers[at].node, Input::Message { session, message });
    }

    /// What somebody was told since the last look.
    pub(super) fn heard(&mut self, at: usize) -> Vec<Value> {
        std::mem::take(&mut self.peers[at].heard)
    }

    /// The last state of the first slot that somebody was told since the last look.
    pub(super) fn slot(&mut self, at: usize) -> Option<Value> {
        let heard = self.heard(at);
        heard.iter().rev().find(|message| message["type"] == "slots").map(|slots| slots["slots"][0].clone())
    }

    /// Something happens to the first node.
    pub(super) fn input(&mut self, input: Input) {
        self.input_to(0, input);
    }

    pub(super) fn input_to(&mut self, node: usize, input: Input) {
        self.nodes[node].sfu.handle_input(self.now, input);
        loop {
            match self.nodes[node].sfu.poll_output() {
                Output::Datagram(transmit) => {
                    transmit.datagrams.hash(&mut self.digest);
                    let to = transmit.destination;
                    // Whoever has moved away does not hear what is sent to its former address.
                    let is_there =
                        |peer: &&mut Peer| (peer.address, peer.protocol) == (to, transmit.protocol);
                    if let Some(peer) = self.peers.iter_mut().find(is_there) {
                        transmit.iter().for_each(|datagram| peer.hear(self.now, &datagram));
                    }
                }
                Output::Message { session, message } => {
                    let message = serde_json::to_value(message).unwrap();
                    message.to_string().hash(&mut self.digest);
                    if let Some(peer) = self.peers.iter_mut().find(|peer| peer.session == session.0) {
                        if let Some(secret) = message["resume"].as_str() {
                            secret.clone_into(&mut peer.resume);
                        }
                        peer.heard.push(message);
                    }
                }
                Output::Relay { to, message } => {
                    let to = usize::from(to.0);
                    format!("{message:?}").hash(&mut self.digest);
                    self.wires.push((self.now + wire_time(node, to), node, to, message));
                }
                Output::RoomHeld { participants, .. } => self.nodes[node].held = participants,
                Output::CloseSession { .. } | Output::Decision(_) => {}
                Output::Wait(deadline) => break self.nodes[node].deadline = deadline,
            }
        }
    }

    /// Lets time pass: cameras send, everybody checks, deadlines are kept.
    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            let next = (self.now + FRAME).min(end);
            while self.wake(next) {}
            self.now = next;
            for at in 0..self.peers.len() {
                self.frame(at);
            }
        }
    }

    /// The first thing that is due until then happens, if there is one.
    fn wake(&mut self, until: Timestamp) -> bool {
        let due = |(at, node): (usize, &Node)| Some((node.deadline?, at));
        let first = self.nodes.iter().enumerate().filter_map(due).min();
        // Words of one node to another keep their order, as the first of the earliest is taken.
        let arrives = (0..self.wires.len()).min_by_key(|at| self.wires[*at].0);
        let arrival = arrives.map(|at| (self.wires[at].0, at));
        match (arrival, first) {
            (Some((at, word)), first) if at <= until && first.is_none_or(|(due, _)| at <= due) => {
                self.now = self.now.max(at);
                let (_, from, to, message) = self.wires.remove(word);
                self.input_to(to, Input::Relay { from: NodeIndex(from as u16), message });
            }
            (_, Some((due, node))) if due <= until => {
                self.now = self.now.max(due);
                self.input_to(node, Input::Timeout);
            }
            _ => return false,
        }
        true
    }

    fn frame(&mut self, at: usize) {
        let peer = &mut self.peers[at];
        peer.frames += 1;
        if peer.frames.is_multiple_of(CHECK_FRAMES) {
            self.check(at);
        }
        let peer = &mut self.peers[at];
        if peer.acknowledges && peer.frames.is_multiple_of(2) && !peer.unacknowledged.is_empty() {
            let data = peer.feedback(self.now);
            self.send(at, data);
        }
        let peer = &mut self.peers[at];
        if let Some(level) = peer.voice {
            let sound = sound(at, peer.frames, level);
            self.send(at, sound);
        }
        let peer = &mut self.peers[at];
        if !peer.publishes {
            return;
        }
        let keyframe = std::mem::take(&mut peer.keyframe_wanted);
        let frames = peer.frames;
        if let Some(scalable) = &mut peer.scalable {
            let packets = scalable.picture(keyframe);
            return packets.into_iter().for_each(|packet| self.send(at, packet));
        }
        for encoding in 0..ENCODINGS.len() {
            self.send(at, packet(at, encoding, frames, keyframe));
        }
    }
}

impl Peer {
    fn hear(&mut self, now: Timestamp, datagram: &[u8]) {
        match demux::classify(datagram) {
            Class::Stun => assert!(check::succeeded(datagram).is_some(), "every check is a good one"),
            Class::Rtp => {
                self.media.push((now, self.address));
                self.packets.push(Bytes::copy_from_slice(datagram));
                let word = |at: usize| u16::from_be_bytes([datagram[at], datagram[at + 1]]);
                let ssrc = u32::from(word(8)) << 16 | u32::from(word(10));
                if self.acknowledges {
                    self.unacknowledged.push((ssrc, word(2), now));
                }
            }
            Class::Rtcp => {
                let wanted = |item: &RtcpItem| matches!(item, RtcpItem::Pli { .. } | RtcpItem::Fir { .. });
                self.keyframe_wanted |= parse_rtcp(datagram).items.iter().any(wanted);
            }
            Class::Dtls | Class::Unknown => panic!("the node sent {datagram:?}"),
        }
    }

    /// What came since the last time (RFC 8888 §3.1): a block for each packet is as good as one for many.
    fn feedback(&mut self, now: Timestamp) -> BytesMut {
        let age = |at: Timestamp| CcAge::Ticks(((now - at).as_micros() * 1_024 / 1_000_000) as u16);
        let packets = std::mem::take(&mut self.unacknowledged);
        let stream = |(ssrc, begin_sequence, at)| CcStream {
            ssrc,
            begin_sequence,
            reports: vec![Some(CcReport { ecn: 0, age: age(at) })],
        };
        let streams = packets.into_iter().map(stream).collect();
        let report_timestamp = (now.as_micros() * 65_536 / 1_000_000) as u32;
        let mut bytes = Vec::new();
        write_rtcp(
            &[RtcpItem::CcFeedback(CcFeedback { sender_ssrc: 1, streams, report_timestamp })],
            &mut bytes,
        );
        BytesMut::from(&bytes[..])
    }

    fn offer(&self) -> String {
        let direction = if self.publishes { "sendonly" } else { "recvonly" };
        let mut sdp = format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE v0\r\na=extmap-allow-mixed\r\n\
             m=video 9 UDP/TLS/RTP/SAVPF {VP8} {RTX} {VP9} {AV1}\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:{}\r\n\
             a=ice-pwd:asd88fgpdd777uzjYhagZg\r\na=fingerprint:sha-256 {}\r\na=setup:actpass\r\na=mid:v0\r\n\
             a=extmap:{MID} urn:ietf:params:rtp-hdrext:sdes:mid\r\n\
             a=extmap:{RID} urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id\r\n\
             a=extmap:{DEPENDENCY} https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension\r\n\
             a={direction}\r\na=rtcp-mux\r\n",
            self.ufrag,
            ["7F"; 32].join(":"),
        );
        let wanted = self.scalable.as_ref().map(Scalable::codec);
        for (codec, payload_type) in [(Codec::Vp8, VP8), (Codec::Vp9, VP9), (Codec::Av1, AV1)] {
            if wanted.is_none_or(|wanted| wanted == codec) {
                sdp += &format!("a=rtpmap:{payload_type} {codec}/90000\r\na=rtcp-fb:{payload_type} nack\r\n");
                sdp += &format!("a=rtcp-fb:{payload_type} nack pli\r\n");
            }
        }
        if wanted.is_none() {
            sdp += &format!("a=rtpmap:{RTX} rtx/90000\r\na=fmtp:{RTX} apt={VP8}\r\n");
        }
        if self.acknowledges {
            sdp += "a=rtcp-fb:* ack ccfb\r\n";
        }
        if self.publishes && self.scalable.is_none() {
            let rids = ENCODINGS.map(|(rid, ..)| rid);
            rids.iter().for_each(|rid| sdp += &format!("a=rid:{rid} send\r\n"));
            sdp += &format!("a=simulcast:send {}\r\n", rids.join(";"));
        }
        if self.voice.is_some() {
            sdp = sdp.replace("BUNDLE v0", "BUNDLE v0 a0");
            sdp += &format!(
                "m=audio 9 UDP/TLS/RTP/SAVPF {OPUS}\r\nc=IN IP4 0.0.0.0\r\na=mid:a0\r\n\
                 a=extmap:{MID} urn:ietf:params:rtp-hdrext:sdes:mid\r\n\
                 a=extmap:{LEVEL} urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n\
                 a=sendonly\r\na=rtcp-mux\r\na=rtpmap:{OPUS} opus/48000/2\r\n"
            );
        }
        sdp
    }
}

/// A packet of sound of that loudness.
fn sound(who: usize, frame: u32, level: u8) -> BytesMut {
    let mut out = BytesMut::with_capacity(128);
    out.put_u8(0x90);
    out.put_u8(OPUS);
    out.put_u16(frame as u16);
    out.put_u32(frame.wrapping_mul(1_584));
    out.put_u32(1_000 + who as u32);
    out.put_slice(&[0xbe, 0xde, 0, 2, MID << 4 | 1, b'a', b'0', LEVEL << 4, 0x80 | level, 0, 0, 0]);
    out.put_bytes(0x5a, 80);
    out
}

/// The one packet of a frame.
fn packet(who: usize, encoding: usize, frame: u32, keyframe: bool) -> BytesMut {
    let (rid, width, height, size) = ENCODINGS[encoding];
    let mut out = BytesMut::with_capacity(size + 64);
    out.put_u8(0x90);
    out.put_u8(0x80 | VP8);
    out.put_u16(frame as u16);
    out.put_u32(frame.wrapping_mul(2_970));
    out.put_u32((who * 10 + encoding) as u32 + 1);
    // RFC 8285 §4.2: both names, padded to a multiple of four bytes.
    out.put_slice(&[0xbe, 0xde, 0, 2, MID << 4 | 1, b'v', b'0', RID << 4, rid.as_bytes()[0], 0, 0, 0]);
    let descriptor =
        Descriptor { partition_start: true, picture_id: Some(frame as u16), ..Descriptor::default() };
    descriptor.write(&mut out);
    let size_told = keyframe.then_some((width, height));
    FrameHeader { keyframe, shown: true, first_partition: 64, size: size_told }.write(&mut out);
    out.put_bytes(0x5a, size);
    out
}
