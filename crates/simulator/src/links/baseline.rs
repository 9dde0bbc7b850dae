//! The committed figures of the estimators, and how today's differ from them: the regression gate of the link cases.
//!
//! Owns the choice of cases, the file `baseline.csv` and the comparison. A figure is one case with one estimator and one
//! fixed seed, so it is the same on every machine; the tolerance is for what a change of the code may cost one case while
//! it helps others. Recorded links are not in it: they are not in the repository.
//!
//! `cargo run --release -p terrace-simulator --example baseline` shows the differences case by case;
//! with `-- --write` it writes the file anew.

use std::fmt::{self, Write as _};

use super::{Case, ControllerKind, Group, run_case, suite};

/// What is committed.
pub const COMMITTED: &str = include_str!("baseline.csv");
/// One case may lose this much of either score.
const TOLERANCE: f64 = 0.03;
/// The mean over an estimator's cases may lose this much.
const TOLERANCE_OF_MEAN: f64 = 0.005;
/// The seed of every figure.
const SEED: u64 = 1;
/// Cases that last too long, or have too many flows, for a gate that runs with every change.
const HEAVY: [&str; 6] = ["5.5", "5.7", "6.3", "wifi16", "wifi16-tcp", "revtcp"];
/// Groups in which the reference is compared as well: it must not move while ours is worked on.
const REFERENCE: Group = Group::Sfu;

/// One case with one estimator.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// The case.
    pub case: String,
    /// The estimator.
    pub estimator: String,
    /// Score with the queue's delay, and with the whole delay.
    pub score: f64,
    /// See [`Figure::score`].
    pub total: f64,
    /// Use, or quality where layers are chosen.
    pub used: f64,
    /// 95th percentile of the queue's delay and of the whole one, ms.
    pub queue: f64,
    /// See [`Figure::queue`].
    pub delay: f64,
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { case, estimator, score, total, used, queue, delay } = self;
        write!(f, "{case},{estimator},{score:.3},{total:.3},{used:.3},{queue:.1},{delay:.1}")
    }
}

impl Figure {
    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split(',');
        let mut text = || fields.next().map(str::to_owned);
        let (case, estimator) = (text()?, text()?);
        let mut number = || text()?.parse().ok();
        let figure = Self {
            case,
            estimator,
            score: number()?,
            total: number()?,
            used: number()?,
            queue: number()?,
            delay: number()?,
        };
        fields.next().is_none().then_some(figure)
    }
}

/// The figures of a file. Panics when it is not one: it is ours.
pub fn parse(text: &str) -> Vec<Figure> {
    let figure = |line| Figure::parse(line).unwrap_or_else(|| panic!("not a figure: {line:?}"));
    text.lines().skip(1).map(figure).collect()
}

/// Figures as a file.
pub fn format(figures: &[Figure]) -> String {
    let mut text = "case,estimator,score,total,used,queue_p95_ms,delay_p95_ms\n".to_owned();
    for figure in figures {
        writeln!(text, "{figure}").expect("strings take everything");
    }
    text
}

/// What the gate runs, of that part of the table.
pub fn jobs(group: Group) -> Vec<(Case, ControllerKind)> {
    let cases = match group {
        Group::Video => suite::video(),
        Group::Sfu => suite::sfu(),
        Group::Extra => suite::extra(),
        Group::Traces | Group::Drawn => Vec::new(),
    };
    let light = cases.into_iter().filter(|case| !HEAVY.contains(&case.name.as_str()));
    let kinds: &[ControllerKind] = if group == REFERENCE {
        &[ControllerKind::Terrace, ControllerKind::Gcc]
    } else {
        &[ControllerKind::Terrace]
    };
    light.flat_map(|case| kinds.iter().map(move |kind| (case.clone(), *kind))).collect()
}

/// Today's figures of those.
pub fn measure(jobs: &[(Case, ControllerKind)]) -> Vec<Figure> {
    let figure = |(case, kind): &(Case, ControllerKind)| {
        let m = run_case(case, *kind, SEED);
        Figure {
            case: case.name.clone(),
            estimator: kind.to_string(),
            score: m.score,
            total: m.score_total,
            used: m.quality.unwrap_or(m.util),
            queue: m.qd_p95,
            delay: m.tot95,
        }
    };
    jobs.iter().map(figure).collect()
}

/// How figures differ from what is committed.
#[derive(Clone, Debug, Default)]
pub struct Comparison {
    /// Per case, in the order of today's figures: what moved by more than rounding.
    pub moved: String,
    /// What is not acceptable; empty when everything is.
    pub worse: String,
}

