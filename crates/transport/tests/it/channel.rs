//! Data channels with a whole WebRTC implementation on the other side, and with one that means harm.

use bytes::{Bytes, BytesMut};
use rtc::data_channel::{RTCDataChannelId, RTCDataChannelInit};
use rtc::peer_connection::event::RTCDataChannelEvent;
use std::time::Duration;
use transport::channel::{Channel, News, PROTOCOL};
use transport::{Event, SendError};
use units::Timestamp;

use crate::peer::Pair;

fn text(text: &str) -> Event {
    Event::ChannelText(Bytes::copy_from_slice(text.as_bytes()))
}

fn init(protocol: &str) -> RTCDataChannelInit {
    RTCDataChannelInit { protocol: protocol.to_owned(), ..RTCDataChannelInit::default() }
}

/// A pair whose client asks for a channel before it offers.
fn pair(channel: RTCDataChannelInit) -> (Pair, RTCDataChannelId) {
    let mut pair = Pair::new();
    let id = pair.peer.create_data_channel("terrace", Some(channel)).expect("asked for").id();
    (pair, id)
}

/// A pair that has a channel.
fn talking() -> (Pair, RTCDataChannelId) {
    let (mut pair, id) = pair(init(PROTOCOL));
    pair.connect();
    pair.pass(Duration::from_secs(2));
    assert_eq!(pair.channel, [Event::ChannelOpened]);
    pair.channel.clear();
    (pair, id)
}

fn say(pair: &mut Pair, id: RTCDataChannelId, text: &str) {
    let now = pair.instant();
    pair.peer.data_channel(id).expect("there").send_text(now, text).expect("open");
}

fn is_closed_there(pair: &Pair, id: RTCDataChannelId) -> bool {
    pair.channel_there
        .iter()
        .any(|event| matches!(event, RTCDataChannelEvent::OnClose(closed) if *closed == id))
}

#[test]
fn texts_flow_both_ways_beside_media() {
    let (mut pair, id) = talking();
    say(&mut pair, id, "hello");
    say(&mut pair, id, "again");
    pair.transport.send_text(pair.now, "{\"type\":\"message\"}").expect("open");
    let long = "x".repeat(40_000);
    pair.transport.send_text(pair.now, &long).expect("several packets");
    pair.pass(Duration::from_millis(500));
    assert_eq!(pair.channel, [text("hello"), text("again")]);
    assert_eq!(pair.texts_there, ["{\"type\":\"message\"}".to_owned(), long]);
    pair.send(11, "q", 5);
    pair.exchange();
    assert_eq!((pair.transport.stats().texts_in, pair.transport.stats().texts_out), (2, 2));
    assert!(pair.transport.is_connected());
}

#[test]
fn what_gets_lost_on_the_way_is_repeated_in_order() {
    let (mut pair, id) = talking();
    pair.lose_every = 4;
    let said: Vec<String> = (0..40).map(|n| format!("number {n}")).collect();
    for (n, line) in said.iter().enumerate() {
        say(&mut pair, id, line);
        pair.transport.send_text(pair.now, &format!("back {n}")).expect("open");
        pair.pass(Duration::from_millis(50));
    }
    pair.pass(Duration::from_secs(60));
    assert_eq!(pair.channel, said.iter().map(|line| text(line)).collect::<Vec<_>>());
    assert_eq!(pair.texts_there, (0..40).map(|n| format!("back {n}")).collect::<Vec<_>>());
}

#[test]
fn a_channel_opens_although_datagrams_get_lost() {
    for lose_every in [2, 3, 5] {
        let (mut pair, _) = pair(init(PROTOCOL));
        pair.connect();
        // The handshake of the connection had no losses; that of the channel has.
        pair.lose_every = lose_every;
        pair.pass(Duration::from_secs(60));
        assert_eq!(pair.channel, [Event::ChannelOpened], "every {lose_every}th datagram lost");
    }
}

#[test]
fn only_a_channel_of_our_protocol_that_loses_nothing_is_taken() {
    let unordered = RTCDataChannelInit { ordered: false, ..init(PROTOCOL) };
    let lossy = RTCDataChannelInit { max_retransmits: Some(0), ..init(PROTOCOL) };
    for (wish, why) in [(init("chat"), "another protocol"), (unordered, "no order"), (lossy, "loses")] {
        let (mut pair, id) = pair(wish);
        pair.connect();
        pair.pass(Duration::from_secs(3));
        assert_eq!(pair.channel, [], "{why}");
        assert!(is_closed_there(&pair, id), "{why}: it is told");
        let refused = pair.transport.send_text(pair.now, "a");
        assert_eq!(refused, Err(SendError::NotConnected), "{why}");
        assert!(pair.transport.is_connected(), "{why}: media goes on");
    }
}

