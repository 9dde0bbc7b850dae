//! The operator's interface over HTTP: rooms and participants with the reasons for what each is sent, and the means to act.
//!
//! Owns the requests below `/api/v1`, who may make them, and their answers. Leaves what is in a room to `sfu`, what it was
//! to `history`, and the description of all this to `document`.
//!
//! Every request needs a token with the right `administrate`; there is no cookie and no exemption for this machine, so a
//! page of another site cannot use a browser that may (no CORS header is ever sent either).

mod decisions;
pub(crate) mod document;
mod history;
mod live;
mod model;
mod sampler;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::header::{self, HeaderValue};
use axum::http::{Method, Response, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::routing::get;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sfu::{Command, Refusal};

pub(crate) use sampler::Watch;

use crate::access::{ANY_ROOM, Claims, Denied};
use crate::http::App;
use crate::worker::Ask;
use model::{
    ParticipantChange, Problem, Room, RoomList, RoomSummary, ServerChange, ServerState, WorkerState, millis,
    now_ms,
};

/// The largest body of a request. Commands are a few hundred bytes.
const BODY_BYTES: usize = 16 * 1_024;
/// The largest side of a picture that a pin may name.
const SIDE_MAX: u32 = 65_535;

/// A refusal: status, code, text.
type Refused = (StatusCode, &'static str, String);
type Answer = Result<Response<Body>, Refused>;

/// All paths of the interface.
pub(crate) fn router(app: Arc<App>) -> Router<Arc<App>> {
    Router::new()
        .route("/api/v1/server", get(server).patch(change_server))
        .route("/api/v1/openapi.json", get(async || json(StatusCode::OK, &document::document())))
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
            refusal(&(
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "Not understood here.".to_owned(),
            ))
        })
        .layer(from_fn_with_state(app, authorise))
}

