//! Which codecs the receivers of a room decode together: what a publisher is asked to send in, where its own choice is not for all.
//!
//! Owns the count. Leaves who is asked when to `demand`, and which of the codecs is sent to the publisher, who alone knows what it
//! encodes.

use selector::{Codec, CodecSet};

use crate::select::forwarded;

/// How many receivers of pictures there are, and how many of them decode each codec.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Census {
    receivers: u32,
    decoders: [u32; Codec::ALL.len()],
}

impl Census {
    /// One more receiver decodes these.
    pub(crate) fn add(&mut self, codecs: CodecSet) {
        self.receivers += 1;
        codecs.iter().for_each(|codec| self.decoders[codec as usize] += 1);
    }

    /// The count without a receiver that was added with these.
    pub(crate) fn without(mut self, codecs: CodecSet) -> Self {
        self.receivers -= 1;
        codecs.iter().for_each(|codec| self.decoders[codec as usize] -= 1);
        self
    }

    /// The codecs that serve the most receivers: those that all of them decode, where there is such a codec. Every codec
    /// that can be forwarded where there is nobody to serve.
    pub(crate) fn joint(&self) -> CodecSet {
        let most = self.decoders.into_iter().max().unwrap_or_default();
        if most == 0 {
            return forwarded();
        }
        Codec::ALL.into_iter().filter(|codec| self.decoders[*codec as usize] == most).collect()
    }
}

#[cfg(test)]
mod tests {
    use selector::Codec::{Av1, H264, Vp8, Vp9};

    use super::*;

    #[test]
    fn the_most_are_served() {
        let all = [Vp8, Vp9, H264, Av1];
        type Case<'a> = (&'a [&'a [Codec]], &'a [Codec], &'a str);
        let cases: [Case<'_>; 6] = [
            (&[], &all, "nobody is there"),
            (&[&[]], &all, "nobody decodes anything: the publisher need not care"),
            (&[&[Vp8, Vp9, Av1]], &[Vp8, Vp9, Av1], "one, what it decodes"),
            (&[&[Vp8, Vp9, Av1], &[Vp8, H264]], &[Vp8], "two, what both decode"),
            (&[&[Vp8], &[H264]], &[Vp8, H264], "nothing is for both: either serves one"),
            (&[&[Vp8], &[H264], &[H264, Av1]], &[H264], "nothing is for all: what serves two"),
        ];
        for (receivers, expected, why) in cases {
            let mut census = Census::default();
            receivers.iter().for_each(|codecs| census.add(codecs.iter().copied().collect()));
            assert_eq!(census.joint(), expected.iter().copied().collect(), "{why}");
            let mut one_more = census;
            one_more.add([Vp9, Av1].into_iter().collect());
            assert_eq!(
                one_more.without([Vp9, Av1].into_iter().collect()),
                census,
                "{why}: who leaves is not counted"
            );
        }
    }
}
