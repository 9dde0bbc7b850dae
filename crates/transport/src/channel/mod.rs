//! The data channel of one transport: SCTP over its DTLS association (RFC 8261, RFC 8831), over the association of `rtc-sctp`.
//!
//! Owns which channel is taken (one that keeps the order and loses nothing, with the protocol [`PROTOCOL`]; every other one is
//! closed), texts in and out, and bounds on all of it. We are always the side that is asked: the client opens the association and
//! in it the channel (RFC 8832). What a text means is for whoever owns the transport. A channel that breaks a bound is
//! aborted; media does not notice, and there is no other one over the same connection.

mod guard;

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use rtc_datachannel::message::Message;
use rtc_datachannel::message::message_channel_ack::DataChannelAck;
use rtc_datachannel::message::message_channel_open::{ChannelType, DataChannelOpen};
use rtc_sctp::{
    Association, AssociationHandle, Chunks, DatagramEvent, Endpoint, EndpointConfig,
    Event as AssociationEvent, Payload, PayloadProtocolIdentifier as Kind, ServerConfig, StreamEvent,
    TransportConfig,
};
use rtc_shared::TransportProtocol;
use rtc_shared::marshal::{Marshal, Unmarshal};
use units::Timestamp;

use crate::clock;
use crate::dtls::PEER;
use guard::{Guard, Verdict};

/// The protocol that a channel names to be taken (RFC 8832 §5.1): that of the WebSocket, whose messages it carries.
pub const PROTOCOL: &str = "terrace.v1";
/// Bytes that wait to be put together or read (the advertised window): twice the largest message of an ordinary client.
const RECEIVE_BUFFER: u32 = 128 * 1024;
/// Bytes on their way to a client that does not acknowledge them. One that lets more pile up loses the channel.
const SEND_BUFFER: usize = 256 * 1024;
/// Packets waiting to be fetched. Fetched after every call; the library sends no more at once than its window.
const MAX_TRANSMITS: usize = 512;

/// What came of a packet or of the passing of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// Texts may flow. Once in a channel's life.
    Opened,
    /// The client said this. Not known to be UTF-8.
    Text(Bytes),
    /// Nothing flows any more.
    Closed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// No channel of ours yet.
    Waiting,
    /// Texts flow over this stream.
    Open(u16),
    /// Over.
    Closed,
}

/// The answer to the client's first packet, to be repeated as it was: the library would begin another association.
struct Answered {
    tag: u32,
    packets: Vec<Bytes>,
}

/// One client's channel. Drain [`Channel::poll_transmit`] after every call that takes `&mut self`.
pub struct Channel {
    /// Longest text taken, in bytes.
    longest: usize,
    /// Longest text that the client takes.
    longest_sent: usize,
    endpoint: Endpoint,
    association: Option<(AssociationHandle, Association)>,
    connected: bool,
    guard: Guard,
    answered: Option<Answered>,
    stage: Stage,
    transmits: VecDeque<Bytes>,
}

impl Channel {
    /// Waits for the client. Takes texts of `longest` bytes, and sends at most `longest_sent`.
    pub fn new(longest: usize, longest_sent: usize) -> Self {
        Self {
            longest,
            longest_sent,
            endpoint: endpoint(),
            association: None,
            connected: false,
            guard: Guard::default(),
            answered: None,
            stage: Stage::Waiting,
            transmits: VecDeque::new(),
        }
    }

