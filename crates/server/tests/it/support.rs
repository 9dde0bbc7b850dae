//! A server on a free loopback port with a data folder of its own, and clients that trust its certificate alone.

use std::num::NonZeroU16;
use std::path::Path;
use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::Value;
use server::{Config, Handle, Server};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};

/// A server and the folder it keeps its certificate in.
pub(crate) struct Running {
    pub(crate) handle: Handle,
    pub(crate) folder: TempDir,
}

/// A configuration for a free port and this folder.
pub(crate) fn config(folder: &Path) -> Config {
    Config {
        listen: "127.0.0.1:0".parse().unwrap(),
        workers: NonZeroU16::new(2),
        data_dir: Some(folder.to_owned()),
        ..Config::default()
    }
}

/// Starts a server with changes to that configuration.
pub(crate) async fn start(change: impl FnOnce(&mut Config)) -> Running {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path());
    change(&mut config);
    Running { handle: Server::start(config).await.unwrap(), folder }
}

/// A response, read to its end.
pub(crate) struct Response {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Response {
    /// A header's value, empty when it is not there.
    pub(crate) fn header(&self, name: &str) -> &str {
        let line = self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        });
        line.unwrap_or("")
    }
}

pub(crate) type Socket = WebSocketStream<TlsStream<TcpStream>>;

impl Running {
    /// A TLS connection as `localhost` that accepts the certificate in the data folder and no other.
    pub(crate) async fn connect(&self) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = rustls::RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_file(self.folder.path().join("self-signed.pem")).unwrap())
            .unwrap();
        let config =
            rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_root_certificates(roots)
                .with_no_client_auth();
        let tcp = TcpStream::connect(self.handle.address).await?;
        TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), tcp).await
    }

    /// Sends a request as it is written here and reads the response to its end.
    pub(crate) async fn request(&self, method: &str, path: &str, headers: &str) -> Response {
        self.request_with(method, path, headers, &[]).await
    }

    /// The same with a body.
    pub(crate) async fn request_with(
        &self,
        method: &str,
        path: &str,
        headers: &str,
        body: &[u8],
    ) -> Response {
        let mut stream = self.connect().await.unwrap();
        let request =
            format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.write_all(body).await.unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).await.unwrap();
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Response { status, head: head.to_owned(), body: body.to_owned() }
    }

    /// Reads a response without an end until that was read, and lets go of it.
    pub(crate) async fn first_bytes(&self, path: &str, headers: &str, until: &str) -> String {
        let mut stream = self.connect().await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut response = String::new();
        while !response.contains(until) {
            let mut buffer = [0; 4_096];
            let read = stream.read(&mut buffer).await.unwrap();
            assert!(read > 0, "it ended: {response}");
            response.push_str(&String::from_utf8_lossy(&buffer[..read]));
        }
        response
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.request("GET", path, "").await
    }

    /// Opens a signalling socket with these headers besides the necessary ones; the status where it is refused.
    pub(crate) async fn socket_with(&self, headers: &[(&'static str, &str)]) -> Result<Socket, u16> {
        let mut request = format!("wss://localhost:{}/v1/signal", self.handle.address.port())
            .into_client_request()
            .unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let stream = self.connect().await.unwrap();
        match tokio_tungstenite::client_async(request, stream).await {
            Ok((socket, _)) => Ok(socket),
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(other) => panic!("neither a socket nor a refusal: {other}"),
        }
    }

    pub(crate) async fn socket(&self) -> Socket {
        self.socket_with(&[PROTOCOL]).await.unwrap()
    }
}

pub(crate) const PROTOCOL: (&str, &str) = ("sec-websocket-protocol", "terrace.v1");

pub(crate) async fn send(socket: &mut Socket, message: Value) {
    socket.send(Message::text(message.to_string())).await.unwrap();
}

/// The next message, or the code of the close frame.
pub(crate) async fn next(socket: &mut Socket) -> Result<Value, CloseCode> {
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).unwrap()),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            Some(Ok(Message::Close(Some(frame)))) => return Err(frame.code),
            other => panic!("neither a message nor a close frame: {other:?}"),
        }
    }
}
