//! Which participant a datagram belongs to.
//!
//! Owns two tables: user fragment to participant (made by the answer) and 4-tuple to participant (made by a check whose
//! integrity the transport has verified). Leaves verification to `transport`. Nothing here grows with what strangers send.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use router::ParticipantId;
use transport::demux::{Class, classify, stun_local_ufrag};

/// The local and the remote end of a flow of datagrams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FourTuple {
    pub(crate) local: SocketAddr,
    pub(crate) source: SocketAddr,
}

/// Sources that one participant may hold at a time. A browser has a handful of addresses; the transport forgets unused
/// ones, this bound is for a participant that invents them.
const MAX_SOURCES: usize = 16;

#[derive(Debug, Default)]
pub(crate) struct Routes {
    by_tuple: BTreeMap<FourTuple, ParticipantId>,
    by_ufrag: BTreeMap<String, ParticipantId>,
    sources: BTreeMap<ParticipantId, Vec<FourTuple>>,
}

impl Routes {
    /// The participant whose transport should look at this datagram, or `None` for a stranger's.
    pub(crate) fn find(&self, tuple: FourTuple, datagram: &[u8]) -> Option<ParticipantId> {
        if let Some(id) = self.by_tuple.get(&tuple) {
            // A check may carry another participant's fragment from the same address: two tabs never share a socket,
            // but a participant that comes back with new credentials may come from its old port.
            if classify(datagram) != Class::Stun {
                return Some(*id);
            }
        } else if classify(datagram) != Class::Stun {
            return None;
        }
        let ufrag = stun_local_ufrag(datagram)?;
        self.by_ufrag.get(ufrag).copied()
    }

    /// From now on checks for this user fragment go to that participant.
    pub(crate) fn add_ufrag(&mut self, ufrag: &str, id: ParticipantId) {
        self.by_ufrag.insert(ufrag.to_owned(), id);
    }

    /// From now on everything on this 4-tuple goes to that participant. The oldest source beyond the bound is forgotten.
    pub(crate) fn add_source(&mut self, tuple: FourTuple, id: ParticipantId) {
        if let Some(old) = self.by_tuple.insert(tuple, id)
            && old != id
            && let Some(sources) = self.sources.get_mut(&old)
        {
            sources.retain(|t| *t != tuple);
        }
        let sources = self.sources.entry(id).or_default();
        if sources.contains(&tuple) {
            return;
        }
        sources.push(tuple);
        if sources.len() > MAX_SOURCES {
            let oldest = sources.remove(0);
            self.by_tuple.remove(&oldest);
        }
    }

    /// This 4-tuple is nobody's again, if it was that participant's.
    pub(crate) fn remove_source(&mut self, tuple: FourTuple, id: ParticipantId) {
        if self.by_tuple.get(&tuple) == Some(&id) {
            self.by_tuple.remove(&tuple);
        }
        if let Some(sources) = self.sources.get_mut(&id) {
            sources.retain(|t| *t != tuple);
        }
    }

    /// Forgets all that leads to this participant.
    pub(crate) fn remove(&mut self, id: ParticipantId) {
        for tuple in self.sources.remove(&id).unwrap_or_default() {
            self.by_tuple.remove(&tuple);
        }
        self.by_ufrag.retain(|_, owner| *owner != id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tuple(port: u16) -> FourTuple {
        FourTuple { local: ([127, 0, 0, 1], 1).into(), source: ([127, 0, 0, 1], port).into() }
    }

    const RTP: [u8; 12] = [0x80, 96, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

    #[test]
    fn media_finds_its_owner_by_source_only() {
        let (alice, bob) = (ParticipantId(1), ParticipantId(2));
        let mut routes = Routes::default();
        assert_eq!(routes.find(tuple(1), &RTP), None, "nobody validated this source");
        routes.add_source(tuple(1), alice);
        assert_eq!(routes.find(tuple(1), &RTP), Some(alice));
        routes.add_source(tuple(1), bob);
        assert_eq!(routes.find(tuple(1), &RTP), Some(bob), "the last valid check owns the source");
        routes.remove(alice);
        assert_eq!(routes.find(tuple(1), &RTP), Some(bob), "the former owner takes nothing along");
        routes.remove(bob);
        assert_eq!(routes.find(tuple(1), &RTP), None);
    }

    #[test]
    fn a_participant_that_invents_sources_holds_a_bounded_number() {
        let mut routes = Routes::default();
        for port in 1..=100 {
            routes.add_source(tuple(port), ParticipantId(1));
        }
        assert_eq!(routes.by_tuple.len(), MAX_SOURCES);
        assert_eq!(routes.find(tuple(1), &RTP), None);
        assert_eq!(routes.find(tuple(100), &RTP), Some(ParticipantId(1)));
    }

    #[test]
    fn what_is_not_stun_and_unknown_is_a_strangers() {
        let routes = Routes::default();
        for datagram in [&[][..], &[0], &[22, 254, 253], &RTP, &[255; 40]] {
            assert_eq!(routes.find(tuple(1), datagram), None);
        }
    }
}
