//! One encoding of a publication, as it arrives.
//!
//! Owns what is measured and kept per encoding: numbers, clock, layers, sizes, rates, liveness, the latest packets.
//! Every packet is looked at once here, however many receivers there are. Leaves what belongs to all
//! encodings to `publication`.

use std::time::Duration;

use packet::codec::MAX_SPATIAL;
use packet::extension::dependency::Structure;
use packet::{Codec, RtpPacket};
use smallvec::SmallVec;
use units::{Bitrate, Timestamp};

use crate::capture::{CaptureClock, WallClock};
use crate::egress;
use crate::history::History;
use crate::liveness::Liveness;
use crate::media::{Layer, Media, Parser, Standing};
use crate::meter::{Meter, Reading, TEMPORAL_LAYERS};
use crate::relay::Measured;
use crate::window::{Arrival, Window};
use crate::{EncodingState, ParticipantId};
use packet::Rid;

/// A spatial layer that misses its pictures for this long, by the clock of the stream, is not being sent.
const SPATIAL_SILENCE: Duration = Duration::from_secs(1);

/// Something that a receiver can be given of an encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rung {
    /// The limit by which it is given; [`Layer::ALL`] in a direction that has nothing higher.
    pub(crate) limit: Layer,
    /// The layer itself.
    pub(crate) layer: Layer,
    /// Pixels across and down.
    pub(crate) size: (u32, u32),
    /// Everything up to it, at the moment.
    pub(crate) reading: Reading,
    /// The same as a rule: what decisions go by.
    pub(crate) usual: Reading,
    /// Measured for long enough to know the rule. Encoders start low.
    pub(crate) settled: bool,
}

/// One spatial layer.
#[derive(Debug, Default)]
struct Spatial {
    meter: Meter,
    size: Option<(u32, u32)>,
    /// Newest RTP timestamp.
    newest: Option<u64>,
}

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
    /// By spatial layer, at least one.
    layers: SmallVec<[Spatial; 1]>,
    /// The number of the newest keyframe's first packet.
    keyframe: Option<u64>,
    /// What the node says of it that its publisher is connected to, if that is not this one. Here it is only seen while it is
    /// wanted.
    told: Option<Box<Measured>>,
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

impl Received {
    /// It changed nothing, and nothing can begin with it.
    pub(crate) fn is_plain(&self) -> bool {
        !(self.restarted || self.revived || self.resized || self.media.keyframe_start)
    }
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
            layers: smallvec::smallvec![Spatial::default()],
            keyframe: None,
            told: None,
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

    /// Pixels across and down of its largest layer, once a keyframe told.
    pub(crate) fn size(&self) -> Option<(u32, u32)> {
        self.told.as_ref().and_then(|told| told.size).or_else(|| self.seen_size())
    }

    fn seen_size(&self) -> Option<(u32, u32)> {
        self.layers.iter().rev().find_map(|layer| layer.size)
    }

    /// Whether a keyframe has passed so lately that fewer packets than this came since.
    pub(crate) fn has_keyframe_within(&self, packets: u64) -> bool {
        self.keyframe.zip(self.newest()).is_some_and(|(keyframe, newest)| newest - keyframe < packets)
    }

    /// What is known of each of its spatial layers, the smallest first; nothing before a size is.
    pub(crate) fn states(&self) -> SmallVec<[EncodingState; 1]> {
        let rungs = self.rungs();
        let layers = rungs.chunk_by(|rung, next| rung.layer.spatial == next.layer.spatial);
        layers.filter_map(|layer| layer.last()).map(|rung| self.state_of(rung)).collect()
    }

    /// What is known of what a receiver gets with that limit; `None` before its size is known.
    pub(crate) fn state_within(&self, limit: Layer) -> Option<EncodingState> {
        let rungs = self.rungs();
        let rung = rungs.iter().rev().find(|rung| rung.layer.is_within(limit)).or(rungs.first())?;
        Some(self.state_of(rung))
    }

    /// As signalling shows something that a receiver can be given.
    pub(crate) fn state_of(&self, rung: &Rung) -> EncodingState {
        EncodingState {
            rid: self.rid,
            width: rung.size.0,
            height: rung.size.1,
            fps: rung.reading.fps,
            bitrate: rung.reading.bitrate,
            active: self.is_live(),
        }
    }

    /// The highest spatial layer that was seen; 0 where there are none.
    pub(crate) fn highest_spatial(&self) -> u8 {
        let told = self.told.as_ref().map_or(0, |told| told.highest_spatial);
        told.max(self.layers.len() as u8 - 1)
    }

    /// Whether its publisher sends it.
    pub(crate) fn is_live(&self) -> bool {
        self.told.as_ref().map_or(self.liveness.is_live(), |told| told.is_live)
    }

    /// Whether another node says that it may be chosen; `None` where nobody has to say so.
    pub(crate) fn told_available(&self) -> Option<bool> {
        self.told.as_ref().map(|told| told.is_available)
    }

    /// Another node says how it is doing. Returns whether more changed than its rates.
    pub(crate) fn learn(&mut self, told: &Measured) -> bool {
        let before = self.told.replace(Box::new(told.clone()));
        before.is_none_or(|before| before.differs(told))
    }

    /// What another node has to know of it.
    pub(crate) fn measured(&self, is_available: bool) -> Measured {
        Measured {
            is_live: self.liveness.is_live(),
            is_available,
            size: self.size(),
            highest_spatial: self.highest_spatial(),
            rungs: self.rungs(),
        }
    }

