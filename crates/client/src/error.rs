//! What can go wrong on the way into a room.

use std::io;

/// Why no connection came about.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Not an address of a server.
    #[error("{0} is not an address of a server: https://host:port is expected")]
    Address(String),
    /// The server cannot be reached, or its certificate is not the one that was expected.
    #[error("the server cannot be reached: {0}")]
    Socket(#[source] io::Error),
    /// TLS cannot be set up on this machine.
    #[error("TLS cannot be used: {0}")]
    Tls(#[source] rustls::Error),
    /// The WebSocket was refused or failed.
    #[error("the signalling connection failed: {0}")]
    WebSocket(#[source] Box<tokio_tungstenite::tungstenite::Error>),
}

impl ConnectError {
    pub(crate) fn websocket(error: tokio_tungstenite::tungstenite::Error) -> Self {
        Self::WebSocket(Box::new(error))
    }
}

/// Why a participant could not join.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// There is no connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The server refused, and says why.
    #[error("the server refused: {} ({:?})", .0.message, .0.code)]
    Refused(signalling::Error),
    /// The server said nothing for too long, or hung up.
    #[error("the server gave no answer")]
    NoAnswer,
    /// The WebRTC engine failed, or did not understand the answer.
    #[error("media could not be set up: {0}")]
    Media(#[from] webrtc::error::Error),
    /// The path that was asked for could not be made.
    #[error("no path could be made to the server: {0}")]
    Link(#[source] io::Error),
}
