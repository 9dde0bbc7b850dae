//! What is wanted of a publisher: encodings that nobody's target uses are switched off, and frames that nobody shows are
//! not made.
//!
//! Owns the level (what is wanted now) and its delays: none before more is wanted, some seconds before less is. It is a
//! level and not an edge, so that whoever comes while all is off wakes it. Leaves who wants what to `room`.

use std::time::Duration;

use selector::CodecSet;
use units::Timestamp;

use crate::publication::MAX_ENCODINGS;
use crate::select::forwarded;

/// How long a publisher has to start an encoding that is wanted again before it counts as unable.
const WAKE_TIME: Duration = Duration::from_secs(2);

/// Publishers of pictures make this many frames per second; a limit that is no lower is none.
const FULL_RATE: u32 = 30;

/// What all who want one encoding want together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Joint {
    /// Nobody wants it.
    #[default]
    Unwanted,
    /// The most frames per second that are of use to any of them.
    Wanted { fps: u32 },
}

impl Joint {
    /// Everything that the publisher can give.
    pub(crate) const ALL: Self = Self::Wanted { fps: u32::MAX };

    /// What others want together is wanted as well.
    pub(crate) fn merge(&mut self, others: Self) {
        if let Self::Wanted { fps } = others {
            self.join(fps);
        }
    }

    /// One more wants it, with this limit of frames per second.
    pub(crate) fn join(&mut self, limit: u32) {
        *self = match *self {
            Self::Unwanted => Self::Wanted { fps: limit },
            Self::Wanted { fps } => Self::Wanted { fps: fps.max(limit) },
        };
    }
}

/// The limit of frames per second that a publisher was told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Rate {
    told: Option<u32>,
    /// A lower one would do, since then.
    lower_since: Option<Timestamp>,
}

impl Rate {
    /// Takes note of what is of use. Returns true when the publisher has to be told.
    fn update(&mut self, now: Timestamp, fps: u32, delay: Duration) -> bool {
        let wanted = Some(fps.max(1)).filter(|fps| *fps < FULL_RATE);
        let rank = |limit: Option<u32>| limit.unwrap_or(u32::MAX);
        if rank(wanted) == rank(self.told) {
            self.lower_since = None;
            return false;
        }
        let is_due = rank(wanted) > rank(self.told) || now - *self.lower_since.get_or_insert(now) >= delay;
        if is_due {
            *self = Self { told: wanted, lower_since: None };
        }
        is_due
    }
}

/// What is wanted of one encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    /// Somebody wants it.
    On,
    /// Somebody wants it again, since then, after the publisher had been told to stop it.
    Waking { since: Timestamp },
    /// Nobody wants it since then, but the publisher has not been told.
    Fading { since: Timestamp },
    /// The publisher was told to stop it.
    Off,
}

/// The codecs that a publisher was told. One that some receiver lacks is given up at once; one that all have again may be taken
/// up later, since each change costs an offer and a keyframe.
#[derive(Clone, Copy, Debug)]
struct Codecs {
    told: CodecSet,
    /// Others would do, since then.
    wider_since: Option<Timestamp>,
}

impl Codecs {
    /// Takes note of what serves the receivers. Returns true when the publisher has to be told.
    fn update(&mut self, now: Timestamp, joint: CodecSet, delay: Duration) -> bool {
        if joint == self.told {
            self.wider_since = None;
            return false;
        }
        let narrower = self.told.iter().any(|codec| !joint.contains(codec));
        let is_due = narrower || now - *self.wider_since.get_or_insert(now) >= delay;
        if is_due {
            *self = Self { told: joint, wider_since: None };
        }
        is_due
    }
}

/// What is wanted of one publication. An encoding is wanted until the contrary is known, and in any codec.
#[derive(Debug)]
pub(crate) struct Demand {
    wishes: [Wish; MAX_ENCODINGS],
    rates: [Rate; MAX_ENCODINGS],
    codecs: Codecs,
}

