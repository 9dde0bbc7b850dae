//! One video publication at the sending end: an encoder, and an RTP stream per encoding.
//!
//! Owns SSRCs, numbers, timestamps, retransmissions and sender reports of the track. Leaves pacing,
//! transport-wide numbers and feedback to `client`.

use std::collections::VecDeque;

use bytes::{BufMut, Bytes, BytesMut};
use packet::codec::vp8::{Descriptor, PICTURE_ID_MASK};
use packet::rtx::osn;
use packet::{ExtensionIds, ExtensionUri, RtcpItem};

use super::encoder::{Encoder, EncodingSpec, Frame};
use super::media::{Stamp, packetize};
use super::sdp::{RTX, VP8};
use crate::links::event::Micros;
use crate::links::rng::Rng;

/// Packets of each encoding kept for retransmission: about two seconds of the largest.
const HISTORY: usize = 512;
/// Packets of a stream that name their section and encoding.
const NAMED: u64 = 100;
/// RTP time runs 9 ticks in 100 us.
fn ticks(at: Micros) -> u32 {
    // Wrapped as on the wire.
    (at * 9 / 100) as u32
}

/// A packet ready but for its transport-wide number.
#[derive(Clone, Debug)]
pub struct Ready {
    ssrc: u32,
    payload_type: u8,
    sequence: u16,
    timestamp: u32,
    marker: bool,
    names: Option<Names>,
    level: Option<u8>,
    prefix: Option<[u8; 2]>,
    payload: Bytes,
    /// When it was last repeated.
    repeated: Option<Micros>,
}

#[derive(Clone, Debug)]
struct Names {
    mid: String,
    rid: String,
    repaired: bool,
}

impl Ready {
    /// A packet of sound.
    pub fn audio(
        ssrc: u32,
        sequence: u16,
        timestamp: u32,
        marker: bool,
        mid: &str,
        level: u8,
        payload: Bytes,
    ) -> Self {
        let names = Names { mid: mid.to_owned(), rid: String::new(), repaired: false };
        Self {
            ssrc,
            payload_type: super::sdp::OPUS,
            sequence,
            timestamp,
            marker,
            names: Some(names),
            level: Some(level),
            prefix: None,
            payload,
            repeated: None,
        }
    }

    /// Whether it was sent before.
    pub fn is_repeated(&self) -> bool {
        self.prefix.is_some()
    }

    /// Bytes of payload.
    pub fn size(&self) -> usize {
        self.payload.len() + self.prefix.map_or(0, |prefix| prefix.len())
    }

    /// The datagram, with that transport-wide number.
    pub fn write(&self, ids: &ExtensionIds, transport_wide: u16) -> BytesMut {
        let mut out = BytesMut::with_capacity(self.size() + 64);
        let mut block = Vec::with_capacity(40);
        let mut put = |uri, value: &[u8]| {
            if let Some(id) = ids.get(uri) {
                // RFC 8285 §4.2: every id used here is below 15 and every value shorter than 17 bytes.
                block.push(id << 4 | (value.len() as u8 - 1));
                block.extend_from_slice(value);
            }
        };
        put(ExtensionUri::TransportWide, &transport_wide.to_be_bytes());
        if let Some(level) = self.level {
            put(ExtensionUri::AudioLevel, &[level]);
        }
        if let Some(names) = &self.names {
            put(ExtensionUri::Mid, names.mid.as_bytes());
            let uri = if names.repaired { ExtensionUri::RepairedRid } else { ExtensionUri::Rid };
            if !names.rid.is_empty() {
                put(uri, names.rid.as_bytes());
            }
        }
        block.resize(block.len().next_multiple_of(4), 0);
        out.put_u8(0x90);
        out.put_u8(u8::from(self.marker) << 7 | self.payload_type);
        out.put_u16(self.sequence);
        out.put_u32(self.timestamp);
        out.put_u32(self.ssrc);
        out.put_u16(0xbede);
        out.put_u16(block.len() as u16 / 4);
        out.put_slice(&block);
        out.put_slice(self.prefix.as_ref().map_or(&[], |prefix| &prefix[..]));
        out.put_slice(&self.payload);
        out
    }
}

/// One encoding's streams.
#[derive(Debug)]
struct Stream {
    ssrc: u32,
    rtx_ssrc: u32,
    sequence: u16,
    rtx_sequence: u16,
    /// What the media clock showed at time zero.
    clock: u32,
    picture_id: u16,
    sent: u64,
    octets: u64,
    history: VecDeque<Ready>,
}

/// See the module's documentation.
#[derive(Debug)]
pub struct Camera {
    mid: String,
    source: u16,
    track: u8,
    encoder: Encoder,
    streams: Vec<Stream>,
    frames: Vec<Frame>,
    on: bool,
}

impl Camera {
    /// A track in section `mid`, of participant `source`, its `track`th.
    pub fn new(mid: &str, source: u16, track: u8, specs: Vec<EncodingSpec>, rng: &mut Rng) -> Self {
        let streams = specs
            .iter()
            .map(|_| Stream {
                ssrc: rng.next_u64() as u32 | 2,
                rtx_ssrc: rng.next_u64() as u32 | 2,
                sequence: rng.next_u64() as u16,
                rtx_sequence: rng.next_u64() as u16,
                clock: rng.next_u64() as u32,
                picture_id: rng.next_u64() as u16 & PICTURE_ID_MASK,
                sent: 0,
                octets: 0,
                history: VecDeque::with_capacity(HISTORY),
            })
            .collect();
        let own = Rng::new(rng.next_u64(), u64::from(track));
        let encoder = Encoder::new(specs, own);
        Self { mid: mid.to_owned(), source, track, encoder, streams, frames: Vec::new(), on: true }
    }

