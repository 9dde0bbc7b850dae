//! Offers after the first: sections that come, pause, stop and are reused.

use packet::{ExtensionUri, OutgoingHeader};
use transport::{Answer, OfferError, Section as Agreed};

use crate::call::{Call, GCM, Rtp, mid, rid};
use crate::offers::{Browser, Offer, Section, VP8_ONLY};

fn slots(answer: &Answer) -> Vec<(String, u32, Option<u32>)> {
    let slot = |section: &Agreed| match section {
        Agreed::Slot(slot) => Some((slot.mid.to_string(), slot.ssrc, slot.rtx_ssrc)),
        _ => None,
    };
    answer.sections.iter().filter_map(slot).collect()
}

fn group(answer: &Answer) -> &str {
    answer.sdp.lines().find_map(|line| line.strip_prefix("a=group:BUNDLE ")).expect("a group")
}

#[test]
fn more_slots_leave_the_others_as_they_are() {
    let mut call = Call::secure(&Offer::participant(2, 1), &[GCM]);
    let mut offer = Offer::participant(2, 1);
    let before = slots(&call.offer(&offer));
    offer.sections.push(Section::new("5", "video", "recvonly"));
    offer.sections.push(Section::new("6", "audio", "recvonly"));
    let after = slots(&call.offer(&offer));
    assert_eq!(after[..3], before[..]);
    assert_eq!(after.len(), 5);
    assert!(after[3].2.is_some() && after[4].2.is_none(), "retransmissions for pictures only");
    let mut ssrcs: Vec<u32> = after.iter().flat_map(|(_, ssrc, rtx)| [Some(*ssrc), *rtx]).flatten().collect();
    ssrcs.sort_unstable();
    ssrcs.dedup();
    assert_eq!(ssrcs.len(), 8, "all different");

    call.take_events();
    call.send(&Rtp::new(11, 96, 1).extension(4, b"1").extension(10, b"q").bytes());
    assert_eq!(call.take_media().len(), 1, "keys and streams stay");
    let header = OutgoingHeader::new(after[0].1, 96, 1, 1, true);
    call.transport.send_rtp(&header, &[b"x"], 0).expect("connected");
    call.pump();
    assert_eq!(call.take_rtp().len(), 1);
}

#[test]
fn a_paused_section_goes_on_where_it_was() {
    let mut offer = Offer::participant(1, 0);
    let mut call = Call::plain(&offer);
    let slot = call.slot("2");
    call.send(&Rtp::new(11, 96, 1).extension(4, b"1").extension(10, b"q").bytes());

    for (section, paused) in [("1", "inactive"), ("2", "inactive")] {
        offer.section(section).direction = paused;
    }
    let answer = call.offer(&offer);
    assert_eq!(answer.sdp.matches("a=inactive\r\n").count(), 2);
    assert!(answer.sdp.contains("a=simulcast:recv q;h;f\r\n"), "the encodings stay agreed");
    assert_eq!(group(&answer), "0 1 2", "paused is not rejected");
    assert_eq!(call.slot("2").ssrc, slot.ssrc);
    assert!(!call.slot("2").active);
    call.take_events();
    call.send(&Rtp::new(11, 96, 2).bytes());
    assert_eq!(call.take_media(), []);
    assert_eq!(call.transport.stats().inactive_section, 1);

    // A browser may leave the encodings out while it pauses.
    offer.section("1").rids.clear();
    let answer = call.offer(&offer);
    assert!(
        matches!(&answer.sections[1], Agreed::Sending(sending) if sending.rids.len() == 3 && !sending.active)
    );

    offer = Offer::participant(1, 0);
    call.offer(&offer);
    call.send(&Rtp::new(11, 96, 3).bytes());
    let media = call.take_media();
    assert_eq!((media[0].mid, media[0].rid), (mid("1"), rid("q")), "no RID is needed again");
    assert_eq!(call.slot("2"), slot);
}

#[test]
fn a_stopped_section_is_rejected_and_its_place_reused() {
    let mut offer = Offer::participant(1, 0);
    let mut call = Call::plain(&offer);
    call.send(&Rtp::new(11, 96, 1).extension(4, b"1").extension(10, b"q").bytes());
    let old = call.slot("2").ssrc;
    for stopped in ["1", "2"] {
        offer.section(stopped).port = 0;
    }
    let answer = call.offer(&offer);
    assert_eq!(group(&answer), "0");
    assert!(
        matches!(answer.sections[1], Agreed::Rejected { .. })
            && matches!(answer.sections[2], Agreed::Rejected { .. })
    );
    call.take_events();
    call.send(&Rtp::new(11, 96, 2).bytes());
    assert_eq!(call.take_media(), [], "the stream ended with its section");

    offer.sections[1] = Section::new("8", "video", "sendonly").rids(&["q", "h", "f"]);
    offer.sections[2] = Section::new("9", "video", "recvonly");
    let answer = call.offer(&offer);
    assert_eq!(group(&answer), "0 8 9");
    assert_ne!(call.slot("9").ssrc, old, "a new slot, a new stream");
    call.send(&Rtp::new(12, 96, 1).extension(4, b"8").extension(10, b"q").bytes());
    assert_eq!(call.take_media()[0].mid, mid("8"));
}

