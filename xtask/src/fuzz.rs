//! Searching for inputs that break a promise, with libFuzzer on a stable compiler.
//!
//! Owns the flags that put coverage counters into the code, the folders, and the form in which corpora are kept: one file
//! per target in `tests/fuzz/corpus`, one input per line in hexadecimal, so that a review shows what was added. Leaves what
//! a target promises to `tests/fuzz`. No sanitizer: the code is safe Rust, and overflow and debug assertions are on.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::run::{self, Failed, Step, step};

/// Inputs kept per target, and bytes of one: what tells a reviewer something and runs in a second.
const MOST_KEPT: usize = 150;
const LONGEST_KEPT: usize = 1_024;
/// Longest input that is tried.
const LONGEST: &str = "4096";

/// What libFuzzer needs of the compiler; `cargo fuzz run -s none` sets the same.
const FLAGS: [&str; 6] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    // Frames of a crash.
    "-Cforce-frame-pointers",
];

/// Fuzzes the named targets, or all, each for so many seconds; `keep` writes what was found into the corpora.
pub(crate) fn fuzz(targets: &[&str], seconds: u64, keep: bool) -> Result<(), Failed> {
    let corpora = run::root().join("tests/fuzz/corpus");
    let known = targets_in(&corpora)?;
    let chosen: Vec<&str> = match targets {
        [] => known.iter().map(String::as_str).collect(),
        some => some.to_vec(),
    };
    if let Some(unknown) = chosen.iter().find(|name| !known.iter().any(|other| other == *name)) {
        return Err(Failed(format!("no fuzz target {unknown}; there are {}", known.join(", "))));
    }
    let (program, work) = build()?;
    let (mut results, mut broken) = (Vec::new(), Vec::new());
    for name in chosen {
        let kept = corpora.join(name).with_extension("hex");
        match run_one(&program, &work, name, &kept, seconds) {
            Ok(counts) => results.push((name, counts)),
            // The others have something to tell as well.
            Err(failed) => broken.push(failed.0),
        }
        if keep && broken.is_empty() {
            merge(&program, &work, name, &kept)?;
        }
    }
    println!("\n{:<12} {:>14} {:>10} {:>8}", "target", "executions", "per second", "new");
    for (name, counts) in &results {
        let [executions, rate, new] = counts;
        println!("{name:<12} {executions:>14} {rate:>10} {new:>8}");
    }
    if broken.is_empty() { Ok(()) } else { Err(Failed(broken.join("\n\n"))) }
}

fn targets_in(corpora: &Path) -> Result<Vec<String>, Failed> {
    let entries = fs::read_dir(corpora).map_err(|error| Failed(format!("{}: {error}", corpora.display())))?;
    let stem = |entry: fs::DirEntry| entry.path().file_stem()?.to_str().map(str::to_owned);
    let mut names: Vec<String> = entries.flatten().filter_map(stem).collect();
    names.sort();
    Ok(names)
}

/// Builds the program with coverage, in a folder of its own: other flags would rebuild everything else.
fn build() -> Result<(PathBuf, PathBuf), Failed> {
    let work = run::root().join("target/fuzz");
    // Named, so that build scripts and macros, which run here, are spared the counters.
    let version = run::output("rustc", &["-vV"]).unwrap_or_default();
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.ok_or_else(|| Failed("rustc does not say for which machine it builds".to_owned()))?;
    let folder = work.to_string_lossy();
    let arguments = [
        "build",
        "--locked",
        "--profile",
        "fuzz",
        "--package",
        "terrace-fuzz",
        "--features",
        "libfuzzer",
        "--target",
        host,
        "--target-dir",
        &folder,
    ];
    step("fuzz: build", Step::cargo(&arguments).with_variable("RUSTFLAGS", FLAGS.join(" ")))?;
    Ok((work.join(host).join("fuzz/fuzz"), work))
}

