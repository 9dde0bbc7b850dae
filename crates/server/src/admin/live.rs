//! A room as it changes: server-sent events (HTML, "Server-sent events"), one per second.
//!
//! Owns the form of the stream. Leaves looking at rooms to `sampler`: any number of followers costs the workers nothing.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use futures_util::stream;
use sfu::Refusal;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::timeout;

use super::model::Room;
use super::{Answer, OneRoom, Subject};
use crate::endless::{EVENTS, endless, event};
use crate::http::App;
use crate::listener::KeepOpen;

/// A room that was not seen for so long is over.
const SILENCE: Duration = Duration::from_secs(5);

pub(super) async fn events(
    State(app): State<Arc<App>>,
    Subject(OneRoom { room }): Subject<OneRoom>,
    connection: KeepOpen,
) -> Answer {
    if app.signalling.workers.of_room(&room).is_empty() {
        return Err(Refusal::NoRoom.into());
    }
    let states = stream::unfold((app.watch.follow(), room), async |(mut rooms, name)| {
        let state = timeout(SILENCE, next(&mut rooms, &name)).await.ok()??;
        Some((event("room", &*state), (rooms, name)))
    });
    Ok(endless(&connection, app.signalling.stop.clone(), EVENTS, states))
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
