//! Sending sections: tracks, their streams, and packets with the extensions a server needs.
//!
//! Owns sequence numbers and which packets name their section and encoding. Like browsers, only the first packets of a
//! stream and keyframes do, since a server remembers the SSRC.

use std::sync::Arc;

use bytes::Bytes;
use packet::{Codec, ExtensionUri};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rtc::rtcp::payload_feedbacks::full_intra_request::FullIntraRequest;
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc::rtp;
use rtc::rtp_transceiver::rtp_sender::{
    RTCRtpCodingParameters, RTCRtpEncodingParameters, RTCRtpRtxParameters, RTCRtpSendParameters, RtpCodecKind,
};
use webrtc::error::{Error, Result};
use webrtc::media_stream::MediaStreamTrack;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::media_stream::track_local::{TrackLocal, TrackLocalEvent};
use webrtc::peer_connection::PeerConnection;
use webrtc::rtp_transceiver::{RTCRtpTransceiverDirection, RTCRtpTransceiverInit, RtpTransceiver};

use super::engine::{track_codec, video_codecs};
use crate::synthetic::{AudioFrame, EncodedFrame};

/// Packets at the start of a stream that name it.
const NAMED: u64 = 100;

/// One section that sends, and its streams.
struct Sender {
    track: Arc<TrackLocalStaticRTP>,
    transceiver: Arc<dyn RtpTransceiver>,
    streams: Vec<Stream>,
}

struct Stream {
    ssrc: u32,
    rid: String,
    sequence: u16,
    sent: u64,
}

/// What the answer made of a section.
struct Negotiated {
    mid: String,
    parameters: RTCRtpSendParameters,
}

impl Negotiated {
    fn id(&self, uri: ExtensionUri) -> Option<u8> {
        let extensions = &self.parameters.rtp_parameters.header_extensions;
        let found = extensions.iter().find(|extension| extension.uri == uri.as_uri())?;
        u8::try_from(found.id).ok()
    }

    fn payload_type(&self) -> Option<u8> {
        self.parameters.rtp_parameters.codecs.first().map(|codec| codec.payload_type)
    }
}

impl Sender {
    async fn add(
        connection: &dyn PeerConnection,
        kind: RtpCodecKind,
        codec: Codec,
        rids: &[String],
        seed: u64,
    ) -> Result<Self> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        // Below 2^15, so that the first packets do not wrap: receivers that join late would guess the cycle wrong.
        let mut stream = |rid: &String| Stream {
            ssrc: rng.random(),
            rid: rid.clone(),
            sequence: rng.random::<u16>() >> 1,
            sent: 0,
        };
        let streams: Vec<Stream> = rids.iter().map(&mut stream).collect();
        let encodings = streams
            .iter()
            .map(|stream| RTCRtpEncodingParameters {
                rtp_coding_parameters: RTCRtpCodingParameters {
                    rid: stream.rid.clone(),
                    ssrc: Some(stream.ssrc),
                    rtx: (kind == RtpCodecKind::Video).then(|| RTCRtpRtxParameters { ssrc: rng.random() }),
                    fec: None,
                },
                active: true,
                codec: track_codec(kind, codec),
                ..RTCRtpEncodingParameters::default()
            })
            .collect();
        let name = format!("{kind}-{seed:x}");
        let track = MediaStreamTrack::new(name.clone(), name.clone(), name, kind, encodings);
        let track = Arc::new(TrackLocalStaticRTP::new(track));
        let init = RTCRtpTransceiverInit {
            direction: RTCRtpTransceiverDirection::Sendonly,
            ..RTCRtpTransceiverInit::default()
        };
        let transceiver = connection.add_transceiver_from_track(track.clone(), Some(init)).await?;
        if kind == RtpCodecKind::Video {
            // The server has an order of its own, so what is offered is what is sent.
            transceiver.set_codec_preferences(video_codecs(codec)).await?;
        }
        Ok(Self { track, transceiver, streams })
    }

    async fn negotiated(&self) -> Result<Negotiated> {
        let mid = self.transceiver.mid().await?.unwrap_or_default();
        let sender = self.transceiver.sender().await?.ok_or(Error::ErrRTPSenderNotExisted)?;
        Ok(Negotiated { mid, parameters: sender.get_parameters().await? })
    }

    async fn send(
        &mut self,
        negotiated: &Negotiated,
        index: usize,
        (timestamp, marker): (u32, bool),
        named: bool,
        audio_level: Option<u8>,
        payload: Bytes,
    ) -> Result<()> {
        let stream = &mut self.streams[index];
        let mut header = rtp::header::Header {
            version: 2,
            marker,
            payload_type: negotiated.payload_type().ok_or(Error::ErrCodecNotFound)?,
            sequence_number: stream.sequence,
            timestamp,
            ssrc: stream.ssrc,
            ..rtp::header::Header::default()
        };
        let mut set = |uri, value: Bytes| match negotiated.id(uri) {
            Some(id) => header.set_extension(id, value),
            None => Ok(()),
        };
        if let Some(level) = audio_level {
            set(ExtensionUri::AudioLevel, Bytes::copy_from_slice(&[level]))?;
        }
        if named || stream.sent < NAMED {
            set(ExtensionUri::Mid, Bytes::copy_from_slice(negotiated.mid.as_bytes()))?;
            if !stream.rid.is_empty() {
                set(ExtensionUri::Rid, Bytes::copy_from_slice(stream.rid.as_bytes()))?;
            }
        }
        stream.sequence = stream.sequence.wrapping_add(1);
        stream.sent += 1;
        self.track.write_rtp(rtp::Packet { header, payload }).await
    }
}

