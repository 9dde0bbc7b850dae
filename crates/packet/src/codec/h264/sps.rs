//! The size in a sequence parameter set (ITU-T H.264 §7.3.2.1.1).
//!
//! Owns the reading of everything up to the cropping rectangle, in bounded work. Usability information behind it is not
//! read.

/// Bytes of a parameter set that are looked at. Everything up to the cropping rectangle fits, with the longest scaling
/// lists, in less.
const MAX_BYTES: usize = 512;
/// ITU-T H.264, table A-1: no level has pictures wider or higher, in macroblocks (level 6.2: sqrt(8 * 139264)).
const MAX_MACROBLOCKS: u32 = 1_055;

/// Width and height in pixels after cropping, from a sequence parameter set without its header byte. `None` when it is cut
/// off or says something impossible.
pub fn size(body: &[u8]) -> Option<(u16, u16)> {
    let mut bits = Bits::new(body);
    let profile = bits.bits(8)?;
    bits.bits(16)?; // constraint flags and level
    bits.exp_golomb()?; // seq_parameter_set_id
    let chroma = if has_chroma_format(profile) { chroma_format(&mut bits)? } else { Chroma::YUV420 };
    bits.exp_golomb()?; // log2_max_frame_num_minus4
    skip_picture_order_count(&mut bits)?;
    bits.exp_golomb()?; // max_num_ref_frames
    bits.bits(1)?; // gaps_in_frame_num_value_allowed_flag
    let width = macroblocks(&mut bits)? * 16;
    let map_units = macroblocks(&mut bits)?;
    let frames_only = bits.bits(1)?;
    if frames_only == 0 {
        bits.bits(1)?; // mb_adaptive_frame_field_flag
    }
    // ITU-T H.264 (7-18): a map unit of a stream that may hold fields is two macroblocks high.
    let fields = 2 - frames_only;
    let height = map_units * 16 * fields;
    bits.bits(1)?; // direct_8x8_inference_flag

    let (mut crop_width, mut crop_height) = (0, 0);
    if bits.bits(1)? == 1 {
        let [left, right, top, bottom] = [(); 4].map(|()| bits.exp_golomb());
        crop_width = left?.checked_add(right?)?.checked_mul(chroma.unit_width)?;
        crop_height = top?.checked_add(bottom?)?.checked_mul(chroma.unit_height * fields)?;
    }
    let pixels = |whole: u32, crop: u32| u16::try_from(whole.checked_sub(crop)?).ok().filter(|n| *n > 0);
    Some((pixels(width, crop_width)?, pixels(height, crop_height)?))
}

/// pic_width_in_mbs_minus1 and its like.
fn macroblocks(bits: &mut Bits<'_>) -> Option<u32> {
    let count = bits.exp_golomb()?.checked_add(1)?;
    (count <= MAX_MACROBLOCKS).then_some(count)
}

/// The unit of the cropping rectangle in pixels (ITU-T H.264 (7-19) to (7-22)).
struct Chroma {
    unit_width: u32,
    unit_height: u32,
}

impl Chroma {
    const YUV420: Self = Self { unit_width: 2, unit_height: 2 };
}

/// The profiles whose parameter sets speak of chroma (ITU-T H.264 §7.3.2.1.1).
fn has_chroma_format(profile: u32) -> bool {
    matches!(profile, 100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 138 | 139 | 134 | 135)
}

fn chroma_format(bits: &mut Bits<'_>) -> Option<Chroma> {
    let format = bits.exp_golomb()?;
    if format == 3 {
        bits.bits(1)?; // separate_colour_plane_flag
    }
    bits.exp_golomb()?; // bit_depth_luma_minus8
    bits.exp_golomb()?; // bit_depth_chroma_minus8
    bits.bits(1)?; // qpprime_y_zero_transform_bypass_flag
    if bits.bits(1)? == 1 {
        let lists = if format == 3 { 12 } else { 8 };
        for list in 0..lists {
            if bits.bits(1)? == 1 {
                skip_scaling_list(bits, if list < 6 { 16 } else { 64 })?;
            }
        }
    }
    match format {
        0 | 3 => Some(Chroma { unit_width: 1, unit_height: 1 }),
        1 => Some(Chroma::YUV420),
        2 => Some(Chroma { unit_width: 2, unit_height: 1 }),
        _ => None,
    }
}

/// ITU-T H.264 §7.3.2.1.1.1: deltas until one says that the rest is equal.
fn skip_scaling_list(bits: &mut Bits<'_>, entries: usize) -> Option<()> {
    let (mut last, mut next) = (8_i32, 8_i32);
    for _ in 0..entries {
        if next != 0 {
            next = last.wrapping_add(bits.signed_exp_golomb()?).rem_euclid(256);
        }
        if next != 0 {
            last = next;
        }
    }
    Some(())
}

/// pic_order_cnt_type and what depends on it.
fn skip_picture_order_count(bits: &mut Bits<'_>) -> Option<()> {
    match bits.exp_golomb()? {
        0 => {
            bits.exp_golomb()?; // log2_max_pic_order_cnt_lsb_minus4
        }
        1 => {
            bits.bits(1)?; // delta_pic_order_always_zero_flag
            bits.signed_exp_golomb()?; // offset_for_non_ref_pic
            bits.signed_exp_golomb()?; // offset_for_top_to_bottom_field
            // ITU-T H.264 §7.4.2.1.1: 0 to 255 frames.
            let frames = bits.exp_golomb().filter(|n| *n <= 255)?;
            for _ in 0..frames {
                bits.signed_exp_golomb()?; // offset_for_ref_frame
            }
        }
        2 => {}
        _ => return None,
    }
    Some(())
}

/// Bits of a NAL unit, most significant first, without its emulation prevention bytes.
struct Bits<'a> {
    bytes: &'a [u8],
    /// The byte the next bit is in.
    at: usize,
    /// Bits of it already read, 0 to 7.
    bit: u8,
    /// Zero bytes in front of `at`.
    zeros: u8,
}

impl<'a> Bits<'a> {
    fn new(body: &'a [u8]) -> Self {
        Self { bytes: &body[..body.len().min(MAX_BYTES)], at: 0, bit: 0, zeros: 0 }
    }

    fn bit(&mut self) -> Option<u32> {
        // ITU-T H.264 §7.4.1: a 3 behind two zero bytes only keeps start codes out.
        if self.bit == 0 && self.zeros >= 2 && self.bytes.get(self.at) == Some(&3) {
            self.at += 1;
            self.zeros = 0;
        }
        let byte = *self.bytes.get(self.at)?;
        let bit = byte >> (7 - self.bit) & 1;
        self.bit += 1;
        if self.bit == 8 {
            self.bit = 0;
            self.at += 1;
            self.zeros = if byte == 0 { self.zeros.saturating_add(1) } else { 0 };
        }
        Some(u32::from(bit))
    }

    fn bits(&mut self, count: u32) -> Option<u32> {
        let mut value = 0;
        for _ in 0..count {
            value = value << 1 | self.bit()?;
        }
        Some(value)
    }

    /// ue(v), ITU-T H.264 §9.1.
    fn exp_golomb(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while self.bit()? == 0 {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        Some((1 << zeros) - 1 + self.bits(zeros)?)
    }

    /// se(v), ITU-T H.264 §9.1.1.
    fn signed_exp_golomb(&mut self) -> Option<i32> {
        let code = i64::from(self.exp_golomb()?);
        let magnitude = (code + 1) / 2;
        i32::try_from(if code % 2 == 1 { magnitude } else { -magnitude }).ok()
    }
}
