//! The sequence parameter set (ITU-T H.264 §7.3.2.1.1 and Annex E).

use crate::annexb;
use crate::bits::{BitReader, Truncated};
use crate::sps::{SpsError, at_most, cropped};

/// What a sequence parameter set says about the pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sps {
    /// `profile_idc`: 66 Baseline, 77 Main, 100 High …
    pub profile: u8,
    /// The six constraint flags and two reserved bits, as they stand between profile and level.
    pub constraints: u8,
    /// Ten times the level.
    pub level: u8,
    /// Width to show, in pixels.
    pub width: u16,
    /// Height to show, in pixels.
    pub height: u16,
    /// Frames a second times 1,000, when the stream says.
    pub frame_rate_milli: Option<u32>,
}

impl Sps {
    /// Reads a NAL unit, header byte first.
    ///
    /// # Errors
    /// When it is no sequence parameter set, ends early, or holds a forbidden value.
    pub fn parse(nal: &[u8]) -> Result<Self, SpsError> {
        let (&header, payload) = nal.split_first().ok_or(SpsError::Truncated)?;
        if header & 0x1f != 7 {
            return Err(SpsError::OtherNal(header & 0x1f));
        }
        let rbsp = annexb::without_emulation_prevention(payload);
        let reader = &mut BitReader::new(&rbsp);

        let profile = reader.bits(8)? as u8;
        let constraints = reader.bits(8)? as u8;
        let level = reader.bits(8)? as u8;
        at_most("seq_parameter_set_id", reader.unsigned()?, 31)?;
        let chroma = if HIGH_PROFILES.contains(&profile) { chroma(reader)? } else { Chroma::YUV420 };
        skip_frame_num_and_order(reader)?;

        let width = (at_most("pic_width_in_mbs_minus1", reader.unsigned()?, MAX_BLOCKS)? + 1) * 16;
        let map_units = at_most("pic_height_in_map_units_minus1", reader.unsigned()?, MAX_BLOCKS)? + 1;
        let frames_only = reader.flag()?;
        let fields = if frames_only { 1 } else { 2 };
        if !frames_only {
            reader.skip(1)?; // mb_adaptive_frame_field_flag
        }
        reader.skip(1)?; // direct_8x8_inference_flag
        let mut crop = [0; 4];
        if reader.flag()? {
            for edge in &mut crop {
                *edge = reader.unsigned()?;
            }
        }
        let [left, right, top, bottom] = crop;
        Ok(Self {
            profile,
            constraints,
            level,
            width: cropped("pic_width", width, [left, right], chroma.horizontal)?,
            height: cropped("pic_height", map_units * 16 * fields, [top, bottom], chroma.vertical * fields)?,
            frame_rate_milli: if reader.flag()? { frame_rate_milli(reader)? } else { None },
        })
    }

    /// The first sequence parameter set of an access unit.
    pub fn find(unit: &[u8]) -> Option<Result<Self, SpsError>> {
        annexb::nal_units(unit).find(|nal| nal[0] & 0x1f == 7).map(Self::parse)
    }
}

/// Pixels that one step of the cropping rectangle stands for (table 6-1, equations 7-19 to 7-22).
struct Chroma {
    horizontal: u32,
    vertical: u32,
}

impl Chroma {
    const YUV420: Self = Self { horizontal: 2, vertical: 2 };
}

fn chroma(reader: &mut BitReader<'_>) -> Result<Chroma, SpsError> {
    let format = at_most("chroma_format_idc", reader.unsigned()?, 3)?;
    if format == 3 {
        reader.skip(1)?; // separate_colour_plane_flag
    }
    at_most("bit_depth_luma_minus8", reader.unsigned()?, 6)?;
    at_most("bit_depth_chroma_minus8", reader.unsigned()?, 6)?;
    reader.skip(1)?; // qpprime_y_zero_transform_bypass_flag
    if reader.flag()? {
        for list in 0..if format == 3 { 12 } else { 8 } {
            if reader.flag()? {
                skip_scaling_list(reader, if list < 6 { 16 } else { 64 })?;
            }
        }
    }
    Ok(match format {
        1 => Chroma::YUV420,
        2 => Chroma { horizontal: 2, vertical: 1 },
        // Monochrome and 4:4:4 crop by the pixel.
        _ => Chroma { horizontal: 1, vertical: 1 },
    })
}

fn skip_scaling_list(reader: &mut BitReader<'_>, size: u32) -> Result<(), Truncated> {
    let (mut last, mut next) = (8_i32, 8_i32);
    for _ in 0..size {
        if next != 0 {
            next = last.wrapping_add(reader.signed()?).rem_euclid(256);
        }
        last = if next == 0 { last } else { next };
    }
    Ok(())
}

fn skip_frame_num_and_order(reader: &mut BitReader<'_>) -> Result<(), SpsError> {
    at_most("log2_max_frame_num_minus4", reader.unsigned()?, 12)?;
    match at_most("pic_order_cnt_type", reader.unsigned()?, 2)? {
        0 => {
            at_most("log2_max_pic_order_cnt_lsb_minus4", reader.unsigned()?, 12)?;
        }
        1 => {
            reader.skip(1)?; // delta_pic_order_always_zero_flag
            reader.signed()?;
            reader.signed()?;
            let cycle = at_most("num_ref_frames_in_pic_order_cnt_cycle", reader.unsigned()?, 255)?;
            for _ in 0..cycle {
                reader.signed()?;
            }
        }
        _ => {}
    }
    at_most("max_num_ref_frames", reader.unsigned()?, 16)?;
    reader.skip(1)?; // gaps_in_frame_num_value_allowed_flag
    Ok(())
}

/// Annex E.1.1 as far as the timing.
fn frame_rate_milli(reader: &mut BitReader<'_>) -> Result<Option<u32>, Truncated> {
    if reader.flag()? && reader.bits(8)? == EXTENDED_ASPECT_RATIO {
        reader.skip(32)?;
    }
    if reader.flag()? {
        reader.skip(1)?; // overscan_appropriate_flag
    }
    if reader.flag()? {
        reader.skip(4)?; // video_format, video_full_range_flag
        if reader.flag()? {
            reader.skip(24)?; // colour description
        }
    }
    if reader.flag()? {
        reader.unsigned()?;
        reader.unsigned()?; // chroma sample location
    }
    if !reader.flag()? {
        return Ok(None);
    }
    let units = u64::from(reader.bits(32)?);
    let scale = u64::from(reader.bits(32)?);
    // A tick is a field, two make a frame.
    let rate = (scale * 1_000).checked_div(units * 2);
    Ok(rate.and_then(|rate| u32::try_from(rate).ok()))
}

const HIGH_PROFILES: [u8; 13] = [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135];
const MAX_BLOCKS: u32 = 1_055;
const EXTENDED_ASPECT_RATIO: u32 = 255;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_sps_is_refused_by_name() {
        assert_eq!(Sps::parse(&[]), Err(SpsError::Truncated));
        assert_eq!(Sps::parse(&[0x68, 1]), Err(SpsError::OtherNal(8)));
        assert_eq!(Sps::parse(&[0x67, 100, 0, 31]), Err(SpsError::Truncated));
        // seq_parameter_set_id 32: five zeros, then 1, then 00001.
        let refused = SpsError::OutOfRange { field: "seq_parameter_set_id", value: 32 };
        assert_eq!(Sps::parse(&[0x67, 66, 0, 31, 0b0000_0100, 0b0010_0000]), Err(refused));
    }
}
