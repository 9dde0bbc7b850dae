//! Which packets of a publisher are missing, and when to ask for each again (RFC 4585 §6.2.1).
//!
//! Owns the requests and their timing. Leaves the bytes to `packet` and knows nothing of payloads. A request is
//! repeated when its answer could have come and did not, so the spacing is the time that answers take: on a path
//! of 300 ms four requests 20 ms apart would be spent before the first answer arrives. That time is measured on
//! the requests themselves, as a publisher that receives nothing gives no other measure. After the first few, requests for one
//! packet get rarer, so that they outlive a burst of losses without being many. On a path that loses requests or answers
//! each request is said twice: the second saying costs a few bytes, and a request that is lost costs a picture a round trip.

use std::collections::BTreeMap;
use std::time::Duration;

use smallvec::SmallVec;
use units::{Timestamp, Unwrapper};

/// Packets of one stream back to which a missing one is asked for: 0.8 s of the 600 packets per second that a
/// hard 720p scene has. A jump beyond is a new start.
const WINDOW: u64 = 512;
/// Missing packets remembered over all streams: 60 streams that each invent gaps cost no more than this.
const MAX_MISSING: usize = 2_048;
/// A packet may be late by this much without being missing. Browsers send in order; the rest is the network's.
const PATIENCE: Duration = Duration::from_millis(8);
/// Requests due within this of each other leave together.
const TOGETHER: Duration = Duration::from_millis(3);
/// What answers take until one has been seen.
const ASSUMED: Duration = Duration::from_millis(100);
/// Requests for one packet are never closer than this: a frame's time is lost anyhow.
const CLOSEST: Duration = Duration::from_millis(20);
/// What an answer may take more than the fastest did.
const SLACK: Duration = Duration::from_millis(5);
/// An answer that takes longer is no measure of the path.
const LONGEST: Duration = Duration::from_secs(2);
/// Of the pauses behind the first few, each is longer than the one before by a quarter.
const GROWTH: (u32, u32) = (5, 4);
/// So many pauses are alike: a picture that comes after one more round trip is still of use.
const ALIKE: u8 = 3;
/// Between the two sayings of a request: what loses one of them is over then, unless it is a burst.
const ECHO: Duration = Duration::from_millis(12);

/// Numbers of one stream to ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) ssrc: u32,
    /// In order, wrapped to 16 bits.
    pub(crate) lost: SmallVec<[u16; 8]>,
}

/// What all streams of a publisher miss.
#[derive(Debug)]
pub(crate) struct Missing {
    attempts: u8,
    lifetime: Duration,
    streams: BTreeMap<u32, Stream>,
    answers: Answers,
    due: Option<Timestamp>,
}

#[derive(Debug, Default)]
struct Stream {
    numbers: Unwrapper<16>,
    missing: BTreeMap<u64, Ask>,
}

/// What is known of one missing packet.
#[derive(Clone, Copy, Debug)]
struct Ask {
    noticed: Timestamp,
    /// When it was first asked for.
    asked: Option<Timestamp>,
    times: u8,
    due: Timestamp,
    /// When the last request is to be said once more.
    echo: Option<Timestamp>,
}

impl Missing {
    /// Nothing is missing. A packet is asked for at most `attempts` times, and not after `lifetime`.
    pub(crate) fn new(attempts: u8, lifetime: Duration) -> Self {
        Self { attempts, lifetime, streams: BTreeMap::new(), answers: Answers::default(), due: None }
    }

    /// A stream whose packets can be sent again.
    pub(crate) fn bind(&mut self, ssrc: u32) {
        self.streams.entry(ssrc).or_default();
    }

    /// A stream has ended.
    pub(crate) fn unbind(&mut self, ssrc: u32) {
        self.streams.remove(&ssrc);
    }

