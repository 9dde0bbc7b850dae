//! Offers in the shape of real clients: every line a browser of 2026 writes is there, also those we ignore.
//! Sections are values, so that tests can stop, pause and reuse them.

use std::fmt::Write;

/// A client's certificate fingerprint where no handshake follows.
pub(crate) const FINGERPRINT: &str =
    "0F:1E:2D:3C:4B:5A:69:78:87:96:A5:B4:C3:D2:E1:F0:0F:1E:2D:3C:4B:5A:69:78:87:96:A5:B4:C3:D2:E1:F0";

/// Who wrote an offer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Browser {
    Chromium,
    Firefox,
}

/// One media section.
#[derive(Clone)]
pub(crate) struct Section {
    pub(crate) mid: String,
    pub(crate) kind: &'static str,
    pub(crate) direction: &'static str,
    pub(crate) rids: Vec<&'static str>,
    /// Media SSRC and retransmission SSRC pairs.
    pub(crate) ssrcs: Vec<(u32, Option<u32>)>,
    pub(crate) port: u16,
    pub(crate) bundle_only: bool,
    /// Instead of the codecs of the browser.
    pub(crate) codecs: Option<&'static str>,
}

impl Section {
    pub(crate) fn new(mid: &str, kind: &'static str, direction: &'static str) -> Self {
        Self {
            mid: mid.to_owned(),
            kind,
            direction,
            rids: Vec::new(),
            ssrcs: Vec::new(),
            port: 9,
            bundle_only: false,
            codecs: None,
        }
    }

    pub(crate) fn rids(mut self, rids: &[&'static str]) -> Self {
        self.rids = rids.to_vec();
        self
    }

    pub(crate) fn ssrcs(mut self, ssrcs: &[(u32, Option<u32>)]) -> Self {
        self.ssrcs = ssrcs.to_vec();
        self
    }

    pub(crate) fn codecs(mut self, codecs: &'static str) -> Self {
        self.codecs = Some(codecs);
        self
    }
}

/// A whole offer.
#[derive(Clone)]
pub(crate) struct Offer {
    pub(crate) browser: Browser,
    pub(crate) sections: Vec<Section>,
    pub(crate) ufrag: String,
    pub(crate) fingerprint: String,
}

impl Offer {
    pub(crate) fn new(browser: Browser, sections: Vec<Section>) -> Self {
        Self { browser, sections, ufrag: "kVtP".to_owned(), fingerprint: FINGERPRINT.to_owned() }
    }

    /// What the web client offers: microphone, camera with three encodings, and slots.
    pub(crate) fn participant(video_slots: usize, audio_slots: usize) -> Self {
        let mut sections = vec![
            Section::new("0", "audio", "sendonly").ssrcs(&[(1_000, None)]),
            Section::new("1", "video", "sendonly").rids(&["q", "h", "f"]),
        ];
        let slots =
            std::iter::repeat_n("video", video_slots).chain(std::iter::repeat_n("audio", audio_slots));
        for (at, kind) in slots.enumerate() {
            sections.push(Section::new(&(at + 2).to_string(), kind, "recvonly"));
        }
        Self::new(Browser::Chromium, sections)
    }

    pub(crate) fn section(&mut self, mid: &str) -> &mut Section {
        self.sections.iter_mut().find(|section| section.mid == mid).expect("the test names a section it made")
    }

    pub(crate) fn sdp(&self) -> String {
        let mut out = String::new();
        let live: Vec<_> =
            self.sections.iter().filter(|s| s.port != 0 || s.bundle_only).map(|s| s.mid.as_str()).collect();
        match self.browser {
            Browser::Chromium => {
                let _ = write!(
                    out,
                    "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE {}\r\n\
                     a=extmap-allow-mixed\r\na=msid-semantic: WMS 5d0a5e4b\r\n",
                    live.join(" ")
                );
            }
            Browser::Firefox => {
                let _ = write!(
                    out,
                    "v=0\r\no=mozilla...THIS_IS_SDPARTA-99.0 4327261771880257373 0 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n\
                     a=sendrecv\r\na=fingerprint:sha-256 {}\r\na=group:BUNDLE {}\r\na=ice-options:trickle\r\n\
                     a=msid-semantic:WMS *\r\n",
                    self.fingerprint,
                    live.join(" ")
                );
            }
        }
        for section in &self.sections {
            self.write_section(&mut out, section);
        }
        out
    }

