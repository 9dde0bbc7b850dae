//! What nodes say to each other about a room that several of them serve, and what of it is dropped where they cannot keep up.
//!
//! Owns the messages as values and the rule of a queue that fills. Leaves carrying them to the driver, which keeps their order
//! between any two nodes, and what they mean to `spread`.

use std::sync::Arc;

use packet::RtcpItem;
use router::{Announcement, EncodingDemand, NodeIndex, ParticipantId, PublicationId, Relayed, Weight};
use signalling::{ErrorCode, IncomingMessage, Participant, Speaker};

/// Something about one room, from one node to another.
#[derive(Clone, Debug)]
pub struct RelayMessage {
    pub(crate) room: Arc<str>,
    pub(crate) body: Body,
}

/// What is said.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    /// To the home of a room: somebody here is in it. The number tells this time from former ones.
    Attach,
    /// To the home: nobody is here any more.
    Detach { attempt: u32 },
    /// From the home: that has been noted.
    Detached { attempt: u32 },
    /// From the home: all other nodes that serve the room, the home among them.
    Nodes(Vec<NodeIndex>),
    /// Somebody that the sender serves, whole. `afresh`: the sender knows nothing of what the other one wants.
    Participant { shown: Box<Participant>, announcement: Announcement, afresh: bool },
    /// How the publications of those are doing that were heard of lately.
    Survey(Vec<(ParticipantId, Announcement)>),
    /// Somebody that the sender served is gone.
    Left(ParticipantId),
    /// From the home: somebody whom the other one serves cannot stay.
    Expel { participant: ParticipantId, code: ErrorCode, text: String },
    /// What receivers at the sender want of a publication.
    Wanted { publication: PublicationId, encodings: Vec<EncodingDemand> },
    /// A request for a keyframe to a publisher that the other one serves.
    Request { publisher: ParticipantId, item: RtcpItem },
    /// Sender reports of a publisher that the sender serves.
    Reports { publisher: ParticipantId, items: Vec<RtcpItem> },
    /// Packets of a publisher that the sender serves, in order.
    Media { publisher: ParticipantId, packets: Vec<Relayed> },
    /// From the home: who speaks, and who did before.
    Speakers { speakers: Vec<Speaker>, recent: Vec<ParticipantId> },
    /// Data for one of those whom the other one serves, or for all of them.
    Data { to: Option<ParticipantId>, message: IncomingMessage },
}

/// Media packets that wait between two nodes before the least important ones are dropped: a tenth of a second of 400 Mbit/s.
const CROWDED: usize = 4_096;
/// And before only sound is let through.
const FULL: usize = 2 * CROWDED;
/// And before not even that is.
const MOST: usize = FULL + CROWDED;
/// Messages that wait between two nodes, media counted by batches, before the nodes are parted: each forgets the other, and both
/// begin anew. A node that falls so far behind does not work.
const MOST_MESSAGES: usize = 4 * MOST;

/// What waits between two nodes, and what of it goes under when it becomes too much: larger pictures first, then all pictures,
/// then sound. What is no media is never dropped alone, as every word of it counts; too much of it parts the nodes.
#[derive(Debug, Default)]
pub struct Backlog {
    messages: Vec<RelayMessage>,
    packets: usize,
    /// What is dropped at the moment.
    below: Option<Weight>,
    shed: u64,
    overflown: bool,
}

impl Backlog {
    /// Takes a message, or what there is room for of it. False once the two have to be parted.
    pub fn push(&mut self, mut message: RelayMessage) -> bool {
        if self.overflown {
            return false;
        }
        if let Body::Media { packets, .. } = &mut message.body {
            self.judge();
            let before = packets.len();
            let below = self.below;
            packets.retain(|packet| below.is_none_or(|below| packet.weight >= below));
            let room = MOST.saturating_sub(self.packets);
            packets.truncate(room);
            self.shed += (before - packets.len()) as u64;
            self.packets += packets.len();
            if packets.is_empty() {
                return true;
            }
        }
        if self.messages.len() >= MOST_MESSAGES {
            *self = Self { shed: self.shed + self.packets as u64, overflown: true, ..Self::default() };
            return false;
        }
        self.messages.push(message);
        true
    }

    /// Takes out all that waits, in order; `Err` when the two have been parted since the last time.
    ///
    /// # Errors
    /// [`Parted`], once.
    pub fn take(&mut self, into: &mut Vec<RelayMessage>) -> Result<(), Parted> {
        let parted = std::mem::take(&mut self.overflown);
        self.packets = 0;
        into.append(&mut self.messages);
        if parted { Err(Parted) } else { Ok(()) }
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty() && !self.overflown
    }

