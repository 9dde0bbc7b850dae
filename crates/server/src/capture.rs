//! Captures: the decisions about one receiver, handed line by line to whoever asked for them over HTTP.
//!
//! Owns who listens to whom on one worker, so that nothing is recorded that nobody reads. Leaves the form of a line to
//! `sfu` and the stream to `admin`. What a listener does not keep up with ends its capture: a log with a hole in it would
//! replay to something else.

use sfu::{Command, LoggedDecision};
use tokio::sync::mpsc;

/// Captures at a time on one worker.
const CAPTURES: usize = 16;
/// Those of them that are not an operator's.
const OF_PARTICIPANTS: usize = 12;
/// Lines that may wait for a listener: some ten seconds of a lively receiver.
pub(crate) const WAITING: usize = 256;

/// Who listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listener {
    Operator,
    /// The receiver itself: once, and never in the way of operators.
    Itself,
}

/// Somebody who listens to the decisions about one receiver.
#[derive(Debug)]
pub(crate) struct Capture {
    pub(crate) room: String,
    pub(crate) participant: String,
    pub(crate) listener: Listener,
    /// `None` once the listener did not keep up.
    pub(crate) lines: Option<mpsc::Sender<Box<LoggedDecision>>>,
}

impl Capture {
    fn is_about(&self, room: &str, participant: &str) -> bool {
        self.room == room && self.participant == participant
    }

    fn command(&self, recording: bool) -> Command {
        Command::Record { room: self.room.clone(), participant: self.participant.clone(), recording }
    }
}

/// All captures of one worker.
#[derive(Debug, Default)]
pub(crate) struct Captures(Vec<Capture>);

impl Captures {
    /// Adds one and says what the node has to do for it; hands it back when there are too many.
    pub(crate) fn add(&mut self, capture: Capture) -> Result<Command, Capture> {
        let of_participants = || self.0.iter().filter(|other| other.listener == Listener::Itself);
        let too_many = match capture.listener {
            Listener::Operator => false,
            Listener::Itself => {
                of_participants().count() >= OF_PARTICIPANTS
                    || of_participants().any(|other| other.is_about(&capture.room, &capture.participant))
            }
        };
        if too_many || self.0.len() >= CAPTURES {
            return Err(capture);
        }
        let command = capture.command(true);
        self.0.push(capture);
        Ok(command)
    }

    /// Gives a decision to those who listen.
    pub(crate) fn offer(&mut self, decision: &LoggedDecision) {
        for capture in &mut self.0 {
            if capture.is_about(&decision.room, &decision.participant) {
                let kept_up =
                    |lines: &mut mpsc::Sender<_>| lines.try_send(Box::new(decision.clone())).is_ok();
                capture.lines.take_if(|lines| !kept_up(lines));
            }
        }
    }

    /// Forgets those whose listener is gone, and says what the node no longer has to record.
    pub(crate) fn prune(&mut self) -> Vec<Command> {
        let is_gone = |capture: &mut Capture| capture.lines.as_ref().is_none_or(mpsc::Sender::is_closed);
        let gone: Vec<Capture> = self.0.extract_if(.., is_gone).collect();
        let unheard = |capture: &&Capture| {
            !self.0.iter().any(|other| other.is_about(&capture.room, &capture.participant))
        };
        gone.iter().filter(unheard).map(|capture| capture.command(false)).collect()
    }
}
