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
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Body;
use axum::extract::{FromRequestParts, Path, Request, State};
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::request::Parts;
use axum::http::{Method, Response, StatusCode, Uri};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use futures_util::stream;
use sfu::Grant;
use signalling::ErrorCode;

use crate::access::{Claims, Denied, Right, random_secret};
use crate::admin::bearer;
use crate::endless::{EVENTS, endless, event};
use crate::http::App;
use crate::listener::KeepOpen;
use crate::origin;
use crate::pages::plain;
use crate::traces;
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

/// Why a request is not done: a status, and a sentence for people.
#[derive(Debug)]
struct Refused(StatusCode, String);

type Answer = Result<Response<Body>, Refused>;

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
        .layer(from_fn_with_state(Arc::clone(&app), share))
        .layer(from_fn_with_state(app, traces::request))
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

async fn publish(State(app): State<Arc<App>>, Path(room): Path<String>, request: Request) -> Answer {
    open(app, room, request, Direction::In).await
}

async fn play(State(app): State<Arc<App>>, Path(room): Path<String>, request: Request) -> Answer {
    open(app, room, request, Direction::Out).await
}

/// The claims of a request's token, if they allow this in that room.
fn judge(app: &App, parts: &Parts, room: &str, right: Right) -> Result<Claims, Refused> {
    if !app.gate.may_try(&parts.extensions) {
        let text = "Too many bad tokens came from this address.";
        return Err(Refused(StatusCode::TOO_MANY_REQUESTS, text.to_owned()));
    }
    let judged = app.access.with_right(bearer(&parts.headers), right);
    let judged =
        judged.and_then(|claims| if claims.is_for(room) { Ok(claims) } else { Err(Denied::OtherRoom) });
    judged.map_err(|denied| {
        app.gate.refused(&parts.extensions, denied);
        Refused(denied.status(), format!("Send a token that is good for this: {denied}."))
    })
}

/// A new resource.
async fn open(app: Arc<App>, room: String, request: Request, direction: Direction) -> Answer {
    let (parts, body) = request.into_parts();
    let claims = judge(&app, &parts, &room, direction.right())?;
    if !app.gate.may_open(&parts.extensions) {
        return Err(Refused(StatusCode::TOO_MANY_REQUESTS, "Too many come from this address.".to_owned()));
    }
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '~' | '-');
    if room.len() > signalling::limits::ROOM_CHARS || !room.chars().all(legal) {
        let text = "A room's name has 1 to 64 of a-z A-Z 0-9 . _ ~ -";
        return Err(Refused(StatusCode::BAD_REQUEST, text.to_owned()));
    }
    expect_type(&parts.headers, SDP)?;
    let sdp = text(body, OFFER_BYTES).await?;
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
    let (resource, answer) = opened?;
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

/// The room of a resource and its name, as in its path.
type InPath = Path<(String, String)>;

/// The resource that a path names, for whoever may use it.
struct Mine {
    name: String,
    found: Open,
}

impl FromRequestParts<Arc<App>> for Mine {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Refused> {
        let missing =
            || Refused(StatusCode::NOT_FOUND, "There is no such resource; it may have ended.".to_owned());
        let path = InPath::from_request_parts(parts, app).await;
        let Path((room, name)) = path.map_err(|_| missing())?;
        let found = app.whip.open().get(&name).cloned().ok_or_else(missing)?;
        let its_path = format!("/{}/", found.direction.path());
        if found.room != room || !parts.uri.path().starts_with(&its_path) {
            return Err(missing());
        }
        judge(app, parts, &room, found.direction.right())?;
        Ok(Self { name, found })
    }
}

