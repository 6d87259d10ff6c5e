//! H.264 (ITU-T H.264) byte streams.

mod record;
mod sps;

use crate::splitter::Role;
use crate::{AccessUnitSplitter, Contents, annexb};

pub use record::parse_avcc;
pub use sps::Sps;

/// An access unit delimiter that allows every slice type, with its start code.
pub const DELIMITER: [u8; 6] = [0, 0, 0, 1, 0x09, 0xf0];

/// What a NAL unit is (table 7-1), as far as we care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NalKind {
    /// A slice of a picture that is no IDR picture.
    Slice,
    /// A slice of an IDR picture.
    IdrSlice,
    /// Supplemental enhancement information.
    Sei,
    /// Sequence parameter set.
    Sps,
    /// Picture parameter set.
    Pps,
    /// Access unit delimiter.
    Delimiter,
    /// Another type.
    Other(u8),
}

impl NalKind {
    /// The kind that the first byte of a NAL unit names.
    pub const fn of(header: u8) -> Self {
        match header & 0x1f {
            // Data partition A carries the slice header.
            1 | 2 => Self::Slice,
            5 => Self::IdrSlice,
            6 => Self::Sei,
            7 => Self::Sps,
            8 => Self::Pps,
            9 => Self::Delimiter,
            other => Self::Other(other),
        }
    }
}

/// What one access unit holds. Looks no further than the header of its first slice.
pub fn inspect(unit: &[u8]) -> Contents {
    let mut contents = Contents::default();
    for (index, nal) in annexb::nal_units(unit).enumerate() {
        match NalKind::of(nal[0]) {
            NalKind::Delimiter => contents.delimiter |= index == 0,
            NalKind::Sps | NalKind::Pps => contents.parameter_sets = true,
            NalKind::Sei => contents.keyframe |= holds_recovery_point(&nal[1..]),
            kind @ (NalKind::Slice | NalKind::IdrSlice) => {
                contents.picture = true;
                contents.keyframe |= kind == NalKind::IdrSlice;
                // nal_ref_idc is zero in all slices of a picture or in none (§7.4.1).
                contents.disposable = nal[0] & 0x60 == 0;
                break;
            }
            NalKind::Other(_) => {}
        }
    }
    // A recovery point without its picture starts nothing.
    contents.keyframe &= contents.picture;
    contents
}

/// Cuts a byte stream into access units.
pub fn splitter() -> AccessUnitSplitter {
    AccessUnitSplitter::new(role, 2)
}

/// §7.4.1.2.3, with one simplification: a picture begins with macroblock 0, so arbitrary slice order (Baseline profile
/// only, no encoder of ours) is not seen.
fn role(nal: &[u8]) -> Role {
    let Some(&header) = nal.first() else { return Role::Follows };
    match header & 0x1f {
        1 | 2 | 5 if nal.get(1).is_some_and(|byte| byte & 0x80 != 0) => Role::FirstSlice,
        1 | 2 | 5 => Role::Slice,
        6..=9 | 15..=18 => Role::Opens,
        14 => Role::Prefixes,
        _ => Role::Follows,
    }
}

/// Walks the messages of an SEI NAL unit (§7.3.2.3).
fn holds_recovery_point(payload: &[u8]) -> bool {
    let rbsp = annexb::without_emulation_prevention(payload);
    let mut rest = &rbsp[..];
    // One byte is the trailing bits, no message.
    while rest.len() > 1 {
        let Some((kind, after)) = sei_number(rest) else { return false };
        let Some((size, after)) = sei_number(after) else { return false };
        if kind == RECOVERY_POINT {
            return true;
        }
        let Some(after) = after.get(size..) else { return false };
        rest = after;
    }
    false
}

/// A number as SEI writes it: 255 means "and more".
fn sei_number(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let more = bytes.iter().take_while(|&&byte| byte == 0xff).count();
    let last = *bytes.get(more)?;
    Some((more * 255 + usize::from(last), &bytes[more + 1..]))
}

const RECOVERY_POINT: usize = 6;

#[cfg(test)]
mod tests {
    use bondbox_units::Priority;

    use super::*;

    fn unit(nals: &[&[u8]]) -> alloc::vec::Vec<u8> {
        nals.iter().flat_map(|nal| [&[0, 0, 0, 1][..], nal].concat()).collect()
    }

    #[test]
    fn priorities_follow_from_the_nal_units() {
        let cases: [(&[&[u8]], Priority, bool); 7] = [
            (&[&[0x67, 66], &[0x68, 1]], Priority::Critical, false),
            (&[&[9, 0xf0], &[0x67, 66], &[0x68, 1], &[0x65, 0x88]], Priority::Reference, true),
            (&[&[0x41, 0x9a]], Priority::Standard, false),
            (&[&[0x01, 0x9a]], Priority::Disposable, false),
            // Recovery point behind a user data message of 3 bytes.
            (&[&[6, 5, 3, 1, 2, 3, 6, 1, 0xc4, 0x80], &[0x41, 0x9a]], Priority::Reference, true),
            (&[&[6, 5, 3, 6, 1, 3, 0x80], &[0x41, 0x9a]], Priority::Standard, false),
            (&[], Priority::Standard, false),
        ];
        for (nals, priority, keyframe) in cases {
            let contents = inspect(&unit(nals));
            assert_eq!((contents.priority(), contents.keyframe), (priority, keyframe), "{nals:02x?}");
        }
    }

    #[test]
    fn units_part_at_delimiters_parameter_sets_and_first_slices() {
        let expected = [
            unit(&[&[9, 0xf0], &[0x67, 66], &[0x68, 1], &[0x65, 0x88], &[0x65, 0x18]]),
            unit(&[&[0x41, 0x9a]]),
            unit(&[&[6, 5, 1, 1, 0x80], &[0x41, 0x9a], &[0x41, 0x1a], &[12, 0xff]]),
            // A prefix NAL unit goes with the slice after it.
            unit(&[&[14, 1], &[0x41, 0x9a], &[14, 1], &[0x41, 0x1a]]),
            unit(&[&[14, 1], &[0x41, 0x9a]]),
        ];
        let mut splitter = splitter();
        splitter.push(&expected.concat());
        splitter.flush();
        let units: alloc::vec::Vec<_> = core::iter::from_fn(|| splitter.poll()).collect();
        assert_eq!(units, expected);
    }
}
