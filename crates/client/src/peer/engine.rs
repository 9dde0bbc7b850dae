//! What the WebRTC engine is told to offer and how to behave.
//!
//! Owns codecs, header extensions, the chain of interceptors and the timings of ICE.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use packet::{Codec, ExtensionUri};
use rtc::ice::mdns::MulticastDnsMode;
use rtc::interceptor::{
    NackGeneratorBuilder, NackResponderBuilder, ReceiverReportBuilder, Registry, SenderReportBuilder, Slot,
};
use rtc::peer_connection::configuration::interceptor_registry::{
    configure_simulcast_extension_headers, configure_twcc,
};
use rtc::peer_connection::configuration::media_engine::{
    MIME_TYPE_H264, MIME_TYPE_OPUS, MIME_TYPE_RTX, MIME_TYPE_VP8, MIME_TYPE_VP9, MediaEngine,
};
use rtc::peer_connection::configuration::setting_engine::SettingEngineBuilder;
use rtc::rtp_transceiver::rtp_sender::{
    RTCPFeedback, RTCRtpCodec, RTCRtpCodecParameters, RTCRtpHeaderExtensionCapability, RtpCodecKind,
};
use webrtc::error::Result;
use webrtc::peer_connection::{
    PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCBundlePolicy,
    RTCConfigurationBuilder,
};

use super::interceptors::{DELIVER_SLOT, DeliverKeyframeRequests, RESTORE_SLOT, RestoreRetransmissions};

/// Payload types that are offered.
const OPUS: u8 = 111;
/// Codecs of video with their payload types; the next one is that of the retransmissions.
const VIDEO: [(Codec, u8, &str, &str); 3] = [
    (Codec::Vp8, 96, MIME_TYPE_VP8, ""),
    (Codec::Vp9, 98, MIME_TYPE_VP9, "profile-id=0"),
    (Codec::H264, 102, MIME_TYPE_H264, H264_PARAMETERS),
];
const H264_PARAMETERS: &str = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f";

/// Missing packets are asked for this often, and so many times in all: for as long as a hole is waited for
/// ([`crate::check`]), and a packet that the server has no more costs sixteen requests and not one per interval for ever.
const NACK_INTERVAL: Duration = Duration::from_millis(30);
const NACK_LIMIT: u16 = 16;
/// Packets whose absence is noticed. A power of two; a second of 10 Mbit/s.
const NACK_HISTORY: u16 = 1_024;
/// Connectivity checks are this far apart until one is answered.
const CHECK_INTERVAL: Duration = Duration::from_millis(20);
const CHECK_LIMIT: u16 = 250;

/// A connection with one socket on `local`.
pub(super) async fn build(
    local: IpAddr,
    handler: Arc<dyn PeerConnectionEventHandler>,
) -> Result<Arc<dyn PeerConnection>> {
    let mut media = MediaEngine::default();
    register_codecs(&mut media)?;
    let registry = register_interceptors(&mut media)?;
    let settings = SettingEngineBuilder::new()
        .with_include_loopback_candidate(true)
        // RTX of this engine names neither section nor encoding, so that the server has to know it by SSRC.
        .with_write_ssrc_attributes_for_simulcast(true)
        .with_ice_connection_attempts(Some(CHECK_INTERVAL), Some(CHECK_LIMIT))
        .with_multicast_dns_mode(MulticastDnsMode::Disabled)
        .build();
    let configuration =
        RTCConfigurationBuilder::default().with_bundle_policy(RTCBundlePolicy::MaxBundle).build();
    let connection = PeerConnectionBuilder::new()
        .with_configuration(configuration)
        .with_media_engine(media)
        .with_interceptor_registry(registry)
        .with_setting_engine(settings)
        .with_handler(handler)
        .with_udp_addrs(vec![(local, 0)])
        .build()
        .await?;
    Ok(Arc::new(connection))
}

