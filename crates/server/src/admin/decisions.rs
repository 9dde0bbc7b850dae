//! The decisions about one receiver as they are made: lines of JSON that `terrace sim replay` reads.
//!
//! Owns how long the stream lasts. Leaves recording to `capture` and the form of a line to `sfu`.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::header::{self, HeaderValue};
use axum::http::{Response, StatusCode};
use bytes::Bytes;
use futures_util::stream;
use sfu::{Command, LoggedDecision};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use super::{Answer, answer, missing, not_understood, own_room, query, stopping};
use crate::capture::{Capture, WAITING};
use crate::http::App;
use crate::listener::KeepOpen;
use crate::worker::{Ask, ToWorker};

/// Without `seconds`.
const DEFAULT: Duration = Duration::from_secs(60);
/// The longest capture: whoever wants more starts the server with `--decision-log`.
const LONGEST: u64 = 3_600;
/// How often it is looked whether the receiver is still there.
const LOOK: Duration = Duration::from_secs(2);

pub(super) async fn decisions(
    State(app): State<Arc<App>>,
    Path((room, participant)): Path<(String, String)>,
    request: Request,
) -> Response<Body> {
    answer(capture(app, room, participant, request)).await
}

async fn capture(app: Arc<App>, room: String, participant: String, request: Request) -> Answer {
    own_room(&request, &room)?;
    let mut lasts = DEFAULT;
    for (key, value) in query(&request) {
        let seconds = value.parse().ok().filter(|seconds| (1..=LONGEST).contains(seconds));
        match (key.as_str(), seconds) {
            ("seconds", Some(seconds)) => lasts = Duration::from_secs(seconds),
            ("seconds", None) => return Err(not_understood(format!("seconds is from 1 to {LONGEST}"))),
            _ => return Err(not_understood(format!("{key} is no parameter of this"))),
        }
    }
    let worker = app.signalling.workers.of_room(&room).clone();
    let (lines, received) = mpsc::channel(WAITING);
    let follower = Follower {
        alive: Command::Record { room: room.clone(), participant: participant.clone(), recording: true },
        worker,
        received,
        until: Instant::now() + lasts,
    };
    follower.look().await.ok_or_else(stopping)?.map_err(missing)?;
    let (told, accepted) = tokio::sync::oneshot::channel();
    let message =
        ToWorker::Capture { capture: Capture { room, participant, lines: Some(lines) }, accepted: told };
    follower.worker.send(message).await.map_err(|_| stopping())?;
    if !accepted.await.map_err(|_| stopping())? {
        let text = "Too many captures are under way; end one of them first.".to_owned();
        return Err((StatusCode::TOO_MANY_REQUESTS, "too_many_captures", text));
    }
    if let Some(KeepOpen(keep)) = request.extensions().get::<KeepOpen>() {
        keep.store(true, Ordering::Relaxed);
    }
    let lines = stream::unfold((follower, app.signalling.stop.clone()), async |(mut follower, mut stop)| {
        let decision = tokio::select! {
            decision = follower.next() => decision?,
            () = stop.raised() => return None,
        };
        Some((Ok::<_, std::convert::Infallible>(line(&decision)), (follower, stop)))
    });
    let mut response = Response::new(Body::from_stream(lines));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/jsonl"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

struct Follower {
    worker: mpsc::Sender<ToWorker>,
    received: mpsc::Receiver<Box<LoggedDecision>>,
    until: Instant,
    /// What a receiver that has left refuses.
    alive: Command,
}

impl Follower {
    /// Whether the receiver is there. `None` when the worker has ended.
    async fn look(&self) -> Option<Result<(), sfu::Refusal>> {
        let command = self.alive.clone();
        self.worker.ask(move |node| node.refusal(&command).map_or(Ok(()), Err)).await
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
