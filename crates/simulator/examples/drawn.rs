//! The estimators on paths that nobody chose: means by situation, and the paths on which ours is furthest behind.
//!
//! ```sh
//! cargo run --release -p terrace-simulator --example drawn -- --draw 1 --paths 320
//! cargo run --release -p terrace-simulator --example drawn -- --situation tcp,shared --worst 20
//! ```
//!
//! Every figure is the mean of one run per path. `behind`: the part of the paths on which terrace is more than 0.03 under the
//! better of the others in total. The course of one path: example `losses` with `--drawn SEED` and `--case NAME --series`.
#![expect(clippy::print_stdout, reason = "a command prints its result")]

use simulator::links::suite::{Situation, drawn};
use simulator::links::{Case, ControllerKind, Metrics, run_case};

/// Paths of every situation by default: five of each kind of sender.
const PATHS: u64 = 160;
/// The seed of every run: the paths are what differs.
const SEED: u64 = 1;
/// More behind than this counts.
const BEHIND: f64 = 0.03;
const KINDS: [ControllerKind; 3] = [ControllerKind::Terrace, ControllerKind::Gcc, ControllerKind::RtcGcc];

struct Path {
    case: Case,
    metrics: Vec<Metrics>,
}

impl Path {
    /// How far terrace is under the better of the others, in total.
    fn behind(&self) -> f64 {
        let others = self.metrics[1..].iter().map(|m| m.score_total);
        others.fold(f64::NEG_INFINITY, f64::max) - self.metrics[0].score_total
    }
}

fn main() {
    let (mut draw, mut paths, mut worst, mut situations) = (1, PATHS, 10, Vec::new());
    let mut kinds = KINDS.to_vec();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let value = arguments.next().unwrap_or_else(|| panic!("{argument} needs a value"));
        let number = || value.parse::<u64>().unwrap_or_else(|_| panic!("{argument} needs a number"));
        match argument.as_str() {
            "--draw" => draw = number(),
            "--paths" => paths = number(),
            "--worst" => worst = number(),
            "--situation" => situations = value.split(',').map(str::to_owned).collect(),
            "--estimator" => {
                let kind = |name| ControllerKind::parse(name).expect("the name of an estimator");
                kinds = value.split(',').map(kind).collect();
            }
            _ => panic!("{argument} is not an option"),
        }
    }
    let wanted = |case: &Case| {
        let situation = Situation::of(&case.name).expect("a drawn path has a situation");
        situations.is_empty() || situations.contains(&situation.to_string())
    };
    let run = |case: Case| {
        let metrics = kinds.iter().map(|kind| run_case(&case, *kind, SEED)).collect();
        Path { case, metrics }
    };
    let mut done: Vec<Path> = drawn(draw, paths).into_iter().filter(wanted).map(run).collect();
    print_means(&done, &kinds);
    println!("\nfurthest behind:");
    done.sort_by(|a, b| b.behind().total_cmp(&a.behind()));
    for path in done.iter().take(worst as usize).filter(|path| kinds.len() > 1 && path.behind() > 0.0) {
        print!("{:22}", path.case.name);
        for m in &path.metrics {
            let used = m.quality.unwrap_or(m.util);
            print!(
                " | {:.3} {:.3}  use {used:.2} p95 {:4.0} tot {:4.0}",
                m.score, m.score_total, m.qd_p95, m.tot95
            );
        }
        println!();
    }
}

/// A line for each situation and kind of sender, and the mean of all.
fn print_means(done: &[Path], kinds: &[ControllerKind]) {
    let names: Vec<String> = kinds.iter().map(|kind| format!("{kind:>15}")).collect();
    println!("{:12} {:>5} {}  behind, score / total", "situation", "paths", names.join(" "));
    let line = |name: &str, of: Vec<&Path>| {
        if of.is_empty() {
            return;
        }
        let count = of.len() as f64;
        print!("{name:12} {:5}", of.len());
        for kind in 0..kinds.len() {
            let mean =
                |f: fn(&Metrics) -> f64| of.iter().map(|path| f(&path.metrics[kind])).sum::<f64>() / count;
            print!("   {:.3} / {:.3}", mean(|m| m.score), mean(|m| m.score_total));
        }
        let behind = of.iter().filter(|path| path.behind() > BEHIND).count() as f64;
        println!("   {:3.0} %", 100.0 * behind / count);
    };
    for situation in Situation::ALL {
        for prefix in ["", "S:"] {
            let name = format!("{prefix}{situation}");
            let of = |path: &&Path| path.case.name.split('/').next() == Some(name.as_str());
            line(&name, done.iter().filter(of).collect());
        }
    }
    line("video", done.iter().filter(|path| !path.case.name.starts_with("S:")).collect());
    line("layers", done.iter().filter(|path| path.case.name.starts_with("S:")).collect());
    line("all", done.iter().collect());
}
