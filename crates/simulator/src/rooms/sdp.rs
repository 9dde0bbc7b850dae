//! Session descriptions of a virtual client: offers as a browser writes them, and what it has to know of the
//! answer.
//!
//! Owns the numbers that a client is free to choose. The order of sections is that of the web client: one
//! that is always there first, then what it sends, then slots.

use std::collections::BTreeMap;
use std::fmt::Write;

use packet::{ExtensionIds, ExtensionUri};

/// Payload type of Opus.
pub const OPUS: u8 = 111;
/// Payload type of VP8.
pub const VP8: u8 = 96;
/// Payload type of retransmissions of VP8.
pub const RTX: u8 = 97;

/// Extensions by the ids that Chromium uses.
const EXTENSIONS: [(ExtensionUri, u8, &str); 7] = [
    (ExtensionUri::AudioLevel, 1, "audio"),
    (ExtensionUri::AbsSendTime, 2, "both"),
    (ExtensionUri::TransportWide, 3, "both"),
    (ExtensionUri::Mid, 4, "both"),
    (ExtensionUri::Rid, 10, "video"),
    (ExtensionUri::RepairedRid, 11, "video"),
    (ExtensionUri::LayersAllocation, 9, "video"),
];

/// The ids above, for reading packets.
pub fn extension_ids() -> ExtensionIds {
    let mut ids = ExtensionIds::new();
    for (uri, id, _) in EXTENSIONS {
        ids.set(uri, id);
    }
    ids
}

/// A section in which the client sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sending {
    /// The section.
    pub mid: String,
    /// Empty for audio and for a single encoding.
    pub rids: Vec<String>,
    /// Whether it is for pictures.
    pub video: bool,
}

/// What a client offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The client's user name fragment.
    pub ufrag: String,
    /// Stands for the client's certificate: another value is another connection.
    pub fingerprint: u64,
    /// In order.
    pub sending: Vec<Sending>,
    /// Receive-only sections for video.
    pub video_slots: usize,
    /// Receive-only sections for audio, at least one: it is the permanent first section.
    pub audio_slots: usize,
}

/// MID of video slot number `n`.
pub fn video_slot(n: usize) -> String {
    format!("v{n}")
}

/// MID of audio slot number `n`.
pub fn audio_slot(n: usize) -> String {
    format!("a{n}")
}

impl Offer {
    /// As text.
    pub fn sdp(&self) -> String {
        let mut sections = vec![(audio_slot(0), false, "recvonly", &[][..])];
        let sending = self.sending.iter();
        sections.extend(sending.map(|s| (s.mid.clone(), s.video, "sendonly", &s.rids[..])));
        sections.extend((0..self.video_slots).map(|n| (video_slot(n), true, "recvonly", &[][..])));
        sections.extend((1..self.audio_slots).map(|n| (audio_slot(n), false, "recvonly", &[][..])));
        let mut out = String::with_capacity(1_024 * sections.len());
        let mids: Vec<&str> = sections.iter().map(|section| section.0.as_str()).collect();
        let _ = write!(
            out,
            "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE {}\r\n\
             a=extmap-allow-mixed\r\na=msid-semantic: WMS\r\n",
            mids.join(" ")
        );
        for (mid, video, direction, rids) in &sections {
            self.section(&mut out, mid, *video, direction, rids);
        }
        out
    }

    fn section(&self, out: &mut String, mid: &str, video: bool, direction: &str, rids: &[String]) {
        let (kind, formats) =
            if video { ("video", format!("{VP8} {RTX}")) } else { ("audio", format!("{OPUS}")) };
        let _ = write!(
            out,
            "m={kind} 9 UDP/TLS/RTP/SAVPF {formats}\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\n\
             a=ice-ufrag:{}\r\na=ice-pwd:asd88fgpdd777uzjYhagZg\r\na=ice-options:trickle\r\n\
             a=fingerprint:sha-256 {}\r\na=setup:actpass\r\na=mid:{mid}\r\n",
            self.ufrag,
            self.fingerprint_text()
        );
        for (uri, id, of) in EXTENSIONS {
            if of == "both" || of == kind {
                let _ = write!(out, "a=extmap:{id} {uri}\r\n");
            }
        }
        let _ = write!(out, "a={direction}\r\na=rtcp-mux\r\na=rtcp-rsize\r\n");
        if direction == "sendonly" {
            let _ = write!(out, "a=msid:- {mid}\r\n");
        }
        if video {
            let _ = write!(out, "a=rtpmap:{VP8} VP8/90000\r\n");
            for feedback in ["goog-remb", "transport-cc", "ccm fir", "nack", "nack pli"] {
                let _ = write!(out, "a=rtcp-fb:{VP8} {feedback}\r\n");
            }
            let _ = write!(out, "a=rtpmap:{RTX} rtx/90000\r\na=fmtp:{RTX} apt={VP8}\r\n");
        } else {
            let _ = write!(
                out,
                "a=rtpmap:{OPUS} opus/48000/2\r\na=rtcp-fb:{OPUS} transport-cc\r\na=fmtp:{OPUS} minptime=10;useinbandfec=1\r\n"
            );
        }
        for rid in rids {
            let _ = write!(out, "a=rid:{rid} send\r\n");
        }
        if !rids.is_empty() {
            let _ = write!(out, "a=simulcast:send {}\r\n", rids.join(";"));
        }
    }

