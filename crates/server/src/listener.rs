//! From accepted TCP connections to requests: admission, handshake, HTTP/1.1, each with its bound in time. A connection
//! that begins with a connectivity check instead carries media, and is `media_tcp`'s.
//!
//! A client that opens a connection and then does nothing, or does it slowly, holds one place of its own for a bounded
//! time: so long for the handshake, so long for the head of a request, so long for reading the page. Only a signalling
//! socket may stay, and `websocket` watches those.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use transport::framing::Opening;

use crate::admission::{Admission, Permit, Refusal};
use crate::config::Limits;
use crate::media_tcp;
use crate::metrics::Tally;
use crate::stop::Stop;
use crate::tls::Security;
use crate::worker::Workers;

/// The head of a request must fit. Browsers send about 600 bytes.
const HEAD_BYTES: usize = 16 * 1_024;
/// Pause after the system refused a connection for want of file descriptors, as the next attempt would fail as well.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);

/// Goes with every request: a handler whose response has no end sets it, so that its connection is not closed for being
/// open for too long.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeepOpen(pub(crate) Arc<AtomicBool>);

/// Accepts connections on one socket.
pub(crate) struct Listener {
    pub(crate) socket: TcpListener,
    pub(crate) security: Security,
    pub(crate) router: Router,
    pub(crate) workers: Arc<Workers>,
    pub(crate) admission: Admission,
    pub(crate) tally: Arc<Tally>,
    pub(crate) limits: Limits,
    pub(crate) stop: Stop,
}

impl Listener {
    /// Accepts until the server stops, then closes the socket. Connections go on in tasks of their own.
    pub(crate) async fn run(mut self) {
        loop {
            let accepted = tokio::select! {
                accepted = self.socket.accept() => accepted,
                () = self.stop.raised() => return,
            };
            match accepted {
                Ok((tcp, peer)) => self.admit(tcp, peer),
                Err(error) => {
                    // Errors of a single connection (it was reset while it waited) end up here too: go on either way.
                    tracing::debug!(%error, "connection not accepted");
                    tokio::time::sleep(EXHAUSTED_PAUSE).await;
                }
            }
        }
    }

    fn admit(&self, tcp: TcpStream, peer: SocketAddr) {
        let permit = match self.admission.admit(peer.ip()) {
            Ok(permit) => permit,
            Err(refusal) => {
                tracing::debug!(%peer, ?refusal, "connection refused");
                Tally::count(match refusal {
                    Refusal::Total => &self.tally.connections_total,
                    Refusal::PerClient => &self.tally.connections_per_address,
                });
                return;
            }
        };
        let (security, router, workers) =
            (self.security.clone(), self.router.clone(), Arc::clone(&self.workers));
        let (limits, mut stop, tally) = (self.limits.clone(), self.stop.clone(), Arc::clone(&self.tally));
        tokio::spawn(async move {
            // Signalling messages are small and wait for nothing. An error means that the peer has gone.
            let _ = tcp.set_nodelay(true);
            match timeout(limits.handshake.0, media_tcp::opening(&tcp)).await {
                Ok(Ok(Opening::Datagrams)) => {
                    let _permit = permit;
                    tokio::select! {
                        () = media_tcp::run(tcp, peer, |node| workers.by_number(node)) => return,
                        () = stop.raised() => return,
                    }
                }
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return tracing::debug!(%peer, %error, "connection ended before it began"),
                Err(_) => return tracing::debug!(%peer, "nothing came on a connection"),
            }
            match timeout(limits.handshake.0, security.accept(tcp)).await {
                Ok(Ok(stream)) => serve(stream, router, permit, &limits, stop).await,
                Ok(Err(error)) => {
                    Tally::count(&tally.handshakes);
                    tracing::debug!(%peer, %error, "handshake failed");
                }
                Err(_) => {
                    Tally::count(&tally.handshakes);
                    tracing::debug!(%peer, "handshake took too long");
                }
            }
        });
    }
}

