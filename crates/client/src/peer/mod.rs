//! The media connection of one participant, on the `webrtc` crate.
//!
//! Owns sections (what is sent, and the slots), offers and answers, and the writing of packets. What is in the packets is
//! for `synthetic`, what arrives is handed to `receiver`.

mod engine;
mod interceptors;
mod sender;

use std::net::IpAddr;
use std::sync::Arc;

use rtc::rtp_transceiver::rtp_sender::RtpCodecKind;
use tokio::sync::mpsc;
use webrtc::data_channel::{DataChannel, DataChannelEvent, RTCDataChannelInit};
use webrtc::error::Result;
use webrtc::media_stream::track_remote::TrackRemote;
use webrtc::peer_connection::{
    PeerConnection, PeerConnectionEventHandler, RTCPeerConnectionState, RTCSessionDescription,
};
use webrtc::rtp_transceiver::RtpTransceiver;

pub(crate) use engine::codec_of;
pub(crate) use sender::{AudioSender, VideoSender};

/// What the engine tells of a connection. The queue is bounded by what can happen: states are few and tracks as many as
/// there are slots.
pub(crate) enum PeerEvent {
    State(RTCPeerConnectionState),
    Track(Arc<dyn TrackRemote>),
    ChannelOpened,
    Text(String),
    ChannelClosed,
}

struct Handler(mpsc::UnboundedSender<PeerEvent>);

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        // A participant that has gone hears nothing more.
        let _ = self.0.send(PeerEvent::State(state));
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        let _ = self.0.send(PeerEvent::Track(track));
    }
}

/// A connection and its sections.
pub(crate) struct Peer {
    connection: Arc<dyn PeerConnection>,
    told: mpsc::UnboundedSender<PeerEvent>,
    slots: Vec<(RtpCodecKind, Arc<dyn RtpTransceiver>)>,
}

impl Peer {
    /// A connection without sections, with a socket on `local`.
    pub(crate) async fn new(local: IpAddr, events: mpsc::UnboundedSender<PeerEvent>) -> Result<Self> {
        let connection = engine::build(local, Arc::new(Handler(events.clone()))).await?;
        Ok(Self { connection, told: events, slots: Vec::new() })
    }

    /// Adds receive-only sections. They are numbered by the next offer.
    pub(crate) async fn add_slots(&mut self, kind: RtpCodecKind, count: usize) -> Result<()> {
        for _ in 0..count {
            let transceiver = self.connection.add_transceiver_from_kind(kind, None).await?;
            self.slots.push((kind, transceiver));
        }
        Ok(())
    }

    /// Adds a sending section with these encodings, smallest first; a single one with an empty RID is not simulcast.
    pub(crate) async fn add_video(
        &mut self,
        codec: packet::Codec,
        rids: &[String],
        seed: u64,
    ) -> Result<VideoSender> {
        VideoSender::add(self.connection.as_ref(), codec, rids, seed).await
    }

    /// Adds a sending section of audio.
    pub(crate) async fn add_audio(&mut self, seed: u64) -> Result<AudioSender> {
        AudioSender::add(self.connection.as_ref(), seed).await
    }

    /// Adds a data channel for messages of signalling. What comes of it is told as events until the connection ends.
    pub(crate) async fn add_channel(&mut self) -> Result<Arc<dyn DataChannel>> {
        let init = RTCDataChannelInit {
            protocol: signalling::SUBPROTOCOL.to_owned(),
            ..RTCDataChannelInit::default()
        };
        let channel = self.connection.create_data_channel("terrace", Some(init)).await?;
        let (told, events) = (self.told.clone(), channel.clone());
        tokio::spawn(async move {
            while let Some(event) = events.poll().await {
                let event = match event {
                    DataChannelEvent::OnOpen => PeerEvent::ChannelOpened,
                    DataChannelEvent::OnMessage(message) => match String::from_utf8(message.data.to_vec()) {
                        Ok(text) => PeerEvent::Text(text),
                        Err(error) => {
                            tracing::debug!(%error, "what came over the data channel is no text");
                            continue;
                        }
                    },
                    DataChannelEvent::OnClosing | DataChannelEvent::OnClose => PeerEvent::ChannelClosed,
                    _ => continue,
                };
                if told.send(event).is_err() {
                    return;
                }
            }
            // A participant that has gone hears nothing more.
            let _ = told.send(PeerEvent::ChannelClosed);
        });
        Ok(channel)
    }

    /// A new offer, applied on this side. Candidates are not waited for: the server learns addresses from the checks.
    pub(crate) async fn offer(&self) -> Result<String> {
        let offer = self.connection.create_offer(None).await?;
        self.connection.set_local_description(offer.clone()).await?;
        Ok(offer.sdp)
    }

    /// Applies the server's answer to the last offer.
    pub(crate) async fn apply_answer(&self, sdp: String) -> Result<()> {
        self.connection.set_remote_description(RTCSessionDescription::answer(sdp)?).await
    }

    /// MID and kind of every slot that has been offered.
    pub(crate) async fn slots(&self) -> Result<Vec<(String, RtpCodecKind)>> {
        let mut found = Vec::new();
        for (kind, transceiver) in &self.slots {
            if let Some(mid) = transceiver.mid().await? {
                found.push((mid, *kind));
            }
        }
        Ok(found)
    }

    /// Ends the connection; the server is told by DTLS.
    pub(crate) async fn close(&self) {
        if let Err(error) = self.connection.close().await {
            tracing::debug!(%error, "closing a connection");
        }
    }
}
