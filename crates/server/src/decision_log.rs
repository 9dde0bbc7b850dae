//! The decision log: every decision of the selector with all that it depended on, one JSON object per line.
//!
//! Owns the file and its thread, so that no worker ever waits for a disk: what the thread cannot keep up with is left out
//! and counted. `terrace sim replay` reads the log.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use sfu::LoggedDecision;

/// Decisions that wait for the disk: a few seconds of a busy node.
const WAITING: usize = 4_096;

/// The way to the log.
#[derive(Clone, Debug)]
pub(crate) struct DecisionLog {
    lines: SyncSender<Box<LoggedDecision>>,
}

impl DecisionLog {
    /// Creates the file, or empties it, and starts the thread that writes it. The thread ends with the last clone.
    ///
    /// # Errors
    /// What the system says about the file or the thread.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        let file = BufWriter::new(File::create(path)?);
        let (lines, received) = sync_channel(WAITING);
        thread::Builder::new().name("decision-log".to_owned()).spawn(move || {
            if let Err(error) = write(&received, file) {
                tracing::warn!(%error, "the decision log ends");
            }
        })?;
        Ok(Self { lines })
    }

    /// Adds a line, unless the disk is too far behind or gone.
    pub(crate) fn add(&self, decision: Box<LoggedDecision>) {
        if self.lines.try_send(decision).is_err() {
            tracing::debug!("a decision is not in the log");
        }
    }
}

fn write(lines: &Receiver<Box<LoggedDecision>>, mut file: impl Write) -> io::Result<()> {
    while let Ok(first) = lines.recv() {
        // All that is there, then the file: whoever looks at it sees whole lines up to now.
        for decision in std::iter::once(first).chain(lines.try_iter()) {
            serde_json::to_writer(&mut file, &decision)?;
            file.write_all(b"\n")?;
        }
        file.flush()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use simulator::rooms::{Policy, embedded, simulate_closely};

    #[test]
    fn what_is_added_is_in_the_file_line_by_line() {
        let mut scenario = embedded().swap_remove(0);
        scenario.seconds = 3;
        let log = simulate_closely(&scenario, Policy::Terrace, 1).decision_log();
        let (sender, receiver) = sync_channel(log.len());
        for line in &log {
            sender.send(serde_json::from_str(line).unwrap()).unwrap();
        }
        drop(sender);
        let mut written = Vec::new();
        write(&receiver, &mut written).unwrap();
        assert!(log.len() > 5, "a call of three seconds decides more than that");
        assert_eq!(String::from_utf8(written).unwrap().lines().collect::<Vec<_>>(), log);
    }
}
