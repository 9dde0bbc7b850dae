//! A whole server in one value: [`Server::start`] opens everything and returns a [`Handle`] to tell it to stop.
//!
//! Owns the order of starting and of stopping. The binary, the demonstration and the tests all start it here.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use axum::http::HeaderValue;
use sfu::{NodeIndex, Numbering, Sfu};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use units::DataSize;

use crate::access::{ANY_ROOM, Access, Claims, Right, links, seconds_from_now};
use crate::admin::Watch;
use crate::admission::Admission;
use crate::certificate::{self, Certificate, Fingerprint, Source};
use crate::clock::Clock;
use crate::config::{Config, Span};
use crate::data_dir;
use crate::decision_log::DecisionLog;
use crate::error::StartError;
use crate::gate::Gate;
use crate::http::{self, App};
use crate::links::Links;
use crate::listener::Listener;
use crate::metrics::Tally;
use crate::network::{self, Sockets};
use crate::pages::Pages;
use crate::placement::Placement;
use crate::renewal;
use crate::stop::{self, RaiseStop};
use crate::tls::Security;
use crate::traces::Traces;
use crate::websocket;
use crate::worker::{Panicked, ToWorker, Ways, Worker, Workers};

/// The key of a server that was given none ends with it; so long may its operator's link be kept open.
const OWN_TOKEN_LIFE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Starts servers.
#[derive(Debug)]
pub struct Server;

/// A running server. Dropping it stops accepting and lets the workers end without the farewell of
/// [`Handle::shut_down`].
pub struct Handle {
    /// Where page and signalling are served; the port is never 0.
    pub address: SocketAddr,
    /// What was opened, for people.
    pub summary: Summary,
    access: Arc<Access>,
    workers: Vec<Worker>,
    app: Arc<App>,
    admission: Admission,
    stop: RaiseStop,
    listener: JoinHandle<()>,
    shutdown: Span,
}

/// What a server opened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// Where to point a browser on this machine.
    pub url: String,
    /// Where to point one on another machine. Empty when only this machine can connect.
    pub other_urls: Vec<String>,
    /// `None` without TLS.
    pub certificate: Option<(Fingerprint, Source)>,
    /// The media socket of each worker.
    pub media: Vec<SocketAddr>,
    /// The addresses that clients are told.
    pub announced: Vec<IpAddr>,
    /// Where the operator's page is, with a token: for a server that has a key of its own only. A secret.
    pub operator: Option<String>,
    /// A token is needed to join.
    pub tokens: bool,
    /// What the system granted of the receive and the send buffer of a media socket.
    pub buffers: (DataSize, DataSize),
}

/// A worker ended although nobody told it to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a worker failed; its rooms are gone. The log says why")]
pub struct WorkerFailed;

impl Server {
    /// Opens sockets, certificate and workers as configured. Must be called on a tokio runtime, which serves the pages
    /// and signalling; workers bring threads of their own.
    ///
    /// # Errors
    /// [`StartError`], whose message says what to change. Nothing is left open then.
    pub async fn start(config: Config) -> Result<Handle, StartError> {
        config.check()?;
        let announced = network::announced(&config)?;
        let certificate = certificate(&config, &announced)?;
        Self::open(config, announced, certificate)
    }

    /// The same with a self-signed certificate that lives as long as the server: nothing is read or written.
    ///
    /// # Errors
    /// [`StartError`] as in [`Server::start`].
    pub async fn start_ephemeral(config: Config) -> Result<Handle, StartError> {
        config.check()?;
        let announced = network::announced(&config)?;
        let certificate =
            certificate::ephemeral(&names(&config, &announced), time::OffsetDateTime::now_utc())?;
        Self::open(config, announced, Some(certificate))
    }

