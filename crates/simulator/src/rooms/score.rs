//! From the record of a run to the figures that it is judged by.
//!
//! Owns their definitions. Times in milliseconds, shares as fractions, counts over the whole run.

use serde::Serialize;

use super::record::{Person, Record, STEP, Sample, Stay};
use super::scenario::Scenario;
use crate::links::event::{Micros, SECOND};

/// A capacity that falls below this share of what it was is a fall.
const FALL: f64 = 0.8;
/// Rates are averaged over this many samples.
const AVERAGE: usize = 5;

/// The figures of one run, or their mean over several.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Score {
    /// Worth of what was on the screens over the worth of the best that links and devices admit.
    pub oracle_ratio: f64,
    /// From join, or from the moment at which there is something to see, to the first picture.
    pub first_frame_p95: Option<f64>,
    /// From the same moment until about the best is on the screen. Who never got there counts with its whole
    /// stay.
    pub best_point_p95: Option<f64>,
    /// From a fall of a link's capacity until no more is sent than it carries.
    pub leave_p95: Option<f64>,
    /// Standstills of more than 200 ms, per slot and minute.
    pub freezes_per_min: f64,
    /// Changes of encoding, per slot and minute.
    pub switches_per_min: f64,
    /// Share of the video bytes sent that was not part of a picture shown.
    pub wasted_bits: f64,
    /// Seconds in which a device was to decode more than it can.
    pub decode_budget_exceeded: f64,
    /// Slots that stayed dark for five seconds although there was something to show and room for it.
    pub starved_slots: f64,
    /// Frames that came whole and could not be shown: always the server's fault.
    pub bad_frames: f64,
    /// Share of the bytes sent that a full queue dropped.
    pub queue_loss: f64,
    /// Share of the bytes sent that were padding.
    pub padding: f64,
    /// Keyframes per slot and minute.
    pub keyframes_per_min: f64,
    /// What was sent to a participant on average, in kbit/s, headers included.
    pub down_kbps: f64,
}

impl Score {
    /// A figure by its key; `None` for an unknown one, NaN for one that has no value in this run.
    pub fn get(&self, key: &str) -> Option<f64> {
        Some(match key {
            "oracle_ratio" => self.oracle_ratio,
            "first_frame_p95" => self.first_frame_p95.unwrap_or(f64::NAN),
            "best_point_p95" => self.best_point_p95.unwrap_or(f64::NAN),
            "leave_p95" => self.leave_p95.unwrap_or(f64::NAN),
            "freezes_per_min" => self.freezes_per_min,
            "switches_per_min" => self.switches_per_min,
            "wasted_bits" => self.wasted_bits,
            "decode_budget_exceeded" => self.decode_budget_exceeded,
            "starved_slots" => self.starved_slots,
            "bad_frames" => self.bad_frames,
            "queue_loss" => self.queue_loss,
            "padding" => self.padding,
            "keyframes_per_min" => self.keyframes_per_min,
            "down_kbps" => self.down_kbps,
            _ => return None,
        })
    }

    /// The mean over several runs; a figure that some runs lack is the mean of the others.
    pub fn mean(scores: &[Self]) -> Self {
        let mean = |f: fn(&Self) -> f64| average(scores.iter().map(f)).unwrap_or(0.0);
        let mean_known = |f: fn(&Self) -> Option<f64>| average(scores.iter().filter_map(f));
        Self {
            oracle_ratio: mean(|s| s.oracle_ratio),
            first_frame_p95: mean_known(|s| s.first_frame_p95),
            best_point_p95: mean_known(|s| s.best_point_p95),
            leave_p95: mean_known(|s| s.leave_p95),
            freezes_per_min: mean(|s| s.freezes_per_min),
            switches_per_min: mean(|s| s.switches_per_min),
            wasted_bits: mean(|s| s.wasted_bits),
            decode_budget_exceeded: mean(|s| s.decode_budget_exceeded),
            starved_slots: mean(|s| s.starved_slots),
            bad_frames: mean(|s| s.bad_frames),
            queue_loss: mean(|s| s.queue_loss),
            padding: mean(|s| s.padding),
            keyframes_per_min: mean(|s| s.keyframes_per_min),
            down_kbps: mean(|s| s.down_kbps),
        }
    }
}

fn average(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0u32), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / f64::from(count))
}

