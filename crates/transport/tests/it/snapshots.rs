//! Answers as whole texts, for offers in the shape of real clients: what changes in one is a line in a diff.

use transport::{Identity, Security};

use crate::call::{Call, GCM};
use crate::offers::{Browser, Offer, Section, UNKNOWN_VIDEO};

/// The answer of a fresh transport, with its section list.
fn answer(offer: &Offer) -> String {
    let mut call = Call::new(Security::Plaintext, &[GCM]);
    let answer = call.transport.handle_offer(call.now, &offer.sdp(), &mut call.rng).expect("a good offer");
    readable(&answer.sdp)
}

fn readable(sdp: &str) -> String {
    assert!(
        sdp.ends_with("\r\n") && !sdp.replace("\r\n", "").contains(['\r', '\n']),
        "every line ends with CR LF"
    );
    sdp.replace("\r\n", "\n")
}

#[test]
fn chromium_participant_with_slots() {
    insta::assert_snapshot!(answer(&Offer::participant(4, 3)));
}

#[test]
fn firefox_publisher() {
    let sections = vec![
        Section::new("0", "audio", "sendonly").ssrcs(&[(2_684_354_560, None)]),
        Section::new("1", "video", "sendonly").rids(&["q", "h", "f"]).ssrcs(&[
            (11, Some(12)),
            (13, Some(14)),
            (15, Some(16)),
        ]),
        Section::new("2", "video", "recvonly"),
    ];
    insta::assert_snapshot!(answer(&Offer::new(Browser::Firefox, sections)));
}

#[test]
fn single_encoding() {
    let sections = vec![
        Section::new("0", "video", "sendrecv").ssrcs(&[(21, Some(22))]),
        Section::new("1", "audio", "sendrecv").ssrcs(&[(31, None)]),
    ];
    insta::assert_snapshot!(answer(&Offer::new(Browser::Chromium, sections)));
}

#[test]
fn rejected_codecs_and_data_channel() {
    let sections = vec![
        Section::new("0", "video", "sendonly").codecs(UNKNOWN_VIDEO),
        Section::new("1", "application", ""),
        Section::new("2", "audio", "sendonly"),
    ];
    insta::assert_snapshot!(answer(&Offer::new(Browser::Chromium, sections)));
}

#[test]
fn inactive_stopped_and_bundle_only() {
    let mut offer = Offer::participant(2, 0);
    offer.section("0").port = 0;
    offer.section("1").direction = "inactive";
    offer.section("2").direction = "inactive";
    let last = offer.section("3");
    (last.port, last.bundle_only) = (0, true);
    insta::assert_snapshot!(answer(&offer));
}

#[test]
fn reused_section() {
    let mut call = Call::new(Security::Plaintext, &[GCM]);
    let mut offer = Offer::participant(1, 0);
    call.offer(&offer);
    offer.section("1").port = 0;
    call.offer(&offer);
    offer.sections[1] = Section::new("9", "video", "sendonly").rids(&["l", "m"]);
    insta::assert_snapshot!(readable(&call.offer(&offer).sdp));
}

/// What speaks for the transport is the session's, but for the candidates, which are in the first live section and nowhere
/// else, and the role, which GStreamer looks for in each.
#[test]
fn transport_lines_with_encryption() {
    let identity = Identity::generate().expect("an identity");
    let mut call = Call::new(Security::DtlsSrtp(identity.clone()), &[GCM]);
    let mut offer = Offer::participant(1, 0);
    offer.section("0").port = 0;
    let answer = call.offer(&offer);
    let sections: Vec<&str> = answer.sdp.split("m=").collect();
    let fingerprint = format!("a=fingerprint:sha-256 {}\r\n", identity.fingerprint());
    let lines: [(&str, &[usize]); 5] = [
        ("a=ice-ufrag:", &[0]),
        ("a=ice-pwd:", &[0]),
        (&fingerprint, &[0]),
        ("a=setup:passive", &[2, 3]),
        ("a=candidate:1 1 udp 2130706431 192.0.2.1 3478 typ host", &[2]),
    ];
    for (line, expected) in lines {
        let found: Vec<usize> = (0..sections.len()).filter(|at| sections[*at].contains(line)).collect();
        assert_eq!(found, expected, "{line}: the first section is stopped, so the second speaks");
    }
    assert!(answer.sdp.contains("a=group:BUNDLE 1 2\r\n"));
}
