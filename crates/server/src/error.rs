//! Why a server does not start. Every message says what to do about it.

use std::io;
use std::net::SocketAddr;

use crate::access::KeyError;
use crate::certificate::CertificateError;
use crate::config::ConfigError;

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A key for tokens cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// There is no certificate to serve with.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// A socket cannot be bound.
    #[error("cannot listen on {protocol} {address}: {}", listen_advice(.source))]
    Listen {
        /// `TCP` or `UDP`.
        protocol: &'static str,
        /// The address tried.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The interfaces cannot be listed.
    #[error("cannot list the network interfaces: {0}. Name the addresses that clients reach with --announce")]
    Interfaces(io::Error),
    /// The operator's filter for logs is not understood.
    #[error(
        "the log filter is not understood: {0}. Write a level as in info, or a list as in warn,sfu=debug"
    )]
    LogFilter(String),
    /// The collector of traces cannot be used.
    #[error("trace.otlp cannot be used: {0}. Write the address of a collector, as in http://localhost:4318")]
    Traces(String),
    /// The decision log cannot be written.
    #[error("cannot write the decision log: {0}. Name a file in a folder that is there with --decision-log")]
    DecisionLog(io::Error),
    /// A worker cannot be started.
    #[error("cannot start a worker: {0}. The system may limit threads or open files")]
    Worker(io::Error),
}

impl StartError {
    /// 2 for what the operator wrote, 1 for what the system refused.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_)
            | Self::Key(_)
            | Self::LogFilter(_)
            | Self::Traces(_)
            | Self::DecisionLog(_)
            | Self::Certificate(CertificateError::Unusable { .. } | CertificateError::Names { .. }) => 2,
            Self::Certificate(CertificateError::DataFolder { .. })
            | Self::Listen { .. }
            | Self::Interfaces(_)
            | Self::Worker(_) => 1,
        }
    }
}

/// The sentence after "cannot listen on ..".
fn listen_advice(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "it is in use, perhaps by another Terrace. Stop that, or choose another port with --listen".to_owned()
        }
        io::ErrorKind::PermissionDenied => {
            "the system does not allow it. Ports below 1024 need a privilege (CAP_NET_BIND_SERVICE on Linux); choose a \
             higher one with --listen"
                .to_owned()
        }
        io::ErrorKind::AddrNotAvailable => {
            "this machine has no such address. Use one of its own with --listen, or 0.0.0.0 for all, and put the \
             public one into --announce"
                .to_owned()
        }
        _ => format!("{error}. Choose another address with --listen"),
    }
}
