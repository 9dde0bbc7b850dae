//! The worker threads and the way to them: the messages that go there and back.
//!
//! Everything about a participant happens on one thread and needs no lock; which one that is `placement` decides, and what
//! several of them have to say to each other about a room goes through `links`. Signalling sockets live on the shared runtime and talk to their worker by bounded channels: a full inbox
//! makes a socket wait, a full mailbox costs a socket its connection. What a worker does is `drive`'s.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use sfu::{Admission, Command, NodeIndex, Numbering, Refusal, RoomView, SessionId, Sfu};
use signalling::{ClientMessage, Join, ServerMessage};
use tokio::sync::{mpsc, oneshot};

use crate::capture::Capture;
use crate::clock::Clock;
use crate::decision_log::DecisionLog;
use crate::drive::Driver;
use crate::links::Links;
use crate::pin;
use crate::placement::{Coming, Placement};
use crate::udp::{Counters, MediaSocket};

/// Messages that wait for one worker, of all its sockets. A socket that finds it full waits.
const INBOX: usize = 1_024;
/// A worker that takes longer to answer is not healthy: its loop never runs for more than a few milliseconds.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// What a worker is told.
#[derive(Debug)]
pub(crate) enum ToWorker {
    /// A socket whose first message was `join`.
    Open { session: SessionId, outbound: Outbound, join: Box<Join>, admission: Admission, coming: Coming },
    /// Any further message of it.
    Message { session: SessionId, message: ClientMessage },
    /// The socket is gone, or was closed on purpose.
    Lost { session: SessionId },
    /// A TCP connection whose first frame is a check for this worker's node. What the node sends there goes to
    /// `outbound`, as long as it has room.
    PathOpened { local: SocketAddr, source: SocketAddr, outbound: mpsc::Sender<Bytes> },
    /// A datagram that came over it.
    Frame { local: SocketAddr, source: SocketAddr, data: BytesMut },
    /// It is gone.
    PathClosed { local: SocketAddr, source: SocketAddr },
    /// Look at the node.
    Ask(Question),
    /// Say what the media socket did.
    Sockets(oneshot::Sender<Counters>),
    /// Do what an operator wants, if nothing is against it.
    Operate { command: Command, answer: oneshot::Sender<Option<Refusal>> },
    /// Hand out the decisions about a receiver from now on; false when there are too many who want such.
    Capture { capture: Capture, accepted: oneshot::Sender<bool> },
    /// Tell the participants, close their transports and end.
    Shutdown,
}

/// Something that is looked up in a node by its own thread. Must be quick: media waits.
pub(crate) struct Question(Box<dyn FnOnce(&Sfu) + Send>);

impl Question {
    pub(crate) fn answer(self, node: &Sfu) {
        (self.0)(node);
    }
}

impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Question")
    }
}

/// What can be asked of a worker.
pub(crate) trait Ask {
    /// What its node says. `None` when the worker has ended.
    fn ask<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Sfu) -> T + Send + 'static,
    ) -> impl Future<Output = Option<T>> + Send;

    /// What its media socket did. `None` when the worker has ended.
    fn sockets(&self) -> impl Future<Output = Option<Counters>> + Send;

    /// Has its node carry out a command, or say what is against it. `None` when the worker has ended.
    fn operate(&self, command: Command) -> impl Future<Output = Option<Result<(), Refusal>>> + Send;
}

impl Ask for mpsc::Sender<ToWorker> {
    async fn ask<T: Send + 'static>(&self, look: impl FnOnce(&Sfu) -> T + Send + 'static) -> Option<T> {
        let (answer, answered) = oneshot::channel();
        // Whoever asked may have given up.
        let question = Question(Box::new(move |node| drop(answer.send(look(node)))));
        self.send(ToWorker::Ask(question)).await.ok()?;
        answered.await.ok()
    }

    async fn sockets(&self) -> Option<Counters> {
        let (answer, answered) = oneshot::channel();
        self.send(ToWorker::Sockets(answer)).await.ok()?;
        answered.await.ok()
    }

    async fn operate(&self, command: Command) -> Option<Result<(), Refusal>> {
        let (answer, answered) = oneshot::channel();
        self.send(ToWorker::Operate { command, answer }).await.ok()?;
        Some(answered.await.ok()?.map_or(Ok(()), Err))
    }
}

/// The worker's end of a session: a bounded queue that never waits.
#[derive(Debug)]
pub(crate) struct Outbound {
    queue: mpsc::Sender<ServerMessage>,
    evict: oneshot::Sender<()>,
}

/// The socket's end of a session.
#[derive(Debug)]
pub(crate) struct Mailbox {
    /// Ends when the worker has closed the session: what is queued by then is still to be delivered.
    pub(crate) queue: mpsc::Receiver<ServerMessage>,
    /// Resolves to `Ok` when the queue overflowed: nothing of it is to be delivered.
    pub(crate) evicted: oneshot::Receiver<()>,
}

/// The queue was full; the session has been evicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Evicted;