    fn open(
        config: Config,
        announced: Vec<IpAddr>,
        certificate: Option<Certificate>,
    ) -> Result<Handle, StartError> {
        let shown =
            certificate.as_ref().map(|certificate| (certificate.fingerprint, certificate.source.clone()));
        let security = match certificate {
            Some(certificate) => Security::tls(certificate)?,
            None => Security::Plain,
        };
        let access = Arc::new(Access::new(&config.access)?);
        let Sockets { tcp, address, media } = network::bind(&config)?;
        let (url, other_urls) = urls(address, &announced, shown.is_some());
        let summary = Summary {
            operator: operator_link(&access, &url),
            tokens: !access.is_open(),
            url,
            other_urls,
            certificate: shown,
            media: media.iter().map(|media| media.address).collect(),
            buffers: media.first().map_or((DataSize::ZERO, DataSize::ZERO), |media| {
                (
                    DataSize::from_bytes(media.receive_buffer as u64),
                    DataSize::from_bytes(media.send_buffer as u64),
                )
            }),
            announced,
        };
        let socket = tokio::net::TcpListener::from_std(tcp).map_err(|source| StartError::Listen {
            protocol: "TCP",
            address,
            source,
        })?;
        let clock = Clock::start();
        let traces = Traces::start(&config.trace)?;
        let placement =
            Arc::new(Placement::new(config.placement.clone(), config.worker_count().get(), clock));
        let (workers, inboxes) =
            start_workers(&config, clock, &placement, media, &summary.announced, address.port())?
                .into_iter()
                .unzip();
        let (raise_stop, stop) = stop::flag();
        let inboxes = Arc::new(Workers::new(inboxes, placement));
        let admission = Admission::new(config.limits.connections, config.limits.connections_per_address);
        let tally = Arc::new(Tally::default());
        let gate = Arc::new(Gate::new(&config.limits, clock));
        let app = Arc::new(App {
            pages: Pages::embedded(),
            origins: config.allow_origins.clone(),
            access: Arc::clone(&access),
            gate: Arc::clone(&gate),
            links: links::Links::default(),
            watch: Watch::new(),
            whip: Default::default(),
            admission: admission.clone(),
            tally: Arc::clone(&tally),
            open_metrics: config.metrics.open,
            strict_transport: config
                .tls
                .strict_transport
                .and_then(|span| HeaderValue::try_from(format!("max-age={}", span.0.as_secs())).ok()),
            draining: AtomicBool::new(false),
            signalling: websocket::Context {
                access: Arc::clone(&access),
                gate,
                tally: Arc::clone(&tally),
                workers: Arc::clone(&inboxes),
                limits: config.limits.clone(),
                message_limits: config.message_limits(),
                clock,
                traces,
                stop: stop.clone(),
            },
        });
        if let (Some(served), Some(cert), Some(key)) = (security.served(), &config.tls.cert, &config.tls.key)
        {
            let (cert, key) = (cert.clone(), key.clone());
            tokio::spawn(renewal::run(served, cert, key, config.tls.look.0, stop.clone()));
        }
        let listener = Listener {
            socket,
            security,
            router: http::router(Arc::clone(&app)),
            workers: inboxes,
            admission: admission.clone(),
            tally: Arc::clone(&tally),
            limits: config.limits.clone(),
            stop: stop.clone(),
        };
        let listener = tokio::spawn(listener.run());
        let watching = Arc::clone(&app);
        tokio::spawn(async move { watching.watch.run(&watching.signalling.workers, clock, stop).await });
        Ok(Handle {
            access,
            address,
            summary,
            workers,
            app,
            admission,
            stop: raise_stop,
            listener,
            shutdown: config.limits.shutdown,
        })
    }
}

impl Server {
    /// What can be found wrong without opening anything: values, and the operator's certificate files.
    ///
    /// # Errors
    /// [`StartError`] as in [`Server::start`].
    pub fn check(config: &Config) -> Result<(), StartError> {
        config.check()?;
        if let (Some(cert), Some(key)) = (&config.tls.cert, &config.tls.key) {
            Security::tls(certificate::from_files(cert, key)?)?;
        }
        Access::new(&config.access)?;
        Ok(())
    }
}

impl Handle {
    /// Waits until a worker ends by itself, which none does unless something is broken.
    pub async fn failed(&mut self) -> WorkerFailed {
        let ends = self.workers.iter_mut().map(|worker| Box::pin(worker.ended()));
        let _ = futures_util::future::select_all(ends).await;
        WorkerFailed
    }

