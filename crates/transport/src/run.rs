//! Datagrams for one destination, written back to back so that they leave in one segmented send.
//!
//! Owns the memory, which is used again once nobody holds what was written there, and what makes a run: all datagrams of one size
//! but for a shorter last one (UDP GSO wants that). Leaves what is written to `transport`.

use bytes::{Bytes, BytesMut};

/// A segmented send is one IP packet to the kernel, whose length field has 16 bits (RFC 791 §3.1); headers included.
const MAX_BYTES: usize = 65_000;

/// The run that is being written, and memory for more. One is enough for all transports of a node: a run ends before the next
/// destination's begins ([`crate::Transport::send_run`]).
#[derive(Debug, Default)]
pub struct Run {
    /// The datagrams of the open run, and the room behind them.
    memory: BytesMut,
    /// The other piece of memory: while one is being sent from, the other is written to.
    spare: BytesMut,
    /// Bytes of a piece; at least as many as are needed.
    piece: usize,
    /// Datagrams in the open run.
    count: usize,
    /// Size of every datagram but the last.
    segment: usize,
    /// The last one is shorter: nothing can follow it.
    complete: bool,
}

/// Datagrams back to back, and the size of every one but the last.
pub(crate) type Ended = (Bytes, usize);

impl Run {
    /// Memory in two pieces of so many bytes, which are made when they are needed. What is sent while a piece is written should
    /// fit one: then nothing is ever allocated again.
    pub fn with_pieces_of(piece: usize) -> Self {
        Self { piece, ..Self::default() }
    }

    /// Makes sure that a datagram of that size can be written without moving the others. What is returned is a run that had to
    /// end for it.
    pub(crate) fn make_room(&mut self, bytes: usize) -> Option<Ended> {
        if self.memory.capacity() - self.memory.len() >= bytes {
            return None;
        }
        let ended = self.end();
        if !self.memory.try_reclaim(bytes) {
            std::mem::swap(&mut self.memory, &mut self.spare);
            if !self.memory.try_reclaim(bytes) {
                self.memory = BytesMut::with_capacity(bytes.max(self.piece));
            }
        }
        ended
    }

    /// Writes a datagram behind the others. Returns the run that was before it, where it does not fit to that. On an error nothing
    /// has changed.
    ///
    /// # Errors
    /// Those of `write`, which is given where to append.
    pub(crate) fn add<E>(
        &mut self,
        write: impl FnOnce(&mut BytesMut) -> Result<(), E>,
    ) -> Result<Option<Ended>, E> {
        let start = self.memory.len();
        if let Err(error) = write(&mut self.memory) {
            self.memory.truncate(start);
            return Err(error);
        }
        let size = self.memory.len() - start;
        let fits = !self.complete && size <= self.segment && self.memory.len() <= MAX_BYTES;
        if self.count > 0 && fits {
            self.count += 1;
            self.complete = size < self.segment;
            return Ok(None);
        }
        let before = (self.count > 0).then(|| (self.memory.split_to(start).freeze(), self.segment));
        (self.count, self.segment, self.complete) = (1, size, false);
        Ok(before)
    }

    /// Ends the open run, if there is one.
    pub(crate) fn end(&mut self) -> Option<Ended> {
        let open = std::mem::take(&mut self.count) > 0;
        open.then(|| (self.memory.split().freeze(), self.segment))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Writes datagrams of these sizes; returns the runs as their sizes.
    fn runs_of(sizes: &[usize]) -> Vec<Vec<usize>> {
        let mut run = Run::with_pieces_of(1 << 18);
        let mut ended = Vec::new();
        for size in sizes {
            ended.extend(run.make_room(*size));
            let written = run.add(|out| {
                out.extend_from_slice(&vec![*size as u8; *size]);
                Ok::<(), ()>(())
            });
            ended.extend(written.unwrap());
        }
        ended.extend(run.end());
        assert_eq!(run.end(), None);
        ended.iter().map(|(bytes, segment)| bytes.chunks(*segment).map(<[u8]>::len).collect()).collect()
    }

    #[test]
    fn a_run_is_equal_segments_and_a_shorter_last() {
        type Row<'a> = (&'a [usize], &'a [&'a [usize]], &'a str);
        let table: [Row<'_>; 5] = [
            (&[], &[], "nothing"),
            (&[100, 100, 40], &[&[100, 100, 40]], "a frame"),
            (&[100, 40, 40], &[&[100, 40], &[40]], "a shorter one ends it"),
            (&[100, 101], &[&[100], &[101]], "a longer one begins another"),
            (&[1_200; 64], &[&[1_200; 54], &[1_200; 10]], "it fits an IP packet"),
        ];
        for (sizes, expected, why) in table {
            assert_eq!(runs_of(sizes), expected, "{why}");
        }
    }

    #[test]
    fn what_fails_leaves_no_trace() {
        let mut run = Run::with_pieces_of(10);
        for (byte, succeeds) in [(1, true), (2, false), (3, true)] {
            run.make_room(1);
            let added = run.add(|out| {
                out.extend_from_slice(&[byte]);
                if succeeds { Ok(()) } else { Err(()) }
            });
            assert_eq!(added, if succeeds { Ok(None) } else { Err(()) });
        }
        assert_eq!(run.end(), Some((Bytes::from_static(&[1, 3]), 1)));
    }

    #[test]
    fn memory_is_used_again_once_nobody_holds_it() {
        let mut run = Run::with_pieces_of(1_000);
        let mut places = std::collections::BTreeSet::new();
        let mut held = Vec::new();
        for at in 0..100 {
            held.extend(run.make_room(100));
            run.add(|out| {
                out.extend_from_slice(&[at; 100]);
                Ok::<(), ()>(())
            })
            .unwrap();
            held.extend(run.end());
            assert!(held.iter().rev().zip((0..=at).rev()).all(|((bytes, _), at)| bytes[..] == [at; 100]));
            places.insert(held.last().unwrap().0.as_ptr());
            if at % 8 == 7 {
                held.clear();
            }
        }
        assert!(places.len() <= 20, "two pieces of ten datagrams: {}", places.len());
    }

    proptest! {
        #[test]
        fn nothing_is_lost_or_mixed_up(sizes in proptest::collection::vec(1usize..6, 0..200)) {
            let runs = runs_of(&sizes);
            prop_assert_eq!(runs.concat(), sizes);
            for run in runs {
                let (last, others) = run.split_last().unwrap();
                prop_assert!(others.iter().all(|size| *size == run[0]) && *last <= run[0]);
            }
        }
    }
}
