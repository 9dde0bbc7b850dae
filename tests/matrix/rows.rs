//! The rows of the matrix: which there are, what each says, and how they look.

use std::time::Duration;

use client::VideoReport;
use serde::Serialize;

/// A kind of loss.
#[derive(Clone, Copy)]
pub(crate) struct Loss {
    pub(crate) name: &'static str,
    /// Of the datagrams each way.
    pub(crate) share: f64,
    /// Lost in a row, on average.
    pub(crate) burst: f64,
}

const fn alone(name: &'static str, share: f64) -> Loss {
    Loss { name, share, burst: 1.0 }
}

pub(crate) const LOSSES: [Loss; 6] = [
    alone("none", 0.0),
    alone("1 %", 0.01),
    alone("5 %", 0.05),
    alone("10 %", 0.10),
    alone("20 %", 0.20),
    Loss { name: "5 % in bursts of 8", share: 0.05, burst: 8.0 },
];

pub(crate) const ROUND_TRIPS: [Duration; 2] = [Duration::from_millis(20), Duration::from_millis(100)];

/// What the matrix does not cover, and why.
pub(crate) const NOT_RUN: [&str; 3] = [
    "H.264 with native participants: the synthetic camera makes VP8 alone",
    "VP9, VP9 SVC, AV1, AV1 SVC: neither the synthetic camera nor the forwarder has them",
    "browsers: their calls are in tests/browser, without losses",
];

/// One combination.
pub(crate) struct Cell {
    pub(crate) rtt: Duration,
    pub(crate) loss: Loss,
}

/// What one combination gave.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Row {
    codec: &'static str,
    mode: &'static str,
    loss: &'static str,
    loss_up: f64,
    loss_down: f64,
    burst: f64,
    rtt_ms: u64,
    seconds: u64,
    /// Of the frames that the camera made.
    frames_complete: f64,
    bad_frames: u64,
    freezes_over_300ms: u64,
    longest_gap_ms: u64,
    /// Pauses that the camera's machine is to blame for.
    source_stalls: u64,
    /// Longest gap around a change of the encoding; absent where there was none.
    switch_gap_ms_p95: Option<u64>,
    switches: u64,
    lost_packets: u64,
    keyframe_requests: u64,
    height: Option<u16>,
    kbps: u64,
    estimate_kbps: Option<u64>,
    delay_ms_p95: Option<f64>,
}

/// Frames per second of the synthetic camera.
const FPS: f64 = 30.0;

impl Row {
    /// From what was received at the beginning and at the end.
    pub(crate) fn new(
        cell: &Cell,
        seconds: Duration,
        before: &VideoReport,
        after: &VideoReport,
        estimate_kbps: Option<u64>,
    ) -> Self {
        let complete = (after.frames - before.frames) as f64 / (seconds.as_secs_f64() * FPS);
        Self {
            codec: "VP8",
            mode: "simulcast",
            loss: cell.loss.name,
            loss_up: cell.loss.share,
            loss_down: cell.loss.share,
            burst: cell.loss.burst,
            rtt_ms: cell.rtt.as_millis() as u64,
            seconds: seconds.as_secs(),
            frames_complete: (complete.min(1.0) * 1_000.0).round() / 1_000.0,
            bad_frames: after.bad_frames - before.bad_frames,
            freezes_over_300ms: after.long_freezes - before.long_freezes,
            longest_gap_ms: after.longest_gap_ms,
            source_stalls: after.source_stalls - before.source_stalls,
            switch_gap_ms_p95: (after.switches > before.switches).then_some(after.longest_gap_ms),
            switches: after.switches - before.switches,
            lost_packets: after.lost_packets - before.lost_packets,
            keyframe_requests: after.keyframe_requests - before.keyframe_requests,
            height: after.height,
            kbps: after.kbps,
            estimate_kbps,
            delay_ms_p95: after.delay_ms_p95,
        }
    }
}

/// For people, as in `docs/`.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut out = String::from(
        "| codec | loss each way | round trip ms | frames complete | bad | freezes > 300 ms | longest gap ms | lines | kbit/s | delay p95 ms |\n\
         |---|---|---|---|---|---|---|---|---|---|\n",
    );
    let or_dash = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    for row in rows {
        out += &format!(
            "| {} | {} | {} | {:.1} % | {} | {} | {} | {} | {} | {} |\n",
            row.codec,
            row.loss,
            row.rtt_ms,
            row.frames_complete * 100.0,
            row.bad_frames,
            row.freezes_over_300ms,
            row.longest_gap_ms,
            or_dash(row.height.map(|height| height.to_string())),
            row.kbps,
            or_dash(row.delay_ms_p95.map(|delay| format!("{delay:.0}"))),
        );
    }
    for missing in NOT_RUN {
        out += &format!("\nNot run: {missing}.");
    }
    out
}
