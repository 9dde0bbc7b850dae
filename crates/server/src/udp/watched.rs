//! A socket that the runtime watches for what arrives, and for nothing else.
//!
//! Owns the difference to `tokio::net::UdpSocket`, which watches for room to send as well. A media socket never waits for
//! that, and with each datagram that the kernel lets go of there is room anew: while it sends, a worker would be woken
//! again and again to find nothing to do.

use std::io;
use std::net::UdpSocket;

use tokio::io::Interest;

/// A socket of the runtime that it was made on.
#[cfg(unix)]
#[derive(Debug)]
pub(super) struct Watched(tokio::io::unix::AsyncFd<UdpSocket>);

#[cfg(unix)]
impl Watched {
    /// Takes over a socket that does not block.
    ///
    /// # Errors
    /// What the system says, or the absence of a runtime.
    #[expect(
        deprecated,
        reason = "its successor is unsafe to call; this socket keeps its descriptor for life"
    )]
    pub(super) fn new(socket: UdpSocket) -> io::Result<Self> {
        tokio::io::unix::AsyncFd::with_interest(socket, Interest::READABLE).map(Self)
    }

    /// The socket itself.
    pub(super) fn socket(&self) -> &UdpSocket {
        self.0.get_ref()
    }

    /// Waits until something can be received.
    pub(super) async fn readable(&self) -> io::Result<()> {
        self.0.readable().await.map(drop)
    }

    /// Receives if anything is known to be there. `WouldBlock` means that everything was taken.
    pub(super) fn try_receive(&self, receive: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        self.0.try_io(Interest::READABLE, |_| receive())
    }
}

/// A socket of the runtime that it was made on. Elsewhere than on Unix there is only the one that watches for both.
#[cfg(not(unix))]
#[derive(Debug)]
pub(super) struct Watched(tokio::net::UdpSocket);

#[cfg(not(unix))]
impl Watched {
    /// Takes over a socket that does not block.
    ///
    /// # Errors
    /// What the system says, or the absence of a runtime.
    pub(super) fn new(socket: UdpSocket) -> io::Result<Self> {
        tokio::net::UdpSocket::from_std(socket).map(Self)
    }

    /// The socket itself.
    pub(super) fn socket(&self) -> &tokio::net::UdpSocket {
        &self.0
    }

    /// Waits until something can be received.
    pub(super) async fn readable(&self) -> io::Result<()> {
        self.0.readable().await
    }

    /// Receives if anything is known to be there. `WouldBlock` means that everything was taken.
    pub(super) fn try_receive(&self, receive: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        self.0.try_io(Interest::READABLE, receive)
    }
}
