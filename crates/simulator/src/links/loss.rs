//! Loss that does not depend on load: independent, in bursts, or by a two-state channel.
//!
//! What a full queue drops belongs to the queue; this is what the path loses whatever is sent.

use super::event::Micros;
use super::rng::Rng;

/// How a path loses packets.
#[derive(Clone, Debug, PartialEq, Default)]
pub enum LossModel {
    /// Not at all.
    #[default]
    None,
    /// Each packet with that probability.
    Independent(f64),
    /// Two states (Gilbert 1960, Elliott 1963), stepped once per packet.
    GilbertElliott {
        /// Probability of going from good to bad.
        to_bad: f64,
        /// Probability of going from bad to good: the reciprocal of the mean burst length.
        to_good: f64,
        /// Loss in the good state.
        good: f64,
        /// Loss in the bad state.
        bad: f64,
    },
    /// Independent loss, only in [from, to).
    During {
        /// First microsecond.
        from: Micros,
        /// First microsecond after it.
        to: Micros,
        /// Probability.
        p: f64,
    },
}

impl LossModel {
    /// Bursts of that mean length that lose that share of all packets.
    pub fn bursts(share: f64, length: f64) -> Self {
        let to_good = 1.0 / length;
        // In equilibrium the bad state takes to_bad / (to_bad + to_good) of the packets.
        Self::GilbertElliott { to_bad: share * to_good / (1.0 - share), to_good, good: 0.0, bad: 1.0 }
    }
}

/// A [`LossModel`] with its state.
#[derive(Clone, Debug)]
pub struct Loss {
    model: LossModel,
    bad: bool,
}

impl Loss {
    /// In the good state.
    pub fn new(model: LossModel) -> Self {
        Self { model, bad: false }
    }

    /// Whether the packet that passes at `now` is lost.
    pub fn loses(&mut self, now: Micros, rng: &mut Rng) -> bool {
        match self.model {
            LossModel::None => false,
            LossModel::Independent(p) => rng.chance(p),
            LossModel::GilbertElliott { to_bad, to_good, good, bad } => {
                self.bad = if self.bad { !rng.chance(to_good) } else { rng.chance(to_bad) };
                rng.chance(if self.bad { bad } else { good })
            }
            LossModel::During { from, to, p } => (from..to).contains(&now) && rng.chance(p),
        }
    }

    /// Loss probability averaged over all packets at `now`: what a sender cannot avoid.
    pub fn expected(&self, now: Micros) -> f64 {
        match self.model {
            LossModel::None => 0.0,
            LossModel::Independent(p) => p,
            LossModel::GilbertElliott { to_bad, to_good, good, bad } => {
                let share = to_bad / (to_bad + to_good);
                good * (1.0 - share) + bad * share
            }
            LossModel::During { from, to, p } => {
                if (from..to).contains(&now) {
                    p
                } else {
                    0.0
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_model_loses_what_it_promises() {
        let n = 400_000;
        for (model, expected, burst) in [
            (LossModel::None, 0.0, 0.0),
            (LossModel::Independent(0.1), 0.1, 1.0 / 0.9),
            (LossModel::bursts(0.05, 5.0), 0.05, 5.0),
            (LossModel::During { from: 0, to: n / 2, p: 0.3 }, 0.15, 1.0 / 0.7),
        ] {
            let mut loss = Loss::new(model.clone());
            let mut rng = Rng::new(3, 9);
            let lost: Vec<bool> = (0..n).map(|now| loss.loses(now, &mut rng)).collect();
            let share = lost.iter().filter(|l| **l).count() as f64 / n as f64;
            let bursts = lost.windows(2).filter(|w| !w[0] && w[1]).count().max(1) as f64;
            let promised = (0..n).map(|now| loss.expected(now)).sum::<f64>() / n as f64;
            assert!((share - expected).abs() < 0.004, "{model:?}: {share}");
            assert!((promised - expected).abs() < 1e-9, "{model:?} promises {promised}");
            let length = share * n as f64 / bursts;
            assert!((length - burst).abs() < 0.15 * burst + 1e-9, "{model:?}: bursts of {length}");
        }
    }
}
