//! One unit as it arrives.

use bondbox_wire::frame::{Media, UnitHeader};
use bytes::{Bytes, BytesMut};

use super::OutOfBounds;
use crate::ranges::RangeSet;

/// The bytes of a unit so far.
#[derive(Debug, Default)]
pub(crate) struct Assembly {
    pub(crate) header: Option<UnitHeader>,
    bytes: BytesMut,
    have: RangeSet,
    total: Option<u32>,
    /// Some of its bytes came only when they were sent again.
    pub(crate) repaired: bool,
}

impl Assembly {
    /// Takes in a range.
    pub(crate) fn insert(&mut self, media: &Media<'_>) -> Result<(), OutOfBounds> {
        let end = media.offset as usize + media.bytes.len();
        let beyond = self.total.is_some_and(|total| end > total as usize);
        if end > MAX_UNIT || beyond || self.have.pieces() >= MAX_PIECES {
            return Err(OutOfBounds);
        }
        if media.last {
            self.total = Some(end as u32);
        }
        if self.header.is_none() {
            self.header = media.header;
        }
        let range = media.offset..end as u32;
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        if self.have.contains(&range) && !range.is_empty() {
            return Ok(());
        }
        self.bytes[media.offset as usize..end].copy_from_slice(media.bytes);
        self.have.insert(range);
        self.repaired |= media.again;
        Ok(())
    }

    /// Bytes held.
    pub(crate) fn held(&self) -> usize {
        self.bytes.len()
    }

    /// Whether all of it is there.
    pub(crate) fn is_complete(&self) -> bool {
        self.header.is_some() && self.total.is_some_and(|total| self.have.contains(&(0..total)))
    }

    /// The unit's bytes.
    pub(crate) fn into_payload(mut self) -> Bytes {
        self.bytes.truncate(self.total.unwrap_or(0) as usize);
        self.bytes.freeze()
    }
}

/// Eight megabytes: a keyframe of 4K at a rate no bond has.
const MAX_UNIT: usize = 8 << 20;
/// A unit never arrives in more disjoint ranges than links and their losses make.
const MAX_PIECES: usize = 2_048;
