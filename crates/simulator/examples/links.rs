//! The table of simulated links on the terminal, until `terrace sim links` has it.
#![expect(clippy::print_stdout, reason = "a command prints its result")]
use simulator::links::{ControllerKind, metrics, run_case, suite, trace};

fn main() {
    let mut args = std::env::args().skip(1);
    let (mut suites, mut names, mut seeds, mut only) =
        (String::from("all"), String::from("terrace"), 5u64, String::new());
    let mut traces = None;
    while let Some(arg) = args.next() {
        let value = args.next().expect("an option has a value");
        match arg.as_str() {
            "--suite" => suites = value,
            "--estimator" => names = value,
            "--seeds" => seeds = value.parse().expect("a number"),
            "--traces" => traces = Some(value),
            "--case" => only = value,
            _ => panic!("unknown option {arg}"),
        }
    }
    let mut cases = Vec::new();
    if matches!(suites.as_str(), "all" | "video") {
        cases.extend(suite::video());
    }
    if matches!(suites.as_str(), "all" | "sfu") {
        cases.extend(suite::sfu());
    }
    if let Some(dir) = &traces {
        let suite = std::fs::read_to_string(format!("{dir}/suite.csv")).expect("a suite.csv");
        for recording in trace::parse_suite(&suite).expect("valid") {
            let text = std::fs::read_to_string(format!("{dir}/{}", recording.file)).expect("a file");
            cases.extend(recording.cases(&text).expect("valid"));
        }
    }
    println!(
        "{:22} {:10} {:>6} {:>6} {:>6} {:>6} {:>6} {:>6} {:>6} {:>6} {:>6} {:>6} {:>6} {:>6} {:>5} {:>5} {:>5} {:>5} {:>6} {:>6}",
        "case",
        "estimator",
        "util",
        "p50",
        "p95",
        "p99",
        "tot95",
        "loss%",
        "t90",
        "fall",
        "drain",
        "osc",
        "jain",
        "pad",
        "best",
        "over",
        "frz",
        "sw",
        "score",
        "total"
    );
    for case in cases.iter().filter(|c| only.is_empty() || c.name == only) {
        for name in names.split(',') {
            let kind = ControllerKind::parse(name).expect("a known estimator");
            let runs: Vec<_> = (1..=seeds).map(|seed| run_case(case, kind, seed)).collect();
            let m = metrics::mean(&runs);
            let o = |v: Option<f64>, scale: f64| v.map_or("-".to_owned(), |v| format!("{:.3}", v * scale));
            println!(
                "{:22} {:10} {:6.3} {:6.1} {:6.1} {:6.1} {:6.1} {:6.2} {:>6} {:>6} {:>6} {:6.3} {:>6} {:6.3} {:>5} {:>5} {:5.3} {:>5} {:6.3} {:6.3}",
                case.name,
                name,
                m.quality.unwrap_or(m.util),
                m.qd_p50,
                m.qd_p95,
                m.qd_p99,
                m.tot95,
                m.loss * 100.0,
                o(m.t90, 1e-3),
                o(m.fall, 1e-3),
                o(m.drain, 1e-3),
                m.osc,
                o(m.jain, 1.0),
                m.padding,
                o(m.best, 1.0),
                o(m.over, 1.0),
                m.freeze,
                o(m.switches_per_min, 1.0),
                m.score,
                m.score_total
            );
        }
    }
}
