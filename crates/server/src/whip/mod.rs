//! WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep-03): media in and out with nothing but HTTP.
//!
//! ```text
//!   POST   /whip/{room}          an offer that sends      -> 201, the answer, Location of the resource
//!   POST   /whep/{room}          an offer that receives   -> the same, with Links for events and layers
//!   PATCH  <resource>            trickled candidates -> 204; another ICE user -> 200, ours
//!   DELETE <resource>            the end
//!   GET    <resource>/events     WHEP: what encodings there are, as server-sent events
//!   POST   <resource>/layer      WHEP: which of them at most
//! ```
//!
//! Owns the requests, their checks and the table of resources. A resource is a participant like any other (`session`): it
//! is in the list of the room, its encodings are selected among, the operator can remove it. The name of a resource is a
//! secret of 128 bits, so whoever knows it may change it; the token is asked for as well where tokens are used
//! (RFC 9725 §4.1: all requests carry it).

mod fragment;
mod layers;
mod session;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Method, Response, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::routing::{get, post};
use futures_util::stream;
use sfu::Grant;
use signalling::ErrorCode;

use crate::access::{Claims, Denied, Right, random_secret};
use crate::admin::bearer;
use crate::http::App;
use crate::listener::KeepOpen;
use crate::origin;
use crate::pages::plain;
use fragment::{credentials, of_answer, with_credentials};
use layers::Choice;
use session::{NoAnswer, Resource};

/// The largest offer, as in signalling.
const OFFER_BYTES: usize = 288 * 1_024;
/// The largest piece of a description, and the largest choice of a layer.
const FRAGMENT_BYTES: usize = 16 * 1_024;
/// Hexadecimal digits of the name of a resource.
const NAME_DIGITS: usize = 32;

const SDP: &str = "application/sdp";
const FRAGMENT: &str = "application/trickle-ice-sdpfrag";

type Refused = (StatusCode, String);

/// The resources of a server.
#[derive(Default)]
pub(crate) struct Resources {
    open: Mutex<BTreeMap<String, Open>>,
}

#[derive(Clone)]
struct Open {
    resource: Resource,
    room: String,
    direction: Direction,
    /// The last offer that was answered.
    offer: String,
    /// Names the ICE session (RFC 9725 §4.3.1).
    etag: String,
}

/// Which of the two protocols.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    In,
    Out,
}

impl Direction {
    fn right(self) -> Right {
        match self {
            Self::In => Right::Publish,
            Self::Out => Right::Subscribe,
        }
    }

    fn path(self) -> &'static str {
        match self {
            Self::In => "whip",
            Self::Out => "whep",
        }
    }
}

impl Resources {
    fn open(&self) -> MutexGuard<'_, BTreeMap<String, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Resources that are open.
    pub(crate) fn count(&self) -> usize {
        self.open().len()
    }
}

/// All paths.
pub(crate) fn router(app: Arc<App>) -> Router<Arc<App>> {
    Router::new()
        .route("/whip/{room}", post(publish))
        .route("/whep/{room}", post(play))
        .route("/whip/{room}/{name}", axum::routing::patch(change).delete(end))
        .route("/whep/{room}/{name}", axum::routing::patch(change).delete(end))
        .route("/whep/{room}/{name}/events", get(events).post(ask_for_events))
        .route("/whep/{room}/{name}/layer", post(choose))
        .layer(from_fn_with_state(app, share))
}

