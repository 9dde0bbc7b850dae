//! Offers that cannot be answered, each with the exact words its developer gets.

use transport::{Config, Identity, Security};

use crate::call::{Call, GCM, config};
use crate::offers::{Browser, FINGERPRINT, Offer, Section, UNKNOWN_VIDEO, VP8_ONLY};

fn base() -> Offer {
    let video =
        Section::new("1", "video", "sendonly").codecs(VP8_ONLY).rids(&["q", "h"]).ssrcs(&[(21, Some(22))]);
    Offer::new(Browser::Chromium, vec![Section::new("0", "audio", "sendonly").ssrcs(&[(11, None)]), video])
}

/// The words for an offer.
fn refusal(sdp: &str, config: Config) -> String {
    let mut call = Call::with_config(config, false, &[GCM]);
    let ufrag = call.transport.ufrag().to_owned();
    let error = match call.transport.handle_offer(call.now, sdp, &mut call.rng) {
        Err(error) => error.to_string(),
        Ok(answer) => panic!("answered: {}\n{sdp}", answer.sdp),
    };
    assert_eq!(call.transport.sections(), [], "nothing changes");
    assert_eq!(call.transport.ufrag(), ufrag);
    call.transport
        .handle_offer(call.now, &base().sdp(), &mut call.rng)
        .expect("the next good offer is answered");
    error
}

