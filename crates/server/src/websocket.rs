//! One signalling socket: JSON text frames in and out, between a client and the worker that owns its room.
//!
//! Owns the bounds on what a client may send (size, rate, kind of frame, silence) and on how long it may leave what it
//! is sent unread. Messages are judged by `signalling` and understood by `sfu`; here only the first `join` is looked
//! at, as it chooses the worker. A socket that breaks a bound is told once, if it still reads, and closed.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use sfu::SessionId;
use signalling::{ClientMessage, Error, ErrorCode, MessageRate, Pace, ServerMessage};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::{CapacityError, ProtocolError};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error as SocketError, Message, Utf8Bytes};

use crate::access::{Access, Denied};
use crate::clock::Clock;
use crate::config::Limits;
use crate::gate::Gate;
use crate::metrics::Tally;
use crate::stop::Stop;
use crate::traces::{Session, Traces};
use crate::worker::{Mailbox, Outbound, ToWorker, Workers, mailbox};

/// Answers of this module that wait for the socket. A client that has so many errors unread is closed.
const REPLIES: usize = 16;
/// Buffers of one socket. The library's own default of 128 KiB each would cost a gigabyte for 4,000 idle participants.
const BUFFER_BYTES: usize = 4 * 1_024;
/// A message to a client that is larger than this would be a mistake of ours.
const MAX_OUTBOUND_BYTES: usize = 4 << 20;
/// A close frame gets this long to leave, and the client as long to answer it (RFC 6455 §7.1.1).
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// The bounds that the WebSocket library keeps.
pub(crate) fn config(limits: &signalling::Limits) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(BUFFER_BYTES)
        .max_write_buffer_size(MAX_OUTBOUND_BYTES)
        .max_message_size(Some(limits.largest()))
        .max_frame_size(Some(limits.largest()))
}

/// Why a socket ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The client closed it, or the connection broke.
    Gone,
    /// The worker closed the session; what it had to say is out.
    Closed,
    /// It does not read what it is sent.
    Slow,
    /// It sent nothing for too long.
    Silent,
    /// No `join` in time.
    NoJoin,
    /// A join whose token is not good enough.
    Denied(Denied),
    /// More joins, or more bad tokens, of one address than allowed.
    TooManyJoins,
    /// More messages than allowed.
    TooFast,
    /// A message larger than any may be.
    TooLarge,
    /// A binary frame, or bytes that are no frame.
    NotText,
    /// The server stops.
    Stopping,
}

impl End {
    /// Its name in metrics, one of [`crate::metrics::ENDS`].
    fn name(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Closed => "closed",
            Self::Slow => "slow",
            Self::Silent => "silent",
            Self::NoJoin => "no_join",
            Self::Denied(_) => "denied",
            Self::TooManyJoins => "too_many_joins",
            Self::TooFast => "too_fast",
            Self::TooLarge => "too_large",
            Self::NotText => "not_text",
            Self::Stopping => "stopping",
        }
    }

    /// How the client is told: an error message, if it is the client's doing, and the code of the close frame
    /// (RFC 6455 §7.4.1). `None` where nobody reads.
    fn farewell(self, stopping: bool) -> Option<(Option<(ErrorCode, &'static str)>, CloseCode)> {
        let because = |code, message, close| Some((Some((code, message)), close));
        match self {
            Self::Gone | Self::Slow => None,
            Self::Closed if stopping => Some((None, CloseCode::Away)),
            Self::Closed => Some((None, CloseCode::Normal)),
            Self::Silent => because(ErrorCode::Timeout, "Nothing came for too long.", CloseCode::Policy),
            Self::NoJoin => because(ErrorCode::Timeout, "No join came in time.", CloseCode::Policy),
            Self::Denied(denied) => because(ErrorCode::Unauthorized, refusal(denied), CloseCode::Policy),
            Self::TooManyJoins => because(ErrorCode::TooFast, TOO_MANY_JOINS, CloseCode::Policy),
            Self::TooFast => because(ErrorCode::TooFast, TOO_FAST, CloseCode::Policy),
            Self::TooLarge => because(
                ErrorCode::TooLarge,
                "Send smaller messages. The limits are in the answer to join.",
                CloseCode::Size,
            ),
            Self::NotText => {
                because(ErrorCode::BadMessage, "Send JSON in text frames.", CloseCode::Unsupported)
            }
            Self::Stopping => because(ErrorCode::ShuttingDown, "The server is going down.", CloseCode::Away),
        }
    }
}

/// What is said to a client over its rate.
const TOO_FAST: &str = "Send fewer messages. The limits are in the answer to join.";

/// What is said to an address that joins too often.
const TOO_MANY_JOINS: &str = "Too many came from this address, or with bad tokens. Wait a minute.";

