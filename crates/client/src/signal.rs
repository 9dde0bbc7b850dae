//! The signalling connection: a WebSocket with one JSON message per text frame, or, to an address below `/whip/` or
//! `/whep/`, plain HTTP (`http`).
//!
//! Owns address, TLS, subprotocol and the form of messages. What messages mean is for `participant`.

mod http;

use std::net::IpAddr;
use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use rustls::pki_types::ServerName;
use signalling::{ClientMessage, ServerMessage};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::uri::{Scheme, Uri};
use tokio_tungstenite::tungstenite::http::{HeaderValue, header};
use tokio_tungstenite::tungstenite::protocol::Message;

use crate::error::ConnectError;
use crate::tls::Trust;

pub(crate) trait Socket: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Socket for T {}

/// An open signalling connection.
pub struct Signal {
    way: Way,
    local: IpAddr,
}

enum Way {
    Socket(Box<WebSocketStream<Box<dyn Socket>>>),
    Http(Box<http::Http>),
}

impl Signal {
    /// Connects to `url`: `wss://` or `https://`, or `ws://` and `http://` without TLS; a path other than `/` is kept, and one
    /// below `/whip/` or `/whep/` is spoken to in that protocol.
    ///
    /// # Errors
    /// [`ConnectError`] says which step failed.
    pub async fn connect(url: &str, trust: Trust) -> Result<Self, ConnectError> {
        let target = Target::parse(url).ok_or_else(|| ConnectError::Address(url.to_owned()))?;
        let (socket, local) = open(&target, trust).await?;
        if target.path.starts_with("/whip/") || target.path.starts_with("/whep/") {
            return Ok(Self { way: Way::Http(Box::new(http::Http::new(target, trust))), local });
        }
        let mut request = target.url.into_client_request().map_err(ConnectError::websocket)?;
        let protocol = HeaderValue::from_static(signalling::SUBPROTOCOL);
        request.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, protocol);
        let (socket, _) =
            tokio_tungstenite::client_async(request, socket).await.map_err(ConnectError::websocket)?;
        Ok(Self { way: Way::Socket(Box::new(socket)), local })
    }

    /// The address of this machine on the way to the server.
    pub fn local(&self) -> IpAddr {
        self.local
    }

    /// Sends a message.
    ///
    /// # Errors
    /// [`ConnectError`] when the connection has ended.
    pub async fn send(&mut self, message: &ClientMessage) -> Result<(), ConnectError> {
        match &mut self.way {
            Way::Http(http) => http.send(message).await,
            Way::Socket(socket) => {
                let text = serde_json::to_string(message).expect("every message has a JSON form");
                socket.send(Message::text(text)).await.map_err(ConnectError::websocket)
            }
        }
    }

    /// The next message that is understood; `None` once the connection has ended. Cancelling loses nothing.
    pub async fn receive(&mut self) -> Option<ServerMessage> {
        let socket = match &mut self.way {
            Way::Http(http) => return http.receive().await,
            Way::Socket(socket) => socket,
        };
        loop {
            match socket.next().await? {
                Ok(Message::Text(text)) => match serde_json::from_str(&text) {
                    Ok(message) => return Some(message),
                    // The contract has clients ignore what they do not know.
                    Err(error) => tracing::debug!(%error, "a message that is not understood"),
                },
                Ok(Message::Close(_)) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// Says goodbye to the WebSocket.
    pub async fn close(self) {
        match self.way {
            Way::Http(http) => http.close().await,
            Way::Socket(mut socket) => {
                // The connection ends either way.
                let _ = WebSocketStream::close(&mut socket, None).await;
            }
        }
    }
}

/// A connection to the server, with TLS where the address asks for it, and the address of this machine on it.
async fn open(target: &Target, trust: Trust) -> Result<(Box<dyn Socket>, IpAddr), ConnectError> {
    let tcp = TcpStream::connect((target.host.as_str(), target.port)).await.map_err(ConnectError::Socket)?;
    tcp.set_nodelay(true).map_err(ConnectError::Socket)?;
    let local = tcp.local_addr().map_err(ConnectError::Socket)?.ip();
    if !target.tls {
        return Ok((Box::new(tcp), local));
    }
    let config = trust.client_config().map_err(ConnectError::Tls)?;
    let name =
        ServerName::try_from(target.host.clone()).map_err(|_| ConnectError::Address(target.url.clone()))?;
    let tls = TlsConnector::from(Arc::new(config)).connect(name, tcp).await;
    Ok((Box::new(tls.map_err(ConnectError::Socket)?), local))
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Target {
    tls: bool,
    host: String,
    port: u16,
    path: String,
    url: String,
}

impl Target {
    fn parse(url: &str) -> Option<Self> {
        let uri: Uri = url.parse().ok()?;
        let tls = match uri.scheme().map(Scheme::as_str)? {
            "wss" | "https" => true,
            "ws" | "http" => false,
            _ => return None,
        };
        let host = uri.host()?.trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
        let path = match uri.path() {
            "" | "/" => signalling::PATH,
            path => path,
        };
        let scheme = if tls { "wss" } else { "ws" };
        let url = format!("{scheme}://{}{path}", uri.authority()?);
        Some(Self { tls, host, port, path: path.to_owned(), url })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn understands_addresses_as_people_write_them() {
        let cases = [
            (
                "https://localhost:8443",
                Some((true, "localhost", 8443, "wss://localhost:8443/v1/signal")),
                "an origin",
            ),
            (
                "https://localhost:8443/",
                Some((true, "localhost", 8443, "wss://localhost:8443/v1/signal")),
                "and a slash",
            ),
            (
                "wss://sfu.example/v1/signal",
                Some((true, "sfu.example", 443, "wss://sfu.example/v1/signal")),
                "whole",
            ),
            (
                "ws://127.0.0.1:80/other",
                Some((false, "127.0.0.1", 80, "ws://127.0.0.1:80/other")),
                "a path is kept",
            ),
            ("https://[::1]:8443", Some((true, "::1", 8443, "wss://[::1]:8443/v1/signal")), "IPv6"),
            ("ftp://localhost", None, "another scheme"),
            ("localhost:8443", None, "no scheme"),
            ("", None, "nothing"),
        ];
        for (url, expected, why) in cases {
            let found = Target::parse(url).map(|t| (t.tls, t.host, t.port, t.url));
            let expected =
                expected.map(|(tls, host, port, url)| (tls, host.to_owned(), port, url.to_owned()));
            assert_eq!(found, expected, "{url}: {why}");
        }
    }
}
