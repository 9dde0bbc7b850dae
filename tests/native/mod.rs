//! Calls between native participants and a server in this process, over real sockets.
//!
//! What a participant got is judged by its own checks, which know nothing of the server. Timing decides nothing here: a busy
//! machine may freeze a picture, but it may not make a frame that does not decode, or lose a packet for good.

mod calls;
mod channel;
mod codecs;
mod hostile;
mod joining;
mod losses;
mod moving;
mod operator;
mod restart;
mod whip;
mod workers;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use client::check::BadFrame;
use client::synthetic::CameraConfig;
use client::{Event, Options, Participant, Trust, VideoReport};
use server::{Config, Handle, Server};
use signalling::DeviceClass;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server on a free port of this machine, with one worker.
async fn server() -> Handle {
    let config = Config {
        listen: (std::net::Ipv4Addr::LOCALHOST, 0).into(),
        workers: Some(std::num::NonZeroU16::MIN),
        ..Config::default()
    };
    Server::start_ephemeral(config).await.unwrap()
}

fn options(server: &Handle, name: &str) -> Options {
    let (fingerprint, _) = server.summary.certificate.as_ref().unwrap();
    Options { trust: Trust::Fingerprint(*fingerprint.as_bytes()), ..Options::new("room", name) }
}

fn camera(server: &Handle, name: &str, seed: u64) -> Options {
    Options {
        camera: Some(CameraConfig::default()),
        microphone: true,
        video_slots: 0,
        seed,
        ..options(server, name)
    }
}

async fn join(server: &Handle, options: Options) -> Participant {
    let mut participant = Participant::join(&server.summary.url, options).await.unwrap();
    let connected = async { while participant.next_event().await.unwrap() != Event::Connected {} };
    tokio::time::timeout(PATIENCE, connected).await.expect("media connects");
    participant
}

/// Passes TCP on while it is up. Taking it down ends what there is and lets nothing new through.
async fn breakable(server: &Handle) -> (String, Arc<AtomicBool>, broadcast::Sender<()>) {
    let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let (cut, _) = broadcast::channel(1);
    let is_up = Arc::new(AtomicBool::new(true));
    let (to, cutter, open) = (server.address, cut.clone(), is_up.clone());
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            if !open.load(Ordering::SeqCst) {
                continue;
            }
            let mut ended = cutter.subscribe();
            tokio::spawn(async move {
                let Ok(mut far) = TcpStream::connect(to).await else { return };
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                    _ = ended.recv() => {}
                }
            });
        }
    });
    (url, is_up, cut)
}

/// Waits until the slot that shows most satisfies `wanted`.
async fn wait_for(
    participant: &Participant,
    what: &str,
    wanted: impl Fn(&VideoReport) -> bool,
) -> VideoReport {
    let look = async {
        loop {
            let report = participant.receiver_report().video;
            if wanted(&report) {
                return report;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let found = tokio::time::timeout(PATIENCE, look).await;
    found.unwrap_or_else(|_| panic!("{what}: {:#?}", participant.receiver_report()))
}

fn assert_flawless(report: &VideoReport) {
    assert_eq!(report.bad, std::collections::BTreeMap::<BadFrame, u64>::new(), "{report:#?}");
    // A switch away from an unfinished frame leaves one number out on purpose: its end must not seem to come.
    assert!(report.lost_packets <= report.switches, "{report:#?}");
}

fn phone(options: Options) -> Options {
    options.with_class(DeviceClass::Mobile)
}

fn desktop(options: Options) -> Options {
    options.with_class(DeviceClass::Desktop)
}