#[test]
fn stopping_the_first_section_moves_the_transport_lines_to_the_next() {
    let mut offer = Offer::participant(1, 0);
    let mut call = Call::plain(&offer);
    offer.section("0").port = 0;
    let answer = call.offer(&offer);
    let sections: Vec<&str> = answer.sdp.split("m=").collect();
    assert!(!sections[1].contains("a=candidate:") && sections[2].contains("a=candidate:"));
}

/// Chromium offers later only what earlier answers kept, and a simulcast offer without the RID extensions
/// dies in the page.
#[test]
fn rid_extensions_are_echoed_in_every_video_section_of_every_answer() {
    let mut offer = Offer::participant(2, 1);
    let mut call = Call::plain(&offer);
    let steps: [(&str, &str, u16); 4] =
        [("1", "sendonly", 9), ("1", "inactive", 9), ("1", "sendonly", 0), ("2", "inactive", 9)];
    for (section, direction, port) in steps {
        let section = offer.section(section);
        (section.direction, section.port) = (direction, port);
        let answer = call.offer(&offer);
        for section in answer.sdp.split("m=video 9").skip(1) {
            for uri in
                [ExtensionUri::Mid, ExtensionUri::Rid, ExtensionUri::RepairedRid, ExtensionUri::TransportWide]
            {
                assert!(section.contains(uri.as_uri()), "{uri} after {direction}: {section}");
            }
        }
        assert!(answer.extensions.get(ExtensionUri::Rid).is_some());
    }
}

#[test]
fn the_settled_codec_stays_as_long_as_it_is_offered() {
    const H264_ONLY: &str =
        "a=rtpmap:109 H264/90000\na=fmtp:109 packetization-mode=1;profile-level-id=42e01f\n";
    let publisher = |codecs: Option<&'static str>| {
        let section = Section { codecs, ..Section::new("0", "video", "sendonly") };
        Offer::new(Browser::Chromium, vec![section])
    };
    let payload_type = |answer: &Answer| match &answer.sections[0] {
        Agreed::Sending(sending) => sending.codec.payload_type,
        other => panic!("{other:?}"),
    };
    let mut call = Call::plain(&publisher(Some(H264_ONLY)));
    let answer = call.offer(&publisher(None));
    assert_eq!(payload_type(&answer), 109, "VP8 is preferred, but H.264 is running");
    let answer = call.offer(&publisher(Some(VP8_ONLY)));
    assert_eq!(payload_type(&answer), 96);
}

#[test]
fn what_contradicts_the_offers_before_is_refused_and_changes_nothing() {
    let base = Offer::participant(1, 1);
    let reorder = |offer: &mut Offer| offer.sections.swap(0, 1);
    let shrink = |offer: &mut Offer| drop(offer.sections.pop());
    let rename = |offer: &mut Offer| offer.sections[2].mid = "77".to_owned();
    let change_kind = |offer: &mut Offer| offer.sections[2].kind = "audio";
    type Change = fn(&mut Offer);
    let cases: [(Change, &str); 4] = [
        (
            reorder,
            "section 0 (mid 1): this section had the mid 0 before; a section keeps its place and mid until it is stopped",
        ),
        (shrink, "the offer has fewer sections than the one before; stop a transceiver, its section stays"),
        (
            rename,
            "section 2 (mid 77): this section had the mid 2 before; a section keeps its place and mid until it is stopped",
        ),
        (change_kind, "section 2 (mid 2): this section was video before and cannot become audio"),
    ];
    for (change, expected) in cases {
        let mut call = Call::plain(&base);
        let sections = call.transport.sections().to_vec();
        let mut offer = Offer { fingerprint: call.client.fingerprint.clone(), ..base.clone() };
        change(&mut offer);
        let error = call.transport.handle_offer(call.now, &offer.sdp(), &mut call.rng).expect_err(expected);
        assert_eq!(error.to_string(), expected);
        assert_eq!(call.transport.sections(), sections, "{expected}");
        call.offer(&base);
    }
}

#[test]
fn another_certificate_or_a_closed_transport_needs_a_new_connection() {
    let mut call = Call::secure(&Offer::participant(1, 1), &[GCM]);
    let error = call.transport.handle_offer(call.now, &Offer::participant(1, 1).sdp(), &mut call.rng);
    let expected = "a=fingerprint has changed; a new certificate needs a new connection";
    assert_eq!(error.expect_err("another certificate").to_string(), expected);
    call.transport.close(call.now);
    let error = call.transport.handle_offer(call.now, &Offer::participant(1, 1).sdp(), &mut call.rng);
    assert_eq!(error, Err(OfferError::Closed));
}

#[test]
fn an_offer_of_fifty_two_sections_is_answered() {
    let mut call = Call::plain(&Offer::participant(49, 3));
    let offer = Offer::participant(49, 3);
    assert!(offer.sdp().len() > 100_000, "as long as a browser's: {}", offer.sdp().len());
    let answer = call.offer(&offer);
    assert_eq!(slots(&answer).len(), 52);
}
