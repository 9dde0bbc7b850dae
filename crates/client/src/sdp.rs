//! The little that a participant reads of an answer by itself: which slot has which SSRC, and where the server is.
//!
//! Owns text, not meaning: the WebRTC engine has parsed the same answer.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

/// MID of the section in which each SSRC is announced, retransmission streams included.
pub(crate) fn sections_by_ssrc(answer: &str) -> BTreeMap<u32, String> {
    let mut found = BTreeMap::new();
    for section in answer.split("\nm=").skip(1) {
        let lines = || section.lines().map(str::trim_end);
        let Some(mid) = lines().find_map(|line| line.strip_prefix("a=mid:")) else { continue };
        for line in lines() {
            let ssrc = line.strip_prefix("a=ssrc:").and_then(|rest| rest.split(' ').next());
            if let Some(ssrc) = ssrc.and_then(|text| text.parse().ok()) {
                found.insert(ssrc, mid.to_owned());
            }
        }
    }
    found
}

/// The address of the first UDP candidate.
pub(crate) fn first_candidate(answer: &str) -> Option<SocketAddr> {
    answer.lines().filter_map(|line| line.strip_prefix("a=candidate:")).find_map(|candidate| {
        let mut words = candidate.split_whitespace();
        let udp = words.nth(2).is_some_and(|transport| transport.eq_ignore_ascii_case("udp"));
        let address: IpAddr = words.nth(1)?.parse().ok()?;
        let port = words.next()?.parse().ok()?;
        udp.then_some(SocketAddr::new(address, port))
    })
}

/// The answer with `instead` for the first candidate, and without the others.
pub(crate) fn replace_candidates(answer: &str, instead: SocketAddr) -> String {
    let mut replaced = false;
    let mut out = String::with_capacity(answer.len());
    for line in answer.lines() {
        if line.starts_with("a=candidate:") {
            if !replaced {
                replaced = true;
                out.push_str(&format!(
                    "a=candidate:1 1 udp 2130706431 {} {} typ host\r\n",
                    instead.ip(),
                    instead.port()
                ));
            }
        } else {
            out.push_str(line.trim_end());
            out.push_str("\r\n");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\na=ice-lite\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=candidate:1 1 udp 2130706431 192.0.2.1 443 typ host\r\n\
        a=candidate:2 1 udp 2130706430 198.51.100.1 443 typ host\r\na=ssrc:10 cname:a\r\n\
        m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\na=ssrc-group:FID 20 21\r\na=ssrc:20 cname:a\r\na=ssrc:21 cname:a\r\na=mid:v1\r\n";

    #[test]
    fn finds_slots_and_the_server() {
        let expected = [(10, "0"), (20, "v1"), (21, "v1")].map(|(ssrc, mid)| (ssrc, mid.to_owned()));
        assert_eq!(sections_by_ssrc(ANSWER), BTreeMap::from(expected));
        assert_eq!(first_candidate(ANSWER), Some("192.0.2.1:443".parse().unwrap()));
        assert_eq!(first_candidate("v=0\r\n"), None);
    }

    #[test]
    fn leads_media_elsewhere() {
        let elsewhere = "127.0.0.1:5000".parse().unwrap();
        let replaced = replace_candidates(ANSWER, elsewhere);
        assert_eq!(first_candidate(&replaced), Some(elsewhere));
        assert_eq!(replaced.matches("a=candidate").count(), 1);
        assert_eq!(sections_by_ssrc(&replaced), sections_by_ssrc(ANSWER));
    }
}
