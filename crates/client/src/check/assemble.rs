//! Frames out of packets in order.
//!
//! Owns the rules of one frame: it starts where its first partition, unit or layer does, has one timestamp and one picture
//! id, and ends with the marker (RFC 7741 §4, RFC 9628 §4, RFC 6184 §5). What frames mean to each other is for `judge`.

use packet::{Codec, FrameInfo};

use super::reorder::{InOrder, ReceivedPacket};
use crate::synthetic::payload::share;

/// A frame larger than this is not put together, in bytes.
const MAX_FRAME: usize = 4 << 20;

/// A frame with all its packets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// RTP timestamp, wrapped to 32 bits.
    pub timestamp: u32,
    /// What its first packet tells.
    pub info: FrameInfo,
    /// Who is in it, where the server says so.
    pub csrc: Option<u32>,
    /// The payloads without their descriptors, one behind the other.
    pub data: Vec<u8>,
}

/// What comes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Assembled {
    /// A whole frame.
    Whole(Frame),
    /// A frame of which something is missing or wrong.
    Broken {
        /// No other frame needs it.
        droppable: bool,
        why: Flaw,
    },
    /// A frame that was cut off where a keyframe began, with one number left free: a sender that switches does that, and
    /// no decoder misses it.
    Abandoned,
    /// Packets that never came, not counting the one in front of a keyframe behind an abandoned frame.
    Lost(u64),
}

/// What is wrong with one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    MissingPacket,
    MissingMarker,
    MixedUp,
    Malformed,
}

#[derive(Debug, Default)]
pub(super) struct Assembler {
    open: Option<Frame>,
    /// Packets missing in front of the next one.
    hole: u64,
    /// The timestamp of a frame that was reported already, so that the rest of it is not reported again.
    headless: Option<u32>,
}

impl Assembler {
    pub(super) fn handle(&mut self, input: InOrder, out: &mut Vec<Assembled>) {
        match input {
            InOrder::Hole(missing) => self.hole += missing,
            // What was passed over lies between a hole and a keyframe: nothing of it is usable.
            InOrder::Padding | InOrder::PassedOver(_) => {}
            InOrder::Packet(packet, info) => {
                let hole = std::mem::take(&mut self.hole);
                if hole > 0 {
                    self.close_at_hole(hole, info, out);
                }
                match info {
                    Some(info) => self.handle_packet(packet, info, out),
                    None => self.give_up(Flaw::Malformed, out),
                }
            }
        }
    }

    fn close_at_hole(&mut self, hole: u64, next: Option<FrameInfo>, out: &mut Vec<Assembled>) {
        let keyframe = next.is_some_and(|info| info.keyframe_start);
        match self.open.take() {
            Some(_) if keyframe && hole == 1 => out.push(Assembled::Abandoned),
            Some(frame) => {
                self.headless = Some(frame.timestamp);
                out.push(Assembled::Lost(hole));
                out.push(Assembled::Broken { droppable: frame.info.droppable, why: Flaw::MissingPacket });
            }
            None => out.push(Assembled::Lost(hole)),
        }
    }

    fn handle_packet(&mut self, packet: ReceivedPacket, info: FrameInfo, out: &mut Vec<Assembled>) {
        // Parameter sets and the first slice of an H.264 picture both look like its beginning.
        let goes_on = packet.codec == Codec::H264
            && self.open.as_ref().is_some_and(|open| open.timestamp == packet.timestamp);
        if info.frame_start && !goes_on {
            if self.open.is_some() {
                self.give_up(Flaw::MissingMarker, out);
            }
            self.headless = None;
            self.open =
                Some(Frame { timestamp: packet.timestamp, info, csrc: packet.csrc, data: Vec::new() });
        }
        let Some(frame) = &mut self.open else {
            if self.headless != Some(packet.timestamp) {
                self.headless = Some(packet.timestamp);
                out.push(Assembled::Broken { droppable: info.droppable, why: Flaw::MissingPacket });
            }
            return;
        };
        let same = frame.timestamp == packet.timestamp && frame.info.picture_id == info.picture_id;
        if !same || frame.data.len() > MAX_FRAME {
            return self.give_up(Flaw::MixedUp, out);
        }
        frame.data.extend_from_slice(&share(packet.codec, &packet.payload));
        if packet.marker {
            out.extend(self.open.take().map(Assembled::Whole));
        }
    }

    fn give_up(&mut self, why: Flaw, out: &mut Vec<Assembled>) {
        let frame = self.open.take();
        let droppable = frame.as_ref().is_some_and(|frame| frame.info.droppable);
        self.headless = frame.map(|frame| frame.timestamp);
        out.push(Assembled::Broken { droppable, why });
    }
}
