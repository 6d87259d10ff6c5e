//! One unit as it arrives.

use bondbox_wire::frame::{Media, UnitHeader};
use bytes::{Bytes, BytesMut};

use super::OutOfBounds;
use super::pool::Pool;
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
    /// Takes in a range that may make the unit hold `room` more bytes.
    pub(super) fn insert(&mut self, media: &Media<'_>, room: usize, pool: &mut Pool) -> Result<(), OutOfBounds> {
        let end = media.offset as usize + media.bytes.len();
        let beyond = self.total.is_some_and(|total| end > total as usize);
        // A unit that ended once cannot end elsewhere.
        let moved = media.last && (self.total.is_some_and(|total| end != total as usize) || end < self.bytes.len());
        if end > MAX_UNIT || beyond || moved || room < PIECE || self.have.pieces() >= MAX_PIECES {
            return Err(OutOfBounds);
        }
        if end > self.bytes.capacity() {
            let mut larger = pool.buffer(end, room - PIECE).ok_or(OutOfBounds)?;
            larger.extend_from_slice(&self.bytes);
            pool.take_back(std::mem::replace(&mut self.bytes, larger));
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
        self.have.insert_with(range, &mut pool.ranges);
        self.repaired |= media.again;
        Ok(())
    }

    /// Bytes held, with what it takes to keep track of them.
    pub(crate) fn held(&self) -> usize {
        OVERHEAD + self.bytes.capacity() + PIECE * self.have.pieces()
    }

    /// Whether all of it is there.
    pub(crate) fn is_complete(&self) -> bool {
        self.header.is_some() && self.total.is_some_and(|total| self.have.contains(&(0..total)))
    }

    /// The unit's bytes, which it has no more.
    pub(super) fn take_payload(&mut self, pool: &mut Pool) -> Bytes {
        let total = self.total.unwrap_or(0) as usize;
        if total == 0 { Bytes::new() } else { pool.lend(std::mem::take(&mut self.bytes), total) }
    }

    /// Makes it as new, but for the memory that it has.
    pub(super) fn clear(&mut self, pool: &mut Pool) {
        let Self { bytes, have, .. } = std::mem::take(self);
        have.retire(&mut pool.ranges);
        pool.take_back(bytes);
    }
}

/// Eight megabytes: a keyframe of 4K at a rate no bond has.
pub(super) const MAX_UNIT: usize = 8 << 20;
/// A unit never arrives in more disjoint ranges than links and their losses make.
const MAX_PIECES: usize = 2_048;
/// Around the bytes of a unit, however few: the assembly, its place in a map, its first ranges.
pub(super) const OVERHEAD: usize = 256;
/// A further range, in a vector that doubles.
const PIECE: usize = 16;

#[cfg(test)]
mod tests {
    use bondbox_units::TrackId;

    use super::*;

    fn piece(offset: u32, last: bool, bytes: &[u8]) -> Media<'_> {
        Media { track: TrackId(0), unit: 0, offset, last, again: false, header: None, bytes }
    }

    #[test]
    fn a_unit_ends_once() {
        let mut pool = Pool::default();
        let mut unit = Assembly::default();
        let mut insert = |offset, last, bytes| unit.insert(&piece(offset, last, bytes), usize::MAX, &mut pool);
        insert(10, false, &[1; 10]).unwrap();
        assert_eq!(insert(5, true, &[1; 10]), Err(OutOfBounds), "more is there already");
        insert(20, true, &[1; 10]).unwrap();
        assert_eq!(insert(25, true, &[1; 10]), Err(OutOfBounds));
        assert_eq!(insert(30, false, &[1]), Err(OutOfBounds));
    }

    #[test]
    fn what_is_held_never_exceeds_the_room_given() {
        let (mut unit, mut pool) = (Assembly::default(), Pool::default());
        let room = 100_000;
        for offset in (0..8_000_000).step_by(3_001) {
            let before = unit.held();
            let _ = unit.insert(&piece(offset, false, &[7; 40]), (OVERHEAD + room) - before, &mut pool);
            assert!(unit.held() <= OVERHEAD + room, "{} at {offset}", unit.held());
        }
        assert!(unit.held() > room / 3);
    }
}
