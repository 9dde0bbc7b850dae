//! `terrace sim rooms`: the whole node in virtual time under our policy and others', as a table, JSON or a page with plots.
//!
//! Owns the arguments, the files of `--traces` and of scenarios, and the exit code: bounds that a scenario sets are figures
//! and only printed, but a run in which the node does what it never may is a failure.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use simulator::links::Group;
use simulator::rooms::scenario::commuter_on;
use simulator::rooms::{Keep, Plan, Policy, Scenario, embedded, report, soak};

use super::files::{create, write_to, wrong};
use super::spread::spread;
use super::traces::recordings;
use crate::cli::Failure;

/// What to run, under which policies, and where the figures go.
#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct Arguments {
    /// The scenarios to run where --scenario names none
    #[arg(long, value_enum, value_name = "NAME", default_value = "rooms")]
    suite: Suite,

    /// A TOML file, the name of a scenario that comes with terrace, or soak-N for the room drawn from seed N
    #[arg(long, value_name = "FILE.toml", value_delimiter = ',')]
    scenario: Vec<String>,

    /// A folder of recorded links: adds one commuter for each of them, as in `terrace sim links`
    #[arg(long, value_name = "DIR")]
    traces: Option<PathBuf>,

    /// The policies: terrace, jvb-like, livekit-like, mediasoup-like, signal-like, or all
    #[arg(long, value_name = "NAME,..", value_delimiter = ',', default_value = "terrace", value_parser = policies)]
    policy: Vec<Policies>,

    /// How many seeds to take the mean of; of the suite soak, how many rooms
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    seeds: u64,

    /// The first seed
    #[arg(long, value_name = "N", default_value_t = 1)]
    first_seed: u64,

    /// Print the result as one JSON object on standard output
    #[arg(long)]
    json: bool,

    /// Print everybody's totals and seconds of each first seed
    #[arg(long, conflicts_with = "json")]
    people: bool,

    /// Write a page with the figures and plots of each first seed
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,

    /// Write every decision of each first seed as JSON lines, for `terrace sim replay`
    #[arg(long, value_name = "FILE")]
    decisions: Option<PathBuf>,
}

/// A set of scenarios by the name that the command line has for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Suite {
    /// Those that come with terrace
    Rooms,
    /// Rooms and troubles drawn at random, one per seed, judged by what no run may do
    Soak,
    /// Commuters on the recorded links of --traces
    Traces,
}

/// One policy, or every one.
type Policies = Vec<Policy>;

fn policies(name: &str) -> Result<Policies, String> {
    if name == "all" {
        return Ok(Policy::ALL.to_vec());
    }
    let names = Policy::ALL.map(Policy::name).join(", ");
    Policy::parse(name).map(|policy| vec![policy]).ok_or(format!("the policies are {names}, and all"))
}

/// Runs the table.
pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let plans = arguments.plans()?;
    // Opened first: a folder that is not there should not come to light after minutes of work.
    let (html, decisions) = (create(arguments.html.as_deref())?, create(arguments.decisions.as_deref())?);
    writeln!(
        io::stderr(),
        "seeds {} to {}",
        arguments.first_seed,
        arguments.first_seed + arguments.seeds - 1
    )?;
    let jobs: Vec<_> =
        plans.iter().flat_map(|plan| plan.jobs().into_iter().map(move |job| (plan, job))).collect();
    let outcomes = spread(jobs.len(), |at| jobs[at].0.run_job(jobs[at].1));
    let lines =
        |outcome: &report::Outcome| outcome.decisions.iter().map(|line| format!("{line}\n")).collect();
    write_to(decisions, || outcomes.iter().map(lines).collect::<Vec<String>>().concat())?;
    let mut rest = &outcomes[..];
    let mut result =
        report::Report { seeds: arguments.seeds, first_seed: arguments.first_seed, runs: Vec::new() };
    for plan in &plans {
        let own;
        (own, rest) = rest.split_at(plan.jobs().len());
        result.runs.extend(plan.report(own).runs);
    }
    write_to(html, || report::html(&result))?;
    let mut out = io::stdout().lock();
    if arguments.json {
        writeln!(out, "{}", result.json())?;
    } else {
        for people in outcomes.iter().filter_map(|outcome| outcome.people.as_ref()) {
            out.write_all(people.as_bytes())?;
        }
        out.write_all(report::table(&result).as_bytes())?;
    }
    match result.violations().last() {
        Some(last) => Err(Failure { code: 1, message: format!("a run did what none may: {last}") }),
        None => Ok(()),
    }
}

impl Arguments {
    /// What is to be run. Every random room is a plan of its own, as its seed is its own.
    fn plans(&self) -> Result<Vec<Plan>, Failure> {
        let keep =
            Keep { plots: self.html.is_some(), people: self.people, decisions: self.decisions.is_some() };
        let mut policies: Vec<Policy> = self.policy.concat();
        let mut known = Vec::new();
        // Named twice is meant once.
        policies.retain(|policy| {
            !known.contains(policy) && {
                known.push(*policy);
                true
            }
        });
        let plan = |scenarios, first_seed, seeds| Plan {
            scenarios,
            policies: policies.clone(),
            seeds,
            first_seed,
            keep,
        };
        if self.scenario.is_empty() && self.suite == Suite::Soak {
            let seeds = self.first_seed..self.first_seed.saturating_add(self.seeds);
            return Ok(seeds.map(|seed| plan(vec![soak::scenario(seed)], seed, 1)).collect());
        }
        let mut scenarios = Vec::new();
        for name in &self.scenario {
            scenarios.push(find(name)?);
        }
        if self.scenario.is_empty() && self.suite == Suite::Rooms {
            scenarios = embedded();
        }
        if let Some(dir) = &self.traces {
            let recorded = recordings(dir)?;
            // The same recordings may be there once more for another group.
            let once = recorded.iter().filter(|case| case.group == Group::Traces);
            scenarios.extend(once.map(commuter_on));
        }
        if scenarios.is_empty() {
            return Err(wrong("--suite traces needs --traces DIR, a folder of recorded links".to_owned()));
        }
        Ok(vec![plan(scenarios, self.first_seed, self.seeds)])
    }
}

/// A scenario by its name, or by the file that it is in.
fn find(name: &str) -> Result<Scenario, Failure> {
    if let Some(seed) = name.strip_prefix("soak-").and_then(|seed| seed.parse().ok()) {
        return Ok(soak::scenario(seed));
    }
    let embedded = embedded();
    if let Some(scenario) = embedded.iter().find(|scenario| scenario.name == name) {
        return Ok(scenario.clone());
    }
    let names: Vec<&str> = embedded.iter().map(|scenario| scenario.name.as_str()).collect();
    let text = fs::read_to_string(name).map_err(|error| {
        wrong(format!("--scenario: {name}: {error}; those that come with terrace are {}", names.join(", ")))
    })?;
    Scenario::parse(&text).map_err(|error| wrong(format!("--scenario: {name}: {error}")))
}