/// Both ends of a session with room for this many messages.
pub(crate) fn mailbox(capacity: usize) -> (Outbound, Mailbox) {
    let (queue, receiver) = mpsc::channel(capacity);
    let (evict, evicted) = oneshot::channel();
    (Outbound { queue, evict }, Mailbox { queue: receiver, evicted })
}

impl Outbound {
    /// Queues a message, and hands back the means to do so again. A socket that is already gone swallows it.
    pub(crate) fn send(self, message: ServerMessage) -> Result<Self, Evicted> {
        match self.queue.try_send(message) {
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => Ok(self),
            Err(mpsc::error::TrySendError::Full(_)) => {
                // The socket may have ended at the same moment, which is what was wanted.
                let _ = self.evict.send(());
                Err(Evicted)
            }
        }
    }
}

/// The way to all workers.
#[derive(Debug)]
pub(crate) struct Workers {
    inboxes: Vec<mpsc::Sender<ToWorker>>,
    placement: Arc<Placement>,
    next_session: AtomicU64,
}

impl Workers {
    pub(crate) fn new(inboxes: Vec<mpsc::Sender<ToWorker>>, placement: Arc<Placement>) -> Self {
        assert!(!inboxes.is_empty(), "a server has at least one worker");
        Self { inboxes, placement, next_session: AtomicU64::new(0) }
    }

    /// The worker that is to serve somebody who joins a room, perhaps to return with a secret. What comes with it goes to that
    /// worker in [`ToWorker::Open`].
    pub(crate) fn place(&self, room: &str, resume: Option<&str>) -> (&mpsc::Sender<ToWorker>, Coming) {
        let coming = self.placement.place(room, resume);
        (&self.inboxes[coming.worker()], coming)
    }

    /// The workers that serve participants of a room; empty when there is no such room.
    pub(crate) fn of_room(&self, room: &str) -> Vec<&mpsc::Sender<ToWorker>> {
        self.placement.parts(room).into_iter().map(|worker| &self.inboxes[worker]).collect()
    }

    /// The worker that serves a participant of a room, by its id on the wire; one that can say what is not there, if it is not.
    pub(crate) fn of_participant(&self, room: &str, participant: &str) -> &mpsc::Sender<ToWorker> {
        let parts = self.placement.parts(room);
        let nodes = NonZeroU16::new(self.inboxes.len() as u16).expect("a server has at least one worker");
        let numbering = Numbering::new(NodeIndex(0), nodes);
        let server = sfu::server_of(participant, numbering).map(|NodeIndex(index)| usize::from(index));
        let found = server.filter(|worker| parts.contains(worker)).or(parts.first().copied());
        &self.inboxes[found.unwrap_or(0)]
    }

    /// The worker that gave that secret of return; any, if none did.
    pub(crate) fn of_secret(&self, secret: &str) -> &mpsc::Sender<ToWorker> {
        let holder = sfu::holder_of(secret).and_then(|NodeIndex(index)| self.inboxes.get(usize::from(index)));
        holder.unwrap_or(&self.inboxes[0])
    }

    /// A room with all that its workers know of it. `None` when a worker has ended; `Some(None)` for no such room.
    pub(crate) async fn room(&self, name: &str) -> Option<Option<RoomView>> {
        let mut whole: Option<RoomView> = None;
        for worker in self.of_room(name) {
            let asked = name.to_owned();
            let Some(part) = worker.ask(move |node| node.room(&asked)).await? else { continue };
            match &mut whole {
                Some(whole) => whole.merge(part),
                None => whole = Some(part),
            }
        }
        Some(whole)
    }

    /// The names of all rooms. `None` when a worker has ended.
    pub(crate) async fn room_names(&self) -> Option<BTreeSet<String>> {
        let mut names = BTreeSet::new();
        for worker in &self.inboxes {
            names.extend(worker.ask(|node| node.room_names().map(str::to_owned).collect::<Vec<_>>()).await?);
        }
        Some(names)
    }

    /// The worker whose node has this number.
    pub(crate) fn by_number(&self, node: u16) -> Option<mpsc::Sender<ToWorker>> {
        self.inboxes.get(usize::from(node)).cloned()
    }

    /// Every worker.
    pub(crate) fn all(&self) -> &[mpsc::Sender<ToWorker>] {
        &self.inboxes
    }

    /// A number that no other session of this server has or had.
    pub(crate) fn new_session(&self) -> SessionId {
        SessionId(self.next_session.fetch_add(1, Ordering::Relaxed))
    }

    /// Do the loops of all workers run?
    pub(crate) async fn healthy(&self) -> bool {
        let probe = async {
            for inbox in &self.inboxes {
                if inbox.ask(|_| ()).await.is_none() {
                    return false;
                }
            }
            true
        };
        tokio::time::timeout(PROBE_TIMEOUT, probe).await.unwrap_or(false)
    }