/// Lets a request through whose token allows it; its claims go along.
async fn authorise(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response<Body> {
    let judged = match app.gate.may_try(&request) {
        true => app.access.operator(bearer(&request)),
        false => {
            let text = "Too many bad tokens came from this address. Wait a minute.".to_owned();
            return refusal(&(StatusCode::TOO_MANY_REQUESTS, "too_fast", text));
        }
    };
    match judged {
        Ok(claims) => {
            request.extensions_mut().insert(Arc::new(claims));
            next.run(request).await
        }
        Err(denied) => {
            app.gate.refused(&request, denied);
            refusal(&denial(denied))
        }
    }
}

/// How a refused token is answered (RFC 6750 §3.1).
fn denial(denied: Denied) -> Refused {
    let status = match denied {
        Denied::Missing | Denied::Invalid | Denied::Expired => StatusCode::UNAUTHORIZED,
        Denied::OtherRoom | Denied::NotAllowed => StatusCode::FORBIDDEN,
    };
    (status, denied.as_str(), format!("Send a token with the right `administrate` as bearer: {denied}."))
}

/// The token of a request (RFC 6750 §2.1).
pub(crate) fn bearer<B>(request: &axum::http::Request<B>) -> Option<&str> {
    let value = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Who asks.
fn claims(request: &Request) -> Arc<Claims> {
    request.extensions().get::<Arc<Claims>>().cloned().expect("`authorise` runs before every handler")
}

/// The room of a path, if the token is for it.
fn own_room(request: &Request, room: &str) -> Result<(), Refused> {
    if claims(request).is_for(room) { Ok(()) } else { Err(denial(Denied::OtherRoom)) }
}

/// What concerns everybody needs a token for all rooms.
fn whole_server(request: &Request) -> Result<(), Refused> {
    own_room(request, ANY_ROOM)
}

async fn server(State(app): State<Arc<App>>, request: Request) -> Response<Body> {
    answer(async move {
        whole_server(&request)?;
        let mut workers: Vec<WorkerState> = Vec::new();
        let mut draining = false;
        for worker in app.signalling.workers.all() {
            let asked = worker.ask(|node| (node.load(), node.is_draining())).await.ok_or_else(stopping)?;
            workers.push(asked.0.into());
            draining |= asked.1;
        }
        let state = ServerState {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            at_ms: now_ms(),
            uptime_ms: millis(app.signalling.clock.now() - units::Timestamp::ZERO),
            draining,
            log: crate::log::filter(),
            workers,
        };
        Ok(json(StatusCode::OK, &state))
    })
    .await
}

async fn change_server(State(app): State<Arc<App>>, request: Request) -> Response<Body> {
    answer(async move {
        whole_server(&request)?;
        let change: ServerChange = body(request).await?;
        if let Some(filter) = &change.log {
            crate::log::change(filter).map_err(|error| not_understood(error.to_string()))?;
            tracing::info!(%filter, "the log filter was changed");
        }
        if let Some(draining) = change.draining {
            tracing::info!(draining, "an operator changed who is let in");
            app.draining.store(draining, std::sync::atomic::Ordering::Relaxed);
            for worker in app.signalling.workers.all() {
                let command = Command::Drain { draining, moved_to: change.move_to.clone() };
                worker.operate(command).await.ok_or_else(stopping)?.map_err(missing)?;
            }
        }
        Ok(done())
    })
    .await
}

async fn rooms(State(app): State<Arc<App>>, request: Request) -> Response<Body> {
    answer(async move {
        let claims = claims(&request);
        let mut rooms = Vec::new();
        for worker in app.signalling.workers.all() {
            let claims = Arc::clone(&claims);
            let summaries = worker.ask(move |node| {
                let seen = node.room_names().filter(|name| claims.is_for(name));
                seen.filter_map(|name| node.room(name)).map(|room| RoomSummary::of(&room)).collect::<Vec<_>>()
            });
            rooms.extend(summaries.await.ok_or_else(stopping)?);
        }
        rooms.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(json(StatusCode::OK, &RoomList { rooms }))
    })
    .await
}

async fn room(State(app): State<Arc<App>>, Path(name): Path<String>, request: Request) -> Response<Body> {
    answer(async move {
        own_room(&request, &name)?;
        let now = app.signalling.clock.now();
        let worker = app.signalling.workers.of_room(&name);
        let found = worker.ask(move |node| node.room(&name)).await.ok_or_else(stopping)?;
        let found = found.ok_or_else(|| missing(Refusal::NoRoom))?;
        Ok(json(StatusCode::OK, &Room::of(&found, now, now_ms())))
    })
    .await
}

async fn close_room(
    State(app): State<Arc<App>>,
    Path(room): Path<String>,
    request: Request,
) -> Response<Body> {
    answer(async move {
        own_room(&request, &room)?;
        tracing::info!(%room, "an operator closes a room");
        command(&app, Command::Close { room }).await
    })
    .await
}

async fn room_history(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    request: Request,
) -> Response<Body> {
    answer(async move {
        own_room(&request, &name)?;
        let (mut participant, mut since) = (None, 0);
        for (key, value) in query(&request) {
            match key.as_str() {
                "participant" => participant = Some(value),
                "since_ms" => {
                    since = value.parse().map_err(|_| {
                        not_understood("since_ms is a number of milliseconds since 1970".to_owned())
                    })?;
                }
                _ => return Err(not_understood(format!("{key} is no parameter of this"))),
            }
        }
        let found = app.watch.history().of(&name, participant.as_deref(), since);
        Ok(json(StatusCode::OK, &found.ok_or_else(|| missing(Refusal::NoRoom))?))
    })
    .await
}

async fn change_participant(
    State(app): State<Arc<App>>,
    Path((room, participant)): Path<(String, String)>,
    request: Request,
) -> Response<Body> {
    answer(async move {
        own_room(&request, &room)?;
        let change: ParticipantChange = body(request).await?;
        tracing::info!(%room, %participant, ?change, "an operator changes a participant");
        let mut commands = Vec::new();
        let name = || (room.clone(), participant.clone());
        let mut mute = |publication, muted| {
            let (room, participant) = name();
            commands.push(Command::Mute { room, participant, publication, muted });
        };
        if let Some(muted) = change.muted {
            mute(None, muted);
        }
        if let Some(one) = change.publication {
            mute(Some(one.id), one.muted);
        }
        if let Some(pin) = change.pin {
            if pin.max_height.is_some_and(|height| !(1..=SIDE_MAX).contains(&height)) {
                return Err(not_understood("pin.max_height is from 1 to 65535".to_owned()));
            }
            let (room, participant) = name();
            commands.push(Command::Pin { room, participant, slot: pin.mid, max_height: pin.max_height });
        }
        if let Some(limit) = change.limit {
            let (room, participant) = name();
            let max = limit.max_bps.map(units::Bitrate::from_bps);
            commands.push(Command::Limit { room, participant, max });
        }
        if commands.is_empty() {
            return Err(not_understood("name something to change".to_owned()));
        }
        for each in commands {
            command(&app, each).await?;
        }
        Ok(done())
    })
    .await
}

async fn remove_participant(
    State(app): State<Arc<App>>,
    Path((room, participant)): Path<(String, String)>,
    request: Request,
) -> Response<Body> {
    answer(async move {
        own_room(&request, &room)?;
        tracing::info!(%room, %participant, "an operator removes a participant");
        command(&app, Command::Remove { room, participant }).await
    })
    .await
}

/// Has a command carried out by the worker of its room.
async fn command(app: &App, command: Command) -> Answer {
    let room = match &command {
        Command::Remove { room, .. }
        | Command::Mute { room, .. }
        | Command::Pin { room, .. }
        | Command::Limit { room, .. }
        | Command::Record { room, .. }
        | Command::Close { room } => room,
        Command::Drain { .. } => unreachable!("it is for all workers"),
    };
    let worker = app.signalling.workers.of_room(room).clone();
    worker.operate(command).await.ok_or_else(stopping)?.map_err(missing)?;
    Ok(done())
}

/// The body of a request as a value.
async fn body<T: DeserializeOwned>(request: Request) -> Result<T, Refused> {
    let bytes = axum::body::to_bytes(request.into_body(), BODY_BYTES).await.map_err(|_| {
        (StatusCode::PAYLOAD_TOO_LARGE, "too_large", "A request has at most 16 KiB.".to_owned())
    })?;
    serde_json::from_slice(&bytes).map_err(|error| not_understood(error.to_string()))
}

/// Keys and values of a request's query.
fn query(request: &Request) -> impl Iterator<Item = (String, String)> {
    url_encoded(request.uri().query().unwrap_or_default())
}

/// Keys and values of a query (application/x-www-form-urlencoded). What is escaped wrongly stands for itself.
fn url_encoded(query: &str) -> impl Iterator<Item = (String, String)> {
    let decode = |text: &str| {
        let mut bytes = Vec::with_capacity(text.len());
        let mut rest = text.as_bytes();
        while let Some((first, tail)) = rest.split_first() {
            let escaped = (*first == b'%')
                .then(|| tail.get(..2).and_then(|two| std::str::from_utf8(two).ok()))
                .flatten()
                .and_then(|two| u8::from_str_radix(two, 16).ok());
            bytes.push(match (escaped, *first) {
                (Some(byte), _) => byte,
                (None, b'+') => b' ',
                (None, byte) => byte,
            });
            rest = if escaped.is_some() { &tail[2..] } else { tail };
        }
        String::from_utf8_lossy(&bytes).into_owned()
    };
    query.split('&').filter(|pair| !pair.is_empty()).map(move |pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(key), decode(value))
    })
}

