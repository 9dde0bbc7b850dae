//! Which participant a datagram belongs to.
//!
//! Owns two tables: user fragment to participant (made by the answer) and path to participant (made by a check whose
//! integrity the transport has verified). Leaves verification to `transport`. Nothing here grows with what strangers send.

use std::collections::BTreeMap;

use router::ParticipantId;
use transport::Path;
use transport::demux::{Class, classify, stun_local_ufrag};

/// Sources that one participant may hold at a time. A browser has a handful of addresses; the transport forgets unused
/// ones, this bound is for a participant that invents them.
const MAX_SOURCES: usize = 16;

#[derive(Debug, Default)]
pub(crate) struct Routes {
    by_path: BTreeMap<Path, ParticipantId>,
    by_ufrag: BTreeMap<String, ParticipantId>,
    sources: BTreeMap<ParticipantId, Vec<Path>>,
}

impl Routes {
    /// The participant whose transport should look at this datagram, or `None` for a stranger's.
    pub(crate) fn find(&self, path: Path, datagram: &[u8]) -> Option<ParticipantId> {
        if let Some(id) = self.by_path.get(&path) {
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

    /// Whether a check with valid integrity has come on this path.
    pub(crate) fn is_proven(&self, path: Path) -> bool {
        self.by_path.contains_key(&path)
    }

    /// From now on checks for this user fragment go to that participant.
    pub(crate) fn add_ufrag(&mut self, ufrag: &str, id: ParticipantId) {
        self.by_ufrag.insert(ufrag.to_owned(), id);
    }

    /// From now on everything on this path goes to that participant. The oldest source beyond the bound is forgotten.
    pub(crate) fn add_source(&mut self, path: Path, id: ParticipantId) {
        if let Some(old) = self.by_path.insert(path, id)
            && old != id
            && let Some(sources) = self.sources.get_mut(&old)
        {
            sources.retain(|other| *other != path);
        }
        let sources = self.sources.entry(id).or_default();
        if sources.contains(&path) {
            return;
        }
        sources.push(path);
        if sources.len() > MAX_SOURCES {
            let oldest = sources.remove(0);
            self.by_path.remove(&oldest);
        }
    }

    /// This path is nobody's again, if it was that participant's.
    pub(crate) fn remove_source(&mut self, path: Path, id: ParticipantId) {
        if self.by_path.get(&path) == Some(&id) {
            self.by_path.remove(&path);
        }
        if let Some(sources) = self.sources.get_mut(&id) {
            sources.retain(|other| *other != path);
        }
    }

    /// Forgets all that leads to this participant.
    pub(crate) fn remove(&mut self, id: ParticipantId) {
        for path in self.sources.remove(&id).unwrap_or_default() {
            self.by_path.remove(&path);
        }
        self.by_ufrag.retain(|_, owner| *owner != id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(port: u16) -> Path {
        Path::udp(([127, 0, 0, 1], 1).into(), ([127, 0, 0, 1], port).into())
    }

    const RTP: [u8; 12] = [0x80, 96, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

    #[test]
    fn media_finds_its_owner_by_source_only() {
        let (alice, bob) = (ParticipantId(1), ParticipantId(2));
        let mut routes = Routes::default();
        assert_eq!(routes.find(path(1), &RTP), None, "nobody validated this source");
        routes.add_source(path(1), alice);
        assert_eq!(routes.find(path(1), &RTP), Some(alice));
        routes.add_source(path(1), bob);
        assert_eq!(routes.find(path(1), &RTP), Some(bob), "the last valid check owns the source");
        routes.remove(alice);
        assert_eq!(routes.find(path(1), &RTP), Some(bob), "the former owner takes nothing along");
        routes.remove(bob);
        assert_eq!(routes.find(path(1), &RTP), None);
    }

    #[test]
    fn a_participant_that_invents_sources_holds_a_bounded_number() {
        let mut routes = Routes::default();
        for port in 1..=100 {
            routes.add_source(path(port), ParticipantId(1));
        }
        assert_eq!(routes.by_path.len(), MAX_SOURCES);
        assert_eq!(routes.find(path(1), &RTP), None);
        assert_eq!(routes.find(path(100), &RTP), Some(ParticipantId(1)));
    }

    #[test]
    fn what_is_not_stun_and_unknown_is_a_strangers() {
        let routes = Routes::default();
        for datagram in [&[][..], &[0], &[22, 254, 253], &RTP, &[255; 40]] {
            assert_eq!(routes.find(path(1), datagram), None);
        }
    }
}
