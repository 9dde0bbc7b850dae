//! Defects seen in stacks built from the same libraries, each with a test that fails where we share it. Those
//! of connectivity and of repair are told in `ice` and `media` by what should happen; here is what is about
//! bytes.

use bytes::BytesMut;
use packet::{ExtensionUri, Mid, OutgoingHeader, RtpPacket};
use transport::Event;

use crate::call::{Call, GCM, Rtp, SHA1, mid, rid};
use crate::offers::{Browser, Offer, Section};

/// A parsed header of the library remembers the padding of the extension block it came from, and writes it
/// again.
#[test]
fn what_leaves_does_not_inherit_the_header_that_arrived() {
    let mut call = Call::secure(&Offer::participant(1, 1), &[GCM]);
    call.take_events();
    // An extension block with 3 bytes of padding.
    call.send(&Rtp::new(1_000, 111, 1).extension(4, b"0").extension(3, &[0, 9]).bytes());
    let arrived = call.take_media().remove(0).packet;
    let slot = call.slot("3");
    let mut header = OutgoingHeader::new(slot.ssrc, 111, 7, arrived.timestamp, arrived.marker);
    header.mid = Some(slot.mid);
    header.transport_wide = Some(77);
    call.transport.send_rtp(&header, &[&arrived.payload], 0).expect("connected");
    call.pump();
    let sent = call.take_rtp().remove(0);
    let expected = [
        &[0x90, 111, 0, 7][..],
        &arrived.timestamp.to_be_bytes(),
        &slot.ssrc.to_be_bytes(),
        // One-byte form, two words: MID in id 4, the number in id 3, padding only up to the word.
        &[0xbe, 0xde, 0, 2, 0x40, b'3', 0x31, 0, 77, 0, 0, 0],
        &arrived.payload,
    ]
    .concat();
    assert_eq!(sent, expected);
}

/// The library pads to a multiple of 4 and by at least 4; runs of equal size need a single byte, and probes
/// need many.
#[test]
fn padding_of_any_size_leaves_as_asked_and_stays_out_of_the_payload() {
    for profile in [GCM, SHA1] {
        let mut call = Call::secure(&Offer::participant(1, 1), &[profile]);
        let slot = call.slot("2");
        let ids = *call.transport.extensions();
        for (sequence, padding) in [0_u8, 1, 2, 3, 4, 5, 200, 255].into_iter().enumerate() {
            let header = OutgoingHeader::new(slot.ssrc, 96, sequence as u16, 0, true);
            call.transport.send_rtp(&header, &[b"abc"], padding).expect("connected");
            call.pump();
            let sent = call.take_rtp().remove(0);
            assert_eq!(sent.len(), 12 + 3 + usize::from(padding), "{padding}");
            let packet = RtpPacket::parse(sent.freeze(), &ids).expect("RTP");
            assert_eq!((&packet.payload[..], packet.padding), (&b"abc"[..], padding));
        }
    }
}

/// A publisher's rotation would have to follow its picture from slot to slot, so nobody is told of any.
#[test]
fn extensions_that_do_not_survive_a_switch_are_not_agreed_on() {
    const WITH_ORIENTATION: &str = "\
a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid
a=extmap:13 urn:3gpp:video-orientation
a=rtpmap:96 VP8/90000
";
    let sections = vec![
        Section::new("0", "video", "sendonly").codecs(WITH_ORIENTATION),
        Section::new("1", "video", "recvonly").codecs(WITH_ORIENTATION),
    ];
    let mut call = Call::plain(&Offer::new(Browser::Chromium, sections.clone()));
    let answer = call.offer(&Offer::new(Browser::Chromium, sections));
    assert!(!answer.sdp.contains("video-orientation"));
    assert_eq!(answer.extensions.get(ExtensionUri::VideoOrientation), None);
}

