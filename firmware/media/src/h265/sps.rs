//! The sequence parameter set (ITU-T H.265 §7.3.2.2) as far as the picture size.

use crate::annexb;
use crate::bits::{BitReader, Truncated};
use crate::sps::{SpsError, at_most, cropped};

/// What a sequence parameter set says about the pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sps {
    /// `general_profile_idc`: 1 Main, 2 Main 10 …
    pub profile: u8,
    /// High tier, which allows more bits at the same level.
    pub high_tier: bool,
    /// Thirty times the level.
    pub level: u8,
    /// Width to show, in pixels.
    pub width: u16,
    /// Height to show, in pixels.
    pub height: u16,
}

impl Sps {
    /// Reads a NAL unit, header first.
    ///
    /// # Errors
    /// When it is no sequence parameter set, ends early, or holds a forbidden value.
    pub fn parse(nal: &[u8]) -> Result<Self, SpsError> {
        let [first, _, payload @ ..] = nal else { return Err(SpsError::Truncated) };
        let kind = first >> 1 & 0x3f;
        if kind != SPS {
            return Err(SpsError::OtherNal(kind));
        }
        let rbsp = annexb::without_emulation_prevention(payload);
        let reader = &mut BitReader::new(&rbsp);

        reader.skip(4)?; // sps_video_parameter_set_id
        let sub_layers = at_most("sps_max_sub_layers_minus1", reader.bits(3)?, 6)?;
        reader.skip(1)?; // sps_temporal_id_nesting_flag
        reader.skip(2)?; // general_profile_space
        let high_tier = reader.flag()?;
        let profile = reader.bits(5)? as u8;
        reader.skip(80)?; // compatibility and constraint flags
        let level = reader.bits(8)? as u8;
        skip_sub_layers(reader, sub_layers)?;

        at_most("sps_seq_parameter_set_id", reader.unsigned()?, 15)?;
        let chroma = at_most("chroma_format_idc", reader.unsigned()?, 3)?;
        if chroma == 3 {
            reader.skip(1)?; // separate_colour_plane_flag
        }
        let width = reader.unsigned()?;
        let height = reader.unsigned()?;
        let mut window = [0; 4];
        if reader.flag()? {
            for edge in &mut window {
                *edge = reader.unsigned()?;
            }
        }
        let [left, right, top, bottom] = window;
        // Table 6-1: pixels to one step of the window.
        let (horizontal, vertical) = match chroma {
            1 => (2, 2),
            2 => (2, 1),
            _ => (1, 1),
        };
        Ok(Self {
            profile,
            high_tier,
            level,
            width: cropped("pic_width_in_luma_samples", width, [left, right], horizontal)?,
            height: cropped("pic_height_in_luma_samples", height, [top, bottom], vertical)?,
        })
    }

    /// The first sequence parameter set of an access unit.
    pub fn find(unit: &[u8]) -> Option<Result<Self, SpsError>> {
        annexb::nal_units(unit).find(|nal| nal[0] >> 1 & 0x3f == SPS).map(Self::parse)
    }
}

/// The part of profile_tier_level (§7.3.3) that is about lower temporal layers.
fn skip_sub_layers(reader: &mut BitReader<'_>, count: u32) -> Result<(), Truncated> {
    if count == 0 {
        return Ok(());
    }
    let mut bits = 0;
    for _ in 0..count {
        bits += if reader.flag()? { 88 } else { 0 };
        bits += if reader.flag()? { 8 } else { 0 };
    }
    // Flags are stored for eight layers, whatever the count.
    reader.skip(2 * (8 - count as usize))?;
    reader.skip(bits)
}

const SPS: u8 = 33;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_sps_is_refused_by_name() {
        assert_eq!(Sps::parse(&[]), Err(SpsError::Truncated));
        assert_eq!(Sps::parse(&[34 << 1, 1]), Err(SpsError::OtherNal(34)));
        assert_eq!(Sps::parse(&[33 << 1, 1, 0]), Err(SpsError::Truncated));
        let refused = SpsError::OutOfRange { field: "sps_max_sub_layers_minus1", value: 7 };
        assert_eq!(Sps::parse(&[33 << 1, 1, 0x0e]), Err(refused));
    }
}
