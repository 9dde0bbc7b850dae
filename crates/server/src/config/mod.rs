//! The configuration of a server: one typed value with defaults, read from a TOML file, the environment and flags.
//!
//! Owns the meaning and the bounds of every setting and the order in which sources win: flags over `TERRACE_*`
//! variables over the file over the defaults. A key that is not known is an error, because a misspelt limit is a
//! limit that is not there. Nothing here opens a socket or creates a file; `Config::check` judges the value alone.

mod access;
mod flags;
mod reference;
mod suggest;
mod text;
mod turn;

pub use access::{AccessConfig, Secret, TokenKey};
pub use flags::Flags;
pub use reference::reference;

pub use crate::log::LogFormat;
pub(crate) use text::serde_as_text;
pub use text::{Size, Span, UnitError};
pub use turn::TurnConfig;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::{NonZeroU16, NonZeroUsize};
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::origin::Origin;

/// The port of the page, of signalling and of the first media socket.
const DEFAULT_PORT: u16 = 8443;
/// More workers than this are more likely a typing error than a machine.
const MAX_WORKERS: u16 = 256;

/// Everything an operator can decide.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Address of the page and of signalling (TCP) and of the first worker's media (UDP). Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Addresses that clients send media to. Empty: the address listened on, or those of all interfaces.
    pub announce: Vec<IpAddr>,
    /// Worker threads, each with a media port of its own, counted up from the port of `listen`. Absent: one per core.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workers: Option<NonZeroU16>,
    /// Where the self-signed certificate is kept between runs. Absent: the user's data folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_dir: Option<PathBuf>,
    /// Pages of other hosts that may open a signalling socket here.
    pub allow_origins: Vec<Origin>,
    /// What is logged, in the syntax of `tracing`: `info`, or `warn,sfu=debug`. Below `info` logs hold addresses and names.
    pub log: String,
    /// File for every decision of the layer selector with all that it depended on, as JSON lines. Absent: none is written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision_log: Option<PathBuf>,
    /// How a line of the log looks: `text` for people, `json` for programs.
    pub log_format: LogFormat,
    /// Who may join.
    pub access: AccessConfig,
    /// How the page is secured.
    pub tls: Tls,
    /// Bounds on what clients may ask for.
    pub limits: Limits,
    /// Media sockets.
    pub media: Media,
    /// Which worker serves whom.
    pub placement: Placing,
    /// TURN servers that clients are told.
    pub turn: TurnConfig,
    /// What is told at `/metrics`.
    pub metrics: Metrics,
    /// OpenTelemetry traces.
    pub trace: Trace,
}

/// OpenTelemetry traces of what clients wait for: joins, offers, requests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Trace {
    /// Address of a collector that takes OTLP over HTTP, as in `http://localhost:4318`. Absent: nothing is traced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub otlp: Option<String>,
    /// How many of a hundred sockets and requests are traced. What is part of a caller's trace follows that.
    pub percent: u8,
}

impl Default for Trace {
    fn default() -> Self {
        Self { otlp: None, percent: 100 }
    }
}

/// How the page and signalling are secured. Without files a self-signed certificate is made and kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// PEM file with the certificate and its chain. Needs `key`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cert: Option<PathBuf>,
    /// PEM file with the private key. Needs `cert`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<PathBuf>,
    /// Host names to put into the self-signed certificate, besides `localhost` and the announced addresses.
    pub names: Vec<String>,
    /// How often to look whether `cert` and `key` have changed; new connections then get the new certificate.
    pub look: Span,
    /// Tell browsers for how long to come by TLS only (RFC 6797). Absent: they are not told, as a self-signed certificate
    /// could then no longer be accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strict_transport: Option<Span>,
    /// Serve without TLS, for use behind a proxy that has it. Browsers give no camera to such a page, except on localhost.
    pub plain_http: bool,
}

