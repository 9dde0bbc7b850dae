//! The operator's interface over HTTP: rooms and participants with the reasons for what each is sent, and the means to act.
//!
//! Owns the requests below `/api/v1`, who may make them, and their answers. Leaves what is in a room to `sfu`, what it was
//! to `history`, and the description of all this to `document`.
//!
//! Every request needs a token with the right `administrate`; there is no cookie and no exemption for this machine, so a
//! page of another site cannot use a browser that may (no CORS header is ever sent either).

mod asked;
mod decisions;
pub(crate) mod document;
mod history;
mod live;
mod model;
mod sampler;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{self, HeaderMap, HeaderValue};
use axum::http::request::Parts;
use axum::http::{Method, Response, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::IntoResponse;
use axum::routing::get;
use serde::{Deserialize, Serialize};
use sfu::{Command, Refusal};

pub(crate) use decisions::own as own_decisions;
pub(crate) use sampler::Watch;

use crate::http::App;
use crate::traces;
use crate::worker::Ask;
use asked::{Asked, OnePerson, OneRoom, Refused, Subject, Told, WholeServer, claims};
use model::{
    ADDRESS_CHARS, FILTER_CHARS, ParticipantChange, RATE_MAX, Room, RoomList, RoomSummary, SIDE_MAX,
    ServerChange, ServerState, WorkerState, millis, now_ms,
};

type Answer = Result<Response<Body>, Refused>;

/// All paths of the interface.
pub(crate) fn router(app: Arc<App>) -> Router<Arc<App>> {
    Router::new()
        .route("/api/v1/server", get(server).patch(change_server))
        .route("/api/v1/openapi.json", get(async || reply(StatusCode::OK, &document::document())))
        .route("/api/v1/rooms", get(rooms))
        .route("/api/v1/rooms/{room}", get(room).delete(close_room))
        .route("/api/v1/rooms/{room}/history", get(room_history))
        .route("/api/v1/rooms/{room}/events", get(live::events))
        .route(
            "/api/v1/rooms/{room}/participants/{participant}",
            axum::routing::patch(change_participant).delete(remove_participant),
        )
        .route("/api/v1/rooms/{room}/participants/{participant}/decisions", get(decisions::decisions))
        .method_not_allowed_fallback(async || {
            Refused::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "Not understood here.")
        })
        .layer(from_fn_with_state(Arc::clone(&app), authorise))
        .layer(from_fn_with_state(app, traces::request))
}

/// Lets a request through whose token allows it; its claims go along.
async fn authorise(
    State(app): State<Arc<App>>,
    mut request: Request,
    next: Next,
) -> Result<Response<Body>, Refused> {
    if !app.gate.may_try(request.extensions()) {
        return Err(Refused::too_many_tokens());
    }
    let claims = app.access.operator(bearer(request.headers()));
    let claims = claims.inspect_err(|&denied| app.gate.refused(request.extensions(), denied))?;
    request.extensions_mut().insert(Arc::new(claims));
    Ok(next.run(request).await)
}

/// The token of a request (RFC 6750 §2.1).
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

async fn server(State(app): State<Arc<App>>, _: WholeServer) -> Answer {
    let mut workers: Vec<WorkerState> = Vec::new();
    let mut draining = false;
    for worker in app.signalling.workers.all() {
        let asked = worker.ask(|node| (node.load(), node.is_draining())).await;
        let (load, drains) = asked.ok_or_else(Refused::stopping)?;
        workers.push(load.into());
        draining |= drains;
    }
    let state = ServerState {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        at_ms: now_ms(),
        uptime_ms: millis(app.signalling.clock.now() - units::Timestamp::ZERO),
        draining,
        log: crate::log::filter(),
        workers,
    };
    Ok(reply(StatusCode::OK, &state))
}

async fn change_server(
    State(app): State<Arc<App>>,
    _: WholeServer,
    Told(change): Told<ServerChange>,
) -> Answer {
    let is_address = |text: &String| {
        let rest = text.strip_prefix("wss://").or_else(|| text.strip_prefix("ws://"));
        text.len() <= ADDRESS_CHARS
            && rest.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_graphic()))
    };
    if !change.move_to.as_ref().is_none_or(is_address) {
        return Err(Refused::not_understood("move_to is an address as in wss://sfu.example.org/v1/signal"));
    }
    if change.log.as_ref().is_some_and(|filter| !(1..=FILTER_CHARS).contains(&filter.chars().count())) {
        return Err(Refused::not_understood(format!("log has 1 to {FILTER_CHARS} characters")));
    }
    if let Some(filter) = &change.log {
        crate::log::change(filter).map_err(|error| Refused::not_understood(error.to_string()))?;
        tracing::info!(%filter, "the log filter was changed");
    }
    if let Some(draining) = change.draining {
        tracing::info!(draining, "an operator changed who is let in");
        app.draining.store(draining, std::sync::atomic::Ordering::Relaxed);
        for worker in app.signalling.workers.all() {
            let command = Command::Drain { draining, moved_to: change.move_to.clone() };
            worker.operate(command).await.ok_or_else(Refused::stopping)??;
        }
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn rooms(State(app): State<Arc<App>>, parts: Parts) -> Answer {
    let claims = claims(&parts);
    let workers = &app.signalling.workers;
    let mut rooms = Vec::new();
    for name in workers.room_names().await.ok_or_else(Refused::stopping)? {
        if claims.is_for(&name) {
            // Gone since.
            let found = workers.room(&name).await.ok_or_else(Refused::stopping)?;
            rooms.extend(found.map(|room| RoomSummary::of(&room)));
        }
    }
    Ok(reply(StatusCode::OK, &RoomList { rooms }))
}

async fn room(State(app): State<Arc<App>>, Subject(OneRoom { room }): Subject<OneRoom>) -> Answer {
    let now = app.signalling.clock.now();
    let found = app.signalling.workers.room(&room).await.ok_or_else(Refused::stopping)?;
    Ok(reply(StatusCode::OK, &Room::of(&found.ok_or(Refusal::NoRoom)?, now, now_ms())))
}

async fn close_room(State(app): State<Arc<App>>, Subject(OneRoom { room }): Subject<OneRoom>) -> Answer {
    tracing::info!(%room, "an operator closes a room");
    command(&app, Command::Close { room }).await
}

/// Which part of a history.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Part {
    participant: Option<String>,
    /// Milliseconds since 1970.
    since_ms: u64,
}

