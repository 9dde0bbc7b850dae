//! One worker's media socket: many datagrams per system call, in and out.
//!
//! Owns reading in batches (`recvmmsg`, and generic receive offload where the kernel has it), writing in segmented
//! sends, and the translation between addresses of version 4 and a socket that serves both versions. Sending is what
//! a media server spends its time on, and only segmentation makes it cheaper: on loopback a datagram costs 3.2 to 3.7
//! us alone and 1.5 us in a run of four. `runs` decides what makes a run.
//!
//! What the system does not take at once is dropped and counted, as any router on the way would do: media that
//! waits is late, and every protocol above repairs a loss.

#[cfg(target_os = "linux")]
mod batch;
mod runs;
mod watched;

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, UdpSocket};

use bytes::BytesMut;
use quinn_udp::{BATCH_SIZE, RecvMeta, UdpSocketState};
use transport::Transmit;

use self::runs::{Ready, Runs};
use self::watched::Watched;

/// The largest UDP payload; what the kernel coalesced arrives in one buffer up to this.
const BUFFER_BYTES: usize = 1 << 16;
/// Batches read before the node gets to send: bounds the time that arrivals can hold up departures.
const BATCHES_PER_WAKE: usize = 4;

/// A datagram that arrived.
#[derive(Debug)]
pub(crate) struct Arrival {
    /// The address it was sent to.
    pub(crate) local: SocketAddr,
    /// The address it came from.
    pub(crate) source: SocketAddr,
    pub(crate) data: BytesMut,
}

/// What a socket did and could not do since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Datagrams that arrived.
    pub received: u64,
    /// Datagrams that the system took.
    pub sent: u64,
    /// Segmented sends that carried `sent`: runs.
    pub sends: u64,
    /// System calls that carried `sends`.
    pub calls: u64,
    /// Datagrams dropped because the kernel's send buffer was full.
    pub send_buffer_full: u64,
    /// Datagrams that the system refused: no route, too large, forbidden by a firewall.
    pub refused: u64,
    /// Packets dropped on the way to other workers, which did not keep up. Not the socket's own.
    pub shed: u64,
}

/// A bound UDP socket with its buffers.
pub struct MediaSocket {
    io: Watched,
    state: UdpSocketState,
    /// Where it is bound; the address may be a wildcard, the port is not 0.
    bound: SocketAddr,
    buffers: Vec<u8>,
    /// Datagrams of one send at most, whatever the kernel would take.
    most_segments: usize,
    runs: Runs,
    counters: Counters,
}

impl MediaSocket {
    /// Takes over a bound socket. Must be called on the runtime that will wait for it.
    ///
    /// # Errors
    /// What the system says, or the absence of a runtime.
    pub fn new(socket: UdpSocket) -> io::Result<Self> {
        let state = UdpSocketState::new((&socket).into())?;
        let bound = socket.local_addr()?;
        let io = Watched::new(socket)?;
        let buffers = vec![0; BUFFER_BYTES * BATCH_SIZE];
        let (runs, counters) = (Runs::default(), Counters::default());
        Ok(Self { io, state, bound, buffers, most_segments: usize::MAX, runs, counters })
    }

    /// From now on no send carries more datagrams than this, as on a system without segmentation for 1.
    pub fn limit_segments(&mut self, most: usize) {
        self.most_segments = most.max(1);
    }

    /// What it did so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Waits until something can be received.
    pub(crate) async fn readable(&self) -> io::Result<()> {
        self.io.readable().await
    }

