//! A data channel with a client that keeps to the rules of SCTP until it stops doing so.
//!
//! The handshake is done, so that what the input says reaches everything behind it: raw chunks, whole messages, requests to
//! open, time that passes, texts of ours that nobody acknowledges. It promises: nothing longer than agreed comes out, it opens
//! and closes once and nothing comes out afterwards, and what is sent in answer is bounded.

use std::time::Duration;

use bytes::Bytes;
use transport::channel::{Channel, News, PROTOCOL};
use units::Timestamp;

use crate::input::Input;

const LONGEST: usize = 64;
/// Number of the client's first chunk.
const FIRST: u32 = 1_000;
/// Steps of an input: more show nothing new.
const MAX_STEPS: usize = 200;
/// Packets that one call may make the channel send: our whole buffer in packets of the smallest size, and acknowledgements.
const MOST_SENT: usize = 512;

struct World {
    channel: Channel,
    now: Timestamp,
    /// What our packets are marked with, from the answer to the first one.
    tag: u32,
    tsn: u32,
    sequence: [u16; 4],
    is_open: bool,
    is_closed: bool,
}

/// See the module's documentation.
pub(crate) fn channel(data: &[u8]) {
    let mut input = Input::new(data);
    let mut world = World {
        channel: Channel::new(LONGEST, LONGEST),
        now: Timestamp::from_secs(1),
        tag: 0,
        tsn: FIRST,
        sequence: [0; 4],
        is_open: false,
        is_closed: false,
    };
    if input.byte() & 1 == 0 {
        world.shake_hands();
    }
    for _ in 0..MAX_STEPS {
        if input.is_empty() {
            return;
        }
        world.step(&mut input);
    }
}

impl World {
    /// RFC 9260 §5.1: INIT, INIT ACK with a cookie, the cookie back, and a channel of ours.
    fn shake_hands(&mut self) {
        let init = [7, 128 * 1024, 16 << 16 | 16, FIRST];
        let sent =
            self.send(&chunk(1, 0, &init.iter().flat_map(|field| field.to_be_bytes()).collect::<Vec<_>>()));
        let answer = sent.first().expect("an answer to the first packet");
        self.tag = u32::from_be_bytes(answer[16..20].try_into().expect("four bytes"));
        let mut parameters = &answer[32..];
        // RFC 9260 §3.3.3: the cookie is parameter 7.
        let cookie = loop {
            let length = usize::from(u16::from_be_bytes([parameters[2], parameters[3]]));
            if parameters[..2] == [0, 7] {
                break &parameters[4..length];
            }
            parameters = &parameters[length.next_multiple_of(4)..];
        };
        self.send(&chunk(10, 0, cookie));
        self.open(0, PROTOCOL.as_bytes());
        assert!(self.is_open, "an ordinary client gets its channel");
    }

    fn step(&mut self, input: &mut Input<'_>) {
        match input.below(8) {
            0 => {
                let (kind, flags, length) = (input.byte(), input.byte(), input.byte());
                self.send(&chunk(kind, flags, input.take(usize::from(length))));
            }
            1 => {
                let length = usize::from(input.byte());
                self.send(input.take(length));
            }
            2 => {
                let stream = input.below(4) as u16;
                let length = input.below(32);
                self.open(stream, input.take(length));
            }
            3 | 4 => {
                let (stream, flags, kind, length) =
                    (input.below(4) as u16, input.byte(), 50 + u32::from(input.byte() & 7), input.byte());
                self.data(stream, flags, kind, input.take(usize::from(length)));
            }
            5 => {
                // A chunk is left out.
                self.tsn += u32::from(input.byte());
            }
            6 => {
                self.now += Duration::from_millis(u64::from(input.byte()) * 20);
                let news = self.channel.handle_timeout(self.now);
                self.settle(news);
            }
            _ => {
                let text = "x".repeat(input.below(LONGEST * 2));
                let (sent, news) = self.channel.send(self.now, &text);
                assert!(!sent || (self.is_open && text.len() <= LONGEST));
                self.settle(news);
            }
        }
    }

    /// RFC 8832 §5.1.
    fn open(&mut self, stream: u16, protocol: &[u8]) {
        let head = [3, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, protocol.len() as u8];
        self.data(stream, 3, 50, &[&head[..], protocol].concat());
    }

    fn data(&mut self, stream: u16, flags: u8, kind: u32, payload: &[u8]) {
        let sequence = &mut self.sequence[usize::from(stream)];
        let mut body = Vec::new();
        body.extend(self.tsn.to_be_bytes());
        body.extend(stream.to_be_bytes());
        body.extend(sequence.to_be_bytes());
        body.extend(kind.to_be_bytes());
        body.extend(payload);
        self.tsn += 1;
        if flags & 1 != 0 {
            *sequence = sequence.wrapping_add(1);
        }
        self.send(&chunk(0, flags, &body));
    }

    fn send(&mut self, chunks: &[u8]) -> Vec<Bytes> {
        let mut packet = vec![0x13, 0x88, 0x13, 0x88];
        packet.extend(self.tag.to_be_bytes());
        packet.extend([0; 4]);
        packet.extend(chunks);
        let sum = checksum(&packet);
        packet[8..12].copy_from_slice(&sum.to_le_bytes());
        let news = self.channel.handle_packet(self.now, packet.into());
        self.settle(news)
    }

    fn settle(&mut self, news: Vec<News>) -> Vec<Bytes> {
        for news in news {
            assert!(!self.is_closed, "{news:?} after the end");
            match news {
                News::Opened => assert!(!std::mem::replace(&mut self.is_open, true), "opened twice"),
                News::Text(text) => {
                    assert!(self.is_open && text.len() <= LONGEST, "a text of {} bytes", text.len());
                }
                News::Closed => {
                    assert!(std::mem::replace(&mut self.is_open, false), "closed without having been open");
                    self.is_closed = true;
                }
            }
        }
        assert_eq!(self.channel.is_open(), self.is_open);
        let sent: Vec<Bytes> = std::iter::from_fn(|| self.channel.poll_transmit()).collect();
        assert!(sent.len() <= MOST_SENT, "{} packets in answer to one", sent.len());
        sent
    }
}

fn chunk(kind: u8, flags: u8, body: &[u8]) -> Vec<u8> {
    let mut chunk = vec![kind, flags];
    chunk.extend((4 + body.len() as u16).to_be_bytes());
    chunk.extend(body);
    chunk.resize(chunk.len().next_multiple_of(4), 0);
    chunk
}

/// CRC-32C (RFC 9260 appendix A), bit by bit.
fn checksum(packet: &[u8]) -> u32 {
    let shift = |sum: u32| if sum & 1 == 1 { sum >> 1 ^ 0x82f6_3b78 } else { sum >> 1 };
    !packet.iter().fold(u32::MAX, |sum, byte| (0..8).fold(sum ^ u32::from(*byte), |sum, _| shift(sum)))
}
