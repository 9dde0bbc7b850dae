//! How a receiver's acknowledgements are agreed on.

use transport::Acknowledgement;

use crate::call::Call;
use crate::offers::{Browser, Offer, Section};

const WIDE: &str = "a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\na=rtcp-fb:96 transport-cc\n";
const PER_STREAM: &str = "a=rtcp-fb:* ack ccfb\n";
const ESTIMATE: &str = "a=rtcp-fb:96 goog-remb\n";

#[test]
fn the_best_of_what_is_offered_is_agreed_on_and_nothing_else_asked_for() {
    let cases: [(&[&str], Acknowledgement, &[&str], &str); 6] = [
        (&[WIDE, PER_STREAM, ESTIMATE], Acknowledgement::TransportWide, &["transport-cc"], "all three"),
        (&[WIDE, ESTIMATE], Acknowledgement::TransportWide, &["transport-cc"], "as Chromium has it"),
        (&[PER_STREAM, ESTIMATE], Acknowledgement::PerStream, &["ack ccfb"], "RFC 8888"),
        (&["a=rtcp-fb:96 ack ccfb\n"], Acknowledgement::PerStream, &["ack ccfb"], "for one payload type"),
        (&[ESTIMATE], Acknowledgement::None, &["goog-remb"], "the client's own estimate is better than none"),
        (&[], Acknowledgement::None, &[], "nothing"),
    ];
    for (lines, expected, asked, why) in cases {
        let body = format!(
            "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\na=rtpmap:96 VP8/90000\n{}",
            lines.concat()
        );
        let section = |mid, way| Section::new(mid, "video", way).codecs(body.clone().leak());
        let offer = Offer::new(Browser::Chromium, vec![section("0", "sendonly"), section("1", "recvonly")]);
        let mut call = Call::plain(&offer);
        let answer = call.offer(&offer);
        assert_eq!(answer.acknowledgement, expected, "{why}");
        let slot = answer.sdp.split("m=").nth(2).unwrap();
        for feedback in ["transport-cc", "ack ccfb", "goog-remb"] {
            assert_eq!(slot.contains(feedback), asked.contains(&feedback), "{why}: {feedback} in {slot}");
        }
        let sending = answer.sdp.split("m=").nth(1).unwrap();
        assert!(!sending.contains("ccfb") && !sending.contains("remb"), "we send neither: {sending}");
    }
}
