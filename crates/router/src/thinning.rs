//! Which layers of an encoding reach a receiver.
//!
//! Owns the *limit*, a spatial and a temporal layer, and where it may move: down with any picture, up only where what
//! follows can be decoded (RFC 7741 §4.2, RFC 9628 §4.2, AV1 RTP payload format §A.4). A frame is dropped whole or not at
//! all, whatever its packets go through. Leaves closing up the numbers to `rewrite` and the choice to `select`.

use std::collections::VecDeque;

use crate::media::{Layer, Media};
use crate::rewrite::Origin;

/// Limits remembered, for what arrives or is asked for late.
const MAX_LIMITS: usize = 16;
/// Dropped pictures remembered: at 60 frames per second, about what can still be repaired.
const MAX_DROPPED: usize = 64;

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is sent.
    Send,
    /// Its number is closed up; `first` for the first packet of its picture that is.
    Drop { first: bool },
    /// Its number was promised to the receiver, but its picture is dropped: something empty has to be sent.
    Fill,
}

/// From a picture of a source on, what is sent.
#[derive(Clone, Copy, Debug)]
struct Limit {
    origin: Origin,
    timestamp: u64,
    layer: Layer,
}

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Thinning {
    target: Layer,
    /// Newest last.
    limits: VecDeque<Limit>,
    /// Pictures of which something was dropped, by source and timestamp, newest last.
    dropped: VecDeque<(Origin, u64)>,
    /// Timestamp of the newest picture of the present source.
    newest: Option<u64>,
}

impl Default for Thinning {
    fn default() -> Self {
        Self { target: Layer::ALL, limits: VecDeque::new(), dropped: VecDeque::new(), newest: None }
    }
}

impl Thinning {
    /// What is wanted of the present source from here on.
    pub(crate) fn set_target(&mut self, target: Layer) {
        self.target = target;
    }

    /// What is on the wire of the present source.
    pub(crate) fn current(&self) -> Layer {
        self.limits.back().map_or(Layer::ALL, |limit| limit.layer)
    }

    /// A source starts with this packet of a keyframe, from which on everything can be decoded.
    pub(crate) fn start(&mut self, origin: Origin, media: &Media, target: Layer) {
        self.target = target;
        self.newest = Some(media.timestamp);
        self.push(Limit { origin, timestamp: media.timestamp, layer: target });
    }

    /// What becomes of a packet; `late` for one that others with higher numbers overtook.
    pub(crate) fn judge(&mut self, origin: Origin, media: &Media, late: bool) -> Fate {
        if !late {
            self.move_limit(origin, media);
        }
        let (limit, key) = (self.limit(origin, media.timestamp), (origin, media.timestamp));
        if media.standing.layer.is_within(limit) {
            return Fate::Send;
        }
        let first = !self.dropped.contains(&key);
        match late {
            // Its place among the pictures was kept, too, so it had better not stay empty.
            true if first && is_decodable(media, limit) => Fate::Send,
            true => Fate::Fill,
            false => {
                if first {
                    if self.dropped.len() == MAX_DROPPED {
                        self.dropped.pop_front();
                    }
                    self.dropped.push_back(key);
                }
                Fate::Drop { first }
            }
        }
    }

    /// Whether a packet that is kept was sent as it is.
    pub(crate) fn was_sent(&self, origin: Origin, media: &Media) -> bool {
        let limit = self.limit(origin, media.timestamp);
        media.standing.layer.is_within(limit)
            || is_decodable(media, limit) && !self.dropped.contains(&(origin, media.timestamp))
    }

    /// Whether a packet is the last of its picture for the receiver.
    pub(crate) fn ends_picture(&self, origin: Origin, media: &Media) -> bool {
        let standing = &media.standing;
        let is_top = || standing.layer.spatial == self.limit(origin, media.timestamp).spatial;
        media.marker || (standing.layer_end && is_top())
    }

    /// The limit that holds for a picture.
    pub(crate) fn limit(&self, origin: Origin, timestamp: u64) -> Layer {
        let holds = |limit: &&Limit| limit.origin == origin && limit.timestamp <= timestamp;
        self.limits.iter().rev().find(holds).map_or(Layer::ALL, |limit| limit.layer)
    }