/// A section that sends video.
pub(crate) struct VideoSender {
    sender: Sender,
    negotiated: Option<Negotiated>,
}

impl VideoSender {
    pub(super) async fn add(
        connection: &dyn PeerConnection,
        codec: Codec,
        rids: &[String],
        seed: u64,
    ) -> Result<Self> {
        let sender = Sender::add(connection, RtpCodecKind::Video, codec, rids, seed).await?;
        Ok(Self { sender, negotiated: None })
    }

    /// What tells of requests for keyframes.
    pub(crate) fn requests(&self) -> KeyframeRequests {
        KeyframeRequests(self.sender.track.clone())
    }

    /// Sends the packets of a frame.
    pub(crate) async fn send(&mut self, frame: EncodedFrame) -> Result<()> {
        let negotiated = match self.negotiated.take() {
            Some(negotiated) => negotiated,
            None => self.sender.negotiated().await?,
        };
        let last = frame.payloads.len().saturating_sub(1);
        for (at, payload) in frame.payloads.into_iter().enumerate() {
            let position = (frame.timestamp, at == last);
            self.sender.send(&negotiated, frame.encoding, position, frame.keyframe, None, payload).await?;
        }
        self.negotiated = Some(negotiated);
        Ok(())
    }
}

/// A section that sends audio.
pub(crate) struct AudioSender {
    sender: Sender,
    negotiated: Option<Negotiated>,
}

impl AudioSender {
    pub(super) async fn add(connection: &dyn PeerConnection, seed: u64) -> Result<Self> {
        let sender =
            Sender::add(connection, RtpCodecKind::Audio, Codec::Opus, &[String::new()], seed).await?;
        Ok(Self { sender, negotiated: None })
    }

    /// Sends a packet.
    pub(crate) async fn send(&mut self, frame: AudioFrame) -> Result<()> {
        let negotiated = match self.negotiated.take() {
            Some(negotiated) => negotiated,
            None => self.sender.negotiated().await?,
        };
        let position = (frame.timestamp, frame.marker);
        let level = Some(frame.level.to_byte());
        self.sender.send(&negotiated, 0, position, false, level, frame.payload).await?;
        self.negotiated = Some(negotiated);
        Ok(())
    }
}

/// Waits for requests for keyframes of one track.
pub(crate) struct KeyframeRequests(Arc<TrackLocalStaticRTP>);

impl KeyframeRequests {
    /// Waits for the next one; `false` once the connection has ended.
    pub(crate) async fn next(&self) -> bool {
        while let Some(event) = self.0.poll().await {
            let TrackLocalEvent::OnRtcpPacket(packets) = event else { continue };
            let is_request =
                |any: &dyn std::any::Any| any.is::<PictureLossIndication>() || any.is::<FullIntraRequest>();
            if packets.iter().any(|packet| is_request(packet.as_any())) {
                return true;
            }
        }
        false
    }
}