    /// Packets that were dropped so far.
    pub fn shed(&self) -> u64 {
        self.shed
    }

    /// What was begun to be dropped is dropped until half the room is there again: every other packet of a picture is none.
    fn judge(&mut self) {
        self.below = match (self.packets, self.below) {
            (FULL.., _) => Some(Weight::Sound),
            (CROWDED.., below) => below.max(Some(Weight::Base)),
            (waiting, below) if waiting > CROWDED / 2 => below,
            _ => None,
        };
    }
}

/// Two nodes lost what one of them had to say to the other. Both are told ([`crate::Input::NodeLost`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parted;

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use packet::{Codec, ExtensionIds, Mid, RtpPacket};
    use router::Incoming;

    use super::*;

    fn message(body: Body) -> RelayMessage {
        RelayMessage { room: "standup".into(), body }
    }

    fn media(weights: &[Weight]) -> RelayMessage {
        let datagram = Bytes::from_static(&[0x80, 111, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0x5a]);
        let packet = RtpPacket::parse(datagram, &ExtensionIds::default()).unwrap();
        let mid = Mid::parse("a0").unwrap();
        let packet = Incoming { mid, rid: None, codec: Codec::Opus, packet, redundant: None };
        let packets = weights.iter().map(|weight| Relayed { packet: packet.clone(), weight: *weight });
        message(Body::Media { publisher: ParticipantId(1), packets: packets.collect() })
    }

    /// Packets of each weight that wait.
    fn waiting(backlog: &Backlog) -> [usize; 3] {
        let mut count = [0; 3];
        for message in &backlog.messages {
            if let Body::Media { packets, .. } = &message.body {
                packets.iter().for_each(|packet| count[packet.weight as usize] += 1);
            }
        }
        count
    }

    const EACH: [Weight; 3] = [Weight::Upper, Weight::Base, Weight::Sound];

    #[test]
    fn larger_pictures_go_first_then_all_then_sound_and_never_a_word() {
        let mut backlog = Backlog::default();
        while backlog.packets < CROWDED {
            assert!(backlog.push(media(&EACH)));
        }
        let all = CROWDED.div_ceil(3);
        assert_eq!((waiting(&backlog), backlog.shed()), ([all; 3], 0), "room for everything");
        while backlog.packets < FULL {
            assert!(backlog.push(media(&EACH)));
        }
        let [upper, base, sound] = waiting(&backlog);
        assert_eq!((upper, base), (all, sound), "no larger pictures");
        for _ in 0..2 * CROWDED {
            assert!(backlog.push(media(&EACH)));
        }
        let [_, still, sound] = waiting(&backlog);
        assert_eq!((still, upper + base + sound), (base, MOST), "sound, as long as there is room");
        assert!(backlog.push(message(Body::Left(ParticipantId(7)))), "and words");
        assert!(backlog.shed() > 0);
        let mut taken = Vec::new();
        assert_eq!(backlog.take(&mut taken), Ok(()));
        assert!(matches!(taken.last().unwrap().body, Body::Left(_)), "in order");
        assert!(backlog.is_empty() && backlog.push(media(&EACH)) && waiting(&backlog) == [1; 3]);
    }

    #[test]
    fn what_was_begun_to_be_dropped_is_dropped_for_a_while() {
        let mut backlog = Backlog { packets: CROWDED, ..Backlog::default() };
        backlog.push(media(&EACH));
        for (waiting, expected) in [(CROWDED - 1, 1), (CROWDED / 2 + 1, 1), (CROWDED / 2, 0)] {
            backlog.packets = waiting;
            let before = backlog.shed();
            backlog.push(media(&EACH));
            assert_eq!(backlog.shed() - before, expected, "with {waiting} waiting");
        }
    }

    #[test]
    fn words_without_end_part_the_nodes_and_both_hear_of_it_once() {
        let mut backlog = Backlog::default();
        let word = || message(Body::Left(ParticipantId(7)));
        let pushed = (0..).take_while(|_| backlog.push(word())).count();
        assert_eq!(pushed, MOST_MESSAGES);
        assert!(!backlog.push(word()), "until the other one has taken note");
        let mut taken = Vec::new();
        assert_eq!((backlog.take(&mut taken), taken.len()), (Err(Parted), 0));
        assert!(backlog.push(word()));
        assert_eq!((backlog.take(&mut taken), taken.len()), (Ok(()), 1));
    }
}
