//! Pieces of session descriptions (RFC 8840): what a client sends to restart ICE, and what it gets back.
//!
//! Owns reading and writing them as text. A restart is the former offer with other credentials, so that the transport
//! judges it like any offer.

/// ICE credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Credentials {
    pub(super) ufrag: String,
    pub(super) password: String,
}

/// The first credentials in a description or a piece of one.
pub(super) fn credentials(sdp: &str) -> Option<Credentials> {
    let value = |key: &str| sdp.lines().find_map(|line| line.trim_end().strip_prefix(key)).map(str::to_owned);
    Some(Credentials { ufrag: value("a=ice-ufrag:")?, password: value("a=ice-pwd:")? })
}

/// A description with other credentials in every place.
pub(super) fn with_credentials(sdp: &str, new: &Credentials) -> String {
    let mut text = String::with_capacity(sdp.len());
    for line in sdp.lines() {
        match line.split_once(':').map(|(key, _)| key) {
            Some(key @ "a=ice-ufrag") => text.push_str(&format!("{key}:{}", new.ufrag)),
            Some(key @ "a=ice-pwd") => text.push_str(&format!("{key}:{}", new.password)),
            _ => text.push_str(line.trim_end()),
        }
        text.push_str("\r\n");
    }
    text
}

/// What of an answer tells a client where to send its checks (RFC 9725 §4.3.3): credentials and candidates.
pub(super) fn of_answer(answer: &str) -> String {
    let wanted = |line: &&str| {
        ["a=ice-lite", "a=ice-ufrag:", "a=ice-pwd:", "a=candidate:", "a=end-of-candidates"]
            .iter()
            .any(|key| line.starts_with(key))
    };
    let media = answer.lines().find(|line| line.starts_with("m=")).unwrap_or("m=audio 9 UDP/TLS/RTP/SAVPF 0");
    let mid = answer.lines().find(|line| line.starts_with("a=mid:")).unwrap_or("a=mid:0");
    let (session, rest): (Vec<&str>, Vec<&str>) =
        answer.lines().filter(wanted).partition(|line| *line == "a=ice-lite");
    let lines = session.into_iter().chain([media, mid]).chain(rest);
    lines.map(|line| format!("{}\r\n", line.trim_end())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFER: &str = "v=0\r\ns=-\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=ice-ufrag:old\r\na=ice-pwd:oldpassword\r\na=sendonly\r\n";

    #[test]
    fn a_restart_is_the_same_offer_with_other_credentials() {
        let piece =
            "a=ice-ufrag:new\r\na=ice-pwd:newpassword\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n";
        let new = credentials(piece).unwrap();
        let restarted = with_credentials(OFFER, &new);
        assert_eq!(restarted, OFFER.replace("oldpassword", "newpassword").replace("old", "new"));
        assert_eq!(
            credentials("a=candidate:1 1 udp 1 192.0.2.1 1 typ host\r\n"),
            None,
            "a trickled candidate"
        );
    }

    #[test]
    fn a_client_is_told_credentials_and_candidates_only() {
        let answer = format!("{OFFER}a=ice-lite\r\na=candidate:1 1 udp 1 127.0.0.1 9 typ host\r\n");
        assert_eq!(
            of_answer(&answer),
            "a=ice-lite\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=ice-ufrag:old\r\na=ice-pwd:oldpassword\r\n\
             a=candidate:1 1 udp 1 127.0.0.1 9 typ host\r\n"
        );
    }
}