/// Bounds on what clients may ask for, so that none can take what belongs to the others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Open TCP connections in total.
    pub connections: u32,
    /// Open TCP connections of one address (of one /64 in version 6). Loopback is exempt: a proxy lives there.
    pub connections_per_address: u32,
    /// From the accepted connection to the end of the TLS handshake.
    pub handshake: Span,
    /// To send the head of a request, and to keep an idle connection open for the next one.
    pub request: Span,
    /// Life of a connection that never becomes a signalling socket: bounds slow readers of the page.
    pub page: Span,
    /// From the open socket to its `join` message.
    pub join: Span,
    /// Joins per second of one address, in the long run.
    pub joins_per_second_per_address: u32,
    /// Joins of one address at once, after a pause.
    pub join_burst_per_address: u32,
    /// Bad tokens of one address at once; one more is forgiven each second.
    pub bad_tokens_per_address: u32,
    /// Messages per second of one signalling socket, in the long run.
    pub messages_per_second: u32,
    /// Messages of one signalling socket at once, after a pause.
    pub message_burst: u32,
    /// Between pings that the server sends.
    pub ping: Span,
    /// A socket that sent nothing for so long, not even a pong, is gone.
    pub silence: Span,
    /// A socket that takes longer to accept one message is disconnected.
    pub write: Span,
    /// Messages that wait for one socket; one more disconnects it.
    pub outbound_messages: usize,
    /// Rooms of one worker.
    pub rooms: usize,
    /// Participants of one worker.
    pub participants: usize,
    /// Participants of one room.
    pub participants_per_room: usize,
    /// What one participant may send: audio and video tracks. More sections are answered and what comes in them is dropped.
    pub publications_per_participant: usize,
    /// How long a participant is kept whose socket was lost while its media goes on.
    pub resume: Span,
    /// From the signal to stop until the process ends, whatever is still open.
    pub shutdown: Span,
}

/// What is told at `/metrics`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Metrics {
    /// Tell everybody. Without, a token with the right `administrate` for all rooms is needed.
    pub open: bool,
}

/// Media sockets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Media {
    /// Kernel buffer asked for, each way, per worker. A keyframe to every receiver of a room must fit.
    pub socket_buffer: Size,
    /// Whether clients are told to try TCP on the port of the page, for networks that let no UDP out.
    pub tcp: bool,
    /// How long a packet of video may wait for those behind it, so that they leave in one system call. Sound never waits.
    pub hold: Span,
}

/// Which worker serves whom. A new room goes to the worker with the least to do; all of this is for servers of several workers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Placing {
    /// Whether workers share a room that is too much for one of them.
    pub spread: bool,
    /// Participants of one room on one worker; who comes then is served by another.
    pub room_participants: NonZeroUsize,
    /// How much of its core a worker may use, in percent, before who comes to its rooms is served by another.
    pub busy_percent: u8,
    /// Keep each worker on a core of its own, where the system allows it. For machines that do nothing else.
    pub pin: bool,
}

impl Default for Placing {
    fn default() -> Self {
        let room_participants = NonZeroUsize::new(100).expect("it is not 0");
        Self { spread: true, room_participants, busy_percent: 70, pin: false }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::new(Ipv4Addr::LOCALHOST.into(), DEFAULT_PORT),
            announce: Vec::new(),
            workers: None,
            data_dir: None,
            allow_origins: Vec::new(),
            log: "info".to_owned(),
            decision_log: None,
            log_format: LogFormat::default(),
            access: AccessConfig::default(),
            tls: Tls::default(),
            limits: Limits::default(),
            media: Media::default(),
            placement: Placing::default(),
            turn: TurnConfig::default(),
            metrics: Metrics::default(),
            trace: Trace::default(),
        }
    }
}

impl Default for Tls {
    fn default() -> Self {
        Self {
            cert: None,
            key: None,
            names: Vec::new(),
            look: Span::secs(60),
            strict_transport: None,
            plain_http: false,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 8_192,
            connections_per_address: 256,
            handshake: Span::secs(10),
            request: Span::secs(20),
            page: Span::secs(60),
            join: Span::secs(10),
            joins_per_second_per_address: 5,
            join_burst_per_address: 100,
            bad_tokens_per_address: 20,
            messages_per_second: 20,
            message_burst: 100,
            ping: Span::secs(15),
            silence: Span::secs(40),
            write: Span::secs(5),
            outbound_messages: 256,
            rooms: 10_000,
            participants: 10_000,
            participants_per_room: 200,
            publications_per_participant: 8,
            resume: Span::secs(90),
            shutdown: Span::secs(3),
        }
    }
}

impl Default for Media {
    fn default() -> Self {
        // 4 MiB hold 80 ms of 400 Mbit/s, about what one core forwards.
        Self { socket_buffer: Size(4 << 20), tcp: true, hold: Span(std::time::Duration::from_millis(1)) }
    }
}

/// Why a configuration cannot be used. Each message says what to change.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {path}: {source}. Give --config the path of a TOML file")]
    Unreadable {
        /// The file named by `--config`.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not what is expected; the message carries line and key.
    #[error("the configuration {path} is not understood: {message}")]
    Malformed {
        /// The file named by `--config`.
        path: PathBuf,
        /// The parser's message with line and column.
        message: String,
    },
    /// Values that contradict each other or make no sense.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Problems(Vec<Problem>),
}