#[test]
fn the_end_of_a_channel_is_told_and_media_goes_on() {
    // Closed by the client, by us, and by a client that sends what is no text.
    let (mut pair, id) = talking();
    pair.peer.data_channel(id).expect("there").close().expect("open");
    pair.pass(Duration::from_secs(2));
    assert_eq!(pair.channel, [Event::ChannelClosed]);
    assert!(pair.transport.is_connected());

    let (mut pair, id) = talking();
    pair.transport.close_channel(pair.now);
    pair.pass(Duration::from_secs(2));
    assert_eq!(pair.channel, [Event::ChannelClosed]);
    assert!(is_closed_there(&pair, id), "{:?}", pair.channel_there);

    let (mut pair, id) = talking();
    let now = pair.instant();
    pair.peer.data_channel(id).expect("there").send(now, BytesMut::from(&[1, 2, 3][..])).expect("open");
    pair.pass(Duration::from_secs(2));
    assert_eq!(pair.channel, [Event::ChannelClosed]);
    assert!(pair.transport.is_connected());
}

#[test]
fn the_longest_text_is_what_our_answer_says() {
    let (mut pair, id) = talking();
    say(&mut pair, id, &"x".repeat(65_536));
    pair.pass(Duration::from_secs(2));
    assert!(matches!(&pair.channel[..], [Event::ChannelText(text)] if text.len() == 65_536));
    let now = pair.instant();
    let longer = pair.peer.data_channel(id).expect("there").send_text(now, "x".repeat(65_537));
    assert!(longer.is_err(), "the other side keeps to it");
}

#[test]
fn a_client_that_reads_nothing_loses_its_channel_and_no_more() {
    let (mut pair, _) = talking();
    // Everything is lost from here on.
    pair.lose_every = 1;
    let long = "x".repeat(16_000);
    let mut sent = 0;
    let refused = loop {
        match pair.transport.send_text(pair.now, &long) {
            Ok(()) => sent += 1,
            Err(error) => break error,
        }
        assert!(sent < 100, "bounded");
    };
    assert_eq!((sent, refused), (16, SendError::QueueFull));
    pair.exchange();
    assert_eq!(pair.channel, [Event::ChannelClosed]);
    assert_eq!(pair.transport.send_text(pair.now, "a"), Err(SendError::NotConnected));
    assert!(pair.transport.is_connected());
}

#[test]
fn a_later_offer_may_add_the_channel() {
    let mut pair = Pair::new();
    pair.connect();
    pair.peer.create_data_channel("terrace", Some(init(PROTOCOL))).expect("asked for");
    let answer = pair.negotiate();
    assert!(answer.contains("m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n"), "{answer}");
    assert!(answer.contains("a=sctp-port:5000\r\na=max-message-size:65536\r\n"), "{answer}");
    // This library starts its end with the connection or never; what follows is seen between a browser and the server.
    pair.pass(Duration::from_millis(300));
    assert!(pair.transport.is_connected());
}

/// The client's end of an association alone, which says what no browser says.
struct Raw {
    association: rtc_sctp::Association,
    endpoint: rtc_sctp::Endpoint,
    channel: Channel,
    now: Timestamp,
    news: Vec<News>,
}

impl Raw {
    fn new() -> Self {
        let address = |port| std::net::SocketAddr::from(([127, 0, 0, 1], port));
        let config = std::sync::Arc::new(rtc_sctp::EndpointConfig::new());
        let protocol = rtc_shared::TransportProtocol::UDP;
        let mut endpoint = rtc_sctp::Endpoint::new(address(1), protocol, config, None);
        let client = rtc_sctp::ClientConfig::default();
        let (_, association) = endpoint.connect(origin(), client, address(2)).expect("begun");
        let mut raw = Self {
            association,
            endpoint,
            channel: Channel::new(100, 100),
            now: Timestamp::ZERO,
            news: Vec::new(),
        };
        raw.exchange();
        raw
    }

    fn instant(&self) -> std::time::Instant {
        origin() + Duration::from_micros(self.now.as_micros())
    }

    /// What the client wants to send.
    fn written(&mut self) -> Vec<Bytes> {
        let mut packets = Vec::new();
        while let Some(transmit) = self.association.poll_transmit(self.instant()) {
            if let rtc_sctp::Payload::RawEncode(raw) = transmit.message {
                packets.extend(raw);
            }
        }
        packets
    }

    fn deliver(&mut self, packets: Vec<Bytes>) {
        for packet in packets {
            let news = self.channel.handle_packet(self.now, packet);
            self.news.extend(news);
        }
    }

    fn answered(&mut self) -> Vec<Bytes> {
        std::iter::from_fn(|| self.channel.poll_transmit()).collect()
    }

    fn exchange(&mut self) {
        for _ in 0..20 {
            let packets = self.written();
            self.deliver(packets);
            for packet in self.answered() {
                let from = ([127, 0, 0, 1], 2).into();
                if let Some((_, rtc_sctp::DatagramEvent::AssociationEvent(event))) =
                    self.endpoint.handle(self.instant(), from, None, packet)
                {
                    self.association.handle_event(event);
                }
            }
            self.now += Duration::from_millis(250);
            self.association.handle_timeout(self.instant());
            let news = self.channel.handle_timeout(self.now);
            self.news.extend(news);
        }
    }

