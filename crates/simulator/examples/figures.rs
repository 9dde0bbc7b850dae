//! The plots of the documentation, drawn anew: `cargo run --release -p terrace-simulator --example figures`.

use simulator::links::{ControllerKind, Plan, Row, report, run, suite};

/// The cases that are shown, by file name.
const SHOWN: [(&str, &str); 3] =
    [("5.1", "variable"), ("fall-3to0.5-deepq", "deep-queue"), ("S:steps", "layers")];

fn main() {
    let all = || suite::video().into_iter().chain(suite::sfu());
    let cases = all().filter(|case| SHOWN.iter().any(|(name, _)| case.name == *name)).collect();
    let controllers = vec![ControllerKind::Terrace, ControllerKind::Gcc];
    let result = run(&Plan { cases, controllers, seeds: 1, plots: true }, |_, _| {});
    for (case, file) in SHOWN {
        let rows: Vec<&Row> = result.cases.iter().filter(|row| row.case == case).collect();
        let path = format!("{}/../../docs/plots/{file}.svg", env!("CARGO_MANIFEST_DIR"));
        std::fs::write(&path, report::figure(&rows)).expect("docs/plots can be written");
    }
}