async fn answer(outcome: impl Future<Output = Answer>) -> Response<Body> {
    outcome.await.unwrap_or_else(|refused| refusal(&refused))
}

fn json(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    let text = serde_json::to_vec(value).expect("these values have a form in JSON");
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn done() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

fn refusal((status, code, message): &Refused) -> Response<Body> {
    let mut response = json(*status, &Problem { code: (*code).to_owned(), message: message.clone() });
    if *status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

fn not_understood(message: String) -> Refused {
    (StatusCode::BAD_REQUEST, "bad_request", message)
}

fn stopping() -> Refused {
    (StatusCode::SERVICE_UNAVAILABLE, "shutting_down", "The server is stopping.".to_owned())
}

fn missing(refusal: Refusal) -> Refused {
    let (code, message) = match refusal {
        Refusal::NoRoom => ("no_room", "There is no such room; a room is there while somebody is in it."),
        Refusal::NoParticipant => ("no_participant", "There is no such participant in the room."),
        Refusal::NoPublication => ("no_publication", "The participant has no such publication."),
        Refusal::NoSlot => ("no_slot", "The participant has no such slot."),
    };
    (StatusCode::NOT_FOUND, code, message.to_owned())
}

/// A path of the interface that does not exist.
pub(crate) fn unknown(method: &Method) -> Response<Body> {
    let message = format!("{method} of this is not understood; /api/v1/openapi.json lists what is.");
    refusal(&(StatusCode::NOT_FOUND, "no_path", message))
}
