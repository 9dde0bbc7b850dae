//! The paths of the server: pages, health, and the door to signalling.
//!
//! Owns routing and the checks that a request for a WebSocket must pass. Only GET and HEAD exist, so no request body is
//! ever read. What is said over the socket is `websocket`'s.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Method, Response, StatusCode};
use axum::middleware::map_response;
use axum::routing::get;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::admission::Permit;
use crate::origin::{self, Origin};
use crate::pages::{Pages, plain, secure};
use crate::websocket;

/// What requests are answered from.
pub(crate) struct App {
    pub(crate) pages: Pages,
    pub(crate) signalling: websocket::Context,
    /// Pages of other hosts that may open a socket.
    pub(crate) origins: Vec<Origin>,
}

/// All paths.
pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/r/{room}", get(page))
        .route("/healthz", get(health))
        .route(signalling::PATH, get(signal))
        .fallback(file)
        .layer(map_response(async |response: Response<Body>| secure(response)))
        .with_state(app)
}

/// The web client. The room in the path is read by the page.
async fn page(State(app): State<Arc<App>>, headers: HeaderMap) -> Response<Body> {
    app.pages.get("index.html", &headers)
}

async fn file(State(app): State<Arc<App>>, request: Request) -> Response<Body> {
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
        // Held for as long as the socket is open.
        let _permit = permit;
        // An error means that the client left before the response was out.
        let Ok(upgraded) = upgrade.await else { return };
        let config = Some(websocket::config(&app.signalling.message_limits));
        let socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, config).await;
        websocket::serve(socket, &app.signalling).await;
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