    /// A path that lets one device in, once, with a token for any room.
    pub fn invite(&self) -> String {
        self.app.links.issue(Instant::now())
    }

    /// Waits until such a path was used.
    pub fn invitation_used(&self) -> impl Future<Output = ()> + use<> {
        let app = Arc::clone(&self.app);
        async move { app.links.used().await }
    }

    /// A token for a room, or for all with `*`, that allows to send and receive, or to administrate. `None` when only
    /// public keys are configured.
    pub fn token(&self, room: &str, administrate: bool, life: Duration) -> Option<String> {
        let rights = match administrate {
            true => vec![Right::Administrate],
            false => vec![Right::Publish, Right::Subscribe],
        };
        let exp = seconds_from_now(life);
        self.access.sign(&Claims { sub: None, room: room.to_owned(), rights, exp, nbf: None }, None)
    }

    /// Stops accepting, tells every participant, closes their transports, and waits until all sockets are closed, for
    /// at most the configured time.
    ///
    /// # Errors
    /// [`WorkerFailed`] when a worker had panicked.
    pub async fn shut_down(mut self) -> Result<(), WorkerFailed> {
        let farewell = async {
            self.stop.raise();
            self.app.signalling.workers.shut_down().await;
            let mut outcome = Ok(());
            for worker in &mut self.workers {
                outcome = outcome.and(worker.ended().await.map_err(|Panicked| WorkerFailed));
            }
            self.admission.idle().await;
            outcome
        };
        let outcome = timeout(self.shutdown.0, farewell).await;
        self.listener.abort();
        self.app.signalling.traces.finish().await;
        // Whoever does not take the farewell in time does without.
        outcome.unwrap_or(Ok(()))
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.stop.raise();
        self.listener.abort();
        self.app.signalling.workers.let_go();
    }
}

/// The operator's page with a token by the server's own key. With the operator's keys it is for them to make one.
fn operator_link(access: &Access, url: &str) -> Option<String> {
    let rights = vec![Right::Administrate];
    let exp = seconds_from_now(OWN_TOKEN_LIFE);
    let claims = Claims { sub: None, room: ANY_ROOM.to_owned(), rights, exp, nbf: None };
    let token = access.is_own().then(|| access.sign(&claims, None)).flatten()?;
    Some(format!("{url}operator#token={token}"))
}

/// The certificate that the configuration asks for; `None` for plain HTTP.
fn certificate(config: &Config, announced: &[IpAddr]) -> Result<Option<Certificate>, StartError> {
    if config.tls.plain_http {
        return Ok(None);
    }
    Ok(Some(match (&config.tls.cert, &config.tls.key) {
        (Some(cert), Some(key)) => certificate::from_files(cert, key)?,
        _ => {
            let folder: PathBuf = config.data_dir.clone().unwrap_or_else(data_dir::default);
            certificate::self_signed(&folder, &names(config, announced), time::OffsetDateTime::now_utc())?
        }
    }))
}

/// What a self-signed certificate must hold: every name by which the page may be opened.
fn names(config: &Config, announced: &[IpAddr]) -> Vec<String> {
    let listen = Some(config.listen.ip()).filter(|ip| !ip.is_unspecified());
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    names.extend(announced.iter().copied().chain(listen).map(|ip| ip.to_string()));
    names.extend(config.tls.names.iter().cloned());
    names.sort_unstable();
    names.dedup();
    names
}

/// The addresses of the page as people type them: on this machine, and on others.
fn urls(address: SocketAddr, announced: &[IpAddr], tls: bool) -> (String, Vec<String>) {
    let (scheme, port) = (if tls { "https" } else { "http" }, address.port());
    let url = |ip: &IpAddr| format!("{scheme}://{}/", SocketAddr::new(*ip, port));
    match address.ip() {
        // A browser gives camera and microphone to `localhost` even without TLS (Secure Contexts §3.1).
        ip if ip.is_loopback() => (format!("{scheme}://localhost:{port}/"), Vec::new()),
        ip if ip.is_unspecified() => {
            let others = announced.iter().filter(|ip| !ip.is_loopback()).map(url).collect();
            (format!("{scheme}://localhost:{port}/"), others)
        }
        ip => (url(&ip), vec![url(&ip)]),
    }
}

