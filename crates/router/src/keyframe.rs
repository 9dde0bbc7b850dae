//! When to ask a publisher for a keyframe.
//!
//! Owns the requests of one publication: all receivers and encodings merged into one (a browser answers a
//! request on any encoding with keyframes on all), spaced, and repeated until each keyframe that somebody
//! waits for has begun to arrive. Leaves who waits to `room`.

use std::time::Duration;

use packet::RtcpItem;
use units::Timestamp;

use crate::publication::MAX_ENCODINGS;

/// Bounds of the spacing: encoders need time to answer, and a lost answer must not cost more than a second.
const SPACING: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(1));
/// Unanswered picture loss indications before every other request is a full intra request: some encoders lose
/// the former.
const PATIENCE: u32 = 3;

/// The time between two requests to a publisher at that round-trip time.
fn spacing(rtt: Duration) -> Duration {
    (rtt * 2).clamp(SPACING.0, SPACING.1)
}

/// The SSRCs of a publication's encodings; `None` for one that is not being sent.
type Streams<'a> = &'a [Option<u32>];

/// The requests of one publication.
#[derive(Debug, Default)]
pub(crate) struct KeyframeRequests {
    /// By encoding: somebody waits for its keyframe.
    pending: [bool; MAX_ENCODINGS],
    last_sent: Option<Timestamp>,
    /// Requests sent since one was answered.
    unanswered: u32,
    fir_sequence: u8,
}

impl KeyframeRequests {
    /// Somebody needs a keyframe of this encoding that begins after now.
    pub(crate) fn ask(&mut self, encoding: u8) {
        self.pending[usize::from(encoding)] = true;
    }

    /// A keyframe of this encoding began to arrive.
    pub(crate) fn came(&mut self, encoding: u8) {
        self.pending[usize::from(encoding)] = false;
        self.unanswered = 0;
    }

    /// Nobody waits for this encoding any more.
    pub(crate) fn forget(&mut self, encoding: u8) {
        self.pending[usize::from(encoding)] = false;
    }

    /// When [`KeyframeRequests::poll`] has something to say, given the publisher's round-trip time.
    pub(crate) fn deadline(&self, now: Timestamp, rtt: Duration, streams: Streams<'_>) -> Option<Timestamp> {
        self.waiting(streams).next()?;
        Some(self.last_sent.map_or(now, |sent| (sent + spacing(rtt)).max(now)))
    }

    fn waiting<'a>(&'a self, streams: Streams<'a>) -> impl Iterator<Item = u32> + 'a {
        streams.iter().zip(self.pending).filter_map(|(ssrc, pending)| ssrc.filter(|_| pending))
    }

    /// The request to send now, if one is due.
    pub(crate) fn poll(&mut self, now: Timestamp, rtt: Duration, streams: Streams<'_>) -> Option<RtcpItem> {
        if self.deadline(now, rtt, streams)? > now {
            return None;
        }
        // Publishers that answer only on the stream they are asked on are served in turn.
        let count = self.waiting(streams).count();
        let media_ssrc = self.waiting(streams).nth(self.unanswered as usize % count)?;
        self.last_sent = Some(now);
        self.unanswered = self.unanswered.saturating_add(1);
        if self.unanswered > PATIENCE && self.unanswered.is_multiple_of(2) {
            // RFC 5104 §4.3.1.2: a new number for a new request.
            self.fir_sequence = self.fir_sequence.wrapping_add(1);
            return Some(RtcpItem::Fir { sender_ssrc: SENDER_SSRC, media_ssrc, sequence: self.fir_sequence });
        }
        Some(RtcpItem::Pli { sender_ssrc: SENDER_SSRC, media_ssrc })
    }
}

/// Feedback needs a sender, and the node sends no stream of its own to a publisher.
const SENDER_SSRC: u32 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    const RTT: Duration = Duration::from_millis(50);
    const STREAMS: [Option<u32>; 3] = [Some(10), Some(11), None];

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    /// Polls every 10 ms and tells what was asked for when.
    fn run(requests: &mut KeyframeRequests, from: u64, to: u64, rtt: Duration) -> Vec<(u64, char, u32)> {
        (from..to)
            .step_by(10)
            .filter_map(|ms| match requests.poll(at(ms), rtt, &STREAMS)? {
                RtcpItem::Pli { media_ssrc, .. } => Some((ms, 'P', media_ssrc)),
                RtcpItem::Fir { media_ssrc, .. } => Some((ms, 'F', media_ssrc)),
                other => panic!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn many_askers_are_one_request_and_it_is_repeated_until_the_keyframe_came() {
        let mut requests = KeyframeRequests::default();
        (0..100).for_each(|_| requests.ask(0));
        assert_eq!(run(&mut requests, 0, 450, RTT), [(0, 'P', 10), (200, 'P', 10), (400, 'P', 10)]);
        requests.came(0);
        assert_eq!(run(&mut requests, 450, 3_000, RTT), []);
        assert_eq!(requests.deadline(at(450), RTT, &STREAMS), None);
    }

    #[test]
    fn spacing_follows_the_round_trip_within_bounds() {
        for (rtt, second, why) in
            [(0, 200, "floor"), (150, 300, "twice the round trip"), (3_000, 1_000, "ceiling")]
        {
            let mut requests = KeyframeRequests::default();
            requests.ask(1);
            let sent = run(&mut requests, 0, 1_500, Duration::from_millis(rtt));
            assert_eq!(sent[1].0, second, "{why}");
        }
    }

    #[test]
    fn a_request_after_a_keyframe_keeps_the_spacing() {
        let mut requests = KeyframeRequests::default();
        requests.ask(0);
        assert_eq!(run(&mut requests, 0, 20, RTT), [(0, 'P', 10)]);
        requests.came(0);
        requests.ask(1);
        assert_eq!(run(&mut requests, 20, 300, RTT), [(200, 'P', 11)]);
    }

    #[test]
    fn unanswered_requests_take_turns_and_fall_back_to_fir() {
        let mut requests = KeyframeRequests::default();
        requests.ask(0);
        requests.ask(1);
        let sent = run(&mut requests, 0, 1_200, RTT);
        let kinds: String = sent.iter().map(|(_, kind, _)| kind).collect();
        assert_eq!(kinds, "PPPFPF");
        assert_eq!(sent[0].2, 10);
        assert_eq!(sent[1].2, 11, "the other stream's turn");
    }

    #[test]
    fn a_stream_that_is_not_sent_is_not_asked() {
        let mut requests = KeyframeRequests::default();
        requests.ask(2);
        assert_eq!(run(&mut requests, 0, 1_000, RTT), []);
        assert_eq!(requests.deadline(at(0), RTT, &STREAMS), None, "and nobody is woken for it");
        requests.ask(0);
        requests.forget(0);
        assert_eq!(run(&mut requests, 0, 1_000, RTT), []);
    }
}
