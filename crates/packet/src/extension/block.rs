//! The walk over the elements of an extension block (RFC 8285 §4.2 and §4.3).
//!
//! Owns both forms and their padding. A block of another profile is one opaque value of RFC 3550 §5.3.1 that nothing here
//! negotiates: it has no elements.

use super::{ONE_BYTE_END, ONE_BYTE_PROFILE, TWO_BYTE_PROFILE};

/// An element reached past the end of its block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Truncated;

/// The elements of an extension block as `(id, range of its value in the block)`.
pub(crate) fn elements(profile: u16, block: &[u8]) -> Elements<'_> {
    let form = match profile {
        ONE_BYTE_PROFILE => Form::OneByte,
        // RFC 8285 §4.3: the low four bits are "appbits", to be ignored.
        p if p & 0xfff0 == TWO_BYTE_PROFILE => Form::TwoByte,
        _ => return Elements { form: Form::OneByte, block: &[], at: 0 },
    };
    Elements { form, block, at: 0 }
}

#[derive(Clone, Copy)]
enum Form {
    OneByte,
    TwoByte,
}

/// See [`elements`].
pub(crate) struct Elements<'a> {
    form: Form,
    block: &'a [u8],
    at: usize,
}

impl Elements<'_> {
    fn finish<T>(&mut self) -> Option<T> {
        self.at = self.block.len();
        None
    }

    /// The head of the next element: its id, the length of its head and of its value.
    fn head(&self, first: u8) -> Option<(u8, usize, usize)> {
        match self.form {
            Form::OneByte => Some((first >> 4, 1, usize::from(first & 0x0f) + 1)),
            Form::TwoByte => Some((first, 2, usize::from(*self.block.get(self.at + 1)?))),
        }
    }
}

impl Iterator for Elements<'_> {
    type Item = Result<(u8, std::ops::Range<usize>), Truncated>;

    fn next(&mut self) -> Option<Self::Item> {
        // RFC 8285 §4.1: bytes of zero between elements are padding.
        while self.block.get(self.at) == Some(&0) {
            self.at += 1;
        }
        let first = *self.block.get(self.at)?;
        let Some((id, head, length)) = self.head(first) else {
            self.at = self.block.len();
            return Some(Err(Truncated));
        };
        // RFC 8285 §4.2: id 15, and id 0 with a length, end the block; what came before them counts.
        if matches!(self.form, Form::OneByte) && (id == ONE_BYTE_END || id == 0) {
            return self.finish();
        }
        let start = self.at + head;
        let end = start + length;
        if end > self.block.len() {
            self.at = self.block.len();
            return Some(Err(Truncated));
        }
        self.at = end;
        Some(Ok((id, start..end)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn walks_both_forms() {
        type Expected<'a> = &'a [Result<(u8, &'a [u8]), Truncated>];
        let cases: [(u16, &[u8], Expected<'_>, &str); 12] = [
            (0xbede, &[0x10, 0xaa, 0x21, 1, 2, 0, 0, 0], &[Ok((1, &[0xaa])), Ok((2, &[1, 2]))], "one byte"),
            (
                0xbede,
                &[0, 0x10, 0xaa, 0, 0x20, 0xbb],
                &[Ok((1, &[0xaa])), Ok((2, &[0xbb]))],
                "padding between",
            ),
            (0xbede, &[0x10, 0xaa, 0xf0, 9, 0x20, 0xbb], &[Ok((1, &[0xaa]))], "15 ends the block"),
            (
                0xbede,
                &[0x10, 0xaa, 0x01, 9, 0x20, 0xbb],
                &[Ok((1, &[0xaa]))],
                "0 with a length ends the block",
            ),
            (0xbede, &[0x13, 1, 2], &[Err(Truncated)], "value past the end"),
            (
                0xbede,
                &[0x10, 0xaa, 0x2f, 1],
                &[Ok((1, &[0xaa])), Err(Truncated)],
                "second value past the end",
            ),
            (0xbede, &[], &[], "empty block"),
            (
                0x1000,
                &[1, 1, 0xaa, 200, 0, 0, 15, 1, 7],
                &[Ok((1, &[0xaa])), Ok((200, &[])), Ok((15, &[7]))],
                "two bytes",
            ),
            (0x1005, &[1, 1, 0xaa], &[Ok((1, &[0xaa]))], "appbits are ignored"),
            (0x1000, &[1], &[Err(Truncated)], "no length"),
            (0x1000, &[1, 3, 0, 0], &[Err(Truncated)], "value past the end"),
            (0xabac, &[0x10, 0xaa], &[], "another profile has no elements"),
        ];
        for (profile, block, expected, why) in cases {
            let got: Vec<_> = elements(profile, block).map(|e| e.map(|(id, at)| (id, &block[at]))).collect();
            assert_eq!(got, expected, "{why}");
        }
    }
}