async fn room_history(
    State(app): State<Arc<App>>,
    Subject(OneRoom { room }): Subject<OneRoom>,
    Asked(part): Asked<Part>,
) -> Answer {
    let found = app.watch.history().of(&room, part.participant.as_deref(), part.since_ms);
    Ok(reply(StatusCode::OK, &found.ok_or(Refusal::NoRoom)?))
}

async fn change_participant(
    State(app): State<Arc<App>>,
    Subject(OnePerson { room, participant }): Subject<OnePerson>,
    Told(change): Told<ParticipantChange>,
) -> Answer {
    tracing::info!(%room, %participant, ?change, "an operator changes a participant");
    if change.pin.as_ref().and_then(|pin| pin.max_height).is_some_and(|most| !(1..=SIDE_MAX).contains(&most))
    {
        return Err(Refused::not_understood(format!("pin.max_height is from 1 to {SIDE_MAX}")));
    }
    if change.limit.as_ref().and_then(|limit| limit.max_bps).is_some_and(|most| most > RATE_MAX) {
        return Err(Refused::not_understood(format!("limit.max_bps is at most {RATE_MAX}")));
    }
    let whom = || (room.clone(), participant.clone());
    let mute = |publication, muted| {
        let (room, participant) = whom();
        Command::Mute { room, participant, publication, muted }
    };
    let pin = change.pin.map(|pin| {
        let (room, participant) = whom();
        Command::Pin { room, participant, slot: pin.mid, max_height: pin.max_height }
    });
    let limit = change.limit.map(|limit| {
        let (room, participant) = whom();
        Command::Limit { room, participant, max: limit.max_bps.map(units::Bitrate::from_bps) }
    });
    let all = change.muted.map(|muted| mute(None, muted));
    let one = change.publication.map(|one| mute(Some(one.id), one.muted));
    let commands: Vec<Command> = [all, one, pin, limit].into_iter().flatten().collect();
    // All of it or nothing; and nothing is a change that needs somebody, too.
    let worker = app.signalling.workers.of_participant(&room, &participant);
    let (about, wanted) =
        (OnePerson { room: room.clone(), participant: participant.clone() }, commands.clone());
    let against = worker.ask(move |node| {
        node.absence(&about.room, &about.participant)
            .or_else(|| wanted.iter().find_map(|command| node.refusal(command)))
    });
    if let Some(refusal) = against.await.ok_or_else(Refused::stopping)? {
        return Err(refusal.into());
    }
    for each in commands {
        command(&app, each).await?;
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn remove_participant(
    State(app): State<Arc<App>>,
    Subject(OnePerson { room, participant }): Subject<OnePerson>,
) -> Answer {
    tracing::info!(%room, %participant, "an operator removes a participant");
    command(&app, Command::Remove { room, participant }).await
}

/// Has a command carried out by the worker that serves whom it is about, or by all that have a part of the room.
async fn command(app: &App, command: Command) -> Answer {
    let workers = &app.signalling.workers;
    let worker = match &command {
        Command::Remove { room, participant }
        | Command::Mute { room, participant, .. }
        | Command::Pin { room, participant, .. }
        | Command::Limit { room, participant, .. }
        | Command::Record { room, participant, .. } => workers.of_participant(room, participant),
        Command::Close { room } => {
            let parts = workers.of_room(room);
            if parts.is_empty() {
                return Err(Refusal::NoRoom.into());
            }
            for worker in parts {
                match worker.operate(command.clone()).await.ok_or_else(Refused::stopping)? {
                    // A part that has ended since.
                    Ok(()) | Err(Refusal::NoRoom) => {}
                    Err(refusal) => return Err(refusal.into()),
                }
            }
            return Ok(StatusCode::NO_CONTENT.into_response());
        }
        Command::Drain { .. } => unreachable!("it is for all workers"),
    };
    worker.operate(command).await.ok_or_else(Refused::stopping)??;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn reply(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    let text = serde_json::to_vec(value).expect("these values have a form in JSON");
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A path of the interface that does not exist.
pub(crate) fn unknown(method: &Method) -> Response<Body> {
    let message = format!("{method} of this is not understood; /api/v1/openapi.json lists what is.");
    Refused::new(StatusCode::NOT_FOUND, "no_path", message).into_response()
}