/// Runs one target from its kept inputs on. Returns executions, executions per second and inputs that were new.
fn run_one(
    program: &Path,
    work: &Path,
    name: &str,
    kept: &Path,
    seconds: u64,
) -> Result<[String; 3], Failed> {
    let inputs = work.join("inputs").join(name);
    unpack(kept, &inputs)?;
    println!("\n== fuzz {name}: {seconds} s");
    let crashes = work.join("crashes");
    fs::create_dir_all(&crashes).map_err(|error| Failed(format!("{}: {error}", crashes.display())))?;
    let output = Command::new(program)
        .arg(&inputs)
        .args([
            &format!("-max_total_time={seconds}"),
            &format!("-artifact_prefix={}/{name}-", crashes.display()),
            &format!("-max_len={LONGEST}"),
            "-print_final_stats=1",
            "-timeout=10",
            "-rss_limit_mb=2048",
        ])
        .env("FUZZ_TARGET", name)
        .stdout(Stdio::inherit())
        .output()
        .map_err(|error| Failed(format!("cannot run {}: {error}", program.display())))?;
    let text = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        let lines: Vec<&str> = text.lines().collect();
        let tail = lines[lines.len().saturating_sub(40)..].join("\n");
        return Err(Failed(format!(
            "{tail}\nfuzz target {name} found an input that breaks it, in {}; once mended, add it to {} with \
             `xxd -p | tr -d '\\n'`",
            crashes.display(),
            kept.display()
        )));
    }
    let stat = |key: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(&format!("stat::{key}:")));
        value.unwrap_or("?").trim().to_owned()
    };
    Ok([stat("number_of_executed_units"), stat("average_exec_per_sec"), stat("new_units_added")])
}

/// The smallest set of inputs that covers what all of them cover, back into its file.
fn merge(program: &Path, work: &Path, name: &str, kept: &Path) -> Result<(), Failed> {
    let (inputs, merged) = (work.join("inputs").join(name), work.join("merged").join(name));
    let _ = fs::remove_dir_all(&merged);
    fs::create_dir_all(&merged).map_err(|error| Failed(format!("{}: {error}", merged.display())))?;
    let status = Command::new(program)
        .arg("-merge=1")
        .args([&merged, &inputs])
        .env("FUZZ_TARGET", name)
        .stderr(Stdio::null())
        .status();
    if !status.is_ok_and(|status| status.success()) {
        return Err(Failed(format!("the inputs of {name} could not be merged")));
    }
    let entries = fs::read_dir(&merged).map_err(|error| Failed(error.to_string()))?;
    let mut inputs: Vec<Vec<u8>> =
        entries.flatten().filter_map(|entry| fs::read(entry.path()).ok()).collect();
    inputs.retain(|input| !input.is_empty() && input.len() <= LONGEST_KEPT);
    inputs.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
    // Evenly over the sizes: the shortest alone would reach no depths.
    let every = inputs.len().div_ceil(MOST_KEPT).max(1);
    let lines: String = inputs.iter().step_by(every).map(|input| hex(input) + "\n").collect();
    fs::write(kept, lines).map_err(|error| Failed(format!("{}: {error}", kept.display())))
}

/// Inputs as files, which is how libFuzzer wants them.
fn unpack(kept: &Path, folder: &Path) -> Result<(), Failed> {
    let failed = |error: std::io::Error| Failed(format!("{}: {error}", folder.display()));
    fs::create_dir_all(folder).map_err(failed)?;
    let text = fs::read_to_string(kept).map_err(failed)?;
    for (number, line) in text.lines().enumerate() {
        let bytes: Option<Vec<u8>> = line
            .as_bytes()
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
            .collect();
        let bytes =
            bytes.ok_or_else(|| Failed(format!("{}:{}: not hexadecimal", kept.display(), number + 1)))?;
        fs::write(folder.join(format!("kept-{number}")), bytes).map_err(failed)?;
    }
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