/// Lets pages of listed origins use this, as RFC 9725 §4.2 asks of every server, and answers their questions beforehand.
async fn share(State(app): State<Arc<App>>, request: Request, next: Next) -> Response<Body> {
    let origin = request.headers().get(header::ORIGIN).cloned();
    if !may_share(&app, request.headers()) {
        let message =
            "Pages of this origin may not use this. The operator can allow it with --allow-origin.\n";
        return plain(StatusCode::FORBIDDEN, message);
    }
    let asks_beforehand = request.method() == Method::OPTIONS;
    let mut response = match asks_beforehand {
        true => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NO_CONTENT;
            let headers = response.headers_mut();
            headers.insert(HeaderName::from_static("accept-post"), HeaderValue::from_static(SDP));
            headers.insert(
                header::ACCESS_CONTROL_ALLOW_METHODS,
                HeaderValue::from_static("GET, POST, PATCH, DELETE"),
            );
            headers.insert(
                header::ACCESS_CONTROL_ALLOW_HEADERS,
                HeaderValue::from_static("authorization, content-type, if-match"),
            );
            response
        }
        false => next.run(request).await,
    };
    if let Some(origin) = origin {
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static("location, link, etag, accept-patch"),
        );
        headers.append(header::VARY, HeaderValue::from_static("origin"));
    }
    response
}

/// Whether a request with these headers comes from a page that may use this, or from no page.
fn may_share(app: &App, headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|value| value.to_str().ok());
    // A header that is there but not text is no origin of ours, so it must not count as absent.
    let origin = headers.get(header::ORIGIN).map(|value| value.to_str().unwrap_or("null"));
    origin::allowed(origin, host, &app.origins)
}

async fn publish(state: State<Arc<App>>, path: Path<String>, request: Request) -> Response<Body> {
    open(state.0, path.0, request, Direction::In).await.unwrap_or_else(|refused| refusal(&refused))
}

async fn play(state: State<Arc<App>>, path: Path<String>, request: Request) -> Response<Body> {
    open(state.0, path.0, request, Direction::Out).await.unwrap_or_else(|refused| refusal(&refused))
}

/// The claims of a request's token, if they allow this in that room.
fn judge(app: &App, request: &Request, room: &str, right: Right) -> Result<Claims, Refused> {
    if !app.gate.may_try(request) {
        return Err((
            StatusCode::TOO_MANY_REQUESTS,
            "Too many bad tokens came from this address.".to_owned(),
        ));
    }
    let judged = app.access.with_right(bearer(request), right);
    let judged =
        judged.and_then(|claims| if claims.is_for(room) { Ok(claims) } else { Err(Denied::OtherRoom) });
    judged.map_err(|denied| {
        app.gate.refused(request, denied);
        let status = match denied {
            Denied::Missing | Denied::Invalid | Denied::Expired => StatusCode::UNAUTHORIZED,
            Denied::OtherRoom | Denied::NotAllowed => StatusCode::FORBIDDEN,
        };
        (status, format!("Send a token that is good for this: {denied}."))
    })
}

/// A new resource.
async fn open(
    app: Arc<App>,
    room: String,
    request: Request,
    direction: Direction,
) -> Result<Response<Body>, Refused> {
    let claims = judge(&app, &request, &room, direction.right())?;
    if !app.gate.may_open(&request) {
        return Err((StatusCode::TOO_MANY_REQUESTS, "Too many come from this address.".to_owned()));
    }
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '~' | '-');
    if room.len() > signalling::limits::ROOM_CHARS || !room.chars().all(legal) {
        return Err((StatusCode::BAD_REQUEST, "A room's name has 1 to 64 of a-z A-Z 0-9 . _ ~ -".to_owned()));
    }
    expect_type(request.headers(), SDP)?;
    let sdp = text(request, OFFER_BYTES).await?;
    let name = claims.sub.clone().unwrap_or_else(|| direction.path().to_uppercase());
    let name: String =
        name.chars().filter(|c| !c.is_control()).take(signalling::limits::NAME_CHARS).collect();
    let grant = Grant {
        identity: claims.sub,
        publish: direction == Direction::In,
        subscribe: direction == Direction::Out,
        administrate: false,
    };
    let mut id = random_secret();
    id.truncate(NAME_DIGITS);
    let (table, ending) = (Arc::clone(&app), id.clone());
    let ended = move || drop(table.whip.open().remove(&ending));
    let opened = Resource::open(Arc::clone(&app), room.clone(), name, grant, sdp.clone(), ended).await;
    let (resource, answer) = opened.map_err(no_answer)?;
    let etag = etag(&answer);
    let entry = Open { resource, room: room.clone(), direction, offer: sdp, etag: etag.clone() };
    if !entry.resource.is_over() {
        app.whip.open().insert(id.clone(), entry);
    }

    let location = format!("/{}/{room}/{id}", direction.path());
    let mut response = Response::new(Body::from(answer));
    *response.status_mut() = StatusCode::CREATED;
    let headers = response.headers_mut();
    let value = |text: String| HeaderValue::try_from(text).expect("rooms and resources have plain names");
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(SDP));
    headers.insert(header::LOCATION, value(location.clone()));
    headers.insert(header::ETAG, value(etag));
    headers.insert(HeaderName::from_static("accept-patch"), HeaderValue::from_static(FRAGMENT));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if direction == Direction::Out {
        let events = "urn:ietf:params:whep:ext:core:server-sent-events";
        headers
            .append(header::LINK, value(format!("<{location}/events>; rel=\"{events}\"; events=\"layers\"")));
        let layer = "urn:ietf:params:whep:ext:core:layer";
        headers.append(header::LINK, value(format!("<{location}/layer>; rel=\"{layer}\"")));
    }
    Ok(response)
}

