//! One resource of WHIP or WHEP: a participant whose signalling is HTTP.
//!
//! Owns the task that stands in for a WebSocket: it joins, passes offers on, and keeps the participant until it is deleted or
//! its media path is lost. Everything else is the same as for anybody else in the room.

use std::future::pending;
use std::time::Duration;

use serde_json::Value;
use sfu::{Admission, Grant, SessionId};
use signalling::{ClientMessage, Error, ErrorCode, Join, Offer, ServerMessage, View};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

use super::layers::{Choice, Layers};
use crate::websocket::Context;
use crate::worker::{Mailbox, ToWorker, mailbox};

/// Requests that wait for one resource.
const WAITING: usize = 8;
/// A worker answers an offer within a turn of its loop.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a resource is asked to do.
enum Request {
    Offer { sdp: String, answer: oneshot::Sender<Result<String, Error>> },
    Choose { choice: Choice, done: oneshot::Sender<bool> },
    Leave,
}

/// The way to a resource. The resource ends when this is dropped.
#[derive(Clone)]
pub(super) struct Resource {
    requests: mpsc::Sender<Request>,
    layers: watch::Receiver<Value>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum NoAnswer {
    /// The server refused.
    Refused(Error),
    /// The resource has ended.
    Gone,
}

struct Task<'a> {
    worker: &'a mpsc::Sender<ToWorker>,
    session: SessionId,
    layers: Layers,
    told: watch::Sender<Value>,
    /// Who waits for an answer.
    pending: Option<oneshot::Sender<Result<String, Error>>>,
}

impl Resource {
    /// Joins with an offer. Returns the resource and the answer; `ended` is called when the resource is no more.
    pub(super) async fn open(
        context: std::sync::Arc<crate::http::App>,
        room: String,
        name: String,
        grant: Grant,
        sdp: String,
        ended: impl FnOnce() + Send + 'static,
    ) -> Result<(Self, String), NoAnswer> {
        let (requests, received) = mpsc::channel(WAITING);
        let (told, layers) = watch::channel(Value::Null);
        let join = Join { room, name, token: None, capabilities: Default::default(), resume: None };
        let known = Layers::of_offer(&sdp);
        tokio::spawn(async move {
            run(&context.signalling, join, grant, known, told, received).await;
            ended();
        });
        let resource = Self { requests, layers };
        let answer = resource.offer(sdp).await?;
        Ok((resource, answer))
    }

    /// The answer to an offer.
    pub(super) async fn offer(&self, sdp: String) -> Result<String, NoAnswer> {
        let (answer, answered) = oneshot::channel();
        self.requests.send(Request::Offer { sdp, answer }).await.map_err(|_| NoAnswer::Gone)?;
        match timeout(PATIENCE, answered).await {
            Ok(Ok(answer)) => answer.map_err(NoAnswer::Refused),
            _ => Err(NoAnswer::Gone),
        }
    }

    /// Whether the choice could be made.
    pub(super) async fn choose(&self, choice: Choice) -> Result<bool, NoAnswer> {
        let (done, answered) = oneshot::channel();
        self.requests.send(Request::Choose { choice, done }).await.map_err(|_| NoAnswer::Gone)?;
        answered.await.map_err(|_| NoAnswer::Gone)
    }

    /// Ends it.
    pub(super) async fn leave(&self) {
        // One that has ended need not be told.
        let _ = self.requests.send(Request::Leave).await;
    }

    /// Whether it has ended.
    pub(super) fn is_over(&self) -> bool {
        self.requests.is_closed()
    }

    /// What there is to choose from, as it changes.
    pub(super) fn layers(&self) -> watch::Receiver<Value> {
        self.layers.clone()
    }
}

async fn run(
    context: &Context,
    join: Join,
    grant: Grant,
    layers: Layers,
    told: watch::Sender<Value>,
    mut requests: mpsc::Receiver<Request>,
) {
    let (worker, coming) = context.workers.place(&join.room, None);
    let session = context.workers.new_session();
    let (outbound, Mailbox { mut queue, evicted }) = mailbox(context.limits.outbound_messages);
    let admission = Admission::Granted(grant);
    let open = ToWorker::Open { session, outbound, join: Box::new(join), admission, coming };
    if worker.send(open).await.is_err() {
        return;
    }
    // A worker that closes the session says so by the end of the queue.
    let evicted = async {
        if evicted.await.is_err() {
            pending::<()>().await;
        }
    };
    let mut evicted = std::pin::pin!(evicted);
    let mut task = Task { worker, session, layers, told, pending: None };
    loop {
        let goes_on = tokio::select! {
            request = requests.recv() => task.asked(request.unwrap_or(Request::Leave)).await,
            message = queue.recv() => match message {
                Some(message) => task.heard(message),
                None => false,
            },
            () = evicted.as_mut() => false,
        };
        if !goes_on {
            break;
        }
    }
    // Leaving twice does nothing; a worker that has ended has forgotten all.
    let _ = worker.send(ToWorker::Message { session, message: ClientMessage::Leave }).await;
}

impl Task<'_> {
    /// Does what is asked for. False at the end.
    async fn asked(&mut self, request: Request) -> bool {
        match request {
            Request::Offer { sdp, answer } => {
                self.pending = Some(answer);
                self.say(ClientMessage::Offer(Offer { sdp })).await
            }
            Request::Choose { choice, done } => {
                let view: Option<View> = self.layers.choose(&choice);
                // Whoever asked may have given up.
                let _ = done.send(view.is_some());
                match view {
                    Some(view) => self.say(ClientMessage::View(view)).await,
                    None => true,
                }
            }
            Request::Leave => false,
        }
    }

    async fn say(&self, message: ClientMessage) -> bool {
        self.worker.send(ToWorker::Message { session: self.session, message }).await.is_ok()
    }

    /// Takes a message. False at the end.
    fn heard(&mut self, message: ServerMessage) -> bool {
        if self.layers.learn(&message) {
            self.told.send_replace(self.layers.event());
        }
        match message {
            ServerMessage::Answer(answer) => {
                self.answer(Ok(answer.sdp));
                true
            }
            // There is no other way to come back than a new resource (RFC 9725 §4.2).
            ServerMessage::Error(error) => {
                let goes_on = !error.fatal && error.code != ErrorCode::TransportFailed;
                self.answer(Err(error));
                goes_on
            }
            _ => true,
        }
    }

    fn answer(&mut self, answer: Result<String, Error>) {
        if let Some(pending) = self.pending.take() {
            // Whoever asked may have given up.
            let _ = pending.send(answer);
        }
    }
}