impl Default for Demand {
    fn default() -> Self {
        Self {
            wishes: [Wish::On; MAX_ENCODINGS],
            rates: [Rate::default(); MAX_ENCODINGS],
            codecs: Codecs { told: forwarded(), wider_since: None },
        }
    }
}

impl Demand {
    /// Of a publication whose packets come from another node: nothing is wanted until somebody does, and the other node knows.
    pub(crate) fn off() -> Self {
        Self { wishes: [Wish::Off; MAX_ENCODINGS], ..Self::default() }
    }

    /// Takes note of what is wanted. Returns true when the publisher has to be told.
    pub(crate) fn update(
        &mut self,
        now: Timestamp,
        joint: [Joint; MAX_ENCODINGS],
        codecs: CodecSet,
        off_delay: Duration,
    ) -> bool {
        let mut tell = self.codecs.update(now, codecs, off_delay);
        for ((wish, rate), joint) in self.wishes.iter_mut().zip(&mut self.rates).zip(joint) {
            match joint {
                Joint::Wanted { fps } => tell |= rate.update(now, fps, off_delay),
                Joint::Unwanted => rate.lower_since = None,
            }
            let wanted = joint != Joint::Unwanted;
            *wish = match (*wish, wanted) {
                (Wish::Off, true) => {
                    tell = true;
                    Wish::Waking { since: now }
                }
                (Wish::Fading { .. }, true) => Wish::On,
                (Wish::On | Wish::Waking { .. }, false) => Wish::Fading { since: now },
                (Wish::Fading { since }, false) if now - since >= off_delay => {
                    tell = true;
                    Wish::Off
                }
                (unchanged, _) => unchanged,
            };
        }
        tell
    }

    /// Whether an encoding is to be sent.
    pub(crate) fn is_active(&self, encoding: usize) -> bool {
        self.wishes[encoding] != Wish::Off
    }

    /// The most frames per second that are of use of an encoding; `None` for no limit.
    pub(crate) fn max_fps(&self, encoding: usize) -> Option<u32> {
        self.rates[encoding].told
    }

    /// The codecs that serve the receivers best; `None` for any.
    pub(crate) fn codecs(&self) -> Option<CodecSet> {
        Some(self.codecs.told).filter(|codecs| *codecs != forwarded())
    }

    /// Whether an encoding that does not arrive may be expected to, once it is wanted: it is off by our own
    /// word, or has only just been asked for.
    pub(crate) fn explains_silence(&self, encoding: usize, now: Timestamp) -> bool {
        match self.wishes[encoding] {
            Wish::Off => true,
            Wish::Waking { since } => now - since < WAKE_TIME,
            Wish::On | Wish::Fading { .. } => false,
        }
    }

