//! The tasks that send: one for the camera, one for its keyframe requests, one for the microphone.
//!
//! Owns the rhythm. They start when media flows, since packets sent before that are lost, and end with the connection.

use std::sync::Arc;

use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use super::Shared;
use crate::clock::{Clock, time_of_day};
use crate::peer::{AudioSender, VideoSender};
use crate::synthetic::Microphone;

pub(super) fn spawn_camera(
    tasks: &mut JoinSet<()>,
    shared: &Arc<Shared>,
    clock: Clock,
    mut sender: VideoSender,
) {
    let requests = sender.requests();
    let asked = shared.clone();
    tasks.spawn(async move {
        while requests.next().await {
            if let Some(camera) = &asked.camera {
                camera.lock().expect("a camera does not panic").request_keyframe();
            }
        }
    });
    let shared = shared.clone();
    tasks.spawn(async move {
        let Some(camera) = &shared.camera else { return };
        let mut ticks = interval(camera.lock().expect("a camera does not panic").interval());
        // A camera that is late goes on with the present: a burst of old frames helps nobody.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            ticks.tick().await;
            let frames = camera.lock().expect("a camera does not panic").capture(clock.now(), time_of_day());
            for frame in frames {
                if let Err(error) = sender.send(frame).await {
                    return tracing::debug!(%error, "the camera's connection has ended");
                }
            }
        }
    });
}

pub(super) fn spawn_microphone(tasks: &mut JoinSet<()>, seed: u64, mut sender: AudioSender) {
    tasks.spawn(async move {
        let mut microphone = Microphone::new(seed);
        let mut ticks = interval(Microphone::INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        loop {
            ticks.tick().await;
            if let Err(error) = sender.send(microphone.capture()).await {
                return tracing::debug!(%error, "the microphone's connection has ended");
            }
        }
    });
}