/// Judges a run.
pub fn judge(record: &Record) -> Score {
    let people = &record.people;
    let total = |f: &dyn Fn(&Person) -> f64| people.iter().map(f).sum::<f64>();
    let samples = || people.iter().flat_map(|person| &person.samples);
    let lit_minutes =
        samples().map(|sample| sample.lit as f64).sum::<f64>() * STEP as f64 / (60 * SECOND) as f64;
    let per_minute = |count: f64| if lit_minutes > 0.0 { count / lit_minutes } else { 0.0 };
    let ratio = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { 0.0 };
    let best: f64 = samples().map(|sample| sample.best).sum();
    // More than the best of a moment is on a screen when its link has just become worse: that is no merit.
    let had: f64 = samples().map(|sample| sample.delivered.min(sample.best)).sum();
    let video = total(&|p| p.video_sent as f64);
    let shown = total(&|p| p.counts.shown_bytes as f64);
    let downloaded = total(&|p| p.downloaded.0 as f64);
    let end = u64::try_from(record.duration.as_micros()).unwrap_or(u64::MAX);
    let stays = || {
        people.iter().enumerate().flat_map(|(who, person)| person.stays.iter().map(move |stay| (who, stay)))
    };
    let millis = |time: Micros| time as f64 / 1e3;
    let since = |who: usize, stay: &Stay, at: Option<Micros>| {
        let from = waits_from(people, who, stay)?;
        Some(millis(at.unwrap_or(end).saturating_sub(from)))
    };
    Score {
        oracle_ratio: ratio(had, best),
        first_frame_p95: p95(stays().filter_map(|(who, stay)| since(who, stay, stay.first_picture))),
        best_point_p95: p95(stays().filter_map(|(who, stay)| since(who, stay, stay.best_point))),
        leave_p95: p95(people.iter().flat_map(|person| leaves(&person.samples)).map(millis)),
        freezes_per_min: per_minute(total(&|p| p.counts.freezes as f64)),
        switches_per_min: per_minute(total(&|p| p.counts.switches as f64)),
        wasted_bits: 1.0 - ratio(shown.min(video), video).max(if video > 0.0 { 0.0 } else { 1.0 }),
        decode_budget_exceeded: total(&|p| p.traffic.overloaded_seconds as f64),
        starved_slots: total(&|p| p.starved as f64),
        bad_frames: record.bad_frames().values().sum::<u64>() as f64,
        queue_loss: ratio(total(&|p| p.downloaded.1 as f64), downloaded),
        padding: ratio(total(&|p| p.padding_sent as f64), downloaded),
        keyframes_per_min: per_minute(total(&|p| p.counts.keyframes as f64)),
        down_kbps: downloaded * 8.0 / 1e3 / record.duration.as_secs_f64() / people.len().max(1) as f64,
    }
}

/// From when on somebody waits for a picture: from its own join, but not before anybody came who sends one; `None` when there
/// never was anything to see. Who is alone until long after others came (they are mute, or broken) waits from when there is
/// something.
fn waits_from(people: &[Person], who: usize, stay: &Stay) -> Option<Micros> {
    let could_see = stay.could_see?;
    let senders = people.iter().enumerate().filter(|(at, person)| *at != who && person.sends);
    let came = senders.flat_map(|(_, person)| &person.stays).map(|other| other.joined).min()?;
    let from = stay.joined.max(came);
    Some(if could_see > from + STEP * 10 { could_see } else { from })
}

/// How long each fall of the capacity below what was being sent took to be answered.
fn leaves(samples: &[Sample]) -> Vec<Micros> {
    let rate = |at: usize| {
        let from = at.saturating_sub(AVERAGE - 1);
        let bytes: u64 = samples[from..=at].iter().map(|sample| sample.downloaded).sum();
        bytes as f64 * 8.0 / ((at + 1 - from) as f64 * STEP as f64 / SECOND as f64)
    };
    let mut leaves = Vec::new();
    let mut at = 1;
    while at < samples.len() {
        let (before, now) = (samples[at - 1].capacity as f64, samples[at].capacity as f64);
        let falls = now > 0.0 && now < FALL * before && rate(at - 1) > now;
        if !falls {
            at += 1;
            continue;
        }
        let fits = |later: &usize| rate(*later) <= samples[*later].capacity as f64;
        let left = (at..samples.len()).find(fits).unwrap_or(samples.len());
        leaves.push((left - at) as Micros * STEP);
        at = left + 1;
    }
    leaves
}

/// The 95th percentile, by nearest rank; `None` of nothing.
fn p95(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let rank = (values.len() * 95).div_ceil(100);
    values.get(rank.checked_sub(1)?).copied()
}

/// The bounds of a scenario that a score breaks, in words.
pub fn broken_bounds(scenario: &Scenario, score: &Score) -> Vec<String> {
    let mut broken = Vec::new();
    for (key, bound) in &scenario.bound {
        let value = score.get(key).unwrap_or(f64::NAN);
        // A figure without a value fits no bound.
        let fits = bound.min.is_none_or(|min| value >= min) && bound.max.is_none_or(|max| value <= max);
        if !fits {
            let limit =
                |name: &str, limit: Option<f64>| limit.map_or(String::new(), |l| format!(" {name} {l}"));
            broken.push(format!(
                "{}: {key} is {value:.3}, not{}{}: {}",
                scenario.name,
                limit("at least", bound.min),
                limit("at most", bound.max),
                bound.why
            ));
        }
    }
    broken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_by_nearest_rank() {
        assert_eq!(p95([].into_iter()), None);
        assert_eq!(p95([3.0].into_iter()), Some(3.0));
        assert_eq!(p95((1..=100).map(f64::from)), Some(95.0));
        assert_eq!(p95((1..=20).map(f64::from)), Some(19.0));
    }

    #[test]
    fn a_fall_is_left_when_no_more_is_sent_than_fits() {
        let sample = |capacity_kbps: u64, sent_kbps: u64| Sample {
            capacity: capacity_kbps * 1_000,
            downloaded: sent_kbps * 1_000 / 80,
            ..Sample::default()
        };
        let mut samples = vec![sample(3_000, 2_000); 20];
        samples.extend(vec![sample(1_000, 2_000); 4]);
        samples.extend(vec![sample(1_000, 500); 20]);
        // The average over 500 ms: four fat samples and one lean one are 1700, one and four 800, two and
        // three 1100.
        assert_eq!(leaves(&samples), [700_000]);
        let fits = vec![sample(3_000, 500), sample(1_000, 500)];
        assert!(leaves(&fits).is_empty(), "it fits already");
    }
}
