//! A room as it changes: server-sent events (HTML, "Server-sent events"), one per second.
//!
//! Owns the form of the stream. Leaves looking at rooms to `sampler`: any number of followers costs the workers nothing.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::header::{self, HeaderValue};
use axum::http::{Response, StatusCode};
use bytes::Bytes;
use futures_util::stream;
use sfu::Refusal;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::timeout;

use super::model::Room;
use super::{missing, own_room, refusal};
use crate::http::App;
use crate::listener::KeepOpen;
use crate::worker::Ask;

/// A room that was not seen for so long is over.
const SILENCE: Duration = Duration::from_secs(5);

pub(super) async fn events(
    State(app): State<Arc<App>>,
    Path(room): Path<String>,
    request: Request,
) -> Response<Body> {
    if let Err(refused) = own_room(&request, &room) {
        return refusal(&refused);
    }
    let asked = room.clone();
    let there =
        app.signalling.workers.of_room(&room).ask(move |node| node.room_names().any(|name| name == asked));
    if there.await != Some(true) {
        return refusal(&missing(Refusal::NoRoom));
    }
    if let Some(KeepOpen(keep)) = request.extensions().get::<KeepOpen>() {
        keep.store(true, Ordering::Relaxed);
    }
    let follower = (app.watch.follow(), app.signalling.stop.clone(), room);
    let states = stream::unfold(follower, async |(mut rooms, mut stop, name)| {
        let state = tokio::select! {
            state = timeout(SILENCE, next(&mut rooms, &name)) => state.ok()??,
            () = stop.raised() => return None,
        };
        Some((Ok::<_, std::convert::Infallible>(event(&state)), (rooms, stop, name)))
    });
    let mut response = Response::new(Body::from_stream(states));
    *response.status_mut() = StatusCode::OK;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The next state of that room; what a slow follower missed is left out. `None` when the server stops.
async fn next(rooms: &mut broadcast::Receiver<Arc<Room>>, name: &str) -> Option<Arc<Room>> {
    loop {
        match rooms.recv().await {
            Ok(room) if room.name == name => return Some(room),
            Ok(_) | Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return None,
        }
    }
}

/// JSON has no line breaks outside of texts, and none inside of them either: one line of data.
fn event(room: &Room) -> Bytes {
    let data = serde_json::to_string(room).expect("a room has a form in JSON");
    format!("event: room\ndata: {data}\n\n").into()
}
