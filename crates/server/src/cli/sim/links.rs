//! `terrace sim links`: estimators over simulated links, as a table, JSON, CSV or a page with plots.
//!
//! Owns the arguments and what they select.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use simulator::links::{Case, ControllerKind, Group, Plan, Report, report, suite};

use super::files::{create, write_to, wrong};
use super::spread::spread;
use super::traces::recordings;
use crate::cli::Failure;

/// What to judge, on what, and where the figures go.
#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct Arguments {
    /// The groups of cases to run
    #[arg(long, value_enum, value_name = "NAME,..", value_delimiter = ',', default_value = "all")]
    suite: Vec<Suite>,

    /// A folder of recorded links: the rows of its suite.csv, or else every Mahimahi file (*.up, *.down) and CSV
    /// (`duration_ms,kbps`, or seconds and kbit/s) below it
    #[arg(long, value_name = "DIR")]
    traces: Option<PathBuf>,

    /// The seed that the paths of the suite drawn come from
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    draw: u64,

    /// How many paths to draw: 16 situations in turn, first under adaptive video, then under an SFU
    #[arg(long, value_name = "N", default_value_t = 160, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    paths: u64,

    /// The estimators to run: terrace, gcc (the published reference), rtc-gcc (the crate's), fixed-KBPS
    #[arg(long, value_name = "NAME,..", value_delimiter = ',', default_value = "terrace", value_parser = estimator)]
    estimator: Vec<ControllerKind>,

    /// How many seeds to take the mean of
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    seeds: u64,

    /// Run this case alone
    #[arg(long, value_name = "NAME")]
    case: Option<String>,

    /// Print the result as one JSON object on standard output
    #[arg(long)]
    json: bool,

    /// Write a page with the figures and a plot of each case's first seed
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,

    /// Write the figures as comma-separated values
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
}

/// A group of cases by the name that the command line has for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Suite {
    /// Adaptive video on made-up links
    Video,
    /// An SFU that chooses layers
    Sfu,
    /// Adaptive video on the recorded links of --traces
    Traces,
    /// Situations beside the published table
    Extra,
    /// Each of those; recorded links if --traces names some
    All,
    /// Paths drawn from the seed --draw
    Drawn,
}

impl Suite {
    fn includes(self, group: Group) -> bool {
        match self {
            Self::Video => group == Group::Video,
            Self::Sfu => group == Group::Sfu,
            Self::Traces => group == Group::Traces,
            Self::Extra => group == Group::Extra,
            Self::Drawn => group == Group::Drawn,
            Self::All => group != Group::Drawn,
        }
    }
}

fn estimator(name: &str) -> Result<ControllerKind, String> {
    // A rate of zero sends nothing that could be judged, and simulated time per packet is bounded by the rate.
    match ControllerKind::parse(name) {
        Some(ControllerKind::Fixed(bps)) if !(1_000..=100_000_000).contains(&bps) => {
            Err("fixed-KBPS goes from 1 to 100000".to_owned())
        }
        Some(kind) => Ok(kind),
        None => Err("the estimators are terrace, gcc, rtc-gcc and fixed-KBPS (as in fixed-500)".to_owned()),
    }
}

/// Runs the table. Succeeds when it ran, whatever the figures.
pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let plan = arguments.plan()?;
    // Opened first: a folder that is not there should not come to light after minutes of work.
    let (html, csv) = (create(arguments.html.as_deref())?, create(arguments.csv.as_deref())?);
    let jobs = plan.jobs();
    let rows = spread(jobs.len(), |at| plan.run_job(jobs[at]));
    let result = Report::new(plan.seeds, rows);
    write_to(html, || report::html(&result))?;
    write_to(csv, || report::csv(&result))?;
    let mut out = io::stdout().lock();
    if arguments.json {
        writeln!(out, "{}", result.json())?;
    } else {
        out.write_all(report::table(&result).as_bytes())?;
    }
    Ok(())
}

impl Arguments {
    /// What is to be run. Names that nothing answers to are wrong arguments.
    fn plan(&self) -> Result<Plan, Failure> {
        let recorded = self.traces.as_deref().map_or(Ok(Vec::new()), recordings)?;
        if recorded.is_empty() && self.suite.contains(&Suite::Traces) {
            return Err(wrong("--suite traces needs --traces DIR, a folder of recorded links".to_owned()));
        }
        let paths = if self.suite.contains(&Suite::Drawn) { self.paths } else { 0 };
        let drawn = suite::drawn(self.draw, paths);
        let all = [suite::video(), suite::sfu(), suite::extra(), recorded, drawn].into_iter().flatten();
        let mut cases: Vec<Case> =
            all.filter(|case| self.suite.iter().any(|suite| suite.includes(case.group))).collect();
        if let Some(name) = &self.case {
            let known: Vec<String> = cases.iter().map(|case| case.name.clone()).collect();
            cases.retain(|case| case.name == *name);
            if cases.is_empty() {
                return Err(wrong(format!("--case: no case {name:?}; there are {}", known.join(", "))));
            }
        }
        let mut controllers = Vec::new();
        for kind in &self.estimator {
            // Named twice is meant once: a second row would weigh double in the means.
            if !controllers.contains(kind) {
                controllers.push(*kind);
            }
        }
        Ok(Plan { cases, controllers, seeds: self.seeds, plots: self.html.is_some() })
    }
}
