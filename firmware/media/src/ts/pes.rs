//! The header of a PES packet (§2.4.3.6).

use alloc::vec::Vec;

use super::clock::Ticks;
use crate::Codec;

/// What the header says, as far as we care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PesHeader {
    pub(super) stream_id: u8,
    /// 33 bits.
    pub(super) pts: Option<u64>,
    /// 33 bits; never without `pts`.
    pub(super) dts: Option<u64>,
    /// Bytes before the payload.
    pub(super) len: usize,
}

impl PesHeader {
    /// `None` when this is no header, or one that ends early.
    pub(super) fn parse(pes: &[u8]) -> Option<Self> {
        let &[0, 0, 1, stream_id, _, _, marker, flags, optional, ref rest @ ..] = pes else { return None };
        let optional = usize::from(optional);
        if marker & 0xc0 != 0x80 || rest.len() < optional {
            return None;
        }
        let stamps = &rest[..optional];
        let (pts, dts) = match flags >> 6 {
            0 => (None, None),
            2 => (Some(stamp(stamps)?), None),
            3 => (Some(stamp(stamps)?), Some(stamp(stamps.get(STAMP_LEN..)?)?)),
            _ => return None,
        };
        Some(Self { stream_id, pts, dts, len: FIXED_LEN + optional })
    }
}

/// Whether a stream id (table 2-22) goes with a codec. Sound may be in a private stream, both may be in an extended one.
pub(super) const fn may_carry(stream_id: u8, codec: Codec) -> bool {
    match stream_id {
        0xe0..=0xef => codec.is_video(),
        0xbd | 0xc0..=0xdf => !codec.is_video(),
        0xfa..=0xfd => true,
        _ => false,
    }
}

/// The length of a whole PES packet by its first bytes: `Some(None)` when it ends where the next begins, `None` while
/// too few bytes are there.
pub(super) fn total_len(pes: &[u8]) -> Option<Option<usize>> {
    let head = pes.first_chunk::<6>()?;
    let after = usize::from(u16::from_be_bytes([head[4], head[5]]));
    Some((after > 0).then_some(6 + after))
}

/// Appends a header. A `payload_len` too large for 16 bits leaves the length open, which only video may.
pub(super) fn write_header(stream_id: u8, pts: Ticks, dts: Ticks, payload_len: usize, out: &mut Vec<u8>) {
    let both = pts != dts;
    let optional = if both { 2 * STAMP_LEN } else { STAMP_LEN };
    let after = u16::try_from(payload_len + optional + FIXED_LEN - 6).unwrap_or(0);
    out.extend_from_slice(&[0, 0, 1, stream_id]);
    out.extend_from_slice(&after.to_be_bytes());
    // Data alignment: the payload begins with an access unit.
    out.extend_from_slice(&[0x84, if both { 0xc0 } else { 0x80 }, optional as u8]);
    write_stamp(if both { 3 } else { 2 }, pts, out);
    if both {
        write_stamp(1, dts, out);
    }
}

/// Payload of a PES packet with a written header that still fits a 16-bit length.
pub(super) const MAX_BOUNDED: usize = u16::MAX as usize - (FIXED_LEN - 6) - 2 * STAMP_LEN;

fn stamp(bytes: &[u8]) -> Option<u64> {
    let &[a, b, c, d, e] = bytes.first_chunk::<STAMP_LEN>()?;
    if a & c & e & 1 == 0 {
        return None;
    }
    let [a, b, c, d, e] = [a, b, c, d, e].map(u64::from);
    Some((a >> 1 & 7) << 30 | b << 22 | c >> 1 << 15 | d << 7 | e >> 1)
}

fn write_stamp(prefix: u8, at: Ticks, out: &mut Vec<u8>) {
    let at = at.wrapped();
    out.extend_from_slice(&[
        prefix << 4 | (at >> 29) as u8 & 0x0e | 1,
        (at >> 22) as u8,
        (at >> 14) as u8 | 1,
        (at >> 7) as u8,
        (at << 1) as u8 | 1,
    ]);
}

const FIXED_LEN: usize = 9;
const STAMP_LEN: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_read_back_with_one_and_two_stamps() {
        for (pts, dts) in [(0, 0), (1 << 32, 1 << 32), ((1 << 33) - 1, 12_345)] {
            let mut bytes = Vec::new();
            write_header(0xe0, Ticks::new(pts), Ticks::new(dts), 100, &mut bytes);
            let header = PesHeader::parse(&bytes).unwrap();
            let expected_dts = (pts != dts).then_some(dts as u64);
            assert_eq!((header.pts, header.dts, header.len), (Some(pts as u64), expected_dts, bytes.len()));
            assert_eq!(total_len(&bytes), Some(Some(bytes.len() + 100)));
        }
    }

    #[test]
    fn a_long_payload_leaves_the_length_open() {
        let mut bytes = Vec::new();
        write_header(0xe0, Ticks::new(1), Ticks::new(0), MAX_BOUNDED + 1, &mut bytes);
        assert_eq!(total_len(&bytes), Some(None));
        assert_eq!(total_len(&bytes[..5]), None);
    }
}