    /// Adds what has arrived, up to a bound, without waiting.
    pub(crate) fn receive(&mut self, arrivals: &mut Vec<Arrival>) {
        for _ in 0..BATCHES_PER_WAKE {
            let mut slices: [_; BATCH_SIZE] = {
                let mut chunks = self.buffers.chunks_exact_mut(BUFFER_BYTES);
                std::array::from_fn(|_| {
                    IoSliceMut::new(chunks.next().expect("one buffer per slot of a batch"))
                })
            };
            let mut metas = [RecvMeta::default(); BATCH_SIZE];
            let (io, state) = (&self.io, &self.state);
            let mut count = 0;
            let received = io.try_receive(|| {
                count = state.recv(io.socket().into(), &mut slices, &mut metas)?;
                // Fewer than there was room for are all there are. Saying so spares the call that would find nothing, and what
                // comes from now on makes the socket readable anew.
                if count < BATCH_SIZE { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
            });
            for (meta, slice) in metas.iter().zip(&slices).take(count) {
                let local =
                    SocketAddr::new(meta.dst_ip.unwrap_or(self.bound.ip()).to_canonical(), self.bound.port());
                let source = SocketAddr::new(meta.addr.ip().to_canonical(), meta.addr.port());
                for datagram in slice[..meta.len].chunks(meta.stride.max(1)) {
                    self.counters.received += 1;
                    arrivals.push(Arrival { local, source, data: BytesMut::from(datagram) });
                }
            }
            // Errors other than `WouldBlock` (an ICMP report of an earlier send) concern no datagram here.
            if received.is_err() {
                return;
            }
        }
    }

    /// Takes datagrams to be sent. They leave with the next [`MediaSocket::flush`] at the latest.
    pub fn send(&mut self, transmit: Transmit) {
        if self.runs.push(transmit) == runs::Fill::Full {
            self.flush();
        }
    }

    /// Sends all runs, in order.
    pub fn flush(&mut self) {
        let Self { io, state, bound, runs, counters, most_segments, .. } = self;
        let most = state.max_gso_segments().min(*most_segments);
        runs.drain(most, |runs| send_all(io, state, *bound, runs, counters));
    }
}

/// As many runs per system call as are alike.
#[cfg(target_os = "linux")]
fn send_all(
    io: &Watched,
    state: &UdpSocketState,
    bound: SocketAddr,
    runs: &[Ready<'_>],
    counters: &mut Counters,
) {
    for group in runs.chunk_by(batch::alike).flat_map(|group| group.chunks(batch::MOST)) {
        let mut rest = group;
        while let [first, behind @ ..] = rest {
            let destination = |run: &Ready<'_>| as_sent(bound, run.route.destination);
            let sent = match behind.is_empty() {
                false => batch::send(io.socket(), rest, destination, source_of(bound, first.route.local)),
                true => Ok(0),
            };
            let sent = sent.unwrap_or(0);
            if sent == 0 {
                // One alone, or one that the kernel does not take as it is: that is told apart run by run.
                transmit(io, state, bound, *first, counters);
                rest = behind;
                continue;
            }
            let (left, others) = rest.split_at(sent);
            counters.sends += left.len() as u64;
            counters.calls += 1;
            counters.sent += left.iter().map(|run| run.count as u64).sum::<u64>();
            rest = others;
        }
    }
}

/// One run after the other.
#[cfg(not(target_os = "linux"))]
fn send_all(
    io: &Watched,
    state: &UdpSocketState,
    bound: SocketAddr,
    runs: &[Ready<'_>],
    counters: &mut Counters,
) {
    runs.iter().for_each(|run| transmit(io, state, bound, *run, counters));
}

/// One system call for one run; falls back to one call per datagram where segmentation is refused.
fn transmit(
    io: &Watched,
    state: &UdpSocketState,
    bound: SocketAddr,
    run: Ready<'_>,
    counters: &mut Counters,
) {
    let mut call = |contents: &[u8], segment_size: Option<usize>| {
        let transmit = quinn_udp::Transmit {
            destination: as_sent(bound, run.route.destination),
            ecn: None,
            contents,
            segment_size,
            src_ip: source_of(bound, run.route.local),
        };
        counters.sends += 1;
        counters.calls += 1;
        // Nobody waits for room to send: the system is asked each time.
        state.try_send(io.socket().into(), &transmit)
    };
    let segmented = run.count > 1;
    let outcome = call(run.bytes, segmented.then_some(run.segment));
    let lost = match outcome {
        Ok(()) => {
            counters.sent += run.count as u64;
            return;
        }
        // A driver without checksum offload refuses segments, and `state` has taken note: send these one by one.
        Err(error) if segmented && error.kind() != io::ErrorKind::WouldBlock => run
            .bytes
            .chunks(run.segment)
            .filter_map(|datagram| call(datagram, None).err().map(|error| (1, error)))
            .reduce(|(n, _), (m, error)| (n + m, error)),
        Err(error) => Some((run.count as u64, error)),
    };
    let Some((count, error)) = lost else {
        counters.sent += run.count as u64;
        return;
    };
    counters.sent += run.count as u64 - count;
    if error.kind() == io::ErrorKind::WouldBlock {
        counters.send_buffer_full += count;
    } else {
        counters.refused += count;
        tracing::debug!(destination = %run.route.destination, %error, "datagram refused");
    }
}

/// The destination in the version of the socket: one for both versions wants version 4 mapped (RFC 4291 §2.5.5.2).
fn as_sent(bound: SocketAddr, destination: SocketAddr) -> SocketAddr {
    match (bound, destination.ip()) {
        (SocketAddr::V6(_), IpAddr::V4(ip)) => {
            SocketAddr::new(ip.to_ipv6_mapped().into(), destination.port())
        }
        _ => destination,
    }
}

/// Answers must come from the address that was asked, which only a wildcard socket has to be told.
fn source_of(bound: SocketAddr, local: IpAddr) -> Option<IpAddr> {
    let known = bound.ip().is_unspecified() && !local.is_unspecified();
    known.then(|| match (bound, local) {
        (SocketAddr::V6(_), IpAddr::V4(ip)) => Ipv6Addr::into(ip.to_ipv6_mapped()),
        _ => local,
    })
}

#[cfg(test)]
mod tests;