#[test]
fn each_says_what_to_change() {
    let identity = Identity::generate().expect("an identity");
    let secure = || config(Security::DtlsSrtp(identity.clone()));
    // What is replaced in a good offer by what, and what comes of it.
    let cases: &[(&str, &str, &str)] = &[
        (
            "v=0\r\n",
            "hello\r\n",
            "line 1 is not SDP (`hello`): every line is one letter, `=` and a value; send RTCSessionDescription.sdp as it is",
        ),
        (
            "s=-\r\n",
            "",
            "line 3 is not SDP (`t=0 0`): its value is malformed, or a line before it is missing",
        ),
        (
            "t=0 0\r\n",
            "t=0 zero\r\n",
            "line 4 is not SDP (`t=0 zero`): its value is malformed, or a line before it is missing",
        ),
        (
            "m=video 9",
            "m=hologram 9",
            "line 37 is not SDP (`m=hologram 9 UDP/TLS/RTP/SAVPF 96 97`): its value is malformed, or a line before it is missing",
        ),
        (
            "m=video 9",
            "m=video 99999",
            "line 37 is not SDP (`m=video 99999 UDP/TLS/RTP/SAVPF 96 97`): its value is malformed, or a line before it is missing",
        ),
        ("a=mid:1\r\n", "", "section 1: no a=mid line; use a browser or library of this decade"),
        (
            "a=mid:1\r\n",
            "a=mid:this-mid-is-longer-than-16\r\n",
            "section 1: the mid is not a token of 1 to 16 characters",
        ),
        ("a=mid:1\r\n", "a=mid:0\r\n", "section 1: the mid is used by an earlier section"),
        (
            "a=group:BUNDLE 0 1\r\n",
            "",
            "no a=group:BUNDLE; set bundlePolicy to \"max-bundle\", there is one transport for everything",
        ),
        (
            "a=group:BUNDLE 0 1\r\n",
            "a=group:BUNDLE 0\r\n",
            "section 1 (mid 1): not in a=group:BUNDLE; set bundlePolicy to \"max-bundle\"",
        ),
        ("a=rtcp-mux\r\n", "", "section 0 (mid 0): no a=rtcp-mux; set rtcpMuxPolicy to \"require\""),
        (
            "m=video 9 UDP/TLS/RTP/SAVPF",
            "m=video 9 RTP/AVP",
            "section 1 (mid 1): the protocol is not UDP/TLS/RTP/SAVPF; only DTLS-SRTP with feedback is spoken here",
        ),
        (
            "a=ice-ufrag:kVtP\r\n",
            "",
            "no a=ice-ufrag and a=ice-pwd; send the local description, not a template",
        ),
        (
            "a=ice-ufrag:kVtP\r\n",
            "a=ice-ufrag:k!\r\n",
            "a=ice-ufrag is not 4 to 256 letters, digits, `+` and `/`",
        ),
        (
            "a=ice-pwd:asd88fgpdd777uzjYhagZg\r\n",
            "",
            "no a=ice-ufrag and a=ice-pwd; send the local description, not a template",
        ),
        (
            "a=setup:actpass\r\n",
            "a=setup:passive\r\n",
            "a=setup has to be actpass or active; the server never starts the handshake",
        ),
        (
            "a=fingerprint:sha-256",
            "a=fingerprint:sha-1",
            "no a=fingerprint of 32 bytes for sha-256, which RFC 8827 asks for",
        ),
        (FINGERPRINT, "0F:1E:2D", "no a=fingerprint of 32 bytes for sha-256, which RFC 8827 asks for"),
        (
            "a=rid:h send\r\n",
            "",
            "section 1 (mid 1): a=simulcast names `h`, which no a=rid line declares for sending",
        ),
        ("a=rid:h send\r\n", "a=rid:q send\r\n", "section 1 (mid 1): the rid q is declared twice"),
        (
            "a=rid:h send\r\n",
            "a=rid:h/2 send\r\n",
            "section 1 (mid 1): `a=rid:h/2`: a rid has 1 to 16 letters and digits",
        ),
        (
            "a=simulcast:send q;h\r\n",
            "",
            "section 1 (mid 1): 2 a=rid lines but no a=simulcast:send; simulcast needs both",
        ),
        (
            "a=simulcast:send q;h\r\n",
            "a=simulcast:send q;h;q\r\n",
            "section 1 (mid 1): a=simulcast names the rid q twice",
        ),
        (
            "a=simulcast:send q;h\r\n",
            "a=simulcast:send q;;h\r\n",
            "section 1 (mid 1): a=simulcast names ``, which no a=rid line declares for sending",
        ),
        (
            "a=extmap:10 ",
            "a=extmap:0 ",
            "section 1 (mid 1): `a=extmap:0 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id` has no id from 1 to 14 or 16 to 255",
        ),
        (
            "a=extmap:10 ",
            "a=extmap:15 ",
            "section 1 (mid 1): the extension urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id has the id 15; use 1 to 14 or 16 to 255",
        ),
        (
            "a=extmap:10 ",
            "a=extmap:11 ",
            "section 1 (mid 1): the extension id 11 stands for urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id and for urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
        ),
        (
            "a=extmap:10 ",
            "a=extmap:1 ",
            "section 1 (mid 1): the extension id 1 stands for urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id here and for urn:ietf:params:rtp-hdrext:ssrc-audio-level in an earlier section",
        ),
        (
            "a=ssrc-group:FID 21 22",
            "a=ssrc-group:FID 21",
            "section 1 (mid 1): `a=ssrc-group:FID 21` does not pair a stream with its retransmissions",
        ),
        (
            "a=ssrc:22 ",
            "a=ssrc:4294967296 ",
            "section 1 (mid 1): `a=ssrc:4294967296 cname:QGcBbVKDvqPZ3YhL` does not start with a number of 32 bits",
        ),
        ("a=ssrc:22 ", "a=ssrc:11 ", "section 1 (mid 1): the SSRC 11 belongs to an earlier section"),
        (
            "SAVPF 96 97",
            "SAVPF 96 970",
            "section 1 (mid 1): `970` in the m= line is no payload type from 0 to 127",
        ),
    ];
    let good = base().sdp();
    for (find, replace, expected) in cases {
        assert!(good.contains(find), "the case changes something: {find:?}");
        assert_eq!(refusal(&good.replace(find, replace), secure()), *expected, "{find:?} -> {replace:?}");
    }
    let without_fingerprint: String =
        good.split_inclusive("\r\n").filter(|line| !line.starts_with("a=fingerprint")).collect();
    let whole: [(String, &str); 4] = [
        (String::new(), "the offer is empty; send RTCSessionDescription.sdp as it is"),
        (
            "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n".to_owned(),
            "the offer has no media sections; add a transceiver first",
        ),
        (without_fingerprint, "no a=fingerprint; media is encrypted with DTLS-SRTP only"),
        (
            good.replace("m=audio 9", "m=audio 0").replace("m=video 9", "m=video 0"),
            "the offer has no section with audio or video that is not stopped; offer at least one",
        ),
    ];
    for (sdp, expected) in whole {
        assert_eq!(refusal(&sdp, secure()), expected);
    }
}

