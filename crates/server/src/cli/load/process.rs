//! What a process costs, as the kernel counts it. Owns the reading of `/proc`, so it is for Linux.

use std::fs;
use std::time::Duration;

use crate::cli::Failure;

/// Ticks per second of `/proc/*/stat`. A constant of the kernel's interface, whatever it runs at.
const TICKS: u64 = 100;

/// A process on this machine.
#[derive(Clone, Copy, Debug)]
pub(super) struct Process(u32);

/// What it has used so far, and what it holds now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Usage {
    /// Of all its threads, system calls included.
    pub(super) cpu: Duration,
    /// Resident memory, bytes.
    pub(super) resident: u64,
}

impl Process {
    /// The process with that number.
    ///
    /// # Errors
    /// When there is none, or this system does not tell.
    pub(super) fn new(pid: u32) -> Result<Self, Failure> {
        let process = Self(pid);
        process.usage().map(|_| process)
    }

    /// Its use so far.
    pub(super) fn usage(&self) -> Result<Usage, Failure> {
        let pid = self.0;
        let read = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}"));
        let failed =
            || Failure { code: 1, message: format!("process {pid} cannot be looked at: is it running?") };
        let stat = read("stat").map_err(|_| failed())?;
        let status = read("status").map_err(|_| failed())?;
        parse(&stat, &status).ok_or_else(failed)
    }
}

fn parse(stat: &str, status: &str) -> Option<Usage> {
    // The name may hold anything, parentheses included; the fields behind it are numbers.
    let (_, fields) = stat.rsplit_once(')')?;
    let field = |at: usize| fields.split_whitespace().nth(at)?.parse::<u64>().ok();
    let ticks = field(11)? + field(12)?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = resident.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(Usage { cpu: Duration::from_millis(ticks * 1_000 / TICKS), resident: kib * 1_024 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_kernel_writes() {
        let stat = "42 (a) b) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 3 0 99";
        let status = "Name:\ta\nVmRSS:\t   2048 kB\nThreads:\t3\n";
        let expected = Usage { cpu: Duration::from_secs(3), resident: 2 << 20 };
        assert_eq!(parse(stat, status), Some(expected));
        assert_eq!(parse("", status), None);
        assert_eq!(parse(stat, "Name:\ta\n"), None, "a kernel thread");
    }
}