    /// Its section.
    pub fn mid(&self) -> &str {
        &self.mid
    }

    /// Its encoder.
    pub fn encoder(&self) -> &Encoder {
        &self.encoder
    }

    /// Its encoder.
    pub fn encoder_mut(&mut self) -> &mut Encoder {
        &mut self.encoder
    }

    /// The connection is new, and so are its senders: they name their streams, and nobody has asked for less yet.
    pub fn restart(&mut self) {
        self.encoder.restart();
        for stream in &mut self.streams {
            (stream.sent, stream.octets) = (0, 0);
            stream.history.clear();
        }
    }

    /// Switches the whole track on or off, as a mute does.
    pub fn set_on(&mut self, on: bool) {
        if on && !self.on {
            self.encoder.request_keyframe();
        }
        self.on = on;
    }

    /// Whether it is on.
    pub fn is_on(&self) -> bool {
        self.on
    }

    /// The encoding that a stream is of.
    pub fn encoding_of(&self, ssrc: u32) -> Option<usize> {
        self.streams.iter().position(|stream| stream.ssrc == ssrc)
    }

    /// What is due now, in order. To be called once per [`Encoder::interval`].
    pub fn capture(&mut self, now: Micros, out: &mut VecDeque<Ready>) {
        if !self.on {
            return;
        }
        self.frames.clear();
        self.encoder.capture(now, &mut self.frames);
        for frame in &self.frames {
            let spec = &self.encoder.specs()[frame.encoding];
            let stream = &mut self.streams[frame.encoding];
            stream.picture_id = (stream.picture_id + 1) & PICTURE_ID_MASK;
            let descriptor = Descriptor {
                partition_start: true,
                picture_id: Some(stream.picture_id),
                ..Descriptor::default()
            };
            let stamp = Stamp {
                source: self.source,
                // Four encodings at most, a handful of tracks.
                encoding: frame.encoding as u8,
                track: self.track,
                number: frame.number,
                reference: frame.reference,
                index: 0,
                count: 0,
                captured: now,
            };
            let size = frame.is_keyframe().then_some((spec.width, spec.height));
            let payloads = packetize(frame.size, size, &descriptor, stamp);
            let last = payloads.len() - 1;
            for (at, payload) in payloads.into_iter().enumerate() {
                // Browsers name the encoding until they hear that it arrived, about that many packets.
                let names = (stream.sent < NAMED || frame.is_keyframe()).then(|| Names {
                    mid: self.mid.clone(),
                    rid: spec.rid.clone(),
                    repaired: false,
                });
                let ready = Ready {
                    ssrc: stream.ssrc,
                    payload_type: VP8,
                    sequence: stream.sequence,
                    timestamp: stream.clock.wrapping_add(ticks(now)),
                    marker: at == last,
                    names,
                    level: None,
                    prefix: None,
                    payload,
                    repeated: None,
                };
                stream.sequence = stream.sequence.wrapping_add(1);
                stream.sent += 1;
                stream.octets += ready.size() as u64;
                if stream.history.len() == HISTORY {
                    stream.history.pop_front();
                }
                stream.history.push_back(ready.clone());
                out.push_back(ready);
            }
        }
    }

    /// Repeats what a receiver misses, as far as it is still there. Like a browser it does not repeat within
    /// a round trip what it has just repeated.
    pub fn repair(&mut self, now: Micros, rtt: Micros, ssrc: u32, lost: &[u16], out: &mut VecDeque<Ready>) {
        let Some(at) = self.encoding_of(ssrc) else { return };
        let rid = &self.encoder.specs()[at].rid;
        let stream = &mut self.streams[at];
        for number in lost {
            let Some(kept) = stream.history.iter_mut().find(|kept| kept.sequence == *number) else {
                continue;
            };
            if kept.repeated.is_some_and(|at| now - at < rtt) {
                continue;
            }
            kept.repeated = Some(now);
            out.push_back(Ready {
                ssrc: stream.rtx_ssrc,
                payload_type: RTX,
                sequence: stream.rtx_sequence,
                names: Some(Names { mid: self.mid.clone(), rid: rid.clone(), repaired: !rid.is_empty() }),
                prefix: Some(osn(*number)),
                ..kept.clone()
            });
            stream.rtx_sequence = stream.rtx_sequence.wrapping_add(1);
        }
    }

    /// Sender reports of everything that was sent; `ntp` is the present by this participant's clock.
    pub fn reports(&self, now: Micros, ntp: u64, out: &mut Vec<RtcpItem>) {
        for stream in self.streams.iter().filter(|stream| stream.sent > 0) {
            out.push(RtcpItem::SenderReport {
                ssrc: stream.ssrc,
                ntp,
                rtp_time: stream.clock.wrapping_add(ticks(now)),
                // RFC 3550 §6.4.1: both wrap.
                packets: stream.sent as u32,
                octets: stream.octets as u32,
                reports: Default::default(),
            });
        }
    }
}
