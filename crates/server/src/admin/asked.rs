//! What a request to the operator's interface is about, taken from it before its handler runs, and how it is refused.
//!
//! Owns the parts of a request as arguments of handlers: which room or participant, for whom, with which body and query.
//! Whoever takes a [`Subject`] or the [`WholeServer`] has a token that is good for it. Leaves the token itself to
//! `super::authorise`, which runs before.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::header::{self, HeaderValue};
use axum::http::request::Parts;
use axum::http::{Response, StatusCode};
use axum::response::IntoResponse;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sfu::Refusal;

use super::model::Problem;
use super::reply;
use crate::access::{ANY_ROOM, Claims, Denied};

/// The largest body of a request. Commands are a few hundred bytes.
const BODY_BYTES: usize = 16 * 1_024;

/// What a path is about, in a room that the token is for.
#[derive(Debug)]
pub(super) struct Subject<T>(pub(super) T);

/// Something in a room.
pub(super) trait InRoom: DeserializeOwned + Send {
    fn room(&self) -> &str;
}

/// A room of a path.
#[derive(Debug, Deserialize)]
pub(super) struct OneRoom {
    pub(super) room: String,
}

impl InRoom for OneRoom {
    fn room(&self) -> &str {
        &self.room
    }
}

/// A participant of a path.
#[derive(Debug, Deserialize)]
pub(super) struct OnePerson {
    pub(super) room: String,
    pub(super) participant: String,
}

impl InRoom for OnePerson {
    fn room(&self) -> &str {
        &self.room
    }
}

/// Everything: what concerns all rooms needs a token for all of them.
#[derive(Debug)]
pub(super) struct WholeServer;

/// The query, as a value. What is not known is refused.
#[derive(Debug)]
pub(crate) struct Asked<T>(pub(super) T);

/// The body, as a value.
#[derive(Debug)]
pub(super) struct Told<T>(pub(super) T);

/// Who asks, as `authorise` found.
pub(super) fn claims(parts: &Parts) -> Arc<Claims> {
    parts.extensions.get::<Arc<Claims>>().cloned().expect("`authorise` runs before every handler")
}

fn is_for(parts: &Parts, room: &str) -> Result<(), Refused> {
    if claims(parts).is_for(room) { Ok(()) } else { Err(Denied::OtherRoom.into()) }
}

impl<S: Sync, T: InRoom> FromRequestParts<S> for Subject<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        // A path that is no text names nothing that could be there.
        let found = Path::<T>::from_request_parts(parts, &()).await;
        let Path(found) = found.map_err(|_| Refused::from(Refusal::NoRoom))?;
        is_for(parts, found.room())?;
        Ok(Self(found))
    }
}

impl<S: Sync> FromRequestParts<S> for WholeServer {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        is_for(parts, ANY_ROOM).map(|()| Self)
    }
}

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        let found = Query::<T>::try_from_uri(&parts.uri);
        found.map(|Query(query)| Self(query)).map_err(|refused| Refused::not_understood(refused.body_text()))
    }
}

impl<S: Sync, T: DeserializeOwned> FromRequest<S> for Told<T> {
    type Rejection = Refused;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refused> {
        let bytes = axum::body::to_bytes(request.into_body(), BODY_BYTES).await;
        let bytes = bytes.map_err(|_| {
            let text = "A request has at most 16 KiB.";
            Refused::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", text)
        })?;
        let value: Value = serde_json::from_slice(&bytes).map_err(not_json)?;
        if has_list(&value) {
            return Err(Refused::not_understood("no list belongs into this"));
        }
        serde_json::from_value(value).map(Self).map_err(not_json)
    }
}

fn not_json(error: serde_json::Error) -> Refused {
    Refused::not_understood(error.to_string())
}

/// Whether a list is in it. No change has one, and `serde` would read one for an object, field by field.
fn has_list(value: &Value) -> bool {
    match value {
        Value::Array(_) => true,
        Value::Object(fields) => fields.values().any(has_list),
        _ => false,
    }
}

/// Why a request is not done.
#[derive(Debug)]
pub(crate) struct Refused {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl Refused {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    pub(super) fn not_understood(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", message)
    }

    pub(super) fn too_many_tokens() -> Self {
        let text = "Too many bad tokens came from this address. Wait a minute.";
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too_fast", text)
    }

    pub(super) fn stopping() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "shutting_down", "The server is stopping.")
    }
}

/// How a refused token is answered (RFC 6750 §3.1).
impl From<Denied> for Refused {
    fn from(denied: Denied) -> Self {
        let message = format!("Send a token with the right `administrate` as bearer: {denied}.");
        Self::new(denied.status(), denied.as_str(), message)
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        let (code, message) = match refusal {
            Refusal::NoRoom => ("no_room", "There is no such room; a room is there while somebody is in it."),
            Refusal::NoParticipant => ("no_participant", "There is no such participant in the room."),
            Refusal::NoPublication => ("no_publication", "The participant has no such publication."),
            Refusal::NoSlot => ("no_slot", "The participant has no such slot."),
        };
        Self::new(StatusCode::NOT_FOUND, code, message)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response<Body> {
        let Self { status, code, message } = self;
        let mut response = reply(status, &Problem { code: code.to_owned(), message });
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
