//! The demonstration: a camera, a phone and a desktop in one room, and what the two got.
//!
//! Owns who takes part and for how long. Where the server comes from is its caller's business.

use std::time::Duration;

use signalling::{DeviceClass, SlotView, View, Want};
use tokio::time::{Instant, interval, sleep_until};
use units::Bitrate;

use crate::error::JoinError;
use crate::link::LinkConfig;
use crate::options::Options;
use crate::participant::{Event, Participant};
use crate::report::DemoReport;
use crate::synthetic::CameraConfig;
use crate::tls::Trust;

/// How long the camera may take until media flows. The receivers join then, so that their first frame is not made to wait
/// for somebody else's.
const CAMERA_PATIENCE: Duration = Duration::from_secs(5);
/// How often progress is told.
const PROGRESS: Duration = Duration::from_millis(500);

/// What to demonstrate.
#[derive(Clone, Debug)]
pub struct Demo {
    /// The server: `https://host:port`.
    pub url: String,
    /// Whom to believe to be the server.
    pub trust: Trust,
    /// A join token, where the server asks for one.
    pub token: Option<String>,
    /// The room. One that nobody else is in.
    pub room: String,
    /// How long the receivers watch.
    pub duration: Duration,
    /// What the phone's downlink carries, behind a queue of 300 ms. `None` for no limit.
    pub phone_rate: Option<Bitrate>,
    /// Where the numbers of synthetic media come from.
    pub seed: u64,
}

impl Demo {
    /// Twenty seconds in a room of its own at a server that has a certificate from a known authority.
    pub fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            trust: Trust::System,
            token: None,
            room: "terrace-demo".to_owned(),
            duration: Duration::from_secs(20),
            phone_rate: None,
            seed: 1,
        }
    }

    /// Runs it, and calls `progress` twice a second with what is known so far.
    ///
    /// # Errors
    /// When somebody cannot join. What the receivers got is a result and never an error.
    pub async fn run(&self, mut progress: impl FnMut(&DemoReport)) -> Result<DemoReport, JoinError> {
        let mut camera = Participant::join(&self.url, self.camera()).await?;
        wait_until_connected(&mut camera).await;
        let phone = Participant::join(&self.url, self.phone()).await?;
        let desktop = Participant::join(&self.url, self.desktop()).await?;
        show_as(&phone, 720, 1280);
        show_as(&desktop, 1920, 1080);

        let started = Instant::now();
        let report = || DemoReport {
            seconds: (started.elapsed().as_secs_f64() * 10.0).round() / 10.0,
            publishers: vec![camera.publisher_report()],
            receivers: vec![phone.receiver_report(), desktop.receiver_report()],
        };
        let mut ticks = interval(PROGRESS);
        let end = sleep_until(started + self.duration);
        tokio::pin!(end);
        loop {
            tokio::select! {
                () = &mut end => break,
                _ = ticks.tick() => progress(&report()),
            }
        }
        let result = report();
        tokio::join!(phone.leave(), desktop.leave());
        camera.leave().await;
        Ok(result)
    }

    fn options(&self, name: &str, class: DeviceClass, seed: u64) -> Options {
        Options {
            token: self.token.clone(),
            trust: self.trust,
            seed: self.seed.wrapping_add(seed),
            ..Options::new(&self.room, name).with_class(class)
        }
    }

    fn camera(&self) -> Options {
        Options {
            camera: Some(CameraConfig::default()),
            microphone: true,
            video_slots: 0,
            ..self.options("camera", DeviceClass::Desktop, 0)
        }
    }

    fn phone(&self) -> Options {
        let link = self.phone_rate.map(|rate| (LinkConfig::default(), LinkConfig::limited(rate)));
        Options { link, video_slots: 4, ..self.options("phone", DeviceClass::Mobile, 100) }
    }

    fn desktop(&self) -> Options {
        Options { video_slots: 16, ..self.options("desktop", DeviceClass::Desktop, 200) }
    }
}

async fn wait_until_connected(participant: &mut Participant) {
    let connected = async {
        while let Some(event) = participant.next_event().await {
            if event == Event::Connected {
                return;
            }
        }
    };
    if tokio::time::timeout(CAMERA_PATIENCE, connected).await.is_err() {
        tracing::warn!("the camera's media path takes long");
    }
}

/// Shows the first video slot as large as the screen, in physical pixels, and leaves the others to the server.
fn show_as(participant: &Participant, width: u32, height: u32) {
    let video = participant.slots().into_iter().filter(|(_, kind)| *kind == packet::MediaKind::Video);
    let slots = video
        .enumerate()
        .map(|(at, (mid, _))| {
            let size = (at == 0).then_some((width, height));
            let (width, height) = (size.map(|s| s.0), size.map(|s| s.1));
            SlotView { width, height, ..SlotView::new(&mid, Want::Auto) }
        })
        .collect();
    participant.set_view(View { slots });
}