    fn write_section(&self, out: &mut String, section: &Section) {
        let body = section.codecs.unwrap_or(match (self.browser, section.kind) {
            (Browser::Chromium, "audio") => CHROMIUM_AUDIO,
            (Browser::Chromium, "video") => CHROMIUM_VIDEO,
            (Browser::Firefox, "audio") => FIREFOX_AUDIO,
            (Browser::Firefox, "video") => FIREFOX_VIDEO,
            _ => "a=sctp-port:5000\na=max-message-size:262144\n",
        });
        let formats: Vec<&str> = match section.kind {
            "application" => vec!["webrtc-datachannel"],
            _ => body
                .lines()
                .filter_map(|l| l.strip_prefix("a=rtpmap:")?.split_once(' '))
                .map(|(pt, _)| pt)
                .collect(),
        };
        let protocol = if section.kind == "application" { "UDP/DTLS/SCTP" } else { "UDP/TLS/RTP/SAVPF" };
        let _ = write!(
            out,
            "m={} {} {protocol} {}\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\na=ice-ufrag:{}\r\n\
             a=ice-pwd:asd88fgpdd777uzjYhagZg\r\na=ice-options:trickle\r\n",
            section.kind,
            section.port,
            formats.join(" "),
            self.ufrag
        );
        if self.browser == Browser::Chromium {
            let _ = write!(out, "a=fingerprint:sha-256 {}\r\n", self.fingerprint);
        }
        let _ = write!(out, "a=setup:actpass\r\na=mid:{}\r\n", section.mid);
        if section.bundle_only {
            out.push_str("a=bundle-only\r\n");
        }
        if section.kind != "application" {
            let _ = write!(out, "a={}\r\na=rtcp-mux\r\na=rtcp-rsize\r\n", section.direction);
        }
        for line in body.lines() {
            let _ = write!(out, "{line}\r\n");
        }
        let sends = matches!(section.direction, "sendonly" | "sendrecv") || !section.rids.is_empty();
        if sends && section.kind != "application" {
            out.push_str("a=msid:5d0a5e4b 0f6d6a52\r\n");
        }
        for (media, rtx) in &section.ssrcs {
            if let Some(rtx) = rtx {
                let _ = write!(out, "a=ssrc-group:FID {media} {rtx}\r\n");
            }
            for ssrc in [Some(*media), *rtx].into_iter().flatten() {
                let _ = write!(out, "a=ssrc:{ssrc} cname:QGcBbVKDvqPZ3YhL\r\n");
            }
        }
        if !section.rids.is_empty() {
            for rid in &section.rids {
                let _ = write!(out, "a=rid:{rid} send\r\n");
            }
            let _ = write!(out, "a=simulcast:send {}\r\n", section.rids.join(";"));
        }
    }
}

const CHROMIUM_AUDIO: &str = "\
a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level
a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time
a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01
a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid
a=rtpmap:111 opus/48000/2
a=rtcp-fb:111 transport-cc
a=fmtp:111 minptime=10;useinbandfec=1
a=rtpmap:63 red/48000/2
a=fmtp:63 111/111
a=rtpmap:9 G722/8000
a=rtpmap:0 PCMU/8000
a=rtpmap:8 PCMA/8000
a=rtpmap:13 CN/8000
a=rtpmap:110 telephone-event/48000
a=rtpmap:126 telephone-event/8000
";

const CHROMIUM_VIDEO: &str = "\
a=extmap:14 urn:ietf:params:rtp-hdrext:toffset
a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time
a=extmap:13 urn:3gpp:video-orientation
a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01
a=extmap:5 http://www.webrtc.org/experiments/rtp-hdrext/playout-delay
a=extmap:6 http://www.webrtc.org/experiments/rtp-hdrext/video-content-type
a=extmap:7 http://www.webrtc.org/experiments/rtp-hdrext/video-timing
a=extmap:8 http://www.webrtc.org/experiments/rtp-hdrext/color-space
a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid
a=extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id
a=extmap:11 urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id
a=extmap:9 http://www.webrtc.org/experiments/rtp-hdrext/video-layers-allocation00
a=rtpmap:96 VP8/90000
a=rtcp-fb:96 goog-remb
a=rtcp-fb:96 transport-cc
a=rtcp-fb:96 ccm fir
a=rtcp-fb:96 nack
a=rtcp-fb:96 nack pli
a=rtpmap:97 rtx/90000
a=fmtp:97 apt=96
a=rtpmap:103 H264/90000
a=rtcp-fb:103 goog-remb
a=rtcp-fb:103 transport-cc
a=rtcp-fb:103 ccm fir
a=rtcp-fb:103 nack
a=rtcp-fb:103 nack pli
a=fmtp:103 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f
a=rtpmap:104 rtx/90000
a=fmtp:104 apt=103
a=rtpmap:107 H264/90000
a=rtcp-fb:107 nack
a=fmtp:107 level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42001f
a=rtpmap:108 rtx/90000
a=fmtp:108 apt=107
a=rtpmap:109 H264/90000
a=rtcp-fb:109 goog-remb
a=rtcp-fb:109 transport-cc
a=rtcp-fb:109 ccm fir
a=rtcp-fb:109 nack
a=rtcp-fb:109 nack pli
a=fmtp:109 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f
a=rtpmap:114 rtx/90000
a=fmtp:114 apt=109
a=rtpmap:45 AV1/90000
a=rtcp-fb:45 nack
a=fmtp:45 level-idx=5;profile=0;tier=0
a=rtpmap:46 rtx/90000
a=fmtp:46 apt=45
a=rtpmap:98 VP9/90000
a=rtcp-fb:98 nack
a=fmtp:98 profile-id=0
a=rtpmap:99 rtx/90000
a=fmtp:99 apt=98
a=rtpmap:115 red/90000
a=rtpmap:116 rtx/90000
a=fmtp:116 apt=115
a=rtpmap:117 ulpfec/90000
";

const FIREFOX_AUDIO: &str = "\
a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level
a=extmap:2/recvonly urn:ietf:params:rtp-hdrext:csrc-audio-level
a=extmap:3 urn:ietf:params:rtp-hdrext:sdes:mid
a=fmtp:109 maxplaybackrate=48000;stereo=1;useinbandfec=1
a=fmtp:101 0-15
a=rtpmap:109 opus/48000/2
a=rtpmap:9 G722/8000/1
a=rtpmap:0 PCMU/8000
a=rtpmap:8 PCMA/8000
a=rtpmap:101 telephone-event/8000/1
";

const FIREFOX_VIDEO: &str = "\
a=extmap:3 urn:ietf:params:rtp-hdrext:sdes:mid
a=extmap:4 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time
a=extmap:5 urn:ietf:params:rtp-hdrext:toffset
a=extmap:6/recvonly http://www.webrtc.org/experiments/rtp-hdrext/playout-delay
a=extmap:7 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01
a=extmap:8/sendonly urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id
a=extmap:9/sendonly urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id
a=fmtp:126 profile-level-id=42e01f;level-asymmetry-allowed=1;packetization-mode=1
a=fmtp:97 profile-level-id=42e01f;level-asymmetry-allowed=1
a=fmtp:120 max-fs=12288;max-fr=60
a=fmtp:124 apt=120
a=fmtp:127 apt=126
a=fmtp:98 apt=97
a=rtcp-fb:120 nack
a=rtcp-fb:120 nack pli
a=rtcp-fb:120 ccm fir
a=rtcp-fb:120 goog-remb
a=rtcp-fb:120 transport-cc
a=rtcp-fb:126 nack
a=rtcp-fb:126 nack pli
a=rtcp-fb:126 ccm fir
a=rtcp-fb:126 goog-remb
a=rtcp-fb:126 transport-cc
a=rtpmap:120 VP8/90000
a=rtpmap:124 rtx/90000
a=rtpmap:126 H264/90000
a=rtpmap:127 rtx/90000
a=rtpmap:97 H264/90000
a=rtpmap:98 rtx/90000
a=rtpmap:123 ulpfec/90000
";

/// The least a native client may offer.
pub(crate) const VP8_ONLY: &str = "\
a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid
a=extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id
a=extmap:11 urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id
a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01
a=rtpmap:96 VP8/90000
a=rtcp-fb:96 nack
a=rtcp-fb:96 nack pli
a=rtpmap:97 rtx/90000
a=fmtp:97 apt=96
";

/// Nothing we speak.
pub(crate) const UNKNOWN_VIDEO: &str = "\
a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid
a=rtpmap:100 H265/90000
a=rtpmap:101 rtx/90000
a=fmtp:101 apt=100
a=rtpmap:102 H264/90000
a=fmtp:102 profile-level-id=42e01f
";