    /// What a receiver can be given of it, by spatial, then by temporal layer. Empty before a size is known.
    pub(crate) fn rungs(&self) -> SmallVec<[Rung; 4]> {
        if let Some(told) = self.told.as_ref().filter(|told| !told.rungs.is_empty()) {
            return told.rungs.clone();
        }
        let newest = self.layers.iter().filter_map(|layer| layer.newest).max();
        let silence = SPATIAL_SILENCE.as_secs() * u64::from(self.codec.clock_rate());
        let is_sent =
            |layer: &Spatial| layer.newest.zip(newest).is_none_or(|(own, all)| all - own <= silence);
        let offered = |(_, layer): &(usize, &Spatial)| layer.size.is_some() && is_sent(layer);
        let top = self.layers.iter().enumerate().filter(offered).map(|(at, _)| at).max();
        let mut rungs = SmallVec::new();
        let mut below = [Bitrate::ZERO; TEMPORAL_LAYERS];
        let mut usually_below = below;
        for (spatial, layer) in self.layers.iter().enumerate() {
            let (readings, usual) = (layer.meter.read(), layer.meter.usual());
            if is_sent(layer) {
                below.iter_mut().zip(readings).for_each(|(sum, reading)| *sum += reading.bitrate);
                usually_below.iter_mut().zip(usual).for_each(|(sum, reading)| *sum += reading.bitrate);
            }
            let Some(size) = layer.size.filter(|_| is_sent(layer)) else { continue };
            let highest =
                (1..TEMPORAL_LAYERS).rev().find(|at| readings[*at] != readings[*at - 1]).unwrap_or(0);
            for temporal in 0..=highest {
                // Nothing can be given up to a layer that has no pictures of its own.
                if temporal > 0 && readings[temporal].fps == readings[temporal - 1].fps && temporal < highest
                {
                    continue;
                }
                let unlimited = |is_top: bool, layer: usize| if is_top { u8::MAX } else { layer as u8 };
                rungs.push(Rung {
                    limit: Layer {
                        spatial: unlimited(top == Some(spatial), spatial),
                        temporal: unlimited(temporal == highest, temporal),
                    },
                    layer: Layer { spatial: spatial as u8, temporal: temporal as u8 },
                    size,
                    reading: Reading { bitrate: below[temporal], fps: readings[temporal].fps },
                    usual: Reading { bitrate: usually_below[temporal], fps: usual[temporal].fps },
                    settled: layer.meter.is_settled(),
                });
            }
        }
        rungs
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
        let parsed = self.parser.parse(codec, seq, packet).map_err(|_| Discard::Malformed)?;
        if let Some(structure) = parsed.structure() {
            self.place_followers(seq, &structure);
        }
        let timestamp = self.clock.observe(now, packet.timestamp);
        let new_frame =
            self.layers.iter().filter_map(|layer| layer.newest).max().is_none_or(|n| timestamp > n);
        let resized = self.take_sizes(&parsed.sizes);
        // What it will take of a receiver's link, which is what estimates are about.
        self.measure(now, packet.payload.len() + egress::OVERHEAD, timestamp, parsed.standing.layer);
        let revived = self.liveness.heard(now, new_frame);
        if parsed.keyframe_start && self.keyframe.is_none_or(|kept| seq > kept) {
            self.keyframe = Some(seq);
        }
        let media = Media {
            publisher: self.publisher,
            seq,
            timestamp,
            capture: self.clock.instant(now, timestamp, wall),
            arrival: now,
            codec,
            frame_start: parsed.frame_start,
            keyframe_start: parsed.keyframe_start,
            marker: packet.marker,
            audio_level: packet.extensions.audio_level,
            standing: parsed.standing,
            head: parsed.head,
            dependency: parsed.dependency,
            redundant: None,
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
        self.layers.iter_mut().for_each(|layer| layer.newest = None);
        self.keyframe = None;
    }

    /// A structure came with that number, behind packets that it may describe.
    fn place_followers(&mut self, seq: u64, structure: &Structure) {
        for later in seq + 1..=self.window.newest().unwrap_or(seq) {
            if let Some(media) = self.history.get_mut(later) {
                media.place(structure);
            }
        }
    }

    /// Takes note of sizes that a keyframe told. Returns whether any has changed.
    fn take_sizes(&mut self, sizes: &[Option<(u16, u16)>; MAX_SPATIAL]) -> bool {
        let mut changed = false;
        for (at, (width, height)) in sizes.iter().enumerate().filter_map(|(at, size)| Some((at, (*size)?))) {
            let size = Some((u32::from(width), u32::from(height)));
            let layer = self.layer(at);
            changed |= layer.size != size;
            layer.size = size;
        }
        changed
    }

    fn measure(&mut self, now: Timestamp, bytes: usize, timestamp: u64, place: Layer) {
        let layer = self.layer(usize::from(place.spatial));
        let new_frame = layer.newest.is_none_or(|newest| timestamp > newest);
        if new_frame {
            layer.newest = Some(timestamp);
        }
        layer.meter.add(now, bytes, place.temporal, new_frame);
    }

    /// A spatial layer; those that are not told apart count as the highest that is.
    fn layer(&mut self, spatial: usize) -> &mut Spatial {
        let at = spatial.min(MAX_SPATIAL - 1);
        if self.layers.len() <= at {
            self.layers.resize_with(at + 1, Spatial::default);
        }
        &mut self.layers[at]
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
            standing: Standing::default(),
            head: None,
            dependency: None,
            redundant: None,
            body: packet.payload.clone(),
        }
    }
}