/// Serves requests on one connection until it becomes a signalling socket, ends, or has been open for too long.
async fn serve<S>(stream: S, router: Router, permit: Permit, limits: &Limits, mut stop: Stop)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let permit = Arc::new(permit);
    let keep_open = KeepOpen::default();
    let kept = keep_open.clone();
    let service = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        // A request that becomes a socket takes the place of its connection along.
        request.extensions_mut().insert(Arc::clone(&permit));
        request.extensions_mut().insert(keep_open.clone());
        service.call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.request.0)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    // How a connection ends, other than by its time, is the client's business.
    let too_long = async {
        loop {
            tokio::time::sleep(limits.page.0).await;
            if !kept.0.load(Ordering::Relaxed) {
                return;
            }
        }
    };
    tokio::select! {
        _ = connection.as_mut() => return,
        () = stop.raised() => {}
        () = too_long => {}
    }
    // The response under way may end; what has not ended in the time for one request is cut off.
    connection.as_mut().graceful_shutdown();
    let _ = timeout(limits.request.0, connection).await;
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::time::Instant;

    use super::*;
    use crate::config::Span;

    const BIG: usize = 1 << 20;

    /// Serves one connection over a pipe, in time that jumps, and says after how many seconds it was closed.
    async fn closed_after(client: impl AsyncFnOnce(&mut tokio::io::DuplexStream)) -> u64 {
        let limits = Limits { request: Span::secs(20), page: Span::secs(60), ..Limits::default() };
        let router =
            Router::new().route("/", get(async || "page")).route("/big", get(async || vec![0u8; BIG]));
        let (mut near, far) = tokio::io::duplex(4_096);
        let permit = Admission::new(1, 1).admit([127, 0, 0, 1].into()).unwrap();
        let (_raise, stop) = crate::stop::flag();
        let start = Instant::now();
        let served = tokio::spawn(async move {
            serve(far, router, permit, &limits, stop).await;
            start.elapsed().as_secs()
        });
        client(&mut near).await;
        served.await.unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_connection_is_closed() {
        assert_eq!(closed_after(async |_| ()).await, 20);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_never_ends_is_cut_off() {
        let seconds = closed_after(async |stream| {
            // A header line each second, for ever: no single wait is long.
            for _ in 0..1_000 {
                if stream.write_all(b"x: y\r\n").await.is_err() {
                    break;
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
        // The line before the first header is missing as well, so it may be refused at once.
        assert!(seconds.await <= 20);
        let seconds = closed_after(async |stream| {
            stream.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
            while stream.write_all(b"x: y\r\n").await.is_ok() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
        assert_eq!(seconds.await, 20);
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_is_closed_after_its_last_response() {
        let seconds = closed_after(async |stream| {
            stream.write_all(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n").await.unwrap();
            let mut response = [0; 512];
            let n = stream.read(&mut response).await.unwrap();
            assert!(response[..n].ends_with(b"page"));
            tokio::time::sleep(Duration::from_secs(100)).await;
        });
        assert_eq!(seconds.await, 20);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_takes_no_response_is_cut_off() {
        let seconds = closed_after(async |stream| {
            stream.write_all(b"GET /big HTTP/1.1\r\nhost: h\r\n\r\n").await.unwrap();
            tokio::time::sleep(Duration::from_secs(1_000)).await;
        });
        assert_eq!(seconds.await, 60 + 20);
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_larger_than_its_bound_is_refused() {
        let seconds = closed_after(async |stream| {
            stream.write_all(b"GET / HTTP/1.1\r\nx: ").await.unwrap();
            // The pipe breaks when the server has had enough.
            let mut sent = 0;
            while sent < BIG && stream.write_all(&[b'y'; 1_024]).await.is_ok() {
                sent += 1_024;
            }
            assert!(sent < 4 * HEAD_BYTES, "{sent} bytes of head were taken");
        });
        assert_eq!(seconds.await, 0);
    }
}
