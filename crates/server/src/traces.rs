//! OpenTelemetry traces: what clients waited for, told to a collector by OTLP over HTTP.
//!
//! Owns the connection to the collector and the spans: one for each request to the operator's interface, to WHIP and to
//! WHEP, and one for each signalling socket, with one inside for each `join` until `joined` and each `offer` until its
//! `answer`. Off unless `trace.otlp` names a collector; then what is left undone costs nothing. Media is not traced: packets
//! are counted (`metrics`), and decisions have a log of their own.
//!
//! ```text
//!   session  room=standup, end=gone ------------------------------------
//!     join ---     offer ------
//! ```

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::Response;
use axum::middleware::Next;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{Span, SpanBuilder, SpanKind, Status, TraceContextExt, Tracer, TracerProvider};
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::{HeaderExtractor, HttpClient, HttpError};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider};
use signalling::{ClientMessage, ServerMessage};
use tokio::runtime::Handle;

use crate::config::Trace;
use crate::error::StartError;
use crate::http::App;

/// A collector that takes longer for one answer is not waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// Path of the collector (OTLP specification, "OTLP/HTTP Request").
const PATH: &str = "/v1/traces";

/// The means to tell of what was waited for, or to be silent.
#[derive(Clone, Default)]
pub(crate) struct Traces(Option<Arc<Collector>>);

struct Collector {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

impl Traces {
    /// As configured. Must be called on a tokio runtime, which carries what is sent.
    ///
    /// # Errors
    /// [`StartError::Traces`] when the collector's address cannot be used. Whether somebody answers there is seen later, in the log.
    pub(crate) fn start(config: &Trace) -> Result<Self, StartError> {
        let Some(address) = &config.otlp else { return Ok(Self::default()) };
        let sender = Sender {
            runtime: Handle::current(),
            client: Client::builder(TokioExecutor::new()).build(HttpConnector::new()),
        };
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(sender)
            .with_endpoint(format!("{}{PATH}", address.trim_end_matches('/')))
            .with_timeout(PATIENCE)
            .build()
            .map_err(|error| StartError::Traces(error.to_string()))?;
        let share = Sampler::TraceIdRatioBased(f64::from(config.percent) / 100.0);
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_sampler(Sampler::ParentBased(Box::new(share)))
            .with_resource(Resource::builder().with_service_name("terrace").build())
            .build();
        let tracer = provider.tracer("terrace");
        Ok(Self(Some(Arc::new(Collector { provider, tracer }))))
    }

    /// Tells what is still to be told. Waits for the collector, for a few seconds at most.
    pub(crate) async fn finish(&self) {
        let Some(collector) = self.0.clone() else { return };
        let told = tokio::task::spawn_blocking(move || collector.provider.shutdown_with_timeout(PATIENCE));
        if let Ok(Err(error)) = told.await {
            tracing::warn!(%error, "the last traces did not reach the collector");
        }
    }

    /// The spans of a signalling socket that was just opened.
    pub(crate) fn session(&self) -> Session {
        let root = self.0.as_ref().map(|collector| {
            let span = SpanBuilder::from_name("session").with_kind(SpanKind::Server);
            Context::new().with_span(span.start(&collector.tracer))
        });
        Session { collector: self.0.clone(), root, waiting: Mutex::default() }
    }
}

/// The spans of one signalling socket.
pub(crate) struct Session {
    collector: Option<Arc<Collector>>,
    root: Option<Context>,
    /// What the client waits for. It may wait for one thing of a kind: a second offer is not answered before the first.
    waiting: Mutex<Vec<(Wait, opentelemetry_sdk::trace::Span)>>,
}

/// Something that a client waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wait {
    Join,
    Offer,
}

impl Session {
    /// A message of the client was understood.
    pub(crate) fn heard(&self, message: &ClientMessage) {
        let (Some(collector), Some(root)) = (&self.collector, &self.root) else { return };
        let (wait, name) = match message {
            ClientMessage::Join(join) => {
                root.span().set_attribute(KeyValue::new("terrace.room", join.room.clone()));
                (Wait::Join, "join")
            }
            ClientMessage::Offer(_) => (Wait::Offer, "offer"),
            _ => return,
        };
        let span = collector.tracer.start_with_context(name, root);
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|(other, _)| *other != wait);
        waiting.push((wait, span));
    }

    /// A message left for the client.
    pub(crate) fn said(&self, message: &ServerMessage) {
        if self.root.is_none() {
            return;
        }
        let (wait, error) = match message {
            ServerMessage::Joined(_) => (Wait::Join, None),
            ServerMessage::Answer(_) => (Wait::Offer, None),
            ServerMessage::Error(error) if error.about.as_deref() == Some("offer") => {
                (Wait::Offer, Some(error))
            }
            ServerMessage::Error(error) => (Wait::Join, Some(error)),
            _ => return,
        };
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        for (_, mut span) in waiting.extract_if(.., |(other, _)| *other == wait) {
            if let Some(error) = error {
                span.set_status(Status::error(error.message.clone()));
            }
        }
    }

    /// The socket ended, for that reason.
    pub(crate) fn ended(&self, reason: &'static str) {
        if let Some(root) = &self.root {
            root.span().set_attribute(KeyValue::new("terrace.end", reason));
            self.waiting.lock().unwrap_or_else(PoisonError::into_inner).clear();
            root.span().end();
        }
    }
}

/// Makes a span of a request, as a part of the caller's trace if it sends one (W3C Trace Context).
pub(crate) async fn request(State(app): State<Arc<App>>, request: Request, next: Next) -> Response<Body> {
    let Some(collector) = &app.signalling.traces.0 else { return next.run(request).await };
    let caller = TraceContextPropagator::new().extract(&HeaderExtractor(request.headers()));
    let route = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str).to_owned();
    let method = request.method().to_string();
    let mut span = SpanBuilder::from_name(format!("{method} {route}"))
        .with_kind(SpanKind::Server)
        .with_attributes([KeyValue::new("http.request.method", method), KeyValue::new("http.route", route)])
        .start_with_context(&collector.tracer, &caller);
    let response = next.run(request).await;
    span.set_attribute(KeyValue::new("http.response.status_code", i64::from(response.status().as_u16())));
    if response.status().is_server_error() {
        span.set_status(Status::error(""));
    }
    response
}

/// Sends on the runtime of the pages: spans are gathered on a thread of their own, which has none.
struct Sender {
    runtime: Handle,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sender")
    }
}

#[async_trait]
impl HttpClient for Sender {
    async fn send_bytes(&self, request: axum::http::Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        let sending = self.runtime.spawn(async move {
            let answer = client.request(request.map(Full::new)).await?;
            let (head, body) = answer.into_parts();
            let body = body.collect().await?.to_bytes();
            Ok::<_, HttpError>(Response::from_parts(head, body))
        });
        sending.await?
    }
}