/// What is said to a client whose token is not good enough.
fn refusal(denied: Denied) -> &'static str {
    match denied {
        Denied::Missing => "A token is needed to join.",
        Denied::Invalid => "The token is not valid.",
        Denied::Expired => "The token has expired.",
        Denied::OtherRoom => "The token is for another room.",
        Denied::NotAllowed => "The token does not allow to join.",
    }
}

/// What sockets share.
pub(crate) struct Context {
    pub(crate) workers: Arc<Workers>,
    pub(crate) limits: Limits,
    pub(crate) message_limits: signalling::Limits,
    pub(crate) access: Arc<Access>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) tally: Arc<Tally>,
    pub(crate) clock: Clock,
    pub(crate) traces: Traces,
    pub(crate) stop: Stop,
}

/// Serves one socket until it ends. `client` is who counts for limits per address, where those apply.
pub(crate) async fn serve<S>(socket: WebSocketStream<S>, context: &Context, client: Option<IpAddr>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let spans = context.traces.session();
    let end = run(socket, context, client, &spans).await;
    spans.ended(end.name());
    context.tally.ended(end.name());
    tracing::debug!(?end, "signalling socket closed");
}

async fn run<S>(socket: WebSocketStream<S>, context: &Context, client: Option<IpAddr>, spans: &Session) -> End
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (limits, now) = (&context.limits, context.clock.now());
    let session = context.workers.new_session();
    let (outbound, Mailbox { mut queue, evicted }) = mailbox(limits.outbound_messages);
    let (replies, mut waiting_replies) = mpsc::channel(REPLIES);
    let (mut sink, stream) = socket.split();
    let mut reader = Reader {
        context,
        spans,
        client,
        session,
        stream,
        replies,
        rate: MessageRate::new(now, limits.messages_per_second, limits.message_burst),
        stage: Stage::Joining { outbound },
    };
    let end = tokio::select! {
        end = reader.run() => end,
        end = write(&mut sink, &mut queue, &mut waiting_replies, limits, spans) => end,
        Ok(()) = evicted => End::Slow,
    };
    if let Stage::Joined { worker } = &reader.stage {
        // A worker that is gone has forgotten the session anyway.
        let _ = worker.send(ToWorker::Lost { session }).await;
    }
    if let Some(farewell) = end.farewell(context.stop.is_raised()) {
        let goodbye = say_goodbye(sink, reader.stream, &mut waiting_replies, farewell);
        // Whoever does not take the farewell in time does without.
        let _ = timeout(CLOSE_TIMEOUT, goodbye).await;
    }
    end
}

/// The inbound half.
struct Reader<'a, S> {
    context: &'a Context,
    spans: &'a Session,
    client: Option<IpAddr>,
    session: SessionId,
    stream: SplitStream<WebSocketStream<S>>,
    replies: mpsc::Sender<ServerMessage>,
    rate: MessageRate,
    stage: Stage<'a>,
}

/// What the socket has achieved.
enum Stage<'a> {
    /// Nothing yet.
    Joining { outbound: Outbound },
    /// Its room is known, and with it the worker.
    Joined { worker: &'a mpsc::Sender<ToWorker> },
}