/// Trickled candidates, which the server does not need as it learns them from checks, or a restart of ICE.
async fn change(State(app): State<Arc<App>>, Mine { name, found }: Mine, request: Request) -> Answer {
    let (parts, body) = request.into_parts();
    expect_type(&parts.headers, FRAGMENT)?;
    let wanted = parts.headers.get(header::IF_MATCH).and_then(|value| value.to_str().ok());
    let wanted = wanted.ok_or_else(|| {
        Refused(StatusCode::PRECONDITION_REQUIRED, "Send If-Match with the ETag.".to_owned())
    })?;
    let piece = text(body, FRAGMENT_BYTES).await?;
    let restart = credentials(&piece).filter(|given| Some(given) != credentials(&found.offer).as_ref());
    // Any session may be started anew; a candidate belongs to one (RFC 9725 §4.3.2).
    if wanted != found.etag && !(wanted == "*" && restart.is_some()) {
        return Err(Refused(StatusCode::PRECONDITION_FAILED, "That ICE session is over.".to_owned()));
    }
    let Some(given) = restart else { return Ok(StatusCode::NO_CONTENT.into_response()) };
    let offer = with_credentials(&found.offer, &given);
    let answer = found.resource.offer(offer.clone()).await?;
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
}

async fn end(State(app): State<Arc<App>>, Mine { name, found }: Mine) {
    app.whip.open().remove(&name);
    found.resource.leave().await;
}

/// Asks for the stream of events; there is one, whatever is asked for.
async fn ask_for_events(_: Mine, uri: Uri) -> impl IntoResponse {
    (StatusCode::CREATED, [(header::LOCATION, uri.path().to_owned())])
}

/// An `EventSource` cannot send a token; the name of the resource is a secret of its own.
async fn events(State(app): State<Arc<App>>, Path((room, name)): InPath, connection: KeepOpen) -> Answer {
    let found = app.whip.open().get(&name).filter(|found| found.room == room).cloned();
    let found =
        found.ok_or_else(|| Refused(StatusCode::NOT_FOUND, "There is no such resource.".to_owned()))?;
    let mut layers = found.resource.layers();
    layers.mark_changed();
    let news = stream::unfold(layers, async |mut layers| {
        layers.changed().await.ok()?;
        let piece = event("layers", &*layers.borrow_and_update());
        Some((piece, layers))
    });
    Ok(endless(&connection, app.signalling.stop.clone(), EVENTS, news))
}

async fn choose(Mine { found, .. }: Mine, body: Body) -> Result<(), Refused> {
    let text = text(body, FRAGMENT_BYTES).await?;
    let choice: Choice =
        serde_json::from_str(&text).map_err(|error| Refused(StatusCode::BAD_REQUEST, error.to_string()))?;
    match found.resource.choose(choice).await? {
        true => Ok(()),
        false => Err(Refused(StatusCode::NOT_FOUND, "There is no such section or encoding now.".to_owned())),
    }
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
        false => Err(Refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, format!("Send {expected}."))),
    }
}

async fn text(body: Body, most: usize) -> Result<String, Refused> {
    let bytes = axum::body::to_bytes(body, most).await;
    let bytes =
        bytes.map_err(|_| Refused(StatusCode::PAYLOAD_TOO_LARGE, format!("Send at most {most} bytes.")))?;
    String::from_utf8(bytes.into())
        .map_err(|_| Refused(StatusCode::BAD_REQUEST, "Send text in UTF-8.".to_owned()))
}

impl From<NoAnswer> for Refused {
    fn from(why: NoAnswer) -> Self {
        match why {
            NoAnswer::Refused(error) => {
                let status = match error.code {
                    ErrorCode::OfferRejected => StatusCode::BAD_REQUEST,
                    ErrorCode::Forbidden | ErrorCode::Unauthorized => StatusCode::FORBIDDEN,
                    _ => StatusCode::SERVICE_UNAVAILABLE,
                };
                Self(status, error.message)
            }
            NoAnswer::Gone => Self(StatusCode::NOT_FOUND, "The resource has ended.".to_owned()),
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response<Body> {
        let Self(status, message) = self;
        let mut response = plain(status, format!("{message}\n"));
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
