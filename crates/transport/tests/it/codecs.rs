//! Which codecs an answer agrees on, in which of their forms, and what a publisher may say of its layers.

use packet::codec::red::Redundant;
use packet::{Codec, ExtensionUri};
use transport::{Config, Section as Agreed, Security};

use crate::call::{Call, GCM, Rtp, config};
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

const REDUNDANT_FIRST: &str = "\
a=rtpmap:63 red/48000/2
a=fmtp:63 111/111
a=rtpmap:111 opus/48000/2
";
const REDUNDANT_SECOND: &str = "\
a=rtpmap:111 opus/48000/2
a=rtpmap:63 red/48000/2
a=fmtp:63 111/111
";
const REDUNDANT_OTHERWISE: &str = "\
a=rtpmap:63 red/48000/2
a=fmtp:63 111/13
a=rtpmap:111 opus/48000/2
a=rtpmap:13 CN/8000
";

/// RFC 2198: what a browser sends stands first in the answer, so the client's own order is kept.
#[test]
fn redundant_sound_is_agreed_on_where_it_repeats_opus() {
    let cases = [
        (REDUNDANT_FIRST, Some(63), "m=audio 9 UDP/TLS/RTP/SAVPF 63 111\r\n", "preferred"),
        (REDUNDANT_SECOND, Some(63), "m=audio 9 UDP/TLS/RTP/SAVPF 111 63\r\n", "possible"),
        (REDUNDANT_OTHERWISE, None, "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n", "of another codec"),
    ];
    for (codecs, red, line, why) in cases {
        let mut call = Call::with_config(config(Security::Plaintext), true, &[GCM]);
        let sections = ["sendonly", "recvonly"].iter().enumerate();
        let sections = sections.map(|(at, way)| Section::new(&at.to_string(), "audio", way).codecs(codecs));
        let offer = Offer::new(Browser::Chromium, sections.collect());
        let answer =
            call.transport.handle_offer(call.now, &offer.sdp(), &mut call.rng).expect("a good offer");
        let [Agreed::Sending(sending), Agreed::Slot(slot)] = &answer.sections[..] else {
            panic!("{why}: {:?}", answer.sections)
        };
        assert_eq!((sending.codec.payload_type, sending.codec.red_payload_type), (111, red), "{why}");
        assert_eq!(slot.codecs[0].red_payload_type, red, "{why}");
        assert_eq!(answer.sdp.matches(line).count(), 2, "{why}: {}", answer.sdp);
        let lines = "a=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\n";
        assert_eq!(answer.sdp.contains(lines), red.is_some(), "{why}");
    }
}

/// Whoever counts, measures or forwards sees the sound of the moment; what is repeated comes beside it.
#[test]
fn a_packet_that_repeats_is_split() {
    let mut section = Section::new("0", "audio", "sendonly").codecs(REDUNDANT_FIRST);
    section.ssrcs = vec![(1_000, None)];
    let mut call = Call::plain(&Offer::new(Browser::Chromium, vec![section]));
    let whole: &'static [u8] = b"\xef\x0f\x00\x04\x6fthennow";
    // Type and payload as sent; the sound of the moment and whether something is repeated beside it; why.
    type Case = (u8, &'static [u8], Option<(&'static [u8], bool)>, &'static str);
    let cases: [Case; 5] = [
        (63, whole, Some((b"now", true)), "the last block is that of the moment"),
        (111, b"now", Some((b"now", false)), "nothing repeated"),
        (63, b"\x6fnow", Some((b"now", true)), "the first packet has nothing to repeat"),
        (63, b"\xef\x0f", None, "cut off"),
        (64, b"now", None, "of no agreed type"),
    ];
    for (number, (payload_type, payload, expected, why)) in cases.into_iter().enumerate() {
        call.send(&Rtp::new(1_000, payload_type, number as u16).payload(payload).bytes());
        let media = call.take_media();
        let found =
            media.first().map(|m| (&m.packet.payload[..], m.packet.payload_type, m.redundant.clone()));
        let expected = expected.map(|(primary, repeats)| {
            let whole = Redundant { whole: bytes::Bytes::copy_from_slice(payload), payload_type: 111 };
            (primary, 111, repeats.then(|| std::sync::Arc::new(whole)))
        });
        assert_eq!(found, expected, "{why}");
    }
}