    /// Moves the limit towards the target as far as this packet, ahead of all before, allows.
    fn move_limit(&mut self, origin: Origin, media: &Media) {
        let (standing, now, target) = (&media.standing, self.current(), self.target);
        let mut next = now;
        if media.keyframe_start {
            next = target;
        } else if self.newest.is_none_or(|newest| media.timestamp > newest) {
            next.spatial = now.spatial.min(target.spatial);
            next.temporal = now.temporal.min(target.temporal);
            if let Some(raise) = standing.raise.filter(|raise| raise.from <= now.temporal) {
                next.temporal = next.temporal.max(raise.to.min(target.temporal));
            }
        }
        // An upper spatial layer begins in the middle of a picture, behind those below.
        let above = standing.layer.spatial == next.spatial.saturating_add(1);
        if standing.spatial_sync && above && standing.layer.spatial <= target.spatial {
            next.spatial = standing.layer.spatial;
        }
        self.newest = Some(self.newest.map_or(media.timestamp, |newest| newest.max(media.timestamp)));
        if next != now {
            self.push(Limit { origin, timestamp: media.timestamp, layer: next });
        }
    }

    fn push(&mut self, limit: Limit) {
        if self.limits.len() == MAX_LIMITS {
            self.limits.pop_front();
        }
        self.limits.push_back(limit);
    }
}
/// Whether a frame beyond a limit needs nothing but what is within it.
fn is_decodable(media: &Media, limit: Layer) -> bool {
    media.standing.raise.is_some_and(|raise| raise.from <= limit.temporal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PublicationId;
    use crate::media::{Raise, Standing};
    use crate::rewrite::tests::blank;

    const ORIGIN: Origin = Origin { publication: PublicationId(1), encoding: 0 };

    fn up_to(spatial: u8, temporal: u8) -> Layer {
        Layer { spatial, temporal }
    }

    fn frame(timestamp: u64, spatial: u8, temporal: u8, raise: Option<(u8, u8)>) -> Media {
        let raise = raise.map(|(from, to)| Raise { from, to });
        let standing = Standing { layer: up_to(spatial, temporal), raise, ..Standing::default() };
        Media { timestamp, standing, ..blank() }
    }

    fn keyframe(timestamp: u64) -> Media {
        let start = frame(timestamp, 0, 0, Some((0, u8::MAX)));
        Media { keyframe_start: true, ..start }
    }

    /// Starts with everything up to a limit.
    fn limited(layer: Layer) -> Thinning {
        let mut thinning = Thinning::default();
        thinning.start(ORIGIN, &keyframe(0), layer);
        thinning
    }

    #[test]
    fn temporal_layers_are_left_at_any_picture_and_taken_up_where_they_can_be() {
        // The target, a frame's layer, what it lets be taken up, whether it is sent.
        let steps = [
            (9, 2, None, true, "all"),
            (0, 0, None, true, "the base"),
            (0, 1, None, false, "left at once"),
            (9, 2, Some((1, 2)), false, "an upper layer whose middle one was left"),
            (9, 1, None, false, "a frame that refers to what was not sent"),
            (9, 1, Some((0, 1)), true, "one that does not: taken up"),
            (9, 2, None, false, "the next layer waits for its own"),
            (9, 2, Some((1, 2)), true, "which comes"),
            (1, 2, Some((1, 2)), false, "not wanted any more"),
            (9, 0, Some((0, 7)), true, "from here on all can be taken up"),
            (9, 2, None, true, "and is"),
            (1, 0, Some((0, 7)), true, "no further than wanted"),
            (1, 2, None, false, "which is the middle one"),
        ];
        let mut thinning = limited(Layer::ALL);
        for (at, (target, temporal, raise, sent, why)) in steps.into_iter().enumerate() {
            thinning.set_target(up_to(u8::MAX, target));
            let fate = thinning.judge(ORIGIN, &frame(at as u64 + 1, 0, temporal, raise), false);
            assert_eq!(fate == Fate::Send, sent, "{why}: {fate:?}");
        }
    }

    #[test]
    fn all_packets_of_a_frame_share_its_fate() {
        let mut thinning = limited(up_to(u8::MAX, 0));
        let steps = [
            (5, 1, None, false, Fate::Drop { first: true }, "the first to come"),
            (5, 1, None, false, Fate::Drop { first: false }, "the next"),
            (5, 1, Some((0, 1)), true, Fate::Fill, "a place was kept for one that comes late"),
            (4, 1, Some((0, 1)), true, Fate::Send, "nothing of it was dropped, and it can be decoded"),
            (4, 2, Some((1, 2)), true, Fate::Fill, "not upon what is sent"),
            (4, 1, None, true, Fate::Fill, "nobody knows upon what"),
            (3, 0, None, true, Fate::Send, "the base"),
        ];
        for (timestamp, temporal, raise, late, expected, why) in steps {
            let fate = thinning.judge(ORIGIN, &frame(timestamp, 0, temporal, raise), late);
            assert_eq!(fate, expected, "{why}");
        }
        thinning.set_target(Layer::ALL);
        assert_eq!(thinning.judge(ORIGIN, &frame(5, 0, 1, Some((0, 1))), false), Fate::Drop { first: false });
        assert_eq!(
            thinning.judge(ORIGIN, &frame(6, 0, 1, Some((0, 1))), false),
            Fate::Send,
            "with a new frame"
        );
        assert_eq!(thinning.judge(ORIGIN, &frame(5, 0, 1, None), true), Fate::Fill, "what was, stays");
        assert!(
            !thinning.was_sent(ORIGIN, &frame(5, 0, 1, None))
                && thinning.was_sent(ORIGIN, &frame(6, 0, 1, None))
        );
    }

    #[test]
    fn spatial_layers_are_taken_up_without_reference_to_earlier_pictures() {
        let upper = |timestamp, spatial, spatial_sync| {
            let media = frame(timestamp, spatial, 0, None);
            Media { standing: Standing { spatial_sync, layer_end: true, ..media.standing }, ..media }
        };
        let mut thinning = limited(up_to(0, u8::MAX));
        thinning.set_target(Layer::ALL);
        let steps = [
            (upper(1, 1, false), false, "refers to a picture that was not sent"),
            (upper(2, 2, true), false, "two layers up"),
            (upper(3, 1, true), true, "refers to the layer below only"),
            (upper(3, 2, true), true, "and so does the next, in the same picture"),
            (upper(4, 2, false), true, "goes on"),
        ];
        for (media, sent, why) in steps {
            assert_eq!(thinning.judge(ORIGIN, &media, false) == Fate::Send, sent, "{why}");
        }
        thinning.set_target(up_to(1, u8::MAX));
        assert_eq!(thinning.judge(ORIGIN, &upper(5, 1, false), false), Fate::Send);
        assert!(
            thinning.ends_picture(ORIGIN, &upper(5, 1, false)),
            "the highest that is sent ends the picture"
        );
        assert!(
            !thinning.ends_picture(ORIGIN, &upper(5, 0, false))
                && !thinning.ends_picture(ORIGIN, &upper(4, 1, false))
        );
        assert_eq!(thinning.judge(ORIGIN, &upper(5, 2, false), false), Fate::Drop { first: true });
        thinning.set_target(Layer::ALL);
        assert_eq!(thinning.judge(ORIGIN, &keyframe(6), false), Fate::Send);
        assert_eq!(
            thinning.judge(ORIGIN, &upper(6, 2, false), false),
            Fate::Send,
            "a keyframe starts them all"
        );
    }

    #[test]
    fn memory_is_bounded() {
        let mut thinning = limited(up_to(u8::MAX, 0));
        for at in 1..10_000 {
            thinning.set_target(if at % 2 == 0 { Layer::ALL } else { up_to(0, 0) });
            thinning.judge(ORIGIN, &frame(at, 0, 1, Some((0, 1))), false);
        }
        assert_eq!((thinning.limits.len(), thinning.dropped.len()), (MAX_LIMITS, MAX_DROPPED));
    }
}
