//! Whether a whole frame would decode, given those before it.
//!
//! Owns the chain of references: by the stamp of a synthetic frame where there is one, by picture id and TL0PICIDX
//! (RFC 7741 §4.2) where there is none. Both apply to the descriptor, since a decoder goes by it.

use super::assemble::{Assembled, Flaw, Frame};
use crate::synthetic::Stamp;

/// Why a decoder would reject a frame, or show it wrong, although nothing was lost: what no server may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BadFrame {
    /// It has no beginning, and no number is missing in front of it.
    MissingPacket,
    /// The next frame began before its last packet.
    MissingMarker,
    /// Its packets do not belong together, or its bytes are not those that were sent.
    MixedUp,
    /// A packet of it is not of its codec.
    Malformed,
    /// Its picture id or timestamp is not above that of the frame before.
    NotMonotone,
    /// It was predicted from a frame that was not decoded.
    MissingReference,
    /// The source or the encoding changed, and it is not a keyframe.
    NoKeyframe,
}

impl From<Flaw> for BadFrame {
    fn from(flaw: Flaw) -> Self {
        match flaw {
            Flaw::MissingPacket => Self::MissingPacket,
            Flaw::MissingMarker => Self::MissingMarker,
            Flaw::MixedUp => Self::MixedUp,
            Flaw::Malformed => Self::Malformed,
        }
    }
}

/// What the decoder would have in its buffers.
#[derive(Debug, Default)]
pub(super) struct Judge {
    /// The last frame that decoded.
    last: Option<Decoded>,
    /// A reference was lost: nothing decodes until a keyframe.
    broken: bool,
    /// Packets never came since the last frame that decoded.
    lost: bool,
}

#[derive(Clone, Copy, Debug)]
struct Decoded {
    timestamp: u32,
    picture_id: Option<u16>,
    tl0: Option<u8>,
    csrc: Option<u32>,
    stamp: Option<Stamp>,
    /// The number of the last frame that others may refer to, of a stamped source.
    base: Option<u32>,
}

/// Why a frame does not decode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rejected {
    /// Packets that never came are missing in it, or in what it was predicted from.
    Spoiled,
    /// It was made so.
    Bad(BadFrame),
}

/// The outcome for a frame that was put together.
pub(super) type Judgement = Result<(Frame, Option<Stamp>), Rejected>;

impl Judge {
    /// True while nothing can be decoded for want of a keyframe.
    pub(super) fn waits_for_keyframe(&self) -> bool {
        self.broken || self.last.is_none()
    }

    /// The outcome, or `None` for what is no frame.
    pub(super) fn judge(&mut self, input: Assembled) -> Option<Judgement> {
        match input {
            Assembled::Whole(frame) => Some(self.judge_whole(frame)),
            Assembled::Broken { droppable, why } => {
                self.broken |= !droppable;
                Some(Err(self.blame(why.into())))
            }
            Assembled::Lost(_) => {
                self.lost = true;
                None
            }
            Assembled::Abandoned => None,
        }
    }

    fn judge_whole(&mut self, frame: Frame) -> Judgement {
        let stamp = match Stamp::open(&frame.data) {
            Some(None) => return Err(self.reject(BadFrame::MixedUp, &frame)),
            found => found.flatten(),
        };
        match self.find_fault(&frame, stamp) {
            Some(fault) => Err(self.reject(fault, &frame)),
            None => {
                self.accept(&frame, stamp);
                Ok((frame, stamp))
            }
        }
    }

    fn find_fault(&self, frame: &Frame, stamp: Option<Stamp>) -> Option<BadFrame> {
        let keyframe = frame.info.keyframe_start;
        let Some(last) = self.last else {
            return (!keyframe).then_some(BadFrame::MissingReference);
        };
        if !follows_u32(last.timestamp, frame.timestamp)
            || !follows_picture_id(last.picture_id, frame.info.picture_id)
        {
            return Some(BadFrame::NotMonotone);
        }
        if keyframe {
            // A switch may not give away which encoding it came from: the count of base frames goes on.
            let counted = last.tl0.zip(frame.info.tl0_picture_index);
            return counted.is_some_and(|(a, b)| !follows_u8(a, b)).then_some(BadFrame::NotMonotone);
        }
        if self.broken {
            return Some(BadFrame::MissingReference);
        }
        let changed = last.csrc.is_some() && frame.csrc.is_some() && last.csrc != frame.csrc
            || last.stamp.zip(stamp).is_some_and(|(a, b)| (a.source, a.encoding) != (b.source, b.encoding));
        if changed {
            return Some(BadFrame::NoKeyframe);
        }
        let missing = match (last.base, stamp) {
            (Some(base), Some(stamp)) => stamp.reference != base,
            _ => false,
        };
        (missing || misses_reference(&last, frame)).then_some(BadFrame::MissingReference)
    }

    fn accept(&mut self, frame: &Frame, stamp: Option<Stamp>) {
        let kept = |last: &Decoded| (last.tl0, last.base);
        let (last_tl0, last_base) = self.last.as_ref().map_or((None, None), kept);
        let is_base = frame.info.temporal.unwrap_or(0) == 0;
        (self.broken, self.lost) = (false, false);
        self.last = Some(Decoded {
            timestamp: frame.timestamp,
            picture_id: frame.info.picture_id,
            tl0: if is_base { frame.info.tl0_picture_index } else { last_tl0 },
            csrc: frame.csrc,
            stamp,
            base: if is_base { stamp.map(|stamp| stamp.number) } else { last_base },
        });
    }

    fn reject(&mut self, fault: BadFrame, frame: &Frame) -> Rejected {
        self.broken |= !frame.info.droppable;
        self.blame(fault)
    }

    /// What a loss can do is put down to one, if there was one. It cannot mix frames up or turn counters back.
    fn blame(&self, fault: BadFrame) -> Rejected {
        match fault {
            BadFrame::MissingPacket | BadFrame::MissingReference | BadFrame::NoKeyframe if self.lost => {
                Rejected::Spoiled
            }
            _ => Rejected::Bad(fault),
        }
    }
}

/// By the descriptor: without temporal layers every frame is predicted from the one before; with them, a base frame from
/// the base frame before, and any other frame at least from the last base frame.
fn misses_reference(last: &Decoded, frame: &Frame) -> bool {
    match (frame.info.temporal, frame.info.tl0_picture_index, last.tl0) {
        (Some(0), Some(index), Some(before)) => index != before.wrapping_add(1),
        (Some(_), Some(index), Some(before)) => index != before,
        _ => match (last.picture_id, frame.info.picture_id) {
            (Some(before), Some(id)) => id != (before + 1) & 0x7fff,
            _ => false,
        },
    }
}

fn follows_u32(before: u32, after: u32) -> bool {
    (1..1 << 31).contains(&after.wrapping_sub(before))
}

fn follows_u8(before: u8, after: u8) -> bool {
    (1..1 << 7).contains(&after.wrapping_sub(before))
}

fn follows_picture_id(before: Option<u16>, after: Option<u16>) -> bool {
    match (before, after) {
        (Some(before), Some(after)) => (1..1 << 14).contains(&(after.wrapping_sub(before) & 0x7fff)),
        _ => true,
    }
}
