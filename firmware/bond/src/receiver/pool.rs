//! Memory of units that have left, for those to come.
//!
//! The bytes of a unit go out as the buffer that they were put together in. The pool keeps a handle to it, and takes it back
//! once whoever got the unit has let go of it.

use std::collections::VecDeque;

use bytes::BytesMut;

use super::assembly::Assembly;
use crate::ranges::Spare;

/// Of one session.
#[derive(Debug, Default)]
pub(super) struct Pool {
    #[expect(clippy::vec_box, reason = "the boxes are what is kept")]
    assemblies: Vec<Box<Assembly>>,
    /// By size; those that were lent out last at the end.
    buffers: [VecDeque<BytesMut>; SIZES],
    /// Bytes of the buffers.
    held: usize,
    /// Of the units' ranges.
    pub(super) ranges: Spare,
}

impl Pool {
    /// For a new unit.
    pub(super) fn assembly(&mut self) -> Box<Assembly> {
        self.assemblies.pop().unwrap_or_default()
    }

    /// A unit is over.
    pub(super) fn recycle(&mut self, mut unit: Box<Assembly>) {
        unit.clear(self);
        if self.assemblies.len() < MAX_ASSEMBLIES {
            self.assemblies.push(unit);
        }
    }

    /// An empty buffer for so many bytes, and of no more than `most`.
    pub(super) fn buffer(&mut self, bytes: usize, most: usize) -> Option<BytesMut> {
        let (least, size) = place_of(bytes);
        // Rather one that is larger than needed than a new one.
        for place in least..SIZES.min(least + LARGER) {
            let (size, waiting) = (size_at(place), &mut self.buffers[place]);
            for _ in 0..if size <= most { TRIES } else { 0 } {
                let Some(mut oldest) = waiting.pop_front() else { break };
                if oldest.try_reclaim(size) {
                    self.held -= size;
                    return Some(oldest);
                }
                waiting.push_back(oldest);
            }
        }
        (size <= most).then(|| BytesMut::with_capacity(size))
    }

    /// Takes back a buffer that nobody else has.
    pub(super) fn take_back(&mut self, mut buffer: BytesMut) {
        let (place, size) = place_of(buffer.capacity());
        if size == buffer.capacity() && self.held + size <= MAX_HELD {
            buffer.clear();
            self.held += size;
            self.buffers[place].push_front(buffer);
        }
    }

    /// Takes the handle to a buffer of `size` bytes that others still read.
    pub(super) fn await_return(&mut self, mut lent: BytesMut, size: usize) {
        let (place, size) = place_of(size);
        if self.held + size <= MAX_HELD {
            lent.clear();
            self.held += size;
            self.buffers[place].push_back(lent);
        }
    }
}

/// Where buffers are that hold so many bytes, and their size.
const fn place_of(bytes: usize) -> (usize, usize) {
    let mut place = 0;
    while size_at(place) < bytes && place + 1 < SIZES {
        place += 1;
    }
    (place, size_at(place))
}

/// The least size, half as much again, twice as much, and so on.
const fn size_at(place: usize) -> usize {
    let size = LEAST << (place / 2);
    if place.is_multiple_of(2) { size } else { size / 2 * 3 }
}

const LEAST: usize = 256;
/// Up to the largest unit.
const SIZES: usize = 2 * (super::assembly::MAX_UNIT / LEAST).ilog2() as usize + 1;
/// How far a larger one is looked for: half of it may be of no use.
const LARGER: usize = 3;
/// Buffers that may be out for long, as with one who records, before a new one is made.
const TRIES: usize = 2;
/// More than come and go at a time.
const MAX_ASSEMBLIES: usize = 1_024;
/// Bytes in buffers that wait for use, or are lent out: 1.6 s of 20 Mbit/s.
const MAX_HELD: usize = 4 << 20;

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn lend(pool: &mut Pool, mut buffer: BytesMut, len: usize) -> Bytes {
        let size = buffer.capacity();
        let bytes = buffer.split_to(len).freeze();
        pool.await_return(buffer, size);
        bytes
    }

    #[test]
    fn sizes_reach_from_a_packet_to_the_largest_unit_and_waste_little() {
        assert_eq!([0, 256, 257, 385].map(place_of), [(0, 256), (0, 256), (1, 384), (2, 512)]);
        assert_eq!(place_of(super::super::assembly::MAX_UNIT), (SIZES - 1, super::super::assembly::MAX_UNIT));
        for bytes in (LEAST..super::super::assembly::MAX_UNIT).step_by(997) {
            assert!((bytes..=bytes / 2 * 3 + 2).contains(&place_of(bytes).1), "{bytes}");
        }
    }

    #[test]
    fn a_buffer_comes_back_when_its_reader_has_let_go_and_not_before() {
        let mut pool = Pool::default();
        let mut buffer = pool.buffer(1_316, 1_536).unwrap();
        buffer.extend_from_slice(&[7; 1_316]);
        let unit = lend(&mut pool, buffer, 1_316);
        let mut other = pool.buffer(1_316, 1_536).unwrap();
        other.extend_from_slice(&[9; 1_536]);
        assert!(unit.iter().all(|byte| *byte == 7), "who still reads it is not disturbed");
        let from = unit.as_ptr();
        drop(unit);
        let again = pool.buffer(1_316, 1_536).unwrap();
        assert_eq!((again.as_ptr(), again.capacity(), again.len()), (from, 1_536, 0));
        assert_eq!((pool.held, pool.buffer(1_537, 2_047)), (0, None));
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut pool = Pool::default();
        let units: Vec<_> = (0..100)
            .map(|_| {
                let mut buffer = pool.buffer(100_000, usize::MAX).unwrap();
                buffer.resize(100_000, 0);
                lend(&mut pool, buffer, 100_000)
            })
            .collect();
        drop(units);
        (0..100).for_each(|_| pool.take_back(BytesMut::with_capacity(1_024)));
        assert!(pool.held <= MAX_HELD);
        let there: usize = pool.buffers.iter().map(VecDeque::len).sum();
        assert!((2..200).contains(&there), "{there}");
    }
}
