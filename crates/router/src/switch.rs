//! What a video slot does with a packet: the keyframe-gated move from one encoding to another.
//!
//! Owns *target* (what the selector wants) and *current* (what is on the wire), and nothing else: it is a
//! pure state machine over origins and instants. Moving a slot to another publication is the same move as
//! changing layers. Leaves numbers to `rewrite` and asking for keyframes to `keyframe`.

use std::time::Duration;

use units::Timestamp;

use crate::PublicationId;
use crate::rewrite::Origin;
use crate::rewrite::time::Landing;

/// A switch that would land in the past waits for a better keyframe this long, then is forced: late pictures
/// are better than the wrong ones, or none.
const PAST_DEADLINE: Duration = Duration::from_millis(500);

/// What to do with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It belongs to what is on the wire.
    Forward,
    /// It starts what is wanted: from here on that is on the wire.
    Switch,
    /// It is of no use here.
    Drop,
}

/// Target and current of one slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Switch {
    current: Option<Origin>,
    target: Option<Origin>,
    /// Since when keyframes of the target have been refused for landing in the past.
    refused_since: Option<Timestamp>,
}

impl Switch {
    /// What is on the wire.
    pub(crate) fn current(&self) -> Option<Origin> {
        self.current
    }

    /// What is wanted.
    pub(crate) fn target(&self) -> Option<Origin> {
        self.target
    }

    /// What a keyframe is needed of.
    pub(crate) fn waits_for(&self) -> Option<Origin> {
        self.target.filter(|target| self.current != Some(*target))
    }

    /// Sets the target. What is on the wire goes on until the target's keyframe; wanting nothing stops it at
    /// once. Returns whether anything changed.
    pub(crate) fn set_target(&mut self, target: Option<Origin>) -> bool {
        let changed = self.target != target || (target.is_none() && self.current.is_some());
        if changed {
            self.target = target;
            self.refused_since = None;
        }
        if target.is_none() {
            self.current = None;
        }
        changed
    }

    /// What is on the wire has ended or broken: nothing more of it may be forwarded without a new start.
    pub(crate) fn interrupt(&mut self) {
        self.current = None;
    }

    /// A publication is gone. What is on the wire from another one goes on until the next target is set.
    pub(crate) fn forget(&mut self, publication: PublicationId) {
        let other = |origin: &Origin| origin.publication != publication;
        self.current = self.current.filter(other);
        self.target = self.target.filter(other);
    }

    /// Judges a packet. `start` is true for the first packet of a keyframe, `landing` says where a switch
    /// would land.
    pub(crate) fn judge(
        &mut self,
        now: Timestamp,
        origin: Origin,
        start: bool,
        landing: impl FnOnce() -> Landing,
    ) -> Verdict {
        if self.current == Some(origin) {
            return Verdict::Forward;
        }
        if self.target != Some(origin) || !start {
            return Verdict::Drop;
        }
        let waited = now - *self.refused_since.get_or_insert(now);
        if landing() == Landing::Past && waited < PAST_DEADLINE {
            return Verdict::Drop;
        }
        self.refused_since = None;
        self.current = Some(origin);
        Verdict::Switch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOW: Origin = Origin { publication: PublicationId(1), encoding: 0 };
    const HIGH: Origin = Origin { publication: PublicationId(1), encoding: 1 };
    const OTHER: Origin = Origin { publication: PublicationId(2), encoding: 0 };

    fn judge(switch: &mut Switch, ms: u64, origin: Origin, start: bool, landing: Landing) -> Verdict {
        switch.judge(Timestamp::from_millis(ms), origin, start, || landing)
    }

    #[test]
    fn moves_only_at_the_start_of_a_keyframe_of_the_target() {
        let mut switch = Switch::default();
        switch.set_target(Some(LOW));
        let steps = [
            (LOW, false, Verdict::Drop, "inside a frame"),
            (HIGH, true, Verdict::Drop, "a keyframe of something else"),
            (LOW, true, Verdict::Switch, "the start"),
            (LOW, false, Verdict::Forward, "the rest"),
        ];
        for (origin, start, verdict, why) in steps {
            assert_eq!(judge(&mut switch, 0, origin, start, Landing::Good), verdict, "{why}");
        }
        switch.set_target(Some(OTHER));
        let steps = [
            (LOW, false, Verdict::Forward, "the old one goes on while the new one is awaited"),
            (OTHER, false, Verdict::Drop, "the new one cannot be decoded yet"),
            (OTHER, true, Verdict::Switch, "another publication is the same move"),
            (LOW, false, Verdict::Drop, "late packets of the old one"),
            (LOW, true, Verdict::Drop, "even keyframes"),
        ];
        for (origin, start, verdict, why) in steps {
            assert_eq!(judge(&mut switch, 0, origin, start, Landing::Good), verdict, "{why}");
        }
    }

    #[test]
    fn a_landing_in_the_past_waits_with_a_deadline() {
        let mut switch = Switch::default();
        switch.set_target(Some(LOW));
        judge(&mut switch, 0, LOW, true, Landing::Good);
        switch.set_target(Some(HIGH));
        let steps = [
            (1_000, Landing::Past, Verdict::Drop, "waits"),
            (1_400, Landing::Past, Verdict::Drop, "still"),
            (1_500, Landing::Past, Verdict::Switch, "forced"),
        ];
        for (ms, landing, verdict, why) in steps {
            assert_eq!(judge(&mut switch, ms, HIGH, true, landing), verdict, "{why}");
        }
        switch.set_target(Some(LOW));
        assert_eq!(
            judge(&mut switch, 9_000, LOW, true, Landing::Past),
            Verdict::Drop,
            "each target waits anew"
        );
        assert_eq!(judge(&mut switch, 9_100, LOW, true, Landing::Good), Verdict::Switch);
    }

    #[test]
    fn wanting_nothing_stops_and_starts_anew_with_a_keyframe() {
        let mut switch = Switch::default();
        switch.set_target(Some(LOW));
        judge(&mut switch, 0, LOW, true, Landing::Good);
        assert!(switch.set_target(None));
        assert!(!switch.set_target(None), "no news");
        assert_eq!((switch.current(), switch.waits_for()), (None, None));
        assert_eq!(judge(&mut switch, 0, LOW, false, Landing::Good), Verdict::Drop);
        switch.set_target(Some(LOW));
        assert_eq!(switch.waits_for(), Some(LOW));
        assert_eq!(judge(&mut switch, 0, LOW, true, Landing::Good), Verdict::Switch);
        switch.interrupt();
        assert_eq!((switch.current(), switch.waits_for()), (None, Some(LOW)), "a break keeps the wish");
    }

    #[test]
    fn a_publication_that_is_gone_is_neither_wanted_nor_sent() {
        let mut switch = Switch::default();
        switch.set_target(Some(LOW));
        judge(&mut switch, 0, LOW, true, Landing::Good);
        switch.set_target(Some(OTHER));
        switch.forget(OTHER.publication);
        assert_eq!((switch.current(), switch.target()), (Some(LOW), None), "the old one goes on for now");
        assert!(switch.set_target(None), "until nothing is wanted");
        assert_eq!(switch.current(), None);
    }

    #[test]
    fn changing_ones_mind_costs_nothing() {
        let mut switch = Switch::default();
        switch.set_target(Some(LOW));
        judge(&mut switch, 0, LOW, true, Landing::Good);
        switch.set_target(Some(HIGH));
        switch.set_target(Some(LOW));
        assert_eq!(switch.waits_for(), None);
        assert_eq!(judge(&mut switch, 0, LOW, false, Landing::Good), Verdict::Forward);
    }
}
