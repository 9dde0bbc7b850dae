//! What goes into a node and what comes out of it. Owns the values; their meaning is in the crate's documentation.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::BytesMut;
use selector::Recorded;
use serde::{Deserialize, Serialize};
use signalling::{ClientMessage, Join, ServerMessage};
use transport::Transmit;
use units::Timestamp;

use crate::{Admission, Command, NodeIndex, RelayMessage};

/// One signalling connection. Chosen by the driver, never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s{}", self.0)
    }
}

/// Something that happened outside.
#[derive(Debug)]
pub enum Input {
    /// A datagram arrived.
    Datagram {
        /// The address of ours that it came to.
        local: SocketAddr,
        /// Where it came from.
        source: SocketAddr,
        /// What it held. Decrypted in place.
        data: BytesMut,
    },
    /// Datagrams arrived from one source in a row. The same as one after the other, and cheaper.
    Datagrams {
        /// The address of ours that they came to.
        local: SocketAddr,
        /// Where they came from.
        source: SocketAddr,
        /// What they held. Decrypted in place.
        data: Vec<BytesMut>,
    },
    /// A datagram arrived over a TCP connection, taken out of its frame ([`transport::framing`]).
    Frame {
        /// The address of ours that the connection was opened to.
        local: SocketAddr,
        /// The connection's other end.
        source: SocketAddr,
        /// What it held. Decrypted in place.
        data: BytesMut,
    },
    /// A message came over a signalling connection. The first one must be `join`.
    Message {
        /// The connection.
        session: SessionId,
        /// The message, within the limits of `signalling`.
        message: ClientMessage,
    },
    /// Somebody wants to join whose right to do so the driver has looked at. A `join` in [`Input::Message`] is one of
    /// whom nothing is asked.
    Join {
        /// The connection.
        session: SessionId,
        /// The message, within the limits of `signalling`.
        join: Box<Join>,
        /// What it may do.
        admission: Admission,
        /// The home of its room, where several nodes may serve it; `None` for this one. Of no effect while the room is here.
        home: Option<NodeIndex>,
    },
    /// Another node says something, in the order in which it did ([`Output::Relay`]).
    Relay {
        /// The node.
        from: NodeIndex,
        /// What it says.
        message: Box<RelayMessage>,
    },
    /// Something that another node said, or was told, was lost: all of it is forgotten, and said anew where it is there.
    NodeLost(NodeIndex),
    /// An operator wants something done that [`crate::Sfu::refusal`] has nothing against.
    Operator(Command),
    /// A signalling connection is gone. Its participant is kept for a while.
    SessionLost {
        /// The connection.
        session: SessionId,
    },
    /// How much of its core the node's thread used since this was said last, in thousandths. Once a second is often
    /// enough. A node that is never told takes everybody and bounds nothing.
    Busy(u16),
    /// The deadline of [`Output::Wait`] has come.
    Timeout,
    /// Tell everybody that the node goes down, and let go of everything.
    Shutdown,
}

/// Something to be done outside.
#[derive(Debug)]
pub enum Output {
    /// Send datagrams, or frames on the connection between the two addresses. One that is gone loses them like any path. Let go of
    /// them once they are sent: their memory is used again.
    Datagram(Transmit),
    /// Send a message over a signalling connection.
    Message {
        /// The connection.
        session: SessionId,
        /// The message.
        message: ServerMessage,
    },
    /// Close a signalling connection once its messages are out. No input of it is expected any more.
    CloseSession {
        /// The connection.
        session: SessionId,
    },
    /// Say something to another node. Words of one node to another keep their order, and none is left out: what may be is the
    /// business of [`crate::Backlog`].
    Relay {
        /// The node.
        to: NodeIndex,
        /// What to say.
        message: Box<RelayMessage>,
    },
    /// How many participants of a room are here, or that no part of the room is. For whoever places participants.
    RoomHeld {
        /// Its name.
        room: Arc<str>,
        /// Participants; `None` when it has ended here.
        participants: Option<usize>,
    },
    /// A line for the decision log, where one is wanted ([`router::Config::record_decisions`]).
    Decision(Box<LoggedDecision>),
    /// Nothing more to do: wait for an input, and at that time give [`Input::Timeout`].
    Wait(Option<Timestamp>),
}

/// One line of a decision log: what the selector decided for whom, with all that it depended on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoggedDecision {
    /// The room.
    pub room: String,
    /// The receiver, by its id on the wire.
    pub participant: String,
    /// The decision and its input.
    #[serde(flatten)]
    pub record: Recorded,
}
