//! The latest packets of one encoding, for retransmission and for starting a receiver at a recent keyframe.
//!
//! Owns a ring of bounded length. Payloads are shared with whatever else holds the datagram.

use crate::media::Media;

/// The ring. Its slots are made with the first packet, so that an encoding that never sends costs nothing.
#[derive(Debug)]
pub(crate) struct History {
    length: usize,
    ring: Vec<Option<Media>>,
}

impl History {
    /// A ring for `length` packets, rounded up to a power of two; 0 keeps nothing.
    pub(crate) fn new(length: usize) -> Self {
        Self { length: if length == 0 { 0 } else { length.next_power_of_two() }, ring: Vec::new() }
    }

    /// Keeps a packet instead of the one `length` numbers before.
    pub(crate) fn insert(&mut self, media: Media) {
        if self.length == 0 {
            return;
        }
        if self.ring.is_empty() {
            self.ring.resize_with(self.length, || None);
        }
        let at = self.index(media.seq);
        // A late packet never takes the place of a newer one.
        if self.ring[at].as_ref().is_none_or(|kept| kept.seq < media.seq) {
            self.ring[at] = Some(media);
        }
    }

    /// The packet with that number, if it came and is still kept.
    pub(crate) fn get(&self, seq: u64) -> Option<&Media> {
        if self.ring.is_empty() {
            return None;
        }
        self.ring[self.index(seq)].as_ref().filter(|media| media.seq == seq)
    }

    /// The packet with that number, to take note of what has become known since.
    pub(crate) fn get_mut(&mut self, seq: u64) -> Option<&mut Media> {
        if self.ring.is_empty() {
            return None;
        }
        let at = self.index(seq);
        self.ring[at].as_mut().filter(|media| media.seq == seq)
    }

    fn index(&self, seq: u64) -> usize {
        seq as usize & (self.length - 1)
    }
}