    /// Takes what DTLS carried.
    pub fn handle_packet(&mut self, now: Timestamp, packet: Bytes) -> Vec<News> {
        if self.stage == Stage::Closed {
            return Vec::new();
        }
        let packet = match self.guard.judge(&packet, self.connected) {
            Verdict::Admitted => packet,
            Verdict::Begins(tag, shown) => {
                if let Some(answered) = self.answered.as_ref().filter(|answered| answered.tag == tag) {
                    self.transmits.extend(answered.packets.iter().cloned());
                    return Vec::new();
                }
                (self.endpoint, self.association) = (endpoint(), None);
                self.answered = Some(Answered { tag, packets: Vec::new() });
                shown
            }
            Verdict::Ends => return self.over(),
            Verdict::Dropped => return Vec::new(),
            Verdict::Excessive => return self.end(now),
        };
        match self.endpoint.handle(clock::instant(now), PEER, None, packet) {
            Some((handle, DatagramEvent::NewAssociation(association))) => {
                self.association = Some((handle, association));
            }
            Some((handle, DatagramEvent::AssociationEvent(event))) => match &mut self.association {
                Some((own, association)) if *own == handle => association.handle_event(event),
                _ => {}
            },
            _ => {}
        }
        let news = self.settle(now);
        if let Some(answered) = self.answered.as_mut().filter(|a| a.packets.is_empty() && !self.connected) {
            answered.packets.extend(self.transmits.iter().cloned());
        }
        news
    }

    /// Sends again what was lost.
    pub fn handle_timeout(&mut self, now: Timestamp) -> Vec<News> {
        let Some((_, association)) = &mut self.association else { return Vec::new() };
        association.handle_timeout(clock::instant(now));
        self.settle(now)
    }

