//! H.265 (ITU-T H.265) byte streams.

mod record;
mod sps;

use crate::splitter::Role;
use crate::{AccessUnitSplitter, Contents, annexb};

pub use record::parse_hvcc;
pub use sps::Sps;

/// An access unit delimiter that allows every slice type, with its start code.
pub const DELIMITER: [u8; 7] = [0, 0, 0, 1, 0x46, 0x01, 0x50];

/// What a NAL unit is (table 7-1), as far as we care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NalKind {
    /// A slice segment of a picture that its own temporal layer does not refer to.
    NonReferenceSlice,
    /// A slice segment of a picture that others may refer to.
    Slice,
    /// A slice segment of an intra random access point: IDR, CRA or BLA.
    IrapSlice,
    /// Video, sequence or picture parameter set.
    ParameterSet,
    /// Access unit delimiter.
    Delimiter,
    /// Another type.
    Other(u8),
}

impl NalKind {
    /// The kind that the first byte of a NAL unit names.
    pub const fn of(header: u8) -> Self {
        match header >> 1 & 0x3f {
            0 | 2 | 4 | 6 | 8 | 10 | 12 | 14 => Self::NonReferenceSlice,
            1 | 3 | 5 | 7 | 9 | 11 | 13 | 15 => Self::Slice,
            16..=23 => Self::IrapSlice,
            32..=34 => Self::ParameterSet,
            35 => Self::Delimiter,
            other => Self::Other(other),
        }
    }
}

/// What one access unit holds. Looks no further than the header of its first slice.
///
/// A picture counts as disposable when its own temporal layer does not refer to it; a layer above it may.
pub fn inspect(unit: &[u8]) -> Contents {
    let mut contents = Contents::default();
    for (index, nal) in annexb::nal_units(unit).enumerate() {
        match NalKind::of(nal[0]) {
            NalKind::Delimiter => contents.delimiter |= index == 0,
            NalKind::ParameterSet => contents.parameter_sets = true,
            kind @ (NalKind::NonReferenceSlice | NalKind::Slice | NalKind::IrapSlice) => {
                contents.picture = true;
                contents.keyframe = kind == NalKind::IrapSlice;
                contents.disposable = kind == NalKind::NonReferenceSlice;
                break;
            }
            NalKind::Other(_) => {}
        }
    }
    contents
}

/// Cuts a byte stream into access units.
pub fn splitter() -> AccessUnitSplitter {
    AccessUnitSplitter::new(role, 3)
}

/// §7.4.2.4.4.
fn role(nal: &[u8]) -> Role {
    let [first, second, ..] = *nal else { return Role::Follows };
    let layer = first & 1 != 0 || second & 0xf8 != 0;
    match first >> 1 & 0x3f {
        // Layers above the base belong to the unit of their base picture.
        _ if layer => Role::Follows,
        0..=31 if nal.get(2).is_some_and(|byte| byte & 0x80 != 0) => Role::FirstSlice,
        0..=31 => Role::Slice,
        32..=35 | 39 | 41..=44 | 48..=55 => Role::Opens,
        _ => Role::Follows,
    }
}

#[cfg(test)]
mod tests {
    use bondbox_units::Priority;

    use super::*;

    fn unit(nals: &[&[u8]]) -> alloc::vec::Vec<u8> {
        nals.iter().flat_map(|nal| [&[0, 0, 0, 1][..], nal].concat()).collect()
    }

    const VPS: &[u8] = &[32 << 1, 1, 1];
    const IDR: &[u8] = &[19 << 1, 1, 0x80];
    const CRA: &[u8] = &[21 << 1, 1, 0x80];
    const TRAIL_R: &[u8] = &[1 << 1, 1, 0x80];
    const TRAIL_R_MORE: &[u8] = &[1 << 1, 1, 0x40];
    const TRAIL_N: &[u8] = &[0, 1, 0x80];
    const SUFFIX_SEI: &[u8] = &[40 << 1, 1, 0x80];

    #[test]
    fn priorities_follow_from_the_nal_units() {
        let cases: [(&[&[u8]], Priority, bool); 5] = [
            (&[VPS], Priority::Critical, false),
            (&[VPS, IDR], Priority::Reference, true),
            (&[CRA], Priority::Reference, true),
            (&[TRAIL_R], Priority::Standard, false),
            (&[TRAIL_N], Priority::Disposable, false),
        ];
        for (nals, priority, keyframe) in cases {
            let contents = inspect(&unit(nals));
            assert_eq!((contents.priority(), contents.keyframe), (priority, keyframe), "{nals:02x?}");
        }
        assert!(inspect(&DELIMITER).delimiter);
    }

    #[test]
    fn units_part_at_parameter_sets_and_first_slices() {
        let expected =
            [unit(&[VPS, IDR, SUFFIX_SEI]), unit(&[TRAIL_R, TRAIL_R_MORE]), unit(&[TRAIL_N]), unit(&[VPS, CRA])];
        let mut splitter = splitter();
        splitter.push(&expected.concat());
        splitter.flush();
        let units: alloc::vec::Vec<_> = core::iter::from_fn(|| splitter.poll()).collect();
        assert_eq!(units, expected);
    }
}