    /// When the next wish runs out.
    pub(crate) fn deadline(&self, off_delay: Duration) -> Option<Timestamp> {
        let fading = |wish: &Wish| match wish {
            Wish::Fading { since } => Some(*since + off_delay),
            Wish::On | Wish::Waking { .. } | Wish::Off => None,
        };
        let slowing = self.rates.iter().filter_map(|rate| Some(rate.lower_since? + off_delay));
        let widening = self.codecs.wider_since.map(|since| since + off_delay);
        self.wishes.iter().filter_map(fading).chain(slowing).chain(widening).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELAY: Duration = Duration::from_secs(3);

    #[test]
    fn on_at_once_off_with_a_delay() {
        let mut demand = Demand::default();
        let steps = [
            (0, true, false, true, "wanted from the start: no news"),
            (1_000, false, false, true, "not wanted: wait"),
            (3_900, false, false, true, "still"),
            (3_950, true, false, true, "wanted again in time: the publisher never knew"),
            (5_000, false, false, true, "not wanted: wait anew"),
            (8_000, false, true, false, "off"),
            (9_000, false, false, false, "no news"),
            (9_001, true, true, true, "on at once"),
        ];
        for (ms, wanted, tell, active, why) in steps {
            let now = Timestamp::from_millis(ms);
            let all: [Joint; MAX_ENCODINGS] =
                std::array::from_fn(|at| if at > 0 || wanted { Joint::ALL } else { Joint::Unwanted });
            assert_eq!(demand.update(now, all, forwarded(), DELAY), tell, "{why}");
            assert_eq!(demand.is_active(0), active, "{why}");
        }
        assert!(demand.explains_silence(0, Timestamp::from_millis(9_100)), "it needs a moment to start");
        assert!(!demand.explains_silence(0, Timestamp::from_millis(12_000)), "and that moment is over");
    }

    #[test]
    fn asks_to_be_woken_only_while_something_fades() {
        let mut demand = Demand::default();
        assert_eq!(demand.deadline(DELAY), None);
        demand.update(Timestamp::from_secs(1), [Joint::Unwanted; MAX_ENCODINGS], forwarded(), DELAY);
        assert_eq!(demand.deadline(DELAY), Some(Timestamp::from_secs(4)));
        demand.update(Timestamp::from_secs(4), [Joint::Unwanted; MAX_ENCODINGS], forwarded(), DELAY);
        assert_eq!(demand.deadline(DELAY), None);
    }

    #[test]
    fn frames_are_raised_at_once_and_lowered_with_a_delay() {
        let mut demand = Demand::default();
        type Step<'a> = (u64, &'a [u32], bool, Option<u32>, &'a str);
        let steps: [Step<'_>; 9] = [
            (0, &[60, 15], false, None, "somebody wants all"),
            (1_000, &[15, 8], false, None, "nobody does: wait"),
            (3_999, &[15, 8], false, None, "still"),
            (4_000, &[15], true, Some(15), "the most that anybody wants"),
            (4_500, &[15, 20], true, Some(20), "more at once"),
            (5_000, &[8], false, Some(20), "less: wait"),
            (7_000, &[20], false, Some(20), "wanted again in time: the publisher never knew"),
            (8_001, &[], false, Some(20), "nobody wants it at all: that is not a matter of frames"),
            (8_500, &[8, 30], true, None, "no limit at once"),
        ];
        for (ms, limits, tell, told, why) in steps {
            let mut joint = [Joint::ALL; MAX_ENCODINGS];
            joint[1] = Joint::Unwanted;
            limits.iter().for_each(|limit| joint[1].join(*limit));
            let tells = demand.update(Timestamp::from_millis(ms), joint, forwarded(), DELAY);
            assert_eq!(tells, tell, "{why}");
            assert_eq!((demand.max_fps(1), demand.max_fps(0)), (told, None), "{why}");
        }
    }

    #[test]
    fn codecs_are_narrowed_at_once_and_widened_with_a_delay() {
        use selector::Codec::{self, Av1, H264, Vp8, Vp9};
        const ALL: [Codec; 4] = [Vp8, Vp9, H264, Av1];
        let mut demand = Demand::default();
        type Step<'a> = (u64, &'a [Codec], bool, Option<&'a [Codec]>, &'a str);
        let steps: [Step<'_>; 8] = [
            (0, &ALL, false, None, "any, as at the start"),
            (1_000, &[Vp8, Vp9], true, Some(&[Vp8, Vp9]), "somebody lacks the others"),
            (2_000, &[Vp8, Vp9, Av1], false, Some(&[Vp8, Vp9]), "one more would do: wait"),
            (3_000, &[Vp8, Vp9], false, Some(&[Vp8, Vp9]), "no longer"),
            (4_000, &ALL, false, Some(&[Vp8, Vp9]), "wait anew"),
            (6_900, &ALL, false, Some(&[Vp8, Vp9]), "still"),
            (7_000, &ALL, true, None, "any"),
            (7_001, &[H264], true, Some(&[H264]), "at once, though it is long since"),
        ];
        for (ms, joint, tell, told, why) in steps {
            let (now, joint) = (Timestamp::from_millis(ms), joint.iter().copied().collect());
            assert_eq!(demand.update(now, [Joint::ALL; MAX_ENCODINGS], joint, DELAY), tell, "{why}");
            assert_eq!(demand.codecs(), told.map(|codecs| codecs.iter().copied().collect()), "{why}");
            assert_eq!(demand.deadline(DELAY).is_some(), joint != demand.codecs.told, "{why}");
        }
    }
}
