//! `cargo xtask`: the commands of a working day that need more than cargo.
//!
//! Owns which tools a full test run needs and how to get them. What is tested lives in `tests/`; the order in which
//! the gate asks for it lives in `.ci/run`. No dependencies, so that it builds in a second.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool speaks on its streams")]

mod fuzz;
mod instructions;
mod run;
mod tools;

use std::path::PathBuf;
use std::process::ExitCode;

use run::{Failed, Step, step};
use tools::Tool;

const USAGE: &str = "\
cargo xtask <command>

commands:
  test [--no-browser] [-- <args>]  all Rust tests, doc tests and web tests; gets browsers and node by apt when root.
                                   <args> go to `cargo nextest run` (or `cargo test`)
  web                              only the web client: type check and unit tests (needs node)
  matrix [--json] [-- <args>]      codecs by faults of paths by round trips, with native participants, in six minutes;
                                   <args>: --seconds N, --side-by-side N, --only WORD (rows that say it, several times
                                   for all of them), --repeat N
  fuzz [TARGET..] [--seconds N] [--keep]
                                   looks for inputs that break a promise, each target for N seconds [60]; --keep adds what
                                   was found to tests/fuzz/corpus
  gstreamer                        publishes by WHIP and plays by WHEP with GStreamer's WebRTC stack (gets it by apt when root)
  openapi [--seconds N]            asks the operator's interface thousands of things by schemathesis (gets it by pip), twice N
                                   seconds [60], and holds the answers against its document
  instructions [--update]          counts instructions of the hot paths and compares with the committed counts
  screenshots [all]                runs a call in real browsers and rewrites docs/images; `all` runs every browser test and keeps
                                   a picture of each state of the pages in target/screenshots
";

/// Name filter of the tests that start a browser; the same prefix is in `.config/nextest.toml`.
const BROWSER_TESTS: &str = "browser::";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (own, extra) = match words.iter().position(|word| *word == "--") {
        Some(at) => (&words[..at], &words[at + 1..]),
        None => (&words[..], &[][..]),
    };
    let result = match own {
        ["test"] => test(true, extra),
        ["test", "--no-browser"] => test(false, extra),
        ["web"] => tools::ensure(&[Tool::Node]).and_then(|()| web()),
        ["matrix"] => matrix(&[], extra),
        ["matrix", "--json"] => matrix(&["--json"], extra),
        ["fuzz", rest @ ..] => fuzz(rest),
        ["instructions"] => instructions::instructions(false),
        ["instructions", "--update"] => instructions::instructions(true),
        ["gstreamer"] => gstreamer(),
        ["openapi"] => openapi("60"),
        ["openapi", "--seconds", seconds] => openapi(seconds),
        ["screenshots"] => screenshots("browser::pictures", "docs/images"),
        ["screenshots", "all"] => screenshots(BROWSER_TESTS, "target/screenshots"),
        ["help" | "--help" | "-h"] | [] => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprint!("unknown command `cargo xtask {}`\n\n{USAGE}", words.join(" "));
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failed(message)) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Everything that can fail: unit, property, end-to-end and browser tests, doc tests, the web client's own tests.
fn test(browser: bool, extra: &[&str]) -> Result<(), Failed> {
    let wanted: &[Tool] = if browser { &[Tool::Chromium, Tool::Firefox, Tool::Node] } else { &[Tool::Node] };
    tools::ensure(wanted)?;
    // The web client's checks take seconds: a typo there should not wait for the Rust build.
    web()?;
    rust_tests(browser, extra)?;
    step("doc tests", Step::cargo(&["test", "--locked", "--workspace", "--doc", "--quiet"]))
}

/// nextest where it is installed, as it gives each test a process and a deadline; `cargo test` otherwise.
fn rust_tests(browser: bool, extra: &[&str]) -> Result<(), Failed> {
    if run::succeeds("cargo", &["nextest", "--version"]) {
        let mut arguments = vec!["nextest", "run", "--locked", "--workspace"];
        let filter = format!("not test(/^{BROWSER_TESTS}/)");
        if !browser {
            arguments.extend(["--filterset", &filter]);
        }
        arguments.extend(extra);
        return step("tests (nextest)", Step::cargo(&arguments));
    }
    println!(
        "xtask: cargo-nextest is not installed (cargo install --locked cargo-nextest): using cargo test"
    );
    let mut arguments = vec!["test", "--locked", "--workspace", "--lib", "--bins", "--tests"];
    arguments.extend(extra);
    if !browser {
        if !extra.contains(&"--") {
            arguments.push("--");
        }
        arguments.extend(["--skip", BROWSER_TESTS]);
    }
    step("tests (cargo test)", Step::cargo(&arguments))
}

