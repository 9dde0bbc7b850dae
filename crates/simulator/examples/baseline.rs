//! The figures of the link cases against the committed ones, case by case.
//!
//! `cargo run --release -p terrace-simulator --example baseline` compares and fails when something is worse;
//! `cargo run --release -p terrace-simulator --example baseline -- --write` makes today's figures the committed ones.
#![expect(clippy::print_stdout, reason = "a command prints its result")]

use std::process::ExitCode;

use simulator::links::{Group, baseline};

fn main() -> ExitCode {
    let jobs: Vec<_> =
        [Group::Video, Group::Sfu, Group::Extra].into_iter().flat_map(baseline::jobs).collect();
    let today = baseline::measure(&jobs);
    let comparison = baseline::compare(&baseline::parse(baseline::COMMITTED), &today);
    print!("{}", comparison.moved);
    if std::env::args().any(|argument| argument == "--write") {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/links/baseline.csv");
        std::fs::write(path, baseline::format(&today)).expect("the source folder can be written");
        println!("wrote {path}");
        return ExitCode::SUCCESS;
    }
    if comparison.worse.is_empty() {
        return ExitCode::SUCCESS;
    }
    print!("\nworse than the baseline:\n{}", comparison.worse);
    ExitCode::FAILURE
}
