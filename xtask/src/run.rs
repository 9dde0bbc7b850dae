//! Runs one external command after the other, says which, how long it took and what failed.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// A step that did not succeed, with the sentence to show.
pub(crate) struct Failed(pub(crate) String);

/// One external command.
pub(crate) struct Step(Command);

impl Step {
    pub(crate) fn new(program: &str, arguments: &[&str]) -> Step {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(root());
        Step(command)
    }

    pub(crate) fn cargo(arguments: &[&str]) -> Step {
        Step::new("cargo", arguments)
    }

    pub(crate) fn within(mut self, folder: &Path) -> Step {
        self.0.current_dir(folder);
        self
    }

    pub(crate) fn with_variable(mut self, name: &str, value: impl AsRef<OsStr>) -> Step {
        self.0.env(name, value);
        self
    }
}

/// Runs a step in the foreground; its output is the user's.
pub(crate) fn step(name: &str, Step(mut command): Step) -> Result<(), Failed> {
    println!("\n== {name}");
    let started = Instant::now();
    let status = command.status().map_err(|error| {
        Failed(format!("{name}: cannot run `{}`: {error}", command.get_program().display()))
    })?;
    println!("== {name}: {:.1} s", started.elapsed().as_secs_f64());
    if status.success() { Ok(()) } else { Err(Failed(format!("{name} failed ({status})"))) }
}

/// The same without a word of ours on standard output, which belongs to what the step prints.
pub(crate) fn quietly(name: &str, Step(mut command): Step) -> Result<(), Failed> {
    let status = command.status().map_err(|error| {
        Failed(format!("{name}: cannot run `{}`: {error}", command.get_program().display()))
    })?;
    if status.success() { Ok(()) } else { Err(Failed(format!("{name} failed ({status})"))) }
}

/// Whether a command runs and exits with 0, silently.
pub(crate) fn succeeds(program: &str, arguments: &[&str]) -> bool {
    Command::new(program)
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// What a command prints, if it succeeds.
pub(crate) fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The workspace's folder: xtask always runs from its own checkout.
pub(crate) fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().expect("xtask is a folder of the workspace").to_path_buf()
}