/// The resource that a path names, for whoever may use it.
fn find(app: &App, request: &Request, room: &str, name: &str) -> Result<Open, Refused> {
    let missing = || (StatusCode::NOT_FOUND, "There is no such resource; it may have ended.".to_owned());
    let found = app.whip.open().get(name).cloned().ok_or_else(missing)?;
    if found.room != room || !request.uri().path().starts_with(&format!("/{}/", found.direction.path())) {
        return Err(missing());
    }
    judge(app, request, room, found.direction.right())?;
    Ok(found)
}

/// Trickled candidates, which the server does not need as it learns them from checks, or a restart of ICE.
async fn change(
    State(app): State<Arc<App>>,
    Path((room, name)): Path<(String, String)>,
    request: Request,
) -> Response<Body> {
    let outcome = async {
        let found = find(&app, &request, &room, &name)?;
        expect_type(request.headers(), FRAGMENT)?;
        let wanted =
            request.headers().get(header::IF_MATCH).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let piece = text(request, FRAGMENT_BYTES).await?;
        let given = credentials(&piece);
        let restarts = given.as_ref().is_some_and(|given| Some(given) != credentials(&found.offer).as_ref());
        let stale = |etag: &str| etag != "*" && etag != found.etag;
        match (&wanted, restarts) {
            (None, _) => {
                return Err((StatusCode::PRECONDITION_REQUIRED, "Send If-Match with the ETag.".to_owned()));
            }
            (Some(etag), false) if etag == "*" || stale(etag) => {
                return Err((StatusCode::PRECONDITION_FAILED, "That ICE session is over.".to_owned()));
            }
            (Some(etag), true) if stale(etag) => {
                return Err((StatusCode::PRECONDITION_FAILED, "That ICE session is over.".to_owned()));
            }
            (Some(_), false) => {
                let mut response = Response::new(Body::empty());
                *response.status_mut() = StatusCode::NO_CONTENT;
                return Ok(response);
            }
            (Some(_), true) => {}
        }
        let offer = with_credentials(&found.offer, &given.expect("a restart has credentials"));
        let answer = found.resource.offer(offer.clone()).await.map_err(no_answer)?;
        let etag = etag(&answer);
        if let Some(entry) = app.whip.open().get_mut(&name) {
            entry.offer = offer;
            entry.etag.clone_from(&etag);
        }
        let mut response = Response::new(Body::from(of_answer(&answer)));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(FRAGMENT));
        headers.insert(header::ETAG, HeaderValue::try_from(etag).expect("ICE users are plain"));
        Ok(response)
    };
    outcome.await.unwrap_or_else(|refused| refusal(&refused))
}

async fn end(
    State(app): State<Arc<App>>,
    Path((room, name)): Path<(String, String)>,
    request: Request,
) -> Response<Body> {
    let found = match find(&app, &request, &room, &name) {
        Ok(found) => found,
        Err(refused) => return refusal(&refused),
    };
    app.whip.open().remove(&name);
    found.resource.leave().await;
    Response::new(Body::empty())
}

