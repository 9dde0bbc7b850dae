//! Whole rooms in virtual time without the server around them: the same options as `terrace sim rooms`, plus
//! a first seed.
//!
//! `cargo run --release -p terrace-simulator --example rooms -- --scenario phone-wall-25 --seeds 3`
#![expect(clippy::print_stdout, reason = "a command prints its result")]

use simulator::rooms::{Plan, Policy, Scenario, embedded, report, run};

fn main() {
    let mut plan = Plan {
        scenarios: Vec::new(),
        policies: vec![Policy::Terrace],
        seeds: 3,
        first_seed: 1,
        plots: false,
    };
    let mut json = false;
    let mut args = std::env::args().skip(1);
    while let Some(option) = args.next() {
        let mut value = || args.next().unwrap_or_else(|| panic!("{option} needs a value"));
        match option.as_str() {
            "--scenario" => plan.scenarios.extend(value().split(',').map(find)),
            "--seeds" => plan.seeds = value().parse().expect("--seeds takes a number"),
            "--first-seed" => plan.first_seed = value().parse().expect("--first-seed takes a number"),
            "--json" => json = true,
            "--policy" => {
                let parse = |name| Policy::parse(name).unwrap_or_else(|| panic!("unknown policy {name}"));
                plan.policies = value().split(',').map(parse).collect();
            }
            _ => panic!("unknown option {option}"),
        }
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
    if let Some(scenario) = embedded().into_iter().find(|scenario| scenario.name == name) {
        return scenario;
    }
    let text = std::fs::read_to_string(name).unwrap_or_else(|error| panic!("{name}: {error}"));
    Scenario::parse(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}
