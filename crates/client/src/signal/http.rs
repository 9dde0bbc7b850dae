//! Signalling over HTTP alone: WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep-03).
//!
//! Owns the requests and what stands in for messages that these protocols do not have: joining says nothing to the server,
//! the first offer makes the resource, leaving deletes it. What is in which slot is not known here.

use bytes::Bytes;
use futures_util::future::pending;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, LOCATION};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use signalling::{AdvertisedLimits, Answer, ClientMessage, Error, ErrorCode, Joined, ServerMessage};
use tokio::sync::mpsc;

use super::{Target, open};
use crate::error::ConnectError;
use crate::tls::Trust;

/// Messages that stand in for those of a server: few, as each answers one of ours.
const WAITING: usize = 4;

/// A connection that is made anew for each request.
pub(super) struct Http {
    target: Target,
    trust: Trust,
    token: Option<String>,
    /// The resource, once there is one.
    resource: Option<String>,
    told: mpsc::Sender<ServerMessage>,
    heard: mpsc::Receiver<ServerMessage>,
}

/// A response, read to its end.
struct Response {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Http {
    pub(super) fn new(target: Target, trust: Trust) -> Self {
        let (told, heard) = mpsc::channel(WAITING);
        Self { target, trust, token: None, resource: None, told, heard }
    }

    pub(super) async fn send(&mut self, message: &ClientMessage) -> Result<(), ConnectError> {
        let answer = match message {
            ClientMessage::Join(join) => {
                self.token.clone_from(&join.token);
                Some(ServerMessage::Joined(joined()))
            }
            ClientMessage::Offer(offer) => Some(self.offer(&offer.sdp).await?),
            ClientMessage::Leave => {
                if let Some(resource) = self.resource.take() {
                    self.request(Method::DELETE, &resource, "", String::new()).await?;
                }
                None
            }
            // There is nothing to say it by.
            _ => None,
        };
        if let Some(answer) = answer {
            // Both ends are here.
            let _ = self.told.try_send(answer);
        }
        Ok(())
    }

    pub(super) async fn receive(&mut self) -> Option<ServerMessage> {
        match self.heard.recv().await {
            Some(message) => Some(message),
            None => pending().await,
        }
    }

    pub(super) async fn close(mut self) {
        // The resource ends with the media path either way.
        let _ = self.send(&ClientMessage::Leave).await;
    }

    async fn offer(&mut self, sdp: &str) -> Result<ServerMessage, ConnectError> {
        let refused = |text: String| {
            let code = ErrorCode::OfferRejected;
            ServerMessage::Error(Error { code, message: text, fatal: true, about: Some("offer".to_owned()) })
        };
        if self.resource.is_some() {
            return Ok(refused("over HTTP there is one offer".to_owned()));
        }
        let path = self.target.path.clone();
        let response = self.request(Method::POST, &path, "application/sdp", sdp.to_owned()).await?;
        let location = response.headers.get(LOCATION).and_then(|value| value.to_str().ok());
        match (response.status, location) {
            (StatusCode::CREATED, Some(location)) => {
                self.resource = Some(location.to_owned());
                Ok(ServerMessage::Answer(Answer { sdp: response.body }))
            }
            (status, _) => Ok(refused(format!("{status}: {}", response.body.trim()))),
        }
    }

    async fn request(
        &self,
        method: Method,
        path: &str,
        content_type: &str,
        body: String,
    ) -> Result<Response, ConnectError> {
        let failed = |error: hyper::Error| ConnectError::Socket(std::io::Error::other(error));
        let (stream, _) = open(&self.target, self.trust).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
        // It ends with the sender.
        tokio::spawn(connection);
        let mut request = Request::builder().method(method).uri(path).header(HOST, &self.target.host);
        if !content_type.is_empty() {
            request = request.header(CONTENT_TYPE, content_type);
        }
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request
            .body(Full::new(Bytes::from(body)))
            .map_err(|_| ConnectError::Address(self.target.url.clone()))?;
        let response = sender.send_request(request).await.map_err(failed)?;
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.map_err(failed)?.to_bytes();
        let body = String::from_utf8_lossy(&bytes).into_owned();
        Ok(Response { status: parts.status, headers: parts.headers, body })
    }
}

/// What stands in for the answer to `join`: nobody is known, and nothing can be resumed.
fn joined() -> Joined {
    Joined {
        own: "self".into(),
        participants: Vec::new(),
        ice_servers: Vec::new(),
        limits: AdvertisedLimits {
            message_bytes: 0,
            offer_bytes: 288 * 1_024,
            data_bytes: 0,
            messages_per_second: 1,
            message_burst: 1,
            video_slots: u32::MAX,
            audio_slots: u32::MAX,
            participants: u32::MAX,
            resume_seconds: 0,
        },
        resume: String::new(),
        resumed: false,
        rights: Default::default(),
    }
}
