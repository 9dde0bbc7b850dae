//! What losses cost: codecs by losses by round trips, with native participants and the real server over a userspace link.
//!
//! Owns the rows and what is measured in each: a camera behind one lossy path, a desktop behind another, in a room of their
//! own. The same losses and half of the round trip lie on each way of both paths. Runs in real time; rows run side by side,
//! as many as `--side-by-side` says, and what their machine was too slow for is told apart (`source_stalls`).
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a measurement speaks on its streams")]

mod rows;

use std::process::ExitCode;
use std::time::Duration;

use client::link::LinkConfig;
use client::synthetic::CameraConfig;
use client::{Event, Options, Participant, Trust, VideoReport};
use rows::{Cell, LOSSES, NOT_RUN, ROUND_TRIPS, Row};
use server::{Config, Handle, Server};
use signalling::{DeviceClass, SlotView, View, Want};
use tokio::time::{sleep, timeout};

/// From joining until a row is measured: start, ramp and first probes are other questions.
const WARM_UP: Duration = Duration::from_secs(8);
/// Until media flows, on the worst of paths.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the command line says.
struct Arguments {
    json: bool,
    seconds: u64,
    side_by_side: usize,
}

fn main() -> ExitCode {
    let Some(arguments) = arguments(std::env::args().skip(1)) else {
        eprintln!("usage: matrix [--json] [--seconds N] [--side-by-side N]");
        return ExitCode::from(2);
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let rows = match runtime.map(|runtime| runtime.block_on(measure(&arguments))) {
        Ok(rows) => rows,
        Err(error) => {
            eprintln!("matrix: {error}");
            return ExitCode::FAILURE;
        }
    };
    match arguments.json {
        true => println!("{}", serde_json::json!({ "rows": rows, "not_run": NOT_RUN })),
        false => println!("{}", rows::table(&rows)),
    }
    ExitCode::SUCCESS
}

fn arguments(mut words: impl Iterator<Item = String>) -> Option<Arguments> {
    let mut arguments = Arguments { json: false, seconds: 30, side_by_side: 4 };
    while let Some(word) = words.next() {
        match word.as_str() {
            "--json" => arguments.json = true,
            "--seconds" => arguments.seconds = words.next()?.parse().ok().filter(|n| *n > 0)?,
            "--side-by-side" => arguments.side_by_side = words.next()?.parse().ok().filter(|n| *n > 0)?,
            // What cargo passes to every bench.
            "--bench" => {}
            _ => return None,
        }
    }
    Some(arguments)
}

async fn measure(arguments: &Arguments) -> Vec<Row> {
    let config = Config {
        listen: (std::net::Ipv4Addr::LOCALHOST, 0).into(),
        workers: Some(std::num::NonZeroU16::MIN),
        ..Config::default()
    };
    let server = Server::start_ephemeral(config).await.expect("a server on a free port");
    let cells: Vec<Cell> = ROUND_TRIPS
        .into_iter()
        .flat_map(|rtt| LOSSES.into_iter().map(move |loss| Cell { rtt, loss }))
        .collect();
    let mut rows = Vec::new();
    for (turn, cells) in cells.chunks(arguments.side_by_side).enumerate() {
        eprintln!(
            "matrix: {} rows of {} done",
            turn * arguments.side_by_side,
            ROUND_TRIPS.len() * LOSSES.len()
        );
        let seconds = Duration::from_secs(arguments.seconds);
        let running = cells.iter().map(|cell| row(&server, cell, seconds));
        rows.extend(futures_util::future::join_all(running).await);
    }
    // Everybody has left: whatever goes wrong at the end changes no figure.
    let _ = server.shut_down().await;
    rows
}

async fn row(server: &Handle, cell: &Cell, seconds: Duration) -> Row {
    let delay = cell.rtt / 2;
    let link = LinkConfig { loss: cell.loss.share, burst: cell.loss.burst, delay, ..LinkConfig::default() };
    let (fingerprint, _) = server.summary.certificate.as_ref().expect("the server has a certificate");
    let room = format!("{}-{}", cell.loss.name, cell.rtt.as_millis());
    let options = |name: &str, seed| Options {
        trust: Trust::Fingerprint(*fingerprint.as_bytes()),
        link: Some((link, link)),
        seed,
        ..Options::new(&room, name).with_class(DeviceClass::Desktop)
    };
    let camera = Options {
        camera: Some(CameraConfig::default()),
        microphone: true,
        video_slots: 0,
        ..options("camera", 1)
    };
    let camera = join(server, camera).await;
    let watcher = join(server, Options { video_slots: 1, ..options("watcher", 2) }).await;
    let slot = watcher.slots().into_iter().find(|(_, kind)| *kind == packet::MediaKind::Video);
    let (mid, _) = slot.expect("one slot was asked for");
    let slot = SlotView { width: Some(1_280), height: Some(720), ..SlotView::new(&mid, Want::Auto) };
    watcher.set_view(View { slots: vec![slot] });
    sleep(WARM_UP).await;
    let before = watcher.receiver_report().video;
    sleep(seconds).await;
    let after: VideoReport = watcher.receiver_report().video;
    let estimate = watcher.receiver_report().estimate_kbps;
    watcher.leave().await;
    camera.leave().await;
    Row::new(cell, seconds, &before, &after, estimate)
}

async fn join(server: &Handle, options: Options) -> Participant {
    let mut participant = Participant::join(&server.summary.url, options).await.expect("a place in the room");
    let connected = async { while participant.next_event().await != Some(Event::Connected) {} };
    timeout(PATIENCE, connected).await.expect("media connects");
    participant
}
