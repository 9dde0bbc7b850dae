//! Congestion marks: classic (RFC 3168) and scalable (RFC 9331, L4S).
//!
//! Owns the check that marks arrive at all, the fraction that was marked and the cut that follows. Leaves to the caller
//! whether packets are marked ECT: only when RFC 8888 feedback was negotiated, as no other carries the answer.

use std::time::Duration;

use units::Timestamp;

use crate::Ecn;

/// Packets after which a verdict on the path's treatment of marks is due.
const TRIAL: u32 = 100;
/// Gains of the marked fraction, up and down, per round trip (SCReAM v2's).
const GAIN: (f64, f64) = (1.0 / 8.0, 1.0 / 128.0);
/// Shorter round trips than this, s, bring more cuts, so each of them is cut down: flows near and far fare alike.
const VIRTUAL_RTT: f64 = 0.025;
/// A classic mark is a lost packet that was not lost.
const CLASSIC_CUT: f64 = 0.8;

/// How the path treats marks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Path {
    #[default]
    Trying,
    Works,
    /// Bleached, or everything is marked: marks mean nothing here.
    Useless,
}

/// The marks of one path.
#[derive(Clone, Debug, Default)]
pub(crate) struct Marks {
    path: Path,
    trial: u32,
    trial_marked: u32,
    trial_plain: u32,
    packets: u32,
    marked: u32,
    scalable: bool,
    alpha: f64,
    last: Option<Timestamp>,
}

impl Marks {
    /// A packet arrived with these bits.
    pub(crate) fn on_packet(&mut self, ecn: Ecn) {
        if self.path == Path::Trying {
            self.trial += 1;
            self.trial_marked += u32::from(ecn == Ecn::Ce);
            self.trial_plain += u32::from(ecn == Ecn::NotEct);
            if self.trial == TRIAL {
                let useless = self.trial_plain > TRIAL / 2 || self.trial_marked == TRIAL;
                self.path = if useless { Path::Useless } else { Path::Works };
            }
        }
        self.packets += u32::from(ecn != Ecn::NotEct);
        self.marked += u32::from(ecn == Ecn::Ce);
        self.scalable |= ecn == Ecn::Ect1;
    }

    /// The cut, as a factor below 1, once per round trip; `None` when there is nothing to cut for.
    pub(crate) fn step(&mut self, now: Timestamp, rtt: Duration) -> Option<f64> {
        if self.last.is_some_and(|last| now - last < rtt) {
            return None;
        }
        self.last = Some(now);
        let (packets, marked) = (std::mem::take(&mut self.packets), std::mem::take(&mut self.marked));
        if packets == 0 || self.path == Path::Useless {
            return None;
        }
        let fraction = f64::from(marked) / f64::from(packets);
        let gain = if fraction > self.alpha { GAIN.0 } else { GAIN.1 };
        self.alpha += (fraction - self.alpha) * gain;
        if marked == 0 {
            return None;
        }
        if !self.scalable {
            return Some(CLASSIC_CUT);
        }
        let share = (rtt.as_secs_f64() / VIRTUAL_RTT).min(1.0);
        Some((1.0 - self.alpha / 2.0).powf(share))
    }

    /// The network signals before the queue stands: a cut for the queue may be half as deep.
    pub(crate) fn signals(&self) -> bool {
        self.path == Path::Works && self.alpha > 0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(marks: &mut Marks, at_ms: u64, packets: &[Ecn]) -> Option<f64> {
        for ecn in packets {
            marks.on_packet(*ecn);
        }
        marks.step(Timestamp::from_millis(at_ms), Duration::from_millis(50))
    }

    #[test]
    fn classic_and_scalable_marks_cut_differently() {
        use Ecn::{Ce, Ect0, Ect1, NotEct};
        let cases: [(&[Ecn], Option<f64>, &str); 5] = [
            (&[NotEct; 20], None, "no ECN"),
            (&[Ect0; 20], None, "nothing marked"),
            (&[Ect0, Ect0, Ce, Ect0], Some(0.8), "classic: as a loss"),
            (&[Ect1, Ect1, Ect1, Ect1], None, "scalable, calm"),
            (
                &[Ect1, Ce, Ect1, Ce],
                Some(0.968_75),
                "scalable: half are marked, an eighth is believed at once",
            ),
        ];
        for (packets, expected, why) in cases {
            assert_eq!(cut(&mut Marks::default(), 100, packets), expected, "{why}");
        }
    }

    #[test]
    fn a_path_that_bleaches_or_marks_all_is_not_listened_to() {
        for (ecn, why) in [(Ecn::NotEct, "bleached"), (Ecn::Ce, "everything marked")] {
            let mut marks = Marks::default();
            let _ = cut(&mut marks, 100, &[ecn; TRIAL as usize]);
            assert_eq!(cut(&mut marks, 200, &[Ecn::Ect1, Ecn::Ce]), None, "{why}");
            assert!(!marks.signals(), "{why}");
        }
    }

    #[test]
    fn at_most_one_cut_per_round_trip() {
        let mut marks = Marks::default();
        assert!(cut(&mut marks, 100, &[Ecn::Ect0, Ecn::Ce]).is_some());
        assert_eq!(cut(&mut marks, 120, &[Ecn::Ce]), None);
        assert!(cut(&mut marks, 151, &[Ecn::Ce]).is_some());
    }
}