    fn write(&mut self, id: u16, kind: rtc_sctp::PayloadProtocolIdentifier, bytes: &[u8]) {
        let now = self.instant();
        if self.association.stream(id).is_err() {
            self.association.open_stream(id, kind).expect("a new stream");
        }
        self.association.stream(id).expect("open").write_with_ppi(now, bytes, kind).expect("written");
    }

    /// DATA_CHANNEL_OPEN for a reliable channel (RFC 8832 §5.1).
    fn open(&mut self, id: u16, protocol: &str) {
        let length = protocol.len() as u8;
        let head = [3, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, length];
        self.write(id, rtc_sctp::PayloadProtocolIdentifier::Dcep, &[&head[..], protocol.as_bytes()].concat());
        self.exchange();
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "an arbitrary origin for the library; tests run in virtual time"
)]
fn origin() -> std::time::Instant {
    static ORIGIN: std::sync::LazyLock<std::time::Instant> =
        std::sync::LazyLock::new(std::time::Instant::now);
    *ORIGIN
}

#[test]
fn texts_longer_than_agreed_end_the_channel() {
    use rtc_sctp::PayloadProtocolIdentifier::String;
    let mut raw = Raw::new();
    raw.open(0, PROTOCOL);
    raw.write(0, String, &[b'a'; 100]);
    raw.exchange();
    assert_eq!(std::mem::take(&mut raw.news), [News::Opened, News::Text(Bytes::from(vec![b'a'; 100]))]);
    raw.write(0, String, &[b'a'; 101]);
    raw.exchange();
    assert_eq!(raw.news, [News::Closed]);
}

#[test]
fn a_client_has_one_channel() {
    use rtc_sctp::PayloadProtocolIdentifier::String;
    let mut raw = Raw::new();
    raw.open(2, "chat");
    raw.open(4, PROTOCOL);
    raw.open(6, PROTOCOL);
    raw.write(4, String, b"heard");
    raw.exchange();
    raw.write(8, String, b"on a stream that is no channel");
    raw.exchange();
    assert_eq!(raw.news, [News::Opened, News::Text(Bytes::from_static(b"heard"))]);
    raw.open(20, PROTOCOL);
    raw.write(4, String, b"still heard");
    raw.exchange();
    assert!(!raw.news.contains(&News::Closed), "a stream beyond the number is as if nothing was sent on it");
}

#[test]
fn a_first_packet_that_comes_again_has_the_same_answer() {
    // The answer is lost, so the client asks again; what it echoes then has to be ours.
    let mut fresh = Channel::new(100, 100);
    let mut other = rtc_sctp::Endpoint::new(
        ([127, 0, 0, 1], 1).into(),
        rtc_shared::TransportProtocol::UDP,
        std::sync::Arc::new(rtc_sctp::EndpointConfig::new()),
        None,
    );
    let config = rtc_sctp::ClientConfig::default();
    let (_, mut association) = other.connect(origin(), config, ([127, 0, 0, 1], 2).into()).expect("begun");
    let Some(rtc_sctp::Payload::RawEncode(first)) =
        association.poll_transmit(origin()).map(|sent| sent.message)
    else {
        panic!("a first packet");
    };
    let mut answers = Vec::new();
    for _ in 0..100 {
        assert_eq!(fresh.handle_packet(Timestamp::ZERO, first[0].clone()), []);
        answers.push(std::iter::from_fn(|| fresh.poll_transmit()).collect::<Vec<_>>());
    }
    assert_eq!(answers[0].len(), 1);
    let same = answers.iter().filter(|answer| **answer == answers[0]).count();
    assert_eq!(same, 32, "and then no more is answered");
}

#[test]
fn packets_of_a_stranger_come_to_nothing() {
    // The guard and the library have their own tests and a fuzz target; this is what they add up to.
    let mut channel = Channel::new(1_000, 1_000);
    let now = Timestamp::from_secs(1);
    for length in 0..200usize {
        let bytes: Vec<u8> = (0..length).map(|n| (n * 37 + length) as u8).collect();
        assert_eq!(channel.handle_packet(now, Bytes::from(bytes)), []);
    }
    assert_eq!(channel.send(now, "nobody hears"), (false, Vec::<News>::new()));
    assert_eq!((channel.poll_timeout(), channel.poll_transmit()), (None, None));
}

#[test]
fn a_channel_that_is_ended_in_the_middle_of_talk_is_told_so() {
    let (mut pair, id) = talking();
    for n in 0..300 {
        say(&mut pair, id, &format!("number {n}"));
        pair.transport.send_text(pair.now, "{\"type\":\"error\"}").expect("open");
    }
    pair.exchange();
    for n in 0..300 {
        say(&mut pair, id, &format!("number {n}"));
    }
    pair.transport.close_channel(pair.now);
    pair.pass(Duration::from_secs(3));
    assert_eq!(pair.channel.last(), Some(&Event::ChannelClosed));
    assert!(is_closed_there(&pair, id), "{:?}", pair.channel_there);
}