    /// Does every worker have more to do than it can? One that does not answer is a matter of health.
    pub(crate) async fn overloaded(&self) -> bool {
        let probe = async {
            for inbox in &self.inboxes {
                if inbox.ask(|node| node.load().overload == 0).await != Some(false) {
                    return false;
                }
            }
            true
        };
        tokio::time::timeout(PROBE_TIMEOUT, probe).await.unwrap_or(false)
    }

    /// Tells all workers to end where nothing can wait; a worker with a full inbox is not told.
    pub(crate) fn let_go(&self) {
        for inbox in &self.inboxes {
            let _ = inbox.try_send(ToWorker::Shutdown);
        }
    }

    /// Tells all workers to end.
    pub(crate) async fn shut_down(&self) {
        for inbox in &self.inboxes {
            // A worker that is gone has nothing left to end.
            let _ = inbox.send(ToWorker::Shutdown).await;
        }
    }
}

/// What a worker shares with the others.
#[derive(Debug)]
pub(crate) struct Ways {
    pub(crate) clock: Clock,
    pub(crate) links: Links,
    pub(crate) placement: Arc<Placement>,
    /// Whether it is to stay on one core.
    pub(crate) pin: bool,
}

/// A worker thread. Dropping this does not end it; [`ToWorker::Shutdown`] does.
#[derive(Debug)]
pub(crate) struct Worker {
    state: State,
}

#[derive(Debug)]
enum State {
    /// Not known to have ended.
    Running { thread: JoinHandle<()>, ended: oneshot::Receiver<()> },
    /// Joined.
    Ended(Result<(), Panicked>),
}

/// A worker's thread ended in a panic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Panicked;

impl Worker {
    /// Starts a thread that drives this node over this socket. Returns it with its inbox.
    pub(crate) fn start(
        index: usize,
        node: Sfu,
        socket: std::net::UdpSocket,
        ways: Ways,
        log: Option<DecisionLog>,
    ) -> io::Result<(Self, mpsc::Sender<ToWorker>)> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        let socket = {
            let _entered = runtime.enter();
            MediaSocket::new(socket)?
        };
        let (inbox, messages) = mpsc::channel(INBOX);
        let worker = Self::spawn(index, move || {
            let _entered = tracing::debug_span!("worker", index).entered();
            if ways.pin {
                match pin::to_core(index) {
                    Some(core) => tracing::info!(core, "this worker stays on its core"),
                    None => tracing::warn!("the system does not let this worker stay on a core"),
                }
            }
            runtime.block_on(Driver::new(node, socket, messages, ways, log).run());
        })?;
        Ok((worker, inbox))
    }

    fn spawn(index: usize, run: impl FnOnce() + Send + 'static) -> io::Result<Self> {
        let (end, ended) = oneshot::channel::<()>();
        let thread = std::thread::Builder::new().name(format!("worker-{index}")).spawn(move || {
            // Dropped at the end of the thread, by whatever way it ends.
            let _end = end;
            run();
        })?;
        Ok(Self { state: State::Running { thread, ended } })
    }

    /// Waits for the thread's end. Once it has ended, every call says how.
    pub(crate) async fn ended(&mut self) -> Result<(), Panicked> {
        if let State::Running { ended, .. } = &mut self.state {
            // The sender is never used, so this is an error at the thread's end.
            let _ = ended.await;
            let State::Running { thread, .. } = std::mem::replace(&mut self.state, State::Ended(Ok(())))
            else {
                unreachable!("it was running above");
            };
            // The thread has run to its last statement, so this does not block.
            self.state = State::Ended(thread.join().map_err(|_| Panicked));
        }
        match self.state {
            State::Ended(outcome) => outcome,
            State::Running { .. } => unreachable!("it has ended above"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use signalling::Moved;

    fn message() -> ServerMessage {
        ServerMessage::Moved(Moved { url: String::new() })
    }

    #[tokio::test]
    async fn a_full_mailbox_evicts() {
        let (outbound, mut mailbox) = mailbox(2);
        let outbound = outbound.send(message()).unwrap().send(message()).unwrap();
        assert_eq!(mailbox.evicted.try_recv(), Err(oneshot::error::TryRecvError::Empty));
        assert_eq!(outbound.send(message()).unwrap_err(), Evicted);
        assert_eq!(mailbox.evicted.await, Ok(()));
    }

    #[tokio::test]
    async fn a_closed_session_delivers_what_is_queued() {
        let (outbound, mut mailbox) = mailbox(2);
        drop(outbound.send(message()).unwrap());
        assert!(mailbox.queue.recv().await.is_some());
        assert!(mailbox.queue.recv().await.is_none());
        assert!(mailbox.evicted.await.is_err(), "closed, not evicted");
    }

    #[tokio::test]
    async fn a_panic_is_told_as_often_as_it_is_asked_for() {
        for (panics, expected) in [(false, Ok(())), (true, Err(Panicked))] {
            let mut worker = Worker::spawn(0, move || assert!(!panics, "as the test wants")).unwrap();
            assert_eq!(worker.ended().await, expected);
            assert_eq!(worker.ended().await, expected);
        }
    }
}
