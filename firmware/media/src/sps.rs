//! What both sequence parameter set readers share.

use crate::bits::Truncated;

/// Why a sequence parameter set cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpsError {
    /// It ends inside a field.
    #[error("the sequence parameter set ends early")]
    Truncated,
    /// The NAL unit is something else.
    #[error("NAL unit of type {0} is no sequence parameter set")]
    OtherNal(u8),
    /// A field holds what the standard forbids.
    #[error("{field} is {value}, out of range")]
    OutOfRange {
        /// The field, as the standard calls it.
        field: &'static str,
        /// What it holds.
        value: u32,
    },
}

impl From<Truncated> for SpsError {
    fn from(_: Truncated) -> Self {
        Self::Truncated
    }
}

/// `value`, when it is at most `limit`.
pub(crate) fn at_most(field: &'static str, value: u32, limit: u32) -> Result<u32, SpsError> {
    if value <= limit { Ok(value) } else { Err(SpsError::OutOfRange { field, value }) }
}

/// A length of the picture less what is cropped at both ends; at least one pixel must remain.
pub(crate) fn cropped(field: &'static str, coded: u32, crop: [u32; 2], unit: u32) -> Result<u16, SpsError> {
    let crop = crop.map(u64::from);
    let left = u64::from(coded).checked_sub((crop[0] + crop[1]) * u64::from(unit));
    match left {
        Some(length @ 1..=MAX_LENGTH) => Ok(length as u16),
        _ => Err(SpsError::OutOfRange { field, value: coded }),
    }
}

/// Level 6.2 of both standards ends at 16,888 pixels a side.
const MAX_LENGTH: u64 = 16_888;
