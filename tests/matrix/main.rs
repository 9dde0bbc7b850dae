//! What bad paths cost: codecs by faults by round trips, with native participants and the real server over a userspace link.
//!
//! Owns what is measured in each row: a camera behind one path, a desktop behind another, in a room of their
//! own. The same faults and half of the round trip lie on each way of a path. Runs in real time; rows run side by side,
//! as many as `--side-by-side` says, and what their machine was too slow for is told apart (`source_stalls`).
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a measurement speaks on its streams")]

mod rows;

use std::process::ExitCode;
use std::time::Duration;

use client::synthetic::CameraConfig;
use client::{Event, Options, Participant, Trust, VideoReport};
use rows::{Cell, NOT_RUN, Row, Where};
use server::{Config, Handle, Server};
use signalling::{DeviceClass, SlotView, View, Want};
use tokio::time::{sleep, timeout};

/// From joining until a row is measured: start, ramp and first probes are other questions.
const WARM_UP: Duration = Duration::from_secs(8);
/// The most that a row is measured: gaps are known of so many seconds.
const MOST_SECONDS: u64 = 20;
/// Until media flows, and how often that is tried.
const PATIENCE: Duration = Duration::from_secs(20);
const ATTEMPTS: u64 = 5;

/// What the command line says.
struct Arguments {
    json: bool,
    seconds: u64,
    side_by_side: usize,
    /// Words that each row which is run says: its codec, its fault, its paths.
    only: Vec<String>,
    repeat: usize,
}

fn main() -> ExitCode {
    let Some(arguments) = arguments(std::env::args().skip(1)) else {
        eprintln!("usage: matrix [--json] [--seconds N] [--side-by-side N] [--only WORD]... [--repeat N]");
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
    let mut arguments =
        Arguments { json: false, seconds: MOST_SECONDS, side_by_side: 4, only: Vec::new(), repeat: 1 };
    while let Some(word) = words.next() {
        match word.as_str() {
            "--json" => arguments.json = true,
            "--seconds" => {
                arguments.seconds = words.next()?.parse().ok().filter(|n| (1..=MOST_SECONDS).contains(n))?
            }
            "--side-by-side" => arguments.side_by_side = words.next()?.parse().ok().filter(|n| *n > 0)?,
            "--only" => arguments.only.push(words.next()?),
            "--repeat" => arguments.repeat = words.next()?.parse().ok().filter(|n| *n > 0)?,
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
    let chosen = |cell: &Cell| arguments.only.iter().all(|word| cell.label().contains(word.as_str()));
    let chosen: Vec<Cell> = Cell::all().into_iter().filter(chosen).collect();
    let cells = chosen.repeat(arguments.repeat);
    let mut rows = Vec::new();
    for (turn, some) in cells.chunks(arguments.side_by_side).enumerate() {
        eprintln!("matrix: {} rows of {} done", turn * arguments.side_by_side, cells.len());
        let seconds = Duration::from_secs(arguments.seconds);
        let first = turn * arguments.side_by_side;
        let running = some.iter().enumerate().map(|(at, cell)| row(&server, first + at, cell, seconds));
        rows.extend(futures_util::future::join_all(running).await);
    }
    // Everybody has left: whatever goes wrong at the end changes no figure.
    let _ = server.shut_down().await;
    rows
}

async fn row(server: &Handle, number: usize, cell: &Cell, seconds: Duration) -> Row {
    let (fingerprint, _) = server.summary.certificate.as_ref().expect("the server has a certificate");
    let room = format!("row-{number}");
    let options = |name: &str, of: Where, seed| Options {
        trust: Trust::Fingerprint(*fingerprint.as_bytes()),
        link: Some((cell.link(of), cell.link(of))),
        seed,
        ..Options::new(&room, name).with_class(DeviceClass::Desktop)
    };
    let camera = Options {
        camera: Some(CameraConfig { codec: cell.codec, ..CameraConfig::default() }),
        microphone: true,
        video_slots: 0,
        ..options("camera", Where::Publisher, 2 * number as u64 + 1)
    };
    let camera = join(server, camera).await;
    let watcher = join(
        server,
        Options { video_slots: 1, ..options("watcher", Where::Receiver, 2 * number as u64 + 2) },
    )
    .await;
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

/// Joins, and anew if media does not flow soon: on the worst of paths the client's handshake waits ever longer for what was
/// lost of it.
async fn join(server: &Handle, options: Options) -> Participant {
    for attempt in 0..ATTEMPTS {
        let seed = options.seed + 1_000 * attempt;
        let again = Options { seed, ..options.clone() };
        let joining = timeout(PATIENCE, Participant::join(&server.summary.url, again)).await;
        let Ok(Ok(mut participant)) = joining else { continue };
        let connected = async {
            while let Some(event) = participant.next_event().await {
                if event == Event::Connected {
                    return true;
                }
            }
            false
        };
        if timeout(PATIENCE, connected).await == Ok(true) {
            return participant;
        }
        participant.leave().await;
    }
    panic!("{} is not connected after {ATTEMPTS} attempts", options.name)
}
