//! `terrace load`: many native participants against a running server, and what they and the server made of it.
//!
//! Owns the arguments, the order of a run and its report. A participant is the simulator's virtual client, with its exact
//! judgement of every frame and a browser's feedback, over a real socket, a real handshake and real encryption
//! ([`participant`]); all of them share one thread, so that a core drives hundreds. Needs nothing of the server but its address.
//!
//! A run has three parts. Everybody joins, at a given rate. Then nothing is counted for a while, so that estimates
//! and layers settle. Then comes the time that the report is about.

mod histogram;
mod participant;
mod process;
mod report;
mod socket;
mod spec;
mod tally;

use std::io::{self, Write};
use std::rc::Rc;
use std::time::Duration;

use clap::Args;
use client::Trust;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::task::LocalSet;
use transport::peer::PeerIdentity;

use self::participant::Participant;
use self::process::Process;
use self::report::Report;
use self::socket::Buffers;
use self::tally::{Phase, Tally};
use super::Failure;
use crate::clock::Clock;
use crate::log;

/// What to do to a server.
#[derive(Args, Clone, Debug)]
pub(super) struct Arguments {
    /// Address of the server, as in a browser: https://127.0.0.1:8443
    #[arg(long, value_name = "URL")]
    url: String,

    /// SHA-256 fingerprint of the server's certificate, as it prints it [default: trust what the system trusts]
    #[arg(long, value_name = "HEX", value_parser = trust)]
    fingerprint: Option<Trust>,

    /// Join token for a server with keys: `terrace token` with its configuration makes one, good for all rooms
    #[arg(long, env = "TERRACE_LOAD_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    token: Option<String>,

    /// Participants per room that send sound and a picture in three encodings (150, 500 and 1500 kbit/s)
    #[arg(long, value_name = "P", default_value_t = 1, value_parser = clap::value_parser!(u16).range(0..=200))]
    publishers: u16,

    /// Participants per room that only watch
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(0..=10_000))]
    subscribers: u16,

    /// Rooms, each with so many participants
    #[arg(long, value_name = "R", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    rooms: u16,

    /// Let publishers watch each other as well
    #[arg(long)]
    conference: bool,

    /// Pictures that each watches at once [default: one per publisher, at most 16]
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u16).range(0..=49))]
    tiles: Option<u16>,

    /// Height in pixels of each picture on a watcher's screen
    #[arg(long, value_name = "PIXELS", default_value_t = 720, value_parser = clap::value_parser!(u32).range(16..=4320))]
    height: u32,

    /// How long to measure
    #[arg(long, value_name = "S", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,

    /// How long to wait before that, once everybody is there
    #[arg(long, value_name = "S", default_value_t = 10, value_parser = clap::value_parser!(u64).range(0..=3600))]
    settle: u64,

    /// Participants that join in a second
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    joins: u64,

    /// The server's process on this machine, for what it costs
    #[arg(long, value_name = "PID")]
    pid: Option<u32>,

    /// Print the result as one JSON object on standard output
    #[arg(long)]
    json: bool,

    /// What to log on standard error
    #[arg(long, value_name = "FILTER", default_value = "warn")]
    log: String,
}

fn trust(text: &str) -> Result<Trust, client::NotAFingerprint> {
    Trust::from_fingerprint(text)
}

/// How long somebody may take to join, and everybody to leave.
const PATIENCE: Duration = Duration::from_secs(20);

/// Runs the load. Succeeds when it ran, whatever the figures.
pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    log::start(&arguments.log, crate::config::LogFormat::Text)?;
    let server = arguments.pid.map(Process::new).transpose()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report = LocalSet::new().block_on(&runtime, drive(arguments, server.as_ref()))?;
    let mut out = io::stdout().lock();
    if arguments.json {
        serde_json::to_writer(&mut out, &report).map_err(io::Error::from)?;
        writeln!(out)?;
    } else {
        write!(out, "{report}")?;
    }
    Ok(())
}

async fn drive(arguments: &Arguments, server: Option<&Process>) -> Result<Report, Failure> {
    let identity =
        PeerIdentity::generate().map_err(|error| Failure { code: 1, message: error.to_string() })?;
    let tally = Rc::new(Tally::default());
    let buffers = Rc::new(Buffers::default());
    let own = Process::new(std::process::id())?;
    let clock = Clock::start();
    let wanted = spec::participants(arguments);
    let count = wanted.len() as u64;
    // Draws on a terminal only.
    let bar = ProgressBar::with_draw_target(Some(count), ProgressDrawTarget::stderr());
    bar.set_style(
        ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}").expect("the template is a constant"),
    );

    let mut before = server.map(Process::usage).transpose()?;
    let idle = before;
    let mut tasks = Vec::new();
    let interval = Duration::from_secs(1) / u32::try_from(arguments.joins).unwrap_or(u32::MAX);
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for (room, spec) in wanted {
        ticks.tick().await;
        let participant = Participant {
            spec,
            room,
            url: arguments.url.clone(),
            token: arguments.token.clone(),
            trust: arguments.fingerprint.unwrap_or_default(),
            identity: identity.clone(),
            clock,
            tally: tally.clone(),
            buffers: buffers.clone(),
        };
        tasks.push(tokio::task::spawn_local(participant.run()));
        bar.set_position(tally.connected.get());
        bar.set_message("connected");
    }
    let until = tokio::time::Instant::now() + PATIENCE;
    while tally.connected.get() + tally.failed.get() < count && tokio::time::Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(50)).await;
        bar.set_position(tally.connected.get());
    }
    let joined = server.map(Process::usage).transpose()?;
    wait(&bar, "settling", arguments.settle).await;

    tally.start_measuring();
    before = server.map(Process::usage).transpose()?.or(before);
    let (started, own_before) = (clock.now(), own.usage()?);
    wait(&bar, "measuring", arguments.seconds).await;
    let (span, own_after) = (clock.now() - started, own.usage()?);
    let after = server.map(Process::usage).transpose()?;
    tally.phase.set(Phase::Over);
    bar.finish_and_clear();

    for task in tasks {
        // One that hangs is cut off: the figures are taken.
        let _ = tokio::time::timeout(PATIENCE, task).await;
    }
    let costs = report::Costs { idle, joined, before, after, own: own_after.cpu - own_before.cpu };
    Ok(Report::new(&tally, count, span, &costs))
}

async fn wait(bar: &ProgressBar, what: &'static str, seconds: u64) {
    bar.set_message(what);
    bar.set_length(seconds);
    for second in 0..seconds {
        bar.set_position(second);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
