//! The rows of the matrix: which there are, what each says, and how they look.

use std::collections::BTreeMap;
use std::time::Duration;

use client::VideoReport;
use client::check::BadFrame;
use client::link::LinkConfig;
use packet::Codec;
use serde::Serialize;

/// What a path does to its datagrams.
#[derive(Clone, Copy)]
pub(crate) struct Fault {
    pub(crate) name: &'static str,
    /// Lost, of the datagrams.
    share: f64,
    /// Lost in a row, on average.
    burst: f64,
    jitter: Duration,
    /// Overtaken by others, of the datagrams.
    reordered: f64,
}

const fn lost(name: &'static str, share: f64) -> Fault {
    Fault { name, share, burst: 1.0, jitter: Duration::ZERO, reordered: 0.0 }
}

const FAULTS: [Fault; 8] = [
    lost("none", 0.0),
    lost("1 % lost", 0.01),
    lost("5 % lost", 0.05),
    lost("10 % lost", 0.10),
    lost("20 % lost", 0.20),
    Fault { burst: 8.0, ..lost("5 % lost, 8 in a row", 0.05) },
    Fault { jitter: Duration::from_millis(30), ..lost("30 ms of jitter", 0.0) },
    Fault { reordered: 0.02, ..lost("2 % overtaken by 12 ms", 0.0) },
];

const FAR: Duration = Duration::from_millis(100);
const NEAR: Duration = Duration::from_millis(20);

/// Whose path has the fault; each path has it both ways.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Where {
    Both,
    Publisher,
    Receiver,
}

impl Where {
    const fn name(self) -> &'static str {
        match self {
            Self::Both => "both",
            Self::Publisher => "publisher's",
            Self::Receiver => "receiver's",
        }
    }
}

/// One combination.
#[derive(Clone, Copy)]
pub(crate) struct Cell {
    pub(crate) codec: Codec,
    pub(crate) fault: Fault,
    pub(crate) paths: Where,
    pub(crate) rtt: Duration,
}

impl Cell {
    /// Every codec with every fault at 100 ms, and with VP8 also at 20 ms and on either path alone.
    pub(crate) fn all() -> Vec<Self> {
        let cell = |codec, fault, paths, rtt| Self { codec, fault, paths, rtt };
        let codecs = [Codec::Vp8, Codec::Vp9, Codec::H264];
        let far =
            codecs.into_iter().flat_map(|codec| FAULTS.map(|fault| cell(codec, fault, Where::Both, FAR)));
        let near = FAULTS.map(|fault| cell(Codec::Vp8, fault, Where::Both, NEAR));
        let one_way = [Where::Publisher, Where::Receiver].map(|one| cell(Codec::Vp8, FAULTS[2], one, FAR));
        far.chain(near).chain(one_way).collect()
    }

    /// What it is called where rows are chosen.
    pub(crate) fn label(&self) -> String {
        let Self { codec, fault, paths, rtt } = self;
        format!("{codec}, {}, {}, {} ms", fault.name, paths.name(), rtt.as_millis())
    }

    /// Both ways of the publisher's path, or of the receiver's.
    pub(crate) fn link(&self, of: Where) -> LinkConfig {
        let delay = self.rtt / 2;
        let quiet = LinkConfig { delay, ..LinkConfig::default() };
        if self.paths != Where::Both && self.paths != of {
            return quiet;
        }
        let Fault { share, burst, jitter, reordered, .. } = self.fault;
        LinkConfig { loss: share, burst, jitter, reordered, ..quiet }
    }
}

/// What the matrix does not cover, and why.
pub(crate) const NOT_RUN: [&str; 3] = [
    "AV1: the synthetic camera does not make it; it is tried between browsers and through the node",
    "spatial layers of VP9: the synthetic camera makes several encodings; tried as AV1 is",
    "browsers with losses: their calls are in the browser tests, over loopback",
];

/// What one combination gave.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Row {
    codec: String,
    mode: &'static str,
    fault: &'static str,
    paths: &'static str,
    loss: f64,
    burst: f64,
    jitter_ms: u64,
    reordered: f64,
    rtt_ms: u64,
    seconds: u64,
    /// Of the frames that the camera made.
    frames_complete: f64,
    /// Those that losses spoiled.
    spoiled_frames: u64,
    /// Those that no loss is to blame for.
    bad_frames: u64,
    /// The same by reason.
    bad: BTreeMap<BadFrame, u64>,
    freezes_over_300ms: u64,
    /// Between two frames, while it was measured.
    longest_gap_ms: u64,
    /// Pauses that the camera's machine is to blame for.
    source_stalls: u64,
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
            codec: cell.codec.to_string(),
            mode: "simulcast",
            fault: cell.fault.name,
            paths: cell.paths.name(),
            loss: cell.fault.share,
            burst: cell.fault.burst,
            jitter_ms: cell.fault.jitter.as_millis() as u64,
            reordered: cell.fault.reordered,
            rtt_ms: cell.rtt.as_millis() as u64,
            seconds: seconds.as_secs(),
            frames_complete: (complete.min(1.0) * 1_000.0).round() / 1_000.0,
            spoiled_frames: after.spoiled_frames - before.spoiled_frames,
            bad_frames: after.bad_frames - before.bad_frames,
            bad: reasons(before, after),
            freezes_over_300ms: after.long_freezes - before.long_freezes,
            longest_gap_ms: after.recent_gap_ms,
            source_stalls: after.source_stalls - before.source_stalls,
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

/// Bad frames by reason, while it was measured.
fn reasons(before: &VideoReport, after: &VideoReport) -> BTreeMap<BadFrame, u64> {
    let since = |(why, count): (&BadFrame, &u64)| (*why, count - before.bad.get(why).copied().unwrap_or(0));
    after.bad.iter().map(since).filter(|(_, count)| *count > 0).collect()
}

/// For people, as in `docs/`.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut out = String::from(
        "| codec | each way | paths | round trip ms | frames complete | spoiled | bad | freezes > 300 ms | longest gap ms | lines | kbit/s | delay p95 ms |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    let or_dash = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    for row in rows {
        out += &format!(
            "| {} | {} | {} | {} | {:.1} % | {} | {} | {} | {} | {} | {} | {} |\n",
            row.codec,
            row.fault,
            row.paths,
            row.rtt_ms,
            row.frames_complete * 100.0,
            row.spoiled_frames,
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
