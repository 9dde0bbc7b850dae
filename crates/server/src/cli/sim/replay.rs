//! `terrace sim replay`: a decision log fed back through the selector, which must decide the same again.
//!
//! Owns reading the log and telling what differs. A log of a server whose selector was another one is the test bench for a
//! change: it shows which of yesterday's decisions would be others today.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use sfu::LoggedDecision;

use super::files::wrong;
use crate::cli::Failure;

/// Differences told in full; the rest are counted.
const TOLD: usize = 20;

/// Which log.
#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct Arguments {
    /// A decision log: one JSON object per line, as `terrace --decision-log` and `terrace sim rooms --decisions` write it
    file: PathBuf,

    /// Print the result as one JSON object on standard output
    #[arg(long)]
    json: bool,
}

/// What a replay came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
struct Replay {
    /// Decisions in the log.
    decisions: usize,
    /// How many are the same today.
    same: usize,
    /// The first of those that are not.
    different: Vec<Difference>,
}

/// A decision that would be another one today.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Difference {
    /// Line of the log, from 1.
    line: usize,
    room: String,
    participant: String,
    /// By the clock of the server that wrote the log.
    at_ms: u64,
    /// What each slot got: its picture and the reason.
    then: Vec<String>,
    /// What it would get.
    now: Vec<String>,
}

/// Replays the log. Fails when a decision differs, as that is what was asked about.
pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let path = &arguments.file;
    let file = File::open(path).map_err(|error| wrong(format!("{}: {error}", path.display())))?;
    let replay =
        replay(BufReader::new(file)).map_err(|error| wrong(format!("{}: {error}", path.display())))?;
    let mut out = io::stdout().lock();
    if arguments.json {
        let text = serde_json::to_string(&replay).expect("plain data");
        writeln!(out, "{text}")?;
    } else {
        for Difference { line, room, participant, at_ms, then, now } in &replay.different {
            writeln!(out, "line {line}: {participant} in {room} at {at_ms} ms")?;
            for (slot, (then, now)) in then.iter().zip(now).enumerate().filter(|(_, (then, now))| then != now)
            {
                writeln!(out, "  slot {slot}: {then}; today {now}")?;
            }
        }
        writeln!(out, "{} of {} decisions are the same", replay.same, replay.decisions)?;
    }
    match replay.decisions - replay.same {
        0 => Ok(()),
        different => Err(Failure { code: 1, message: format!("{different} decisions differ") }),
    }
}

fn replay(log: impl BufRead) -> Result<Replay, String> {
    let mut replay = Replay::default();
    for (at, line) in log.lines().enumerate() {
        let line = line.map_err(|error| format!("line {}: {error}", at + 1))?;
        if line.trim().is_empty() {
            continue;
        }
        let logged: LoggedDecision =
            serde_json::from_str(&line).map_err(|error| format!("line {}: {error}", at + 1))?;
        replay.decisions += 1;
        match logged.record.replay() {
            Ok(()) => replay.same += 1,
            Err(decision) if replay.different.len() < TOLD => {
                let tell = |decision: &selector::Decision| tell(&logged.record.input, decision);
                replay.different.push(Difference {
                    line: at + 1,
                    at_ms: logged.record.input.now.as_millis(),
                    then: tell(&logged.record.decision),
                    now: tell(&decision),
                    room: logged.room,
                    participant: logged.participant,
                });
            }
            Err(_) => {}
        }
    }
    Ok(replay)
}

/// Every choice in words.
fn tell(input: &selector::Input<'_>, decision: &selector::Decision) -> Vec<String> {
    let choices = decision.choices.iter().zip(&input.subscriptions);
    let tell = |(choice, subscription): (&selector::Choice, &selector::Subscription<'_>)| {
        let point = choice.point.and_then(|point| subscription.points.get(point));
        let picture = point.map_or("nothing".to_owned(), |point| {
            format!("{}x{}@{} {}", point.width, point.height, point.fps, point.cost)
        });
        format!("{picture}, {}", choice.reason)
    };
    choices.map(tell).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use simulator::rooms::{Policy, embedded, simulate_closely};

    #[test]
    fn a_log_of_a_room_replays_to_the_same_decisions_and_a_forged_one_does_not() {
        let mut scenario = embedded().into_iter().find(|scenario| scenario.name == "nine-tiles-2.5").unwrap();
        scenario.seconds = 8;
        let mut log = simulate_closely(&scenario, Policy::Terrace, 1).decision_log();
        let result = replay(log.join("\n").as_bytes()).unwrap();
        assert!(result.decisions > 50, "{result:?}");
        assert_eq!((result.same, result.different), (result.decisions, Vec::new()));

        let (at, line) = log.iter_mut().enumerate().next_back().unwrap();
        let mut logged: LoggedDecision = serde_json::from_str(line).unwrap();
        logged.record.decision.choices[0].point = None;
        *line = serde_json::to_string(&logged).unwrap();
        let result = replay(log.join("\n").as_bytes()).unwrap();
        assert_eq!((result.same, result.different.len()), (result.decisions - 1, 1));
        assert_eq!(result.different[0].line, at + 1);
        assert!(result.different[0].then[0].starts_with("nothing"), "{:?}", result.different);

        assert!(replay("{\"room\":1}".as_bytes()).unwrap_err().starts_with("line 1"));
    }
}
