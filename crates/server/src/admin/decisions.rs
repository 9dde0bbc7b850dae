//! The decisions about one receiver as they are made: lines of JSON that `terrace sim replay` reads.
//!
//! Owns how long the stream lasts. Leaves recording to `capture` and the form of a line to `sfu`.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::request::Parts;
use axum::http::{Response, StatusCode};
use bytes::Bytes;
use futures_util::stream;
use serde::Deserialize;
use sfu::LoggedDecision;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use super::{Answer, Asked, OnePerson, Refused, Subject, bearer};
use crate::access::Denied;
use crate::capture::{Capture, Listener, WAITING};
use crate::endless::endless;
use crate::http::App;
use crate::listener::KeepOpen;
use crate::worker::{Ask, ToWorker};

/// How long, unless asked otherwise.
const SECONDS: u64 = 60;
/// The longest capture: whoever wants more starts the server with `--decision-log`.
const LONGEST: u64 = 3_600;
/// How often it is looked whether the receiver is still there.
const LOOK: Duration = Duration::from_secs(2);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Lasting {
    seconds: Option<u64>,
}

/// For an operator, about anybody.
pub(super) async fn decisions(
    State(app): State<Arc<App>>,
    Subject(whom): Subject<OnePerson>,
    Asked(lasting): Asked<Lasting>,
    connection: KeepOpen,
) -> Answer {
    capture(&app, whom, Listener::Operator, &lasting, &connection).await
}

/// For a participant about itself. What shows who asks is the secret with which it would return (`resume` of `joined`), as bearer.
pub(crate) async fn own(
    State(app): State<Arc<App>>,
    Path(room): Path<String>,
    Asked(lasting): Asked<Lasting>,
    connection: KeepOpen,
    parts: Parts,
) -> Result<Response<Body>, Refused> {
    if !app.gate.may_try(&parts.extensions) {
        return Err(Refused::too_many_tokens());
    }
    let secret = bearer(&parts.headers).unwrap_or_default().to_owned();
    let asked = room.clone();
    let worker = app.signalling.workers.of_secret(&secret);
    let found = worker.ask(move |node| node.holder(&asked, &secret)).await.ok_or_else(Refused::stopping)?;
    let Some(participant) = found else {
        app.gate.refused(&parts.extensions, Denied::Invalid);
        let text = "Send the `resume` of your `joined` as bearer.";
        return Err(Refused::new(StatusCode::UNAUTHORIZED, "unauthorized", text));
    };
    capture(&app, OnePerson { room, participant }, Listener::Itself, &lasting, &connection).await
}

async fn capture(
    app: &App,
    OnePerson { room, participant }: OnePerson,
    listener: Listener,
    lasting: &Lasting,
    connection: &KeepOpen,
) -> Answer {
    let seconds = lasting.seconds.unwrap_or(SECONDS);
    if !(1..=LONGEST).contains(&seconds) {
        return Err(Refused::not_understood(format!("seconds is from 1 to {LONGEST}")));
    }
    let worker = app.signalling.workers.of_participant(&room, &participant).clone();
    let (lines, received) = mpsc::channel(WAITING);
    let follower = Follower {
        whom: (room.clone(), participant.clone()),
        worker,
        received,
        until: Instant::now() + Duration::from_secs(seconds),
    };
    follower.look().await.ok_or_else(Refused::stopping)??;
    let (told, accepted) = tokio::sync::oneshot::channel();
    let message = ToWorker::Capture {
        capture: Capture { room, participant, listener, lines: Some(lines) },
        accepted: told,
    };
    follower.worker.send(message).await.map_err(|_| Refused::stopping())?;
    if !accepted.await.map_err(|_| Refused::stopping())? {
        let text = "Too many captures are under way; end one of them first.";
        return Err(Refused::new(StatusCode::TOO_MANY_REQUESTS, "too_many_captures", text));
    }
    let lines = stream::unfold(follower, async |mut follower| {
        let decision = follower.next().await?;
        Some((line(&decision), follower))
    });
    Ok(endless(connection, app.signalling.stop.clone(), "application/jsonl", lines))
}

struct Follower {
    worker: mpsc::Sender<ToWorker>,
    received: mpsc::Receiver<Box<LoggedDecision>>,
    until: Instant,
    /// Room and participant.
    whom: (String, String),
}

impl Follower {
    /// Whether the receiver is there. `None` when the worker has ended.
    async fn look(&self) -> Option<Result<(), sfu::Refusal>> {
        let (room, participant) = self.whom.clone();
        self.worker.ask(move |node| node.absence(&room, &participant).map_or(Ok(()), Err)).await
    }

    /// The next line; `None` at the end of time, or of the receiver.
    async fn next(&mut self) -> Option<Box<LoggedDecision>> {
        loop {
            let wait = LOOK.min(self.until.saturating_duration_since(Instant::now()));
            match timeout(wait, self.received.recv()).await {
                Ok(decision) => return decision,
                Err(_) if Instant::now() >= self.until => return None,
                Err(_) => self.look().await?.ok()?,
            }
        }
    }
}

fn line(decision: &LoggedDecision) -> Bytes {
    let mut line = serde_json::to_vec(decision).expect("a decision has a form in JSON");
    line.push(b'\n');
    line.into()
}
