//! A sum over what several packets carried, from which a lost one of them can be worked out.

use super::{BodyError, TO_END, kind};
use crate::{Full, Reader, Writer, varint_len};

/// A coded repair symbol.
///
/// ```text
/// id varint · runs u8 · per run: path varint, first packet number varint, packets - 1 varint · bytes
/// ```
///
/// A *source* is a packet, named by its path and number; its symbol is the length of its plaintext as a u16, then the plaintext,
/// padding included, then zeros without end. `bytes` are the sum over all packets of the runs of their symbols, each times
/// [`coefficient`], in GF(256) modulo x⁸ + x⁴ + x³ + x² + 1, cut behind the longest. No packet is named twice.
///
/// So media may be cut over paths in any way, and the window of each symbol is free: a sliding window in the sense of RFC 8681.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repair<'a> {
    /// Tells the coefficients.
    pub id: u32,
    /// The sum.
    pub bytes: &'a [u8],
    runs: &'a [u8],
}

/// Packets of one path with numbers that follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The path.
    pub path: u32,
    /// The first packet's number.
    pub first: u64,
    /// How many they are, at least one.
    pub packets: u16,
}

/// Packets that one symbol may stand for: what a receiver does for it is bounded by this.
pub const MAX_SOURCES: usize = 128;

/// Runs that one symbol may name: links, and holes in their numbers.
pub const MAX_RUNS: usize = 32;

/// By what the symbol of packet `pn` of `path` is multiplied in the repair symbol `id`; never zero.
///
/// `id` and `path` fill the high and low half of a number, `pn` times 0x9e3779b97f4a7c15 is xored to it, and the finaliser of
/// SplitMix64 mixes the bits (Steele, Lea, Flood: *Fast Splittable Pseudorandom Number Generators*, 2014); the coefficient is the
/// remainder by 255 of the highest 32 bits, plus one. All arithmetic is modulo 2⁶⁴.
pub const fn coefficient(id: u32, path: u32, pn: u64) -> u8 {
    let mut mixed = ((id as u64) << 32 | path as u64) ^ pn.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    ((mixed >> 32) % 255) as u8 + 1
}

impl Run {
    fn len(self) -> usize {
        varint_len(self.path.into()) + varint_len(self.first) + varint_len(u64::from(self.packets).saturating_sub(1))
    }

    fn encode(self, out: &mut Writer<'_>) -> Result<(), Full> {
        out.varint(self.path.into())?;
        out.varint(self.first)?;
        out.varint(u64::from(self.packets).saturating_sub(1))
    }

    fn decode(body: &mut Reader<'_>) -> Result<Self, BodyError> {
        let path = u32::try_from(body.varint()?).map_err(|_| BodyError::Value)?;
        let first = body.varint()?;
        let packets = body.varint()?.saturating_add(1);
        let packets = u16::try_from(packets).ok().filter(|packets| usize::from(*packets) <= MAX_SOURCES);
        Ok(Self { path, first, packets: packets.ok_or(BodyError::Value)? })
    }
}

impl<'a> Repair<'a> {
    /// The runs, in the order they came.
    pub fn runs(&self) -> impl Iterator<Item = Run> + use<'a> {
        let mut reader = Reader::new(self.runs);
        core::iter::from_fn(move || if reader.is_empty() { None } else { Run::decode(&mut reader).ok() })
    }

    /// All packets that the symbol stands for, as path and number.
    pub fn sources(&self) -> impl Iterator<Item = (u32, u64)> + use<'a> {
        // Numbers end at 2⁶², so this does not overflow.
        self.runs().flat_map(|run| (0..u64::from(run.packets)).map(move |i| (run.path, run.first + i)))
    }

    /// Bytes of a frame around its symbol, without a length field: the last frame of a packet needs none.
    pub fn overhead(id: u32, runs: &[Run]) -> usize {
        1 + varint_len(id.into()) + 1 + runs.iter().map(|run| run.len()).sum::<usize>()
    }

    /// Writes a frame. One that leaves no room for another is written without a length, and closes the writer.
    ///
    /// # Errors
    /// [`Full`] when it does not fit, or when it names nothing, or more than a frame may; then nothing is written.
    pub fn encode(id: u32, runs: &[Run], bytes: &[u8], out: &mut Writer<'_>) -> Result<(), Full> {
        let named: usize = runs.iter().map(|run| usize::from(run.packets)).sum();
        if runs.len() > MAX_RUNS || named > MAX_SOURCES || runs.iter().any(|run| run.packets == 0) || runs.is_empty() {
            return Err(Full);
        }
        let mut list = [0; MAX_RUNS * MAX_RUN];
        let mut list = Writer::new(&mut list);
        runs.iter().try_for_each(|run| run.encode(&mut list))?;
        Self::write(id, runs.len(), list.written(), bytes, out)
    }

    pub(super) fn encode_again(&self, out: &mut Writer<'_>) -> Result<(), Full> {
        Self::write(self.id, self.runs().count(), self.runs, self.bytes, out)
    }

    fn write(id: u32, count: usize, runs: &[u8], bytes: &[u8], out: &mut Writer<'_>) -> Result<(), Full> {
        let body = varint_len(id.into()) + 1 + runs.len() + bytes.len();
        if 1 + body > out.room() {
            return Err(Full);
        }
        let to_end = 1 + varint_len(body as u64) + body >= out.room();
        out.u8(kind::REPAIR | if to_end { TO_END } else { 0 })?;
        if !to_end {
            out.varint(body as u64)?;
        }
        out.varint(id.into())?;
        out.u8(count as u8)?;
        out.bytes(runs)?;
        out.bytes(bytes)?;
        if to_end {
            out.close();
        }
        Ok(())
    }

    pub(super) fn decode(body: &mut Reader<'a>) -> Result<Self, BodyError> {
        let id = u32::try_from(body.varint()?).map_err(|_| BodyError::Value)?;
        let count = usize::from(body.u8()?);
        if count == 0 || count > MAX_RUNS {
            return Err(BodyError::Value);
        }
        let from = body.rest();
        let mut named = 0;
        for _ in 0..count {
            named += usize::from(Run::decode(body)?.packets);
        }
        let runs = &from[..from.len() - body.rest().len()];
        let bytes = body.rest();
        if named > MAX_SOURCES || bytes.len() <= LENGTH {
            return Err(BodyError::Value);
        }
        Ok(Self { id, bytes, runs })
    }
}

/// In front of the plaintext in a symbol.
const LENGTH: usize = 2;
/// Longest run as written.
const MAX_RUN: usize = 8 + 8 + 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coefficients_are_fixed_for_all_time() {
        let drawn: [u8; 6] = [(0, 0, 0), (0, 0, 1), (1, 0, 0), (0, 1, 0), (7, 3, 1_000), (u32::MAX, u32::MAX, 1 << 61)]
            .map(|(id, path, pn)| coefficient(id, path, pn));
        assert_eq!(drawn, [1, 229, 155, 29, 92, 15]);
    }

    #[test]
    fn coefficients_spread_over_all_values_but_zero() {
        let mut drawn = [0_u32; 256];
        (0..25_500).for_each(|i| drawn[usize::from(coefficient(i / 100, 3, u64::from(i % 100)))] += 1);
        assert_eq!(drawn[0], 0);
        assert!(drawn[1..].iter().all(|count| (50..=160).contains(count)), "{drawn:?}");
    }
}
