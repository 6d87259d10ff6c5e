//! Pieces into units.

use std::collections::BTreeMap;

use bondbox_ipc::media::{MAX_UNIT, Piece};
use bondbox_units::TrackId;
use bytes::{Bytes, BytesMut};

use super::counters::Garbage;
use super::media::Unit;
use super::packet::Ended;

/// The units of one connection that are under way.
#[derive(Default)]
pub(super) struct Reassembly {
    under_way: BTreeMap<TrackId, (Piece, BytesMut)>,
}

impl Reassembly {
    /// Takes the next piece; gives its unit when that is whole.
    pub(super) fn push(&mut self, piece: Piece, payload: &[u8]) -> Result<Option<Unit>, Ended> {
        let total = piece.total as usize;
        if piece.total > MAX_UNIT {
            let detail = format!("track {} unit {}: {total} bytes, at most {MAX_UNIT}", piece.track.0, piece.sequence);
            return Err(Ended::Garbage(Garbage::TooLarge, detail));
        }
        let had = self.under_way.get(&piece.track).map_or(0, |(_, data)| data.len());
        if !self.continues(&piece, payload.len()) {
            let detail = format!(
                "track {} unit {}: piece at {} of {} bytes does not continue at {had} of {total}",
                piece.track.0,
                piece.sequence,
                piece.offset,
                payload.len(),
            );
            return Err(Ended::Garbage(Garbage::WrongOrder, detail));
        }
        if payload.len() == total {
            return Ok(Some(Unit { head: piece, data: Bytes::copy_from_slice(payload) }));
        }
        if had == 0 && self.under_way.len() == MAX_TRACKS {
            return Err(Ended::Garbage(Garbage::TooLarge, format!("units of more than {MAX_TRACKS} tracks at a time")));
        }
        let (_, data) = self.under_way.entry(piece.track).or_insert_with(|| {
            // Grown by what comes, not by what is promised.
            (piece, BytesMut::with_capacity(total.min(FIRST_CAPACITY)))
        });
        data.extend_from_slice(payload);
        if data.len() < total {
            return Ok(None);
        }
        let whole = self.under_way.remove(&piece.track);
        Ok(whole.map(|(head, data)| Unit { head, data: data.freeze() }))
    }

    fn continues(&self, piece: &Piece, length: usize) -> bool {
        let end = piece.offset as usize + length;
        let moves = length > 0 || piece.total == 0;
        let fits = end <= piece.total as usize;
        moves
            && fits
            && match self.under_way.get(&piece.track) {
                None => piece.offset == 0,
                Some((first, data)) => Piece { offset: 0, ..*piece } == *first && piece.offset as usize == data.len(),
            }
    }
}

/// More than any capture service has.
const MAX_TRACKS: usize = 16;

/// Holds most units without growing.
const FIRST_CAPACITY: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use super::super::media::tests::unit;
    use super::*;

    fn piece(total: u32, offset: u32) -> Piece {
        Piece { total, offset, ..unit(0, 7, 0, true).head }
    }

    fn garbage(result: Result<Option<Unit>, Ended>) -> Garbage {
        match result {
            Err(Ended::Garbage(garbage, _)) => garbage,
            other => panic!("taken: {other:?}"),
        }
    }

    #[test]
    fn pieces_in_order_make_the_unit() {
        let mut reassembly = Reassembly::default();
        assert!(reassembly.push(piece(5, 0), b"abc").unwrap().is_none());
        let unit = reassembly.push(piece(5, 3), b"de").unwrap().unwrap();
        assert_eq!((unit.head, &unit.data[..]), (piece(5, 0), &b"abcde"[..]));
        assert_eq!(&reassembly.push(piece(1, 0), b"x").unwrap().unwrap().data[..], b"x");
        assert!(reassembly.push(piece(0, 0), b"").unwrap().unwrap().data.is_empty());
    }

    #[test]
    fn tracks_do_not_disturb_each_other() {
        let mut reassembly = Reassembly::default();
        let sound = Piece { track: TrackId(1), ..piece(2, 0) };
        assert!(reassembly.push(piece(4, 0), b"ab").unwrap().is_none());
        assert_eq!(&reassembly.push(sound, b"xy").unwrap().unwrap().data[..], b"xy");
        assert_eq!(&reassembly.push(piece(4, 2), b"cd").unwrap().unwrap().data[..], b"abcd");
    }

    #[test]
    fn what_does_not_continue_is_refused() {
        let wrong = [
            (piece(5, 2), &b"cd"[..]),
            (piece(5, 4), b"e"),
            (piece(5, 3), b"defg"),
            (piece(6, 3), b"def"),
            (Piece { sequence: 8, ..piece(5, 3) }, b"de"),
            (piece(5, 3), b""),
            (piece(5, 0), b"abc"),
        ];
        for (next, payload) in wrong {
            let mut reassembly = Reassembly::default();
            reassembly.push(piece(5, 0), b"abc").unwrap();
            assert_eq!(garbage(reassembly.push(next, payload)), Garbage::WrongOrder, "{next:?}");
        }
        assert_eq!(garbage(Reassembly::default().push(piece(5, 3), b"de")), Garbage::WrongOrder);
    }

    #[test]
    fn promises_beyond_any_unit_are_refused() {
        assert_eq!(garbage(Reassembly::default().push(piece(MAX_UNIT + 1, 0), b"a")), Garbage::TooLarge);
        let mut reassembly = Reassembly::default();
        for track in 0..MAX_TRACKS as u8 {
            reassembly.push(Piece { track: TrackId(track), ..piece(9, 0) }, b"a").unwrap();
        }
        let one_more = Piece { track: TrackId(200), ..piece(9, 0) };
        assert_eq!(garbage(reassembly.push(one_more, b"a")), Garbage::TooLarge);
    }
}
