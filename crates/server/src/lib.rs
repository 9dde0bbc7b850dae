//! The Terrace server: everything that touches sockets, TLS, HTTP, files, the clock, the environment and threads.
//!
//! One TCP port serves the web client over HTTPS and signalling over a WebSocket on the same port ([`signalling::PATH`]).
//! Media goes over UDP on the port of the same number, and one more port for each further worker. Who comes is placed
//! on the worker with the least to do, if its room has none yet. A worker is a thread with one node ([`sfu::Sfu`]), one socket
//! and one loop; it shares no state with the others, and what they say to each other about a room goes through queues:
//!
//! ```text
//!   TCP :8443 -- listener -- tls -- http --+-- pages             page and signalling: tasks on a shared runtime
//!                                          |
//!                                          +-- websocket  ...one task per socket
//!                                                 |  ^
//!                                 bounded inbox   v  |  bounded mailbox per socket
//!   UDP :8443 -- udp -- drive (worker 0: Sfu) -----+             media: one thread per worker
//!   UDP :8444 -- udp -- drive (worker 1: Sfu)
//! ```
//!
//! Whatever a client does is bounded: open connections, time for each step, size and rate of messages, messages that it
//! leaves unread. The bounds are [`config::Limits`].
//!
//! The server is a library so that tests and the demonstration run the real thing in their own process:
//!
//! ```
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! let config = server::Config { listen: "127.0.0.1:0".parse().unwrap(), ..Default::default() };
//! let server = server::Server::start_ephemeral(config).await?;
//! println!("open {}", server.summary.url);
//! server.shut_down().await.unwrap();
//! # Ok::<(), server::StartError>(()) }).unwrap();
//! ```

mod access;
mod admin;
mod admission;
mod busy;
mod capture;
mod certificate;
mod cli;
mod clock;
pub mod config;
mod data_dir;
mod decision_log;
mod drive;
mod endless;
mod environment;
mod error;
mod gate;
mod http;
mod links;
mod listener;
mod log;
mod media_tcp;
mod metrics;
mod network;
mod origin;
mod pages;
mod pin;
mod placement;
mod renewal;
mod server;
mod stop;
mod tls;
mod traces;
pub mod udp;
mod websocket;
mod whip;
mod worker;

pub use access::KeyError;
pub use admin::document::document;
pub use certificate::{CertificateError, Fingerprint, Source};
pub use cli::run;
pub use config::{Config, ConfigError};
pub use error::StartError;
pub use origin::{Origin, OriginError};
pub use server::{Handle, Server, Summary, WorkerFailed};