    /// 32 bytes in the form of a certificate's hash.
    fn fingerprint_text(&self) -> String {
        let bytes = self.fingerprint.to_be_bytes();
        let hex: Vec<String> = bytes.iter().cycle().take(32).map(|byte| format!("{byte:02X}")).collect();
        hex.join(":")
    }
}

/// What a client takes from an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The server's user name fragment.
    pub ufrag: String,
    /// The server's password.
    pub password: String,
    /// The stream and the retransmission stream of each slot, by MID.
    pub slots: BTreeMap<String, (u32, Option<u32>)>,
    /// Sections in which the server takes what the client sends, by MID.
    pub receiving: Vec<String>,
}

impl Answer {
    /// Reads an answer. `None` when it lacks what a client needs.
    pub fn parse(sdp: &str) -> Option<Self> {
        let mut answer = Self::default();
        let mut mid = "";
        for attribute in sdp.lines().filter_map(|line| line.strip_prefix("a=")) {
            let (key, value) = attribute.split_once(':').unwrap_or((attribute, ""));
            match key {
                "ice-ufrag" => value.clone_into(&mut answer.ufrag),
                "ice-pwd" => value.clone_into(&mut answer.password),
                "mid" => mid = value,
                "recvonly" => answer.receiving.push(mid.to_owned()),
                "ssrc" => {
                    let ssrc = value.split(' ').next()?.parse().ok()?;
                    // The first one is the stream itself; what FID paired with it is named before.
                    let slot = answer.slots.entry(mid.to_owned()).or_insert((ssrc, None));
                    if slot.0 != ssrc {
                        slot.1 = Some(ssrc);
                    }
                }
                _ => {}
            }
        }
        let complete = !answer.ufrag.is_empty() && !answer.password.is_empty();
        complete.then_some(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::SeedableRng;
    use transport::{Config, Section, Security, Transport};
    use units::Timestamp;

    #[test]
    fn the_product_answers_it_and_the_client_reads_the_answer() {
        let offer = Offer {
            ufrag: "kVtP".to_owned(),
            fingerprint: 7,
            sending: vec![
                Sending { mid: "mic".to_owned(), rids: Vec::new(), video: false },
                Sending {
                    mid: "cam".to_owned(),
                    rids: ["q", "h", "f"].map(str::to_owned).to_vec(),
                    video: true,
                },
            ],
            video_slots: 4,
            audio_slots: 3,
        };
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let config = Config::new(Security::Plaintext);
        let mut transport = Transport::new(Timestamp::ZERO, config.into(), &mut rng);
        let answered = transport.handle_offer(Timestamp::ZERO, &offer.sdp(), &mut rng).expect("a good offer");
        let answer = Answer::parse(&answered.sdp).expect("a whole answer");
        assert_eq!(answer.ufrag, transport.ufrag());
        assert_eq!(answer.receiving, ["mic", "cam"]);
        let mut slots = 0;
        for section in &answered.sections {
            match section {
                Section::Slot(slot) => {
                    assert_eq!(answer.slots[slot.mid.as_str()], (slot.ssrc, slot.rtx_ssrc));
                    slots += 1;
                }
                Section::Sending(sending) => {
                    assert_eq!(sending.rids.len(), if sending.mid.as_str() == "cam" { 3 } else { 0 });
                }
                Section::Data(_) | Section::Rejected { .. } => panic!("{} was refused", section.mid()),
            }
        }
        assert_eq!((slots, answer.slots.len()), (7, 7));
        for (uri, id, _) in EXTENSIONS {
            let known = answered.extensions.get(uri);
            assert!(known.is_none_or(|known| known == id), "{uri} has another id");
        }
        assert_eq!(Answer::parse("v=0\r\n"), None);
    }
}
