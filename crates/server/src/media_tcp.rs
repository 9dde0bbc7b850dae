//! Media over TCP: connections whose first bytes are a framed connectivity check (RFC 6544, RFC 4571) instead of TLS.
//!
//! Owns the sockets and the bounds of such a connection: a frame's length, what waits to be written, how long it may live
//! without an answer or without a sign of life. Leaves what frames mean to the worker whose name is in the first check, and
//! the format to `transport::framing`.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use transport::demux;
use transport::framing::{self, Opening};

use crate::worker::ToWorker;

/// Datagrams that wait to be written: 0.3 s of 600 packets per second. What comes on top is lost, as on any path.
const QUEUE: usize = 192;
/// Between two looks at first bytes that do not yet say what they are.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// A connection that has not been answered by then is no participant's: its checks are for nobody, or forged.
const UNANSWERED: Duration = Duration::from_secs(10);
/// Browsers check every 2.5 s (RFC 7675 §5.1); a path that has been silent for this long is forgotten anyhow.
const SILENCE: Duration = Duration::from_secs(30);
/// A client that does not take what it is sent for this long is gone.
const STUCK: Duration = Duration::from_secs(10);
/// Bytes asked of the socket at a time.
const READ: usize = 16 * 1_024;

/// Waits until a connection's first bytes say what it is. They stay in the socket.
///
/// # Errors
/// Of the socket, and when it ends before.
pub(crate) async fn opening(tcp: &TcpStream) -> io::Result<Opening> {
    let mut first = [0; framing::OPENING];
    loop {
        let length = tcp.peek(&mut first).await?;
        match framing::judge(&first[..length]) {
            Opening::Undecided if length == 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            Opening::Undecided => tokio::time::sleep(LOOK_AGAIN).await,
            decided => return Ok(decided),
        }
    }
}

/// Carries datagrams between a connection and the worker that its first check names, until either ends it.
pub(crate) async fn run(
    tcp: TcpStream,
    peer: SocketAddr,
    worker_of: impl Fn(u16) -> Option<mpsc::Sender<ToWorker>>,
) {
    let Ok(local) = tcp.local_addr() else { return };
    let (local, source) = (canonical(local), canonical(peer));
    let (mut reading, mut writing) = tcp.into_split();
    let mut arrived = BytesMut::with_capacity(READ);
    let first = timeout(UNANSWERED, next_frame(&mut reading, &mut arrived)).await;
    let Ok(Some(first)) = first else { return };
    let node = demux::stun_local_ufrag(&first).and_then(demux::node_of);
    let Some(worker) = node.and_then(worker_of) else {
        tracing::debug!(%source, "a connection for no worker");
        return;
    };
    let (outbound, mut departing) = mpsc::channel::<Bytes>(QUEUE);
    let opened = ToWorker::PathOpened { local, source, outbound };
    if worker.send(opened).await.is_err() {
        return;
    }
    let mut frame = Some(first);
    let mut end = Instant::now() + UNANSWERED;
    let mut answered = false;
    loop {
        if let Some(data) = frame.take()
            && worker.send(ToWorker::Frame { local, source, data }).await.is_err()
        {
            break;
        }
        tokio::select! {
            next = next_frame(&mut reading, &mut arrived) => match next {
                None => break,
                Some(next) => {
                    if answered {
                        end = Instant::now() + SILENCE;
                    }
                    frame = Some(next);
                }
            },
            datagram = departing.recv() => {
                // The worker lets go of it when it ends.
                let Some(framed) = datagram.and_then(|datagram| framing::frame(&datagram)) else { break };
                if !answered {
                    (answered, end) = (true, Instant::now() + SILENCE);
                }
                if !matches!(timeout(STUCK, writing.write_all(&framed)).await, Ok(Ok(()))) {
                    break;
                }
            }
            () = sleep_until(end) => break,
        }
    }
    // A worker that is gone has forgotten it already.
    let _ = worker.send(ToWorker::PathClosed { local, source }).await;
}

/// The next datagram; `None` at the end, and where the peer does not keep to the format. Nothing is lost when the wait for
/// it is given up.
async fn next_frame(reading: &mut (impl AsyncReadExt + Unpin), arrived: &mut BytesMut) -> Option<BytesMut> {
    loop {
        if let Some(frame) = framing::next(arrived).ok()? {
            return Some(frame);
        }
        arrived.reserve(READ);
        if reading.read_buf(arrived).await.ok()? == 0 {
            return None;
        }
    }
}

/// A socket for both versions shows addresses of version 4 inside those of version 6.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
