//! Rooms in virtual time without building the server: the table of `terrace sim rooms`, and what happened around a moment.
//!
//! ```sh
//! cargo run --release -p terrace-simulator --example rooms -- --policy all --seeds 2 --first-seed 11
//! cargo run --release -p terrace-simulator --example rooms -- --scenario soak-91 --first-seed 91 --people
//! cargo run --release -p terrace-simulator --example rooms -- --scenario nine-tiles-1 --who viewer --from 8 --to 12
//! ```
//!
//! `--json` prints the table as one JSON object, with the hash of every row. `--who` prints every tenth of a second of one
//! participant between two instants, with its decisions where they changed.
#![expect(clippy::print_stdout, reason = "a command prints its result")]

use simulator::rooms::record::{Course, STEP};
use simulator::rooms::{
    Keep, Outcome, Plan, Policy, Record, Scenario, embedded, report, simulate_closely, soak,
};
use units::Bitrate;

/// What is run.
struct Asked {
    scenarios: Vec<Scenario>,
    policies: Vec<Policy>,
    seeds: u64,
    first_seed: u64,
    people: bool,
    json: bool,
    who: Option<String>,
    span: (f64, f64),
}

fn main() {
    let asked = asked();
    if let Some(who) = &asked.who {
        for scenario in &asked.scenarios {
            for policy in &asked.policies {
                let record = simulate_closely(scenario, *policy, asked.first_seed);
                closely(&record, who, asked.span);
            }
        }
        return;
    }
    let plan = Plan {
        scenarios: asked.scenarios,
        policies: asked.policies,
        seeds: asked.seeds,
        first_seed: asked.first_seed,
        keep: Keep { people: asked.people, ..Keep::default() },
    };
    let outcomes: Vec<Outcome> = plan.jobs().into_iter().map(|job| plan.run_job(job)).collect();
    outcomes.iter().filter_map(|outcome| outcome.people.as_ref()).for_each(|people| print!("{people}"));
    let report = plan.report(&outcomes);
    if asked.json {
        println!("{}", report.json());
    } else {
        print!("{}", report::table(&report));
    }
}

fn asked() -> Asked {
    let mut asked = Asked {
        scenarios: embedded(),
        policies: vec![Policy::Terrace],
        seeds: 1,
        first_seed: 1,
        people: false,
        json: false,
        who: None,
        span: (0.0, f64::MAX),
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let switch = match argument.as_str() {
            "--people" => Some(&mut asked.people),
            "--json" => Some(&mut asked.json),
            _ => None,
        };
        if let Some(switch) = switch {
            *switch = true;
            continue;
        }
        let value = arguments.next().unwrap_or_else(|| panic!("{argument} needs a value"));
        let number = || value.parse().unwrap_or_else(|_| panic!("{argument} needs a number"));
        let seconds = || value.parse().unwrap_or_else(|_| panic!("{argument} needs seconds"));
        match argument.as_str() {
            "--scenario" => asked.scenarios = value.split(',').map(scenario).collect(),
            "--policy" if value == "all" => asked.policies = Policy::ALL.to_vec(),
            "--policy" => {
                let policy = |name| Policy::parse(name).unwrap_or_else(|| panic!("{name} is no policy"));
                asked.policies = value.split(',').map(policy).collect();
            }
            "--seeds" => asked.seeds = number(),
            "--first-seed" => asked.first_seed = number(),
            "--who" => asked.who = Some(value),
            "--from" => asked.span.0 = seconds(),
            "--to" => asked.span.1 = seconds(),
            _ => panic!("{argument} is not an option"),
        }
    }
    asked
}

fn scenario(name: &str) -> Scenario {
    if let Some(seed) = name.strip_prefix("soak-").and_then(|seed| seed.parse().ok()) {
        return soak::scenario(seed);
    }
    let known = embedded().into_iter().find(|scenario| scenario.name == name);
    known.unwrap_or_else(|| panic!("there is no scenario {name}"))
}

/// Prints the course of everybody of that name.
fn closely(record: &Record, who: &str, (from, to): (f64, f64)) {
    println!("{} {} seed {}", record.scenario, record.policy, record.seed);
    for person in record.people.iter().filter(|person| person.name == who) {
        let Some(course) = &person.course else { continue };
        let mut decisions = course.decisions.iter().peekable();
        let mut former = String::new();
        for (at, sample) in person.samples.iter().enumerate() {
            while let Some((when, logged)) = decisions.next_if(|(when, _)| *when <= sample.at) {
                let line = decision(logged);
                let is_due = (from..to).contains(&(*when as f64 / 1e6));
                // The time and the amounts change with each; what was chosen and why does not.
                if is_due && former != line.0 {
                    println!("{:>9.3}   {}{}", *when as f64 / 1e6, line.1, line.0);
                }
                former = line.0;
            }
            let now = sample.at as f64 / 1e6;
            if (from..to).contains(&now) {
                let estimate = course.estimates.get(at).map_or(0, |rate| rate / 1_000);
                println!(
                    "{now:>9.1} s sent {:>6} of {:>6} kbit/s, told {estimate:>6}, worth {:.2} of {:.2}: {}",
                    sample.downloaded * 8 * 1_000 / STEP,
                    sample.capacity / 1_000,
                    sample.delivered,
                    sample.best,
                    lanes(course, at)
                );
            }
        }
    }
}

fn lanes(course: &Course, at: usize) -> String {
    let lane = |lane: &Vec<simulator::rooms::record::Lane>| match lane.get(at).and_then(|lane| lane.picture) {
        Some((who, encoding)) => format!("{who}:{encoding} "),
        None => "- ".to_owned(),
    };
    course.lanes.iter().map(lane).collect()
}

/// What was chosen and why; and in numbers, what it was chosen upon.
fn decision(logged: &sfu::LoggedDecision) -> (String, String) {
    let input = &logged.record.input;
    let mut choices = String::new();
    for (choice, subscription) in logged.record.decision.choices.iter().zip(&input.subscriptions) {
        let lines = |at: Option<usize>| {
            let point = at.and_then(|at| subscription.points.get(at));
            point.map_or("-".to_owned(), |p| format!("{}@{}", p.height, p.cost.as_kbps() / 10 * 10))
        };
        let next = choice.next.filter(|next| next.missing.bitrate.is_some()).map_or(String::new(), |next| {
            format!(
                "<{}+{}",
                lines(Some(next.point)),
                next.missing.bitrate.map_or(0, Bitrate::as_kbps) / 10 * 10
            )
        });
        choices.push_str(&format!(" {}/{:?}{next}", lines(choice.point), choice.reason));
    }
    let budget = input.budget.map_or("no estimate".to_owned(), |budget| {
        format!("keep {} grow {}", budget.keep.as_kbps(), budget.grow.as_kbps())
    });
    let spent = logged.record.decision.spent.as_kbps();
    (choices, format!("{budget} spent {spent}:"))
}
