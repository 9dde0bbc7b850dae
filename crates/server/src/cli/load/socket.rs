//! A participant's media socket. Owns receiving what the kernel has put together, into memory that all participants share.

use std::cell::RefCell;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;

use quinn_udp::{RecvMeta, UdpSocketState};
use tokio::io::Interest;

/// The largest UDP payload; what the kernel coalesced arrives in one buffer up to this.
const BUFFER_BYTES: usize = 1 << 16;
/// Buffers of one call.
const BATCH: usize = 4;

/// Memory to receive into: of one call of one participant at a time.
pub(super) struct Buffers(RefCell<Vec<u8>>);

impl Default for Buffers {
    fn default() -> Self {
        Self(RefCell::new(vec![0; BUFFER_BYTES * BATCH]))
    }
}

/// A socket of its own for every participant, as the server tells them apart by address.
pub(super) struct Socket {
    io: tokio::net::UdpSocket,
    state: UdpSocketState,
    server: SocketAddr,
}

impl Socket {
    /// A socket on any port of the address that leads to `server`.
    pub(super) fn open(server: SocketAddr) -> io::Result<Self> {
        let any: SocketAddr = match server {
            SocketAddr::V4(_) => ([0, 0, 0, 0], 0).into(),
            SocketAddr::V6(_) => ([0u16; 8], 0).into(),
        };
        let socket = std::net::UdpSocket::bind(any)?;
        socket.set_nonblocking(true)?;
        let state = UdpSocketState::new((&socket).into())?;
        Ok(Self { io: tokio::net::UdpSocket::from_std(socket)?, state, server })
    }

    pub(super) async fn readable(&self) -> io::Result<()> {
        self.io.readable().await
    }

    /// Sends a datagram; one that the system does not take is lost, as on any path.
    pub(super) fn send(&self, datagram: &[u8]) {
        let _ = self.io.try_send_to(datagram, self.server);
    }

    /// Hands over what has arrived, without waiting.
    pub(super) fn receive(&self, buffers: &Buffers, mut take: impl FnMut(&[u8])) {
        let mut memory = buffers.0.borrow_mut();
        let mut chunks = memory.chunks_exact_mut(BUFFER_BYTES);
        let mut slices: [_; BATCH] =
            std::array::from_fn(|_| IoSliceMut::new(chunks.next().expect("one buffer per slot of a batch")));
        let mut metas = [RecvMeta::default(); BATCH];
        let (io, state) = (&self.io, &self.state);
        let received = io.try_io(Interest::READABLE, || state.recv(io.into(), &mut slices, &mut metas));
        // `WouldBlock` is the normal end; other errors concern what was sent.
        let Ok(count) = received else { return };
        for (meta, slice) in metas.iter().zip(&slices).take(count) {
            slice[..meta.len].chunks(meta.stride.max(1)).for_each(&mut take);
        }
    }
}
