//! The video layers allocation: what a publisher means to send, per encoding and layer
//! (<https://webrtc.googlesource.com/src/+/main/docs/native-code/rtp-hdrext/video-layers-allocation00>).
//!
//! Owns its bytes. It is read and never sent on: it speaks of encodings that a receiver does not see.
//!
//! ```text
//!  | RID 2 | streams-1 2 | spatial layers 4 |   0 for the latter: one mask of four bits for each stream follows
//!  | temporal layers-1, 2 bits for each spatial layer of each stream |
//!  | target in kbit/s, for each temporal layer of each of them, cumulative, as LEB128 |
//!  | width-1 16 | height-1 16 | frames/s 8 |   for each of them, or not at all
//! ```

use smallvec::SmallVec;
use units::Bitrate;

use crate::codec::av1::leb128;

/// Streams and spatial layers are counted with two bits.
const MOST: usize = 4;

/// One spatial layer of one stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerAllocation {
    /// Which stream, counted in the order of the simulcast description (RFC 8853).
    pub stream: u8,
    /// Which spatial layer in it.
    pub spatial: u8,
    /// Target rate up to each temporal layer, this spatial layer alone.
    pub targets: SmallVec<[Bitrate; MOST]>,
    /// Pixels across and down and frames per second, where it says so.
    pub picture: Option<(u32, u32, u8)>,
}

/// What is meant to be sent on all streams of a publication. A layer that is not listed is not sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LayersAllocation {
    /// The stream on which this was said.
    pub own_stream: u8,
    /// How many streams there are, sent or not; 0 when nothing is sent at all.
    pub streams: u8,
    /// What is sent, by stream and spatial layer.
    pub layers: SmallVec<[LayerAllocation; MOST]>,
}

impl LayersAllocation {
    /// What the value of the extension says; `None` for one that is cut off or names a layer twice.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let (head, mut rest) = value.split_first()?;
        if *head == 0 && rest.is_empty() {
            return Some(Self::default());
        }
        let streams = head >> 4 & 0x03;
        let mut masks = [head & 0x0f; MOST];
        if head & 0x0f == 0 {
            let bytes = usize::from(streams) / 2 + 1;
            let (packed, behind) = rest.split_at_checked(bytes)?;
            rest = behind;
            masks = std::array::from_fn(|at| {
                packed.get(at / 2).map_or(0, |byte| byte >> (4 * (1 - at % 2)) & 0x0f)
            });
        }
        let mut layers: SmallVec<[LayerAllocation; MOST]> = (0..=streams)
            .flat_map(|stream| (0..MOST as u8).map(move |spatial| (stream, spatial)))
            .filter(|(stream, spatial)| masks[usize::from(*stream)] >> spatial & 1 == 1)
            .map(|(stream, spatial)| LayerAllocation {
                stream,
                spatial,
                targets: SmallVec::new(),
                picture: None,
            })
            .collect();
        let (counts, mut rest) = rest.split_at_checked(layers.len().div_ceil(4))?;
        for (at, layer) in layers.iter_mut().enumerate() {
            for _ in 0..=counts[at / 4] >> (2 * (3 - at % 4)) & 0x03 {
                layer.targets.push(Bitrate::from_kbps(leb128(&mut rest)?.min(u64::from(u32::MAX))));
            }
        }
        if !rest.is_empty() {
            for layer in &mut layers {
                let (picture, behind) = rest.split_first_chunk::<5>()?;
                rest = behind;
                let side = |at: usize| u32::from(u16::from_be_bytes([picture[at], picture[at + 1]])) + 1;
                layer.picture = Some((side(0), side(2), picture[4]));
            }
        }
        Some(Self { own_stream: head >> 6, streams: streams + 1, layers })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Stream, spatial layer, targets in kbit/s, picture.
    type Said<'a> = (u8, u8, &'a [u64], Option<(u32, u32, u8)>);

    #[test]
    fn reads_what_publishers_mean_to_send() {
        let picture =
            |width: u16, height: u16| [(width - 1).to_be_bytes(), (height - 1).to_be_bytes()].concat();
        type Case<'a> = (Vec<u8>, u8, u8, &'a [Said<'a>], &'a str);
        let cases: [Case<'_>; 5] = [
            (vec![0], 0, 0, &[], "nothing is sent"),
            (
                // The third of three streams says it; three temporal layers in the first, one in the others.
                [
                    &[0xa1, 0x80, 60, 90, 0x96, 1, 0xf4, 3, 0x88, 9][..],
                    &picture(320, 180),
                    &[30],
                    &picture(640, 360),
                    &[30],
                    &picture(1280, 720),
                    &[15],
                ]
                .concat(),
                2,
                3,
                &[
                    (0, 0, &[60, 90, 150], Some((320, 180, 30))),
                    (1, 0, &[500], Some((640, 360, 30))),
                    (2, 0, &[1_160], Some((1_280, 720, 15))),
                ],
                "three encodings with sizes",
            ),
            (
                vec![0x20, 0x10, 0x10, 0, 100, 0xc8, 1],
                0,
                3,
                &[(0, 0, &[100], None), (2, 0, &[200], None)],
                "a hole",
            ),
            (
                vec![0x03, 0, 10, 20],
                0,
                1,
                &[(0, 0, &[10], None), (0, 1, &[20], None)],
                "two spatial layers of one stream",
            ),
            (vec![0x12, 0, 7, 8], 0, 2, &[(0, 1, &[7], None), (1, 1, &[8], None)], "only the upper ones"),
        ];
        for (bytes, own_stream, streams, layers, why) in cases {
            let layers = layers
                .iter()
                .map(|(stream, spatial, targets, picture)| LayerAllocation {
                    stream: *stream,
                    spatial: *spatial,
                    targets: targets.iter().map(|kbps| Bitrate::from_kbps(*kbps)).collect(),
                    picture: *picture,
                })
                .collect();
            assert_eq!(
                LayersAllocation::parse(&bytes),
                Some(LayersAllocation { own_stream, streams, layers }),
                "{why}"
            );
        }
    }

    #[test]
    fn what_is_cut_off_says_nothing() {
        let cases: [(&[u8], &str); 5] = [
            (&[], "nothing at all"),
            (&[0x20, 0x10], "a mask is missing"),
            (&[0x01], "no count of temporal layers"),
            (&[0x01, 0x40, 100], "one target of two"),
            (&[0x01, 0x00, 100, 1, 2, 3], "half a picture"),
        ];
        for (bytes, why) in cases {
            assert_eq!(LayersAllocation::parse(bytes), None, "{why}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = LayersAllocation::parse(&bytes);
        }
    }
}