impl<S> Reader<'_, S>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    async fn run(&mut self) -> End {
        let context = self.context;
        let mut stop = context.stop.clone();
        tokio::select! {
            joined = self.until_joined() => if let Err(end) = joined { return end },
            () = tokio::time::sleep(context.limits.join.0) => return End::NoJoin,
            // Once in a room, the worker is who tells the client.
            () = stop.raised() => return End::Stopping,
        }
        loop {
            if let Err(end) = self.step().await {
                return end;
            }
        }
    }

    async fn until_joined(&mut self) -> Result<(), End> {
        while matches!(self.stage, Stage::Joining { .. }) {
            self.step().await?;
        }
        Ok(())
    }

    /// Takes one frame.
    async fn step(&mut self) -> Result<(), End> {
        let silence = self.context.limits.silence.0;
        let frame = timeout(silence, self.stream.next()).await.map_err(|_| End::Silent)?;
        match frame {
            Some(Ok(Message::Text(text))) => self.take(&text).await,
            Some(Ok(Message::Binary(_))) => Err(End::NotText),
            // Pings are answered by the library. All count as signs of life.
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Ok(()),
            Some(Err(SocketError::Capacity(CapacityError::MessageTooLong { .. }))) => Err(End::TooLarge),
            Some(Err(SocketError::Protocol(ProtocolError::ResetWithoutClosingHandshake))) => Err(End::Gone),
            Some(Err(SocketError::Protocol(_) | SocketError::Utf8(_))) => Err(End::NotText),
            Some(Ok(Message::Close(_)) | Err(_)) | None => Err(End::Gone),
        }
    }

    /// Takes one message.
    async fn take(&mut self, text: &str) -> Result<(), End> {
        let now = self.context.clock.now();
        match self.rate.judge(now) {
            Pace::Fine => {}
            Pace::TooFast => return self.queue(error(ErrorCode::TooFast, TOO_FAST)),
            Pace::FarTooFast => return Err(End::TooFast),
        }
        match signalling::decode(text, &self.context.message_limits) {
            Ok(message) => {
                self.spans.heard(&message);
                self.pass_on(message).await
            }
            Err(problem) => self.queue(problem.reply()),
        }
    }

    /// Gives a message to the worker, which the first `join` chooses.
    async fn pass_on(&mut self, message: ClientMessage) -> Result<(), End> {
        let session = self.session;
        if let Stage::Joined { worker } = &self.stage {
            return worker.send(ToWorker::Message { session, message }).await.map_err(|_| End::Closed);
        }
        let ClientMessage::Join(join) = message else {
            return self.queue(error(ErrorCode::NotJoined, "Send join first."));
        };
        let (access, gate) = (&self.context.access, &self.context.gate);
        let now = self.context.clock.now();
        if !gate.may_join(now, self.client) {
            return Err(End::TooManyJoins);
        }
        let admission = access.admit(&join).map_err(|denied| {
            gate.denied(now, self.client, denied);
            End::Denied(denied)
        })?;
        let (worker, coming) = self.context.workers.place(&join.room, join.resume.as_deref());
        let Stage::Joining { outbound } = std::mem::replace(&mut self.stage, Stage::Joined { worker }) else {
            unreachable!("the other stage returned above");
        };
        let join = Box::new(join);
        worker
            .send(ToWorker::Open { session, outbound, join, admission, coming })
            .await
            .map_err(|_| End::Closed)
    }

    /// Queues an answer of our own. A client that leaves so many unread reads nothing.
    fn queue(&self, answer: ServerMessage) -> Result<(), End> {
        self.replies.try_send(answer).map_err(|_| End::Slow)
    }
}

/// An error that ends nothing.
fn error(code: ErrorCode, message: &str) -> ServerMessage {
    ServerMessage::Error(Error { code, message: message.to_owned(), fatal: false, about: None })
}

/// The outbound half: answers, messages of the worker, pings.
async fn write<S>(
    sink: &mut SplitSink<WebSocketStream<S>, Message>,
    queue: &mut mpsc::Receiver<ServerMessage>,
    replies: &mut mpsc::Receiver<ServerMessage>,
    limits: &Limits,
    spans: &Session,
) -> End
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut ping = interval(limits.ping.0);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let frame = tokio::select! {
            Some(answer) = replies.recv() => text(&answer),
            message = queue.recv() => match message {
                Some(message) => {
                    spans.said(&message);
                    text(&message)
                }
                None => return End::Closed,
            },
            _ = ping.tick() => Message::Ping(bytes::Bytes::new()),
        };
        match timeout(limits.write.0, sink.send(frame)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return End::Gone,
            Err(_) => return End::Slow,
        }
    }
}

/// Sends what is still to be answered, the last message and the close frame, and waits for the client to close as well.
async fn say_goodbye<S>(
    mut sink: SplitSink<WebSocketStream<S>, Message>,
    mut stream: SplitStream<WebSocketStream<S>>,
    replies: &mut mpsc::Receiver<ServerMessage>,
    (reason, code): (Option<(ErrorCode, &'static str)>, CloseCode),
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let reason = reason.map(|(code, message)| {
        ServerMessage::Error(Error { code, message: message.to_owned(), fatal: true, about: None })
    });
    let waiting = std::iter::from_fn(|| replies.try_recv().ok());
    let close = Message::Close(Some(CloseFrame { code, reason: Utf8Bytes::default() }));
    for frame in waiting.chain(reason).map(|message| text(&message)).chain([close]) {
        if sink.send(frame).await.is_err() {
            return;
        }
    }
    while let Some(Ok(_)) = stream.next().await {}
    if code != CloseCode::Size {
        return;
    }
    // The client is in the middle of the message that was refused. Closing now would reset the connection and take the
    // reason from it (RFC 9293 §3.6.1), so what still comes is thrown away.
    let Ok(mut socket) = sink.reunite(stream) else { return };
    let mut rest = [0; BUFFER_BYTES];
    while matches!(socket.get_mut().read(&mut rest).await, Ok(1..)) {}
}

fn text(message: &ServerMessage) -> Message {
    Message::text(message.encode())
}

#[cfg(test)]
mod tests;
