//! The table of simulated links without the server around it: the same options as `terrace sim links`, plus `--case`.
//!
//! `cargo run --release -p terrace-simulator --example links -- --suite all --traces DIR --estimator terrace,rtc-gcc`
#![expect(clippy::print_stdout, reason = "a command prints its result")]

use std::collections::BTreeMap;
use std::path::Path;

use simulator::links::{Case, ControllerKind, Plan, report, run, suite, trace};

fn main() {
    let mut suites = String::from("all");
    let mut plan =
        Plan { cases: Vec::new(), controllers: vec![ControllerKind::Terrace], seeds: 5, plots: false };
    let (mut traces, mut only, mut json, mut html, mut csv) = (None, None, false, None, None);
    let mut args = std::env::args().skip(1);
    while let Some(option) = args.next() {
        let mut value = || args.next().unwrap_or_else(|| panic!("{option} needs a value"));
        match option.as_str() {
            "--suite" => suites = value(),
            "--case" => only = Some(value()),
            "--traces" => traces = Some(value()),
            "--seeds" => plan.seeds = value().parse().expect("--seeds takes a number"),
            "--json" => json = true,
            "--html" => html = Some(value()),
            "--csv" => csv = Some(value()),
            "--estimator" => {
                let parse =
                    |name| ControllerKind::parse(name).unwrap_or_else(|| panic!("unknown estimator {name}"));
                plan.controllers = value().split(',').map(parse).collect();
            }
            _ => panic!("unknown option {option}"),
        }
    }
    plan.plots = html.is_some();
    let recorded = traces.map_or(Vec::new(), |dir| recordings(Path::new(&dir)));
    let all = [suite::video(), suite::sfu(), suite::extra(), recorded].into_iter().flatten();
    let wanted =
        |case: &Case| suites == "all" || suites.split(',').any(|name| name == case.group.to_string());
    plan.cases =
        all.filter(|case| wanted(case) && only.as_ref().is_none_or(|name| *name == case.name)).collect();

    let result = run(&plan, |done, all| eprint!("\r{done}/{all}"));
    eprintln!();
    if json {
        println!("{}", result.json());
    } else {
        print!("{}", report::table(&result));
    }
    for (file, text) in [(html, report::html(&result)), (csv, report::csv(&result))] {
        if let Some(file) = file {
            std::fs::write(&file, text).unwrap_or_else(|error| panic!("{file}: {error}"));
        }
    }
}

/// The cases of a folder of recordings.
fn recordings(dir: &Path) -> Vec<Case> {
    let mut files = BTreeMap::new();
    collect(dir, "", &mut files);
    trace::folder(&files).unwrap_or_else(|(file, error)| panic!("{file}: {error}"))
}

fn collect(dir: &Path, prefix: &str, files: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display())) {
        let path = entry.expect("a readable folder").path();
        let name = format!("{prefix}{}", path.file_name().expect("entries have names").to_string_lossy());
        if path.is_dir() {
            collect(&path, &format!("{name}/"), files);
        } else if let Ok(text) = std::fs::read_to_string(&path) {
            files.insert(name, text);
        }
    }
}