/// One setting that cannot be used as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {message}")]
pub struct Problem {
    /// The key as in the file, such as `limits.join`.
    pub key: &'static str,
    /// What is wrong and what to do.
    pub message: String,
}

impl Config {
    /// The configuration from a file's text. Fails on unknown keys and on values without their unit.
    pub fn from_toml(path: &Path, text: &str) -> Result<Self, ConfigError> {
        toml::from_str(text).map_err(|error| {
            let message = suggest::improve(&error.to_string());
            ConfigError::Malformed { path: path.to_owned(), message }
        })
    }

    /// Reads the file, if one is named, and lays the flags (and with them the environment) over it.
    ///
    /// # Errors
    /// [`ConfigError::Unreadable`] or [`ConfigError::Malformed`]; the values are not judged.
    pub fn read(flags: &Flags) -> Result<Self, ConfigError> {
        let mut config = match &flags.config {
            None => Self::default(),
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|source| ConfigError::Unreadable { path: path.clone(), source })?;
                Self::from_toml(path, &text)?
            }
        };
        flags.lay_over(&mut config);
        if config.access.lan && config.listen.ip().is_loopback() {
            config.listen.set_ip(Ipv4Addr::UNSPECIFIED.into());
        }
        Ok(config)
    }

    /// How many workers to start.
    pub fn worker_count(&self) -> NonZeroU16 {
        self.workers.unwrap_or_else(|| {
            let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
            let cores = u16::try_from(cores).unwrap_or(MAX_WORKERS).min(MAX_WORKERS);
            NonZeroU16::new(cores).unwrap_or(NonZeroU16::MIN)
        })
    }

    /// Bounds on the size of one message. Constants of the contract so far.
    pub(crate) fn message_limits(&self) -> signalling::Limits {
        signalling::Limits::default()
    }

    /// The settings of one worker's node over this transport.
    pub(crate) fn node(&self, transport: transport::Config) -> sfu::Config {
        let (limits, sizes) = (&self.limits, self.message_limits());
        let told = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let mut node = sfu::Config::new(transport);
        node.router.record_decisions = self.decision_log.is_some();
        node.limits = sfu::Limits {
            rooms: limits.rooms,
            participants: limits.participants,
            participants_per_room: limits.participants_per_room,
        };
        node.router.max_publications = limits.publications_per_participant;
        node.resume_timeout = limits.resume.0;
        node.turn = self.turn.node();
        node.hold = self.media.hold.0;
        node.advertised.message_bytes = told(sizes.message_bytes);
        node.advertised.offer_bytes = told(sizes.offer_bytes);
        node.advertised.data_bytes = told(sizes.data_bytes);
        node.advertised.messages_per_second = limits.messages_per_second;
        node.advertised.message_burst = limits.message_burst;
        node.advertised.participants = told(limits.participants_per_room);
        node.advertised.resume_seconds = told(limits.resume.0.as_secs() as usize);
        node
    }

    /// All that is wrong with these values, at once, so that an operator fixes them in one go.
    pub fn check(&self) -> Result<(), ConfigError> {
        let problems = self.problems();
        if problems.is_empty() { Ok(()) } else { Err(ConfigError::Problems(problems)) }
    }

    fn problems(&self) -> Vec<Problem> {
        let limits = &self.limits;
        let last_port = u32::from(self.listen.port()) + u32::from(self.worker_count().get()) - 1;
        let unusable = |ip: &IpAddr| ip.is_unspecified() || ip.is_multicast();
        let access = &self.access;
        let sources = |key: &TokenKey| {
            [key.secret.is_some(), key.secret_file.is_some(), key.public_key_file.is_some()]
                .into_iter()
                .filter(|given| *given)
                .count()
        };
        let rules: [(bool, &'static str, &str); 26] = [
            (
                !self.listen.ip().is_loopback() && access.keys.is_empty() && !access.lan && !access.open,
                "access",
                "anybody who reaches this address could join; give keys for tokens (`terrace token --new-key` makes one), or use --lan for devices in your network, or --open to let anybody in",
            ),
            (
                access.keys.iter().any(|key| sources(key) != 1),
                "access.keys",
                "each key is one of `secret`, `secret_file` and `public_key_file`",
            ),
            (
                access.keys.iter().enumerate().any(|(at, key)| {
                    key.id.is_empty() || access.keys[..at].iter().any(|other| other.id == key.id)
                }),
                "access.keys",
                "each key needs an `id` of its own, as tokens name the key that signed them",
            ),
            (
                self.workers.is_some_and(|n| n.get() > MAX_WORKERS),
                "workers",
                "more than 256 workers are not supported; leave it out for one per core",
            ),
            (
                self.listen.port() != 0 && last_port > u32::from(u16::MAX),
                "listen",
                "each worker needs a media port after this one, and ports end at 65535; choose a lower port or fewer workers",
            ),
            (
                self.announce.iter().any(unusable),
                "announce",
                "clients cannot send to a wildcard or multicast address; give the address they reach this host by",
            ),
            (
                self.announce.len() > MAX_ANNOUNCED,
                "announce",
                "more than 16 addresses slow every client's start; name those that clients can reach",
            ),
            (
                self.tls.cert.is_some() != self.tls.key.is_some(),
                "tls",
                "a certificate needs its key and a key its certificate; give both `cert` and `key`",
            ),
            (
                self.tls.plain_http && self.tls.cert.is_some(),
                "tls.plain_http",
                "plain HTTP uses no certificate; leave out either `plain_http` or `cert` and `key`",
            ),
            (
                self.tls.look.0.is_zero(),
                "tls.look",
                "files cannot be looked at all the time; give at least 1s",
            ),
            (
                self.tls.strict_transport.is_some() && self.tls.cert.is_none(),
                "tls.strict_transport",
                "browsers would refuse a self-signed certificate for good; give `cert` and `key`, or leave this to the proxy",
            ),
            (
                self.trace.otlp.as_ref().is_some_and(|address| !address.starts_with("http://")),
                "trace.otlp",
                "write the address of a collector on this machine or in your network, as in http://localhost:4318",
            ),
            (self.trace.percent > 100, "trace.percent", "give 0 to 100"),
            (limits.connections == 0, "limits.connections", "nobody could connect; give at least 1"),
            (
                limits.connections_per_address == 0,
                "limits.connections_per_address",
                "nobody could connect; give at least 1",
            ),
            (
                limits.outbound_messages < 16,
                "limits.outbound_messages",
                "joining a room takes several messages; give at least 16",
            ),
            (
                limits.messages_per_second == 0 || limits.message_burst < 16,
                "limits.message_burst",
                "joining a room takes several messages; give at least 16, and at least 1 for `messages_per_second`",
            ),
            (
                limits.rooms == 0 || limits.participants == 0 || limits.participants_per_room == 0,
                "limits.participants",
                "nobody could join; give at least 1 for `rooms`, `participants` and `participants_per_room`",
            ),
            (
                limits.join_burst_per_address == 0 || limits.bad_tokens_per_address == 0,
                "limits.join_burst_per_address",
                "nobody could join; give at least 1, also for `bad_tokens_per_address`",
            ),
            (limits.ping.0.is_zero(), "limits.ping", "needs some time between pings; give at least 1s"),
            (
                limits.silence <= limits.ping,
                "limits.silence",
                "must be longer than `limits.ping`, or sockets close before they could answer",
            ),
            (
                [limits.handshake, limits.request, limits.page, limits.join, limits.write]
                    .iter()
                    .any(|s| s.0.is_zero()),
                "limits",
                "`handshake`, `request`, `page`, `join` and `write` must be longer than nothing",
            ),
            (
                limits.shutdown.0.is_zero(),
                "limits.shutdown",
                "participants need a moment to be told; give at least 1s",
            ),
            (
                self.media.socket_buffer < Size::kib(64),
                "media.socket_buffer",
                "a single keyframe would not fit; give at least 64KiB",
            ),
            (
                !(1..=100).contains(&self.placement.busy_percent),
                "placement.busy_percent",
                "give 1 to 100; with 100 only the number of participants counts",
            ),
            (
                self.media.hold > MAX_HOLD,
                "media.hold",
                "longer than 10ms gathers nothing more and is felt as delay; give 0ms to 2ms",
            ),
        ];
        let turn = self.turn.problem().map(|message| (true, "turn", message));
        rules
            .into_iter()
            .chain(turn)
            .filter(|(broken, ..)| *broken)
            .map(|(_, key, message)| Problem { key, message: message.to_owned() })
            .collect()
    }
}

/// Frames of a call follow each other after 16 to 66 ms.
const MAX_HOLD: Span = Span(std::time::Duration::from_millis(10));
/// Every address is a candidate that every client checks.
pub(crate) const MAX_ANNOUNCED: usize = 16;

#[cfg(test)]
mod tests;