/// Asks for the stream of events; there is one, whatever is asked for.
async fn ask_for_events(
    State(app): State<Arc<App>>,
    Path((room, name)): Path<(String, String)>,
    request: Request,
) -> Response<Body> {
    if let Err(refused) = find(&app, &request, &room, &name) {
        return refusal(&refused);
    }
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::CREATED;
    let location = HeaderValue::try_from(request.uri().path()).expect("it was a path already");
    response.headers_mut().insert(header::LOCATION, location);
    response
}

async fn events(
    State(app): State<Arc<App>>,
    Path((room, name)): Path<(String, String)>,
    request: Request,
) -> Response<Body> {
    // An EventSource cannot send a token; the name of the resource is a secret of its own.
    let found = app.whip.open().get(&name).filter(|found| found.room == room).cloned();
    let Some(found) = found else {
        return refusal(&(StatusCode::NOT_FOUND, "There is no such resource.".to_owned()));
    };
    if let Some(KeepOpen(keep)) = request.extensions().get::<KeepOpen>() {
        keep.store(true, Ordering::Relaxed);
    }
    let mut layers = found.resource.layers();
    layers.mark_changed();
    let stop = app.signalling.stop.clone();
    let news = stream::unfold((layers, stop), async |(mut layers, mut stop)| {
        tokio::select! {
            changed = layers.changed() => changed.ok()?,
            () = stop.raised() => return None,
        }
        let text = format!("event: layers\ndata: {}\n\n", *layers.borrow_and_update());
        Some((Ok::<_, Infallible>(text), (layers, stop)))
    });
    let mut response = Response::new(Body::from_stream(news));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn choose(
    State(app): State<Arc<App>>,
    Path((room, name)): Path<(String, String)>,
    request: Request,
) -> Response<Body> {
    let outcome = async {
        let found = find(&app, &request, &room, &name)?;
        let text = text(request, FRAGMENT_BYTES).await?;
        let choice: Choice =
            serde_json::from_str(&text).map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()))?;
        match found.resource.choose(choice).await.map_err(no_answer)? {
            true => Ok(Response::new(Body::empty())),
            false => Err((StatusCode::NOT_FOUND, "There is no such section or encoding now.".to_owned())),
        }
    };
    outcome.await.unwrap_or_else(|refused| refusal(&refused))
}

/// The ICE user of an answer names the ICE session.
fn etag(answer: &str) -> String {
    format!("\"{}\"", credentials(answer).map(|credentials| credentials.ufrag).unwrap_or_default())
}

fn expect_type(headers: &HeaderMap, expected: &str) -> Result<(), Refused> {
    let said = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let said = said.split(';').next().unwrap_or_default().trim();
    match said.eq_ignore_ascii_case(expected) {
        true => Ok(()),
        false => Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, format!("Send {expected}."))),
    }
}

async fn text(request: Request, most: usize) -> Result<String, Refused> {
    let bytes = axum::body::to_bytes(request.into_body(), most)
        .await
        .map_err(|_| (StatusCode::PAYLOAD_TOO_LARGE, format!("Send at most {most} bytes.")))?;
    String::from_utf8(bytes.into()).map_err(|_| (StatusCode::BAD_REQUEST, "Send text in UTF-8.".to_owned()))
}

fn no_answer(why: NoAnswer) -> Refused {
    match why {
        NoAnswer::Refused(error) => {
            let status = match error.code {
                ErrorCode::OfferRejected => StatusCode::BAD_REQUEST,
                ErrorCode::Forbidden | ErrorCode::Unauthorized => StatusCode::FORBIDDEN,
                _ => StatusCode::SERVICE_UNAVAILABLE,
            };
            (status, error.message)
        }
        NoAnswer::Gone => (StatusCode::NOT_FOUND, "The resource has ended.".to_owned()),
    }
}

fn refusal((status, message): &Refused) -> Response<Body> {
    let mut response = Response::new(Body::from(format!("{message}\n")));
    *response.status_mut() = *status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if *status == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}