fn register_codecs(media: &mut MediaEngine) -> Result<()> {
    media.register_codec(
        codec(OPUS, MIME_TYPE_OPUS, 48_000, 2, "minptime=10;useinbandfec=1", vec![]),
        RtpCodecKind::Audio,
    )?;
    for (video, ..) in VIDEO {
        for registered in video_codecs(video) {
            media.register_codec(registered, RtpCodecKind::Video)?;
        }
    }

    configure_simulcast_extension_headers(media)?;
    for uri in [ExtensionUri::Mid, ExtensionUri::AudioLevel] {
        let capability = RTCRtpHeaderExtensionCapability { uri: uri.as_uri().to_owned() };
        media.register_header_extension(capability, RtpCodecKind::Audio, None)?;
    }
    Ok(())
}

/// A codec of video and its retransmissions, as they are registered; VP8 for one that is not.
pub(super) fn video_codecs(wanted: Codec) -> Vec<RTCRtpCodecParameters> {
    let feedback =
        |typ: &str, parameter: &str| RTCPFeedback { typ: typ.to_owned(), parameter: parameter.to_owned() };
    let all = vec![feedback("ccm", "fir"), feedback("nack", ""), feedback("nack", "pli")];
    let (_, payload_type, mime_type, parameters) = video(wanted);
    let repaired = format!("apt={payload_type}");
    vec![
        codec(payload_type, mime_type, 90_000, 0, parameters, all),
        codec(payload_type + 1, MIME_TYPE_RTX, 90_000, 0, &repaired, vec![]),
    ]
}

fn video(wanted: Codec) -> (Codec, u8, &'static str, &'static str) {
    VIDEO.into_iter().find(|(codec, ..)| *codec == wanted).unwrap_or(VIDEO[0])
}

/// The codec behind a payload type of video.
pub(crate) fn codec_of(payload_type: u8) -> Option<Codec> {
    VIDEO.iter().find(|(_, registered, ..)| *registered == payload_type).map(|(codec, ..)| *codec)
}

fn codec(
    payload_type: u8,
    mime_type: &str,
    clock_rate: u32,
    channels: u16,
    parameters: &str,
    rtcp_feedback: Vec<RTCPFeedback>,
) -> RTCRtpCodecParameters {
    let sdp_fmtp_line = parameters.to_owned();
    let rtp_codec =
        RTCRtpCodec { mime_type: mime_type.to_owned(), clock_rate, channels, sdp_fmtp_line, rtcp_feedback };
    RTCRtpCodecParameters { rtp_codec, payload_type }
}

/// The stock parts that serve, and our own two. No pacer and no congestion control: a synthetic camera sends at the rate
/// it was given.
fn register_interceptors(media: &mut MediaEngine) -> Result<Registry> {
    let nack = NackGeneratorBuilder::new()
        .with_size(NACK_HISTORY)
        .with_interval(NACK_INTERVAL)
        .with_max_nacks_per_packet(NACK_LIMIT);
    let registry = Registry::new()
        .with(Slot::NackResponder, NackResponderBuilder::new().build())
        .with(Slot::from(RESTORE_SLOT), RestoreRetransmissions::default())
        .with(Slot::NackGenerator, nack.build())
        .with(Slot::ReceiverReport, ReceiverReportBuilder::new().build())
        .with(Slot::SenderReport, SenderReportBuilder::new().build())
        .with(Slot::from(DELIVER_SLOT), DeliverKeyframeRequests::default());
    configure_twcc(registry, media)
}

/// The codec of a track, by which the engine finds what it was registered with.
pub(super) fn track_codec(kind: RtpCodecKind, wanted: Codec) -> RTCRtpCodec {
    match kind {
        RtpCodecKind::Audio => {
            codec(OPUS, MIME_TYPE_OPUS, 48_000, 2, "minptime=10;useinbandfec=1", vec![]).rtp_codec
        }
        _ => {
            let (_, payload_type, mime_type, parameters) = video(wanted);
            codec(payload_type, mime_type, 90_000, 0, parameters, vec![]).rtp_codec
        }
    }
}
