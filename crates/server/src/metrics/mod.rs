//! What Prometheus is told at `/metrics`.
//!
//! Owns the names and meanings of all metrics, and who may read them. Leaves the form to `families` and counting to
//! whoever knows: nodes, media sockets, `gate`, `admission`, `websocket`. Names follow the conventions of Prometheus: base
//! units (bytes, seconds), `_total` for what only grows, labels for what adds up. There are no labels for rooms or
//! participants: those are many, and personal.

mod families;
mod process;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{self, HeaderValue};
use axum::http::request::Parts;
use axum::http::{Response, StatusCode};
use sfu::{Load, Stats};

use crate::access::{ANY_ROOM, Denied};
use crate::admin;
use crate::http::App;
use crate::pages::plain;
use crate::udp::Counters;
use crate::worker::Ask;
use families::Families;

/// What is counted where no node and no socket counts.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Connections refused as there are too many in total.
    pub(crate) connections_total: AtomicU64,
    /// Connections refused as there are too many of one address.
    pub(crate) connections_per_address: AtomicU64,
    /// TLS handshakes that failed or took too long.
    pub(crate) handshakes: AtomicU64,
    /// Signalling sockets that ended, by why.
    pub(crate) sockets_ended: [AtomicU64; ENDS.len()],
}

/// Why a signalling socket ends, as labels.
pub(crate) const ENDS: [&str; 11] = [
    "gone",
    "closed",
    "slow",
    "silent",
    "no_join",
    "denied",
    "too_many_joins",
    "too_fast",
    "too_large",
    "not_text",
    "stopping",
];

impl Tally {
    /// One more.
    pub(crate) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// A signalling socket ended for this reason, one of [`ENDS`].
    pub(crate) fn ended(&self, why: &str) {
        if let Some(at) = ENDS.iter().position(|known| *known == why) {
            Self::count(&self.sockets_ended[at]);
        }
    }
}