/// Type check and unit tests of the web client. npm brings the type checker only: the server never needs it.
fn web() -> Result<(), Failed> {
    let folder = run::root().join("tests/web");
    if !folder.join("node_modules/.package-lock.json").exists() {
        step("npm ci", Step::new("npm", &["ci", "--no-fund", "--no-audit"]).within(&folder))?;
    }
    step("web client: types", Step::new("npm", &["run", "--silent", "check"]).within(&folder))?;
    step("web client: unit tests", Step::new("npm", &["test", "--silent"]).within(&folder))
}

/// Measures what bad paths cost. Nothing but the result goes to standard output. In the profile of the tests, which most who
/// ask have built: what is measured is the network's time, and a release takes longer to build than the matrix to run.
fn matrix(own: &[&str], extra: &[&str]) -> Result<(), Failed> {
    let cargo = ["bench", "--locked", "--quiet", "--profile", "dev", "--package", "terrace-tests"];
    run::quietly("matrix", Step::cargo(&[&cargo, &["--bench", "matrix", "--"][..], own, extra].concat()))
}

/// Fuzz targets by name, a number behind `--seconds`, and `--keep`, in any order.
fn fuzz(arguments: &[&str]) -> Result<(), Failed> {
    let (mut targets, mut seconds, mut keep) = (Vec::new(), 60, false);
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match *argument {
            "--keep" => keep = true,
            "--seconds" => {
                let number = rest.next().and_then(|number| number.parse().ok());
                seconds = number.ok_or_else(|| Failed("--seconds needs a whole number".to_owned()))?;
            }
            name => targets.push(name),
        }
    }
    fuzz::fuzz(&targets, seconds, keep)
}

/// Another implementation of WHIP and WHEP against the server of this checkout.
fn gstreamer() -> Result<(), Failed> {
    tools::ensure(&[Tool::GStreamer])?;
    let server = server()?;
    step("GStreamer", Step::new(tools::DEBIAN_PYTHON, &["tests/gstreamer/whip_whep.py", &server]))
}

/// Release of schemathesis: what it asks is made up anew each time, how it judges is not.
const SCHEMATHESIS: &str = "schemathesis==4.32.5";

/// Requests made of the interface's document, against the server of this checkout.
fn openapi(seconds: &str) -> Result<(), Failed> {
    tools::ensure(&[Tool::Python])?;
    let server = server()?;
    let folder = build_folder()?.join("schemathesis");
    let inside = |program: &str| -> Result<String, Failed> { text(folder.join("bin").join(program)) };
    let (pip, tool) = (inside("pip")?, inside("schemathesis")?);
    if !run::succeeds(&tool, &["--version"]) {
        step("packages", Step::new(tools::PYTHON, &["-m", "venv", &text(folder.clone())?]))?;
        step(SCHEMATHESIS, Step::new(&pip, &["install", "--quiet", SCHEMATHESIS]))?;
    }
    step("requests", Step::new(tools::PYTHON, &["tests/openapi/requests.py", &tool, &server, seconds]))
}

/// Builds the server as tests do and says where it is.
fn server() -> Result<String, Failed> {
    step("server", Step::cargo(&["build", "--locked", "--package", "terrace"]))?;
    text(build_folder()?.join("debug/terrace"))
}

fn build_folder() -> Result<PathBuf, Failed> {
    let folder = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| run::root().join("target"), Into::into);
    std::path::absolute(folder).map_err(|error| Failed(format!("the build folder: {error}")))
}

fn text(path: PathBuf) -> Result<String, Failed> {
    path.into_os_string().into_string().map_err(|_| Failed("the build folder's name is no text".to_owned()))
}

/// The pictures in the README and the book come from the browser tests; this says where to put them.
fn screenshots(tests: &str, folder: &str) -> Result<(), Failed> {
    tools::ensure(&[Tool::Chromium])?;
    let folder = run::root().join(folder);
    let arguments = ["test", "--locked", "--package", "terrace-tests", "--test", "all", "--", tests];
    step("screenshots", Step::cargo(&arguments).with_variable("TERRACE_PICTURES", &folder))?;
    println!("pictures written to {}", folder.display());
    Ok(())
}
