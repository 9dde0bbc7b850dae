//! The loss-based bound of the reference: a channel model fitted to the last observations.
//!
//! The channel loses a part `p` of everything and, above its limit `B`, what does not fit:
//! `loss(s) = p` for `s <= B`, else `p + (1 - p) (s - B) / s`. Of a few candidates for `B` the one under which the
//! observations are likeliest wins, with a bias towards higher rates that fades as loss grows.

use std::collections::VecDeque;
use std::time::Duration;

use units::Timestamp;

/// An observation lasts at least this; so many are kept; weight per step of age.
const OBSERVATION: Duration = Duration::from_millis(250);
const OBSERVATIONS: usize = 15;
const AGEING: f64 = 0.9;
/// Candidates around the present limit.
const FACTORS: [f64; 3] = [1.02, 1.0, 0.95];
/// Newton's step for `p`, and the bounds of `p`: the upper one is this and 100 kbit/s over the limit.
const NEWTON: f64 = 0.75;
const INHERENT: (f64, f64) = (0.001, 0.05);
const INHERENT_RATE: f64 = 100_000.0;
/// The bias per kbit/s and per logarithm of it, and the loss at which it is gone.
const BIAS: (f64, f64) = (0.0002, 0.02);
const BIAS_GONE: f64 = 0.2;
/// Over this loss the rate is bounded at once: by 100 kbit/s over the excess.
const BOUND_OFFSET: f64 = 0.05;
const BOUND_RATE: f64 = 100_000.0;
/// After a decrease growth is bounded by this much of what arrives, for this long.
const GROWTH: f64 = 1.5;
const GROWTH_FOR: Duration = Duration::from_millis(300);

#[derive(Clone, Copy, Debug, Default)]
struct Observation {
    /// In thousands of bytes.
    lost: f64,
    received: f64,
    /// Sending rate, bit/s.
    sent: f64,
}

/// The loss-based part of the reference.
#[derive(Clone, Debug)]
pub(super) struct LossBound {
    observations: VecDeque<Observation>,
    current: Observation,
    started: Option<Timestamp>,
    limit: Option<f64>,
    inherent: f64,
    decreased: Option<Timestamp>,
}

impl LossBound {
    pub(super) const fn new() -> Self {
        Self {
            observations: VecDeque::new(),
            current: Observation { lost: 0.0, received: 0.0, sent: 0.0 },
            started: None,
            limit: None,
            inherent: 0.01,
            decreased: None,
        }
    }

    /// A packet's fate.
    pub(super) fn on_packet(&mut self, bytes: u32, lost: bool) {
        let size = f64::from(bytes) / 1_000.0;
        *(if lost { &mut self.current.lost } else { &mut self.current.received }) += size;
    }

    /// Once per report: the bound, bit/s, and whether loss is what bounds. `limited`: what arrives says little.
    pub(super) fn step(
        &mut self,
        now: Timestamp,
        delay_based: f64,
        acked: Option<f64>,
        limited: bool,
    ) -> (f64, bool) {
        let started = *self.started.get_or_insert(now);
        let time = now - started;
        if time >= OBSERVATION {
            let total = self.current.lost + self.current.received;
            let sent = total * 8_000.0 / time.as_secs_f64();
            if self.observations.len() == OBSERVATIONS {
                self.observations.pop_front();
            }
            self.observations.push_back(Observation { sent, ..self.current });
            (self.current, self.started) = (Observation::default(), Some(now));
            self.update(now, delay_based, acked, limited);
        }
        let limit = self.limit.unwrap_or(f64::INFINITY);
        (limit.min(delay_based), limit < delay_based)
    }