/// `GET /metrics`: for whoever has a token for the whole server, or for everybody where the operator said so.
pub(crate) async fn page(State(app): State<Arc<App>>, parts: Parts) -> Response<Body> {
    if !app.open_metrics {
        let token = admin::bearer(&parts.headers);
        let allowed = app.gate.may_try(&parts.extensions)
            && app.access.operator(token).is_ok_and(|c| c.is_for(ANY_ROOM));
        if !allowed {
            app.gate.refused(&parts.extensions, Denied::NotAllowed);
            let mut response = plain(
                StatusCode::UNAUTHORIZED,
                "Metrics are for who has a token with the right `administrate` for all rooms; `metrics.open = true` opens them.\n",
            );
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            return response;
        }
    }
    let mut families = Families::default();
    gather(&app, &mut families).await;
    process::gather(&mut families);
    let mut response = Response::new(Body::from(families.encode()));
    let content_type = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn gather(app: &App, families: &mut Families) {
    families.gauge("build_info", "The release that runs").row([("version", env!("CARGO_PKG_VERSION"))], 1.0);
    let draining = f64::from(u8::from(app.draining.load(Ordering::Relaxed)));
    families.gauge("draining", "1 while nobody new is let in").row([], draining);

    let mut workers = Vec::new();
    for (index, worker) in app.signalling.workers.all().iter().enumerate() {
        let node = worker.ask(|node| (node.load(), *node.stats())).await;
        if let (Some((load, stats)), Some(sockets)) = (node, worker.sockets().await) {
            workers.push((index.to_string(), load, stats, sockets));
        }
    }
    holds(families, &workers);
    media(families, &workers);
    joins(families, &workers, app);
    connections(families, app);
    app.watch.totals().describe(families);
}

/// Its index, what its node holds and has counted, and what its socket has.
type Worker = (String, Load, Stats, Counters);
/// One number of something.
type Of<T, N> = fn(&T) -> N;

fn holds(families: &mut Families, workers: &[Worker]) {
    let gauges: [(&str, &'static str, Of<Load, usize>); 5] = [
        ("rooms", "Rooms with somebody in them", |load| load.rooms),
        ("participants", "Participants, those who may return included", |load| load.participants),
        (
            "overload",
            "How far a worker gives way to more work than its core can do: from 1 on nobody new, at 2 and 3 smaller pictures",
            |load| usize::from(load.overload),
        ),
        ("participants_connected", "Participants whose media path is there", |load| load.connected),
        ("pairs", "Rooms of two who were told that they may exchange media directly", |load| load.pairs),
    ];
    for (name, help, of) in gauges {
        let mut rows = families.gauge(name, help);
        for (index, load, ..) in workers {
            rows.row([("worker", index)], of(load) as f64);
        }
    }
}

fn media(families: &mut Families, workers: &[Worker]) {
    let counters: [(&str, &'static str, Of<Worker, u64>); 7] = [
        ("packets_received", "Media packets taken in", |w| w.2.packets_in),
        ("packets_sent", "Media packets sent, each receiver counted", |w| w.2.packets_out),
        ("packets_relayed", "Media packets handed to other workers for their receivers", |w| w.2.relayed_out),
        ("packets_taken_over", "Media packets that came from other workers", |w| w.2.relayed_in),
        ("datagrams_received", "Datagrams of any kind taken in", |w| w.3.received),
        ("datagrams_sent", "Datagrams of any kind sent", |w| w.3.sent),
        ("send_calls", "System calls that sent datagrams", |w| w.3.sends),
    ];
    for (name, help, of) in counters {
        let mut rows = families.counter(name, help);
        for worker in workers {
            rows.row([("worker", &worker.0)], of(worker) as f64);
        }
    }
    let dropped: [(&str, Of<Worker, u64>); 7] = [
        ("stray", |w| w.2.stray_datagrams),
        ("unproven", |w| w.2.unproven_limited),
        ("no_path", |w| w.2.unsendable),
        ("muted_by_operator", |w| w.2.silenced),
        ("send_buffer_full", |w| w.3.send_buffer_full),
        ("refused_by_system", |w| w.3.refused),
        ("worker_behind", |w| w.3.shed),
    ];
    let mut rows = families.counter("datagrams_dropped", "Datagrams dropped, by why");
    for worker in workers {
        for (reason, of) in dropped {
            rows.row([("worker", &worker.0), ("reason", reason)], of(worker) as f64);
        }
    }
}

fn joins(families: &mut Families, workers: &[Worker], app: &App) {
    let outcomes: [(&str, Of<Stats, u64>); 3] = [
        ("new", |stats| stats.joins - stats.resumes),
        ("resumed", |stats| stats.resumes),
        ("refused", |stats| stats.joins_refused),
    ];
    let mut rows = families.counter("joins", "Joins that reached a room, by what became of them");
    for (index, _, stats, _) in workers {
        for (outcome, of) in outcomes {
            rows.row([("worker", index), ("outcome", outcome)], of(stats) as f64);
        }
    }
    let mut rows = families.counter("offers", "Session descriptions offered, by what became of them");
    for (index, _, stats, _) in workers {
        rows.row([("worker", index), ("outcome", "answered")], stats.offers as f64);
        rows.row([("worker", index), ("outcome", "refused")], stats.offers_refused as f64);
    }
    let words = "Words passed on between two who exchange media directly, and those refused";
    let mut rows = families.counter("direct_messages", words);
    for (index, _, stats, _) in workers {
        rows.row([("worker", index), ("outcome", "passed")], stats.direct_passed as f64);
        rows.row([("worker", index), ("outcome", "refused")], stats.direct_refused as f64);
    }
    let mut rows = families.counter("data_channels", "Data channels that clients opened");
    for (index, _, stats, _) in workers {
        rows.row([("worker", index)], stats.channels as f64);
    }
    let mut rows =
        families.counter("data_channel_messages", "Messages over data channels, by what became of them");
    for (index, _, stats, _) in workers {
        rows.row([("worker", index), ("outcome", "taken")], stats.channel_texts as f64);
        rows.row([("worker", index), ("outcome", "refused")], stats.channel_refused as f64);
    }
    let counts = &app.gate.counts;
    let mut rows = families.counter("tokens_refused", "Tokens refused, by why");
    for (denied, count) in Denied::ALL.iter().zip(&counts.denied) {
        rows.row([("reason", denied.as_str())], load(count));
    }
    families
        .counter("limited", "Attempts refused because one address tried too often, by what was tried")
        .row([("what", "joins")], load(&counts.joins_too_fast))
        .row([("what", "tokens")], load(&counts.tokens_too_fast));
}

fn connections(families: &mut Families, app: &App) {
    families.gauge("http_sessions", "Open resources of WHIP and WHEP").row([], app.whip.count() as f64);
    families.gauge("connections", "Open TCP connections").row([], f64::from(app.admission.open()));
    let tally = &app.tally;
    families
        .counter("connections_refused", "TCP connections refused, by which limit")
        .row([("limit", "total")], load(&tally.connections_total))
        .row([("limit", "address")], load(&tally.connections_per_address));
    families
        .counter("handshakes_failed", "TLS handshakes that failed or took too long")
        .row([], load(&tally.handshakes));
    let mut rows = families.counter("sockets_ended", "Signalling sockets that ended, by why");
    for (why, count) in ENDS.iter().zip(&tally.sockets_ended) {
        rows.row([("reason", why)], load(count));
    }
}

fn load(counter: &AtomicU64) -> f64 {
    counter.load(Ordering::Relaxed) as f64
}

/// What all receivers of the server get, as it was seen last.
#[derive(Clone, Debug, Default)]
pub(crate) struct Totals {
    /// Video slots, by what keeps them from showing more: the reasons of the signalling contract.
    pub(crate) slots: std::collections::BTreeMap<String, u64>,
    /// What all links are believed to carry, in bit/s.
    pub(crate) estimate_bps: u64,
    /// What is being sent as pictures, in bit/s.
    pub(crate) sent_bps: u64,
    /// Switches between encodings or publications since the server started.
    pub(crate) switches: u64,
}

impl Totals {
    /// Adds what the receivers of a room get.
    pub(crate) fn add(&mut self, room: &sfu::RoomView) {
        for who in &room.participants {
            self.estimate_bps += who.downlink.estimate.map_or(0, |estimate| estimate.target.as_bps());
            for slot in &who.slots {
                self.sent_bps += slot.bitrate_bps;
                let reason = serde_json::to_value(slot.reason).ok();
                let reason = reason.as_ref().and_then(serde_json::Value::as_str).unwrap_or("other");
                *self.slots.entry(reason.to_owned()).or_insert(0) += 1;
            }
        }
    }

    fn describe(&self, families: &mut Families) {
        let mut rows = families.gauge("slots", "Slots, by what keeps them from showing more");
        for (reason, count) in &self.slots {
            rows.row([("reason", reason)], *count as f64);
        }
        let bytes = |bits: u64| bits as f64 / 8.0;
        families
            .gauge(
                "downlink_bytes_per_second",
                "All downlinks together: what they carry, and what they are sent",
            )
            .row([("kind", "estimate")], bytes(self.estimate_bps))
            .row([("kind", "sent")], bytes(self.sent_bps));
        families
            .counter("switches", "Switches between encodings or publications")
            .row([], self.switches as f64);
    }
}
