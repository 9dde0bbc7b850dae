//! `terrace sim links`: estimators over simulated links, as a table, JSON, CSV or a page with plots.
//!
//! Owns the arguments, the files of `--traces` and the threads that the jobs are spread over. A job is a pure function
//! of its case, estimator and seeds, so neither their number nor their order shows in the figures.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use simulator::links::{Case, ControllerKind, Group, Plan, Report, report, suite, trace};

use super::Failure;

/// The file of a folder of recordings that says which of them are cases, and how.
const LIST: &str = "suite.csv";

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
    /// Each of them; recorded links if --traces names some
    All,
}

impl Suite {
    fn includes(self, group: Group) -> bool {
        match self {
            Self::Video => group == Group::Video,
            Self::Sfu => group == Group::Sfu,
            Self::Traces => group == Group::Traces,
            Self::Extra => group == Group::Extra,
            Self::All => true,
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
    let result = execute(&plan);
    if let Some((mut file, path)) = html {
        file.write_all(report::html(&result).as_bytes()).map_err(|error| failed(path, &error))?;
    }
    if let Some((mut file, path)) = csv {
        file.write_all(report::csv(&result).as_bytes()).map_err(|error| failed(path, &error))?;
    }
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
        let all = [suite::video(), suite::sfu(), suite::extra(), recorded].into_iter().flatten();
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

/// Runs all jobs of `plan` on as many threads as the machine runs at once, with a bar on a terminal.
fn execute(plan: &Plan) -> Report {
    let jobs = plan.jobs();
    let bar = ProgressBar::with_draw_target(Some(jobs.len() as u64), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} {elapsed} {eta} left");
    bar.set_style(style.expect("the template is a constant"));
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(job) = jobs.get(index) else { return done };
            done.push((index, plan.run_job(*job)));
            bar.inc(1);
        }
    };
    let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get).min(jobs.len());
    let mut rows: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("jobs do not panic")).collect()
    });
    bar.finish_and_clear();
    // In the order in which they were asked for.
    rows.sort_unstable_by_key(|(index, _)| *index);
    Report::new(plan.seeds, rows.into_iter().map(|(_, row)| row).collect())
}

/// The cases of a folder of recordings.
fn recordings(dir: &Path) -> Result<Vec<Case>, Failure> {
    let mut files = BTreeMap::new();
    let list = dir.join(LIST);
    if list.is_file() {
        let text = read(&list)?;
        let rows = trace::parse_suite(&text).map_err(|error| unusable(&list, &error))?;
        for row in rows {
            let text = read(&dir.join(&row.file))?;
            files.insert(row.file, text);
        }
        files.insert(LIST.to_owned(), text);
    } else {
        collect(dir, "", &mut files)?;
    }
    let cases = trace::folder(&files).map_err(|(file, error)| unusable(&dir.join(file), &error))?;
    if cases.is_empty() {
        return Err(unusable(dir, &"no recorded links here"));
    }
    Ok(cases)
}

/// Reads what may be a recording, below `dir`. Links to folders are not followed: they may lead in circles.
fn collect(dir: &Path, prefix: &str, files: &mut BTreeMap<String, String>) -> Result<(), Failure> {
    for entry in fs::read_dir(dir).map_err(|error| unusable(dir, &error))? {
        let entry = entry.map_err(|error| unusable(dir, &error))?;
        let (path, name) = (entry.path(), format!("{prefix}{}", entry.file_name().to_string_lossy()));
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            collect(&path, &format!("{name}/"), files)?;
        } else if [".up", ".down", ".csv"].iter().any(|ending| name.ends_with(ending)) && path.is_file() {
            files.insert(name, read(&path)?);
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|error| unusable(path, &error))
}

fn create(path: Option<&Path>) -> Result<Option<(File, &Path)>, Failure> {
    path.map(|path| Ok((File::create(path).map_err(|error| failed(path, &error))?, path))).transpose()
}

fn wrong(message: String) -> Failure {
    Failure { code: 2, message }
}

fn unusable(path: &Path, why: &dyn std::fmt::Display) -> Failure {
    wrong(format!("--traces: {}: {why}", path.display()))
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    Failure { code: 1, message: format!("{}: {error}", path.display()) }
}
