//! Bits, most significant first, and the Exp-Golomb codes of H.264 and H.265 (ITU-T H.264 §9.1).

/// The bytes ended before the value did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the data ends early")]
pub struct Truncated;

pub(crate) struct BitReader<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> BitReader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    pub(crate) fn flag(&mut self) -> Result<bool, Truncated> {
        let byte = *self.bytes.get(self.position / 8).ok_or(Truncated)?;
        let bit = byte >> (7 - self.position % 8) & 1;
        self.position += 1;
        Ok(bit == 1)
    }

    /// At most 32 bits.
    pub(crate) fn bits(&mut self, count: u32) -> Result<u32, Truncated> {
        debug_assert!(count <= 32, "{count} bits do not fit a u32");
        let mut value = 0;
        for _ in 0..count {
            value = value << 1 | u32::from(self.flag()?);
        }
        Ok(value)
    }

    pub(crate) fn skip(&mut self, count: usize) -> Result<(), Truncated> {
        self.position += count;
        if self.position > self.bytes.len() * 8 { Err(Truncated) } else { Ok(()) }
    }

    /// ue(v). Codes longer than 32 bits belong to no field we read and end the data.
    pub(crate) fn unsigned(&mut self) -> Result<u32, Truncated> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros > 31 {
                return Err(Truncated);
            }
        }
        Ok((1 << zeros) - 1 + self.bits(zeros)?)
    }

    /// se(v).
    pub(crate) fn signed(&mut self) -> Result<i32, Truncated> {
        let code = i64::from(self.unsigned()?);
        let magnitude = (code + 1) / 2;
        Ok(i32::try_from(if code % 2 == 1 { magnitude } else { -magnitude }).unwrap_or(i32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_golomb_codes_of_table_9_2() {
        // 1 010 011 00100 00101 0…
        let mut reader = BitReader::new(&[0b1010_0110, 0b0100_0010, 0b1000_0000]);
        assert_eq!([0; 5].map(|_| reader.unsigned().unwrap()), [0, 1, 2, 3, 4]);
        let mut reader = BitReader::new(&[0b1010_0110, 0b0100_0010, 0b1000_0000]);
        assert_eq!([0; 5].map(|_| reader.signed().unwrap()), [0, 1, -1, 2, -2]);
    }

    #[test]
    fn the_end_is_an_error() {
        assert_eq!(BitReader::new(&[0; 8]).unsigned(), Err(Truncated));
        assert_eq!(BitReader::new(&[1]).bits(9), Err(Truncated));
        assert_eq!(BitReader::new(&[1]).skip(9), Err(Truncated));
    }
}
