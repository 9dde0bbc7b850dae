//! Which codecs an answer agrees on, in which of their forms, and what a publisher may say of its layers.

use packet::{Codec, ExtensionUri};
use transport::{Config, Section as Agreed, Security};

use crate::call::{Call, GCM, config};
use crate::offers::{Browser, Offer, Section};

const EVERYTHING: &str = "\
a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid
a=extmap:9 http://www.webrtc.org/experiments/rtp-hdrext/video-layers-allocation00
a=extmap:12 https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension
a=rtpmap:96 VP8/90000
a=rtpmap:97 rtx/90000
a=fmtp:97 apt=96
a=rtpmap:100 VP9/90000
a=fmtp:100 profile-id=2
a=rtpmap:98 VP9/90000
a=fmtp:98 profile-id=0
a=rtpmap:99 rtx/90000
a=fmtp:99 apt=98
a=rtpmap:47 AV1/90000
a=fmtp:47 level-idx=5;profile=1;tier=0
a=rtpmap:45 AV1/90000
a=rtpmap:46 rtx/90000
a=fmtp:46 apt=45
a=rtpmap:109 H264/90000
a=fmtp:109 packetization-mode=1;profile-level-id=42e01f
";

/// A publisher's section and a slot, answered by a transport that speaks `codecs`.
fn answered(codecs: &[Codec]) -> (Call, transport::Answer) {
    let config = Config { codecs: codecs.to_vec(), ..config(Security::Plaintext) };
    let mut call = Call::with_config(config, true, &[GCM]);
    let sections = ["sendonly", "recvonly"].iter().enumerate();
    let sections = sections.map(|(at, way)| Section::new(&at.to_string(), "video", way).codecs(EVERYTHING));
    let offer = Offer::new(Browser::Chromium, sections.collect());
    let answer = call.transport.handle_offer(call.now, &offer.sdp(), &mut call.rng).expect("a good offer");
    (call, answer)
}

#[test]
fn every_codec_is_agreed_on_in_the_form_that_all_decode() {
    // Spoken; published with its retransmissions; forwarded; why.
    type Case = (&'static [Codec], (u8, Option<u8>), &'static [u8], &'static str);
    let cases: [Case; 5] = [
        (&[Codec::Vp9], (98, Some(99)), &[98], "VP9 of profile 0, though 2 comes first"),
        (&[Codec::Av1], (45, Some(46)), &[45], "AV1 Main, which needs not be said"),
        (&[Codec::H264], (109, None), &[109], "H.264"),
        (&[Codec::Av1, Codec::Vp9, Codec::Vp8], (45, Some(46)), &[45, 98, 96], "our order decides"),
        (&[Codec::Vp8, Codec::Vp9], (96, Some(97)), &[96, 98], "and so here"),
    ];
    for (codecs, published, forwarded, why) in cases {
        let (_, answer) = answered(codecs);
        let [Agreed::Sending(sending), Agreed::Slot(slot)] = &answer.sections[..] else {
            panic!("{why}: {:?}", answer.sections)
        };
        assert_eq!((sending.codec.payload_type, sending.codec.rtx_payload_type), published, "{why}");
        let types: Vec<u8> = slot.codecs.iter().map(|codec| codec.payload_type).collect();
        assert_eq!(types, forwarded, "{why}");
        assert_eq!(sending.codec.codec, codecs[0], "{why}");
    }
}

/// RFC 8285 §6: a client that did not allow both forms on one stream gets none that would need them. The descriptor of a
/// keyframe takes up to a hundred bytes, of which the one-byte form holds sixteen.
#[test]
fn long_extensions_need_leave_to_mix_their_forms() {
    let sections = || vec![Section::new("0", "video", "recvonly").codecs(EVERYTHING)];
    for (browser, allowed) in [(Browser::Chromium, true), (Browser::Firefox, false)] {
        let mut call = Call::with_config(config(Security::Plaintext), true, &[GCM]);
        let sdp = Offer::new(browser, sections()).sdp();
        assert_eq!(sdp.contains("a=extmap-allow-mixed"), allowed, "what these offers look like");
        let answer = call.transport.handle_offer(call.now, &sdp, &mut call.rng).expect("a good offer");
        let id = |uri| call.transport.extensions().get(uri);
        assert_eq!(id(ExtensionUri::DependencyDescriptor), allowed.then_some(12));
        assert_eq!(answer.sdp.contains("dependency-descriptor"), allowed);
        assert_eq!(answer.sdp.contains("a=extmap-allow-mixed"), allowed);
        assert_eq!(id(ExtensionUri::Mid), Some(4), "short ones are agreed on either way");
    }
}

/// What was agreed decides the bytes: without the long extension every header has the one-byte form, with it the packets that
/// carry it, and only those, have the other.
#[test]
fn headers_have_the_form_that_was_agreed_on() {
    const ONE_BYTE: [u8; 2] = [0xbe, 0xde];
    const TWO_BYTE: [u8; 2] = [0x10, 0x00];
    for (browser, with_descriptor) in [(Browser::Chromium, TWO_BYTE), (Browser::Firefox, ONE_BYTE)] {
        let mut call = Call::with_config(config(Security::Plaintext), true, &[GCM]);
        let offer = Offer::new(browser, vec![Section::new("0", "video", "recvonly").codecs(EVERYTHING)]);
        call.transport.handle_offer(call.now, &offer.sdp(), &mut call.rng).expect("a good offer");
        for (dependency, expected) in [(None, ONE_BYTE), (Some(90), with_descriptor), (Some(3), ONE_BYTE)] {
            let header = packet::OutgoingHeader {
                mid: packet::Mid::parse("0"),
                dependency: dependency.map(|length| vec![0x80; length].into()),
                ..packet::OutgoingHeader::new(1, 45, 1, 1, false)
            };
            let mut bytes = Vec::new();
            header.write(call.transport.extensions(), false, &mut bytes);
            assert_eq!(bytes[12..14], expected, "{dependency:?} bytes of descriptor");
        }
    }
}

#[test]
fn a_publisher_may_say_what_its_frames_depend_on_and_what_its_layers_are() {
    let (call, answer) = answered(&[Codec::Vp8]);
    let described = [(ExtensionUri::LayersAllocation, 9), (ExtensionUri::DependencyDescriptor, 12)];
    for (uri, id) in described {
        assert_eq!(call.transport.extensions().get(uri), Some(id));
        let line = format!("a=extmap:{id} {uri}\r\n");
        assert_eq!(
            answer.sdp.matches(&line).count(),
            2,
            "in both sections, as a browser drops it for good else"
        );
    }
}