    /// When [`Self::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        self.association.as_ref()?.1.poll_timeout().map(clock::timestamp)
    }

    /// The next packet for DTLS to carry.
    pub fn poll_transmit(&mut self) -> Option<Bytes> {
        self.transmits.pop_front()
    }

    /// From [`News::Opened`] until [`News::Closed`].
    pub fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Open(_))
    }

    /// Sends a text. False when it cannot be: there is no channel, or the text is longer than the client takes. A client that
    /// leaves too much unread loses the channel, which the news tell.
    pub fn send(&mut self, now: Timestamp, text: &str) -> (bool, Vec<News>) {
        let (Stage::Open(id), Some((_, association))) = (self.stage, &mut self.association) else {
            return (false, Vec::new());
        };
        if text.len() > self.longest_sent {
            return (false, Vec::new());
        }
        let Ok(mut stream) = association.stream(id) else { return (false, self.end(now)) };
        if stream.buffered_amount().unwrap_or(usize::MAX).saturating_add(text.len()) > SEND_BUFFER {
            return (false, self.end(now));
        }
        let sent = stream.write_with_ppi(clock::instant(now), text.as_bytes(), Kind::String).is_ok();
        (sent, self.settle(now))
    }

    /// Ends it, and says so to the client (RFC 9260 §9.1).
    pub fn end(&mut self, now: Timestamp) -> Vec<News> {
        if let Some((_, association)) = &mut self.association {
            // Whatever cannot be said is not said: DTLS ends sooner or later.
            let _ = association.abort();
        }
        self.collect(now);
        self.over()
    }

    /// Everything that the association has to tell and to send.
    fn settle(&mut self, now: Timestamp) -> Vec<News> {
        let mut news = Vec::new();
        while let Some(event) = self.association.as_mut().and_then(|(_, association)| association.poll()) {
            match event {
                AssociationEvent::Connected => self.connected = true,
                AssociationEvent::Stream(StreamEvent::Readable { id }) => self.read(now, id, &mut news),
                AssociationEvent::AssociationLost { id, .. } if self.stage == Stage::Open(id) => {
                    // The client closed the channel (RFC 8831 §6.7), or everything.
                    news.extend(self.end(now));
                }
                _ => {}
            }
        }
        self.collect(now);
        if self.association.as_ref().is_some_and(|(_, association)| association.is_closed() && self.connected)
        {
            news.extend(self.over());
        }
        news
    }

    fn over(&mut self) -> Vec<News> {
        self.association = None;
        let was_open = matches!(std::mem::replace(&mut self.stage, Stage::Closed), Stage::Open(_));
        if was_open { vec![News::Closed] } else { Vec::new() }
    }

    fn collect(&mut self, now: Timestamp) {
        let Some((_, association)) = &mut self.association else { return };
        while let Some(transmit) = association.poll_transmit(clock::instant(now)) {
            let Payload::RawEncode(packets) = transmit.message else { continue };
            let room = MAX_TRANSMITS.saturating_sub(self.transmits.len());
            self.transmits.extend(packets.into_iter().take(room));
        }
    }

    /// Takes all whole messages of a stream.
    fn read(&mut self, now: Timestamp, id: u16, news: &mut Vec<News>) {
        while let Some(chunks) = self.next_message(id) {
            self.guard.handed_out(chunks.chunks.len());
            match (chunks.ppi, self.stage) {
                (Kind::Dcep, Stage::Waiting) => {
                    if self.open(now, id, &chunks) {
                        self.stage = Stage::Open(id);
                        news.push(News::Opened);
                    }
                }
                (Kind::Dcep, _) => self.refuse_if_another(now, id),
                (Kind::String | Kind::StringEmpty, Stage::Open(open)) if open == id => {
                    match chunks.to_payload(self.longest) {
                        // RFC 8831 §6.6: an empty text is sent as one byte.
                        Ok(_) if chunks.ppi == Kind::StringEmpty => news.push(News::Text(Bytes::new())),
                        Ok(text) => news.push(News::Text(text.freeze())),
                        Err(_) => return news.extend(self.end(now)),
                    }
                }
                // Bytes that are no text end a WebSocket as well.
                (_, Stage::Open(open)) if open == id => return news.extend(self.end(now)),
                _ => self.refuse_if_another(now, id),
            }
        }
    }

    fn next_message(&mut self, id: u16) -> Option<Chunks> {
        self.association.as_mut()?.1.stream(id).ok()?.read().ok()?
    }

    /// Whether the client opens the channel that we take; answered if so (RFC 8832 §6), refused if not.
    fn open(&mut self, now: Timestamp, id: u16, chunks: &Chunks) -> bool {
        let asked = chunks.to_payload(self.longest).ok().and_then(|bytes| parse_open(bytes.freeze()));
        let wanted = asked.is_some_and(|open| {
            open.channel_type == ChannelType::Reliable && open.protocol == PROTOCOL.as_bytes()
        });
        if !wanted {
            self.refuse_if_another(now, id);
            return false;
        }
        let Ok(answer) = Message::DataChannelAck(DataChannelAck {}).marshal() else { return false };
        let stream = self.association.as_mut().and_then(|(_, association)| association.stream(id).ok());
        stream
            .is_some_and(|mut stream| stream.write_with_ppi(clock::instant(now), &answer, Kind::Dcep).is_ok())
    }

    /// Closes a channel that is not ours (RFC 8831 §6.7).
    fn refuse_if_another(&mut self, now: Timestamp, id: u16) {
        if self.stage == Stage::Open(id) {
            return;
        }
        if let Some(Ok(mut stream)) = self.association.as_mut().map(|(_, association)| association.stream(id))
        {
            // One that is closed already is what we want.
            let _ = stream.close(clock::instant(now));
        }
    }
}

fn parse_open(mut bytes: Bytes) -> Option<DataChannelOpen> {
    match Message::unmarshal(&mut bytes).ok()? {
        Message::DataChannelOpen(open) => Some(open),
        _ => None,
    }
}

/// Knows no association. One per attempt of a client, since the library keeps all that it ever began.
fn endpoint() -> Endpoint {
    let transport = TransportConfig::default()
        .with_max_receive_buffer_size(RECEIVE_BUFFER)
        .with_max_message_size(SEND_BUFFER as u32)
        .with_max_num_inbound_streams(guard::STREAMS)
        .with_max_num_outbound_streams(guard::STREAMS);
    let config = Arc::new(ServerConfig::new(transport));
    Endpoint::new(PEER, TransportProtocol::UDP, Arc::new(EndpointConfig::new()), Some(config))
}