#[test]
fn limits_are_named() {
    let plain = || config(Security::Plaintext);
    let five = ["a", "b", "c", "d", "e"];
    let many: Vec<(u32, Option<u32>)> = (1..=17).map(|ssrc| (ssrc, None)).collect();
    let unknown =
        Offer::new(Browser::Chromium, vec![Section::new("0", "video", "sendonly").codecs(UNKNOWN_VIDEO)]);
    let cases = [
        (
            Offer::participant(40, 40),
            "the offer has 82 media sections, 64 are allowed; reuse stopped transceivers or ask for fewer slots",
        ),
        (
            Offer::new(Browser::Chromium, vec![Section::new("0", "video", "sendonly").rids(&five)]),
            "section 0 (mid 0): 5 simulcast encodings, 4 are allowed",
        ),
        (
            Offer::new(Browser::Chromium, vec![Section::new("0", "audio", "sendonly").ssrcs(&many)]),
            "section 0 (mid 0): 17 SSRCs, 16 are allowed in a section",
        ),
        (
            unknown,
            "none of the offered codecs is known here; offer VP8, H.264 (packetization-mode 1), VP9, AV1 or Opus",
        ),
    ];
    for (offer, expected) in cases {
        assert_eq!(refusal(&offer.sdp(), plain()), expected);
    }
    let long = base().sdp() + &"a=x\r\n".repeat(60_000);
    let expected = format!(
        "the offer has {} bytes, 262144 are allowed; offer fewer sections or fewer codecs per section",
        long.len()
    );
    assert_eq!(refusal(&long, plain()), expected);
}

/// Odd, and answered all the same.
#[test]
fn oddities_that_are_no_mistake() {
    let good = base().sdp();
    let cases: &[(&str, &str, &str)] = &[
        ("\r\n", "\n", "bare line feeds"),
        (
            "a=rtcp-mux\r\n",
            "a=rtcp-mux\r\na=rtcp-mux-only\r\na=unheard-of\r\na=unheard-of:with value\r\n",
            "unknown attributes",
        ),
        ("a=setup:actpass\r\n", "a=setup:active\r\n", "a client that will be active"),
        ("a=setup:actpass\r\n", "", "a client that says nothing"),
        ("c=IN IP4 0.0.0.0\r\n", "c=IN IP6 ::\r\nb=AS:500\r\n", "IPv6 and a bandwidth"),
        (
            "a=simulcast:send q;h\r\n",
            "a=simulcast:send ~q,h;h recv x\r\n",
            "alternatives, a paused encoding, two directions",
        ),
        ("a=simulcast:send q;h\r\n", "a=simulcast:send rid=q;h\r\n", "the form of old drafts"),
        ("a=fmtp:97 apt=96\r\n", "a=fmtp:97 rtx-time=3000; apt=96\r\n", "parameters before apt"),
        ("a=fmtp:97 apt=96\r\n", "a=fmtp:97 apt=95\r\n", "retransmissions of nothing"),
        ("VP8/90000", "vp8/90000", "names are case-insensitive"),
        ("a=rtcp-rsize\r\n", "", "no reduced size"),
        ("a=extmap:10 ", "a=extmap:20 ", "an id for the two-byte form"),
        (
            FINGERPRINT,
            "0f:1e:2d:3c:4b:5a:69:78:87:96:a5:b4:c3:d2:e1:f0:0f:1e:2d:3c:4b:5a:69:78:87:96:a5:b4:c3:d2:e1:f0",
            "lower case",
        ),
    ];
    let identity = Identity::generate().expect("an identity");
    for (find, replace, why) in cases {
        assert!(good.contains(find), "{why}");
        let mut call = Call::new(Security::DtlsSrtp(identity.clone()), &[GCM]);
        let result = call.transport.handle_offer(call.now, &good.replace(find, replace), &mut call.rng);
        assert!(result.is_ok(), "{why}: {result:?}");
    }
}