/// Compares today's figures with committed ones.
pub fn compare(committed: &[Figure], today: &[Figure]) -> Comparison {
    let mut result = Comparison::default();
    let mut sums = std::collections::BTreeMap::<&str, [f64; 3]>::new();
    for new in today {
        let same = |old: &&Figure| old.case == new.case && old.estimator == new.estimator;
        let Some(old) = committed.iter().find(same) else {
            let _ = writeln!(result.worse, "{:24} {:8} is not in the baseline", new.case, new.estimator);
            continue;
        };
        let (score, total) = (new.score - old.score, new.total - old.total);
        let sum = sums.entry(&new.estimator).or_default();
        *sum = [sum[0] + score, sum[1] + total, sum[2] + 1.0];
        let line = format!(
            "{:24} {:8} score {:.3} {score:+.3}  total {:.3} {total:+.3}  used {:.3} -> {:.3}  queue {:.0} -> {:.0} ms  \
             delay {:.0} -> {:.0} ms",
            new.case,
            new.estimator,
            new.score,
            new.total,
            old.used,
            new.used,
            old.queue,
            new.queue,
            old.delay,
            new.delay,
        );
        if score.abs().max(total.abs()) >= 0.001 {
            let _ = writeln!(result.moved, "{line}");
        }
        if score.min(total) < -TOLERANCE {
            let _ = writeln!(result.worse, "{line}");
        }
    }
    for (estimator, [score, total, n]) in sums {
        let (score, total) = (score / n, total / n);
        let line = format!("{:24} {estimator:8} score {score:+.4}  total {total:+.4}", "mean");
        let _ = writeln!(result.moved, "{line}");
        if score.min(total) < -TOLERANCE_OF_MEAN {
            let _ = writeln!(result.worse, "{line}");
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(group: Group) {
        let today = measure(&jobs(group));
        let comparison = compare(&parse(COMMITTED), &today);
        assert!(
            comparison.worse.is_empty(),
            "worse than the baseline:\n{}all that moved:\n{}",
            comparison.worse,
            comparison.moved
        );
    }

    #[test]
    fn video_is_no_worse_than_committed() {
        check(Group::Video);
    }

    #[test]
    fn layers_are_no_worse_than_committed() {
        check(Group::Sfu);
    }

    #[test]
    fn other_situations_are_no_worse_than_committed() {
        check(Group::Extra);
    }

    #[test]
    fn every_committed_figure_belongs_to_a_job() {
        let jobs: Vec<_> = [Group::Video, Group::Sfu, Group::Extra].into_iter().flat_map(jobs).collect();
        let names: Vec<_> = jobs.iter().map(|(case, kind)| (case.name.clone(), kind.to_string())).collect();
        let committed: Vec<_> = parse(COMMITTED).into_iter().map(|f| (f.case, f.estimator)).collect();
        assert_eq!(
            committed, names,
            "regenerate: cargo run --release -p terrace-simulator --example baseline -- --write"
        );
    }

    #[test]
    fn a_fall_of_one_case_or_of_the_mean_is_told_case_by_case() {
        let figure = |case: &str, score: f64| Figure {
            case: case.to_owned(),
            estimator: "terrace".to_owned(),
            score,
            total: 0.8,
            used: 0.9,
            queue: 20.0,
            delay: 30.0,
        };
        let committed = vec![figure("a", 0.8), figure("b", 0.8)];
        assert_eq!(parse(&format(&committed)), committed);
        type Row<'a> = (&'a [Figure], &'a [&'a str], &'a str);
        let rows: [Row<'_>; 5] = [
            (&[figure("a", 0.8), figure("b", 0.8)], &[], "nothing moved"),
            (&[figure("a", 0.9), figure("b", 0.79)], &[], "one fell a little, the other rose"),
            (&[figure("a", 0.76), figure("b", 0.9)], &["a "], "one fell"),
            (&[figure("a", 0.79), figure("b", 0.79)], &["mean"], "all fell a little"),
            (&[figure("c", 0.8)], &["c "], "one that nobody committed"),
        ];
        for (today, expected, why) in rows {
            let worse = compare(&committed, today).worse;
            assert_eq!(worse.lines().count(), expected.len(), "{why}: {worse}");
            assert!(
                worse.lines().zip(expected).all(|(line, start)| line.starts_with(start)),
                "{why}: {worse}"
            );
        }
    }
}
