//! `terrace demo`: a server and native participants in this process, over real sockets, and what each of them got.
//!
//! Owns the table that people watch and the JSON that programs read. Who takes part is `client`'s: a camera with three
//! encodings, a phone and a desktop. The server is the real one on a free loopback port; its certificate lives as long as
//! the run, and the participants hold to its fingerprint.

use std::io::{self, Write};
use std::num::NonZeroU16;
use std::time::Duration;

use clap::Args;
use client::{Demo, DemoReport, JoinError, ReceiverReport, Trust};
use comfy_table::{CellAlignment, Table, presets};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use units::Bitrate;

use super::Failure;
use crate::config::Config;
use crate::config::LogFormat;
use crate::log;
use crate::server::Server;

/// What to demonstrate.
#[derive(Args, Clone, Debug)]
pub(super) struct Arguments {
    /// How long the phone and the desktop watch
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,

    /// Squeeze the phone's downlink to this many kbit/s, with a queue of 300 ms before it [default: no limit]
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u64).range(30..=1_000_000))]
    phone_kbps: Option<u64>,

    /// Print the result as one JSON object on standard output
    #[arg(long)]
    json: bool,

    /// What to log on standard error
    #[arg(long, value_name = "FILTER", default_value = "warn")]
    log: String,
}

/// The table is wide enough to be drawn while nobody has joined yet.
const HEADER: [&str; 9] =
    ["", "device", "first frame", "picture", "kbit/s", "frames", "freezes", "bad", "held back by"];
/// Columns with figures.
const FIGURES: [usize; 5] = [2, 4, 5, 6, 7];

impl From<JoinError> for Failure {
    fn from(error: JoinError) -> Self {
        Self { code: 1, message: format!("a participant could not join: {error}") }
    }
}

/// Runs the demonstration. Succeeds when it ran, whatever the figures.
pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    log::start(&arguments.log, LogFormat::Text)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let report = runtime.block_on(demonstrate(arguments))?;
    let mut out = io::stdout().lock();
    if arguments.json {
        serde_json::to_writer(&mut out, &report).map_err(io::Error::from)?;
        writeln!(out)?;
    } else {
        writeln!(out, "{}\n\n{}", table(&report), story(&report))?;
    }
    Ok(())
}

async fn demonstrate(arguments: &Arguments) -> Result<DemoReport, Failure> {
    let config = Config {
        listen: (std::net::Ipv4Addr::LOCALHOST, 0).into(),
        // There is one small room, which one worker is enough for.
        workers: Some(NonZeroU16::MIN),
        ..Config::default()
    };
    let server = Server::start_ephemeral(config).await?;
    let (fingerprint, _) =
        server.summary.certificate.as_ref().expect("an ephemeral server has a certificate");
    let demo = Demo {
        trust: Trust::Fingerprint(*fingerprint.as_bytes()),
        duration: Duration::from_secs(arguments.seconds),
        phone_rate: arguments.phone_kbps.map(Bitrate::from_kbps),
        ..Demo::new(&server.summary.url)
    };
    // Draws on a terminal only.
    let live = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    live.set_style(ProgressStyle::with_template("{msg}").expect("the template is a constant"));
    let report = demo.run(|report| live.set_message(table(report))).await;
    live.finish_and_clear();
    server.shut_down().await?;
    Ok(report?)
}

/// Who gets what, one line per receiver, below what the camera sends.
fn table(report: &DemoReport) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(HEADER);
    for column in FIGURES {
        table
            .column_mut(column)
            .expect("the header has these columns")
            .set_cell_alignment(CellAlignment::Right);
    }
    for receiver in &report.receivers {
        table.add_row(row(receiver));
    }
    let sent = report.publishers.iter().flat_map(|publisher| &publisher.encodings).map(|encoding| {
        let state = if encoding.active { "" } else { ", off" };
        format!("{} {}x{} {} kbit/s{state}", encoding.rid, encoding.width, encoding.height, encoding.kbps)
    });
    let sent = sent.collect::<Vec<_>>().join("   ");
    format!("{:>5.1} s   camera sends   {sent}\n\n{}", report.seconds, table.trim_fmt())
}

fn row(receiver: &ReceiverReport) -> [String; 9] {
    let video = &receiver.video;
    let picture = match (&video.rid, video.width, video.height) {
        (Some(rid), Some(width), Some(height)) => format!("{rid} {width}x{height}"),
        _ => "none yet".to_owned(),
    };
    [
        receiver.name.clone(),
        word(&receiver.class),
        video.first_frame_ms.map_or_else(String::new, |ms| format!("{ms} ms")),
        picture,
        video.kbps.to_string(),
        video.frames.to_string(),
        video.freezes.to_string(),
        video.bad_frames.to_string(),
        video.reason.map_or_else(String::new, |reason| word(&reason)),
    ]
}

/// What changed when, for each receiver.
fn story(report: &DemoReport) -> String {
    let entries = report.receivers.iter().flat_map(|receiver| {
        receiver.video.log.iter().map(|entry| {
            let rid = entry.rid.as_deref().unwrap_or("nothing");
            let seconds = entry.at_ms as f64 / 1_000.0;
            format!("{:<8} {seconds:>7.2} s   {rid:<8} {}", receiver.name, word(&entry.reason))
        })
    });
    entries.collect::<Vec<_>>().join("\n")
}

/// A name of the contract as a word for people: `device_height` is read `device height`.
fn word(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(name)) => name.replace('_', " "),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use client::{EncodingReport, LogEntry, PublisherReport, VideoReport};
    use signalling::{DeviceClass, Reason};

    use super::*;

    fn report() -> DemoReport {
        let video = VideoReport {
            first_frame_ms: Some(310),
            frames: 580,
            rid: Some("h".to_owned()),
            width: Some(640),
            height: Some(360),
            kbps: 500,
            reason: Some(Reason::DeviceHeight),
            log: vec![LogEntry { at_ms: 250, rid: None, reason: Reason::WaitingForKeyframe }],
            ..VideoReport::default()
        };
        let receiver = |name: &str, class, video| ReceiverReport {
            name: name.to_owned(),
            participant: String::new(),
            class,
            video,
            estimate_kbps: None,
            audio_packets: 0,
        };
        let encoding = EncodingReport {
            rid: "q".to_owned(),
            width: 320,
            height: 180,
            kbps: 150,
            ..EncodingReport::default()
        };
        DemoReport {
            seconds: 20.0,
            publishers: vec![PublisherReport { encodings: vec![encoding], ..PublisherReport::default() }],
            receivers: vec![
                receiver("phone", DeviceClass::Mobile, video),
                receiver("desktop", DeviceClass::Desktop, VideoReport::default()),
            ],
        }
    }

    #[test]
    fn the_table_has_a_line_per_receiver() {
        let text = table(&report());
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[0].join(" "), "20.0 s camera sends q 320x180 150 kbit/s, off");
        assert_eq!(lines[3].join(" "), "phone mobile 310 ms h 640x360 500 580 0 0 device height");
        assert_eq!(lines[4].join(" "), "desktop desktop none yet 0 0 0 0");
        assert_eq!(
            table(&DemoReport::default()).lines().count(),
            3,
            "it can be drawn before anybody is there"
        );
    }

    #[test]
    fn the_story_tells_each_change() {
        assert_eq!(story(&report()), "phone       0.25 s   nothing  waiting for keyframe");
    }
}
