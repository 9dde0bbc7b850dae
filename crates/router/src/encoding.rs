//! One encoding of a publication, as it arrives.
//!
//! Owns what is measured and kept per encoding: numbers, clock, size, rate, liveness, the latest packets.
//! Every packet is looked at once here, however many receivers there are. Leaves what belongs to all
//! encodings to `publication`.

use packet::{Codec, RtpPacket};
use units::Timestamp;

use crate::capture::{CaptureClock, WallClock};
use crate::history::History;
use crate::liveness::Liveness;
use crate::media::{Media, Parser};
use crate::meter::Meter;
use crate::window::{Arrival, Window};
use crate::{EncodingState, ParticipantId};
use packet::Rid;

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Encoding {
    pub(crate) rid: Option<Rid>,
    publisher: ParticipantId,
    pub(crate) liveness: Liveness,
    pub(crate) history: History,
    codec: Codec,
    ssrc: Option<u32>,
    window: Window,
    parser: Parser,
    clock: CaptureClock,
    meter: Meter,
    size: Option<(u32, u32)>,
    /// Newest RTP timestamp, and the number of the newest keyframe's first packet.
    newest_frame: Option<u64>,
    keyframe: Option<u64>,
}

/// Why a packet went no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Discard {
    /// It was here before: browsers repeat old packets as probes.
    Duplicate,
    /// Too old to be of use.
    Stale,
    /// Not of its codec.
    Malformed,
}

/// A packet and what it changed.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) media: Media,
    /// What came before has no continuation here: whoever was sent this encoding needs a keyframe.
    pub(crate) restarted: bool,
    /// It ended a silence, or is the first.
    pub(crate) revived: bool,
    /// The picture has another size now.
    pub(crate) resized: bool,
    /// It is of a later frame than all before.
    pub(crate) new_frame: bool,
}

impl Encoding {
    /// An encoding that has not been seen, whose latest `history` packets will be kept.
    pub(crate) fn new(publisher: ParticipantId, rid: Option<Rid>, codec: Codec, history: usize) -> Self {
        Self {
            publisher,
            rid,
            liveness: Liveness::default(),
            history: History::new(if codec.is_video() { history } else { 0 }),
            codec,
            ssrc: None,
            window: Window::default(),
            parser: Parser::default(),
            clock: CaptureClock::new(codec.clock_rate()),
            meter: Meter::default(),
            size: None,
            newest_frame: None,
            keyframe: None,
        }
    }

    /// The stream it comes on.
    pub(crate) fn ssrc(&self) -> Option<u32> {
        self.ssrc
    }

    /// The newest number.
    pub(crate) fn newest(&self) -> Option<u64> {
        self.window.newest()
    }

    /// The number of the newest keyframe's first packet.
    pub(crate) fn keyframe(&self) -> Option<u64> {
        self.keyframe
    }

    /// Pixels across and down, once a keyframe told.
    pub(crate) fn size(&self) -> Option<(u32, u32)> {
        self.size
    }

    /// What is known of it; `None` before its size is.
    pub(crate) fn state(&self) -> Option<EncodingState> {
        let (width, height) = self.size?;
        let reading = self.meter.read();
        Some(EncodingState {
            rid: self.rid,
            width,
            height,
            fps: reading.fps,
            bitrate: reading.bitrate,
            active: self.liveness.is_live(),
        })
    }

    /// A packet arrived.
    pub(crate) fn receive(
        &mut self,
        now: Timestamp,
        codec: Codec,
        packet: &RtpPacket,
        wall: &WallClock,
    ) -> Result<Received, Discard> {
        if self.ssrc != Some(packet.ssrc) || self.codec != codec {
            self.follow(packet.ssrc, codec);
        }
        let (seq, restarted) = match self.window.receive(packet.sequence) {
            Arrival::New(seq) => (seq, false),
            Arrival::Restart(seq) => (seq, true),
            Arrival::Duplicate => return Err(Discard::Duplicate),
            Arrival::Stale => return Err(Discard::Stale),
        };
        if packet.is_padding_only() {
            let media = self.padding(now, seq, packet, wall);
            return Ok(Received { media, restarted, revived: false, resized: false, new_frame: false });
        }
        let parsed = self.parser.parse(codec, packet).map_err(|_| Discard::Malformed)?;
        let timestamp = self.clock.observe(now, packet.timestamp);
        let new_frame = self.newest_frame.is_none_or(|newest| timestamp > newest);
        if new_frame {
            self.newest_frame = Some(timestamp);
        }
        self.meter.add(now, packet.wire_size, new_frame);
        let revived = self.liveness.heard(now, new_frame);
        let size = parsed.info.size.map(|(width, height)| (u32::from(width), u32::from(height)));
        let resized = size.is_some() && size != self.size;
        self.size = size.or(self.size);
        if parsed.info.keyframe_start && self.keyframe.is_none_or(|kept| seq > kept) {
            self.keyframe = Some(seq);
        }
        let media = Media {
            publisher: self.publisher,
            seq,
            timestamp,
            capture: self.clock.instant(now, timestamp, wall),
            arrival: now,
            codec,
            frame_start: parsed.info.frame_start,
            keyframe_start: parsed.info.keyframe_start,
            marker: packet.marker,
            audio_level: packet.extensions.audio_level,
            vp8: parsed.vp8,
            body: parsed.body,
        };
        Ok(Received { media, restarted, revived, resized, new_frame })
    }

    /// A sender report of its stream arrived.
    pub(crate) fn observe_report(&mut self, ntp: u64, rtp_time: u32) {
        self.clock.observe_report(ntp, rtp_time);
    }

    /// Another stream, or another codec, takes this one's place under the same name (a new offer, a
    /// reconnect).
    fn follow(&mut self, ssrc: u32, codec: Codec) {
        self.ssrc = Some(ssrc);
        self.codec = codec;
        self.window.replace();
        self.parser = Parser::default();
        self.clock = CaptureClock::new(codec.clock_rate());
        self.newest_frame = None;
        self.keyframe = None;
    }

    fn padding(&mut self, now: Timestamp, seq: u64, packet: &RtpPacket, wall: &WallClock) -> Media {
        let timestamp = self.clock.observe(now, packet.timestamp);
        Media {
            publisher: self.publisher,
            seq,
            timestamp,
            capture: self.clock.instant(now, timestamp, wall),
            arrival: now,
            codec: self.codec,
            frame_start: false,
            keyframe_start: false,
            marker: false,
            audio_level: None,
            vp8: None,
            body: packet.payload.clone(),
        }
    }
}
