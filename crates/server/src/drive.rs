//! One worker's loop: sockets, messages and time in, datagrams and messages out. All decisions are the node's.
//!
//! Each turn takes what is there without waiting (messages, datagrams in batches, a deadline that has passed), gives the
//! node one input at a time and drains it after each, then sends and waits for the first of socket, inbox and deadline.
//! Datagrams for one destination that come out of one turn leave in one system call.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use sfu::{Input, Output, SessionId, Sfu};
use signalling::ServerMessage;
use tokio::sync::mpsc;
use transport::Protocol;
use units::Timestamp;

use crate::busy::{Meter, thread_time};
use crate::capture::Captures;
use crate::clock::Clock;
use crate::decision_log::DecisionLog;
use crate::links::{Arrived, Links};
use crate::placement::Placement;
use crate::udp::{Arrival, Counters, MediaSocket};
use crate::worker::{Evicted, Outbound, ToWorker, Ways};

/// Messages taken in one turn: bounds the time that they can hold up media.
const MESSAGES_PER_TURN: usize = 64;

/// A node with its sockets.
pub(crate) struct Driver {
    node: Sfu,
    socket: MediaSocket,
    inbox: mpsc::Receiver<ToWorker>,
    clock: Clock,
    /// To and from other workers.
    links: Links,
    placement: Arc<Placement>,
    log: Option<DecisionLog>,
    captures: Captures,
    sessions: BTreeMap<SessionId, Outbound>,
    /// Connections that carry media, by our address and theirs.
    connections: BTreeMap<(SocketAddr, SocketAddr), mpsc::Sender<Bytes>>,
    /// When the node wants to be called again.
    deadline: Option<Timestamp>,
    /// How much of its core this thread uses; `None` where the system does not tell.
    meter: Option<Meter>,
    /// The node gives way to too much work, and is to be told as soon as that is over.
    overloaded: bool,
    stopping: bool,
    /// Kept for its memory; empty between turns.
    arrivals: Vec<Arrival>,
}

impl Driver {
    /// A driver of a node that has not been given anything yet.
    pub(crate) fn new(
        node: Sfu,
        socket: MediaSocket,
        inbox: mpsc::Receiver<ToWorker>,
        ways: Ways,
        log: Option<DecisionLog>,
    ) -> Self {
        let Ways { clock, links, placement, .. } = ways;
        Self {
            node,
            socket,
            inbox,
            clock,
            links,
            placement,
            log,
            captures: Captures::default(),
            sessions: BTreeMap::new(),
            connections: BTreeMap::new(),
            deadline: None,
            meter: None,
            overloaded: false,
            stopping: false,
            arrivals: Vec::new(),
        }
    }

    /// Runs until told to shut down, or until nobody is left who could tell.
    pub(crate) async fn run(mut self) {
        self.meter = thread_time().map(|used| Meter::new(self.clock.now(), used));
        while !self.stopping {
            let look = self.meter.filter(|_| self.overloaded).map(|meter| meter.due());
            let deadline = [self.deadline, look].into_iter().flatten().min();
            let message = tokio::select! {
                message = self.inbox.recv() => Some(message.unwrap_or(ToWorker::Shutdown)),
                // An error of the socket shows again on the next receive, which ignores what concerns no datagram.
                _ = self.socket.readable() => None,
                () = self.links.rung() => None,
                () = wait(&self.clock, deadline) => None,
            };
            if let Some(message) = message {
                self.take(message);
            }
            for _ in 1..MESSAGES_PER_TURN {
                let Ok(message) = self.inbox.try_recv() else { break };
                self.take(message);
            }
            for command in self.captures.prune() {
                self.input(Input::Operator(command));
            }
            for arrived in self.links.take() {
                self.input(match arrived {
                    Arrived::Message(from, message) => Input::Relay { from, message },
                    Arrived::Lost(node) => Input::NodeLost(node),
                });
            }
            let mut arrivals = std::mem::take(&mut self.arrivals);
            self.socket.receive(&mut arrivals);
            for run in arrivals.chunk_by_mut(|a, b| (a.local, a.source) == (b.local, b.source)) {
                let (local, source) = (run[0].local, run[0].source);
                self.input(match run {
                    [alone] => Input::Datagram { local, source, data: std::mem::take(&mut alone.data) },
                    _ => {
                        let data = run.iter_mut().map(|arrival| std::mem::take(&mut arrival.data)).collect();
                        Input::Datagrams { local, source, data }
                    }
                });
            }
            arrivals.clear();
            self.arrivals = arrivals;
            if self.deadline.is_some_and(|deadline| deadline <= self.clock.now()) {
                self.input(Input::Timeout);
            }
            self.look_at_the_core();
            for node in self.links.flush() {
                tracing::warn!(%node, "another worker does not keep up; beginning anew with it");
                self.input(Input::NodeLost(node));
            }
            self.socket.flush();
        }
        tracing::debug!(counters = ?self.socket.counters(), "worker ends");
    }

