//! One unit as it arrives.

use std::ops::Range;

use bondbox_units::Instant;
use bondbox_wire::frame::{Media, UnitHeader};
use bytes::{Bytes, BytesMut};

use super::OutOfBounds;
use super::pool::Pool;
use crate::ranges::RangeSet;

/// The bytes of a unit so far.
#[derive(Debug, Default)]
pub(crate) struct Assembly {
    pub(crate) header: Option<UnitHeader>,
    /// When the header came.
    pub(crate) headed_at: Option<Instant>,
    bytes: BytesMut,
    have: RangeSet,
    total: Option<u32>,
    /// All of it was there.
    complete: bool,
    /// What all outputs share of a complete unit; `bytes` is the handle to it then.
    shared: Option<Bytes>,
    /// The capacity of its buffer.
    shared_size: usize,
    /// Some of its bytes came only when they were sent again.
    pub(crate) repaired: bool,
}

impl Assembly {
    /// Takes in a range that may make the unit hold `room` more bytes.
    pub(super) fn insert(
        &mut self,
        now: Instant,
        media: &Media<'_>,
        room: usize,
        pool: &mut Pool,
    ) -> Result<(), OutOfBounds> {
        if self.complete {
            return Ok(());
        }
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
        if self.header.is_none() && media.header.is_some() {
            (self.header, self.headed_at) = (media.header, Some(now));
        }
        let range = media.offset..end as u32;
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        if !self.have.contains(&range) || range.is_empty() {
            self.bytes[media.offset as usize..end].copy_from_slice(media.bytes);
            self.have.insert_with(range, &mut pool.ranges);
            self.repaired |= media.again;
        }
        self.complete = self.header.is_some() && self.total.is_some_and(|total| self.have.contains(&(0..total)));
        Ok(())
    }

    /// Bytes held, with what it takes to keep track of them.
    pub(crate) fn held(&self) -> usize {
        let buffer = if self.shared.is_some() { self.shared_size } else { self.bytes.capacity() };
        OVERHEAD + buffer + PIECE * self.have.pieces()
    }

    /// Whether all of it is there, or was.
    pub(crate) const fn is_complete(&self) -> bool {
        self.complete
    }

    /// The bytes of a complete unit.
    pub(super) fn payload(&mut self) -> Bytes {
        let total = self.total.unwrap_or(0) as usize;
        if total == 0 {
            return Bytes::new();
        }
        let (bytes, size) = (&mut self.bytes, &mut self.shared_size);
        let share = || {
            *size = bytes.capacity();
            bytes.split_to(total).freeze()
        };
        self.shared.get_or_insert_with(share).clone()
    }

    /// What is there, with zeros in the place of what is not, and which parts that are. The last reaches to the end of all
    /// numbers where it is not known how long the unit is.
    pub(super) fn damaged(&self) -> (Bytes, Vec<Range<u32>>) {
        let len = self.total.unwrap_or(self.bytes.len() as u32);
        let mut missing: Vec<_> = self.have.missing(0..len).collect();
        if self.total.is_none() {
            missing.push(len..u32::MAX);
        }
        (Bytes::copy_from_slice(&self.bytes), missing)
    }

    /// Keeps of a complete unit only that it was: parts of it that still come are not taken for a new one's.
    pub(super) fn forget_bytes(&mut self, pool: &mut Pool) {
        let (header, headed_at, complete) = (self.header, self.headed_at, self.complete);
        self.clear(pool);
        (self.header, self.headed_at, self.complete) = (header, headed_at, complete);
    }

    /// Makes it as new, but for the memory that it has.
    pub(super) fn clear(&mut self, pool: &mut Pool) {
        let Self { bytes, have, shared, shared_size, .. } = std::mem::take(self);
        have.retire(&mut pool.ranges);
        match shared {
            Some(_) => pool.await_return(bytes, shared_size),
            None => pool.take_back(bytes),
        }
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
        let mut insert =
            |offset, last, bytes| unit.insert(Instant::ZERO, &piece(offset, last, bytes), usize::MAX, &mut pool);
        insert(10, false, &[1; 10]).unwrap();
        assert_eq!(insert(5, true, &[1; 10]), Err(OutOfBounds), "more is there already");
        insert(20, true, &[1; 10]).unwrap();
        assert_eq!(insert(25, true, &[1; 10]), Err(OutOfBounds));
        assert_eq!(insert(30, false, &[1]), Err(OutOfBounds));
    }

    #[test]
    fn a_unit_with_holes_says_where_they_are_and_whether_its_end_is_known() {
        let (mut unit, mut pool) = (Assembly::default(), Pool::default());
        unit.insert(Instant::ZERO, &piece(10, false, &[1; 10]), usize::MAX, &mut pool).unwrap();
        let (bytes, missing) = unit.damaged();
        assert_eq!((bytes.len(), missing), (20, vec![0..10, 20..u32::MAX]));
        unit.insert(Instant::ZERO, &piece(30, true, &[1; 5]), usize::MAX, &mut pool).unwrap();
        let (bytes, missing) = unit.damaged();
        assert_eq!((bytes.len(), missing), (35, vec![0..10, 20..30]));
    }

    #[test]
    fn what_is_held_never_exceeds_the_room_given() {
        let (mut unit, mut pool) = (Assembly::default(), Pool::default());
        let room = 100_000;
        for offset in (0..8_000_000).step_by(3_001) {
            let before = unit.held();
            let _ = unit.insert(Instant::ZERO, &piece(offset, false, &[7; 40]), (OVERHEAD + room) - before, &mut pool);
            assert!(unit.held() <= OVERHEAD + room, "{} at {offset}", unit.held());
        }
        assert!(unit.held() > room / 3);
    }
}
