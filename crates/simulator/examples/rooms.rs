//! Whole rooms in virtual time without the server around them: the same options as `terrace sim rooms`, plus
//! a first seed.
//!
//! `cargo run --release -p terrace-simulator --example rooms -- --scenario phone-wall-25 --seeds 3`
#![expect(clippy::print_stdout, reason = "a command prints its result")]

use simulator::rooms::{Plan, Policy, Scenario, embedded, report, run, simulate, soak};

fn main() {
    let mut plan = Plan {
        scenarios: Vec::new(),
        policies: vec![Policy::Terrace],
        seeds: 3,
        first_seed: 1,
        plots: false,
    };
    let (mut json, mut people, mut soak_seeds) = (false, false, 0u64);
    let mut args = std::env::args().skip(1);
    while let Some(option) = args.next() {
        let mut value = || args.next().unwrap_or_else(|| panic!("{option} needs a value"));
        match option.as_str() {
            "--scenario" => plan.scenarios.extend(value().split(',').map(find)),
            "--seeds" => plan.seeds = value().parse().expect("--seeds takes a number"),
            "--first-seed" => plan.first_seed = value().parse().expect("--first-seed takes a number"),
            "--json" => json = true,
            "--people" => people = true,
            "--soak" => soak_seeds = value().parse().expect("--soak takes a number of seeds"),
            "--policy" => {
                let parse = |name| Policy::parse(name).unwrap_or_else(|| panic!("unknown policy {name}"));
                plan.policies = value().split(',').map(parse).collect();
            }
            _ => panic!("unknown option {option}"),
        }
    }
    if soak_seeds > 0 {
        return soak_for(plan.first_seed, soak_seeds);
    }
    if people {
        return show_people(&plan);
    }
    if plan.scenarios.is_empty() {
        plan.scenarios = embedded();
    }
    eprintln!("seeds {} to {}", plan.first_seed, plan.first_seed + plan.seeds - 1);
    let result = run(&plan, |done, all| eprint!("\r{done}/{all}"));
    eprintln!();
    if json {
        println!("{}", result.json());
    } else {
        print!("{}", report::table(&result));
    }
}

/// A scenario by its name, or by the file that it is in.
fn find(name: &str) -> Scenario {
    if let Some(seed) = name.strip_prefix("soak-").and_then(|seed| seed.parse().ok()) {
        return soak::scenario(seed);
    }
    if let Some(scenario) = embedded().into_iter().find(|scenario| scenario.name == name) {
        return scenario;
    }
    let text = std::fs::read_to_string(name).unwrap_or_else(|error| panic!("{name}: {error}"));
    Scenario::parse(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Random rooms, one per seed, until something happens that may not.
fn soak_for(first: u64, seeds: u64) {
    let mut failed = 0;
    for seed in first..first + seeds {
        let record = simulate(&soak::scenario(seed), Policy::Terrace, seed);
        let mut violations = soak::violations(&record);
        violations.extend(soak::left_in_the_dark(&record));
        failed += u64::from(!violations.is_empty());
        for why in violations {
            println!("seed {seed}: {why}\n  {}", report::again(&record));
        }
    }
    println!("{failed} of {seeds} rooms broke a promise");
    std::process::exit(i32::from(failed > 0));
}

/// Everybody's totals of the first seed.
fn show_people(plan: &Plan) {
    for scenario in &plan.scenarios {
        let record = simulate(scenario, plan.policies[0], plan.first_seed);
        println!("{}: {:?}, bad {:?}", scenario.name, record.node, record.bad_frames());
        for person in &record.people {
            println!("{} {:?}\n  {:?}\n  {:?}", person.name, person.stays, person.counts, person.traffic);
            println!(
                "  sent {} video, {} padding; {:?} offered and dropped; starved {}",
                person.video_sent, person.padding_sent, person.downloaded, person.starved
            );
            for second in person.samples.chunks(10) {
                let mean = |f: fn(&simulator::rooms::record::Sample) -> f64| {
                    second.iter().map(f).sum::<f64>() / second.len() as f64
                };
                println!(
                    "  {:>6.1} s {:>7.0} of {:>7.0} kbit/s, worth {:.2} of {:.2}, {:.1} lit",
                    second[0].at as f64 / 1e6,
                    mean(|s| s.downloaded as f64 * 80.0 / 1e3),
                    mean(|s| s.capacity as f64 / 1e3),
                    mean(|s| s.delivered),
                    mean(|s| s.best),
                    mean(|s| s.lit as f64),
                );
            }
        }
    }
}
