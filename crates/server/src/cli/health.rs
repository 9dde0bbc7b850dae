//! `terrace health`: asks the server that runs with this configuration whether it is well. For containers, whose image has
//! no other program to ask with, and for scripts.
//!
//! Owns the question and what counts as an answer. It asks this machine only and sends nothing secret, so the certificate is
//! not judged: one that was renewed a moment ago, or that names another host, says nothing about health.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::Failure;
use crate::config::{Config, Flags};

/// From the first packet to the last. Below the 5 s that a container's check is usually given.
const PATIENCE: Duration = Duration::from_secs(3);
/// The answer has a few hundred bytes; more is not read.
const LONGEST_ANSWER: u64 = 16 * 1024;

/// Succeeds when the server answers that it is well; otherwise the failure says what it answered, or what went wrong.
pub(super) fn run(flags: &Flags) -> Result<(), Failure> {
    let config = Config::read(flags)?;
    let address = own_address(config.listen);
    let failed =
        |what: &dyn std::fmt::Display| Failure { code: 1, message: format!("{address} is not well: {what}") };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let asked = runtime
        .block_on(async { tokio::time::timeout(PATIENCE, ask(address, !config.tls.plain_http)).await });
    let answer = asked.map_err(|_| failed(&"no answer in time"))?.map_err(|error| failed(&error))?;
    if status(&answer) == Some(200) { Ok(()) } else { Err(failed(&body(&answer))) }
}

/// Where a server that listens on `listen` is reached from the same machine.
fn own_address(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    SocketAddr::new(ip, listen.port())
}

async fn ask(address: SocketAddr, tls: bool) -> std::io::Result<String> {
    let stream = TcpStream::connect(address).await?;
    if !tls {
        return converse(stream, address).await;
    }
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(std::io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
        .with_no_client_auth();
    let connector = TlsConnector::from(Arc::new(config));
    converse(connector.connect(ServerName::IpAddress(address.ip().into()), stream).await?, address).await
}

async fn converse(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    address: SocketAddr,
) -> std::io::Result<String> {
    let request = format!("GET /health HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(LONGEST_ANSWER).read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// Of the status line (RFC 9112 §4).
fn status(answer: &str) -> Option<u16> {
    answer.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()
}

fn body(answer: &str) -> &str {
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body.trim());
    if body.is_empty() { "what answers there is not Terrace" } else { body }
}

/// Believes every certificate. The signatures of the handshake are checked as ever.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_is_asked_on_loopback() {
        for (listen, expected) in [
            ("0.0.0.0:8443", "127.0.0.1:8443"),
            ("[::]:443", "[::1]:443"),
            ("192.0.2.7:8443", "192.0.2.7:8443"),
        ] {
            assert_eq!(
                own_address(listen.parse().unwrap()),
                expected.parse::<SocketAddr>().unwrap(),
                "{listen}"
            );
        }
    }

    #[test]
    fn only_a_200_is_well() {
        for (answer, expected, told) in [
            ("HTTP/1.1 200 OK\r\n\r\nok\n", Some(200), "ok"),
            ("HTTP/1.1 503 Service Unavailable\r\n\r\nstopping\n", Some(503), "stopping"),
            ("SSH-2.0-OpenSSH_9.2\r\n", None, "what answers there is not Terrace"),
            ("HTTP/1.1 2", None, "what answers there is not Terrace"),
            ("", None, "what answers there is not Terrace"),
        ] {
            assert_eq!((status(answer), body(answer)), (expected, told), "{answer:?}");
        }
    }
}
