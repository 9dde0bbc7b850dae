//! Responses that go on until either side ends them, or the server stops.
//!
//! Owns what all of them need: a connection that is not closed for being open for long, and an end when the server stops.
//! Leaves what is sent to those who send it.

use std::convert::Infallible;
use std::sync::atomic::Ordering;

use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::http::Response;
use axum::http::header::{self, HeaderValue};
use axum::http::request::Parts;
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use serde::Serialize;

use crate::listener::KeepOpen;
use crate::stop::Stop;

/// Media type of server-sent events (HTML, "Server-sent events").
pub(crate) const EVENTS: &str = "text/event-stream";

impl<S: Sync> FromRequestParts<S> for KeepOpen {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_default())
    }
}

/// Answers with all that a stream brings.
pub(crate) fn endless(
    connection: &KeepOpen,
    mut stop: Stop,
    media_type: &'static str,
    pieces: impl Stream<Item = Bytes> + Send + 'static,
) -> Response<Body> {
    connection.0.store(true, Ordering::Relaxed);
    let pieces = pieces.take_until(async move { stop.raised().await });
    let mut response = Response::new(Body::from_stream(pieces.map(Ok::<_, Infallible>)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A server-sent event. JSON has no line breaks outside of texts, and none inside of them either: one line of data.
pub(crate) fn event(name: &str, value: &impl Serialize) -> Bytes {
    let data = serde_json::to_string(value).expect("what is told has a form in JSON");
    format!("event: {name}\ndata: {data}\n\n").into()
}
