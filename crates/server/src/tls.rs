//! How accepted connections become byte streams: through TLS, or as they are behind a proxy.
//!
//! Owns the TLS engine's configuration and the [`Stream`] that the rest of the server reads and writes. Certificates
//! and their files are `certificate`'s.

use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::task::{Context, Poll};
use std::{io, path::PathBuf};

use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::certificate::{Certificate, CertificateError, Source};

/// Turns a TCP connection into a stream of plaintext.
#[derive(Clone)]
pub(crate) enum Security {
    Tls(TlsAcceptor, Arc<Served>),
    Plain,
}

/// The certificate that new connections get. Those that are open keep theirs.
#[derive(Debug)]
pub(crate) struct Served(RwLock<Arc<CertifiedKey>>);

impl Served {
    fn new(certificate: Certificate) -> Result<Self, rustls::Error> {
        Ok(Self(RwLock::new(Arc::new(certified(certificate)?))))
    }

    /// Serves with another certificate from here on. With one whose key does not belong to it nothing changes.
    pub(crate) fn replace(&self, certificate: Certificate) -> Result<(), rustls::Error> {
        let certified = Arc::new(certified(certificate)?);
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = certified;
        Ok(())
    }
}

impl ResolvesServerCert for Served {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

fn certified(certificate: Certificate) -> Result<CertifiedKey, rustls::Error> {
    CertifiedKey::from_der(certificate.chain, certificate.key, &rustls::crypto::ring::default_provider())
}

impl Security {
    /// TLS 1.2 and 1.3 with this certificate. Fails when the key does not belong to it.
    pub(crate) fn tls(certificate: Certificate) -> Result<Self, CertificateError> {
        let path = match &certificate.source {
            Source::New(path) | Source::Kept(path) | Source::Files(path) => path.clone(),
            Source::Ephemeral => PathBuf::new(),
        };
        let unusable = |path: PathBuf, error: rustls::Error| CertificateError::Unusable {
            path,
            role: "certificate of the key",
            reason: error.to_string(),
        };
        let served = Arc::new(Served::new(certificate).map_err(|error| unusable(path, error))?);
        // The provider is named, as another crate of the process may bring a second one and make the default ambiguous.
        let mut config =
            ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .expect("ring implements the default versions")
                .with_no_client_auth()
                .with_cert_resolver(Arc::clone(&served) as Arc<dyn ResolvesServerCert>);
        // Only HTTP/1.1: the page is a handful of files, and a WebSocket needs a connection of its own (RFC 6455 §4.1).
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self::Tls(TlsAcceptor::from(Arc::new(config)), served))
    }

    /// What is served with, so that it can be replaced. `None` without TLS.
    pub(crate) fn served(&self) -> Option<Arc<Served>> {
        match self {
            Self::Tls(_, served) => Some(Arc::clone(served)),
            Self::Plain => None,
        }
    }

    /// Performs the handshake, if there is one. The caller bounds its time.
    pub(crate) async fn accept(&self, tcp: TcpStream) -> io::Result<Stream> {
        match self {
            Self::Tls(acceptor, _) => Ok(Stream::Tls(Box::new(acceptor.accept(tcp).await?))),
            Self::Plain => Ok(Stream::Plain(tcp)),
        }
    }
}

/// A client's connection after the handshake.
pub(crate) enum Stream {
    Tls(Box<TlsStream<TcpStream>>),
    Plain(TcpStream),
}

/// Forwards a poll to whichever stream is inside.
macro_rules! forward {
    ($self:ident, $stream:ident => $call:expr) => {
        match $self.get_mut() {
            Self::Tls(stream) => {
                let $stream = Pin::new(&mut **stream);
                $call
            }
            Self::Plain(stream) => {
                let $stream = Pin::new(stream);
                $call
            }
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        forward!(self, stream => stream.poll_read(cx, buf))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        forward!(self, stream => stream.poll_write(cx, buf))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        forward!(self, stream => stream.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        forward!(self, stream => stream.poll_shutdown(cx))
    }
}