    /// A packet arrived as it was first sent.
    pub(crate) fn arrived(&mut self, now: Timestamp, ssrc: u32, sequence: u16) {
        let Some(stream) = self.streams.get_mut(&ssrc) else { return };
        let newest = stream.numbers.newest();
        let number = stream.numbers.unwrap(sequence.into());
        let Some(newest) = newest else { return };
        if number <= newest {
            stream.missing.remove(&number);
            return;
        }
        if number - newest > WINDOW {
            stream.missing.clear();
            return;
        }
        if number == newest + 1 {
            return;
        }
        stream.missing = stream.missing.split_off(&number.saturating_sub(WINDOW));
        let due = now + PATIENCE;
        let ask = Ask { noticed: now, asked: None, times: 0, due, echo: None };
        stream.missing.extend((newest + 1..number).map(|number| (number, ask)));
        if self.streams.values().map(|stream| stream.missing.len()).sum::<usize>() > MAX_MISSING
            && let Some(stream) = self.streams.get_mut(&ssrc)
        {
            // So much is missing that only a keyframe helps.
            stream.missing.clear();
            return;
        }
        self.due = Some(self.due.map_or(due, |before| before.min(due)));
    }

    /// A packet arrived as a retransmission: perhaps the answer to a request.
    pub(crate) fn repaired(&mut self, now: Timestamp, ssrc: u32, sequence: u16) {
        let Some(stream) = self.streams.get_mut(&ssrc) else { return };
        let number = stream.numbers.peek(sequence.into());
        if let Some(ask) = stream.missing.remove(&number)
            && let Some(asked) = ask.asked
        {
            self.answers.observe(now, asked, ask.times > 1);
        }
    }

    /// When [`Missing::requests`] is due.
    pub(crate) fn poll_timeout(&self) -> Option<Timestamp> {
        self.due
    }

    /// What is to be asked for now, in the order of the streams' SSRCs.
    pub(crate) fn requests(&mut self, now: Timestamp) -> Vec<Request> {
        if self.due.is_none_or(|due| now < due) {
            return Vec::new();
        }
        let (attempts, lifetime, answers) = (self.attempts, self.lifetime, self.answers);
        let (mut requests, mut next) = (Vec::new(), None);
        for (ssrc, stream) in &mut self.streams {
            let mut lost = SmallVec::new();
            stream.missing.retain(|number, ask| {
                if now - ask.noticed > lifetime {
                    return false;
                }
                // What was asked for often enough stays until then, as its answer may still tell the time.
                let is_due = ask.times < attempts && ask.due <= now + TOGETHER;
                if is_due {
                    ask.times += 1;
                    ask.asked = ask.asked.or(Some(now));
                    ask.due = now + answers.pause(ask.times);
                }
                let echoes = ask.echo.is_some_and(|at| at <= now + TOGETHER);
                if is_due || echoes {
                    // The number as it is on the wire.
                    lost.push(*number as u16);
                    ask.echo = (is_due && answers.get_lost()).then(|| now + ECHO);
                }
                let further = (ask.times < attempts).then_some(ask.due);
                next = next.into_iter().chain(further).chain(ask.echo).min();
                true
            });
            if !lost.is_empty() {
                requests.push(Request { ssrc: *ssrc, lost });
            }
        }
        self.due = next;
        requests
    }
}

/// How long answers take.
///
/// Which of several requests an answer is for is not known (the flaw that Karn described). Since the first of them is an
/// upper bound, the least of the latest ones is close to the truth on any path on which some first request is answered,
/// and it follows a path that has become longer, where a mean of guesses would stay short for ever.
#[derive(Clone, Copy, Debug, Default)]
struct Answers {
    /// From the first request for a packet to its arrival, of the latest, and whether it took more than one; the oldest is
    /// overwritten.
    latest: [Option<(Duration, bool)>; 16],
    next: usize,
}

impl Answers {
    /// After so many requests for a packet, how long until the next.
    fn pause(&self, times: u8) -> Duration {
        let least = self.latest.iter().flatten().map(|(took, _)| *took).min();
        // An eighth and some for what varies: the pacing of the publisher most of all.
        let first = least.map_or(ASSUMED, |least| least + least / 8 + SLACK).max(CLOSEST);
        (ALIKE..times).fold(first, |pause, _| pause * GROWTH.0 / GROWTH.1)
    }

    /// Whether requests or answers have been lost lately.
    fn get_lost(&self) -> bool {
        self.latest.iter().flatten().any(|(_, again)| *again)
    }

    /// A packet that was first asked for then has come, perhaps after it was asked for again.
    fn observe(&mut self, now: Timestamp, asked: Timestamp, again: bool) {
        let sample = now - asked;
        if sample <= LONGEST {
            self.latest[self.next] = Some((sample, again));
            self.next = (self.next + 1) % self.latest.len();
        }
    }
}

#[cfg(test)]
mod tests;
