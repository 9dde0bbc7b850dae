//! What the system says of this process. Linux only: elsewhere nothing is said.

use super::families::Families;

/// Clock ticks per second in `/proc` (`USER_HZ`), fixed at 100 on every architecture that is supported.
const TICKS_PER_SECOND: f64 = 100.0;
/// Pages are of 4 KiB where this matters; `VmRSS` in `status` needs no such assumption and is used instead.
const KIB: f64 = 1_024.0;

/// Adds what is known.
pub(super) fn gather(families: &mut Families) {
    if let Some(seconds) = cpu_seconds(&read("/proc/self/stat")) {
        families.process_counter("cpu_seconds", "CPU time of user and system").row([], seconds);
    }
    if let Some(bytes) = resident_bytes(&read("/proc/self/status")) {
        families.process_gauge("resident_memory_bytes", "Memory in use").row([], bytes);
    }
    if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
        families.process_gauge("open_fds", "Open files and sockets").row([], open.count() as f64);
    }
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// Fields 14 and 15 of proc_pid_stat(5). The name in parentheses may hold anything, so what counts is behind the last one.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / TICKS_PER_SECOND)
}

fn resident_bytes(status: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.split_whitespace().next()?.parse::<f64>().ok()? * KIB)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_says_is_understood() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 1 2 3 4 250 50 0 0 20 0 1 0 100 1 2";
        assert_eq!(cpu_seconds(stat), Some(3.0));
        assert_eq!(resident_bytes("Name:\tx\nVmRSS:\t    2048 kB\n"), Some(2_097_152.0));
        assert_eq!((cpu_seconds(""), resident_bytes("VmRSS:")), (None, None));
    }
}