type Started = (Worker, mpsc::Sender<ToWorker>);

/// One node, one thread and one socket per worker; the DTLS identity is shared.
fn start_workers(
    config: &Config,
    clock: Clock,
    placement: &Arc<Placement>,
    media: Vec<network::Media>,
    announced: &[IpAddr],
    tcp_port: u16,
) -> Result<Vec<Started>, StartError> {
    let log = config
        .decision_log
        .as_deref()
        .map(DecisionLog::create)
        .transpose()
        .map_err(StartError::DecisionLog)?;
    let identity =
        transport::Identity::generate().map_err(|error| StartError::Worker(std::io::Error::other(error)))?;
    // A clock before 1970 is a machine whose clock was never set; nothing but the end of TURN passwords depends on it.
    let started = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
    let count = config.worker_count();
    media
        .into_iter()
        .zip(Links::mesh(usize::from(count.get())))
        .enumerate()
        .map(|(index, (media, links))| {
            let mut transport = transport::Config::new(transport::Security::DtlsSrtp(Arc::clone(&identity)));
            transport.candidates =
                announced.iter().map(|ip| SocketAddr::new(*ip, media.address.port())).collect();
            if config.media.tcp {
                transport.tcp_candidates =
                    announced.iter().map(|ip| SocketAddr::new(*ip, tcp_port)).collect();
            }
            transport.node = u16::try_from(index).ok();
            let mut settings = config.node(transport);
            settings.set_start(started);
            settings.router.numbering = Numbering::new(NodeIndex(index as u16), count);
            let node = Sfu::new(settings, seed());
            let pin = config.placement.pin;
            let ways = Ways { clock, links, placement: Arc::clone(placement), pin };
            Worker::start(index, node, media.socket, ways, log.clone()).map_err(StartError::Worker)
        })
        .collect()
}

/// Randomness of the operating system, from which a node draws all of its own.
fn seed() -> [u8; 32] {
    let mut seed = [0; 32];
    rustls::crypto::ring::default_provider()
        .secure_random
        .fill(&mut seed)
        .expect("a system without randomness cannot have made a certificate");
    seed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_told_addresses_that_work_where_they_are() {
        let announced = ["192.0.2.7".parse().unwrap(), "2001:db8::7".parse().unwrap()];
        for (address, tls, here, elsewhere, why) in [
            ("127.0.0.1:8443", true, "https://localhost:8443/", &[][..], "loopback"),
            (
                "0.0.0.0:8443",
                true,
                "https://localhost:8443/",
                &["https://192.0.2.7:8443/", "https://[2001:db8::7]:8443/"],
                "all interfaces",
            ),
            ("192.0.2.7:80", false, "http://192.0.2.7:80/", &["http://192.0.2.7:80/"], "one interface"),
        ] {
            let (url, others) = urls(address.parse().unwrap(), &announced, tls);
            assert_eq!(
                (url.as_str(), &others[..]),
                (here, &elsewhere.iter().map(|u| (*u).to_owned()).collect::<Vec<_>>()[..]),
                "{why}"
            );
        }
    }

    #[test]
    fn a_certificate_holds_every_name_by_which_the_page_is_opened() {
        let config = Config { listen: ([192, 0, 2, 7], 1).into(), ..Config::default() };
        let config = Config {
            tls: crate::config::Tls { names: vec!["a.example".to_owned()], ..config.tls.clone() },
            ..config
        };
        let names = names(&config, &["198.51.100.1".parse().unwrap(), "192.0.2.7".parse().unwrap()]);
        assert_eq!(names, ["127.0.0.1", "192.0.2.7", "198.51.100.1", "::1", "a.example", "localhost"]);
    }
}