    fn update(&mut self, now: Timestamp, delay_based: f64, acked: Option<f64>, limited: bool) {
        let before = self.limit.unwrap_or(delay_based);
        let loss = self.average_loss();
        let acked_candidate = acked.filter(|_| !limited);
        let delay_candidate = Some(delay_based).filter(|rate| *rate > before);
        let candidates =
            FACTORS.iter().map(|factor| factor * before).chain(acked_candidate).chain(delay_candidate);
        let (mut best, mut best_value, mut best_inherent) = (before, f64::NEG_INFINITY, self.inherent);
        for limit in candidates {
            let inherent = self.newton(limit);
            let value = self.objective(limit, inherent, loss);
            if value > best_value {
                (best, best_value, best_inherent) = (limit, value, inherent);
            }
        }
        self.inherent = best_inherent;
        if loss > self.inherent && best > before {
            best = before;
        }
        if self.decreased.is_some_and(|at| now - at < GROWTH_FOR) {
            best = best.min(acked.map_or(best, |acked| GROWTH * acked)).min(before.max(best));
        }
        if loss > BOUND_OFFSET {
            best = best.min(BOUND_RATE / (loss - BOUND_OFFSET));
        }
        // What arrives gets through, whatever the model says.
        best = best.max(acked.unwrap_or(0.0));
        if best < before {
            self.decreased = Some(now);
        }
        self.limit = Some(best.min(delay_based));
    }

    fn weighed(&self) -> impl Iterator<Item = (f64, &Observation)> {
        self.observations.iter().rev().scan(1.0, |weight, observation| {
            let now = *weight;
            *weight *= AGEING;
            Some((now, observation))
        })
    }

    fn average_loss(&self) -> f64 {
        let (mut lost, mut all) = (0.0, 0.0);
        for (weight, observation) in self.weighed() {
            lost += weight * observation.lost;
            all += weight * (observation.lost + observation.received);
        }
        if all == 0.0 { 0.0 } else { lost / all }
    }

    /// Loss of a channel with this limit at a sending rate.
    fn model(limit: f64, inherent: f64, sent: f64) -> f64 {
        let over = if sent > limit { (sent - limit) / sent } else { 0.0 };
        (inherent + (1.0 - inherent) * over).clamp(1e-6, 1.0 - 1e-6)
    }

    /// One step towards the likeliest inherent loss under this limit.
    fn newton(&self, limit: f64) -> f64 {
        let (mut first, mut second) = (0.0, 0.0);
        for (weight, observation) in self.weighed() {
            let p = Self::model(limit, self.inherent, observation.sent);
            first += weight * (observation.lost / p - observation.received / (1.0 - p));
            second -= weight * (observation.lost / (p * p) + observation.received / ((1.0 - p) * (1.0 - p)));
        }
        let step = if second < 0.0 { NEWTON * first / second } else { 0.0 };
        (self.inherent - step).clamp(INHERENT.0, INHERENT.1 + INHERENT_RATE / limit.max(1.0))
    }

    fn objective(&self, limit: f64, inherent: f64, loss: f64) -> f64 {
        let kbps = limit / 1_000.0;
        let fade = (1.0 - loss / BIAS_GONE).max(0.0);
        let bias = fade * (BIAS.0 * kbps + BIAS.1 * (1.0 + kbps).ln());
        self.weighed()
            .map(|(weight, o)| {
                let p = Self::model(limit, inherent, o.sent);
                weight * (o.lost * p.ln() + o.received * (1.0 - p).ln() + bias * (o.lost + o.received))
            })
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends at what the bound allows through a channel, for `seconds`; the last bound.
    fn run(seconds: u64, channel: impl Fn(f64) -> f64) -> f64 {
        let mut bound = LossBound::new();
        let (mut rate, mut carry) = (1_000_000.0, 0.0);
        for tick in 0..seconds * 20 {
            let packets = (rate / 8.0 / 1_000.0 * 0.05) as u32;
            let loss = channel(rate);
            for _ in 0..packets {
                carry += loss;
                let lost = carry >= 1.0;
                carry -= f64::from(u8::from(lost));
                bound.on_packet(1_000, lost);
            }
            let acked = rate * (1.0 - loss);
            rate = bound.step(Timestamp::from_millis(tick * 50), 1_000_000.0, Some(acked), false).0;
        }
        rate
    }

    #[test]
    fn bounds_only_when_loss_follows_the_rate() {
        assert!(run(20, |_| 0.0) > 990_000.0, "no loss, no bound");
        assert!(run(20, |_| 0.02) > 900_000.0, "two per cent belong to the path");
        let limited = run(20, |rate| (1.0 - 500_000.0 / rate).max(0.0));
        assert!((450_000.0..600_000.0).contains(&limited), "half a megabit passes: {limited}");
    }
}