/// Firefox writes `a=ssrc` lines next to its encodings, which do not say which SSRC is which; other browsers
/// write none.
#[test]
fn ssrc_lines_next_to_encodings_do_not_decide_which_is_which() {
    let ssrcs = [(11, Some(21)), (12, Some(22)), (13, Some(23))];
    let simulcast = |ssrcs: &[(u32, Option<u32>)]| {
        Offer::new(
            Browser::Firefox,
            vec![
                Section::new("0", "audio", "sendonly"),
                Section::new("1", "video", "sendonly").rids(&["q", "h", "f"]).ssrcs(ssrcs),
            ],
        )
    };
    for announced in [&ssrcs[..], &[]] {
        let mut call = Call::plain(&simulcast(announced));
        call.take_events();
        // In another order than the lines have.
        for (ssrc, name) in [(13, "q"), (11, "h"), (12, "f")] {
            call.send(&Rtp::new(ssrc, 120, 1).extension(3, b"1").extension(8, name.as_bytes()).bytes());
            let media = call.take_media();
            assert_eq!((media[0].mid, media[0].rid), (mid("1"), rid(name)));
        }
        let rtx = Rtp::rtx(&Rtp::new(12, 120, 2), 22, 124, 1).extension(3, b"1").extension(9, b"f");
        call.send(&rtx.bytes());
        assert_eq!(call.take_media()[0].rid, rid("f"));
    }
}

/// RFC 8285 §4.2: id 15 ends the block early. The library's own measure of such a header is short, so that it
/// would decrypt from the wrong byte.
#[test]
fn an_extension_block_that_ends_early_is_opened_at_the_right_byte() {
    for profile in [GCM, SHA1] {
        let mut call = Call::secure(&Offer::participant(1, 1), &[profile]);
        // The client's own library is as wrong when it seals, unless the header is measured for it.
        let mut packet = Rtp::new(1_000, 111, 1).bytes();
        packet[0] |= 0x10;
        packet.splice(12..12, [0xbe, 0xde, 0, 2, 0xf0, 0, 0, 0, 1, 2, 3, 4]);
        let header = rtp::Header {
            version: 2,
            extension: true,
            extensions_padding: 8,
            sequence_number: 1,
            ssrc: 1_000,
            ..rtp::Header::default()
        };
        let sealed = call.client.seal_measured(&packet, &header);
        call.take_events();
        call.deliver(sealed);
        let media = call.take_media();
        assert_eq!(media.len(), 1, "{profile:?}: {:?}", call.transport.stats());
        assert_eq!(media[0].packet.payload, packet[24..]);
    }
}

/// RFC 8827 §6.5: WebRTC never sends RTCP in the clear, though SRTCP could (RFC 3711 §3.4).
#[test]
fn feedback_without_encryption_is_refused() {
    for profile in [GCM, SHA1] {
        let mut call = Call::secure(&Offer::participant(1, 1), &[profile]);
        call.take_events();
        let mut forged = Vec::new();
        packet::write_rtcp(&[packet::RtcpItem::Pli { sender_ssrc: 1, media_ssrc: 2 }], &mut forged);
        for tag in [10, 16] {
            let datagram = [&forged[..], &vec![0; tag], &[0, 0, 0, 1]].concat();
            call.deliver(BytesMut::from(&datagram[..]));
            let datagram = [&forged[..], &[0, 0, 0, 1], &vec![0; tag]].concat();
            call.deliver(BytesMut::from(&datagram[..]));
        }
        assert!(!call.take_events().iter().any(|event| matches!(event, Event::Rtcp(_))), "{profile:?}");
        // Some are too short to have a tag at all.
        let stats = call.transport.stats();
        assert_eq!(stats.srtp_unauthenticated + stats.malformed, 4, "{profile:?}");
    }
}

/// Names of one character and of sixteen travel alike.
#[test]
fn long_mids_reach_the_wire() {
    let name = "0123456789abcdef";
    let sections = vec![Section::new(name, "video", "recvonly")];
    let mut call = Call::plain(&Offer::new(Browser::Chromium, sections));
    let slot = call.slot(name);
    let mut header = OutgoingHeader::new(slot.ssrc, 96, 1, 1, true);
    header.mid = Mid::parse(name);
    call.transport.send_rtp(&header, &[b"x"], 0).expect("connected");
    call.pump();
    let ids = *call.transport.extensions();
    let packet = RtpPacket::parse(call.take_rtp().remove(0).freeze(), &ids).expect("RTP");
    assert_eq!(packet.extensions.mid, Mid::parse(name));
}