    /// Tells the node once a second how much of its core it uses.
    fn look_at_the_core(&mut self) {
        let now = self.clock.now();
        let Some(meter) = self.meter.as_mut().filter(|meter| meter.due() <= now) else { return };
        let Some(used) = thread_time() else { return };
        let busy = meter.look(now, used);
        self.placement.busy(self.node.index().0, busy);
        self.input(Input::Busy(busy));
        self.overloaded = self.node.load().overload > 0;
    }

    /// One message from a signalling socket or from the server.
    fn take(&mut self, message: ToWorker) {
        match message {
            ToWorker::Open { session, outbound, join, admission, coming } => {
                self.sessions.insert(session, outbound);
                self.input(Input::Join { session, join, admission, home: Some(coming.home()) });
            }
            // A session that the node has closed may still have messages on their way.
            ToWorker::Message { session, message } if self.sessions.contains_key(&session) => {
                self.input(Input::Message { session, message });
            }
            ToWorker::Lost { session } if self.sessions.remove(&session).is_some() => {
                self.input(Input::SessionLost { session });
            }
            ToWorker::Message { .. } | ToWorker::Lost { .. } => {}
            ToWorker::PathOpened { local, source, outbound } => {
                self.connections.insert((local, source), outbound);
            }
            ToWorker::Frame { local, source, data } => self.input(Input::Frame { local, source, data }),
            ToWorker::PathClosed { local, source } => {
                self.connections.remove(&(local, source));
            }
            ToWorker::Ask(question) => question.answer(&self.node),
            // Whoever asked may have given up.
            ToWorker::Sockets(answer) => {
                let _ = answer.send(Counters { shed: self.links.shed(), ..self.socket.counters() });
            }
            ToWorker::Operate { command, answer } => {
                let refusal = self.node.refusal(&command);
                if refusal.is_none() {
                    self.input(Input::Operator(command));
                }
                // Whoever asked may have given up.
                let _ = answer.send(refusal);
            }
            ToWorker::Capture { capture, accepted } => {
                let added = self.captures.add(capture);
                // Whoever asked may have given up, which shows at the end of the turn.
                let _ = accepted.send(added.is_ok());
                if let Ok(command) = added {
                    self.input(Input::Operator(command));
                }
            }
            ToWorker::Shutdown => {
                self.stopping = true;
                self.input(Input::Shutdown);
            }
        }
    }

    /// Gives the node one input and carries out all that it wants. Datagrams wait for the end of the turn.
    fn input(&mut self, input: Input) {
        let now = self.clock.now();
        self.node.handle_input(now, input);
        let mut evicted = Vec::new();
        loop {
            match self.node.poll_output() {
                Output::Datagram(transmit) => match transmit.protocol {
                    Protocol::Udp => self.socket.send(transmit),
                    Protocol::Tcp => {
                        let connection = self.connections.get(&(transmit.local, transmit.destination));
                        for datagram in connection.iter().flat_map(|_| transmit.iter()) {
                            // A copy, as a slow connection would keep the memory of many others' datagrams with its own. What
                            // finds no room is lost, as on any path.
                            let copy = Bytes::copy_from_slice(&datagram);
                            let _ = connection.map(|outbound| outbound.try_send(copy));
                        }
                    }
                },
                Output::Message { session, message } => {
                    if self.deliver(session, message) == Err(Evicted) {
                        evicted.push(session);
                    }
                }
                Output::CloseSession { session } => {
                    self.sessions.remove(&session);
                }
                Output::Relay { to, message } => self.links.say(to, *message),
                Output::RoomHeld { room, participants } => {
                    self.placement.held(self.node.index().0, &room, participants);
                }
                Output::Decision(decision) => {
                    self.captures.offer(&decision);
                    if let Some(log) = &self.log {
                        log.add(decision);
                    }
                }
                // The node takes input only when it is drained.
                Output::Wait(deadline) => match evicted.pop() {
                    Some(session) => self.node.handle_input(now, Input::SessionLost { session }),
                    None => {
                        self.deadline = deadline;
                        return;
                    }
                },
            }
        }
    }

    /// Queues a message for its socket; a socket that does not keep up is disconnected.
    fn deliver(&mut self, session: SessionId, message: ServerMessage) -> Result<(), Evicted> {
        let Some(outbound) = self.sessions.remove(&session) else { return Ok(()) };
        let outbound = outbound.send(message).inspect_err(|Evicted| {
            tracing::debug!(?session, "disconnected, as it does not read its messages");
        })?;
        self.sessions.insert(session, outbound);
        Ok(())
    }
}

/// Until the deadline; for ever without one.
async fn wait(clock: &Clock, deadline: Option<Timestamp>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(clock.instant(deadline)).await,
        None => std::future::pending().await,
    }
}
