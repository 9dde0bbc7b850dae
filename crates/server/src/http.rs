//! The paths of the server: pages, health, and the door to signalling.
//!
//! Owns routing and the checks that a request for a WebSocket must pass. Outside of the operator's interface only GET and
//! HEAD exist, and no request body is ever read. What is said over the socket is `websocket`'s.

use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Method, Response, StatusCode};
use axum::middleware::map_response;
use axum::routing::get;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::access::{Access, links};
use crate::admin;
use crate::admission::{Admission, Permit};
use crate::gate::Gate;
use crate::metrics::{self, Tally};
use crate::origin::{self, Origin};
use crate::pages::{Pages, plain, secure};
use crate::websocket;
use crate::whip;

/// What requests are answered from.
pub(crate) struct App {
    pub(crate) pages: Pages,
    pub(crate) signalling: websocket::Context,
    /// Pages of other hosts that may open a socket.
    pub(crate) origins: Vec<Origin>,
    pub(crate) access: Arc<Access>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) links: links::Links,
    pub(crate) watch: admin::Watch,
    pub(crate) whip: whip::Resources,
    pub(crate) admission: Admission,
    pub(crate) tally: Arc<Tally>,
    /// `/metrics` needs no token.
    pub(crate) open_metrics: bool,
    /// `Strict-Transport-Security`, where the operator wants it.
    pub(crate) strict_transport: Option<HeaderValue>,
    /// Nobody new is let in, so whoever spreads load should look elsewhere.
    pub(crate) draining: AtomicBool,
}

/// All paths.
pub(crate) fn router(app: Arc<App>) -> Router {
    let strict = app.strict_transport.clone();
    Router::new()
        .route("/", get(page))
        .route("/r/{room}", get(page))
        .route("/operator", get(operator))
        .route("/l/{code}", get(link))
        .route("/health", get(health))
        .route("/healthz", get(health))
        .route("/ready", get(readiness))
        .route(signalling::PATH, get(signal))
        .route("/v1/decisions/{room}", get(admin::own_decisions))
        .route("/metrics", get(metrics::page))
        .merge(admin::router(Arc::clone(&app)))
        .merge(whip::router(Arc::clone(&app)))
        .fallback(file)
        .layer(map_response(move |response: Response<Body>| ready(secure(response, strict.as_ref()))))
        .with_state(app)
}

/// The web client. The room in the path is read by the page.
async fn page(State(app): State<Arc<App>>, headers: HeaderMap) -> Response<Body> {
    app.pages.get("index.html", &headers)
}

/// The operator's page. It shows nothing without a token, which it takes from the fragment of its address.
async fn operator(State(app): State<Arc<App>>, headers: HeaderMap) -> Response<Body> {
    app.pages.get("operator.html", &headers)
}

/// A link that works once: leads to a room, with a token.
async fn link(State(app): State<Arc<App>>, Path(code): Path<String>, method: Method) -> Response<Body> {
    // Whoever only wants to know what is there (a preview) does not use the link up.
    if method != Method::GET {
        return plain(StatusCode::METHOD_NOT_ALLOWED, "Open the link.\n");
    }
    let target = app.links.open(&code, &app.access, Instant::now());
    let Some(target) = target.and_then(|target| HeaderValue::try_from(target).ok()) else {
        return plain(
            StatusCode::NOT_FOUND,
            "This link was used already, or is too old. The terminal shows another.\n",
        );
    };
    let mut response = plain(StatusCode::SEE_OTHER, "");
    response.headers_mut().insert(header::LOCATION, target);
    response
}

async fn file(State(app): State<Arc<App>>, request: Request) -> Response<Body> {
    if request.uri().path().starts_with("/api/") {
        return admin::unknown(request.method());
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "Only GET is understood here.\n");
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    app.pages.get(request.uri().path().trim_start_matches('/'), request.headers())
}

/// For load balancers and service managers: 200 while the loops of all workers run.
async fn health(State(app): State<Arc<App>>) -> Response<Body> {
    if app.signalling.stop.is_raised() {
        plain(StatusCode::SERVICE_UNAVAILABLE, "stopping\n")
    } else if app.signalling.workers.healthy().await {
        plain(StatusCode::OK, "ok\n")
    } else {
        plain(StatusCode::SERVICE_UNAVAILABLE, "a worker does not answer\n")
    }
}

/// For load balancers: 200 while the server is healthy and lets people in.
async fn readiness(state: State<Arc<App>>) -> Response<Body> {
    match state.draining.load(Ordering::Relaxed) {
        true => plain(StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
        false if state.signalling.workers.overloaded().await => {
            plain(StatusCode::SERVICE_UNAVAILABLE, "busy\n")
        }
        false => health(state).await,
    }
}

/// Turns the connection into a signalling socket (RFC 6455 §4.2).
async fn signal(State(app): State<Arc<App>>, mut request: Request) -> Response<Body> {
    let text = |name: HeaderName| request.headers().get(name).and_then(|value| value.to_str().ok());
    // A header that is there but not text is no origin of ours, so it must not count as absent.
    let origin = request.headers().get(header::ORIGIN).map(|value| value.to_str().unwrap_or("null"));
    if !origin::allowed(origin, text(header::HOST), &app.origins) {
        return plain(
            StatusCode::FORBIDDEN,
            "Pages of this origin may not connect. The operator can allow it with --allow-origin.\n",
        );
    }
    if !offers_subprotocol(request.headers()) {
        return plain(StatusCode::BAD_REQUEST, "This is a WebSocket for the subprotocol terrace.v1.\n");
    }
    let Ok(mut response) = create_response_with_body(&request, Body::empty) else {
        return plain(StatusCode::BAD_REQUEST, "This is a WebSocket of version 13 (RFC 6455).\n");
    };
    response
        .headers_mut()
        .insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(signalling::SUBPROTOCOL));
    let permit = request.extensions_mut().remove::<Arc<Permit>>();
    let upgrade = hyper::upgrade::on(request);
    tokio::spawn(async move {
        let client = permit.as_ref().and_then(|permit| permit.client());
        // An error means that the client left before the response was out.
        let Ok(upgraded) = upgrade.await else { return };
        let config = Some(websocket::config(&app.signalling.message_limits));
        let socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, config).await;
        websocket::serve(socket, &app.signalling, client).await;
        // Held for as long as the socket is open.
        drop(permit);
    });
    response
}

/// Is our subprotocol among those that the client speaks (RFC 6455 §11.3.4)?
fn offers_subprotocol(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(','))
        .any(|name| name.trim() == signalling::SUBPROTOCOL)
}
