//! Instruction counts of the hot paths, compared with those in the tree: a gate that a busy machine does not move.
//!
//! Owns the comparison. What is counted lives in `benches/src/bin/instructions.rs`, the counts in
//! `benches/baseline/instructions.tsv`. They are those of one compiler and one cryptography crate, so a toolchain that is bumped
//! comes with new counts: `cargo xtask instructions --update`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::{self, Failed, Step, step};
use crate::tools::{self, Tool};

/// A count may grow by this much, in percent, before the gate closes. Allocators and memory copies of another C library make
/// for about half of it.
const TOLERANCE: f64 = 5.0;

/// Counts every case and compares, or writes the counts down.
pub(crate) fn instructions(update: bool) -> Result<(), Failed> {
    tools::ensure(&[Tool::Valgrind])?;
    step(
        "instructions: build",
        Step::cargo(&[
            "build",
            "--locked",
            "--release",
            "--package",
            "terrace-benches",
            "--bin",
            "instructions",
        ]),
    )?;
    let program = target().join("release/instructions");
    let baseline = run::root().join("benches/baseline/instructions.tsv");
    let before = read(&baseline);
    let listed = run::output(&program.to_string_lossy(), &[]).unwrap_or_default();
    let mut counts: Vec<(String, f64)> = Vec::new();
    for case in listed.lines() {
        counts.push((case.to_owned(), count(&program, case)?));
    }
    if counts.is_empty() {
        return Err(Failed("the program of the cases lists none".to_owned()));
    }
    let mut worse = Vec::new();
    println!("\n{:<28} {:>12} {:>12} {:>8}", "instructions per operation", "committed", "now", "%");
    for (case, now) in &counts {
        let Some(then) = before.get(case) else {
            println!("{case:<28} {:>12} {now:>12.1}", "-");
            worse.push(format!("{case} has no committed count"));
            continue;
        };
        let percent = (now / then - 1.0) * 100.0;
        println!("{case:<28} {then:>12.1} {now:>12.1} {percent:>+8.1}");
        if percent > TOLERANCE {
            worse.push(format!("{case} takes {percent:.1} % more instructions"));
        }
    }
    if update {
        let lines: String = counts.iter().map(|(case, now)| format!("{case}\t{now:.1}\n")).collect();
        return fs::write(&baseline, lines)
            .map_err(|error| Failed(format!("{}: {error}", baseline.display())));
    }
    match worse.is_empty() {
        true => Ok(()),
        false => Err(Failed(format!(
            "{}\nif that is the price of something better: cargo xtask instructions --update",
            worse.join("\n")
        ))),
    }
}

/// Instructions per operation of one case: the program does it so many times, and says how many.
fn count(program: &Path, case: &str) -> Result<f64, Failed> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--toggle-collect=*counted*", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .arg(case)
        .output()
        .map_err(|error| Failed(format!("cannot run valgrind: {error}")))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let operations = String::from_utf8_lossy(&output.stdout).trim().parse::<f64>().ok();
    let collected =
        said.lines().find_map(|line| line.split_once("Collected : ")?.1.trim().parse::<f64>().ok());
    match (operations, collected) {
        (Some(operations), Some(collected))
            if output.status.success() && operations > 0.0 && collected > 0.0 =>
        {
            Ok(collected / operations)
        }
        _ => Err(Failed(format!("{case} could not be counted:\n{said}"))),
    }
}

fn read(baseline: &Path) -> BTreeMap<String, f64> {
    let text = fs::read_to_string(baseline).unwrap_or_default();
    let row = |line: &str| {
        line.split_once('\t').and_then(|(case, count)| Some((case.to_owned(), count.parse().ok()?)))
    };
    text.lines().filter_map(row).collect()
}

/// Where cargo builds to.
fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| run::root().join("target"), PathBuf::from)
}
