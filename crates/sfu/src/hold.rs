//! Packets of video that wait a moment for those behind them, so that what one receiver gets leaves in one run.
//!
//! Owns how long, and the sizes: a segmented send (UDP GSO) wants equal sizes, and browsers cut a frame into sizes that
//! differ by one byte, the larger ones last. One byte of RTP padding (RFC 3550 §5.1) on the smaller ones makes every frame one
//! run. What a packet costs to send falls by half that way, and it happens before encryption because padding is encrypted.
//! Leaves the runs themselves to whoever owns the socket.
//!
//! The wait ends with the frame (the marker), with the time, or with a packet that cannot wait: sound and what was asked for
//! again. So order is kept, whatever happens.

use std::time::Duration;

use router::{OutgoingPacket, PacketKind, ParticipantId};
use units::Timestamp;

/// Packets of one receiver that wait at most: more do not fit one segmented send.
const MAX_HELD: usize = 32;

/// Whether to go on collecting for a receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Wait,
    Send,
}

/// What waits for one receiver, in order.
#[derive(Debug, Default)]
pub(crate) struct Held(Vec<OutgoingPacket>);

impl Held {
    /// Takes a packet.
    pub(crate) fn push(&mut self, packet: OutgoingPacket) -> Next {
        let ends = packet.kind != PacketKind::Media || packet.header.marker;
        self.0.push(packet);
        if ends || self.0.len() == MAX_HELD { Next::Send } else { Next::Wait }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Hands out everything with sizes made even, and keeps the memory.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = OutgoingPacket> + '_ {
        even(&mut self.0);
        self.0.drain(..)
    }
}

/// Who waits, and until when.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    since: Option<Timestamp>,
    who: Vec<ParticipantId>,
}

impl Waiting {
    /// Somebody begins to wait. Returns when everybody's wait ends, if that is news.
    pub(crate) fn add(&mut self, now: Timestamp, who: ParticipantId, hold: Duration) -> Option<Timestamp> {
        self.who.push(who);
        let begins = self.since.is_none();
        self.since.get_or_insert(now);
        begins.then(|| now + hold)
    }

    /// Ends the wait; those whose frame ended before are among them.
    pub(crate) fn take(&mut self) -> Vec<ParticipantId> {
        self.since = None;
        std::mem::take(&mut self.who)
    }

    /// Gives the list's memory back.
    pub(crate) fn recycle(&mut self, mut who: Vec<ParticipantId>) {
        who.clear();
        self.who = who;
    }
}

/// Pads by one byte what is one byte smaller than its neighbours, in each stretch of packets of at most two such sizes.
fn even(mut packets: &mut [OutgoingPacket]) {
    while !packets.is_empty() {
        let (length, most) = stretch(packets);
        let (alike, rest) = packets.split_at_mut(length);
        for packet in alike.iter_mut().filter(|packet| size(packet) < most) {
            packet.padding = 1;
        }
        packets = rest;
    }
}

/// How many packets from the first on can be made equal, and the size of the larger ones.
fn stretch(packets: &[OutgoingPacket]) -> (usize, usize) {
    let (mut least, mut most) = (size(&packets[0]), size(&packets[0]));
    for (at, packet) in packets.iter().enumerate() {
        let (low, high) = (least.min(size(packet)), most.max(size(packet)));
        let can_be_padded = packet.padding == 0 && packet.kind == PacketKind::Media;
        if high - low > 1 || !can_be_padded {
            return (at.max(1), most);
        }
        (least, most) = (low, high);
    }
    (packets.len(), most)
}

/// Bytes that differ between packets of one receiver: the extensions but for the section's name are the same in all.
fn size(packet: &OutgoingPacket) -> usize {
    packet.body_size() + packet.header.mid.map_or(0, |mid| mid.as_str().len())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use packet::{Mid, OutgoingHeader};

    use super::*;

    fn packet(bytes: usize, marker: bool, kind: PacketKind) -> OutgoingPacket {
        OutgoingPacket {
            slot: Mid::parse("v0").unwrap(),
            header: OutgoingHeader::new(1, 96, 1, 1, marker),
            prefix: Default::default(),
            payload: Bytes::from(vec![0; bytes]),
            padding: 0,
            kind,
        }
    }

    #[test]
    fn a_frame_of_a_browser_becomes_one_size() {
        let cases: [(&[usize], &[usize], &str); 7] = [
            (&[900, 900, 901, 901], &[901; 4], "the larger ones last"),
            (&[901, 900, 900], &[901; 3], "or first"),
            (&[900; 3], &[900; 3], "equal ones stay"),
            (&[900, 902], &[900, 902], "two bytes are not made up for"),
            (&[500, 900, 901], &[500, 901, 901], "a small one in front, as in H.264 keyframes"),
            (&[900, 901, 902], &[901, 901, 902], "two sizes at most"),
            (&[700], &[700], "one alone"),
        ];
        for (sizes, expected, why) in cases {
            let mut held = Held::default();
            for bytes in sizes {
                assert_eq!(held.push(packet(*bytes, false, PacketKind::Media)), Next::Wait);
            }
            let got: Vec<usize> = held.drain().map(|packet| packet.body_size()).collect();
            assert_eq!(got, expected, "{why}");
            assert!(held.is_empty());
        }
    }

    #[test]
    fn the_wait_ends_with_the_frame_and_with_what_cannot_wait() {
        for (marker, kind, expected) in [
            (false, PacketKind::Media, Next::Wait),
            (true, PacketKind::Media, Next::Send),
            (false, PacketKind::Audio, Next::Send),
            (false, PacketKind::Rtx, Next::Send),
            (false, PacketKind::Padding, Next::Send),
        ] {
            let mut held = Held::default();
            held.push(packet(10, false, PacketKind::Media));
            assert_eq!(held.push(packet(10, marker, kind)), expected, "{kind:?}");
            assert_eq!(held.drain().count(), 2, "in order, with what waited before");
        }
        let mut held = Held::default();
        let sent = (1..).find(|_| held.push(packet(10, false, PacketKind::Media)) == Next::Send);
        assert_eq!(sent, Some(MAX_HELD));
    }

    #[test]
    fn the_first_one_decides_how_long_all_wait() {
        let hold = Duration::from_millis(1);
        let mut waiting = Waiting::default();
        let now = Timestamp::from_millis(5);
        assert_eq!(waiting.add(now, ParticipantId(1), hold), Some(now + hold));
        assert_eq!(waiting.add(now, ParticipantId(2), hold), None);
        assert_eq!(waiting.take(), [ParticipantId(1), ParticipantId(2)]);
        assert!(waiting.add(now, ParticipantId(1), hold).is_some());
    }
}
